"""The control port: faults by JSON lines over a loopback connection.

Each line is an object with ``token`` and ``fault`` (the name of a method of
:class:`~optionsib.brokers.paper.faults.Faults`); its other members are the arguments. The answer is one
line, ``{"ok": true, "result": ...}`` or ``{"ok": false, "error": "..."}``. A wrong token ends the
connection.
"""

from __future__ import annotations

import asyncio
import hmac
import inspect
import ipaddress
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from optionsib.brokers.paper.faults import Faults
from optionsib.common.errors import BrokerError

MAXIMUM_LINE = 64 * 1024
MAXIMUM_CONNECTIONS = 8
_NOT_FAULTS = frozenset({"outgoing", "incoming", "notices", "watch", "unwatch"})

FAULTS: Mapping[str, Callable[..., Any]] = {
    name: method
    for name, method in vars(Faults).items()
    if inspect.isfunction(method) and not name.startswith("_") and name not in _NOT_FAULTS
}


class FaultRequestError(BrokerError):
    """A fault was asked for that does not exist, or with arguments it does not take."""


def bind_fault(name: object, arguments: Mapping[str, object]) -> Callable[[Faults], Any]:
    """Check a fault's name and arguments; return what arms it.

    Numbers and truth values may come as text, as a YAML file or a command line has them.

    Raises
    ------
    FaultRequestError
        If the name or an argument is unknown, missing, or of the wrong kind.
    """
    method = FAULTS.get(name) if isinstance(name, str) else None
    if method is None:
        raise FaultRequestError(f"fault {name!r} is unknown; names: {', '.join(FAULTS)}")
    kinds = typing.get_type_hints(method)
    parameters = list(inspect.signature(method).parameters.values())[1:]
    unknown = arguments.keys() - {parameter.name for parameter in parameters}
    missing = {one.name for one in parameters if one.default is one.empty} - arguments.keys()
    if unknown or missing:
        known = ", ".join(parameter.name for parameter in parameters) or "none"
        wrong = f"unknown: {', '.join(sorted(unknown)) or 'none'}"
        wrong += f", missing: {', '.join(sorted(missing)) or 'none'}"
        raise FaultRequestError(f"fault {name} takes the arguments {known}; {wrong}")
    values: dict[str, Any] = {}
    for key, value in arguments.items():
        text = str(value) if kinds[key] in (str, str | None) and type(value) in (int, float) else value
        try:
            values[key] = msgspec.convert(text, kinds[key], strict=False)
        except msgspec.ValidationError as error:
            raise FaultRequestError(f"fault {name}, argument {key} = {value!r}: {error}") from error
    return lambda faults: method(faults, **values)


def arm(faults: Faults, name: object, arguments: Mapping[str, object]) -> Any:
    """Arm a fault by name; return what its method returns.

    Raises
    ------
    FaultRequestError
        If it does not exist, does not take these arguments, or refuses them.
    """
    bound = bind_fault(name, arguments)
    try:
        return bound(faults)
    except ValueError as error:
        raise FaultRequestError(f"fault {name}: {error}") from error


class ControlPort:
    """Listens on a loopback address and arms what it is asked to.

    Raises
    ------
    ValueError
        If ``host`` is not a loopback address, or the token is shorter than 16 characters.
    """

    def __init__(self, faults: Faults, token: str, *, host: str = "127.0.0.1", port: int = 0) -> None:
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"the control port listens on a loopback address only, got {host}")
        if len(token) < 16:
            raise ValueError("the control token needs 16 characters or more")
        self._faults = faults
        self._token = token
        self._host, self.port = host, port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> int:
        """Listen and return the bound port.

        Raises
        ------
        BrokerError
            If the port cannot be bound.
        """
        try:
            self._server = await asyncio.start_server(
                self._connected, self._host, self.port, limit=MAXIMUM_LINE
            )
        except OSError as error:
            raise BrokerError(
                f"control port {self.port} cannot be bound: {error.strerror or error}"
            ) from error
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def close(self) -> None:
        """Stop listening and drop the connections."""
        if self._server is not None:
            self._server.close()
            for writer in self._writers:
                writer.close()
            await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= MAXIMUM_CONNECTIONS:
            writer.close()
            return
        self._writers.add(writer)
        try:
            while line := await reader.readline():
                answer, stays = self._answer(line)
                writer.write(msgspec.json.encode(answer) + b"\n")
                await writer.drain()
                if not stays:
                    return
        except (ConnectionError, ValueError):
            pass  # gone, or a line without end
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, line: bytes) -> tuple[dict[str, object], bool]:
        try:
            request = msgspec.json.decode(line, type=dict[str, object])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return {"ok": False, "error": f"a JSON object on one line is expected: {error}"}, False
        token = request.pop("token", "")
        if not isinstance(token, str) or not hmac.compare_digest(token.encode(), self._token.encode()):
            return {"ok": False, "error": "wrong token"}, False
        try:
            result = arm(self._faults, request.pop("fault", ""), request)
        except FaultRequestError as error:
            return {"ok": False, "error": str(error)}, True
        return {"ok": True, "result": result}, True
