"""Geometric Brownian motion."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from optionsib.pricing._rows import LogSpot, Row, Writer, grown
from optionsib.pricing.models.base import SingleAsset, State
from optionsib.pricing.models.levels import Level, check, integral, today
from optionsib.pricing.models.scores import score_rate, score_spot, score_volatility

if TYPE_CHECKING:
    from optionsib.pricing.models.merton import Merton

GREEKS: Final = ("delta", "gamma", "vega", "rho", "theta")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackScholes(SingleAsset):
    """Geometric Brownian motion with cash dividends; steps of any length are exact."""

    type: ClassVar[str] = "black_scholes"
    volatility: Level
    dividends: tuple[tuple[float, float], ...] = ()  # time, amount

    def __post_init__(self) -> None:
        SingleAsset.__post_init__(self)
        check("volatility", self.volatility, positive=True)
        pairs = tuple((float(time), float(amount)) for time, amount in self.dividends)
        object.__setattr__(self, "dividends", pairs)
        for time, amount in self.dividends:
            check("dividend time", time, positive=True)
            check("dividend amount", amount)
        times = [time for time, _ in self.dividends]
        if any(b <= a for a, b in itertools.pairwise(times)):
            raise ValueError(f"dividend times must ascend, got {times}")

    @property
    def pathwise(self) -> tuple[str, ...]:
        """Return all Greeks; gamma is the likelihood ratio of the pathwise delta."""
        return GREEKS

    @property
    def likelihood(self) -> tuple[str, ...]:
        """Return all Greeks."""
        return GREEKS

    @property
    def events(self) -> tuple[float, ...]:
        """Return the times of the dividends."""
        return tuple(time for time, _ in self.dividends)

    def forwards(self, time: float) -> tuple[float, ...] | None:
        """Return the forward; None with cash dividends, which cannot exceed the spot."""
        if any(when <= time for when, _ in self.dividends):
            return None
        return (self.spot * math.exp(self.carry(0.0, time)),)

    def start(
        self,
        writer: Writer,
        pathwise: Sequence[str] = (),
        likelihood: Sequence[str] = (),
        logarithms: bool = False,
    ) -> State:
        """Return the state today."""
        return self.started(writer, pathwise, likelihood, logarithm=logarithms and not self.dividends)

    def step(self, state: State, time: float, normals: Sequence[Row]) -> None:
        """Move the state on."""
        (z,) = normals
        start = state.time
        variance = integral(self.volatility, start, time, 2)
        deviation = math.sqrt(variance)
        drift = self.carry(start, time) - 0.5 * variance
        if state.scores:
            score_spot(state, self.spot, time, z * deviation, variance)
            score_volatility(state, z, deviation, integral(self.volatility, start, time))
            score_rate(state, z, deviation, time - start)
        state.time = time
        if "x" in state.rows:
            state.rows["x"] = diffused(self, state.rows["x"], z, start, time, drift)
            return
        spot = state.rows["spot"]
        if spot.tangents:
            still = z.writer.row(0.0)
            still.tangents = {name: still for name in spot.tangents if name != "delta"}
            spot = spot * diffused(self, still, z, start, time, drift).exp()
        else:
            spot = grown(spot, z, deviation, drift)
        for when, amount in self.dividends:
            if start < when <= time and amount > 0:
                spot = (spot - amount).floor(0.0)
        state.rows["spot"] = spot

    def pass_of_time(self, value: Row, delta: Row, gamma: Row, state: State) -> Row:
        """Return theta by the equation of Black and Scholes."""
        return time_value(self, value, delta, gamma, 0.0)

    def spots(self, state: State) -> tuple[Row, ...]:
        """Return the spot."""
        return (state.rows["spot"] if "spot" in state.rows else LogSpot(state.rows["x"]),)


def diffused(model: BlackScholes | Merton, x: Row, z: Row, start: float, time: float, drift: float) -> Row:
    """Return the logarithm of the spot a step on, with its tangents."""
    deviation = math.sqrt(integral(model.volatility, start, time, 2))
    moved = z.writer.emit("combine", (x, z), (1.0, deviation, drift))[0]
    tangents = dict(x.tangents)
    if "vega" in tangents:
        volatility = integral(model.volatility, start, time)
        tangents["vega"] = tangents["vega"] + z.affine(volatility / deviation, -volatility)
    if "rho" in tangents:
        tangents["rho"] = tangents["rho"] + (time - start)
    moved.tangents = tangents
    return moved


def time_value(model: BlackScholes | Merton, value: Row, delta: Row, gamma: Row, compensation: float) -> Row:
    """Return what passing time does, by the parameters as they are today.

    rate value - (rate - yield - compensation) spot delta - (volatility spot)^2 gamma / 2
    """
    rate, dividend_yield, volatility = (
        today(level) for level in (model.rate, model.dividend_yield, model.volatility)
    )
    growth = (rate - dividend_yield - compensation) * model.spot
    spread = 0.5 * volatility**2 * model.spot**2
    return value.writer.emit("combine3", (value, delta, gamma), (rate, -growth, -spread))[0]
