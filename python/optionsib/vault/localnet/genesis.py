"""The first state of a chain: a faucet, USDT at its true address under a test authority, and the program.

All keys come from the seed (``optionsib.vault.keys``): whoever knows it can mint and freeze here, and nowhere
else.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from solders.account import Account
from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM_PROGRAM
from solders.transaction import VersionedTransaction

from optionsib.common.errors import SettlementError
from optionsib.common.ports import Clock
from optionsib.vault.deploy import (
    BUFFER_HEADER_BYTES,
    PROGRAM_BYTES,
    deploy,
    make_immutable,
    write_buffer,
)
from optionsib.vault.keys import derive_secret
from optionsib.vault.localnet.bank import MILLISECOND_NS, Bank
from optionsib.vault.localnet.store import Store
from optionsib.vault.tokens import USDT_MINT, new_mint

_FAUCET_LAMPORTS = 500_000_000 * 10**9


class LocalKeys:
    """The chain's own key pairs; shows public keys only."""

    __slots__ = ("authority", "faucet", "program")

    def __init__(self, seed: int) -> None:
        self.faucet = Keypair.from_seed(derive_secret(seed, "local chain faucet"))
        self.authority = Keypair.from_seed(derive_secret(seed, "local chain USDT authority"))
        self.program = Keypair.from_seed(derive_secret(seed, "local chain vault program"))

    def __repr__(self) -> str:
        return f"LocalKeys(faucet={self.faucet.pubkey()}, authority={self.authority.pubkey()})"


def open_bank(store: Store, clock: Clock, seed: int, program: Path | None, slot_ms: int) -> Bank:
    """Continue the chain in ``store``, or begin one with ``program`` deployed.

    Raises
    ------
    SettlementError
        If the stored chain was begun with another seed, program or slot length, or the loader refuses the
        program.
    """
    elf = b"" if program is None else _read(program)
    facts = {"seed": str(seed), "program_sha256": hashlib.sha256(elf).hexdigest(), "slot_ms": str(slot_ms)}
    genesis_hash = Hash.hash(b"optionsib local chain genesis" + str(sorted(facts.items())).encode())
    if store.get("ready") is not None:
        for name, value in facts.items():
            if (found := store.get(name)) != value:
                raise SettlementError(
                    f"the local chain on disk was begun with {name}={found}, asked for {value}; "
                    "it is unchanged (take another state folder, or --reset)"
                )
        return Bank(store, clock, genesis_hash, slot_ms)
    store.clear()  # a process killed in the middle of a genesis has served nobody
    start_ns = clock.now_ns() - 2 * slot_ms * MILLISECOND_NS  # a program runs from the next slot on
    store.put({"genesis_ns": str(start_ns), "last_ns": str(start_ns), "offset_ns": "0", **facts})
    bank = Bank(store, clock, genesis_hash, slot_ms)
    keys = LocalKeys(seed)
    bank.put_accounts(
        {
            keys.faucet.pubkey(): Account(_FAUCET_LAMPORTS, b"", SYSTEM_PROGRAM, False, 2**64 - 1),
            keys.authority.pubkey(): Account(10**12, b"", SYSTEM_PROGRAM, False, 2**64 - 1),
            USDT_MINT: new_mint(keys.authority.pubkey(), bank.rent(82)),
        }
    )
    if elf:
        _deploy(bank, keys, elf, start_ns)
    store.put({"ready": "1"})
    return bank


def _read(program: Path) -> bytes:
    try:
        elf = program.read_bytes()
    except OSError as error:
        raise SettlementError(f"program {program}: {error.strerror}; no chain was begun") from error
    if not elf:
        raise SettlementError(f"program {program}: the file is empty; no chain was begun")
    return elf


def _deploy(bank: Bank, keys: LocalKeys, elf: bytes, at_ns: int) -> None:
    payer, program = keys.faucet, keys.program
    buffer = Keypair.from_seed(hashlib.sha256(b"optionsib local chain buffer" + elf).digest())

    def land(instructions: list[Instruction], *signers: Keypair) -> None:
        blockhash = bank.blockhash_of(bank.slot_at(at_ns))
        message = Message.new_with_blockhash(instructions, payer.pubkey(), blockhash)
        transaction = VersionedTransaction(message, [payer, *signers])
        landed = bank.land(transaction, at_ns)
        outcome = {"err": "not landed"} if landed is None else msgspec.json.decode(landed.outcome)
        if outcome["err"] is not None:
            reasons = "; ".join(outcome.get("logMessages", ())[-3:])
            raise SettlementError(f"the loader refuses the program: {outcome['err']}: {reasons}")

    rent = bank.rent(BUFFER_HEADER_BYTES + len(elf))
    pieces = write_buffer(payer.pubkey(), buffer.pubkey(), payer.pubkey(), elf, lamports=rent)
    for number, instructions in enumerate(pieces):
        land(instructions, *([] if number else [buffer]))
    address = program.pubkey()
    rent = bank.rent(PROGRAM_BYTES)
    land(
        deploy(payer.pubkey(), buffer.pubkey(), address, payer.pubkey(), len(elf), lamports=rent),
        program,
    )
    land([make_immutable(address, payer.pubkey())])


def program_address(seed: int) -> Pubkey:
    """Return the address of the program on a local chain of this seed."""
    return LocalKeys(seed).program.pubkey()
