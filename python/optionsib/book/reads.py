"""What a book can be asked; shared by ``OrderBook``, the books of a ``ChainBook`` and ``MatchingEngine``."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optionsib.book.types import ASK, BID, Depth, Level, RestingOrder

Integers = NDArray[np.int64]


class NativeReads(Protocol):
    """The native methods below the readable ones."""

    def _best(self, side: int) -> tuple[int, int, int] | None: ...
    def _top(self) -> tuple[int, int, int, int]: ...
    def _find(self, order_id: int) -> tuple[int, int, int, int, int] | None: ...
    def _queue(self, side: int, price: int) -> list[tuple[int, int, int, int, int]]: ...
    def _orders(self, side: int) -> list[tuple[int, int, int, int, int]]: ...
    def _depth(self, side: int, levels: int) -> tuple[Integers, Integers, Integers]: ...
    def _depth_quantity(self, side: int, levels: int) -> int: ...
    def _level_count(self, side: int) -> int: ...


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

    @property
    def spread(self: NativeReads) -> int | None:
        """Best ask minus best bid in ticks (negative while crossed), None where a side is empty."""
        bid, ask, bid_quantity, ask_quantity = self._top()
        return ask - bid if bid_quantity and ask_quantity else None

    @property
    def mid(self: NativeReads) -> float | None:
        """Halfway between best bid and best ask in ticks, None where a side is empty."""
        bid, ask, bid_quantity, ask_quantity = self._top()
        return (bid + ask) / 2 if bid_quantity and ask_quantity else None

    @property
    def microprice(self: NativeReads) -> float | None:
        """Mid weighted by the opposite quantities, in ticks, None where a side is empty.

        ``(bid * ask_quantity + ask * bid_quantity) / (bid_quantity + ask_quantity)``: near the side that
        has less, the one likely to go first.
        """
        bid, ask, bid_quantity, ask_quantity = self._top()
        if not (bid_quantity and ask_quantity):
            return None
        return (bid * ask_quantity + ask * bid_quantity) / (bid_quantity + ask_quantity)

    def imbalance(self: NativeReads, levels: int = 1) -> float | None:
        """Return (bid - ask) / (bid + ask) of the quantities of the best ``levels`` levels, -1 to 1.

        None where both sides are empty.

        Raises
        ------
        ValueError
            If ``levels`` is below 1.
        """
        if levels < 1:
            raise ValueError(f"levels must be >= 1, got {levels}")
        bid, ask = self._depth_quantity(BID, levels), self._depth_quantity(ASK, levels)
        return (bid - ask) / (bid + ask) if bid + ask else None

    def find(self: NativeReads, order_id: int) -> RestingOrder | None:
        """Return the order as it rests now, None if it is not in the book."""
        order = self._find(order_id)
        return None if order is None else RestingOrder._make(order)

    def queue(self: NativeReads, side: int, price: int) -> list[RestingOrder]:
        """Return the orders of one level, the first to be filled first.

        Raises
        ------
        ValueError
            If ``side`` is neither +1 nor -1.
        """
        return [RestingOrder._make(order) for order in self._queue(side, price)]

    def orders(self: NativeReads, side: int) -> list[RestingOrder]:
        """Return all orders of one side: best price first, at one price the first in its queue first.

        Raises
        ------
        ValueError
            If ``side`` is neither +1 nor -1.
        """
        return [RestingOrder._make(order) for order in self._orders(side)]

    def level_count(self: NativeReads, side: int) -> int:
        """Return the number of price levels of ``side`` (+1 bid, -1 ask)."""
        return self._level_count(side)

    def depth(self: NativeReads, side: int, levels: int = 10) -> Depth:
        """Return up to ``levels`` levels of ``side`` (+1 bid, -1 ask), best first, as new arrays.

        ``order_count`` is 0 at a level whose feed tells totals without it.

        Raises
        ------
        ValueError
            If ``side`` is neither +1 nor -1, or ``levels`` is negative.
        """
        if levels < 0:
            raise ValueError(f"levels must be >= 0, got {levels}")
        return Depth(*self._depth(side, levels))
