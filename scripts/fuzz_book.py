"""Feed order books whatever bytes may come, and check what must hold all the same.

    python scripts/fuzz_book.py [--seed N] [--calls N]

Batches of plausible records with fields overwritten by extremes or noise, in strange memory, on chains of
books. Every record gets a status; what is refused has changed nothing; single calls, whole batches and
batches in pieces leave the same books; levels are the sums of their queues. Most useful on a sanitized
build: `make fuzz`.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.book import ASK, BID, RECORD_DTYPE, TOP_DTYPE, BookStatus, ChainBook, make_records

CONTRACTS = 3
EXTREMES = [0, 1, -1, 2**31, 2**32 - 1, 2**53, 2**62, 2**62 + 1, 2**63 - 1, -(2**62), -(2**63)]
Records = NDArray[np.void]


def batch(rng: np.random.Generator) -> Records:
    """Return records, most of them plausible."""
    size = int(rng.integers(0, 200))
    records = make_records(size)
    records["action"] = rng.integers(1, 9, size)
    records["side"] = rng.choice([BID, ASK], size)
    records["contract"] = rng.integers(0, CONTRACTS, size)
    for name in ("order_id", "new_order_id"):
        records[name] = rng.integers(0, 40, size) << rng.choice([0, 0, 0, 40], size)
    records["price"] = rng.integers(-100, 100, size) * rng.choice([1, 1, 37, 2**50], size)
    records["quantity"] = rng.integers(1, 10, size)
    records["sequence"] = np.where(rng.random(size) < 0.02, rng.integers(0, 300, size), 0)
    for name in RECORD_DTYPE.names or ():
        odd = np.flatnonzero(rng.random(size) < 0.02)
        extremes = np.array(EXTREMES)[rng.integers(0, len(EXTREMES), len(odd))]
        records[name][odd] = extremes.astype(RECORD_DTYPE[name])
    if size and rng.random() < 0.2:
        noise = records.view(np.uint8).reshape(size, RECORD_DTYPE.itemsize)
        noise[rng.integers(0, size)] = rng.integers(0, 256, RECORD_DTYPE.itemsize)
    if rng.random() < 0.2:
        return np.frombuffer(b"x" + records.tobytes(), np.uint8)[1:].view(RECORD_DTYPE)
    return np.repeat(records, 2)[::2] if rng.random() < 0.2 else records


def state(chain: ChainBook) -> list[Any]:
    """Return everything that can be read, after checking that it agrees with itself."""
    found: list[Any] = [chain.order_count, chain.tops().tolist()]
    for contract in range(CONTRACTS):
        book = chain.book(contract)
        found.append(chain.next_sequence(contract))
        for side in (BID, ASK):
            depth, orders = book.depth(side, 10_000), book.orders(side)
            sums: dict[int, tuple[int, int]] = {}
            for order in orders:
                quantity, count = sums.get(order.price, (0, 0))
                sums[order.price] = (quantity + order.quantity, count + 1)
                if book.find(order.order_id) != order:
                    raise AssertionError(f"{order} is in its queue and not in the index")
            levels = list(
                zip(depth.price.tolist(), depth.quantity.tolist(), depth.order_count.tolist(), strict=True)
            )
            told = {price: (quantity, count) for price, quantity, count in levels}
            if any(told[price] != total for price, total in sums.items()):
                raise AssertionError(f"levels {levels} are not the sums of {orders}")
            if [level[0] for level in levels] != sorted(told, reverse=side == BID):
                raise AssertionError(f"levels {levels} are out of order")
            found += [levels, orders]
    return found


def single(chain: ChainBook, record: Any) -> BookStatus:
    """Send one record by the call."""
    names = (
        "contract",
        "action",
        "order_id",
        "side",
        "price",
        "quantity",
        "new_order_id",
        "owner",
        "sequence",
    )
    return chain.apply(*(int(record[name]) for name in names))


def run(seed: int, calls: int) -> tuple[int, int]:
    """Send `calls` batches; return how many records were applied and refused."""
    rng = np.random.default_rng(seed)
    applied = refused = 0
    for call in range(calls):
        if call % 40 == 0:
            options = {"shared_ids": bool(rng.integers(2)), "shared_sequence": bool(rng.integers(2))}
            whole, pieces, called = (ChainBook(CONTRACTS, **options) for _ in range(3))
        records = batch(rng)
        status = np.full(len(records), 99, np.int8)
        top = np.zeros(len(records), TOP_DTYPE)
        counts = whole.apply_batch(records, status=status, top=top)
        cut = int(rng.integers(0, len(records) + 1))
        for part in (records[:cut], records[cut:]):
            pieces.apply_batch(part)
        numbered = records["sequence"].astype(object) >= 2**63
        before = state(called)
        for record, expected, big in zip(records, status.tolist(), numbered.tolist(), strict=True):
            if big:  # no Python int of a call: as a batch of one
                called.apply_batch(np.array([record], dtype=RECORD_DTYPE))
            elif single(called, record) != expected:
                raise AssertionError(f"seed {seed}, call {call}: {record} is {expected} in a batch")
            if expected < 0 and call % 10 == 0:
                after = state(called)
                counted = [i for i, item in enumerate(after) if not isinstance(item, int)]
                if [after[i] for i in counted] != [before[i] for i in counted]:
                    raise AssertionError(
                        f"seed {seed}, call {call}: {record} was refused and changed the book"
                    )
            if call % 10 == 0:
                before = state(called)
        if (counts.applied, counts.refused) != (int((status >= 0).sum()), int((status < 0).sum())):
            raise AssertionError(f"seed {seed}, call {call}: {counts} are not the counts of {status}")
        if not state(whole) == state(pieces) == state(called):
            raise AssertionError(f"seed {seed}, call {call}: whole, in pieces and called books differ")
        if {BookStatus(value) for value in status.tolist()} - set(BookStatus):
            raise AssertionError(f"seed {seed}, call {call}: a record without a status")
        applied, refused = applied + counts.applied, refused + counts.refused
    return applied, refused


def main() -> None:
    """Fuzz, and say how much was done."""
    parser = argparse.ArgumentParser(description="Fuzz the order book.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=20_000, help="records, roughly")
    chosen = parser.parse_args()
    applied, refused = run(chosen.seed, max(1, chosen.calls // 100))
    print(f"{applied} records applied, {refused} refused; calls, batches and pieces of batches agree")


if __name__ == "__main__":
    main()
