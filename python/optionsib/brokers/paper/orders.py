"""A client order as the exchange holds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from optionsib.brokers.paper.contracts import ComboLeg
from optionsib.brokers.paper.order_ticket import OrderTicket
from optionsib.common.types import Contract

PENDING_CANCEL = "PendingCancel"
PRE_SUBMITTED = "PreSubmitted"  # known to the broker, waits for a trigger, a time or its parent
SUBMITTED = "Submitted"  # at work in the market
FILLED = "Filled"
CANCELLED = "Cancelled"
INACTIVE = "Inactive"  # refused by the broker's credit or order checks
LIVE = frozenset({PRE_SUBMITTED, SUBMITTED, PENDING_CANCEL})

MARKET_TYPES = frozenset({"MKT", "STP", "TRAIL"})
STOP_TYPES = frozenset({"STP", "STP LMT", "TRAIL", "TRAIL LIMIT"})
TRAILING_TYPES = frozenset({"TRAIL", "TRAIL LIMIT"})


@dataclass(slots=True)
class LegTotal:
    """What one leg has filled: contracts, and the sum of price x contracts (1/10000)."""

    quantity: int = 0
    value: int = 0


@dataclass(slots=True)
class ClientOrder:
    """An order for one contract or for a combination.

    Prices (1/10000) and ``filled_value`` are as the client quotes them: for SELL they are the price
    received. ``contracts`` and ``ratios`` are the legs of a BUY of one unit. ``quantity`` is what the
    client wants less what its OCA group took away, ``base`` what it was before that. ``workable``
    is how many units the market may fill now: bracket and OCA group say so.
    """

    client_id: int
    order_id: int
    perm_id: int
    account: str
    ticket: OrderTicket
    contracts: tuple[Contract, ...]
    ratios: tuple[int, ...]
    combo_legs: tuple[ComboLeg, ...]
    symbol: str
    currency: str
    action: str
    quantity: int
    order_type: str = "LMT"
    limit: int | None = None
    stop: int | None = None
    time_in_force: str = "DAY"
    open_close: str = ""
    order_ref: str = ""
    status: str = SUBMITTED
    why_held: str = ""
    base: int = 0
    workable: int = 0
    filled: int = 0
    filled_value: int = 0
    last_price: int = 0
    charged: int = 0
    done_at: str = ""
    done_text: str = ""
    parent: ClientOrder | None = None
    oca_group: str = ""
    oca_type: int = 3
    is_transmitted: bool = True
    is_triggered: bool = False
    trigger_hits: int = 0
    conditions_met: bool = False
    is_exercise: bool = False  # an instruction about options held, not an order in the market
    trail_offset: int | None = None  # between stop and limit of a TRAIL LIMIT order
    good_after_ns: int = 0
    good_till_ns: int = 0
    placed_ns: int = 0
    is_manual: bool = False
    leg_totals: list[LegTotal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.base = self.base or self.quantity
        self.workable = self.workable or self.quantity
        self.leg_totals = self.leg_totals or [LegTotal() for _ in self.contracts]

    @property
    def fills_legs_apart(self) -> bool:
        """Whether the legs of a combination may fill without each other (NonGuaranteed)."""
        return self.is_combo and self.ticket.is_non_guaranteed

    @property
    def begun(self) -> int:
        """Units of which at least one contract has filled; more than ``filled`` if legs fill apart."""
        totals = zip(self.leg_totals, self.ratios, strict=True)
        return max(-(-total.quantity // abs(ratio)) for total, ratio in totals)

    def missing(self, units: int) -> list[int]:
        """Return how many contracts of each leg have still to fill until ``units`` are whole."""
        totals = zip(self.leg_totals, self.ratios, strict=True)
        return [units * abs(ratio) - total.quantity for total, ratio in totals]

    def count_legs(self) -> None:
        """Take units filled and their average price from what the legs have filled."""
        held = list(zip(self.leg_totals, self.ratios, strict=True))
        self.filled = min(total.quantity // abs(ratio) for total, ratio in held)
        if self.filled:
            net = sum(Fraction(total.value * ratio, total.quantity) for total, ratio in held)
            self.last_price, self.filled_value = round(net), round(net * self.filled)

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
    def is_live(self) -> bool:
        """Whether the order can still be filled."""
        return self.status in LIVE

    @property
    def working_limit(self) -> int | None:
        """The limit under which the order stands in the market; None: any price."""
        return None if self.order_type in MARKET_TYPES else self.limit

    @property
    def fills_whole(self) -> bool:
        """Whether the order fills in one piece or not at all."""
        return self.time_in_force == "FOK" or self.ticket.flag("allOrNone")

    @property
    def fills_in_lots(self) -> bool:
        """Whether the order does not take whatever there is."""
        return self.fills_whole or self.ticket.integer("minQty") > 0

    @property
    def is_immediate(self) -> bool:
        """Whether what does not fill at once is cancelled."""
        return self.time_in_force in ("IOC", "FOK")

    @property
    def market(self) -> tuple[object, ...]:
        """Instrument and side; orders that agree in it share the limit of working orders."""
        return (tuple(contract.con_id for contract in self.contracts), self.ratios, self.action)

    def leg_sides(self) -> list[tuple[int, int]]:
        """Return (contract id, signed contracts per unit) of what this order really buys."""
        return [
            (contract.con_id, ratio * self.direction)
            for contract, ratio in zip(self.contracts, self.ratios, strict=True)
        ]

    def finish(self, status: str, at: str, text: str) -> None:
        """Take the order out of the market."""
        self.status = status
        self.why_held = ""
        self.done_at = at
        self.done_text = text
