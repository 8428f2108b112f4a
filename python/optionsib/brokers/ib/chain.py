"""How an option chain is loaded: parameters once, then one wildcard look-up an expiry.

``reqSecDefOptParams`` gives the union of strikes of all expiries, so not every combination exists; a
contract-details request that leaves strike and right open returns exactly those that do. One request
an expiry keeps a chain of thousands of contracts far below the message rate.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence

from optionsib.brokers.api import OptionChain
from optionsib.brokers.ib.conversions import contract_from_wire, tick_grid, trading_sessions
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import ContractDetails, PriceIncrement
from optionsib.brokers.ib.library import OptionChain as OptionParameters
from optionsib.brokers.ib.market_data import check_text
from optionsib.brokers.ib.session import RequestRefusedError, TwsSession
from optionsib.common.errors import BrokerError
from optionsib.common.types import TickGrid

_NO_SUCH_CONTRACT = 200
_SIMULATED = "simulated"


class ChainLoader:
    """Loads chains over a session; market rules are asked once each.

    Parameters
    ----------
    timeout : float
        Seconds that the broker may take for one answer.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._grids: dict[int, TickGrid] = {}

    async def load(self, session: TwsSession, symbol: str, not_before_ns: int) -> OptionChain:
        """Return the underlying and all its options in (expiry, strike, right) order, calls first.

        Parameters
        ----------
        session : TwsSession
            An open connection.
        symbol : str
            The underlying, a stock or an index in USD.
        not_before_ns : int
            The trading session is the first one that closes after this instant (UTC ns).

        Raises
        ------
        BrokerError
            If the symbol is unknown or ambiguous, or an answer is missing or unusable.
        """
        check_text("symbol", symbol)
        if not symbol:
            raise BrokerError("symbol is empty, expected the name of a stock or an index")
        underlying = await self._underlying(session, symbol)
        raw = underlying.contract or IBContract()
        parameters = await session.ask(
            f"option parameters of {symbol}",
            lambda: session.reqSecDefOptParamsAsync(symbol, "", raw.secType, raw.conId),
            self._timeout,
        )
        wanted = _expiries(parameters, symbol)
        found = await asyncio.gather(*(self._expiry(session, symbol, *pair) for pair in wanted))
        details = [row for rows in found for row in rows]
        if not details:
            raise BrokerError(f"{symbol} has no options at this broker")
        await self._load_grids(session, [underlying, *details])
        options = [contract_from_wire(row, self._grid(row)) for row in details]
        options.sort(key=lambda c: (c.expiry_ns, c.strike, c.right, c.con_id))
        opening, closing = _session_of(underlying, not_before_ns)
        return OptionChain(
            underlying=contract_from_wire(underlying, self._grid(underlying)),
            options=tuple(options),
            session_open_ns=opening,
            session_close_ns=closing,
            simulated=any(_SIMULATED in row.longName.lower() for row in [underlying, *details]),
        )

    async def _underlying(self, session: TwsSession, symbol: str) -> ContractDetails:
        for security_type in ("STK", "IND"):
            wanted = IBContract(
                symbol=symbol,
                secType=security_type,
                exchange="SMART" if security_type == "STK" else "",
                currency="USD",
            )
            try:
                found = await session.ask(
                    f"contract details of {symbol}",
                    functools.partial(session.reqContractDetailsAsync, wanted),
                    self._timeout,
                )
            except RequestRefusedError as error:
                if error.code != _NO_SUCH_CONTRACT:
                    raise
                continue
            if len(found) > 1:
                raise BrokerError(f"{symbol} is ambiguous at this broker: {[row.contract for row in found]}")
            if found and found[0].contract is not None:
                return found[0]
        raise BrokerError(f"{symbol} is neither a stock nor an index in USD at this broker")

    async def _expiry(
        self, session: TwsSession, symbol: str, expiry: str, trading_class: str
    ) -> list[ContractDetails]:
        wanted = IBContract(
            symbol=symbol,
            secType="OPT",
            lastTradeDateOrContractMonth=expiry,
            exchange="SMART",
            currency="USD",
            tradingClass=trading_class,
        )
        try:
            return await session.ask(
                f"options of {symbol} at {expiry} ({trading_class})",
                lambda: session.reqContractDetailsAsync(wanted),
                self._timeout,
            )
        except RequestRefusedError as error:
            if error.code != _NO_SUCH_CONTRACT:
                raise
            return []  # the union of parameters names an expiry that this class does not have

    async def _load_grids(self, session: TwsSession, details: Sequence[ContractDetails]) -> None:
        rules = sorted({rule for row in details if (rule := _rule_of(row))} - self._grids.keys())

        async def load(rule: int) -> None:
            rows: list[PriceIncrement] = await session.ask(
                f"market rule {rule}",
                lambda: session.request_market_rule(rule),
                self._timeout,
                in_turn=True,
            )
            self._grids[rule] = tick_grid(rows)

        await asyncio.gather(*(load(rule) for rule in rules))

    def _grid(self, details: ContractDetails) -> TickGrid:
        rule = _rule_of(details)
        return self._grids[rule] if rule else tick_grid([PriceIncrement(0.0, details.minTick)])


def _expiries(parameters: Sequence[OptionParameters], symbol: str) -> list[tuple[str, str]]:
    """Choose SMART's rows, or one exchange's where SMART has none; return (expiry, class) pairs."""
    exchanges = sorted({row.exchange for row in parameters})
    if not exchanges:
        raise BrokerError(f"{symbol} has no options at this broker")
    exchange = "SMART" if "SMART" in exchanges else exchanges[0]
    rows = [row for row in parameters if row.exchange == exchange]
    return sorted({(expiry, row.tradingClass) for row in rows for expiry in row.expirations})


def _rule_of(details: ContractDetails) -> int:
    """Return the market rule of SMART (rules stand in the order of the exchanges), 0 if none is named."""
    rules = [rule for rule in details.marketRuleIds.split(",") if rule]
    if not rules:
        return 0
    exchanges = details.validExchanges.split(",")
    position = exchanges.index("SMART") if "SMART" in exchanges else 0
    return int(rules[position] if position < len(rules) else rules[0])


def _session_of(underlying: ContractDetails, not_before_ns: int) -> tuple[int, int]:
    sessions = trading_sessions(underlying.liquidHours or underlying.tradingHours, underlying.timeZoneId)
    for opening, closing in sessions:
        if closing > not_before_ns:
            return opening, closing
    raise BrokerError(
        f"no trading session ahead in {underlying.liquidHours!r} ({underlying.timeZoneId}): "
        "the broker's calendar has no session that closes later than now"
    )
