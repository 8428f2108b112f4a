"""``OrderBook``: the L3 book, every order in its queue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.book.reads import BookReads
from optionsib.book.types import checked_records


class OrderBook(BookReads, _core.OrderBook):
    """Every order of one instrument by price and time, as a feed reports it; nothing is matched.

    ``expected_orders`` sizes the pools: up to that many live orders no message allocates.

    The messages are native, take positional arguments and answer a ``BookStatus``; on anything but
    ``OK`` the book is unchanged:

    - ``add(order_id, side, price, quantity, owner=0)``: ``side`` +1 bid, -1 ask; joins the back;
    - ``reduce(order_id, quantity)``: takes ``quantity`` off, keeps the place;
    - ``cancel(order_id)``;
    - ``replace(order_id, new_order_id, price, quantity)``: same side and owner, joins the back;
    - ``execute(order_id, quantity)``: ``quantity`` was traded.

    ``quantity_ahead(order_id)`` is the queue position (None if unknown), ``len(book)`` the number of
    orders.

    Examples
    --------
    >>> from optionsib.book import BID, OrderBook
    >>> book = OrderBook()
    >>> book.add(1, BID, 100, 5)
    <BookStatus.OK: 0>
    >>> book.best_bid
    Level(price=100, quantity=5, order_count=1)
    """

    def apply_batch(self, records: NDArray[np.void]) -> NDArray[np.uint8]:
        """Apply messages in order; return the status of each.

        Parameters
        ----------
        records
            One-dimensional array of ``RECORD_DTYPE``. The GIL is released meanwhile.

        Raises
        ------
        ValueError
            If shape or dtype differ; the book is unchanged.
        """
        return self._apply_batch(checked_records(records))
