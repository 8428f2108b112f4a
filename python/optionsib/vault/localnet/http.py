"""HTTP/1.1 for the RPC: h11 parses, asyncio moves bytes; what a client does wrong is bounded and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import h11

MAXIMUM_BODY_BYTES = 50 * 1024  # as a node's default
MAXIMUM_HEADER_BYTES = 16 * 1024
MAXIMUM_CONNECTIONS = 256
REQUEST_SECONDS = 30.0  # from the first wait for a request to its last byte
_LOCAL_NAMES = ("localhost", "127.0.0.1", "[::1]")


class Reply(NamedTuple):
    """What to send back; ``close`` alone means: hang up without an answer."""

    status: int = 200
    body: bytes = b""
    content_type: bytes = b"application/json; charset=utf-8"
    close: bool = False


class _RefusedError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(status, text.encode() + b"\n", b"text/plain; charset=utf-8", close=True)


class HttpServer:
    """Serves ``POST /`` with JSON through ``answer``, and ``GET /health``.

    Browsers are kept out of a loopback server: a request needs ``Content-Type: application/json``, which a
    page of another origin cannot send unasked, and a local ``Host``, which a rebound name does not have.
    """

    def __init__(self, answer: Callable[[bytes], Awaitable[Reply]], *, local_only: bool) -> None:
        self._answer, self._local_only = answer, local_only
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._connected, host, port, limit=2 * MAXIMUM_BODY_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and hang up on everybody."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=MAXIMUM_HEADER_BYTES)
        crowded = len(self._open) >= MAXIMUM_CONNECTIONS
        self._open.add(writer)
        try:
            if crowded:
                raise _RefusedError(503, f"more than {MAXIMUM_CONNECTIONS} connections")
            while await self._serve_one(connection, reader, writer):
                connection.start_next_cycle()
        except _RefusedError as refused:
            await self._refuse(connection, writer, refused)
        except h11.RemoteProtocolError as error:
            await self._refuse(connection, writer, _RefusedError(error.error_status_hint, str(error)))
        except (ConnectionError, TimeoutError, h11.LocalProtocolError):
            pass  # the client has gone, dawdles, or speaks past its own request: nobody is left to answer
        except asyncio.CancelledError:
            writer.transport.abort()  # the server is closing
        finally:
            self._open.discard(writer)
            writer.close()

    async def _refuse(
        self, connection: h11.Connection, writer: asyncio.StreamWriter, refused: _RefusedError
    ) -> None:
        if connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            try:
                await self._send(connection, writer, refused.reply)
                # What the client is still sending would turn our answer into a reset before it is read.
                writer.write_eof()
                await asyncio.sleep(0.05)
            except (ConnectionError, OSError, RuntimeError, h11.LocalProtocolError):
                pass

    async def _serve_one(
        self, connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        async with asyncio.timeout(REQUEST_SECONDS):
            event = await self._event(connection, reader, writer)
            if not isinstance(event, h11.Request):
                return False
            self._check(event)
            body = bytearray()
            while isinstance(piece := await self._event(connection, reader, writer), h11.Data):
                body += piece.data
                if len(body) > MAXIMUM_BODY_BYTES:
                    raise _RefusedError(413, f"more than {MAXIMUM_BODY_BYTES} bytes")
            if not isinstance(piece, h11.EndOfMessage):
                return False
        if event.method == b"GET":
            reply = Reply(200, b"ok", b"text/plain; charset=utf-8")
        else:
            reply = await self._answer(bytes(body))
        if reply.close and not reply.body:
            writer.transport.abort()
            return False
        await self._send(connection, writer, reply)
        return connection.our_state is h11.DONE and connection.their_state is h11.DONE

    def _check(self, request: h11.Request) -> None:
        headers = dict(request.headers)
        path = request.target.partition(b"?")[0]
        if self._local_only:
            host = headers.get(b"host", b"").decode("latin-1")
            name = host if host.endswith("]") else host.rpartition(":")[0] or host
            if name.lower() not in _LOCAL_NAMES:
                raise _RefusedError(403, "the Host header names another machine")
        if request.method == b"GET" and path == b"/health":
            return
        if request.method != b"POST":
            raise _RefusedError(405, "used HTTP method is not allowed: POST is required")
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise _RefusedError(415, "Content-Type: application/json is required")
        length = headers.get(b"content-length")
        if length is not None and int(length) > MAXIMUM_BODY_BYTES:
            raise _RefusedError(413, f"more than {MAXIMUM_BODY_BYTES} bytes")

    @staticmethod
    async def _event(
        connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> object:
        while (event := connection.next_event()) is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                writer.write(connection.send(go_on) or b"")
            connection.receive_data(await reader.read(MAXIMUM_HEADER_BYTES))
        return event

    @staticmethod
    async def _send(connection: h11.Connection, writer: asyncio.StreamWriter, reply: Reply) -> None:
        headers = [
            (b"content-type", reply.content_type),
            (b"content-length", str(len(reply.body)).encode()),
        ]
        if reply.close:
            headers.append((b"connection", b"close"))
        head = connection.send(h11.Response(status_code=reply.status, headers=headers)) or b""
        body = connection.send(h11.Data(data=reply.body)) or b""
        writer.write(head + body + (connection.send(h11.EndOfMessage()) or b""))
        async with asyncio.timeout(REQUEST_SECONDS):
            await writer.drain()
