"""The matching engine against a plain Python reference: equal reports, byte for byte, over random streams.

And on the way, after every message:

1. a book in continuous trading is not crossed;
2. quantities are conserved;
3. nobody trades with oneself where the book prevents it;
4. a fill-or-kill order trades whole or not at all;
5. all legs of a combination trade in their ratios;
6. an auction's price has the greatest volume of all prices.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.matching_reference import Message, ReferenceEngine

from optionsib.book import (
    ASK,
    BID,
    MAX_PRICE,
    REPORT_DTYPE,
    Action,
    Allocation,
    MatchingEngine,
    OrderFlag,
    Phase,
    ReportFlag,
    ReportKind,
    SelfMatch,
    make_records,
)

BOOKS = 5  # 0 and 1 plain, 2 with pro-rata, 3 buys 0 and sells 1, 4 buys two of 2 and three of 0
LEGS = {3: [(0, 1, 1), (1, -1, 1)], 4: [(2, 1, 2), (0, 1, 3)]}
FLAGS = [
    *[0] * 12,
    *[OrderFlag.IMMEDIATE_OR_CANCEL] * 3,
    OrderFlag.FILL_OR_KILL,
    OrderFlag.FILL_OR_KILL | OrderFlag.MARKET,
    OrderFlag.MARKET,
    OrderFlag.POST_ONLY,
    OrderFlag.STOP,
    OrderFlag.STOP | OrderFlag.MARKET,
    OrderFlag.STOP | OrderFlag.IMMEDIATE_OR_CANCEL,
    OrderFlag.ICEBERG,
    OrderFlag.ICEBERG | OrderFlag.POST_ONLY,
    OrderFlag.MINIMUM,
    OrderFlag.MINIMUM | OrderFlag.IMMEDIATE_OR_CANCEL,
    OrderFlag.AUCTION_ONLY,
    OrderFlag.AUCTION_ONLY | OrderFlag.MARKET,
]


def random_stream(rng: np.random.Generator, count: int) -> NDArray[np.void]:
    """Mostly sensible messages of every kind, some not."""
    records = make_records(count)
    records["side"] = rng.choice([BID, ASK], count)
    records["price"] = rng.integers(-6, 7, count) - 2 * records["side"].astype(np.int64)
    records["quantity"] = rng.integers(1, 25, count)
    records["owner"] = rng.integers(0, 4, count)
    records["reserved"] = rng.integers(0, 8, count)
    records["new_order_id"] = rng.integers(-9, 10, count)
    records["timestamp"] = np.arange(count) * 10
    records["action"] = rng.choice(
        [Action.ADD, Action.CANCEL, Action.MODIFY, Action.SET_PHASE, Action.TELL_TIME, Action.CLEAR],
        count,
        p=[0.72, 0.08, 0.13, 0.04, 0.026, 0.004],
    )
    adds = records["action"] == Action.ADD
    # New ids rise; what names an order names one of the last, mostly in its own book.
    newest = np.cumsum(adds)
    records["order_id"] = newest - np.where(adds & (rng.random(count) < 0.95), 0, rng.integers(0, 40, count))
    strays = ~np.isin(records["action"], (Action.ADD, Action.CANCEL, Action.MODIFY)) | (
        rng.random(count) < 0.02
    )
    records["contract"] = np.where(strays, rng.integers(0, BOOKS, count), records["order_id"] % BOOKS)
    records["flags"] = np.where(adds, rng.choice(FLAGS, count), 0)
    modifies = records["action"] == Action.MODIFY
    records["flags"] += np.where(modifies & (rng.random(count) < 0.2), OrderFlag.POST_ONLY, 0).astype(
        np.uint16
    )
    phases = records["action"] == Action.SET_PHASE
    told = phases & (rng.random(count) < 0.4)
    records["flags"] = np.where(phases, told, records["flags"])
    records["quantity"] = np.where(
        phases, rng.choice([0, 0, 0, 0, 1, 1, 1, 2, 3, 4, -1], count), records["quantity"]
    )
    ends = np.where(rng.random(count) < 0.5, records["timestamp"] + 150, 0)
    records["new_order_id"] = np.where(phases, ends, records["new_order_id"])
    odd = rng.random(count) < 0.01
    records["flags"] = np.where(odd, rng.integers(0, 2**16, count), records["flags"])
    odd = rng.random(count) < 0.01
    records["price"] = np.where(
        odd, rng.choice([MAX_PRICE, -MAX_PRICE, 2**63 - 1, -(2**63)], count), records["price"]
    )
    odd = rng.random(count) < 0.01
    records["quantity"] = np.where(
        odd, rng.choice([0, -1, 2**53, 2**63 - 1, -(2**63)], count), records["quantity"]
    )
    odd = rng.random(count) < 0.005
    records["side"] = np.where(odd, rng.integers(-128, 128, count), records["side"])
    odd = rng.random(count) < 0.005
    records["contract"] = np.where(odd, rng.choice([BOOKS, 2**32 - 1], count), records["contract"])
    odd = rng.random(count) < 0.005
    records["action"] = np.where(odd, rng.integers(0, 256, count), records["action"])
    return records


def message_of(record: np.void) -> Message:
    names = ("action", "side", "flags", "contract", "order_id", "price", "quantity", "owner", "timestamp")
    message = {name: int(record[name]) for name in names}
    return message | {"stop": int(record["new_order_id"]), "extra": int(record["reserved"])}


def configure(engine: MatchingEngine, reference: ReferenceEngine, rules: dict[int, dict[str, int]]) -> None:
    for contract, rule in rules.items():
        engine.set_rules(contract, **rule)  # type: ignore[arg-type]
        for name, value in rule.items():
            setattr(reference.books[contract], name, value)
    for contract, legs in LEGS.items():
        engine.define_combination(contract, legs)
        reference.books[contract].legs = list(legs)


def assert_same_books(engine: MatchingEngine, reference: ReferenceEngine) -> None:
    for contract in range(BOOKS):
        book = engine.book(contract)
        assert engine.phase(contract) == reference.books[contract].phase
        for side in (BID, ASK):
            expected = [
                (o.order_id, o.side, o.price, o.shown, o.owner) for o in reference.side(contract, side)
            ]
            assert [tuple(order) for order in book.orders(side)] == expected
        if engine.phase(contract) == Phase.CONTINUOUS:
            bid, ask = book.best_bid, book.best_ask
            assert bid is None or ask is None or bid.price < ask.price
    for order in reference.orders:
        assert engine.hidden(order.order_id) == order.open - order.shown
    for order in reference.stops:
        assert engine.is_waiting_stop(order.order_id)


def assert_equal_reports(records: NDArray[np.void], reports: NDArray[np.void], log: list[Any]) -> None:
    got = [tuple(row) for row in reports.tolist()]
    for i, (one, other) in enumerate(zip(got, log, strict=False)):
        assert one == tuple(int(x) for x in other), (i, records[int(one[10]) - 1])
    assert len(got) == len(log)


def assert_invariants(records: NDArray[np.void], reports: NDArray[np.void], rules: dict[int, Any]) -> None:
    opens: Counter[int] = Counter()
    owners: dict[int, int] = {}
    by_legs: dict[tuple[int, int], int] = {}
    leg_trades: defaultdict[tuple[int, int], list[np.void]] = defaultdict(list)
    for row in reports:
        kind, order_id, quantity = int(row["kind"]), int(row["order_id"]), int(row["quantity"])
        record = records[int(row["message"]) - 1]
        match kind:
            case ReportKind.ACCEPTED:
                opens[order_id], owners[order_id] = quantity, int(record["owner"])
                if record["flags"] & OrderFlag.FILL_OR_KILL:
                    mine = reports[(reports["message"] == row["message"]) & (reports["order_id"] == order_id)]
                    assert mine["quantity"][mine["kind"] == ReportKind.TRADED].sum() == quantity
            case ReportKind.REPLACED:
                opens[order_id] = quantity
            case ReportKind.CANCELED:
                opens[order_id] -= quantity
                assert opens[order_id] == row["remaining"]
            case ReportKind.TRADED:
                flags = int(row["flags"])
                if flags & ReportFlag.LEG_TRADE:
                    leg_trades[order_id, int(row["message"])].append(row)
                else:
                    opens[order_id] -= quantity
                    assert opens[order_id] == row["remaining"] >= 0
                if flags & ReportFlag.BY_LEGS:
                    key = (order_id, int(row["message"]))
                    by_legs[key] = by_legs.get(key, 0) + quantity
                else:
                    opens[int(row["other_id"])] -= quantity
                    assert opens[int(row["other_id"])] >= 0
                    if rules.get(int(row["contract"]), {}).get("self_match", 0):
                        pair = owners[order_id], owners[int(row["other_id"])]
                        assert pair[0] != pair[1] or pair[0] == 0
    for key, units in by_legs.items():
        contract = next(
            int(r["contract"])
            for r in reports
            if r["order_id"] == key[0] and r["flags"] == ReportFlag.BY_LEGS and r["message"] == key[1]
        )
        for row, _, ratio in LEGS[contract]:
            assert sum(int(r["quantity"]) for r in leg_trades[key] if r["contract"] == row) == units * ratio
    assert leg_trades.keys() == by_legs.keys()


def rules_of(rng: np.random.Generator) -> dict[int, dict[str, int]]:
    rules: dict[int, dict[str, int]] = {}
    for contract in range(BOOKS):
        rules[contract] = {
            "allocation": int(rng.choice([0, 0, 1, 2])) if contract != 2 else int(rng.choice([1, 2])),
            "self_match": int(rng.choice([0, 0, 1, 2, 3, 4])),
            "static_collar": int(rng.choice([0, 0, 0, 8])),
            "dynamic_collar": int(rng.choice([0, 0, 0, 5])),
            "interruption_length": int(rng.choice([0, 200])),
        }
    return rules


def play(seed: int, count: int, *, check_every: int) -> tuple[NDArray[np.void], NDArray[np.void]]:
    rng = np.random.default_rng(seed)
    rules = rules_of(rng)
    records = random_stream(rng, count)
    engine, reference = MatchingEngine(books=BOOKS), ReferenceEngine(BOOKS)
    configure(engine, reference, rules)
    parts = []
    for i in range(0, count, check_every):
        parts.append(engine.apply_batch(records[i : i + check_every]))
        for record in records[i : i + check_every]:
            reference.apply(message_of(record))
        assert_equal_reports(records, np.concatenate(parts), reference.log)
        assert_same_books(engine, reference)
    reports = np.concatenate(parts)
    assert_invariants(records, reports, rules)
    return records, reports


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_equal_to_the_reference(seed: int) -> None:
    play(seed, 120, check_every=20)


@pytest.mark.parametrize("seed", range(12))
def test_equal_to_the_reference_on_a_long_stream(seed: int) -> None:
    records, reports = play(seed, 3_000, check_every=1_000)
    again = MatchingEngine(books=BOOKS)
    configure(again, ReferenceEngine(BOOKS), rules_of(np.random.default_rng(seed)))
    assert again.apply_batch(records).tobytes() == reports.tobytes()
    assert set(reports["kind"].tolist()) == set(ReportKind)


def test_every_way_in_gives_the_same_reports() -> None:
    """One by one, in a batch, and through an output of two rows."""
    records = random_stream(np.random.default_rng(3), 1_500)
    engines = [MatchingEngine(books=BOOKS) for _ in range(3)]
    for engine in engines:
        configure(engine, ReferenceEngine(BOOKS), rules_of(np.random.default_rng(3)))
    expected = engines[0].apply_batch(records)
    single = []
    for record in records:
        m = message_of(record)
        engines[1].send(m["action"], m["order_id"], m["side"], m["price"], m["quantity"], m["owner"],
                        m["flags"], m["contract"], m["stop"], m["extra"], m["timestamp"])  # fmt: skip
        single.append(engines[1].reports())
    ones = np.concatenate(single)
    known = np.isin(expected["side"], (-1, 0, 1))
    assert ones[known].tobytes() == expected[known].tobytes()
    out, parts, at = np.zeros(2, REPORT_DTYPE), [], 0
    while at < len(records) or engines[2].pending:
        consumed, written = engines[2].apply_into(records[at:], out)
        parts.append(out[:written].copy())
        at += consumed
    assert np.concatenate(parts).tobytes() == expected.tobytes()


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([BID, ASK]), st.integers(-8, 8), st.integers(1, 9), st.booleans()),
        max_size=30,
    ),
    st.none() | st.integers(-10, 10),
)
def test_an_auction_trades_the_greatest_volume(orders: list[Any], reference: int | None) -> None:
    engine = MatchingEngine()
    engine.set_phase(Phase.AUCTION, reference=reference)
    for i, (side, price, quantity, market) in enumerate(orders):
        engine.submit(i, side, price, quantity, flags=OrderFlag.MARKET if market else 0)
    price, volume, surplus = engine.indication()
    bid_at = {p: sum(q for s, at, q, m in orders if s == BID and (m or at >= p)) for p in range(-12, 13)}
    ask_at = {p: sum(q for s, at, q, m in orders if s == ASK and (m or at <= p)) for p in range(-12, 13)}
    most = max(min(bid_at[p], ask_at[p]) for p in bid_at)
    if volume or reference is not None or any(not market for *_, market in orders):
        assert volume == most
    engine.set_phase(Phase.CONTINUOUS)
    reports = engine.reports()
    trades = reports[reports["kind"] == ReportKind.TRADED]
    assert trades["quantity"].sum() == volume
    assert set(trades["price"].tolist()) <= {price}
    if volume:
        assert surplus == bid_at[price] - ask_at[price]
        limits = [p for _, p, _, market in orders if not market] or [price]
        assert abs(surplus) <= min(
            abs(bid_at[p] - ask_at[p]) for p in limits if min(bid_at[p], ask_at[p]) == most
        ) or (price == reference)
    bid, ask = engine.best_bid, engine.best_ask
    assert bid is None or ask is None or bid.price < ask.price


def test_shares_are_as_the_rule_says() -> None:
    for allocation, expected in (
        (Allocation.PRICE_TIME, [50, 20, 0, 0]),
        (Allocation.PRO_RATA, [35, 14, 14, 7]),
        (Allocation.TOP_PRO_RATA, [50, 8, 8, 4]),
    ):
        engine = MatchingEngine()
        engine.set_rules(allocation=allocation)
        for order_id, quantity in enumerate([50, 20, 20, 10], start=1):
            engine.submit(order_id, ASK, 100, quantity)
        trades = engine.submit(9, BID, 100, 70).trades
        shares = Counter({trade.maker_id: trade.quantity for trade in trades})
        assert [shares[i] for i in (1, 2, 3, 4)] == expected


@pytest.mark.parametrize("mode", SelfMatch)
def test_self_match_modes(mode: SelfMatch) -> None:
    engine = MatchingEngine()
    engine.set_rules(self_match=mode)
    engine.submit(1, ASK, 100, 5, owner=7)
    engine.submit(2, ASK, 100, 5, owner=8)
    result = engine.submit(3, BID, 100, 8, owner=7)
    rest = {order.order_id: order.quantity for side in (BID, ASK) for order in engine.orders(side)}
    expected: dict[SelfMatch, tuple[list[tuple[int, int]], dict[int, int]]] = {
        SelfMatch.ALLOW: ([(1, 5), (2, 3)], {2: 2}),
        SelfMatch.CANCEL_NEWEST: ([], {1: 5, 2: 5}),
        SelfMatch.CANCEL_OLDEST: ([(2, 5)], {3: 3}),
        SelfMatch.CANCEL_BOTH: ([], {2: 5}),
        SelfMatch.DECREMENT: ([(2, 3)], {2: 2}),
    }
    assert ([(t.maker_id, t.quantity) for t in result.trades], rest) == expected[mode]
