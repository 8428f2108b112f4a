"""One connected client: its outgoing messages and what it has subscribed to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from optionsib.brokers.paper.computations import Computation
from optionsib.brokers.paper.wire import Field, FieldReader, pack
from optionsib.common.types import Contract

MAXIMUM_BACKLOG = 32 * 1024 * 1024
NO_REQUEST = -1
CUT_OFF = 2110  # TWS has no connection to its servers
# What is told beside an ordinary answer: order messages and presets, delayed and partial market data.
INFORMATION = frozenset({399, 2109, 2148, 2161, 10090, 10091, 10167, 10349})


@dataclass(slots=True)
class MarketDataLine:
    """A running market data subscription and what its client was told last."""

    request_id: int
    contract: Contract
    bid: tuple[int | None, int] | None = None
    ask: tuple[int | None, int] | None = None
    computations: dict[int, Computation] = field(default_factory=dict)
    legs: tuple[tuple[int, int], ...] = ()  # of a combination: contract id, signed ratio
    generic: frozenset[int] = frozenset()
    kind: int = 1  # live, frozen, delayed: as the client was told
    traded_ns: int = 0  # trades before this instant have been told
    volume: int = 0
    high: int | None = None
    low: int | None = None


class Feed(Protocol):
    """A running subscription of any other kind: depth, ticks, bars."""

    @property
    def contract(self) -> Contract:
        """What it is about."""
        ...

    @property
    def cancelled_by(self) -> int:
        """Message id of the request that ends it."""
        ...

    def publish(self, session: Session, now_ns: int) -> None:
        """Send what has happened up to ``now_ns``."""
        ...


class Session:
    """Messages are collected until :meth:`flush`, so that one step leaves in one piece.

    ``message_filter`` is asked for every message and returns what is sent in its place (see the faults).
    """

    def __init__(self, writer: asyncio.StreamWriter, version: int, message_filter: MessageFilter) -> None:
        self.version = version
        self.client_id = -1
        self.lines: dict[int, MarketDataLine] = {}
        self.feeds: dict[int, Feed] = {}
        self.market_data_type = 1
        self.wants_positions = False
        self.wants_account = False
        self.account_multi: dict[int, str] = {}
        self.position_multi: dict[int, str] = {}
        self.account_summaries: dict[int, tuple[str, ...]] = {}
        self.profit_requests: dict[int, int] = {}  # request id -> contract id, 0 = whole account
        self.profit_sent: dict[int, list[Field]] = {}
        # Of the faults: streams that stay silent, and what was kept back of frozen ones.
        self.muted: set[int] = set()
        self.withheld: dict[tuple[Field, ...], list[Field]] = {}
        self.when_refused: Callable[[int], None] = lambda request_id: None
        self.moving = asyncio.Event()  # clear: half-open, nothing is read or written
        self.moving.set()
        self._writer = writer
        self._filter = message_filter
        self._outbox = bytearray()

    @property
    def is_ready(self) -> bool:
        """Whether the client has started the API."""
        return self.client_id >= 0

    def send(self, fields: Iterable[Field]) -> None:
        """Queue one message."""
        for message in self._filter(self, list(fields)):
            self._outbox += pack(message)

    def post(self, fields: Iterable[Field]) -> None:
        """Send a message past the faults, now."""
        self._outbox += pack(fields)
        self.flush()

    def error(self, request_id: int, code: int, text: str) -> None:
        """Queue an error or a notice (``request_id`` -1)."""
        advanced: list[Field] = [""] if self.version >= 166 else []
        if code not in INFORMATION:
            self.when_refused(request_id)
        self.send([4, 2, request_id, code, text, *advanced])

    def flush(self) -> None:
        """Hand the queued messages to the socket; drop a client that has stopped reading."""
        if not self._outbox or self._writer.is_closing():
            self._outbox.clear()
            return
        if self.moving.is_set():
            self._writer.write(bytes(self._outbox))
            self._outbox.clear()
        if self._writer.transport.get_write_buffer_size() + len(self._outbox) > MAXIMUM_BACKLOG:
            self.abort()

    async def drain(self) -> None:
        """Wait while the client reads more slowly than we write."""
        await self._writer.drain()

    def close(self) -> None:
        """Close the connection after what is queued."""
        self.flush()
        self._writer.close()

    def abort(self) -> None:
        """Break the connection; what is queued is lost."""
        self._outbox.clear()
        self._writer.transport.abort()
        self.moving.set()


MessageFilter = Callable[[Session, list[Field]], Iterable[list[Field]]]
RequestHandler = Callable[[Session, FieldReader], None]


class ExchangeClock(Protocol):
    """What a request may ask of the exchange that owns time."""

    @property
    def now_ns(self) -> int:
        """Simulated time, UTC ns."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the session takes orders."""
        ...

    def end_step(self, session: Session) -> None:
        """Answer reqCurrentTime; in lockstep the owner's request plays the next step first."""
        ...

    def sessions(self) -> list[Session]:
        """Return the connected clients by client id."""
        ...
