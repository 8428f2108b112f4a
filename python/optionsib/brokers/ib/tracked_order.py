"""One order as we know it: its identity at the broker, its status, and what we wait for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from optionsib.brokers.ib.library import Order as IBOrder
from optionsib.brokers.ib.library import OrderState
from optionsib.brokers.ib.order_kinds import Terms, Ticket
from optionsib.common.events import OrderUpdate

Status = Literal["unconfirmed", "working", "filled", "cancelled", "rejected"]
ENDED: frozenset[str] = frozenset({"filled", "cancelled", "rejected"})
STATUS: dict[str, Status] = {
    "Filled": "filled",
    "Cancelled": "cancelled",
    "ApiCancelled": "cancelled",
    "Inactive": "rejected",
    "PendingCancel": "working",
    "Submitted": "working",
    "PreSubmitted": "working",
}  # PendingSubmit and ApiPending say that TWS knows the order, not that it accepted it


def reference(raw: IBOrder) -> str:
    """Return our name of an order; one that was placed by hand gets its account-wide number."""
    return raw.orderRef or f"perm-{raw.permId}"


def is_open(state: OrderState) -> bool:
    """Tell whether an order with this state can still be filled."""
    return STATUS.get(state.status) not in ENDED


@dataclass(slots=True)
class BrokerOrder:
    """One order as the broker counts it, by its ``permId``."""

    client_id: int
    order_id: int
    is_open: bool = True
    cancels: int = 0  # how often its end was asked for as one of several


@dataclass(slots=True)
class TrackedOrder:
    """What we know of one order. ``terms``: what the broker works; None where it never said."""

    order_ref: str
    ticket: Ticket | None = None
    client_id: int = -1
    order_id: int = 0
    epoch: int = 0  # in which ``order_id`` is good
    sent: int = 0  # number of the last message about it
    perm_ids: list[int] = field(default_factory=list)
    broker_orders: dict[int, BrokerOrder] = field(default_factory=dict)  # by permId
    status: Status = "unconfirmed"
    accepted: bool = False
    terms: Terms | None = None
    requested: Terms | None = None
    executed: int = 0
    waits_for: set[str] = field(default_factory=set)  # place, modify, cancel: sent, not answered
    to_query: bool = False
    error: tuple[int, str] = (0, "")
    told: OrderUpdate | None = None
    short_told: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to the order, except that fills are still reported."""
        return self.status in ENDED

    @property
    def limit_price(self) -> int | None:
        """The limit that the broker works (1/10000, our sign), None where it never said."""
        return None if self.terms is None else self.terms.limit_price

    @property
    def quantity(self) -> int:
        """Units ordered, 0 where the order was never described."""
        if self.terms is not None:
            return self.terms.quantity
        return 0 if self.ticket is None else self.ticket.quantity

    def describe(self, at_ns: int, code: int = 0, message: str = "") -> OrderUpdate:
        """Return the broker's word on the order as we know it."""
        terms = self.terms
        return OrderUpdate(
            order_ref=self.order_ref,
            status=self.status,
            at_ns=at_ns,
            perm_id=self.perm_id,
            limit_price=None if terms is None else terms.limit_price,
            code=code,
            message=message,
            quantity=None if terms is None else terms.quantity,
            stop_price=None if terms is None else terms.stop_price,
            trail_amount=None if terms is None else terms.trail_amount,
            trail_percent=None if terms is None else terms.trail_percent,
            pending="modify" in self.waits_for,
        )

    @property
    def perm_id(self) -> int:
        """The account's number of the order, 0 until it is known."""
        return self.perm_ids[0] if self.perm_ids else 0
