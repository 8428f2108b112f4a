"""The gateway's one connection: opened, kept alive, cared for, closed, opened again.

1. There is one socket under one client id, for market data and orders; a reconnect keeps the id.
2. It counts as connected only when the broker's whole state was answered.
3. A broker that neither sends anything nor answers a heartbeat is not there: the socket is closed.
4. What the broker's notices ask for (new subscriptions, a reconciliation) is done between callbacks.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Literal

from optionsib.brokers.api import BrokerState, MessageTap
from optionsib.brokers.ib import codes
from optionsib.brokers.ib.backoff import LONGEST_SECONDS, Backoff
from optionsib.brokers.ib.broker_state import StateQuery
from optionsib.brokers.ib.health import ConnectionState, GatewayHealth
from optionsib.brokers.ib.heartbeat import beat
from optionsib.brokers.ib.inbox import Inbox
from optionsib.brokers.ib.pacing import TokenBucket
from optionsib.brokers.ib.quiet import QuietCalendar
from optionsib.brokers.ib.session import RequestRefusedError, TwsSession
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.ports import Clock

LINGERING_PAUSE_SECONDS = 5.0
COMMISSION_SECONDS = 10.0  # how often commissions that are still unknown are asked for
CARE_SECONDS = 0.5  # how often silence is looked for


class Connection:
    """Owns the session; everything that is sent asks it for the session first.

    Parameters
    ----------
    config : GatewayConfig
        Where to connect, and all time-outs.
    clock : Clock
        Its monotonic time measures silence; its ``now_ns`` is looked up in the calendar.
    inbox : Inbox
        Hears what the broker says.
    state : StateQuery
        Asks for the broker's state.
    account : str
        The account to trade; empty takes the only one the login manages.
    rate : int
        Messages a second.
    cares : bool
        Whether heartbeats and care run by themselves (real pace); in lockstep a heartbeat would let time
        go on, so care is taken between steps.
    confirm_seconds : float
        How long an order may wait for the broker's word before the broker is asked, where care runs by
        itself.
    tap : callable, optional
        Sees every message.
    """

    def __init__(
        self,
        config: GatewayConfig,
        clock: Clock,
        inbox: Inbox,
        state: StateQuery,
        *,
        account: str,
        rate: int,
        cares: bool,
        confirm_seconds: float = 5.0,
        tap: MessageTap | None = None,
    ) -> None:
        self.lost = asyncio.Event()
        self._config = config
        self._clock = clock
        self._inbox = inbox
        self._state = state
        self._account = account
        self._rate = rate
        self._cares = cares
        self._confirm_seconds = confirm_seconds
        self._doubtful: dict[tuple[str, int], float] = {}  # order, its last message -> since when
        self._tap = tap
        self._quiet = QuietCalendar(config.quiet_windows)
        self._quiet_told = ""
        self._random = random.Random(config.client_id)  # noqa: S311 - spreads reconnects, no secret
        self._port = config.port
        self._session: TwsSession | None = None
        self._connecting = False
        self._reconciling = 0  # several may be under way: each notice asks for one
        self._down_because = "connect() was not called"
        self._connections = 0
        self._answered_at: float | None = None
        self._commissions_due = 0.0
        self._care: asyncio.Task[None] | None = None

    # --- opening and closing ---------------------------------------------------------------------------

    async def open(self) -> BrokerState:
        """Connect and return when the broker's whole state was answered.

        Raises
        ------
        BrokerError
            If the server cannot be reached, refuses the client id, does not manage the account, or
            leaves part of its state unanswered; nothing stays open.
        """
        if self._session is not None:
            raise BrokerError("already connected; disconnect() first")
        config, inbox = self._config, self._inbox
        self._port = inbox.new_port or self._port
        inbox.new_session()
        self.lost.clear()
        self._connecting = True
        session = TwsSession(
            inbox, TokenBucket(self._rate, self._clock.monotonic), heartbeat_first=self._cares, tap=self._tap
        )
        try:
            await session.open(config.host, self._port, config.client_id, config.request_timeout_seconds)
            inbox.orders.account = self._choose_account(session.accounts)
            session.client.updateReqId(inbox.highest_order_id + 1)
            state = await self._state.all(session)
            inbox.market.open_lines(session)
            if self.lost.is_set():
                raise BrokerError(self._down_because)
        except BaseException as error:
            self._down_because = f"the last connection attempt failed: {error}"
            inbox.market.connected = False
            await session.close()
            if inbox.client_id_in_use and isinstance(error, BrokerError):
                raise BrokerError(
                    f"client id {config.client_id} is in use at {config.host}:{self._port}: stop the other "
                    "program, wait until its session has expired, or configure another client id"
                ) from error
            if isinstance(error, ConnectionError):
                where = f"{config.host}:{self._port}"
                raise BrokerError(f"connection to {where} lost during the start") from error
            raise
        finally:
            self._connecting = False
        self._session = session
        self._connections += 1
        self._answered_at = self._clock.monotonic()
        if self._cares:
            self._care = asyncio.create_task(self._keep_alive(session))
        return state

    async def reopen(self, attempts: int, first_wait_seconds: float) -> BrokerState:
        """Connect again under the same client id, with growing pauses and jitter.

        A planned outage, and an old session of ours that still holds the client id, use up no attempt.

        Raises
        ------
        BrokerError
            That of the last attempt.
        """
        if attempts < 1:
            raise BrokerError(f"attempts is {attempts}, expected at least 1")
        await self.close("reconnect() was called")
        began, failed = self._clock.monotonic(), 0
        backoff = Backoff(first_wait_seconds, self._random)
        while True:
            longest = LONGEST_SECONDS
            try:
                return await self.open()
            except BrokerError:
                waited = self._clock.monotonic() - began
                if self._inbox.client_id_in_use and waited < self._config.client_id_patience_seconds:
                    longest = LINGERING_PAUSE_SECONDS
                elif self._quiet.current(self._clock.now_ns()) is None:
                    failed += 1
                if failed >= attempts:
                    raise
            await asyncio.sleep(backoff.pause(longest))

    async def close(self, because: str) -> None:
        """Close the connection if there is one; orders stay at the broker."""
        care, self._care = self._care, None
        if care is not None and care is not asyncio.current_task():
            care.cancel()
        if self._session is not None:
            session, self._session = self._session, None
            self._down_because = because
            self._inbox.market.connected = False
            self._inbox.market.judge()
            await session.close()

    def on_lost(self, message: str) -> None:
        """Hear that the socket is gone."""
        self._session = None
        self._down_because = message
        self.lost.set()

    @asynccontextmanager
    async def closed_on_failure(self) -> AsyncIterator[None]:
        """Close a connection that stays silent: what it would say later could no longer be placed."""
        try:
            yield
        except RequestRefusedError:
            raise
        except BrokerError as error:
            await self.close(str(error))
            raise
        except ConnectionError as error:
            await self.close(f"connection lost: {error}")
            raise BrokerError(f"connection to the broker lost: {error}") from error

    # --- asked before anything is sent -----------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether the broker's state is known and the socket is open."""
        return self._session is not None

    def require(self) -> TwsSession:
        """Return the open session.

        Raises
        ------
        BrokerError
            If there is none.
        """
        if self._session is None:
            raise BrokerError(f"no connection to the broker ({self._down_because}); its state is unknown")
        return self._session

    def require_for_order(self) -> TwsSession:
        """Return the open session for a new order or a modify.

        Raises
        ------
        BrokerError
            If there is none, or nothing of the kind may leave now.
        """
        session = self.require()
        block = self.order_block()
        if block:
            raise BrokerError(f"{block}; nothing was sent")
        return session

    def order_block(self) -> str:
        """Return why no new order and no modify may leave now, empty where they may."""
        if self._session is None:
            return f"no connection to the broker ({self._down_because})"
        if self._inbox.link_lost:
            return "the broker's own link to its servers is down (1100 or 2110)"
        if self._inbox.reconcile or self._reconciling:
            return "orders are being reconciled after a loss"
        quiet = self._quiet.current(self._clock.now_ns())
        return f"a planned outage of the broker ({quiet[0]})" if quiet else ""

    # --- care ------------------------------------------------------------------------------------------

    async def recover(self, *, after_step: bool = False) -> None:
        """Do what the broker's notices ask for; requests cannot be sent from inside a callback.

        ``after_step``: a whole step has passed, so a stream that should have ticked by now is silent.

        Raises
        ------
        BrokerError
            If there is no connection, or it stays silent.
        """
        session, inbox = self.require(), self._inbox
        inbox.attention.clear()
        self._tell_quiet()
        if inbox.resubscribe and not inbox.link_lost:
            inbox.resubscribe = False
            inbox.market.resubscribe(session)
        if self._cares or after_step:
            inbox.market.reopen_silent(session)
        inbox.market.judge()
        if inbox.too_fast:
            inbox.too_fast = False
            session.client.slow_down()
        asks = inbox.reconcile or inbox.orders.has_doubles_to_end() or self._doubts_orders()
        if asks and not inbox.link_lost:
            inbox.reconcile = False
            self._reconciling += 1
            try:
                await self._state.orders(session)
            except BaseException:
                inbox.reconcile = True  # not answered: orders stay blocked, and it is asked again
                raise
            finally:
                self._reconciling -= 1
        now = self._clock.monotonic()
        if (after_step and not self._cares) or (self._cares and now >= self._commissions_due):
            self._commissions_due = now + COMMISSION_SECONDS
            await self._state.commissions(session)

    def _doubts_orders(self) -> bool:
        """Tell whether the broker must be asked about an order because its word does not come by itself.

        In lockstep nothing comes late, and ``settle`` asks.
        """
        if not self._cares:
            return False
        now = self._clock.monotonic()
        doubts = {(order.order_ref, order.sent) for order in self._inbox.orders.unanswered()}
        self._doubtful = {doubt: self._doubtful.get(doubt, now) for doubt in doubts}
        return any(now - since >= self._confirm_seconds for since in self._doubtful.values())

    async def _keep_alive(self, session: TwsSession) -> None:
        next_beat = self._clock.monotonic() + self._config.heartbeat_seconds
        try:
            while self._session is session:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._inbox.attention.wait(), CARE_SECONDS)
                if self._session is not session:
                    return
                await self.recover()
                if self._clock.monotonic() >= next_beat:
                    await beat(session, self._clock, self._config)
                    self._answered_at = self._clock.monotonic()
                    next_beat = self._clock.monotonic() + self._config.heartbeat_seconds
        except (BrokerError, ConnectionError) as error:
            if self._session is session:
                self._inbox.on_connection_lost(f"connection given up: {error}")
                await session.close()

    def _tell_quiet(self) -> None:
        quiet = self._quiet.current(self._clock.now_ns())
        name = quiet[0] if quiet else ""
        if name != self._quiet_told:
            text = f"planned outage begins: {name}" if name else f"planned outage over: {self._quiet_told}"
            self._inbox.notice(codes.QUIET_WINDOW, text)
            self._quiet_told = name

    def _choose_account(self, managed: Sequence[str]) -> str:
        wanted = self._account or (managed[0] if len(managed) == 1 else "")
        if wanted not in managed:
            raise BrokerError(
                f"account {self._account!r} is not managed by this login, expected one of "
                f"{', '.join(managed)}"
            )
        return wanted

    # --- shown -----------------------------------------------------------------------------------------

    def health(self) -> GatewayHealth:
        """Return the state of everything that hangs on the connection."""
        inbox, session, now = self._inbox, self._session, self._clock.now_ns()
        market, client = inbox.market, None if session is None else session.client
        quiet, answered = self._quiet.current(now), self._answered_at
        return GatewayHealth(
            state=self._state_word(quiet is not None),
            host=self._config.host,
            port=self._port,
            client_id=self._config.client_id,
            account=inbox.orders.account,
            server_version=0 if client is None else client.serverVersion(),
            epoch=inbox.orders.epoch,
            reconnects=max(0, self._connections - 1),
            down_because="" if session is not None else self._down_because,
            order_block=self.order_block(),
            farms=market.farms.states(),
            lines_used=market.lines.used,
            lines_limit=market.lines.budget,
            lines_waiting=len(market.lines.unsubscribed),
            messages_per_second=0.0 if client is None else client.messages_per_second,
            messages_limit=self._rate,
            queued_messages=0 if client is None else client.waiting,
            last_error=inbox.last_error,
            working_orders=sum(order.status == "working" for order in inbox.orders.live_orders()),
            unconfirmed_orders=inbox.orders.unconfirmed(),
            quotes=market.health(now),
            heartbeat_seconds=None if answered is None else self._clock.monotonic() - answered,
            quiet_window=quiet[0] if quiet else "",
            next_quiet_ns=self._quiet.next_start(now),
        )

    def answered(self) -> None:
        """Record that the broker answered a question about the time."""
        self._answered_at = self._clock.monotonic()

    def _state_word(self, quiet: bool) -> ConnectionState:
        if self._session is None:
            word: Literal["connecting", "down"] = "connecting" if self._connecting else "down"
            return word
        if self._inbox.link_lost:
            return "link lost"
        return "quiet" if quiet else "ready"
