"""Reading a journal: the hash chain, its genesis, and the records, also while the daemon writes.

``bus.journal`` has the rules of the chain and the writer.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from optionsib.common import codec
from optionsib.common.errors import JournalError
from optionsib.common.events import READABLE_VERSIONS, SCHEMA_VERSION, AnyEvent, Event
from optionsib.common.types import Json

_PAGE = 2_000


class Run(msgspec.Struct, frozen=True):
    """One process that wrote this journal; not part of the chain. Wall times in UTC ns."""

    run: int
    pid: int
    started_wall_ns: int
    ended_wall_ns: int | None
    ports: dict[str, int]


def make_genesis(
    *, seed: int, config: str, data: str, model: str, build: str, simd_path: str
) -> dict[str, Json]:
    """Return the genesis of a session: all that its journal is a function of.

    Parameters
    ----------
    seed
        Seed of the session.
    config, data, model
        SHA-256 (hex) of the configuration, the recorded or simulated day, and the model artefact
        (empty where there is none).
    build
        Version of the package.
    simd_path
        Instruction set the kernels run on.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": seed,
        "config": config,
        "data": data,
        "model": model,
        "build": build,
        "simd_path": simd_path,
    }


def genesis_hash(payload: bytes) -> bytes:
    """Return ``hash[0]`` for the canonical bytes of a genesis."""
    return hashlib.sha256(payload).digest()


def chain_hash(previous: bytes, seq: int, at_ns: int, payload: bytes) -> bytes:
    """Return the hash of record ``seq`` that follows a record with hash ``previous``."""
    digest = hashlib.sha256(previous)
    digest.update(seq.to_bytes(8, "big"))
    digest.update(at_ns.to_bytes(8, "big", signed=True))
    digest.update(payload)
    return digest.digest()


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open the database for reading beside a writer; nothing in it can be changed.

    Raises
    ------
    JournalError
        If the file is absent or cannot be read.
    """
    if not path.is_file():
        raise JournalError(f"no journal at {path}: expected a file written by the daemon")
    last: sqlite3.Error | None = None
    # A folder without write permission needs immutable, which is right only if no log is pending.
    modes = ["mode=ro"] if _wal(path).exists() else ["mode=ro", "mode=ro&immutable=1"]
    for mode in modes:
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?{mode}", uri=True, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA busy_timeout = 5000")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            last = error
        else:
            return connection
    raise JournalError(f"cannot read {path} as a journal ({last}); the file is unchanged") from last


class JournalReader:
    """A journal opened for reading, also while the daemon writes it. Only committed records show."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection
        self._genesis_payload, self._genesis_hash = self._read_genesis()
        self._head = self._genesis_hash

    @classmethod
    def open_read_only(cls, path: Path | str) -> JournalReader:
        """Open a journal for reading.

        Raises
        ------
        JournalError
            If there is no journal at ``path``, or its schema version is not ours.
        """
        path = Path(path)
        return JournalReader(path, connect_read_only(path))

    @property
    def genesis(self) -> dict[str, Json]:
        """All that this journal is a function of."""
        return msgspec.msgpack.decode(self._genesis_payload, type=dict[str, Any])

    @property
    def head(self) -> str:
        """Hash of the last committed record (the genesis if there is none), 64 hex digits."""
        row = self._connection.execute("SELECT hash FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        return (self._genesis_hash if row is None else bytes(row[0])).hex()

    @property
    def last_seq(self) -> int:
        """Sequence number of the last committed record, 0 if there is none."""
        row = self._connection.execute("SELECT max(seq) FROM records").fetchone()
        return int(row[0] or 0)

    @property
    def last_at_ns(self) -> int:
        """Session time (UTC ns) of the last committed record, 0 if there is none."""
        row = self._connection.execute("SELECT at_ns FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        return int(row[0]) if row else 0

    @property
    def runs(self) -> list[Run]:
        """The processes that wrote this journal, oldest first."""
        rows = self._connection.execute(
            "SELECT run, pid, started_wall_ns, ended_wall_ns, ports FROM runs ORDER BY run"
        ).fetchall()
        return [
            Run(run, pid, started, ended, msgspec.json.decode(ports, type=dict[str, int]))
            for run, pid, started, ended, ports in rows
        ]

    def events(
        self, kinds: Sequence[str | type[Event]] | None = None, after: int = 0
    ) -> Iterator[tuple[int, int, AnyEvent]]:
        """Yield ``(seq, at_ns, event)`` of committed records in order.

        Parameters
        ----------
        kinds
            Class names or classes of the wanted events; None = all.
        after
            Only records with a higher sequence number.

        Raises
        ------
        JournalError
            If a record is not one of the known events (``optionsib audit verify`` says which is the
            first bad one).
        """
        names = (
            None if kinds is None else [kind if isinstance(kind, str) else kind.__name__ for kind in kinds]
        )
        where = "" if names is None else f" AND kind IN ({','.join('?' * len(names))})"
        # Read in pages: the writer may append while a caller walks through.
        query = f"SELECT seq, at_ns, payload FROM records WHERE seq > ?{where} ORDER BY seq LIMIT {_PAGE}"  # noqa: S608
        while rows := self._connection.execute(query, (after, *(names or ()))).fetchall():
            for seq, at_ns, payload in rows:
                try:
                    event = codec.decode(payload)
                except (msgspec.DecodeError, UnicodeDecodeError, TypeError) as error:
                    raise JournalError(f"{self.path}: record {seq} is not a known event: {error}") from error
                yield seq, at_ns, event
            after = rows[-1][0]

    def is_halted(self) -> bool:
        """Tell whether the last of all ``Halted`` and ``Resumed`` records is ``Halted``."""
        row = self._connection.execute(
            "SELECT kind FROM records WHERE kind IN ('Halted', 'Resumed') ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return row is not None and row[0] == "Halted"

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_genesis(self) -> tuple[bytes, bytes]:
        try:
            return load_genesis(self.path, self._connection)
        except JournalError:
            self._connection.close()
            raise


def load_genesis(path: Path, connection: sqlite3.Connection) -> tuple[bytes, bytes]:
    """Return payload and hash of a genesis that is whole and of our schema version."""
    try:
        row = connection.execute("SELECT payload, hash FROM genesis").fetchone()
    except sqlite3.Error as error:
        raise JournalError(f"{path} is not a journal ({error}); the file is unchanged") from error
    if row is None:
        raise JournalError(f"{path} has no genesis record: its creation was interrupted; remove it")
    payload, stored = row
    if not isinstance(payload, bytes) or genesis_hash(payload) != stored:
        raise JournalError(f"{path}: the genesis does not match its hash; the file is unchanged")
    version = msgspec.msgpack.decode(payload, type=dict[str, Any]).get("schema_version")
    if version not in READABLE_VERSIONS:
        raise JournalError(
            f"{path} has schema version {version}, this build reads {READABLE_VERSIONS}; "
            "read it with the build that wrote it"
        )
    return payload, stored


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
