"""The on-chain audit chain, recomputed from the transaction log and compared with the vault's account."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from solders.pubkey import Pubkey

from optionsib.vault.program_client import AuditRecord, VaultAccount, first_audit, next_audit
from optionsib.vault.readings import HistoryEntry


class AuditTrail(msgspec.Struct, frozen=True, kw_only=True):
    """What the log gave: the records in order, and every difference as a sentence (none: all is well)."""

    records: tuple[AuditRecord, ...]
    differences: tuple[str, ...]


def audit_trail(
    history: Iterable[HistoryEntry], account: VaultAccount, *, program: Pubkey, vault: Pubkey
) -> AuditTrail:
    """Recompute the audit chain.

    Parameters
    ----------
    history
        All transactions of the vault, oldest first.
    account
        The vault's account as read after the last of them.
    program, vault
        Their addresses.

    Returns
    -------
    AuditTrail
        A log that the runtime cut off, and that ``cut_logs`` could not complete, shows as a gap in the
        sequence.
    """
    audit, sequence = first_audit(program, vault, account.cluster), 0
    records: list[AuditRecord] = []
    found: list[str] = []
    for entry in history:
        for event in entry.events:
            record = event.record
            if record.sequence != sequence:
                found.append(
                    f"transaction {entry.signature}: record {record.sequence}, expected {sequence}: the log "
                    "in between is cut off or missing"
                )
            elif next_audit(audit, record) != event.audit:
                found.append(f"transaction {entry.signature}: record {sequence} does not give its hash")
            audit, sequence = event.audit, record.sequence + 1
            records.append(record)
    if (sequence, audit) != (account.sequence, account.audit):
        found.append(
            f"the log has {sequence} records ({audit.hex()}), the account {account.sequence} "
            f"({account.audit.hex()})"
        )
    return AuditTrail(records=tuple(records), differences=tuple(found))
