"""What the daemon asks of any broker. One implementation: ``brokers.ib`` (TWS or paper exchange)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from optionsib.brokers.ib.health import GatewayHealth
from optionsib.common.events import BrokerEvent, Execution, OrderUpdate, Quote
from optionsib.common.types import Contract, Order

# Sees every message of the connection, as its fields, before it is acted on.
MessageTap = Callable[[Literal["in", "out"], Sequence[str]], None]


class OptionChain(msgspec.Struct, frozen=True):
    """An underlying and its options in (expiry, strike, right) order; grids from market rules."""

    underlying: Contract
    options: tuple[Contract, ...]
    session_open_ns: int
    session_close_ns: int
    simulated: bool = False


class BrokerState(msgspec.Struct, frozen=True):
    """What the broker truly answered (never a time-out taken for an empty list).

    ``order_refs``: every reference in use at the account, also of orders that have ended.
    """

    account: str
    positions: dict[int, int]  # con_id -> signed quantity
    working_orders: tuple[OrderUpdate, ...]
    executions: tuple[Execution, ...]
    cash: int  # money units
    order_refs: tuple[str, ...] = ()


class MarginPreview(msgspec.Struct, frozen=True):
    """What an order would do to the account: money units, None where the broker did not say.

    Initial and maintenance margin and equity with loan value each before the order, its change, and
    after; commission with its least and most where the broker gives a range.
    """

    initial_before: int | None
    initial_change: int | None
    initial_after: int | None
    maintenance_before: int | None
    maintenance_change: int | None
    maintenance_after: int | None
    equity_with_loan_before: int | None
    equity_with_loan_change: int | None
    equity_with_loan_after: int | None
    commission: int | None
    least_commission: int | None
    most_commission: int | None
    currency: str = ""
    warning: str = ""


class BrokerAPI(Protocol):
    """Asynchronous face of a broker connection. Events come in the broker's order, each once."""

    async def connect(self) -> BrokerState:
        """Connect and return only after positions, open orders and executions were answered.

        Raises
        ------
        BrokerError
            If any of them was not answered in time; nothing is assumed empty.
        """
        ...

    async def reconnect(self) -> BrokerState:
        """Connect again after a loss, with growing pauses; quotes wanted before are wanted again.

        Raises
        ------
        BrokerError
            If the last attempt failed too.
        """
        ...

    async def disconnect(self) -> None: ...

    def order_block(self) -> str:
        """Return why no new order and no modify may leave now, empty where they may; cancels always may."""
        ...

    def health(self) -> GatewayHealth:
        """Return the state of the connection as an operator wants to know it."""
        ...

    async def option_chain(self, symbol: str) -> OptionChain: ...

    async def subscribe(self, contracts: Sequence[Contract]) -> None:
        """Start quotes for ``contracts`` within the market-data-line budget."""
        ...

    async def step(self) -> int | None:
        """End the current step and wait for the next one; return its time (UTC ns).

        In lockstep this sends ``reqCurrentTime``; all quotes and events of the next step have been
        received when it returns. None when the exchange has closed the session.
        """
        ...

    def take_quotes(self) -> list[Quote]:
        """Return the contracts whose quote changed since the last call, by rising ``con_id``."""
        ...

    def model_values(self, con_ids: Sequence[int]) -> NDArray[np.float64]:
        """Return the broker's own implied volatilities (annualised) and deltas (2, n); NaN = none sent."""
        ...

    def take_events(self) -> list[BrokerEvent]:
        """Return order, execution, commission events and notices since the last call."""
        ...

    async def place(self, order: Order) -> None:
        """Send a new order (the caller has journaled it)."""
        ...

    async def place_bracket(self, parent: Order, children: Sequence[Order]) -> None:
        """Send a parent and the orders that its fill puts to work; none works before all have arrived."""
        ...

    async def preview(self, order: Order) -> MarginPreview:
        """Ask what an order would do to margin and cost; it is not sent to work."""
        ...

    async def modify(
        self,
        order_ref: str,
        limit_price: int | None = None,
        *,
        quantity: int | None = None,
        stop_price: int | None = None,
        trail_amount: int | None = None,
        trail_percent: int | None = None,
    ) -> None:
        """Send other terms for a working order; what is None stays.

        Prices in 1/10000 and our sign, ``trail_percent`` in 1/100 %.
        """
        ...

    async def cancel(self, order_ref: str) -> None:
        """Ask for the end of an order; one that has ended meanwhile needs no request."""
        ...

    async def cancel_all(self) -> None: ...

    async def exercise(
        self,
        contract: Contract,
        quantity: int,
        action: Literal["exercise", "lapse"],
        override: bool = False,
    ) -> Literal["confirmed", "pending"]:
        """Exercise or lapse options; ``confirmed`` once the position shows it."""
        ...

    async def settle(self) -> None:
        """Wait until every message caused by what was sent so far has been received."""
        ...

    async def refresh(self) -> BrokerState:
        """Ask positions, open orders, executions and cash again."""
        ...
