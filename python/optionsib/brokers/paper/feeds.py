"""Subscriptions beside top-of-book quotes: depth, tick-by-tick data, real-time bars, live history."""

from __future__ import annotations

from dataclasses import dataclass, field

from optionsib.brokers.paper.history import BarRequest, BarSource, bar_fields, unfinished_interval
from optionsib.brokers.paper.session import Session
from optionsib.brokers.paper.wire import Field, format_price, format_ratio
from optionsib.common.ports import BookRow
from optionsib.common.types import SECOND_NS, Contract

_INSERT, _UPDATE, _DELETE = 0, 1, 2
REAL_TIME_BAR_NS = 5 * SECOND_NS


@dataclass(slots=True)
class DepthFeed:
    """Rows of the book; ``smart`` or with makers as market depth L2 (13), else as market depth (12)."""

    request_id: int
    contract: Contract
    source: BarSource
    rows: int
    level_two: bool
    smart: bool
    cancelled_by: int = 11
    shown: dict[int, list[BookRow]] = field(default_factory=dict)  # side (0 ask, 1 bid) -> rows

    def publish(self, session: Session, now_ns: int) -> None:
        """Send the rows that differ from those shown before."""
        bids, asks = self.source.depth(self.contract.con_id, now_ns, self.rows)
        for side, rows in ((1, bids), (0, asks)):
            before = self.shown.get(side, [])
            for place, row in enumerate(rows):
                if place >= len(before):
                    self._send(session, place, _INSERT, side, row)
                elif before[place] != row:
                    self._send(session, place, _UPDATE, side, row)
            for place in range(len(before) - 1, len(rows) - 1, -1):
                self._send(session, place, _DELETE, side, BookRow("", 0, 0))
            self.shown[side] = rows

    def _send(self, session: Session, place: int, operation: int, side: int, row: BookRow) -> None:
        price = format_price(row.price)
        if self.level_two:
            session.send(
                [13, 1, self.request_id, place, row.maker, operation, side, price, row.size, int(self.smart)]
            )
        else:
            session.send([12, 1, self.request_id, place, operation, side, price, row.size])


@dataclass(slots=True)
class TickFeed:
    """Tick-by-tick data: ``Last``, ``AllLast``, ``BidAsk`` or ``MidPoint``."""

    request_id: int
    contract: Contract
    source: BarSource
    kind: str
    since_ns: int
    ignore_size: bool = False
    cancelled_by: int = 98
    shown: tuple[Field, ...] = ()

    def publish(self, session: Session, now_ns: int) -> None:
        """Send what happened since the last call."""
        if self.kind in ("Last", "AllLast"):
            number = 1 if self.kind == "Last" else 2
            for trade in self.source.trades(self.contract.con_id, self.since_ns, now_ns):
                price, seconds = format_price(trade.price), trade.at_ns // SECOND_NS
                session.send([99, self.request_id, number, seconds, price, trade.size, 0, trade.exchange, ""])
            self.since_ns = now_ns
            return
        quote = self.source.quote(self.contract.con_id)
        if quote is None or quote.bid is None or quote.ask is None:
            return
        picture: tuple[Field, ...] = (format_ratio(quote.bid + quote.ask, 2),)
        compared: tuple[Field, ...] = picture
        if self.kind == "BidAsk":
            sides = (format_price(quote.bid), format_price(quote.ask))
            picture = (*sides, quote.bid_size, quote.ask_size, 0)
            compared = sides if self.ignore_size else picture
        if compared != self.shown:
            self.shown = compared
            number = 3 if self.kind == "BidAsk" else 4
            session.send([99, self.request_id, number, now_ns // SECOND_NS, *picture])


@dataclass(slots=True)
class RealTimeBarFeed:
    """A bar every five seconds, sent when it is complete."""

    request_id: int
    contract: Contract
    source: BarSource
    what: str
    regular: bool
    since_ns: int
    cancelled_by: int = 51

    def publish(self, session: Session, now_ns: int) -> None:
        """Send the bars that were completed since the last call."""
        end_ns = now_ns - now_ns % REAL_TIME_BAR_NS
        if end_ns <= self.since_ns:
            return
        spans = [(at, at + REAL_TIME_BAR_NS) for at in range(self.since_ns, end_ns, REAL_TIME_BAR_NS)]
        self.since_ns = end_ns
        kept = self.source.within_hours(self.contract.con_id, spans, regular=self.regular)
        for bar in self.source.bars(self.contract.con_id, self.what, kept):
            prices = (format_price(price) for price in (bar.open, bar.high, bar.low, bar.close))
            seconds = bar.start_ns // SECOND_NS
            average = format_price(bar.average) if bar.average >= 0 else "-1"
            session.send(
                [
                    50,
                    3,
                    self.request_id,
                    str(seconds),
                    *prices,
                    max(bar.volume, 0),
                    average,
                    max(bar.count, 0),
                ]
            )


@dataclass(slots=True)
class HistoryFeed:
    """Historical bars that are kept up to date: the bar that is being made, whenever it changed."""

    request_id: int
    contract: Contract
    source: BarSource
    wanted: BarRequest
    last_start_ns: int
    cancelled_by: int = 25
    shown: list[Field] = field(default_factory=list)

    def publish(self, session: Session, now_ns: int) -> None:
        """Send the last bar: bars that ended since the last call first."""
        spans = unfinished_interval(
            self.source, self.contract.con_id, self.wanted, self.last_start_ns, now_ns
        )
        for bar in self.source.merged(self.contract.con_id, self.wanted, spans):
            self.last_start_ns = bar.start_ns
            date, opened, high, low, close, volume, average, count = bar_fields(self.source, self.wanted, bar)
            message = [90, self.request_id, count, date, opened, close, high, low, average, volume]
            if message != self.shown:
                self.shown = message
                session.send(message)
