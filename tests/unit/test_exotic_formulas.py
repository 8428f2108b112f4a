"""Closed forms of exotic options against simulation, against each other, and against what must hold."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib import american_greeks
from optionsib import greeks as european
from optionsib.pricing import (
    AmericanOption,
    AnalyticPricer,
    AsianOption,
    Autocallable,
    BarrierOption,
    BasketOption,
    BermudanOption,
    BlackScholes,
    DigitalOption,
    DoubleBarrierOption,
    EuropeanOption,
    ExchangeOption,
    ExoticPricer,
    ExoticPricingEngine,
    ExoticProduct,
    Heston,
    LookbackOption,
    Merton,
    Model,
    MonteCarloPricer,
    MultiAsset,
    NoClosedFormError,
    SpreadOption,
    TermStructure,
    TouchOption,
    VarianceSwap,
    european_price,
    monte_carlo,
    price_exotic,
)
from optionsib.pricing._barrier_formulas import Corridor, Flat, untouched

MARKET = BlackScholes(spot=100.0, volatility=0.25, rate=0.04, dividend_yield=0.01)
TERMS = BlackScholes(
    spot=100.0,
    volatility=TermStructure((0.3, 0.7, 2.0), (0.35, 0.2, 0.28)),
    rate=TermStructure((0.5, 2.0), (0.01, 0.05)),
    dividend_yield=TermStructure((0.4, 2.0), (0.03, 0.0)),
)
HESTON = Heston(
    spot=100.0, variance=0.05, kappa=1.8, theta=0.07, xi=0.6, rho=-0.7, rate=0.03, dividend_yield=0.01
)
MERTON = Merton(
    spot=100.0,
    volatility=0.2,
    intensity=0.8,
    jump_mean=-0.1,
    jump_deviation=0.15,
    rate=0.03,
    dividend_yield=0.01,
)
PAIR = MultiAsset(
    underlyings=(MARKET, replace(MARKET, spot=95.0, volatility=TermStructure((0.5, 2.0), (0.4, 0.3)))),
    correlation=((1.0, 0.6), (0.6, 1.0)),
)
QUARTERS = (0.25, 0.5, 0.75, 1.0)
EXACT = AnalyticPricer(greeks=False)


def value(product: ExoticProduct, model: Model) -> float:
    return EXACT.price(product, model).price


@pytest.mark.parametrize("model", [MARKET, TERMS, HESTON, MERTON], ids=lambda model: model.type)
@pytest.mark.parametrize(
    "product",
    [
        EuropeanOption(kind="call", strike=105.0, expiry=1.0),
        EuropeanOption(kind="put", strike=80.0, expiry=1.0),
        DigitalOption(kind="call", strike=105.0, expiry=1.0, amount=100.0),
        DigitalOption(kind="put", strike=95.0, expiry=1.0, pays="asset"),
        VarianceSwap(strike=0.05, dates=QUARTERS, periods_per_year=4.0, notional=100.0),
    ],
    ids=lambda product: f"{product.type}-{getattr(product, 'kind', '')}",
)
def test_simulation_agrees_under_each_model(product: ExoticProduct, model: Model) -> None:
    exact = value(product, model)
    found = monte_carlo(product, model, paths=400_000, seed=11, steps=64 if model is HESTON else None)
    assert abs(found.price - exact) < 4.0 * found.stderr + (0.002 * abs(exact) if model is HESTON else 0.0)


@pytest.mark.parametrize(
    ("product", "model"),
    [
        (AsianOption(kind="put", strike=101.0, dates=QUARTERS, average="geometric"), TERMS),
        (AsianOption(kind="call", strike=None, dates=QUARTERS, average="geometric", expiry=1.2), TERMS),
        (AsianOption(kind="put", strike=None, dates=(0.0, 0.5, 1.0), average="geometric"), MARKET),
        (AsianOption(kind="call", strike=98.0, dates=(1.0,)), TERMS),
        (ExchangeOption(expiry=1.3), PAIR),
        (SpreadOption(kind="call", strike=7.0, expiry=1.3), PAIR),
        (SpreadOption(kind="put", strike=-7.0, expiry=1.3), PAIR),
        (BasketOption(kind="call", strike=190.0, expiry=1.3, weights=(1.0, 1.0)), PAIR),
        (BasketOption(kind="put", strike=-20.0, expiry=1.3, weights=(-1.0, 0.8)), PAIR),
        (BasketOption(kind="put", strike=200.0, expiry=1.0, weights=(2.0,)), TERMS),
        (BasketOption(kind="call", strike=95.0, expiry=1.0, weights=(0.0, 1.0)), PAIR),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_simulation_agrees(product: ExoticProduct, model: Model) -> None:
    exact = value(product, model)
    found = monte_carlo(product, model, paths=400_000, seed=5)
    assert abs(found.price - exact) < 4.0 * found.stderr, (exact, found)


# --- what is watched at every moment: many dates, and the barrier moved for them ---------------------

DAYS = tuple((i + 1) / 250.0 for i in range(250))


def barrier(direction: Any, action: Any, level: float, kind: Any = "call", **more: Any) -> BarrierOption:
    return BarrierOption(
        kind=kind,
        strike=100.0,
        expiry=1.0,
        barrier=level,
        direction=direction,
        action=action,
        dates=DAYS,
        **more,
    )


WATCHED = replace(barrier("up", "out", 125.0), monitoring="continuous")
CALL = EuropeanOption(kind="call", strike=9.0, expiry=1.0)


def corridor(action: Any, **more: Any) -> DoubleBarrierOption:
    return DoubleBarrierOption(
        kind="call", strike=95.0, expiry=1.0, lower=75.0, upper=140.0, action=action, dates=DAYS, **more
    )


def touch(direction: Any, kind: Any, level: float, **more: Any) -> TouchOption:
    return TouchOption(barrier=level, direction=direction, touch=kind, dates=DAYS, amount=10.0, **more)


@pytest.mark.parametrize(
    "product",
    [
        barrier("down", "out", 85.0),
        barrier("down", "in", 85.0, "put", rebate=3.0),
        barrier("up", "out", 125.0, rebate=5.0, rebate_at="hit"),
        barrier("up", "in", 125.0, "call", rebate=2.0),
        barrier("up", "out", 115.0, "put", rebate=2.0),
        corridor("out"),
        corridor("in", rebate=4.0),
        corridor("out", rebate=4.0, rebate_at="hit"),
        corridor("out", rebate=4.0),
        touch("down", "one", 85.0, paid_at="hit"),
        touch("up", "no", 120.0),
        touch("up", "one", 120.0),
    ],
    ids=lambda product: f"{product.type}",
)
def test_many_dates_come_near_the_moved_barrier(product: Any) -> None:
    """The correction (Broadie, Glasserman, Kou 1997) leaves o(1 / sqrt(dates)): 6 % of its size here."""
    corrected = AnalyticPricer(approximations=True, greeks=False).price(product, MARKET)
    assert not corrected.exact
    found = monte_carlo(product, MARKET, paths=200_000, seed=3)
    watched = value(replace(product, monitoring="continuous"), MARKET)
    moved = abs(watched - corrected.price)
    assert abs(found.price - corrected.price) < 4.0 * found.stderr + 0.06 * moved, (watched, corrected, found)
    if moved > 8.0 * found.stderr:
        assert abs(found.price - watched) > abs(found.price - corrected.price)


@pytest.mark.parametrize(("kind", "strike"), [("call", None), ("put", None), ("call", 95.0), ("put", 104.0)])
@pytest.mark.parametrize("carry", [0.03, 0.0, 1e-7, -0.02])
def test_lookbacks_by_integrating_the_law_of_the_extreme(
    kind: Any, strike: float | None, carry: float
) -> None:
    """E[highest] = S + integral of P(highest > x): an independent method for every carry, 0 too."""
    law = Flat(100.0, 0.25, 0.04, carry, 0.8)
    model = BlackScholes(spot=100.0, volatility=0.25, rate=0.04, dividend_yield=0.04 - carry)
    product = LookbackOption(kind=kind, strike=strike, dates=(0.8,), monitoring="continuous")

    def gain_above(level: float) -> float:  # E[max(highest - level, 0)]
        start = max(level, law.spot)
        x = start * np.exp(np.linspace(0.0, 3.0, 40_001))
        tail = np.array([1.0 - untouched("up", law, float(one)) if one > law.spot else 1.0 for one in x])
        return float(np.trapezoid(tail, x)) + max(law.spot - level, 0.0)

    def gain_below(level: float) -> float:  # E[max(level - lowest, 0)]
        start = min(level, law.spot)
        x = start * np.exp(np.linspace(-5.0, 0.0, 40_001))
        tail = np.array([1.0 - untouched("down", law, float(one)) if one < law.spot else 1.0 for one in x])
        return float(np.trapezoid(tail, x)) + max(level - law.spot, 0.0)

    forward = law.spot * math.exp(carry * law.time)
    if strike is None:
        lowest, highest = law.spot - gain_below(law.spot), law.spot + gain_above(law.spot)
        expected = forward - lowest if kind == "call" else highest - forward
    else:
        expected = gain_above(strike) if kind == "call" else gain_below(strike)
    assert value(product, model) == pytest.approx(law.discount * expected, abs=2e-5)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.05, 0.95), st.floats(0.1, 1.5), st.floats(-0.3, 0.3), st.floats(0.08, 0.9),
    st.floats(0.05, 4.0), st.sampled_from([-1.0, 0.0, 1.0, 2.5]),
)  # fmt: skip
def test_reflections_equal_the_sine_series(
    place: float, width: float, drift: float, volatility: float, time: float, power: float
) -> None:
    band = Corridor(place * width, width, drift, volatility, time)
    low, high = 0.1 * width, 0.8 * width
    spread = volatility * math.sqrt(time) / width
    if not 0.25 < spread < 2.5:  # outside one of the two needs more terms than it has digits
        return
    images, series = (band.alive(power, low, high, method) for method in ("images", "series"))
    assert images == pytest.approx(series, abs=1e-11, rel=1e-8)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(["call", "put"]),
    st.sampled_from(["down", "up"]),
    st.floats(60.0, 150.0),
    st.floats(0.02, 0.4),
    st.floats(0.05, 0.8),
    st.floats(-0.05, 0.15),
    st.floats(0.01, 3.0),
)
def test_in_and_out_make_a_vanilla(
    kind: Any, direction: Any, strike: float, away: float, volatility: float, rate: float, expiry: float
) -> None:
    level = 100.0 * math.exp(-away if direction == "down" else away)
    model = BlackScholes(spot=100.0, volatility=volatility, rate=rate, dividend_yield=0.02)
    parts = [
        value(
            BarrierOption(
                kind=kind, strike=strike, expiry=expiry, barrier=level, direction=direction, action=action,
                dates=(expiry,), monitoring="continuous",
            ),
            model,
        )
        for action in ("in", "out")
    ]  # fmt: skip
    whole = european_price(kind, 100.0, strike, expiry, rate, volatility, 0.02)
    assert sum(parts) == pytest.approx(float(whole), abs=1e-9)
    assert min(parts) >= 0.0


def test_a_far_barrier_is_none_and_a_wide_corridor_neither() -> None:
    plain = value(EuropeanOption(kind="call", strike=95.0, expiry=1.0), MARKET)
    far = replace(barrier("up", "out", 1e6), strike=95.0, monitoring="continuous")
    assert value(far, MARKET) == pytest.approx(plain, abs=1e-12)
    wide = replace(corridor("out"), lower=1e-3, upper=1e7, monitoring="continuous")
    assert value(wide, MARKET) == pytest.approx(plain, abs=1e-9)
    one_sided = replace(corridor("out"), upper=1e7, monitoring="continuous")
    down = replace(barrier("down", "out", 75.0), strike=95.0, monitoring="continuous")
    assert value(one_sided, MARKET) == pytest.approx(value(down, MARKET), abs=1e-9)


@pytest.mark.parametrize("model", [MARKET, HESTON, MERTON], ids=lambda model: model.type)
def test_a_digital_is_the_slope_of_calls(model: Model) -> None:
    h = 1e-3
    up, down = (value(EuropeanOption(kind="call", strike=103.0 + s * h, expiry=0.7), model) for s in (1, -1))
    digital = value(DigitalOption(kind="call", strike=103.0, expiry=0.7), model)
    assert digital == pytest.approx((down - up) / (2.0 * h), abs=1e-8)
    asset = value(DigitalOption(kind="call", strike=103.0, expiry=0.7, pays="asset"), model)
    call = value(EuropeanOption(kind="call", strike=103.0, expiry=0.7), model)
    assert asset - 103.0 * digital == pytest.approx(call, abs=1e-9)


@pytest.mark.parametrize("model", [HESTON, MERTON], ids=lambda model: model.type)
@pytest.mark.parametrize(("strike", "expiry"), [(100.0, 0.01), (40.0, 1.0), (300.0, 0.5), (100.0, 10.0)])
def test_parity_at_the_edges(model: Any, strike: float, expiry: float) -> None:
    call, put = (
        value(EuropeanOption(kind=kind, strike=strike, expiry=expiry), model) for kind in ("call", "put")
    )
    forward = model.forwards(expiry)[0]
    assert call - put == pytest.approx(model.discount(expiry) * (forward - strike), abs=1e-9)
    assert call >= 0.0
    assert put >= 0.0


def test_models_meet_black_and_scholes() -> None:
    option = EuropeanOption(kind="put", strike=95.0, expiry=0.9)
    plain = BlackScholes(spot=100.0, volatility=0.2, rate=0.03, dividend_yield=0.01)
    calm = replace(HESTON, variance=0.04, theta=0.04, xi=3e-4, rho=0.0)
    assert value(option, calm) == pytest.approx(value(option, plain), abs=1e-6)
    assert value(option, replace(MERTON, intensity=0.0)) == pytest.approx(value(option, plain), abs=1e-12)
    swap = VarianceSwap(strike=0.0, dates=QUARTERS, periods_per_year=4.0)
    assert value(swap, calm) == pytest.approx(value(swap, plain), abs=1e-7)


# --- Greeks -----------------------------------------------------------------------------------------


def test_greeks_of_formulas_equal_the_pricers() -> None:
    found = AnalyticPricer().price(EuropeanOption(kind="put", strike=105.0, expiry=0.6), MARKET).greeks
    exact = european("put", 100.0, 105.0, 0.6, 0.04, 0.25, 0.01)
    for name in ("delta", "gamma", "vega", "rho"):
        assert found[name].value == pytest.approx(getattr(exact, name), rel=1e-6), name


@pytest.mark.parametrize("spot", [120.0, 124.9])
def test_greeks_near_the_barrier_equal_the_simulation(spot: float) -> None:
    model = replace(MARKET, spot=spot)
    product = barrier("up", "out", 125.0)
    formula = AnalyticPricer(approximations=True).price(product, model).greeks
    found = monte_carlo(
        product, model, paths=2_000_000, seed=2, greeks="likelihood", sampler="xoshiro"
    ).greeks
    assert abs(found["delta"].value - formula["delta"].value) < 4.0 * found["delta"].stderr + 0.05


def test_greeks_at_the_barrier_are_those_of_its_inside() -> None:
    product = replace(barrier("up", "out", 125.0), monitoring="continuous")
    deltas = []
    for spot in (124.0, 124.9, 124.99, 124.999):
        found = AnalyticPricer().price(product, replace(MARKET, spot=spot))
        deltas.append(found.greeks["delta"].value)
    assert all(delta < 0.0 for delta in deltas)
    assert deltas[-1] == pytest.approx(deltas[-2], rel=1e-2)
    touched = AnalyticPricer().price(product, replace(MARKET, spot=125.0))
    assert touched.price == 0.0
    assert "delta" not in touched.greeks


# --- the engine -------------------------------------------------------------------------------------


def test_the_engine_says_what_it_chose_and_why() -> None:
    watched = replace(barrier("up", "out", 125.0), monitoring="continuous")
    found = price_exotic(watched, MARKET)
    assert (found.method, found.stderr, found.exact) == ("closed form: Reiner-Rubinstein", 0.0, True)
    assert "there is a closed form" in found.reason
    dated = price_exotic(barrier("up", "out", 125.0), MARKET, paths=8192)
    assert dated.method == "Monte Carlo: 8,192 paths, philox"
    assert "approximation only" in dated.reason
    assert dated.stderr > 0.0
    asian = AsianOption(kind="call", strike=100.0, dates=QUARTERS)
    simulated = price_exotic(asian, MARKET, paths=8192)
    assert "geometric control" in simulated.method
    assert "no closed form" in simulated.reason
    assert simulated.price == price_exotic(asian, MARKET, paths=8192).price
    engine = ExoticPricingEngine(simulation=MonteCarloPricer(paths=4096, seed=3))
    assert isinstance(engine, ExoticPricer)
    pricer, reason = engine.choose(
        Autocallable(dates=QUARTERS, call_level=100.0, coupon=0.02, protection=70.0, reference=100.0), MARKET
    )
    assert isinstance(pricer, MonteCarloPricer)
    assert "autocallable has no closed form" in reason


@pytest.mark.parametrize(
    ("product", "model", "why"),
    [
        (AsianOption(kind="call", strike=100.0, dates=QUARTERS), MARKET, "sum of lognormal spots"),
        (barrier("up", "out", 125.0), MARKET, "approximation only"),
        (replace(barrier("up", "out", 125.0), monitoring="continuous"), TERMS, "do not change"),
        (replace(barrier("up", "out", 125.0), monitoring="continuous"), HESTON, "not of heston"),
        (
            replace(barrier("up", "out", 125.0), dates=(0.5,), monitoring="continuous"),
            MARKET,
            "part of the time",
        ),
        (LookbackOption(kind="call", strike=None, dates=QUARTERS), MARKET, "extreme at dates"),
        (
            EuropeanOption(kind="call", strike=9.0, expiry=1.0),
            replace(MARKET, dividends=((0.5, 2.0),)),
            "cash dividends",
        ),
        (EuropeanOption(kind="call", strike=9.0, expiry=1.0), PAIR, "under multi_asset"),
        (ExchangeOption(expiry=1.0), MARKET, "two assets"),
        (BasketOption(kind="call", strike=1.0, expiry=1.0, weights=(1.0, 1.0, 1.0)), PAIR, "more than two"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_has_no_closed_form_says_why(product: ExoticProduct, model: Model, why: str) -> None:
    with pytest.raises(NoClosedFormError, match=why):
        EXACT.price(product, model)


def test_simulation_refuses_what_it_cannot_see() -> None:
    for product in (
        replace(barrier("up", "out", 125.0), monitoring="continuous"),
        replace(corridor("out"), monitoring="continuous"),
        LookbackOption(kind="call", strike=None, dates=(1.0,), monitoring="continuous"),
        touch("up", "one", 120.0, monitoring="continuous"),
    ):
        with pytest.raises(ValueError, match="looks at dates"):
            monte_carlo(product, MARKET, paths=4096, seed=1)
    with pytest.raises(ValueError, match="monitoring must be"):
        touch("up", "one", 120.0, monitoring="daily")
    with pytest.raises(ValueError, match="method must be"):
        price_exotic(ExchangeOption(expiry=1.0), PAIR, method="guess")  # type: ignore[arg-type]


ENDED = LookbackOption(kind="call", strike=None, dates=(0.0,), monitoring="continuous")


@pytest.mark.parametrize(
    ("product", "spot", "expected"),
    [
        (EuropeanOption(kind="call", strike=90.0, expiry=0.0), 100.0, 10.0),
        (DigitalOption(kind="call", strike=100.0, expiry=0.0), 100.0, 1.0),
        (DigitalOption(kind="put", strike=100.0, expiry=0.0), 100.0, 1.0),
        (DigitalOption(kind="put", strike=100.0, expiry=0.0, pays="asset"), 90.0, 90.0),
        (DigitalOption(kind="call", strike=100.0, expiry=0.0, pays="asset"), 90.0, 0.0),
        (
            LookbackOption(kind="call", strike=None, dates=(0.0,), monitoring="continuous", extreme=80.0),
            100.0,
            20.0,
        ),
        (LookbackOption(kind="put", strike=95.0, dates=(0.0,), monitoring="continuous"), 100.0, 0.0),
        (
            replace(barrier("up", "out", 125.0), monitoring="continuous", rebate=2.0, rebate_at="hit"),
            130.0,
            2.0,
        ),
        (replace(barrier("up", "in", 125.0), monitoring="continuous", expiry=0.0, dates=(0.0,)), 130.0, 30.0),
        (touch("up", "one", 120.0, monitoring="continuous", paid_at="hit"), 120.0, 10.0),
        (touch("up", "no", 120.0, monitoring="continuous"), 121.0, 0.0),
    ],
    ids=lambda value: f"{getattr(value, 'type', value)}",
)
def test_at_the_end_and_at_the_touch(product: Any, spot: float, expected: float) -> None:
    model = replace(MARKET, spot=spot)
    assert value(product, model) == pytest.approx(expected, abs=1e-12)
    try:
        seen = replace(product, monitoring="dates") if hasattr(product, "monitoring") else product
    except ValueError:
        return
    if max(seen.times()) == 0.0:
        assert monte_carlo(seen, model, paths=4096, seed=1).price == pytest.approx(expected, abs=1e-9)


def test_a_lookback_that_has_begun() -> None:
    cases: list[tuple[Any, float | None, float]] = [
        ("call", None, 92.0), ("put", None, 111.0), ("call", 104.0, 108.0), ("put", 99.0, 93.0)
    ]  # fmt: skip
    for kind, strike, extreme in cases:
        dated = LookbackOption(kind=kind, strike=strike, dates=DAYS, extreme=extreme)
        fresh = replace(dated, extreme=None)
        seasoned, new = (monte_carlo(one, MARKET, paths=100_000, seed=4).price for one in (dated, fresh))
        assert seasoned > new
        watched = value(replace(dated, monitoring="continuous"), MARKET)
        assert watched > seasoned  # more is seen at every moment than once a day
        assert watched == pytest.approx(seasoned, rel=0.06)


def test_products_with_the_new_fields_travel_as_json() -> None:
    for product in (
        touch("up", "no", 120.0, monitoring="continuous"),
        LookbackOption(kind="call", strike=None, dates=(1.0,), monitoring="continuous", extreme=80.0),
        replace(corridor("out"), monitoring="continuous"),
    ):
        assert ExoticProduct.from_json(product.to_json()) == product


def test_american_options_have_a_formula_and_a_lower_bound() -> None:
    option = AmericanOption(kind="put", strike=40.0, expiry=1.0)
    model = BlackScholes(spot=36.0, volatility=0.2, rate=0.06)
    exact = price_exotic(option, model)
    assert exact.method == "closed form: american_price (high tier)"
    assert exact.price == pytest.approx(4.4867, abs=1e-3)  # Longstaff and Schwartz 2001: 4.478 by differences
    bound = price_exotic(option, model, method="monte-carlo", paths=100_000)
    assert bound.method.startswith("Longstaff-Schwartz, a lower bound")
    assert not bound.exact
    assert exact.price - 0.05 < bound.price < exact.price + 4.0 * bound.stderr
    paying = replace(model, dividends=((0.5, 2.0), (1.5, 2.0)))
    found = price_exotic(option, paying)
    assert found.price > exact.price + 0.5
    assert found.greeks["delta"].value == pytest.approx(
        float(american_greeks("put", 36.0, 40.0, 1.0, 0.06, 0.2, dividends=([0.5], [2.0])).delta), abs=2e-3
    )
    assert value(replace(option, expiry=0.0), model) == 4.0
    with pytest.raises(NoClosedFormError, match="are simulated"):
        EXACT.price(option, HESTON)
    with pytest.raises(NoClosedFormError, match="do not change"):
        EXACT.price(option, TERMS)
    with pytest.raises(NoClosedFormError, match="bermudan has no closed form"):
        EXACT.price(BermudanOption(kind="put", strike=40.0, dates=QUARTERS), model)
