"""Options that their owner may exercise before the expiry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from optionsib.pricing.products.base import (
    Discount,
    ExoticProduct,
    ExoticType,
    Kind,
    Payments,
    Times,
    check,
    check_kind,
    keep_dates,
)

Underlying = Literal["max", "min", "average"]


class EarlyExercise(ExoticProduct):
    """What such options share: exercised at a time they pay a function of the spots then.

    Their value is no mean of a payoff along one path: `optionsib.pricing.monte_carlo` prices them by a
    regression over many.
    """

    __slots__ = ()

    kind: Kind
    strike: float
    underlying: Underlying
    assets: ClassVar[int | None] = None

    def exercised(self, spots: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what exercise pays, of spots of shape (assets, n)."""
        if self.underlying == "max":
            level = spots.max(axis=0)
        elif self.underlying == "min":
            level = spots.min(axis=0)
        else:
            level = spots.mean(axis=0)
        gain = level - self.strike if self.kind == "call" else self.strike - level
        paid: NDArray[np.float64] = np.maximum(gain, 0.0)
        return paid

    def payments(self, discount: Discount) -> Payments:
        """Raise ValueError: when to exercise is not to be read from one path."""
        raise ValueError(f"{self.type} is priced by regression: monte_carlo(), as no control variate")

    def _check_exercise(self) -> None:
        check_kind(self.kind)
        check("strike", self.strike, positive=True)
        if self.underlying not in ("max", "min", "average"):
            raise ValueError(f"underlying must be 'max', 'min' or 'average', got {self.underlying!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class BermudanOption(EarlyExercise):
    """max(S - strike, 0), or of a put max(strike - S, 0), at one of the dates, which the owner chooses.

    The last date is the expiry. S is the spot, of several assets the greatest, the least or the mean of
    their spots. Today is a date where 0 is among them.
    """

    type: ClassVar[ExoticType] = ExoticType.BERMUDAN
    kind: Kind
    strike: float
    dates: Times
    underlying: Underlying = "max"

    def __post_init__(self) -> None:
        EarlyExercise._check_exercise(self)
        keep_dates(self)

    def times(self) -> Times:
        """Return the dates."""
        return self.dates


@dataclass(frozen=True, slots=True, kw_only=True)
class AmericanOption(EarlyExercise):
    """As `BermudanOption`, exercised at any time up to the expiry.

    A simulation sees dates only: today and `exercise_dates` others at equal distances, the last at the
    expiry, so its price is that of a Bermudan option, which is below the American one.
    """

    type: ClassVar[ExoticType] = ExoticType.AMERICAN
    kind: Kind
    strike: float
    expiry: float
    exercise_dates: int = 50
    underlying: Underlying = "max"

    def __post_init__(self) -> None:
        EarlyExercise._check_exercise(self)
        check("expiry", self.expiry)
        count = self.exercise_dates
        if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 10_000:
            raise ValueError(f"exercise_dates must be a whole number, 1 .. 10000, got {count!r}")

    def times(self) -> Times:
        """Return today and the dates."""
        if self.expiry == 0:
            return (0.0,)
        count = self.exercise_dates
        return (*(self.expiry * i / count for i in range(count)), self.expiry)
