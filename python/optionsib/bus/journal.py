"""The journal: what was decided and done, durable before it leaves, in one hash chain.

1. One writer: a process holds the journal's lock from open to close; anyone may read meanwhile.
2. ``append`` gives an event its sequence number and hash; ``commit`` makes everything appended so far
   durable in one synced transaction. A crash loses what was not committed, and nothing else.
3. ``hash[n] = SHA-256(hash[n-1] || n || at_ns || payload)``, ``n`` and ``at_ns`` as 8 bytes big-endian,
   payload = canonical msgpack. ``hash[0]`` is the hash of the genesis, which names seed, configuration,
   data, model, build and SIMD path.
4. Facts of one run (pid, wall time, ports) stand beside the chain, so equal runs have equal heads.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from optionsib.bus.journal_reader import (
    JournalReader,
    Run,
    chain_hash,
    genesis_hash,
    load_genesis,
    make_genesis,
)
from optionsib.common import codec
from optionsib.common.errors import JournalError
from optionsib.common.events import SCHEMA_VERSION, Event
from optionsib.common.types import Json

__all__ = ["Journal", "JournalReader", "Run", "chain_hash", "genesis_hash", "make_genesis", "writer_of"]

_SCHEMA = (
    "CREATE TABLE genesis (payload BLOB NOT NULL, hash BLOB NOT NULL)",
    "CREATE TABLE records (seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL,"
    " payload BLOB NOT NULL, hash BLOB NOT NULL)",
    "CREATE INDEX records_by_kind ON records (kind, seq)",
    "CREATE TABLE runs (run INTEGER PRIMARY KEY, pid INTEGER NOT NULL, started_wall_ns INTEGER NOT NULL,"
    " ended_wall_ns INTEGER, ports TEXT NOT NULL DEFAULT '{}')",
)


class Journal(JournalReader):
    """The one writer of a journal. Make it with ``create`` or ``open``; ``close`` commits.

    ``append`` and ``commit`` may be called from different threads.

    Examples
    --------
    >>> import tempfile
    >>> from optionsib.common.events import Halted
    >>> folder = tempfile.TemporaryDirectory()
    >>> genesis = make_genesis(seed=7, config="", data="", model="", build="0", simd_path="")
    >>> with Journal.create(Path(folder.name) / "journal.sqlite", genesis) as journal:
    ...     journal.append_durable(Halted(at_ns=1, reason="drill"), at_ns=1)
    ...     journal.is_halted()
    1
    True
    >>> folder.cleanup()
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int) -> None:
        super().__init__(path, connection)
        self._lock_file = lock
        self._mutex = threading.Lock()
        self._pending: list[tuple[int, int, str, bytes, bytes]] = []
        self._failure = ""
        self._closed = False
        self._committed_seq, self._committed_head = self._read_tail()
        self._seq, self._head = self._committed_seq, self._committed_head
        self._halted = super().is_halted()
        self._run = self._start_run()

    # --- opening -----------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: Path | str, genesis: Mapping[str, Json]) -> Journal:
        """Begin a new journal; tables and genesis appear together or not at all.

        Raises
        ------
        JournalError
            If ``path`` already holds a journal or anything else (it is unchanged), or cannot be written.
        """
        path = Path(path)
        payload = codec.encode({"schema_version": SCHEMA_VERSION, **genesis})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(f"cannot create a journal in {path.parent}: {error.strerror}") from error
        lock = _take_lock(path)
        connection: sqlite3.Connection | None = None
        try:
            connection = _connect_for_writing(path)
            if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise JournalError(
                    f"{path} exists already; it is unchanged. Open it to continue it, or choose another path"
                )
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO genesis VALUES (?, ?)", (payload, genesis_hash(payload)))
            connection.execute("COMMIT")
            _sync_folder(path.parent)
            return cls(path, connection, lock)
        except sqlite3.Error as error:
            _abandon(connection, lock)
            raise JournalError(f"cannot create a journal at {path}: {error}") from error
        except JournalError:
            _abandon(connection, lock)
            raise

    @classmethod
    def open(cls, path: Path | str, *, expected_genesis: Mapping[str, Json] | None = None) -> Journal:
        """Continue a journal as its one writer.

        Parameters
        ----------
        path
            An existing journal.
        expected_genesis
            What the caller would begin a journal with; a difference is an error.

        Raises
        ------
        JournalError
            If there is none, another process writes it (its pid is named), its last record does not
            follow the chain, or its genesis differs from the expected one. The journal is unchanged.
        """
        path = Path(path)
        if not path.is_file():
            raise JournalError(f"no journal at {path}: expected a file written by the daemon")
        lock = _take_lock(path)
        connection: sqlite3.Connection | None = None
        try:
            connection = _connect_for_writing(path)
            _require_genesis(path, connection, expected_genesis)
            return cls(path, connection, lock)
        except sqlite3.Error as error:
            _abandon(connection, lock)
            raise JournalError(f"cannot open {path} as a journal: {error}; it is unchanged") from error
        except JournalError:
            _abandon(connection, lock)
            raise

    # --- writing -----------------------------------------------------------------------------------

    def append(self, event: Event, at_ns: int) -> int:
        """Give ``event`` the next place in the chain and return its sequence number (from 1).

        It is durable only after ``commit``.

        Parameters
        ----------
        event
            One of the messages in ``common.events``.
        at_ns
            Session time, UTC ns.

        Raises
        ------
        JournalError
            If ``event`` is not a message, ``at_ns`` is no integer, or the journal is closed or failed.
        """
        if not isinstance(event, Event):
            raise JournalError(f"cannot journal {event!r}: expected an Event; nothing was written")
        if type(at_ns) is not int:
            raise JournalError(f"cannot journal at {at_ns!r}: expected integer UTC ns; nothing was written")
        payload = codec.encode(event)
        with self._mutex:
            self._require_open()
            seq = self._seq + 1
            digest = chain_hash(self._head, seq, at_ns, payload)
            self._pending.append((seq, at_ns, type(event).__name__, payload, digest))
            self._seq, self._head = seq, digest
            if type(event).__name__ in ("Halted", "Resumed"):
                self._halted = type(event).__name__ == "Halted"
        return seq

    def commit(self) -> None:
        """Make all appended records durable in one synced transaction.

        Raises
        ------
        JournalError
            If the disk refuses. The journal then takes nothing more: what is on disk is a valid chain
            that ends at the last commit.
        """
        with self._mutex:
            self._require_open()
            if self._pending:
                self._write_pending()

    def append_durable(self, event: Event, at_ns: int) -> int:
        """Append ``event``, commit, and return its sequence number."""
        seq = self.append(event, at_ns)
        self.commit()
        return seq

    def note_ports(self, ports: Mapping[str, int]) -> None:
        """Write the ports of this run beside the chain, where a second writer and ``doctor`` find them."""
        with self._mutex:
            self._require_open()
            self._connection.execute(
                "UPDATE runs SET ports = ? WHERE run = ?",
                (msgspec.json.encode(dict(sorted(ports.items()))).decode(), self._run),
            )

    def close(self) -> None:
        """Commit, note the end of the run, and release the lock. A second call does nothing."""
        if self._closed:
            return
        try:
            if not self._failure:
                self.commit()
                self._connection.execute(
                    "UPDATE runs SET ended_wall_ns = ? WHERE run = ?", (_wall_ns(), self._run)
                )
        finally:
            self._closed = True
            _abandon(self._connection, self._lock_file)

    # --- state -------------------------------------------------------------------------------------

    @property
    def head(self) -> str:
        """Hash of the last committed record (the genesis if there is none), 64 hex digits."""
        return self._committed_head.hex()

    @property
    def last_seq(self) -> int:
        """Sequence number of the last appended record, committed or not; 0 if there is none."""
        return self._seq

    def is_halted(self) -> bool:
        """Tell whether the last of all ``Halted`` and ``Resumed`` events, appended ones included, halts."""
        return self._halted

    def _write_pending(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT INTO records VALUES (?, ?, ?, ?, ?)", self._pending)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._failure = str(error)
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise JournalError(
                f"{self.path}: {len(self._pending)} records after record {self._committed_seq} are not "
                f"durable ({error}); the journal takes no more"
            ) from error
        self._committed_seq, self._committed_head = self._seq, self._head
        self._pending.clear()

    def _require_open(self) -> None:
        if self._failure:
            raise JournalError(f"{self.path} failed before ({self._failure}) and takes nothing more")
        if self._closed:
            raise JournalError(f"{self.path} is closed")

    def _read_tail(self) -> tuple[int, bytes]:
        rows = self._connection.execute(
            "SELECT seq, at_ns, payload, hash FROM records ORDER BY seq DESC LIMIT 2"
        ).fetchall()
        if not rows:
            return 0, self._genesis_hash
        seq, at_ns, payload, stored = rows[0]
        previous = bytes(rows[1][3]) if len(rows) > 1 else self._genesis_hash
        if chain_hash(previous, seq, at_ns, bytes(payload)) != bytes(stored):
            raise JournalError(
                f"{self.path}: record {seq} does not follow the chain; nothing is appended to it "
                "(optionsib audit verify names the first bad record)"
            )
        return int(seq), bytes(stored)

    def _start_run(self) -> int:
        cursor = self._connection.execute(
            "INSERT INTO runs (pid, started_wall_ns) VALUES (?, ?)", (os.getpid(), _wall_ns())
        )
        return int(cursor.lastrowid or 0)


def _wall_ns() -> int:
    return time.time_ns()  # wall-clock-ok: a fact of the run, outside the chain


def _connect_for_writing(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout = 5000")
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        connection.close()
        raise JournalError(
            f"{path}: this file system offers no write-ahead log (got {mode!r}, expected 'wal')"
        )
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _require_genesis(path: Path, connection: sqlite3.Connection, expected: Mapping[str, Json] | None) -> None:
    if expected is None:
        return
    found = msgspec.msgpack.decode(load_genesis(path, connection)[0], type=dict[str, Any])
    wanted: dict[str, Json] = {"schema_version": SCHEMA_VERSION, **expected}
    for key in sorted(found.keys() | wanted.keys()):
        if found.get(key) != wanted.get(key):
            raise JournalError(
                f"{path} was begun with {key} = {found.get(key)!r}, this session has {wanted.get(key)!r}; "
                "it is unchanged. Continue it with the old value or begin a new journal"
            )


def _take_lock(path: Path) -> int:
    """Take the writer's lock; the kernel releases it when the process dies."""
    beside = path.with_name(path.name + ".lock")
    try:
        lock = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise JournalError(f"cannot write {beside}: {error.strerror}; {path} is unchanged") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise JournalError(f"{path} is being written by {_holder(path)}; it is unchanged") from error
    return lock


def writer_of(path: Path) -> str | None:
    """Name the process that writes the journal at ``path`` now; None if nobody does."""
    beside = path.with_name(path.name + ".lock")
    if not beside.exists():
        return None
    try:
        os.close(_take_lock(path))
    except JournalError:
        return _holder(path)
    return None


def _holder(path: Path) -> str:
    try:
        with JournalReader.open_read_only(path) as reader:
            open_runs = [run.pid for run in reader.runs if run.ended_wall_ns is None]
    except JournalError:
        return "another process that is just creating it"
    return f"process {open_runs[-1]}" if open_runs else "another process"


def _abandon(connection: sqlite3.Connection | None, lock: int) -> None:
    if connection is not None:
        connection.close()
    os.close(lock)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
