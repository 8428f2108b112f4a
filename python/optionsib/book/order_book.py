"""``OrderBook``: one L3 book, every order in its queue, or level totals where the feed tells no orders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.book.reads import BookReads
from optionsib.book.types import TOP_DTYPE, BatchCounts, check_output, checked_records

STATUS_DTYPE = np.dtype(np.int8)


class OrderBook(BookReads, _core.OrderBook):
    """The book of one instrument by price and time, as a feed reports it; nothing is matched.

    Memory grows with what the book holds; ``expected_orders`` takes it at once for that many live orders.
    After warm-up no message allocates. ``memory`` tells the bytes held.

    The messages are native, take positional ints and answer a ``BookStatus``: below zero the message is
    refused and nothing has changed, above zero it is applied and the book stands crossed or locked.

    - ``add(order_id, side, price, quantity, owner=0)``: ``side`` +1 bid, -1 ask; joins the back;
    - ``reduce(order_id, quantity)``: takes ``quantity`` off, keeps the place;
    - ``cancel(order_id)``;
    - ``replace(order_id, new_order_id, price, quantity)``: same side and owner, joins the back;
    - ``execute(order_id, quantity)``: ``quantity`` was traded;
    - ``set_level(side, price, quantity, order_count=0)``: the total of a level, 0 takes it away;
    - ``clear(sequence=0)``: empties the book;
    - ``apply(action, order_id, side=0, price=0, quantity=0, new_order_id=0, owner=0, sequence=0)``: any of
      these as a record would say it.

    Numbered messages must come in steps of one: a later one is refused as ``GAP`` until the missing ones
    came, a numbered clear came, or ``resume(sequence)`` said what is expected next (``next_sequence``).

    ``quantity_ahead(order_id)`` and ``orders_ahead(order_id)`` are the queue position (None if unknown; they
    walk the queue), ``len(book)`` the number of orders.

    Examples
    --------
    >>> from optionsib.book import BID, OrderBook
    >>> book = OrderBook()
    >>> book.add(1, BID, 100, 5)
    <BookStatus.OK: 0>
    >>> book.best_bid
    Level(price=100, quantity=5, order_count=1)
    """

    def apply_batch(
        self,
        records: NDArray[np.void],
        *,
        status: NDArray[np.int8] | None = None,
        top: NDArray[np.void] | None = None,
    ) -> BatchCounts:
        """Apply messages in order.

        Parameters
        ----------
        records
            One-dimensional array of ``RECORD_DTYPE``, read in place; ``contract`` is not read. Without the
            GIL: it must not be changed meanwhile.
        status
            int8 array of the same length; gets the ``BookStatus`` of each message.
        top
            Array of ``TOP_DTYPE`` of the same length; gets the best prices and quantities after each message.

        Returns
        -------
        BatchCounts
            How many were applied, refused, and left the book crossed or locked.

        Raises
        ------
        ValueError
            If a shape or dtype differs, or an output cannot be written; the book is unchanged.
        RuntimeError
            If another thread's batch is at work on this book.
        """
        check_output("status", status, STATUS_DTYPE, len(records))
        check_output("top", top, TOP_DTYPE, len(records))
        return BatchCounts(*self._apply_batch(checked_records(records), status, top))
