"""Requests about the past: bars, real-time bars, head timestamp, historical ticks, histogram."""

from __future__ import annotations

from collections import Counter

from optionsib.brokers.paper.contract_messages import clock_text
from optionsib.brokers.paper.contracts import ZONE_NAME, ContractDirectory, read_combo_legs, read_contract
from optionsib.brokers.paper.feeds import REAL_TIME_BAR_NS, HistoryFeed, RealTimeBarFeed
from optionsib.brokers.paper.history import (
    MAXIMUM_BARS,
    MAXIMUM_OPTION_DAYS,
    MAXIMUM_VOLATILITY_BARS,
    PRICE_KINDS,
    VOLATILITIES,
    BarRequest,
    BarSource,
    HistoryRefusedError,
    bar_fields,
    invalid,
    moment_text,
    no_data,
    parse_moment,
    read_bar_request,
)
from optionsib.brokers.paper.session import ExchangeClock, RequestHandler, Session
from optionsib.brokers.paper.wire import Field, FieldReader, format_price, format_ratio
from optionsib.common.ports import ContractQuery
from optionsib.common.types import SECOND_NS, Contract

MAXIMUM_TICKS = 1_000
_OPTIONS = ("OPT", "FOP")


class HistoryRequests:
    """Answers from the one source of bars; a refusal is error 162 or 321 with its cause."""

    def __init__(self, clock: ExchangeClock, directory: ContractDirectory, source: BarSource) -> None:
        self._clock = clock
        self._directory = directory
        self._source = source
        self.handlers: dict[int, RequestHandler] = {
            20: self._bars,
            25: self._bars_stop,
            50: self._real_time_bars,
            51: self._real_time_bars_stop,
            87: self._head_timestamp,
            88: self._histogram,
            89: self._accept_silently,
            90: self._accept_silently,
            96: self._ticks,
        }

    def _accept_silently(self, session: Session, fields: FieldReader) -> None:
        pass

    def _contract(self, query: ContractQuery) -> Contract:
        found = self._directory.find(query) if query.security_type != "BAG" else []
        if len(found) != 1:
            raise HistoryRefusedError(200, "No security definition has been found for the request")
        return found[0]

    # --- bars ----------------------------------------------------------------------------------------

    def _bars(self, session: Session, fields: FieldReader) -> None:
        request_id = fields.integer(None)
        query = read_contract(fields)
        fields.skip(1)  # include expired
        end, size, duration, regular, what = (
            fields.text(), fields.text(), fields.text(), fields.boolean(), fields.text()
        )  # fmt: skip
        format_date = fields.integer(1)
        if query.security_type == "BAG":
            read_combo_legs(fields)
        keep = fields.boolean()
        try:
            if request_id in session.feeds:
                raise HistoryRefusedError(322, "Error processing request: Duplicate ticker id")
            contract = self._contract(query)
            wanted = read_bar_request(
                contract,
                self._zone(contract),
                self._clock.now_ns,
                end,
                size,
                duration,
                regular,
                what,
                format_date,
            )
            if what == "SCHEDULE":
                self._send_schedule(session, request_id, wanted)
                return
            self._check(wanted)
            if keep and (end or (wanted.size_ns and wanted.size_ns < REAL_TIME_BAR_NS)):
                raise invalid("bR", "keepUpToDate needs an empty end date and bars of 5 secs or more")
            self._send_bars(session, request_id, wanted, keep=keep)
        except HistoryRefusedError as refusal:
            session.error(request_id, refusal.code, refusal.text)

    def _check(self, wanted: BarRequest) -> None:
        """Refuse what IB has no data for, and what would keep the exchange busy for long."""
        kind, what = wanted.contract.security_type, wanted.what
        if kind in _OPTIONS and (what in VOLATILITIES or wanted.long_size):
            raise no_data(wanted.contract, what)  # IB keeps no end-of-day data of options
        if kind == "CASH" and PRICE_KINDS.get(what) == "TRADES":
            raise no_data(wanted.contract, what)
        if kind == "IND" and PRICE_KINDS.get(what) not in ("TRADES", None):
            raise no_data(wanted.contract, what)
        if what in VOLATILITIES and kind not in ("STK", "IND"):
            raise no_data(wanted.contract, what)

    def _send_bars(self, session: Session, request_id: int, wanted: BarRequest, *, keep: bool) -> None:
        groups = self._source.groups(wanted)
        dates = {date for date, _ in groups}
        most = MAXIMUM_VOLATILITY_BARS if wanted.what in VOLATILITIES else MAXIMUM_BARS
        if len(groups) > most:
            raise invalid("bJ", f"Time length exceeds max: {len(groups)} bars, at most {most}")
        if wanted.contract.security_type in _OPTIONS and len(dates) > MAXIMUM_OPTION_DAYS:
            raise invalid("bJ", f"Time length exceeds max: {MAXIMUM_OPTION_DAYS} D for options")
        bars = self._source.merged(wanted.contract.con_id, wanted, groups)
        if not bars and not keep:
            raise no_data(wanted.contract, wanted.what)
        begins = wanted.start_ns or (groups[0][1][0][0] if groups else wanted.end_ns)
        message: list[Field] = [17, request_id]
        message += [moment_text(begins, wanted.zone), moment_text(wanted.end_ns, wanted.zone), len(bars)]
        for bar in bars:
            message += bar_fields(self._source, wanted, bar)
        session.send(message)
        if keep:
            last = bars[-1].start_ns if bars else self._clock.now_ns
            session.feeds[request_id] = HistoryFeed(request_id, wanted.contract, self._source, wanted, last)

    def _send_schedule(self, session: Session, request_id: int, wanted: BarRequest) -> None:
        if wanted.long_size != "day":
            raise invalid("bQ", "SCHEDULE needs bars of 1 day")
        windows = [(date, parts[0]) for date, parts in self._source.groups(wanted)]
        if not windows:
            raise no_data(wanted.contract, wanted.what)
        days = {day.date: day for day in self._directory.trading_days(
            wanted.contract.con_id, windows[0][0], 1 + len(windows) * 2 + 10)}  # fmt: skip
        pattern = "%Y%m%d-%H:%M:%S"
        rows: list[Field] = []
        for date, span in windows:
            day = days.get(date)
            whole = span if day is None else day.regular if wanted.regular else day.whole
            rows += [
                clock_text(whole[0], wanted.zone, pattern),
                clock_text(whole[1], wanted.zone, pattern),
                date,
            ]
        session.send([106, request_id, rows[0], rows[-2], wanted.zone, len(windows), *rows])

    def _zone(self, contract: Contract) -> str:
        listing = self._directory.listing(contract.con_id)
        return ZONE_NAME if listing is None else listing.time_zone

    def _bars_stop(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        feed = session.feeds.get(request_id)
        if feed is None or feed.cancelled_by != 25:
            session.error(request_id, 366, f"No historical data query found for ticker id:{request_id}")
            return
        del session.feeds[request_id]
        session.error(
            request_id, 162,
            f"Historical Market Data Service error message:API historical data query cancelled: {request_id}",
        )  # fmt: skip

    def _real_time_bars(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        query = read_contract(fields)
        size, what, regular = fields.integer(), fields.text(), fields.boolean()
        try:
            if request_id in session.feeds or request_id in session.lines:
                raise HistoryRefusedError(322, "Error processing request: Duplicate ticker id")
            contract = self._contract(query)
            if size != 5:
                raise invalid("bS", f"Real-time bars are 5 seconds long, got {size}")
            if what not in ("TRADES", "MIDPOINT", "BID", "ASK"):
                raise invalid("bQ", f"Invalid what to show {what[:40]!r}: TRADES, MIDPOINT, BID or ASK")
            wanted = read_bar_request(
                contract, self._zone(contract), self._clock.now_ns, "", "5 secs", "1 D", regular, what, 2
            )
            self._check(wanted)
        except HistoryRefusedError as refusal:
            code = 420 if refusal.code == 162 else refusal.code
            session.error(request_id, code, refusal.text)
            return
        now_ns = self._clock.now_ns
        begins = now_ns - now_ns % REAL_TIME_BAR_NS
        session.feeds[request_id] = RealTimeBarFeed(request_id, contract, self._source, what, regular, begins)

    def _real_time_bars_stop(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        feed = session.feeds.get(request_id)
        if feed is None or feed.cancelled_by != 51:
            session.error(request_id, 300, f"Can't find EId with tickerId:{request_id}")
        else:
            del session.feeds[request_id]

    # --- other pictures of the past ------------------------------------------------------------------

    def _head_timestamp(self, session: Session, fields: FieldReader) -> None:
        request_id = fields.integer(None)
        query = read_contract(fields)
        fields.skip(1)  # include expired
        fields.boolean()  # regular hours: our first instant is the opening of a session either way
        what, format_date = fields.text(), fields.integer(1)
        try:
            contract = self._contract(query)
            if what not in PRICE_KINDS:
                raise invalid("bQ", f"Invalid what to show {what[:40]!r}")
            first = self._source.first_ns(contract.con_id)
        except HistoryRefusedError as refusal:
            session.error(request_id, refusal.code, refusal.text)
            return
        text = str(first // SECOND_NS) if format_date == 2 else clock_text(first, "UTC", "%Y%m%d-%H:%M:%S")
        session.send([88, request_id, text])

    def _histogram(self, session: Session, fields: FieldReader) -> None:
        request_id = fields.integer(None)
        query = read_contract(fields)
        fields.skip(1)  # include expired
        regular, period = fields.boolean(), fields.text()
        number, _, unit = period.strip().partition(" ")
        try:
            contract = self._contract(query)
            wanted = read_bar_request(
                contract, self._zone(contract), self._clock.now_ns, "", "1 min",
                f"{number} {unit[:1].upper()}",
                regular, "TRADES", 2,
            )  # fmt: skip
            self._check(wanted)
            groups = self._source.groups(wanted)
            if len(groups) > MAXIMUM_BARS or contract.security_type in _OPTIONS:
                raise invalid("cw", f"Time length exceeds max: {period[:20]!r}")
        except HistoryRefusedError as refusal:
            session.error(request_id, refusal.code, refusal.text)
            return
        sizes: Counter[int] = Counter()
        for bar in self._source.merged(contract.con_id, wanted, groups):
            sizes[bar.close] += max(bar.volume, 0)
        rows: list[Field] = []
        for price, size in sorted(sizes.items()):
            rows += [format_price(price), size]
        session.send([89, request_id, len(sizes), *rows])

    def _ticks(self, session: Session, fields: FieldReader) -> None:
        request_id = fields.integer(None)
        query = read_contract(fields)
        fields.skip(1)  # include expired
        start, end = fields.text(), fields.text()
        count, what, regular = fields.integer(), fields.text(), fields.boolean()
        try:
            contract = self._contract(query)
            if bool(start) == bool(end):
                raise invalid(
                    "bR", "Start or end of historical ticks must be given, one of them and empty the other"
                )
            if not 1 <= count <= MAXIMUM_TICKS or what not in ("TRADES", "BID_ASK", "MIDPOINT"):
                raise invalid(
                    "bQ",
                    f"1 to {MAXIMUM_TICKS} ticks of TRADES, BID_ASK or MIDPOINT, got {count} {what[:20]!r}",
                )
            moment = min(parse_moment(start or end, self._clock.now_ns), self._clock.now_ns)
        except HistoryRefusedError as refusal:
            session.error(request_id, refusal.code, refusal.text)
            return
        spans = self._seconds(contract, moment, count, forward=bool(start), regular=regular)
        self._send_ticks(session, request_id, contract, what, spans)

    def send_past_ticks(
        self, session: Session, request_id: int, contract: Contract, kind: str, count: int
    ) -> None:
        """Send the ticks before a tick-by-tick subscription begins."""
        what = {"BidAsk": "BID_ASK", "MidPoint": "MIDPOINT"}.get(kind, "TRADES")
        count = min(max(count, 0), MAXIMUM_TICKS)
        spans = self._seconds(contract, self._clock.now_ns, count, forward=False, regular=False)
        self._send_ticks(session, request_id, contract, what, spans)

    def _seconds(
        self, contract: Contract, moment_ns: int, count: int, *, forward: bool, regular: bool
    ) -> list[tuple[int, int]]:
        """Return up to ``count`` seconds of trading time from ``moment_ns`` on, or before it."""
        now_ns, con_id = self._clock.now_ns, contract.con_id
        week = 7 * 86_400 * SECOND_NS
        first, last = (moment_ns, min(now_ns, moment_ns + week)) if forward else (moment_ns - week, moment_ns)
        seconds: list[tuple[int, int]] = []
        windows = self._source.windows(con_id, first, last, regular=regular)
        for _, (begins, ends) in windows if forward else windows[::-1]:
            low, high = max(begins, first), min(ends, last)
            starts = range(low, high, SECOND_NS) if forward else range(high - SECOND_NS, low - 1, -SECOND_NS)
            room = count - len(seconds)
            seconds += [(at, at + SECOND_NS) for at in starts[:room]]
        return sorted(seconds)

    def _send_ticks(
        self, session: Session, request_id: int, contract: Contract, what: str, spans: list[tuple[int, int]]
    ) -> None:
        con_id = contract.con_id
        rows: list[Field] = []
        count = 0
        if what == "TRADES":
            for begins, ends in _runs(spans):
                for trade in self._source.trades(con_id, begins, ends):
                    rows += [
                        trade.at_ns // SECOND_NS,
                        0,
                        format_price(trade.price),
                        trade.size,
                        trade.exchange,
                        "",
                    ]
                    count += 1
            session.send([98, request_id, count, *rows, 1])
            return
        tradable = contract.security_type != "IND"
        bids = self._source.bars(con_id, "BID", spans) if tradable else []
        asks = self._source.bars(con_id, "ASK", spans) if tradable else []
        before: tuple[int, int] | None = None
        for bid, ask in zip(bids, asks, strict=True):
            if (bid.open, ask.open) == before or not bid.open:
                continue
            before = (bid.open, ask.open)
            count += 1
            at = bid.start_ns // SECOND_NS
            if what == "BID_ASK":
                rows += [at, 0, format_price(bid.open), format_price(ask.open), 1, 1]
            else:
                rows += [at, 0, format_ratio(bid.open + ask.open, 2), 0]
        session.send([97 if what == "BID_ASK" else 96, request_id, count, *rows, 1])


def _runs(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join adjoining spans."""
    joined: list[tuple[int, int]] = []
    for begins, ends in spans:
        if joined and joined[-1][1] == begins:
            joined[-1] = (joined[-1][0], ends)
        else:
            joined.append((begins, ends))
    return joined
