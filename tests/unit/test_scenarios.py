"""Scenarios of a model: laws under both measures, the same bits for any threads, what is refused, JSON."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from optionsib.pricing import (
    EuropeanOption,
    Heston,
    MonteCarloEngine,
    OptionScenarioGenerator,
    TermStructure,
    monte_carlo,
    nearest_correlation,
)
from optionsib.pricing.scenarios import (
    CoxIngersollRoss,
    HestonVariance,
    Jumps,
    LogOrnsteinUhlenbeck,
    Scenarios,
    Vasicek,
)

CORRELATION = ((1.0, -0.7, 0.2), (-0.7, 1.0, -0.1), (0.2, -0.1, 1.0))
LOGNORMAL = LogOrnsteinUhlenbeck(initial=0.2, level=0.22, kappa=3.0, xi=1.2, premium=-0.3)
VARIANCE = HestonVariance(variance=0.05, kappa=1.5, theta=0.04, xi=0.6, premium=-0.5)
VASICEK = Vasicek(initial=0.03, kappa=0.5, theta=0.04, xi=0.01, premium=0.2)
SQUARE_ROOT = CoxIngersollRoss(initial=0.03, kappa=0.5, theta=0.04, xi=0.08, premium=0.1)
JUMPS = Jumps(intensity=1.5, mean=-0.05, deviation=0.08)
BASE = OptionScenarioGenerator(
    spot=100.0, volatility=LOGNORMAL, rate=VASICEK, dividend_yield=0.01, equity_premium=0.06,
    jumps=JUMPS, correlation=CORRELATION,
)  # fmt: skip
GENERATORS = {
    "log-OU, Vasicek, jumps": BASE,
    "Heston, CIR": replace(BASE, volatility=VARIANCE, rate=SQUARE_ROOT, jumps=None),
    "Heston, Vasicek, jumps": replace(BASE, volatility=VARIANCE),
    "fixed volatility, CIR": replace(BASE, volatility=0.25, rate=SQUARE_ROOT, jumps=None),
    "all fixed": replace(
        BASE, volatility=TermStructure((0.5, 1.0), (0.3, 0.2)), rate=TermStructure((0.3, 1.0), (0.01, 0.05))
    ),
}


def made(generator: OptionScenarioGenerator, measure: Any, **options: Any) -> Scenarios:
    given: dict[str, Any] = {"horizon": 1.0, "steps": 4, "substeps": 6, "paths": 40_000, "seed": 1}
    return generator.generate(measure=measure, **(given | options))


def within(samples: Any, expected: Any, errors: float = 3.0, slack: float = 0.0) -> None:
    """Assert that the means of [path, ...] are as expected."""
    mean, error = samples.mean(axis=0), samples.std(axis=0, ddof=1) / math.sqrt(len(samples))
    gap = np.abs(mean - expected)
    assert np.all(gap <= errors * error + slack + 1e-12), (mean, expected, gap / (error + 1e-300))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("name", GENERATORS)
def test_the_discounted_spot_is_a_martingale(name: str, seed: int) -> None:
    found = made(GENERATORS[name], "risk_neutral", seed=seed)
    reinvested = found.spot * found.discount * np.exp(0.01 * found.times)
    within(reinvested[:, -1], 100.0)
    within(reinvested[:, 1:], 100.0, 4.0)  # the largest of many
    # Step by step: what is known at a step tells nothing of the next growth.
    growth = reinvested[:, 1:] / reinvested[:, :-1] - 1.0
    for known in (found.spot, found.volatility, found.rate):
        within(growth[:, 1:] * (known[:, 1:-1] / known[:, 1:-1].mean(axis=0)), 0.0, 4.0)


@pytest.mark.parametrize("name", GENERATORS)
def test_the_physical_spot_earns_the_premium(name: str) -> None:
    found = made(GENERATORS[name], "physical", seed=4)
    within((found.spot * found.discount)[:, 1:], 100.0 * np.exp(0.05 * found.times[1:]))


@pytest.mark.parametrize("measure", ["physical", "risk_neutral"])
def test_means_of_volatility_and_rate(measure: Any) -> None:
    """Closed moments of the Ornstein-Uhlenbeck and square-root processes."""
    physical = measure == "physical"
    first = made(BASE, measure)
    t = first.times[1:]
    mean = math.log(0.22) + (-0.3 * 1.2 / 3.0 if physical else 0.0)
    logs = np.log(first.volatility[:, 1:])
    within(logs, mean + (math.log(0.2) - mean) * np.exp(-3.0 * t))
    variance = 1.2**2 * -np.expm1(-6.0 * t) / 6.0
    assert logs.var(axis=0) == pytest.approx(variance, rel=0.03)
    theta = 0.04 + (0.2 * 0.01 / 0.5 if physical else 0.0)
    within(first.rate[:, 1:], theta + (0.03 - theta) * np.exp(-0.5 * t))
    second = made(GENERATORS["Heston, CIR"], measure)
    kappa = 2.0 if physical else 1.5
    theta = 1.5 * 0.04 / kappa
    within(second.volatility[:, 1:] ** 2, theta + (0.05 - theta) * np.exp(-kappa * t))
    kappa = 0.4 if physical else 0.5
    theta = 0.5 * 0.04 / kappa
    within(second.rate[:, 1:], theta + (0.03 - theta) * np.exp(-kappa * t))
    assert second.rate.min() >= 0


def test_bonds_have_vasiceks_and_cox_ingersoll_rosss_prices() -> None:
    """O. Vasicek (1977); J. C. Cox, J. E. Ingersoll, S. A. Ross (1985): closed prices of a zero bond."""
    found = made(BASE, "risk_neutral", substeps=12, paths=60_000)
    k, theta, xi, r = 0.5, 0.04, 0.01, 0.03
    b = -math.expm1(-k) / k
    a = (theta - xi**2 / (2 * k**2)) * (b - 1.0) - xi**2 * b * b / (4 * k)
    within(found.discount[:, -1], math.exp(a - b * r), slack=1e-6)
    found = made(GENERATORS["Heston, CIR"], "risk_neutral", substeps=12, paths=60_000)
    xi = 0.08
    h = math.sqrt(k * k + 2 * xi * xi)
    bottom = 2 * h + (k + h) * math.expm1(h)
    a = (2 * h * math.exp((k + h) / 2) / bottom) ** (2 * k * theta / xi**2)
    within(found.discount[:, -1], a * math.exp(-2 * math.expm1(h) / bottom * r), slack=1e-6)


def test_a_generator_of_a_heston_model_has_its_prices() -> None:
    model = Heston(
        spot=100.0, variance=0.05, kappa=1.5, theta=0.04, xi=0.6, rho=-0.7, rate=0.03, dividend_yield=0.01
    )
    generator = OptionScenarioGenerator.of_heston(model)
    found = made(generator, "risk_neutral", steps=1, substeps=40, paths=200_000)
    for strike in (80.0, 100.0, 120.0):
        paid = np.maximum(found.spot[:, -1] - strike, 0.0) * found.discount[:, -1]
        option = EuropeanOption(kind="call", strike=strike, expiry=1.0)
        expected = monte_carlo(
            option, model, paths=16 * 4096, seed=9, sampler="sobol", conditional=True, steps=100
        )
        within(paid, expected.price, 3.5, 2e-3)


def test_jumps_have_mertons_moments() -> None:
    generator = replace(BASE, volatility=1e-6, rate=0.0, dividend_yield=0.0)
    found = made(generator, "risk_neutral", steps=1, paths=100_000)
    logs = np.log(found.spot[:, -1] / 100.0)
    expected = 1.5 * -0.05 - JUMPS.compensator()
    within(logs, expected)
    second = 1.5 * (0.05**2 + 0.08**2)
    within((logs - expected) ** 2, second)
    assert float((np.abs(logs + JUMPS.compensator()) < 1e-5).mean()) == pytest.approx(
        math.exp(-1.5), abs=0.005
    )


def test_steps_are_correlated_as_asked() -> None:
    generator = replace(BASE, jumps=None, volatility=replace(LOGNORMAL, xi=0.05))
    found = made(generator, "physical", horizon=0.02, steps=1, substeps=1, paths=100_000)
    moves = np.array(
        [np.log(found.spot[:, 1]), np.log(found.volatility[:, 1]), found.rate[:, 1]]
    )  # fmt: skip
    assert np.corrcoef(moves) == pytest.approx(np.array(CORRELATION), abs=0.012)
    both = ((1.0, -0.7, 0.2), (-0.7, 1.0, -0.6), (0.2, -0.6, 1.0))
    still = replace(generator, volatility=0.2, correlation=both)
    fixed = made(still, "physical", horizon=0.02, steps=1, substeps=1)
    assert np.corrcoef(fixed.spot[:, 1], fixed.rate[:, 1])[0, 1] == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("sampler", ["philox", "xoshiro"])
def test_threads_do_not_change_a_bit_and_seeds_do(sampler: Any) -> None:
    alone = made(BASE, "physical", sampler=sampler)
    for threads in (2, 5):
        again = made(BASE, "physical", sampler=sampler, threads=threads)
        for name, values in alone.arrays().items():
            assert np.array_equal(values, again.arrays()[name])
    assert not np.array_equal(alone.spot, made(BASE, "physical", sampler=sampler, seed=2).spot)


def test_first_paths_are_those_of_a_longer_run() -> None:
    few, many = made(BASE, "physical", paths=5000), made(BASE, "physical", paths=20_000)
    assert np.array_equal(few.spot, many.spot[:5000])


def test_shapes_times_and_provenance() -> None:
    found = made(BASE, "physical", steps=5, paths=7, horizon=2.0, seed=11)
    assert (found.paths, found.steps) == (7, 5)
    assert found.times == pytest.approx([0.0, 0.4, 0.8, 1.2, 1.6, 2.0])
    assert {values.shape for values in found.arrays().values()} == {(7, 6)}
    assert list(found.arrays()) == ["spot", "volatility", "rate", "discount"]
    start = [float(values[0, 0]) for values in found.arrays().values()]
    assert start == pytest.approx([100.0, 0.2, 0.03, 1.0], rel=1e-14)
    about = found.provenance
    assert (about.source, about.method, about.measure, about.seed) == ("simulated", "model", "physical", 11)
    assert OptionScenarioGenerator.from_json(about.model) == BASE
    assert about.substeps == 6


def test_the_discount_is_that_of_the_rates() -> None:
    found = made(BASE, "physical", substeps=1)
    steps = 0.5 * np.diff(found.times) * (found.rate[:, 1:] + found.rate[:, :-1])
    np.testing.assert_allclose(found.discount[:, 1:], np.exp(-np.cumsum(steps, axis=1)), rtol=1e-12)
    fixed = made(GENERATORS["all fixed"], "physical")
    exact = [quad(lambda s: 0.01 if s < 0.3 else 0.05, 0.0, t, points=[0.3])[0] for t in fixed.times]
    assert fixed.discount[3] == pytest.approx(np.exp(-np.array(exact)), rel=1e-8)
    assert fixed.volatility[0] == pytest.approx([0.3, 0.3, 0.3, 0.2, 0.2])


@pytest.mark.parametrize("name", GENERATORS)
def test_json_reads_back(name: str) -> None:
    generator = GENERATORS[name]
    assert OptionScenarioGenerator.from_json(generator.to_json()) == generator


def test_the_other_name() -> None:
    assert MonteCarloEngine is OptionScenarioGenerator


BROKEN = ((1.0, -0.9, 0.9), (-0.9, 1.0, 0.9), (0.9, 0.9, 1.0))


def test_a_correlation_that_is_none_is_refused_or_repaired() -> None:
    with pytest.raises(ValueError, match=r"least eigenvalue is -0\.8"):
        replace(BASE, correlation=BROKEN)
    repaired = replace(BASE, correlation=BROKEN, repair_correlation=True)
    assert np.array(repaired.correlation) == pytest.approx(nearest_correlation(BROKEN))
    assert replace(BASE, repair_correlation=True).correlation == CORRELATION
    assert np.isfinite(made(repaired, "risk_neutral", paths=1000).spot).all()


def test_a_local_martingale_is_refused() -> None:
    up = replace(BASE, correlation=((1.0, 0.3, 0.0), (0.3, 1.0, 0.0), (0.0, 0.0, 1.0)))
    with pytest.raises(ValueError, match="no martingale"):
        made(up, "risk_neutral", paths=100)
    assert made(up, "physical", paths=100).paths == 100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measure": "real"}, "measure must be"),
        ({"horizon": 0.0}, "horizon must be a finite number above 0"),
        ({"horizon": math.inf}, "horizon"),
        ({"steps": 0}, "steps must be a whole number, 1"),
        ({"steps": 2.5}, "steps"),
        ({"paths": 1}, "paths"),
        ({"paths": True}, "paths"),
        ({"seed": -1}, "seed"),
        ({"substeps": 0}, "substeps"),
        ({"steps": 2000, "substeps": 100}, "steps x substeps must be a whole number, 1 .. 100000"),
        ({"sampler": "sobol"}, "sampler must be"),
        ({"threads": -1}, "threads"),
    ],
)
def test_bad_arguments(change: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"measure": "physical", "horizon": 1.0, "steps": 2, "paths": 10, "seed": 1}
    with pytest.raises(ValueError, match=said):
        BASE.generate(**(given | change))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spot": 0.0}, "spot must be a finite number above 0"),
        ({"volatility": 0.0}, "volatility"),
        ({"volatility": math.nan}, "volatility"),
        ({"rate": math.inf}, "rate"),
        ({"equity_premium": math.nan}, "equity_premium"),
        ({"jumps": 3}, "jumps"),
        ({"correlation": ((1.0,),)}, "3 x 3"),
        ({"correlation": ((1.0, 0.5, 0.0), (0.4, 1.0, 0.0), (0.0, 0.0, 1.0))}, "symmetric"),
    ],
)
def test_bad_generators(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(BASE, **change)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: replace(LOGNORMAL, kappa=0.0), "kappa"),
        (lambda: replace(VARIANCE, variance=-0.1), "variance"),
        (lambda: replace(VARIANCE, premium=1.5), "premium must be below kappa"),
        (lambda: replace(VASICEK, xi=-1.0), "xi"),
        (lambda: replace(SQUARE_ROOT, initial=-0.01), "initial"),
        (lambda: replace(JUMPS, deviation=-0.1), "deviation"),
        (lambda: OptionScenarioGenerator.from_json('{"type": "heston"}'), "option_scenarios"),
        (lambda: OptionScenarioGenerator.from_json('{"type": "option_scenarios"}'), "option_scenarios"),
        (
            lambda: OptionScenarioGenerator.from_json(
                '{"type": "option_scenarios", "spot": 1, "volatility": {"type": "sabr"}}'
            ),
            "type must be one of",
        ),
    ],
)
def test_bad_processes(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_paths_beyond_all_numbers_are_refused() -> None:
    wild = replace(BASE, volatility=replace(LOGNORMAL, kappa=0.01, xi=900.0))
    with pytest.raises(ValueError, match="volatility: not finite on some path"):
        made(wild, "physical", paths=1000)


def test_more_than_the_memory_is_refused_before_any_work() -> None:
    with pytest.raises(MemoryError, match="GB; the machine has"):
        made(BASE, "physical", paths=1 << 40)
