"""One TWS connection from handshake to loss, with time-outs on every question."""

# Much of the library is untyped:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from optionsib.brokers.api import MessageTap
from optionsib.brokers.ib.client import TwsClient
from optionsib.brokers.ib.library import IB, BarData, OrderState, PriceIncrement, RequestError
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import Order as IBOrder
from optionsib.brokers.ib.pacing import TokenBucket
from optionsib.brokers.ib.wrapper import Callbacks, DecodeAlarm, TwsWrapper
from optionsib.common.errors import BrokerError

T = TypeVar("T")
CASH_TAG = "TotalCashValue"


class TwsSession(IB):
    """One connection from handshake to loss; a reconnect makes a new one.

    Parameters
    ----------
    callbacks : Callbacks
        Hears every decoded message.
    bucket : TokenBucket
        Paces what is sent.
    heartbeat_first : bool
        Whether a question for the time overtakes other requests, as orders do.
    tap : callable, optional
        Sees every message after the handshake.
    """

    def __init__(
        self,
        callbacks: Callbacks,
        bucket: TokenBucket,
        *,
        heartbeat_first: bool = False,
        tap: MessageTap | None = None,
    ) -> None:
        super().__init__()
        self.RaiseRequestErrors = True
        self.errorEvent -= self._onError  # would send a request past our pacing
        self.callbacks = callbacks
        self.wrapper: TwsWrapper = TwsWrapper(self, callbacks)
        self.client: Any = TwsClient(self.wrapper, bucket, DecodeAlarm(callbacks), tap)
        if heartbeat_first:
            self.client.heartbeat_first()
        self.client.apiEnd += self._lost
        self._closing = False
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._where = ""

    def __del__(self) -> None:
        """Do nothing: the parent would write to the socket from the garbage collector."""

    @property
    def accounts(self) -> list[str]:
        """Accounts that this login manages."""
        return list(self.client.getAccounts())

    async def open(self, host: str, port: int, client_id: int, timeout: float) -> None:
        """Connect and shake hands.

        Raises
        ------
        BrokerError
            Naming host and port and what went wrong; nothing stays open.
        """
        self._where = f"{host}:{port}"
        self.wrapper.clientId = client_id
        refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_closed(message: str) -> None:
            if not refused.done():
                refused.set_result(message or "the server closed the connection")

        self.client.conn.disconnected += on_closed
        opening = asyncio.ensure_future(self.client.connectAsync(host, port, client_id, timeout))
        try:
            await asyncio.wait({opening, refused}, return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                opening.cancel()
            await opening
        except (asyncio.CancelledError, OSError, TimeoutError, ValueError) as error:
            if isinstance(error, asyncio.CancelledError) and not refused.done():
                raise
            reason = refused.result() if refused.done() else repr(error)
            raise BrokerError(
                f"cannot connect to {self._where} as client {client_id}: {reason}; "
                "is TWS, IB Gateway or the paper exchange running there with its API port open?"
            ) from error
        finally:
            self.client.conn.disconnected -= on_closed
            opening.cancel()

    async def close(self) -> None:
        """Close the socket and fail whatever still waits for an answer."""
        self._closing = True
        self.wrapper.connectionClosed()
        transport = self.client.conn.transport
        if transport is None:
            return
        gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_gone(_message: str) -> None:
            if not gone.done():
                gone.set_result(None)

        self.client.conn.disconnected += on_gone
        try:
            self.client.disconnect()
            await asyncio.wait({gone}, timeout=1.0)
        except OSError:
            transport.abort()  # the peer is gone already
        finally:
            self.client.conn.disconnected -= on_gone

    async def ask(
        self, name: str, request: Callable[[], Awaitable[T]], timeout: float, *, in_turn: bool = False
    ) -> T:
        """Send a request and return its answer.

        Parameters
        ----------
        name : str
            What is asked, for messages.
        request : callable
            Sends it and returns what to wait for.
        timeout : float
            Seconds that the broker may take, the waiting for our message rate included.
        in_turn : bool
            Whether requests of this name must wait for each other, because answers carry no id.

        Raises
        ------
        BrokerError
            If the broker stays silent for ``timeout`` seconds, refuses, or the connection is lost.
        """
        if not in_turn:
            return await self._answer(name, request, timeout)

        async def in_its_turn() -> T:
            async with self._locks[name]:
                return await self._answer(name, request, timeout)

        # An asker that is cancelled leaves its turn only when the answer is there: it would be taken for
        # the answer to the next question.
        asking = asyncio.ensure_future(in_its_turn())
        asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(asking)

    async def _answer(self, name: str, request: Callable[[], Awaitable[T]], timeout: float) -> T:
        try:
            return await asyncio.wait_for(request(), timeout)
        except TimeoutError as error:
            raise BrokerError(
                f"{self._where} did not answer {name} within {timeout:g} s; nothing was assumed"
            ) from error
        except ConnectionError as error:
            raise BrokerError(f"connection to {self._where} lost while asking {name}") from error
        except RequestError as error:
            raise RequestRefusedError(name, error.code, error.message) from error

    def request_ids(self) -> Awaitable[int]:
        """Ask for the next order id: the lightest round trip that changes nothing."""
        future = self.wrapper.expect("id")
        self.client.reqIds(1)
        return future

    def request_time(self) -> Awaitable[int]:
        """Ask for the broker's time, whole seconds since 1970."""
        future = self.wrapper.expect("time")
        self.client.reqCurrentTime()
        return future

    def request_open_orders(self, *, everyone: bool) -> Awaitable[list[tuple[IBOrder, OrderState]]]:
        """Ask for the open orders of this client, or of all clients of the login."""
        future: asyncio.Future[list[tuple[IBOrder, OrderState]]] = self.wrapper.startReq("openOrders")
        if everyone:
            self.client.reqAllOpenOrders()
        else:
            self.client.reqOpenOrders()
        return future

    def request_market_rule(self, rule_id: int) -> Awaitable[list[PriceIncrement]]:
        """Ask for the tick sizes of a market rule."""
        future: asyncio.Future[list[PriceIncrement]] = self.wrapper.startReq(f"marketRule-{rule_id}")
        self.client.reqMarketRule(rule_id)
        return future

    async def request_cash(self) -> list[tuple[str, str, str, str]]:
        """Ask for the cash of all accounts: (account, tag, value, currency) rows."""
        request_id = self.client.getReqId()
        future: asyncio.Future[list[tuple[str, str, str, str]]] = self.wrapper.startReq(request_id)
        self.client.reqAccountSummary(request_id, "All", CASH_TAG)
        try:
            return await future
        finally:
            if self.client.isReady():
                self.client.cancelAccountSummary(request_id)

    def request_snapshot(self, request_id: int, contract: IBContract) -> Awaitable[object]:
        """Ask for one picture of a quote; done when the broker says that it is complete."""
        future: asyncio.Future[object] = self.wrapper.startReq(request_id)
        self.client.reqMktData(request_id, contract, "", True, False, [])
        return future

    async def request_bars(self, contract: IBContract, *question: object) -> list[BarData]:
        """Ask for bars; ``question``: end, duration, bar size, what to show, regular hours only."""
        request_id = self.client.getReqId()
        future: asyncio.Future[list[BarData]] = self.wrapper.startReq(request_id)
        end, duration, bar_size, what, regular_hours = question
        self.client.reqHistoricalData(
            request_id, contract, end, duration, bar_size, what, regular_hours, 2, False, []
        )
        try:
            return await future
        except asyncio.CancelledError:
            if self.client.isReady():
                self.client.cancelHistoricalData(request_id)
            raise

    def _lost(self) -> None:
        if not self._closing:
            self.callbacks.on_connection_lost(f"connection to {self._where} lost")


class RequestRefusedError(BrokerError):
    """TWS answered a request with an error; ``code`` is its number."""

    def __init__(self, name: str, code: int, message: str) -> None:
        super().__init__(f"broker refused {name}: {code} {message}")
        self.code = code
