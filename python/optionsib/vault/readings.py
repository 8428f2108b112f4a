"""What the vault's client reads from a chain, and how it is taken out of the node's JSON."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Annotated, Any, Literal

import msgspec
from solders.account import Account
from solders.pubkey import Pubkey
from solders.sysvar import CLOCK

from optionsib.common.errors import SettlementError
from optionsib.vault.program_client import AuditEvent, TradeAccount, VaultAccount
from optionsib.vault.program_instructions import VaultProgram
from optionsib.vault.rpc import RpcUnavailableError
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


class Call(msgspec.Struct, frozen=True):
    """An instruction that the program accepted; ``moved``: the tokens that it moved first, base units."""

    kind: str
    data: bytes
    trade: Pubkey | None
    moved: int


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A transaction that names the vault, oldest first in a history; ``fee`` in lamports.

    ``calls``: what the program accepted for the vault, in order; each leaves an event, where all are known.
    """

    signature: str
    slot: int
    block_time: int | None
    error: str
    fee: int
    wire: bytes
    calls: tuple[Call, ...]
    events: tuple[AuditEvent, ...]

    @property
    def is_whole(self) -> bool:
        """Whether all its events are known."""
        return len(self.events) >= len(self.calls)


Unsigned = Annotated[int, msgspec.Meta(ge=0)]  # up to 64 bits: the JSON decoder refuses more


class AccountShape(msgspec.Struct, frozen=True):
    """An account in a node's JSON; ``data`` is base64 and the word for it."""

    lamports: Unsigned
    data: tuple[str, Literal["base64"]]
    owner: str
    executable: bool
    rentEpoch: Unsigned  # noqa: N815 - the node's name


class ContextShape(msgspec.Struct, frozen=True):
    """The slot that an answer is of."""

    slot: Unsigned


class AccountsShape(msgspec.Struct, frozen=True):
    """Answer of ``getMultipleAccounts``."""

    context: ContextShape
    value: list[AccountShape | None]


class ProgramAccountShape(msgspec.Struct, frozen=True):
    """One of the answer of ``getProgramAccounts``."""

    account: AccountShape


class SignatureShape(msgspec.Struct, frozen=True):
    """One of the answer of ``getSignaturesForAddress``."""

    signature: str


class InnerShape(msgspec.Struct, frozen=True):
    """An instruction that a program called; ``data`` is base58."""

    programIdIndex: Unsigned  # noqa: N815
    accounts: list[Annotated[int, msgspec.Meta(ge=0, le=255)]]
    data: str
    stackHeight: Unsigned | None = None  # noqa: N815


class InnerGroupShape(msgspec.Struct, frozen=True):
    """All that programs called below one instruction of the transaction."""

    index: Unsigned
    instructions: list[InnerShape]


class LoadedShape(msgspec.Struct, frozen=True):
    """Addresses that a transaction took from tables."""

    writable: list[str]
    readonly: list[str]


class MetaShape(msgspec.Struct, frozen=True):
    """What became of a transaction."""

    fee: Unsigned
    err: Any = None
    logMessages: list[str] | None = None  # noqa: N815
    innerInstructions: list[InnerGroupShape] | None = None  # noqa: N815
    loadedAddresses: LoadedShape | None = None  # noqa: N815


class TransactionShape(msgspec.Struct, frozen=True):
    """Answer of ``getTransaction``; ``transaction`` is base64 and the word for it."""

    slot: Unsigned
    meta: MetaShape
    transaction: tuple[str, Literal["base64"]]
    blockTime: int | None = None  # noqa: N815


class StatusShape(msgspec.Struct, frozen=True):
    """One of the answer of ``getSignatureStatuses``; old nodes leave the commitment out."""

    slot: Unsigned
    err: Any = None
    confirmationStatus: Commitment | None = None  # noqa: N815


class StatusesShape(msgspec.Struct, frozen=True):
    """Answer of ``getSignatureStatuses``."""

    context: ContextShape
    value: list[StatusShape | None]


class TipShape(msgspec.Struct, frozen=True):
    """Answer of ``getEpochInfo``: the newest block."""

    absoluteSlot: Unsigned  # noqa: N815
    blockHeight: Unsigned  # noqa: N815


class BlockhashShape(msgspec.Struct, frozen=True):
    """A blockhash and the last block height at which it counts."""

    blockhash: str
    lastValidBlockHeight: Unsigned  # noqa: N815


class LatestBlockhashShape(msgspec.Struct, frozen=True):
    """Answer of ``getLatestBlockhash``."""

    value: BlockhashShape


class SimulationValueShape(msgspec.Struct, frozen=True):
    """What a simulation came to; nodes before 1.18 leave the blockhash out."""

    err: Any = None
    logs: list[str] | None = None
    unitsConsumed: Unsigned = 0  # noqa: N815
    replacementBlockhash: BlockhashShape | None = None  # noqa: N815


class SimulationShape(msgspec.Struct, frozen=True):
    """Answer of ``simulateTransaction``."""

    value: SimulationValueShape


def losses_of_a_day(vault: VaultAccount, chain_time: int) -> int:
    """Return the losses that the program would count at ``chain_time``: this hour's and the 24 before it.

    The account's own buckets are as old as the last open or close.
    """
    aged = max(chain_time // 3_600 - vault.loss_hour, 0)
    buckets = len(vault.losses)
    return sum(vault.losses[(vault.loss_hour - back) % buckets] for back in range(buckets - aged))


def refuse_late(slot: int, least: int) -> None:
    """Refuse what a node shows that has not come as far as another one behind the same address.

    Raises
    ------
    RpcUnavailableError
        If ``slot`` is before ``least``.
    """
    if slot < least:
        raise RpcUnavailableError(f"the node is late: it shows slot {slot}, {least} was seen before")


def account_of(shown: AccountShape | None) -> Account | None:
    """Return an account from a node's answer.

    Raises
    ------
    ValueError
        If data or owner cannot be decoded.
    """
    if shown is None:
        return None
    return Account(
        lamports=shown.lamports,
        data=base64.b64decode(shown.data[0], validate=True),
        owner=Pubkey.from_string(shown.owner),
        executable=shown.executable,
        rent_epoch=shown.rentEpoch,
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
