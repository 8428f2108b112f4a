"""Feed matching engines whatever bytes may come, and check what must hold all the same.

    python scripts/fuzz_matching.py [--seed N] [--calls N]

Records with random bits, most of them small enough to meet each other, in books with every rule. Quantities
balance, continuous books are not crossed, and the reports do not depend on how the records are cut into
batches. Most useful on a sanitized build: `make fuzz`.
"""

from __future__ import annotations

import argparse
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from optionsib.book import (
    ASK,
    BID,
    RECORD_DTYPE,
    REPORT_DTYPE,
    Action,
    Allocation,
    MatchingEngine,
    Phase,
    ReportFlag,
    ReportKind,
    SelfMatch,
)

BOOKS, BATCH = 4, 200


def batch(rng: np.random.Generator, start: int) -> NDArray[np.void]:
    """Return records, most of them plausible."""
    records = np.frombuffer(rng.bytes(BATCH * RECORD_DTYPE.itemsize), RECORD_DTYPE).copy()
    wild = rng.random(BATCH) < 0.01

    def tame(name: str, values: NDArray[np.int64], share: float = 1.0) -> None:
        keep = wild | (rng.random(BATCH) >= share)
        records[name] = np.where(keep, records[name], values.astype(RECORD_DTYPE[name]))

    actions = [Action.ADD, Action.CANCEL, Action.MODIFY, Action.CLEAR, Action.SET_PHASE, Action.TELL_TIME]
    tame("action", rng.choice(actions, BATCH, p=[0.75, 0.08, 0.12, 0.005, 0.025, 0.02]))
    tame("side", rng.choice([BID, ASK], BATCH))
    tame("flags", rng.integers(0, 256, BATCH) * (rng.random(BATCH) < 0.4))
    tame("contract", rng.integers(0, BOOKS, BATCH))
    tame("order_id", rng.integers(0, 60, BATCH))
    tame("price", rng.integers(-12, 13, BATCH), 0.98)
    tame("new_order_id", rng.integers(-12, 13, BATCH), 0.98)
    tame("quantity", rng.integers(0, 30, BATCH), 0.98)
    tame("owner", rng.integers(0, 4, BATCH))
    tame("reserved", rng.integers(0, 6, BATCH))
    tame("timestamp", np.arange(start, start + BATCH), 0.98)
    return records


def engine_of(rng: np.random.Generator) -> MatchingEngine:
    """Return an engine of books with random rules, the last one of a combination."""
    engine = MatchingEngine(books=BOOKS)
    for contract in range(BOOKS):
        engine.set_rules(
            contract,
            allocation=Allocation(int(rng.integers(3))),
            self_match=SelfMatch(int(rng.integers(5))),
            static_collar=int(rng.choice([0, 9])),
            dynamic_collar=int(rng.choice([0, 6])),
            interruption_length=int(rng.choice([0, 40])),
        )
    engine.define_combination(BOOKS - 1, [(0, BID, 1), (1, ASK, int(rng.integers(1, 4)))])
    return engine


def check(engine: MatchingEngine, reports: NDArray[np.void], opens: Counter[int]) -> None:
    """Raise `AssertionError` unless quantities balance and nothing is crossed."""
    for row in reports.tolist():
        kind, _, _, flags, _, order_id, other_id, _, quantity, _, _, _ = row
        if kind in (ReportKind.ACCEPTED, ReportKind.REPLACED):
            opens[order_id] = quantity
        elif kind == ReportKind.CANCELED:
            opens[order_id] -= quantity
        elif kind == ReportKind.TRADED:
            opens[order_id] -= 0 if flags & ReportFlag.LEG_TRADE else quantity
            opens[other_id] -= 0 if flags & ReportFlag.BY_LEGS else quantity
    found: Counter[int] = Counter()
    for contract in range(BOOKS):
        book = engine.book(contract)
        for order in [*book.orders(BID), *book.orders(ASK)]:
            found[order.order_id] = order.quantity + engine.hidden(order.order_id)
        bid, ask = book.best_bid, book.best_ask
        if engine.phase(contract) is Phase.CONTINUOUS and bid and ask and bid.price >= ask.price:
            raise AssertionError(f"book {contract} is crossed: {bid} {ask}")
    for order_id, quantity in opens.items():
        if quantity != found[order_id] and not engine.is_waiting_stop(order_id):
            raise AssertionError(f"order {order_id}: {quantity} by its reports, {found[order_id]} rests")


def run(seed: int, calls: int) -> int:
    """Send `calls` batches; return how many reports came."""
    rng = np.random.default_rng(seed)
    count = 0
    for call in range(calls):
        if call % 20 == 0:
            state = rng.bit_generator.state
            whole = engine_of(rng)
            rng.bit_generator.state = state
            pieces, opens = engine_of(rng), Counter[int]()
        records = batch(rng, call % 20 * BATCH)
        reports = whole.apply_batch(records)
        out, parts, at = np.zeros(int(rng.integers(1, 40)), REPORT_DTYPE), [], 0
        while at < BATCH or pieces.pending:
            consumed, written = pieces.apply_into(records[at : at + int(rng.integers(1, 30))], out)
            parts.append(out[:written].copy())
            at += consumed
        if np.concatenate(parts).tobytes() != reports.tobytes():
            raise AssertionError(f"seed {seed}, call {call}: reports of pieces differ from the whole's")
        check(whole, reports, opens)
        count += len(reports)
    return count


def main() -> None:
    """Fuzz, and say how much was done."""
    parser = argparse.ArgumentParser(description="Fuzz the matching engine.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=20_000, help="records, roughly")
    chosen = parser.parse_args()
    count = run(chosen.seed, max(1, chosen.calls // BATCH))
    print(f"{count} reports; quantities balance, and pieces of batches report what batches do")


if __name__ == "__main__":
    main()
