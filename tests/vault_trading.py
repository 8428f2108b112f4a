"""A trader with a vault on a local chain, for tests and benchmarks: keys, mandate, signed transactions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from solders.hash import Hash
from solders.instruction import Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction
from spl.token.instructions import get_associated_token_address

from optionsib.vault.program_client import CloseMessage, Mandate, TradeAccount, ed25519_instruction
from optionsib.vault.program_instructions import VaultProgram
from optionsib.vault.tokens import USDT_MINT

DAY = 86_400
EXECUTIONS = b"\5" * 32


def keypair(number: int) -> Keypair:
    """A key pair that is the same in every run."""
    return Keypair.from_seed(b"optionsib test key".ljust(31, b".") + bytes([number]))


@dataclass(slots=True)
class Trading:
    """One trader; ``cluster`` is the chain's genesis hash, ``usdt`` who may mint and freeze there."""

    program: Pubkey
    cluster: Hash
    usdt: Pubkey
    trader: Keypair = field(default_factory=lambda: keypair(1))
    engine: Keypair = field(default_factory=lambda: keypair(2))
    attestor: Keypair = field(default_factory=lambda: keypair(3))
    settlement: Keypair = field(default_factory=lambda: keypair(4))
    fees: Keypair = field(default_factory=lambda: keypair(5))

    @property
    def client(self) -> VaultProgram:
        return VaultProgram(self.program, USDT_MINT)

    @property
    def vault(self) -> Pubkey:
        return self.client.addresses(self.trader.pubkey()).vault

    @property
    def owners(self) -> tuple[Keypair, ...]:
        """Everybody with a USDT account."""
        return (self.trader, self.settlement, self.fees)

    def usdt_account(self, owner: Keypair) -> Pubkey:
        return get_associated_token_address(owner.pubkey(), USDT_MINT)

    def mandate(self, **changes: Any) -> Mandate:
        terms: dict[str, Any] = {
            "engine": self.engine.pubkey(),
            "attestor": self.attestor.pubkey(),
            "settlement": self.usdt_account(self.settlement),
            "fee_account": self.usdt_account(self.fees),
            "payout": self.usdt_account(self.trader),
            "symbols_hash": bytes(32),
            "mint_authority": self.usdt,
            "freeze_authority": self.usdt,
            "trade_cap": 10**12,
            "total_cap": 10**13,
            "day_loss_cap": 10**13,
            "lifetime_loss_cap": 10**14,
            "fee_bps": 1_000,
            "max_duration": 30 * DAY,
            "heartbeat_limit": DAY,
            "timelock": DAY,
        }
        return Mandate(**{**terms, **changes})

    def set_up(self, deposit: int) -> list[tuple[list[Instruction], Keypair]]:
        """The transactions of a new vault, each with who signs it."""
        trader = self.trader.pubkey()
        source = self.usdt_account(self.trader)
        return [
            ([self.client.create(trader, bytes(self.cluster), self.mandate())], self.trader),
            ([self.client.deposit(trader, trader, source, deposit)], self.trader),
        ]

    def open(self, trade_id: int, amount: int, expiry: int) -> Instruction:
        return self.client.open(
            self.trader.pubkey(),
            self.engine.pubkey(),
            trade_id,
            amount=amount,
            expiry=expiry,
            mandate_version=1,
            order_hash=trade_id.to_bytes(32, "little"),
        )

    def close(self, trade: TradeAccount, *, share: int, pnl: int, valid_until: int) -> list[Instruction]:
        """The attestation and the close."""
        terms: dict[str, Any] = {
            "share": share,
            "pnl": pnl,
            "close_number": trade.closes,
            "executions_hash": EXECUTIONS,
            "valid_until": valid_until,
        }
        digest = CloseMessage(
            cluster=bytes(self.cluster),
            program=self.program,
            vault=trade.vault,
            trade_id=trade.trade_id,
            **terms,
        ).digest()
        attested = ed25519_instruction(self.attestor.pubkey(), self.attestor.sign_message(digest), digest)
        close = self.client.close(
            self.trader.pubkey(),
            trade,
            settlement_authority=self.settlement.pubkey(),
            settlement_signs=True,
            **terms,
        )
        return [attested, close]


def sign(
    instructions: list[Instruction], blockhash: Hash, payer: Keypair, *others: Keypair
) -> VersionedTransaction:
    """Compile and sign."""
    message = Message.new_with_blockhash(instructions, payer.pubkey(), blockhash)
    return VersionedTransaction(message, [payer, *others])


def fund(call: Callable[..., Any], trading: Trading, tokens: int) -> None:
    """Give everybody lamports and USDT; ``call`` carries out a method of the local chain."""
    for owner in (*trading.owners, trading.engine):
        call("requestAirdrop", str(owner.pubkey()), 1_000 * 10**9)
    for owner in trading.owners:
        call("localnet_mint", str(owner.pubkey()), tokens)
