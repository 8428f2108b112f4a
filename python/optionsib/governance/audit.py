"""Audit of a journal: recompute the hash chain and name the first bad record.

The chain shows every flipped, dropped, swapped, inserted or moved record up to its end. Two things it
cannot show by itself, since its hashes need no key: records cut off at the end, and a chain that was
rewritten as a whole. Both show against a head that was kept elsewhere (the last line of a session,
a report): give it as ``expected_head``.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from optionsib.bus.journal_reader import chain_hash, connect_read_only, genesis_hash
from optionsib.common import codec
from optionsib.common.errors import JournalError

_INT64 = 2**63


class AuditReport(msgspec.Struct, frozen=True):
    """Result of an audit.

    ``records`` good records stand before the first bad one (or in all); ``head`` is the hash after
    them (hex). ``first_bad_seq`` is None when all is well, 0 for the genesis.
    """

    ok: bool
    records: int
    head: str
    first_bad_seq: int | None = None
    reason: str = ""


def verify(path: Path | str, expected_head: str | None = None) -> AuditReport:
    """Recompute the chain of the journal at ``path``, which may be written meanwhile.

    Parameters
    ----------
    path
        A journal.
    expected_head
        Hash (64 hex digits) of the last record as noted elsewhere; shows a cut or rewritten end.

    Raises
    ------
    JournalError
        If there is no file, or it is no database at all. Damage inside a journal is a report, not an
        error.
    ValueError
        If ``expected_head`` is not 64 hex digits.
    """
    if expected_head is not None:
        expected_head = expected_head.strip().lower()
        if len(expected_head) != 64 or set(expected_head) - set("0123456789abcdef"):
            raise ValueError(f"expected_head is {expected_head!r}, expected 64 hex digits; nothing was read")
    connection = connect_read_only(Path(path))
    try:
        report = _walk(connection)
    finally:
        connection.close()
    if report.ok and expected_head is not None and report.head != expected_head:
        return AuditReport(
            False,
            report.records,
            report.head,
            report.records + 1,
            f"the chain ends at record {report.records} with head {report.head}, expected head "
            f"{expected_head}: records are missing at the end or the whole chain was rewritten",
        )
    return report


def main_verify(path: Path | str, expected_head: str | None = None) -> int:
    """Verify a journal, print the result, and return the exit status: 0 good, 1 bad, 2 not readable."""
    try:
        report = verify(path, expected_head)
    except (JournalError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    if report.ok:
        sys.stdout.write(f"journal {path}: ok, {report.records} records\n")
        if expected_head is None:
            sys.stdout.write("a cut at the end shows only against a noted head: --expected-head <64 hex>\n")
        sys.stdout.write(f"journal sha256 {report.head}\n")
        return 0
    sys.stdout.write(
        f"journal {path}: BAD at record {report.first_bad_seq}: {report.reason}\n"
        f"{report.records} good records before it, head there {report.head}\n"
    )
    return 1


def _walk(connection: sqlite3.Connection) -> AuditReport:
    # Damaged cells may be text that is no UTF-8: read them as they are and let the hash judge.
    connection.text_factory = lambda data: data.decode(errors="replace")
    head, good = bytes(32), -1  # the genesis counts as record 0
    try:
        for seq, fault, digest in _check(connection):
            if fault:
                return AuditReport(False, max(good, 0), head.hex(), seq, fault)
            head, good = digest, seq
    except (sqlite3.Error, OverflowError) as error:
        return AuditReport(False, max(good, 0), head.hex(), good + 1, f"the database is damaged: {error}")
    return AuditReport(True, good, head.hex())


def _check(connection: sqlite3.Connection) -> Iterator[tuple[int, str, bytes]]:
    """Yield ``(seq, fault, hash)`` for the genesis and each record; an empty fault = good."""
    rows = connection.execute("SELECT payload, hash FROM genesis").fetchall()
    if len(rows) != 1:
        yield 0, f"{len(rows)} genesis rows, expected one", b""
        return
    payload, stored = rows[0]
    digest = genesis_hash(_bytes(payload))
    yield 0, "" if digest == stored else "the genesis does not match its hash", digest
    # The order of storage is not the order of the chain: ask for it, and read what is really there.
    expected = 1
    for seq, at_ns, kind, payload, stored in connection.execute(
        "SELECT seq, at_ns, kind, payload, hash FROM records ORDER BY seq"
    ):
        if seq != expected:
            found = f"record {seq} follows record {expected - 1}"
            yield min(seq, expected), found if seq < expected else f"it is missing: {found}", b""
            return
        digest, fault = _check_record(digest, seq, at_ns, kind, payload, stored)
        yield seq, fault, digest
        expected += 1


def _check_record(
    previous: bytes, seq: int, at_ns: Any, kind: Any, payload: Any, stored: Any
) -> tuple[bytes, str]:
    if type(at_ns) is not int or not -_INT64 <= at_ns < _INT64:
        return b"", f"its time is {at_ns!r}, expected integer ns"
    digest = chain_hash(previous, seq, at_ns, _bytes(payload))
    if digest != stored:
        return b"", "its content does not match its hash"
    try:
        event = codec.decode(_bytes(payload))
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError) as error:
        return b"", f"its hash is right but it is not a known event: {error}"
    if type(event).__name__ != kind:
        return b"", f"it is filed as {kind!r} but holds {type(event).__name__}"
    return digest, ""


def _bytes(value: Any) -> bytes:
    """Return what SQLite handed out as bytes; a cell of another type cannot match any hash."""
    return value if isinstance(value, bytes) else repr(value).encode()
