"""Methods that send, simulate and look up transactions."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import TransactionMetadata

from optionsib.common.types import SECOND_NS
from optionsib.vault.base58 import base58
from optionsib.vault.localnet.bank import Bank, is_writable
from optionsib.vault.localnet.errors import (
    INVALID_PARAMS,
    PREFLIGHT_FAILURE,
    UNSUPPORTED_VERSION,
    RpcError,
    invalid_params,
)
from optionsib.vault.localnet.network import Network
from optionsib.vault.localnet.outcome import error_json, error_text, inner_instructions, return_data
from optionsib.vault.localnet.params import Params, to_address, to_signature, to_transaction, whole_number
from optionsib.vault.localnet.reading import Handler, Reading
from optionsib.vault.localnet.store import Landed

_MAXIMUM_STATUSES = 256
_STATUS_SLOTS = 300  # how long a node remembers a status without looking into its history
_MAXIMUM_SIGNATURES = 1_000
_MAXIMUM_SIMULATED_ACCOUNTS = 64


class Sending:
    """Handlers by method name in ``methods``."""

    def __init__(self, bank: Bank, network: Network, reading: Reading) -> None:
        self._bank, self._network, self._reading = bank, network, reading
        self.methods: dict[str, Handler] = {
            "sendTransaction": self.send,
            "simulateTransaction": self.simulate,
            "getSignatureStatuses": self.statuses,
            "getSignaturesForAddress": self.signatures,
            "getTransaction": self.transaction,
        }

    def send(self, values: list[Any]) -> str:
        """``sendTransaction``: preflight unless skipped, then on its way. Returns the signature."""
        params = Params(values, self._bank, 2)
        config = params.config(1)
        params.commitment({"minContextSlot": config.get("minContextSlot")})
        wire = params.text(0, "a transaction")
        transaction = to_transaction(wire, config.get("encoding") or "base58")
        if config.get("skipPreflight") is not True:
            error, meta, _ = self._bank.simulate(transaction)
            if error is not None:
                written = error_json(error)
                raise RpcError(
                    PREFLIGHT_FAILURE,
                    f"Transaction simulation failed: {error_text(written)}",
                    self._simulated(written, meta),
                )
        self._network.submit(transaction)
        return str(transaction.signatures[0])

    def simulate(self, values: list[Any]) -> dict[str, Any]:
        """``simulateTransaction``."""
        params = Params(values, self._bank, 2)
        config = params.config(1)
        commitment = params.commitment(config)
        replace, verify = config.get("replaceRecentBlockhash") is True, config.get("sigVerify") is True
        if replace and verify:
            raise RpcError(INVALID_PARAMS, "sigVerify may not be used with replaceRecentBlockhash")
        text = params.text(0, "a transaction")
        transaction = to_transaction(text, config.get("encoding") or "base58", verify=verify)
        error, meta, after = self._bank.simulate(
            transaction, check_blockhash=not replace, check_signatures=verify
        )
        value = self._simulated(error_json(error), meta)
        wanted = config.get("accounts")
        if wanted is not None:
            value["accounts"] = self._simulated_accounts(wanted, {} if error else after)
        if config.get("innerInstructions") is True and meta is not None:
            value["innerInstructions"] = inner_instructions(meta)
        if replace:
            slot = self._bank.slot()
            value["replacementBlockhash"] = {
                "blockhash": str(self._bank.blockhash_of(slot)),
                "lastValidBlockHeight": self._bank.height_of(slot) + 150,
            }
        return self._reading.in_context(value, commitment)

    def _simulated(self, error: Any, meta: TransactionMetadata | None) -> dict[str, Any]:
        return {
            "err": error,
            "logs": [] if meta is None else meta.logs(),
            "accounts": None,
            "unitsConsumed": 0 if meta is None else meta.compute_units_consumed(),
            "returnData": None if meta is None else return_data(meta),
            "innerInstructions": None,
            "replacementBlockhash": None,
            "loadedAccountsDataSize": 0,
        }

    def _simulated_accounts(self, wanted: Any, after: dict[Pubkey, Account]) -> list[Any]:
        addresses = wanted.get("addresses") if isinstance(wanted, dict) else None
        if (
            not isinstance(addresses, list)
            or len(addresses) > _MAXIMUM_SIMULATED_ACCOUNTS
            or not all(isinstance(item, str) for item in addresses)
        ):
            raise invalid_params(
                f"accounts: expected {{addresses}}, a list of at most {_MAXIMUM_SIMULATED_ACCOUNTS}"
            )
        encoding = {"encoding": wanted.get("encoding") or "base64"}
        keys = [to_address(item) for item in addresses]
        found = [after[key] if key in after else self._bank.account(key) for key in keys]
        return [self._reading.shown(account, encoding, "base64") for account in found]

    def statuses(self, values: list[Any]) -> dict[str, Any]:
        """``getSignatureStatuses``: old ones are found with ``searchTransactionHistory`` only."""
        params = Params(values, self._bank, 2)
        oldest = self._bank.slot() - _STATUS_SLOTS
        if params.config(1).get("searchTransactionHistory") is True:
            oldest = 0
        texts = params.strings(0, "signatures", _MAXIMUM_STATUSES)
        found = [self._bank.store.transaction(str(to_signature(text))) for text in texts]
        return self._reading.in_context(
            [None if one is None or one.slot < oldest else self._status(one) for one in found],
            "processed",
        )

    def _status(self, landed: Landed) -> dict[str, Any]:
        commitment = self._bank.commitment_of(landed)
        error = msgspec.json.decode(landed.outcome)["err"]
        return {
            "slot": landed.slot,
            "confirmations": None if commitment == "finalized" else self._bank.slot() - landed.slot,
            "err": error,
            "status": {"Ok": None} if error is None else {"Err": error},
            "confirmationStatus": commitment,
        }

    def signatures(self, values: list[Any]) -> list[dict[str, Any]]:
        """``getSignaturesForAddress``, newest first."""
        params = Params(values, self._bank, 2)
        config = params.config(1)
        commitment = _at_least_confirmed(params, config)
        limit = whole_number(config.get("limit") or _MAXIMUM_SIGNATURES, "limit", _MAXIMUM_SIGNATURES)
        below, above = self._ordinal(config.get("before")), self._ordinal(config.get("until"))
        rows = self._bank.store.mentioning(
            params.address(0),
            2**62 if below is None else below,
            -1 if above is None else above,
            limit + self._bank.unfinal,
        )
        found = []
        for landed in rows:
            status = self._bank.commitment_of(landed)
            if status == "processed" or (commitment == "finalized" and status != "finalized"):
                continue
            found.append(
                {
                    "signature": landed.signature,
                    "slot": landed.slot,
                    "err": msgspec.json.decode(landed.outcome)["err"],
                    "memo": None,
                    "blockTime": landed.processed_ns // SECOND_NS,
                    "confirmationStatus": status,
                }
            )
        return found[:limit]

    def _ordinal(self, text: Any) -> int | None:
        if text is None:
            return None
        if not isinstance(text, str):
            raise invalid_params("expected a signature as a string")
        landed = self._bank.store.transaction(str(to_signature(text)))
        if landed is None:
            raise invalid_params(f"signature {text} is not in the ledger")
        return landed.ordinal

    def transaction(self, values: list[Any]) -> dict[str, Any] | None:
        """``getTransaction`` in the encodings json, jsonParsed (accounts only), base64, base58."""
        params = Params(values, self._bank, 2)
        second = values[1] if len(values) > 1 else None
        config = {"encoding": second} if isinstance(second, str) else params.config(1)
        commitment = _at_least_confirmed(params, config)
        landed = self._bank.store.transaction(str(to_signature(params.text(0, "a signature"))))
        if landed is None:
            return None
        status = self._bank.commitment_of(landed)
        if status == "processed" or (commitment == "finalized" and status != "finalized"):
            return None
        transaction = VersionedTransaction.from_bytes(landed.wire)
        version = transaction.version()
        highest = config.get("maxSupportedTransactionVersion")
        if isinstance(version, int) and highest is None:
            raise RpcError(
                UNSUPPORTED_VERSION,
                f"Transaction version ({version}) is not supported by the requesting client. Please try "
                f"the request again with the following configuration parameter: "
                f'"maxSupportedTransactionVersion": {version}',
            )
        meta = msgspec.json.decode(landed.outcome)
        if highest is None:
            del meta["loadedAddresses"]
        found = {
            "slot": landed.slot,
            "blockTime": landed.processed_ns // SECOND_NS,
            "transaction": _encoded(transaction, landed.wire, config.get("encoding") or "json"),
            "meta": meta,
        }
        return found if highest is None else {**found, "version": version if version == 0 else "legacy"}


def _at_least_confirmed(params: Params, config: dict[str, Any]) -> str:
    commitment = params.commitment(config)
    if commitment == "processed":
        raise RpcError(INVALID_PARAMS, "Method does not support commitment below `confirmed`")
    return commitment


def _encoded(transaction: VersionedTransaction, wire: bytes, encoding: Any) -> Any:
    if encoding == "base64":
        return [base64.b64encode(wire).decode(), "base64"]
    if encoding in ("base58", "binary"):
        text = base58(wire)
        return [text, "base58"] if encoding == "base58" else text
    if encoding not in ("json", "jsonParsed"):
        raise invalid_params(f"encoding {str(encoding)[:40]!r}: expected json, jsonParsed, base64 or base58")
    message = transaction.message
    header, keys = message.header, message.account_keys
    instructions: list[dict[str, Any]]
    if encoding == "json":
        instructions = [
            {
                "programIdIndex": item.program_id_index,
                "accounts": list(item.accounts),
                "data": base58(bytes(item.data)),
                "stackHeight": None,
            }
            for item in message.instructions
        ]
        body: dict[str, Any] = {
            "header": {
                "numRequiredSignatures": header.num_required_signatures,
                "numReadonlySignedAccounts": header.num_readonly_signed_accounts,
                "numReadonlyUnsignedAccounts": header.num_readonly_unsigned_accounts,
            },
            "accountKeys": [str(key) for key in keys],
        }
    else:
        instructions = [
            {
                "programId": str(keys[item.program_id_index]),
                "accounts": [str(keys[index]) for index in bytes(item.accounts)],
                "data": base58(bytes(item.data)),
                "stackHeight": None,
            }
            for item in message.instructions
        ]
        body = {
            "accountKeys": [
                {
                    "pubkey": str(key),
                    "signer": message.is_signer(index),
                    "writable": is_writable(header, index, len(keys)),
                    "source": "transaction",
                }
                for index, key in enumerate(keys)
            ]
        }
    body["recentBlockhash"] = str(message.recent_blockhash)
    body["instructions"] = instructions
    if transaction.version() == 0:
        body["addressTableLookups"] = []
    return {"signatures": [str(item) for item in transaction.signatures], "message": body}
