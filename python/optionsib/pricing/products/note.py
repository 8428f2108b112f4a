"""Notes with early redemption."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

from optionsib.pricing._rows import Row, where
from optionsib.pricing.products.base import (
    Discount,
    ExoticProduct,
    ExoticType,
    Payments,
    Times,
    check,
    keep_dates,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Autocallable(ExoticProduct):
    """A note that is called at the first date with the spot at or above `call_level`.

    Levels are spots. Called at the i-th date (from 1) it pays notional (1 + i coupon) then. Not called, it
    pays at the last date the notional where the spot is at or above `protection`, else notional S /
    `reference`.
    """

    type: ClassVar[ExoticType] = ExoticType.AUTOCALLABLE
    dates: Times
    call_level: float
    coupon: float
    protection: float
    reference: float
    notional: float = 100.0

    def __post_init__(self) -> None:
        for name in ("call_level", "reference", "notional"):
            check(name, getattr(self, name), positive=True)
        check("coupon", self.coupon)
        check("protection", self.protection)
        keep_dates(self)

    def times(self) -> Times:
        """Return the dates."""
        return self.dates

    def payments(self, discount: Discount) -> Payments:
        """Pay at the call, or at the end."""
        value: Row | None = None
        alive: Row | None = None
        spot: Row | None = None
        for number, date in enumerate(self.dates, 1):
            (spot,) = yield date
            below = spot.below(self.call_level)
            called = 1.0 - below if alive is None else alive * (1.0 - below)
            paid = called * (self.notional * (1.0 + number * self.coupon) * discount(date))
            value = paid if value is None else value + paid
            alive = below if alive is None else alive * below
        last = cast(Row, spot)
        lost = last.below(self.protection)
        end = where(lost, last * (self.notional / self.reference), last.affine(0.0, self.notional))
        return cast(Row, value) + cast(Row, alive) * end * discount(self.dates[-1])
