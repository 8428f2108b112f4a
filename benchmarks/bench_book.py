"""The order book: batches and single calls from Python against other libraries, and C++ against the machine.

The streams come from ``cpp/book_stream.hpp`` (its mix stands there); best bid and ask after every message are
folded into one number and compared with the stream's before anything is timed. All times are CPU times.
"""

from __future__ import annotations

import dataclasses
import heapq
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import native
from benchmarks.harness import Contender, Ratio, Row, SelfTimed, compare
from benchmarks.peer_process import PeerProcess
from optionsib.book import ASK, BID, RECORD_DTYPE, TOP_DTYPE, Action, ChainBook, OrderBook

MESSAGES = 1_000_000
FAR_MESSAGES = 200_000  # where peers take milliseconds for a hundred
CPP_MESSAGES = 1_000_000
LIVE_ORDERS = (1_000, 10_000, 100_000)
STREAMS = [(live, 1) for live in LIVE_ORDERS] + [(102_400, 512)]
ROUNDS = 5
Records = NDArray[np.void]
Top = tuple[float, float, float, float]


class PlainBook:
    """The same book as one would write it in Python: queues in dicts, best prices from lazy heaps."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}
        self.levels: dict[int, dict[int, dict[int, None]]] = {BID: {}, ASK: {}}
        self.heaps: dict[int, list[int]] = {BID: [], ASK: []}

    def apply(self, action: int, order_id: int, side: int, price: int, quantity: int, new_id: int) -> None:
        """Apply one message."""
        if action == 1:
            self.add(order_id, side, price, quantity)
        elif action == 3:
            self.cancel(order_id)
        elif action == 4:
            side = self.orders[order_id][0]
            self.cancel(order_id)
            self.add(new_id, side, price, quantity)
        else:
            order = self.orders[order_id]
            order[2] -= quantity
            if order[2] == 0:
                self.cancel(order_id)

    def add(self, order_id: int, side: int, price: int, quantity: int) -> None:
        """Join the back of a level."""
        self.orders[order_id] = [side, price, quantity]
        level = self.levels[side].get(price)
        if level is None:
            level = self.levels[side][price] = {}
            heapq.heappush(self.heaps[side], -side * price)
        level[order_id] = None

    def cancel(self, order_id: int) -> None:
        """Remove an order."""
        side, price, _ = self.orders.pop(order_id)
        level = self.levels[side][price]
        del level[order_id]
        if not level:
            del self.levels[side][price]

    def best(self, side: int) -> tuple[int, int]:
        """Return best price and its quantity."""
        heap = self.heaps[side]
        while -side * heap[0] not in self.levels[side]:
            heapq.heappop(heap)
        price = -side * heap[0]
        return price, sum(self.orders[order_id][2] for order_id in self.levels[side][price])

    def top(self) -> Top:
        """Return best prices and quantities."""
        (bid, bid_size), (ask, ask_size) = self.best(BID), self.best(ASK)
        return bid, ask, bid_size, ask_size


class Stream:
    """A stream of messages, its warm-up, and the fold of its tops."""

    def __init__(self, programs: Path, live: int, books: int, count: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "stream"
            done = subprocess.run(
                [programs / "book_benchmark", "stream", file, str(live), str(books), str(count), "1"],
                capture_output=True, text=True, check=True,
            )  # fmt: skip
            records = np.fromfile(file, dtype=RECORD_DTYPE)
        found = json.loads(done.stdout)
        self.warm_up, self.messages = records[: found["warm_up"]], records[found["warm_up"] :]
        self.hash, self.live = int(found["hash"]), int(found["live"])

    def check_tops(self) -> None:
        """Raise `AssertionError` unless best bid and ask after every message are the stream's."""
        books = int(self.messages["contract"].max()) + 1
        chain = ChainBook(books)
        tops = np.zeros(len(self.messages), TOP_DTYPE)
        assert chain.apply_batch(self.warm_up).refused == 0
        assert chain.apply_batch(self.messages, top=tops).refused == 0
        fold, mask = 0, 2**64 - 1
        for bid, ask in zip(tops["bid_price"].tolist(), tops["ask_price"].tolist(), strict=True):
            fold = ((fold ^ (bid & mask)) * 0x9E3779B97F4A7C15) & mask
            fold = ((fold ^ (ask & mask)) * 0xC2B2AE3D27D4EB4F) & mask
        assert fold == self.hash, "best bid and ask differ from the stream's"
        assert chain.order_count == self.live

    def rows(self, records: Records) -> list[tuple[int, ...]]:
        """Return the records as tuples of int: action, order_id, side, price, quantity, new_order_id."""
        names = ("action", "order_id", "side", "price", "quantity", "new_order_id")
        return list(zip(*(records[name].tolist() for name in names), strict=True))

    def steps(self) -> dict[str, NDArray[np.int64]]:
        """Return the plain steps that peers take: 0 add, 1 new size, 2 delete."""
        found: list[tuple[int, int, int, int, int]] = []
        orders: dict[int, tuple[int, int, int]] = {}
        for part in (self.warm_up, self.messages):
            start = len(found)
            for action, order_id, side, price, quantity, new_id in self.rows(part):
                if action == Action.ADD:
                    orders[order_id] = (side, price, quantity)
                    found.append((0, side, price, quantity, order_id))
                    continue
                side, old_price, open_quantity = orders.pop(order_id)
                left = open_quantity - quantity if action in (Action.REDUCE, Action.EXECUTE) else 0
                if left:
                    orders[order_id] = (side, old_price, left)
                    found.append((1, side, old_price, left, order_id))
                    continue
                found.append((2, side, old_price, open_quantity, order_id))
                if action == Action.REPLACE:
                    orders[new_id] = (side, price, quantity)
                    found.append((0, side, price, quantity, new_id))
        columns = np.array(found, dtype=np.int64).T
        names = ("kind", "side", "price", "quantity", "order_id")
        return {**dict(zip(names, columns, strict=True)), "warm_up": np.array([start])}


def timed(prepare: Callable[[], Any], work: Callable[[Any], Any], result: Callable[[Any], Any]) -> SelfTimed:
    """Time ``work(prepare())`` alone and answer ``result`` of what was prepared."""

    def call() -> tuple[Any, float]:
        prepared = prepare()
        start = time.process_time()
        work(prepared)
        seconds = time.process_time() - start
        return result(prepared), seconds

    return SelfTimed(call)


def top_of(book: OrderBook) -> Top:
    """Return best prices and quantities."""
    bid, ask = book.best_bid, book.best_ask
    assert bid is not None
    assert ask is not None
    return bid.price, ask.price, bid.quantity, ask.quantity


def same_top(answers: dict[str, Any]) -> None:
    """Raise `AssertionError` unless all end with the same best prices, and the plain book with our sizes.

    Peers give prices only: nautilus_trader's best size is that of one order, hftbacktest's L3 depth has none.
    """
    prices = {
        who: tuple(float(price) for price in (answer["top"] if isinstance(answer, dict) else answer)[:2])
        for who, answer in answers.items()
        if answer is not None
    }
    assert len(set(prices.values())) == 1, f"best prices differ: {prices}"
    assert answers["ours"] == answers["plain Python"]


def null_calls(count: int) -> SelfTimed:
    """As many native calls that do next to nothing: clear an empty book."""
    empty = OrderBook().clear

    def call() -> tuple[Any, float]:
        start = time.process_time()
        for _ in range(count):
            empty()
        return None, time.process_time() - start

    return SelfTimed(call)


def python_rows(programs: Path, process: PeerProcess, live: int) -> list[Row]:
    """Measure batch and single calls on one stream."""
    messages = MESSAGES if live <= 10_000 else FAR_MESSAGES
    stream = Stream(programs, live, 1, messages)
    stream.check_tops()
    warm_rows, rows = stream.rows(stream.warm_up), stream.rows(stream.messages)
    prefix, steps = f"live{live}", stream.steps()

    def warmed() -> OrderBook:
        book = OrderBook()
        book.apply_batch(stream.warm_up)
        return book

    def warmed_plain() -> PlainBook:
        book = PlainBook()
        play(book, warm_rows)
        return book

    def play(book: OrderBook | PlainBook, messages: list[tuple[int, ...]]) -> None:
        apply: Callable[..., Any] = book.apply
        for message in messages:
            apply(*message)

    skipped = {}

    def peers(**jobs: str) -> dict[str, Contender]:
        if process.missing:
            skipped.update(dict.fromkeys(jobs, process.missing))
            return {}
        names = {name.replace("_", " "): job for name, job in jobs.items()}
        return {name: process.contender(job, prefix, steps) for name, job in names.items()}

    plain = timed(warmed_plain, lambda book: play(book, rows), PlainBook.top)
    hft = "vector" if live <= 10_000 else "map"
    batch = compare(
        f"book batch, {live} live orders",
        timed(warmed, lambda book: book.apply_batch(stream.messages), top_of),
        {"plain Python": plain,
         **peers(nautilus_trader_batch="nautilus batch", hftbacktest_L3=f"hftbacktest {hft}")},
        same_top, rounds=ROUNDS, items=messages, skipped=skipped,
    )  # fmt: skip
    call = compare(
        f"book apply() a message, {live} live",
        timed(warmed, lambda book: play(book, rows), top_of),
        {"plain Python": plain, **peers(nautilus_trader_apply_delta="nautilus call"),
         "floor: null call": null_calls(messages)},
        same_top, rounds=ROUNDS, items=messages, skipped=skipped,
    )  # fmt: skip
    return [batch, call]


def cpp_rows(programs: Path, live: int, books: int) -> list[Row]:
    """Measure the C++ book beside the floors of the machine."""
    done = subprocess.run(
        [programs / "book_benchmark", "time", str(live), str(books), str(CPP_MESSAGES), str(ROUNDS)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, list[float]] = json.loads(done.stdout)
    rows = []
    for way, name in (("batch", "C++ batch"), ("call", "C++ call a message")):
        ratios = {}
        for floor in ("branch miss", "load in 1 MiB", "load in 256 MiB"):
            paired = [other / own for other, own in zip(found[floor], found[way], strict=True)]
            seconds = statistics.median(found[floor]) * 1e-9
            ratios[f"floor: {floor}"] = Ratio(statistics.median(paired), min(paired), max(paired), seconds)
        shape = f"{live} live" if books == 1 else f"{books} books of {live // books}"
        row = Row(f"book {name}, {shape}", 1, statistics.median(found[way]) * 1e-9, ratios)
        rows.append(dataclasses.replace(row, notes=[f"best of {ROUNDS}: {min(found[way]):.1f} ns"]))
    return rows


def rows() -> list[Row]:
    """Measure all jobs."""
    programs = native.build()
    found = []
    with PeerProcess("books") as process:
        for live in LIVE_ORDERS:
            found += python_rows(programs, process, live)
    for live, books in STREAMS:
        found += cpp_rows(programs, live, books)
    return found
