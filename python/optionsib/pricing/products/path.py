"""Options on averages and extremes of the spot, and on its realised variance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from optionsib.pricing._rows import Row, maximum, minimum
from optionsib.pricing.products.base import (
    Discount,
    ExoticProduct,
    ExoticType,
    Kind,
    Monitoring,
    Payments,
    Times,
    check,
    check_kind,
    check_monitoring,
    keep_dates,
    refuse_continuous,
    vanilla,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AsianOption(ExoticProduct):
    """An option on the average of the spots at the dates; paid at `expiry`, the last date where that is None.

    With a strike: max(average - strike, 0) for a call. With ``strike=None`` (floating): max(S - average, 0),
    S the spot at the last date.
    """

    type: ClassVar[ExoticType] = ExoticType.ASIAN
    kind: Kind
    strike: float | None
    dates: Times
    average: Literal["arithmetic", "geometric"] = "arithmetic"
    expiry: float | None = None

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if self.strike is not None:
            check("strike", self.strike)
        keep_dates(self, self.expiry)
        if self.average not in ("arithmetic", "geometric"):
            raise ValueError(f"average must be 'arithmetic' or 'geometric', got {self.average!r}")

    def times(self) -> Times:
        """Return the dates of the average."""
        return self.dates

    def payments(self, discount: Discount) -> Payments:
        """Sum spots, or their logarithms."""
        total: Row | None = None
        last: Row | None = None
        for date in self.dates:
            (last,) = yield date
            term = last.log() if self.average == "geometric" else last
            total = term if total is None else total + term
        mean = cast(Row, total) * (1.0 / len(self.dates))
        if self.average == "geometric":
            mean = mean.exp()
        if self.strike is None:
            gain = cast(Row, last) - mean
            paid = (gain if self.kind == "call" else -gain).floor(0.0)
        else:
            paid = vanilla(self.kind, mean, self.strike)
        return paid * discount(self.dates[-1] if self.expiry is None else self.expiry)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookbackOption(ExoticProduct):
    """An option on the highest and lowest spot at the dates, paid at the last.

    With a strike: max(highest - strike, 0) for a call, max(strike - lowest, 0) for a put. With
    ``strike=None`` (floating): S - lowest for a call, highest - S for a put. `extreme`: the highest or lowest
    spot before today, where the option has begun already.
    """

    type: ClassVar[ExoticType] = ExoticType.LOOKBACK
    kind: Kind
    strike: float | None
    dates: Times
    monitoring: Monitoring = "dates"
    extreme: float | None = None

    def __post_init__(self) -> None:
        check_kind(self.kind)
        if self.strike is not None:
            check("strike", self.strike)
        if self.extreme is not None:
            check("extreme", self.extreme, positive=True)
        check_monitoring(self.monitoring)
        keep_dates(self)

    @property
    def follows_highest(self) -> bool:
        """True if the highest spot matters, False if the lowest."""
        return (self.kind == "call") == (self.strike is not None)

    def times(self) -> Times:
        """Return the dates."""
        return self.dates

    def payments(self, discount: Discount) -> Payments:
        """Follow the extreme."""
        refuse_continuous(self.monitoring)
        highest = self.follows_highest
        extreme: Row | None = None
        spot: Row | None = None
        for date in self.dates:
            (spot,) = yield date
            if extreme is None:
                extreme = spot
            else:
                extreme = maximum(extreme, spot) if highest else minimum(extreme, spot)
        found = cast(Row, extreme)
        if self.extreme is not None:
            found = found.floor(self.extreme) if highest else -((-found).floor(-self.extreme))
        if self.strike is not None:
            paid = vanilla(self.kind, found, self.strike)
        else:
            gap = cast(Row, spot) - found
            paid = gap if self.kind == "call" else -gap
        return paid * discount(self.dates[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class VarianceSwap(ExoticProduct):
    """notional (realised variance - strike), paid at the last date.

    The realised variance is `periods_per_year` / n times the sum of the n squared logarithmic returns between
    the dates, the first being that since today.
    """

    type: ClassVar[ExoticType] = ExoticType.VARIANCE_SWAP
    logarithms: ClassVar[bool] = True
    strike: float
    dates: Times
    periods_per_year: float = 252.0
    notional: float = 1.0

    def __post_init__(self) -> None:
        check("strike", self.strike)
        check("periods_per_year", self.periods_per_year, positive=True)
        check("notional", self.notional, signed=True)
        keep_dates(self)
        if self.dates[0] == 0:
            raise ValueError("the first return is that since today: 0 is no date of a variance swap")

    def times(self) -> Times:
        """Return today and the dates."""
        return (0.0, *self.dates)

    def payments(self, discount: Discount) -> Payments:
        """Sum squared returns."""
        (spot,) = yield 0.0
        before = spot.log()
        total: Row | None = None
        for date in self.dates:
            (spot,) = yield date
            now = spot.log()
            change = now - before
            before = now
            total = change * change if total is None else total + change * change
        realised = cast(Row, total) * (self.periods_per_year / len(self.dates))
        return (realised - self.strike) * (self.notional * discount(self.dates[-1]))
