"""Forward and smile of every expiry at once, on the chain grid.

The forward comes from put-call parity, which holds for prices without their early-exercise premium. The smile
is a cubic in standardised log-moneyness ``x = ln(K / F) / sqrt(T)`` (a quadratic with few quotes), fitted by
weighted least squares with Huber re-weighting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_HUBER_LIMIT = 1.0  # in half-spreads: inside the quote a residual is noise, outside it counts less
_HUBER_ROUNDS = 4
_CUBIC_FROM = 7  # quotes; with fewer the wings would bend freely
_SPREAD_FLOOR = 0.002  # volatility: no quote is trusted more than this
_LOWEST, _HIGHEST = 0.01, 5.0  # bounds of a fitted volatility


def parity_strikes(
    spot: float, strike: Floats, call: Floats, put: Floats, width: Floats, pairs: int
) -> NDArray[np.intp]:
    """Return the columns (m, at most ``pairs``) of the strikes that ``parity_forward`` looks at."""
    usable = np.isfinite(call) & np.isfinite(put) & np.isfinite(width)
    distance = np.where(usable, np.abs(strike - spot), np.inf)
    return np.argsort(distance, axis=1, kind="stable")[:, :pairs]


def parity_forward(
    spot: float, strike: Floats, call: Floats, put: Floats, width: Floats, growth: Floats, pairs: int
) -> Floats:
    """Estimate each expiry's forward from put-call parity, ``F = K + (C - P) exp(rT)``.

    The ``pairs`` strikes nearest to ``spot`` with all four quotes are used: their weighted median, then
    the weighted mean of those that agree with the median within their own quote width.

    Parameters
    ----------
    spot
        Underlying mid.
    strike, call, put, width : (m, p)
        Strikes, call and put mids, and the sum of both spreads; NaN where something is missing.
    growth : (m,)
        ``exp(rT)``.

    Returns
    -------
    (m,) forwards, NaN where no pair is quoted.
    """
    nearest = parity_strikes(spot, strike, call, put, width, pairs)

    def near(values: Floats) -> Floats:
        return np.take_along_axis(values, nearest, axis=1)

    there = np.isfinite(near(call) + near(put) + near(width)) & math.isfinite(spot)
    forward = np.where(there, near(strike) + growth[:, None] * (near(call) - near(put)), np.inf)
    spread = np.where(there, np.maximum(near(width), 0.01), np.inf)
    weight = 1.0 / spread**2
    order = np.argsort(forward, axis=1, kind="stable")
    total = np.cumsum(np.take_along_axis(weight, order, axis=1), axis=1)
    middle = np.argmax(total >= 0.5 * total[:, -1:], axis=1)
    median = np.take_along_axis(forward, np.take_along_axis(order, middle[:, None], axis=1), axis=1)
    median = np.where(np.isfinite(median), median, 0.0)
    weight = np.where(there & (np.abs(forward - median) <= 0.5 * spread), weight, 0.0)
    mass = weight.sum(axis=1)
    mean = (weight * np.where(there, forward, 0.0)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mass > 0.0, mean / mass, np.nan)


@dataclass(frozen=True, slots=True)
class SmileFit:
    """Fitted smiles: ``coefficients`` (m, 4) of ``1, x, x^2, x^3``; NaN rows where there is no fit.

    ``lowest`` and ``highest`` (m,) bound the ``x`` that was quoted; beyond them the smile is flat.
    """

    coefficients: Floats
    lowest: Floats
    highest: Floats
    quotes: NDArray[np.int64]

    def volatility(self, x: Floats, row: NDArray[np.int64]) -> Floats:
        """Evaluate the smile of expiry ``row[i]`` at ``x[i]``."""
        x = np.clip(x, self.lowest[row], self.highest[row])
        c = self.coefficients[row]
        value = c[:, 0] + x * (c[:, 1] + x * (c[:, 2] + x * c[:, 3]))
        return np.clip(value, _LOWEST, _HIGHEST)


def fit_smiles(x: Floats, volatility: Floats, spread: Floats, minimum_quotes: int) -> SmileFit:
    """Fit one smile a row.

    Parameters
    ----------
    x, volatility, spread : (m, p)
        Standardised log-moneyness, implied volatility and quote width in volatility of the
        out-of-the-money options; NaN where there is none.
    minimum_quotes
        Rows with fewer quotes get no fit.
    """
    used = np.isfinite(x) & np.isfinite(volatility) & np.isfinite(spread)
    quotes = used.sum(axis=1)
    enough = quotes >= minimum_quotes
    used &= enough[:, None]
    z = np.where(used, x, 0.0)
    target = np.where(used, volatility, 0.0)
    half = 0.5 * np.where(used, np.maximum(spread, _SPREAD_FLOOR), 1.0)
    scale = np.maximum(np.abs(z).max(axis=1, initial=0.0), 1e-6)
    powers = (z / scale[:, None])[:, :, None] ** np.arange(4.0)
    # A column that is not wanted is replaced by a row of the identity: its coefficient becomes 0.
    wanted = np.ones((len(x), 4), dtype=bool)
    wanted[:, 3] = quotes >= _CUBIC_FROM
    wanted[:, 2] = quotes >= 3
    powers = powers * wanted[:, None, :]
    unwanted = np.eye(4)[None] * (~wanted)[:, None, :]
    weight = np.where(used, 1.0 / half**2, 0.0)
    weight = weight / np.maximum(weight.max(axis=1, initial=0.0), 1e-300)[:, None]
    robust = np.ones_like(weight)
    solution = np.zeros((len(x), 4))
    for _ in range(_HUBER_ROUNDS):
        weighted = powers * (weight * robust)[:, :, None]
        normal = np.einsum("mpi,mpj->mij", weighted, powers) + unwanted
        normal += 1e-10 * np.eye(4)
        right = np.einsum("mpi,mp->mi", weighted, target)
        solution = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
        error = np.abs(np.einsum("mpi,mi->mp", powers, solution) - target) / half
        robust = np.where(error > _HUBER_LIMIT, _HUBER_LIMIT / np.maximum(error, _HUBER_LIMIT), 1.0)
    coefficients = solution / scale[:, None] ** np.arange(4.0)
    coefficients[~enough] = np.nan
    return SmileFit(
        coefficients=coefficients,
        lowest=np.where(enough, np.where(used, x, np.inf).min(axis=1, initial=np.inf), np.nan),
        highest=np.where(enough, np.where(used, x, -np.inf).max(axis=1, initial=-np.inf), np.nan),
        quotes=quotes,
    )
