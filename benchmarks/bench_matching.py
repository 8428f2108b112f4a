"""The matching engine: C++ on five shapes of a stream beside the machine's floors, and from Python.

The streams come from ``cpp/matching_stream.hpp`` (their mix stands there). Quantities are balanced and trades
compared before anything is timed. All times are CPU times.
"""

from __future__ import annotations

import heapq
import json
import statistics
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import native
from benchmarks.harness import Ratio, Row, SelfTimed, compare
from optionsib.book import ASK, BID, RECORD_DTYPE, REPORT_DTYPE, MatchingEngine, OrderBook, ReportKind

SHAPES = ("normal", "static", "swing-25", "swing-40", "flash-crash")
CPP_MESSAGES = 2_000_000
MESSAGES = 100_000
BLOCK = 1_024
ROUNDS = 5
Traded = tuple[int, int]


class PlainEngine:
    """Price-time matching as one would write it in Python: queues in dicts, best prices from lazy heaps."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}  # id: side, price, open
        self.queues: dict[int, dict[int, deque[int]]] = {BID: {}, ASK: {}}
        self.heaps: dict[int, list[int]] = {BID: [], ASK: []}
        self.trades = self.traded = 0

    def send(
        self, action: int, order_id: int, side: int, price: int, quantity: int, _: int, flags: int
    ) -> None:
        """Apply one message."""
        if action == 1:
            self.add(order_id, side, price, quantity, flags & 1)
        elif order_id not in self.orders:
            return
        elif action == 3:
            del self.orders[order_id]
        else:
            side, old_price, old_quantity = self.orders[order_id]
            if price == old_price and quantity <= old_quantity:
                self.orders[order_id][2] = quantity
                return
            del self.orders[order_id]
            self.queues[side][old_price].remove(order_id)
            self.add(order_id, side, price, quantity, 0)

    def add(self, order_id: int, side: int, price: int, quantity: int, ioc: int) -> None:
        """Match, and rest what is left."""
        heap, queues = self.heaps[-side], self.queues[-side]
        while quantity and heap:
            best = side * heap[0]
            if side * (price - best) < 0:
                break
            queue = queues[best]
            while quantity and queue:
                maker = self.orders.get(queue[0])
                if maker is None:  # canceled
                    queue.popleft()
                    continue
                traded = min(quantity, maker[2])
                self.trades += 1
                self.traded += traded
                quantity -= traded
                maker[2] -= traded
                if maker[2] == 0:
                    del self.orders[queue.popleft()]
            if not queue:
                heapq.heappop(heap)
                del queues[best]
        if quantity and not ioc:
            own = self.queues[side]
            if price not in own:
                own[price] = deque()
                heapq.heappush(self.heaps[side], -side * price)
            own[price].append(order_id)
            self.orders[order_id] = [side, price, quantity]

    def result(self) -> Traded:
        """Return number and quantity of the trades."""
        return self.trades, self.traded


def stream(programs: Path, shape: str) -> NDArray[np.void]:
    """Return the messages of one shape."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stream"
        subprocess.run(
            [programs / "matching_benchmark", "stream", file, shape, str(MESSAGES), "7"], check=True
        )
        return np.fromfile(file, dtype=RECORD_DTYPE)


def timed(prepare: Callable[[], Any], work: Callable[[Any], None], result: Callable[[Any], Any]) -> SelfTimed:
    """Time ``work(prepare())`` alone and answer ``result`` of what was prepared."""

    def call() -> tuple[Any, float]:
        prepared = prepare()
        start = time.process_time()
        work(prepared)
        seconds = time.process_time() - start
        return result(prepared), seconds

    return SelfTimed(call)


def trades_of(reports: NDArray[np.void]) -> Traded:
    """Return number and quantity of the trades."""
    trades = reports["quantity"][reports["kind"] == ReportKind.TRADED]
    return len(trades), int(trades.sum())


def same(answers: dict[str, Any]) -> None:
    """Raise `AssertionError` unless all traded the same."""
    found = {who: answer for who, answer in answers.items() if answer is not None}
    assert len(set(found.values())) == 1, f"trades differ: {found}"


def python_rows(programs: Path, shape: str) -> list[Row]:
    """Measure batch and single calls on one shape."""
    records = stream(programs, shape)
    names = ("action", "order_id", "side", "price", "quantity", "owner", "flags")
    rows = list(zip(*(records[name].tolist() for name in names), strict=True))
    expected = trades_of(MatchingEngine().apply_batch(records))
    out = np.zeros(4 * BLOCK, REPORT_DTYPE)

    def batch(engine: MatchingEngine) -> None:
        at = 0
        while at < MESSAGES or engine.pending:
            at += engine.apply_into(records[at : at + BLOCK], out)[0]

    def calls(engine: MatchingEngine | PlainEngine) -> None:
        send: Callable[..., Any] = engine.send
        for row in rows:
            send(*row)

    def null(book: OrderBook) -> None:
        empty = book.clear
        for _ in rows:
            empty()

    peers = {"plain Python": timed(PlainEngine, calls, PlainEngine.result)}
    return [
        compare(
            f"matching batch, {shape}",
            timed(lambda: MatchingEngine(MESSAGES), batch, lambda _: expected),
            peers,
            same,
            rounds=ROUNDS,
            items=MESSAGES,
        ),
        compare(
            f"matching send() a message, {shape}",
            timed(lambda: MatchingEngine(MESSAGES), calls, lambda _: expected),
            {**peers, "floor: null call": timed(OrderBook, null, lambda _: None)},
            same,
            rounds=ROUNDS,
            items=MESSAGES,
        ),
    ]


def cpp_rows(programs: Path) -> list[Row]:
    """Measure the C++ engine beside the floors of the machine."""
    done = subprocess.run(
        [programs / "matching_benchmark", "time", str(CPP_MESSAGES), str(ROUNDS)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    rows = []
    for shape in SHAPES:
        one = found[shape]
        ours = one["message"]
        ratios = {}
        for floor in ("branch miss", "dependent load, 1 MiB"):
            paired = [other / own for other, own in zip(one[floor], ours, strict=True)]
            seconds = statistics.median(one[floor]) * 1e-9
            ratios[f"floor: {floor}"] = Ratio(statistics.median(paired), min(paired), max(paired), seconds)
        note = f"best of {ROUNDS}: {min(ours):.1f} ns; {one['trades']} trades, {one['live']} live at the end"
        rows.append(
            Row(f"matching C++ batch, {shape}", 1, statistics.median(ours) * 1e-9, ratios, {}, [note])
        )
    return rows


def rows() -> list[Row]:
    """Measure all jobs."""
    programs = native.build()
    return [*python_rows(programs, "normal"), *python_rows(programs, "static"), *cpp_rows(programs)]
