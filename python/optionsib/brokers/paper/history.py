"""Historical data: what a client asks for, which intervals that means, and the bars of them.

Bars come from one place, so a bar that was streamed and the same bar asked for later are equal. Intraday
bars start at whole multiples of their size by the clock, the first of a session at its opening. Nothing
is shown of what has not happened yet.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from optionsib.brokers.paper.client_times import parse_time
from optionsib.brokers.paper.contract_messages import clock_text
from optionsib.brokers.paper.contracts import ZONE, ContractDirectory
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.wire import Field, format_price
from optionsib.common.ports import Bar, BookRow, PriceKind, TapeQuote, Trade
from optionsib.common.types import PRICE_SCALE, SECOND_NS, Contract

LongSize = Literal["", "day", "week", "month"]

DAY_NS = 86_400 * SECOND_NS
MAXIMUM_BARS = 20_000
MAXIMUM_OPTION_DAYS = 20
MAXIMUM_VOLATILITY_BARS = 1_000
BAR_SIZES: dict[str, int] = {
    "1 secs": 1, "5 secs": 5, "10 secs": 10, "15 secs": 15, "30 secs": 30, "1 min": 60, "2 mins": 120,
    "3 mins": 180, "5 mins": 300, "10 mins": 600, "15 mins": 900, "20 mins": 1200, "30 mins": 1800,
    "1 hour": 3600, "2 hours": 7200, "3 hours": 10800, "4 hours": 14400, "8 hours": 28800,
}  # fmt: skip
_LONG_SIZES: dict[str, LongSize] = {
    "1 day": "day", "1 week": "week", "1W": "week", "1w": "week",
    "1 month": "month", "1M": "month", "1m": "month",
}  # fmt: skip
_SPELLINGS = {"1 sec": "1 secs", "1 mins": "1 min", "1 hours": "1 hour", "1 days": "1 day"}
LEGAL_SIZES = ", ".join([*BAR_SIZES, "1 day", "1W", "1M"])
PRICE_KINDS: dict[str, PriceKind] = {
    "TRADES": "TRADES", "ADJUSTED_LAST": "TRADES", "MIDPOINT": "MIDPOINT", "BID": "BID", "ASK": "ASK",
    "BID_ASK": "BID_ASK",
}  # fmt: skip
VOLATILITIES = ("HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY")
_DURATION = re.compile(r"([0-9]{1,5}) ?([SDWMY])")

Span = tuple[int, int]  # [start, end), UTC ns


class HistoryRefusedError(Exception):
    """Why a request is not answered: the error code and text that the client is told."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True, slots=True)
class BarRequest:
    """A request for bars as it was understood. ``size_ns`` 0 = ``long_size``."""

    contract: Contract
    what: str
    size_ns: int
    long_size: LongSize
    regular: bool
    epoch: bool  # times as seconds since 1970 instead of text
    zone: str
    start_ns: int  # 0: the last ``sessions``
    sessions: int
    end_ns: int


def invalid(request: str, cause: str) -> HistoryRefusedError:
    """Return error 321."""
    return HistoryRefusedError(321, f"Error validating request:-'{request}' : cause - {cause}")


def no_data(contract: Contract, what: str) -> HistoryRefusedError:
    """Return error 162."""
    name = f"{contract.local_symbol or contract.symbol}@{contract.exchange} {what.capitalize()}"
    return HistoryRefusedError(
        162, f"Historical Market Data Service error message:HMDS query returned no data: {name}"
    )


def parse_moment(text: str, now_ns: int, request: str = "bR") -> int:
    """Return the instant (UTC ns) that a client wrote.

    Raises
    ------
    HistoryRefusedError
        If it cannot be read.
    """
    moment = parse_time(text, now_ns)
    if moment is None:
        raise invalid(
            request, f"The date, time, or time-zone entered is invalid: {text[:40]!r}. "
            "The correct format is yyyymmdd hh:mm:ss xx/xxxx"
        )  # fmt: skip
    return moment


def read_bar_request(
    contract: Contract, zone: str, now_ns: int, end: str, size: str, duration: str, regular: bool, what: str,
    format_date: int,
) -> BarRequest:  # fmt: skip
    """Understand the words of reqHistoricalData.

    Raises
    ------
    HistoryRefusedError
        With code 321 and what is legal.
    """
    size = _SPELLINGS.get(size.strip(), size.strip())
    if size not in BAR_SIZES and size not in _LONG_SIZES:
        raise invalid("bI", f"Historical data bar size setting is invalid. Legal ones are: {LEGAL_SIZES}")
    if what not in (*PRICE_KINDS, *VOLATILITIES, "SCHEDULE"):
        legal = ", ".join([*PRICE_KINDS, *VOLATILITIES, "SCHEDULE"])
        raise invalid("bQ", f"Invalid what to show {what[:40]!r}. Legal ones are: {legal}")
    match = _DURATION.fullmatch(duration.strip().upper())
    if match is None or not int(match[1]):
        raise invalid("bJ", f"Historical data query duration string is invalid: {duration[:40]!r}")
    if what == "ADJUSTED_LAST" and end:
        raise invalid("bR", "End date not supported with adjusted last")
    end_ns = min(now_ns, parse_moment(end, now_ns)) if end else now_ns
    count, unit = int(match[1]), match[2]
    start_ns, sessions = 0, 0
    if unit == "S":
        if count > 86_400:
            raise invalid(
                "bJ", "Historical data requests for durations longer than 86400 S must be made in days"
            )
        start_ns = end_ns - count * SECOND_NS
    elif unit == "D":
        sessions = count
    elif unit == "W":
        start_ns = end_ns - 7 * count * DAY_NS
    else:
        start_ns = _months_before(end_ns, count * (12 if unit == "Y" else 1))
    long_size: LongSize = _LONG_SIZES.get(size, "")
    return BarRequest(
        contract, what, 0 if long_size else BAR_SIZES[size] * SECOND_NS, long_size, regular,
        format_date == 2, zone, start_ns, sessions, end_ns,
    )  # fmt: skip


def _months_before(at_ns: int, months: int) -> int:
    local = dt.datetime.fromtimestamp(at_ns // SECOND_NS, ZONE)
    month = local.year * 12 + local.month - 1 - months
    year = max(1971, month // 12)
    day = min(local.day, 28)
    return int(local.replace(year=year, month=month % 12 + 1, day=day).timestamp()) * SECOND_NS


class BarSource:
    """Bars, trades, quotes and depth of any listed contract, up to now."""

    def __init__(self, directory: ContractDirectory, board: QuoteBoard) -> None:
        self._directory = directory
        self._board = board

    def quote(self, con_id: int) -> TapeQuote | None:
        """Return the displayed quote."""
        return self._board.quote(con_id)

    def depth(self, con_id: int, now_ns: int, rows: int) -> tuple[list[BookRow], list[BookRow]]:
        """Return bid and ask rows; a tape knows the best row alone."""
        market = self._directory.market
        if market is not None and self._directory.is_simulated(con_id):
            return market.depth(con_id, now_ns, rows)
        quote = self._board.quote(con_id)
        if quote is None or rows < 1:
            return [], []
        bids = [BookRow("", quote.bid, quote.bid_size)] if quote.bid is not None else []
        asks = [BookRow("", quote.ask, quote.ask_size)] if quote.ask is not None else []
        return bids, asks

    def trades(self, con_id: int, start_ns: int, end_ns: int) -> Sequence[Trade]:
        """Return the trades in ``[start_ns, end_ns)``; a tape has none."""
        market = self._directory.market
        if market is None or not self._directory.is_simulated(con_id):
            return []
        return market.trades(con_id, start_ns, min(end_ns, self._board.now_ns))

    def first_ns(self, con_id: int) -> int:
        """Return the first instant with data."""
        market = self._directory.market
        if market is not None and self._directory.is_simulated(con_id):
            return market.first_ns(con_id)
        return self._directory.trading_days(con_id, self._directory.today, 1)[0].whole[0]

    def windows(self, con_id: int, start_ns: int, end_ns: int, *, regular: bool) -> list[tuple[str, Span]]:
        """Return dates and windows of the sessions that meet ``[start_ns, end_ns)``, ascending."""
        start_ns = max(start_ns, self.first_ns(con_id))
        if end_ns <= start_ns:
            return []
        first = dt.datetime.fromtimestamp(start_ns // SECOND_NS, ZONE).date()
        last = dt.datetime.fromtimestamp(end_ns // SECOND_NS, ZONE).date() + dt.timedelta(days=1)
        days = self._directory.trading_days(con_id, f"{first:%Y%m%d}", (last - first).days + 1)
        found = []
        for day in days:
            begins, ends = day.regular if regular else day.whole
            if begins < end_ns and ends > start_ns:
                found.append((day.date, (begins, ends)))
        return found

    def within_hours(self, con_id: int, spans: Sequence[Span], *, regular: bool) -> list[Span]:
        """Return the spans that lie in a session."""
        if not spans:
            return []
        windows = self.windows(con_id, spans[0][0], spans[-1][1], regular=regular)
        return [
            span
            for span in spans
            if any(begins <= span[0] and span[1] <= ends for _, (begins, ends) in windows)
        ]

    def bars(self, con_id: int, what: str, spans: Sequence[Span]) -> list[Bar]:
        """Return one bar a span; none for spans in which a tape shows nothing."""
        market = self._directory.market
        if market is not None and self._directory.is_simulated(con_id):
            if what in VOLATILITIES:
                return [self._volatility_bar(con_id, what, span) for span in spans]
            return list(market.bars(con_id, PRICE_KINDS[what], spans))
        made = (self._tape_bar(con_id, PRICE_KINDS.get(what, "TRADES"), span) for span in spans)
        return [bar for bar in made if bar is not None]

    def groups(self, wanted: BarRequest) -> list[tuple[str, list[Span]]]:
        """Return for each bar its session date and the spans it is made of."""
        con_id, end_ns = wanted.contract.con_id, wanted.end_ns
        first_ns = self.first_ns(con_id)
        if wanted.sessions:
            reach = (wanted.sessions * 7 // 5 + 12) * DAY_NS
            windows = self.windows(con_id, max(first_ns, end_ns - reach), end_ns, regular=wanted.regular)
            windows = windows[-wanted.sessions :]
            start_ns = first_ns
        else:
            start_ns = max(first_ns, wanted.start_ns)
            windows = self.windows(con_id, start_ns, end_ns, regular=wanted.regular)
        cut = [
            (date, (max(b, start_ns) if wanted.size_ns else b, min(e, end_ns))) for date, (b, e) in windows
        ]
        cut = [(date, span) for date, span in cut if span[1] > span[0]]
        if wanted.size_ns:
            return [(date, [part]) for date, span in cut for part in _slices(span, wanted.size_ns)]
        return [
            (members[0][0], [span for _, span in members])
            for members in (
                list(some) for _, some in groupby(cut, lambda one: _period(one[0], wanted.long_size))
            )
        ]

    def merged(self, con_id: int, wanted: BarRequest, groups: Sequence[tuple[str, list[Span]]]) -> list[Bar]:
        """Return one bar a group."""
        made: list[Bar] = []
        spans = [span for _, parts in groups for span in parts]
        if all(len(parts) == 1 for _, parts in groups):
            return self.bars(con_id, wanted.what, spans)
        for _, parts in groups:
            some = self.bars(con_id, wanted.what, parts)
            if some:
                made.append(_merge(some))
        return made

    def _volatility_bar(self, con_id: int, what: str, span: Span) -> Bar:
        market = self._directory.market
        if market is None:
            raise LookupError(con_id)
        facts = market.facts(con_id, span[1] - SECOND_NS)
        implied = what == "OPTION_IMPLIED_VOLATILITY"
        value = round((facts.implied_volatility if implied else facts.historical_volatility) * PRICE_SCALE)
        return Bar(span[0], value, value, value, value)

    def _tape_bar(self, con_id: int, kind: PriceKind, span: Span) -> Bar | None:
        """Return the bar of a step function: the quote that stood at the start and its changes."""
        standing = self._board.quote_at(con_id, span[0])
        later = [quote for _, quote in self._board.recorded(con_id, *span)]
        quotes = [
            one
            for one in (standing, *later)
            if one is not None and one.bid is not None and one.ask is not None
        ]
        if not quotes or kind == "TRADES":
            return None
        bids = [one.bid for one in quotes if one.bid is not None]
        asks = [one.ask for one in quotes if one.ask is not None]
        if kind == "BID_ASK":
            return Bar(span[0], sum(bids) // len(bids), max(asks), min(bids), sum(asks) // len(asks))
        middles = [(bid + ask) // 2 for bid, ask in zip(bids, asks, strict=True)]
        values = {"BID": bids, "ASK": asks}.get(kind, middles)
        return Bar(span[0], values[0], max(values), min(values), values[-1])


def bar_fields(source: BarSource, wanted: BarRequest, bar: Bar) -> list[Field]:
    """Return date, open, high, low, close, volume, average, count as sent."""
    prices = [format_price(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    average = format_price(bar.average) if bar.average >= 0 else "-1"
    return [bar_date(wanted, bar.start_ns), *prices, bar.volume, average, bar.count]


def bar_date(wanted: BarRequest, start_ns: int) -> str:
    """Return a bar's date: the session of daily and longer bars, else its start."""
    if wanted.long_size:
        # A session of futures begins on the evening before: its middle lies on its own date.
        later = start_ns if wanted.regular else start_ns + 7 * 3600 * SECOND_NS
        return clock_text(later, ZONE.key, "%Y%m%d")
    if wanted.epoch:
        return str(start_ns // SECOND_NS)
    return moment_text(start_ns, wanted.zone)


def moment_text(at_ns: int, zone: str) -> str:
    """Return an instant as ``20260605 15:59:00 America/New_York``."""
    return f"{clock_text(at_ns, zone, '%Y%m%d %H:%M:%S')} {zone}"


def unfinished_interval(
    source: BarSource, con_id: int, wanted: BarRequest, from_ns: int, now_ns: int
) -> list[tuple[str, list[Span]]]:
    """Return the groups that begin at or after ``from_ns``, up to now."""
    recent = BarRequest(
        wanted.contract, wanted.what, wanted.size_ns, wanted.long_size, wanted.regular, wanted.epoch,
        wanted.zone, from_ns, 0, now_ns,
    )  # fmt: skip
    return [(date, parts) for date, parts in source.groups(recent) if parts[0][0] >= from_ns]


def _slices(span: Span, size_ns: int) -> list[Span]:
    """Cut a window at the multiples of ``size_ns`` since midnight New York."""
    begins, ends = span
    local = dt.datetime.fromtimestamp(begins // SECOND_NS, ZONE)
    offset = (local.hour * 3600 + local.minute * 60 + local.second) * SECOND_NS
    edge = begins - offset % size_ns
    cuts = []
    while edge < ends:
        cuts.append((max(edge, begins), min(edge + size_ns, ends)))
        edge += size_ns
    return cuts


def _period(date: str, size: str) -> tuple[int, int] | str:
    if size == "week":
        year, week, _ = dt.date(int(date[:4]), int(date[4:6]), int(date[6:])).isocalendar()
        return year, week
    return date[:6] if size == "month" else date


def _merge(bars: Sequence[Bar]) -> Bar:
    known = all(bar.volume >= 0 for bar in bars)
    volume = sum(bar.volume for bar in bars) if known else -1
    average = -1
    if known:
        total = sum(bar.average * bar.volume for bar in bars)
        average = total // volume if volume else bars[-1].close
    return Bar(
        bars[0].start_ns, bars[0].open, max(bar.high for bar in bars), min(bar.low for bar in bars),
        bars[-1].close, volume, average, sum(bar.count for bar in bars) if known else -1,
    )  # fmt: skip
