"""Where the money of a trade sits: the settlement ledger on SPL tokens."""

from optionsib.vault.token_vault import TokenVault

__all__ = ["TokenVault"]
