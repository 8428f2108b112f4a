"""Which instruments the exchange lists, and the messages that describe them."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from optionsib.brokers.paper.wire import Field, FieldReader, format_price, price_from_number
from optionsib.common.errors import DataError
from optionsib.common.ports import QuoteTape
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


@dataclass(frozen=True, slots=True)
class ContractQuery:
    """A contract as a client describes it; empty or 0 = any. ``strike`` in currency."""

    con_id: int = 0
    symbol: str = ""
    security_type: str = ""
    expiry: str = ""
    strike: float = 0.0
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""


def read_contract(fields: FieldReader) -> ContractQuery:
    """Take the twelve contract fields of a request."""
    con_id, symbol, security_type, expiry = fields.integer(), fields.text(), fields.text(), fields.text()
    strike, right, multiplier, exchange = fields.number(), fields.text(), fields.text(), fields.text()
    fields.skip(1)  # primary exchange
    return ContractQuery(
        con_id,
        symbol,
        security_type,
        expiry,
        strike or 0.0,
        right,
        multiplier,
        exchange,
        fields.text(),
        fields.text(),
        fields.text(),
    )


def read_combo_legs(fields: FieldReader, *, extra_fields: int = 0) -> tuple[ComboLeg, ...]:
    """Take a counted list of combination legs, each followed by ``extra_fields`` unused fields."""
    legs = []
    for _ in range(fields.count(_MAXIMUM_LEGS)):
        legs.append(ComboLeg(fields.integer(), fields.integer(), fields.text(), fields.text()))
        fields.skip(extra_fields)
    return tuple(legs)


class ContractDirectory:
    """The underlying and the options of a tape, found by id or by description."""

    def __init__(self, tape: QuoteTape) -> None:
        self.underlying = tape.underlying
        self.options = tuple(tape.contracts)
        self._listed = (self.underlying, *self.options)
        self.by_id: dict[int, Contract] = {}
        self._market_rules: dict[TickGrid, int] = {}
        for contract in self._listed:
            if contract.con_id in self.by_id:
                raise DataError(f"tape {tape.name}: contract id {contract.con_id} is listed twice")
            if contract.expiry_ns % SECOND_NS:
                raise DataError(
                    f"tape {tape.name}: expiry of contract {contract.con_id} is {contract.expiry_ns} ns, "
                    "a whole second is expected"
                )
            self.by_id[contract.con_id] = contract
            self._market_rules.setdefault(contract.tick_grid, FIRST_MARKET_RULE + len(self._market_rules))
        self._suffix = " (simulated)" if tape.simulated else ""
        opens, closes = local_time(tape.session_open_ns), local_time(tape.session_close_ns)
        self._hours = f"{opens:%Y%m%d:%H%M}-{closes:%Y%m%d:%H%M}"

    def market_rule(self, rule_id: int) -> TickGrid | None:
        """Return the tick grid with this market rule id."""
        for grid, number in self._market_rules.items():
            if number == rule_id:
                return grid
        return None

    def find(self, query: ContractQuery) -> list[Contract]:
        """Return the listed contracts that fit ``query``, in listing order."""
        right = _RIGHTS.get(query.right.upper())
        strike = price_from_number(query.strike)
        if right is None or strike is None or query.exchange not in ("", "SMART", "BEST"):
            return []
        if query.con_id:
            listed = self.by_id.get(query.con_id)
            return [listed] if listed is not None else []
        return [
            contract
            for contract in self._listed
            if query.symbol in ("", contract.symbol)
            and query.security_type in ("", contract.security_type)
            and query.currency in ("", contract.currency)
            and query.trading_class in ("", trading_class(contract))
            and query.local_symbol in ("", local_symbol(contract))
            and (not contract.right or query.multiplier in ("", str(contract.multiplier)))
            and strike in (0, contract.strike)
            and right in ("", contract.right)
            and _expiry_fits(query.expiry, contract)
        ]

    def details(self, request_id: int, contract: Contract, version: int) -> list[Field]:
        """Return the contractDetails message."""
        is_option = contract.security_type == "OPT"
        rule = str(self._market_rules[contract.tick_grid])
        expiry = last_trade_date(contract)
        last_trade = ""
        if contract.expiry_ns:
            last_trade = f"{expiry} {local_time(contract.expiry_ns):%H:%M:%S} {ZONE_NAME}"
        under = self.underlying
        smallest = min(band.increment for band in contract.tick_grid.bands)
        old = version < 164
        sizes: list[Field] = [] if version < 163 else ["1"] if old else ["1", "1", "1"]
        return [
            *([10, 8] if old else [10]),
            request_id,
            contract.symbol,
            contract.security_type,
            last_trade or expiry,
            format_price(contract.strike),
            contract.right,
            contract.exchange,
            contract.currency,
            local_symbol(contract),
            trading_class(contract),  # market name
            trading_class(contract),
            contract.con_id,
            format_price(smallest),
            *(["100"] if old else []),
            contract.multiplier if is_option else "",
            "LMT,WHATIF",
            "SMART",
            1,
            under.con_id if is_option else 0,
            under.symbol + self._suffix,
            "",
            expiry[:6],
            "",
            "",
            "",
            ZONE_NAME,
            self._hours,
            self._hours,
            "",
            0,
            0,
            1,
            under.symbol if is_option else "",
            under.security_type if is_option else "",
            rule,
            contract.expiry_date,
            "" if is_option else "COMMON",
            *sizes,
        ]

    def chain_parameters(self, request_id: int) -> list[list[Field]]:
        """Return one securityDefinitionOptionParameter message a trading class, without the end."""
        classes: dict[tuple[str, int], list[Contract]] = {}
        for contract in self.options:
            classes.setdefault((trading_class(contract), contract.multiplier), []).append(contract)
        messages: list[list[Field]] = []
        for (name, multiplier), contracts in classes.items():
            expiries = sorted({last_trade_date(contract) for contract in contracts})
            strikes = sorted({contract.strike for contract in contracts})
            message: list[Field] = [75, request_id, "SMART", self.underlying.con_id, name, multiplier]
            message += [len(expiries), *expiries]
            message += [len(strikes), *map(format_price, strikes)]
            messages.append(message)
        return messages


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
        contract.multiplier if contract.security_type == "OPT" else "",
        contract.exchange if exchange is None else exchange,
        contract.currency,
        local_symbol(contract),
        trading_class(contract),
    ]


def combo_fields(symbol: str, currency: str) -> list[Field]:
    """Return the eleven contract fields of a combination."""
    return [COMBO_CON_ID, symbol, "BAG", "", "0", "", "", "SMART", currency, symbol, "COMB"]


def _expiry_fits(wanted: str, contract: Contract) -> bool:
    if wanted == "":
        return True
    dates = (last_trade_date(contract), contract.expiry_date)
    if len(wanted) == 6:
        return any(date[:6] == wanted for date in dates)
    return wanted in dates and wanted != ""
