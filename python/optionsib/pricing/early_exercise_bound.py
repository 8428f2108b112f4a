"""An upper bound on options with early exercise, beside the lower one of the regression.

L. C. G. Rogers, "Monte Carlo valuation of American options", Mathematical Finance 12 (2002): for any
martingale M that begins at 0 the mean of the greatest discounted payoff less M bounds the value from above.
Here M is a multiple of the discounted price of the European option, which Black's formula gives on every
path; the multiple is the one that is best on a first set of paths, the bound is that of a second.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from optionsib.pricing._memory import check_bytes
from optionsib.pricing._paths import path_set
from optionsib.pricing._plan import Sampler, check
from optionsib.pricing._simulation import BLOCK_PATHS
from optionsib.pricing._statistics import Estimate, estimates, moments
from optionsib.pricing.early_exercise import other_seed
from optionsib.pricing.european import price
from optionsib.pricing.models import BlackScholes, Model, integral
from optionsib.pricing.products import EarlyExercise

Array = NDArray[np.float64]

_FIRST_BLOCKS = 4
_RANGE_NUMBERS = 1 << 22  # spots worked on at a time
_GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)


def early_exercise_upper_bound(
    product: EarlyExercise,
    model: Model,
    *,
    paths: int,
    seed: int,
    sampler: Sampler = "philox",
    threads: int = 1,
) -> Estimate:
    """Return an upper bound on a Bermudan or American option, at its dates, with its standard error.

    Parameters
    ----------
    product
        An option on one asset.
    model
        `BlackScholes` without cash dividends before the last date.
    paths, seed, sampler, threads
        As of `price_early_exercise`.

    Returns
    -------
    Estimate
        Of puts some tenths of a percent above the value, of calls with a large yield about one.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the European option has no closed form under the model.
    MemoryError
        If the paths worked on at a time would not fit into memory. Nothing has been done then.
    """
    check(paths, None, seed, sampler, "float64", threads, None, 16)
    if sampler == "sobol":
        raise ValueError(f"{product.type} needs independent paths: sampler 'philox' or 'xoshiro'")
    times = product.times()
    if not isinstance(model, BlackScholes) or model.forwards(times[-1]) is None:
        raise ValueError("the upper bound is that of one BlackScholes asset without cash dividends")
    first_set = min(paths, _FIRST_BLOCKS * BLOCK_PATHS)
    check_bytes(40 * first_set * len(times), f"{first_set} paths at {len(times)} dates")
    count = max(1, _RANGE_NUMBERS // (BLOCK_PATHS * len(times)))
    one, two = (
        path_set(model, times, paths=size, seed=key, steps=None, sampler=sampler, threads=threads)
        for size, key in ((first_set, other_seed(seed)), (paths, seed))
    )
    paid, gain = _paid_and_gained(product, model, one.range(0, one.program.blocks)[0])
    share = _best_share(paid, gain)
    rows = []
    for first in range(0, two.program.blocks, count):
        paid, gain = _paid_and_gained(product, model, two.range(first, count)[0])
        best = (paid - share * gain).max(axis=0)
        for start in range(0, best.size, BLOCK_PATHS):
            block = best[start : start + BLOCK_PATHS]
            rows.append([block.size, block.mean(), ((block - block.mean()) ** 2).sum()])
    return estimates(moments(np.array(rows, dtype=float), 1), [0], [], [])[0]


def _paid_and_gained(product: EarlyExercise, model: BlackScholes, spots: Array) -> tuple[Array, Array]:
    """Return, at each date, what exercise pays and what the European option has gained, both as of today."""
    times = product.times()
    last = times[-1]
    paid, gain = np.empty_like(spots), np.empty_like(spots)
    begun = _european(product, model, np.array([model.spot]), 0.0, last)[0]
    for i, time in enumerate(times):
        paid[i] = product.exercised(spots[i][None, :]) * model.discount(time)
        gain[i] = _european(product, model, spots[i], time, last) * model.discount(time) - begun
    return paid, gain


def _european(product: EarlyExercise, model: BlackScholes, spots: Array, time: float, last: float) -> Array:
    left = last - time
    if left == 0:
        return product.exercised(spots[None, :])
    return np.asarray(
        price(
            product.kind,
            spots,
            product.strike,
            left,
            integral(model.rate, time, last) / left,
            math.sqrt(integral(model.volatility, time, last, 2) / left),
            integral(model.dividend_yield, time, last) / left,
        )
    )


def _best_share(paid: Array, gain: Array) -> float:
    """Return the multiple, 0 .. 2, with the least mean: it is convex in the multiple; a golden section."""

    def bound(share: float) -> float:
        return float((paid - share * gain).max(axis=0).mean())

    low, high = 0.0, 2.0
    a, b = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_a, at_b = bound(a), bound(b)
    for _ in range(16):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - _GOLDEN * (high - low)
            at_a = bound(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + _GOLDEN * (high - low)
            at_b = bound(b)
    return 0.5 * (low + high)
