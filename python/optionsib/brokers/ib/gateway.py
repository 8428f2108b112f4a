"""``IBGateway``: the broker interface on a TWS connection."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Literal

import msgspec
from ib_async import Contract as IBContract
from ib_async import Execution as IBExecution
from ib_async import OptionComputation
from ib_async import Order as IBOrder
from ib_async.order import OrderState

from optionsib.brokers.api import BrokerState, OptionChain
from optionsib.brokers.ib import codes
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
from optionsib.brokers.ib.lines import MarketDataLines
from optionsib.brokers.ib.orders import OrderTracker, TrackedOrder
from optionsib.brokers.ib.pacing import TokenBucket
from optionsib.brokers.ib.quotes import QuoteBoard
from optionsib.brokers.ib.session import CASH_TAG, RequestRefusedError, TwsSession
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerEvent, BrokerNotice, OrderUpdate, Quote
from optionsib.common.ports import Clock
from optionsib.common.types import SECOND_NS, Contract, Order

_MODEL_TICKS = frozenset({13, 83})


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
        if step_seconds <= 0:
            raise ValueError(f"step_seconds is {step_seconds}, expected a positive number")
        self._config = config
        self._clock = clock
        self._pace = pace
        self._step_seconds = step_seconds
        self._wanted_account = account
        self._broker_time = broker_time or pace == "lockstep"
        self._rate = messages_per_second or config.messages_per_second
        self._confirm_seconds = min(confirm_seconds, config.request_timeout_seconds)
        self._random = random.Random(config.client_id)  # noqa: S311 - spreads reconnects, no secret
        self._session: TwsSession | None = None
        self._down_because = "connect() was not called"
        self._lost = asyncio.Event()
        self._answered = asyncio.Event()
        self._client_id_in_use = False
        self._link_lost = False
        self._resubscribe = False
        self._reconcile = False
        self._in_step = False
        self._events: list[BrokerEvent] = []
        self._time_ns: int | None = None
        self._next_step_at: float | None = None
        self._session_close_ns: int | None = None
        self._highest_order_id = 0
        self._contracts: dict[int, Contract] = {}
        self._quotes = QuoteBoard()
        self._lines = MarketDataLines(config.market_data_lines)
        self._chains = ChainLoader(config.request_timeout_seconds)
        self._orders = OrderTracker(self._emit, self._stamp, config.client_id)

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
        self._client_id_in_use = False
        self._link_lost = self._resubscribe = self._reconcile = False
        self._lost.clear()
        session = TwsSession(self, TokenBucket(self._rate, self._clock.monotonic))
        self._orders.new_session()
        try:
            await session.open(config.host, config.port, config.client_id, config.request_timeout_seconds)
            self._orders.account = self._choose_account(session.accounts)
            session.client.updateReqId(self._highest_order_id + 1)
            state = await self._ask_state(session)
            if self._lost.is_set():
                raise BrokerError(self._down_because)
        except BaseException as error:
            self._down_because = f"the last connection attempt failed: {error}"
            await session.close()
            if self._client_id_in_use:
                raise BrokerError(
                    f"client id {config.client_id} is in use at {config.host}:{config.port}: stop the other "
                    "program, wait until its session has expired, or configure another client id"
                ) from error
            raise
        self._session = session
        self._lines.forget_requests()
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
        now = self._time_ns or 0 if self._broker_time else self._clock.now_ns()
        chain = await self._chains.load(session, symbol, now)
        for contract in (chain.underlying, *chain.options):
            self._contracts[contract.con_id] = contract
        self._session_close_ns = chain.session_close_ns
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
        return self._quotes.computations.get(con_id)

    def take_quotes(self) -> list[Quote]:
        """Return the contracts whose quote changed or was confirmed since the last call."""
        return self._quotes.take()

    def take_events(self) -> list[BrokerEvent]:
        """Return order, execution, commission events and notices since the last call."""
        events = list(self._events)
        self._events.clear()
        return events

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
            self._in_step = True
            try:
                time_ns = await (self._lockstep() if self._pace == "lockstep" else self._real_step())
            finally:
                self._in_step = False
                self._stamp_arrivals(self._clock.now_ns())
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

    # --- callbacks of the session ----------------------------------------------------------------------

    def on_price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        """Take a price tick; ticks of a cancelled subscription are dropped."""
        con_id = self._lines.contract_of(request_id)
        if con_id is not None:
            self._quotes.price(con_id, tick_type, price, size, self._stamp())

    def on_size(self, request_id: int, tick_type: int, size: float) -> None:
        """Take a size tick."""
        con_id = self._lines.contract_of(request_id)
        if con_id is not None:
            self._quotes.size(con_id, tick_type, size, self._stamp())

    def on_quote_time(self, request_id: int) -> None:
        """Take the feed's word that a quote stands."""
        con_id = self._lines.contract_of(request_id)
        if con_id is not None:
            self._quotes.confirm(con_id, self._stamp())

    def on_computation(self, request_id: int, tick_type: int, computation: OptionComputation) -> None:
        """Keep the broker's model values."""
        con_id = self._lines.contract_of(request_id)
        if con_id is not None and tick_type in _MODEL_TICKS:
            self._quotes.computations[con_id] = computation_from_wire(computation)

    def on_open_order(self, contract: IBContract, order: IBOrder, state: OrderState) -> None:
        """Take an order as the broker works it."""
        if order.clientId == self._config.client_id:
            self._highest_order_id = max(self._highest_order_id, order.orderId)
        self._orders.on_open_order(contract, order, state)
        self._answered.set()

    def on_order_status(self, order_id: int, client_id: int, perm_id: int, status: str) -> None:
        """Take an order's status."""
        self._orders.on_order_status(order_id, client_id, perm_id, status)
        self._answered.set()

    def on_completed_order(self, order: IBOrder, state: OrderState) -> None:
        """Take an order that has ended."""
        self._orders.on_completed_order(order, state)

    def on_execution(self, contract: IBContract, execution: IBExecution) -> None:
        """Take an execution."""
        if execution.clientId == self._config.client_id:
            self._highest_order_id = max(self._highest_order_id, execution.orderId)
        self._orders.on_execution(contract, execution)
        self._answered.set()

    def on_commission(self, execution_id: str, amount: float | None, currency: str) -> None:
        """Take a commission."""
        self._orders.on_commission(execution_id, amount, currency)

    def on_error(self, request_id: int, code: int, message: str, *, is_request: bool) -> None:
        """Give an error to the order, the subscription or the connection that it is about."""
        if self._orders.on_error(request_id, code, message):
            self._answered.set()
            return
        if is_request and not codes.is_information(code):
            return  # raised where the request was made
        con_id = self._lines.contract_of(request_id)
        if con_id is not None:
            message = f"{message} (contract {con_id})"
            if code in codes.DATA_REFUSALS:
                self._lines.refuse(request_id)
                if code == codes.TOO_MANY_LINES:
                    self._lines.lower_budget()
        elif code == codes.CLIENT_ID_IN_USE:
            self._client_id_in_use = True
        elif code == codes.LINK_LOST:
            self._link_lost = True
        elif code in (codes.LINK_BACK_DATA_LOST, codes.LINK_BACK_DATA_KEPT):
            self._link_lost = False
            self._reconcile = True
            self._resubscribe |= code == codes.LINK_BACK_DATA_LOST
        self._notice(code, message)

    def on_decode_error(self, message: str) -> None:
        """Raise an alarm: a message was lost."""
        self._notice(codes.DECODE_ALARM, message)

    def on_connection_lost(self, message: str) -> None:
        """Leave the ready state; nothing is known about the broker from here on."""
        self._session = None
        self._down_because = message
        self._notice(codes.CONNECTION_LOST, message)
        self._lost.set()
        self._answered.set()

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

    def _require(self) -> TwsSession:
        if self._session is None:
            raise BrokerError(f"no connection to the broker ({self._down_because}); its state is unknown")
        return self._session

    def _require_link(self) -> TwsSession:
        session = self._require()
        if self._link_lost:
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
        self._highest_order_id = max(self._highest_order_id, order_id)
        session.client.placeOrder(order_id, ticket.contract, order_to_wire(ticket, limit_price))
        await session.client.orders_sent()
        self._require()

    async def _ask_state(self, session: TwsSession) -> BrokerState:
        """Ask for everything; executions last, when all orders they may belong to are known."""
        timeout = self._config.request_timeout_seconds
        positions, cash, listed = await asyncio.gather(
            session.ask("positions", session.reqPositionsAsync, timeout),
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
        own = await session.ask("open orders", lambda: session.request_open_orders(everyone=False), timeout)
        every = await session.ask("open orders", lambda: session.request_open_orders(everyone=True), timeout)
        await session.ask("completed orders", lambda: session.reqCompletedOrdersAsync(False), timeout)
        await session.ask("executions", session.reqExecutionsAsync, timeout)
        listed = {order.orderRef or f"perm-{order.permId}" for order in [*own, *every]}
        self._orders.concluded(listed)
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
        if self._resubscribe:
            self._resubscribe = False
            self._lines.forget_requests()
            self._open_lines(session)
        if self._reconcile and not self._link_lost:
            self._reconcile = False
            await self._query_orders(session)

    async def _ask_time(self) -> int:
        session = self._require()
        seconds = await session.ask("the time", session.request_time, self._config.request_timeout_seconds)
        return seconds * SECOND_NS

    async def _lockstep(self) -> int | None:
        time_ns = await self._ask_time()
        return self._advance(time_ns)

    async def _real_step(self) -> int | None:
        if self._session_over():
            return None
        give_up_at = self._clock.monotonic() + self._config.request_timeout_seconds + self._step_seconds
        while True:
            await self._sleep_until_step()
            broker_ns = await self._ask_time()  # also shows that the connection is alive
            time_ns = broker_ns if self._broker_time else self._clock.now_ns()
            advanced = self._advance(time_ns)
            if advanced is not None or self._session_over():
                return advanced
            if self._clock.monotonic() > give_up_at:
                raise BrokerError(f"the broker's time stands still at {time_ns} ns")

    async def _sleep_until_step(self) -> None:
        now = self._clock.monotonic()
        due = now + self._step_seconds if self._next_step_at is None else max(now, self._next_step_at)
        self._next_step_at = due + self._step_seconds
        if due > now:
            try:
                await asyncio.wait_for(self._lost.wait(), due - now)
            except TimeoutError:
                return
            self._require()

    def _session_over(self) -> bool:
        close = self._session_close_ns
        return close is not None and self._time_ns is not None and self._time_ns >= close

    def _advance(self, time_ns: int) -> int | None:
        before = self._time_ns
        if before is not None and time_ns < before:
            raise BrokerError(f"the broker's time ran backwards from {before} to {time_ns} ns")
        self._time_ns = time_ns
        self._stamp_arrivals(time_ns)
        return None if before == time_ns else time_ns

    async def _wait_for_answers(self) -> None:
        give_up_at = self._clock.monotonic() + self._confirm_seconds
        while self._orders.unanswered() and self._session is not None:
            remaining = give_up_at - self._clock.monotonic()
            if remaining <= 0:
                return
            self._answered.clear()
            try:
                await asyncio.wait_for(self._answered.wait(), remaining)
            except TimeoutError:
                return

    def _stamp(self) -> int:
        """Time for what arrives now; unknown during a step whose time the broker has yet to say."""
        return QuoteBoard.UNKNOWN_NS if self._in_step and self._broker_time else self._clock.now_ns()

    def _stamp_arrivals(self, time_ns: int) -> None:
        self._quotes.stamp(time_ns)
        for i, event in enumerate(self._events):
            if getattr(event, "at_ns", 0) == QuoteBoard.UNKNOWN_NS:
                self._events[i] = msgspec.structs.replace(event, at_ns=time_ns)

    def _emit(self, event: BrokerEvent) -> None:
        self._events.append(event)

    def _notice(self, code: int, message: str) -> None:
        self._emit(BrokerNotice(code=code, message=message, at_ns=self._stamp()))
