"""How much of a result is skill: intervals, Sharpe ratios deflated by the search, calibration, many tests.

Pure functions of arrays. Returns are per period (a day, a trade), not annualised; Sharpe ratios too.

References: Politis and Romano, The Stationary Bootstrap, JASA 89 (1994); Bailey and Lopez de Prado, The
Sharpe Ratio Efficient Frontier, Journal of Risk 15(2) (2012); the same, The Deflated Sharpe Ratio, Journal of
Portfolio Management 40(5) (2014); Bailey, Borwein, Lopez de Prado and Zhu, The Probability of Backtest
Overfitting, Journal of Computational Finance 20(4) (2017); Holm, A Simple Sequentially Rejective Multiple
Test Procedure, Scandinavian Journal of Statistics 6 (1979).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from optionsib.pricing.scenarios.bootstrap import indices

Floats = NDArray[np.float64]

_NORMAL = NormalDist()
_EULER = 0.577215664901532860606512090082


# --- the bootstrap -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Interval:
    """A statistic and its bootstrap percentile interval at ``level`` (0.95 leaves 2.5 % on either side)."""

    value: float
    low: float
    high: float
    level: float


def _drawn(rows: int, mean_block: float, samples: int, seed: int) -> NDArray[np.int64]:
    if not mean_block >= 1.0:
        raise ValueError(f"mean_block is {mean_block}: expected at least 1 (1 = independent rows)")
    if samples < 1:
        raise ValueError(f"{samples} samples: expected at least one")
    return indices(rows, steps=rows, paths=samples, block_length=mean_block, seed=seed).T


def bootstrap_interval(
    series: Floats,
    statistic: Callable[[Floats], float],
    *,
    mean_block: float,
    seed: int,
    samples: int = 2_000,
    level: float = 0.95,
) -> Interval:
    """Return ``statistic`` of ``series`` and its percentile interval under the stationary bootstrap.

    Parameters
    ----------
    series : (n,) or (n, k)
        In time order; rows are drawn whole.
    mean_block
        Mean block length in rows; about the length over which rows depend on each other.

    Raises
    ------
    ValueError
        If ``series`` holds anything that is not finite, or a parameter is out of range.
    """
    _check_finite("series", series)
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}: expected between 0 and 1")
    drawn = _drawn(len(series), mean_block, samples, seed)
    found = np.array([statistic(series[rows]) for rows in drawn])
    tail = 0.5 * (1.0 - level)
    low, high = np.quantile(found, [tail, 1.0 - tail])
    return Interval(float(statistic(series)), float(low), float(high), level)


def chance_of_no_gain(gains: Floats, *, mean_block: float, seed: int, samples: int = 9_999) -> float:
    """Return the one-sided p-value of "the mean of ``gains`` is not above zero".

    ``gains`` (n,): for instance the loss of a naive forecast less the loss of the model, row by row, in
    time order. The stationary bootstrap draws the centred rows; the answer, ``(1 + exceedances) /
    (1 + samples)``, is never zero.

    Raises
    ------
    ValueError
        If ``gains`` is not finite, or has less than two rows.
    """
    _check_finite("gains", gains)
    if gains.ndim != 1 or len(gains) < 2:
        raise ValueError(f"gains has shape {gains.shape}: expected (n,) with at least two rows")
    mean = float(gains.mean())
    centred = gains - mean
    drawn = _drawn(len(gains), mean_block, samples, seed)
    exceed = int((centred[drawn].mean(axis=1) >= mean).sum())
    return (1 + exceed) / (1 + samples)


def holm(p_values: Floats) -> Floats:
    """Return p-values adjusted for their number by Holm's step-down procedure, in the given order."""
    if len(p_values) == 0:
        return np.empty(0)
    if not ((p_values >= 0.0) & (p_values <= 1.0)).all():
        raise ValueError(f"p-values {p_values}: expected each between 0 and 1")
    order = np.argsort(p_values, kind="stable")
    count = len(p_values)
    raised = np.maximum.accumulate(p_values[order] * (count - np.arange(count)))
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted


# --- Sharpe ratios -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SharpeMoments:
    """Sharpe ratio per period, skewness and kurtosis (3 for a normal) of ``periods`` returns."""

    sharpe: float
    skewness: float
    kurtosis: float
    periods: int


def sharpe_moments(returns: Floats) -> SharpeMoments:
    """Return what the tests below need of ``returns`` (n,): excess returns per period.

    Raises
    ------
    ValueError
        If there are less than three returns, one is not finite, or all are equal.
    """
    _check_finite("returns", returns)
    if returns.ndim != 1 or len(returns) < 3:
        raise ValueError(f"returns has shape {returns.shape}: expected (n,) with at least three returns")
    deviation = returns - returns.mean()
    variance = float((deviation**2).mean())
    if not variance > 0.0:
        raise ValueError(f"all {len(returns)} returns are {returns[0]}: a Sharpe ratio needs variation")
    return SharpeMoments(
        sharpe=float(returns.mean() / returns.std(ddof=1)),
        skewness=float((deviation**3).mean() / variance**1.5),
        kurtosis=float((deviation**4).mean() / variance**2),
        periods=len(returns),
    )


def sharpe_standard_error(moments: SharpeMoments) -> float:
    """Return the standard error of a Sharpe ratio of returns that need not be normal (equation 5 of 2012)."""
    ratio = moments.sharpe
    spread = 1.0 - moments.skewness * ratio + 0.25 * (moments.kurtosis - 1.0) * ratio * ratio
    if not (spread > 0.0 and moments.periods > 1):
        raise ValueError(f"{moments}: no returns have such moments")
    return math.sqrt(spread / (moments.periods - 1))


def probabilistic_sharpe(moments: SharpeMoments, benchmark: float = 0.0) -> float:
    """Return the probability that the true Sharpe ratio is above ``benchmark`` (per period)."""
    return _NORMAL.cdf((moments.sharpe - benchmark) / sharpe_standard_error(moments))


def minimum_track_record(moments: SharpeMoments, benchmark: float = 0.0, level: float = 0.95) -> float:
    """Return how many periods it takes until ``probabilistic_sharpe`` reaches ``level``; inf if never."""
    if moments.sharpe <= benchmark:
        return math.inf
    single = sharpe_standard_error(moments) ** 2 * (moments.periods - 1)
    return 1.0 + single * (_NORMAL.inv_cdf(level) / (moments.sharpe - benchmark)) ** 2


def expected_maximum_sharpe(variance: float, trials: int) -> float:
    """Return the Sharpe ratio to expect of the best of ``trials`` without skill.

    ``variance``: of the Sharpe ratios (per period) among the trials. Correlated trials count as less than
    their number; taking all of them is the careful choice. Asymptotic: about 1 % high at 50 trials.

    Raises
    ------
    ValueError
        If ``trials`` is below 1 or ``variance`` negative.
    """
    if trials < 1 or not variance >= 0.0:
        raise ValueError(f"{trials} trials, variance {variance}: expected at least 1, and 0 or more")
    if trials == 1:
        return 0.0
    upper = _NORMAL.inv_cdf(1.0 - 1.0 / trials)
    last = _NORMAL.inv_cdf(1.0 - 1.0 / (trials * math.e))
    return math.sqrt(variance) * ((1.0 - _EULER) * upper + _EULER * last)


def deflated_sharpe(moments: SharpeMoments, *, variance: float, trials: int) -> float:
    """Return the probability that the best of ``trials`` is better than luck makes the best of so many."""
    return probabilistic_sharpe(moments, expected_maximum_sharpe(variance, trials))


# --- overfitting ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Result of combinatorially symmetric cross-validation.

    ``probability``: share of splits where the best in sample ranks in the lower half out of sample;
    ``logits`` (splits,): of its relative rank there; ``loss``: share of splits where it loses there;
    ``slope``: of its Sharpe ratio out of sample against the one in sample.
    """

    probability: float
    logits: Floats
    loss: float
    slope: float


def backtest_overfitting(returns: Floats, *, blocks: int = 16) -> Overfitting:
    """Judge the choice of the best Sharpe ratio among strategies.

    Parameters
    ----------
    returns : (periods, strategies)
        Returns of all that was tried, failures included, in time order.
    blocks
        Even; the periods are cut into so many blocks, half of them in sample, in every combination.

    Raises
    ------
    ValueError
        If there are less than two strategies, ``blocks`` is odd or out of range (2 to 20), a block would have
        less than two periods, or a strategy does not vary in a half.
    """
    _check_finite("returns", returns)
    if returns.ndim != 2 or returns.shape[1] < 2:
        raise ValueError(f"returns has shape {returns.shape}: expected (periods, at least two strategies)")
    if blocks % 2 or not 2 <= blocks <= 20 or len(returns) < 2 * blocks:
        raise ValueError(
            f"{blocks} blocks of {len(returns)} periods: expected even, 2 to 20, two periods each"
        )
    parts = np.array_split(returns - returns.mean(axis=0), blocks)
    shift = returns.mean(axis=0)
    sums = np.stack([part.sum(axis=0) for part in parts])
    squares = np.stack([(part**2).sum(axis=0) for part in parts])
    lengths = np.array([len(part) for part in parts], dtype=np.float64)
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    inside = np.zeros((len(chosen), blocks))
    np.put_along_axis(inside, chosen, 1.0, axis=1)

    def ratios(weights: Floats) -> Floats:
        count = (weights @ lengths)[:, None]
        mean = weights @ sums / count
        variance = (weights @ squares - count * mean**2) / (count - 1.0)
        if not (variance > 0.0).all():
            raise ValueError("a strategy does not vary in a half of the periods: leave it out")
        found: Floats = (mean + shift) / np.sqrt(variance)
        return found

    found, later = ratios(inside), ratios(1.0 - inside)
    best = found.argmax(axis=1)[:, None]
    outcome = np.take_along_axis(later, best, axis=1)
    strategies = returns.shape[1]
    rank = 0.5 * ((later < outcome).sum(axis=1) + (later <= outcome).sum(axis=1) + 1)
    relative = rank / (strategies + 1.0)
    logits = np.log(relative / (1.0 - relative))
    top = np.take_along_axis(found, best, axis=1)[:, 0]
    spread = top - top.mean()
    denominator = float((spread**2).sum())
    slope = float((spread * outcome[:, 0]).sum()) / denominator if denominator > 0.0 else math.nan
    return Overfitting(float((logits <= 0.0).mean()), logits, float((outcome < 0.0).mean()), slope)


# --- calibration ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Calibration:
    """Forecast and outcome by bins of equal width (empty ones left out): all (bins,)."""

    forecast: Floats
    outcome: Floats
    count: NDArray[np.int64]

    @property
    def expected_error(self) -> float:
        """Expected calibration error: mean distance of forecast and outcome, weighted by count."""
        weights = self.count / self.count.sum()
        return float((weights * np.abs(self.forecast - self.outcome)).sum())


def calibration(label: NDArray[np.int8], probability: Floats, *, bins: int = 15) -> Calibration:
    """Compare forecasts (n,) of a 0/1 label (n,) with what came, in ``bins`` of equal width.

    The mean distance is biased upwards by small bins (see ``count``).

    Raises
    ------
    ValueError
        If lengths differ or are 0, a forecast is not within 0 and 1, or ``bins`` is below 1.
    """
    if len(label) == 0 or len(label) != len(probability):
        raise ValueError(
            f"{len(label)} labels and {len(probability)} forecasts: expected equal, at least one"
        )
    if not ((probability >= 0.0) & (probability <= 1.0)).all() or bins < 1:
        raise ValueError("forecasts must be within 0 and 1, and bins at least 1")
    place = np.minimum((probability * bins).astype(np.intp), bins - 1)
    count = np.bincount(place, minlength=bins)
    used = count > 0
    forecast = np.bincount(place, weights=probability, minlength=bins)[used] / count[used]
    outcome = np.bincount(place, weights=label, minlength=bins)[used] / count[used]
    return Calibration(forecast, outcome, count[used].astype(np.int64))


def _check_finite(name: str, values: Floats) -> None:
    bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))
    if len(bad):
        raise ValueError(f"{name}[{bad[0]}] is {values[bad[0]]}: expected finite numbers")
