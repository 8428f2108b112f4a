"""Options that live or die at a barrier, and payments for touching one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from optionsib.pricing._rows import Row, levelled, maximum, minimum
from optionsib.pricing.products.base import (
    Discount,
    ExoticProduct,
    ExoticType,
    Kind,
    Monitoring,
    Payments,
    Times,
    at_or_below,
    check,
    check_kind,
    check_monitoring,
    keep_dates,
    negated,
    refuse_continuous,
    short_of,
    vanilla,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BarrierOption(ExoticProduct):
    """A European option that lives or dies as the spot touches the barrier at one of the dates.

    `rebate` is paid where the option does not come to life or dies: at the expiry, or with
    ``rebate_at="hit"``, of an out option, at the date of the touch.
    """

    type: ClassVar[ExoticType] = ExoticType.BARRIER
    logarithms: ClassVar[bool] = True
    kind: Kind
    strike: float
    expiry: float
    barrier: float
    direction: Literal["down", "up"]
    action: Literal["in", "out"]
    dates: Times
    rebate: float = 0.0
    rebate_at: Literal["expiry", "hit"] = "expiry"
    monitoring: Monitoring = "dates"

    def __post_init__(self) -> None:
        check_kind(self.kind)
        check("strike", self.strike)
        check("expiry", self.expiry)
        check("barrier", self.barrier, positive=True)
        check("rebate", self.rebate)
        keep_dates(self, self.expiry)
        if self.direction not in ("down", "up") or self.action not in ("in", "out"):
            raise ValueError(
                f"direction is 'down' or 'up', action 'in' or 'out', got {self.direction!r}, {self.action!r}"
            )
        check_monitoring(self.monitoring)
        if self.rebate_at not in ("expiry", "hit") or (self.rebate_at == "hit" and self.action == "in"):
            raise ValueError(f"rebate_at is 'expiry', or 'hit' for an out option, got {self.rebate_at!r}")

    def times(self) -> Times:
        """Return the dates and the expiry."""
        return _with_expiry(self.dates, self.expiry)

    def payments(self, discount: Discount) -> Payments:
        """Watch the barrier."""

        def inside(spot: Row, levels: Times) -> Row:
            return short_of(spot, levels[0], self.direction)

        return (yield from _knocked(self, (self.barrier,), inside, discount))


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubleBarrierOption(ExoticProduct):
    """As `BarrierOption`, with a barrier below and one above."""

    type: ClassVar[ExoticType] = ExoticType.DOUBLE_BARRIER
    logarithms: ClassVar[bool] = True
    kind: Kind
    strike: float
    expiry: float
    lower: float
    upper: float
    action: Literal["in", "out"]
    dates: Times
    rebate: float = 0.0
    rebate_at: Literal["expiry", "hit"] = "expiry"
    monitoring: Monitoring = "dates"

    def __post_init__(self) -> None:
        check_kind(self.kind)
        check("strike", self.strike)
        check("expiry", self.expiry)
        check("lower", self.lower, positive=True)
        check("rebate", self.rebate)
        keep_dates(self, self.expiry)
        if not self.lower < self.upper < math.inf:
            raise ValueError(f"upper must be above lower, got {self.lower}, {self.upper}")
        if self.action not in ("in", "out"):
            raise ValueError(f"action must be 'in' or 'out', got {self.action!r}")
        check_monitoring(self.monitoring)
        if self.rebate_at not in ("expiry", "hit") or (self.rebate_at == "hit" and self.action == "in"):
            raise ValueError(f"rebate_at is 'expiry', or 'hit' for an out option, got {self.rebate_at!r}")

    def times(self) -> Times:
        """Return the dates and the expiry."""
        return _with_expiry(self.dates, self.expiry)

    def payments(self, discount: Discount) -> Payments:
        """Watch both barriers."""

        def inside(spot: Row, levels: Times) -> Row:
            return spot.below(levels[1]) - at_or_below(spot, levels[0])

        return (yield from _knocked(self, (self.lower, self.upper), inside, discount))


def _with_expiry(dates: Times, expiry: float) -> Times:
    return dates if dates[-1] == expiry else (*dates, expiry)


def _knocked(
    option: BarrierOption | DoubleBarrierOption,
    barriers: Times,
    inside: Callable[[Row, Times], Row],
    discount: Discount,
) -> Payments:
    """Follow who has not touched: `inside` is 1 where a spot touches no barrier."""
    refuse_continuous(option.monitoring)
    one_sided = len(barriers) == 1
    extreme: Row | None = None  # one barrier: the lowest or highest spot tells all
    untouched: Row | None = None
    paid_at_hit: Row | None = None
    spot: Row | None = None
    levels = barriers
    at_hit = option.rebate_at == "hit" and option.rebate > 0
    for date in option.times():
        (spot,) = yield date
        if date > option.dates[-1]:
            break
        if one_sided and not at_hit:
            down = cast(BarrierOption, option).direction == "down"
            flat, levels = levelled(spot, *barriers)
            extreme = flat if extreme is None else minimum(extreme, flat) if down else maximum(extreme, flat)
            continue
        now = inside(*levelled(spot, *barriers))
        still = now if untouched is None else untouched * now
        if at_hit:
            died = (1.0 - still if untouched is None else untouched - still) * (
                option.rebate * discount(date)
            )
            paid_at_hit = died if paid_at_hit is None else paid_at_hit + died
        untouched = still
    if extreme is not None:
        untouched = inside(extreme, levels)
    alive = cast(Row, untouched)
    lives = alive if option.action == "out" else negated(alive)
    paid = vanilla(option.kind, cast(Row, spot), option.strike)
    value = lives * paid * discount(option.expiry)
    if paid_at_hit is not None:
        return value + paid_at_hit
    if option.rebate > 0:
        return value + negated(lives) * (option.rebate * discount(option.expiry))
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class TouchOption(ExoticProduct):
    """`amount` where the spot touches the barrier at a date (one-touch), or at none of them (no-touch).

    Paid at the last date, or of a one-touch with ``paid_at="hit"`` at the touch.
    """

    type: ClassVar[ExoticType] = ExoticType.TOUCH
    logarithms: ClassVar[bool] = True
    barrier: float
    direction: Literal["down", "up"]
    touch: Literal["one", "no"]
    dates: Times
    amount: float = 1.0
    paid_at: Literal["expiry", "hit"] = "expiry"
    monitoring: Monitoring = "dates"

    def __post_init__(self) -> None:
        check("barrier", self.barrier, positive=True)
        check("amount", self.amount, signed=True)
        check_monitoring(self.monitoring)
        keep_dates(self)
        if self.direction not in ("down", "up") or self.touch not in ("one", "no"):
            raise ValueError(
                f"direction is 'down' or 'up', touch 'one' or 'no', got {self.direction!r}, {self.touch!r}"
            )
        if self.paid_at not in ("expiry", "hit") or (self.paid_at == "hit" and self.touch == "no"):
            raise ValueError(f"paid_at is 'expiry', or 'hit' for a one-touch, got {self.paid_at!r}")

    def times(self) -> Times:
        """Return the dates."""
        return self.dates

    def payments(self, discount: Discount) -> Payments:
        """Watch the barrier."""
        refuse_continuous(self.monitoring)
        untouched: Row | None = None
        paid: Row | None = None
        for date in self.dates:
            (spot,) = yield date
            watched, (level,) = levelled(spot, self.barrier)
            now = short_of(watched, level, self.direction)
            still = now if untouched is None else untouched * now
            if self.paid_at == "hit":
                hit = (1.0 - still if untouched is None else untouched - still) * (
                    self.amount * discount(date)
                )
                paid = hit if paid is None else paid + hit
            untouched = still
        if paid is not None:
            return paid
        alive = cast(Row, untouched)
        return (alive if self.touch == "no" else negated(alive)) * (self.amount * discount(self.dates[-1]))
