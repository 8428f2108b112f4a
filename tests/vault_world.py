"""A Solana VM with the Vault program in it, and every role's keys: where its tests and fuzzers play."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Sequence
from pathlib import Path

from solders.account import Account
from solders.clock import Clock
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.litesvm import FeatureSet, LiteSVM
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import ID as SYSTEM
from solders.transaction import Transaction
from solders.transaction_metadata import TransactionMetadata

from optionsib.vault.deploy import UPGRADEABLE_LOADER, deploy, make_immutable, write_buffer
from optionsib.vault.program_client import (
    CloseMessage,
    Mandate,
    TradeAccount,
    VaultAccount,
    decode_error,
    ed25519_instruction,
)
from optionsib.vault.program_instructions import VaultProgram
from optionsib.vault.schema import program_file

TOKEN = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
START = 1_700_000_000
HOUR, DAY = 3_600, 86_400
CLUSTER = hashlib.sha256(b"a test cluster").digest()
FUNDED = 1_000_000
ACCOUNTS = ("payout", "settlement", "fee", "source", "thief")


def key(name: str) -> Keypair:
    """Return the test key of a name."""
    return Keypair.from_seed(hashlib.sha256(name.encode()).digest())


PROGRAM = key("program")


def token_account(mint: Pubkey, owner: Pubkey, amount: int, *, state: int = 1) -> bytes:
    return bytes(mint) + bytes(owner) + struct.pack("<Q", amount) + bytes(36) + bytes([state]) + bytes(56)


def committed() -> bytes:
    """Return the committed program, or another build of it (mutants, Debian's clang)."""
    return Path(os.environ.get("OPTIONSIB_VAULT_PROGRAM") or program_file("vault.so")).read_bytes()


class World:
    """One trader's vault (and a neighbour's), played transaction by transaction.

    ``send`` returns the name of the program's error, the runtime's error as text, or None for success.
    ``planned`` adds the runtime's features that are not active on mainnet yet.
    """

    def __init__(
        self,
        elf: bytes | None = None,
        *,
        loader: bool = False,
        history: int = 0,
        planned: bool = False,
        **terms: int,
    ) -> None:
        self.vm = LiteSVM().with_mainnet_features()
        if planned:
            self.vm = LiteSVM().with_feature_set(FeatureSet.all_enabled()).with_builtins()
            self.vm = self.vm.with_default_programs().with_lamports(10**18).with_sysvars()
        self.vm = self.vm.with_transaction_history(history)
        elf = committed() if elf is None else elf
        self.keys = {
            name: key(name)
            for name in (
                "payer",
                "trader",
                "engine",
                "attestor",
                "recovery",
                "settler",
                "stranger",
                "neighbour",
            )
        }
        for pair in self.keys.values():
            self.vm.airdrop(pair.pubkey(), 10**12)
        self.now = START
        self.set_time(START)
        self.mint = key("mint").pubkey()
        self.rates = (key("mint authority").pubkey(), key("freeze authority").pubkey())
        self.set_mint(*self.rates)
        self.address = {name: key(f"{name} account").pubkey() for name in ACCOUNTS}
        owners = {"payout": "trader", "settlement": "settler", "source": "trader", "thief": "engine"}
        for name, address in self.address.items():
            owner = key(owners.get(name, name)).pubkey()
            amount = FUNDED if name in ("source", "settlement") else 0
            self.put(address, token_account(self.mint, owner, amount), TOKEN)
        if loader:
            self.deploy(elf)
        else:
            self.vm.add_program(PROGRAM.pubkey(), elf)
        self.client = VaultProgram(PROGRAM.pubkey(), self.mint)
        self.mandate = Mandate(
            engine=self.pub("engine"),
            attestor=self.pub("attestor"),
            settlement=self.address["settlement"],
            fee_account=self.address["fee"],
            payout=self.address["payout"],
            recovery=self.pub("recovery"),
            symbols_hash=bytes(32),
            mint_authority=self.rates[0],
            freeze_authority=self.rates[1],
            **{
                "trade_cap": 400,
                "total_cap": 1_000,
                "day_loss_cap": 600,
                "lifetime_loss_cap": 1_500,
                "fee_bps": 2_000,
                "max_duration": 2 * DAY,
                "heartbeat_limit": DAY,
                "timelock": DAY,
                **terms,
            },
        )
        self.trader = self.pub("trader")
        self.at = self.client.addresses(self.trader)
        self.last: TransactionMetadata | None = None

    # --- the chain ---------------------------------------------------------------------------------------

    def pub(self, role: str) -> Pubkey:
        return self.keys[role].pubkey()

    def put(self, address: Pubkey, data: bytes, owner: Pubkey, lamports: int = 10**9) -> None:
        self.vm.set_account(address, Account(lamports, data, owner, False, 0))

    def set_mint(self, authority: Pubkey | None, freezer: Pubkey | None) -> None:
        def option(value: Pubkey | None) -> bytes:
            return struct.pack("<I", value is not None) + bytes(value or Pubkey.default())

        self.put(self.mint, option(authority) + struct.pack("<QBB", 10**15, 6, 1) + option(freezer), TOKEN)

    def set_time(self, now: int) -> None:
        self.now = now
        self.vm.set_clock(Clock(1, 0, 0, 0, now))

    def set_state(self, address: Pubkey, state: int) -> None:
        """Freeze (2) or thaw (1) a token account."""
        found = self.account(address)
        self.put(address, found.data[:108] + bytes([state]) + found.data[109:], TOKEN, found.lamports)

    def account(self, address: Pubkey) -> Account:
        found = self.vm.get_account(address)
        assert found is not None, address
        return found

    def data(self, address: Pubkey) -> bytes:
        found = self.vm.get_account(address)
        return b"" if found is None else bytes(found.data)

    def balance(self, address: Pubkey) -> int:
        return int.from_bytes(self.data(address)[64:72], "little")

    def send(self, instructions: Instruction | Sequence[Instruction], *signers: str) -> str | None:
        listed = [instructions] if isinstance(instructions, Instruction) else list(instructions)
        self.vm.expire_blockhash()
        blockhash = self.vm.latest_blockhash()
        message = Message.new_with_blockhash(listed, self.pub("payer"), blockhash)
        keys = [
            self.keys[name] if name in self.keys else key(name) for name in ("payer", *dict.fromkeys(signers))
        ]
        result = self.vm.send_transaction(Transaction(keys, message, blockhash))
        if isinstance(result, TransactionMetadata):
            self.last = result
            return None
        ours = decode_error(result.err())
        return ours.name if ours else str(result.err())

    def deploy(self, elf: bytes) -> None:
        """Put the program on the chain through the upgradeable loader, immutable; raise if it is refused."""
        buffer, payer = key("buffer").pubkey(), self.pub("payer")
        rent = self.vm.minimum_balance_for_rent_exemption
        for number, step in enumerate(write_buffer(payer, buffer, payer, elf, lamports=rent(len(elf) + 37))):
            self.must(self.send(step, *(["buffer"] if number == 0 else [])))
        self.must(
            self.send(
                deploy(payer, buffer, PROGRAM.pubkey(), payer, len(elf), lamports=rent(36)),
                "program",
            )
        )
        self.must(self.send(make_immutable(PROGRAM.pubkey(), payer)))
        self.vm.warp_to_slot(2)
        self.set_time(self.now)
        assert self.account(PROGRAM.pubkey()).owner == UPGRADEABLE_LOADER

    @staticmethod
    def must(error: str | None) -> None:
        if error is not None:
            raise RuntimeError(error)

    # --- the vault ---------------------------------------------------------------------------------------

    def create(self, role: str = "trader", mandate: Mandate | None = None) -> str | None:
        return self.send(self.client.create(self.pub(role), CLUSTER, mandate or self.mandate), role)

    def deposit(self, amount: int) -> str | None:
        return self.send(
            self.client.deposit(self.trader, self.trader, self.address["source"], amount), "trader"
        )

    def ready(self, amount: int = 10_000) -> World:
        """Create the vault and fund it."""
        self.must(self.create())
        self.must(self.deposit(amount))
        return self

    def open(
        self, trade_id: int = 1, amount: int = 100, *, lasts: int = DAY, version: int | None = None
    ) -> str | None:
        version = self.vault.mandate_version if version is None else version
        return self.send(self.open_instruction(trade_id, amount, lasts=lasts, version=version), "engine")

    def open_instruction(
        self, trade_id: int, amount: int, *, lasts: int = DAY, version: int = 1
    ) -> Instruction:
        return self.client.open(
            self.trader,
            self.pub("engine"),
            trade_id,
            amount=amount,
            expiry=self.now + lasts,
            mandate_version=version,
            order_hash=hashlib.sha256(str(trade_id).encode()).digest(),
        )

    @property
    def vault(self) -> VaultAccount:
        return self.client.decode_vault(self.data(self.at.vault))

    def trade(self, trade_id: int = 1) -> TradeAccount:
        return self.client.decode_trade(self.data(self.client.trade_address(self.at.vault, trade_id)))

    def is_open(self, trade_id: int = 1) -> bool:
        return bool(self.data(self.client.trade_address(self.at.vault, trade_id)))

    def attest(self, trade: TradeAccount, share: int, pnl: int, **changed: object) -> CloseMessage:
        fields: dict[str, object] = {
            "cluster": CLUSTER,
            "program": PROGRAM.pubkey(),
            "vault": self.at.vault,
            "trade_id": trade.trade_id,
            "close_number": trade.closes,
            "share": share,
            "pnl": pnl,
            "executions_hash": hashlib.sha256(b"executions").digest(),
            "valid_until": self.now + 60,
            **changed,
        }
        return CloseMessage(**fields)  # type: ignore[arg-type]

    def signature(self, message: CloseMessage, signer: str = "attestor") -> Instruction:
        pair, digest = self.keys[signer], message.digest()
        return ed25519_instruction(pair.pubkey(), pair.sign_message(digest), digest)

    def close_instruction(
        self, trade: TradeAccount, message: CloseMessage, *, pays: bool = True
    ) -> Instruction:
        return self.client.close(
            self.trader,
            trade,
            share=message.share,
            pnl=message.pnl,
            close_number=message.close_number,
            valid_until=message.valid_until,
            executions_hash=message.executions_hash,
            settlement_authority=self.pub("settler"),
            settlement_signs=pays,
        )

    def close(
        self, trade_id: int, share: int, pnl: int, *, pays: bool = True, **changed: object
    ) -> str | None:
        trade = self.trade(trade_id)
        message = self.attest(trade, share, pnl, **changed)
        signers = ["engine", *(["settler"] if pays else [])]
        return self.send(
            [self.signature(message), self.close_instruction(trade, message, pays=pays)], *signers
        )


def with_accounts(instruction: Instruction, changes: dict[int, AccountMeta]) -> Instruction:
    """Return an instruction with some of its accounts exchanged."""
    metas = [changes.get(i, meta) for i, meta in enumerate(instruction.accounts)]
    return Instruction(instruction.program_id, bytes(instruction.data), metas)


__all__ = [
    "ACCOUNTS",
    "CLUSTER",
    "DAY",
    "FUNDED",
    "HOUR",
    "PROGRAM",
    "START",
    "SYSTEM",
    "TOKEN",
    "World",
    "key",
]
