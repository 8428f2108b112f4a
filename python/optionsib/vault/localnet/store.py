"""The state on disk: accounts, raw transactions with their outcome, and the genesis, in one SQLite file.

One transaction of the chain is one transaction of the database, so a process killed at any moment leaves a
whole state. (WAL with ``synchronous=NORMAL``: a power cut may lose the last ones, never tear one.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from solders.account import Account
from solders.pubkey import Pubkey

from optionsib.common.errors import SettlementError

SCHEMA_VERSION = 1
_TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts (address BLOB PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE transactions (
    ordinal INTEGER PRIMARY KEY, signature TEXT NOT NULL UNIQUE, slot INTEGER NOT NULL,
    processed_ns INTEGER NOT NULL, confirmed_ns INTEGER NOT NULL, finalized_ns INTEGER NOT NULL,
    wire BLOB NOT NULL, outcome BLOB NOT NULL
);
CREATE TABLE mentions (
    address BLOB NOT NULL, ordinal INTEGER NOT NULL, PRIMARY KEY (address, ordinal)
) WITHOUT ROWID;
"""
_COLUMNS = "ordinal, signature, slot, processed_ns, confirmed_ns, finalized_ns, wire, outcome"


class Landed(msgspec.Struct, frozen=True):
    """A transaction in the ledger. ``outcome`` is JSON in the shape of the RPC's ``meta``."""

    ordinal: int
    signature: str
    slot: int
    processed_ns: int
    confirmed_ns: int
    finalized_ns: int
    wire: bytes
    outcome: bytes


class Store:
    """Reads and writes one state file; in memory where no path is given.

    Raises
    ------
    SettlementError
        If the file is not one of ours, is in use by another process, or cannot be opened.
    """

    def __init__(self, path: Path | None) -> None:
        self._name = "memory" if path is None else str(path)
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(
                ":memory:" if path is None else path, isolation_level=None, check_same_thread=False
            )
            self._open()
        except (sqlite3.Error, OSError) as error:
            raise SettlementError(f"local chain state {self._name}: {error}; nothing was changed") from error

    def _open(self) -> None:
        run = self._database.execute
        run("PRAGMA busy_timeout=1000")
        run("PRAGMA locking_mode=EXCLUSIVE")
        run("PRAGMA journal_mode=WAL")
        run("PRAGMA synchronous=NORMAL")
        run("BEGIN IMMEDIATE")
        (version,) = run("PRAGMA user_version").fetchone()
        tables = run("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if version == 0 and tables == 0:
            for statement in _TABLES.split(";\n"):
                run(statement)
            run(f"PRAGMA user_version={SCHEMA_VERSION}")
        elif version != SCHEMA_VERSION:
            run("ROLLBACK")
            raise SettlementError(
                f"local chain state {self._name}: format {version}, expected "
                f"{SCHEMA_VERSION}; it is unchanged"
            )
        run("COMMIT")

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        self._database.close()

    def clear(self) -> None:
        """Take everything out."""
        for table in ("meta", "accounts", "transactions", "mentions"):
            self._database.execute(f"DELETE FROM {table}")  # noqa: S608 - constants

    def get(self, name: str) -> str | None:
        """Return the value of ``name`` in the table of facts."""
        row = self._database.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, values: Mapping[str, str]) -> None:
        """Write facts in one transaction."""
        self._write(values, {}, None, ())

    def commit(
        self,
        values: Mapping[str, str],
        accounts: Mapping[Pubkey, Account | None],
        landed: Landed | None = None,
        mentions: Iterable[Pubkey] = (),
    ) -> None:
        """Write facts, changed accounts (None: gone) and a transaction, all or nothing."""
        self._write(values, accounts, landed, mentions)

    def _write(
        self,
        values: Mapping[str, str],
        accounts: Mapping[Pubkey, Account | None],
        landed: Landed | None,
        mentions: Iterable[Pubkey],
    ) -> None:
        many = self._database.executemany
        self._database.execute("BEGIN IMMEDIATE")
        try:
            many("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())
            kept = [(bytes(key), bytes(account)) for key, account in accounts.items() if account is not None]
            many("INSERT OR REPLACE INTO accounts VALUES (?, ?)", kept)
            gone = [(bytes(key),) for key, account in accounts.items() if account is None]
            many("DELETE FROM accounts WHERE address=?", gone)
            if landed is not None:
                many(
                    "INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    [msgspec.structs.astuple(landed)],
                )
                many("INSERT INTO mentions VALUES (?, ?)", [(bytes(key), landed.ordinal) for key in mentions])
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def accounts(self) -> Iterator[tuple[Pubkey, Account]]:
        """Yield every account."""
        for address, content in self._database.execute("SELECT address, content FROM accounts"):
            yield Pubkey.from_bytes(address), Account.from_bytes(content)

    def count(self) -> int:
        """Return how many transactions have landed."""
        return int(self._database.execute("SELECT count(*) FROM transactions").fetchone()[0])

    def transaction(self, signature: str) -> Landed | None:
        """Return the transaction of ``signature``."""
        row = self._database.execute(
            f"SELECT {_COLUMNS} FROM transactions WHERE signature=?",  # noqa: S608 - a constant
            (signature,),
        ).fetchone()
        return None if row is None else Landed(*row)

    def latest(self) -> Landed | None:
        """Return the last transaction that landed."""
        row = self._database.execute(
            f"SELECT {_COLUMNS} FROM transactions ORDER BY ordinal DESC LIMIT 1"  # noqa: S608 - a constant
        ).fetchone()
        return None if row is None else Landed(*row)

    def mentioning(self, address: Pubkey, below: int, above: int, limit: int) -> list[Landed]:
        """Return transactions that name ``address`` with ordinals in (above, below), newest first."""
        rows = self._database.execute(
            f"SELECT {_COLUMNS} FROM transactions WHERE ordinal IN (SELECT ordinal FROM mentions "  # noqa: S608
            "WHERE address=? AND ordinal<? AND ordinal>? ORDER BY ordinal DESC LIMIT ?) "
            "ORDER BY ordinal DESC",
            (bytes(address), below, above, limit),
        )
        return [Landed(*row) for row in rows]

    def finalize_all(self, at_ns: int) -> None:
        """Make everything that has landed final at ``at_ns``, where it was not before."""
        self._database.execute(
            "UPDATE transactions SET confirmed_ns=min(confirmed_ns, ?1), finalized_ns=min(finalized_ns, ?1) "
            "WHERE finalized_ns>?1",
            (at_ns,),
        )
