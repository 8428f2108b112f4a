"""Models of spots as data, and their time steps on rows of simulated paths.

A model is a frozen dataclass; `Model.to_json` and `Model.from_json` write and read any of them. Rates and
yields are continuous, volatilities annual, times years from today. Where a number may change with time it
is a `TermStructure`. A cash dividend lowers the spot at its time, at most to 0; a spot looked at then is
without it.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from statistics import NormalDist
from typing import Any, ClassVar, Literal

import numpy as np

from optionsib.pricing._rows import LogSpot, Row, Writer, grown
from optionsib.pricing.correlation import check_correlation, cholesky

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class TermStructure:
    """A piecewise constant function of time: ``values[i]`` up to ``times[i]``, the last one ever after."""

    times: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", tuple(self.times))
        object.__setattr__(self, "values", tuple(self.values))
        if not self.times or len(self.times) != len(self.values):
            raise ValueError("times and values must be of one length, at least 1")
        if not all(math.isfinite(x) for x in (*self.times, *self.values)):
            raise ValueError("times and values must be finite")
        if self.times[0] <= 0 or any(b <= a for a, b in zip(self.times, self.times[1:], strict=False)):
            raise ValueError(f"times must be positive and ascend, got {self.times}")

    def integral(self, start: float, end: float, power: int = 1) -> float:
        """Return the integral of the value, to a power, over a stretch of time."""
        total, at = 0.0, start
        for time, value in zip((*self.times[:-1], math.inf), self.values, strict=True):
            if time > at:
                stop = min(time, end)
                total += value**power * (stop - at)
                at = stop
                if at >= end:
                    break
        return total


Level = float | TermStructure


def integral(level: Level, start: float, end: float, power: int = 1) -> float:
    """Return the integral of a number or term structure, to a power."""
    if isinstance(level, TermStructure):
        return level.integral(start, end, power)
    return float(level) ** power * (end - start)


def _check(name: str, level: Level, *, positive: bool = False, signed: bool = False) -> None:
    for value in level.values if isinstance(level, TermStructure) else (level,):
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value!r}")
        if not signed and (value <= 0 if positive else value < 0):
            raise ValueError(f"{name} must be {'positive' if positive else '>= 0'}, got {value}")


@dataclass(slots=True)
class State:
    """What a model knows of its paths at a time: its rows by name, and scores of the likelihood by Greek."""

    time: float
    rows: dict[str, Row]
    scores: dict[str, Row] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """What every model has."""

    type: ClassVar[str]
    exact: ClassVar[bool] = True  # a step of any length has the right law
    pathwise: ClassVar[tuple[str, ...]] = ()  # Greeks whose tangents the model can start
    likelihood: ClassVar[tuple[str, ...]] = ()  # Greeks whose scores it knows

    @property
    def assets(self) -> int:
        """Return the number of assets."""
        return 1

    @property
    def normals(self) -> int:
        """Return the number of standard normal numbers of a step."""
        return 1

    @property
    def events(self) -> tuple[float, ...]:
        """Return times that steps must meet."""
        return ()

    def discount(self, time: float) -> float:
        """Return the value today of 1 at a time."""
        raise NotImplementedError

    def forwards(self, time: float) -> tuple[float, ...] | None:
        """Return the mean of each asset's spot at a time; None where it has no closed form."""
        raise NotImplementedError

    def start(
        self,
        writer: Writer,
        pathwise: Sequence[str] = (),
        likelihood: Sequence[str] = (),
        logarithms: bool = False,
    ) -> State:
        """Return the state today, with tangents and scores for these Greeks.

        `logarithms`: those of the spots will be looked at, rather than the spots.
        """
        raise NotImplementedError

    def step(self, state: State, time: float, normals: Sequence[Row]) -> None:
        """Move the state on to a time."""
        raise NotImplementedError

    def spots(self, state: State) -> tuple[Row, ...]:
        """Return the spots of a state."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return the model as a JSON object with its type."""
        return json.dumps({"type": self.type, **asdict(self)})

    @staticmethod
    def from_json(text: str) -> Model:
        """Return the model that `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is no JSON object, the type unknown, a field missing, unknown or out of its range.
        """
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError(f"a model is a JSON object, got {text[:80]!r}")
        return _read(data)


def _read(data: Mapping[str, Any]) -> Model:
    values = dict(data)
    name = values.pop("type", None)
    if name not in _MODELS:
        raise ValueError(f"type must be one of {', '.join(_MODELS)}, got {name!r}")
    model = _MODELS[name]
    if unknown := values.keys() - {one.name for one in fields(model)}:
        raise ValueError(f"{name} has no field {', '.join(sorted(unknown))}")
    if model is MultiAsset:
        values["underlyings"] = tuple(
            BlackScholes(**{key: _value(value) for key, value in asset.items()})
            for asset in values.get("underlyings", ())
        )
    try:
        result: Model = model(**{key: _value(value) for key, value in values.items()})
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from None
    return result


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return TermStructure(**value)
    if isinstance(value, list):
        return tuple(_value(one) for one in value)
    return value


def _log_spot_start(model: BlackScholes | Heston | Merton, writer: Writer, pathwise: Sequence[str]) -> Row:
    row = writer.row(math.log(model.spot))
    if "delta" in pathwise:
        row.tangents = {"delta": writer.row(1.0 / model.spot)}
    return row


@dataclass(frozen=True, slots=True, kw_only=True)
class BlackScholes(Model):
    """Geometric Brownian motion with cash dividends; steps of any length are exact."""

    type: ClassVar[str] = "black_scholes"
    pathwise: ClassVar[tuple[str, ...]] = ("delta", "gamma", "vega")
    likelihood: ClassVar[tuple[str, ...]] = ("delta", "gamma", "vega")
    spot: float
    volatility: Level
    rate: Level = 0.0
    dividend_yield: Level = 0.0
    dividends: tuple[tuple[float, float], ...] = ()  # time, amount

    def __post_init__(self) -> None:
        _check("spot", self.spot, positive=True)
        _check("volatility", self.volatility, positive=True)
        _check("rate", self.rate, signed=True)
        _check("dividend_yield", self.dividend_yield, signed=True)
        pairs = tuple((float(time), float(amount)) for time, amount in self.dividends)
        object.__setattr__(self, "dividends", pairs)
        for time, amount in self.dividends:
            _check("dividend time", time, positive=True)
            _check("dividend amount", amount)
        times = [time for time, _ in self.dividends]
        if any(b <= a for a, b in itertools.pairwise(times)):
            raise ValueError(f"dividend times must ascend, got {times}")

    @property
    def events(self) -> tuple[float, ...]:
        """Return the times of the dividends."""
        return tuple(time for time, _ in self.dividends)

    def discount(self, time: float) -> float:
        """Return the value today of 1 at a time."""
        return math.exp(-integral(self.rate, 0.0, time))

    def carry(self, start: float, end: float) -> float:
        """Return the integral of rate less yield."""
        return integral(self.rate, start, end) - integral(self.dividend_yield, start, end)

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
        logarithms = logarithms and not self.dividends
        row = writer.row(math.log(self.spot) if logarithms else self.spot)
        tangents = {}
        if "delta" in pathwise:
            tangents["delta"] = writer.row(1.0 / self.spot if logarithms else 1.0)
        if "vega" in pathwise:
            tangents["vega"] = writer.row(0.0)
        row.tangents = tangents
        scores = {name: writer.row(0.0) for name in likelihood}
        return State(0.0, {"x" if logarithms else "spot": row}, scores)

    def step(self, state: State, time: float, normals: Sequence[Row]) -> None:
        """Move the state on; first and every step's scores are those of the lognormal density."""
        (z,) = normals
        start = state.time
        variance = integral(self.volatility, start, time, 2)
        volatility = integral(self.volatility, start, time)
        deviation = math.sqrt(variance)
        drift = self.carry(start, time) - 0.5 * variance
        if state.scores:
            self._score(state, z, start, deviation, volatility)
        state.time = time
        if "x" in state.rows:
            x = state.rows["x"]
            moved = z.writer.emit("combine", (x, z), (1.0, deviation, drift))[0]
            moved.tangents = x.tangents
            if "vega" in x.tangents:
                slope = z.affine(volatility / deviation, -volatility)
                moved.tangents = {**x.tangents, "vega": x.tangents["vega"] + slope}
            state.rows["x"] = moved
            return
        spot = state.rows["spot"]
        if "vega" in spot.tangents:
            exponent = z.affine(deviation, drift)
            exponent.tangents = {"vega": z.affine(volatility / deviation, -volatility)}
            spot = spot * exponent.exp()
        else:
            spot = grown(spot, z, deviation, drift)
        for when, amount in self.dividends:
            if start < when <= time and amount > 0:
                spot = (spot - amount).floor(0.0)
        state.rows["spot"] = spot

    def _score(self, state: State, z: Row, start: float, deviation: float, volatility: float) -> None:
        scores = state.scores
        if start == 0.0:
            # d and d^2 of the first step's density by the spot today, over the density.
            scale = 1.0 / (self.spot * deviation)
            if "delta" in scores:
                scores["delta"] = z * scale
            if "gamma" in scores:
                scores["gamma"] = (z * z - 1.0) * (scale * scale) - z * (scale / self.spot)
        if "vega" in scores:
            # deviation^2 = integral of v^2: d deviation / d shift = volatility / deviation.
            ratio = volatility / deviation
            part = (z * z - 1.0) * (ratio / deviation) - z * (volatility / deviation)
            scores["vega"] = scores["vega"] + part

    def spots(self, state: State) -> tuple[Row, ...]:
        """Return the spot."""
        return (state.rows["spot"] if "spot" in state.rows else LogSpot(state.rows["x"]),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heston(Model):
    """Stochastic variance dv = kappa (theta - v) dt + xi sqrt(v) dW, correlated by rho with the spot.

    `scheme`: ``"qe"``, the quadratic-exponential scheme with martingale correction (Andersen 2008), or
    ``"euler"``, full truncation (Lord, Koekkoek, van Dijk 2010).
    """

    type: ClassVar[str] = "heston"
    exact: ClassVar[bool] = False
    pathwise: ClassVar[tuple[str, ...]] = ("delta",)
    spot: float
    variance: float
    kappa: float
    theta: float
    xi: float
    rho: float
    rate: Level = 0.0
    dividend_yield: Level = 0.0
    scheme: Literal["qe", "euler"] = "qe"

    def __post_init__(self) -> None:
        _check("spot", self.spot, positive=True)
        _check("variance", self.variance)
        for name in ("kappa", "theta", "xi"):
            _check(name, getattr(self, name), positive=True)
        if not -1.0 <= self.rho <= 1.0:
            raise ValueError(f"rho must be in [-1, 1], got {self.rho}")
        _check("rate", self.rate, signed=True)
        _check("dividend_yield", self.dividend_yield, signed=True)
        if self.scheme not in ("qe", "euler"):
            raise ValueError(f"scheme must be 'qe' or 'euler', got {self.scheme!r}")

    @property
    def normals(self) -> int:
        """Return the number of standard normal numbers of a step: variance, spot."""
        return 2

    def discount(self, time: float) -> float:
        """Return the value today of 1 at a time."""
        return math.exp(-integral(self.rate, 0.0, time))

    def carry(self, start: float, end: float) -> float:
        """Return the integral of rate less yield."""
        return integral(self.rate, start, end) - integral(self.dividend_yield, start, end)

    def forwards(self, time: float) -> tuple[float, ...] | None:
        """Return the forward."""
        return (self.spot * math.exp(self.carry(0.0, time)),)

    def start(
        self,
        writer: Writer,
        pathwise: Sequence[str] = (),
        likelihood: Sequence[str] = (),
        logarithms: bool = False,
    ) -> State:
        """Return the state today."""
        rows = {"x": _log_spot_start(self, writer, pathwise), "v": writer.row(self.variance)}
        return State(0.0, rows)

    def step(self, state: State, time: float, normals: Sequence[Row]) -> None:
        """Move the state on; the spot is a factor of its law, so tangents by it stay as they are."""
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
        moved.tangents = x.tangents
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Merton(Model):
    """Geometric Brownian motion with lognormal jumps (R. C. Merton, 1976); steps of any length are exact.

    Jumps come `intensity` times a year and add a normal number with `jump_mean` and `jump_deviation` to the
    logarithm of the spot.
    """

    type: ClassVar[str] = "merton"
    pathwise: ClassVar[tuple[str, ...]] = ("delta",)
    spot: float
    volatility: Level
    intensity: float
    jump_mean: float
    jump_deviation: float
    rate: Level = 0.0
    dividend_yield: Level = 0.0

    def __post_init__(self) -> None:
        _check("spot", self.spot, positive=True)
        _check("volatility", self.volatility, positive=True)
        _check("intensity", self.intensity)
        _check("jump_mean", self.jump_mean, signed=True)
        _check("jump_deviation", self.jump_deviation)
        _check("rate", self.rate, signed=True)
        _check("dividend_yield", self.dividend_yield, signed=True)

    @property
    def normals(self) -> int:
        """Return the number of standard normal numbers of a step: diffusion, number of jumps, their size."""
        return 3

    def discount(self, time: float) -> float:
        """Return the value today of 1 at a time."""
        return math.exp(-integral(self.rate, 0.0, time))

    def carry(self, start: float, end: float) -> float:
        """Return the integral of rate less yield."""
        return integral(self.rate, start, end) - integral(self.dividend_yield, start, end)

    def forwards(self, time: float) -> tuple[float, ...] | None:
        """Return the forward."""
        return (self.spot * math.exp(self.carry(0.0, time)),)

    def start(
        self,
        writer: Writer,
        pathwise: Sequence[str] = (),
        likelihood: Sequence[str] = (),
        logarithms: bool = False,
    ) -> State:
        """Return the state today."""
        return State(0.0, {"x": _log_spot_start(self, writer, pathwise)})

    def step(self, state: State, time: float, normals: Sequence[Row]) -> None:
        """Move the state on."""
        x = state.rows["x"]
        z, number, size = normals
        variance = integral(self.volatility, state.time, time, 2)
        expected = self.intensity * (time - state.time)
        growth = math.expm1(self.jump_mean + 0.5 * self.jump_deviation**2)
        drift = self.carry(state.time, time) - 0.5 * variance - expected * growth
        moved = x.writer.emit("combine", (x, z), (1.0, math.sqrt(variance), drift))[0]
        if bounds := poisson_bounds(expected):
            jumps = number.count_above(bounds).plain()
            spread = jumps.sqrt() * size
            moved = x.writer.emit(
                "combine3", (moved, jumps, spread), (1.0, self.jump_mean, self.jump_deviation)
            )[0]
        moved.tangents = x.tangents
        state.rows["x"], state.time = moved, time

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


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiAsset(Model):
    """Several Black-Scholes assets with correlated Brownian motions and one interest rate."""

    type: ClassVar[str] = "multi_asset"
    underlyings: tuple[BlackScholes, ...]
    correlation: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "underlyings", tuple(self.underlyings))
        matrix = np.asarray(self.correlation, dtype=float)
        count = len(self.underlyings)
        if count == 0 or any(asset.rate != self.underlyings[0].rate for asset in self.underlyings):
            raise ValueError("there must be assets, and all must have one rate")
        if matrix.shape != (count, count):
            raise ValueError(f"correlation must be {count} x {count}, got shape {matrix.shape}")
        check_correlation(matrix)
        object.__setattr__(self, "correlation", tuple(tuple(map(float, row)) for row in matrix))

    @property
    def assets(self) -> int:
        """Return the number of assets."""
        return len(self.underlyings)

    @property
    def normals(self) -> int:
        """Return the number of standard normal numbers of a step."""
        return len(self.underlyings)

    @property
    def events(self) -> tuple[float, ...]:
        """Return the times of all dividends."""
        return tuple(sorted({time for asset in self.underlyings for time in asset.events}))

    def discount(self, time: float) -> float:
        """Return the value today of 1 at a time."""
        return self.underlyings[0].discount(time)

    def forwards(self, time: float) -> tuple[float, ...] | None:
        """Return the forwards; None where one has cash dividends."""
        found = [asset.forwards(time) for asset in self.underlyings]
        return None if any(one is None for one in found) else tuple(one[0] for one in found if one)

    def start(
        self,
        writer: Writer,
        pathwise: Sequence[str] = (),
        likelihood: Sequence[str] = (),
        logarithms: bool = False,
    ) -> State:
        """Return the state today."""
        rows = {f"spot {i}": writer.row(asset.spot) for i, asset in enumerate(self.underlyings)}
        return State(0.0, rows)

    def step(self, state: State, time: float, normals: Sequence[Row]) -> None:
        """Move all assets on."""
        factor = cholesky(np.asarray(self.correlation))
        for i, asset in enumerate(self.underlyings):
            z: Row | None = None
            for j in range(i + 1):
                if factor[i, j] != 0:
                    part = normals[j] * float(factor[i, j])
                    z = part if z is None else z + part
            one = State(state.time, {"spot": state.rows[f"spot {i}"]})
            asset.step(one, time, (normals[i] * 0.0 if z is None else z,))
            state.rows[f"spot {i}"] = one.rows["spot"]
        state.time = time

    def spots(self, state: State) -> tuple[Row, ...]:
        """Return the spots."""
        return tuple(state.rows[f"spot {i}"] for i in range(len(self.underlyings)))


_MODELS: dict[str, type[Any]] = {model.type: model for model in (BlackScholes, Heston, Merton, MultiAsset)}
