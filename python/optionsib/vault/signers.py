"""Who signs: a key pair in this process, or a signer elsewhere.

Engine, attestor, settlement and trader each have a signer of their own; by default no two of them live in one
process. What a signer holds never enters a repr, a log, a pickle or an error.
"""

from __future__ import annotations

from typing import NoReturn, Protocol

from solders.keypair import Keypair
from solders.pubkey import Pubkey
from solders.signature import Signature

from optionsib.common.errors import SettlementError
from optionsib.vault.keys import derive_secret


class SignerError(SettlementError):
    """A signer is missing, unreachable, refuses, or signed something else; nothing was sent."""


class Signer(Protocol):
    """Signs messages with one key."""

    @property
    def public_key(self) -> Pubkey:
        """Whose signatures these are."""
        ...

    async def sign(self, message: bytes) -> Signature:
        """Sign ``message``.

        Raises
        ------
        SignerError
            If the signer is unreachable, refuses, or answers with a signature that is none.
        """
        ...


class LocalSigner:
    """A key pair in this process; shows its public key only."""

    __slots__ = ("_pair",)

    def __init__(self, pair: Keypair) -> None:
        self._pair = pair

    @property
    def public_key(self) -> Pubkey:
        """Whose signatures these are."""
        return self._pair.pubkey()

    async def sign(self, message: bytes) -> Signature:
        """Sign ``message``."""
        return self._pair.sign_message(message)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.public_key})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{type(self).__name__}: keys are not pickled or copied")


class DemoSigner(LocalSigner):
    """A key that follows from a session's seed: for simulated chains alone.

    Parameters
    ----------
    seed
        Any integer; equal seeds give equal keys.
    role
        ``"engine"``, ``"attestor"``, ``"settlement"``, ``"trader"``, ``"fees"`` ...
    """

    __slots__ = ()

    def __init__(self, seed: int, role: str) -> None:
        super().__init__(Keypair.from_seed(derive_secret(seed, f"vault {role}")))
