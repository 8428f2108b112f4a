"""The vertical strategy's answers, one by one."""

from __future__ import annotations

import dataclasses
import datetime as dt
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from optionsib.common.config import StrategyConfig, load_config
from optionsib.common.types import MINUTE_NS, SECOND_NS, Order, OrderLeg
from optionsib.data.memory_tape import shorten
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.features import ChainFeatures, FeatureEngine, run_tape
from optionsib.strategies import (
    CancelOrder,
    Candidate,
    NewLimit,
    OpenTrade,
    SequentialIds,
    VerticalResidualStrategy,
    WorkingOrder,
)
from optionsib.strategies.spread_quotes import ceil_to_grid, floor_to_grid, quote_spread, reverse
from optionsib.strategies.vertical_residual import NEW_YORK


def at(hour: int, minute: int = 0) -> int:
    return int(dt.datetime(2014, 6, 6, hour, minute, tzinfo=NEW_YORK).timestamp()) * SECOND_NS


NOON = at(12)


@pytest.fixture(scope="module")
def features() -> ChainFeatures:
    config = load_config("paper")
    engine = FeatureEngine(config.features, RateCurve.from_config(config.rates))
    return list(run_tape(shorten(SimulatedTape(seed=2), 130, 20), engine))[-1]


def strategy(**changes: object) -> VerticalResidualStrategy:
    return VerticalResidualStrategy(StrategyConfig(**changes), SequentialIds())


def best(features: ChainFeatures, **changes: object) -> Candidate:
    config = {"minimum_mispricing": Decimal(0), "maximum_limit_distance": Decimal(9), **changes}
    found = strategy(**config).candidates(features, NOON, [], [])
    assert found
    return found[0]


def working(candidate: Candidate, submitted_ns: int = NOON) -> WorkingOrder:
    return WorkingOrder(candidate.order, submitted_ns, 0, candidate.order.limit_price)


def trade(candidate: Candidate, opened_ns: int = NOON) -> OpenTrade:
    order = candidate.order
    return OpenTrade(order.trade_id, order.legs, order.quantity, order.limit_price, opened_ns, order.strategy)


def requote(features: ChainFeatures, con_id: int, **changes: float) -> ChainFeatures:
    """``features`` with other values of one contract."""
    arrays = {}
    for name, value in changes.items():
        array = getattr(features, name).copy()
        array[features.position(con_id)] = value
        arrays[name] = array
    return dataclasses.replace(features, **arrays)


def refusal(
    candidate: Candidate,
    features: ChainFeatures,
    open_trades: tuple[OpenTrade, ...] = (),
    orders: tuple[WorkingOrder, ...] = (),
    now_ns: int = NOON,
    **changes: object,
) -> str:
    config = {"minimum_mispricing": Decimal(0), "maximum_limit_distance": Decimal(9), **changes}
    decision = strategy(**config).decide(candidate, features, open_trades, orders, now_ns)
    assert decision.candidate_id == candidate.candidate_id
    assert decision.accepts == (decision.order is not None)
    return "" if decision.accepts else decision.reason


# --- candidates ------------------------------------------------------------------------------------


def test_candidates_are_numbered_and_their_orders_exact(features: ChainFeatures) -> None:
    ids = SequentialIds(41)
    found = VerticalResidualStrategy(StrategyConfig(), ids).candidates(features, NOON, [], [])
    assert [c.candidate_id for c in found] == [f"C{n:06d}" for n in range(42, 48)]
    for candidate in found:
        order = candidate.order
        number = candidate.candidate_id[1:]
        assert (order.order_ref, order.trade_id) == (f"O{number}", f"T{number}")
        assert (order.purpose, order.strategy, order.quantity) == ("open", "vertical_residual", 1)
        quote = quote_spread(order.legs, features)
        assert order.limit_price == min(floor_to_grid(quote.fair_value - 0.005), ceil_to_grid(quote.natural))
        assert candidate.edge == pytest.approx(candidate.fair_value - order.limit_price / 1e4)
    gaps = [c.fair_value - c.natural for c in found]
    assert gaps == sorted(gaps, reverse=True)
    assert ids.last == 47


def test_contracts_in_use_are_left_alone(features: ChainFeatures) -> None:
    first = best(features)
    for state in ([trade(first)], []), ([], [working(first)]):
        used = {leg.con_id for leg in first.order.legs}
        for candidate in strategy().candidates(features, NOON, *state):
            assert used.isdisjoint(leg.con_id for leg in candidate.order.legs)


def test_nothing_is_proposed_while_the_book_is_full(features: ChainFeatures) -> None:
    one = dataclasses.replace(trade(best(features)), legs=())
    assert strategy(maximum_open_trades=2).candidates(features, NOON, [one], [])
    assert strategy(maximum_open_trades=1).candidates(features, NOON, [one], []) == []


def test_ids_go_on_after_a_restart() -> None:
    assert SequentialIds.after(["C000009", "O000123", "T000004"]).take() == 124
    assert SequentialIds.after([]).take() == 1
    with pytest.raises(ValueError, match="'nonsense'"):
        SequentialIds.after(["nonsense"])


def test_prices_go_to_the_cent_without_falling_through() -> None:
    assert floor_to_grid(0.57) == 5700  # 0.57 * 10000 is 5699.999...
    assert ceil_to_grid(0.57) == 5700
    assert (floor_to_grid(0.579), ceil_to_grid(0.571)) == (5700, 5800)
    assert (floor_to_grid(-0.571), ceil_to_grid(-0.579)) == (-5800, -5700)


# --- decisions -------------------------------------------------------------------------------------


def test_a_good_candidate_is_accepted_with_its_own_order(features: ChainFeatures) -> None:
    candidate = best(features)
    decision = strategy(minimum_mispricing=Decimal(0)).decide(candidate, features, [], [], NOON)
    assert decision.accepts
    assert decision.order == candidate.order
    assert f"{candidate.fair_value:.3f}" in decision.reason


def test_refusals_name_what_is_wrong(features: ChainFeatures) -> None:
    candidate = best(features)
    long, short = (leg.con_id for leg in candidate.order.legs)
    ask = float(features.ask[features.position(long)])
    assert "outside the window 09:45 to 15:00" in refusal(candidate, features, now_ns=at(9, 44))
    assert "outside the window" in refusal(candidate, features, now_ns=at(15))
    assert "no live" in refusal(candidate, requote(features, short, usable=False))
    wide = requote(features, long, ask=ask + 5.0)
    assert "wider than 0.20" in refusal(candidate, wide)
    assert "hard to sell again" in refusal(candidate, features, minimum_leg_bid=Decimal(50))
    assert "edge" in refusal(candidate, requote(features, long, fitted_price=ask - 1.0))
    assert "below fair value" in refusal(candidate, features, minimum_mispricing=Decimal(3))
    far = round((candidate.mid - 0.2) * 100) * 100
    resting = dataclasses.replace(candidate, order=msgspec.structs.replace(candidate.order, limit_price=far))
    assert "hopeless" in refusal(resting, features, maximum_limit_distance=Decimal("0.10"))
    assert "already in this" in refusal(candidate, features, (trade(candidate),))
    assert "already in this" in refusal(candidate, features, (), (working(candidate),))
    other = dataclasses.replace(trade(candidate), legs=())
    assert "the maximum is 1" in refusal(candidate, features, (other,), maximum_open_trades=1)


@pytest.mark.parametrize(("limit", "possible"), [(0.0, False), (0.01, True), (99.0, False), (-0.5, False)])
def test_a_debit_spread_costs_between_nothing_and_its_width(
    features: ChainFeatures, limit: float, possible: bool
) -> None:
    candidate = debit_spread(features, limit)
    text = refusal(candidate, features, maximum_leg_spread=Decimal(99), minimum_leg_bid=Decimal("0.001"))
    assert ("possible values" in text) == (not possible)


def debit_spread(features: ChainFeatures, limit: float) -> Candidate:
    """A long call at the lower, a short call at the higher of two neighbouring strikes."""
    calls = np.flatnonzero((features.kind == 1) & (features.grid.row == 2) & features.usable)
    low, high = calls[np.argsort(features.strike[calls])][5:7]
    legs = (OrderLeg(int(features.con_id[low]), 1), OrderLeg(int(features.con_id[high]), -1))
    order = Order("O1", "T1", legs, 1, round(limit * 1e4), "open", "vertical_residual")
    quote = quote_spread(legs, features)
    return Candidate("C1", order, quote.fair_value, quote.mid, quote.natural, 0.0, 0)


# --- working orders --------------------------------------------------------------------------------


def test_an_opening_order_follows_fair_value_beyond_the_tolerance(features: ChainFeatures) -> None:
    candidate = best(features)
    order = working(candidate)
    long = candidate.order.legs[0].con_id
    i = features.position(long)
    assert strategy().reprice(order, features, NOON) is None
    for move, expected in [(-0.03, None), (-0.05, NewLimit(order.limit - 500, "follows the fair value"))]:
        moved = requote(features, long, fitted_price=float(features.fitted_price[i]) + move)
        assert strategy().reprice(order, moved, NOON) == expected


def test_an_opening_order_is_cancelled_when_its_time_is_over(features: ChainFeatures) -> None:
    candidate = best(features)
    order = working(candidate)
    assert strategy().reprice(order, features, NOON + 29 * MINUTE_NS) is None
    for now_ns, reason in [(NOON + 30 * MINUTE_NS, "30 minutes"), (at(15), "after 15:00")]:
        action = strategy().reprice(
            dataclasses.replace(order, submitted_ns=now_ns - MINUTE_NS), features, now_ns
        )
        late = strategy().reprice(order, features, now_ns)
        assert isinstance(late, CancelOrder)
        assert isinstance(action, CancelOrder) == (now_ns == at(15))
        assert "minutes" in late.reason or reason in late.reason
    blind = requote(features, candidate.order.legs[1].con_id, usable=False)
    assert strategy().reprice(order, blind, NOON) == CancelOrder("a leg has no live two-sided quote")


# --- exits -----------------------------------------------------------------------------------------


def test_exits_rest_then_work_then_cross(features: ChainFeatures) -> None:
    held = trade(best(features))
    legs = reverse(held.legs)
    quote = quote_spread(legs, features)
    limits = {}
    for minutes in (0, 29, 45, 60, 90):
        (decision,) = strategy().exits([held], features, NOON + minutes * MINUTE_NS)
        order = decision.order
        assert order is not None
        assert (order.legs, order.purpose, order.trade_id) == (legs, "close", held.trade_id)
        limits[minutes] = order.limit_price
    assert limits[0] == limits[29] == min(floor_to_grid(quote.fair_value), ceil_to_grid(quote.natural))
    assert limits[29] <= limits[45] <= limits[60] == limits[90] == round(quote.natural * 1e4)
    (late,) = strategy().exits([dataclasses.replace(held, opened_ns=at(15, 29))], features, at(15, 30))
    assert late.order is not None
    assert late.order.limit_price == round(quote.natural * 1e4)
    assert "flat by 15:45" in late.reason


def test_a_trade_is_closed_once_and_only_by_its_strategy(features: ChainFeatures) -> None:
    held = trade(best(features))
    (decision,) = strategy().exits([held], features, NOON)
    assert decision.order is not None
    at_work = WorkingOrder(decision.order, NOON, 0, decision.order.limit_price)
    assert strategy().exits([held], features, NOON, [at_work]) == []
    assert strategy().exits([dataclasses.replace(held, strategy="other")], features, NOON) == []
    assert strategy().exits([dataclasses.replace(held, quantity=0)], features, NOON) == []


def test_a_price_that_a_person_has_set_is_left_alone(features: ChainFeatures) -> None:
    opening = working(best(features))
    (decision,) = strategy().exits([trade(best(features))], features, NOON)
    assert decision.order is not None
    closing = WorkingOrder(decision.order, NOON, 0, decision.order.limit_price)
    for order in (opening, closing):
        far = dataclasses.replace(order, limit=order.limit - 5_000)
        assert isinstance(strategy().reprice(far, features, NOON + MINUTE_NS), NewLimit)
        far = dataclasses.replace(far, by_hand=True)
        assert strategy().reprice(far, features, NOON + MINUTE_NS) is None
    dear = strategy(minimum_edge=50)  # no price leaves it that
    assert isinstance(dear.reprice(opening, features, NOON + MINUTE_NS), CancelOrder)
    parked = dataclasses.replace(opening, by_hand=True)
    assert dear.reprice(parked, features, NOON + MINUTE_NS) is None
    assert isinstance(dear.reprice(parked, features, at(15, 59)), CancelOrder)


def test_closing_orders_are_worked_to_the_market_and_never_cancelled(features: ChainFeatures) -> None:
    held = trade(best(features))
    (decision,) = strategy().exits([held], features, NOON)
    assert decision.order is not None
    natural = round(quote_spread(decision.order.legs, features).natural * 1e4)
    order = WorkingOrder(decision.order, NOON + 50 * MINUTE_NS, 0, decision.order.limit_price)
    late = NOON + 60 * MINUTE_NS
    moved = strategy().reprice(order, features, late, held)
    assert moved == NewLimit(natural, "close T000001: held for 60 minutes, crosses")
    assert strategy().reprice(order, features, late) is None  # by its own age it may still rest
    crossing = strategy().reprice(order, features, at(15, 31))
    assert crossing == NewLimit(natural, "close T000001: crosses to be flat by 15:45")
    crossing = dataclasses.replace(order, limit=natural)
    assert strategy().reprice(crossing, features, at(15, 31)) is None


def test_an_exit_needs_only_the_side_it_takes(features: ChainFeatures) -> None:
    held = trade(best(features))
    long, short = (leg.con_id for leg in held.legs)
    # To close, the long leg is sold at its bid and the short one bought at its ask.
    blind = requote(features, long, ask=np.nan, fitted_price=np.nan, usable=False)
    (decision,) = strategy().exits([held], blind, NOON)
    assert decision.order is not None
    unsellable = requote(features, short, ask=np.nan)
    assert strategy().exits([held], unsellable, NOON) == []
