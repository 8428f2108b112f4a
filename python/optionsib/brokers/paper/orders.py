"""A client order as the exchange holds it."""

from __future__ import annotations

from dataclasses import dataclass, field

from optionsib.brokers.paper.contracts import ComboLeg
from optionsib.common.types import Contract

WORKING = "Submitted"
FILLED = "Filled"
CANCELLED = "Cancelled"


@dataclass(slots=True)
class LegTotal:
    """What one leg has filled: contracts, and the sum of price x contracts (1/10000)."""

    quantity: int = 0
    value: int = 0


@dataclass(slots=True)
class ClientOrder:
    """A limit order for one contract or for a combination.

    ``limit``, ``last_price`` and ``filled_value`` are as the client quotes them: for SELL they are
    the price received. ``contracts`` and ``ratios`` are the legs of a BUY of one unit.
    """

    client_id: int
    order_id: int
    perm_id: int
    account: str
    contracts: tuple[Contract, ...]
    ratios: tuple[int, ...]
    combo_legs: tuple[ComboLeg, ...]
    symbol: str
    currency: str
    action: str
    quantity: int
    limit: int
    time_in_force: str
    open_close: str
    order_ref: str
    status: str = WORKING
    filled: int = 0
    filled_value: int = 0
    last_price: int = 0
    charged: int = 0
    done_at: str = ""
    done_text: str = ""
    leg_totals: list[LegTotal] = field(default_factory=list)

    @property
    def key(self) -> tuple[int, int]:
        """Client id and order id."""
        return self.client_id, self.order_id

    @property
    def is_combo(self) -> bool:
        """Whether the order is for a combination (BAG)."""
        return bool(self.combo_legs)

    @property
    def direction(self) -> int:
        """+1 for BUY, -1 for SELL."""
        return 1 if self.action == "BUY" else -1

    @property
    def remaining(self) -> int:
        """Units still to be filled."""
        return self.quantity - self.filled

    @property
    def is_working(self) -> bool:
        """Whether the order can still be filled."""
        return self.status == WORKING

    def leg_sides(self) -> list[tuple[int, int]]:
        """Return (contract id, signed contracts per unit) of what this order really buys."""
        return [
            (contract.con_id, ratio * self.direction)
            for contract, ratio in zip(self.contracts, self.ratios, strict=True)
        ]

    def finish(self, status: str, at: str, text: str) -> None:
        """Take the order out of the market."""
        self.status = status
        self.done_at = at
        self.done_text = text
