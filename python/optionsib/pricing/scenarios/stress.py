"""Stresses put on scenarios: shocks with a ramp, and the replay of a piece of history.

An overlay moves the levels of finished paths. It leaves everything else alone: drifts do not answer to a
moved rate, nor noise to a moved volatility, so stressed paths are under no measure any more, and their
provenance says which overlays they wear. Discount factors follow the moved rate by the trapezoid rule.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from optionsib.pricing.scenarios.history import History
from optionsib.pricing.scenarios.processes import check_number, check_whole
from optionsib.pricing.scenarios.result import Array, Scenarios


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What every stress has: a name, and the step `start` from which on it tells."""

    type: ClassVar[str]
    name: str
    start: int = 0

    def on(self, scenarios: Scenarios) -> Scenarios:
        """Return the scenarios with the stress, its name not yet noted."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return the stress as a JSON object with its type."""
        return json.dumps({"type": self.type, **asdict(self)})

    @staticmethod
    def from_json(text: str) -> Overlay:
        """Return the stress that `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is no JSON object, the type unknown, or a field missing, unknown or out of its range.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("type") not in _OVERLAYS:
            raise ValueError(f"a stress is a JSON object of type {', '.join(_OVERLAYS)}, got {text[:80]!r}")
        kind = _OVERLAYS[data.pop("type")]
        try:
            made: Overlay = kind(**data)
        except TypeError as error:
            raise ValueError(f"{kind.type}: {error}") from None
        return made

    def _check(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name must say what the stress is, got {self.name!r}")
        check_whole("start", self.start, 0, 100_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress(Overlay):
    """A shock of spot, volatility and rate that stays.

    `spot`: relative, -0.2 = 20 % lower. `volatility`: added, 0.15 = 15 points. `rate`: added, 0.01 = 100
    basis points. Whole from step `start` on with ``ramp=0``, else reached `ramp` steps after it:
    geometrically in the spot, linearly in the others.
    """

    type: ClassVar[str] = "shock"
    spot: float = 0.0
    volatility: float = 0.0
    rate: float = 0.0
    ramp: int = 0

    def __post_init__(self) -> None:
        self._check()
        check_whole("ramp", self.ramp, 0, 100_000)
        check_number("spot", self.spot, above=-1)
        check_number("volatility", self.volatility)
        check_number("rate", self.rate)

    def on(self, scenarios: Scenarios) -> Scenarios:
        """Return the scenarios with the shock."""
        steps = np.arange(scenarios.steps + 1)
        if self.start + self.ramp > scenarios.steps:
            raise ValueError(
                f"{self.name}: whole only at step {self.start + self.ramp}, "
                f"the scenarios end at {scenarios.steps}"
            )
        since = steps - self.start
        weight = np.clip(since / self.ramp, 0.0, 1.0) if self.ramp else (since >= 0).astype(float)
        factor = np.exp(math.log1p(self.spot) * weight)
        return _moved(self.name, scenarios, factor, self.volatility * weight, self.rate * weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoricalReplay(Overlay):
    """What happened once, put on the paths: one row a step, from step `start` on; its end stays.

    `spot`: levels relative to the first; `volatility`, `rate`: differences from the first. Scenarios without
    noise of their own show the piece of history alone.
    """

    type: ClassVar[str] = "historical_replay"
    spot: tuple[float, ...]
    volatility: tuple[float, ...]
    rate: tuple[float, ...]

    def __post_init__(self) -> None:
        self._check()
        for name in ("spot", "volatility", "rate"):
            values = tuple(float(value) for value in getattr(self, name))
            object.__setattr__(self, name, values)
            for value in values:
                check_number(name, value, above=0 if name == "spot" else None)
        if not len(self.spot) == len(self.volatility) == len(self.rate) >= 2:
            raise ValueError("spot, volatility and rate must be of one length, at least 2")
        if (self.spot[0], self.volatility[0], self.rate[0]) != (1.0, 0.0, 0.0):
            raise ValueError("spot must begin with 1, volatility and rate with 0")

    @classmethod
    def of(cls, name: str, history: History, first: int, last: int, *, start: int = 0) -> HistoricalReplay:
        """Return the replay of rows `first` .. `last` of a history, both included."""
        if not 0 <= first < last < len(history):
            raise ValueError(f"first and last must be rows 0 .. {len(history) - 1}, got {first}, {last}")
        rows = slice(first, last + 1)
        return cls(
            name=name,
            start=start,
            spot=tuple((history.spot[rows] / history.spot[first]).tolist()),
            volatility=tuple((history.volatility[rows] - history.volatility[first]).tolist()),
            rate=tuple((history.rate[rows] - history.rate[first]).tolist()),
        )

    def on(self, scenarios: Scenarios) -> Scenarios:
        """Return the scenarios with the replay."""
        end = self.start + len(self.spot) - 1
        if end > scenarios.steps:
            raise ValueError(f"{self.name}: ends at step {end}, the scenarios at {scenarios.steps}")
        at = np.clip(np.arange(scenarios.steps + 1) - self.start, 0, len(self.spot) - 1)
        return _moved(
            self.name,
            scenarios,
            np.array(self.spot)[at],
            np.array(self.volatility)[at],
            np.array(self.rate)[at],
        )


_OVERLAYS: dict[str, type[Any]] = {one.type: one for one in (Stress, HistoricalReplay)}


def _moved(name: str, scenarios: Scenarios, spot: Array, volatility: Array, rate: Array) -> Scenarios:
    """Return scenarios with levels moved by a factor and two differences of each step."""
    moved = scenarios.volatility + volatility
    if float(moved.min()) < 0:
        count = int((moved.min(axis=1) < 0).sum())
        raise ValueError(
            f"{name}: the volatility would be {float(moved.min()):.6g} on {count} of {scenarios.paths} paths"
        )
    extra = np.diff(scenarios.times) * 0.5 * (rate[1:] + rate[:-1])
    factor = np.exp(-np.concatenate([[0.0], np.cumsum(extra)]))
    return replace(
        scenarios,
        spot=scenarios.spot * spot,
        volatility=moved,
        rate=scenarios.rate + rate,
        discount=scenarios.discount * factor,
    )
