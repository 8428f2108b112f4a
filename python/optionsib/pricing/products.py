"""Exotic options as data, and their payoffs on simulated paths.

A product is a frozen dataclass. Times are years from today; a product owns its monitoring dates: nothing
happens between them. `ExoticProduct.to_json` and `ExoticProduct.from_json` write and read any of them.

What a product pays it says in `payments`, a generator: it yields the next time at which it wants the spots,
is sent the spots of all assets then (`optionsib.pricing._rows.Row`), and returns the value today of what it
pays, for which it is given the discount factors. A path may pay at several dates.

Conventions: today itself is a monitoring date only where 0 is among the dates (then the spot today counts,
also for a barrier: that is a breach at inception). A barrier is breached by touching it. An expiry of 0 pays
the payoff of today's spot. Dates are times of trading sessions already: calendars stand outside.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, Literal, cast

from optionsib.pricing._rows import Row, levelled, maximum, minimum, where

Kind = Literal["call", "put"]
Discount = Callable[[float], float]
Payments = Generator[float, tuple[Row, ...], Row]
Times = tuple[float, ...]


class ExoticType(StrEnum):
    """The kinds of products."""

    EUROPEAN = "european"
    DIGITAL = "digital"
    ASIAN = "asian"
    BARRIER = "barrier"
    DOUBLE_BARRIER = "double_barrier"
    LOOKBACK = "lookback"
    TOUCH = "touch"
    VARIANCE_SWAP = "variance_swap"
    BASKET = "basket"
    EXCHANGE = "exchange"
    SPREAD = "spread"
    AUTOCALLABLE = "autocallable"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExoticProduct:
    """What every product has. `expiry` is the time of its last payment."""

    type: ClassVar[ExoticType]
    logarithms: ClassVar[bool] = False  # it looks at logarithms of spots, or compares them with levels
    assets: ClassVar[int | None] = 1  # None: as many as the product says in its data

    def times(self) -> Times:
        """Return the times at which the product looks at the spots, ascending."""
        raise NotImplementedError

    def payments(self, discount: Discount) -> Payments:
        """Yield times, take spots, return the value today of what is paid."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Return the product as a JSON object with its type."""
        return json.dumps({"type": str(self.type), **asdict(self)})

    @staticmethod
    def from_json(text: str) -> ExoticProduct:
        """Return the product that `to_json` wrote.

        Raises
        ------
        ValueError
            If the text is no JSON object, the type unknown, a field missing, unknown or out of its range.
        """
        data = json.loads(text)
        if not isinstance(data, dict):
            raise ValueError(f"a product is a JSON object, got {text[:80]!r}")
        name = data.pop("type", None)
        if name not in _PRODUCTS:
            raise ValueError(f"type must be one of {', '.join(_PRODUCTS)}, got {name!r}")
        product = _PRODUCTS[name]
        known = {field.name for field in fields(product)}
        if unknown := data.keys() - known:
            raise ValueError(f"{name} has no field {', '.join(sorted(unknown))}")
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        try:
            made: ExoticProduct = product(**values)
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from None
        return made


def _check_kind(kind: str) -> None:
    if kind not in ("call", "put"):
        raise ValueError(f"kind must be 'call' or 'put', got {kind!r}")


def _check(name: str, value: float, *, positive: bool = False, signed: bool = False) -> None:
    bad = not math.isfinite(value) or (not signed and (value <= 0 if positive else value < 0))
    if bad:
        wanted = "finite" if signed else "positive" if positive else ">= 0"
        raise ValueError(f"{name} must be {wanted}, got {value}")


def _keep_dates(product: Any, expiry: float | None = None) -> None:
    """Check the dates of a product and keep them as a tuple of floats."""
    dates = tuple(float(date) for date in product.dates)
    object.__setattr__(product, "dates", dates)
    if not dates:
        raise ValueError("dates must not be empty")
    for date in dates:
        _check("dates", date)
    if any(b <= a for a, b in itertools.pairwise(dates)):
        raise ValueError(f"dates must ascend, got {dates}")
    if expiry is not None and dates[-1] > expiry:
        raise ValueError(f"the last date, {dates[-1]}, must not come after the expiry {expiry}")


def vanilla(kind: Kind, spot: Row, strike: float) -> Row:
    """Return max(spot - strike, 0), or of a put max(strike - spot, 0)."""
    return (spot - strike if kind == "call" else strike - spot).floor(0.0)


def _not(indicator: Row) -> Row:
    return 1.0 - indicator


def _at_or_below(spot: Row, level: float) -> Row:
    return spot.below(math.nextafter(level, math.inf))


def _at_or_above(spot: Row, level: float) -> Row:
    return _not(spot.below(level))


def _short_of(spot: Row, level: float, direction: str) -> Row:
    return spot.below(level) if direction == "up" else _not(_at_or_below(spot, level))


@dataclass(frozen=True, slots=True, kw_only=True)
class EuropeanOption(ExoticProduct):
    """max(S - strike, 0), or of a put max(strike - S, 0), at the expiry."""

    type: ClassVar[ExoticType] = ExoticType.EUROPEAN
    kind: Kind
    strike: float
    expiry: float

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        _check("strike", self.strike)
        _check("expiry", self.expiry)

    def times(self) -> Times:
        """Return the expiry."""
        return (self.expiry,)

    def payments(self, discount: Discount) -> Payments:
        """Pay at the expiry."""
        (spot,) = yield self.expiry
        return vanilla(self.kind, spot, self.strike) * discount(self.expiry)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitalOption(ExoticProduct):
    """`amount` of cash, or with ``pays="asset"`` the asset, where the spot ends at or beyond the strike."""

    type: ClassVar[ExoticType] = ExoticType.DIGITAL
    kind: Kind
    strike: float
    expiry: float
    pays: Literal["cash", "asset"] = "cash"
    amount: float = 1.0

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        _check("strike", self.strike)
        _check("expiry", self.expiry)
        _check("amount", self.amount, signed=True)
        if self.pays not in ("cash", "asset"):
            raise ValueError(f"pays must be 'cash' or 'asset', got {self.pays!r}")

    def times(self) -> Times:
        """Return the expiry."""
        return (self.expiry,)

    def payments(self, discount: Discount) -> Payments:
        """Pay at the expiry."""
        (spot,) = yield self.expiry
        hit = _at_or_above(spot, self.strike) if self.kind == "call" else _at_or_below(spot, self.strike)
        paid = hit * spot if self.pays == "asset" else hit * self.amount
        return paid * discount(self.expiry)


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
        _check_kind(self.kind)
        if self.strike is not None:
            _check("strike", self.strike)
        _keep_dates(self, self.expiry)
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

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        _check("strike", self.strike)
        _check("expiry", self.expiry)
        _check("barrier", self.barrier, positive=True)
        _check("rebate", self.rebate)
        _keep_dates(self, self.expiry)
        if self.direction not in ("down", "up") or self.action not in ("in", "out"):
            raise ValueError(
                f"direction is 'down' or 'up', action 'in' or 'out', got {self.direction!r}, {self.action!r}"
            )
        if self.rebate_at not in ("expiry", "hit") or (self.rebate_at == "hit" and self.action == "in"):
            raise ValueError(f"rebate_at is 'expiry', or 'hit' for an out option, got {self.rebate_at!r}")

    def times(self) -> Times:
        """Return the dates and the expiry."""
        return _with_expiry(self.dates, self.expiry)

    def payments(self, discount: Discount) -> Payments:
        """Watch the barrier."""

        def inside(spot: Row, levels: Times) -> Row:
            return _short_of(spot, levels[0], self.direction)

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

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        _check("strike", self.strike)
        _check("expiry", self.expiry)
        _check("lower", self.lower, positive=True)
        _check("rebate", self.rebate)
        _keep_dates(self, self.expiry)
        if not self.lower < self.upper < math.inf:
            raise ValueError(f"upper must be above lower, got {self.lower}, {self.upper}")
        if self.action not in ("in", "out"):
            raise ValueError(f"action must be 'in' or 'out', got {self.action!r}")
        if self.rebate_at not in ("expiry", "hit") or (self.rebate_at == "hit" and self.action == "in"):
            raise ValueError(f"rebate_at is 'expiry', or 'hit' for an out option, got {self.rebate_at!r}")

    def times(self) -> Times:
        """Return the dates and the expiry."""
        return _with_expiry(self.dates, self.expiry)

    def payments(self, discount: Discount) -> Payments:
        """Watch both barriers."""

        def inside(spot: Row, levels: Times) -> Row:
            return spot.below(levels[1]) - _at_or_below(spot, levels[0])

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
    lives = alive if option.action == "out" else _not(alive)
    paid = vanilla(option.kind, cast(Row, spot), option.strike)
    value = lives * paid * discount(option.expiry)
    if paid_at_hit is not None:
        return value + paid_at_hit
    if option.rebate > 0:
        return value + _not(lives) * (option.rebate * discount(option.expiry))
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class LookbackOption(ExoticProduct):
    """An option on the highest and lowest spot at the dates, paid at the last.

    With a strike: max(highest - strike, 0) for a call, max(strike - lowest, 0) for a put. With
    ``strike=None`` (floating): S - lowest for a call, highest - S for a put.
    """

    type: ClassVar[ExoticType] = ExoticType.LOOKBACK
    kind: Kind
    strike: float | None
    dates: Times

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        if self.strike is not None:
            _check("strike", self.strike)
        _keep_dates(self)

    def times(self) -> Times:
        """Return the dates."""
        return self.dates

    def payments(self, discount: Discount) -> Payments:
        """Follow the extreme."""
        highest = (self.kind == "call") == (self.strike is not None)
        extreme: Row | None = None
        spot: Row | None = None
        for date in self.dates:
            (spot,) = yield date
            if extreme is None:
                extreme = spot
            else:
                extreme = maximum(extreme, spot) if highest else minimum(extreme, spot)
        found = cast(Row, extreme)
        if self.strike is not None:
            paid = vanilla(self.kind, found, self.strike)
        else:
            gap = cast(Row, spot) - found
            paid = gap if self.kind == "call" else -gap
        return paid * discount(self.dates[-1])


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

    def __post_init__(self) -> None:
        _check("barrier", self.barrier, positive=True)
        _check("amount", self.amount, signed=True)
        _keep_dates(self)
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
        untouched: Row | None = None
        paid: Row | None = None
        for date in self.dates:
            (spot,) = yield date
            watched, (level,) = levelled(spot, self.barrier)
            now = _short_of(watched, level, self.direction)
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
        return (alive if self.touch == "no" else _not(alive)) * (self.amount * discount(self.dates[-1]))


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
        _check("strike", self.strike)
        _check("periods_per_year", self.periods_per_year, positive=True)
        _check("notional", self.notional, signed=True)
        _keep_dates(self)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BasketOption(ExoticProduct):
    """An option on the weighted sum of several assets."""

    type: ClassVar[ExoticType] = ExoticType.BASKET
    assets: ClassVar[int | None] = None
    kind: Kind
    strike: float
    expiry: float
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        _check("strike", self.strike, signed=True)
        _check("expiry", self.expiry)
        object.__setattr__(self, "weights", tuple(float(weight) for weight in self.weights))
        if not self.weights:
            raise ValueError("weights must not be empty")
        for weight in self.weights:
            _check("weights", weight, signed=True)

    def times(self) -> Times:
        """Return the expiry."""
        return (self.expiry,)

    def payments(self, discount: Discount) -> Payments:
        """Pay at the expiry."""
        spots = yield self.expiry
        if len(spots) != len(self.weights):
            raise ValueError(f"the basket has {len(self.weights)} weights, the model {len(spots)} assets")
        total = spots[0] * self.weights[0]
        for spot, weight in zip(spots[1:], self.weights[1:], strict=True):
            total = total + spot * weight
        return vanilla(self.kind, total, self.strike) * discount(self.expiry)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadOption(ExoticProduct):
    """An option on the first asset less the second."""

    type: ClassVar[ExoticType] = ExoticType.SPREAD
    assets: ClassVar[int | None] = 2
    kind: Kind
    strike: float
    expiry: float

    def __post_init__(self) -> None:
        _check_kind(self.kind)
        _check("strike", self.strike, signed=True)
        _check("expiry", self.expiry)

    def times(self) -> Times:
        """Return the expiry."""
        return (self.expiry,)

    def payments(self, discount: Discount) -> Payments:
        """Pay at the expiry."""
        first, second = yield self.expiry
        return vanilla(self.kind, first - second, self.strike) * discount(self.expiry)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeOption(ExoticProduct):
    """The right to get the first asset for the second: max(S1 - S2, 0)."""

    type: ClassVar[ExoticType] = ExoticType.EXCHANGE
    assets: ClassVar[int | None] = 2
    expiry: float

    def __post_init__(self) -> None:
        _check("expiry", self.expiry)

    def times(self) -> Times:
        """Return the expiry."""
        return (self.expiry,)

    def payments(self, discount: Discount) -> Payments:
        """Pay at the expiry."""
        first, second = yield self.expiry
        return (first - second).floor(0.0) * discount(self.expiry)


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
            _check(name, getattr(self, name), positive=True)
        _check("coupon", self.coupon)
        _check("protection", self.protection)
        _keep_dates(self)

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


_PRODUCTS: dict[str, type[Any]] = {
    str(product.type): product
    for product in (
        EuropeanOption, DigitalOption, AsianOption, BarrierOption, DoubleBarrierOption, LookbackOption,
        TouchOption, VarianceSwap, BasketOption, SpreadOption, ExchangeOption, Autocallable,
    )
}  # fmt: skip
