"""Bermudan and American options by simulation.

F. A. Longstaff, E. S. Schwartz, "Valuing American options by simulation: a simple least-squares approach",
Review of Financial Studies 14 (2001): backwards over the dates, the value of going on is regressed, over the
paths where exercise pays, on functions of the state; exercise where it pays at least that much.

Here a first set of paths gives the regressions and a second, independent one the price. A rule found on
other paths is some rule, and no rule beats the best: the price is a lower bound on the value, but for its
standard error, which is that of the second set under the rule as it is.

Regressors: polynomials in the state, moved to mean 0 and deviation 1 over the paths regressed on. The state
is the spot (with `Heston` also the variance); the degree is 4 of one or two numbers, 3 of three, else 2. Of
several assets the spots are sorted, so that the greatest and the least are among the regressors, and each
asset's own spot is one more.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.pricing._memory import check_bytes
from optionsib.pricing._paths import PathSet, path_set
from optionsib.pricing._plan import Progress, Sampler, check
from optionsib.pricing._simulation import BLOCK_PATHS, check_assets
from optionsib.pricing._statistics import Estimate, MonteCarloResult, estimates, moments
from optionsib.pricing.models import Model
from optionsib.pricing.products import EarlyExercise

Array = NDArray[np.float64]

_POLICY_PATHS = 65_536
_RANGE_BLOCKS = 16  # of the second set, at a time
_DEGREES = {1: 4, 2: 4, 3: 3}
_PATHS_PER_REGRESSOR = 8


@dataclass(frozen=True, slots=True)
class _Regression:
    """The value of going on, as a function of the state."""

    mean: Array
    scale: Array
    powers: tuple[tuple[int, ...], ...]
    coefficients: Array

    def __call__(self, states: Array, assets: int) -> Array:
        found: Array = np.einsum("k,kn->n", self.coefficients, _regressors(self, states, assets))
        return found


def _regressors(shape: _Regression, states: Array, assets: int) -> Array:
    """Return the regressors, shape (count, n)."""
    moved = (_sorted(states, assets) - shape.mean[:, None]) / shape.scale[:, None]
    columns = np.empty((len(shape.powers) + assets - 1, states.shape[1]))
    for number, powers in enumerate(shape.powers):
        column = columns[number]
        column.fill(1.0)
        for row, power in enumerate(powers):
            for _ in range(power):
                column *= moved[row]
    if assets > 1:
        # All but one: the sum of them is that of the sorted ones.
        columns[len(shape.powers) :] = (states[: assets - 1] - shape.mean[0]) / shape.scale[0]
    return columns


def _sorted(states: Array, assets: int) -> Array:
    if assets == 1:
        return states
    return np.concatenate([np.sort(states[:assets], axis=0)[::-1], states[assets:]])


def _powers(count: int, degree: int) -> tuple[tuple[int, ...], ...]:
    """Return the exponents of all monomials of so many variables up to a degree."""
    return tuple(
        powers for powers in itertools.product(range(degree + 1), repeat=count) if sum(powers) <= degree
    )


def _regress(states: Array, values: Array, assets: int) -> _Regression | None:
    """Regress values on functions of the state; None where there are too few paths for that."""
    count = states.shape[1]
    ordered = _sorted(states, assets)
    degree = _DEGREES.get(len(states), 2)
    while degree > 0 and count < _PATHS_PER_REGRESSOR * (len(_powers(len(states), degree)) + assets - 1):
        degree -= 1
    if degree == 0:
        return None
    scale = ordered.std(axis=1)
    scale[scale == 0] = 1.0
    shape = _Regression(ordered.mean(axis=1), scale, _powers(len(states), degree), np.empty(0))
    columns = _regressors(shape, states, assets)
    # Sums by einsum, not by BLAS, whose order may depend on the number of its threads.
    products = np.einsum("in,jn->ij", columns, columns)
    right = np.einsum("in,n->i", columns, values)
    norms = np.sqrt(np.diag(products))
    norms[norms == 0] = 1.0
    solved = np.linalg.lstsq(products / np.outer(norms, norms), right / norms, rcond=1e-12)[0]
    return _Regression(shape.mean, shape.scale, shape.powers, solved / norms)


@dataclass(frozen=True, slots=True)
class _Rule:
    """When to exercise: at each date but the last the value of going on, None where never to."""

    option: EarlyExercise
    assets: int
    discounts: Array
    regressions: Sequence[_Regression | None]
    now: bool  # exercise today

    def stopped(self, states: Array) -> tuple[Array, NDArray[np.intp]]:
        """Return the value today of what each path pays, and the date at which, of (rows, dates, n)."""
        dates, count = states.shape[1:]
        value = np.zeros(count)
        when = np.full(count, dates - 1, dtype=np.intp)
        alive = np.arange(count)
        for date in range(dates):
            here = states[:, date, alive]
            paid = self.option.exercised(here[: self.assets]) * self.discounts[date]
            if date == dates - 1:
                value[alive] = paid
                break
            stops = _stops(self.regressions[date], here, paid, self.assets)
            value[alive[stops]] = paid[stops]
            when[alive[stops]] = date
            alive = alive[~stops]
        return value, when


def _stops(regression: _Regression | None, states: Array, paid: Array, assets: int) -> NDArray[np.bool_]:
    stops = np.zeros(len(paid), dtype=bool)
    if regression is not None:
        inside = np.flatnonzero(paid > 0)
        if inside.size:
            stops[inside] = paid[inside] >= regression(states[:, inside], assets)
    return stops


def _rule(option: EarlyExercise, discounts: Array, states: Array, assets: int, today: bool) -> _Rule:
    """Find when to exercise, from the paths of the first set."""
    dates = states.shape[1]
    value = option.exercised(states[:assets, -1]) * discounts[-1]
    regressions: list[_Regression | None] = [None] * (dates - 1)
    for date in range(dates - 2, 0 if today else -1, -1):
        here = states[:, date]
        paid = option.exercised(here[:assets]) * discounts[date]
        inside = np.flatnonzero(paid > 0)
        regression = _regress(here[:, inside], value[inside], assets)
        regressions[date] = regression
        if regression is not None:
            stops = inside[paid[inside] >= regression(here[:, inside], assets)]
            value[stops] = paid[stops]
    now = False
    if today:
        paid_now = float(option.exercised(states[:assets, 0, :1])[0])
        now = paid_now > 0 and (dates == 1 or paid_now >= float(value.mean()))
    return _Rule(option, assets, discounts, regressions, now)


def price_early_exercise(
    product: EarlyExercise,
    model: Model,
    *,
    paths: int,
    seed: int,
    steps: int | None = None,
    sampler: Sampler = "philox",
    dtype: str = "float64",
    threads: int = 1,
    greeks: str | None = None,
    policy_paths: int | None = None,
    progress: Progress | None = None,
) -> MonteCarloResult:
    """Price a Bermudan or American option by regression on simulated paths; see `monte_carlo`.

    Parameters
    ----------
    product, model, seed, steps, dtype, threads, progress
        As of `monte_carlo`.
    paths
        Of the second set, which gives the price.
    sampler
        ``"philox"`` or ``"xoshiro"``.
    greeks
        ``"pathwise"`` or ``"auto"`` gives delta, under models whose spots are proportional to today's: the
        derivative under the rule as it is.
    policy_paths
        Of the first set, which gives the rule: up to 65536 of as many as `paths` unless given.

    Returns
    -------
    MonteCarloResult
        `price` is a lower bound on the value but for `stderr`; 0 is the error where exercise today is best.

    Raises
    ------
    ValueError
        If an argument is out of its range, or model and product do not fit.
    MemoryError
        If the first set would not fit into memory. Nothing has been done then.
    """
    started = time.perf_counter()
    check(paths, steps, seed, sampler, dtype, threads, None, 16)
    first_set = min(paths, _POLICY_PATHS) if policy_paths is None else policy_paths
    check(first_set, steps, seed, sampler, dtype, threads, None, 16)
    if sampler == "sobol":
        raise ValueError(f"{product.type} needs independent paths: sampler 'philox' or 'xoshiro'")
    if greeks not in (None, "pathwise", "auto"):
        raise ValueError(f"greeks of {product.type} are 'pathwise' or 'auto', got {greeks!r}")
    check_assets(product, model)
    spot = getattr(model, "spot", None)
    if greeks is not None and (spot is None or model.forwards(product.times()[-1]) is None):
        raise ValueError(f"delta of {product.type} is that of one asset without cash dividends")
    times = product.times()
    discounts = np.array([model.discount(t) for t in times])

    def made(count: int, key: int) -> PathSet:
        return path_set(
            model, times, paths=count, seed=key, steps=steps, sampler=sampler, threads=threads,
            precision="narrow" if dtype == "float32" else "wide", factors=True,
        )  # fmt: skip

    one, two = made(first_set, other_seed(seed)), made(paths, seed)
    numbers = one.rows * one.times
    # The paths, and a date's regressors beside them.
    check_bytes(8 * first_set * (numbers + 64), f"{first_set} paths at {len(times)} dates")
    states = one.range(0, one.program.blocks)
    rule = _rule(product, discounts, states, model.assets, times[0] == 0)
    del states
    if rule.now or times == (0.0,):
        return _exercised_now(product, model, started, greeks)
    blocks = [
        _statistics(rule, two.range(first, _RANGE_BLOCKS), None if greeks is None else float(spot or 0.0))
        for first in _ranges(two, progress)
    ]
    outputs = 1 if greeks is None else 2
    done = np.concatenate(blocks)
    found = estimates(moments(done, outputs), range(outputs), [], [])
    return MonteCarloResult(
        price=found[0].value,
        stderr=found[0].stderr,
        greeks={"delta": found[1]} if greeks is not None else {},
        paths=int(done[:, 0].sum()),
        seconds=time.perf_counter() - started,
        simd_path=_core.simd_path(),
    )


def other_seed(seed: int) -> int:
    """Return a seed for the first set that no neighbour of this seed has for its second (SplitMix64)."""
    mask = (1 << 64) - 1
    z = (seed + 0x9E3779B97F4A7C15) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return z ^ (z >> 31)


def _ranges(paths: PathSet, progress: Progress | None) -> Iterator[int]:
    """Yield the first blocks of ranges, as long as `progress` does not stop it."""
    for first in range(0, paths.program.blocks, _RANGE_BLOCKS):
        yield first
        done = min(paths.paths, (first + _RANGE_BLOCKS) * BLOCK_PATHS)
        if progress is not None and progress(done, paths.paths) is False:
            return


def _statistics(rule: _Rule, states: Array, spot: float | None) -> Array:
    """Return count, means, and products of deviations of value, and with a spot of delta, by block."""
    value, when = rule.stopped(states)
    columns = [value]
    if spot is not None:
        ended = np.take_along_axis(states[0], when[None, :], axis=0)[0]
        sign = 1.0 if rule.option.kind == "call" else -1.0
        columns.append(np.where(value > 0, sign * rule.discounts[when] * ended / spot, 0.0))
    rows = []
    for first in range(0, len(value), BLOCK_PATHS):
        part = np.stack([column[first : first + BLOCK_PATHS] for column in columns])
        mean = part.mean(axis=1)
        rest = part - mean[:, None]
        products = np.einsum("in,jn->ij", rest, rest)
        rows.append([part.shape[1], *mean, *products[np.tril_indices(len(columns))]])
    return np.array(rows, dtype=float)


def _exercised_now(
    product: EarlyExercise, model: Model, started: float, greeks: str | None
) -> MonteCarloResult:
    """Return what exercise today pays: no path is needed for it."""
    assets: Any = getattr(model, "underlyings", (model,))
    spots = np.array([[float(asset.spot)] for asset in assets])
    paid = float(product.exercised(spots)[0])
    sign = 1.0 if product.kind == "call" else -1.0
    delta = {"delta": Estimate(sign if paid > 0 else 0.0, 0.0)} if greeks is not None else {}
    return MonteCarloResult(
        price=paid, stderr=0.0, greeks=delta, paths=0, seconds=time.perf_counter() - started,
        simd_path=_core.simd_path(),
    )  # fmt: skip
