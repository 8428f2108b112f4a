"""Scenarios of any model: finite, in their ranges, the same for any threads, martingales; JSON reads back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.pricing import OptionScenarioGenerator, TermStructure, nearest_correlation
from optionsib.pricing.scenarios import (
    CoxIngersollRoss,
    HestonVariance,
    Jumps,
    LogOrnsteinUhlenbeck,
    Overlay,
    Stress,
    Vasicek,
)


def between(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most, allow_subnormal=False)


PREMIUM = between(-1.0, 0.1)
VOLATILITIES: st.SearchStrategy[Any] = st.one_of(
    between(0.01, 0.6),
    st.builds(TermStructure, st.just((0.25, 2.0)), st.tuples(between(0.05, 0.6), between(0.05, 0.6))),
    st.builds(
        LogOrnsteinUhlenbeck, initial=between(0.05, 0.5), level=between(0.05, 0.4), kappa=between(0.5, 8.0),
        xi=between(0.01, 1.0), premium=PREMIUM,
    ),
    st.builds(
        HestonVariance, variance=between(0.0, 0.2), kappa=between(0.5, 5.0), theta=between(0.01, 0.15),
        xi=between(0.05, 1.0), premium=PREMIUM,
    ),
)  # fmt: skip
RATES: st.SearchStrategy[Any] = st.one_of(
    between(-0.02, 0.1),
    st.builds(
        Vasicek, initial=between(-0.02, 0.1), kappa=between(0.1, 3.0), theta=between(-0.01, 0.08),
        xi=between(0.001, 0.03), premium=PREMIUM,
    ),
    st.builds(
        CoxIngersollRoss, initial=between(0.0, 0.1), kappa=between(0.2, 3.0), theta=between(0.005, 0.08),
        xi=between(0.01, 0.2), premium=PREMIUM,
    ),
)  # fmt: skip
JUMPS = st.none() | st.builds(
    Jumps, intensity=between(0.0, 5.0), mean=between(-0.2, 0.1), deviation=between(0.0, 0.2)
)


@st.composite
def generators(draw: st.DrawFn) -> OptionScenarioGenerator:
    volatility, rate = draw(VOLATILITIES), draw(RATES)
    a, b, c = draw(between(-0.95, 0.0)), draw(between(-0.9, 0.9)), draw(between(-0.9, 0.9))
    matrix = nearest_correlation([[1.0, a, b], [a, 1.0, c], [b, c, 1.0]])
    lognormal = isinstance(volatility, LogOrnsteinUhlenbeck)
    if lognormal and matrix[0, 1] > 0:  # repaired beyond 0: no martingale
        matrix = np.eye(3)
    return OptionScenarioGenerator(
        spot=draw(between(0.01, 1e5)), volatility=volatility, rate=rate,
        dividend_yield=draw(between(0.0, 0.05)), equity_premium=draw(between(-0.1, 0.1)),
        jumps=draw(JUMPS), correlation=tuple(map(tuple, matrix.tolist())),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(generators(), st.integers(0, 2**64 - 1), st.sampled_from([0.05, 0.5, 1.0]))
def test_any_model(generator: OptionScenarioGenerator, seed: int, horizon: float) -> None:
    assert OptionScenarioGenerator.from_json(generator.to_json()) == generator
    options: dict[str, Any] = {"horizon": horizon, "steps": 3, "substeps": 4, "paths": 9000, "seed": seed}
    found = generator.generate(measure="risk_neutral", **options)
    assert all(np.isfinite(values).all() for values in found.arrays().values())
    assert found.spot.min() > 0
    assert found.discount.min() > 0
    assert found.volatility.min() >= 0
    if isinstance(generator.rate, CoxIngersollRoss):
        assert found.rate.min() >= 0
    reinvested = found.spot * found.discount * np.exp(float(generator.dividend_yield) * found.times)  # type: ignore[arg-type]
    error = reinvested.std(axis=0, ddof=1) / math.sqrt(found.paths)
    gap = np.abs(reinvested.mean(axis=0) - generator.spot)
    assert np.all(gap <= 5.0 * error + 1e-9 * generator.spot)
    again = generator.generate(measure="risk_neutral", **(options | {"paths": 5000}), threads=3)
    for name, values in again.arrays().items():
        assert np.array_equal(values, found.arrays()[name][:5000])


@settings(max_examples=100, deadline=None)
@given(
    spot=between(-0.9, 2.0), volatility=between(0.0, 1.0), rate=between(-0.1, 0.1),
    start=st.integers(0, 6), ramp=st.integers(0, 6),
)  # fmt: skip
def test_any_shock(spot: float, volatility: float, rate: float, start: int, ramp: int) -> None:
    stress = Stress(name="any", spot=spot, volatility=volatility, rate=rate, start=start, ramp=ramp)
    assert Overlay.from_json(stress.to_json()) == stress
    base = OptionScenarioGenerator(spot=100.0, volatility=0.2, rate=0.03).generate(
        measure="physical", horizon=1.0, steps=12, paths=3, seed=1
    )
    found = base.stressed(stress)
    for name, values in base.arrays().items():
        assert np.array_equal(found.arrays()[name][:, :start], values[:, :start])
    np.testing.assert_allclose(found.spot[:, -1], base.spot[:, -1] * (1 + spot), rtol=1e-12)
    ratios = found.spot[0] / base.spot[0]
    assert np.all(np.diff(ratios) * np.sign(spot) >= -1e-12)  # the ramp goes one way
