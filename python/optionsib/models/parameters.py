"""The parameters of a generator or of a strategy: their ranges, defaults and checks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from optionsib.common.errors import ModelError
from optionsib.common.strategy_data import Setting


class Number(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A number from ``low`` to ``high``, both included; ``whole``: an integer."""

    name: str
    low: float
    high: float
    default: float
    whole: bool = False
    meaning: str = ""

    def __post_init__(self) -> None:
        bounds = (self.low, self.default, self.high)
        if not all(map(math.isfinite, bounds)) or not self.low <= self.default <= self.high:
            raise ModelError(f"{self!r}: expected finite low <= default <= high")
        if self.whole and any(bound != int(bound) for bound in bounds):
            raise ModelError(f"{self!r}: expected whole numbers")

    @property
    def initial(self) -> Setting:
        """The default, as an integer where it is one."""
        return int(self.default) if self.whole else float(self.default)

    def check(self, value: Setting) -> Setting:
        """Return ``value``, or raise ``ModelError`` where it is out of range or of another type."""
        good = isinstance(value, int if self.whole else int | float) and not isinstance(value, bool)
        if not good or not self.low <= float(value) <= self.high:
            kind = "a whole number" if self.whole else "a number"
            raise ModelError(
                f"parameter {self.name} is {value!r}: expected {kind} of {self.low:g} to {self.high:g}"
            )
        return value if self.whole else float(value)


class Choice(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One of ``options``."""

    name: str
    options: tuple[str, ...]
    default: str
    meaning: str = ""

    def __post_init__(self) -> None:
        if self.default not in self.options:
            raise ModelError(f"{self!r}: expected the default to be one of the options")

    @property
    def initial(self) -> Setting:
        """The default."""
        return self.default

    def check(self, value: Setting) -> Setting:
        """Return ``value``, or raise ``ModelError`` where it is none of the options."""
        if value not in self.options:
            raise ModelError(f"parameter {self.name} is {value!r}: expected one of {', '.join(self.options)}")
        return value


Parameter = Number | Choice


def settle(parameters: Sequence[Parameter], given: Mapping[str, Setting]) -> dict[str, Setting]:
    """Return a value for each parameter: the given one, checked, or the default.

    Raises
    ------
    ModelError
        If a given one is unknown or out of range.
    """
    unknown = sorted(set(given) - {one.name for one in parameters})
    if unknown:
        raise ModelError(
            f"unknown parameters {', '.join(unknown)}: expected some of "
            f"{', '.join(one.name for one in parameters)}"
        )
    return {one.name: one.check(given[one.name]) if one.name in given else one.initial for one in parameters}
