"""Greeks by simulation under each model, against differences of semi-analytic prices; also at the barrier."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from optionsib.pricing import (
    AsianOption,
    Autocallable,
    BarrierOption,
    BlackScholes,
    DigitalOption,
    EuropeanOption,
    Heston,
    Merton,
    Model,
    TermStructure,
    TouchOption,
    monte_carlo,
)
from optionsib.pricing._laws import option_value, probability_above
from optionsib.pricing._rows import Dual, Writer

MARKET = BlackScholes(spot=100.0, volatility=0.2, rate=0.05, dividend_yield=0.01)
HESTON = Heston(
    spot=100.0, variance=0.05, kappa=1.5, theta=0.04, xi=0.6, rho=-0.7, rate=0.03, dividend_yield=0.01
)
MERTON = Merton(spot=100.0, volatility=0.15, intensity=2.0, jump_mean=-0.05, jump_deviation=0.1, rate=0.03)
MODELS = [MARKET, MERTON, HESTON, replace(HESTON, scheme="euler", xi=0.3)]
CALL = EuropeanOption(kind="call", strike=105.0, expiry=1.0)
DIGITAL = DigitalOption(kind="call", strike=105.0, expiry=1.0)


def value(product: EuropeanOption | DigitalOption, model: Any, expiry: float = 1.0) -> float:
    if isinstance(product, DigitalOption):
        return float(model.discount(expiry) * probability_above(model, product.strike, expiry))
    return float(model.discount(expiry) * option_value(product.kind, model, product.strike, expiry))


def differences(product: EuropeanOption | DigitalOption, model: Any) -> dict[str, float]:
    """Return central differences of the semi-analytic price."""

    def slope(up: Any, down: Any, h: float) -> float:
        return (value(product, up) - value(product, down)) / (2 * h)

    def moved(name: str, h: float) -> Any:
        return replace(model, **{name: getattr(model, name) + h})

    here = value(product, model)
    up, down = moved("spot", 0.1), moved("spot", -0.1)
    found = {
        "delta": slope(up, down, 0.1),
        "gamma": (value(product, up) - 2 * here + value(product, down)) / 0.1**2,
        "rho": slope(moved("rate", 1e-4), moved("rate", -1e-4), 1e-4),
        "theta": -(value(product, model, 1.001) - value(product, model, 0.999)) / 0.002,
    }
    if isinstance(model, Heston):
        s, h = math.sqrt(model.variance), 1e-3
        found["vega"] = slope(replace(model, variance=(s + h) ** 2), replace(model, variance=(s - h) ** 2), h)
    else:
        found["vega"] = slope(moved("volatility", 1e-4), moved("volatility", -1e-4), 1e-4)
    return found


@pytest.mark.parametrize("model", MODELS, ids=["bs", "merton", "qe", "euler"])
@pytest.mark.parametrize(
    ("product", "way"), [(CALL, "pathwise"), (CALL, "likelihood"), (DIGITAL, "likelihood")]
)
def test_greeks_are_those_of_the_semi_analytic_price(model: Model, product: Any, way: Any) -> None:
    exact = differences(product, model)
    steps = 40 if isinstance(model, Heston) else 3
    found = monte_carlo(product, model, paths=200_000, seed=5, steps=steps, greeks=way).greeks
    wanted = {
        "black_scholes": {"delta", "gamma", "vega", "rho", "theta"},
        "merton": {"delta", "gamma", "vega", "rho", "theta"},
        "heston": {"delta", "gamma", "vega"} | ({"rho"} if way == "pathwise" else set()),
    }
    assert set(found) == wanted[model.type]
    for name, one in found.items():
        # Of the time steps of Heston's scheme a bias of half a percent.
        slack = 0.005 * abs(exact[name]) if isinstance(model, Heston) else 0.0
        assert abs(one.value - exact[name]) < 3.5 * one.stderr + slack, (name, one, exact[name])
        # Differences of a payoff with jumps are noisy.
        share = 1.2 if product is DIGITAL and name == "vega" and isinstance(model, Heston) else 0.25
        assert one.stderr < share * abs(exact[name]), (name, one)


@pytest.mark.parametrize("model", [MARKET, MERTON, HESTON], ids=lambda model: model.type)
def test_greeks_at_the_barrier(model: Any) -> None:
    """The spot stands at the barrier; prices are differenced over steps wide enough for their noise."""
    option = BarrierOption(
        kind="call", strike=90.0, expiry=0.5, barrier=100.0, direction="down", action="out",
        dates=(0.1, 0.25, 0.5),
    )  # fmt: skip
    assert model.spot == option.barrier
    options: Any = {"paths": 400_000, "steps": 20}
    found = monte_carlo(option, model, seed=1, greeks="auto", **options).greeks
    h = 2.0
    up, here, down = (
        monte_carlo(option, replace(model, spot=100 + s * h), seed=2, **options) for s in (1, 0, -1)
    )
    delta = (up.price - down.price) / (2 * h)
    assert abs(found["delta"].value - delta) < 4 * found["delta"].stderr + 0.02
    gamma = (up.price - 2 * here.price + down.price) / h**2
    assert abs(found["gamma"].value - gamma) < 4 * found["gamma"].stderr + 0.01
    if isinstance(model, Heston):
        models = [replace(model, variance=(math.sqrt(0.05) + s * 0.03) ** 2) for s in (1, -1)]
    else:
        models = [replace(model, volatility=model.volatility + s * 0.03) for s in (1, -1)]
    high, low = (monte_carlo(option, one, seed=2, **options).price for one in models)
    assert abs(found["vega"].value - (high - low) / 0.06) < 4 * found["vega"].stderr + 0.6


def test_theta_of_options_on_several_dates_is_the_price_a_little_later() -> None:
    """With curves: today's values rule. The prices are those of a market that has moved on by a day."""
    dates, day = (0.25, 0.5, 0.75), 1e-3

    def priced(model: Any, at: float) -> Any:
        product = AsianOption(kind="call", strike=100.0, dates=tuple(date - at for date in dates))
        return monte_carlo(product, model, paths=400_000, seed=1, greeks="pathwise" if at == 0 else None)

    def curved(at: float) -> Model:
        times = (0.1 - at, 1.0)
        return replace(
            MARKET, volatility=TermStructure(times, (0.4, 0.1)), rate=TermStructure(times, (0.1, 0.0))
        )

    for model, shifted in ((curved(0.0), curved(day)), (MERTON, MERTON)):
        here = priced(model, 0.0)
        theta = (priced(shifted, day).price - here.price) / day
        assert abs(here.greeks["theta"].value - theta) < 4 * here.greeks["theta"].stderr + 0.02 * abs(theta)


def test_rho_discounts_each_payment_from_its_own_date() -> None:
    note = Autocallable(
        dates=(0.5, 1.0, 1.5), call_level=105.0, coupon=0.04, protection=70.0, reference=100.0
    )
    touch = TouchOption(
        barrier=110.0, direction="up", touch="one", dates=(0.3, 0.6), paid_at="hit", amount=5.0
    )
    for product in (note, touch):
        found = monte_carlo(product, MARKET, paths=400_000, seed=1, greeks="likelihood").greeks["rho"]
        h = 0.01
        up, down = (
            monte_carlo(product, replace(MARKET, rate=0.05 + s * h), paths=400_000, seed=1) for s in (1, -1)
        )
        noise = math.hypot(up.stderr, down.stderr) / (2 * h)
        slope = (up.price - down.price) / (2 * h)
        # Common numbers: the noise of the difference is a fraction of that of independent prices.
        assert abs(found.value - slope) < 3.5 * found.stderr + 0.3 * noise


def test_antithetic_pairs_and_sobol_points_have_greeks() -> None:
    exact = differences(CALL, HESTON)
    for options in ({"antithetic": True, "paths": 100_000}, {"sampler": "sobol", "paths": 65_536}):
        found = monte_carlo(CALL, HESTON, seed=1, steps=24, greeks="pathwise", **options).greeks
        for name, one in found.items():
            assert abs(one.value - exact[name]) < 3.5 * one.stderr + 0.02 * abs(exact[name]), name


def test_a_look_today_leaves_gamma_and_theta_out() -> None:
    option = AsianOption(kind="call", strike=100.0, dates=(0.0, 0.5, 1.0))
    found = monte_carlo(option, MARKET, paths=20_000, seed=1, greeks="pathwise").greeks
    assert set(found) == {"delta", "vega", "rho"}
    with pytest.raises(ValueError, match="today"):
        monte_carlo(option, MARKET, paths=20_000, seed=1, greeks="likelihood")


def test_without_noise_of_its_own_the_spot_has_no_likelihood() -> None:
    model = replace(HESTON, rho=-1.0)
    found = monte_carlo(CALL, model, paths=20_000, steps=12, seed=1, greeks="pathwise").greeks
    assert set(found) == {"delta", "vega", "rho"}
    with pytest.raises(ValueError, match="no likelihood-ratio Greeks"):
        monte_carlo(DIGITAL, model, paths=20_000, steps=12, seed=1, greeks="likelihood")


def test_a_derivative_is_never_lost_silently() -> None:
    discount = Dual(0.9, {"rho": -0.9})
    row = Writer().row(2.0)
    assert float(discount * 3.0) == pytest.approx(2.7)
    assert set((row * discount).tangents) == {"rho"}
    with pytest.raises(TypeError, match="lost"):
        1.0 - discount
    with pytest.raises(TypeError, match="lost"):
        discount + 1.0
    with pytest.raises(TypeError, match="not multiplied"):
        discount * discount
