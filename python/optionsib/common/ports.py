"""Protocols that cross the import stair the other way; ``cli`` and ``launchers`` wire them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import msgspec

from optionsib.common.events import AnyEvent, VaultState
from optionsib.common.types import Contract, Order, TickGrid


class Clock(Protocol):
    """``now_ns`` is the only time that is journaled or decided on; ``monotonic`` serves timeouts."""

    def now_ns(self) -> int:
        """Return the session's time, UTC ns."""
        ...

    def monotonic(self) -> float:
        """Return real elapsed seconds."""
        ...


class TapeQuote(msgspec.Struct, frozen=True):
    """Both sides of one contract after a change; None = side absent. Prices 1/10000."""

    con_id: int
    bid: int | None
    bid_size: int
    ask: int | None
    ask_size: int


class TapeStep(msgspec.Struct, frozen=True):
    """All quotes that became known at ``at_ns``; contracts without a change are not named."""

    at_ns: int
    quotes: tuple[TapeQuote, ...]


class QuoteTape(Protocol):
    """One recorded or simulated day of an option chain. The paper exchange plays it."""

    @property
    def name(self) -> str:
        """Short name for people, e.g. ``TWX 2014-06-06``."""
        ...

    @property
    def simulated(self) -> bool:
        """True if no market ever quoted these prices."""
        ...

    @property
    def sha256(self) -> str:
        """Digest of the content, for the journal's genesis."""
        ...

    @property
    def session_open_ns(self) -> int: ...

    @property
    def session_close_ns(self) -> int: ...

    @property
    def underlying(self) -> Contract: ...

    @property
    def contracts(self) -> Sequence[Contract]:
        """The options, in (expiry, strike, right) order with rising ``con_id``."""
        ...

    def steps(self) -> Iterator[TapeStep]:
        """Yield the day in time order; the underlying is quoted under its own ``con_id``."""
        ...


class ContractQuery(msgspec.Struct, frozen=True):
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
    primary_exchange: str = ""


class TradingDay(msgspec.Struct, frozen=True):
    """When one instrument trades on the session of ``date`` (``YYYYMMDD``); UTC ns, half-open.

    ``regular`` lies within ``whole``; (0, 0) where the instrument is closed all day.
    """

    date: str
    whole: tuple[int, int]
    regular: tuple[int, int]


class ContractListing(msgspec.Struct, frozen=True):
    """A contract and what a directory tells about it. ``underlying`` is None for what has none."""

    contract: Contract
    underlying: Contract | None
    long_name: str
    market_name: str
    primary_exchange: str
    exchanges: tuple[str, ...]
    time_zone: str  # of its hours and expiry, an IANA name
    industry: str = ""
    category: str = ""
    subcategory: str = ""
    stock_type: str = ""
    american: bool = False
    dividend_yield: float = 0.0  # continuous, of the underlying; the rate itself for options on futures
    maintenance_margin: int = 0  # of one future, money; 0 where none is named


class ChainParameters(msgspec.Struct, frozen=True):
    """All expiries (``YYYYMMDD``) and all strikes (1/10000) of one trading class on one exchange."""

    exchange: str
    underlying_id: int
    trading_class: str
    multiplier: int
    expiries: tuple[str, ...]
    strikes: tuple[int, ...]


class DayFacts(msgspec.Struct, frozen=True):
    """What a day has shown of one instrument so far. Prices 1/10000, None where nothing traded."""

    last: int | None
    last_size: int
    last_at_ns: int
    open: int | None
    high: int | None
    low: int | None
    previous_close: int | None
    volume: int
    open_interest: int
    average_volume: int
    implied_volatility: float  # at the money, 30 days
    historical_volatility: float  # annualised, of the last 30 sessions


class Bar(msgspec.Struct, frozen=True):
    """Prices (1/10000) from ``start_ns`` (UTC) on; ``average`` is that of its samples. -1 = not known."""

    start_ns: int
    open: int
    high: int
    low: int
    close: int
    volume: int = -1
    average: int = -1
    count: int = -1


class Trade(msgspec.Struct, frozen=True):
    """A trade on the tape. Price 1/10000."""

    at_ns: int
    price: int
    size: int
    exchange: str = ""


PriceKind = Literal["TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK"]


class SimulatedMarket(Protocol):
    """Any symbol, simulated: what the paper exchange lists and quotes besides its tape.

    Everything is a pure function of the market's seed and date and of the arguments; nothing costs
    time unless it is asked for. ``con_id`` always names a contract of this market.
    """

    @property
    def name(self) -> str:
        """Short name for people; says that it is simulated."""
        ...

    @property
    def tick_grids(self) -> Sequence[TickGrid]:
        """Every grid that a contract of this market may have, in an order that never changes."""
        ...

    def find(self, query: ContractQuery) -> Sequence[ContractListing]:
        """Return what fits, in (expiry, strike, call before put) order."""
        ...

    def listing(self, con_id: int) -> ContractListing | None:
        """Return the contract with this id."""
        ...

    def matching(self, pattern: str) -> Sequence[tuple[ContractListing, tuple[str, ...]]]:
        """Return underlyings whose symbol or name begins with ``pattern``, and what derives from them."""
        ...

    def chains(self, con_id: int) -> Sequence[ChainParameters]:
        """Return the option chains of an underlying, one an exchange and trading class."""
        ...

    def trading_days(self, con_id: int, first: str, count: int) -> Sequence[TradingDay]:
        """Return ``count`` calendar days from ``first`` (``YYYYMMDD``) on; a negative count ends there."""
        ...

    def quotes(self, con_ids: Sequence[int], at_ns: int) -> Sequence[TapeQuote]:
        """Return both sides of each contract at ``at_ns``."""
        ...

    def fair_values(self, con_ids: Sequence[int], at_ns: int) -> Sequence[tuple[float, float]]:
        """Return model value (currency) and volatility of options; NaN where there is none."""
        ...

    def spot(self, con_id: int, at_ns: int) -> float:
        """Return the middle price (currency) of an instrument at ``at_ns``."""
        ...

    def facts(self, con_id: int, at_ns: int) -> DayFacts:
        """Return the day so far."""
        ...

    def bars(self, con_id: int, kind: PriceKind, intervals: Sequence[tuple[int, int]]) -> Sequence[Bar]:
        """Return one bar for each interval (UTC ns, half-open, whole seconds, ascending)."""
        ...

    def trades(self, con_id: int, start_ns: int, end_ns: int) -> Sequence[Trade]:
        """Return the trades in ``[start_ns, end_ns)``."""
        ...

    def depth(self, con_id: int, at_ns: int, rows: int) -> tuple[list[BookRow], list[BookRow]]:
        """Return bid and ask rows, best first."""
        ...

    def first_ns(self, con_id: int) -> int:
        """Return the first instant with data (UTC ns)."""
        ...


class BookRow(msgspec.Struct, frozen=True):
    """One row of depth: a market maker's price (1/10000) and size."""

    maker: str
    price: int
    size: int


class CloseTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A close of a trade whose result is known.

    Of the ``opened`` units filled so far ``units_before`` are open still, and ``units`` of them end. ``pnl``:
    base units, net of the commissions of those opening units and of the closing executions. ``opening`` and
    ``closing``: leg executions and how many contracts of each belong to it. ``reference`` names the close.
    """

    reference: str
    trade_id: str
    opened: int
    units_before: int
    units: int
    pnl: int
    opening: tuple[tuple[str, int], ...]
    closing: tuple[tuple[str, int], ...]


class SettlementLedger(Protocol):
    """Where the money of a trade sits.

    Amounts in base units (1/1000000). What is said here is booked and journaled at once and carried out by
    ``advance``; everything is idempotent, so a replay may say all of it again.
    """

    def reserve(self, order: Order, max_loss: int) -> str | None:
        """Raise what is set aside for an opening order to ``max_loss``, fees included.

        Return None, or the reason of a refusal (then all is as before).
        """
        ...

    def restore(self, order: Order, max_loss: int) -> None:
        """Take an order's terms over from the journal of an earlier run; nothing is booked."""
        ...

    def filled(self, reference: str, order_ref: str, units: int) -> None:
        """Note a fill of an opening order; the first one opens the trade on the chain, for the full order."""
        ...

    def free(self, order_ref: str) -> int:
        """Return what an order that was never sent has reserved; give the amount."""
        ...

    def ended(self, order_ref: str) -> None:
        """Note that an order can fill no more: its unfilled part comes back."""
        ...

    def close(self, terms: CloseTerms) -> None:
        """Settle the result of a close, whole or in part."""
        ...

    def awaiting_commission(self, trades: frozenset[str]) -> None:
        """Note which trades have closes that wait for the broker's commissions."""
        ...

    def apart(self, trades: Mapping[str, Mapping[int, int]]) -> None:
        """Note what is left, contracts by ``con_id``, of trades whose options ended without an order."""
        ...

    def reserved(self) -> Sequence[str]:
        """Return the orders that have something set aside and are not open on the chain."""
        ...

    def ending(self) -> frozenset[str]:
        """Return the trades that expire on the chain soon and cannot be extended: close them."""
        ...

    def state(self, at_ns: int) -> VaultState:
        """Return balances and conditions as last seen."""
        ...

    def replay(self, events: Iterable[AnyEvent]) -> None:
        """Rebuild books and outbox from a journal; raise ``SettlementError`` where it contradicts itself."""
        ...

    async def advance(self) -> None:
        """Look at the chain, carry out what is due, and hold the books against it.

        A fault of the chain is not raised: it becomes a condition of the state.
        """
        ...

    async def finish(self) -> None:
        """Carry out what can be within seconds: the session ends. What cannot is done by the next start."""
        ...


@dataclass(frozen=True, slots=True)
class LiveModel:
    """The model that may vote now: SHA-256 of its artefact, its epoch, why it is frozen ("" = it is not)."""

    model_id: str
    epoch: int
    frozen: str = ""


class ModelDirectory(Protocol):
    """Which model version is live."""

    def live_model(self) -> LiveModel | None:
        """Return the model that may vote now; None if there is none."""
        ...
