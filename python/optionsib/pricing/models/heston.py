"""Stochastic variance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from optionsib.pricing._rows import LogSpot, Row, Writer
from optionsib.pricing.models.base import Model, SingleAsset, State
from optionsib.pricing.models.levels import check
from optionsib.pricing.models.scores import score_spot

_LEAST_XI = 1e-6
_LEAST = 1e-12  # variance of a step, for its score


@dataclass(frozen=True, slots=True, kw_only=True)
class Heston(SingleAsset):
    """Stochastic variance dv = kappa (theta - v) dt + xi sqrt(v) dW, correlated by rho with the spot.

    `scheme`: ``"qe"``, the quadratic-exponential scheme with martingale correction (Andersen 2008), or
    ``"euler"``, full truncation (Lord, Koekkoek, van Dijk 2010).
    """

    type: ClassVar[str] = "heston"
    exact: ClassVar[bool] = False
    variance: float
    kappa: float
    theta: float
    xi: float
    rho: float
    scheme: Literal["qe", "euler"] = "qe"

    def __post_init__(self) -> None:
        SingleAsset.__post_init__(self)
        check("variance", self.variance)
        for name in ("kappa", "theta", "xi"):
            check(name, getattr(self, name), positive=True)
        if self.xi < _LEAST_XI:
            raise ValueError(
                f"xi must be at least {_LEAST_XI:g}, got {self.xi}: the schemes divide by it; a variance that"
                " is a function of time alone is a BlackScholes model with a term structure"
            )
        if not -1.0 <= self.rho <= 1.0:
            raise ValueError(f"rho must be in [-1, 1], got {self.rho}")
        if self.scheme not in ("qe", "euler"):
            raise ValueError(f"scheme must be 'qe' or 'euler', got {self.scheme!r}")

    @property
    def pathwise(self) -> tuple[str, ...]:
        """Return delta, rho, by differences vega, and where the spot has noise of its own gamma."""
        own = ("gamma",) if abs(self.rho) < 1.0 else ()
        return ("delta", *own, *(("vega",) if self.variance > 0 else ()), "rho")

    @property
    def likelihood(self) -> tuple[str, ...]:
        """Return delta and gamma, given the path of the variance, and by differences vega."""
        if abs(self.rho) == 1.0:
            return ()
        return ("delta", "gamma", *(("vega",) if self.variance > 0 else ()))

    def bumped(self, greek: str) -> tuple[Model, Model, float] | None:
        """Return, for vega, models whose volatility today, the root of the variance, is 2% apart from this.

        The scheme of the variance has no derivative along the path: it branches.
        """
        if greek != "vega":
            return None
        bump = 0.02 * math.sqrt(self.variance)
        below, above = (replace(self, variance=(math.sqrt(self.variance) + by) ** 2) for by in (-bump, bump))
        return below, above, 2.0 * bump

    @property
    def normals(self) -> int:
        """Return the number of standard normal numbers of a step: variance, spot."""
        return 2

    def start(
        self,
        writer: Writer,
        pathwise: Sequence[str] = (),
        likelihood: Sequence[str] = (),
        logarithms: bool = False,
    ) -> State:
        """Return the state today."""
        state = self.started(writer, pathwise, likelihood)
        state.rows["v"] = writer.row(self.variance)
        return state

    def step(self, state: State, time: float, normals: Sequence[Row]) -> None:
        """Move the state on; the spot is a factor of its law, so the tangent by it stays as it is."""
        x, v = state.rows["x"], state.rows["v"]
        carry = self.carry(state.time, time)
        euler = self.scheme == "euler"
        constants = self.euler(time - state.time, carry) if euler else self.qe(time - state.time, carry)
        moved, variance = x.writer.emit(
            "heston_euler" if euler else "heston_qe",
            (x, v, normals[0]),
            constants,
            normals[1].register,
            writes=2,
        )
        width = time - state.time
        moved.tangents = {
            name: tangent + width if name == "rho" else tangent for name, tangent in x.tangents.items()
        }
        if state.scores and state.time < state.first_look:
            # What the step's own normal number is multiplied by; see `euler` and `qe`.
            used = v.floor(0.0) * constants[3] ** 2 if euler else v * constants[7] + variance * constants[8]
            spread = used.floor(_LEAST)
            score_spot(state, self.spot, time, spread.sqrt() * normals[1], spread)
        state.rows.update(x=moved, v=variance)
        state.time = time

    def euler(self, step: float, carry: float) -> tuple[float, ...]:
        """Return the constants of a full-truncation Euler step."""
        root = math.sqrt(step)
        return (
            carry, -0.5 * step, root * self.rho, root * math.sqrt(1.0 - self.rho**2),
            self.kappa * step, self.theta, self.xi * root,
        )  # fmt: skip

    def qe(self, step: float, carry: float) -> tuple[float, ...]:
        """Return the constants of a quadratic-exponential step."""
        decay = math.exp(-self.kappa * step)
        rest = -math.expm1(-self.kappa * step)
        half = 0.5 * step
        k1 = half * (self.kappa * self.rho / self.xi - 0.5) - self.rho / self.xi
        k2 = half * (self.kappa * self.rho / self.xi - 0.5) + self.rho / self.xi
        k3 = k4 = half * (1.0 - self.rho**2)
        plain = -self.rho * self.kappa * self.theta * step / self.xi
        return (
            self.theta * rest, decay,
            self.xi**2 * decay * rest / self.kappa, self.theta * self.xi**2 * rest**2 / (2.0 * self.kappa),
            carry, k1, k2, k3, k4, k2 + 0.5 * k4, plain, k1 + 0.5 * k3,
        )  # fmt: skip

    def spots(self, state: State) -> tuple[Row, ...]:
        """Return the spot."""
        return (LogSpot(state.rows["x"]),)

    def factors(self, state: State) -> tuple[Row, ...]:
        """Return spot and variance."""
        return (*self.spots(state), state.rows["v"])
