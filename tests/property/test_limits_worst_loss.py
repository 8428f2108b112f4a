"""Worst loss and "reduces risk" against brute force over every fill, and what a passing order may do."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.common.config import LimitsConfig
from optionsib.common.types import SECOND_NS, Contract, Order, OrderLeg
from optionsib.risk.limits import STILL_ANSWERS, LimitChecker

FEE = 700_000
STOCK = 1
EXPIRIES = (1_000 * SECOND_NS, 2_000 * SECOND_NS)
OPTIONS = tuple(
    Contract(
        con_id=10 + i,
        symbol="XYZ",
        security_type="OPT",
        multiplier=100,
        right=right,  # type: ignore[arg-type]
        strike=strike * 10_000,
        expiry_ns=expiry_ns,
    )
    for i, (expiry_ns, strike, right) in enumerate(itertools.product(EXPIRIES, (45, 50, 55), "CP"))
)
CONTRACTS = (Contract(con_id=STOCK, symbol="XYZ", security_type="STK"), *OPTIONS)
BY_ID = {contract.con_id: contract for contract in CONTRACTS}
SPOTS = [0, 300_000, 450_000, 475_000, 500_000, 525_000, 550_000, 600_000, 600_001]


def order_of(ref: str, legs: dict[int, int], quantity: int, limit: int) -> Order:
    return Order(
        order_ref=ref,
        trade_id="t",
        legs=tuple(OrderLeg(con_id, ratio) for con_id, ratio in legs.items()),
        quantity=quantity,
        limit_price=limit,
        purpose="hedge",
        strategy="test",
    )


@st.composite
def orders(draw: st.DrawFn, ref: str) -> Order:
    legs = draw(
        st.dictionaries(st.sampled_from([c.con_id for c in OPTIONS]), st.sampled_from([-2, -1, 1, 2]),
                        min_size=1, max_size=3)
    )  # fmt: skip
    if len(legs) == 1:
        legs = {con_id: 1 if ratio > 0 else -1 for con_id, ratio in legs.items()}
    return order_of(ref, legs, draw(st.integers(1, 2)), draw(st.integers(-60, 60)) * 1_000)


POSITIONS = st.dictionaries(
    st.sampled_from([c.con_id for c in CONTRACTS]), st.sampled_from([-2, -1, 1, 2, 100]), max_size=4
)


@dataclass(frozen=True)
class State:
    """Holdings and the money (less fees) that led there."""

    holdings: dict[int, int]
    cash: int

    def after(self, order: Order, units: int) -> State:
        holdings = dict(self.holdings)
        multiplier = max(BY_ID[leg.con_id].multiplier for leg in order.legs)
        cash = self.cash - units * order.limit_price * 100 * multiplier
        for leg in order.legs:
            holdings[leg.con_id] = holdings.get(leg.con_id, 0) + units * leg.ratio
            cash -= units * abs(leg.ratio) * FEE
        return State(holdings, cash)

    def loss(self, stock_with: int | None) -> tuple[int, int, list[int]]:
        """Growth of the loss per 1/10000 of spot, worst excess over it, growth by expiry.

        Each expiry stands at its own spot; a bounded loss has no growth and is its own excess.
        """
        tails, loss = [], -self.cash + sum(abs(q) * FEE for q in self.holdings.values())
        for expiry in (None, *EXPIRIES):
            group = [
                (BY_ID[con_id], q)
                for con_id, q in self.holdings.items()
                if q and (stock_with if con_id == STOCK else BY_ID[con_id].expiry_ns) == expiry
            ]
            worth = [sum(q * payoff(contract, spot) for contract, q in group) for spot in SPOTS]
            tails.append(max(0, worth[-2] - worth[-1]))
            loss -= min(w + tails[-1] * spot for w, spot in zip(worth, SPOTS, strict=True))
        return sum(tails), loss, tails

    def is_no_worse_than(self, other: State, stock_with: int | None) -> bool:
        tail, loss, tails = self.loss(stock_with)
        other_tail, other_loss, other_tails = other.loss(stock_with)
        if tail != other_tail:
            return tail < other_tail
        return loss <= other_loss and tails == other_tails


def payoff(contract: Contract, spot: int) -> int:
    worth = spot if contract.kind == 0 else max(contract.kind * (spot - contract.strike), 0)
    return worth * 100 * contract.multiplier


def stock_group(positions: dict[int, int], working: list[Order]) -> int | None:
    """The stock joins the options where all of them share one expiry."""
    involved = {con_id for con_id, q in positions.items() if q} | {
        leg.con_id for order in working for leg in order.legs
    }
    expiries = {BY_ID[con_id].expiry_ns for con_id in involved if con_id != STOCK}
    return expiries.pop() if len(expiries) == 1 else None


def closes(positions: dict[int, int], working: list[Order], candidate: Order) -> bool:
    """Whether ``candidate`` closes no more than is held and no working order may close."""
    left = Counter(positions)
    for order in working:
        for leg in order.legs:
            if leg.ratio * positions.get(leg.con_id, 0) < 0:
                left[leg.con_id] += leg.ratio * order.quantity
    return all(
        leg.ratio * positions.get(leg.con_id, 0) < 0
        and abs(leg.ratio) * candidate.quantity
        <= (left[leg.con_id] if positions[leg.con_id] > 0 else -left[leg.con_id])
        for leg in candidate.legs
    )


def all_fills(state: State, working: list[Order]) -> list[State]:
    """Every state that the working orders may lead to, unit by unit."""
    states = [state]
    for order in working:
        states = [s.after(order, units) for s in states for units in range(order.quantity + 1)]
    return states


UNLIMITED = LimitsConfig(
    max_order_quantity=10**6, max_order_delta=1e9, max_order_gamma=1e9, max_order_vega=1e9,
    max_order_notional=Decimal(10**12), max_order_loss=Decimal(10**9), max_portfolio_delta=1e9,
    max_portfolio_gamma=1e9, max_portfolio_vega=1e9, max_portfolio_notional=Decimal(10**12),
    max_portfolio_loss=Decimal(10**9), price_collar=Decimal(1000), max_orders_per_minute=100,
    max_feed_age_seconds=60, max_change_age_seconds=60, max_order_price=Decimal(10**6), max_position=10**6,
    max_open_quantity=10**6, max_open_orders=1000, max_credit=Decimal(10**9), max_daily_loss=Decimal(10**9),
    duplicate_window_seconds=0, max_order_to_trade=1e9, max_repeated_executions=10**5,
    repeated_executions_window_seconds=1, max_protection_quantity=10**9, protection_window_seconds=1,
    max_scenario_loss=Decimal(10**9),
    **{f"max_{scope}_{what}": 10**12 for scope in ("strategy", "underlying", "expiry")
       for what in ("delta", "gamma", "vega", "notional")},
)  # fmt: skip


def checker_with(limits: LimitsConfig, positions: dict[int, int], working: list[Order]) -> LimitChecker:
    checker = LimitChecker(limits, CONTRACTS, {c.con_id: FEE for c in CONTRACTS})
    count = len(CONTRACTS)
    kinds = np.array([c.kind for c in CONTRACTS])
    depth = np.arange(count)
    checker.update_market(
        [c.con_id for c in CONTRACTS], np.full(count, 5.0), np.full(count, 5.1),
        np.where(kinds > 0, 0.9 - 0.06 * depth, -0.1 - 0.06 * depth), 0.01 * (1 + depth), 3.0 + depth,
        np.zeros(count), np.zeros(count), 50.0, 0.0,
    )  # fmt: skip
    for con_id, quantity in positions.items():
        checker.set_position(con_id, quantity)
    for order in working:
        checker.on_order_working(order, 0)
    return checker


WORKING = st.tuples(orders("a"), orders("b"), orders("c")).flatmap(
    lambda three: st.integers(0, 3).map(lambda count: list(three[:count]))
)


@settings(max_examples=150, deadline=None)
@given(POSITIONS, WORKING, st.integers(-5, 5))
def test_worst_loss_equals_brute_force(positions: dict[int, int], working: list[Order], cash: int) -> None:
    checker = checker_with(UNLIMITED, positions, working)
    checker.set_cash(cash * 100_000_000)
    group = stock_group(positions, working)
    losses = [s.loss(group) for s in all_fills(State(positions, cash * 100_000_000), working)]
    unbounded = any(tail > 0 for tail, _, _ in losses)
    assert checker.exposure().worst_loss == (None if unbounded else max(loss for _, loss, _ in losses))


@settings(max_examples=150, deadline=None)
@given(POSITIONS, WORKING, orders("x"))
def test_reduces_risk_equals_brute_force(
    positions: dict[int, int], working: list[Order], candidate: Order
) -> None:
    checker = checker_with(UNLIMITED, positions, working)
    group = stock_group(positions, [*working, candidate])
    expected = all(
        state.after(candidate, units).is_no_worse_than(state, group)
        for state in all_fills(State(positions, 0), working)
        for units in range(1, candidate.quantity + 1)
    )
    tail, loss, _ = State({}, 0).after(candidate, candidate.quantity).loss(group)
    fees = 2 * FEE * candidate.quantity * sum(abs(leg.ratio) for leg in candidate.legs)
    expected = expected and (closes(positions, working, candidate) or tail > 0 or loss > fees)
    if positions.get(STOCK) and group is None:  # nor does it take the stock from its options
        expected = expected and stock_group(positions, working) is None
    verdict = checker.check("c", candidate, 0)
    assert verdict.reduces_risk is expected
    opening = msgspec.structs.replace(candidate, purpose="open")
    assert not checker.check("c", opening, 0).reduces_risk
    if expected:  # the promise itself: over all fills, with and without it
        without, included = (
            max(s.loss(group)[:2] for s in all_fills(State(positions, 0), [*working, *more]))
            for more in ([], [candidate])
        )
        assert included <= without


@settings(max_examples=150, deadline=None)
@given(POSITIONS, WORKING, orders("x"))
def test_what_hedges_keeps_within_the_size_of_an_order_and_what_closes_need_not(
    positions: dict[int, int], working: list[Order], candidate: Order
) -> None:
    checker = checker_with(UNLIMITED.model_copy(update={"max_order_quantity": 0}), positions, working)
    verdict = checker.check("c", candidate, 0)
    if verdict.reduces_risk:
        passes = closes(positions, working, candidate)
        assert verdict.check in ({"", *STILL_ANSWERS} if passes else {"order_quantity"})
    else:
        assert not verdict.accepts


@settings(max_examples=100, deadline=None)
@given(orders("x"))
def test_max_loss_of_an_order_equals_brute_force(candidate: Order) -> None:
    checker = checker_with(UNLIMITED, {}, [])
    tail, loss, _ = State({}, 0).after(candidate, candidate.quantity).loss(None)
    verdict = checker.check("c", candidate, 0)
    assert verdict.max_loss == (2**63 - 1 if tail else max(loss, 0))


@settings(max_examples=150, deadline=None)
@given(POSITIONS, WORKING, orders("x"), st.integers(1, 20), st.data())
def test_a_passing_order_keeps_every_sum_within_its_limit_whatever_fills(
    positions: dict[int, int], working: list[Order], candidate: Order, tightness: int, data: st.DataObject
) -> None:
    limits = UNLIMITED.model_copy(
        update={
            "max_portfolio_delta": 50.0 * tightness,
            "max_portfolio_gamma": 5.0 * tightness,
            "max_portfolio_vega": 500.0 * tightness,
            "max_portfolio_notional": Decimal(5_000 * tightness),
            "max_portfolio_loss": Decimal(1_000 * tightness),
        }
    )
    checker = checker_with(limits, positions, working)
    verdict = checker.check("c", candidate, 0)
    if not verdict.accepts:
        return
    before = checker.exposure()
    checker.on_order_working(candidate, 0)
    if verdict.reduces_risk:
        assert (checker.exposure().worst_loss or 0) <= (before.worst_loss or 2**63)
        return
    for order in data.draw(st.permutations([*working, candidate])):
        filled = data.draw(st.integers(0, order.quantity))
        if filled:
            checker.on_fill(order.order_ref, filled)
        if data.draw(st.booleans()):
            checker.on_order_done(order.order_ref)
        seen = checker.exposure()
        slack = 1 + 1e-12
        assert abs(seen.delta) <= seen.worst_delta <= 50.0 * tightness * slack
        assert abs(seen.gamma) <= seen.worst_gamma <= 5.0 * tightness * slack
        assert abs(seen.vega) <= seen.worst_vega <= 500.0 * tightness * slack
        assert seen.notional <= 5_000 * tightness * slack
        assert seen.worst_loss is not None
        assert seen.worst_loss <= 1_000 * tightness * 1_000_000


def test_many_working_orders_give_an_upper_bound_and_no_reduction() -> None:
    legs = {OPTIONS[0].con_id: 1, OPTIONS[2].con_id: -1}  # 45/50 call vertical
    working = [order_of(f"w{n}", legs, 1, 20_000 + 100 * n) for n in range(13)]
    checker = checker_with(UNLIMITED, {}, working)
    # Buying all of them loses every debit and all fees: here the bound is the truth.
    assert checker.exposure().worst_loss == sum(o.limit_price * 10_000 + 4 * FEE for o in working)
    close = order_of("x", {OPTIONS[0].con_id: -1, OPTIONS[2].con_id: 1}, 1, 0)
    assert not checker.check("c", close, 0).reduces_risk
    for order in working:
        checker.on_order_done(order.order_ref)
    checker.set_position(OPTIONS[0].con_id, 1)
    checker.set_position(OPTIONS[2].con_id, -1)
    assert checker.check("c", close, 0).reduces_risk


@settings(max_examples=50, deadline=None)
@given(POSITIONS, st.lists(orders("m"), min_size=13, max_size=13))
def test_the_bound_is_never_below_the_truth(positions: dict[int, int], drawn: list[Order]) -> None:
    working = [order_of(f"w{n}", {leg.con_id: leg.ratio for leg in o.legs}, 1, o.limit_price)
               for n, o in enumerate(drawn)]  # fmt: skip
    bound = checker_with(UNLIMITED, positions, working).exposure().worst_loss
    group = stock_group(positions, working)
    rng = np.random.default_rng(3)
    for _ in range(40):
        state = State(positions, 0)
        for order in working:
            state = state.after(order, int(rng.integers(2)))
        tail, loss, _ = state.loss(group)
        assert bound is None or (tail == 0 and loss <= bound)


@settings(max_examples=200, deadline=None)
@given(POSITIONS, WORKING, orders("x"), st.sampled_from([-1, 0, 1, 700_000, -700_000]))
def test_the_limit_on_the_portfolio_loss_bites_exactly(
    positions: dict[int, int], working: list[Order], candidate: Order, distance: int
) -> None:
    """The quick sums are a bound; what they cannot tell is looked at exactly, so the verdict is exact."""
    group = stock_group(positions, [*working, candidate])
    losses = [s.loss(group) for s in all_fills(State(positions, 0), [*working, candidate])]
    unbounded = any(tail > 0 for tail, _, _ in losses)
    worst = max(loss for _, loss, _ in losses)
    limit = max(0, worst + distance)
    limits = UNLIMITED.model_copy(update={"max_portfolio_loss": Decimal(limit) / 1_000_000})
    verdict = checker_with(limits, positions, working).check("c", candidate, 0)
    if verdict.reduces_risk or verdict.check not in ("", "portfolio_loss"):
        return
    assert (verdict.check == "portfolio_loss") is (unbounded or worst > limit)


@settings(max_examples=100, deadline=None)
@given(POSITIONS, WORKING, orders("x"), st.integers(0, 2**32))
def test_scenario_loss_equals_brute_force(
    positions: dict[int, int], working: list[Order], candidate: Order, seed: int
) -> None:
    """Per cell the worst set of fills; the worst cell counts."""
    moves = {"scenario_spot_moves": (-0.1, 0.0, 0.1), "scenario_volatility_moves": (0.0, 0.3)}
    limits = UNLIMITED.model_copy(update={**moves, "max_scenario_loss": Decimal(0)})
    checker = checker_with(limits, positions, working)
    rng = np.random.default_rng(seed)
    gains = rng.integers(-500, 500, (len(CONTRACTS), 6)).astype(np.float64)
    ids = np.array([c.con_id for c in CONTRACTS], dtype=np.int64)
    checker._native.update_scenarios(ids, gains)
    row = dict(zip(ids.tolist(), gains.tolist(), strict=True))

    def loss(filled: list[Order]) -> float:
        cells = np.zeros(6)
        for con_id, quantity in positions.items():
            cells += quantity * np.array(row[con_id])
        for order in filled:
            for leg in order.legs:
                cells += leg.ratio * order.quantity * np.array(row[leg.con_id])
        return max(0.0, -cells.min())

    def worst(orders: list[Order]) -> float:
        subsets = itertools.product((False, True), repeat=len(orders))
        return max(loss([o for o, filled in zip(orders, s, strict=True) if filled]) for s in subsets)

    assert checker.exposure().scenario_loss == worst(working) * 1_000_000
    verdict = checker.check("c", candidate, 0)
    if verdict.check == "scenario_loss" and not verdict.reduces_risk:
        assert verdict.value == pytest.approx(worst([*working, candidate]))
