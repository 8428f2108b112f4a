"""The vault program from Python: addresses, instructions, accounts, attestations, errors and audit records.

Thin and typed over the schema (``optionsib.vault.schema``): it builds and reads bytes, signs nothing, sends
nothing; the instructions are in ``optionsib.vault.program_instructions``. Amounts are base units (1/1000000
USDT), times Unix seconds.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from solders.instruction import Instruction
from solders.pubkey import Pubkey
from solders.signature import Signature

from optionsib.common.errors import SettlementError
from optionsib.vault.schema import ErrorSchema, decode, encode, load_schema

NO_KEY = Pubkey.default()
ED25519_PROGRAM = Pubkey.from_string("Ed25519SigVerify111111111111111111111111111")
_THIS_INSTRUCTION = 0xFFFF
_ED25519_HEADER_BYTES = 16


class Mandate(msgspec.Struct, frozen=True, kw_only=True):
    """What the trader allows. ``NO_KEY`` as engine, attestor, settlement or recovery: none."""

    engine: Pubkey
    attestor: Pubkey
    settlement: Pubkey
    fee_account: Pubkey
    payout: Pubkey
    recovery: Pubkey = NO_KEY
    symbols_hash: bytes
    mint_authority: Pubkey
    freeze_authority: Pubkey
    trade_cap: int
    total_cap: int
    day_loss_cap: int
    lifetime_loss_cap: int
    fee_bps: int
    max_duration: int
    heartbeat_limit: int
    timelock: int


class VaultAccount(msgspec.Struct, frozen=True, kw_only=True):
    """A vault's account."""

    tag: int
    trader: Pubkey
    mint: Pubkey
    funds: Pubkey
    escrow: Pubkey
    cluster: bytes
    vault_bump: int
    funds_bump: int
    escrow_bump: int
    decimals: int
    paused: int
    padding: tuple[int, ...]
    mandate: Mandate
    mandate_version: int
    pending: Mandate
    pending_ready: int
    recovery_ready: int
    last_heartbeat: int
    open_amount: int
    open_trades: int
    receivable: int
    highest_id: int
    id_window: tuple[int, ...]
    loss_hour: int
    losses: tuple[int, ...]
    lifetime_loss: int
    received_profit: int
    high_water: int
    sequence: int
    audit: bytes


class TradeAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The account of an open trade."""

    tag: int
    vault: Pubkey
    trade_id: int
    order_hash: bytes
    rent_payer: Pubkey
    engine: Pubkey
    attestor: Pubkey
    settlement: Pubkey
    fee_account: Pubkey
    fee_bps: int
    amount: int
    remaining: int
    receivable: int
    opened_at: int
    expiry: int
    latest_expiry: int
    heartbeat_limit: int
    closes: int
    mandate_version: int
    bump: int
    padding: tuple[int, ...]


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What an accepted instruction adds to the audit chain."""

    kind: int
    sequence: int
    time: int
    trade_id: int
    amount: int
    pnl: int
    fee: int
    detail: bytes


class CloseMessage(msgspec.Struct, frozen=True, kw_only=True):
    """What the attestor signs for one close."""

    cluster: bytes
    program: Pubkey
    vault: Pubkey
    trade_id: int
    close_number: int
    share: int
    pnl: int
    executions_hash: bytes
    valid_until: int

    def digest(self) -> bytes:
        """Return the 32 bytes that are signed."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        return hashlib.sha256(encode("CloseMessage", {"domain": domain("CLOSE_DOMAIN"), **fields})).digest()


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An audit record as it stands in a transaction's log: of which vault, and the chain's hash after it."""

    vault: Pubkey
    record: AuditRecord
    audit: bytes


@dataclass(frozen=True, slots=True)
class VaultAddresses:
    """The three accounts of a trader's vault."""

    vault: Pubkey
    funds: Pubkey
    escrow: Pubkey


class ProgramError(SettlementError):
    """The program refused; nothing moved."""

    def __init__(self, error: ErrorSchema) -> None:
        super().__init__(f"{error.name} ({error.code}): {error.message}; nothing moved")
        self.code, self.name = error.code, error.name


def domain(name: str) -> bytes:
    """Return a domain tag: its ASCII text, padded with zeros to 32 bytes."""
    return load_schema().domains[name].encode("ascii").ljust(32, b"\0")


def error_of(code: int) -> ProgramError | None:
    """Return the program's error of a custom code; None where the code is not one of its own."""
    for error in load_schema().errors:
        if error.code == code:
            return ProgramError(error)
    return None


def decode_error(error: Any) -> ProgramError | None:
    """Return the program's error in a transaction error; None where it is another one.

    ``error`` is solders' object or its JSON form (``{"InstructionError": [0, {"Custom": 6012}]}``).
    """
    inner = getattr(error, "err", None)
    if isinstance(error, Mapping):
        pair = error.get("InstructionError")
        reason = pair[1] if isinstance(pair, list) and len(pair) == 2 else None
        code = reason.get("Custom") if isinstance(reason, Mapping) else None
    else:
        code = getattr(inner, "code", None)
    return error_of(code) if isinstance(code, int) else None


def ed25519_instruction(key: Pubkey, signature: Signature, message: bytes) -> Instruction:
    """Return the instruction that lets the chain check one signature, all of it inside its own data."""
    key_at = _ED25519_HEADER_BYTES
    signature_at, message_at = key_at + 32, key_at + 32 + 64
    header = struct.pack(
        "<BBHHHHHHH",
        1,
        0,
        signature_at,
        _THIS_INSTRUCTION,
        key_at,
        _THIS_INSTRUCTION,
        message_at,
        len(message),
        _THIS_INSTRUCTION,
    )
    return Instruction(ED25519_PROGRAM, header + bytes(key) + bytes(signature) + message, [])


def audit_events(logs: Iterable[str], program: Pubkey) -> Iterator[AuditEvent]:
    """Yield the audit records that ``program`` put into the log of a transaction, in order.

    Lines that other programs log are passed over, whatever they look like: the next hash of the chain is no
    secret. A log that the node cut off gives what stands before that; ``cut_logs`` finds the rest.
    """
    running: list[str] = []
    for line in logs:
        if line == "Log truncated":
            return
        words = line.split()
        if words[:1] == ["Program"] and len(words) > 2:
            if words[2] == "invoke":
                running.append(words[1])
            elif words[2] in ("success", "failed:") and running[-1:] == words[1:2]:
                running.pop()
        if not line.startswith("Program data: ") or len(words) != 5 or running[-1:] != [str(program)]:
            continue
        try:
            vault, record, audit = (base64.b64decode(word, validate=True) for word in words[2:])
            fields = decode("AuditRecord", record)
        except ValueError:
            continue
        if len(vault) == len(audit) == 32:
            yield AuditEvent(Pubkey.from_bytes(vault), AuditRecord(**fields), audit)


def first_audit(program: Pubkey, vault: Pubkey, cluster: bytes) -> bytes:
    """Return the audit hash that a vault's first record is added to; ``cluster`` is the genesis hash."""
    seed = {"domain": domain("AUDIT_DOMAIN"), "program": program, "vault": vault, "cluster": cluster}
    return hashlib.sha256(encode("AuditSeed", seed)).digest()


def next_audit(before: bytes, record: AuditRecord) -> bytes:
    """Return the audit hash after ``record``."""
    return hashlib.sha256(before + encode("AuditRecord", record)).digest()
