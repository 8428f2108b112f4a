"""Calls to an RPC node: plain JSON in and out, and few kinds of error.

The answers are not parsed by solders: an error that a node words in its own way makes its parser panic (a
-32005 without ``data``, for one). An address may hold an API key, so none is put in a message or a log.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import msgspec
from pydantic import ValidationError
from solana.exceptions import SolanaRpcException
from solana.rpc.async_api import AsyncClient
from solana.rpc.jsonrpc import JsonRpcRequest, SolanaJsonRpcError
from solders.hash import ParseHashError

from optionsib.common.errors import ConfigError, SettlementError
from optionsib.vault.program_client import ProgramError, error_of

NODE_UNHEALTHY = -32005
PREFLIGHT_FAILURE = -32002
METHOD_NOT_FOUND = -32601

logging.getLogger("httpx2").setLevel(logging.WARNING)  # its INFO lines have the whole address


class RpcUnavailableError(SettlementError):
    """No answer from the node, or none that can be used: what was asked may have been done or not."""


class RpcRefusedError(SettlementError):
    """The node answered with an error; nothing was done."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"the RPC node refuses ({code}): {message}")
        self.code = code


class TransactionRefusedError(SettlementError):
    """The chain refuses a transaction for a reason that is not the vault program's; nothing moved.

    ``reason`` is the chain's name of it, such as ``BlockhashNotFound``.
    """

    def __init__(self, reason: str, logs: tuple[str, ...] = ()) -> None:
        self.low_sol = reason in _LOW_SOL or any("insufficient lamports" in line for line in logs)
        hint = "; the account that pays has not enough SOL" if self.low_sol else ""
        super().__init__(f"the chain refuses: {reason}{hint}; nothing moved")
        self.reason = reason


_LOW_SOL = ("InsufficientFundsForFee", "InsufficientFundsForRent", "AccountNotFound")


def error_name(error: Any) -> tuple[str, int]:
    """Return name and code of a transaction's error in JSON form; the code is 0 where it has none.

    The vault program's errors have names of their own, others the chain's: ``Custom(17)``, ``AccountInUse``.
    """
    if isinstance(error, str):
        return error, 0
    if not isinstance(error, dict) or len(error) != 1:
        return json.dumps(error), 0
    ((kind, detail),) = error.items()
    if kind != "InstructionError" or not isinstance(detail, list) or len(detail) != 2:
        return kind, 0
    reason = detail[1]
    code = reason.get("Custom") if isinstance(reason, dict) else None
    if not isinstance(code, int):
        return reason if isinstance(reason, str) else json.dumps(reason), 0
    known = error_of(code)
    return (f"Custom({code})" if known is None else known.name), code


def transaction_error(error: Any, logs: tuple[str, ...] = ()) -> ProgramError | TransactionRefusedError:
    """Return the exception for a transaction's error in JSON form."""
    name, code = error_name(error)
    return error_of(code) or TransactionRefusedError(name, logs)


def connect(url: str, *, timeout: float = 10.0) -> AsyncClient:
    """Return a client of a node; it connects when it is used.

    Raises
    ------
    ConfigError
        If ``url`` is no http or https address; the message names its scheme and host only.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"RPC address {shown(url)!r}: expected http://host:port or https://host")
    return AsyncClient(url, timeout=timeout, max_transport_retries=0)


def shown(url: str) -> str:
    """Return scheme and host of an address, without anything that may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"


Answer = TypeVar("Answer")


async def call(client: AsyncClient, answer: type[Answer], method: str, *params: Any) -> Answer:
    """Call a method and return its result, which must have the shape of ``answer``.

    Raises
    ------
    RpcUnavailableError
        If no answer comes, or none of that shape, or the node says that it is not healthy.
    ProgramError, TransactionRefusedError
        If a simulation that the node makes before sending fails.
    RpcRefusedError
        If it answers with another error.
    """
    request = JsonRpcRequest(method=method, params=list(params))
    try:
        found = await client.send_rpc_request(request, Any)
    except SolanaJsonRpcError as error:
        raise _of_answer(error) from error
    except SolanaRpcException as error:
        raise RpcUnavailableError(f"no answer to {method}: {_words(error.__cause__)}") from None
    except ValidationError as error:
        raise RpcUnavailableError(f"the answer to {method} is no JSON-RPC") from error
    try:
        return msgspec.convert(found, answer)
    except msgspec.ValidationError as error:
        raise RpcUnavailableError(f"the answer to {method} has another shape: {error}") from error


@contextmanager
def decoding(method: str) -> Iterator[None]:
    """Name what cannot be decoded of an answer as what it is: no usable answer."""
    try:
        yield
    except (ValueError, ParseHashError) as error:
        raise RpcUnavailableError(f"the answer to {method} cannot be decoded: {error}") from error


def _of_answer(error: SolanaJsonRpcError) -> SettlementError:
    data = error.data if isinstance(error.data, dict) else {}
    if error.code == PREFLIGHT_FAILURE and data.get("err") is not None:
        return transaction_error(data["err"], tuple(data.get("logs") or ()))
    if error.code == NODE_UNHEALTHY or error.code == 429:
        return RpcUnavailableError(f"the RPC node is not healthy: {error}")
    return RpcRefusedError(error.code, str(error))


def _words(cause: BaseException | None) -> str:
    """Return what happened, without the address that the library's own text has."""
    if isinstance(cause, httpx2.HTTPStatusError):
        return f"HTTP {cause.response.status_code}"
    return type(cause).__name__
