"""Market data messages: the first picture of a subscription, then only what changed."""

from __future__ import annotations

from collections.abc import Iterable

from optionsib.brokers.paper.computations import Computation, OptionComputer
from optionsib.brokers.paper.contracts import ContractDirectory
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.session import MarketDataLine, Session
from optionsib.brokers.paper.wire import Field, format_price
from optionsib.common.ports import TapeQuote
from optionsib.common.types import SECOND_NS, Contract

_BID_SIZE, _BID, _ASK, _ASK_SIZE = 0, 1, 2, 3
_QUOTE_TIME = 45
_LIVE = 1


class MarketData:
    """Streams the board to sessions, contract by contract in order of contract id."""

    def __init__(self, directory: ContractDirectory, board: QuoteBoard, computer: OptionComputer) -> None:
        self._directory = directory
        self._board = board
        self._computer = computer

    def subscribe(self, session: Session, request_id: int, contract: Contract, now_ns: int) -> MarketDataLine:
        """Send the head of a subscription and the standing quote; return the line."""
        smallest = min(band.increment for band in contract.tick_grid.bands)
        session.send([81, request_id, format_price(smallest), "", 3])
        session.send([58, 1, request_id, _LIVE])
        line = MarketDataLine(request_id, contract)
        quote = self._board.quote(contract.con_id)
        if quote is not None:
            self._send_quote(session, line, quote, now_ns)
            if contract.security_type == "OPT":
                made = self._computer.compute([contract.con_id], now_ns)
                self._send_computations(session, line, made[contract.con_id])
        return line

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
                if line.contract.security_type == "OPT"
                and (under_moved or line.contract.con_id in quoted)
                and self._board.quote(line.contract.con_id) is not None
            }
        )
        made = self._computer.compute(recomputed, now_ns)
        for session in listening:
            for line in sorted(session.lines.values(), key=lambda one: (one.contract.con_id, one.request_id)):
                con_id = line.contract.con_id
                quote = self._board.quote(con_id) if con_id in quoted else None
                if quote is not None:
                    self._send_quote(session, line, quote, now_ns)
                if con_id in made:
                    self._send_computations(session, line, made[con_id])

    def _send_quote(self, session: Session, line: MarketDataLine, quote: TapeQuote, now_ns: int) -> None:
        bid, ask = _side(quote.bid, quote.bid_size), _side(quote.ask, quote.ask_size)
        for tick, size_tick, old, new in (
            (_BID, _BID_SIZE, line.bid, bid),
            (_ASK, _ASK_SIZE, line.ask, ask),
        ):
            if old is None or old[0] != new[0]:
                price = "-1" if new[0] is None else format_price(new[0])
                session.send([1, 6, line.request_id, tick, price, new[1], 0])
            elif old[1] != new[1]:
                session.send([2, 6, line.request_id, size_tick, new[1]])
        line.bid, line.ask = bid, ask
        session.send([46, 6, line.request_id, _QUOTE_TIME, str(now_ns // SECOND_NS)])

    def _send_computations(
        self, session: Session, line: MarketDataLine, made: dict[int, Computation]
    ) -> None:
        for tick, fields in made.items():
            if line.computations.get(tick) != fields:
                line.computations[tick] = fields
                message: list[Field] = [21, line.request_id, tick, 1, *fields]
                session.send(message)


def _side(price: int | None, size: int) -> tuple[int | None, int]:
    """Return price and size as displayed; an absent side has size 0, as TWS sends it."""
    return (price, size) if price is not None else (None, 0)
