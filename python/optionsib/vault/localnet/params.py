"""Positional JSON-RPC parameters with Solana's configuration object at the end."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, cast

from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from optionsib.vault.base58 import unbase58
from optionsib.vault.localnet.bank import COMMITMENTS, Bank, Commitment
from optionsib.vault.localnet.errors import (
    INVALID_PARAMS,
    MIN_CONTEXT_SLOT,
    SIGNATURE_FAILURE,
    RpcError,
    invalid_params,
)

MAXIMUM_WIRE_BYTES = 1232
_ALIASES: dict[str, Commitment] = {
    "recent": "processed",
    "single": "confirmed",
    "singleGossip": "confirmed",
    "root": "finalized",
    "max": "finalized",
}


class Params:
    """The parameters of one call."""

    def __init__(self, values: Sequence[Any], bank: Bank, most: int) -> None:
        if len(values) > most:
            raise invalid_params(f"{len(values)} parameters, expected at most {most}")
        self._values, self._bank = values, bank

    def config(self, index: int) -> dict[str, Any]:
        """Return the configuration object at ``index``; empty where there is none."""
        value = self._values[index] if index < len(self._values) else None
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise invalid_params(f"expected a configuration object, got {_shown(value)}")
        return value

    def text(self, index: int, what: str) -> str:
        """Return a string."""
        value = self._values[index] if index < len(self._values) else None
        if not isinstance(value, str):
            raise invalid_params(f"expected {what} as a string, got {_shown(value)}")
        return value

    def integer(self, index: int, what: str, most: int = 2**64 - 1) -> int:
        """Return a whole number in [0, most]."""
        value = self._values[index] if index < len(self._values) else None
        return whole_number(value, what, most)

    def strings(self, index: int, what: str, most: int) -> list[str]:
        """Return a list of strings."""
        value = self._values[index] if index < len(self._values) else None
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise invalid_params(f"expected a list of {what}, got {_shown(value)}")
        if len(value) > most:
            raise RpcError(INVALID_PARAMS, f"Too many inputs provided; max {most}")
        return value

    def address(self, index: int) -> Pubkey:
        """Return an address."""
        return to_address(self.text(index, "an address"))

    def commitment(self, config: dict[str, Any]) -> Commitment:
        """Return the commitment asked for, ``finalized`` by default, and check ``minContextSlot``."""
        name = config.get("commitment") or "finalized"
        found = _ALIASES.get(name, name) if isinstance(name, str) else name
        if found not in COMMITMENTS:
            raise invalid_params(f"commitment {_shown(name)}: expected one of {', '.join(COMMITMENTS)}")
        commitment = cast(Commitment, found)
        least = config.get("minContextSlot")
        if least is not None:
            slot = self._bank.slot(commitment)
            if whole_number(least, "minContextSlot") > slot:
                raise RpcError(
                    MIN_CONTEXT_SLOT, "Minimum context slot has not been reached", {"contextSlot": slot}
                )
        return commitment


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def whole_number(value: Any, what: str, most: int = 2**64 - 1) -> int:
    """Check a whole number in [0, most]."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise invalid_params(f"{what} {_shown(value)}: expected a whole number, 0 to {most}")
    return value


def to_address(text: str) -> Pubkey:
    """Parse an address."""
    try:
        return Pubkey.from_string(text)
    except ValueError:
        raise invalid_params(f"{_shown(text)}: expected an address (base58 of 32 bytes)") from None


def to_signature(text: str) -> Signature:
    """Parse a signature."""
    try:
        return Signature.from_string(text)
    except ValueError:
        raise invalid_params(f"{_shown(text)}: expected a signature (base58 of 64 bytes)") from None


def to_bytes(text: str, encoding: Any, most: int) -> bytes:
    """Decode base58 or base64 of at most ``most`` bytes."""
    if len(text) > 2 * most:
        raise invalid_params(f"{len(text)} characters, expected at most {most} bytes encoded")
    try:
        if encoding == "base64":
            data = base64.b64decode(text, validate=True)
        elif encoding == "base58":
            data = unbase58(text)
        else:
            raise invalid_params(f"encoding {_shown(encoding)}: expected base58 or base64")
    except (ValueError, binascii.Error):
        raise invalid_params(f"the data is not {encoding}") from None
    if len(data) > most:
        raise invalid_params(f"{len(data)} bytes, expected at most {most}")
    return data


def to_transaction(text: str, encoding: Any, *, verify: bool = True) -> VersionedTransaction:
    """Decode a signed transaction.

    Raises
    ------
    RpcError
        -32602 if it is malformed or uses address tables, -32003 if a signature is wrong.
    """
    wire = to_bytes(text, encoding, MAXIMUM_WIRE_BYTES)
    try:
        transaction = VersionedTransaction.from_bytes(wire)
        transaction.sanitize()
    except Exception as error:  # solders raises several unrelated types
        raise invalid_params(f"failed to deserialize a transaction: {error}") from None
    if bytes(transaction) != wire:
        raise invalid_params("bytes follow the transaction")
    if getattr(transaction.message, "address_table_lookups", None):
        raise invalid_params("address lookup tables are not supported by the local chain")
    if verify and not all(transaction.verify_with_results()):
        raise RpcError(SIGNATURE_FAILURE, "Transaction signature verification failure")
    return transaction
