"""Options on the spot at one time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from optionsib.pricing.products.base import (
    Discount,
    ExoticProduct,
    ExoticType,
    Kind,
    Payments,
    Times,
    at_or_above,
    at_or_below,
    check,
    check_kind,
    vanilla,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EuropeanOption(ExoticProduct):
    """max(S - strike, 0), or of a put max(strike - S, 0), at the expiry."""

    type: ClassVar[ExoticType] = ExoticType.EUROPEAN
    kind: Kind
    strike: float
    expiry: float

    def __post_init__(self) -> None:
        check_kind(self.kind)
        check("strike", self.strike)
        check("expiry", self.expiry)

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
        check_kind(self.kind)
        check("strike", self.strike)
        check("expiry", self.expiry)
        check("amount", self.amount, signed=True)
        if self.pays not in ("cash", "asset"):
            raise ValueError(f"pays must be 'cash' or 'asset', got {self.pays!r}")

    def times(self) -> Times:
        """Return the expiry."""
        return (self.expiry,)

    def payments(self, discount: Discount) -> Payments:
        """Pay at the expiry."""
        (spot,) = yield self.expiry
        hit = at_or_above(spot, self.strike) if self.kind == "call" else at_or_below(spot, self.strike)
        paid = hit * spot if self.pays == "asset" else hit * self.amount
        return paid * discount(self.expiry)
