"""The ledger of a journal against the chain's own records: every one booked once, with its amounts."""

from __future__ import annotations

from collections.abc import Iterable

from optionsib.common.events import AnyEvent, LedgerEntry, VaultOutcome
from optionsib.vault.readings import HistoryEntry
from optionsib.vault.schema import load_schema


def ledger_differences(history: Iterable[HistoryEntry], journal: Iterable[AnyEvent]) -> list[str]:
    """Compare all transactions of a vault with a journal; return every difference as a sentence.

    Parameters
    ----------
    history
        All transactions, oldest first.
    journal
        The events of the daemon that settles on this vault.
    """
    kinds = {found.code: found.name for found in load_schema().instructions}
    booked: dict[str, LedgerEntry] = {}
    confirmed: dict[str, int] = {}
    for event in journal:
        if isinstance(event, LedgerEntry) and event.reference.startswith("chain "):
            booked[event.reference] = event
        elif isinstance(event, VaultOutcome) and event.result == "confirmed" and event.signature:
            confirmed[event.signature] = event.intent
    found: list[str] = []
    for transaction in history:
        confirmed.pop(transaction.signature, None)
        for logged in transaction.events:
            record = logged.record
            name, kind = f"chain {record.sequence}", kinds.get(record.kind, str(record.kind))
            entry = booked.pop(name, None)
            if entry is None:
                found.append(f"record {record.sequence} ({kind}, {record.amount}) is not in the ledger")
                continue
            if (entry.memo, entry.signature) != (kind, transaction.signature):
                found.append(
                    f"record {record.sequence} is {kind} of {transaction.signature}, the ledger has "
                    f"{entry.memo} of {entry.signature}"
                )
            moved = {posting.account: 0 for posting in entry.postings}
            for posting in entry.postings:
                moved[posting.account] += posting.amount
            fee, escrow = moved.get("fees", 0), moved.get("escrow", 0)
            expected = {"open": record.amount, "close": -record.amount, "reduce": -record.amount}.get(
                kind, escrow
            )
            if escrow != expected or fee != record.fee:
                found.append(
                    f"record {record.sequence} ({kind}) moves {expected} of escrow and a fee of "
                    f"{record.fee}, the ledger {escrow} and {fee}"
                )
    found += [f"the ledger has {name} ({entry.memo}), the chain has not" for name, entry in booked.items()]
    found += [
        f"intent {intent} counts as confirmed by {signature}, which is not in the chain's log"
        for signature, intent in confirmed.items()
    ]
    return found
