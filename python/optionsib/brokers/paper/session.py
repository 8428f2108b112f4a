"""One connected client: its outgoing messages and what it has subscribed to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from optionsib.brokers.paper.computations import Computation
from optionsib.brokers.paper.wire import Field, pack
from optionsib.common.types import Contract

MAXIMUM_BACKLOG = 64 * 1024 * 1024
NO_REQUEST = -1


@dataclass(slots=True)
class MarketDataLine:
    """A running market data subscription and what its client was told last."""

    request_id: int
    contract: Contract
    bid: tuple[int | None, int] | None = None
    ask: tuple[int | None, int] | None = None
    computations: dict[int, Computation] = field(default_factory=dict)


class Session:
    """Messages are collected until :meth:`flush`, so that one step leaves in one piece."""

    def __init__(self, writer: asyncio.StreamWriter, version: int) -> None:
        self.version = version
        self.client_id = -1
        self.lines: dict[int, MarketDataLine] = {}
        self.wants_positions = False
        self.wants_account = False
        self.account_multi: dict[int, str] = {}
        self.account_summaries: dict[int, tuple[str, ...]] = {}
        self.profit_requests: dict[int, int] = {}  # request id -> contract id, 0 = whole account
        self.profit_sent: dict[int, list[Field]] = {}
        self._writer = writer
        self._outbox = bytearray()

    @property
    def is_ready(self) -> bool:
        """Whether the client has started the API."""
        return self.client_id >= 0

    def send(self, fields: Iterable[Field]) -> None:
        """Queue one message."""
        self._outbox += pack(fields)

    def error(self, request_id: int, code: int, text: str) -> None:
        """Queue an error or a notice (``request_id`` -1)."""
        advanced: list[Field] = [""] if self.version >= 166 else []
        self.send([4, 2, request_id, code, text, *advanced])

    def flush(self) -> None:
        """Hand the queued messages to the socket; drop a client that has stopped reading."""
        if not self._outbox or self._writer.is_closing():
            self._outbox.clear()
            return
        self._writer.write(bytes(self._outbox))
        self._outbox.clear()
        if self._writer.transport.get_write_buffer_size() > MAXIMUM_BACKLOG:
            self._writer.transport.abort()

    async def drain(self) -> None:
        """Wait while the client reads more slowly than we write."""
        await self._writer.drain()

    def close(self) -> None:
        """Close the connection after what is queued."""
        self.flush()
        self._writer.close()
