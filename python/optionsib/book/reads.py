"""What a book can be asked; shared by ``OrderBook`` and ``MatchingEngine``."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optionsib.book.types import ASK, BID, Depth, Level, RestingOrder

Integers = NDArray[np.int64]


class NativeReads(Protocol):
    """The native methods below the readable ones."""

    def _best(self, side: int) -> tuple[int, int, int] | None: ...
    def _find(self, order_id: int) -> tuple[int, int, int, int, int] | None: ...
    def _queue(self, side: int, price: int) -> list[tuple[int, int, int, int, int]]: ...
    def _depth(self, side: int, levels: int) -> tuple[Integers, Integers, Integers]: ...


class BookReads:
    """Readable views of a native book; nothing here changes it."""

    @property
    def best_bid(self: NativeReads) -> Level | None:
        """The highest bid level, None where there is no bid."""
        level = self._best(BID)
        return None if level is None else Level._make(level)

    @property
    def best_ask(self: NativeReads) -> Level | None:
        """The lowest ask level, None where there is no ask."""
        level = self._best(ASK)
        return None if level is None else Level._make(level)

    def find(self: NativeReads, order_id: int) -> RestingOrder | None:
        """Return the order as it rests now, None if it is not in the book."""
        order = self._find(order_id)
        return None if order is None else RestingOrder._make(order)

    def queue(self: NativeReads, side: int, price: int) -> list[RestingOrder]:
        """Return the orders of one level, the first to be filled first."""
        return [RestingOrder._make(order) for order in self._queue(side, price)]

    def depth(self: NativeReads, side: int, levels: int = 10) -> Depth:
        """Return up to ``levels`` levels of ``side`` (+1 bid, -1 ask), best first, as new arrays.

        Raises
        ------
        ValueError
            If ``side`` is neither +1 nor -1, or ``levels`` is negative.
        """
        if levels < 0:
            raise ValueError(f"levels must be >= 0, got {levels}")
        return Depth(*self._depth(side, levels))
