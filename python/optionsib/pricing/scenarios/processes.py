"""Volatility, short rate and jumps of scenarios: data, and their steps on rows of simulated paths.

Parameters are those under the risk-neutral measure. The change to the physical measure moves drifts alone
(Girsanov): a process's `premium` is what its drift gains there, times xi where its noise is Gaussian, times
its own value where it is of square-root type (the convention of S. L. Heston, 1993, whose kappa + lambda is
our kappa). A negative premium of the variance is the usual one: expected variance is higher under the
risk-neutral measure.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from optionsib.pricing._rows import Row, Writer
from optionsib.pricing.models import Heston, Level, TermStructure, integral, poisson_bounds

Measure = Literal["physical", "risk_neutral"]
MEASURES = ("physical", "risk_neutral")


def check_number(name: str, value: float, *, least: float | None = None, above: float | None = None) -> None:
    """Raise ValueError unless the value is a finite number in its range."""
    wanted = f" >= {least:g}" if least is not None else f" above {above:g}" if above is not None else ""
    bad = isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value)
    if bad or (least is not None and value < least) or (above is not None and value <= above):
        raise ValueError(f"{name} must be a finite number{wanted}, got {value!r}")


def check_whole(name: str, value: int, least: int, most: int) -> None:
    """Raise ValueError unless it is a whole number in its range."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} must be a whole number, {least} .. {most}, got {value!r}")


def check_measure(measure: str) -> None:
    """Raise ValueError unless it is one of the two measures."""
    if measure not in MEASURES:
        raise ValueError(f"measure must be 'physical' or 'risk_neutral', got {measure!r}")


def level_at(level: Level, time: float) -> float:
    """Return the value of a number or term structure up to a time."""
    if isinstance(level, TermStructure):
        return level.values[min(bisect.bisect_left(level.times, time), len(level.times) - 1)]
    return float(level)


class Stepper(Protocol):
    """The volatility of the spot on rows: what a step adds to the logarithm of the spot."""

    def level(self, time: float) -> Row:
        """Return the volatility now."""

    def step(self, x: Row, start: float, end: float, carry: float, volatility: Row, other: Row) -> Row:
        """Return the logarithm of the spot at the end; normals of the volatility, and independent of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOrnsteinUhlenbeck:
    """d ln s = kappa (ln level - ln s) dt + xi dW: a lognormal volatility (L. O. Scott, 1987).

    `initial`: volatility today. `level`: its median in the long run. `kappa`: a year. `xi`: volatility of
    ln s, a square root year. The logarithm of the volatility moves exactly; the spot takes it as constant
    over a substep, so the discounted spot is a martingale for steps of any length.
    """

    type: ClassVar[str] = "log_ornstein_uhlenbeck"
    initial: float
    level: float
    kappa: float
    xi: float
    premium: float = 0.0

    def __post_init__(self) -> None:
        for name in ("initial", "level", "kappa", "xi"):
            check_number(name, getattr(self, name), above=0)
        check_number("premium", self.premium)

    def stepper(self, writer: Writer, measure: Measure, rho: float) -> Stepper:
        """Return the process at its start."""
        if measure == "risk_neutral" and rho > 0:
            raise ValueError(
                f"a log-Ornstein-Uhlenbeck volatility correlated by {rho:g} > 0 with the spot makes the"
                " discounted spot no martingale (Akdim, Eddahbi, Haddadi, arXiv:1606.03645): correlation"
                " of spot and volatility must be <= 0 under 'risk_neutral'"
            )
        shift = self.premium * self.xi / self.kappa if measure == "physical" else 0.0
        return _LogVolatility(self, writer.row(math.log(self.initial)), math.log(self.level) + shift, rho)


@dataclass(slots=True)
class _LogVolatility:
    process: LogOrnsteinUhlenbeck
    log: Row
    mean: float
    rho: float

    def level(self, time: float) -> Row:
        return self.log.exp()

    def step(self, x: Row, start: float, end: float, carry: float, volatility: Row, other: Row) -> Row:
        h, kappa = end - start, self.process.kappa
        level = self.log.exp()
        noise = combine(volatility, other, self.rho, math.sqrt(1.0 - self.rho**2)) * level
        moved = combine(x, level * level, 1.0, -0.5 * h, carry)
        rest = -math.expm1(-kappa * h)
        deviation = self.process.xi * math.sqrt(-math.expm1(-2.0 * kappa * h) / (2.0 * kappa))
        self.log = combine(self.log, volatility, math.exp(-kappa * h), deviation, self.mean * rest)
        return combine(moved, noise, 1.0, math.sqrt(h))


@dataclass(frozen=True, slots=True, kw_only=True)
class HestonVariance:
    """dv = kappa (theta - v) dt + xi sqrt(v) dW, the volatility being sqrt(v); as `Heston`.

    Stepped by the quadratic-exponential scheme with martingale correction (L. Andersen, 2008).
    """

    type: ClassVar[str] = "heston_variance"
    variance: float
    kappa: float
    theta: float
    xi: float
    premium: float = 0.0

    def __post_init__(self) -> None:
        check_number("variance", self.variance, least=0)
        for name in ("kappa", "theta", "xi"):
            check_number(name, getattr(self, name), above=0)
        _check_premium(self.premium, self.kappa)

    def stepper(self, writer: Writer, measure: Measure, rho: float) -> Stepper:
        """Return the process at its start."""
        kappa, theta = _square_root(self.kappa, self.theta, self.premium, measure)
        model = Heston(spot=1.0, variance=self.variance, kappa=kappa, theta=theta, xi=self.xi, rho=rho)
        return _Variance(model, writer.row(self.variance))


@dataclass(slots=True)
class _Variance:
    model: Heston
    variance: Row

    def level(self, time: float) -> Row:
        return self.variance.sqrt()

    def step(self, x: Row, start: float, end: float, carry: float, volatility: Row, other: Row) -> Row:
        moved, self.variance = x.writer.emit(
            "heston_qe",
            (x, self.variance, volatility),
            self.model.qe(end - start, carry),
            other.register,
            writes=2,
        )
        return moved


@dataclass(slots=True)
class FixedVolatility:
    """A volatility that is a function of time alone."""

    volatility: Level
    writer: Writer
    rho: float

    def level(self, time: float) -> Row:
        """Return the volatility up to a time."""
        return self.writer.row(level_at(self.volatility, time))

    def step(self, x: Row, start: float, end: float, carry: float, volatility: Row, other: Row) -> Row:
        """Return the logarithm of the spot at the end."""
        variance = integral(self.volatility, start, end, 2)
        noise = combine(volatility, other, self.rho, math.sqrt(1.0 - self.rho**2))
        return combine(x, noise, 1.0, math.sqrt(variance), carry - 0.5 * variance)


class RateStepper(Protocol):
    """A short rate on rows."""

    rate: Row

    def step(self, start: float, end: float, normal: Row) -> Row:
        """Move the rate on and return its integral over the step (of a moving rate by the trapezoid rule)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vasicek:
    """dr = kappa (theta - r) dt + xi dW (O. Vasicek, 1977); steps of any length are exact."""

    type: ClassVar[str] = "vasicek"
    initial: float
    kappa: float
    theta: float
    xi: float
    premium: float = 0.0

    def __post_init__(self) -> None:
        check_number("initial", self.initial)
        check_number("theta", self.theta)
        check_number("kappa", self.kappa, above=0)
        check_number("xi", self.xi, above=0)
        check_number("premium", self.premium)

    def stepper(self, writer: Writer, measure: Measure) -> RateStepper:
        """Return the process at its start."""
        shift = self.premium * self.xi / self.kappa if measure == "physical" else 0.0
        return _GaussianRate(self, self.theta + shift, writer.row(self.initial))


@dataclass(slots=True)
class _GaussianRate:
    process: Vasicek
    theta: float
    rate: Row

    def step(self, start: float, end: float, normal: Row) -> Row:
        kappa, h, before = self.process.kappa, end - start, self.rate
        deviation = self.process.xi * math.sqrt(-math.expm1(-2.0 * kappa * h) / (2.0 * kappa))
        shift = self.theta * -math.expm1(-kappa * h)
        self.rate = combine(before, normal, math.exp(-kappa * h), deviation, shift)
        return combine(before, self.rate, 0.5 * h, 0.5 * h)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoxIngersollRoss:
    """dr = kappa (theta - r) dt + xi sqrt(r) dW, r >= 0 (Cox, Ingersoll, Ross, 1985).

    Stepped by the quadratic-exponential scheme (L. Andersen, 2008).
    """

    type: ClassVar[str] = "cox_ingersoll_ross"
    initial: float
    kappa: float
    theta: float
    xi: float
    premium: float = 0.0

    def __post_init__(self) -> None:
        check_number("initial", self.initial, least=0)
        for name in ("kappa", "theta", "xi"):
            check_number(name, getattr(self, name), above=0)
        _check_premium(self.premium, self.kappa)

    def stepper(self, writer: Writer, measure: Measure) -> RateStepper:
        """Return the process at its start."""
        kappa, theta = _square_root(self.kappa, self.theta, self.premium, measure)
        model = Heston(spot=1.0, variance=self.initial, kappa=kappa, theta=theta, xi=self.xi, rho=0.0)
        return _SquareRootRate(model, writer.row(self.initial))


@dataclass(slots=True)
class _SquareRootRate:
    model: Heston
    rate: Row

    def step(self, start: float, end: float, normal: Row) -> Row:
        h, before = end - start, self.rate
        _, self.rate = normal.writer.emit(
            "heston_qe", (before, before, normal), self.model.qe(h, 0.0), normal.register, writes=2
        )
        return combine(before, self.rate, 0.5 * h, 0.5 * h)


@dataclass(slots=True)
class FixedRate:
    """A short rate that is a function of time alone."""

    level: Level
    rate: Row

    def step(self, start: float, end: float, normal: Row) -> Row:
        """Move the rate on and return its integral."""
        self.rate = normal.writer.row(level_at(self.level, end))
        return normal.writer.row(integral(self.level, start, end))


@dataclass(frozen=True, slots=True, kw_only=True)
class Jumps:
    """Lognormal jumps of the spot (R. C. Merton, 1976), compensated under either measure.

    They come `intensity` times a year and add a normal number with mean `mean` and standard deviation
    `deviation` to the logarithm of the spot; what bearing them is worth belongs to the equity premium.
    """

    type: ClassVar[str] = "jumps"
    intensity: float
    mean: float
    deviation: float

    def __post_init__(self) -> None:
        check_number("intensity", self.intensity, least=0)
        check_number("mean", self.mean)
        check_number("deviation", self.deviation, least=0)

    def compensator(self) -> float:
        """Return the mean relative jump a year."""
        return self.intensity * math.expm1(self.mean + 0.5 * self.deviation**2)

    def step(self, x: Row, step: float, number: Row, size: Row) -> Row:
        """Return the logarithm of the spot with the jumps of a step."""
        bounds = poisson_bounds(self.intensity * step)
        if not bounds:
            return x
        jumps = number.count_above(bounds).plain()
        spread = jumps.sqrt() * size
        return x.writer.emit("combine3", (x, jumps, spread), (1.0, self.mean, self.deviation))[0]


Volatility = Level | LogOrnsteinUhlenbeck | HestonVariance
Rate = Level | Vasicek | CoxIngersollRoss
PROCESSES = {
    one.type: one for one in (LogOrnsteinUhlenbeck, HestonVariance, Vasicek, CoxIngersollRoss, Jumps)
}


def combine(a: Row, b: Row, ka: float, kb: float, shift: float = 0.0) -> Row:
    """Return ka a + kb b + shift."""
    return a.writer.emit("combine", (a, b), (ka, kb, shift))[0]


def mixed(rows: Sequence[Row], weights: Sequence[float]) -> Row:
    """Return the weighted sum of three rows."""
    return rows[0].writer.emit("combine3", rows, weights)[0]


def _check_premium(premium: float, kappa: float) -> None:
    check_number("premium", premium)
    if premium >= kappa:
        raise ValueError(
            f"premium must be below kappa = {kappa:g}, got {premium:g}: the physical process would not revert"
        )


def _square_root(kappa: float, theta: float, premium: float, measure: Measure) -> tuple[float, float]:
    """Return kappa and theta under a measure; kappa theta is the same under both."""
    if measure == "risk_neutral":
        return kappa, theta
    return kappa - premium, kappa * theta / (kappa - premium)
