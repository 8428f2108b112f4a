"""The messages that describe contracts: details, chains, symbol samples, market rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from optionsib.brokers.paper.contracts import (
    COMBO_CON_ID,
    FIRST_MARKET_RULE,
    ContractDirectory,
    last_trade_date,
    local_symbol,
    trading_class,
)
from optionsib.brokers.paper.wire import Field, format_price
from optionsib.common.ports import ChainParameters, ContractListing, TradingDay
from optionsib.common.types import SECOND_NS, Contract, TickGrid

DAYS_OF_HOURS = 6
_ORDER_TYPES = (
    "ACTIVETIM,AD,ADJUST,ALGO,ALLOC,AVGCOST,BASKET,COND,CONDORDER,DAY,DEACT,GAT,GTC,GTD,IOC,LMT,MKT,NONALGO,"
    "OCA,OPENCLOSE,SCALE,STP,STPLMT,TRAIL,TRAILLIT,TRAILLMT,WHATIF"
)


def clock_text(at_ns: int, zone: str, pattern: str = "%Y%m%d:%H%M") -> str:
    """Return an instant (UTC ns) by the clock of ``zone``."""
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, ZoneInfo(zone)).strftime(pattern)


def hours_text(days: Sequence[TradingDay], zone: str, *, regular: bool) -> str:
    """Return hours as TWS writes them: ``20090507:0700-20090507:1830;20090508:CLOSED``."""
    parts = []
    for day in days:
        begins, ends = day.regular if regular else day.whole
        span = f"{clock_text(begins, zone)}-{clock_text(ends, zone)}" if ends else f"{day.date}:CLOSED"
        parts.append(span)
    return ";".join(parts)


def contract_details(
    directory: ContractDirectory, request_id: int, contract: Contract, version: int, *, exchange: str = ""
) -> list[Field]:
    """Return the contractDetails message; ``exchange`` is the one that the client named."""
    listing = directory.listing(contract.con_id)
    if listing is None:  # a contract comes from the directory: it cannot have left it
        raise LookupError(f"contract {contract.con_id} is not listed")
    days = directory.trading_days(contract.con_id, directory.today, DAYS_OF_HOURS)
    zone, under = listing.time_zone, listing.underlying
    expiry = last_trade_date(contract)
    last_trade = expiry
    if contract.expiry_ns:
        last_trade = clock_text(contract.expiry_ns, zone, "%Y%m%d %H:%M:%S ") + zone
    smallest = min(band.increment for band in contract.tick_grid.bands)
    old = version < 164
    sizes: list[Field] = [] if version < 163 else ["1"] if old else ["1", "1", "1"]
    multiplied = contract.security_type in ("OPT", "FUT", "FOP")
    return [
        *([10, 8] if old else [10]),
        request_id,
        contract.symbol,
        contract.security_type,
        last_trade,
        format_price(contract.strike),
        contract.right,
        exchange if exchange in listing.exchanges else contract.exchange,
        contract.currency,
        local_symbol(contract),
        listing.market_name,
        trading_class(contract),
        contract.con_id,
        format_price(smallest),
        *(["100"] if old else []),
        contract.multiplier if multiplied else "",
        _ORDER_TYPES,
        ",".join(listing.exchanges),
        1,
        under.con_id if under is not None else 0,
        listing.long_name,
        listing.primary_exchange,
        expiry[:6],
        listing.industry,
        listing.category,
        listing.subcategory,
        zone,
        hours_text(days, zone, regular=False),
        hours_text(days, zone, regular=True),
        "",
        0,
        0,
        1,
        under.symbol if under is not None else "",
        under.security_type if under is not None else "",
        ",".join([str(directory.rule_of(contract))] * len(listing.exchanges)),
        contract.expiry_date,
        listing.stock_type,
        *sizes,
    ]


def combo_details(request_id: int, symbol: str, currency: str, version: int) -> list[Field]:
    """Return the contractDetails message of a combination: little is known about one."""
    old = version < 164
    sizes: list[Field] = [] if version < 163 else ["1"] if old else ["1", "1", "1"]
    identity: list[Field] = [
        request_id,
        symbol,
        "BAG",
        "",
        "0",
        "",
        "SMART",
        currency,
        symbol,
        "COMB",
        "COMB",
    ]
    identity += [COMBO_CON_ID, "0.01"]
    unknown: list[Field] = [
        "",
        _ORDER_TYPES,
        "SMART",
        1,
        0,
        *[""] * 10,
        0,
        0,
        0,
        "",
        "",
        FIRST_MARKET_RULE,
        "",
        "",
    ]
    return [
        *([10, 8] if old else [10]),
        *identity,
        *(["100"] if old else []),
        *unknown,
        *sizes,
    ]  # fmt: skip


def chain_message(request_id: int, chain: ChainParameters) -> list[Field]:
    """Return the securityDefinitionOptionParameter message."""
    message: list[Field] = [75, request_id, chain.exchange, chain.underlying_id, chain.trading_class]
    message += [chain.multiplier, len(chain.expiries), *chain.expiries]
    return [*message, len(chain.strikes), *map(format_price, chain.strikes)]


def samples_message(
    request_id: int, found: Sequence[tuple[ContractListing, tuple[str, ...]]], version: int
) -> list[Field]:
    """Return the symbolSamples message."""
    message: list[Field] = [79, request_id, len(found)]
    for listing, derived in found:
        contract = listing.contract
        message += [contract.con_id, contract.symbol, contract.security_type]
        message += [listing.primary_exchange, contract.currency, len(derived), *derived]
        if version >= 176:
            message += [listing.long_name, ""]
    return message


def rule_message(rule_id: int, grid: TickGrid) -> list[Field]:
    """Return the marketRule message."""
    bands: list[Field] = []
    for band in grid.bands:
        bands += [format_price(band.lower_edge), format_price(band.increment)]
    return [93, rule_id, len(grid.bands), *bands]
