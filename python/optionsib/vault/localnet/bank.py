"""The ledger: a Solana VM, its clock and slots, recent blockhashes, commitments, and what has landed.

* Time is the injected clock's, plus an offset that a test may raise; it never runs backwards, not even across
  a restart. A slot lasts ``slot_ms`` of it. The VM's clock is set before every execution.
* The blockhash of a slot is a hash of (genesis, slot); those of the last 150 slots are valid.
* A transaction is in the ledger, on disk, before anybody can see its effect. It lands at most once; a failed
  one that could pay its fee lands too, as on a cluster.
* Until a transaction is final, the accounts it wrote are kept as they were before, so that reading at the
  commitment ``confirmed`` or ``finalized`` shows the past.
"""

from __future__ import annotations

import sqlite3
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import msgspec
from solders.account import Account
from solders.hash import Hash
from solders.litesvm import LiteSVM
from solders.message import MessageHeader
from solders.pubkey import Pubkey
from solders.sysvar import CLOCK
from solders.transaction import VersionedTransaction
from solders.transaction_metadata import (
    FailedTransactionMetadata,
    SimulatedTransactionInfo,
    TransactionMetadata,
)
from solders.transaction_status import TransactionErrorFieldless, TransactionErrorType

from optionsib._native._core import clear_x87
from optionsib.common.errors import SettlementError
from optionsib.common.ports import Clock
from optionsib.common.types import SECOND_NS
from optionsib.vault.localnet.outcome import Balances, outcome
from optionsib.vault.localnet.store import Landed, Store

Commitment = Literal["processed", "confirmed", "finalized"]
COMMITMENTS: tuple[Commitment, ...] = get_args(Commitment)
RECENT_BLOCKHASHES = 150
MILLISECOND_NS = 1_000_000

_UPGRADEABLE_LOADER = Pubkey.from_string("BPFLoaderUpgradeab1e11111111111111111111111")


@dataclass(slots=True)
class _Unfinal:
    landed: Landed
    before: dict[Pubkey, Account | None]


@dataclass(slots=True)
class Bank:
    """One chain.

    Parameters
    ----------
    store
        Where the state is kept (begun by ``genesis.open_bank``); it is continued.
    clock
        Gives the time.
    genesis_hash
        Of the cluster; blockhashes are derived from it.
    slot_ms
        Length of a slot.
    """

    store: Store
    clock: Clock
    genesis_hash: Hash
    slot_ms: int = 400
    confirmed_ns: int = 0
    finalized_ns: int = 0
    on_landed: Callable[[Landed], None] = lambda landed: None
    failure: str = field(default="", init=False)
    count: int = field(default=0, init=False)
    _vm: LiteSVM = field(init=False)
    _base_slot: int = field(init=False)
    _genesis_ns: int = field(init=False)
    _last_ns: int = field(init=False)
    _offset_ns: int = field(init=False)
    _slot: int = field(init=False)
    _recent: dict[Hash, int] = field(default_factory=dict, init=False)
    _unfinal: deque[_Unfinal] = field(default_factory=deque, init=False)

    def __post_init__(self) -> None:
        self._vm = new_vm()
        self._base_slot = int(self._vm.get_clock().slot)
        get = self.store.get
        self._genesis_ns = int(get("genesis_ns") or 0)
        self._last_ns = int(get("last_ns") or 0)
        self._offset_ns = int(get("offset_ns") or 0)
        self.count = self.store.count()
        # A program can be loaded only where its program data account stands already.
        later = []
        for address, account in self.store.accounts():
            if account.executable:
                later.append((address, account))
            else:
                self._vm.set_account(address, account)
        for address, account in later:
            self._vm.set_account(address, account)
        self.store.finalize_all(self._last_ns)
        self._slot = self.slot_at(self._last_ns)
        self._vm.warp_to_slot(self._slot)
        self._move_to(self._last_ns)

    # --- time ------------------------------------------------------------------------------------------

    def now_ns(self) -> int:
        """Return chain time, UTC ns, and move the slots along."""
        self._move_to(self.clock.now_ns() + self._offset_ns)
        return self._last_ns

    def clock_ns(self) -> int:
        """Return what chain time will be once ``now_ns`` is called; moves nothing."""
        return max(self._last_ns, self.clock.now_ns() + self._offset_ns)

    def _move_to(self, time_ns: int) -> None:
        self._last_ns = max(self._last_ns, time_ns)
        slot = self.slot_at(self._last_ns)
        if slot != self._slot or not self._recent:
            self._slot = slot
            oldest = max(self._base_slot, slot - RECENT_BLOCKHASHES)
            first = max(oldest, 1 + max(self._recent.values(), default=-1))
            for number in range(first, slot + 1):
                self._recent[self.blockhash_of(number)] = number
            for old in [key for key, number in self._recent.items() if number < oldest]:
                del self._recent[old]

    def advance(self, nanoseconds: int) -> None:
        """Move chain time forward against the clock, for good."""
        self._offset_ns += nanoseconds
        self._save({"offset_ns": str(self._offset_ns), "last_ns": str(self.clock_ns())}, {})

    def slot_at(self, time_ns: int) -> int:
        """Return the slot of a time."""
        return self._base_slot + max(0, time_ns - self._genesis_ns) // (self.slot_ms * MILLISECOND_NS)

    def slot(self, commitment: Commitment = "processed") -> int:
        """Return the newest slot of this commitment."""
        return self.slot_at(self.now_ns() - self._lag(commitment))

    def block_height(self, commitment: Commitment = "processed") -> int:
        """Return how many blocks lie below the newest one; every slot has a block."""
        return self.slot(commitment) - self._base_slot

    def height_of(self, slot: int) -> int:
        """Return the block height of a slot."""
        return slot - self._base_slot

    def time_of(self, slot: int) -> int | None:
        """Return when a slot began, Unix seconds; None where it has not begun or lies before genesis."""
        if not self._base_slot <= slot <= self.slot():
            return None
        start = self._genesis_ns + (slot - self._base_slot) * self.slot_ms * MILLISECOND_NS
        return start // SECOND_NS

    def _lag(self, commitment: Commitment) -> int:
        return {"processed": 0, "confirmed": self.confirmed_ns, "finalized": self.finalized_ns}[commitment]

    # --- blockhashes -----------------------------------------------------------------------------------

    def blockhash_of(self, slot: int) -> Hash:
        """Return the blockhash of a slot."""
        parts = b"optionsib local chain block", bytes(self.genesis_hash), slot.to_bytes(8, "little")
        return Hash.hash(b"".join(parts))

    def is_recent(self, blockhash: Hash) -> bool:
        """Tell whether a transaction with this blockhash may land at the present chain time."""
        return blockhash in self._recent

    # --- accounts --------------------------------------------------------------------------------------

    def account(self, address: Pubkey, commitment: Commitment = "processed") -> Account | None:
        """Return an account as it stood at this commitment."""
        if commitment != "processed":
            for entry in self._not_yet(commitment):
                if address in entry.before:
                    return entry.before[address]
        found = self._vm.get_account(address)
        if address == CLOCK and found is not None:
            return self._clock_account(found, commitment)
        return found if found is not None and found.lamports else None

    def _clock_account(self, kept: Account, commitment: Commitment) -> Account:
        """Return the clock sysvar of now; the VM's own moves with the executions only."""
        data = bytearray(kept.data)
        struct.pack_into("<Q", data, 0, self.slot(commitment))
        struct.pack_into("<q", data, 32, (self._last_ns - self._lag(commitment)) // SECOND_NS)
        return Account(kept.lamports, bytes(data), kept.owner, kept.executable, kept.rent_epoch)

    def program_accounts(
        self, program: Pubkey, commitment: Commitment = "processed"
    ) -> list[tuple[Pubkey, Account]]:
        """Return all accounts that ``program`` owns, by address."""
        found = {key for key, _ in self._vm.get_program_accounts(program)}
        if commitment != "processed":
            found |= {key for entry in self._not_yet(commitment) for key in entry.before}
        accounts = ((key, self.account(key, commitment)) for key in sorted(found, key=bytes))
        return [(key, one) for key, one in accounts if one is not None and one.owner == program]

    @property
    def unfinal(self) -> int:
        """How many transactions have landed and are not final."""
        return len(self._unfinal)

    def rent(self, size: int) -> int:
        """Return the rent-exempt minimum of ``size`` bytes, lamports."""
        return self._vm.minimum_balance_for_rent_exemption(size)

    def put_accounts(self, accounts: dict[Pubkey, Account]) -> None:
        """Write accounts from outside any transaction (genesis only)."""
        self._save({}, dict(accounts))
        for address, account in accounts.items():
            self._vm.set_account(address, account)

    def _not_yet(self, commitment: Commitment) -> list[_Unfinal]:
        now = self.now_ns()
        self._forget_final()
        if commitment == "finalized":
            return list(self._unfinal)
        return [entry for entry in self._unfinal if entry.landed.confirmed_ns > now]

    def _forget_final(self) -> None:
        while self._unfinal and self._unfinal[0].landed.finalized_ns <= self._last_ns:
            self._unfinal.popleft()

    # --- execution -------------------------------------------------------------------------------------

    def commitment_of(self, landed: Landed) -> Commitment:
        """Return how far a transaction has come."""
        now = self.now_ns()
        if landed.finalized_ns <= now:
            return "finalized"
        return "confirmed" if landed.confirmed_ns <= now else "processed"

    def simulate(
        self,
        transaction: VersionedTransaction,
        *,
        check_blockhash: bool = True,
        check_signatures: bool = True,
    ) -> tuple[TransactionErrorType | None, TransactionMetadata | None, dict[Pubkey, Account]]:
        """Execute without effect: (error, metadata, accounts afterwards)."""
        at_ns = self.now_ns()
        refused = self.refusal(transaction, check_blockhash=check_blockhash)
        if refused is not None:
            return refused, None, {}
        self._set_clock(at_ns)
        if not check_signatures:
            self._vm = self._vm.with_sigverify(False)
        try:
            result = self._vm.simulate_transaction(transaction)
        finally:
            clear_x87()  # the virtual machine leaves them full: long doubles would be NaN from here on
            if not check_signatures:
                self._vm = self._vm.with_sigverify(True)
        if isinstance(result, SimulatedTransactionInfo):
            return None, result.meta(), dict(result.post_accounts())
        return result.err(), result.meta(), {}

    def refusal(
        self, transaction: VersionedTransaction, *, check_blockhash: bool = True
    ) -> TransactionErrorType | None:
        """Return why this transaction cannot land whatever it does; None where it may."""
        if self.store.transaction(str(transaction.signatures[0])) is not None:
            return TransactionErrorFieldless.AlreadyProcessed
        if check_blockhash and not self.is_recent(transaction.message.recent_blockhash):
            return TransactionErrorFieldless.BlockhashNotFound
        return None

    def land(self, transaction: VersionedTransaction, at_ns: int) -> Landed | None:
        """Execute, and put it in the ledger if it could pay its fee; None where nothing has changed.

        Raises
        ------
        SettlementError
            If the state cannot be written. The chain then serves nobody until it is started again.
        """
        if self.failure:
            raise SettlementError(self.failure)
        self._move_to(at_ns)
        if self.refusal(transaction) is not None:
            return None
        self._set_clock(self._last_ns)
        message = transaction.message
        keys: Sequence[Pubkey] = message.account_keys
        balances = Balances(keys, self._vm.get_account)
        writable = [key for index, key in enumerate(keys) if is_writable(message.header, index, len(keys))]
        before = {key: self._vm.get_account(key) for key in writable}
        result = self._vm.send_transaction(transaction)
        clear_x87()
        error = result.err() if isinstance(result, FailedTransactionMetadata) else None
        meta = result.meta() if isinstance(result, FailedTransactionMetadata) else result
        payer = before[keys[0]]
        if error is not None and (payer is None or self._vm.get_balance(keys[0]) == payer.lamports):
            return None  # no fee was taken: it never was in a block
        earliest = self._unfinal[-1].landed if self._unfinal else None
        landed = Landed(
            ordinal=self.count,
            signature=str(transaction.signatures[0]),
            slot=self._slot,
            processed_ns=self._last_ns,
            confirmed_ns=max(self._last_ns + self.confirmed_ns, earliest.confirmed_ns if earliest else 0),
            finalized_ns=max(self._last_ns + self.finalized_ns, earliest.finalized_ns if earliest else 0),
            wire=bytes(transaction),
            outcome=msgspec.json.encode(outcome(error, meta, balances, Balances(keys, self._vm.get_account))),
        )
        after = {key: self.account(key) for key in writable}
        changed = {key: account for key, account in after.items() if account != before[key]}
        self._save({"last_ns": str(self._last_ns)}, changed, landed, keys)
        self.count += 1
        self._forget_final()
        if landed.finalized_ns > self._last_ns:
            self._unfinal.append(_Unfinal(landed, before))
        self.on_landed(landed)
        return landed

    def _set_clock(self, at_ns: int) -> None:
        clock = self._vm.get_clock()
        if clock.slot != self._slot:
            self._vm.warp_to_slot(self._slot)
            clock = self._vm.get_clock()
        seconds = at_ns // SECOND_NS
        if clock.unix_timestamp != seconds:
            clock.unix_timestamp = seconds
            self._vm.set_clock(clock)

    def _save(
        self,
        values: dict[str, str],
        accounts: dict[Pubkey, Account | None] | dict[Pubkey, Account],
        landed: Landed | None = None,
        mentions: Sequence[Pubkey] = (),
    ) -> None:
        try:
            self.store.commit(values, accounts, landed, dict.fromkeys(mentions))
        except sqlite3.Error as error:
            # The VM is ahead of the file now: serving on would show effects that a restart takes back.
            self.failure = f"the state could not be written ({error}); restart to continue from the file"
            raise SettlementError(self.failure) from error


def is_writable(header: MessageHeader, index: int, keys: int) -> bool:
    """Tell whether a message may write its account ``index``."""
    signed = header.num_required_signatures
    if index < signed:
        return index < signed - header.num_readonly_signed_accounts
    return index < keys - header.num_readonly_unsigned_accounts


def new_vm() -> LiteSVM:
    """Return a VM with the mainnet feature set that checks signatures, and leaves blockhashes to us."""
    return (
        LiteSVM()  # has the signature precompiles, which no method of its own adds to a bare one
        .with_mainnet_features()
        .with_builtins()
        .with_lamports(10**18)
        .with_sysvars()
        .with_feature_accounts()
        .with_default_programs()
        .with_sigverify(True)
        .with_blockhash_check(False)
        .with_transaction_history(0)
    )
