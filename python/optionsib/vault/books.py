"""The vault's books: double entry in base units, the same reference never twice.

``free``, ``reserved``, ``escrow`` and ``receivable`` are what the trader has; ``outside``, ``settlement`` and
``fees`` are the other side. All accounts add up to 0 after every entry.
"""

from __future__ import annotations

from optionsib.common.errors import SettlementError
from optionsib.common.events import LedgerEntry, Posting
from optionsib.vault.program_client import AuditRecord

ACCOUNTS = ("free", "reserved", "escrow", "receivable", "settlement", "fees", "outside")
_NEVER_NEGATIVE = ("reserved", "escrow", "receivable")


class Books:
    """Balances of the accounts."""

    def __init__(self) -> None:
        self.balances = dict.fromkeys(ACCOUNTS, 0)
        self._references: set[str] = set()

    def __contains__(self, reference: str) -> bool:
        return reference in self._references

    def post(self, entry: LedgerEntry) -> bool:
        """Book an entry; return False where its reference is in the books already.

        Raises
        ------
        SettlementError
            If the postings do not add up to 0, name an unknown account, or would leave less than nothing
            reserved, in escrow or owed; nothing is booked.
        """
        if entry.reference in self._references:
            return False
        if sum(posting.amount for posting in entry.postings):
            raise SettlementError(f"entry {entry.reference}: {entry.postings} do not add up to 0; not booked")
        after = dict(self.balances)
        for posting in entry.postings:
            if posting.account not in after:
                raise SettlementError(f"entry {entry.reference}: no account {posting.account!r}; not booked")
            after[posting.account] += posting.amount
        for account in _NEVER_NEGATIVE:
            if after[account] < 0:
                raise SettlementError(
                    f"entry {entry.reference} leaves {after[account]} in {account}; not booked"
                )
        self.balances = after
        self._references.add(entry.reference)
        return True


def transfer(source: str, target: str, amount: int) -> tuple[Posting, ...]:
    """Return the postings that move ``amount`` from one account to another."""
    return (Posting(source, -amount), Posting(target, amount))


def postings_of(kind: str, record: AuditRecord, *, paid: bool, ours: bool) -> tuple[Posting, ...]:
    """Return what a record of the chain has moved.

    ``paid``: profits of closes came at once. ``ours``: it is of a trade that the ledger knows.
    """
    amount, pnl, fee = record.amount, record.pnl, record.fee
    if kind in ("deposit", "sweep"):  # a sweep brings what a stranger sent to escrow
        return transfer("outside", "free", amount)
    if kind in ("withdraw", "recover"):
        return transfer("free", "outside", amount)
    if kind == "open":
        return transfer("reserved" if ours else "free", "escrow", amount)
    if kind in ("reduce", "expire", "release"):
        return transfer("escrow", "free", amount)
    if kind == "close":
        if pnl <= 0:
            return (*transfer("escrow", "free", amount + pnl), *transfer("escrow", "settlement", -pnl))
        if not paid:
            return (*transfer("escrow", "free", amount), *transfer("settlement", "receivable", pnl))
        return (
            *transfer("escrow", "free", amount),
            *transfer("settlement", "free", pnl - fee),
            *transfer("settlement", "fees", fee),
        )
    if kind == "pay_profit":
        return (
            *transfer("receivable", "free", amount - fee),
            *transfer("receivable", "fees", fee),
        )
    if kind == "waive_profit":
        return transfer("receivable", "settlement", amount)
    return ()
