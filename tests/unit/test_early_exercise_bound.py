"""The upper bound on early exercise: above finite differences, by little; equal where nobody exercises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from optionsib import european_price
from optionsib.pricing import (
    AmericanOption,
    BermudanOption,
    BlackScholes,
    Heston,
    TermStructure,
    early_exercise_upper_bound,
    finite_difference_price,
    monte_carlo,
)

PUT = AmericanOption(kind="put", strike=100.0, expiry=0.5)
MARKET = BlackScholes(spot=100.0, volatility=0.4, rate=0.06)


# True values of table 1 of L. C. G. Rogers, "Monte Carlo valuation of American options", 2002.
@pytest.mark.parametrize(
    ("spot", "published"),
    [(80.0, 21.6059), (90.0, 14.9187), (100.0, 9.9458), (110.0, 6.4352), (120.0, 4.0611)],
)
def test_puts_of_rogers(spot: float, published: float) -> None:
    assert float(finite_difference_price("put", spot, 100.0, 0.5, 0.06, 0.4)) == pytest.approx(
        published, abs=2e-3
    )
    model = replace(MARKET, spot=spot)
    above = early_exercise_upper_bound(PUT, model, paths=50_000, seed=1)
    below = monte_carlo(PUT, model, paths=50_000, seed=1)
    # With 50 dates the value itself is below the American one by about 0.1%.
    assert published * 0.998 < above.value < published * 1.006
    assert above.stderr < 0.002
    assert below.price < above.value + 3 * below.stderr


def test_calls_with_a_yield_and_curves() -> None:
    model = BlackScholes(spot=100.0, volatility=0.25, rate=0.03, dividend_yield=0.08)
    call = AmericanOption(kind="call", strike=100.0, expiry=1.0, exercise_dates=100)
    exact = float(finite_difference_price("call", 100.0, 100.0, 1.0, 0.03, 0.25, 0.08))
    assert exact * 0.998 < early_exercise_upper_bound(call, model, paths=30_000, seed=1).value < exact * 1.02
    curved = replace(
        model, rate=TermStructure((0.3, 1.0), (0.0, 0.08)), volatility=TermStructure((0.5, 1.0), (0.2, 0.4))
    )
    above = early_exercise_upper_bound(replace(call, kind="put"), curved, paths=30_000, seed=1)
    below = monte_carlo(replace(call, kind="put"), curved, paths=100_000, seed=1)
    assert -3 * below.stderr < above.value - below.price < 3 * below.stderr + 0.01 * below.price


def test_it_is_the_european_price_where_nobody_exercises_early() -> None:
    """A call without dividends: the martingale takes all the noise away."""
    option = BermudanOption(kind="call", strike=110.0, dates=(0.25, 0.5))
    found = early_exercise_upper_bound(option, MARKET, paths=20_000, seed=1)
    exact = float(european_price("call", 100.0, 110.0, 0.5, 0.06, 0.4))
    assert found.value == pytest.approx(exact, abs=1e-2 * exact)
    assert found.value > exact - 3 * found.stderr


def test_threads_do_not_change_a_bit() -> None:
    found = {early_exercise_upper_bound(PUT, MARKET, paths=70_000, seed=2, threads=n) for n in (1, 2, 3)}
    assert len(found) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": replace(MARKET, dividends=((0.1, 1.0),))}, "without cash dividends"),
        (
            {"model": Heston(spot=1.0, variance=0.1, kappa=1.0, theta=0.1, xi=0.1, rho=0.0)},
            "one BlackScholes asset",
        ),
        ({"paths": 1}, "paths must be"),
        ({"sampler": "sobol"}, "independent paths"),
    ],
)
def test_bad_input_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        early_exercise_upper_bound(PUT, **{"model": MARKET, "paths": 5000, "seed": 1, **options})


def test_an_expired_option_is_worth_its_payoff() -> None:
    found = early_exercise_upper_bound(replace(PUT, expiry=0.0, strike=103.0), MARKET, paths=5000, seed=1)
    assert found == (3.0, 0.0)
