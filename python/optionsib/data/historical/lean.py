"""Play a recorded day of option quotes from LEAN's open file layout (see ``lean_format``).

What the reader makes of the rows:

* A row is a bar that *starts* at its stamp: its close becomes known 60 seconds later.
* An empty side keeps the previous quote; a side never seen is absent; a price of 0 empties a side.
* Bars before the opening and at or after the close of the session are dropped (the underlying's too).
* An update that would cross the quote (bid above ask) is dropped and listed in ``findings``.
* A contract expires at the close of the last session on or before the date in its name.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path

from optionsib.common.errors import DataError
from optionsib.common.ports import TapeQuote, TapeStep
from optionsib.common.types import MINUTE_NS, SECOND_NS, Contract
from optionsib.data.calendars import expiry_instant, midnight_ns, session_bounds
from optionsib.data.contracts import ContractName, option_contracts, underlying_contract
from optionsib.data.historical.lean_format import (
    Member,
    QuoteBar,
    available_dates,
    default_underlying_folder,
    option_archive_name,
    parse_bars,
    parse_member_name,
    read_archive,
    underlying_archive_name,
    underlying_member_name,
)
from optionsib.data.validation import Defect, Finding

__all__ = ["LeanTape", "available_dates"]

_MILLISECOND_NS = SECOND_NS // 1000


class LeanTape:
    """One recorded day of an option chain in LEAN's layout; implements ``QuoteTape``.

    Contract ids are given here, as the files have none: the underlying is 1, the options count from
    1001 in (expiry, strike, call before put) order of the day's own files. Days that list the same
    contracts, as the two TWX days do, therefore agree on every id.

    Parameters
    ----------
    folder
        ``.../option/usa/minute/<symbol>``.
    date
        The trading day; by default the latest one in ``folder``.
    underlying_folder
        By default ``equity/usa/minute/<symbol>`` beside ``option``.

    Attributes
    ----------
    sha256
        Digest over names and contents of the files used, whatever their compression.

    Raises
    ------
    DataError
        If a folder or file is missing, a zip is unreadable, a name or row is broken, or ``date`` is
        no trading day. The message names file, line, column, value and expectation.
    """

    def __init__(
        self, folder: Path, date: dt.date | None = None, underlying_folder: Path | None = None
    ) -> None:
        folder = Path(folder)
        self.date = _choose_date(folder, date)
        self._symbol = folder.resolve().name.upper()
        self.name = f"{self._symbol} {self.date.isoformat()}"
        self.simulated = False
        self.session_open_ns, self.session_close_ns = session_bounds(self.date)
        equity = Path(underlying_folder) if underlying_folder else default_underlying_folder(folder)
        members = read_archive(folder / option_archive_name(self.date))
        spot_member = self._underlying_member(equity)
        self.sha256 = _digest([spot_member, *members])
        named = self._name_contracts(members)
        self.underlying = underlying_contract(self._symbol)
        self.contracts = option_contracts(self._symbol, (name for name, _ in named))
        self._findings: list[Finding] = []
        self._steps = self._read_steps(spot_member, [member for _, member in named])

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the reader met and dropped or noted, by contract and then time."""
        return tuple(self._findings)

    def steps(self) -> Iterator[TapeStep]:
        """Yield one step a minute from a minute after the opening to the close; it may be empty."""
        return iter(self._steps)

    def _underlying_member(self, folder: Path) -> Member:
        path = folder / underlying_archive_name(self.date)
        wanted = underlying_member_name(self.date, self._symbol)
        for member in read_archive(path):
            if member.name == wanted:
                return member
        raise DataError(f"file {path}: has no member {wanted}; expected the quotes of the underlying")

    def _name_contracts(self, members: list[Member]) -> list[tuple[ContractName, Member]]:
        if not members:
            raise DataError(f"{self.name}: the zip of option quotes is empty; expected one CSV a contract")
        named = []
        for member in members:
            name = parse_member_name(member, self.date, self._symbol)
            if expiry_instant(name.expiry) <= self.session_open_ns:
                raise DataError(f"file {member.where}: expired before {self.date}; expected a later expiry")
            named.append((name, member))
        named.sort(key=lambda pair: pair[0])
        return named

    def _read_steps(self, spot_member: Member, option_members: list[Member]) -> tuple[TapeStep, ...]:
        minutes = (self.session_close_ns - self.session_open_ns) // MINUTE_NS
        by_minute: list[list[TapeQuote]] = [[] for _ in range(minutes)]
        contracts = [self.underlying, *self.contracts]
        # Contracts in id order, so each minute's list is in id order too.
        for contract, member in zip(contracts, [spot_member, *option_members], strict=True):
            for minute, quote in self._read_quotes(contract, member):
                by_minute[minute].append(quote)
        return tuple(
            TapeStep(self.session_open_ns + (minute + 1) * MINUTE_NS, tuple(quotes))
            for minute, quotes in enumerate(by_minute)
        )

    def _read_quotes(self, contract: Contract, member: Member) -> Iterator[tuple[int, TapeQuote]]:
        """Yield (minute of the session, quote after it) wherever the quote differs from the one before."""
        midnight = midnight_ns(self.date)
        quote = TapeQuote(contract.con_id, None, 0, None, 0)
        for bar in parse_bars(member):
            start_ns = midnight + bar.start_ms * _MILLISECOND_NS
            if not self.session_open_ns <= start_ns < self.session_close_ns:
                continue
            known_ns = start_ns + MINUTE_NS
            if not bar.consistent:
                self._note(Defect.INCONSISTENT_BAR, contract, known_ns, bar, member)
            if bar.bid == 0 or bar.ask == 0:
                self._note(Defect.ZERO_PRICE, contract, known_ns, bar, member)
            updated = _apply(quote, bar)
            if updated.bid is not None and updated.ask is not None and updated.bid > updated.ask:
                self._note(Defect.CROSSED, contract, known_ns, bar, member, updated)
            elif updated != quote:
                quote = updated
                yield (start_ns - self.session_open_ns) // MINUTE_NS, quote

    def _note(
        self,
        defect: Defect,
        contract: Contract,
        at_ns: int,
        bar: QuoteBar,
        member: Member,
        quote: TapeQuote | None = None,
    ) -> None:
        bid, ask = (bar.bid, bar.ask) if quote is None else (quote.bid, quote.ask)
        expected = {
            Defect.CROSSED: "bid at most ask; this update was dropped",
            Defect.ZERO_PRICE: "a price above 0; the side is taken as empty",
            Defect.INCONSISTENT_BAR: "open and close within low and high; only the close is used",
        }[defect]
        where = f"{member.where}, line {bar.line}"
        self._findings.append(
            Finding(defect, contract.con_id, at_ns, f"bid {bid}, ask {ask}", expected, where)
        )


def _choose_date(folder: Path, date: dt.date | None) -> dt.date:
    dates = available_dates(folder)
    if not dates:
        raise DataError(f"folder {folder}: no option quotes; expected files like 20140606_quote_american.zip")
    if date is None:
        return dates[-1]
    if date not in dates:
        days = ", ".join(day.isoformat() for day in dates)
        raise DataError(f"folder {folder}: no option quotes of {date}; expected one of {days}")
    return date


def _apply(quote: TapeQuote, bar: QuoteBar) -> TapeQuote:
    bid, bid_size = (quote.bid, quote.bid_size) if bar.bid is None else (bar.bid or None, bar.bid_size)
    ask, ask_size = (quote.ask, quote.ask_size) if bar.ask is None else (bar.ask or None, bar.ask_size)
    return TapeQuote(quote.con_id, bid, 0 if bid is None else bid_size, ask, 0 if ask is None else ask_size)


def _digest(members: list[Member]) -> str:
    digest = hashlib.sha256()
    for member in members:
        for part in (member.name.encode(), member.content):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()
