"""JSON-RPC 2.0 over bytes: parse, dispatch, answer. Knows no sockets."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from optionsib.common.errors import SettlementError
from optionsib.vault.localnet.bank import Bank
from optionsib.vault.localnet.control import Control
from optionsib.vault.localnet.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RpcError,
    unhealthy,
)
from optionsib.vault.localnet.genesis import LocalKeys
from optionsib.vault.localnet.network import Network
from optionsib.vault.localnet.reading import Handler, Reading
from optionsib.vault.localnet.sending import Sending

MAXIMUM_BATCH = 100
OWN_PREFIX = "localnet_"
_log = logging.getLogger(__name__)


def parse(body: bytes | str) -> Any:
    """Decode JSON.

    Raises
    ------
    RpcError
        -32700 if it is none, or nested too deeply.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "Parse error") from None


def request_id(request: Any) -> str | int | float | None:
    """Return the id of a request, None where it has none that may be echoed."""
    found = request.get("id") if isinstance(request, dict) else None
    return found if isinstance(found, str | int | float) and not isinstance(found, bool) else None


def failed(identity: str | int | float | None, error: RpcError) -> dict[str, Any]:
    """Return an error answer."""
    return {"jsonrpc": "2.0", "error": error.as_object(), "id": identity}


class Service:
    """All methods of one chain."""

    def __init__(self, bank: Bank, network: Network, keys: LocalKeys) -> None:
        self._bank, self._network = bank, network
        self.reading = Reading(bank)
        self._control = Control(bank, network, keys)
        self.methods: dict[str, Handler] = {
            **self.reading.methods,
            **Sending(bank, network, self.reading).methods,
            **self._control.methods,
        }

    def answer(self, request: Any) -> Any:
        """Answer what was parsed: one request or a batch. None: nothing to say (notifications only)."""
        if isinstance(request, list):
            if not 0 < len(request) <= MAXIMUM_BATCH:
                reason = f"Invalid request: a batch of {len(request)}, expected 1 to {MAXIMUM_BATCH}"
                return failed(None, RpcError(INVALID_REQUEST, reason))
            answers = [answer for item in request if (answer := self._one(item)) is not None]
            return answers or None
        return self._one(request)

    def _one(self, request: Any) -> dict[str, Any] | None:
        identity = request_id(request)
        try:
            result = self.call(*self.method_and_values(request))
        except RpcError as error:
            return failed(identity, error)
        if "id" not in request:
            return None
        return {"jsonrpc": "2.0", "result": result, "id": identity}

    @staticmethod
    def method_and_values(request: Any) -> tuple[str, list[Any]]:
        """Check the frame of a request and take it apart."""
        if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
            raise RpcError(INVALID_REQUEST, "Invalid request")
        method, values = request.get("method"), request.get("params")
        if not isinstance(method, str) or not isinstance(values, list | None):
            raise RpcError(INVALID_REQUEST, "Invalid request")
        return method, values or []

    def call(self, method: str, values: list[Any]) -> Any:
        """Carry one method out.

        Raises
        ------
        RpcError
            With the code and data of a real node.
        """
        handler = self.methods.get(method)
        if handler is None:
            raise RpcError(METHOD_NOT_FOUND, "Method not found")
        try:
            if self._bank.failure:
                raise unhealthy(self._bank.failure)
            self._network.pump()
            return handler(values)
        except SettlementError as error:
            raise unhealthy(str(error)) from error
        except RpcError:
            raise
        except Exception as error:
            self._control.internal_errors += 1
            _log.exception("%s failed", method)
            raise RpcError(INTERNAL_ERROR, f"Internal error: {type(error).__name__}") from error
