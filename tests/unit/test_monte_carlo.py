"""The Monte Carlo engine: the same answer however the work is split, honest errors, right laws, bad input."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import kstest, norm, qmc

from optionsib import european_price, greeks, simd_path
from optionsib._native import _core
from optionsib.pricing import (
    AsianOption,
    BarrierOption,
    BlackScholes,
    DigitalOption,
    EuropeanOption,
    Heston,
    LookbackOption,
    Merton,
    Model,
    MonteCarloResult,
    MultiAsset,
    TermStructure,
    VarianceSwap,
    monte_carlo,
    nearest_correlation,
    simulate_paths,
)
from optionsib.pricing._controls import geometric_asian_price
from optionsib.pricing._rows import Writer
from optionsib.pricing._simulation import Request, Task, compile_product, finish, run_task

MARKET = BlackScholes(spot=100.0, volatility=0.2, rate=0.05, dividend_yield=0.01)
DATES = tuple((i + 1) / 12 for i in range(12))
ASIAN = AsianOption(kind="call", strike=100.0, dates=DATES)
CALL = EuropeanOption(kind="call", strike=105.0, expiry=1.0)
HESTON = Heston(
    spot=100.0, variance=0.05, kappa=1.5, theta=0.04, xi=0.6, rho=-0.7, rate=0.03, dividend_yield=0.01
)
MERTON = Merton(spot=100.0, volatility=0.15, intensity=2.0, jump_mean=-0.05, jump_deviation=0.1, rate=0.03)
Figures = tuple[float, float]


def figures(found: MonteCarloResult) -> Figures:
    return found.price, found.stderr


def within(found: MonteCarloResult, expected: float, errors: float = 3.5) -> None:
    assert abs(found.price - expected) <= errors * found.stderr, (found, expected)


# --- random numbers ---------------------------------------------------------------------------------------


def drawn(operation: str, *, paths: int, seed: int = 1, draws: int = 1, **options: Any) -> Any:
    """Return the rows of a sampler's operation, [slot, path]."""
    writer = Writer()
    writes = 1 if operation == "sobol" else 2
    for n in range(draws):
        for i, row in enumerate(writer.emit(operation, n=n, writes=writes)):
            writer.emit("store", (row,), n=n * writes + i, writes=0)
    slots = draws * writes
    compiled = finish(writer, [], [], draws if operation == "sobol" else 0, slots)
    path = options.pop("simd_path", simd_path())
    program = compiled.program(seed=seed, paths=paths, **options)
    out = np.empty((slots, paths))
    program.run_into(0, program.blocks, path, out)
    return out


@pytest.mark.parametrize("operation", ["philox", "xoshiro"])
@pytest.mark.parametrize("precision", ["wide", "narrow", "paired"])
def test_normal_numbers_are_normal_and_independent(operation: str, precision: str) -> None:
    numbers = drawn(operation, paths=200_000, seed=7, draws=2, precision=precision)
    for row in numbers:
        assert kstest(row, norm.cdf).pvalue > 1e-3
        assert abs(row.mean()) < 4 / math.sqrt(row.size)
        assert abs((row**4).mean() - 3) < 4 * math.sqrt(96 / row.size)
    for values in (numbers, numbers**2):
        correlation = np.corrcoef(values)
        assert np.abs(correlation - np.eye(4)).max() < 4.5 / math.sqrt(numbers.shape[1])
    for lag in (1, 8, 256, 4096):
        shifted = np.mean(numbers[0, lag:] * numbers[0, :-lag])
        assert abs(shifted) < 4.5 / math.sqrt(numbers.shape[1] - lag)


def test_single_precision_normals_are_the_paired_ones_rounded() -> None:
    for operation in ("philox", "xoshiro"):
        narrow, paired = (drawn(operation, paths=20_000, precision=p) for p in ("narrow", "paired"))
        assert np.abs(narrow - paired).max() < 3e-6


def supported_paths() -> list[str]:
    found = []
    for path in ("baseline", "avx2", "avx512"):
        try:
            drawn("philox", paths=2, simd_path=path)
        except ValueError:
            continue
        found.append(path)
    return found


@pytest.mark.parametrize("operation", ["philox", "xoshiro", "sobol"])
def test_every_instruction_set_draws_the_same_numbers(operation: str) -> None:
    options = {"replicate_paths": 4096} if operation == "sobol" else {}
    rows = [drawn(operation, paths=8192, draws=3, simd_path=path, **options) for path in supported_paths()]
    for row in rows[1:]:
        np.testing.assert_allclose(row, rows[0], rtol=0, atol=2e-13)


def test_more_paths_do_not_change_the_first() -> None:
    few, many = (drawn("philox", paths=paths) for paths in (1000, 9000))
    np.testing.assert_array_equal(few, many[:, :1000])


def test_sobol_numbers_are_scrambled_points_of_the_published_sequence() -> None:
    """Scrambling keeps which points share an elementary interval; SciPy has the same direction numbers."""
    dimensions = 40
    ours = norm.cdf(drawn("sobol", paths=4096, draws=dimensions, replicate_paths=4096))
    theirs = qmc.Sobol(dimensions, scramble=False, bits=32).random(4096).T
    # SciPy's order is Gray code, ours natural.
    index = np.arange(4096)
    theirs = theirs[:, np.argsort(index ^ (index >> 1))]
    for d in range(dimensions):
        for level in (1, 3, 6, 12):
            cells, reference = (np.floor(row * 2**level).astype(int) for row in (ours[d], theirs[d]))
            pairs = {(int(a), int(b)) for a, b in zip(reference, cells, strict=True)}
            assert len(pairs) == 2**level, (d, level)


def test_scramblings_are_independent() -> None:
    """Of one dimension in two scramblings the correlation is large either way, and 0 on average."""
    rows = drawn("sobol", paths=200 * 4096, draws=2, replicate_paths=4096).reshape(2, 200, 4096)
    for one, other in ((rows[0, :-1], rows[0, 1:]), (rows[0], rows[1])):
        pairs = zip(one, other, strict=True)
        assert abs(np.mean([np.corrcoef(a, b)[0, 1] for a, b in pairs])) < 4 * 0.6 / math.sqrt(200)
    assert len(np.unique(rows[:, :, 0])) == 400
    assert 0.35 < (rows[:, :, 0] > 0).mean() < 0.65


def test_quantile_agrees_with_an_independent_one() -> None:
    row = drawn("sobol", paths=65536, replicate_paths=65536)[0]
    for value in [*np.sort(row)[:50], *np.sort(row)[-50:], *row[:200]]:
        p = norm.cdf(value)
        assert statistics.NormalDist().inv_cdf(p) == pytest.approx(value, abs=1e-9)


# --- the same answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["philox", "xoshiro"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_threads_and_executors_do_not_change_a_bit(sampler: Any, dtype: Any) -> None:
    def priced(**options: Any) -> Figures:
        return figures(
            monte_carlo(ASIAN, MARKET, paths=50_001, seed=3, sampler=sampler, dtype=dtype, **options)
        )

    alone = priced()
    assert priced(threads=2) == priced(threads=5) == alone
    assert priced(progress=lambda done, total: None) == alone
    with ThreadPoolExecutor(3) as threads:
        assert priced(executor=threads) == alone


def test_processes_do_not_change_a_bit() -> None:
    options: dict[str, Any] = {"paths": 131_072, "seed": 3, "sampler": "sobol"}
    alone = monte_carlo(ASIAN, MARKET, **options)
    with ProcessPoolExecutor(2) as processes:
        assert figures(monte_carlo(ASIAN, MARKET, executor=processes, **options)) == figures(alone)


def test_a_worker_without_the_simd_path_fails_by_name() -> None:
    compiled = compile_product(CALL, MARKET, Request())
    task = Task(compiled, 1, 100, "wide", 0, 0, 1, "avx1024")
    with pytest.raises(ValueError, match="avx1024"):
        run_task(task)


def test_blocks_are_pure_functions_of_their_number() -> None:
    compiled = compile_product(ASIAN, MARKET, Request(None, "xoshiro"))
    program = compiled.program(seed=9, paths=200_000)
    path = simd_path()
    together = program.run(0, 49, path)
    np.testing.assert_array_equal(together[37:38], program.run(37, 1, path))
    np.testing.assert_array_equal(together[40:], program.run(40, 9, path, 3))
    # Far out, where the streams are skipped to.
    far = compiled.program(seed=9, paths=1 << 46)
    np.testing.assert_array_equal(far.run((1 << 33) + 5, 3, path)[1:], far.run((1 << 33) + 6, 2, path))


def test_instruction_sets_agree() -> None:
    code = (
        "from tests.unit.test_monte_carlo import *\n"
        "for m, p in ((MARKET, ASIAN), (HESTON, CALL), (MERTON, CALL)):\n"
        "    print(repr(monte_carlo(p, m, paths=20000, steps=20, seed=5).price))\n"
    )
    found = []
    for path in supported_paths():
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OPTIONSIB_SIMD": path},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        found.append([float(line) for line in done.stdout.split()])
    for one in found[1:]:
        assert one == pytest.approx(found[0], rel=1e-10)


# --- errors are honest -------------------------------------------------------------------------------------


def closed_call(model: BlackScholes = MARKET) -> float:
    return float(european_price("call", model.spot, CALL.strike, CALL.expiry, 0.05, 0.2, dividend_yield=0.01))


@pytest.mark.parametrize(
    "options",
    [
        {"paths": 8000},
        {"paths": 8000, "sampler": "xoshiro"},
        {"paths": 8000, "antithetic": True},
        {"paths": 8000, "control_variate": "spot"},
        {"paths": 8000, "dtype": "float32"},
    ],
)
def test_two_thirds_of_estimates_lie_within_one_error(options: dict[str, Any]) -> None:
    exact = closed_call()
    found = [monte_carlo(CALL, MARKET, seed=seed, **options) for seed in range(300)]
    scores = np.array([(one.price - exact) / one.stderr for one in found])
    assert abs(scores.mean()) < 4 / math.sqrt(300)
    assert 0.6 < (np.abs(scores) < 1).mean() < 0.76
    assert 0.9 < (np.abs(scores) < 1.96).mean() < 0.985


def test_errors_of_sobol_points_are_honest() -> None:
    exact = geometric_asian_price(replace(ASIAN, average="geometric"), MARKET)
    option = replace(ASIAN, average="geometric")
    found = [monte_carlo(option, MARKET, paths=4096 * 16, seed=seed, sampler="sobol") for seed in range(60)]
    scores = np.array([(one.price - exact) / one.stderr for one in found])
    assert abs(scores.mean()) < 4 / math.sqrt(60)
    assert 0.5 < (np.abs(scores) < 1).mean() < 0.85
    plain = monte_carlo(option, MARKET, paths=4096 * 16, seed=1)
    assert np.mean([one.stderr for one in found]) < plain.stderr / 15


def test_control_variates_and_antithetic_paths_help() -> None:
    def error(**options: Any) -> float:
        return monte_carlo(ASIAN, MARKET, paths=40_000, seed=2, **options).stderr

    plain = error()
    assert error(control_variate="geometric") < plain / 20
    assert error(control_variate="european") < plain / 1.5
    assert error(control_variate=("spot", "european")) < plain / 1.5
    assert error(antithetic=True) < 0.9 * plain
    known = (CALL, closed_call())
    assert error(control_variate=known) < plain / 1.5


def test_target_is_looked_at_after_powers_of_two_only() -> None:
    found = monte_carlo(ASIAN, MARKET, paths=10_000_000, seed=2, target_stderr=0.02)
    assert found.stderr <= 0.02
    blocks = found.paths // 4096
    assert found.paths % 4096 == 0
    assert blocks & (blocks - 1) == 0
    again = monte_carlo(ASIAN, MARKET, paths=10_000_000, seed=2, target_stderr=0.02, threads=2)
    assert figures(again) == figures(found)
    assert monte_carlo(ASIAN, MARKET, paths=5000, seed=2, target_stderr=1e-9).paths == 5000


def test_progress_is_told_and_may_stop() -> None:
    seen: list[tuple[int, int]] = []

    def watch(done: int, total: int) -> bool:
        seen.append((done, total))
        return len(seen) < 2

    found = monte_carlo(CALL, MARKET, paths=5_000_000, seed=2, progress=watch)
    assert seen == [(256 * 4096, 5_000_000), (512 * 4096, 5_000_000)]
    assert found.paths == 512 * 4096
    within(found, closed_call())


@pytest.mark.parametrize("product", [ASIAN, CALL], ids=["asian", "call"])
def test_single_precision_bias_is_small(product: Any) -> None:
    for model in (MARKET, HESTON):
        found = monte_carlo(
            product, model, paths=60_000, steps=50, seed=4, dtype="float32", common_normals=True
        )
        assert found.difference is not None
        assert abs(found.difference.value) < 1e-5 * found.price
        assert found.difference.stderr < 1e-5 * found.price


# --- models ------------------------------------------------------------------------------------------------

CURVED = BlackScholes(
    spot=100.0,
    volatility=TermStructure((0.25, 0.5), (0.15, 0.3)),
    rate=TermStructure((0.1, 0.6), (0.02, 0.06)),
    dividend_yield=0.01,
)


@pytest.mark.parametrize(
    "model",
    [MARKET, CURVED, HESTON, replace(HESTON, scheme="euler"), MERTON, replace(HESTON, xi=1.5, kappa=0.5)],
)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_discounted_spots_are_martingales(model: Model, seed: int) -> None:
    times = (0.0, 0.3, 1.0)
    spots = simulate_paths(model, times, paths=60_000, seed=seed, steps=24)
    np.testing.assert_allclose(spots[0], 100.0, rtol=1e-14)
    for time, row in zip(times[1:], spots[1:], strict=True):
        forwards = model.forwards(time)
        assert forwards is not None
        assert abs(row.mean() - forwards[0]) < 3 * row.std() / math.sqrt(row.size), time


def test_term_structures_price_as_their_integrals() -> None:
    volatility = math.sqrt(0.25 * 0.15**2 + 0.75 * 0.3**2)
    rate = 0.1 * 0.02 + 0.9 * 0.06
    exact = float(european_price("call", 100.0, 105.0, 1.0, rate, volatility, dividend_yield=0.01))
    within(monte_carlo(CALL, CURVED, paths=200_000, seed=1), exact)
    within(monte_carlo(CALL, CURVED, paths=100_000, seed=1, steps=10, control_variate="spot"), exact)


def test_cash_dividends_leave_the_forward_less_their_value() -> None:
    model = replace(MARKET, dividend_yield=0.0, dividends=((0.25, 2.0), (0.75, 3.0)))
    spots = simulate_paths(model, (0.2, 0.25, 1.0), paths=100_000, seed=1)
    expected = (100 * math.exp(0.01), 100 * math.exp(0.0125) - 2.0)
    last = 100 * math.exp(0.05) - 2 * math.exp(0.05 * 0.75) - 3 * math.exp(0.05 * 0.25)
    for row, mean in zip(spots, (*expected, last), strict=True):
        assert abs(row.mean() - mean) < 3 * row.std() / math.sqrt(row.size)


def merton_call(model: Merton, strike: float, expiry: float) -> float:
    """Return Merton's series (1976) of Black-Scholes prices."""
    growth = math.expm1(model.jump_mean + model.jump_deviation**2 / 2)
    rate, volatility = float(model.rate), float(model.volatility)  # type: ignore[arg-type]
    total = 0.0
    for n in range(60):
        weight = math.exp(-model.intensity * expiry) * (model.intensity * expiry) ** n / math.factorial(n)
        carry = rate - model.intensity * growth
        carry += n * (model.jump_mean + model.jump_deviation**2 / 2) / expiry
        spread = math.sqrt(volatility**2 + n * model.jump_deviation**2 / expiry)
        forward = model.spot * math.exp(carry * expiry)
        total += weight * float(european_price("call", forward, strike, expiry, 0.0, spread))
    return math.exp(-rate * expiry) * total


def test_merton_agrees_with_his_series() -> None:
    exact = merton_call(MERTON, 105.0, 1.0)
    within(monte_carlo(CALL, MERTON, paths=400_000, seed=1, control_variate="spot"), exact)
    within(monte_carlo(CALL, MERTON, paths=100_000, seed=2, steps=6, antithetic=True), exact)


def heston_call(model: Heston, strike: float, expiry: float) -> float:
    """Return the price by Lewis's integral (2001) over the characteristic function without branch cuts."""
    rate, dividend = float(model.rate), float(model.dividend_yield)  # type: ignore[arg-type]
    forward = model.spot * math.exp((rate - dividend) * expiry)

    def characteristic(u: Any) -> Any:
        beta = model.kappa - model.rho * model.xi * 1j * u
        d = np.sqrt(beta**2 + model.xi**2 * (u * u + 1j * u))
        g = (beta - d) / (beta + d)
        decay = np.exp(-d * expiry)
        b = (beta - d) / model.xi**2 * (1 - decay) / (1 - g * decay)
        a = model.kappa * model.theta / model.xi**2
        a = a * ((beta - d) * expiry - 2 * np.log((1 - g * decay) / (1 - g)))
        return np.exp(a + b * model.variance)

    u = (np.arange(400_000) + 0.5) * 1e-3
    k = math.log(forward / strike)
    values = np.real(np.exp(1j * u * k) * characteristic(u - 0.5j)) / (u * u + 0.25)
    integral = float(values.sum()) * 1e-3
    return math.exp(-rate * expiry) * (forward - math.sqrt(forward * strike) / math.pi * integral)


def test_heston_agrees_with_fourier() -> None:
    exact = heston_call(HESTON, 105.0, 1.0)
    within(monte_carlo(CALL, HESTON, paths=200_000, steps=50, seed=1, control_variate="spot"), exact)
    euler = replace(HESTON, scheme="euler", xi=0.2)
    found = monte_carlo(CALL, euler, paths=200_000, steps=100, seed=1, control_variate="spot")
    assert found.price == pytest.approx(heston_call(euler, 105.0, 1.0), abs=4 * found.stderr + 0.01)


@pytest.mark.parametrize("kind", ["call", "put"])
def test_conditional_heston_is_nearly_exact(kind: Any) -> None:
    model = replace(HESTON, xi=0.3, kappa=2.0)
    option = replace(CALL, kind=kind)
    found = monte_carlo(
        option, model, paths=16 * 8192, steps=64, seed=1, sampler="sobol", conditional=True, greeks="auto"
    )
    call = heston_call(model, 105.0, 1.0)
    exact = call if kind == "call" else call - 100 * math.exp(-0.01) + 105 * math.exp(-0.03)
    assert found.stderr < 5e-4
    assert abs(found.price - exact) < 4 * found.stderr + 2e-4 * exact
    h = 0.5
    up, down = (heston_call(replace(model, spot=100 + s * h), 105.0, 1.0) for s in (1, -1))
    delta = (up - down) / (2 * h) - (0 if kind == "call" else math.exp(-0.01))
    assert found.greeks["delta"].value == pytest.approx(delta, abs=4e-4)
    assert found.greeks["gamma"].value == pytest.approx((up - 2 * call + down) / h**2, rel=3e-3)


def test_correlated_assets_have_their_correlations() -> None:
    matrix = ((1.0, 0.6, -0.2), (0.6, 1.0, 0.1), (-0.2, 0.1, 1.0))
    model = MultiAsset(
        underlyings=(MARKET, replace(MARKET, volatility=0.3), replace(MARKET, volatility=0.5, spot=50.0)),
        correlation=matrix,
    )
    spots = simulate_paths(model, (0.5, 1.0), paths=100_000, seed=1)
    assert spots.shape == (3, 2, 100_000)
    found = np.corrcoef(np.log(spots[:, 1]))
    assert np.abs(found - np.array(matrix)).max() < 0.015


def test_nearest_correlation_is_the_published_one() -> None:
    """N. J. Higham (2002), section 4: the tridiagonal example."""
    given = [[2, -1, 0, 0], [-1, 2, -1, 0], [0, -1, 2, -1], [0, 0, -1, 2]]
    expected = [
        [1.0, -0.8084, 0.1916, 0.1068],
        [-0.8084, 1.0, -0.6562, 0.1916],
        [0.1916, -0.6562, 1.0, -0.8084],
        [0.1068, 0.1916, -0.8084, 1.0],
    ]
    np.testing.assert_allclose(nearest_correlation(given), expected, atol=1e-4)


# --- Greeks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["pathwise", "likelihood"])
def test_european_greeks_agree_with_the_closed_form(way: Any) -> None:
    exact = greeks("call", 100.0, 105.0, 1.0, 0.05, 0.2, dividend_yield=0.01)
    found = monte_carlo(
        CALL, MARKET, paths=400_000, seed=1, steps=3 if way == "pathwise" else None, greeks=way
    )
    for name in ("delta", "gamma", "vega"):
        value, error = found.greeks[name]
        assert abs(value - getattr(exact, name)) < 3.5 * error, name
        assert error < 0.05 * getattr(exact, name)


@pytest.mark.parametrize("product", [ASIAN, LookbackOption(kind="put", strike=None, dates=DATES)])
def test_pathwise_greeks_are_those_of_the_likelihood_and_of_bumps(product: Any) -> None:
    def priced(model: BlackScholes) -> float:
        return monte_carlo(product, model, paths=200_000, seed=1).price

    one = monte_carlo(product, MARKET, paths=200_000, seed=1, greeks="pathwise").greeks
    other = monte_carlo(product, MARKET, paths=200_000, seed=2, greeks="likelihood").greeks
    for name in one:
        gap = one[name].value - other[name].value
        assert abs(gap) < 3.5 * math.hypot(one[name].stderr, other[name].stderr), name
    h = 1e-3
    bumped = priced(replace(MARKET, spot=100 + h)) - priced(replace(MARKET, spot=100 - h))
    assert one["delta"].value == pytest.approx(bumped / (2 * h), rel=1e-4)
    bumped = priced(replace(MARKET, volatility=0.2 + 1e-5)) - priced(replace(MARKET, volatility=0.2 - 1e-5))
    assert one["vega"].value == pytest.approx(bumped / 2e-5, rel=1e-3)


def test_likelihood_greeks_of_a_digital_and_at_the_barrier() -> None:
    digital = DigitalOption(kind="call", strike=100.0, expiry=0.5)
    found = monte_carlo(digital, MARKET, paths=400_000, seed=1, greeks="auto").greeks
    d2 = (0.05 - 0.01 - 0.02) * 0.5 / (0.2 * math.sqrt(0.5))
    delta = math.exp(-0.025) * norm.pdf(d2) / (100 * 0.2 * math.sqrt(0.5))
    assert abs(found["delta"].value - delta) < 3.5 * found["delta"].stderr
    # The spot stands at the barrier: the price is continuous there, bumps with common numbers are not.
    dates = (0.25, 0.5)
    barrier = BarrierOption(
        kind="call", strike=90.0, expiry=0.5, barrier=100.0, direction="down", action="out", dates=dates
    )
    found = monte_carlo(barrier, MARKET, paths=1_000_000, seed=1, greeks="likelihood").greeks
    h = 2.0
    up, middle, down = (
        monte_carlo(barrier, replace(MARKET, spot=100 + s * h), paths=1_000_000, seed=2).price
        for s in (1, 0, -1)
    )
    assert found["delta"].value == pytest.approx((up - down) / (2 * h), abs=0.02)
    assert found["gamma"].value == pytest.approx((up - 2 * middle + down) / h**2, abs=0.02)
    with pytest.raises(ValueError, match="jumps"):
        monte_carlo(barrier, MARKET, paths=1000, seed=1, greeks="pathwise")


@pytest.mark.parametrize("model", [HESTON, MERTON], ids=["heston", "merton"])
def test_pathwise_delta_of_other_models(model: Any) -> None:
    closed = heston_call if isinstance(model, Heston) else merton_call
    h = 0.5
    up, down = (closed(replace(model, spot=100 + s * h), 105.0, 1.0) for s in (1, -1))
    found = monte_carlo(CALL, model, paths=200_000, steps=50, seed=1, greeks="pathwise").greeks["delta"]
    assert abs(found.value - (up - down) / (2 * h)) < 3.5 * found.stderr


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: replace(CALL, expiry=-0.1), "expiry"),
        (lambda: replace(CALL, kind="cal"), "kind"),  # type: ignore[arg-type]
        (lambda: replace(ASIAN, dates=()), "dates"),
        (lambda: replace(ASIAN, dates=(0.5, 0.5)), "ascend"),
        (lambda: replace(ASIAN, dates=(-0.5, 0.5)), "dates"),
        (lambda: replace(MARKET, volatility=0.0), "volatility"),
        (lambda: replace(MARKET, volatility=math.nan), "volatility"),
        (lambda: replace(MARKET, spot=0.0), "spot"),
        (lambda: replace(HESTON, rho=1.2), "rho"),
        (lambda: replace(HESTON, xi=0.0), "xi"),
        (lambda: TermStructure((1.0, 0.5), (0.1, 0.2)), "ascend"),
        (lambda: VarianceSwap(strike=0.04, dates=(0.0, 1.0)), "today"),
        (lambda: MultiAsset(underlyings=(MARKET, MARKET), correlation=((1.0, 1.2), (1.2, 1.0))), "semidef"),
        (lambda: monte_carlo(CALL, MARKET, paths=1, seed=1), "paths"),
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=-1), "seed"),
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=1, steps=0), "steps"),
        (lambda: monte_carlo(CALL, MARKET, paths=101, seed=1, antithetic=True), "even"),
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=1, sampler="halton"), "sampler"),  # type: ignore[arg-type]
        (lambda: monte_carlo(CALL, MARKET, paths=100_000, seed=1, sampler="sobol"), "131072"),
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=1, target_stderr=0.0), "target"),
        (lambda: monte_carlo(CALL, HESTON, paths=100, seed=1, control_variate="european"), "BlackScholes"),
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=1, control_variate="magic"), "magic"),
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=1, conditional=True), "Heston"),
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=1, common_normals=True), "float32"),
        (lambda: simulate_paths(MARKET, (0.5, 0.2), paths=10, seed=1), "ascend"),
    ],
)
def test_bad_input_is_refused_before_any_work(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_paths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(MemoryError, match="GB"):
        monte_carlo(CALL, MARKET, paths=1 << 48, seed=1)
    with pytest.raises(MemoryError, match="GB"):
        simulate_paths(MARKET, DATES, paths=1 << 40, seed=1)


def test_native_programs_refuse_what_they_could_not_run() -> None:
    compiled = compile_product(CALL, MARKET, Request())
    program = compiled.program(seed=1, paths=5000)
    assert isinstance(program, _core.MonteCarloProgram)
    with pytest.raises(ValueError, match="blocks"):
        program.run(1, 2, simd_path())
    with pytest.raises(ValueError, match="register"):
        replace(compiled, registers=1).program(seed=1, paths=10)
    with pytest.raises(ValueError, match="constant"):
        replace(compiled, constants=np.zeros(1)).program(seed=1, paths=10)
    with pytest.raises(ValueError, match="operation"):
        replace(compiled, code=b"\xff" * 20).program(seed=1, paths=10)
