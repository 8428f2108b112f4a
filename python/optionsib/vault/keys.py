"""Demo keys, derived from the session's seed.

Whoever knows the seed knows every key: they sign for simulated tokens in a chain that lives in this
process and are worth nothing anywhere else. Secrets still never enter a repr, a log or a pickle, so
that code which handles real keys one day can follow the same paths.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NoReturn

from optionsib.common.errors import MissingExtraError

if TYPE_CHECKING:
    from solders.keypair import Keypair
    from solders.pubkey import Pubkey

Owner = Literal["engine", "trader", "mint authority", "clearing owner", "fee owner"]
Account = Literal["free", "reserved", "escrow", "clearing", "fees"]
Role = Owner | Account | Literal["mint"]

OWNERS: tuple[Owner, ...] = ("engine", "trader", "mint authority", "clearing owner", "fee owner")
ACCOUNTS: tuple[Account, ...] = ("free", "reserved", "escrow", "clearing", "fees")

_SALT = b"optionsib demo vault keys, version 1"


def derive_secret(seed: int, role: str) -> bytes:
    """Return the 32-byte Ed25519 seed of ``role``: HKDF with SHA-256 (RFC 5869), one output block."""
    pseudorandom_key = hmac.new(_SALT, str(seed).encode(), hashlib.sha256).digest()
    return hmac.new(pseudorandom_key, role.encode() + b"\x01", hashlib.sha256).digest()


class DemoKeys:
    """The key pair of every role; shows public keys only.

    Parameters
    ----------
    seed
        Any integer; equal seeds give equal keys.

    Raises
    ------
    MissingExtraError
        If solders is not installed.
    """

    __slots__ = ("_pairs",)

    def __init__(self, seed: int) -> None:
        try:
            from solders.keypair import Keypair
        except ModuleNotFoundError as error:
            raise MissingExtraError("vault", str(error.name)) from error
        roles: tuple[Role, ...] = (*OWNERS, "mint", *ACCOUNTS)
        self._pairs: dict[Role, Keypair] = {r: Keypair.from_seed(derive_secret(seed, r)) for r in roles}

    def public(self, role: Role) -> Pubkey:
        """Return the public key of ``role``."""
        return self._pairs[role].pubkey()

    def signers(self, roles: Iterable[Role]) -> list[Keypair]:
        """Return the key pairs that sign for ``roles``, in that order."""
        return [self._pairs[role] for role in roles]

    def __repr__(self) -> str:
        return f"DemoKeys(engine={self.public('engine')}, mint={self.public('mint')})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("demo keys are not pickled: derive them from the seed again")
