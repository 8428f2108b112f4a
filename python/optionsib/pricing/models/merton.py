"""Lognormal jumps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

from optionsib.pricing._rows import LogSpot, Row, Writer
from optionsib.pricing.models.base import SingleAsset, State
from optionsib.pricing.models.black_scholes import GREEKS, diffused, time_value
from optionsib.pricing.models.levels import Level, check, integral
from optionsib.pricing.models.scores import score_jumps, score_rate, score_spot, score_volatility

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Merton(SingleAsset):
    """Geometric Brownian motion with lognormal jumps (R. C. Merton, 1976); steps of any length are exact.

    Jumps come `intensity` times a year and add a normal number with `jump_mean` and `jump_deviation` to the
    logarithm of the spot.
    """

    type: ClassVar[str] = "merton"
    volatility: Level
    intensity: float
    jump_mean: float
    jump_deviation: float

    def __post_init__(self) -> None:
        SingleAsset.__post_init__(self)
        check("volatility", self.volatility, positive=True)
        check("intensity", self.intensity)
        check("jump_mean", self.jump_mean, signed=True)
        check("jump_deviation", self.jump_deviation)

    @property
    def pathwise(self) -> tuple[str, ...]:
        """Return all Greeks; gamma is the likelihood ratio of the pathwise delta."""
        return GREEKS

    @property
    def likelihood(self) -> tuple[str, ...]:
        """Return all Greeks: of delta, gamma, vega and rho, the likelihood given the jumps."""
        return GREEKS

    @property
    def normals(self) -> int:
        """Return the number of standard normal numbers of a step: diffusion, number of jumps, their size."""
        return 3

    def start(
        self,
        writer: Writer,
        pathwise: Sequence[str] = (),
        likelihood: Sequence[str] = (),
        logarithms: bool = False,
    ) -> State:
        """Return the state today."""
        return self.started(writer, pathwise, likelihood)

    def step(self, state: State, time: float, normals: Sequence[Row]) -> None:
        """Move the state on."""
        z, number, size = normals
        start = state.time
        variance = integral(self.volatility, start, time, 2)
        deviation = math.sqrt(variance)
        expected = self.intensity * (time - start)
        drift = self.carry(start, time) - 0.5 * variance - expected * self._growth()
        bounds = poisson_bounds(expected)
        jumps = number.count_above(bounds).plain() if bounds else None
        if state.scores:
            score_spot(state, self.spot, time, z * deviation, variance)
            score_volatility(state, z, deviation, integral(self.volatility, start, time))
            score_rate(state, z, deviation, time - start)
            score_jumps(state, time, jumps)
        moved = diffused(self, state.rows["x"], z, start, time, drift)
        if jumps is not None:
            spread = jumps.sqrt() * size
            tangents = moved.tangents
            moved = z.writer.emit(
                "combine3", (moved, jumps, spread), (1.0, self.jump_mean, self.jump_deviation)
            )[0]
            moved.tangents = tangents
        state.rows["x"], state.time = moved, time

    def pass_of_time(self, value: Row, delta: Row, gamma: Row, state: State) -> Row:
        """Return theta by the pricing equation.

        Its term of the jumps, the intensity times what one more of them now would bring, is the score of the
        number of jumps up to the first look, by the length of that time.
        """
        theta = time_value(self, value, delta, gamma, self.intensity * self._growth())
        if state.jumps is None:
            return theta
        return theta - (state.jumps * (1.0 / state.first_look) - self.intensity) * value

    def _growth(self) -> float:
        return math.expm1(self.jump_mean + 0.5 * self.jump_deviation**2)

    def spots(self, state: State) -> tuple[Row, ...]:
        """Return the spot."""
        return (LogSpot(state.rows["x"]),)


def poisson_bounds(mean: float) -> tuple[float, ...]:
    """Return the normal quantiles of the distribution of a Poisson number: how many lie below z is one."""
    if mean == 0:
        return ()
    if mean > 500:
        raise ValueError(f"{mean:g} expected jumps in a step: at most 500 (more steps)")
    least = 1e-16
    terms = [math.exp(-mean)]
    while len(terms) < mean or terms[-1] > least:
        terms.append(terms[-1] * mean / len(terms))
    bounds: list[float] = []
    below = 0.0
    for i, term in enumerate(terms[:-1]):
        below += term
        above = math.fsum(terms[i + 1 :])
        if below < least:
            continue
        if above < least:
            break
        bounds.append(_NORMAL.inv_cdf(below) if below < 0.5 else -_NORMAL.inv_cdf(above))
    # Numbers so small that they practically never come, below the first bound, count to it all the same.
    skipped = sum(1 for i in range(len(terms)) if math.fsum(terms[: i + 1]) < least)
    return (*([-40.0] * skipped), *bounds)
