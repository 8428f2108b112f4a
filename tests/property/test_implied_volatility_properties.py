"""Laws of the implied volatility, for every model and any input.

1. A price between its bounds has a volatility, and the volatility gives the price back.
2. The volatility rises with the price.
3. Its status says which bound a price without one breaks.
4. A guess, the other inputs in the array, their order and the number of threads change nothing.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optionsib.pricing import Status, greeks, implied_volatility, price

EPSILON = 2.0**-52
Option = tuple[int, float, float, float, float, float]  # kind, spot, strike, time, rate, dividend yield
models = st.sampled_from(["bsm", "black76", "displaced", "bachelier"])
shares = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)


@st.composite
def options(draw: st.DrawFn) -> tuple[str, Option, float]:
    """Model, option, shift."""
    model = draw(models)
    spot = draw(st.floats(0.01, 1e4))
    strike = spot * math.exp(draw(st.floats(-12.0, 12.0)))
    if model == "bachelier":
        strike = spot + draw(st.floats(-3.0, 3.0)) * spot
    dividend = draw(st.floats(-0.05, 0.1)) if model == "bsm" else 0.0
    time, rate = draw(st.floats(1 / 525_600, 10.0)), draw(st.floats(-0.05, 0.15))
    kind = draw(st.sampled_from([1, -1]))
    return model, (kind, spot, strike, time, rate, dividend), 0.5 * spot if model == "displaced" else 0.0


def bounds(model: str, option: Option, shift: float) -> tuple[float, float, float]:
    """Return discounted intrinsic value, maximum and the size of the larger amount."""
    kind, spot, strike, time, rate, dividend = option
    carry = dividend if model == "bsm" else rate
    forward, amount = (spot + shift) * math.exp(-carry * time), (strike + shift) * math.exp(-rate * time)
    maximum = math.inf if model == "bachelier" else forward if kind > 0 else amount
    return max(kind * (forward - amount), 0.0), maximum, max(abs(forward), abs(amount))


def put_in_order(option: Option, volatility: float) -> tuple[float, ...]:
    """Return the arguments of `price`."""
    return (*option[:5], volatility, option[5])


@settings(max_examples=400)
@given(options(), shares)
def test_the_volatility_gives_the_price_back(case: tuple[str, Option, float], share: float) -> None:
    model, option, shift = case
    low, high, largest = bounds(model, option, shift)
    quote = low + share * (min(high, low + 5 * largest) - low)
    assume(low + 32 * EPSILON * largest < quote < high * (1 - 32 * EPSILON))
    solved = implied_volatility(quote, *option, model=model, shift=shift)
    assert solved.status == Status.OK
    back = price(*put_in_order(option, solved.volatility), model=model, shift=shift)
    g = greeks(*put_in_order(option, solved.volatility), model=model, shift=shift)
    allowed = 8 * EPSILON * largest + 8 * EPSILON * solved.volatility * g.vega
    assert abs(back - quote) <= allowed


@given(options(), shares, shares)
def test_a_dearer_option_has_the_larger_volatility(
    case: tuple[str, Option, float], one: float, other: float
) -> None:
    model, option, shift = case
    low, high, largest = bounds(model, option, shift)
    span = min(high, low + 5 * largest) - low
    first, second = sorted((low + one * span, low + other * span))
    assume(low + 32 * EPSILON * largest < first and second < high * (1 - 32 * EPSILON))
    assume(second - first > 64 * EPSILON * largest)
    cheap = implied_volatility(first, *option, model=model, shift=shift).volatility
    dear = implied_volatility(second, *option, model=model, shift=shift).volatility
    assert cheap <= dear * (1 + 16 * EPSILON)


@given(options(), st.floats(1e-9, 10.0))
def test_the_status_names_the_broken_bound(case: tuple[str, Option, float], distance: float) -> None:
    model, option, shift = case
    low, high, largest = bounds(model, option, shift)
    gap = distance * largest
    quotes = np.array([low - gap, high + gap])
    solved = implied_volatility(quotes, *option, model=model, shift=shift)
    expected = Status.ABOVE_MAXIMUM if math.isfinite(high) else Status.INVALID_INPUT
    assert solved.status.tolist() == [Status.BELOW_INTRINSIC, expected]
    assert np.isnan(solved.volatility).all()


@given(options())
def test_the_intrinsic_value_itself_has_volatility_zero(case: tuple[str, Option, float]) -> None:
    model, option, shift = case
    intrinsic = price(*put_in_order(option, 0.0), model=model, shift=shift)
    solved = implied_volatility([intrinsic], *option, model=model, shift=shift)
    assert solved.status[0] == Status.NO_VEGA
    assert solved.volatility[0] == 0.0


@settings(max_examples=300)
@given(options(), shares, st.floats(1e-12, 1e12))
def test_a_guess_changes_no_more_than_the_last_digits(
    case: tuple[str, Option, float], share: float, factor: float
) -> None:
    model, option, shift = case
    low, high, largest = bounds(model, option, shift)
    quote = low + share * (min(high, low + 5 * largest) - low)
    assume(low + 1e-6 * largest < quote < high * (1 - 1e-6))
    cold = implied_volatility(quote, *option, model=model, shift=shift).volatility
    warm = implied_volatility(quote, *option, model=model, shift=shift, guess=cold * factor).volatility
    vega = greeks(*put_in_order(option, cold), model=model, shift=shift).vega
    assert abs(warm - cold) <= 16 * EPSILON * max(cold, largest / vega)


@pytest.mark.parametrize("model", ["bsm", "black76", "displaced", "bachelier"])
def test_position_and_threads_change_no_bit(model: str) -> None:
    generator = np.random.default_rng(29)
    size = 30_011
    spot, time = (
        generator.uniform(10, 500, size),
        np.exp(generator.uniform(math.log(1e-4), math.log(5), size)),
    )
    volatility = generator.uniform(0.05, 1.5, size)
    strike = spot * np.exp(generator.normal(0, 1.5, size) * volatility * np.sqrt(time))
    kind = np.where(generator.random(size) < 0.5, 1, -1).astype(np.int8)
    if model == "bachelier":
        volatility *= spot
    quotes = price(kind, spot, strike, time, 0.03, volatility, model=model)
    quotes[::17] *= -1.0
    guess = volatility * generator.choice([1.0, 1.001, 1.4, np.nan], size)
    options = (kind, spot, strike, time)
    solved = implied_volatility(quotes, *options, 0.03, model=model, guess=guess)
    order = generator.permutation(size)
    mixed = implied_volatility(
        quotes[order], *(c[order] for c in options), 0.03, model=model, guess=guess[order], threads=2
    )
    assert np.array_equal(mixed.volatility, solved.volatility[order], equal_nan=True)
    assert np.array_equal(mixed.status, solved.status[order])
    assert (solved.status == Status.OK).mean() > 0.8
