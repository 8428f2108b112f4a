"""The control socket: an operator's commands to a running daemon (request and answer over ZeroMQ).

A request is msgpack ``{"command": name, "arguments": {...}}``; the answer is ``{"ok": true, "result": ...}``
or ``{"ok": false, "error": kind, "message": text}``. Requests are served side by side, so that ``status``
answers while ``flatten`` works.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec

from optionsib.bus.endpoints import (
    CurveKeys,
    load_zmq,
    protect_socket_file,
    secure_client,
    secure_server,
    socket_errors,
)
from optionsib.common.errors import BusError, OptionsIBError
from optionsib.common.logging import get_logger
from optionsib.common.types import Json

Handler = Callable[..., Json | Awaitable[Json]]


class _Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    command: str
    arguments: dict[str, Any] = {}


class _Answer(msgspec.Struct, frozen=True):
    ok: bool
    result: Any = None
    error: str = ""
    message: str = ""


class RequestRefusedError(BusError):
    """The server answered with an error; ``kind`` is its class, ``reason`` its text."""

    def __init__(self, command: str, kind: str, reason: str) -> None:
        super().__init__(f"{command} refused: {kind}: {reason}")
        self.kind, self.reason = kind, reason


class ControlServer:
    """Serve commands in the running event loop, until ``stop``.

    Parameters
    ----------
    endpoint
        ``ipc://path`` (only this user may connect) or ``tcp://127.0.0.1:port``; port 0 takes a free
        one, ``endpoint`` then names it after ``start``.
    handlers
        Command -> function or coroutine function; it gets the arguments by name and returns what JSON
        can hold.
    keys
        Needed if other machines can reach the endpoint.
    """

    def __init__(
        self, endpoint: str, handlers: Mapping[str, Handler], *, keys: CurveKeys | None = None
    ) -> None:
        self.endpoint = endpoint
        self._handlers = dict(handlers)
        self._keys = keys
        self._context: Any = None
        self._socket: Any = None
        self._authenticator: Any = None
        self._loop_task: asyncio.Task[None] | None = None
        self._requests: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Bind and serve.

        Raises
        ------
        BusError
            If the endpoint cannot be bound (in use, no such folder).
        ConfigError
            If other machines could reach it and there are no keys.
        """
        zmq = load_zmq()
        import zmq.asyncio as zmq_asyncio

        self._context = zmq_asyncio.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.linger = 500  # ms, so that the answer to "stop" still leaves
        try:
            self._authenticator = secure_server(self._socket, self.endpoint, self._keys)
            with socket_errors("listen on", self.endpoint):
                self._socket.bind(self.endpoint)
            protect_socket_file(self.endpoint)
        except OptionsIBError:
            await self.stop()
            raise
        self.endpoint = self._socket.last_endpoint.decode()
        self._loop_task = asyncio.create_task(self._serve(), name="control socket")

    async def stop(self) -> None:
        """Finish the requests at work, then close the socket. A second call does nothing."""
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.gather(self._loop_task, return_exceptions=True)
            self._loop_task = None
        current = asyncio.current_task()
        waiting = [task for task in self._requests if task is not current]
        await asyncio.gather(*waiting, return_exceptions=True)
        if self._authenticator is not None:
            self._authenticator.stop()
            self._authenticator = None
        if self._socket is not None:
            self._socket.close()
            self._context.term()
            self._socket = self._context = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _serve(self) -> None:
        while True:
            frames = await self._socket.recv_multipart()
            task = asyncio.create_task(self._respond(frames))
            self._requests.add(task)
            task.add_done_callback(self._requests.discard)

    async def _respond(self, frames: list[bytes]) -> None:
        *envelope, body = frames
        answer = await self._answer(body)
        await self._socket.send_multipart([*envelope, msgspec.msgpack.encode(answer)])

    async def _answer(self, body: bytes) -> _Answer:
        try:
            request = msgspec.msgpack.decode(body, type=_Request)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _Answer(False, error="BadRequest", message=f"not a control request: {error}")
        handler = self._handlers.get(request.command)
        if handler is None:
            known = ", ".join(sorted(self._handlers))
            return _Answer(
                False, error="BadRequest", message=f"unknown command {request.command!r}: expected {known}"
            )
        try:
            inspect.signature(handler).bind(**request.arguments)
        except TypeError as error:
            return _Answer(False, error="BadRequest", message=f"{request.command}: {error}")
        try:
            result = handler(**request.arguments)
            return _Answer(True, result=await result if inspect.isawaitable(result) else result)
        except OptionsIBError as error:
            return _Answer(False, error=type(error).__name__, message=str(error))
        except Exception as error:
            # The operator gets an answer in every case; the trace goes to the log of the daemon.
            get_logger(__name__).exception("control command failed", command=request.command)
            return _Answer(False, error=type(error).__name__, message=f"internal error: {error}")


class ControlClient:
    """Send commands to a daemon. Each request has a socket of its own, so a lost answer spoils nothing.

    Parameters
    ----------
    endpoint
        Of the ``ControlServer``.
    keys
        Needed if the daemon is on another machine.
    """

    def __init__(self, endpoint: str, *, keys: CurveKeys | None = None) -> None:
        self.endpoint = endpoint
        self._keys = keys

    def request(self, command: str, *, timeout: float = 5.0, **arguments: Json) -> Json:
        """Send ``command`` and return the handler's result.

        Parameters
        ----------
        command
            One that the server has a handler for; a refusal of another lists them.
        timeout
            Real seconds to wait for the answer.
        **arguments
            Passed to the handler by name.

        Raises
        ------
        BusError
            If no answer came in time (the command may have been carried out or not).
        RequestRefusedError
            If the daemon refused it; the message has its reason.
        """
        zmq = load_zmq()
        with zmq.Context() as context, context.socket(zmq.REQ) as socket:
            socket.linger = 0
            secure_client(socket, self.endpoint, self._keys)
            with socket_errors("reach", self.endpoint):
                socket.connect(self.endpoint)
                socket.send(msgspec.msgpack.encode(_Request(command, arguments)))
                if not socket.poll(round(timeout * 1000)):
                    raise self._no_answer(command, timeout)
                body = socket.recv()
        return self._result(command, body)

    async def ask(self, command: str, *, timeout: float = 5.0, **arguments: Json) -> Json:
        """Send ``command`` from a coroutine; otherwise as ``request``."""
        zmq = load_zmq()
        import zmq.asyncio as zmq_asyncio

        context: Any = zmq_asyncio.Context()
        with context, context.socket(zmq.REQ) as socket:
            socket.linger = 0
            secure_client(socket, self.endpoint, self._keys)
            with socket_errors("reach", self.endpoint):
                socket.connect(self.endpoint)
                await socket.send(msgspec.msgpack.encode(_Request(command, arguments)))
                if not await socket.poll(round(timeout * 1000)):
                    raise self._no_answer(command, timeout)
                body = await socket.recv()
        return self._result(command, body)

    def _no_answer(self, command: str, timeout: float) -> BusError:
        return BusError(
            f"no answer to {command!r} from {self.endpoint} in {timeout:g} s: is the daemon "
            "running? If it is, the command may still be carried out"
        )

    def _result(self, command: str, body: bytes) -> Json:
        try:
            answer = msgspec.msgpack.decode(body, type=_Answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BusError(f"{self.endpoint} is no control socket: {error}") from error
        if not answer.ok:
            raise RequestRefusedError(command, answer.error, answer.message)
        result: Json = answer.result
        return result
