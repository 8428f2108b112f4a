"""The doctor's look at one symbol: contract, market data, option chain, and the margin of one option."""

# Much of the client library is untyped:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from optionsib.brokers.ib.advice import advice
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import ContractDetails, LimitOrder, OptionChain, OrderState
from optionsib.brokers.ib.order_entry import preview_from_wire
from optionsib.brokers.ib.session import RequestRefusedError, TwsSession
from optionsib.common.errors import BrokerError
from optionsib.common.ports import Clock
from optionsib.common.types import MONEY_SCALE
from optionsib.launchers.doctor import Finding
from optionsib.launchers.ib_ear import Ear

T = TypeVar("T")
DATA_SECONDS = 3.0  # how long a symbol may take to tick
SETTINGS = "API > Settings"
READ_ONLY = "read-only"
_DATA_TYPES = {1: "live", 2: "frozen", 3: "delayed", 4: "delayed and frozen"}
_PRECAUTIONS = frozenset({109, 163, 382, 383, 451})
_PRESET = 10349


def read_only_finding(what: str) -> Finding:
    """Return the finding that ``what`` was refused because of the Read-Only box."""
    return Finding("bad", "read-only", f"{what} were refused: untick 'Read-Only API' in {SETTINGS}")


class SymbolExamination:
    """Asks about symbols over an open session; ``read_only`` tells whether an order was refused for it."""

    def __init__(self, session: TwsSession, ear: Ear, clock: Clock, timeout: float) -> None:
        self.read_only = False
        self._session = session
        self._ear = ear
        self._clock = clock
        self._timeout = timeout

    async def findings(self, symbol: str) -> AsyncIterator[Finding]:
        """Yield what is found about one symbol: its data, its chain, an option's data and margin."""
        underlying = await self._underlying(symbol)
        if underlying is None or underlying.contract is None:
            yield Finding("bad", symbol, f"no stock or index of this name. {advice(200)}")
            return
        finding, price = await self._market_data(symbol, underlying.contract)
        yield finding
        try:
            text, options = await self._chain(symbol, underlying.contract)
        except BrokerError as error:
            yield Finding("bad", f"{symbol} chain", f"{error}. {advice(460)}")
            return
        yield Finding("ok", f"{symbol} chain", text)
        option = min(options, key=lambda row: abs((row.contract or IBContract()).strike - (price or 0.0)))
        contract = option.contract or IBContract()
        finding, premium = await self._market_data(f"{symbol} option", contract)
        yield finding
        async for finding in self._what_if(contract, premium or option.minTick):
            yield finding

    async def _underlying(self, symbol: str) -> ContractDetails | None:
        for kind, exchange in (("STK", "SMART"), ("IND", "")):
            wanted = IBContract(symbol=symbol, secType=kind, exchange=exchange, currency="USD")
            with contextlib.suppress(RequestRefusedError):
                found = await self._ask(
                    f"contract details of {symbol}",
                    functools.partial(self._session.reqContractDetailsAsync, wanted),
                )
                if found:
                    return found[0]
        return None

    async def _market_data(self, subject: str, contract: IBContract) -> tuple[Finding, float | None]:
        client = self._session.client
        request_id = client.getReqId()
        client.reqMktData(request_id, contract, "", False, False, [])
        give_up_at = self._clock.monotonic() + min(DATA_SECONDS, self._timeout)
        while (
            self._clock.monotonic() < give_up_at and not {1, 2} <= self._ear.prices.get(request_id, {}).keys()
        ):
            await asyncio.sleep(0.05)
        client.cancelMktData(request_id)
        prices = self._ear.prices.get(request_id, {})
        kind = _DATA_TYPES.get(self._ear.data_types.get(request_id, 1), "unknown")
        if any(tick in prices for tick in (66, 67, 68)):
            kind = "delayed"
        said = self._ear.said(request_id)
        price = prices.get(2) or prices.get(1) or prices.get(67) or prices.get(66)
        remarks = "".join(f"; {code} {text}. {advice(code)}" for code, text in said)
        if not prices:
            why = remarks or "; outside trading hours nothing may be quoted"
            return Finding(
                "bad" if said else "note", f"{subject} data", f"no price in {DATA_SECONDS:g} s{why}"
            ), None
        quoted = " / ".join(f"{prices[tick]:g}" for tick in (1, 2, 66, 67) if tick in prices) or "last only"
        if kind != "live":
            return (
                Finding(
                    "bad",
                    f"{subject} data",
                    f"{kind}, {quoted}: not traded on{remarks or '. ' + advice(10167)}",
                ),
                price,
            )
        return Finding("ok", f"{subject} data", f"live, {quoted}{remarks}"), price

    async def _chain(self, symbol: str, underlying: IBContract) -> tuple[str, list[ContractDetails]]:
        session = self._session
        rows: list[OptionChain] = await self._ask(
            f"option parameters of {symbol}",
            lambda: session.reqSecDefOptParamsAsync(symbol, "", underlying.secType, underlying.conId),
        )
        smart = [row for row in rows if row.exchange == "SMART"] or rows
        expiries = sorted({(expiry, row.tradingClass) for row in smart for expiry in row.expirations})
        if not expiries:
            raise BrokerError(f"{symbol} has no options at this broker")
        expiry, trading_class = expiries[0]
        wanted = IBContract(
            symbol=symbol,
            secType="OPT",
            lastTradeDateOrContractMonth=expiry,
            exchange="SMART",
            currency="USD",
            tradingClass=trading_class,
        )
        details: list[ContractDetails] = await self._ask(
            f"options of {symbol} at {expiry}", lambda: session.reqContractDetailsAsync(wanted)
        )
        return f"{len(expiries)} expiries; {len(details)} contracts at the first, {expiry}", details

    async def _what_if(self, contract: IBContract, price: float) -> AsyncIterator[Finding]:
        """Ask for the margin of one contract: the one order here, and it cannot work."""
        session = self._session
        order = LimitOrder("BUY", 1, price, account=self._session.accounts[0], tif="DAY")
        order.whatIf = True
        request_id = session.client.getReqId()

        def ask() -> Awaitable[OrderState]:
            future: Awaitable[OrderState] = session.wrapper.startReq(request_id)
            session.client.placeOrder(request_id, contract, order)
            return future

        try:
            state = await self._ask("a what-if order", ask)
        except RequestRefusedError as error:
            if READ_ONLY in str(error).lower():
                self.read_only = True
                yield read_only_finding("orders")
            else:
                yield Finding("bad", "what-if", f"{error}. {advice(error.code)}")
            return
        except BrokerError as error:
            yield Finding("bad", "what-if", str(error))
            return
        preview = preview_from_wire(state)
        if preview.initial_change is None:
            yield Finding("note", "what-if", "answered without margin figures")
        else:
            yield Finding(
                "ok",
                "what-if",
                f"buying one {contract.localSymbol or contract.symbol} changes the initial margin by "
                f"{preview.initial_change / MONEY_SCALE:,.2f}; nothing was sent to work",
            )
        yield self._presets(request_id, preview.warning)

    def _presets(self, request_id: int, warning: str) -> Finding:
        said = self._ear.said(request_id)
        changed = [text for code, text in said if code == _PRESET]
        if changed:
            return Finding("note", "presets", f"{changed[0]} {advice(_PRESET)}")
        objections = [(code, text) for code, text in said if code in _PRECAUTIONS]
        if objections:
            code, text = objections[0]
            return Finding("bad", "precautions", f"{code} {text}. {advice(code)}")
        hint = (
            "a what-if does not try size limits: tick 'Bypass Order Precautions for API Orders' or raise them"
        )
        return Finding(
            "ok", "presets", f"nothing changed the order{'; ' + warning if warning else ''} ({hint})"
        )

    async def _ask(self, name: str, request: Callable[[], Awaitable[T]]) -> T:
        return await self._session.ask(name, request, self._timeout)
