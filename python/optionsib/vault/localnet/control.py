"""Methods of our own, ``localnet_*``: faults, time, and USDT from the test authority.

Minting, freezing and airdrops are true transactions and take the way of all others, faults included.
"""

from __future__ import annotations

from typing import Any

import msgspec
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import Message
from solders.pubkey import Pubkey
from solders.system_program import TransferParams, transfer
from solders.transaction import VersionedTransaction
from spl.token.instructions import (
    create_idempotent_associated_token_account,
    freeze_account,
    get_associated_token_address,
    mint_to_checked,
    thaw_account,
)
from spl.token.models import FreezeAccountParams, MintToCheckedParams, ThawAccountParams

from optionsib.common.types import SECOND_NS
from optionsib.vault.localnet.bank import MILLISECOND_NS, RECENT_BLOCKHASHES, Bank
from optionsib.vault.localnet.errors import RpcError, invalid_params
from optionsib.vault.localnet.faults import Faults
from optionsib.vault.localnet.genesis import LocalKeys
from optionsib.vault.localnet.network import Network
from optionsib.vault.localnet.outcome import error_json, error_text
from optionsib.vault.localnet.params import Params, to_address
from optionsib.vault.localnet.reading import Handler
from optionsib.vault.tokens import TOKEN_PROGRAM, USDT_DECIMALS, USDT_MINT, token_account

MAXIMUM_AIRDROP = 1_000_000 * 10**9
_MAXIMUM_SECONDS = 10 * 366 * 86_400
_MEMO = Pubkey.from_string("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr")


class Control:
    """Handlers by method name in ``methods``."""

    def __init__(self, bank: Bank, network: Network, keys: LocalKeys) -> None:
        self._bank, self._network, self._keys = bank, network, keys
        self._asked = bank.count
        self.internal_errors = 0
        self.methods: dict[str, Handler] = {
            "requestAirdrop": self.airdrop,
            "localnet_info": self.info,
            "localnet_setFault": self.set_fault,
            "localnet_advanceClock": self.advance_clock,
            "localnet_expireBlockhashes": self.expire_blockhashes,
            "localnet_mint": self.mint,
            "localnet_freeze": lambda values: self.freeze(values, frozen=True),
            "localnet_thaw": lambda values: self.freeze(values, frozen=False),
        }

    def info(self, values: list[Any]) -> dict[str, Any]:
        """``localnet_info``: addresses, time and what is under way."""
        Params(values, self._bank, 0)
        return {
            "program": str(self._keys.program.pubkey()),
            "faucet": str(self._keys.faucet.pubkey()),
            "usdtMint": str(USDT_MINT),
            "usdtAuthority": str(self._keys.authority.pubkey()),
            "genesisHash": str(self._bank.genesis_hash),
            "unixTimeNs": self._bank.now_ns(),
            "slot": self._bank.slot(),
            "slotMs": self._bank.slot_ms,
            "transactions": self._bank.count,
            "underWay": self._network.under_way,
            "dropped": self._network.dropped,
            "internalErrors": self.internal_errors,
            "faults": msgspec.to_builtins(self._network.faults),
        }

    def set_fault(self, values: list[Any]) -> dict[str, Any]:
        """``localnet_setFault``: change the named faults; ``seed`` starts the draws again.

        ``{}`` shows them, ``null`` makes the network perfect again.
        """
        params = Params(values, self._bank, 1)
        changes = dict(params.config(0))
        seed = changes.pop("seed", None)
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise invalid_params(f"seed {str(seed)[:40]!r}: expected a whole number")
        start = {} if not values or values[0] is None else msgspec.to_builtins(self._network.faults)
        try:
            faults = msgspec.convert({**start, **changes}, Faults)
        except (ValueError, msgspec.ValidationError) as error:
            raise invalid_params(str(error)) from None
        self._network.set_faults(faults)
        if seed is not None:
            self._network.draws.reset(seed)
        shown: dict[str, Any] = msgspec.to_builtins(faults)
        return shown

    def advance_clock(self, values: list[Any]) -> int:
        """``localnet_advanceClock``: move chain time forward by seconds; returns it, Unix seconds."""
        Params(values, self._bank, 1)
        seconds = values[0] if values else None
        if (
            not isinstance(seconds, int | float)
            or isinstance(seconds, bool)
            or not 0 <= seconds <= _MAXIMUM_SECONDS  # false for NaN too
        ):
            raise invalid_params(f"expected seconds, 0 to {_MAXIMUM_SECONDS}")
        return self._advance(round(seconds * SECOND_NS))

    def expire_blockhashes(self, values: list[Any]) -> int:
        """``localnet_expireBlockhashes``: time passes until no blockhash given out before is valid."""
        Params(values, self._bank, 0)
        return self._advance((RECENT_BLOCKHASHES + 1) * self._bank.slot_ms * MILLISECOND_NS)

    def _advance(self, nanoseconds: int) -> int:
        self._bank.advance(nanoseconds)
        self._network.pump()
        return self._bank.now_ns() // SECOND_NS

    def airdrop(self, values: list[Any]) -> str:
        """``requestAirdrop``: lamports from the faucet."""
        params = Params(values, self._bank, 3)
        lamports = params.integer(1, "lamports", MAXIMUM_AIRDROP)
        move = TransferParams(
            from_pubkey=self._keys.faucet.pubkey(), to_pubkey=params.address(0), lamports=lamports
        )
        return self._send([transfer(move)])

    def mint(self, values: list[Any]) -> str:
        """``localnet_mint``: USDT base units to a token account, or to an owner's associated account."""
        params = Params(values, self._bank, 2)
        target, amount = params.address(0), params.integer(1, "amount")
        account = self._bank.account(target)
        instructions: list[Instruction] = []
        if account is None or token_account(account) is None:
            owner, target = target, get_associated_token_address(target, USDT_MINT)
            payer = self._keys.faucet.pubkey()
            instructions.append(create_idempotent_associated_token_account(payer, owner, USDT_MINT))
        mint = MintToCheckedParams(
            program_id=TOKEN_PROGRAM,
            mint=USDT_MINT,
            dest=target,
            mint_authority=self._keys.authority.pubkey(),
            amount=amount,
            decimals=USDT_DECIMALS,
        )
        return self._send([*instructions, mint_to_checked(mint)], self._keys.authority)

    def freeze(self, values: list[Any], *, frozen: bool) -> str:
        """``localnet_freeze`` and ``localnet_thaw``: a USDT token account."""
        account = to_address(Params(values, self._bank, 1).text(0, "a token account"))
        authority = self._keys.authority.pubkey()
        instruction = (
            freeze_account(
                FreezeAccountParams(
                    program_id=TOKEN_PROGRAM, account=account, mint=USDT_MINT, authority=authority
                )
            )
            if frozen
            else thaw_account(
                ThawAccountParams(
                    program_id=TOKEN_PROGRAM, account=account, mint=USDT_MINT, authority=authority
                )
            )
        )
        return self._send([instruction], self._keys.authority)

    def _send(self, instructions: list[Instruction], *signers: Keypair) -> str:
        self._asked += 1  # in the memo, so that two equal requests are two transactions
        payer = self._keys.faucet
        memo = Instruction(_MEMO, f"local chain request {self._asked}".encode(), list[AccountMeta]())
        blockhash = self._bank.blockhash_of(self._bank.slot())
        message = Message.new_with_blockhash([*instructions, memo], payer.pubkey(), blockhash)
        transaction = VersionedTransaction(message, [payer, *signers])
        error, _, _ = self._bank.simulate(transaction)
        if error is not None:
            raise RpcError(-32603, f"the chain refuses: {error_text(error_json(error))}")
        self._network.submit(transaction)
        return str(transaction.signatures[0])
