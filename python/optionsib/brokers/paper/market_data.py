"""Market data messages: the first picture of a subscription, then only what changed."""

from __future__ import annotations

from collections.abc import Iterable

from optionsib.brokers.paper.computations import Computation, OptionComputer
from optionsib.brokers.paper.contracts import ContractDirectory
from optionsib.brokers.paper.entitlements import DELAYED
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.session import MarketDataLine, Session
from optionsib.brokers.paper.wire import Field, format_price
from optionsib.common.ports import DayFacts, TapeQuote
from optionsib.common.types import MINUTE_NS, SECOND_NS, Contract

DELAY_NS = 15 * MINUTE_NS
OPTION_TYPES = ("OPT", "FOP")
_BID_SIZE, _BID, _ASK, _ASK_SIZE, _LAST, _LAST_SIZE = 0, 1, 2, 3, 4, 5
_HIGH, _LOW, _VOLUME, _CLOSE, _OPEN = 6, 7, 8, 9, 14
_QUOTE_TIME, _HALTED, _TRADES = 45, 49, 48
# Live tick type -> delayed tick type.
_DELAYED_TICKS = {
    _BID_SIZE: 69, _BID: 66, _ASK: 67, _ASK_SIZE: 70, _LAST: 68, _LAST_SIZE: 71, _HIGH: 72, _LOW: 73,
    _VOLUME: 74, _CLOSE: 75, _OPEN: 76, _QUOTE_TIME: 88, _HALTED: 90, 10: 80, 11: 81, 13: 83,
}  # fmt: skip
_SMART_COMPONENTS = "9c0001"  # names the letters of exchanges; reqSmartComponents explains them


class MarketData:
    """Streams the board to sessions, contract by contract in order of contract id."""

    def __init__(self, directory: ContractDirectory, board: QuoteBoard, computer: OptionComputer) -> None:
        self._directory = directory
        self._board = board
        self._computer = computer

    def subscribe(self, session: Session, line: MarketDataLine, now_ns: int) -> None:
        """Send the head of a subscription and the standing quote."""
        contract, simulated = line.contract, self._is_simulated(line.contract)
        smallest = min(band.increment for band in contract.tick_grid.bands)
        components = _SMART_COMPONENTS if simulated and contract.exchange == "SMART" else ""
        session.send([81, line.request_id, format_price(smallest), components, 3])
        session.send([58, 1, line.request_id, line.kind])
        at_ns = _time_of(line, now_ns)
        quote = self._quote(line, at_ns)
        if simulated and not line.legs:
            self._send_facts(session, line, at_ns)
        if quote is not None:
            self._send_quote(session, line, quote, at_ns)
            if contract.security_type in OPTION_TYPES:
                self._send_computations(session, line, self._computations(line, at_ns))

    def publish(self, sessions: Iterable[Session], changed: Iterable[TapeQuote], now_ns: int) -> None:
        """Send each session the changes of one step."""
        quoted = frozenset(quote.con_id for quote in changed)
        under_moved = self._directory.underlying.con_id in quoted
        listening = list(sessions)
        recomputed = sorted(
            {
                line.contract.con_id
                for session in listening
                for line in session.lines.values()
                if line.contract.security_type in OPTION_TYPES
                and line.kind != DELAYED
                and not line.legs
                and self._is_recomputed(line.contract, quoted, under_moved=under_moved)
            }
        )
        made = self._computer.compute(recomputed, now_ns)
        for session in listening:
            for line in sorted(session.lines.values(), key=lambda one: (one.contract.con_id, one.request_id)):
                con_id = line.contract.con_id
                if line.legs or line.kind == DELAYED:
                    self._publish_made(session, line, now_ns)
                    continue
                quote = self._board.quote(con_id) if con_id in quoted else None
                if self._is_simulated(line.contract):
                    self._send_trades(session, line, now_ns)
                if quote is not None:
                    self._send_quote(session, line, quote, now_ns)
                if con_id in made:
                    self._send_computations(session, line, made[con_id])

    def _is_simulated(self, contract: Contract) -> bool:
        return self._directory.is_simulated(contract.con_id)

    def _is_recomputed(self, contract: Contract, quoted: frozenset[int], *, under_moved: bool) -> bool:
        if self._is_simulated(contract):
            return True
        moved = under_moved or contract.con_id in quoted
        return moved and self._board.quote(contract.con_id) is not None

    def _publish_made(self, session: Session, line: MarketDataLine, now_ns: int) -> None:
        """Send a line that does not follow the board: a combination, or delayed data."""
        at_ns = _time_of(line, now_ns)
        if self._is_simulated(line.contract) and not line.legs:
            self._send_trades(session, line, at_ns)
        quote = self._quote(line, at_ns)
        if quote is not None and (line.bid, line.ask) != _both_sides(quote):
            self._send_quote(session, line, quote, at_ns)
            if line.contract.security_type in OPTION_TYPES and not line.legs:
                self._send_computations(session, line, self._computations(line, at_ns))

    def _quote(self, line: MarketDataLine, at_ns: int) -> TapeQuote | None:
        if line.legs:
            return self._combo_quote(line, at_ns)
        if line.kind == DELAYED:
            return self._board.quote_at(line.contract.con_id, at_ns)
        return self._board.quote(line.contract.con_id)

    def _combo_quote(self, line: MarketDataLine, at_ns: int) -> TapeQuote:
        """Return the sums of the legs' sides, and how often every leg can be had."""
        sums: list[int | None] = [0, 0]
        sizes = [1_000_000, 1_000_000]
        for con_id, ratio in line.legs:
            delayed = line.kind == DELAYED
            quote = self._board.quote_at(con_id, at_ns) if delayed else self._board.quote(con_id)
            bid, ask = (
                ((quote.bid, quote.bid_size), (quote.ask, quote.ask_size)) if quote else ((None, 0),) * 2
            )
            for side, (price, size) in enumerate((bid, ask) if ratio > 0 else (ask, bid)):
                total = sums[side]
                sums[side] = None if price is None or total is None else total + ratio * price
                sizes[side] = min(sizes[side], size // abs(ratio))
        return TapeQuote(line.contract.con_id, sums[0], sizes[0], sums[1], sizes[1])

    def _computations(self, line: MarketDataLine, at_ns: int) -> dict[int, Computation]:
        con_id = line.contract.con_id
        if line.kind == DELAYED:
            return self._computer.compute_at(con_id, at_ns)
        return self._computer.compute([con_id], at_ns)[con_id]

    # --- messages ------------------------------------------------------------------------------------------

    def _send_quote(self, session: Session, line: MarketDataLine, quote: TapeQuote, at_ns: int) -> None:
        bid, ask = _both_sides(quote)
        if line.contract.security_type != "IND":
            for tick, size_tick, old, new in (
                (_BID, _BID_SIZE, line.bid, bid),
                (_ASK, _ASK_SIZE, line.ask, ask),
            ):
                if old is None or old[0] != new[0]:
                    price = "-1" if new[0] is None else format_price(new[0])
                    session.send([1, 6, line.request_id, _tick(line, tick), price, new[1], 0])
                elif old[1] != new[1]:
                    session.send([2, 6, line.request_id, _tick(line, size_tick), new[1]])
        line.bid, line.ask = bid, ask
        session.send([46, 6, line.request_id, _tick(line, _QUOTE_TIME), str(at_ns // SECOND_NS)])

    def _send_computations(
        self, session: Session, line: MarketDataLine, made: dict[int, Computation]
    ) -> None:
        for tick, fields in made.items():
            if line.computations.get(tick) != fields:
                line.computations[tick] = fields
                message: list[Field] = [21, line.request_id, _tick(line, tick), 1, *fields]
                session.send(message)

    def _send_facts(self, session: Session, line: MarketDataLine, at_ns: int) -> None:
        """Send the day so far, and the generic ticks that were asked for."""
        market = self._directory.market
        if market is None:
            return
        facts = market.facts(line.contract.con_id, at_ns)
        line.traded_ns, line.volume, line.high, line.low = at_ns, facts.volume, facts.high, facts.low
        request_id = line.request_id
        for tick, price, size in (
            (_LAST, facts.last, facts.last_size),
            (_OPEN, facts.open, 0),
            (_HIGH, facts.high, 0),
            (_LOW, facts.low, 0),
            (_CLOSE, facts.previous_close, 0),
        ):
            if price is not None:
                session.send([1, 6, request_id, _tick(line, tick), format_price(price), size, 0])
        session.send([2, 6, request_id, _tick(line, _VOLUME), facts.volume])
        session.send([45, 6, request_id, _tick(line, _HALTED), 0])
        for message in _generic_ticks(line, facts):
            session.send(message)

    def _send_trades(self, session: Session, line: MarketDataLine, at_ns: int) -> None:
        """Send the last trade since the time before, and the volume, high and low that follow."""
        market, request_id = self._directory.market, line.request_id
        if market is None or at_ns <= line.traded_ns:
            return
        con_id = line.contract.con_id
        if line.contract.security_type == "IND":
            quote = self._board.quote_at(con_id, at_ns)
            prices = [] if quote is None or quote.bid is None or (quote.bid, 0) == line.bid else [quote.bid]
            size = 0
        else:
            trades = market.trades(con_id, line.traded_ns, at_ns)
            prices = [trade.price for trade in trades]
            size = trades[-1].size if trades else 0
            line.volume += sum(trade.size for trade in trades)
        line.traded_ns = at_ns
        if not prices:
            return
        session.send([1, 6, request_id, _tick(line, _LAST), format_price(prices[-1]), size, 0])
        high, low = max(prices), min(prices)
        if line.high is None or high > line.high:
            line.high = high
            session.send([1, 6, request_id, _tick(line, _HIGH), format_price(high), 0, 0])
        if line.low is None or low < line.low:
            line.low = low
            session.send([1, 6, request_id, _tick(line, _LOW), format_price(low), 0, 0])
        if size:
            session.send([2, 6, request_id, _tick(line, _VOLUME), line.volume])
            if 233 in line.generic:
                text = f"{format_price(prices[-1])};{size};{at_ns // 1_000_000};{line.volume};"
                session.send([46, 6, request_id, _TRADES, f"{text}{format_price(prices[-1])};false"])


def _tick(line: MarketDataLine, tick: int) -> int:
    return _DELAYED_TICKS.get(tick, tick) if line.kind == DELAYED else tick


def _time_of(line: MarketDataLine, now_ns: int) -> int:
    return now_ns - DELAY_NS if line.kind == DELAYED else now_ns


def _generic_ticks(line: MarketDataLine, facts: DayFacts) -> list[list[Field]]:
    """Return the generic ticks that we have an answer to, by the number that asks for them."""
    request_id, kind = line.request_id, line.contract.security_type
    messages: list[list[Field]] = []
    is_option, right = kind in OPTION_TYPES, line.contract.right
    if 100 in line.generic and is_option:
        messages.append([2, 6, request_id, 29 if right == "C" else 30, facts.volume])
    if 101 in line.generic and is_option:
        messages.append([2, 6, request_id, 27 if right == "C" else 28, facts.open_interest])
    if 588 in line.generic and kind == "FUT":
        messages.append([2, 6, request_id, 86, facts.open_interest])
    if 104 in line.generic and not is_option:
        messages.append([45, 6, request_id, 23, f"{facts.historical_volatility:.10g}"])
    if 106 in line.generic and not is_option:
        messages.append([45, 6, request_id, 24, f"{facts.implied_volatility:.10g}"])
    if 165 in line.generic and facts.average_volume:
        messages.append([2, 6, request_id, 21, facts.average_volume])
    if line.generic & {221, 232} and facts.last is not None:
        messages.append([1, 6, request_id, 37, format_price(facts.last), 0, 0])
    if 236 in line.generic and kind == "STK":
        messages.append([45, 6, request_id, 46, "3"])
        messages.append([2, 6, request_id, 89, 10 * facts.average_volume])
    return messages


def _both_sides(quote: TapeQuote) -> tuple[tuple[int | None, int], tuple[int | None, int]]:
    return _side(quote.bid, quote.bid_size), _side(quote.ask, quote.ask_size)


def _side(price: int | None, size: int) -> tuple[int | None, int]:
    """Return price and size as displayed; an absent side has size 0, as TWS sends it."""
    return (price, size) if price is not None else (None, 0)
