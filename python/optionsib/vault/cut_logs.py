"""Audit records that a node's log left out, rebuilt from the instructions and proven by the chain of hashes.

A node keeps 10,000 bytes of a transaction's log. Whoever fills it, with many small deposits say, has the
records of his own instructions cut off. What an instruction of a stranger leaves follows from its data and
from the tokens it moved, and counts only when the hashes fit: of the next record that a log shows, or of the
vault's account.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from solders.pubkey import Pubkey
from solders.transaction import VersionedTransaction

from optionsib.vault.base58 import unbase58
from optionsib.vault.program_client import AuditEvent, AuditRecord, VaultAccount, next_audit
from optionsib.vault.program_instructions import VaultProgram
from optionsib.vault.readings import Call, HistoryEntry, MetaShape
from optionsib.vault.schema import InstructionSchema, load_schema
from optionsib.vault.tokens import TOKEN_PROGRAM

_CODE_BYTES = 8
_LONGEST_DATA = 1_000  # characters; what is longer is neither the program's nor the token program's
_TRANSFERS = (3, 12)  # of the token program: Transfer and TransferChecked, the amount behind the code


def vault_calls(wire: bytes, meta: MetaShape, program: Pubkey, vault: Pubkey) -> Iterator[Call]:
    """Yield the instructions to ``program`` for ``vault`` of a transaction that succeeded, as executed.

    Raises
    ------
    ValueError
        If the transaction is not one, or names accounts that it does not have.
    """
    try:
        yield from _calls(wire, meta, program, vault)
    except IndexError as error:
        raise ValueError("an instruction names an account that the transaction has not") from error


def _calls(wire: bytes, meta: MetaShape, program: Pubkey, vault: Pubkey) -> Iterator[Call]:
    message = VersionedTransaction.from_bytes(wire).message
    loaded = meta.loadedAddresses
    keys = list(message.account_keys)
    if loaded is not None:
        keys += [Pubkey.from_string(text) for text in (*loaded.writable, *loaded.readonly)]
    inner = {group.index: group.instructions for group in meta.innerInstructions or ()}
    for index, outer in enumerate(message.instructions):
        steps = [(1, keys[outer.program_id_index], bytes(outer.accounts), bytes(outer.data))]
        steps += [
            (step.stackHeight or 2, keys[step.programIdIndex], bytes(step.accounts), _data(step.data))
            for step in inner.get(index, ())
        ]
        for at, (depth, called, accounts, data) in enumerate(steps):
            if called != program or (kind := _kind(data)) is None:
                continue
            named = {role.name: keys[account] for role, account in zip(kind.accounts, accounts, strict=False)}
            if named.get("vault") == vault:
                yield Call(kind.name, data, named.get("trade"), _moved(steps[at + 1 :], depth))


def _kind(data: bytes) -> InstructionSchema | None:
    code = int.from_bytes(data[:_CODE_BYTES], "little")
    return next((known for known in load_schema().instructions if known.code == code), None)


def _data(text: str) -> bytes:
    return unbase58(text) if len(text) <= _LONGEST_DATA else b""


def _moved(steps: Sequence[tuple[int, Pubkey, bytes, bytes]], depth: int) -> int:
    """Return the tokens that an instruction moved first; ``steps`` come after it."""
    for below, called, _, data in steps:
        if below <= depth:
            break
        if called == TOKEN_PROGRAM and data[:1] and data[0] in _TRANSFERS:
            return int.from_bytes(data[1:9], "little")
    return 0


def completed(
    history: Sequence[HistoryEntry],
    account: VaultAccount,
    program: VaultProgram,
    vault: Pubkey,
    *,
    sequence: int,
    audit: bytes,
) -> list[HistoryEntry]:
    """Return ``history`` with the records that its logs left out, as far as they are proven.

    Parameters
    ----------
    history
        Transactions of the vault, oldest first.
    account
        The vault's account as of any time.
    program, vault
        The program, and the vault's address.
    sequence, audit
        Number of the first record in ``history``, and the audit hash before it.
    """
    events: list[list[AuditEvent]] = [list(entry.events) for entry in history]
    unproven: list[tuple[int, AuditEvent]] = []
    known = True  # the hash before the next record
    for place, entry in enumerate(history):
        for event in entry.events:
            if known and event.record.sequence == sequence and next_audit(audit, event.record) == event.audit:
                _take(unproven, events)
            unproven.clear()
            sequence, audit, known = event.record.sequence + 1, event.audit, True
        for call in entry.calls[len(entry.events) :]:
            record = _record(call, sequence, entry.block_time, account, program, vault) if known else None
            if record is None:
                known = False
                break
            audit = next_audit(audit, record)
            unproven.append((place, AuditEvent(vault, record, audit)))
            sequence += 1
            if (sequence, audit) == (account.sequence, account.audit):
                _take(unproven, events)
    return [
        msgspec.structs.replace(entry, events=tuple(found))
        for entry, found in zip(history, events, strict=True)
    ]


def _take(proven: list[tuple[int, AuditEvent]], events: list[list[AuditEvent]]) -> None:
    for place, event in proven:
        events[place].append(event)
    proven.clear()


def _record(
    call: Call, sequence: int, time: int | None, account: VaultAccount, program: VaultProgram, vault: Pubkey
) -> AuditRecord | None:
    """Return what an instruction of a stranger must have left; None for any other one."""
    kind = _kind(call.data)
    if kind is None or time is None or call.kind not in ("deposit", "expire", "sweep"):
        return None
    amount, trade_id = call.moved, 0
    if call.kind == "deposit":
        amount = int.from_bytes(call.data[_CODE_BYTES : _CODE_BYTES + 8], "little")
    elif call.kind == "expire":
        numbers = range(account.highest_id, 0, -1)
        trade_id = next((n for n in numbers if program.trade_address(vault, n) == call.trade), 0)
    return AuditRecord(
        kind=kind.code,
        sequence=sequence,
        time=time,
        trade_id=trade_id,
        amount=amount,
        pnl=0,
        fee=0,
        detail=bytes(32),
    )
