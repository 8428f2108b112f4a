"""What the vault's client reads from a chain, and how it is taken out of the node's JSON."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any, Literal

import msgspec
from solders.account import Account
from solders.pubkey import Pubkey
from solders.sysvar import CLOCK

from optionsib.common.errors import SettlementError
from optionsib.vault.program_client import AuditEvent, TradeAccount, VaultAccount
from optionsib.vault.program_instructions import VaultProgram
from optionsib.vault.schema import PROGRAM_FILE, program_file
from optionsib.vault.tokens import mint_authorities, mint_decimals, token_account

Commitment = Literal["processed", "confirmed", "finalized"]
COMMITMENTS: tuple[Commitment, ...] = ("processed", "confirmed", "finalized")
CLOCK_SYSVAR = CLOCK
_FROZEN = 2
_CLOCK_TIME_AT = 32
_PROGRAM_DATA_HEADER_BYTES = 45
_AUTHORITY_FLAG_AT = 12


class TokenReading(msgspec.Struct, frozen=True):
    """A token account: its owner, base units, and whether its issuer froze it."""

    owner: Pubkey
    mint: Pubkey
    amount: int
    frozen: bool


class VaultReading(msgspec.Struct, frozen=True, kw_only=True):
    """All of a vault at one slot.

    ``chain_time``: Unix seconds of the chain's own clock; ``at_ns``: when it was read by ours. Where there
    is no vault yet, ``vault``, ``funds`` and ``escrow`` are None. ``lamports``: of each address asked about.
    """

    at_ns: int
    slot: int
    chain_time: int
    vault: VaultAccount | None
    funds: TokenReading | None
    escrow: TokenReading | None
    mint_authority: Pubkey | None
    freeze_authority: Pubkey | None
    decimals: int
    lamports: tuple[int, ...]


class ChainFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What ``check`` found about cluster, program and mint."""

    genesis_hash: str
    program_sha256: str
    program_committed: bool  # it is, byte for byte, the program of this package
    program_immutable: bool
    mint_authority: Pubkey | None
    freeze_authority: Pubkey | None


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A signed transaction that has not been sent; it can land up to the last valid block height."""

    wire: bytes
    signature: str
    blockhash: str
    last_valid_block_height: int
    compute_units: int
    priority_fee: int  # lamports


class SignatureStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a transaction has come; ``error`` is empty where it succeeded.

    ``error`` is the program's name of it (``OVER_TRADE_CAP``) or the chain's. ``confirmed_ns``: when it was
    confirmed, where the chain can tell (the embedded one can).
    """

    slot: int
    commitment: Commitment
    error: str = ""
    error_code: int = 0
    confirmed_ns: int | None = None

    def reached(self, commitment: Commitment) -> bool:
        """Tell whether it has come as far as ``commitment``."""
        return COMMITMENTS.index(self.commitment) >= COMMITMENTS.index(commitment)


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that names the vault, oldest first in a history; ``fee`` in lamports."""

    signature: str
    slot: int
    block_time: int | None
    error: str
    fee: int
    wire: bytes
    events: tuple[AuditEvent, ...]


def account_of(shown: Any) -> Account | None:
    """Return an account from the node's JSON (base64)."""
    if shown is None:
        return None
    return Account(
        lamports=int(shown["lamports"]),
        data=base64.b64decode(shown["data"][0], validate=True),
        owner=Pubkey.from_string(shown["owner"]),
        executable=bool(shown["executable"]),
        rent_epoch=int(shown["rentEpoch"]),
    )


def token_of(account: Account | None) -> TokenReading | None:
    """Return a token account; None where there is none or something else."""
    found = None if account is None else token_account(account)
    return (
        None if found is None else TokenReading(found.owner, found.mint, found.amount, found.state == _FROZEN)
    )


def vault_of(account: Account | None, program: VaultProgram) -> VaultAccount | None:
    """Return a vault account; None where there is none.

    Raises
    ------
    SettlementError
        If something else stands at its address.
    """
    if _is_empty(account, program):
        return None
    return program.decode_vault(_own_data(account, program, "vault"))


def trade_of(account: Account | None, program: VaultProgram) -> TradeAccount | None:
    """Return a trade account; None where there is none (never opened, or ended).

    Raises
    ------
    SettlementError
        If something else stands at its address.
    """
    if _is_empty(account, program):
        return None
    return program.decode_trade(_own_data(account, program, "trade"))


def _is_empty(account: Account | None, program: VaultProgram) -> bool:
    """Tell whether nothing of ours is there; whoever sends SOL to an address makes an empty account of it."""
    return account is None or (not account.data and account.owner != program.program)


def _own_data(account: Account | None, program: VaultProgram, kind: str) -> bytes:
    if account is None or account.owner != program.program:
        owner = None if account is None else account.owner
        raise SettlementError(f"the {kind} account belongs to {owner}, expected {program.program}")
    return account.data


def chain_time_of(clock: Account | None) -> int:
    """Return the Unix seconds of the clock sysvar.

    Raises
    ------
    SettlementError
        If the node does not show it.
    """
    if clock is None or len(clock.data) < _CLOCK_TIME_AT + 8:
        raise SettlementError("the RPC node does not show the chain's clock")
    return int(struct.unpack_from("<q", clock.data, _CLOCK_TIME_AT)[0])


def mint_of(account: Account | None, mint: Pubkey) -> tuple[Pubkey | None, Pubkey | None, int]:
    """Return who may mint, who may freeze, and the decimals.

    Raises
    ------
    SettlementError
        If there is no such mint of the SPL Token program.
    """
    decimals = mint_decimals(account)
    if account is None or decimals is None:
        raise SettlementError(f"{mint} is no mint of the SPL Token program on this chain")
    return (*mint_authorities(account), decimals)


def program_code(data: Account | None) -> tuple[str, bool, bool]:
    """Return SHA-256, whether it is this package's program, and whether nobody may replace it.

    Raises
    ------
    SettlementError
        If it was not deployed through the upgradeable loader.
    """
    if data is None or len(data.data) <= _PROGRAM_DATA_HEADER_BYTES:
        raise SettlementError("the program was not deployed through the upgradeable loader")
    code = data.data[_PROGRAM_DATA_HEADER_BYTES:]
    ours = program_file(PROGRAM_FILE).read_bytes()
    committed = code.startswith(ours) and not any(code[len(ours) :])
    shown = ours if committed else code.rstrip(b"\0")
    return hashlib.sha256(shown).hexdigest(), committed, data.data[_AUTHORITY_FLAG_AT] == 0
