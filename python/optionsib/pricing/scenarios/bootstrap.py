"""The stationary bootstrap of a history.

D. N. Politis and J. P. Romano, "The stationary bootstrap", JASA 89 (1994): whole rows of changes are drawn
in blocks of geometric length from random places, the last row being followed by the first. What happens on
one day to spot, volatility and rate stays together, and so does what follows within a block.
"""

from __future__ import annotations

import json
import math

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.pricing._memory import check_bytes
from optionsib.pricing._simulation import BLOCK_PATHS
from optionsib.pricing.scenarios.history import Array, History, optimal_block_length
from optionsib.pricing.scenarios.processes import Measure, check_measure, check_number
from optionsib.pricing.scenarios.result import Provenance, Scenarios


def block_length_of(history: History) -> float:
    """Return the longest of the optimal block lengths of the changes and of their sizes.

    Returns have next to no autocorrelation, their sizes a long one: blocks chosen for the returns alone would
    take the clusters of volatility away.
    """
    changes = history.changes()
    moving = [column for column in changes.T if np.ptp(column) > 0]
    lengths = [optimal_block_length(series) for column in moving for series in (column, np.abs(column))]
    return max(lengths, default=1.0)


def indices(rows: int, *, steps: int, paths: int, block_length: float, seed: int) -> NDArray[np.int64]:
    """Return the rows drawn, (steps, paths); a path does not depend on how many there are."""
    found = np.empty((steps, paths), dtype=np.int64)
    for block, first in enumerate(range(0, paths, BLOCK_PATHS)):
        rng = np.random.Generator(np.random.Philox(key=(block << 64) | seed))
        part = found[:, first : first + BLOCK_PATHS]
        for step in range(steps):
            places, chances = rng.random((2, BLOCK_PATHS))[:, : part.shape[1]]
            part[step] = (places * rows).astype(np.int64)
            if step:
                stays = chances >= 1.0 / block_length
                part[step, stays] = (part[step - 1, stays] + 1) % rows
    return found


def mean_growth(returns: Array, *, steps: int, block_length: float) -> Array:
    """Return the mean of exp(sum of the returns drawn so far) after 0 .. steps draws, exactly.

    The row drawn is a Markov chain: it moves on by one, or with probability 1 / block_length to any.
    """
    growth = np.exp(returns)
    end = 1.0 / block_length
    weights = np.full(len(returns), 1.0 / len(returns))
    means = [1.0]
    for step in range(steps):
        if step:
            weights = (1.0 - end) * np.roll(weights, 1) + end * weights.mean()
        weights = weights * growth
        means.append(math.fsum(weights))
    return np.array(means)


def resample(
    history: History,
    *,
    measure: Measure,
    steps: int,
    paths: int,
    seed: int,
    block_length: float | None,
    periods_per_year: float,
    spot: float | None,
    dividend_yield: float,
) -> Scenarios:
    """Return scenarios; see `OptionScenarioGenerator.bootstrap`."""
    check_measure(measure)
    check_number("periods_per_year", periods_per_year, above=0)
    check_number("dividend_yield", dividend_yield)
    if spot is not None:
        check_number("spot", spot, above=0)
    length = block_length_of(history) if block_length is None else float(block_length)
    check_number("block_length", length, least=1)
    check_bytes(64 * (steps + 1) * paths, f"{paths} paths of {steps} steps")
    changes = history.changes()
    drawn = indices(len(changes), steps=steps, paths=paths, block_length=length, seed=seed)
    times = np.arange(steps + 1) / periods_per_year

    def summed(column: int) -> Array:
        total = np.zeros((steps + 1, paths))
        np.cumsum(changes[drawn, column], axis=0, out=total[1:])
        return total

    rate = history.rate[-1] + summed(2)
    discount = np.ones((steps + 1, paths))
    np.exp(np.cumsum(rate[1:] + rate[:-1], axis=0) * (-0.5 / periods_per_year), out=discount[1:])
    growth = np.exp(summed(0))
    if measure == "risk_neutral":
        means = mean_growth(changes[:, 0], steps=steps, block_length=length)
        growth *= (np.exp(-dividend_yield * times) / means)[:, None]
        growth /= discount
    volatility = history.volatility[-1] * np.exp(summed(1))
    model = {
        "history": history.name, "rows": len(history), "sha256": history.digest(), "block_length": length,
        "periods_per_year": periods_per_year, "dividend_yield": dividend_yield,
    }  # fmt: skip
    return Scenarios(
        times=times,
        spot=((history.spot[-1] if spot is None else spot) * growth).T,
        volatility=volatility.T,
        rate=rate.T,
        discount=discount.T,
        provenance=Provenance(
            method="stationary_bootstrap", measure=measure, seed=seed, model=json.dumps(model),
            sampler="philox", simd_path=_core.simd_path(), version=_core.__version__,
        ),
    )  # fmt: skip
