"""Builders of every instruction of the vault program, checked against its schema when they build."""

from __future__ import annotations

import functools
from typing import Any

from solders.instruction import AccountMeta, Instruction
from solders.pubkey import Pubkey

from optionsib.vault.program_client import Mandate, TradeAccount, VaultAccount, VaultAddresses
from optionsib.vault.schema import AccountRole, decode, encode, encode_fields, load_schema


class VaultProgram:
    """The program at one address, for one mint.

    Parameters
    ----------
    program
        Its address.
    mint
        The token of its vaults.
    """

    def __init__(self, program: Pubkey, mint: Pubkey) -> None:
        self.program, self.mint = program, mint
        self._schema = load_schema()

    # --- addresses and accounts ------------------------------------------------------------------------

    def addresses(self, trader: Pubkey) -> VaultAddresses:
        """Derive the accounts of a trader's vault."""
        vault = _derive(self.program, b"vault", bytes(trader))
        funds, escrow = (_derive(self.program, seed, bytes(vault)) for seed in (b"funds", b"escrow"))
        return VaultAddresses(vault, funds, escrow)

    def trade_address(self, vault: Pubkey, trade_id: int) -> Pubkey:
        """Derive the account of a trade."""
        return _derive(self.program, b"trade", bytes(vault), encode("u64", trade_id))

    @staticmethod
    def decode_vault(data: bytes) -> VaultAccount:
        """Read a vault account's data.

        Raises
        ------
        ValueError
            If size or tag is not that of a vault.
        """
        fields = _with_keys("Vault", _tagged("Vault", data, "VAULT_TAG"))
        mandates = {name: Mandate(**fields[name]) for name in ("mandate", "pending")}
        return VaultAccount(**{**fields, **mandates})

    @staticmethod
    def decode_trade(data: bytes) -> TradeAccount:
        """Read a trade account's data.

        Raises
        ------
        ValueError
            If size or tag is not that of a trade.
        """
        return TradeAccount(**_with_keys("Trade", _tagged("Trade", data, "TRADE_TAG")))

    # --- instructions ----------------------------------------------------------------------------------

    def create(self, trader: Pubkey, cluster: bytes, mandate: Mandate) -> Instruction:
        """Open a vault with its first mandate; ``cluster`` is the genesis hash. The trader signs and pays."""
        accounts = {"trader": trader, "payout": mandate.payout}
        return self._build("create", trader, accounts, cluster=cluster, mandate=mandate)

    def deposit(self, trader: Pubkey, depositor: Pubkey, source: Pubkey, amount: int) -> Instruction:
        """Put tokens of ``source`` into the vault of ``trader``; the depositor signs."""
        return self._build("deposit", trader, {"depositor": depositor, "source": source}, amount=amount)

    def withdraw(self, trader: Pubkey, payout: Pubkey, amount: int) -> Instruction:
        """Take free tokens out; the trader signs."""
        return self._build("withdraw", trader, {"trader": trader, "payout": payout}, amount=amount)

    def open(
        self,
        trader: Pubkey,
        engine: Pubkey,
        trade_id: int,
        *,
        amount: int,
        expiry: int,
        mandate_version: int,
        order_hash: bytes,
    ) -> Instruction:
        """Move the greatest loss of an order into escrow; the engine signs and pays the trade's rent."""
        trade = self.trade_address(self.addresses(trader).vault, trade_id)
        return self._build(
            "open",
            trader,
            {"engine": engine, "trade": trade},
            trade_id=trade_id,
            amount=amount,
            expiry=expiry,
            mandate_version=mandate_version,
            order_hash=order_hash,
        )

    def close(
        self,
        trader: Pubkey,
        trade: TradeAccount,
        *,
        share: int,
        pnl: int,
        close_number: int,
        valid_until: int,
        executions_hash: bytes,
        settlement_authority: Pubkey,
        settlement_signs: bool,
        signature_instruction: int = 0,
    ) -> Instruction:
        """Close a share at the attested P&L; the engine signs.

        ``signature_instruction`` is the index of the Ed25519 instruction in the transaction. With
        ``settlement_signs`` a profit is paid at once.
        """
        return self._build(
            "close",
            trader,
            {**self._of(trade), "engine": trade.engine, "settlement_authority": settlement_authority},
            signs=settlement_signs,
            share=share,
            pnl=pnl,
            close_number=close_number,
            valid_until=valid_until,
            executions_hash=executions_hash,
            signature_instruction=signature_instruction,
        )

    def pay_profit(
        self, trader: Pubkey, trade: TradeAccount, settlement_authority: Pubkey, amount: int
    ) -> Instruction:
        """Pay a receivable, whole or in part; the settlement authority signs."""
        accounts = {**self._of(trade), "settlement_authority": settlement_authority}
        return self._build("pay_profit", trader, accounts, amount=amount)

    def reduce(self, trader: Pubkey, trade: TradeAccount, amount: int) -> Instruction:
        """Return the unfilled part to the vault; the engine signs."""
        return self._build("reduce", trader, {**self._of(trade), "engine": trade.engine}, amount=amount)

    def expire(self, trader: Pubkey, trade: TradeAccount) -> Instruction:
        """Return what an expired trade holds; nobody needs to sign."""
        return self._build("expire", trader, self._of(trade))

    def extend(self, trader: Pubkey, trade: TradeAccount, expiry: int) -> Instruction:
        """Move the expiry back; the engine signs."""
        return self._build("extend", trader, {**self._of(trade), "engine": trade.engine}, expiry=expiry)

    def release(self, trader: Pubkey, trade: TradeAccount) -> Instruction:
        """Return what a trade holds after the engine's silence; the trader signs."""
        return self._build("release", trader, {**self._of(trade), "trader": trader})

    def heartbeat(self, trader: Pubkey, engine: Pubkey) -> Instruction:
        """Show that the engine lives; it signs."""
        return self._build("heartbeat", trader, {"engine": engine})

    def pause(self, trader: Pubkey, authority: Pubkey) -> Instruction:
        """Stop opens and extensions; trader or engine signs."""
        return self._build("pause", trader, {"authority": authority})

    def unpause(self, trader: Pubkey) -> Instruction:
        """Lift a pause; the trader signs."""
        return self._build("unpause", trader, {"trader": trader})

    def propose(self, trader: Pubkey, mandate: Mandate) -> Instruction:
        """Propose a mandate; the trader signs."""
        return self._build("propose", trader, {"trader": trader, "payout": mandate.payout}, mandate=mandate)

    def apply(self, trader: Pubkey) -> Instruction:
        """Put the pending mandate in force after its timelock; the trader signs."""
        return self._build("apply", trader, {"trader": trader})

    def cancel(self, trader: Pubkey) -> Instruction:
        """Drop the pending mandate; the trader signs."""
        return self._build("cancel", trader, {"trader": trader})

    def start_recovery(self, trader: Pubkey, recovery: Pubkey) -> Instruction:
        """Start the recovery delay; the recovery key signs."""
        return self._build("start_recovery", trader, {"recovery": recovery})

    def cancel_recovery(self, trader: Pubkey) -> Instruction:
        """Stop a recovery; the trader signs."""
        return self._build("cancel_recovery", trader, {"trader": trader})

    def recover(self, trader: Pubkey, recovery: Pubkey, payout: Pubkey) -> Instruction:
        """Send all free tokens to the payout account after the delay; the recovery key signs."""
        return self._build("recover", trader, {"recovery": recovery, "payout": payout})

    def sweep(self, trader: Pubkey) -> Instruction:
        """Move what escrow holds above the open amounts to the vault; nobody needs to sign."""
        return self._build("sweep", trader, {})

    def waive_profit(self, trader: Pubkey, trade: TradeAccount) -> Instruction:
        """Give up a receivable; the trader signs."""
        return self._build("waive_profit", trader, {**self._of(trade), "trader": trader})

    def _of(self, trade: TradeAccount) -> dict[str, Pubkey]:
        return {
            "trade": self.trade_address(trade.vault, trade.trade_id),
            "rent_payer": trade.rent_payer,
            "settlement": trade.settlement,
            "fee_account": trade.fee_account,
        }

    def _build(
        self, name: str, trader: Pubkey, accounts: dict[str, Pubkey], *, signs: bool = False, **args: Any
    ) -> Instruction:
        found = self._schema.instruction(name)
        own = self.addresses(trader)
        known = {"vault": own.vault, "funds": own.funds, "escrow": own.escrow, "mint": self.mint, **accounts}
        metas = [
            AccountMeta(
                _address(role, known),
                signs if role.signer == "optional" else role.signer,
                bool(role.writable),
            )
            for role in found.accounts
        ]
        data = encode("u64", found.code) + encode_fields(found.args, args)
        return Instruction(self.program, data, metas)


@functools.lru_cache(maxsize=4_096)
def _derive(program: Pubkey, *seeds: bytes) -> Pubkey:
    return Pubkey.find_program_address(list(seeds), program)[0]


def _address(role: AccountRole, known: dict[str, Pubkey]) -> Pubkey:
    if role.address:
        return Pubkey.from_string(role.address)
    return known[role.name]


def _tagged(kind: str, data: bytes, tag: str) -> dict[str, Any]:
    fields: dict[str, Any] = decode(kind, data)
    expected = load_schema().constants[tag]
    if fields["tag"] != expected:
        raise ValueError(f"tag {fields['tag']:#x}: expected {expected:#x} ({kind})")
    return fields


def _with_keys(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Turn the 32 bytes of every ``pubkey`` into an address, in nested structures too."""
    found: dict[str, Any] = {}
    for field in load_schema().types[kind]:
        value = fields[field.name]
        if field.type == "pubkey":
            value = Pubkey.from_bytes(value)
        elif isinstance(value, dict):
            value = _with_keys(field.type, value)
        found[field.name] = value
    return found
