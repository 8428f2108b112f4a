"""Between TWS's values and ours: prices, money, contracts, tick grids, instants.

TWS sends prices as decimal text (decoded to float64), "unset" as 1.7976931348623157e+308, NaN or an
empty field, and local times with a zone name. Ours are exact integers and UTC nanoseconds.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np
from numpy.typing import NDArray

from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import ContractDetails, OptionComputation, PriceIncrement
from optionsib.common.errors import BrokerError
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, SECOND_NS, Contract, TickBand, TickGrid

DEFAULT_ZONE = "America/New_York"
DEFAULT_LAST_TRADE_TIME = "16:00"
_SATURDAY = 5
_UNSET = 1e300  # anything beyond is TWS's "no value"
# Zone names that TWS uses and the zone database does not know.
_ZONE_ALIASES = {
    "": DEFAULT_ZONE,
    "EST": DEFAULT_ZONE,
    "EDT": DEFAULT_ZONE,
    "EST5EDT": DEFAULT_ZONE,
    "US/Eastern": DEFAULT_ZONE,
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "US/Central": "America/Chicago",
}


class BrokerComputation(msgspec.Struct, frozen=True):
    """The broker's own model values of an option, for comparison. None = not computed.

    Per share; vega per point of volatility and theta per day, as TWS shows them.
    """

    implied_volatility: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    theta: float | None
    option_price: float | None
    underlying_price: float | None


def is_set(value: float | None) -> bool:
    """Tell whether TWS gave a value at all."""
    return value is not None and math.isfinite(value) and abs(value) < _UNSET


def price_from_wire(value: float | Decimal | None) -> int | None:
    """Return a decoded price as 1/10000, None if TWS left it unset."""
    number = None if value is None else float(value)
    if number is None or not is_set(number):
        return None
    return round(number * PRICE_SCALE)


def quote_price(price: float, size: float) -> int | None:
    """Return a bid or ask as 1/10000; None where TWS says that the side is empty."""
    if not is_set(price) or price == -1.0 or (price == 0.0 and size == 0.0):
        return None
    return round(price * PRICE_SCALE)


def money_from_wire(value: float) -> int:
    """Return an amount of currency as 1/1000000."""
    return round(value * MONEY_SCALE)


def money_from_text(text: str) -> int:
    """Return an account value as 1/1000000.

    Raises
    ------
    BrokerError
        If the text is not a number.
    """
    try:
        return int((Decimal(text) * MONEY_SCALE).to_integral_value())
    except InvalidOperation as error:
        raise BrokerError(f"account value {text!r} is not a number") from error


def whole_quantity(value: float, what: str) -> int:
    """Return a whole number of contracts.

    Raises
    ------
    BrokerError
        If the value has a fraction.
    """
    if not is_set(value) or value != int(value):
        raise BrokerError(f"{what} is {value}, expected a whole number of contracts")
    return int(value)


def computation_from_wire(raw: OptionComputation) -> BrokerComputation:
    """Return the broker's model values; the sentinels -1 and -2 mean "not computed"."""

    def known(value: float | None, sentinel: float) -> float | None:
        return value if value is not None and is_set(value) and value != sentinel else None

    return BrokerComputation(
        implied_volatility=known(raw.impliedVol, -1.0),
        delta=known(raw.delta, -2.0),
        gamma=known(raw.gamma, -2.0),
        vega=known(raw.vega, -2.0),
        theta=known(raw.theta, -2.0),
        option_price=known(raw.optPrice, -1.0),
        underlying_price=known(raw.undPrice, -1.0),
    )


def model_values_from_wire(raws: Sequence[OptionComputation | None]) -> NDArray[np.float64]:
    """Return implied volatilities and deltas (2, n) as ``computation_from_wire`` does; NaN = none."""
    absent = (np.nan, np.nan)
    pairs = [absent if raw is None else (raw.impliedVol, raw.delta) for raw in raws]
    found = np.array(pairs, dtype=np.float64).reshape(-1, 2).T  # None becomes NaN
    unknown = (found == np.array([[-1.0], [-2.0]])) | ~(np.abs(found) < _UNSET)
    return np.where(unknown, np.nan, found)


def zone(name: str) -> ZoneInfo:
    """Return the time zone that TWS names, for instance ``US/Eastern`` or ``EST (Eastern ...)``.

    Raises
    ------
    BrokerError
        If the name is unknown.
    """
    short = name.split("(")[0].strip()
    try:
        return ZoneInfo(_ZONE_ALIASES.get(short, short))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BrokerError(f"unknown time zone {name!r} in a contract's details") from error


def instant(date: str, time: str, where: ZoneInfo) -> int:
    """Return UTC ns of ``YYYYMMDD`` and ``HH:MM[:SS]`` or ``HHMM`` on the clocks of ``where``.

    Raises
    ------
    BrokerError
        If date or time cannot be read.
    """
    digits = time.replace(":", "").ljust(6, "0")
    try:
        local = dt.datetime.strptime(date + digits, "%Y%m%d%H%M%S").replace(tzinfo=where)
    except ValueError as error:
        raise BrokerError(f"cannot read the instant {date!r} {time!r}: expected YYYYMMDD HH:MM") from error
    return int(local.timestamp()) * SECOND_NS


def expiry_instant(details: ContractDetails) -> int:
    """Return when the contract expires, UTC ns; at 16:00 New York unless TWS says another time.

    The date is the real expiration date. Where that is a weekend (monthly options before 2015 expired
    on a Saturday) it is the last trade date.
    """
    last_trade_date = details.contract.lastTradeDateOrContractMonth[:8] if details.contract else ""
    date = details.realExpirationDate or last_trade_date
    where, time = zone(DEFAULT_ZONE), DEFAULT_LAST_TRADE_TIME
    if details.lastTradeTime:
        where, time = zone(details.timeZoneId), details.lastTradeTime
    expiry = instant(date, time, where)
    weekday = dt.datetime.fromtimestamp(expiry // SECOND_NS, where).weekday()
    if weekday >= _SATURDAY and last_trade_date:
        return instant(last_trade_date, time, where)
    return expiry


def trading_sessions(hours: str, time_zone: str) -> list[tuple[int, int]]:
    """Return (open, close) in UTC ns of each session of a ``liquidHours`` text, in its order.

    Examples are ``20140606:0930-20140606:1600;20140607:CLOSED`` and the older ``20140606:0930-1600``.
    """
    where = zone(time_zone)
    sessions: list[tuple[int, int]] = []
    for day in filter(None, hours.split(";")):
        date, _, spans = day.partition(":")
        if spans == "CLOSED":
            continue
        for span in spans.split(","):
            opening, dash, closing = span.partition("-")
            if not dash:
                raise BrokerError(f"cannot read trading hours {day!r}: expected a span of two times")
            end_date, colon, end_time = closing.partition(":")
            start = instant(date, opening[-4:], where)
            end = instant(end_date, end_time, where) if colon else instant(date, closing, where)
            sessions.append((start, end))
    return sessions


def tick_grid(increments: Iterable[PriceIncrement]) -> TickGrid:
    """Return a market rule as a grid.

    Raises
    ------
    BrokerError
        If the rule is empty, does not start at 0 or has an increment that is not positive.
    """
    bands = sorted(
        TickBand(round(row.lowEdge * PRICE_SCALE), round(row.increment * PRICE_SCALE)) for row in increments
    )
    if not bands or bands[0].lower_edge != 0 or any(band.increment <= 0 for band in bands):
        raise BrokerError(f"market rule {bands} is unusable: expected positive increments from price 0 on")
    return TickGrid(tuple(bands))


def contract_from_wire(details: ContractDetails, grid: TickGrid) -> Contract:
    """Return the contract that ``details`` describes.

    Raises
    ------
    BrokerError
        If the security type is none that is traded here.
    """
    raw = details.contract
    if raw is None or raw.secType not in ("STK", "OPT", "IND"):
        raise BrokerError(f"contract details {details!r} describe neither a stock, an index nor an option")
    is_option = raw.secType == "OPT"
    security_type: Literal["STK", "OPT", "IND"] = raw.secType  # type: ignore[assignment]
    right: Literal["C", "P", ""] = ""
    if is_option:
        if raw.right[:1] not in ("C", "P"):
            raise BrokerError(f"option {raw.conId} has right {raw.right!r}, expected C or P")
        right = "C" if raw.right[:1] == "C" else "P"
    return Contract(
        con_id=raw.conId,
        symbol=raw.symbol,
        security_type=security_type,
        currency=raw.currency or "USD",
        exchange=raw.exchange or "SMART",
        multiplier=int(raw.multiplier or (100 if is_option else 1)),
        right=right,
        strike=round(raw.strike * PRICE_SCALE) if is_option else 0,
        expiry_date=raw.lastTradeDateOrContractMonth[:8] if is_option else "",
        expiry_ns=expiry_instant(details) if is_option else 0,
        local_symbol=raw.localSymbol,
        trading_class=raw.tradingClass,
        tick_grid=grid,
    )


def contract_to_wire(contract: Contract) -> IBContract:
    """Return the TWS contract; ``conId`` and exchange identify it."""
    return IBContract(
        conId=contract.con_id,
        symbol=contract.symbol,
        secType=contract.security_type,
        lastTradeDateOrContractMonth=contract.expiry_date,
        strike=contract.strike / PRICE_SCALE,
        right=contract.right,
        multiplier=str(contract.multiplier) if contract.security_type == "OPT" else "",
        exchange=contract.exchange,
        currency=contract.currency,
        localSymbol=contract.local_symbol,
        tradingClass=contract.trading_class,
    )
