"""Book messages: a NumPy batch and one call a message, against a plain-Python book (dicts and heaps).

The floor of the batch is one cache miss a message, measured in the same run with 64 of them under way at a
time, as out-of-order execution overlaps those of neighbouring messages. The floor of the single call is a
native call that does next to nothing.
"""

from __future__ import annotations

import heapq
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Row, SelfTimed, compare
from optionsib.book import ASK, BID, Action, OrderBook, make_records

MESSAGES = 200_000
LIVE_ORDERS = (1_000, 10_000)
Best = tuple[int | None, int | None, int]


class PlainBook:
    """The same book as one would write it in Python: level totals in dicts, best prices from lazy heaps."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}
        self.levels: dict[int, dict[int, dict[int, None]]] = {BID: {}, ASK: {}}
        self.heaps: dict[int, list[int]] = {BID: [], ASK: []}

    def add(self, order_id: int, side: int, price: int, quantity: int) -> None:
        """Join the back of a level."""
        self.orders[order_id] = [side, price, quantity]
        level = self.levels[side].get(price)
        if level is None:
            level = self.levels[side][price] = {}
            heapq.heappush(self.heaps[side], -side * price)
        level[order_id] = None

    def take(self, order_id: int, quantity: int) -> None:
        """Reduce an order."""
        order = self.orders[order_id]
        order[2] -= quantity
        if order[2] == 0:
            self.cancel(order_id)

    def cancel(self, order_id: int) -> None:
        """Remove an order."""
        side, price, _ = self.orders.pop(order_id)
        level = self.levels[side][price]
        del level[order_id]
        if not level:
            del self.levels[side][price]

    def best(self, side: int) -> int | None:
        """Return the best price."""
        heap = self.heaps[side]
        while heap and -side * heap[0] not in self.levels[side]:
            heapq.heappop(heap)
        return -side * heap[0] if heap else None


def stream(live: int, seed: int = 1) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Return a warm-up of ``live`` adds and ``MESSAGES`` messages that keep about that many orders.

    45 % add, 42 % cancel, 4 % reduce, 9 % execute; prices within 60 ticks of a slowly moving mid.
    """
    rng = np.random.default_rng(seed)
    total = live + MESSAGES
    records = make_records(total)
    kinds = rng.random(total)
    distances = rng.geometric(0.08, total)
    picks = rng.random(total)
    mid = 10_000 + np.cumsum(rng.random(total) - 0.5).astype(np.int64)
    alive: list[int] = []
    open_quantity: dict[int, int] = {}
    for i in range(total):
        row = records[i]
        if i < live or len(alive) < live * 0.9 or (kinds[i] < 0.45 and len(alive) < live * 1.1):
            side = BID if i % 2 else ASK
            quantity = int(1 + picks[i] * 100)
            row["action"], row["side"], row["order_id"] = Action.ADD, side, i
            row["price"] = mid[i] - side * min(int(distances[i]), 60)
            row["quantity"] = quantity
            alive.append(i)
            open_quantity[i] = quantity
            continue
        at = int(picks[i] * len(alive))
        order_id = alive[at]
        row["order_id"] = order_id
        if kinds[i] < 0.87:
            row["action"] = Action.CANCEL
            left = 0
        else:
            row["action"] = Action.REDUCE if kinds[i] < 0.91 else Action.EXECUTE
            row["quantity"] = (open_quantity[order_id] + 1) // 2
            left = open_quantity[order_id] - int(row["quantity"])
        open_quantity[order_id] = left
        if left == 0:
            alive[at] = alive[-1]
            alive.pop()
            del open_quantity[order_id]
    return records[:live], records[live:]


def timed(prepare: Any, work: Any, result: Any) -> SelfTimed:
    """Time ``work(prepare())`` alone and answer ``result`` of what was prepared."""

    def call() -> tuple[Any, float]:
        prepared = prepare()
        start = time.perf_counter()
        work(prepared)
        seconds = time.perf_counter() - start
        return result(prepared), seconds

    return SelfTimed(call)


def native_state(book: OrderBook) -> Best:
    """Return best bid, best ask and number of orders."""
    bid, ask = book.best_bid, book.best_ask
    return (bid.price if bid else None, ask.price if ask else None, len(book))


def plain_state(book: PlainBook) -> Best:
    """Return best bid, best ask and number of orders."""
    return (book.best(BID), book.best(ASK), len(book.orders))


def warm_native(warm_up: NDArray[np.void], live: int) -> OrderBook:
    """Return a book after the warm-up."""
    book = OrderBook(2 * live)
    if book.apply_batch(warm_up).any():
        raise AssertionError("the warm-up was refused")
    return book


def play_plain(book: PlainBook, messages: list[tuple[int, ...]]) -> PlainBook:
    """Send the messages one by one."""
    for action, side, order_id, price, quantity in messages:
        if action == 1:
            book.add(order_id, side, price, quantity)
        elif action == 3:
            book.cancel(order_id)
        else:
            book.take(order_id, quantity)
    return book


def play_native(book: OrderBook, messages: list[tuple[int, ...]]) -> None:
    """Send the messages one by one."""
    for action, side, order_id, price, quantity in messages:
        if action == 1:
            book.add(order_id, side, price, quantity)
        elif action == 3:
            book.cancel(order_id)
        else:
            book.execute(order_id, quantity)


def plain_rows(records: NDArray[np.void]) -> list[tuple[int, ...]]:
    """Return the records as tuples of int."""
    return [
        (int(r["action"]), int(r["side"]), int(r["order_id"]), int(r["price"]), int(r["quantity"]))
        for r in records
    ]


def cache_miss_floor(steps: int) -> SelfTimed:
    """Follow 64 random walks through 32 MiB, one load a message; each load depends on the one before."""
    rng = np.random.default_rng(2)
    cycle = rng.permutation(1 << 22).astype(np.int64)
    lanes = 64

    def call() -> tuple[Any, float]:
        at = np.arange(lanes, dtype=np.int64)
        start = time.perf_counter()
        for _ in range(steps // lanes):
            at = cycle[at]
        return None, time.perf_counter() - start

    return SelfTimed(call)


def null_calls(count: int) -> SelfTimed:
    """As many native calls that do next to nothing: the length of an empty book."""
    empty = OrderBook().__len__

    def call() -> tuple[Any, float]:
        start = time.perf_counter()
        for _ in range(count):
            empty()
        return None, time.perf_counter() - start

    return SelfTimed(call)


def rows() -> list[Row]:
    """Measure all jobs."""
    found = []
    for live in LIVE_ORDERS:
        warm_up, records = stream(live)
        plain_warm_up, messages = plain_rows(warm_up), plain_rows(records)

        def prepare(warm_up: NDArray[np.void] = warm_up, live: int = live) -> OrderBook:
            return warm_native(warm_up, live)

        def prepare_plain(plain_warm_up: list[tuple[int, ...]] = plain_warm_up) -> PlainBook:
            return play_plain(PlainBook(), plain_warm_up)

        def check(answers: dict[str, Any]) -> None:
            states = {who: state for who, state in answers.items() if not who.startswith("floor")}
            assert len(set(states.values())) == 1, f"books differ: {states}"

        def in_batch(book: OrderBook, records: NDArray[np.void] = records) -> None:
            book.apply_batch(records)

        def by_call(book: OrderBook, messages: list[tuple[int, ...]] = messages) -> None:
            play_native(book, messages)

        def by_python(book: PlainBook, messages: list[tuple[int, ...]] = messages) -> None:
            play_plain(book, messages)

        plain = timed(prepare_plain, by_python, plain_state)
        found.append(
            compare(
                f"book batch, {live} live orders",
                timed(prepare, in_batch, native_state),
                {"plain Python": plain, "floor: cache miss": cache_miss_floor(MESSAGES)},
                check,
                items=MESSAGES,
            )
        )
        found.append(
            compare(
                f"book one call a message, {live} live",
                timed(prepare, by_call, native_state),
                {"plain Python": plain, "floor: null call": null_calls(MESSAGES)},
                check,
                items=MESSAGES,
            )
        )
    return found
