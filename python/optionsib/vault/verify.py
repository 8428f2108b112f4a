"""The ledger of a journal against the chain's own records: every one booked once, with its amounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from optionsib.common.events import AnyEvent, LedgerEntry, Posting, VaultOutcome
from optionsib.vault.books import postings_of
from optionsib.vault.mandates import usdt
from optionsib.vault.program_client import AuditRecord
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
            kind = kinds.get(record.kind, str(record.kind))
            entry = booked.pop(f"chain {record.sequence}", None)
            if entry is None:
                found.append(f"{_named(record, kind)} of {transaction.signature} is not in the ledger")
            elif (entry.memo, entry.signature) != (kind, transaction.signature):
                found.append(
                    f"record {record.sequence} is {kind} of {transaction.signature}, the ledger has "
                    f"{entry.memo} of {entry.signature}"
                )
            elif not _is_booked_right(entry, record, kind):
                expected = postings_of(kind, record, paid=True, ours=bool(entry.trade_id))
                found.append(
                    f"{_named(record, kind)} moves {_words(expected)}; the ledger has "
                    f"{_words(entry.postings)}"
                )
    found += [
        f"the ledger has {entry.reference.replace('chain', 'record')} ({entry.memo} of {entry.signature}), "
        "the chain has not"
        for entry in booked.values()
    ]
    found += [
        f"intent {intent} counts as confirmed by {signature}, which is not in the chain's log"
        for signature, intent in confirmed.items()
    ]
    return found


def _is_booked_right(entry: LedgerEntry, record: AuditRecord, kind: str) -> bool:
    """Compare all amounts; whether a profit was paid at once or is owed, the record does not tell."""
    ours = bool(entry.trade_id)
    moved = _sums(entry.postings)
    return any(moved == _sums(postings_of(kind, record, paid=paid, ours=ours)) for paid in (True, False))


def _sums(postings: Iterable[Posting]) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for posting in postings:
        sums[posting.account] += posting.amount
    return {account: amount for account, amount in sums.items() if amount}


def _named(record: AuditRecord, kind: str) -> str:
    trade = f" of trade {record.trade_id}" if record.trade_id else ""
    return f"record {record.sequence} ({kind}{trade}, {usdt(record.amount)} USDT)"


def _words(postings: Iterable[Posting]) -> str:
    moved = (f"{account} {'+' if n > 0 else ''}{usdt(n)}" for account, n in sorted(_sums(postings).items()))
    return ", ".join(moved) or "nothing"
