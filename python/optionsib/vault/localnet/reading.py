"""Methods that read accounts, tokens, slots and the chain's own facts."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from solders.account import Account
from solders.hash import Hash, ParseHashError
from solders.message import from_bytes_versioned
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from optionsib.vault.base58 import base58
from optionsib.vault.localnet.bank import RECENT_BLOCKHASHES, Bank, Commitment
from optionsib.vault.localnet.errors import BLOCK_NOT_AVAILABLE, INVALID_PARAMS, RpcError, invalid_params
from optionsib.vault.localnet.params import (
    MAXIMUM_WIRE_BYTES,
    Params,
    to_address,
    to_bytes,
    whole_number,
)
from optionsib.vault.tokens import (
    TOKEN_PROGRAM,
    TokenAccount,
    mint_decimals,
    mint_supply,
    token_account,
    ui_amount,
)

VERSION = {"solana-core": "3.0.0", "feature-set": 0}
MAXIMUM_ACCOUNTS = 100
_BASE58_LIMIT = 128
_LAMPORTS_PER_SIGNATURE = 5_000
_PRECOMPILES = {
    "Ed25519SigVerify111111111111111111111111111",
    "KeccakSecp256k11111111111111111111111111111",
    "Secp256r1SigVerify1111111111111111111111111",
}
Handler = Callable[[list[Any]], Any]


class Reading:
    """Handlers by method name in ``methods``."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank
        self.methods: dict[str, Handler] = {
            "getHealth": lambda values: "ok",
            "getVersion": lambda values: VERSION,
            "getGenesisHash": lambda values: str(bank.genesis_hash),
            "getSlot": lambda values: bank.slot(self._commitment(values, 0, 1)),
            "getBlockHeight": lambda values: bank.block_height(self._commitment(values, 0, 1)),
            "getTransactionCount": lambda values: bank.count,
            "getBlockTime": self.block_time,
            "getLatestBlockhash": self.latest_blockhash,
            "isBlockhashValid": self.is_blockhash_valid,
            "getFeeForMessage": self.fee_for_message,
            "getMinimumBalanceForRentExemption": self.rent,
            "getBalance": self.balance,
            "getAccountInfo": self.account_info,
            "getMultipleAccounts": self.multiple_accounts,
            "getProgramAccounts": self.program_accounts,
            "getTokenAccountBalance": self.token_balance,
            "getTokenSupply": self.token_supply,
            "getTokenAccountsByOwner": self.token_accounts,
            "getEpochInfo": self.epoch_info,
        }

    def _commitment(self, values: list[Any], index: int, most: int) -> Commitment:
        params = Params(values, self._bank, most)
        return params.commitment(params.config(index))

    def in_context(self, value: Any, commitment: Commitment) -> dict[str, Any]:
        """Wrap a result with the slot it was read at."""
        return {
            "context": {"slot": self._bank.slot(commitment), "apiVersion": VERSION["solana-core"]},
            "value": value,
        }

    def block_time(self, values: list[Any]) -> int:
        """``getBlockTime``."""
        slot = Params(values, self._bank, 1).integer(0, "slot")
        found = self._bank.time_of(slot)
        if found is None:
            raise RpcError(BLOCK_NOT_AVAILABLE, f"Block not available for slot {slot}")
        return found

    def latest_blockhash(self, values: list[Any]) -> dict[str, Any]:
        """``getLatestBlockhash``."""
        commitment = self._commitment(values, 0, 1)
        slot = self._bank.slot(commitment)
        return self.in_context(
            {
                "blockhash": str(self._bank.blockhash_of(slot)),
                "lastValidBlockHeight": self._bank.height_of(slot) + RECENT_BLOCKHASHES,
            },
            commitment,
        )

    def is_blockhash_valid(self, values: list[Any]) -> dict[str, Any]:
        """``isBlockhashValid``."""
        params = Params(values, self._bank, 2)
        text = params.text(0, "a blockhash")
        try:
            blockhash = Hash.from_string(text)
        except (ValueError, ParseHashError):
            raise invalid_params(f"{text[:60]!r}: expected a blockhash (base58 of 32 bytes)") from None
        return self.in_context(self._bank.is_recent(blockhash), params.commitment(params.config(1)))

    def fee_for_message(self, values: list[Any]) -> dict[str, Any]:
        """``getFeeForMessage``: the base fee of all signatures; there is no fee market to add to it."""
        params = Params(values, self._bank, 2)
        commitment = params.commitment(params.config(1))
        wire = to_bytes(params.text(0, "a message"), "base64", MAXIMUM_WIRE_BYTES)
        try:
            message = from_bytes_versioned(wire)
            blank = [Signature.default()] * message.header.num_required_signatures
            VersionedTransaction.populate(message, blank).sanitize()
        except Exception as error:  # solders raises several unrelated types
            raise invalid_params(f"failed to deserialize a message: {error}") from None
        if not self._bank.is_recent(message.recent_blockhash):
            return self.in_context(None, commitment)
        signatures = message.header.num_required_signatures
        for instruction in message.instructions:
            program = str(message.account_keys[instruction.program_id_index])
            data = bytes(instruction.data)
            signatures += data[0] if program in _PRECOMPILES and data else 0
        return self.in_context(signatures * _LAMPORTS_PER_SIGNATURE, commitment)

    def rent(self, values: list[Any]) -> int:
        """``getMinimumBalanceForRentExemption``."""
        size = Params(values, self._bank, 2).integer(0, "data length", 10 * 1024 * 1024)
        return self._bank.rent(size)

    def balance(self, values: list[Any]) -> dict[str, Any]:
        """``getBalance``."""
        params = Params(values, self._bank, 2)
        commitment = params.commitment(params.config(1))
        account = self._bank.account(params.address(0), commitment)
        return self.in_context(0 if account is None else account.lamports, commitment)

    def account_info(self, values: list[Any]) -> dict[str, Any]:
        """``getAccountInfo``."""
        params = Params(values, self._bank, 2)
        config = params.config(1)
        commitment = params.commitment(config)
        account = self._bank.account(params.address(0), commitment)
        return self.in_context(self.shown(account, config, "base58"), commitment)

    def multiple_accounts(self, values: list[Any]) -> dict[str, Any]:
        """``getMultipleAccounts``."""
        params = Params(values, self._bank, 2)
        config = params.config(1)
        commitment = params.commitment(config)
        keys = [to_address(text) for text in params.strings(0, "addresses", MAXIMUM_ACCOUNTS)]
        found = [self.shown(self._bank.account(key, commitment), config, "base64") for key in keys]
        return self.in_context(found, commitment)

    def program_accounts(self, values: list[Any]) -> Any:
        """``getProgramAccounts`` with the filters dataSize, memcmp and tokenAccountState."""
        params = Params(values, self._bank, 2)
        config = params.config(1)
        commitment = params.commitment(config)
        filters = config.get("filters") or []
        if not isinstance(filters, list) or len(filters) > 4:
            raise invalid_params("filters: expected a list of at most 4")
        tests = [_filter(item) for item in filters]
        found = [
            {"pubkey": str(key), "account": self.shown(account, config, "base58")}
            for key, account in self._bank.program_accounts(params.address(0), commitment)
            if all(test(account) for test in tests)
        ]
        return self.in_context(found, commitment) if config.get("withContext") is True else found

    def token_balance(self, values: list[Any]) -> dict[str, Any]:
        """``getTokenAccountBalance``."""
        params = Params(values, self._bank, 2)
        commitment = params.commitment(params.config(1))
        account = self._bank.account(params.address(0), commitment)
        if account is None:
            raise RpcError(INVALID_PARAMS, "Invalid param: could not find account")
        token = token_account(account)
        if token is None:
            raise RpcError(INVALID_PARAMS, "Invalid param: not a Token account")
        return self.in_context(self._amount(token), commitment)

    def token_supply(self, values: list[Any]) -> dict[str, Any]:
        """``getTokenSupply``."""
        params = Params(values, self._bank, 2)
        commitment = params.commitment(params.config(1))
        account = self._bank.account(params.address(0), commitment)
        decimals = mint_decimals(account)
        if account is None or decimals is None:
            raise RpcError(INVALID_PARAMS, "Invalid param: not a Token mint")
        return self.in_context(ui_amount(mint_supply(account), decimals), commitment)

    def token_accounts(self, values: list[Any]) -> dict[str, Any]:
        """``getTokenAccountsByOwner`` for a mint or the token program."""
        params = Params(values, self._bank, 3)
        owner, which, config = params.address(0), params.config(1), params.config(2)
        commitment = params.commitment(config)
        mint, program = which.get("mint"), which.get("programId")
        if isinstance(mint, str) == isinstance(program, str):
            raise invalid_params("expected {mint} or {programId}")
        wanted = to_address(mint) if isinstance(mint, str) else None
        if isinstance(program, str) and to_address(program) != TOKEN_PROGRAM:
            raise RpcError(INVALID_PARAMS, "Invalid param: unrecognized Token program id")
        found = []
        for key, account in self._bank.program_accounts(TOKEN_PROGRAM, commitment):
            token = token_account(account)
            if token is not None and token.owner == owner and wanted in (None, token.mint):
                found.append({"pubkey": str(key), "account": self.shown(account, config, "base64")})
        return self.in_context(found, commitment)

    def epoch_info(self, values: list[Any]) -> dict[str, int]:
        """``getEpochInfo``: there is one epoch, which does not end."""
        commitment = self._commitment(values, 0, 1)
        height = self._bank.block_height(commitment)
        return {
            "absoluteSlot": self._bank.slot(commitment),
            "blockHeight": height,
            "epoch": 0,
            "slotIndex": height,
            "slotsInEpoch": 2**32,
            "transactionCount": self._bank.count,
        }

    def _amount(self, token: TokenAccount) -> dict[str, Any]:
        return ui_amount(token.amount, mint_decimals(self._bank.account(token.mint)) or 0)

    def shown(self, account: Account | None, config: dict[str, Any], default: str) -> dict[str, Any] | None:
        """Return an account as JSON in the encoding asked for."""
        encoding = config.get("encoding") or default
        if encoding not in ("base58", "binary", "base64", "jsonParsed"):
            raise invalid_params(f"encoding {str(encoding)[:40]!r}: expected base58, base64 or jsonParsed")
        if account is None:
            return None
        if encoding == "jsonParsed" and (token := token_account(account)) is not None:
            data: Any = self._parsed(token)
        else:
            data = _encoded(_sliced(account.data, config.get("dataSlice")), encoding)
        return {
            "lamports": account.lamports,
            "owner": str(account.owner),
            "executable": account.executable,
            "rentEpoch": account.rent_epoch,
            "space": len(account.data),
            "data": data,
        }

    @staticmethod
    def nothing() -> dict[str, Any]:
        """Return how a subscription shows an account that is gone."""
        system = "11111111111111111111111111111111"
        return {
            "lamports": 0,
            "owner": system,
            "executable": False,
            "rentEpoch": 0,
            "space": 0,
            "data": ["", "base64"],
        }

    def _parsed(self, token: TokenAccount) -> dict[str, Any]:
        info = {
            "isNative": False,
            "mint": str(token.mint),
            "owner": str(token.owner),
            "state": "frozen" if token.state == 2 else "initialized",
            "tokenAmount": self._amount(token),
        }
        return {"program": "spl-token", "space": 165, "parsed": {"type": "account", "info": info}}


def _sliced(data: bytes, part: Any) -> bytes:
    if part is None:
        return data
    if not isinstance(part, dict):
        raise invalid_params("dataSlice: expected {offset, length}")
    start = whole_number(part.get("offset"), "dataSlice.offset")
    return data[start : start + whole_number(part.get("length"), "dataSlice.length")]


def _encoded(data: bytes, encoding: str) -> Any:
    if encoding in ("base64", "jsonParsed"):
        return [base64.b64encode(data).decode(), "base64"]
    if len(data) > _BASE58_LIMIT:
        raise RpcError(
            INVALID_PARAMS,
            f"Encoded binary (base 58) data should be less than {_BASE58_LIMIT} bytes, "
            "please use Base64 encoding.",
        )
    return base58(data) if encoding == "binary" else [base58(data), "base58"]


def _filter(item: Any) -> Callable[[Account], bool]:
    if item == "tokenAccountState":
        return lambda account: token_account(account) is not None
    if isinstance(item, dict) and len(item) == 1:
        if "dataSize" in item:
            size = whole_number(item["dataSize"], "dataSize")
            return lambda account: len(account.data) == size
        compare = item.get("memcmp")
        if isinstance(compare, dict) and isinstance(compare.get("bytes"), str):
            offset = whole_number(compare.get("offset"), "memcmp.offset")
            wanted = to_bytes(compare["bytes"], compare.get("encoding") or "base58", 128)
            return lambda account: account.data[offset : offset + len(wanted)] == wanted
    raise invalid_params("filter: expected {dataSize}, {memcmp: {offset, bytes}} or tokenAccountState")
