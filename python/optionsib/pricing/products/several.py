"""Options on several assets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from optionsib.pricing.products.base import (
    Discount,
    ExoticProduct,
    ExoticType,
    Kind,
    Payments,
    Times,
    check,
    check_kind,
    vanilla,
)


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
        check_kind(self.kind)
        check("strike", self.strike, signed=True)
        check("expiry", self.expiry)
        object.__setattr__(self, "weights", tuple(float(weight) for weight in self.weights))
        if not self.weights:
            raise ValueError("weights must not be empty")
        for weight in self.weights:
            check("weights", weight, signed=True)

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
        check_kind(self.kind)
        check("strike", self.strike, signed=True)
        check("expiry", self.expiry)

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
        check("expiry", self.expiry)

    def times(self) -> Times:
        """Return the expiry."""
        return (self.expiry,)

    def payments(self, discount: Discount) -> Payments:
        """Pay at the expiry."""
        first, second = yield self.expiry
        return (first - second).floor(0.0) * discount(self.expiry)
