"""LOBSTER message files (level 3) as records of the book, with their order book files as the truth.

Message line: seconds since midnight, type (1 new order, 2 partial cancellation, 3 deletion, 4 execution, 5
execution of a hidden order, 6 cross trade, 7 trading halt), order id, size, price in 1/10000 dollar,
direction (1 bid, -1 ask). Order book line: ask price, ask size, bid price, bid size, level by level, as it
stands after the message of that line. Source: LOBSTER, "Output structure", lobsterdata.com.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from optionsib.book.feeds.records import DamagedMessageError, FeedStatistics, RecordWriter, scaled
from optionsib.book.feeds.resting import RestingOrders
from optionsib.book.types import ASK, BID, Action

_NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
_NO_LEVEL = 9_999_999_999  # with a minus sign on the bid side: fewer levels than columns


class LobsterFeed:
    """Decode LOBSTER files line by line.

    The files tell only what happens within the best N levels, and nothing of what rested before the first
    message. With the order book file at hand both are made good: a level that comes into sight with another
    quantity than is known becomes one placeholder order with a negative id (counted in `corrected_levels`);
    a level that stays in sight is never touched. Without it, messages about orders never added give no
    record and are counted as `unknown_orders`.

    Parameters
    ----------
    date
        Trading day in New York: the files count seconds from its midnight.
    contract
        Row of the book that the records name.
    """

    def __init__(self, date: datetime.date, *, contract: int = 0) -> None:
        midnight = datetime.datetime.combine(date, datetime.time(), _NEW_YORK)
        self._midnight = int(midnight.timestamp()) * 1_000_000_000
        self._writer = RecordWriter(contract)
        self._orders = RestingOrders(self._writer)
        self._in_sight: dict[int, int] = {}  # by side: the deepest price of the last book line
        self.corrected_levels = 0
        """Levels whose quantity came from the order book file."""
        self.statistics = FeedStatistics()

    def decode(self, messages: Iterable[str], books: Iterable[str] | None = None) -> NDArray[np.void]:
        """Return the records of message lines, with the order book lines that belong to them.

        Raises
        ------
        ValueError
            If there are not as many order book lines as message lines.
        """
        if books is None:
            for line in messages:
                self._read(line, None)
        else:
            for line, book in zip(messages, books, strict=True):
                self._read(line, book)
        records = self._writer.take()
        self.statistics.records += len(records)
        return records

    def _read(self, line: str, book: str | None) -> None:
        self.statistics.messages += 1
        timestamp = self._midnight
        try:
            timestamp = self._message(line)
        except (DamagedMessageError, ValueError):
            self.statistics.damaged += 1
        if book is not None:
            try:
                levels = _book_levels(book)
            except (DamagedMessageError, ValueError):
                self.statistics.damaged += 1
                return
            for side in (BID, ASK):
                self._look(side, levels[side], timestamp)

    def _message(self, line: str) -> int:
        time, kind, order_text, size_text, price_text, direction = line.strip().split(",")
        timestamp = self._midnight + scaled(time, 9)
        order_id, size, price = int(order_text), int(size_text), int(price_text)
        if direction not in ("1", "-1"):
            raise DamagedMessageError(f"direction {direction!r:.20}, expected 1 or -1")
        side = BID if direction == "1" else ASK
        if kind in ("5", "6", "7"):
            return timestamp
        if kind not in ("1", "2", "3", "4") or order_id <= 0 or not 0 < size < 2**53:
            raise DamagedMessageError(f"not a message: {line!r:.80}")
        if kind == "1":
            if order_id in self._orders:
                self.statistics.unknown_orders += 1
            else:
                self._orders.add(order_id, side, price, size, timestamp)
        else:
            action = Action.EXECUTE if kind == "4" else Action.REDUCE
            if order_id not in self._orders:
                self.statistics.unknown_orders += 1
                self._orders.take_earlier(side, price, size, timestamp, action)
            elif kind == "3":
                self._orders.cancel(order_id, timestamp)
            else:
                self._orders.reduce(order_id, size, timestamp, action)
        return timestamp

    def _look(self, side: int, levels: list[tuple[int, int]], timestamp: int) -> None:
        """Correct what came into sight, and what stands where the file shows nothing."""
        shown = dict(levels)
        before = self._in_sight.get(side)
        deepest = min((side * price for price in shown), default=None)
        for price in set(shown) | set(self._orders.prices(side)):
            if before is not None and side * price >= before:
                continue  # it was in sight: the messages tell it
            if deepest is None or side * price < deepest:
                continue  # still out of sight
            if self._orders.total(side, price) != shown.get(price, 0):
                self._orders.replace_level(side, price, shown.get(price, 0), timestamp)
                self.corrected_levels += 1
        if deepest is not None:
            self._in_sight[side] = deepest


def _book_levels(line: str) -> dict[int, list[tuple[int, int]]]:
    numbers = [int(field) for field in line.strip().split(",")]
    if not numbers or len(numbers) % 4:
        raise DamagedMessageError(f"expected four columns a level, got {len(numbers)}")
    levels: dict[int, list[tuple[int, int]]] = {BID: [], ASK: []}
    for ask_price, ask_size, bid_price, bid_size in zip(*[iter(numbers)] * 4, strict=True):
        if abs(ask_price) != _NO_LEVEL:
            levels[ASK].append((ask_price, ask_size))
        if abs(bid_price) != _NO_LEVEL:
            levels[BID].append((bid_price, bid_size))
    return levels
