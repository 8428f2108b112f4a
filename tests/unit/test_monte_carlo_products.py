"""Payoffs: against NumPy on the very same paths, closed forms, parities, JSON."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from optionsib.pricing import (
    AsianOption,
    Autocallable,
    BarrierOption,
    BasketOption,
    BlackScholes,
    DigitalOption,
    DoubleBarrierOption,
    EuropeanOption,
    ExchangeOption,
    ExoticProduct,
    ExoticType,
    Heston,
    LookbackOption,
    Merton,
    Model,
    MultiAsset,
    SpreadOption,
    TermStructure,
    TouchOption,
    VarianceSwap,
    monte_carlo,
    simulate_paths,
)
from optionsib.pricing._controls import geometric_asian_price

Array = NDArray[Any]
MARKET = BlackScholes(spot=100.0, volatility=0.25, rate=0.04, dividend_yield=0.01)
DATES = (0.25, 0.5, 0.75, 1.0)
PATHS = 10_000
ASIAN = AsianOption(kind="call", strike=100.0, dates=DATES)
BARRIER = BarrierOption(
    kind="call", strike=95.0, expiry=1.0, barrier=90.0, direction="down", action="out", dates=DATES
)
DOUBLE = DoubleBarrierOption(
    kind="put", strike=105.0, expiry=1.0, lower=80.0, upper=120.0, action="out", dates=DATES
)
LOOKBACK = LookbackOption(kind="call", strike=100.0, dates=DATES)
TOUCH = TouchOption(barrier=115.0, direction="up", touch="one", dates=DATES, amount=7.0)
NOTE = Autocallable(
    dates=DATES, call_level=102.0, coupon=0.02, protection=80.0, reference=100.0, notional=1000.0
)
SWAP = VarianceSwap(strike=0.05, dates=DATES, periods_per_year=4.0, notional=100.0)


def discount(time: float) -> float:
    return math.exp(-0.04 * time)


def call(x: Array, strike: float) -> Array:
    return np.maximum(x - strike, 0.0)


def put(x: Array, strike: float) -> Array:
    return np.maximum(strike - x, 0.0)


def first(hits: Array) -> tuple[Any, Any]:
    """Return whether a path has a hit, and the index of its first."""
    return hits.any(axis=0), hits.argmax(axis=0)


def rebate_at_hit(s: Array) -> Array:
    hit, index = first(s <= 90)
    when = np.array([discount(t) for t in DATES])[index]
    return np.where(hit, 3.0 * when, call(s[-1], 95) * discount(1.0))


def touch_at_hit(s: Array) -> Array:
    hit, index = first(s >= 115)
    return np.where(hit, 7.0 * np.array([discount(t) for t in DATES])[index], 0.0)


def note(s: Array) -> Array:
    hit, index = first(s >= 102)
    when = np.array([discount(t) for t in DATES])[index]
    end = np.where(s[-1] >= 80, 1000.0, 1000.0 * s[-1] / 100) * discount(1.0)
    return np.where(hit, 1000.0 * (1 + 0.02 * (index + 1)) * when, end)


def variance(s: Array) -> Any:
    returns = np.diff(np.log(np.vstack([np.full(s.shape[1], 100.0), s])), axis=0)
    return 100.0 * ((returns**2).sum(axis=0) - 0.05) * discount(1.0)


PAYOFFS: list[tuple[ExoticProduct, Callable[[Array], Any]]] = [
    (EuropeanOption(kind="put", strike=100.0, expiry=1.0), lambda s: put(s[-1], 100) * discount(1)),
    (
        DigitalOption(kind="call", strike=100.0, expiry=1.0, amount=5.0),
        lambda s: (s[-1] >= 100) * 5 * discount(1),
    ),
    (
        DigitalOption(kind="put", strike=100.0, expiry=1.0, pays="asset"),
        lambda s: (s[-1] <= 100) * s[-1] * discount(1),
    ),
    (ASIAN, lambda s: call(s.mean(axis=0), 100) * discount(1)),
    (replace(ASIAN, kind="put", expiry=1.5), lambda s: put(s.mean(axis=0), 100) * discount(1.5)),
    (replace(ASIAN, strike=None), lambda s: np.maximum(s[-1] - s.mean(axis=0), 0) * discount(1)),
    (
        replace(ASIAN, average="geometric"),
        lambda s: call(np.exp(np.log(s).mean(axis=0)), 100) * discount(1),
    ),
    (
        replace(ASIAN, average="geometric", strike=None, kind="put"),
        lambda s: np.maximum(np.exp(np.log(s).mean(axis=0)) - s[-1], 0) * discount(1),
    ),
    (replace(BARRIER, rebate=3.0, rebate_at="hit"), rebate_at_hit),
    (DOUBLE, lambda s: ((s > 80) & (s < 120)).all(axis=0) * put(s[-1], 105) * discount(1)),
    (
        replace(DOUBLE, action="in", rebate=2.0),
        lambda s: np.where(((s > 80) & (s < 120)).all(axis=0), 2.0, put(s[-1], 105)) * discount(1),
    ),
    (LOOKBACK, lambda s: call(s.max(axis=0), 100) * discount(1)),
    (replace(LOOKBACK, kind="put"), lambda s: put(s.min(axis=0), 100) * discount(1)),
    (replace(LOOKBACK, strike=None), lambda s: (s[-1] - s.min(axis=0)) * discount(1)),
    (replace(LOOKBACK, strike=None, kind="put"), lambda s: (s.max(axis=0) - s[-1]) * discount(1)),
    (TOUCH, lambda s: (s >= 115).any(axis=0) * 7 * discount(1)),
    (
        replace(TOUCH, touch="no", direction="down", barrier=90.0),
        lambda s: (s > 90).all(axis=0) * 7 * discount(1),
    ),
    (replace(TOUCH, paid_at="hit"), touch_at_hit),
    (SWAP, variance),
    (NOTE, note),
]
for kind, direction, action in itertools.product(("call", "put"), ("down", "up"), ("in", "out")):
    level = 90.0 if direction == "down" else 112.0

    def barrier_payoff(
        s: Array, kind: str = kind, direction: str = direction, action: str = action, level: float = level
    ) -> Any:
        touched = (s <= level if direction == "down" else s >= level).any(axis=0)
        lives = touched if action == "in" else ~touched
        paid = call(s[-1], 95) if kind == "call" else put(s[-1], 95)
        return np.where(lives, paid, 2.5) * discount(1)

    changes: dict[str, Any] = {"kind": kind, "direction": direction, "action": action}
    PAYOFFS.append((replace(BARRIER, barrier=level, rebate=2.5, **changes), barrier_payoff))
MODELS = (
    MARKET,
    replace(MARKET, dividends=((0.3, 2.0),)),
    Heston(spot=100.0, variance=0.05, kappa=2.0, theta=0.05, xi=0.5, rho=-0.6, rate=0.04),
    Merton(spot=100.0, volatility=0.2, intensity=1.0, jump_mean=-0.1, jump_deviation=0.1, rate=0.04),
)


@pytest.mark.parametrize("model", MODELS, ids=["plain", "dividend", "heston", "merton"])
@pytest.mark.parametrize(
    ("product", "payoff"), PAYOFFS, ids=lambda x: x.type if isinstance(x, ExoticProduct) else ""
)
def test_payoffs_are_those_of_numpy_on_the_same_paths(
    product: ExoticProduct, payoff: Callable[[Array], Array], model: Model
) -> None:
    times = [time for time in product.times() if time > 0]
    spots = simulate_paths(model, times, paths=PATHS, seed=11, steps=4)
    values = payoff(spots)
    found = monte_carlo(product, model, paths=PATHS, seed=11, steps=4)
    assert found.price == pytest.approx(values.mean(), rel=1e-9)
    assert found.stderr == pytest.approx(values.std(ddof=1) / math.sqrt(PATHS), rel=1e-8)
    assert found.stderr > 0


PAIR = MultiAsset(
    underlyings=(MARKET, replace(MARKET, spot=95.0, volatility=0.4, dividend_yield=0.03)),
    correlation=((1.0, 0.3), (0.3, 1.0)),
)


@pytest.mark.parametrize(
    ("product", "payoff"),
    [
        (ExchangeOption(expiry=1.0), lambda a, b: np.maximum(a - b, 0)),
        (SpreadOption(kind="put", strike=4.0, expiry=1.0), lambda a, b: put(a - b, 4)),
        (
            BasketOption(kind="call", strike=98.0, expiry=1.0, weights=(0.7, 0.3)),
            lambda a, b: call(0.7 * a + 0.3 * b, 98),
        ),
    ],
)
def test_payoffs_of_several_assets(product: ExoticProduct, payoff: Callable[[Array, Array], Array]) -> None:
    a, b = simulate_paths(PAIR, (1.0,), paths=PATHS, seed=5)[:, 0]
    found = monte_carlo(product, PAIR, paths=PATHS, seed=5)
    assert found.price == pytest.approx(payoff(a, b).mean() * discount(1), rel=1e-9)


# --- closed forms ------------------------------------------------------------------------------------------


def near(product: ExoticProduct, model: Model, exact: float, **options: Any) -> None:
    ways: list[tuple[int, Any, int]] = [
        (1, "philox", 200_000), (2, "xoshiro", 200_000), (3, "sobol", 16 * 8192),
    ]  # fmt: skip
    for seed, sampler, paths in ways:
        found = monte_carlo(product, model, paths=paths, seed=seed, sampler=sampler, **options)
        assert abs(found.price - exact) < 3.7 * found.stderr, sampler


def test_geometric_average_has_its_closed_form() -> None:
    option = replace(ASIAN, average="geometric")
    near(option, MARKET, geometric_asian_price(option, MARKET))
    curved = replace(MARKET, volatility=TermStructure((0.4, 1.0), (0.1, 0.4)))
    near(option, curved, geometric_asian_price(option, curved))


def test_exchange_is_margrabes() -> None:
    volatility = math.sqrt(0.25**2 + 0.4**2 - 2 * 0.3 * 0.25 * 0.4)
    one, two = 100 * math.exp(-0.01), 95 * math.exp(-0.03)
    d = (math.log(one / two) + volatility**2 / 2) / volatility
    near(ExchangeOption(expiry=1.0), PAIR, one * norm.cdf(d) - two * norm.cdf(d - volatility))


def test_variance_swap_is_the_sum_of_squared_means_and_variances() -> None:
    drift = (0.03 - 0.25**2 / 2) / 4
    realised = 4 * (0.25**2 / 4 + drift**2)
    near(SWAP, MARKET, 100 * (realised - 0.05) * discount(1))


def test_digital_pays_the_distribution() -> None:
    d2 = (math.log(1.0) + 0.03 - 0.25**2 / 2) / 0.25
    near(DigitalOption(kind="call", strike=100.0, expiry=1.0), MARKET, discount(1) * float(norm.cdf(d2)))


def test_barrier_of_one_date_is_a_pair_of_binary_options() -> None:
    option = replace(BARRIER, dates=(1.0,), strike=100.0)
    plain = EuropeanOption(kind="call", strike=100.0, expiry=1.0)
    one, other = (monte_carlo(p, MARKET, paths=50_000, seed=1) for p in (option, plain))
    assert one.price == pytest.approx(other.price, rel=1e-12)


# --- conventions -------------------------------------------------------------------------------------------


def test_in_and_out_make_the_plain_option() -> None:
    plain = monte_carlo(
        EuropeanOption(kind="call", strike=95.0, expiry=1.0), MARKET, paths=PATHS, seed=1, steps=4
    )
    ways: list[dict[str, Any]] = [{"action": "in"}, {"action": "out"}]
    parts = [monte_carlo(replace(BARRIER, **action), MARKET, paths=PATHS, seed=1).price for action in ways]
    assert sum(parts) == pytest.approx(plain.price, rel=1e-12)


def test_breach_at_inception_counts_where_today_is_a_date() -> None:
    touched = replace(MARKET, spot=90.0)
    today = replace(BARRIER, dates=(0.0, *DATES), rebate=1.5, rebate_at="hit")
    found = monte_carlo(today, touched, paths=PATHS, seed=1)
    assert (found.price, found.stderr) == (1.5, 0.0)
    assert monte_carlo(BARRIER, touched, paths=PATHS, seed=1).price > 1.0


def test_expired_products_pay_todays_spot() -> None:
    for model in MODELS:
        found = monte_carlo(EuropeanOption(kind="call", strike=90.0, expiry=0.0), model, paths=100, seed=1)
        assert found.price == pytest.approx(10.0)
        assert found.stderr == pytest.approx(0.0, abs=1e-12)


def test_sequences_of_any_kind_are_kept_as_tuples() -> None:
    lists: Any = {"dates": list(DATES)}
    arrays: Any = {"dates": np.array(DATES)}
    assert replace(ASIAN, **lists) == replace(ASIAN, **arrays) == ASIAN
    dividends: Any = {"dividends": [[0.3, 2]]}
    assert replace(MARKET, **dividends) == MODELS[1]
    assert hash(replace(ASIAN, **arrays)) == hash(ASIAN)


def test_steps_refine_and_do_not_move_dates() -> None:
    coarse = monte_carlo(ASIAN, MARKET, paths=100_000, seed=1)
    fine = monte_carlo(ASIAN, MARKET, paths=100_000, seed=2, steps=30)
    assert abs(coarse.price - fine.price) < 3.5 * math.hypot(coarse.stderr, fine.stderr)


@pytest.mark.parametrize("product", [product for product, _ in PAYOFFS] + [ExchangeOption(expiry=1.0)])
def test_products_go_to_json_and_back(product: ExoticProduct) -> None:
    text = product.to_json()
    assert ExoticProduct.from_json(text) == product
    assert json.loads(text)["type"] == product.type


@pytest.mark.parametrize(
    "model", [*MODELS, PAIR, replace(MARKET, rate=TermStructure((0.5, 1.0), (0.01, 0.02)))], ids=repr
)
def test_models_go_to_json_and_back(model: Model) -> None:
    assert Model.from_json(model.to_json()) == model


def test_every_type_has_a_product() -> None:
    made = {product.type for product, _ in PAYOFFS}
    several = {ExoticType.BASKET, ExoticType.EXCHANGE, ExoticType.SPREAD}
    assert made | several | {ExoticType.BERMUDAN, ExoticType.AMERICAN} == set(ExoticType)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "object"),
        ('{"type": "swaption"}', "swaption"),
        ('{"type": "european", "kind": "call"}', "strike"),
        ('{"type": "exchange", "expiry": 1, "color": "red"}', "color"),
        ('{"type": "exchange", "expiry": -1}', "expiry"),
    ],
)
def test_bad_json_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ExoticProduct.from_json(text)
    with pytest.raises(ValueError):  # noqa: PT011
        Model.from_json(text)


def test_assets_must_fit() -> None:
    with pytest.raises(ValueError, match="assets"):
        monte_carlo(ExchangeOption(expiry=1.0), MARKET, paths=100, seed=1)
    with pytest.raises(ValueError, match="assets"):
        monte_carlo(ASIAN, PAIR, paths=100, seed=1)
    basket = BasketOption(kind="call", strike=98.0, expiry=1.0, weights=(1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="weights"):
        monte_carlo(basket, PAIR, paths=100, seed=1)
