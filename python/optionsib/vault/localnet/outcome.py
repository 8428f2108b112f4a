"""The outcome of a transaction in the JSON shape of the RPC's ``meta``."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from solders.account import Account
from solders.pubkey import Pubkey
from solders.transaction_metadata import TransactionMetadata
from solders.transaction_status import TransactionErrorType, UiTransactionStatusMeta

from optionsib.vault.base58 import base58
from optionsib.vault.tokens import TOKEN_PROGRAM, mint_decimals, token_account, ui_amount


class Balances:
    """Lamports and token amounts of a transaction's accounts at one moment."""

    def __init__(self, keys: Sequence[Pubkey], read: Callable[[Pubkey], Account | None]) -> None:
        self.lamports: list[int] = []
        self.tokens: list[dict[str, Any]] = []
        for index, key in enumerate(keys):
            account = read(key)
            self.lamports.append(0 if account is None else account.lamports)
            token = None if account is None else token_account(account)
            if token is None:
                continue
            self.tokens.append(
                {
                    "accountIndex": index,
                    "mint": str(token.mint),
                    "owner": str(token.owner),
                    "programId": str(TOKEN_PROGRAM),
                    "uiTokenAmount": ui_amount(token.amount, mint_decimals(read(token.mint)) or 0),
                }
            )


def error_json(error: TransactionErrorType | None) -> Any:
    """Return an error as a node writes it, e.g. ``{"InstructionError": [0, {"Custom": 1}]}``."""
    # The error's own to_json drops the names; inside a status it is written in full.
    return None if error is None else json.loads(UiTransactionStatusMeta(error, 0, [], []).to_json())["err"]


def error_text(error: Any) -> str:
    """Return the sentence that a node prints for an error in JSON form."""
    if isinstance(error, dict) and "InstructionError" in error:
        index, reason = error["InstructionError"]
        if isinstance(reason, dict) and "Custom" in reason:
            return f"Error processing Instruction {index}: custom program error: {reason['Custom']:#x}"
        return f"Error processing Instruction {index}: {_words(reason)}"
    known = {
        "AlreadyProcessed": "This transaction has already been processed",
        "BlockhashNotFound": "Blockhash not found",
        "AccountNotFound": "Attempt to debit an account but found no record of a prior credit.",
        "SignatureFailure": "Transaction did not pass signature verification",
    }
    return known.get(error, "") if isinstance(error, str) and error in known else _words(error)


def _words(name: Any) -> str:
    if not isinstance(name, str):
        return json.dumps(name)
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def outcome(
    error: TransactionErrorType | None, meta: TransactionMetadata, before: Balances, after: Balances
) -> dict[str, Any]:
    """Return ``meta`` of ``getTransaction``."""
    written = error_json(error)
    found: dict[str, Any] = {
        "err": written,
        "status": {"Ok": None} if written is None else {"Err": written},
        "fee": meta.fee(),
        "preBalances": before.lamports,
        "postBalances": after.lamports,
        "preTokenBalances": before.tokens,
        "postTokenBalances": after.tokens,
        "innerInstructions": inner_instructions(meta),
        "logMessages": meta.logs(),
        "rewards": [],
        "loadedAddresses": {"writable": [], "readonly": []},
        "computeUnitsConsumed": meta.compute_units_consumed(),
    }
    returned = return_data(meta)
    return found if returned is None else {**found, "returnData": returned}


def inner_instructions(meta: TransactionMetadata) -> list[dict[str, Any]]:
    """Return the instructions that programs called, by the outer instruction that caused them."""
    found = []
    for index, group in enumerate(meta.inner_instructions()):
        calls = [
            {
                "programIdIndex": call.instruction().program_id_index,
                "accounts": list(call.instruction().accounts),
                "data": base58(bytes(call.instruction().data)),
                "stackHeight": call.stack_height(),
            }
            for call in group
        ]
        if calls:
            found.append({"index": index, "instructions": calls})
    return found


def return_data(meta: TransactionMetadata) -> dict[str, Any] | None:
    """Return what the last program returned; None for nothing."""
    returned = meta.return_data()
    data = bytes(returned.data)
    if not data:
        return None
    return {"programId": str(returned.program_id), "data": [base64.b64encode(data).decode(), "base64"]}
