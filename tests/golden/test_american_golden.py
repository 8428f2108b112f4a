"""American options and cash dividends against values of others: papers, QuantLib, integrals, a tree."""

from __future__ import annotations

import csv
import gzip
import itertools
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, optimize

from optionsib.pricing import (
    american_greeks,
    american_price,
    early_exercise_premium,
    european_greeks,
    european_price,
    exercise_advice,
    finite_difference_price,
    leisen_reimer_price,
    price,
)

HERE = Path(__file__).parent / "data"
DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
TABLES = DATA / "reference" / "quantlib_option_tables.csv.gz"
TIERS: tuple[Literal["fast", "accurate", "high"], ...] = ("fast", "accurate", "high")
Row = dict[str, str]
Array = NDArray[np.float64]


def read(name: str) -> list[Row]:
    with (HERE / name).open(newline="") as file:
        return list(csv.DictReader(file))


def report(failures: list[str]) -> None:
    """Fail with every bad row whole: inputs, expected, calculated, error, tolerance."""
    assert not failures, f"{len(failures)} bad values:\n" + "\n".join(failures[:20])


def line(row: Row, what: str, expected: float, got: float, tolerance: float) -> str:
    given = ", ".join(f"{key}={value}" for key, value in row.items())
    return (
        f"{what}: expected {expected!r}, got {got!r}, error {got - expected:.3g} > {tolerance:.3g}  [{given}]"
    )


def columns(rows: list[Row]) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
    """Return kind, spot, strike, years, rate, volatility and yield of all rows."""
    names = ("kind", "spot", "strike", "days", "rate", "volatility", "dividend_yield")
    kind, spot, strike, days, *rest = (np.array([float(row[name]) for row in rows]) for name in names)
    return kind, spot, strike, days / 365, *rest  # type: ignore[return-value]


# --- published tables ---------------------------------------------------------------------------------


def test_published_values_row_by_row() -> None:
    failures = []
    for row in read("american_published.csv"):
        names = ("spot", "strike", "time_to_expiry", "rate", "volatility", "dividend_yield")
        option = (row["kind"], *(float(row[name]) for name in names))
        expected, tolerance, quantity = float(row["value"]), float(row["tolerance"]), row["quantity"]
        if quantity == "premium":
            computed = early_exercise_premium(*option, tier="high")
        elif quantity == "european":
            computed = price(*option)
        else:
            # The table's option has 50 exercise dates a year: continuous exercise is worth up to a cent more.
            computed = american_price(*option, tier="high")
            if computed > expected:
                computed = max(expected, computed - 0.009)
        if not abs(computed - expected) <= tolerance:
            failures.append(line(row, quantity, expected, computed, tolerance))
    report(failures)


needs_tables = pytest.mark.skipif(not TABLES.exists(), reason=f"no option tables at {TABLES}")


def table_rows(table: str) -> Iterator[Row]:
    with gzip.open(TABLES, "rt", newline="") as file:
        for row in csv.DictReader(file):
            if row["file"] == "americanoption" and row["table"] == table:
                yield row


@pytest.mark.tape
@needs_tables
def test_quantlib_edge_cases_row_by_row() -> None:
    # QuantLib's americanoption.cpp, testQdAmericanEngines: type, spot, strike, days (Actual/365), vol, r, q,
    # value, tolerance. Its spots and strikes of zero are outside our domain. The values are those of the
    # approximate QdPlus engine: exact only where the price is European, intrinsic or a limit. The rows in
    # `approximate` are off by up to 0.03 (QdFp: 23.000306, 8.865365, 99.987488, 0.115938, 80.390250).
    approximate = {"1145": 0.03, "1147": 0.03, "1201": 0.01, "1213": 1e-5, "1216": 1e-4, "1219": 0.02}
    failures, tested = [], 0
    for row in table_rows("edgeTestCases"):
        kind = row["v1"].removeprefix("Option::").lower()
        factors = [float(part) for part in row["v4"].split("*")]
        spot, strike, volatility, rate, dividend = (float(row[f"v{i}"]) for i in (2, 3, 5, 6, 7))
        if spot == 0.0 or strike == 0.0:
            continue
        tested += 1
        value, _, less = row["v8"].partition("-")
        expected = float(value) - float(less or 0.0) if value else float(row["v8"])
        tolerance = approximate.get(row["source_line"], max(float(row["v9"]), 1e-6))
        if math.prod(factors) == 0:
            expected = max(strike - spot, 0.0)  # there an expired option is worth nothing, here what it pays
        if float(row["v9"]) < 0:
            tolerance = 1e-9 * expected
        option = (kind, spot, strike, math.prod(factors) / 365, rate, volatility, dividend)
        computed = american_price(*option, tier="high")
        if not abs(computed - expected) <= tolerance:
            failures.append(line(row, str(option), expected, computed, tolerance))
    assert tested >= 20
    report(failures)


@pytest.mark.tape
@needs_tables
def test_quantlib_approximations_are_near() -> None:
    # Ju (1998) and Barone-Adesi-Whaley tables hold what those approximations give, not the truth: the
    # tolerances are the errors of the approximations, and show a mixed-up column or sign, no more.
    failures, tested = [], 0
    for table, tolerance in (("juValues", 0.1), ("values", 0.1)):
        for row in table_rows(table):
            if table == "values" and row["test_case"] != "testBaroneAdesiWhaleyValues":
                continue
            tested += 1
            strike, spot, dividend, rate, years, volatility, expected = (
                float(row[f"v{i}"]) for i in range(2, 9)
            )
            kind = row["v1"].removeprefix("Option::").lower()
            computed = american_price(kind, spot, strike, years, rate, volatility, dividend)
            if not abs(computed - expected) <= tolerance:
                failures.append(line(row, table, expected, computed, tolerance))
    assert tested >= 60
    report(failures)


# --- QuantLib, an independent implementation ------------------------------------------------------------

# Error bounds per 100 of spot: the larger of each pair for any row, the smaller for the root mean square.
BOUNDS = {"fast": (1.6e-3, 2.9e-4), "accurate": (2e-4, 1.2e-5), "high": (1e-6, 1e-6)}


@pytest.mark.parametrize("tier", TIERS)
def test_continuous_yield_against_quantlib(tier: Literal["fast", "accurate", "high"]) -> None:
    rows = [row for row in read("american_quantlib.csv") if row["group"] != "double"]
    assert len(rows) >= 260
    expected = np.array([float(row["price"]) for row in rows])
    computed = american_price(*columns(rows), tier=tier)
    error = np.abs(computed - expected)
    largest, mean_square = BOUNDS[tier]
    report(
        [
            line(row, tier, expected[i], computed[i], largest)
            for i, row in enumerate(rows)
            if not error[i] <= largest
        ]
    )
    # Negative rates with a higher yield are European: no error there to average.
    told = np.array([row["group"] not in ("negative", "days") for row in rows])
    assert np.sqrt(np.mean(error[told] ** 2)) <= mean_square
    if tier == "accurate":
        peer = np.abs(np.array([float(row["quantlib_accurate"]) for row in rows]) - expected)
        assert error[told].max() <= peer[told].max()
        assert np.sqrt(np.mean(error[told] ** 2)) <= np.sqrt(np.mean(peer[told] ** 2))


def test_two_boundaries_against_quantlib_and_a_tree() -> None:
    # QuantLib's grid is good to about 1e-3 here; the tiers agree far better with one another.
    rows = [row for row in read("american_quantlib.csv") if row["group"] == "double"]
    assert len(rows) >= 10
    expected = np.array([float(row["price"]) for row in rows])
    high = american_price(*columns(rows), tier="high")
    np.testing.assert_allclose(high, expected, atol=3e-3)
    np.testing.assert_allclose(high, leisen_reimer_price(*columns(rows), steps=2001), atol=2e-3)
    for tier in ("fast", "accurate"):
        np.testing.assert_allclose(american_price(*columns(rows), tier=tier), high, atol=BOUNDS[tier][0])


def test_cash_dividends_against_quantlib() -> None:
    failures = []
    rows = read("american_cash_quantlib.csv")
    assert len(rows) >= 28
    for row in rows:
        option = [float(column[0]) for column in columns([row])]
        days, amounts = row["ex_days"].split(), row["amounts"].split()
        cash = (np.array(days, dtype=np.float64) / 365, np.array(amounts, dtype=np.float64))
        model: Literal["spot", "escrowed"] = "spot" if row["dividend_model"] == "spot" else "escrowed"
        for tier in TIERS:
            computed = american_price(*option, dividends=cash, dividend_model=model, tier=tier)
            if not abs(computed - float(row["price"])) <= 3e-3:
                failures.append(line(row, tier, float(row["price"]), computed, 3e-3))
    report(failures)


# --- integrals: one dividend ----------------------------------------------------------------------------


def expected_just_before(
    value: Callable[[float], float],
    spot: float,
    time: float,
    rate: float,
    volatility: float,
    kinks: list[float],
) -> float:
    """Return the discounted expectation of `value` of the spot just before the ex-date."""
    spread = volatility * math.sqrt(time)

    def weighted(z: float) -> float:
        before = spot * math.exp((rate - volatility**2 / 2) * time + spread * z)
        return value(before) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    points = [
        (math.log(kink / spot) - (rate - volatility**2 / 2) * time) / spread for kink in kinks if kink > 0
    ]
    edges = sorted({-9.0, 9.0, *(point for point in points if -9 < point < 9)})
    total = sum(
        integrate.quad(weighted, low, high, epsabs=1e-11, epsrel=1e-11, limit=200)[0]
        for low, high in itertools.pairwise(edges)
    )
    return float(math.exp(-rate * time) * total)


ONE_DIVIDEND = [
    # kind, strike, expiry, rate, volatility, ex-time, amount
    ("call", 100.0, 1.0, 0.06, 0.30, 0.5, 7.0),
    ("put", 100.0, 1.0, 0.06, 0.30, 0.5, 7.0),
    ("call", 85.0, 0.5, 0.03, 0.20, 0.25, 2.0),
    ("call", 130.0, 2.0, 0.05, 0.45, 1.9, 4.0),
    ("put", 110.0, 0.25, 0.02, 0.25, 0.01, 1.0),
    ("call", 90.0, 0.3, 0.04, 0.25, 0.3 - 1 / 365, 1.5),  # the day before expiry
]


@pytest.mark.parametrize("case", ONE_DIVIDEND, ids=str)
def test_european_prices_with_one_dividend_are_the_integral(
    case: tuple[str, float, float, float, float, float, float],
) -> None:
    kind, strike, expiry, rate, volatility, ex_time, amount = case

    def after(before: float) -> float:
        if before <= amount:  # nothing is left, and the spot stays 0
            return 0.0 if kind == "call" else strike * math.exp(-rate * (expiry - ex_time))
        return price(kind, before - amount, strike, expiry - ex_time, rate, volatility)

    expected = expected_just_before(after, 100.0, ex_time, rate, volatility, [amount, strike + amount])
    cash = ([ex_time], [amount])
    option = (kind, 100.0, strike, expiry, rate, volatility)
    for tier, tolerance in (("fast", 1e-3), ("accurate", 1e-4), ("high", 1e-6)):
        value = european_price(*option, dividends=cash, tier=tier)  # type: ignore[call-overload]
        assert value == pytest.approx(expected, abs=tolerance), tier
    assert european_price(*option, dividends=cash, method="approximation") == pytest.approx(
        expected, abs=5e-3
    )
    g = european_greeks(*option, dividends=cash)
    step = 0.01
    up, down = (european_price(kind, 100.0 + d, *option[2:], dividends=cash) for d in (step, -step))
    assert g.price == european_price(*option, dividends=cash)
    assert g.delta == pytest.approx((up - down) / (2 * step), abs=1e-4)


@pytest.mark.parametrize("case", [case for case in ONE_DIVIDEND if case[0] == "call"], ids=str)
def test_american_calls_are_exercised_just_before_the_dividend_or_never(
    case: tuple[str, float, float, float, float, float, float],
) -> None:
    # Without yield a call is worth more alive at any other time, so the integral over the spot just before
    # the ex-date of the better of exercise and the European call after it is the American price.
    kind, strike, expiry, rate, volatility, ex_time, amount = case

    def after(before: float) -> float:
        return price(kind, max(before - amount, 1e-12), strike, expiry - ex_time, rate, volatility)

    advantage = lambda spot: spot - strike - after(spot)  # noqa: E731
    kinks = [amount, strike + amount]
    critical = math.nan
    if advantage(10 * strike) > 0:
        critical = optimize.brentq(advantage, strike, 10 * strike, xtol=1e-12)
        kinks.append(critical)
    expected = expected_just_before(
        lambda spot: max(spot - strike, after(spot)), 100.0, ex_time, rate, volatility, kinks
    )
    option = (kind, 100.0, strike, expiry, rate, volatility)
    cash = ([ex_time], [amount])
    for tier, tolerance in (("fast", 1e-3), ("accurate", 1e-4), ("high", 5e-6)):
        value = american_price(*option, dividends=cash, tier=tier)  # type: ignore[call-overload]
        assert value == pytest.approx(expected, abs=tolerance), tier
    advice = exercise_advice(*option, dividends=cash, tier="high")
    holding = expected_just_before(after, 100.0, ex_time, rate, volatility, kinks)
    assert advice.holding_value == pytest.approx(holding, abs=1e-5)
    assert advice.exercise_value == pytest.approx(100.0 - strike * math.exp(-rate * ex_time), abs=1e-12)
    assert advice.critical_spot == pytest.approx(critical, abs=1e-3, nan_ok=True)


# --- several dividends: the tree of Vellekoop and Nieuwenhuis ---------------------------------------------


def dividend_tree(
    kind: str,
    spot: float,
    strike: float,
    expiry: float,
    rate: float,
    volatility: float,
    dividends: tuple[list[float], list[float]],
    *,
    american: bool,
    steps: int,
) -> float:
    """Return the price on a recombining tree, interpolated at each ex-date (2006, section 3).

    Ex-dates fall on steps. Nothing is left of a spot below its dividend.
    """
    sign = 1.0 if kind == "call" else -1.0
    step = expiry / steps
    up = math.exp(volatility * math.sqrt(step))
    chance = (math.exp(rate * step) - 1 / up) / (up - 1 / up)
    ex_dates = {round(time / step): amount for time, amount in zip(*dividends, strict=True)}

    def spots(n: int) -> Array:
        return spot * up ** (2.0 * np.arange(n + 1) - n)

    value: Array = np.maximum(sign * (spots(steps) - strike), 0.0)
    for n in range(steps - 1, -1, -1):
        value = math.exp(-rate * step) * (chance * value[1:] + (1 - chance) * value[:-1])
        exercise = np.maximum(sign * (spots(n) - strike), 0.0)
        if american:
            value = np.maximum(value, exercise)
        if n in ex_dates:
            waiting = 0.0 if american else rate * (steps - n) * step
            ruined = 0.0 if kind == "call" else strike * math.exp(-waiting)
            value = np.interp(
                np.maximum(spots(n) - ex_dates[n], 0.0), [0.0, *spots(n)], np.concatenate([[ruined], value])
            )
            if american:
                value = np.maximum(value, exercise)
    return float(value[0])


SEVERAL_DIVIDENDS = [
    # expiry, rate, volatility, ex-times, amounts
    (1.0, 0.05, 0.30, [0.25, 0.5, 0.75], [2.0, 2.0, 2.0]),
    (1.0, 0.06, 0.25, [0.5], [7.0]),
    (2.0, 0.03, 0.40, [0.25, 0.75, 1.25, 1.75], [3.0, 3.0, 3.0, 3.0]),
    (0.5, 0.0, 0.20, [0.25], [4.0]),
]


@pytest.mark.parametrize("case", SEVERAL_DIVIDENDS, ids=str)
@pytest.mark.parametrize("strike", [70.0, 100.0, 130.0])
@pytest.mark.parametrize("kind", ["call", "put"])
def test_several_dividends_against_an_interpolated_tree(
    kind: str, strike: float, case: tuple[float, float, float, list[float], list[float]]
) -> None:
    expiry, rate, volatility, ex_times, amounts = case
    option = (kind, 100.0, strike, expiry, rate, volatility)
    cash = (ex_times, amounts)
    for american, ours in ((True, american_price), (False, european_price)):
        coarse, fine = (dividend_tree(*option, cash, american=american, steps=n) for n in (2000, 4000))
        value = ours(*option, dividends=cash, tier="high")
        # The tree is first order in its steps; the saw-tooth of a strike between its nodes remains.
        assert value == pytest.approx(2 * fine - coarse, abs=5e-3), (american, coarse, fine)


# --- exercise advice: brute force -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["call", "put"])
def test_advice_is_what_a_tree_says(kind: str) -> None:
    """On the eve: exercise against a tree that starts after the ex-date, on the spot less the dividend."""
    rng = np.random.default_rng(11)
    spots = np.round(100.0 * np.exp(rng.uniform(-0.25, 0.25, 60)), 2)
    amounts = np.round(rng.uniform(0.1, 4.0, 60), 2)
    years, volatility = rng.uniform(0.02, 1.0, 60), rng.uniform(0.1, 0.6, 60)
    eve = 1e-7
    cash = (np.full(60, eve), amounts, np.arange(61))
    advice = exercise_advice(kind, spots, 100.0, years + eve, 0.05, volatility, dividends=cash, tier="high")
    held = leisen_reimer_price(kind, spots - amounts, 100.0, years, 0.05, volatility, steps=1001)
    sign = 1.0 if kind == "call" else -1.0
    np.testing.assert_allclose(advice.holding_value, held, atol=3e-3)
    np.testing.assert_allclose(advice.exercise_value, sign * (spots - 100.0), atol=1e-5)
    clear = np.abs(sign * (spots - 100.0) - held) > 5e-3
    assert clear.sum() > 50
    assert np.array_equal(advice.exercise_is_best[clear], (sign * (spots - 100.0) > held)[clear])
    assert advice.exercise_is_best.any() == (kind == "call")


# --- independent checks -----------------------------------------------------------------------------------


def test_tree_and_finite_differences_agree() -> None:
    rows = [row for row in read("american_quantlib.csv") if row["group"] in ("set", "negative yield")][::6]
    high = american_price(*columns(rows), tier="high")
    np.testing.assert_allclose(leisen_reimer_price(*columns(rows), steps=801), high, atol=1e-2)
    np.testing.assert_allclose(finite_difference_price(*columns(rows)), high, atol=1e-2)
    for check in (leisen_reimer_price, finite_difference_price):
        flat = check(*columns(rows), exercise="european")
        np.testing.assert_allclose(flat, price(*columns(rows)), atol=5e-3)


def test_greeks_are_the_differences_of_the_price() -> None:
    rows = [row for row in read("american_quantlib.csv") if row["group"] in ("set", "no yield", "deep")][::5]
    kind, spot, strike, years, rate, volatility, dividend = columns(rows)

    def value(**moved: Array) -> Array:
        inputs = {
            "kind": kind,
            "spot": spot,
            "strike": strike,
            "time_to_expiry": years,
            "rate": rate,
            "volatility": volatility,
            "dividend_yield": dividend,
        }
        return american_price(**(inputs | moved), tier="high")

    def slope(name: str, at: Array, step: float) -> Array:
        return (value(**{name: at + step}) - value(**{name: at - step})) / (2 * step)

    found = american_greeks(*columns(rows), tier="high")
    for name, expected, tolerance in (
        ("delta", slope("spot", spot, 0.02), 1e-4),
        ("vega", slope("volatility", volatility, 1e-3), 2e-2),
        ("theta", -slope("time_to_expiry", years, 1e-3), 2e-2),
        ("rho", slope("rate", rate, 1e-4), 2e-2),
        ("epsilon", slope("dividend_yield", dividend, 1e-4), 2e-2),
        ("dual_delta", slope("strike", strike, 0.02), 1e-4),
    ):
        np.testing.assert_allclose(getattr(found, name), expected, atol=tolerance, err_msg=name)
    # The Black-Scholes equation holds where the option is alive.
    alive = (found.gamma > 0) & (found.price > kind * (spot - strike) + 1e-6)
    assert alive.sum() > 20
    residual = (
        found.theta
        + 0.5 * volatility**2 * spot**2 * found.gamma
        + (rate - dividend) * spot * found.delta
        - rate * found.price
    )
    assert np.abs(residual[alive]).max() <= 1e-4 * 100.0
