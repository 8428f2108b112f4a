"""The wanted streams: opened within the budget, watched for silence, opened anew when they have died.

1. A wanted contract streams whenever there is a line for it, over reconnects, restarts and 1101.
2. After a farm or the link came back, whatever does not tick within seconds is requested anew, under a
   new id; nothing ends because a farm flaps.
3. A quote whose feed is broken, silent, frozen, delayed or taken over by another login is stale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from optionsib.brokers.ib import codes
from optionsib.brokers.ib.conversions import contract_to_wire
from optionsib.brokers.ib.farms import FarmBoard, serves
from optionsib.brokers.ib.health import QuoteHealth
from optionsib.brokers.ib.library import OptionComputation
from optionsib.brokers.ib.lines import MarketDataLines
from optionsib.brokers.ib.quotes import QuoteBoard
from optionsib.brokers.ib.session import TwsSession
from optionsib.common.errors import BrokerError
from optionsib.common.ports import Clock
from optionsib.common.types import SECOND_NS, Contract

NO_CONNECTION = "no connection"
PROOF_SECONDS = 3.0  # how long a stream may be silent after its farm came back
_LONGEST_TEXT = 64
REOPEN_SECONDS = 5.0  # least pause between two requests for the same stream


class MarketDataDesk:
    """Streams, their quotes, and whether the quotes may be traded on.

    Parameters
    ----------
    clock : Clock
        Its monotonic time measures silence.
    lines : int
        The market data lines that may be used.
    silent_seconds : float
        After how long without any tick of a symbol its quotes are stale.
    lockstep : bool
        Time stands still between steps: silence is then no sign, except over one whole step.
    on_stale : callable
        Told once when quotes become stale and once when all are fresh again, with a sentence.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        lines: int,
        silent_seconds: float,
        lockstep: bool,
        on_stale: Callable[[str], None],
    ) -> None:
        self.quotes = QuoteBoard()
        self.lines = MarketDataLines(lines)
        self.farms = FarmBoard()
        self.computations: dict[int, OptionComputation] = {}
        self.contracts: dict[int, Contract] = {}
        self._link_lost = False
        self.connected = False
        self._clock = clock
        self._silent_seconds = 0.0 if lockstep else silent_seconds
        self._proof_seconds, self._reopen_seconds = (
            (0.0, 0.0) if lockstep else (PROOF_SECONDS, REOPEN_SECONDS)
        )
        self._on_stale = on_stale
        self._told_stale = ""
        self._competing: set[int] = set()
        self._heard: dict[int, float] = {}  # con_id -> monotonic time of the last word on it
        self._opened_at: dict[int, float] = {}
        self._proof_due: dict[int, float] = {}  # con_id -> when it must have ticked
        self._snapshots: dict[int, tuple[int, QuoteBoard]] = {}  # request id -> contract, its picture

    @property
    def link_lost(self) -> bool:
        """Whether the broker's own link is down: 1100 tells it, 2110 also to who connects meanwhile."""
        return self._link_lost or self.farms.is_cut_off

    # --- wishes --------------------------------------------------------------------------------------

    def want(self, contracts: Sequence[Contract]) -> None:
        """Add one reference to each contract.

        Raises
        ------
        BrokerError
            If one of them cannot be a contract of TWS; nothing is wanted then.
        """
        for contract in contracts:
            check_contract(contract)
        for contract in contracts:
            self.contracts.setdefault(contract.con_id, contract)
        self.lines.want(contract.con_id for contract in contracts)

    def release(self, con_ids: Sequence[int]) -> None:
        """Take one reference back from each contract.

        Raises
        ------
        KeyError
            If one was never wanted; nothing is released then.
        """
        self.lines.release(con_ids)

    def open_lines(self, session: TwsSession) -> None:
        """Request what is wanted and has no line; idle streams make room."""
        for con_id, request_id in self.lines.evict():
            session.client.cancelMktData(request_id)
            self.quotes.forget([con_id])
        for con_id in self.lines.due():
            request_id = session.client.getReqId()
            self.lines.opened(con_id, request_id)
            self._opened_at[con_id] = self._clock.monotonic()
            contract = contract_to_wire(self.contracts[con_id])
            session.client.reqMktData(request_id, contract, "", False, False, [])

    def begin_snapshot(self, request_id: int, con_id: int) -> QuoteBoard:
        """Collect the ticks of a snapshot on a board of their own."""
        board = QuoteBoard()
        self._snapshots[request_id] = (con_id, board)
        return board

    def end_snapshot(self, request_id: int) -> None:
        """Stop collecting; ticks that come later are dropped."""
        self._snapshots.pop(request_id, None)

    # --- what the broker says --------------------------------------------------------------------------

    def new_session(self) -> None:
        """Forget what was only true of the last connection; all wishes are due again."""
        self.lines.forget_requests()
        self.farms.new_session()
        self._competing.clear()
        self._heard.clear()
        self._proof_due.clear()
        self._snapshots.clear()
        self._link_lost = False
        self.connected = True

    def on_price(self, request_id: int, tick_type: int, price: float, size: float, at_ns: int) -> None:
        """Take a price tick; ticks of a cancelled subscription are dropped."""
        con_id = self.lines.contract_of(request_id)
        if con_id is None:
            if request_id in self._snapshots:
                con_id, board = self._snapshots[request_id]
                board.price(con_id, tick_type, price, size, at_ns)
        elif self.quotes.price(con_id, tick_type, price, size, at_ns):
            self._alive(con_id)

    def on_size(self, request_id: int, tick_type: int, size: float, at_ns: int) -> None:
        """Take a size tick."""
        con_id = self.lines.contract_of(request_id)
        if con_id is None:
            if request_id in self._snapshots:
                con_id, board = self._snapshots[request_id]
                board.size(con_id, tick_type, size, at_ns)
        elif self.quotes.size(con_id, tick_type, size, at_ns):
            self._alive(con_id)

    def on_quote_time(self, request_id: int, at_ns: int) -> None:
        """Take the feed's word that a quote stands."""
        con_id = self.lines.contract_of(request_id)
        if con_id is not None:
            self.quotes.confirm(con_id, at_ns)
            self._alive(con_id)

    def on_data_type(self, request_id: int, number: int) -> None:
        """Take the feed's word on what it sends."""
        con_id = self.lines.contract_of(request_id)
        if con_id is None:
            if request_id in self._snapshots:
                con_id, board = self._snapshots[request_id]
                board.data_type(con_id, number)
        else:
            self.quotes.data_type(con_id, number)
            if number == 1:
                self._competing.discard(con_id)

    def on_computation(self, request_id: int, computation: OptionComputation) -> None:
        """Keep the broker's model values."""
        con_id = self.lines.contract_of(request_id)
        if con_id is not None:
            self.computations[con_id] = computation

    def on_stream_error(self, request_id: int, code: int) -> int | None:
        """Take an error about a stream; return its contract, None if the id is no stream of ours."""
        con_id = self.lines.contract_of(request_id)
        if con_id is None:
            return None
        if code == codes.COMPETING_SESSION:
            self._competing.add(con_id)
        elif code in codes.DATA_REFUSALS:
            self.lines.refuse(request_id)
            if code == codes.TOO_MANY_LINES:
                self.lines.lower_budget()
        elif code in codes.STREAM_LOST:
            self._demand_proof([con_id])
        return con_id

    def demand_proof_of_silent(self) -> None:
        """Ask again for the streams that have not ticked by then: their request may have been lost."""
        self._demand_proof(c for c in self.lines.watched if c not in self._heard)

    def on_connection_code(self, code: int, message: str, at_ns: int) -> None:
        """Take a notice about a farm or the broker's link."""
        if code == codes.LINK_LOST:
            self._link_lost = True
        elif code in (codes.LINK_BACK_DATA_LOST, codes.LINK_BACK_DATA_KEPT):
            self._link_lost = False
            self.farms.link_restored()
            if code == codes.LINK_BACK_DATA_KEPT:
                self._demand_proof(self.lines.watched)
        elif code == codes.COMPETING_SESSION:
            self._competing.update(self.lines.watched)
        else:
            farm = self.farms.hear(code, message, at_ns)
            if farm is not None and farm.up and farm.kind == "market data":
                self._demand_proof(c for c in self.lines.watched if serves(farm.name, self.contracts[c]))

    # --- care ----------------------------------------------------------------------------------------

    def resubscribe(self, session: TwsSession) -> None:
        """Request everything anew: the server has lost all subscriptions, if not their count."""
        for request_id in self.lines.requests():
            session.client.cancelMktData(request_id)
        self.lines.forget_requests()
        self._competing.clear()
        self._proof_due.clear()
        self.open_lines(session)

    def reopen_silent(self, session: TwsSession) -> list[int]:
        """Request the streams anew that should have ticked by now; return their contracts."""
        now = self._clock.monotonic()
        silent = [
            con_id
            for con_id, due in self._proof_due.items()
            if now >= max(due, self._opened_at.get(con_id, 0.0) + self._reopen_seconds)
        ]
        silent = [c for c in silent if not self.farms.is_down_for(self.contracts[c]) and not self.link_lost]
        for request_id in self.lines.reopen(silent):
            session.client.cancelMktData(request_id)
        for con_id in silent:
            del self._proof_due[con_id]
        if silent:
            self.open_lines(session)
        return silent

    def judge(self) -> None:
        """Find out which quotes are stale now, and tell when that begins and ends."""
        now, heard = self._clock.monotonic(), self._heard_by_kind()

        def is_silent(contract: Contract) -> bool:
            kind = (contract.symbol, contract.security_type)
            return 0.0 < self._silent_seconds < now - heard.get(kind, 0.0)

        watched = self.lines.watched
        stale = {con_id: why for con_id in watched if (why := self._why_stale(con_id, is_silent))}
        if stale == self.quotes.stale:
            return
        self.quotes.mark_stale(stale)
        reasons = sorted(set(stale.values()) - {NO_CONNECTION})  # which has a notice of its own
        told = f"{len(stale)} of {len(self.lines.watched)} watched quotes are stale: {', '.join(reasons)}"
        if reasons and not self._told_stale:
            self._on_stale(told)
        elif not reasons and self._told_stale:
            self._on_stale("all watched quotes are fresh again")
        self._told_stale = told if reasons else ""

    def health(self, now_ns: int) -> QuoteHealth:
        """Return how fresh the watched quotes are."""
        stale = self.quotes.stale
        counts: dict[str, int] = {}
        for why in stale.values():
            counts[why] = counts.get(why, 0) + 1
        oldest = self.quotes.oldest_ns()
        return QuoteHealth(
            watched=len(self.lines.watched),
            live=len(self.lines.watched) - len(stale),
            stale=counts,
            oldest_seconds=None if oldest is None else max(0.0, (now_ns - oldest) / SECOND_NS),
        )

    # --- inside --------------------------------------------------------------------------------------

    def _alive(self, con_id: int) -> None:
        self._heard[con_id] = self._clock.monotonic()
        self._proof_due.pop(con_id, None)
        if self._competing and self.quotes.source_of(con_id) == "live":
            self._competing.discard(con_id)

    def _demand_proof(self, con_ids: Iterable[int]) -> None:
        due = self._clock.monotonic() + self._proof_seconds
        for con_id in con_ids:
            self._proof_due[con_id] = due

    def _why_stale(self, con_id: int, is_silent: Callable[[Contract], bool]) -> str:
        contract = self.contracts[con_id]
        if not self.connected:
            return NO_CONNECTION
        if self.link_lost:
            return "link lost"
        if self.farms.is_down_for(contract):
            return "farm down"
        if con_id in self._competing:
            return "competing session"
        if self.quotes.source_of(con_id) != "live":
            return "not live"
        if con_id in self._proof_due and self._silent_seconds:
            return "not heard since the feed came back"
        return "feed silent" if is_silent(contract) else ""

    def _heard_by_kind(self) -> dict[tuple[str, str], float]:
        """Return when each symbol's options, and its underlying, last ticked: a quiet option is normal."""
        heard: dict[tuple[str, str], float] = {}
        for con_id in self.lines.watched:
            contract = self.contracts[con_id]
            kind = (contract.symbol, contract.security_type)
            at = max(self._heard.get(con_id, 0.0), self._opened_at.get(con_id, 0.0))
            heard[kind] = max(heard.get(kind, 0.0), at)
        return heard


def check_contract(contract: Contract) -> None:
    """Refuse what cannot be a contract of TWS: a message that it cannot read may cost the connection.

    Raises
    ------
    BrokerError
        Naming the field; nothing was sent.
    """
    if not 0 < contract.con_id < 2**31:
        raise BrokerError(f"contract id {contract.con_id} of {contract.symbol!r}: expected 1 to 2147483647")
    for name in ("symbol", "exchange", "currency", "local_symbol", "trading_class", "expiry_date"):
        check_text(name, getattr(contract, name))


def check_text(name: str, text: str) -> None:
    """Refuse a text that would break the message it stands in.

    Raises
    ------
    BrokerError
        Naming the field; nothing was sent.
    """
    if not text.isascii() or (text and not text.isprintable()) or len(text) > _LONGEST_TEXT:
        raise BrokerError(f"{name} {text!r}: expected at most {_LONGEST_TEXT} printable ASCII characters")
