"""Daily returns whose regimes are known, and how well somebody told them.

Returns are simulated: they stand for no market. Regimes follow a Markov chain; within them the shocks are
normal, Student-t or of a GARCH(1, 1) (Bollerslev, Journal of Econometrics 31 (1986)), so that a classifier
that assumes one of these is tried on the others too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import ModelError

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Shocks = Literal["gaussian", "student", "garch"]

_STUDENT_DEGREES = 5.0
_ALPHA, _BETA = 0.05, 0.90  # of the GARCH shocks, whose long-run variance is 1
_YEAR = 252.0


@dataclass(frozen=True, slots=True)
class RegimeScores:
    """How filtered labels fared against the truth; the definitions are ours.

    ``balanced_accuracy``: mean over regimes of the share of their days that were labelled so. ``lag_days``:
    mean days from a true change to the first label of the new regime, at most as long as that regime lasted
    (a label that flickers is right early by chance: read it beside the false switches);
    ``missed``: share of true changes that never got it. ``false_switches_a_year``: changes of the label to a
    regime that was not the true one on that day.
    """

    balanced_accuracy: float
    lag_days: float
    missed: float
    false_switches_a_year: float


def simulate_regimes(
    seed: int,
    days: int,
    *,
    stay: tuple[float, ...] = (0.99, 0.97),
    volatility: tuple[float, ...] = (0.008, 0.024),
    mean: tuple[float, ...] = (0.0005, -0.0005),
    shocks: Shocks = "gaussian",
) -> tuple[Floats, Labels]:
    """Simulate daily returns (days,) and their regimes (days,), the calmest first.

    Parameters
    ----------
    stay
        Chance a day of each regime to go on; else one of the others, all alike.
    volatility, mean
        Of a daily return in each regime.

    Raises
    ------
    ModelError
        If lengths differ, or a number is out of range.
    """
    count = len(stay)
    if not (count >= 2 and count == len(volatility) == len(mean) and days >= 1):
        raise ModelError(
            f"{count} chances to stay, {len(volatility)} volatilities, {len(mean)} means, {days} days: "
            "expected equal numbers, two regimes or more, a day or more"
        )
    if not (all(0.0 < one < 1.0 for one in stay) and all(one > 0.0 for one in volatility)):
        raise ModelError(f"stay {stay}, volatility {volatility}: expected between 0 and 1, above 0")
    generator = np.random.default_rng(seed)
    truth = np.empty(days, dtype=np.int64)
    state = 0
    leaves, others = generator.random(days), generator.integers(1, count, size=days)
    for day in range(days):
        if leaves[day] >= stay[state]:
            state = (state + int(others[day])) % count
        truth[day] = state
    shock = _shocks(generator, days, shocks)
    return np.array(mean)[truth] + np.array(volatility)[truth] * shock, truth


def _shocks(generator: np.random.Generator, days: int, kind: Shocks) -> Floats:
    if kind == "student":
        found = generator.standard_t(_STUDENT_DEGREES, size=days)
        return np.asarray(found / np.sqrt(_STUDENT_DEGREES / (_STUDENT_DEGREES - 2.0)))
    found = generator.standard_normal(days)
    if kind == "garch":
        variance = 1.0
        for day in range(days):
            found[day] *= np.sqrt(variance)
            variance = (1.0 - _ALPHA - _BETA) + _ALPHA * found[day] ** 2 + _BETA * variance
    return found


def judge_regimes(truth: Labels, label: Labels) -> RegimeScores:
    """Score labels (n,) of the days against their true regimes (n,).

    Raises
    ------
    ModelError
        If lengths differ, or there are no days.
    """
    if len(truth) == 0 or truth.shape != label.shape:
        raise ModelError(f"truth {truth.shape}, label {label.shape}: expected (n,) twice, n > 0")
    present = np.unique(truth)
    accuracy = float(np.mean([np.mean(label[truth == one] == one) for one in present]))
    changes = np.flatnonzero(np.diff(truth)) + 1
    ends = np.append(changes[1:], len(truth))
    lags, missed = [], 0
    for begin, end in zip(changes, ends, strict=True):
        told = np.flatnonzero(label[begin:end] == truth[begin])
        missed += len(told) == 0
        lags.append(int(told[0]) if len(told) else int(end - begin))
    switches = np.flatnonzero(np.diff(label)) + 1
    false = np.count_nonzero(label[switches] != truth[switches])
    return RegimeScores(
        balanced_accuracy=accuracy,
        lag_days=float(np.mean(lags)) if lags else 0.0,
        missed=missed / len(changes) if len(changes) else 0.0,
        false_switches_a_year=false / (len(truth) / _YEAR),
    )
