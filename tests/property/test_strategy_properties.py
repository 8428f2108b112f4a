"""What the strategy never does, over random chains, times and books."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.common.config import StrategyConfig, load_config
from optionsib.common.types import MINUTE_NS, SECOND_NS
from optionsib.data.memory_tape import shorten
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.features import ChainFeatures, FeatureEngine, run_tape
from optionsib.strategies import (
    CancelOrder,
    NewLimit,
    OpenTrade,
    SequentialIds,
    VerticalResidualStrategy,
    WorkingOrder,
)
from optionsib.strategies.spread_quotes import COMBO_GRID, quote_spread
from optionsib.strategies.vertical_residual import NEW_YORK

OPEN_NS = int(dt.datetime(2014, 6, 6, 9, 30, tzinfo=NEW_YORK).timestamp()) * SECOND_NS


@cache
def steps(seed: int) -> tuple[ChainFeatures, ...]:
    config = load_config("paper")
    engine = FeatureEngine(config.features, RateCurve.from_config(config.rates))
    return tuple(run_tape(shorten(SimulatedTape(seed), 20, 60), engine))


chains = st.builds(lambda seed, i: steps(seed)[i], st.integers(1, 3), st.integers(0, 59))
minutes = st.integers(-30, 420)
configs = st.builds(
    StrategyConfig,
    minimum_edge=st.decimals("0", "0.10", places=3),
    minimum_mispricing=st.just(Decimal(0)),
    maximum_width=st.sampled_from([Decimal("2.5"), Decimal(5), Decimal(12)]),
    maximum_leg_spread=st.sampled_from([Decimal("0.1"), Decimal(1), Decimal(9)]),
    candidates_per_step=st.integers(1, 30),
    quantity=st.integers(1, 4),
)


@settings(max_examples=60, deadline=None)
@given(features=chains, minute=minutes, config=configs)
def test_candidates_are_verticals_on_the_grid_inside_the_window(
    features: ChainFeatures, minute: int, config: StrategyConfig
) -> None:
    now_ns = OPEN_NS + minute * MINUTE_NS
    strategy = VerticalResidualStrategy(config, SequentialIds())
    found = strategy.candidates(features, now_ns, [], [])
    assert len(found) <= config.candidates_per_step
    if not 15 <= minute < 330:
        assert found == []
    for candidate in found:
        long, short = candidate.order.legs
        assert (long.ratio, short.ratio) == (1, -1)
        i, j = features.position(long.con_id), features.position(short.con_id)
        a, b = features.contracts[i], features.contracts[j]
        assert (a.expiry_ns, a.right) == (b.expiry_ns, b.right)
        assert 0 < abs(a.strike - b.strike) <= config.maximum_width * 10_000
        assert features.price_residual[i] < features.price_residual[j]
        assert COMBO_GRID.is_on_grid(candidate.order.limit_price)
        assert candidate.edge >= float(config.minimum_edge) - 1e-9
        assert candidate.order.quantity == config.quantity


@settings(max_examples=60, deadline=None)
@given(features=chains, later=chains, minute=minutes, config=configs)
def test_nothing_opens_outside_the_window_or_its_bounds(
    features: ChainFeatures, later: ChainFeatures, minute: int, config: StrategyConfig
) -> None:
    """Also when the candidate is old: it is judged on the chain of the decision."""
    strategy = VerticalResidualStrategy(config, SequentialIds())
    for candidate in strategy.candidates(features, OPEN_NS + 60 * MINUTE_NS, [], []):
        if any(leg.con_id not in later.grid.position for leg in candidate.order.legs):
            continue
        decision = strategy.decide(candidate, later, [], [], OPEN_NS + minute * MINUTE_NS)
        assert decision.reason
        if not decision.accepts:
            assert decision.order is None
            continue
        assert 15 <= minute < 330
        long, short = (later.contracts[later.position(leg.con_id)] for leg in candidate.order.legs)
        worth = (short.strike - long.strike) * long.kind
        low, high = sorted((0, worth))
        assert low < candidate.order.limit_price < high


@settings(max_examples=60, deadline=None)
@given(features=chains, minute=minutes, age=st.integers(0, 200))
def test_closing_limits_lie_between_fair_value_and_the_market(
    features: ChainFeatures, minute: int, age: int
) -> None:
    now_ns = OPEN_NS + minute * MINUTE_NS
    strategy = VerticalResidualStrategy(StrategyConfig(), SequentialIds())
    opened = strategy.candidates(features, OPEN_NS + 60 * MINUTE_NS, [], [])
    trades = [
        OpenTrade(
            c.order.trade_id, c.order.legs, 1, c.order.limit_price, now_ns - age * MINUTE_NS, strategy.name
        )
        for c in opened
    ]
    decisions = strategy.exits(trades, features, now_ns)
    assert len(decisions) == len(trades)
    for decision, trade in zip(decisions, trades, strict=True):
        order = decision.order
        assert order is not None
        quote = quote_spread(order.legs, features)
        limit = order.limit_price / 1e4
        assert COMBO_GRID.is_on_grid(order.limit_price)
        assert limit <= quote.natural + 1e-9
        assert limit >= min(quote.fair_value, quote.natural) - 0.01 - 1e-9
        crossing = age >= 60 or minute >= 360
        assert not crossing or abs(limit - quote.natural) < 1e-9
        assert [(x.con_id, -x.ratio) for x in order.legs] == [(x.con_id, x.ratio) for x in trade.legs]


@settings(max_examples=60, deadline=None)
@given(features=chains, minute=minutes, age=st.integers(0, 60), off=st.integers(-30, 30))
def test_reprices_are_on_the_grid_and_settle(
    features: ChainFeatures, minute: int, age: int, off: int
) -> None:
    now_ns = OPEN_NS + minute * MINUTE_NS
    strategy = VerticalResidualStrategy(StrategyConfig(), SequentialIds())
    for candidate in strategy.candidates(features, OPEN_NS + 60 * MINUTE_NS, [], []):
        order = candidate.order
        submitted = now_ns - age * MINUTE_NS
        action = strategy.reprice(
            WorkingOrder(order, submitted, 0, order.limit_price + off * 100), features, now_ns
        )
        if age >= 30 or minute >= 330:
            assert isinstance(action, CancelOrder)
        elif isinstance(action, NewLimit):
            assert COMBO_GRID.is_on_grid(action.limit_price)
            again = WorkingOrder(order, submitted, 0, action.limit_price)
            assert strategy.reprice(again, features, now_ns) is None
        else:
            assert action is None
            assert abs(off) < 4  # the tolerance is 0.04


def test_the_order_of_contracts_does_not_matter() -> None:
    import dataclasses

    config = load_config("paper")
    tape = shorten(SimulatedTape(1), 60, 5)
    turned = dataclasses.replace(tape, contracts=tuple(reversed(tape.contracts)))
    for left, right in zip(*(list(run(t, config)) for t in (tape, turned)), strict=True):
        ours, theirs = (
            VerticalResidualStrategy(StrategyConfig(), SequentialIds()).candidates(f, f.at_ns, [], [])
            for f in (left, right)
        )
        assert ours == theirs
        assert np.isfinite([c.edge for c in ours]).all()


def run(tape: object, config: object) -> object:
    engine = FeatureEngine(config.features, RateCurve.from_config(config.rates))
    return run_tape(tape, engine)
