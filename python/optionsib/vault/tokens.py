"""SPL Token accounts and mints as bytes (layout: spl-token 3, ``Account`` and ``Mint``)."""

from __future__ import annotations

from typing import Any, NamedTuple

from solders.account import Account
from solders.pubkey import Pubkey
from spl.token.instructions import get_associated_token_address

TOKEN_PROGRAM = Pubkey.from_string("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA")
USDT_MINT = Pubkey.from_string("Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB")
USDT_DECIMALS = 6
_MINT_BYTES, _ACCOUNT_BYTES = 82, 165


class TokenAccount(NamedTuple):
    """A token account; ``state`` is 1 initialised, 2 frozen."""

    mint: Pubkey
    owner: Pubkey
    amount: int
    state: int


def token_account(account: Account) -> TokenAccount | None:
    """Return what a token account holds; None where ``account`` is something else."""
    data = account.data
    if account.owner != TOKEN_PROGRAM or len(data) != _ACCOUNT_BYTES or not data[108]:
        return None
    return TokenAccount(
        Pubkey.from_bytes(data[:32]),
        Pubkey.from_bytes(data[32:64]),
        int.from_bytes(data[64:72], "little"),
        data[108],
    )


def associated_account(owner: Pubkey, mint: Pubkey = USDT_MINT) -> Pubkey:
    """Return where an owner's tokens are by custom."""
    return get_associated_token_address(owner, mint)


def mint_decimals(account: Account | None) -> int | None:
    """Return the decimals of a mint; None where ``account`` is none."""
    if account is None or account.owner != TOKEN_PROGRAM or len(account.data) != _MINT_BYTES:
        return None
    return account.data[44]


def mint_authorities(account: Account) -> tuple[Pubkey | None, Pubkey | None]:
    """Return who may mint and who may freeze; None where nobody may."""
    found = (
        Pubkey.from_bytes(account.data[at + 4 : at + 36]) if account.data[at] else None for at in (0, 46)
    )
    return next(found), next(found)


def mint_supply(account: Account) -> int:
    """Return the supply of a mint, base units."""
    return int.from_bytes(account.data[36:44], "little")


def new_mint(authority: Pubkey, lamports: int) -> Account:
    """Return an empty mint of 6 decimals; ``authority`` may mint and freeze."""
    some = (1).to_bytes(4, "little") + bytes(authority)
    data = some + (0).to_bytes(8, "little") + bytes((USDT_DECIMALS, 1)) + some
    return Account(lamports, data, TOKEN_PROGRAM, False, 2**64 - 1)


def ui_amount(amount: int, decimals: int) -> dict[str, Any]:
    """Return an amount as the RPC shows it."""
    whole, part = divmod(amount, 10**decimals)
    digits = f"{whole}.{part:0{decimals}}".rstrip("0").rstrip(".") if decimals else str(amount)
    return {
        "amount": str(amount),
        "decimals": decimals,
        "uiAmount": amount / 10**decimals,
        "uiAmountString": digits,
    }
