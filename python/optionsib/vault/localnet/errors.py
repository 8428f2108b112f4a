"""JSON-RPC errors with the codes and words of a Solana node."""

from __future__ import annotations

from typing import Any

from optionsib.common.errors import OptionsIBError

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
PREFLIGHT_FAILURE = -32002
SIGNATURE_FAILURE = -32003
BLOCK_NOT_AVAILABLE = -32004
NODE_UNHEALTHY = -32005
UNSUPPORTED_VERSION = -32015
MIN_CONTEXT_SLOT = -32016


class RpcError(OptionsIBError):
    """An answer that is an error object."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    def as_object(self) -> dict[str, Any]:
        """Return the JSON-RPC error object; ``data`` only where there is any."""
        found: dict[str, Any] = {"code": self.code, "message": self.message}
        return found if self.data is None else {**found, "data": self.data}


def invalid_params(reason: str) -> RpcError:
    """Return the error of a parameter that is missing, of a wrong type or out of range."""
    return RpcError(INVALID_PARAMS, f"Invalid params: {reason}")


def unhealthy(reason: str = "") -> RpcError:
    """Return the error of a node that cannot serve."""
    return RpcError(NODE_UNHEALTHY, f"Node is unhealthy{': ' + reason if reason else ''}", {})
