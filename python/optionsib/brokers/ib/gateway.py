"""``IBGateway``: the broker interface on a TWS connection."""

from __future__ import annotations

import asyncio
import functools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

from optionsib.brokers.api import BrokerState, OptionChain
from optionsib.brokers.ib.chain import ChainLoader
from optionsib.brokers.ib.conversions import (
    BrokerComputation,
    Ticket,
    check_limit,
    computation_from_wire,
    contract_to_wire,
    money_from_text,
    order_to_wire,
    ticket_for,
    whole_quantity,
)
from optionsib.brokers.ib.inbox import Inbox
from optionsib.brokers.ib.orders import TrackedOrder, is_open, reference
from optionsib.brokers.ib.pacing import TokenBucket
from optionsib.brokers.ib.session import CASH_TAG, RequestRefusedError, TwsSession
from optionsib.brokers.ib.steps import StepTimer
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerEvent, OrderUpdate, Quote
from optionsib.common.ports import Clock
from optionsib.common.types import SECOND_NS, Contract, Order


class IBGateway:
    """A connection to TWS, IB Gateway or the paper exchange.

    Single-threaded: all methods belong to one event loop, and one caller at a time uses them.

    Parameters
    ----------
    config : GatewayConfig
        Host, port, client id, time-outs, message rate and market data lines.
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
        At real pace, how long ``settle`` waits for the broker's word on an order before it queries.
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
    ) -> None:
        self._config = config
        self._clock = clock
        self._pace = pace
        self._wanted_account = account
        self._rate = messages_per_second or config.messages_per_second
        self._confirm_seconds = min(confirm_seconds, config.request_timeout_seconds)
        self._random = random.Random(config.client_id)  # noqa: S311 - spreads reconnects, no secret
        self._session: TwsSession | None = None
        self._down_because = "connect() was not called"
        self._lost = asyncio.Event()
        self._contracts: dict[int, Contract] = {}
        self._chains = ChainLoader(config.request_timeout_seconds)
        broker_time = broker_time or pace == "lockstep"
        self._steps = StepTimer(
            clock,
            pace=pace,
            step_seconds=step_seconds,
            broker_time=broker_time,
            patience_seconds=config.request_timeout_seconds,
        )
        self._inbox = Inbox(
            clock,
            client_id=config.client_id,
            market_data_lines=config.market_data_lines,
            stamps_late=broker_time,
            on_lost=self._connection_lost,
        )
        self._orders = self._inbox.orders
        self._lines = self._inbox.lines

    # --- connection ----------------------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the broker's state is known and the socket is open."""
        return self._session is not None

    @property
    def account(self) -> str:
        """The account that is traded, empty before the first connection."""
        return self._orders.account

    @property
    def unsubscribed(self) -> tuple[int, ...]:
        """Contracts that were to be watched but have no market data line, in the order of the wish."""
        return self._lines.unsubscribed

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
        if self._session is not None:
            raise BrokerError("already connected; disconnect() first")
        config = self._config
        self._inbox.new_session()
        self._lost.clear()
        session = TwsSession(self._inbox, TokenBucket(self._rate, self._clock.monotonic))
        try:
            await session.open(config.host, config.port, config.client_id, config.request_timeout_seconds)
            self._orders.account = self._choose_account(session.accounts)
            session.client.updateReqId(self._inbox.highest_order_id + 1)
            state = await self._ask_state(session)
            if self._lost.is_set():
                raise BrokerError(self._down_because)
        except BaseException as error:
            self._down_because = f"the last connection attempt failed: {error}"
            await session.close()
            if self._inbox.client_id_in_use and isinstance(error, BrokerError):
                raise BrokerError(
                    f"client id {config.client_id} is in use at {config.host}:{config.port}: stop the other "
                    "program, wait until its session has expired, or configure another client id"
                ) from error
            raise
        self._session = session
        self._open_lines(session)
        return state

    async def reconnect(self, attempts: int = 8, first_wait_seconds: float = 0.5) -> BrokerState:
        """Connect again under the same client id, with growing pauses (at most 30 s) and jitter.

        Raises
        ------
        BrokerError
            That of the last attempt.
        """
        await self.disconnect()
        for attempt in range(attempts):
            try:
                return await self.connect()
            except BrokerError:
                if attempt == attempts - 1:
                    raise
            pause = min(30.0, first_wait_seconds * 2**attempt)
            await asyncio.sleep(pause * (0.5 + self._random.random() / 2))
        raise BrokerError(f"attempts is {attempts}, expected at least 1")

    async def disconnect(self) -> None:
        """Close the connection; orders stay at the broker."""
        if self._session is not None:
            session, self._session = self._session, None
            self._down_because = "disconnect() was called"
            await session.close()

    async def refresh(self) -> BrokerState:
        """Ask positions, open orders, executions and cash again; time does not advance.

        Raises
        ------
        BrokerError
            If one of them was not answered.
        """
        session = self._require()
        async with self._closed_on_failure():
            return await self._ask_state(session)

    # --- chain and quotes ----------------------------------------------------------------------------

    async def option_chain(self, symbol: str) -> OptionChain:
        """Load the underlying and its options.

        Raises
        ------
        BrokerError
            If the symbol is unknown or ambiguous, or an answer is missing or unusable.
        """
        session = self._require()
        chain = await self._chains.load(session, symbol, self._steps.known_time_ns())
        for contract in (chain.underlying, *chain.options):
            self._contracts[contract.con_id] = contract
        self._steps.session_close_ns = chain.session_close_ns
        return chain

    async def subscribe(self, contracts: Sequence[Contract]) -> None:
        """Start quotes; the first ones given get the lines that are free, ``unsubscribed`` has the rest.

        Each call adds a reference to each contract; ``unsubscribe`` takes one back.

        Raises
        ------
        BrokerError
            If there is no connection.
        """
        session = self._require()
        for contract in contracts:
            self._contracts.setdefault(contract.con_id, contract)
        self._lines.want(contract.con_id for contract in contracts)
        self._open_lines(session)

    async def unsubscribe(self, contracts: Sequence[Contract]) -> None:
        """Take one reference from each contract; lines that come free go to those who wait.

        Raises
        ------
        BrokerError
            If there is no connection or a contract was never subscribed.
        """
        session = self._require()
        try:
            ended = self._lines.release([contract.con_id for contract in contracts])
        except KeyError as error:
            raise BrokerError(f"cannot unsubscribe: {error.args[0]}") from error
        for request_id in ended:
            session.client.cancelMktData(request_id)
        self._open_lines(session)

    def broker_computation(self, con_id: int) -> BrokerComputation | None:
        """Return the broker's own model values of an option, None where it sent none."""
        raw = self._inbox.computations.get(con_id)
        return None if raw is None else computation_from_wire(raw)

    def take_quotes(self) -> list[Quote]:
        """Return the contracts whose quote changed or was confirmed since the last call."""
        return self._inbox.quotes.take()

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
        async with self._closed_on_failure():
            await self._recover(self._require())
            self._inbox.in_step = True
            try:
                time_ns = await self._steps.wait(self._ask_time, self._lost)
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
        session = self._require()
        async with self._closed_on_failure():
            await session.ask("order ids", session.request_ids, self._config.request_timeout_seconds)
            if self._pace == "real":
                await self._wait_for_answers()
            if self._orders.unanswered():
                await self._query_orders(session)

    # --- orders --------------------------------------------------------------------------------------

    async def place(self, order: Order) -> None:
        """Send a new order; returns when it is on the socket, not when it is accepted.

        Raises
        ------
        BrokerError
            If there is no connection, IB's own link is down, the reference was used before, a leg is
            unknown, or the limit is off the grid. Nothing was sent then.
        """
        session = self._require_link()
        if self._orders.get(order.order_ref) is not None:
            raise BrokerError(f"order reference {order.order_ref} was used before; nothing was sent")
        ticket = ticket_for(order, self._contracts, self.account)
        check_limit(order.order_ref, ticket, order.limit_price, self._contracts)
        order_id = session.client.getReqId()
        self._orders.placed(ticket, order_id)
        await self._send_order(session, order_id, ticket, order.limit_price)

    async def modify(self, order_ref: str, limit_price: int) -> None:
        """Send a new limit (1/10000) for a working order.

        Raises
        ------
        BrokerError
            If there is no connection, IB's own link is down, the order is unknown, has ended or is
            another client's, or the limit is off the grid. Nothing was sent then.
        """
        session = self._require_link()
        order, ticket = self._changeable(order_ref)
        check_limit(order_ref, ticket, limit_price, self._contracts)
        self._orders.modifying(order, limit_price)
        await self._send_order(session, order.order_id, ticket, limit_price)

    async def cancel(self, order_ref: str) -> None:
        """Ask for the end of a working order; the answer comes as an event.

        Raises
        ------
        BrokerError
            If there is no connection, or the order is unknown, has ended or is another client's.
        """
        session = self._require()
        order, _ = self._changeable(order_ref)
        self._orders.cancelling(order)
        session.client.cancelOrder(order.order_id)
        await session.client.orders_sent()

    async def cancel_all(self) -> None:
        """Ask for the end of every order of the login, those of other clients included.

        Raises
        ------
        BrokerError
            If there is no connection.
        """
        session = self._require()
        for order in self._orders.live_orders():
            if order.client_id == self._config.client_id:
                self._orders.cancelling(order)
        session.client.reqGlobalCancel()
        await session.client.orders_sent()

    # --- inside ----------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _closed_on_failure(self) -> AsyncIterator[None]:
        """Close a connection that stays silent: what it would say later could no longer be placed."""
        try:
            yield
        except RequestRefusedError:
            raise
        except BrokerError as error:
            if self._session is not None:
                session, self._session = self._session, None
                self._down_because = str(error)
                await session.close()
            raise

    def _connection_lost(self, message: str) -> None:
        self._session = None
        self._down_because = message
        self._lost.set()

    def _require(self) -> TwsSession:
        if self._session is None:
            raise BrokerError(f"no connection to the broker ({self._down_because}); its state is unknown")
        return self._session

    def _require_link(self) -> TwsSession:
        session = self._require()
        if self._inbox.link_lost:
            raise BrokerError("the broker's own link to its servers is down (1100); nothing was sent")
        return session

    def _choose_account(self, managed: Sequence[str]) -> str:
        wanted = self._wanted_account or (managed[0] if len(managed) == 1 else "")
        if wanted not in managed:
            raise BrokerError(
                f"account {self._wanted_account!r} is not managed by this login, expected one of "
                f"{', '.join(managed)}"
            )
        return wanted

    def _changeable(self, order_ref: str) -> tuple[TrackedOrder, Ticket]:
        order = self._orders.get(order_ref)
        if order is None or order.ticket is None:
            raise BrokerError(f"order {order_ref} is unknown at this broker; nothing was sent")
        if order.ended:
            raise BrokerError(f"order {order_ref} is {order.status} already; nothing was sent")
        if order.client_id != self._config.client_id:
            raise BrokerError(
                f"order {order_ref} belongs to client {order.client_id}; only that client or "
                "cancel_all() can end it; nothing was sent"
            )
        if order.order_id == 0:
            raise BrokerError(f"order {order_ref} is not listed by the broker in this session")
        return order, order.ticket

    async def _send_order(self, session: TwsSession, order_id: int, ticket: Ticket, limit_price: int) -> None:
        self._inbox.highest_order_id = max(self._inbox.highest_order_id, order_id)
        session.client.placeOrder(order_id, ticket.contract, order_to_wire(ticket, limit_price))
        await session.client.orders_sent()
        self._require()

    async def _ask_state(self, session: TwsSession) -> BrokerState:
        """Ask for everything; executions last, when all orders they may belong to are known."""
        timeout = self._config.request_timeout_seconds
        positions, cash, listed = await asyncio.gather(
            session.ask("positions", session.reqPositionsAsync, timeout, in_turn=True),
            session.ask("cash", session.request_cash, timeout),
            self._query_orders(session),
        )
        session.client.cancelPositions()
        held: dict[int, int] = {}
        for position in positions:
            if position.account == self.account:
                held[position.contract.conId] = whole_quantity(position.position, "a position")
        working = [self._orders.get(order_ref) for order_ref in sorted(listed)]
        return BrokerState(
            account=self.account,
            positions={con_id: held[con_id] for con_id in sorted(held) if held[con_id]},
            working_orders=tuple(self._describe(o) for o in working if o is not None and not o.ended),
            executions=self._orders.executions(),
            cash=self._cash_of(cash),
        )

    async def _query_orders(self, session: TwsSession) -> set[str]:
        """Ask open and completed orders and executions; return the references of the open ones."""
        timeout = self._config.request_timeout_seconds
        ended_before = self._orders.ended()
        own, every = [
            await session.ask(
                "open orders",
                functools.partial(session.request_open_orders, everyone=everyone),
                timeout,
                in_turn=True,
            )
            for everyone in (False, True)
        ]
        await session.ask(
            "completed orders",
            functools.partial(session.reqCompletedOrdersAsync, apiOnly=False),
            timeout,
            in_turn=True,
        )
        await session.ask("executions", session.reqExecutionsAsync, timeout)
        listed = {reference(raw) for raw, state in [*own, *every] if is_open(state)}
        self._orders.concluded(listed, ended_before)
        return listed

    def _describe(self, order: TrackedOrder) -> OrderUpdate:
        return OrderUpdate(
            order_ref=order.order_ref,
            status=order.status,
            at_ns=self._clock.now_ns(),
            perm_id=order.perm_id,
            limit_price=order.limit_price,
        )

    def _cash_of(self, rows: Sequence[tuple[str, str, str, str]]) -> int:
        for account, tag, value, _currency in rows:
            if account == self.account and tag == CASH_TAG:
                return money_from_text(value)
        raise BrokerError(f"the broker gave no {CASH_TAG} for account {self.account}")

    def _open_lines(self, session: TwsSession) -> None:
        for con_id in self._lines.due():
            request_id = session.client.getReqId()
            self._lines.opened(con_id, request_id)
            contract = contract_to_wire(self._contracts[con_id])
            session.client.reqMktData(request_id, contract, "", False, False, [])

    async def _recover(self, session: TwsSession) -> None:
        """Do what a restored link asks for; requests cannot be sent from inside a callback."""
        inbox = self._inbox
        if inbox.resubscribe:
            inbox.resubscribe = False
            self._lines.forget_requests()
            self._open_lines(session)
        if inbox.reconcile and not inbox.link_lost:
            inbox.reconcile = False
            await self._query_orders(session)

    async def _ask_time(self) -> int:
        session = self._require()
        seconds = await session.ask("the time", session.request_time, self._config.request_timeout_seconds)
        return seconds * SECOND_NS

    async def _wait_for_answers(self) -> None:
        give_up_at = self._clock.monotonic() + self._confirm_seconds
        while self._orders.awaits_word() and self._session is not None:
            remaining = give_up_at - self._clock.monotonic()
            if remaining <= 0:
                return
            self._inbox.answered.clear()
            try:
                await asyncio.wait_for(self._inbox.answered.wait(), remaining)
            except TimeoutError:
                return
