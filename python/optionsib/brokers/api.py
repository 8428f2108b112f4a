"""What the daemon asks of any broker. One implementation: ``brokers.ib`` (TWS or paper exchange)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from optionsib.common.events import BrokerEvent, Execution, OrderUpdate, Quote
from optionsib.common.types import Contract, Order


class OptionChain(msgspec.Struct, frozen=True):
    """An underlying and its options in (expiry, strike, right) order; grids from market rules."""

    underlying: Contract
    options: tuple[Contract, ...]
    session_open_ns: int
    session_close_ns: int
    simulated: bool = False


class BrokerState(msgspec.Struct, frozen=True):
    """What the broker truly answered (never a time-out taken for an empty list)."""

    account: str
    positions: dict[int, int]  # con_id -> signed quantity
    working_orders: tuple[OrderUpdate, ...]
    executions: tuple[Execution, ...]
    cash: int  # money units


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

    def take_events(self) -> list[BrokerEvent]:
        """Return order, execution, commission events and notices since the last call."""
        ...

    async def place(self, order: Order) -> None:
        """Send a new order (the caller has journaled it)."""
        ...

    async def modify(self, order_ref: str, limit_price: int) -> None: ...

    async def cancel(self, order_ref: str) -> None: ...

    async def cancel_all(self) -> None: ...

    async def settle(self) -> None:
        """Wait until every message caused by what was sent so far has been received."""
        ...

    async def refresh(self) -> BrokerState:
        """Ask positions, open orders, executions and cash again."""
        ...
