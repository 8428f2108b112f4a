"""``IBGateway``: the broker interface on a TWS connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optionsib.brokers.api import BrokerState, MarginPreview, MessageTap, OptionChain
from optionsib.brokers.ib.broker_state import StateQuery
from optionsib.brokers.ib.chain import ChainLoader
from optionsib.brokers.ib.connection import Connection
from optionsib.brokers.ib.conversions import (
    BrokerComputation,
    computation_from_wire,
    model_values_from_wire,
)
from optionsib.brokers.ib.health import GatewayHealth
from optionsib.brokers.ib.history import Bar, HistoryQueue
from optionsib.brokers.ib.inbox import Inbox
from optionsib.brokers.ib.order_entry import OrderEntry
from optionsib.brokers.ib.pulls import historical_bars, snapshot
from optionsib.brokers.ib.steps import StepTimer
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerEvent, Quote
from optionsib.common.ports import Clock
from optionsib.common.types import SECOND_NS, Contract, Order


class IBGateway:
    """A connection to TWS, IB Gateway or the paper exchange.

    Single-threaded: all methods belong to one event loop, and one caller at a time uses them.

    Parameters
    ----------
    config : GatewayConfig
        Host, port, client id, time-outs, message rate, market data lines and planned outages.
    clock : Clock
        Gives the time that is stamped on events; never the client library's.
    pace : {"real", "lockstep"}
        ``lockstep``: the exchange stands still between ``step`` calls.
    step_seconds : float
        Real seconds between steps at real pace.
    account : str
        The account to trade; empty takes the only one the login manages.
    broker_time : bool
        At real pace, take the time of a step from the broker (an exchange with simulated time).
    messages_per_second : int, optional
        Overrides ``config.messages_per_second``, for an exchange on the loopback.
    confirm_seconds : float
        At real pace, how long the broker's word on an order is waited for before it is asked.
    message_tap : callable, optional
        Sees every message after the handshake, as its fields.
    """

    def __init__(
        self,
        config: GatewayConfig,
        *,
        clock: Clock,
        pace: Literal["lockstep", "real"] = "real",
        step_seconds: float = 60.0,
        account: str = "",
        broker_time: bool = False,
        messages_per_second: int | None = None,
        confirm_seconds: float = 5.0,
        message_tap: MessageTap | None = None,
    ) -> None:
        self._clock = clock
        self._pace = pace
        self._timeout = config.request_timeout_seconds
        self._confirm_seconds = min(confirm_seconds, self._timeout)
        broker_time = broker_time or pace == "lockstep"
        self._inbox = Inbox(
            clock,
            client_id=config.client_id,
            market_data_lines=config.market_data_lines,
            stamps_late=broker_time,
            on_lost=self._on_lost,
            silent_seconds=config.stale_seconds,
            lockstep=pace == "lockstep",
        )
        self._market = self._inbox.market
        self._state = StateQuery(self._inbox, clock, self._timeout, config.client_id)
        self._link = Connection(
            config,
            clock,
            self._inbox,
            self._state,
            account=account,
            rate=messages_per_second or config.messages_per_second,
            cares=pace == "real",
            confirm_seconds=self._confirm_seconds,
            tap=message_tap,
        )
        self._chains = ChainLoader(self._timeout)
        self._history = HistoryQueue(clock.monotonic)
        self._entry = OrderEntry(self._inbox, self._market.contracts, clock, config.client_id)
        self._steps = StepTimer(
            clock,
            pace=pace,
            step_seconds=step_seconds,
            broker_time=broker_time,
            patience_seconds=self._timeout,
        )

    # --- connection ----------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the broker's state is known and the socket is open."""
        return self._link.ready

    @property
    def account(self) -> str:
        """The account that is traded, empty before the first connection."""
        return self._inbox.orders.account

    async def connect(self) -> BrokerState:
        """Connect and return only after the broker's whole state was answered.

        May be called again after a loss: the client id stays the same, wanted quotes are requested
        anew, and executions that were handed out before are not handed out again. Executions of
        today are in the state and, those not handed out yet, also among the events.

        Raises
        ------
        BrokerError
            If the server cannot be reached, refuses the client id, does not manage the account, or
            leaves positions, orders, executions or cash unanswered. The gateway is not ready then.
        """
        return await self._link.open()

    async def reconnect(self, attempts: int = 8, first_wait_seconds: float = 0.5) -> BrokerState:
        """Connect again under the same client id, with growing pauses (at most 30 s) and jitter.

        A planned outage, and an old session of ours that still holds the client id, use up no attempt.

        Raises
        ------
        BrokerError
            That of the last attempt.
        """
        return await self._link.reopen(attempts, first_wait_seconds)

    async def disconnect(self) -> None:
        """Close the connection; orders stay at the broker."""
        await self._link.close("disconnect() was called")

    async def refresh(self) -> BrokerState:
        """Ask positions, open orders, executions and cash again; time does not advance.

        Raises
        ------
        BrokerError
            If one of them was not answered.
        """
        session = self._link.require()
        async with self._link.closed_on_failure():
            return await self._state.all(session)

    def health(self) -> GatewayHealth:
        """Return the state of the connection as an operator wants to know it."""
        return self._link.health()

    def order_block(self) -> str:
        """Return why no new order and no modify may leave now, empty where they may."""
        return self._link.order_block()

    # --- chain and quotes ----------------------------------------------------------------------------

    async def option_chain(self, symbol: str) -> OptionChain:
        """Load the underlying and its options.

        Raises
        ------
        BrokerError
            If the symbol is unknown or ambiguous, or an answer is missing or unusable.
        """
        chain = await self._chains.load(self._link.require(), symbol, self._steps.known_time_ns())
        for contract in (chain.underlying, *chain.options):
            self._market.contracts[contract.con_id] = contract
        self._steps.session_close_ns = chain.session_close_ns
        return chain

    @property
    def unsubscribed(self) -> tuple[int, ...]:
        """Contracts that were to be watched but have no market data line, in the order of the wish."""
        return self._market.lines.unsubscribed

    async def subscribe(self, contracts: Sequence[Contract]) -> None:
        """Start quotes; the first ones given get the lines that are free, ``unsubscribed`` has the rest.

        Each call adds a reference to each contract; ``unsubscribe`` takes one back.

        Raises
        ------
        BrokerError
            If there is no connection, or a contract is none that TWS could know; nothing is sent then.
        """
        session = self._link.require()
        self._market.want(contracts)
        self._market.open_lines(session)

    async def unsubscribe(self, contracts: Sequence[Contract]) -> None:
        """Take one reference from each contract.

        A stream without any goes on until its line is needed, the one that was left longest ago first.

        Raises
        ------
        BrokerError
            If there is no connection or a contract was never subscribed.
        """
        session = self._link.require()
        try:
            self._market.release([contract.con_id for contract in contracts])
        except KeyError as error:
            raise BrokerError(f"cannot unsubscribe: {error.args[0]}") from error
        self._market.open_lines(session)

    async def snapshot(self, contracts: Sequence[Contract]) -> list[Quote]:
        """Return one picture of each contract's quote, when the broker has said that it is complete.

        Takes no lasting market data line. The quotes have the source ``snapshot``.

        Raises
        ------
        BrokerError
            If there is no connection, or one of them is refused or not completed in time.
        """
        return await snapshot(self._link.require(), self._inbox, contracts, self._timeout)

    async def historical_bars(
        self,
        contract: Contract,
        *,
        end: str = "",
        duration: str = "1 D",
        bar_size: str = "1 min",
        what: str = "TRADES",
        regular_hours: bool = True,
    ) -> tuple[Bar, ...]:
        """Return historical bars, in TWS's words; waits as long as IB's pacing rules ask for.

        Raises
        ------
        BrokerError
            If there is no connection, or the broker refuses or stays silent.
        """
        question = (end, duration, bar_size, what, regular_hours)
        return await historical_bars(self._link.require(), self._history, contract, question, self._timeout)

    def broker_computation(self, con_id: int) -> BrokerComputation | None:
        """Return the broker's own model values of an option, None where it sent none."""
        raw = self._market.computations.get(con_id)
        return None if raw is None else computation_from_wire(raw)

    def model_values(self, con_ids: Sequence[int]) -> NDArray[np.float64]:
        """Return the broker's own implied volatilities (annualised) and deltas (2, n); NaN = none sent."""
        return model_values_from_wire([self._market.computations.get(con_id) for con_id in con_ids])

    def stale_quotes(self) -> dict[int, str]:
        """Return the watched contracts whose quotes must not be traded on, and why."""
        return self._market.quotes.stale

    def take_quotes(self) -> list[Quote]:
        """Return the contracts whose quote changed, was confirmed or became stale since the last call."""
        return self._market.quotes.take()

    def take_events(self) -> list[BrokerEvent]:
        """Return order, execution, commission events and notices since the last call."""
        return self._inbox.take_events()

    # --- time ----------------------------------------------------------------------------------------

    async def step(self) -> int | None:
        """End the current step and wait for the next; return its time (UTC ns), None at the end.

        In lockstep the exchange sends everything of the next step before it answers with the time, so
        all of it has been applied when this returns. What arrived during the step carries its time.

        Raises
        ------
        BrokerError
            If the connection is lost or the broker stays silent; the state is unknown then and the
            gateway must be connected again.
        """
        async with self._link.closed_on_failure():
            await self._link.recover()
            self._inbox.in_step = True
            try:
                time_ns = await self._steps.wait(self._ask_time, self._link.lost)
                await self._link.recover(after_step=True)
                self._inbox.stamp_arrivals(self._clock.now_ns() if time_ns is None else time_ns)
            finally:
                self._inbox.in_step = False
                self._inbox.stamp_arrivals(self._clock.now_ns())
        return time_ns

    async def settle(self) -> None:
        """Wait until the broker has answered everything sent so far; time does not advance.

        An order that gets no answer is queried (open orders, completed orders, executions) and
        reported ``unconfirmed`` if the broker does not know it. Nothing is ever sent again.

        Raises
        ------
        BrokerError
            If the connection is lost or the broker stays silent.
        """
        session = self._link.require()
        async with self._link.closed_on_failure():
            await session.ask("order ids", session.request_ids, self._timeout)
            if self._pace == "real":
                await self._wait_for_answers()
            await self._link.recover()
            if self._inbox.orders.unanswered() and not self._inbox.link_lost:
                await self._state.orders(session)

    # --- orders --------------------------------------------------------------------------------------

    async def place(self, order: Order) -> None:
        """Send a new order; returns when it is on the socket, not when it is accepted.

        A price off the tick grid is rounded towards the side that waits, with a notice.

        Raises
        ------
        BrokerError
            If there is no connection, IB's own link is down, the reference was used before, a leg is
            unknown, a price has no place on the grid, a market order has no fresh quote, or IB's limits on
            working orders would be broken. Nothing was sent then. Or if the connection breaks while the
            order leaves: its fate is unknown until the next connection, and its reference is used up.
        """
        await self._entry.place(self._link.require_for_order(), order)
        self._link.require()

    async def place_bracket(self, parent: Order, children: Sequence[Order]) -> None:
        """Send a parent and the orders that its fill puts to work; none works before all have arrived.

        Raises
        ------
        BrokerError
            As ``place``, for any of them.
        """
        await self._entry.place_bracket(self._link.require_for_order(), parent, children)
        self._link.require()

    async def preview(self, order: Order) -> MarginPreview:
        """Ask what an order would do to margin and cost; it is not sent to work.

        Raises
        ------
        BrokerError
            If there is no connection, or the broker refuses the order or stays silent.
        """
        return await self._entry.preview(self._link.require_for_order(), order, self._timeout)

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
        """Send other terms (prices 1/10000, ``trail_percent`` 1/100 %) for a working order; None stays.

        A price off the tick grid is rounded towards the side that waits, with a notice.

        Raises
        ------
        BrokerError
            If there is no connection, IB's own link is down, the order is unknown, has ended or is
            another client's, or a price has no place on the grid. Nothing was sent then. Or if the connection
            breaks while the change leaves.
        """
        session, trail = self._link.require_for_order(), (trail_amount, trail_percent)
        await self._entry.modify(session, order_ref, limit_price, quantity, stop_price, trail)
        self._link.require()

    async def cancel(self, order_ref: str) -> None:
        """Ask for the end of an order; the answer comes as an event. One that has ended needs no request.

        Raises
        ------
        BrokerError
            If there is no connection, or the order is unknown or another client's.
        """
        await self._entry.cancel(self._link.require(), order_ref)
        self._link.require()

    async def cancel_all(self) -> None:
        """Ask for the end of every order of the login, those of other clients included.

        Raises
        ------
        BrokerError
            If there is no connection.
        """
        await self._entry.cancel_all(self._link.require())

    async def exercise(
        self,
        contract: Contract,
        quantity: int,
        action: Literal["exercise", "lapse"],
        override: bool = False,
        exchange: str = "CBOE",
    ) -> Literal["confirmed", "pending"]:
        """Exercise or lapse options and look at the position.

        Parameters
        ----------
        contract : Contract
            The option.
        quantity : int
            How many of them.
        action : {"exercise", "lapse"}
            What the broker shall do.
        override : bool
            Exercise although the option is out of the money, or lapse although it is in the money.
        exchange : str
            An exchange that lists the option; SMART exercises nothing.

        Returns
        -------
        str
            ``confirmed`` if the broker's position has gone down by ``quantity``, ``pending`` if not yet
            (brokers carry instructions out after the close; look at the position of the next day).

        Raises
        ------
        BrokerError
            If there is no connection, or the account holds fewer than ``quantity``; nothing was sent
            then. Or if the broker refuses or stays silent.
        """
        session = self._link.require_for_order()
        async with self._link.closed_on_failure():
            held = (await self._state.positions(session)).get(contract.con_id, 0)
        if held < quantity:
            raise BrokerError(
                f"cannot {action} {quantity} of contract {contract.con_id}: {held} held; nothing was sent"
            )
        refusal = self._entry.exercise(
            session, contract, quantity, action, override=override, exchange=exchange
        )
        async with self._link.closed_on_failure():
            left = (await self._state.positions(session)).get(contract.con_id, 0)
            if refusal.done():
                await session.ask(action, lambda: refusal, 0.0)
        return "confirmed" if left <= held - quantity else "pending"

    # --- inside ----------------------------------------------------------------------------------------

    def _on_lost(self, message: str) -> None:
        self._link.on_lost(message)

    async def _ask_time(self) -> int:
        session = self._link.require()
        seconds = await session.ask("the time", session.request_time, self._timeout)
        self._link.answered()
        return seconds * SECOND_NS

    async def _wait_for_answers(self) -> None:
        give_up_at = self._clock.monotonic() + self._confirm_seconds
        while self._inbox.orders.awaits_word() and self._link.ready:
            remaining = give_up_at - self._clock.monotonic()
            if remaining <= 0:
                return
            self._inbox.answered.clear()
            try:
                await asyncio.wait_for(self._inbox.answered.wait(), remaining)
            except TimeoutError:
                return
