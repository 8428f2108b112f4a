"""Binance's depth stream (level 2) as records of the book.

One JSON object a line, bare or after a local time in ns: ``depthUpdate`` events (bare, or inside
``{"stream", "data"}``) and snapshots (``lastUpdateId``). Other events, such as trades and best quotes, give
no record. Source of the order of updates: Binance API documentation, "How to manage a local order book
correctly", spot and futures.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.book.feeds.records import DamagedMessageError, FeedStatistics, Lines, RecordWriter, scaled
from optionsib.book.types import ASK, BID, Action

_NS_PER_MS = 1_000_000
_MOST_WAITING = 100_000  # updates kept for a snapshot

_Levels = list[tuple[int, int, int]]  # side, price, quantity


class BinanceFeed:
    """Decode a depth stream of one symbol, spot or futures.

    The book begins with a snapshot; updates before it wait and are then applied from the one that contains
    or follows it. Where an update does not follow the one before, messages are missing: the feed counts a
    gap, empties the book by a ``clear`` record, and waits for the next snapshot (`synchronised` is False
    meanwhile), since a book with a hole would look like any other.

    Parameters
    ----------
    price_decimals
        A tick is ``10**-price_decimals`` of the quote currency.
    quantity_decimals
        A unit of quantity is ``10**-quantity_decimals`` of the asset (of a contract).
    contract
        Row of the book that the records name.
    """

    def __init__(self, *, price_decimals: int, quantity_decimals: int, contract: int = 0) -> None:
        self._price_decimals = price_decimals
        self._quantity_decimals = quantity_decimals
        self._writer = RecordWriter(contract)
        self._lines = Lines()
        self._waiting: list[tuple[dict[str, Any], _Levels, int]] = []
        self._snapshot_id = 0
        self._is_first = False  # the next update is the first after a snapshot
        self.synchronised = False
        """Whether the book is whole."""
        self.last_update = 0
        """Exchange's number of the last update applied."""
        self.statistics = FeedStatistics()

    def decode(self, data: bytes | bytearray | memoryview) -> NDArray[np.void]:
        """Return the records of the lines that `data` completes; the rest of a line is kept."""
        for line in self._lines.split(data):
            self._read(line)
        return self._taken()

    def finish(self) -> NDArray[np.void]:
        """Return the records of a last line without line end."""
        for line in self._lines.rest():
            self._read(line)
        return self._taken()

    def _taken(self) -> NDArray[np.void]:
        records = self._writer.take()
        self.statistics.records += len(records)
        return records

    def _read(self, line: str) -> None:
        if not line:
            return
        self.statistics.messages += 1
        try:
            stamp, _, text = line.partition(" ") if line[0] != "{" else ("", "", line)
            event = json.loads(text)
            event = event.get("data", event)
            if "lastUpdateId" in event:
                self._snapshot(event, self._timestamp(stamp, event))
            elif event.get("e") == "depthUpdate":
                levels = self._levels(event, "b", "a")
                for number in ("U", "u"):
                    _whole(event[number])
                self._update(event, levels, self._timestamp(stamp, event))
        except (DamagedMessageError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            self.statistics.damaged += 1

    @staticmethod
    def _timestamp(stamp: str, event: dict[str, Any]) -> int:
        timestamp = int(stamp) if stamp else _whole(event.get("E", 0)) * _NS_PER_MS
        if not 0 <= timestamp < 2**63:
            raise DamagedMessageError(f"time {timestamp}, expected ns since the epoch")
        return timestamp

    def _levels(self, event: dict[str, Any], bids: str, asks: str) -> _Levels:
        levels = []
        for side, name in ((BID, bids), (ASK, asks)):
            for price_text, quantity_text in event[name]:
                price = scaled(price_text, self._price_decimals)
                quantity = scaled(quantity_text, self._quantity_decimals)
                if not 0 <= quantity < 2**53:
                    raise DamagedMessageError(f"quantity {quantity_text!r:.40} is out of range")
                levels.append((side, price, quantity))
        return levels

    def _snapshot(self, event: dict[str, Any], timestamp: int) -> None:
        levels = self._levels(event, "bids", "asks")
        self._snapshot_id = self.last_update = _whole(event["lastUpdateId"])
        self._writer.write(Action.CLEAR, timestamp=timestamp)
        self._write(levels, timestamp)
        self.synchronised = self._is_first = True
        waiting, self._waiting = self._waiting, []
        for update, update_levels, update_time in waiting:
            self._update(update, update_levels, max(update_time, timestamp))

    def _update(self, event: dict[str, Any], levels: _Levels, timestamp: int) -> None:
        if not self.synchronised:
            self._waiting.append((event, levels, timestamp))
            del self._waiting[:-_MOST_WAITING]
            return
        first, last = event["U"], event["u"]
        if self._is_first:
            # Spot drops what ends at or before the snapshot, futures what ends before it.
            if last < self._snapshot_id or ("pu" not in event and last == self._snapshot_id):
                return
            follows = first <= self._snapshot_id + 1
        elif "pu" in event:
            follows = event["pu"] == self.last_update
        else:
            follows = first == self.last_update + 1
        if not follows:
            self._lose(event, levels, timestamp)
            return
        self._is_first = False
        self.last_update = last
        self._write(levels, timestamp)

    def _lose(self, event: dict[str, Any], levels: _Levels, timestamp: int) -> None:
        self.statistics.gaps += 1
        self.synchronised = False
        self._writer.write(Action.CLEAR, timestamp=timestamp)
        self._waiting = [(event, levels, timestamp)]

    def _write(self, levels: _Levels, timestamp: int) -> None:
        for side, price, quantity in levels:
            self._writer.write(
                Action.SET_LEVEL, timestamp=timestamp, side=side, price=price, quantity=quantity
            )


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise DamagedMessageError(f"got {value!r:.40}, expected a whole number")
    return value
