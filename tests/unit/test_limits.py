"""Every check of the limit engine: one order that passes and one that is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from optionsib.common.config import LimitsConfig
from optionsib.common.errors import ExecutionError
from optionsib.common.types import MINUTE_NS, OPTION_GRID, SECOND_NS, Contract, Order, OrderLeg
from optionsib.risk.limits import UNBOUNDED_LOSS, LimitChecker

FEE = 650_000
STOCK = 1
CALL_50, CALL_55, CALL_60, PUT_50, LATE_CALL_50 = 10, 11, 12, 13, 20
EXPIRY = 1_400_000_000 * SECOND_NS


def option(con_id: int, right: str, strike: int, expiry_ns: int = EXPIRY) -> Contract:
    return Contract(
        con_id=con_id,
        symbol="XYZ",
        security_type="OPT",
        multiplier=100,
        right=right,  # type: ignore[arg-type]
        strike=strike * 10_000,
        expiry_ns=expiry_ns,
        tick_grid=OPTION_GRID,
    )


CONTRACTS = (
    Contract(con_id=STOCK, symbol="XYZ", security_type="STK"),
    option(CALL_50, "C", 50),
    option(CALL_55, "C", 55),
    option(CALL_60, "C", 60),
    option(PUT_50, "P", 50),
    option(LATE_CALL_50, "C", 50, EXPIRY + 30 * 1440 * MINUTE_NS),
)
IDS = [c.con_id for c in CONTRACTS]
#                  stock  c50   c55   c60   p50  late
BID = np.array([54.99, 5.50, 2.00, 0.50, 0.40, 6.00])
ASK = np.array([55.01, 5.60, 2.10, 0.55, 0.45, 6.20])
DELTA = np.array([1.0, 0.80, 0.50, 0.20, -0.10, 0.75])
GAMMA = np.array([0.0, 0.03, 0.05, 0.03, 0.02, 0.02])
VEGA = np.array([0.0, 5.0, 8.0, 5.0, 4.0, 9.0])

GENEROUS: dict[str, Any] = {
    "max_order_quantity": 10,
    "max_order_delta": 1_000.0,
    "max_order_gamma": 100.0,
    "max_order_vega": 10_000.0,
    "max_order_notional": Decimal(1_000_000),
    "max_order_loss": Decimal(10_000),
    "max_portfolio_delta": 2_000.0,
    "max_portfolio_gamma": 200.0,
    "max_portfolio_vega": 20_000.0,
    "max_portfolio_notional": Decimal(2_000_000),
    "max_portfolio_loss": Decimal(20_000),
    "price_collar": Decimal("0.10"),
    "max_orders_per_minute": 5,
    "max_feed_age_seconds": 60.0,
    "max_change_age_seconds": 900.0,
    "max_order_price": Decimal(100),
    "max_position": 50,
    "max_open_quantity": 100,
    "max_open_orders": 20,
    "max_credit": Decimal(100_000),
    "max_daily_loss": Decimal(50_000),
    "duplicate_window_seconds": 0.0,
    "max_order_to_trade": 1_000.0,
    "max_repeated_executions": 100,
    "repeated_executions_window_seconds": 60.0,
    "max_protection_quantity": 1_000,
    "protection_window_seconds": 60.0,
    **{
        f"max_{scope}_{what}": value
        for scope in ("strategy", "underlying", "expiry")
        for what, value in (
            ("delta", 2_000.0),
            ("gamma", 200.0),
            ("vega", 20_000.0),
            ("notional", 2_000_000.0),
        )
    },
    "max_scenario_loss": Decimal(20_000),
    "scenario_spot_moves": (-0.1, 0.0, 0.1),
    "scenario_volatility_moves": (-0.2, 0.2),
}


@dataclass
class Desk:
    """A checker whose market can be bent before it is told."""

    limits: dict[str, Any] = field(default_factory=dict)
    market: dict[str, Any] = field(default_factory=dict)

    def checker(self) -> LimitChecker:
        made = LimitChecker(LimitsConfig(**{**GENEROUS, **self.limits}), CONTRACTS, dict.fromkeys(IDS, FEE))
        tell(made, **self.market)
        return made


def tell(checker: LimitChecker, **changes: Any) -> None:
    values: dict[str, Any] = {
        "bid": BID, "ask": ASK, "delta": DELTA, "gamma": GAMMA, "vega": VEGA,
        "feed_age": np.zeros(6), "change_age": np.full(6, 30.0), "spot": 55.0, "underlying_feed_age": 0.0,
    }  # fmt: skip
    checker.update_market(IDS, **{**values, **changes})
    checker.update_scenarios(IDS, np.full(6, 55.0), np.full(6, 0.1), np.full(6, 0.3))


def order(
    *legs: tuple[int, int], limit: int, quantity: int = 1, ref: str = "o-1", purpose: str = "open"
) -> Order:
    return Order(
        order_ref=ref,
        trade_id="t-1",
        legs=tuple(OrderLeg(con_id, ratio) for con_id, ratio in legs),
        quantity=quantity,
        limit_price=limit,
        purpose=purpose,  # type: ignore[arg-type]
        strategy="test",
    )


def vertical(limit: int = 35_000, quantity: int = 1, ref: str = "o-1") -> Order:
    """Buy the 50/55 call vertical (market: 3.40 bid, 3.60 asked)."""
    return order((CALL_50, 1), (CALL_55, -1), limit=limit, quantity=quantity, ref=ref)


def at(index: int, values: Any, value: float) -> Any:
    changed = np.array(values, dtype=np.float64)
    changed[index] = value
    return changed


ZEROS = np.zeros(6)
AGES = np.full(6, 30.0)


def limits(**changes: Any) -> Desk:
    return Desk(limits=changes)


def market(**changes: Any) -> Desk:
    return Desk(market=changes)


NAN = float("nan")
# (check, a desk where two verticals pass, a desk where they are refused)
TABLE = [
    ("order_quantity", limits(max_order_quantity=2), limits(max_order_quantity=1)),
    ("stale_feed", market(feed_age=at(1, ZEROS, 60.0)), market(feed_age=at(1, ZEROS, 60.5))),
    ("stale_feed", market(underlying_feed_age=60.0), market(underlying_feed_age=61.0)),
    ("stale_feed", market(feed_age=at(3, ZEROS, NAN)), market(feed_age=at(2, ZEROS, NAN))),
    ("stale_feed", Desk(), market(underlying_feed_age=NAN)),
    ("stale_change", market(change_age=at(2, AGES, 900)), market(change_age=at(2, AGES, 901))),
    ("stale_change", Desk(), market(change_age=at(1, AGES, NAN))),
    ("price_collar", market(ask=at(1, ASK, 5.40)), market(ask=at(1, ASK, 5.39))),
    ("price_collar", market(ask=at(2, ASK, NAN)), market(ask=at(1, ASK, NAN))),
    ("price_collar", market(bid=at(1, BID, NAN)), market(bid=at(2, BID, NAN))),
    ("order_delta", limits(max_order_delta=61.0), limits(max_order_delta=59.0)),
    ("order_delta", Desk(), market(delta=at(1, DELTA, NAN))),
    ("order_gamma", limits(max_order_gamma=4.1), limits(max_order_gamma=3.9)),
    ("order_vega", limits(max_order_vega=601.0), limits(max_order_vega=599.0)),
    ("order_notional", limits(max_order_notional=22_000), limits(max_order_notional=21_999)),
    ("order_notional", Desk(), market(spot=NAN)),
    ("order_loss", limits(max_order_loss="705.20"), limits(max_order_loss="705.19")),
    ("portfolio_delta", limits(max_portfolio_delta=61.0), limits(max_portfolio_delta=59.0)),
    ("portfolio_gamma", limits(max_portfolio_gamma=4.1), limits(max_portfolio_gamma=3.9)),
    ("portfolio_vega", limits(max_portfolio_vega=601.0), limits(max_portfolio_vega=599.0)),
    ("portfolio_notional", limits(max_portfolio_notional=22_000), limits(max_portfolio_notional=21_999)),
    ("portfolio_loss", limits(max_portfolio_loss="705.20"), limits(max_portfolio_loss="705.19")),
    ("order_rate", limits(max_orders_per_minute=1), limits(max_orders_per_minute=0)),
]


@pytest.mark.parametrize(
    ("check", "passing", "refusing"), TABLE, ids=lambda v: v if isinstance(v, str) else ""
)
def test_each_check_passes_and_refuses(check: str, passing: Desk, refusing: Desk) -> None:
    wanted = vertical(quantity=2)
    accepted = passing.checker().check("c", wanted, 0)
    assert accepted.accepts, accepted.reason
    assert accepted.check == ""
    refused = refusing.checker().check("c", wanted, 0)
    assert not refused.accepts
    assert refused.check == check
    assert refused.reason


def test_a_refusal_names_value_and_limit() -> None:
    refused = Desk({"max_order_delta": 59.0}).checker().check("c-7", vertical(quantity=2), 0)
    assert (refused.candidate_id, refused.value, refused.limit) == ("c-7", pytest.approx(60.0), 59.0)
    assert refused.reason == "order delta 60 is above the limit of 59"


@pytest.mark.parametrize("name", sorted(set(GENEROUS) - {"scenario_spot_moves", "scenario_volatility_moves"}))
def test_a_missing_limit_refuses(name: str) -> None:
    refused = Desk({name: None}).checker().check("c", vertical(), 0)
    assert not refused.accepts
    assert refused.check == f"missing_limit:{name}"
    assert name in refused.reason


@pytest.mark.parametrize(
    ("wanted", "on_grid"),
    [
        (vertical(35_100), True),
        (vertical(35_150), False),
        (order((CALL_55, 1), limit=20_100), True),
        (order((CALL_55, 1), limit=20_150), False),
        (order((CALL_50, 1), limit=55_500), True),
        (order((CALL_50, 1), limit=55_100), False),  # 0.05 from 3.00 on
        (order((CALL_55, 1), (CALL_60, -1), limit=-100), True),
    ],
)
def test_price_grid(wanted: Order, on_grid: bool) -> None:
    verdict = Desk().checker().check("c", wanted, 0)
    assert (verdict.check != "price_grid") is on_grid
    assert verdict.accepts is on_grid


def test_max_loss_counts_debit_and_fees_both_ways() -> None:
    checker = Desk().checker()
    assert checker.check("c", vertical(35_000, 2), 0).max_loss == 2 * (350_000_000 + 4 * FEE)
    credit = order((CALL_50, -1), (CALL_55, 1), limit=-34_000)
    assert checker.check("c", credit, 0).max_loss == 500_000_000 - 340_000_000 + 4 * FEE


def test_an_unbounded_loss_is_refused() -> None:
    refused = Desk().checker().check("c", order((CALL_55, -1), limit=-20_000), 0)
    assert refused.check == "order_loss"
    assert refused.value == float("inf")
    assert refused.max_loss == UNBOUNDED_LOSS


def test_working_orders_count_until_done() -> None:
    checker = Desk({"max_portfolio_delta": 61.0}).checker()
    checker.on_order_working(vertical(ref="a"), 0)
    assert checker.check("c", vertical(ref="b"), 0).accepts  # 30 + 30
    checker.on_order_working(vertical(ref="b"), 0)
    refused = checker.check("c", vertical(ref="c"), 0)
    assert (refused.check, refused.value) == ("portfolio_delta", pytest.approx(90.0))
    opposite = order((CALL_50, -1), (CALL_55, 1), limit=-35_500, ref="d")
    assert checker.check("c", opposite, 0).accepts  # the other direction does not add to the worst one
    checker.on_order_done("b")
    checker.on_order_done("b")
    assert checker.check("c", vertical(ref="c"), 0).accepts


def test_a_reprice_replaces_its_own_working_version() -> None:
    checker = Desk({"max_portfolio_delta": 31.0, "max_orders_per_minute": 1}).checker()
    checker.on_order_working(vertical(34_000), 0)
    repriced = checker.check("c", vertical(35_000), 0)
    assert repriced.accepts, repriced.reason
    checker.on_order_modified("o-1", 1, 35_000)
    assert checker.exposure().worst_loss == 350_000_000 + 4 * FEE
    assert not checker.check("c", vertical(35_000, ref="o-2"), 0).accepts


def test_made_smaller_and_no_dearer_an_order_adds_no_risk() -> None:
    checker = Desk().checker()
    checker.on_order_working(vertical(35_000, quantity=4), 0)
    checker.set_halted(True)
    for limit, quantity, reduces in (
        (35_000, 3, True),
        (34_000, 1, True),
        (35_100, 3, False),  # dearer
        (34_000, 4, False),  # no smaller: a reprice is judged like a new order
        (35_000, 5, False),
    ):
        verdict = checker.check("c", vertical(limit, quantity=quantity), 0)
        assert (verdict.reduces_risk, verdict.accepts) == (reduces, reduces), (limit, quantity)
    other_legs = order((CALL_50, 1), (CALL_60, -1), limit=35_000, quantity=3)
    assert not checker.check("c", other_legs, 0).reduces_risk
    checker.on_order_modified("o-1", 2, 34_000)
    assert checker.exposure().worst_loss == 2 * (340_000_000 + 4 * FEE)
    assert not checker.check("c", vertical(34_000, quantity=3), 0).reduces_risk
    checker.on_fill("o-1", 2)
    assert checker.working_orders == 0
    for units, limit in ((0, 34_000), (2**40, 34_000), (1, 2**40)):
        with pytest.raises(ExecutionError, match="out of range"):
            checker.on_order_modified("o-1", units, limit)


def test_the_rate_counts_what_was_sent_within_a_minute() -> None:
    checker = Desk({"max_orders_per_minute": 2}).checker()
    for n, second in enumerate((0, 30)):
        now = second * SECOND_NS
        for _ in range(5):  # asking alone does not count
            assert checker.check("c", vertical(ref=f"o-{n}"), now).accepts
        checker.on_order_working(vertical(ref=f"o-{n}"), now)
        checker.on_order_working(vertical(ref=f"o-{n}"), now)  # a repeat neither
    assert checker.check("c", vertical(ref="x"), 59 * SECOND_NS).check == "order_rate"
    assert checker.check("c", vertical(ref="x"), 60 * SECOND_NS).accepts


def test_fills_become_positions_and_cash() -> None:
    checker = Desk().checker()
    checker.on_order_working(vertical(35_000, 3), 0)
    checker.on_fill("o-1", 1)
    checker.on_fill("o-1", 1, cash=-345_000_000)
    assert checker.positions == {CALL_50: 2, CALL_55: -2}
    assert checker.cash == -350_000_000 - 345_000_000 - 4 * FEE
    assert checker.working_orders == 1
    seen = checker.exposure()
    assert (seen.delta, seen.worst_delta) == (pytest.approx(60.0), pytest.approx(90.0))
    assert seen.notional == pytest.approx(6 * 100 * 55.0)
    # Paid and to be paid, opening fees, and the fee of closing all six contracts.
    assert seen.worst_loss == 695_000_000 + 350_000_000 + 6 * FEE + 6 * FEE
    checker.on_order_done("o-1")
    checker.on_fill("o-1", 1)  # the fill was quicker than the cancel
    assert checker.positions == {CALL_50: 3, CALL_55: -3}
    assert checker.working_orders == 0


def test_bookings_that_contradict_are_refused() -> None:
    checker = Desk().checker()
    with pytest.raises(ExecutionError, match="never booked"):
        checker.on_fill("unknown", 1)
    checker.on_order_working(vertical(), 0)
    with pytest.raises(ExecutionError, match="not open"):
        checker.on_fill("o-1", 2)
    assert checker.positions == {}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (order(limit=100), "no legs"),
        (order((99, 1), limit=100), "con_id 99 is unknown"),
        (vertical(quantity=0), "quantity must be positive, got 0"),
        (vertical(quantity=-1), "quantity must be positive, got -1"),
        (order((CALL_50, 1), (CALL_50, -1), limit=100), "repeats"),
        (order((CALL_50, 1), (CALL_55, 0), limit=100), "ratio 0"),
        (order((CALL_50, 2), limit=100), "needs ratio"),
        (vertical(quantity=10**12), "out of range"),
        (vertical(limit=10**30), "out of range"),
    ],
)
def test_malformed_orders_raise(broken: Order, words: str) -> None:
    checker = Desk().checker()
    with pytest.raises(ValueError, match=words):
        checker.check("c", broken, 0)
    with pytest.raises(ValueError, match=words):
        checker.on_order_working(broken, 0)
    assert checker.working_orders == 0


def closing(limit: int = -34_000, ref: str = "close", quantity: int = 1) -> Order:
    return order((CALL_50, -1), (CALL_55, 1), limit=limit, ref=ref, quantity=quantity, purpose="close")


def held() -> LimitChecker:
    checker = Desk({"max_orders_per_minute": 1}).checker()
    checker.on_order_working(vertical(), 0)
    checker.on_fill("o-1", 1)
    return checker


def test_an_order_that_reduces_risk_passes_a_halt_and_every_size() -> None:
    checker = held()
    checker.set_halted(True)
    assert checker.check("c", vertical(ref="o-2"), 0).check == "kill_switch"
    tell(checker, delta=np.full(6, np.nan), change_age=np.full(6, np.nan))
    verdict = checker.check("c", closing(), 0)
    assert verdict.accepts, verdict.reason
    assert verdict.reduces_risk
    assert checker.check("c", closing(0), 0).accepts  # giving it away loses nothing that was not lost
    assert not checker.check("c", closing(100), 0).reduces_risk  # paying for that does


def test_a_new_trade_is_judged_in_full_whatever_it_offsets() -> None:
    checker = Desk({"max_order_quantity": 1}).checker()
    sold = msgspec.structs.replace(closing(ref="o-1"), purpose="open")
    checker.on_order_working(sold)
    checker.on_fill("o-1", 1)
    for purpose, reduces in (("open", False), ("hedge", True), ("close", True)):
        bought = msgspec.structs.replace(vertical(ref="o-2"), trade_id="t-2", purpose=purpose)
        checker.set_halted(False)
        verdict = checker.check("c", bought, 0)
        assert (verdict.accepts, verdict.reduces_risk) == (True, reduces), purpose
        checker.set_halted(True)
        assert checker.check("c", bought, 0).accepts is reduces, purpose
    checker.on_order_working(msgspec.structs.replace(vertical(ref="o-2", quantity=2), trade_id="t-2"))
    smaller = msgspec.structs.replace(vertical(ref="o-2", quantity=1), trade_id="t-2")
    assert checker.check("c", smaller, 0).reduces_risk  # a change of one that works


def test_a_price_that_cannot_lose_reduces_nothing() -> None:
    free = order((CALL_50, 1), (CALL_55, -1), limit=-10_000, ref="free", purpose="hedge")  # paid to take it
    huge = msgspec.structs.replace(free, quantity=100_000)
    for checker in (Desk().checker(), held()):
        checker.set_halted(True)
        for one in (free, huge):
            verdict = checker.check("c", one, 0)
            assert (verdict.max_loss, verdict.reduces_risk, verdict.check) == (0, False, "kill_switch")
    working = Desk().checker()
    working.on_order_working(free, 0)
    larger = working.check("c", vertical(-10_000, quantity=100_000, ref="free"), 0)
    assert (larger.accepts, larger.check) == (False, "order_quantity")


def test_a_hedge_reduces_risk_within_the_size_of_an_order() -> None:
    checker = Desk().checker()
    checker.set_position(CALL_55, -1)  # a naked call: a call bought against it caps the loss
    checker.set_halted(True)
    hedge = checker.check("c", order((CALL_60, 1), limit=5_000, purpose="hedge"), 0)
    assert (hedge.accepts, hedge.reduces_risk) == (True, True), hedge.reason
    too_many = checker.check("c", order((CALL_60, 1), limit=5_000, quantity=100_000, purpose="hedge"), 0)
    assert (too_many.reduces_risk, too_many.check) == (True, "order_quantity")


def test_an_order_that_reduces_risk_still_answers_for_price_and_feed() -> None:
    checker = held()
    assert checker.check("c", closing(-34_050), 0).check == "price_grid"
    tell(checker, underlying_feed_age=61.0)
    assert checker.check("c", closing(), 0).check == "stale_feed"
    short = Desk().checker()
    short.set_position(CALL_60, -1)
    buy_back = order((CALL_60, 1), limit=55_500, purpose="close")
    assert short.check("c", buy_back, 0).accepts  # 0.55 + 5.00
    wide = short.check("c", order((CALL_60, 1), limit=56_000, purpose="close"), 0)
    assert (wide.check, wide.reduces_risk) == ("price_collar", True)
    tell(short, ask=np.full(6, np.nan))
    assert short.check("c", buy_back, 0).accepts  # a call is never worth more than the stock


def test_closing_more_than_is_held_does_not_reduce_risk() -> None:
    checker = held()
    assert not checker.check("c", closing(-20_000, quantity=2), 0).reduces_risk
    checker.on_order_working(closing(ref="first"), 0)
    assert not checker.check("c", closing(ref="second"), 0).reduces_risk
    assert checker.check("c", closing(-33_000, ref="first"), 0).reduces_risk  # its own reprice


def test_trades_that_offset_each_other_can_each_be_closed() -> None:
    checker = held()  # trade of ``vertical``: long the spread
    opposite = msgspec.structs.replace(closing(ref="o-2"), trade_id="t-2", purpose="open")
    checker.on_order_working(opposite)
    checker.on_fill("o-2", 1)
    checker.set_halted(True)
    assert checker.positions == {}
    assert checker.check("c", closing(), 0).accepts
    stranger = msgspec.structs.replace(closing(), trade_id="t-3")
    assert checker.check("c", stranger, 0).check == "kill_switch"


def test_the_stock_covers_a_call_of_one_expiry() -> None:
    checker = Desk().checker()
    checker.set_position(STOCK, 100)
    covered = order((CALL_60, -1), limit=-5_000, purpose="hedge")
    assert checker.check("c", covered, 0).accepts
    alone = checker.check("c", msgspec.structs.replace(covered, purpose="open"), 0)
    assert (alone.accepts, alone.check, alone.max_loss) == (False, "order_loss", UNBOUNDED_LOSS)
    checker.set_position(STOCK, 99)
    assert not checker.check("c", covered, 0).accepts


def test_an_unknown_greek_of_a_position_refuses_new_risk() -> None:
    checker = Desk(market={"vega": at(3, VEGA, np.nan)}).checker()
    checker.set_position(CALL_60, 1)
    refused = checker.check("c", vertical(), 0)
    assert refused.check == "portfolio_vega"
    assert "not known" in refused.reason
    assert np.isnan(checker.exposure().vega)


def test_contracts_of_two_underlyings_are_not_judged_at_one_spot() -> None:
    other = msgspec.structs.replace(option(99, "C", 50), symbol="ABC")
    with pytest.raises(ValueError, match="one underlying are judged together, got ABC, XYZ"):
        LimitChecker(LimitsConfig(**GENEROUS), [*CONTRACTS, other], dict.fromkeys([*IDS, 99], FEE))


@pytest.mark.parametrize(
    "lacks", [{"multiplier": 0}, {"multiplier": -100}, {"right": ""}, {"strike": 0}, {"expiry_ns": 0}]
)
def test_an_option_whose_payoff_is_not_known_is_not_judged_as_something_else(lacks: dict[str, Any]) -> None:
    lacking = msgspec.structs.replace(option(99, "P", 50), **lacks)
    with pytest.raises(ValueError, match=r"con_id 99: .*; its losses are not known"):
        LimitChecker(LimitsConfig(**GENEROUS), [*CONTRACTS, lacking], dict.fromkeys([*IDS, 99], FEE))


def test_options_on_futures_have_their_own_expiries() -> None:
    near, late = (
        msgspec.structs.replace(option(con_id, "P", 50, expiry_ns), security_type="FOP")
        for con_id, expiry_ns in ((1, EXPIRY), (2, EXPIRY + MINUTE_NS))
    )
    checker = LimitChecker(LimitsConfig(**GENEROUS), [near, late], {1: FEE, 2: FEE})
    calendar = order((1, -1), (2, 1), limit=100)
    assert checker.check("c", calendar, 0).max_loss == 5_001_000_000 + 4 * FEE


def test_a_reference_names_one_order() -> None:
    checker = Desk().checker()
    assert checker.submit("c", order((CALL_60, 1), limit=5_500), 0).accepts
    other = order((PUT_50, -1), limit=-4_000)
    assert checker.check("c", other, 0).check == "malformed"
    assert checker.submit("c", other, 0).check == "malformed"
    checker.on_order_done("o-1")
    assert checker.submit("c", other, 0).accepts, "the first has ended"
    assert checker.working_orders == 1
    assert checker.exposure().worst_delta == pytest.approx(10.0)


def test_bad_construction_raises() -> None:
    limits = LimitsConfig(**GENEROUS)
    with pytest.raises(ValueError, match="needs a fee"):
        LimitChecker(limits, CONTRACTS, {})
    with pytest.raises(ValueError, match="repeat"):
        LimitChecker(limits, CONTRACTS[:1] * 2, {STOCK: 0})
    with pytest.raises(ValueError, match="index"):
        LimitChecker(limits, [Contract(con_id=5, symbol="X", security_type="IND")], {5: 0})
    with pytest.raises(ValueError, match="max_order_delta"):
        LimitChecker(LimitsConfig(max_order_delta=float("nan")), (), {})


def test_market_updates_are_all_or_nothing() -> None:
    checker = Desk().checker()
    with pytest.raises(ValueError, match="unknown con_id 99"):
        checker.update_market([STOCK, 99], *[np.full(2, np.nan)] * 7, 1.0, 0.0)
    with pytest.raises(ValueError, match="one length"):
        checker.update_market([STOCK], *[np.full(2, np.nan)] * 7, 1.0, 0.0)
    with pytest.raises(ValueError, match="unknown con_id 99"):
        checker.set_position(99, 1)
    assert checker.check("c", vertical(), 0).accepts
