"""``MatchingEngine``: price-time matching of limit orders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.book.reads import BookReads
from optionsib.book.types import MatchResult, Trade, checked_records


class MatchingEngine(BookReads, _core.MatchingEngine):
    """Match limit orders of one instrument: best price first, at one price first come first served.

    The book is never crossed after a message, trades happen at the maker's price, and quantities are
    conserved. ``cancel(order_id)`` answers a ``BookStatus``; ``quantity_ahead(order_id)`` is the queue
    position (None if unknown), ``len(engine)`` the number of resting orders.

    Examples
    --------
    >>> from optionsib.book import ASK, BID, MatchingEngine
    >>> engine = MatchingEngine()
    >>> engine.submit(1, ASK, 100, 5).resting
    True
    >>> engine.submit(2, BID, 101, 7).trades
    [Trade(maker_id=1, taker_id=2, price=100, quantity=5)]
    >>> engine.best_bid
    Level(price=101, quantity=2, order_count=1)
    """

    def submit(
        self, order_id: int, side: int, price: int, quantity: int, owner: int = 0, ioc: bool = False
    ) -> MatchResult:
        """Match a limit order; what remains rests, or is given back where ``ioc``.

        Parameters
        ----------
        order_id
            Any int64 that is not resting now.
        side
            +1 buys, -1 sells.
        price
            Limit in ticks, may be negative.
        quantity
            1 to ``MAX_QUANTITY``.
        owner
            Whose order it is (0 to 2**32 - 1); carried along, not matched on.
        ioc
            Immediate-or-cancel.
        """
        status, trades, remaining, resting = self._submit(order_id, side, price, quantity, owner, ioc)
        return MatchResult(status, [Trade._make(trade) for trade in trades], remaining, resting)

    def modify(self, order_id: int, price: int, quantity: int) -> MatchResult:
        """Give a resting order a new price and a new open ``quantity``.

        Less quantity at the same price keeps the place; more quantity or another price loses it, and
        the order may then trade at once, as a taker under its old id.
        """
        status, trades, remaining, resting = self._modify(order_id, price, quantity)
        return MatchResult(status, [Trade._make(trade) for trade in trades], remaining, resting)

    def apply_batch(self, records: NDArray[np.void]) -> tuple[NDArray[np.uint8], NDArray[np.void]]:
        """Apply messages in order; return the status of each and all trades (``TRADE_DTYPE``).

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
