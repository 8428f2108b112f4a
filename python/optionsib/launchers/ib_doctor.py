"""``optionsib ib doctor``: what keeps the gateway from working with a TWS, IB Gateway or paper exchange.

Connects under its own client id, reads, asks for margin with what-if orders alone, and names each
setting that is wrong and where it stands. It never sends an order that could work.
"""

# Much of the client library is untyped:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from optionsib.brokers.ib.advice import advice
from optionsib.brokers.ib.message_log import MessageLog
from optionsib.brokers.ib.pacing import TokenBucket
from optionsib.brokers.ib.session import TwsSession
from optionsib.common.clock import SystemClock
from optionsib.common.errors import BrokerError
from optionsib.common.types import SECOND_NS
from optionsib.launchers.accounts import mask_account
from optionsib.launchers.doctor import Finding, show
from optionsib.launchers.ib_doctor_symbol import READ_ONLY, SETTINGS, SymbolExamination, read_only_finding
from optionsib.launchers.ib_ear import Ear

T = TypeVar("T")
ANOTHER_ERA_SECONDS = 86_400.0  # a clock that far off plays another day
PAPER = ("DU", "DF", "DI")
_OLD_VERSION = 163  # below it IB refuses some market data (10285)


@dataclass(frozen=True, slots=True)
class DoctorSettings:
    """Whom to examine, and with what."""

    host: str
    port: int
    client_id: int = 8
    symbols: tuple[str, ...] = ("SPY",)
    timeout: float = 10.0
    log_messages: Path | None = None


def examine_broker(settings: DoctorSettings) -> int:
    """Print all findings; return 1 if one is bad."""

    async def whole() -> bool:
        bad = False
        async for finding in findings(settings):
            bad |= show(finding)
        return bad

    return int(asyncio.run(whole()))


def findings(settings: DoctorSettings) -> AsyncIterator[Finding]:
    """Return the findings one after the other, in the running event loop."""
    return _Examination(settings).findings()


class _Examination:
    def __init__(self, settings: DoctorSettings) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._ear = Ear(settings.client_id)
        self._session = TwsSession(self._ear, TokenBucket(40, self._clock.monotonic), tap=self._hear)
        self._message_log: MessageLog | None = None
        self._sent = 0
        self._symbols = SymbolExamination(self._session, self._ear, self._clock, settings.timeout)

    async def findings(self) -> AsyncIterator[Finding]:
        """Yield one finding after the other; the first unreachable thing ends it."""
        where = f"{self._settings.host}:{self._settings.port}"
        reached = await self._reach(where)
        yield reached
        if reached.state == "bad":
            return
        with self._log() as log:
            shaken = await self._shake_hands(where, log)
            yield shaken
            if shaken.state == "bad":
                return
            try:
                async for finding in self._connected():
                    yield finding
            finally:
                await self._session.close()

    async def _connected(self) -> AsyncIterator[Finding]:
        yield self._accounts()
        yield await self._clock_skew()
        async for finding in self._state():
            yield finding
        for symbol in self._settings.symbols:
            async for finding in self._symbols.findings(symbol):
                yield finding
        if not self._symbols.read_only:
            yield Finding("ok", "read-only", "off: nothing was refused for it")
        for finding in self._farms():
            yield finding
        yield self._pacing()

    # --- connection ------------------------------------------------------------------------------------

    async def _reach(self, where: str) -> Finding:
        try:
            async with asyncio.timeout(self._settings.timeout):
                _, writer = await asyncio.open_connection(self._settings.host, self._settings.port)
        except (OSError, TimeoutError) as error:
            reason = getattr(error, "strerror", None) or repr(error)
            return Finding(
                "bad",
                "reachable",
                f"{where}: {reason}. {advice(502)} Tick 'Enable ActiveX and Socket Clients' and compare "
                "'Socket port' (TWS 7497 paper, 7496 live; IB Gateway 4002 paper, 4001 live)",
            )
        writer.close()
        return Finding("ok", "reachable", f"{where} accepts connections")

    async def _shake_hands(self, where: str, log: MessageLog | None) -> Finding:
        settings = self._settings

        self._message_log = log
        try:
            await self._session.open(settings.host, settings.port, settings.client_id, settings.timeout)
        except BrokerError as error:
            if any(code == 326 for _, code, _ in self._ear.errors):
                return Finding(
                    "bad",
                    "client id",
                    f"{settings.client_id} is in use: give another --client-id, or end the other program",
                )
            return Finding(
                "bad",
                "handshake",
                f"{error}. If it accepted the connection and stayed silent: confirm the incoming "
                f"connection in TWS, add this machine under {SETTINGS} > Trusted IPs, or untick 'Allow "
                "connections from localhost only' for another machine",
            )
        if log is not None:
            log.hide(self._session.accounts)
        version = self._session.client.serverVersion()
        if version < _OLD_VERSION:
            return Finding(
                "note",
                "handshake",
                f"server version {version}, client id {settings.client_id} is free; IB refuses some "
                f"market data below version {_OLD_VERSION}: update TWS",
            )
        return Finding("ok", "handshake", f"server version {version}, client id {settings.client_id} is free")

    def _accounts(self) -> Finding:
        accounts = self._session.accounts
        kinds = {"paper" if account.startswith(PAPER) else "live" for account in accounts}
        shown = ", ".join(mask_account(account) for account in accounts)
        if not accounts:
            return Finding("bad", "account", "the login manages no account")
        if kinds == {"paper"} and len(accounts) == 1:
            return Finding("ok", "account", f"{shown}, paper")
        choose = "" if len(accounts) == 1 else "; name the one to trade in session.account"
        return Finding("note", "account", f"{shown}: {' and '.join(sorted(kinds))}{choose}")

    async def _clock_skew(self) -> Finding:
        before = self._clock.monotonic()
        try:
            seconds = await self._ask("the time", self._session.request_time)
        except BrokerError as error:
            return Finding("bad", "clock", f"{error}. Nothing else will be answered in time either")
        round_trip = self._clock.monotonic() - before
        skew = seconds - self._clock.now_ns() / SECOND_NS
        if abs(skew) > ANOTHER_ERA_SECONDS:
            return Finding(
                "note",
                "clock",
                f"{skew / 86_400:+.0f} days from this machine's: a replayed day, or a wrong date",
            )
        text = f"{skew:+.1f} s from this machine's (whole seconds), answered in {round_trip * 1e3:.0f} ms"
        if abs(skew) > 2.0 + round_trip:
            return Finding("bad", "clock", f"{text}: set both machines by NTP")
        return Finding("ok", "clock", text)

    # --- orders and account ------------------------------------------------------------------------------

    async def _state(self) -> AsyncIterator[Finding]:
        session = self._session
        asked: dict[str, Callable[[], Awaitable[Any]]] = {
            "positions": session.reqPositionsAsync,
            "open orders": functools.partial(session.request_open_orders, everyone=True),
            "completed orders": functools.partial(session.reqCompletedOrdersAsync, apiOnly=False),
            "executions": session.reqExecutionsAsync,
        }
        counts: list[str] = []
        for name, request in asked.items():
            try:
                answer = await self._ask(name, request)
            except BrokerError as error:
                yield self._state_problem(name, error)
                continue
            counts.append(f"{len(answer)} {name}")
        if len(counts) == len(asked):
            yield Finding("ok", "state", f"answered: {', '.join(counts)}")
        try:
            following = await self._ask("order ids", session.request_ids)
        except BrokerError as error:
            yield Finding("bad", "order ids", str(error))
            return
        if following <= self._ear.highest_order_id:
            yield Finding(
                "bad",
                "order ids",
                f"the next one is {following}, but an open order has {self._ear.highest_order_id}: TWS "
                f"reissued ids after a restart. {SETTINGS} > Reset API order ID sequence, with no order open",
            )
        else:
            yield Finding("ok", "order ids", f"next {following}, above those of the open orders")

    def _state_problem(self, name: str, error: BrokerError) -> Finding:
        refused = [text for _, code, text in self._ear.errors if code == 321 and READ_ONLY in text.lower()]
        if refused:
            self._symbols.read_only = True
            return read_only_finding(name)
        return Finding("bad", "state", f"{error}. The gateway trades only when this was answered")

    # --- the rest ----------------------------------------------------------------------------------------

    def _farms(self) -> list[Finding]:
        down = {text for _, code, text in self._ear.errors if code in (1100, 2103, 2105, 2110, 2157)}
        up = {text for _, code, text in self._ear.errors if code in (2104, 2106, 2158)}
        return [Finding("note", "farms", text) for text in sorted(down)] or [
            Finding("ok", "farms", f"{len(up)} reported up, none down")
        ]

    def _pacing(self) -> Finding:
        refused = [text for _, code, text in self._ear.errors if code == 100]
        if refused:
            return Finding("bad", "pacing", f"{refused[0]} {advice(100)}")
        return Finding("ok", "pacing", f"{self._sent} messages sent, none refused for their rate")

    def _hear(self, way: Literal["in", "out"], fields: Sequence[str]) -> None:
        self._sent += way == "out"
        if self._message_log is not None:
            self._message_log(way, fields)

    async def _ask(self, name: str, request: Callable[[], Awaitable[T]]) -> T:
        return await self._session.ask(name, request, self._settings.timeout)

    @contextlib.contextmanager
    def _log(self) -> Any:
        path = self._settings.log_messages
        if path is None:
            yield None
            return
        with path.open("w", encoding="utf-8") as stream:
            yield MessageLog(stream, self._clock.now_ns)
