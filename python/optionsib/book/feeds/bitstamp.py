"""Bitstamp's live orders (level 3) as records of the book, from a log of its events.

One event a line: local time in ms, name, JSON. ``order_created``, ``order_changed``, ``order_deleted``
carry ``id``, ``price``, ``amount`` (what is left), ``order_type`` (0 bid, 1 ask); ``trade`` carries
``price`` and ``amount``; ``order_book`` is a snapshot of the best levels of both sides, from a channel of
its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.book.feeds.records import DamagedMessageError, FeedStatistics, Lines, RecordWriter, scaled
from optionsib.book.feeds.resting import RestingOrders
from optionsib.book.types import ASK, BID, Action

_NS_PER_MS = 1_000_000
_MOST_DELETED = 1024  # deletions remembered, for a creation that comes after its deletion


@dataclass(frozen=True, slots=True)
class BookSnapshot:
    """The best levels of both sides as the exchange showed them.

    It comes by another channel than the orders, so it may be some milliseconds before or after its place
    among them.
    """

    position: int
    """Number of records that the feed gave before it."""
    timestamp: int
    """Local time, ns since the epoch."""
    bids: list[tuple[int, int]]
    """Price in ticks and quantity, best first."""
    asks: list[tuple[int, int]]


class BitstampFeed:
    """Decode a log of Bitstamp's live orders.

    The log starts without the orders that rest already. A snapshot shows what rested at levels not seen
    before; the part of it that no known order explains stands as one placeholder order with a negative id.
    What becomes of such orders later takes from the placeholder: a cancellation by its amount, an execution
    by the trade that follows it. Levels deeper than any snapshot has shown hold only the orders created
    since. A second deletion of an order, and a creation that comes after its deletion, are passed over and
    counted as `unknown_orders`.

    Parameters
    ----------
    price_decimals
        A tick is ``10**-price_decimals`` of the currency.
    quantity_decimals
        A unit of quantity is ``10**-quantity_decimals`` of the asset.
    contract
        Row of the book that the records name.
    """

    def __init__(self, *, price_decimals: int = 2, quantity_decimals: int = 8, contract: int = 0) -> None:
        self._price_decimals = price_decimals
        self._quantity_decimals = quantity_decimals
        self._writer = RecordWriter(contract)
        self._orders = RestingOrders(self._writer)
        self._lines = Lines()
        self._snapshots: list[BookSnapshot] = []
        self._first_created: int | None = None
        self._reach: dict[int, int] = {}  # by side: the deepest price any snapshot has shown
        self._deleted: dict[int, None] = {}  # ids unknown when they were deleted, the oldest first
        self._traded_earlier: dict[int, int] = {}  # by price: the side of an earlier order that was executed
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

    def take_snapshots(self) -> list[BookSnapshot]:
        """Return the snapshots since the last call."""
        snapshots, self._snapshots = self._snapshots, []
        return snapshots

    def _taken(self) -> NDArray[np.void]:
        records = self._writer.take()
        self.statistics.records += len(records)
        return records

    def _read(self, line: str) -> None:
        if not line:
            return
        self.statistics.messages += 1
        try:
            stamp, name, text = line.split(" ", 2)
            timestamp = int(stamp) * _NS_PER_MS
            event = json.loads(text)
            if name == "order_book":
                self._snapshot(event, timestamp)
            elif name == "trade":
                self._trade(event, timestamp)
            elif name in ("order_created", "order_changed", "order_deleted"):
                self._order(name, event, timestamp)
        except (DamagedMessageError, ValueError, KeyError, TypeError, RecursionError):
            self.statistics.damaged += 1

    def _order(self, name: str, event: dict[str, Any], timestamp: int) -> None:
        order_id, price, left = int(event["id"]), self._price(event["price"]), self._quantity(event["amount"])
        side = (BID, ASK)[_one_of(event["order_type"], (0, 1))]
        if order_id <= 0:
            raise DamagedMessageError(f"order id {order_id}, expected a positive number")
        if name == "order_created":
            if order_id in self._orders or order_id in self._deleted:
                self.statistics.unknown_orders += 1
            elif left > 0:
                if self._first_created is None:
                    self._first_created = order_id
                self._orders.add(order_id, side, price, left, timestamp)
        elif order_id in self._orders:
            if name == "order_changed":
                self._orders.change(order_id, price, left, timestamp)
            else:
                self._orders.cancel(order_id, timestamp)
        elif self._first_created is not None and order_id >= self._first_created:
            self.statistics.unknown_orders += 1
            if name == "order_deleted":
                self._deleted[order_id] = None
                if len(self._deleted) > _MOST_DELETED:
                    del self._deleted[next(iter(self._deleted))]
        else:
            self._earlier_order(name, order_id, side, price, left, timestamp)

    def _earlier_order(
        self, name: str, order_id: int, side: int, price: int, left: int, timestamp: int
    ) -> None:
        self._orders.take_earlier(side, price, left, timestamp)
        if name == "order_changed":
            if left > 0:
                self._orders.add(order_id, side, price, left, timestamp)
            self._traded_earlier[price] = side
        elif left == 0:
            self._traded_earlier[price] = side

    def _trade(self, event: dict[str, Any], timestamp: int) -> None:
        # Numbers, not text, in this event: repr gives back the digits that were sent.
        price, quantity = self._price(repr(event["price"])), self._quantity(f"{event['amount']:.8f}")
        side = self._traded_earlier.pop(price, None)
        if side is not None:
            self._orders.take_earlier(side, price, quantity, timestamp, Action.EXECUTE)

    def _snapshot(self, event: dict[str, Any], timestamp: int) -> None:
        sides = {
            BID: [(self._price(price), self._quantity(amount)) for price, amount in event["bids"]],
            ASK: [(self._price(price), self._quantity(amount)) for price, amount in event["asks"]],
        }
        for side, levels in sides.items():
            for price, quantity in levels:
                if side in self._reach and side * price >= side * self._reach[side]:
                    continue
                missing = quantity - self._orders.total(side, price)
                if missing > 0:
                    self._orders.reveal(side, price, missing, timestamp)
            if levels:
                deepest = min(side * price for price, _ in levels) * side
                self._reach[side] = side * min(side * deepest, side * self._reach.get(side, deepest))
        position = self.statistics.records + len(self._writer)
        self._snapshots.append(BookSnapshot(position, timestamp, sides[BID], sides[ASK]))

    def _price(self, text: Any) -> int:
        return scaled(text, self._price_decimals)

    def _quantity(self, text: Any) -> int:
        quantity = scaled(text, self._quantity_decimals)
        if quantity < 0:
            raise DamagedMessageError(f"quantity {text!r:.40}, expected one not below 0")
        return quantity


def _one_of(value: Any, choices: tuple[int, ...]) -> int:
    if isinstance(value, bool) or value not in choices:
        raise DamagedMessageError(f"got {value!r:.40}, expected one of {choices}")
    return int(value)
