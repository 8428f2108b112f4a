"""Scores: derivatives of the logarithm of the density of a path, by a parameter.

The mean of payoff times score is the derivative of the payoff's mean, whatever the payoff (M. Broadie,
P. Glasserman, "Estimating security price derivatives using simulation", Management Science 42 (1996)). Given
all that the shocks to the logarithm of the spot do not depend on (jumps, the path of a variance), these are
normal, so their scores are those of the normal density.
"""

from __future__ import annotations

from optionsib.pricing._rows import Row
from optionsib.pricing.models.base import State


def score_spot(state: State, spot: float, time: float, shock: Row, variance: Row | float) -> None:
    """Take the shock of a step up to `time` into the scores of delta and gamma.

    Nobody looks at the spot before `state.first_look`, so the density that counts is that of the sum of the
    shocks up to then: the longer, the less the scores vary.
    """
    if "delta" not in state.scores or state.time >= state.first_look:
        return
    shock = shock.plain()
    state.shock = shock if state.shock is None else state.shock + shock
    state.spread = variance if state.spread is None else state.spread + variance
    if time < state.first_look:
        return
    ratio: Row = state.shock / state.spread
    state.scores["delta"] = ratio * (1.0 / spot)
    if "gamma" in state.scores:
        inverse = _inverse(state.spread, ratio)
        square = ratio * ratio
        state.scores["gamma"] = (square - inverse - ratio) * (1.0 / spot**2)


def _inverse(spread: Row | float, like: Row) -> Row | float:
    return like.affine(0.0, 1.0) / spread if isinstance(spread, Row) else 1.0 / spread


def score_volatility(state: State, normal: Row, deviation: float, volatility: float) -> None:
    """Take a step's normal number into the score of vega: a parallel shift of the volatility.

    deviation^2 is the integral of its square: d deviation / d shift = volatility / deviation.
    """
    if "vega" in state.scores:
        ratio = volatility / deviation
        part = (normal * normal - 1.0) * (ratio / deviation) - normal * ratio
        state.scores["vega"] = state.scores["vega"] + part


def score_rate(state: State, normal: Row, deviation: float, width: float) -> None:
    """Take a step's normal number into the score of rho: a parallel shift of the rate, that of the drift."""
    if "rho" in state.scores:
        state.scores["rho"] = state.scores["rho"] + normal * (width / deviation)


def score_jumps(state: State, time: float, jumps: Row | None) -> None:
    """Count the jumps up to the first look, for theta."""
    if "theta" not in state.scores or state.time >= state.first_look or jumps is None:
        return
    state.jumps = jumps if state.jumps is None else state.jumps + jumps
