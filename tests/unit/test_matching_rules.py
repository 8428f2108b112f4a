"""Hand-worked cases of docs/matching.md."""

from __future__ import annotations

import numpy as np
import pytest

from optionsib._native import _core
from optionsib.book import (
    ASK,
    BID,
    MAX_PRICE,
    REPORT_DTYPE,
    Action,
    MatchingEngine,
    OrderFlag,
    Phase,
    Reason,
    ReportFlag,
    ReportKind,
    SelfMatch,
    make_records,
)


def kinds(engine: MatchingEngine) -> list[ReportKind]:
    return [ReportKind(kind) for kind in engine.reports()["kind"]]


def test_the_layouts_are_one() -> None:
    assert REPORT_DTYPE.itemsize == 64
    assert _core.MATCHING_REPORT == REPORT_DTYPE


def test_stops_are_elected_by_price_and_then_by_time() -> None:
    engine = MatchingEngine()
    for i in range(6):
        engine.submit(10 + i, ASK, 100 + i, 1)
    for order_id, trigger in ((1, 102), (2, 101), (3, 101), (4, 120)):
        engine.submit(order_id, BID, 0, 1, flags=OrderFlag.STOP | OrderFlag.MARKET, stop=trigger)
    engine.submit(20, BID, 101, 2)  # trades at 100 and 101
    reports = engine.reports()
    triggered = reports[reports["kind"] == ReportKind.TRIGGERED]
    assert triggered["order_id"].tolist() == [2, 3, 1]  # 1 by the trade of 2 at 102
    trades = reports[reports["kind"] == ReportKind.TRADED]
    assert trades["price"].tolist() == [100, 101, 102, 103, 104]
    assert engine.is_waiting_stop(4)
    assert engine.cancel(4) is Reason.NONE


def test_an_iceberg_shows_its_next_slice_at_the_back() -> None:
    engine = MatchingEngine()
    engine.submit(1, ASK, 100, 10, flags=OrderFlag.ICEBERG, extra=3)
    engine.submit(2, ASK, 100, 4)
    assert engine.submit(3, BID, 100, 5).trades == [(1, 3, 100, 3), (2, 3, 100, 2)]
    assert [(o.order_id, o.quantity) for o in engine.queue(ASK, 100)] == [(2, 2), (1, 3)]
    assert engine.hidden(1) == 4
    engine.modify(1, 100, 2)
    assert ([(o.order_id, o.quantity) for o in engine.queue(ASK, 100)], engine.hidden(1)) == (
        [(2, 2), (1, 2)],
        0,
    )
    assert engine.submit(4, BID, 100, 5, flags=OrderFlag.FILL_OR_KILL).reason is Reason.FILL_OR_KILL
    assert engine.submit(4, BID, 100, 4, flags=OrderFlag.FILL_OR_KILL).remaining == 0


def test_what_asks_of_the_book_is_rejected_without_a_trace() -> None:
    engine = MatchingEngine()
    engine.submit(1, ASK, 100, 5)
    assert engine.submit(2, BID, 100, 1, flags=OrderFlag.POST_ONLY).reason is Reason.WOULD_TRADE
    assert engine.submit(2, BID, 100, 9, flags=OrderFlag.MINIMUM, extra=6).reason is Reason.MINIMUM
    assert engine.submit(2, BID, 100, 9, flags=OrderFlag.MINIMUM, extra=10).reason is Reason.BAD_EXTRA
    assert engine.submit(2, BID, MAX_PRICE, 9).reason is Reason.BAD_PRICE
    assert (
        engine.submit(2, BID, 100, 9, flags=OrderFlag.MARKET | OrderFlag.POST_ONLY).reason is Reason.BAD_FLAGS
    )
    assert engine.submit(2, BID, 100, 9, flags=1 << 14).reason is Reason.BAD_FLAGS
    assert engine.submit(2, BID, 100, 9, contract=1).reason is Reason.BAD_CONTRACT
    assert engine.submit(2, BID, 100, 9, flags=OrderFlag.AUCTION_ONLY).reason is Reason.WRONG_PHASE
    assert engine.cancel(7) is Reason.UNKNOWN_ORDER
    assert engine.send(Action.REDUCE, 1) == -Reason.BAD_ACTION
    assert [tuple(order) for order in engine.orders(ASK)] == [(1, ASK, 100, 5, 0)]
    result = engine.submit(3, BID, 100, 9, flags=OrderFlag.MINIMUM, extra=5)
    assert (result.trades, result.remaining, result.resting) == ([(1, 3, 100, 5)], 4, True)


def test_an_opening_and_a_closing_auction() -> None:
    engine = MatchingEngine()
    engine.set_phase(Phase.AUCTION, end=1_000)
    engine.submit(1, BID, 105, 10)
    engine.submit(2, BID, 0, 5, flags=OrderFlag.AUCTION_ONLY | OrderFlag.MARKET)
    engine.submit(3, ASK, 103, 8)
    engine.submit(4, ASK, 104, 4)
    assert engine.submit(5, ASK, 100, 5, ioc=True).reason is Reason.WRONG_PHASE
    engine.tell_time(999)
    (row,) = engine.reports()
    assert (row["kind"], row["price"], row["quantity"], row["remaining"]) == (
        ReportKind.INDICATION,
        105,
        12,
        3,
    )
    engine.tell_time(1_000)
    assert engine.phase() is Phase.CONTINUOUS
    trades = engine.reports()[engine.reports()["kind"] == ReportKind.TRADED]
    rows = list(
        zip(*(trades[name].tolist() for name in ("order_id", "other_id", "price", "quantity")), strict=True)
    )
    assert rows == [(2, 3, 105, 5), (1, 3, 105, 3), (1, 4, 105, 4)]
    engine.set_phase(Phase.AUCTION)
    engine.submit(6, ASK, 0, 5, flags=OrderFlag.MARKET)
    engine.set_phase(Phase.CLOSED)
    assert kinds(engine) == [ReportKind.INDICATION, ReportKind.TRADED, ReportKind.CANCELED, ReportKind.PHASE]
    assert engine.submit(7, BID, 1, 1).reason is Reason.WRONG_PHASE


def test_a_trade_beyond_the_collar_opens_an_auction() -> None:
    engine = MatchingEngine()
    engine.set_rules(dynamic_collar=5, interruption_length=100)
    for order_id, price in ((1, 100), (2, 104), (3, 110)):
        engine.submit(order_id, ASK, price, 1)
    result = engine.submit(4, BID, 120, 5, timestamp=50)
    assert [trade.price for trade in result.trades] == [100, 104]
    assert (engine.phase(), result.resting) == (Phase.AUCTION, True)
    assert engine.indication() == (120, 1, 2)
    engine.submit(5, ASK, 118, 2, timestamp=149)
    assert engine.phase() is Phase.AUCTION
    engine.submit(6, ASK, 130, 1, timestamp=150)
    assert kinds(engine)[-2:] == [ReportKind.PHASE, ReportKind.ACCEPTED]
    assert engine.phase() is Phase.CONTINUOUS
    assert engine.best_bid is None


def test_a_combination_trades_all_its_legs_or_none() -> None:
    engine = MatchingEngine(books=4)
    engine.define_combination(3, [(0, BID, 2), (1, ASK, 1)])
    engine.submit(1, ASK, 10, 3, contract=0)
    engine.submit(2, ASK, 11, 9, contract=0)
    assert engine.submit(3, BID, 5, 3, contract=3).trades == []
    engine.submit(4, BID, 16, 3, contract=1)  # 2 x 10 - 16 = 4, 10 + 11 - 16 = 5, 2 x 11 - 16 = 6
    reports = engine.reports()
    whole = reports[reports["flags"] == ReportFlag.BY_LEGS]
    assert whole["price"].tolist() == [4, 5]
    assert engine.book(3).best_bid == (5, 1, 1)
    legs = reports[reports["flags"] == ReportFlag.LEG_TRADE]
    assert legs[["contract", "other_id", "price", "quantity"]].tolist() == [
        (0, 1, 10, 2),
        (1, 4, 16, 1),
        (0, 1, 10, 1),
        (0, 2, 11, 1),
        (1, 4, 16, 1),
    ]


def test_combinations_meet_each_other_and_not_their_own_legs() -> None:
    engine = MatchingEngine(books=3)
    engine.define_combination(2, [(0, BID, 1), (1, ASK, 1)])
    engine.set_rules(0, self_match=SelfMatch.CANCEL_NEWEST)
    engine.submit(1, ASK, 10, 5, owner=7, contract=0)
    engine.submit(2, BID, 8, 5, owner=8, contract=1)
    assert engine.submit(3, BID, 2, 4, owner=7, contract=2).resting
    assert engine.submit(4, ASK, 1, 3, owner=9, contract=2).trades == [(3, 4, 2, 3)]
    assert engine.submit(5, BID, 2, 4, owner=9, contract=2).trades == [(0, 5, 2, 4)]
    with pytest.raises(ValueError, match="in use"):
        engine.define_combination(2, [(0, BID, 1), (1, ASK, 1)])


def test_outputs_and_inputs_are_checked() -> None:
    engine = MatchingEngine()
    with pytest.raises(ValueError, match="dtype"):
        engine.apply_batch(np.zeros(3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reports"):
        engine.apply_into(make_records(1), np.zeros(3))  # type: ignore[arg-type]
    fixed = np.zeros(3, REPORT_DTYPE)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        engine.apply_into(make_records(1), fixed)
    with pytest.raises(IndexError):
        engine.set_rules(1)
    with pytest.raises(ValueError, match=">= 0"):
        engine.set_rules(static_collar=-1)
    with pytest.raises(ValueError, match="owner"):
        engine.submit(1, BID, 1, 1, owner=-1)
    with pytest.raises(IndexError):
        engine.book(1)
