"""Laws that European prices, Greeks and implied volatilities obey for any input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optionsib.pricing import Status, greeks, implied_volatility, price

EPSILON = 2.0**-52
spots = st.floats(0.01, 1e4)
ratios = st.floats(math.log(0.2), math.log(5.0)).map(math.exp)
expiries = st.floats(1 / 525_600, 5.0)
volatilities = st.floats(0.01, 3.0)
rates = st.floats(-0.05, 0.15)
kinds = st.sampled_from([1, -1])
models = st.sampled_from(["bsm", "black76"])


@st.composite
def options(draw: st.DrawFn) -> tuple[int, float, float, float, float, float, float]:
    """Kind, spot, strike, time, rate, volatility, dividend yield."""
    spot = draw(spots)
    return (
        draw(kinds),
        spot,
        spot * draw(ratios),
        draw(expiries),
        draw(rates),
        draw(volatilities),
        draw(rates),
    )


def discounted(option: tuple[int, float, float, float, float, float, float]) -> tuple[float, float]:
    _, spot, strike, expiry, rate, _, dividend = option
    return spot * math.exp(-dividend * expiry), strike * math.exp(-rate * expiry)


@given(options())
def test_put_call_parity(option: tuple[int, float, float, float, float, float, float]) -> None:
    _, *rest = option
    forward, strike = discounted(option)
    difference = price(1, *rest) - price(-1, *rest)
    assert abs(difference - (forward - strike)) <= 4 * EPSILON * max(forward, strike)


@given(options())
def test_price_lies_between_intrinsic_and_maximum(
    option: tuple[int, float, float, float, float, float, float],
) -> None:
    kind = option[0]
    forward, strike = discounted(option)
    value = price(*option)
    slack = 4 * EPSILON * max(forward, strike)
    assert max(kind * (forward - strike), 0.0) - slack <= value <= (forward if kind > 0 else strike)


@given(options(), st.floats(1.0001, 2.0))
def test_price_rises_with_volatility_and_with_moneyness(
    option: tuple[int, float, float, float, float, float, float], factor: float
) -> None:
    kind, spot, strike, expiry, rate, volatility, dividend = option
    value = price(*option)
    slack = 8 * EPSILON * max(discounted(option)) * factor
    assert price(kind, spot, strike, expiry, rate, volatility * factor, dividend) >= value - slack
    richer = price(kind, spot, strike * factor**-kind, expiry, rate, volatility, dividend)
    assert richer >= value - slack


@given(options(), st.integers(-20, 20))
def test_price_is_homogeneous_in_spot_and_strike(
    option: tuple[int, float, float, float, float, float, float], power: int
) -> None:
    kind, spot, strike, *rest = option
    scale = 2.0**power  # exact in binary, so the law holds bit for bit
    value, scaled = price(*option), price(kind, spot * scale, strike * scale, *rest)
    if value < 1e-280:  # on the way to it numbers lose their last bits below 2**-1022
        assert scaled == pytest.approx(scale * value, rel=0.01, abs=1e-300)
    else:
        assert scaled == scale * value


@given(options())
def test_a_call_is_a_put_with_the_sides_exchanged(
    option: tuple[int, float, float, float, float, float, float],
) -> None:
    kind, spot, strike, expiry, rate, volatility, dividend = option
    mirrored = price(-kind, strike, spot, expiry, dividend, volatility, rate)
    # x = ln(F/K) is rounded on both sides; a far wing multiplies that by h^2.
    h = abs(math.log(spot / strike) + (rate - dividend) * expiry) / (volatility * math.sqrt(expiry))
    assume(h < 30)
    tolerance = 8 * EPSILON * max(discounted(option)) + 16 * EPSILON * (1 + h * h) * mirrored
    assert abs(price(*option) - mirrored) <= tolerance


@settings(max_examples=300)
@given(options(), models)
def test_implied_volatility_returns_what_was_put_in(
    option: tuple[int, float, float, float, float, float, float], model: str
) -> None:
    _, spot, strike, expiry, rate, volatility, dividend = option
    if model == "black76":
        dividend = 0.0
    forward = spot * math.exp(-(rate if model == "black76" else dividend) * expiry)
    out_of_the_money = 1 if forward < strike * math.exp(-rate * expiry) else -1
    quote = price(out_of_the_money, spot, strike, expiry, rate, volatility, dividend, model=model)
    assume(quote > 1e-290)
    result = implied_volatility(quote, out_of_the_money, spot, strike, expiry, rate, dividend, model=model)
    assert result.status == Status.OK
    vega = greeks(out_of_the_money, spot, strike, expiry, rate, volatility, dividend, model=model).vega
    # The quote carries an error of 1 ulp and that of its own computation (h^2 eps in a wing).
    h = abs(math.log(forward / (strike * math.exp(-rate * expiry)))) / (volatility * math.sqrt(expiry))
    attainable = 32 * EPSILON * (1 + h * h) * quote / vega
    assert abs(result.volatility - volatility) <= 32 * EPSILON * volatility + attainable
    # In the money the same volatility comes back as far as the rounding of the price allows.
    deep = price(-out_of_the_money, spot, strike, expiry, rate, volatility, dividend, model=model)
    noise = 8 * EPSILON * max(spot, strike, forward) / vega
    if noise < 1e-3 * volatility:
        back = implied_volatility(deep, -out_of_the_money, spot, strike, expiry, rate, dividend, model=model)
        assert abs(back.volatility - volatility) <= 32 * EPSILON * volatility + attainable + noise * 2


@given(
    kinds,
    st.floats(50, 200),
    st.floats(-2.5, 2.5),
    st.floats(0.05, 2.0),
    rates,
    st.floats(0.05, 1.0),
    rates,
    models,
)
def test_greeks_are_the_derivatives_of_the_price(
    kind: int,
    spot: float,
    distance: float,
    expiry: float,
    rate: float,
    volatility: float,
    dividend: float,
    model: str,
) -> None:
    strike = spot * math.exp(distance * volatility * math.sqrt(expiry))
    if model == "black76":
        dividend = 0.0

    def value(s: float = spot, t: float = expiry, r: float = rate, v: float = volatility) -> float:
        return price(kind, s, strike, t, r, v, dividend, model=model)

    def delta(s: float = spot, t: float = expiry, v: float = volatility) -> float:
        return greeks(kind, s, strike, t, rate, v, dividend, model=model).delta

    def slope(function: object, step: float) -> float:
        f = function
        one = (f(step) - f(-step)) / (2 * step)  # type: ignore[operator]
        two = (f(2 * step) - f(-2 * step)) / (4 * step)  # type: ignore[operator]
        return (4 * one - two) / 3

    g = greeks(kind, spot, strike, expiry, rate, volatility, dividend, model=model, order=2)
    root, largest = math.sqrt(expiry), max(spot, strike)
    ds, dv, dt = 2e-3 * spot * volatility * root, 2e-3 * volatility, 2e-3 * expiry
    checks = [
        ("delta", g.delta, slope(lambda e: value(s=spot + e), ds), 1.0),
        ("gamma", g.gamma, slope(lambda e: delta(s=spot + e), ds), 1 / (spot * volatility * root)),
        ("vega", g.vega, slope(lambda e: value(v=volatility + e), dv), largest * root),
        ("theta", g.theta, -slope(lambda e: value(t=expiry + e), dt), largest * (volatility / root + 0.3)),
        ("rho", g.rho, slope(lambda e: value(r=rate + e), 1e-3 / (1 + expiry)), largest * expiry),
        ("vanna", g.vanna, slope(lambda e: delta(v=volatility + e), dv), 1 / volatility),
        (
            "volga",
            g.volga,
            slope(
                lambda e: (
                    greeks(kind, spot, strike, expiry, rate, volatility + e, dividend, model=model).vega
                ),
                dv,
            ),
            largest * root / volatility,
        ),
        ("charm", g.charm, -slope(lambda e: delta(t=expiry + e), dt), 1 / expiry + 0.3 / (volatility * root)),
    ]
    for name, computed, numerical, scale in checks:
        assert computed == pytest.approx(numerical, abs=2e-7 * scale), name


@given(st.lists(options(), min_size=1, max_size=40), st.integers(0, 3))
def test_arrays_equal_scalars_bit_for_bit(
    rows: list[tuple[int, float, float, float, float, float, float]], layout: int
) -> None:
    table = np.array(rows)
    if layout == 1:
        table = np.asfortranarray(table)
    elif layout == 2:
        table = np.repeat(table, 3, axis=0)[::3]
    elif layout == 3:
        table = table[::-1].copy()[::-1]
    columns = list(table.T)
    scalars = [price(*row) for row in rows]
    assert price(*columns).tolist() == scalars
    several = greeks(*columns)
    for i, row in enumerate(rows):
        assert [column[i] for column in several] == list(greeks(*row))
    kind, spot, strike, expiry, rate, _, dividend = columns
    result = implied_volatility(np.array(scalars), kind, spot, strike, expiry, rate, dividend)
    for i, row in enumerate(rows):
        arguments = (scalars[i], *row[:5], row[6])
        if result.status[i] in (Status.OK, Status.NO_VEGA):
            assert implied_volatility(*arguments) == (result.volatility[i], result.status[i])
        else:
            with pytest.raises(ValueError, match="price"):
                implied_volatility(*arguments)


numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=500)
@given(st.tuples(kinds, numbers, numbers, numbers, numbers, numbers, numbers))
def test_any_double_gives_a_status_and_never_a_wrong_value(
    row: tuple[int, float, float, float, float, float, float],
) -> None:
    kind, spot, strike, expiry, rate, volatility, dividend = row
    status = np.empty(1, dtype=np.int8)
    arguments = (kind, [spot], strike, expiry, rate, volatility, dividend)
    value = price(*arguments, status=status)[0]
    if status[0] == Status.OK:
        assert value >= 0
        assert price(*row) == value
    else:
        assert math.isnan(value)
        with pytest.raises(ValueError, match=r"must|overflows"):
            price(*row)
    result = implied_volatility([volatility], kind, spot, strike, expiry, rate, dividend)
    if result.status[0] in (Status.OK, Status.NO_VEGA):
        assert result.volatility[0] >= 0
    else:
        assert math.isnan(result.volatility[0])


@pytest.mark.parametrize("shape", [(), (1,), (3, 1), (1, 4), (3, 4), (2, 3, 4)])
def test_broadcasting_follows_numpy(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(5)
    strikes = 90 + 20 * generator.random(shape)
    columns = {
        "kind": np.array([1, -1, 1, -1], dtype=np.int8),
        "spot": 100 + generator.random((3, 1)),
        "strike": strikes,
        "time_to_expiry": 0.1 + generator.random(4),
        "rate": 0.03,
        "volatility": np.array([[0.2], [0.3], [0.4]]),
    }
    full = dict(zip(columns, np.broadcast_arrays(*columns.values()), strict=True))
    expected = np.vectorize(price)(**full)
    assert np.array_equal(price(**columns), expected)
    assert np.array_equal(price(**{name: np.asfortranarray(c) for name, c in full.items()}), expected)
    assert np.array_equal(price(**{name: c[::-1, ...] for name, c in full.items()})[::-1], expected)


def test_unaligned_and_foreign_byte_order_columns() -> None:
    packed = np.zeros(50, dtype=[("kind", "i1"), ("spot", "f8"), ("strike", ">f8")])
    packed["kind"], packed["spot"], packed["strike"] = 1, np.linspace(80, 120, 50), 100.0
    expected = price("call", np.linspace(80, 120, 50), 100.0, 0.5, 0.03, 0.2)
    assert np.array_equal(price(packed["kind"], packed["spot"], packed["strike"], 0.5, 0.03, 0.2), expected)


@pytest.mark.parametrize("threads", [0, 2, 3, 7])
def test_threads_do_not_change_a_bit(threads: int) -> None:
    generator = np.random.default_rng(11)
    size = 40_003
    spot = 100 * np.exp(generator.normal(0, 0.4, size))
    kind = np.where(generator.random(size) < 0.5, 1, -1).astype(np.int8)
    arguments = (kind, spot, 100.0, generator.uniform(0.01, 3, size), 0.02, generator.uniform(0.05, 1, size))
    one = price(*arguments)
    assert np.array_equal(price(*arguments, threads=threads), one)
    for alone, shared in zip(greeks(*arguments), greeks(*arguments, threads=threads), strict=True):
        assert np.array_equal(alone, shared)
    single = implied_volatility(one, *arguments[:5])
    several = implied_volatility(one, *arguments[:5], threads=threads)
    assert np.array_equal(single.volatility, several.volatility, equal_nan=True)
    assert np.array_equal(single.status, several.status)


def test_no_failure_on_the_hard_grid() -> None:
    generator = np.random.default_rng(3)
    size = 100_000
    forward = 100 * np.exp(generator.uniform(math.log(0.2), math.log(5), size))
    expiry = generator.uniform(1 / 365, 5, size)
    volatility = np.exp(generator.uniform(math.log(0.01), math.log(3), size))
    kind = np.where(forward > 100, -1, 1).astype(np.int8)
    quotes = price(kind, forward, 100.0, expiry, 0.0, volatility, model="black76")
    result = implied_volatility(quotes, kind, forward, 100.0, expiry, 0.0, model="black76")
    priced = quotes > 1e-290
    assert priced.sum() > 0.85 * size
    assert (result.status[priced] == Status.OK).all()
    assert np.abs(result.volatility[priced] / volatility[priced] - 1).max() < 2e-14
