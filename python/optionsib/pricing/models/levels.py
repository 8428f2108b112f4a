"""Numbers that may change with time."""

from __future__ import annotations

import math
from dataclasses import dataclass


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


def today(level: Level) -> float:
    """Return a number, or what a term structure begins with."""
    return level.values[0] if isinstance(level, TermStructure) else float(level)


def integral(level: Level, start: float, end: float, power: int = 1) -> float:
    """Return the integral of a number or term structure, to a power."""
    if isinstance(level, TermStructure):
        return level.integral(start, end, power)
    return float(level) ** power * (end - start)


def check(name: str, level: Level, *, positive: bool = False, signed: bool = False) -> None:
    """Raise ValueError unless a number, or all of a term structure, is finite and in range."""
    for value in level.values if isinstance(level, TermStructure) else (level,):
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{name} must be a finite number, got {value!r}")
        if not signed and (value <= 0 if positive else value < 0):
            raise ValueError(f"{name} must be {'positive' if positive else '>= 0'}, got {value}")
