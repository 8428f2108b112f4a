"""Bermudan and American options by regression: published values, independent trees, rules, bad input."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from optionsib import european_price
from optionsib.pricing import (
    AmericanOption,
    BermudanOption,
    BlackScholes,
    EuropeanOption,
    ExoticProduct,
    Heston,
    Merton,
    Model,
    MultiAsset,
    finite_difference_price,
    monte_carlo,
    price_early_exercise,
    simulate_paths,
)
from optionsib.pricing._paths import path_set

# F. A. Longstaff, E. S. Schwartz, "Valuing American options by simulation: a simple least-squares approach",
# 2001, table 1, finite differences: puts of strike 40 at a rate of 0.06, exercised at 50 dates a year. Spot,
# volatility, years, value.
LONGSTAFF_SCHWARTZ = [
    (36, 0.2, 1, 4.478), (36, 0.2, 2, 4.840), (36, 0.4, 1, 7.101), (36, 0.4, 2, 8.508),
    (38, 0.2, 1, 3.250), (38, 0.2, 2, 3.745), (38, 0.4, 1, 6.148), (38, 0.4, 2, 7.670),
    (40, 0.2, 1, 2.314), (40, 0.2, 2, 2.885), (40, 0.4, 1, 5.312), (40, 0.4, 2, 6.920),
    (42, 0.2, 1, 1.617), (42, 0.2, 2, 2.212), (42, 0.4, 1, 4.582), (42, 0.4, 2, 6.248),
    (44, 0.2, 1, 1.110), (44, 0.2, 2, 1.690), (44, 0.4, 1, 3.948), (44, 0.4, 2, 5.647),
]  # fmt: skip
MARKET = BlackScholes(spot=100.0, volatility=0.2, rate=0.05)
PAYING = replace(MARKET, dividends=((0.5, 1.0),))
HESTON = Heston(spot=100.0, variance=0.05, kappa=1.5, theta=0.04, xi=0.6, rho=-0.7, rate=0.03)
MERTON = Merton(spot=100.0, volatility=0.15, intensity=2.0, jump_mean=-0.05, jump_deviation=0.1, rate=0.03)
PUT = AmericanOption(kind="put", strike=105.0, expiry=1.0, exercise_dates=12)


@pytest.mark.parametrize(("spot", "volatility", "years", "published"), LONGSTAFF_SCHWARTZ)
def test_puts_of_longstaff_and_schwartz(spot: float, volatility: float, years: int, published: float) -> None:
    option = BermudanOption(kind="put", strike=40.0, dates=tuple((i + 1) / 50 for i in range(50 * years)))
    model = BlackScholes(spot=float(spot), volatility=volatility, rate=0.06)
    found = monte_carlo(option, model, paths=100_000, seed=2)
    # Printed to three digits; their grid and a rule short of the best take a little more.
    assert abs(found.price - published) < 3 * found.stderr + 0.002
    continuous = float(finite_difference_price("put", float(spot), 40.0, float(years), 0.06, volatility))
    assert found.price < continuous + 3 * found.stderr
    assert continuous - published < 0.011


def test_many_dates_come_near_the_american_price() -> None:
    exact = float(finite_difference_price("put", 100.0, 100.0, 1.0, 0.05, 0.2))
    option = AmericanOption(kind="put", strike=100.0, expiry=1.0, exercise_dates=250)
    found = monte_carlo(option, MARKET, paths=200_000, seed=3, sampler="xoshiro")
    assert -3 * found.stderr - 0.01 < found.price - exact < 3 * found.stderr


def test_price_is_a_lower_bound_and_its_error_honest() -> None:
    """Over many seeds the mean lies below the tree's value, by little, and the scatter is that stated."""
    option = BermudanOption(kind="put", strike=100.0, dates=(0.25, 0.5, 0.75, 1.0))
    exact = bermudan_tree(option, MARKET)
    found = [monte_carlo(option, MARKET, paths=20_000, seed=seed) for seed in range(100)]
    prices = np.array([one.price for one in found])
    error = np.mean([one.stderr for one in found])
    assert -0.02 < prices.mean() - exact < 3 * error / 10
    assert 0.8 < prices.std(ddof=1) / error < 1.2


def bermudan_tree(option: BermudanOption, model: BlackScholes, steps_per_date: int = 250) -> float:
    """Return the value on a binomial tree, for dates at equal distances."""
    rate, volatility = float(model.rate), float(model.volatility)  # type: ignore[arg-type]
    steps = steps_per_date * len(option.dates)
    dt = option.dates[-1] / steps
    up = math.exp(volatility * math.sqrt(dt))
    p = (math.exp((rate - float(model.dividend_yield)) * dt) - 1 / up) / (up - 1 / up)  # type: ignore[arg-type]
    spots = model.spot * up ** np.arange(-steps, steps + 1, 2.0)
    value = option.exercised(spots[None, :])
    for step in range(steps - 1, -1, -1):
        value = math.exp(-rate * dt) * (p * value[1:] + (1 - p) * value[:-1])
        spots = spots[1:] / up
        if step and step % steps_per_date == 0:
            value = np.maximum(value, option.exercised(spots[None, :]))
    return float(value[0])


def max_call_tree(spot: float, steps_per_date: int = 20) -> float:
    """Return the max-call of two independent assets below on a product of two binomial trees."""
    steps, dt = 9 * steps_per_date, 3.0 / (9 * steps_per_date)
    up = math.exp(0.2 * math.sqrt(dt))
    p = (math.exp((0.05 - 0.1) * dt) - 1 / up) / (up - 1 / up)
    spots = spot * up ** np.arange(-steps, steps + 1, 2.0)
    value = np.maximum(np.maximum(spots[:, None], spots[None, :]) - 100.0, 0.0)
    for step in range(steps - 1, -1, -1):
        value = p * value[1:] + (1 - p) * value[:-1]
        value = math.exp(-0.05 * dt) * (p * value[:, 1:] + (1 - p) * value[:, :-1])
        spots = spots[1:] / up
        if step and step % steps_per_date == 0:
            value = np.maximum(value, np.maximum(spots[:, None], spots[None, :]) - 100.0)
    return float(value[0, 0])


@pytest.mark.parametrize(("spot", "published"), [(90.0, 8.075), (100.0, 13.902), (110.0, 21.345)])
def test_max_calls_on_two_assets(spot: float, published: float) -> None:
    """The binomial values of L. Andersen, M. Broadie, "Primal-dual simulation algorithm for pricing
    multidimensional American options", Management Science 50 (2004), and our own tree."""
    asset = BlackScholes(spot=spot, volatility=0.2, rate=0.05, dividend_yield=0.1)
    model = MultiAsset(underlyings=(asset, asset), correlation=((1.0, 0.0), (0.0, 1.0)))
    option = BermudanOption(kind="call", strike=100.0, dates=tuple((i + 1) / 3 for i in range(9)))
    assert max_call_tree(spot) == pytest.approx(published, abs=0.03)
    found = monte_carlo(option, model, paths=400_000, seed=1)
    assert -3 * found.stderr - 0.02 < found.price - published < 3 * found.stderr


@pytest.mark.parametrize(
    ("variance", "spot", "published"),
    [(0.0625, 9.0, 1.1076), (0.0625, 10.0, 0.5200), (0.25, 9.0, 1.3336), (0.25, 10.0, 0.7960)],
)
def test_puts_under_heston(variance: float, spot: float, published: float) -> None:
    """The problem of N. Clarke, K. Parrott, "Multigrid for American option pricing with stochastic
    volatility", 1999, whose solutions in the literature agree to about 0.001."""
    model = Heston(spot=spot, variance=variance, kappa=5.0, theta=0.16, xi=0.9, rho=0.1, rate=0.1)
    option = AmericanOption(kind="put", strike=10.0, expiry=0.25)
    found = monte_carlo(option, model, paths=200_000, seed=1)
    assert -3 * found.stderr - 0.004 < found.price - published < 3 * found.stderr + 0.001


@pytest.mark.parametrize("model", [MARKET, HESTON, MERTON], ids=lambda model: model.type)
def test_calls_without_dividends_are_not_exercised_early(model: Model) -> None:
    early = monte_carlo(replace(PUT, kind="call"), model, paths=100_000, seed=1, steps=24)
    plain = monte_carlo(
        EuropeanOption(kind="call", strike=105.0, expiry=1.0), model, paths=200_000, seed=2, steps=24
    )
    assert abs(early.price - plain.price) < 3.5 * math.hypot(early.stderr, plain.stderr) + 0.01


@pytest.mark.parametrize("model", [MARKET, HESTON, MERTON], ids=lambda model: model.type)
def test_early_exercise_is_worth_something(model: Model) -> None:
    early = monte_carlo(PUT, model, paths=60_000, seed=1, steps=12)
    plain = monte_carlo(
        EuropeanOption(kind="put", strike=105.0, expiry=1.0), model, paths=60_000, seed=1, steps=12
    )
    assert early.price > plain.price + 3 * plain.stderr


def test_exercise_just_before_a_cash_dividend() -> None:
    """Against a quadrature: exercise at 0.49, or a European option whose spot loses 6 at 0.5."""
    model = replace(MARKET, dividends=((0.5, 6.0),))
    option = BermudanOption(kind="call", strike=95.0, dates=(0.49, 1.0))
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()

    def grown(spot: Any, time: float) -> Any:
        return spot[..., None] * np.exp((0.05 - 0.02) * time + 0.2 * math.sqrt(time) * nodes)

    before = np.linspace(40.0, 250.0, 20_001)
    after = np.maximum(grown(before, 0.01) - 6.0, 1e-9)
    later = np.asarray(european_price("call", after, 95.0, 0.5, 0.05, 0.2))
    kept = math.exp(-0.05 * 0.01) * (later * weights).sum(axis=1)
    density = norm.pdf((np.log(before / 100.0) - 0.03 * 0.49) / (0.2 * 0.7)) / (before * 0.2 * 0.7)
    best = np.maximum(before - 95.0, kept)
    exact = math.exp(-0.05 * 0.49) * float((best * density).sum() * (before[1] - before[0]))
    found = monte_carlo(option, model, paths=400_000, seed=1)
    assert -3 * found.stderr - 0.01 < found.price - exact < 3 * found.stderr


def test_delta_is_that_of_finite_differences() -> None:
    option = replace(PUT, exercise_dates=50)
    found = monte_carlo(option, MARKET, paths=200_000, seed=1, greeks="pathwise")
    up, down = (float(finite_difference_price("put", s, 105.0, 1.0, 0.05, 0.2)) for s in (101.0, 99.0))
    delta = found.greeks["delta"]
    assert delta.value == pytest.approx((up - down) / 2, abs=3 * delta.stderr + 0.01)
    assert found.price == monte_carlo(option, MARKET, paths=200_000, seed=1).price


def test_threads_do_not_change_a_bit() -> None:
    for model in (MARKET, HESTON):
        dtypes: tuple[Any, ...] = ("float64", "float32")
        for dtype in dtypes:
            prices = {
                monte_carlo(PUT, model, paths=70_001, seed=4, steps=12, threads=n, dtype=dtype).price
                for n in (1, 2, 5)
            }
            assert len(prices) == 1


def test_ranges_of_paths_are_those_of_the_whole() -> None:
    options: Any = {"paths": 10_000, "seed": 5, "steps": 8, "sampler": "xoshiro", "threads": 2}
    made = path_set(HESTON, (0.25, 1.0), **options, factors=True)
    assert (made.rows, made.times) == (2, 2)
    pieces = [made.range(first, 1) for first in range(made.program.blocks)]
    assert [piece.shape[2] for piece in pieces] == [4096, 4096, 1808]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=2), made.range(0, 99))
    np.testing.assert_array_equal(
        made.range(1, 2)[0], simulate_paths(HESTON, (0.25, 1.0), **options)[:, 4096:]
    )


def test_deep_in_the_money_is_exercised_today() -> None:
    found = monte_carlo(replace(PUT, strike=160.0), MARKET, paths=10_000, seed=1, greeks="auto")
    assert (found.price, found.stderr, found.paths) == (60.0, 0.0, 0)
    assert found.greeks["delta"] == (-1.0, 0.0)
    assert monte_carlo(replace(PUT, expiry=0.0), MARKET, paths=10_000, seed=1).price == 5.0


def test_a_worthless_option_is_worth_nothing() -> None:
    found = monte_carlo(replace(PUT, strike=1.0), MARKET, paths=10_000, seed=1)
    assert found.price == 0.0


def test_progress_is_told_and_may_stop() -> None:
    seen: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> bool:
        seen.append((done, total))
        return len(seen) < 2

    found = monte_carlo(PUT, MARKET, paths=200_000, seed=1, progress=watch)
    assert seen == [(65_536, 200_000), (131_072, 200_000)]
    assert found.paths == 131_072


def test_options_go_to_json_and_back() -> None:
    for option in (PUT, BermudanOption(kind="call", strike=1.0, dates=(0.0, 0.5), underlying="average")):
        text = option.to_json()
        assert json.loads(text)["type"] == option.type
        assert ExoticProduct.from_json(text) == option


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: BermudanOption(kind="put", strike=0.0, dates=(1.0,)), "strike must be positive"),
        (lambda: BermudanOption(kind="put", strike=1.0, dates=(1.0, 0.5)), "dates must ascend"),
        (lambda: BermudanOption(kind="put", strike=1.0, dates=()), "dates must not be empty"),
        (lambda: replace(PUT, expiry=-1.0), "expiry must be >= 0"),
        (lambda: replace(PUT, exercise_dates=0), "exercise_dates must be a whole number"),
        (lambda: replace(PUT, underlying="sum"), "underlying must be"),  # type: ignore[arg-type]
        (lambda: monte_carlo(PUT, MARKET, paths=1, seed=1), "paths must be"),
        (lambda: monte_carlo(PUT, MARKET, paths=65_536, seed=1, sampler="sobol"), "independent paths"),
        (lambda: monte_carlo(PUT, MARKET, paths=100, seed=1, antithetic=True), "takes no antithetic"),
        (lambda: monte_carlo(PUT, MARKET, paths=100, seed=1, control_variate="spot"), "no control_variate"),
        (lambda: monte_carlo(PUT, MARKET, paths=100, seed=1, greeks="likelihood"), "'pathwise' or 'auto'"),
        (lambda: price_early_exercise(PUT, MARKET, paths=100, seed=1, policy_paths=0), "paths must be"),
        (
            lambda: monte_carlo(PUT, PAYING, paths=9, seed=1, greeks="auto"),
            "without cash dividends",
        ),
        (
            lambda: monte_carlo(
                EuropeanOption(kind="call", strike=1.0, expiry=1.0), MARKET, paths=9, seed=1,
                control_variate=(PUT, 6.0),
            ),
            "by regression",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_any_work(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_paths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MemoryError, match="dates"):
        price_early_exercise(
            replace(PUT, exercise_dates=5000), MARKET, paths=100_000, seed=1, policy_paths=10_000_000
        )
