"""A small market in plain Python, and what four feeds would send about it: the tests' own encoders.

Every encoder gives bytes and, message by message, the market as it stood after it.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

Levels = tuple[list[tuple[int, int]], list[tuple[int, int]]]  # bids, asks; best first


@dataclass
class Order:
    side: int
    price: int
    quantity: int


@dataclass(frozen=True)
class Event:
    kind: str  # add, reduce, cancel, replace, execute
    order_id: int
    order: Order  # as it was before (add: as it is)
    quantity: int = 0
    new_id: int = 0
    price: int = 0


@dataclass
class Market:
    """Random orders around a price that never cross."""

    seed: int
    orders: dict[int, Order] = field(default_factory=dict)
    next_id: int = 1000

    def levels(self) -> Levels:
        totals: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for order in self.orders.values():
            side = totals[0 if order.side == 1 else 1]
            side[order.price] = side.get(order.price, 0) + order.quantity
        return sorted(totals[0].items(), reverse=True), sorted(totals[1].items())

    def events(self, count: int) -> Iterator[Event]:
        """Yield random events; the market has applied each when it comes."""
        random_numbers = random.Random(self.seed)
        for _ in range(count):
            if len(self.orders) < 20 or random_numbers.random() < 0.5:
                side = random_numbers.choice((1, -1))
                order = Order(
                    side, 10_000 - side * random_numbers.randint(1, 40), random_numbers.randint(1, 500)
                )
                self.next_id += random_numbers.randint(1, 3)
                self.orders[self.next_id] = order
                yield Event("add", self.next_id, order)
                continue
            order_id = random_numbers.choice(list(self.orders))
            order = self.orders[order_id]
            before = Order(order.side, order.price, order.quantity)
            kind = random_numbers.choice(("reduce", "cancel", "replace", "execute"))
            quantity = random_numbers.randint(1, order.quantity)
            if kind == "cancel" or (kind == "reduce" and quantity == order.quantity):
                del self.orders[order_id]
                yield Event("cancel", order_id, before, order.quantity)
            elif kind == "replace":
                del self.orders[order_id]
                self.next_id += 1
                price = 10_000 - order.side * random_numbers.randint(1, 40)
                self.orders[self.next_id] = Order(order.side, price, quantity)
                yield Event("replace", order_id, before, quantity, self.next_id, price)
            else:
                order.quantity -= quantity
                if order.quantity == 0:
                    del self.orders[order_id]
                yield Event(kind, order_id, before, quantity)


# --- NASDAQ ITCH 5.0 --------------------------------------------------------------------------------------


def framed(message: bytes, *, told: bool = True) -> bytes:
    return struct.pack(">H", len(message) if told else 0) + message


def itch_header(kind: str, locate: int, time: int) -> bytes:
    return struct.pack(">cHH", kind.encode(), locate, 0) + time.to_bytes(6, "big")


def itch_directory(locate: int, symbol: str) -> bytes:
    return itch_header("R", locate, 1) + symbol.ljust(8).encode() + bytes(20)


def itch_message(event: Event, locate: int, time: int, symbol: str = "AAPL") -> bytes:
    order, kind = event.order, event.kind
    if kind == "add":
        letter = "A" if event.order_id % 3 else "F"
        body = struct.pack(
            ">QcI8sI",
            event.order_id,
            b"B" if order.side == 1 else b"S",
            order.quantity,
            symbol.ljust(8).encode(),
            order.price,
        )
        return itch_header(letter, locate, time) + body + (b"NSDQ" if letter == "F" else b"")
    if kind == "execute":
        letter = "E" if event.order_id % 2 else "C"
        body = struct.pack(">QIQ", event.order_id, event.quantity, 77)
        return itch_header(letter, locate, time) + body + (b"Y\0\0\x27\x10" if letter == "C" else b"")
    if kind == "reduce":
        return itch_header("X", locate, time) + struct.pack(">QI", event.order_id, event.quantity)
    if kind == "cancel":
        return itch_header("D", locate, time) + struct.pack(">Q", event.order_id)
    body = struct.pack(">QQII", event.order_id, event.new_id, event.quantity, event.price)
    return itch_header("U", locate, time) + body


# --- LOBSTER ----------------------------------------------------------------------------------------------


def lobster_message(event: Event, time: int) -> list[str]:
    """Return one line, or two where LOBSTER has no message for it."""
    order = event.order
    stamp = f"{34_200 + time // 10**9}.{time % 10**9:09d}"

    def line(kind: int, order_id: int, size: int, price: int) -> str:
        return f"{stamp},{kind},{order_id},{size},{price},{order.side}"

    if event.kind == "replace":
        return [
            line(3, event.order_id, order.quantity, order.price),
            line(1, event.new_id, event.quantity, event.price),
        ]
    kind = {"add": 1, "reduce": 2, "cancel": 3, "execute": 4}[event.kind]
    size = order.quantity if event.kind in ("add", "cancel") else event.quantity
    return [line(kind, event.order_id, size, order.price)]


def lobster_book(levels: Levels, count: int) -> str:
    bids, asks = levels
    fields = []
    for i in range(count):
        ask = asks[i] if i < len(asks) else (9_999_999_999, 0)
        bid = bids[i] if i < len(bids) else (-9_999_999_999, 0)
        fields += [*ask, *bid]
    return ",".join(map(str, fields))


# --- Bitstamp ---------------------------------------------------------------------------------------------


def _amount(quantity: int) -> str:
    return f"{quantity // 10**8}.{quantity % 10**8:08d}"


def bitstamp_lines(event: Event, ms: int) -> list[str]:
    order = event.order

    def line(name: str, order_id: int, price: int, left: int) -> str:
        body = {
            "price": f"{price // 100}.{price % 100:02d}",
            "amount": _amount(left),
            "id": order_id,
            "order_type": 0 if order.side == 1 else 1,
        }
        return f"{ms} {name} {json.dumps(body)}"

    left = order.quantity - event.quantity
    if event.kind == "add":
        return [line("order_created", event.order_id, order.price, order.quantity)]
    if event.kind == "cancel":
        return [line("order_deleted", event.order_id, order.price, order.quantity)]
    if event.kind == "replace":
        return [
            line("order_deleted", event.order_id, order.price, order.quantity),
            line("order_created", event.new_id, event.price, event.quantity),
        ]
    name = "order_changed" if left else "order_deleted"
    lines = [line(name, event.order_id, order.price, left)]
    if event.kind in ("execute", "reduce"):  # Bitstamp has no amendments: an order shrinks by trading
        trade = {"price": order.price / 100, "amount": event.quantity / 10**8, "id": 1}
        lines.append(f"{ms} trade {json.dumps(trade)}")
    return lines


def bitstamp_snapshot(levels: Levels, ms: int, count: int) -> str:
    sides = [
        [[f"{price // 100}.{price % 100:02d}", _amount(quantity)] for price, quantity in side[:count]]
        for side in levels
    ]
    return f"{ms} order_book {json.dumps({'bids': sides[0], 'asks': sides[1]})}"


# --- Binance ----------------------------------------------------------------------------------------------


def binance_levels(levels: list[tuple[int, int]]) -> list[list[str]]:
    return [[f"{price // 10}.{price % 10}", str(quantity)] for price, quantity in levels]


def binance_snapshot(levels: Levels, update: int) -> str:
    body = {"lastUpdateId": update, "bids": binance_levels(levels[0]), "asks": binance_levels(levels[1])}
    return json.dumps(body)


def binance_update(before: Levels, after: Levels, first: int, last: int, previous: int | None) -> str:
    """Return the update that leads from one book to another; `previous` only with futures."""
    sides = []
    for old, new in zip(before, after, strict=True):
        changes = {price: 0 for price, _ in old} | dict(new)
        same = set(old) & set(new)
        sides.append([(p, q) for p, q in sorted(changes.items()) if (p, q) not in same])
    event = {"e": "depthUpdate", "E": 1_700_000_000_000 + last, "U": first, "u": last}
    if previous is not None:
        event["pu"] = previous
    return json.dumps(
        {
            "stream": "s@depth",
            "data": event | {"b": binance_levels(sides[0]), "a": binance_levels(sides[1])},
        }
    )
