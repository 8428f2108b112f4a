"""Laws that American options obey, with a continuous yield and with cash dividends."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.pricing import (
    Status,
    american_greeks,
    american_implied_volatility,
    american_price,
    early_exercise_premium,
    european_price,
    exercise_advice,
    exercise_boundary,
    price,
)

Tier = Literal["fast", "accurate", "high"]
Option = tuple[int, float, float, float, float, float, float]
# What a tier may be wrong by, per 100 of spot or strike: laws between two prices hold to twice that.
ERROR = {"fast": 1.6e-3, "accurate": 2e-4}

# To ten decimals: rates of 1e-300 are nobody's.
rates = st.one_of(
    st.floats(-0.05, 0.12).map(lambda rate: round(rate, 10)), st.sampled_from([0.0, 0.03, -0.01])
)
some = settings(max_examples=50)
tiers = st.sampled_from(["fast", "accurate"])


@st.composite
def options(draw: st.DrawFn, rates: st.SearchStrategy[float] = rates) -> Option:
    """Kind, spot, strike, time, rate, volatility, dividend yield."""
    spot = draw(st.floats(1.0, 1000.0))
    return (
        draw(st.sampled_from([1, -1])),
        spot,
        spot * math.exp(draw(st.floats(-0.6, 0.6))),
        draw(st.floats(1 / 365, 3.0)),
        draw(rates),
        draw(st.floats(0.08, 0.9)),
        draw(rates),
    )


@st.composite
def schedules(draw: st.DrawFn) -> tuple[list[float], list[float]]:
    """Up to three dividends, small against the spots of `options` times 0.01; callers scale the amounts."""
    times = sorted(draw(st.lists(st.floats(0.01, 3.0), min_size=1, max_size=3)))
    return times, [draw(st.floats(0.1, 3.0)) for _ in times]


def slack(option: Option, tier: Tier) -> float:
    return 2 * ERROR[tier] * max(option[1], option[2]) / 100


@given(options(), tiers)
@some
def test_never_below_european_or_intrinsic_bit_for_bit(option: Option, tier: Tier) -> None:
    kind, spot, strike, *_ = option
    value = american_price(*option, tier=tier)
    assert value >= price(*option)
    assert value >= kind * (spot - strike)
    assert early_exercise_premium(*option, tier=tier) >= 0.0
    assert value <= max(spot, strike) * math.exp(max(0.0, -option[4], -option[6]) * option[3]) * (1 + 1e-12)


@given(options(), st.floats(1.001, 1.5), tiers)
@some
def test_monotone_in_spot_and_strike_volatility_and_time(option: Option, factor: float, tier: Tier) -> None:
    kind, spot, strike, years, rate, volatility, dividend = option
    value, allowed = american_price(*option, tier=tier), slack(option, tier) * factor
    up = american_price(kind, spot * factor, strike, years, rate, volatility, dividend, tier=tier)
    assert kind * (up - value) >= -allowed
    steepest = math.exp(
        max(0.0, -dividend) * years
    )  # delta is at most 1, or what a negative yield makes of it
    assert abs(up - value) <= steepest * spot * (factor - 1) + allowed
    tall = american_price(kind, spot, strike * factor, years, rate, volatility, dividend, tier=tier)
    assert kind * (value - tall) >= -allowed
    wild = american_price(kind, spot, strike, years, rate, volatility * factor, dividend, tier=tier)
    assert wild >= value - allowed
    # Who may exercise later may still exercise as early: true of every rate and yield.
    long = american_price(kind, spot, strike, years * factor, rate, volatility, dividend, tier=tier)
    assert long >= value - allowed


@given(options(), tiers)
@some
def test_put_call_symmetry(option: Option, tier: Tier) -> None:
    kind, spot, strike, years, rate, volatility, dividend = option
    mirrored = american_price(-kind, strike, spot, years, dividend, volatility, rate, tier=tier)
    assert american_price(*option, tier=tier) == pytest.approx(
        mirrored, rel=1e-12, abs=1e-12 * max(spot, strike)
    )


@given(options(), st.integers(-8, 8), tiers)
@some
def test_homogeneous_in_spot_and_strike(option: Option, power: int, tier: Tier) -> None:
    kind, spot, strike, *rest = option
    scale = 2.0**power
    scaled = american_price(kind, spot * scale, strike * scale, *rest, tier=tier)
    assert scaled == pytest.approx(
        american_price(*option, tier=tier) * scale, rel=1e-12, abs=1e-13 * spot * scale
    )


@given(options(), st.sampled_from(["rate", "yield", "both"]), tiers)
@some
def test_continuous_across_the_borders_of_the_regions(option: Option, border: str, tier: Tier) -> None:
    """Rate zero, yield zero and rate equal to yield divide single, double and no boundary."""
    kind, spot, strike, years, rate, volatility, dividend = option
    tiny = 1e-9

    def at(shift: float) -> float:
        if border == "rate":
            return american_price(kind, spot, strike, years, shift, volatility, dividend, tier=tier)
        if border == "yield":
            return american_price(kind, spot, strike, years, rate, volatility, shift, tier=tier)
        return american_price(kind, spot, strike, years, rate, volatility, rate + shift, tier=tier)

    values = [at(-tiny), at(0.0), at(tiny)]
    assert max(values) - min(values) <= slack(option, tier)


@given(options(), tiers)
@some
def test_exercise_region_and_boundary_agree(option: Option, tier: Tier) -> None:
    kind, _, strike, *rest = option
    region = exercise_boundary(kind, strike, *rest, tier=tier)
    if math.isnan(region.lower):
        assert math.isnan(region.upper)
        return
    assert region.lower <= region.upper
    assert region.lower == 0.0 or region.upper == math.inf or rest[1] < 0 or rest[3] < 0
    edge = region.upper if kind < 0 else region.lower
    if edge in (0.0, math.inf):  # a rate so small that no double is low or high enough
        return
    inside, outside = edge * (1 + kind * 1e-3), edge * (1 - kind * 1e-3)
    if region.lower <= inside <= region.upper:
        g = american_greeks(kind, inside, strike, *rest, tier=tier)
        assert g.price == kind * (inside - strike)
        assert (g.delta, g.dual_delta, g.gamma, g.vega, g.theta) == (kind, -kind, 0.0, 0.0, 0.0)
    alive = american_price(kind, outside, strike, *rest, tier=tier)
    assert alive >= kind * (outside - strike)
    assert alive <= kind * (outside - strike) + 0.02 * strike


@given(options(st.floats(0.001, 0.1)), tiers)
@some
def test_greeks_have_their_signs_and_the_price_is_the_price(option: Option, tier: Tier) -> None:
    kind = option[0]
    g = american_greeks(*option, tier=tier)
    assert g.price == pytest.approx(american_price(*option, tier=tier), abs=slack(option, tier))
    assert -1e-6 <= kind * g.delta <= 1 + 1e-6
    assert g.gamma >= -1e-6
    assert g.vega >= -1e-6 * option[1]
    assert g.theta <= slack(option, tier)
    assert kind * g.rho >= -slack(option, tier)
    # Euler: the price is homogeneous in spot and strike.
    assert option[1] * g.delta + option[2] * g.dual_delta == pytest.approx(g.price, abs=slack(option, tier))


@given(options())
@some
def test_implied_volatility_returns(option: Option) -> None:
    kind, spot, strike, years, rate, _, dividend = option
    quote = american_price(*option)
    status = np.empty(1, dtype=np.int8)
    solved = american_implied_volatility(
        np.array([quote]), kind, spot, strike, years, rate, dividend, status=status
    ).volatility[0]
    if status[0] in (Status.AT_INTRINSIC, Status.NO_VEGA):
        assert (
            quote
            <= max(kind * (spot - strike), price(kind, spot, strike, years, rate, 0.0, dividend))
            * (1 + 1e-12)
            + 1e-13 * strike
        )
        return
    assert status[0] == Status.OK
    again = american_price(kind, spot, strike, years, rate, solved, dividend)
    assert again == pytest.approx(quote, rel=1e-6, abs=1e-9 * spot)


# --- cash dividends ---------------------------------------------------------------------------------------

models = st.sampled_from(["spot", "escrowed"])


@given(options(st.floats(0.0, 0.08)), schedules(), models, tiers)
@some
def test_cash_dividends_never_below_intrinsic_nor_by_more_than_the_error_below_european(
    option: Option, schedule: tuple[list[float], list[float]], model: Literal["spot", "escrowed"], tier: Tier
) -> None:
    kind, spot, strike, *_ = option
    cash = (schedule[0], [amount * spot / 100 for amount in schedule[1]])
    value = american_price(*option, dividends=cash, dividend_model=model, tier=tier)
    assert value >= kind * (spot - strike)
    european = european_price(*option, dividends=cash, dividend_model=model, tier=tier)
    assert value >= european - slack(option, tier)
    premium = early_exercise_premium(*option, dividends=cash, dividend_model=model, tier=tier)
    assert premium == max(value - european, 0.0)


@given(options(st.floats(0.0, 0.08)), schedules(), models)
@some
def test_dividends_hurt_calls_and_help_puts(
    option: Option, schedule: tuple[list[float], list[float]], model: Literal["spot", "escrowed"]
) -> None:
    kind, spot, *_ = option
    less, more = (
        american_price(
            *option,
            dividends=(schedule[0], [amount * spot * share for amount in schedule[1]]),
            dividend_model=model,
        )
        for share in (0.004, 0.01)
    )
    assert kind * (less - more) >= -slack(option, "accurate") if model == "spot" else True
    if model == "spot":
        bare = american_price(*option)
        assert kind * (bare - less) >= -slack(option, "accurate")


@given(options(st.floats(0.0, 0.08)), schedules())
@some
def test_european_put_call_parity_with_cash_dividends(
    option: Option, schedule: tuple[list[float], list[float]]
) -> None:
    _, spot, strike, years, rate, volatility, dividend = option
    times, amounts = schedule[0], [amount * spot / 200 for amount in schedule[1]]
    rest = (spot, strike, years, rate, volatility, dividend)
    pair = [
        european_price(kind, *rest, dividends=(times, amounts), dividend_model="escrowed") for kind in (1, -1)
    ]
    paid = sum(
        amount * math.exp(-rate * time - dividend * (years - time))
        for time, amount in zip(times, amounts, strict=True)
        if time <= years
    )
    forward = spot * math.exp(-dividend * years) - paid - strike * math.exp(-rate * years)
    assert pair[0] - pair[1] == pytest.approx(forward, abs=slack(option, "accurate"))


@given(options(st.floats(0.001, 0.08)), st.floats(0.1, 4.0), st.floats(1e-4, 0.1))
@some
def test_advice_weighs_the_same_option(option: Option, amount: float, ex_time: float) -> None:
    kind, spot, strike, years, rate, volatility, _ = option
    rest = (strike, years + ex_time, rate, volatility)
    cash = ([ex_time], [amount * spot / 100])
    advice = exercise_advice(kind, spot, *rest, dividends=cash)
    value = american_price(kind, spot, *rest, dividends=cash)
    # Two plans among all that the option allows.
    assert max(advice.exercise_value, advice.holding_value) <= value + slack(option, "accurate")
    assert advice.exercise_is_best == (advice.amount_at_stake > 0)
    assert (advice.ex_time, advice.dividend) == (ex_time, cash[1][0])
    if kind < 0:
        assert math.isnan(advice.critical_spot)
    elif not math.isnan(advice.critical_spot):
        assert advice.critical_spot >= strike * (1 - 1e-6)
