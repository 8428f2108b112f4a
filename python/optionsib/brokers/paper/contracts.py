"""Which instruments the exchange lists, and the messages that describe them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from optionsib.brokers.paper.wire import Field, FieldReader, format_price, price_from_number
from optionsib.common.errors import DataError
from optionsib.common.ports import (
    ChainParameters,
    ContractListing,
    ContractQuery,
    QuoteTape,
    SimulatedMarket,
    TradingDay,
)
from optionsib.common.types import SECOND_NS, Contract, TickGrid

ZONE_NAME = "America/New_York"
ZONE = ZoneInfo(ZONE_NAME)
COMBO_CON_ID = 28_812_380  # what TWS shows for combinations in US dollars
FIRST_MARKET_RULE = 26
_RIGHTS = {"": "", "?": "", "0": "", "0.0": "", "C": "C", "CALL": "C", "P": "P", "PUT": "P"}
_MAXIMUM_LEGS = 8


def local_time(at_ns: int) -> dt.datetime:
    """Return ``at_ns`` (UTC ns, whole seconds) as New York time."""
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, ZONE)


def time_stamp(at_ns: int) -> str:
    """Return ``at_ns`` the way executions are stamped: ``20140606 10:31:00 America/New_York``."""
    return f"{local_time(at_ns):%Y%m%d %H:%M:%S} {ZONE_NAME}"


@dataclass(frozen=True, slots=True)
class ComboLeg:
    """One leg of a combination as the client wrote it: ``ratio`` contracts, bought or sold."""

    con_id: int
    ratio: int
    action: str
    exchange: str

    @property
    def signed_ratio(self) -> int:
        """The ratio, negative for a leg that a BUY order sells."""
        return self.ratio if self.action == "BUY" else -self.ratio


def read_contract(fields: FieldReader) -> ContractQuery:
    """Take the twelve contract fields of a request."""
    con_id, symbol, security_type, expiry = fields.integer(), fields.text(), fields.text(), fields.text()
    strike, right, multiplier, exchange = fields.number(), fields.text(), fields.text(), fields.text()
    primary_exchange, currency, symbol_here = fields.text(), fields.text(), fields.text()
    return ContractQuery(
        con_id=con_id,
        symbol=symbol,
        security_type=security_type,
        expiry=expiry,
        strike=strike or 0.0,
        right=right,
        multiplier=multiplier,
        exchange=exchange,
        primary_exchange=primary_exchange,
        currency=currency,
        local_symbol=symbol_here,
        trading_class=fields.text(),
    )


def read_combo_legs(fields: FieldReader) -> tuple[ComboLeg, ...]:
    """Take a counted list of combination legs."""
    legs = []
    for _ in range(fields.count(_MAXIMUM_LEGS)):
        legs.append(ComboLeg(fields.integer(), fields.integer(), fields.text(), fields.text()))
    return tuple(legs)


class _ContractsById(Mapping[int, Contract]):
    """All contracts by id: those of the tape, and any other that the simulated market lists."""

    def __init__(self, listed: dict[int, Contract], market: SimulatedMarket | None) -> None:
        self._listed, self._market = listed, market

    def __getitem__(self, con_id: int) -> Contract:
        found = self._listed.get(con_id)
        if found is None and self._market is not None:
            listing = self._market.listing(con_id)
            found = listing.contract if listing is not None else None
        if found is None:
            raise KeyError(con_id)
        return found

    def __contains__(self, con_id: object) -> bool:
        return self.get(con_id) is not None if isinstance(con_id, int) else False

    def __iter__(self) -> Iterator[int]:
        return iter(self._listed)

    def __len__(self) -> int:
        return len(self._listed)


class ContractDirectory:
    """What is listed, found by id or by description: the tape first, then the simulated market.

    ``by_id`` finds any contract; iterating over it gives those of the tape alone.
    """

    def __init__(self, tape: QuoteTape, market: SimulatedMarket | None = None) -> None:
        self.underlying = tape.underlying
        self.options = tuple(tape.contracts)
        self.market = market
        self._listed = (self.underlying, *self.options)
        of_tape: dict[int, Contract] = {}
        self._market_rules: dict[TickGrid, int] = {}
        for contract in self._listed:
            if contract.con_id in of_tape:
                raise DataError(f"tape {tape.name}: contract id {contract.con_id} is listed twice")
            if contract.expiry_ns % SECOND_NS:
                raise DataError(
                    f"tape {tape.name}: expiry of contract {contract.con_id} is {contract.expiry_ns} ns, "
                    "a whole second is expected"
                )
            of_tape[contract.con_id] = contract
            self._add_rule(contract.tick_grid)
        for grid in market.tick_grids if market is not None else ():
            self._add_rule(grid)
        self.tape_ids = frozenset(of_tape)
        self.by_id = _ContractsById(of_tape, market)
        self._suffix = " (simulated)" if tape.simulated else ""
        self._session = (tape.session_open_ns, tape.session_close_ns)
        self.today = f"{local_time(tape.session_open_ns):%Y%m%d}"

    def _add_rule(self, grid: TickGrid) -> None:
        self._market_rules.setdefault(grid, FIRST_MARKET_RULE + len(self._market_rules))

    def is_simulated(self, con_id: int) -> bool:
        """Whether the contract belongs to the simulated market and not to the tape."""
        return con_id not in self.tape_ids

    def underlying_of(self, contract: Contract) -> Contract | None:
        """Return what an option or a future is on; None for anything else."""
        listing = self.listing(contract.con_id)
        return None if listing is None else listing.underlying

    def future_margin(self, contract: Contract) -> int:
        """Return the maintenance margin of one future (money); 0 where none is named."""
        listing = self.listing(contract.con_id)
        return 0 if listing is None else listing.maintenance_margin

    def market_rule(self, rule_id: int) -> TickGrid | None:
        """Return the tick grid with this market rule id."""
        for grid, number in self._market_rules.items():
            if number == rule_id:
                return grid
        return None

    def rule_of(self, contract: Contract) -> int:
        """Return the market rule id of a contract."""
        return self._market_rules[contract.tick_grid]

    def find(self, query: ContractQuery) -> list[Contract]:
        """Return the listed contracts that fit ``query``, in listing order."""
        right = _RIGHTS.get(query.right.upper())
        strike = price_from_number(query.strike)
        if right is None or strike is None:
            return []
        if query.con_id:
            listed = self.by_id.get(query.con_id)
            return [listed] if listed is not None else []
        found = []
        if query.exchange in ("", "SMART", "BEST"):
            found = [one for one in self._listed if _fits(query, one, strike, right)]
        if found or self.market is None or query.symbol == self.underlying.symbol:
            return found
        return [
            listing.contract
            for listing in self.market.find(query)
            if listing.contract.symbol != self.underlying.symbol
        ]

    def listing(self, con_id: int) -> ContractListing | None:
        """Return what is known about a contract."""
        if con_id not in self.tape_ids:
            return self.market.listing(con_id) if self.market is not None else None
        contract = self.by_id[con_id]
        is_option = contract.kind != 0
        is_derived = contract.con_id != self.underlying.con_id
        return ContractListing(
            contract=contract,
            underlying=self.underlying if is_derived else None,
            long_name=self.underlying.symbol + self._suffix,
            market_name=trading_class(contract),
            primary_exchange="",
            exchanges=("SMART",),
            time_zone=ZONE_NAME,
            stock_type="" if is_option else "COMMON",
        )

    def trading_days(self, con_id: int, first: str, count: int) -> list[TradingDay]:
        """Return calendar days as ``SimulatedMarket.trading_days``; a tape knows its own day alone."""
        if con_id not in self.tape_ids:
            return list(self.market.trading_days(con_id, first, count)) if self.market is not None else []
        start = dt.date(int(first[:4]), int(first[4:6]), int(first[6:])) + dt.timedelta(
            days=min(0, count + 1)
        )
        labels = [f"{start + dt.timedelta(days=k):%Y%m%d}" for k in range(abs(count))]
        return [TradingDay(self.today, self._session, self._session)] if self.today in labels else []

    def chains(self, symbol: str, security_type: str, con_id: int, exchange: str) -> list[ChainParameters]:
        """Return the option chains of an underlying; empty if there is no such underlying.

        ``exchange`` is that of options on a future, empty for any.
        """
        under = self.underlying
        if (symbol, security_type) == (under.symbol, under.security_type):
            return self._tape_chains() if con_id in (0, under.con_id) else []
        found = self.by_id.get(con_id)
        if self.market is None or found is None or con_id in self.tape_ids:
            return []
        if (found.symbol, found.security_type) != (symbol, security_type):
            return []
        return [one for one in self.market.chains(con_id) if exchange in ("", one.exchange)]

    def _tape_chains(self) -> list[ChainParameters]:
        classes: dict[tuple[str, int], list[Contract]] = {}
        for contract in self.options:
            classes.setdefault((trading_class(contract), contract.multiplier), []).append(contract)
        return [
            ChainParameters(
                "SMART",
                self.underlying.con_id,
                name,
                multiplier,
                tuple(sorted({last_trade_date(contract) for contract in contracts})),
                tuple(sorted({contract.strike for contract in contracts})),
            )
            for (name, multiplier), contracts in classes.items()
        ]


def _fits(query: ContractQuery, contract: Contract, strike: int, right: str) -> bool:
    return (
        query.symbol in ("", contract.symbol)
        and query.security_type in ("", contract.security_type)
        and query.currency in ("", contract.currency)
        and query.trading_class in ("", trading_class(contract))
        and query.local_symbol in ("", local_symbol(contract))
        and (not contract.right or query.multiplier in ("", str(contract.multiplier)))
        and strike in (0, contract.strike)
        and right in ("", contract.right)
        and _expiry_fits(query.expiry, contract)
    )


def last_trade_date(contract: Contract) -> str:
    """Return the New York date of the expiry instant, ``YYYYMMDD``."""
    if contract.expiry_ns:
        return f"{local_time(contract.expiry_ns):%Y%m%d}"
    return contract.expiry_date


def trading_class(contract: Contract) -> str:
    """Return the trading class; the symbol where the tape names none."""
    return contract.trading_class or contract.symbol


def local_symbol(contract: Contract) -> str:
    """Return the local symbol; the OCC symbol of an option where the tape names none."""
    if contract.local_symbol or not contract.right:
        return contract.local_symbol or contract.symbol
    date = last_trade_date(contract)[2:]
    return f"{trading_class(contract):<6}{date}{contract.right}{contract.strike // 10:08d}"


def contract_fields(contract: Contract, *, exchange: str | None = None) -> list[Field]:
    """Return the eleven contract fields of an answer (positions leave the exchange empty)."""
    return [
        contract.con_id,
        contract.symbol,
        contract.security_type,
        last_trade_date(contract),
        format_price(contract.strike),
        contract.right,
        contract.multiplier if contract.security_type in ("OPT", "FUT", "FOP") else "",
        contract.exchange if exchange is None else exchange,
        contract.currency,
        local_symbol(contract),
        trading_class(contract),
    ]


def combo_fields(symbol: str, currency: str, exchange: str) -> list[Field]:
    """Return the eleven contract fields of a combination."""
    return [COMBO_CON_ID, symbol, "BAG", "", "0", "", "", exchange or "SMART", currency, symbol, "COMB"]


def _expiry_fits(wanted: str, contract: Contract) -> bool:
    if wanted == "":
        return True
    dates = (last_trade_date(contract), contract.expiry_date)
    if len(wanted) == 6:
        return any(date[:6] == wanted for date in dates)
    return wanted in dates and wanted != ""
