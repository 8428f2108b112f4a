"""The connections of the paper exchange: handshake, client ids, limits, and breaking them on demand.

A client is dropped, never waited for, when it breaks the protocol (error 320 first, as TWS), sends too
much too often (error 100), or stops reading (``session.MAXIMUM_BACKLOG``). Nothing a client does
touches another client's connection.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from optionsib.brokers.paper.contracts import time_stamp
from optionsib.brokers.paper.faults import Faults
from optionsib.brokers.paper.limits import HistoryPacing, Limits, RequestLimits, Verdict
from optionsib.brokers.paper.session import NO_REQUEST, Session
from optionsib.brokers.paper.wire import (
    MAGIC,
    FieldReader,
    WireError,
    connect_options,
    negotiate_version,
    pack,
    read_payload,
    split_fields,
)
from optionsib.common.errors import BrokerError, OptionsIBError

HANDSHAKE_SECONDS = 10.0
CLOSING_SECONDS = 2.0
MAXIMUM_CLIENTS = 32
START_API = 71


class Served(Protocol):
    """The exchange behind the connections."""

    @property
    def now_ns(self) -> int:
        """Simulated time, UTC ns."""
        ...

    def opened(self, session: Session) -> None:
        """Greet a client that has started the API."""
        ...

    def handle(self, session: Session, message: list[str]) -> None:
        """Answer one request."""
        ...

    def failed(self, error: OptionsIBError) -> None:
        """Take notice that the exchange cannot go on."""
        ...


class SessionServer:
    """Listens on ``host:port`` and serves the clients of ``exchange``."""

    def __init__(self, exchange: Served, host: str, port: int, *, limits: Limits, faults: Faults) -> None:
        self._exchange = exchange
        self._host, self.port = host, port
        self._limits = limits
        self._history = HistoryPacing()
        self._faults = faults
        self._listener: asyncio.Server | None = None
        self._sessions: dict[int, Session] = {}
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._lingering: dict[int, float] = {}
        self._reopening: asyncio.Task[None] | None = None
        self._closed = False

    # --- life ------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        BrokerError
            If the port cannot be bound.
        """
        try:
            self._listener = await asyncio.start_server(self._connected, self._host, self.port)
        except OSError as error:
            raise BrokerError(
                f"paper exchange cannot listen on {self._host}:{self.port}: {error.strerror or error}; "
                "choose a free port"
            ) from error
        self.port = int(self._listener.sockets[0].getsockname()[1])

    def stop(self) -> None:
        """Listen no more and close the connections after what is queued; they end by themselves."""
        self._closed = True
        if self._listener is not None:
            self._listener.close()
        if self._reopening is not None:
            self._reopening.cancel()
        for session in self._sessions.values():
            session.moving.set()
        for writer in self._connections.values():
            writer.close()

    async def close(self) -> None:
        """Stop, and wait until every connection has ended."""
        self.stop()
        tasks = list(self._connections)
        if tasks:
            _, unread = await asyncio.wait(tasks, timeout=CLOSING_SECONDS)
            for task in unread:
                self._connections[task].transport.abort()
            await asyncio.gather(*unread, return_exceptions=True)
        if self._listener is not None:
            await self._listener.wait_closed()

    def sessions(self) -> list[Session]:
        """Return the clients that have started the API, by client id."""
        return [session for _, session in sorted(self._sessions.items())]

    def session_of(self, client_id: int) -> Session | None:
        """Return the connected client with this id."""
        return self._sessions.get(client_id)

    def flush(self) -> None:
        """Hand what is queued to the sockets."""
        for session in self._sessions.values():
            session.flush()

    # --- breaking connections --------------------------------------------------------------------

    def cut(self, client_id: int | None = None) -> int:
        """Break the connection of one client, or of all; return how many were broken."""
        chosen = [one for one in self.sessions() if client_id in (None, one.client_id)]
        for session in chosen:
            del self._sessions[session.client_id]
            session.abort()
        return len(chosen)

    def restart(self, seconds: float) -> None:
        """Break all connections and refuse new ones for ``seconds``."""
        self.cut()
        for writer in self._connections.values():  # also those that have not started the API
            writer.transport.abort()
        if self._listener is not None:
            self._listener.close()
        if self._reopening is not None:
            self._reopening.cancel()
        self._reopening = asyncio.create_task(self._reopen(seconds))

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        try:
            await self.start()
        except BrokerError as error:
            self._exchange.failed(error)

    def linger(self, client_id: int, seconds: float) -> None:
        """Refuse ``client_id`` as already in use for ``seconds`` of wall time."""
        self._lingering[client_id] = asyncio.get_running_loop().time() + seconds

    # --- one connection --------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MAXIMUM_CLIENTS or self._closed:
            writer.close()
            return
        self._connections[task] = writer
        session: Session | None = None
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                session, is_paced = await self._shake_hands(reader, writer)
            if session is not None and self._register(session):
                await self._serve(session, reader, is_paced=is_paced)
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            if session is not None:  # the client has gone; half-open we do not notice
                await session.moving.wait()
        except WireError as error:
            if session is not None:  # it got far enough to understand why it is dropped
                session.error(NO_REQUEST, 320, f"Error reading request. Unable to parse data. {error}")
        except OptionsIBError as error:
            self._exchange.failed(error)
        finally:
            del self._connections[task]
            if session is not None:
                session.flush()
                if self._sessions.get(session.client_id) is session:
                    del self._sessions[session.client_id]
            writer.close()

    async def _shake_hands(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[Session | None, bool]:
        """Agree on a version and wait for startApi; no session if the client is too old or too new."""
        magic = await reader.readexactly(len(MAGIC))
        if magic != MAGIC:
            raise WireError(f"connection must begin with {MAGIC!r}, got {magic!r}")
        hello = await read_payload(reader)
        version = negotiate_version(hello)
        if version is None:
            return None, False
        writer.write(pack([version, time_stamp(self._exchange.now_ns)]))
        fields = FieldReader(split_fields(await read_payload(reader)))
        message_id, _, client_id = fields.integer(None), fields.integer(None), fields.integer(None)
        if message_id != START_API or client_id < 0:
            raise WireError(f"startApi ({START_API}) with a client id expected, got message {message_id}")
        session = Session(writer, version, self._faults.outgoing)
        session.client_id = client_id
        return session, "+PACEAPI" in connect_options(hello)

    def _register(self, session: Session) -> bool:
        lingers_until = self._lingering.get(session.client_id, float("-inf"))
        if session.client_id in self._sessions or lingers_until > asyncio.get_running_loop().time():
            session.error(NO_REQUEST, 326, "Unable to connect as the client id is already in use.")
            return False
        self._lingering.pop(session.client_id, None)
        self._sessions[session.client_id] = session
        self._exchange.opened(session)
        return True

    async def _serve(self, session: Session, reader: asyncio.StreamReader, *, is_paced: bool) -> None:
        clock = asyncio.get_running_loop().time
        limits = RequestLimits(self._limits, self._history)
        session.when_refused = limits.failed
        self.flush()
        while True:
            message = split_fields(await read_payload(reader))
            await session.moving.wait()
            if is_paced:
                await asyncio.sleep(limits.rate.delay(clock()))
            try:
                if not self._admit(session, message, limits, clock()):
                    return
            finally:
                self.flush()
            await session.drain()

    def _admit(self, session: Session, message: list[str], limits: RequestLimits, now: float) -> bool:
        """Handle a request if the limits let it in; return whether the connection stays."""
        most = self._limits.messages_per_second
        verdict = limits.rate.take(now)
        if verdict is Verdict.WARN:
            text = f"Warning: Approaching max rate of {most} messages per second ({self._limits.notice_at})"
            session.error(NO_REQUEST, 0, text)
        elif verdict is not Verdict.TAKE:
            text = f"Max rate of messages per second has been exceeded:max={most} ({limits.rate.strikes})"
            session.error(NO_REQUEST, 100, text)
            return verdict is Verdict.REFUSE
        if not self._faults.incoming(session, message):
            return True
        refusal = limits.refusal(message, now)
        if refusal is not None:
            session.error(*refusal)
            return True
        self._exchange.handle(session, message)
        return True
