"""The simulated chain: SPL Token accounts in a Solana VM inside this process.

The mint "USDT (simulated)" has 6 decimals and five token accounts: ``free`` (the trader's vault),
``reserved`` and ``escrow`` (the engine's), ``clearing`` and ``fees``. The whole supply is minted while
the accounts are set up; then the mint authority is given up, so the chain itself keeps the supply
constant. Each transaction carries a memo that names what it is for.

Determinism: keys come from the seed, Ed25519 signatures are deterministic, and the VM's blockhash is a
hash chain from a fixed start which is moved on after every transaction. So a transaction is a function
of seed, deposits and the transactions before it, and two equal transfers never look like a duplicate.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import msgspec

from optionsib.common.errors import MissingExtraError, SettlementError
from optionsib.common.events import VaultTransaction
from optionsib.common.types import SECOND_NS
from optionsib.vault.keys import ACCOUNTS, Account, DemoKeys, Owner, Role
from optionsib.vault.subledger import funding_steps, transfers

if TYPE_CHECKING:
    from solders.instruction import Instruction
    from solders.transaction import Transaction

DECIMALS = 6
MAXIMUM_SUPPLY = 2**64 - 1
MAXIMUM_WIRE_BYTES = 1232  # Solana's packet limit for one transaction

_MEMO_PROGRAM = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr"
_ENGINE_LAMPORTS = 1_000_000_000_000  # pays the simulated network fees and rents of a session
_MINT_BYTES, _ACCOUNT_BYTES = 82, 165
_AMOUNT_FIELD = slice(64, 72)  # little-endian u64 in an SPL token account

_OWNER_OF: dict[Account, Owner] = {
    "free": "trader",
    "reserved": "engine",
    "escrow": "engine",
    "clearing": "clearing owner",
    "fees": "fee owner",
}


class TokenChain:
    """A fresh VM with nothing in it but the engine's lamports.

    Parameters
    ----------
    keys
        Signers and addresses.
    deposit, clearing_deposit
        Base units minted into ``free`` and ``clearing`` by the funding steps.

    Raises
    ------
    MissingExtraError
        If solders or solana is not installed.
    """

    def __init__(self, keys: DemoKeys, deposit: int, clearing_deposit: int) -> None:
        try:
            import spl.token.instructions  # noqa: F401
            from solders.account import Account as SystemAccount
            from solders.litesvm import LiteSVM
            from solders.system_program import ID as SYSTEM_PROGRAM
        except ModuleNotFoundError as error:
            raise MissingExtraError("vault", str(error.name)) from error
        self._keys = keys
        self.funding_steps = funding_steps(deposit, clearing_deposit)
        self._sent = 0
        self._vm = LiteSVM()
        self._vm.set_account(
            keys.public("engine"), SystemAccount(_ENGINE_LAMPORTS, b"", SYSTEM_PROGRAM, False, 0)
        )

    @property
    def sent(self) -> int:
        """How many transactions this chain has executed."""
        return self._sent

    def sign(self, movement: VaultTransaction) -> VaultTransaction:
        """Return ``movement`` with ``wire`` and ``signature`` of the transaction that makes it.

        Raises
        ------
        ValueError
            If its references are too long for one transaction.
        """
        from solders.message import Message
        from solders.transaction import Transaction

        if movement.action == "fund":
            instructions, roles = self._funding(self._sent)
        else:
            instructions, roles = self._transfers(movement)
        blockhash = self._vm.latest_blockhash()
        message = Message.new_with_blockhash(instructions, self._keys.public("engine"), blockhash)
        transaction = Transaction(self._keys.signers(roles), message, blockhash)
        wire = bytes(transaction)
        if len(wire) > MAXIMUM_WIRE_BYTES:
            raise ValueError(
                f"{movement.action} of {movement.reference!r}: {len(wire)} bytes, but a transaction has at "
                f"most {MAXIMUM_WIRE_BYTES}; use shorter references"
            )
        return msgspec.structs.replace(
            movement,
            wire=base64.b64encode(wire).decode(),
            signature=str(transaction.signatures[0]),
        )

    def preflight(self, signed: VaultTransaction) -> None:
        """Execute without effect.

        Raises
        ------
        SettlementError
            If the VM would refuse the transaction.
        """
        self._set_time(signed.at_ns)
        self._raise_if_failed(signed, self._vm.simulate_transaction(_decode(signed)))

    def send(self, signed: VaultTransaction) -> None:
        """Execute a signed transaction; it takes effect as a whole or not at all.

        Raises
        ------
        SettlementError
            With the VM's reason; no balance has changed.
        """
        self._set_time(signed.at_ns)
        self._raise_if_failed(signed, self._vm.send_transaction(_decode(signed)))
        self._vm.expire_blockhash()
        self._sent += 1

    def balances(self) -> dict[Account, int]:
        """Read the five token accounts, base units; 0 where an account does not exist yet."""
        return {account: self._balance(account) for account in ACCOUNTS}

    def unix_time(self) -> int:
        """Return the VM's clock, seconds."""
        return int(self._vm.get_clock().unix_timestamp)

    def _balance(self, account: Account) -> int:
        found = self._vm.get_account(self._keys.public(account))
        return 0 if found is None else int.from_bytes(found.data[_AMOUNT_FIELD], "little")

    def _set_time(self, at_ns: int) -> None:
        seconds = at_ns // SECOND_NS
        clock = self._vm.get_clock()
        if clock.unix_timestamp != seconds:
            clock.unix_timestamp = seconds
            self._vm.set_clock(clock)

    def _transfers(self, movement: VaultTransaction) -> tuple[list[Instruction], list[Role]]:
        from spl.token.constants import TOKEN_PROGRAM_ID
        from spl.token.instructions import transfer_checked
        from spl.token.models import TransferCheckedParams

        roles: list[Role] = ["engine"]
        instructions: list[Instruction] = []
        for part in transfers(movement):
            owner = _OWNER_OF[part.source]
            if owner not in roles:
                roles.append(owner)
            instructions.append(
                transfer_checked(
                    TransferCheckedParams(
                        program_id=TOKEN_PROGRAM_ID,
                        source=self._keys.public(part.source),
                        mint=self._keys.public("mint"),
                        dest=self._keys.public(part.target),
                        owner=self._keys.public(owner),
                        amount=part.amount,
                        decimals=DECIMALS,
                    )
                )
            )
        names = (movement.action, movement.reference, movement.order_ref, movement.trade_id)
        return [*instructions, _memo("|".join(names))], roles

    def _funding(self, index: int) -> tuple[list[Instruction], list[Role]]:
        step = self.funding_steps[index]
        if step.create is not None:
            return self._create_account(step.create, step.amount)
        return self._create_mint() if index == 0 else self._give_up_mint_authority()

    def _create_mint(self) -> tuple[list[Instruction], list[Role]]:
        from spl.token.constants import TOKEN_PROGRAM_ID
        from spl.token.instructions import initialize_mint2
        from spl.token.models import InitializeMint2Params

        initialise = initialize_mint2(
            InitializeMint2Params(
                decimals=DECIMALS,
                program_id=TOKEN_PROGRAM_ID,
                mint=self._keys.public("mint"),
                mint_authority=self._keys.public("mint authority"),
                freeze_authority=None,
            )
        )
        memo = _memo("fund|USDT (simulated)")
        return [self._allocate("mint", _MINT_BYTES), initialise, memo], ["engine", "mint"]

    def _create_account(self, account: Account, amount: int) -> tuple[list[Instruction], list[Role]]:
        from spl.token.constants import TOKEN_PROGRAM_ID
        from spl.token.instructions import initialize_account3, mint_to_checked
        from spl.token.models import InitializeAccount3Params, MintToCheckedParams

        initialise = initialize_account3(
            InitializeAccount3Params(
                program_id=TOKEN_PROGRAM_ID,
                account=self._keys.public(account),
                mint=self._keys.public("mint"),
                owner=self._keys.public(_OWNER_OF[account]),
            )
        )
        instructions = [self._allocate(account, _ACCOUNT_BYTES), initialise]
        roles: list[Role] = ["engine", account]
        if amount:
            roles.append("mint authority")
            instructions.append(
                mint_to_checked(
                    MintToCheckedParams(
                        program_id=TOKEN_PROGRAM_ID,
                        mint=self._keys.public("mint"),
                        dest=self._keys.public(account),
                        mint_authority=self._keys.public("mint authority"),
                        amount=amount,
                        decimals=DECIMALS,
                    )
                )
            )
        return [*instructions, _memo(f"fund|{account}")], roles

    def _give_up_mint_authority(self) -> tuple[list[Instruction], list[Role]]:
        from spl.token.constants import TOKEN_PROGRAM_ID
        from spl.token.instructions import set_authority
        from spl.token.models import AuthorityType, SetAuthorityParams

        give_up = set_authority(
            SetAuthorityParams(
                program_id=TOKEN_PROGRAM_ID,
                account=self._keys.public("mint"),
                authority=AuthorityType.MINT_TOKENS,
                current_authority=self._keys.public("mint authority"),
                new_authority=None,
            )
        )
        return [give_up, _memo("fund|supply is fixed")], ["engine", "mint authority"]

    def _allocate(self, role: Role, size: int) -> Instruction:
        from solders.system_program import CreateAccountParams, create_account
        from spl.token.constants import TOKEN_PROGRAM_ID

        return create_account(
            CreateAccountParams(
                from_pubkey=self._keys.public("engine"),
                to_pubkey=self._keys.public(role),
                lamports=self._vm.minimum_balance_for_rent_exemption(size),
                space=size,
                owner=TOKEN_PROGRAM_ID,
            )
        )

    @staticmethod
    def _raise_if_failed(signed: VaultTransaction, result: object) -> None:
        from solders.transaction_metadata import FailedTransactionMetadata

        if not isinstance(result, FailedTransactionMetadata):
            return
        logs = [line for line in result.meta().logs() if "rror" in line]
        raise SettlementError(
            f"{signed.action} of {signed.reference!r} ({signed.amount} base units): the chain refuses with "
            f"{result.err()}{': ' + logs[0] if logs else ''}; nothing moved"
        )


def _decode(signed: VaultTransaction) -> Transaction:
    from solders.transaction import Transaction

    try:
        return Transaction.from_bytes(base64.b64decode(signed.wire, validate=True))
    except ValueError as error:
        raise SettlementError(
            f"{signed.action} of {signed.reference!r}: wire is not a transaction ({error}); nothing was sent"
        ) from error


def _memo(text: str) -> Instruction:
    from solders.instruction import Instruction
    from solders.pubkey import Pubkey

    return Instruction(Pubkey.from_string(_MEMO_PROGRAM), text.encode(), [])
