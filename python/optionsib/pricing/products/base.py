"""What every product is: data, its dates, and what it pays on a path."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, ClassVar, Literal

from optionsib.pricing._rows import Row

Kind = Literal["call", "put"]
Monitoring = Literal["dates", "continuous"]
Discount = Callable[[float], float]
Payments = Generator[float, tuple[Row, ...], Row]
Times = tuple[float, ...]


PRODUCTS: dict[str, type[Any]] = {}  # by type; filled by the package


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
    BERMUDAN = "bermudan"
    AMERICAN = "american"


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
        if name not in PRODUCTS:
            raise ValueError(f"type must be one of {', '.join(PRODUCTS)}, got {name!r}")
        product = PRODUCTS[name]
        known = {field.name for field in fields(product)}
        if unknown := data.keys() - known:
            raise ValueError(f"{name} has no field {', '.join(sorted(unknown))}")
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
        try:
            made: ExoticProduct = product(**values)
        except TypeError as error:
            raise ValueError(f"{name}: {error}") from None
        return made


def check_kind(kind: str) -> None:
    """Refuse what is neither call nor put."""
    if kind not in ("call", "put"):
        raise ValueError(f"kind must be 'call' or 'put', got {kind!r}")


def check(name: str, value: float, *, positive: bool = False, signed: bool = False) -> None:
    """Refuse a number that is not finite, or not as said (by default 0 or more)."""
    bad = not math.isfinite(value) or (not signed and (value <= 0 if positive else value < 0))
    if bad:
        wanted = "finite" if signed else "positive" if positive else ">= 0"
        raise ValueError(f"{name} must be {wanted}, got {value}")


def keep_dates(product: Any, expiry: float | None = None) -> None:
    """Check the dates of a product and keep them as a tuple of floats."""
    dates = tuple(float(date) for date in product.dates)
    object.__setattr__(product, "dates", dates)
    if not dates:
        raise ValueError("dates must not be empty")
    for date in dates:
        check("dates", date)
    if any(b <= a for a, b in itertools.pairwise(dates)):
        raise ValueError(f"dates must ascend, got {dates}")
    if expiry is not None and dates[-1] > expiry:
        raise ValueError(f"the last date, {dates[-1]}, must not come after the expiry {expiry}")


def check_monitoring(monitoring: str) -> None:
    """Refuse what is neither dates nor continuous."""
    if monitoring not in ("dates", "continuous"):
        raise ValueError(f"monitoring must be 'dates' or 'continuous', got {monitoring!r}")


def refuse_continuous(monitoring: Monitoring) -> None:
    """Refuse to simulate what must be watched at every moment."""
    if monitoring == "continuous":
        raise ValueError(
            "a simulation looks at dates: monitoring='continuous' has closed forms only (price_exotic, "
            "AnalyticPricer); give dates to simulate"
        )


def vanilla(kind: Kind, spot: Row, strike: float) -> Row:
    """Return max(spot - strike, 0), or of a put max(strike - spot, 0)."""
    return (spot - strike if kind == "call" else strike - spot).floor(0.0)


def negated(indicator: Row) -> Row:
    """Return 1 where an indicator is 0."""
    return 1.0 - indicator


def at_or_below(spot: Row, level: float) -> Row:
    """Return 1 where the spot is at or below a level."""
    return spot.below(math.nextafter(level, math.inf))


def at_or_above(spot: Row, level: float) -> Row:
    """Return 1 where the spot is at or above a level."""
    return negated(spot.below(level))


def short_of(spot: Row, level: float, direction: str) -> Row:
    """Return 1 where the spot does not touch a barrier that lies in this direction."""
    return spot.below(level) if direction == "up" else negated(at_or_below(spot, level))
