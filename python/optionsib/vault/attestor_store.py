"""What an attestor has seen and signed, in SQLite.

What was signed is on the disk before the signature leaves. What was seen outlives a killed process, not
necessarily a power cut: the broker tells it again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from optionsib.common.errors import SettlementError
from optionsib.common.events import CommissionReport, Execution
from optionsib.common.types import Contract

_VERSION = 2
_SCHEMA = """
CREATE TABLE owner (one INTEGER PRIMARY KEY CHECK (one = 1), identity TEXT NOT NULL) STRICT;
CREATE TABLE executions (
    id TEXT PRIMARY KEY, stem TEXT NOT NULL, con_id INTEGER NOT NULL, side INTEGER NOT NULL,
    quantity INTEGER NOT NULL, price INTEGER NOT NULL, at_ns INTEGER NOT NULL,
    corrected_by TEXT NOT NULL DEFAULT '', order_ref TEXT, perm_id INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX stems ON executions (stem);
CREATE TABLE commissions (id TEXT PRIMARY KEY, amount INTEGER NOT NULL) STRICT;
CREATE TABLE closes (
    trade_id INTEGER NOT NULL, number INTEGER NOT NULL, share INTEGER NOT NULL, pnl INTEGER NOT NULL,
    opened INTEGER NOT NULL, units_before INTEGER NOT NULL, units INTEGER NOT NULL, entry INTEGER NOT NULL,
    executions_hash BLOB NOT NULL, PRIMARY KEY (trade_id, number)
) STRICT;
CREATE TABLE openings (
    id TEXT NOT NULL, trade_id INTEGER NOT NULL, quantity INTEGER NOT NULL, PRIMARY KEY (id, trade_id)
) STRICT;
CREATE TABLE closings (
    id TEXT NOT NULL, trade_id INTEGER NOT NULL, number INTEGER NOT NULL, quantity INTEGER NOT NULL,
    PRIMARY KEY (id, trade_id, number)
) STRICT;
"""
_SINCE_2 = """
CREATE TABLE contracts (
    con_id INTEGER PRIMARY KEY, symbol TEXT NOT NULL, security_type TEXT NOT NULL,
    multiplier INTEGER NOT NULL, kind INTEGER NOT NULL, strike INTEGER NOT NULL, expiry_date TEXT NOT NULL
) STRICT;
CREATE TABLE orders (perm_id INTEGER PRIMARY KEY, order_ref TEXT NOT NULL) STRICT;
"""
# A memory of version 1 has no order references; the broker tells them again with the day's executions.
_FROM_1 = """
INSERT INTO contracts SELECT con_id, '', '', multiplier, 0, 0, '' FROM multipliers;
DROP TABLE multipliers;
ALTER TABLE executions ADD COLUMN order_ref TEXT;
ALTER TABLE executions ADD COLUMN perm_id INTEGER NOT NULL DEFAULT 0
"""


class SeenExecution(msgspec.Struct, frozen=True, array_like=True):
    """An execution as the broker told it; the commission is None until it is known.

    ``is_ordered``: an order with a reference led to it, as far as anybody knows.
    """

    con_id: int
    side: int
    quantity: int
    price: int
    at_ns: int
    perm_id: int
    is_ordered: bool
    corrected_by: str
    commission: int | None


class SeenContract(msgspec.Struct, frozen=True):
    """What a contract stands for; ``kind`` +1 call, -1 put, 0 neither. ``strike`` 1/10000."""

    symbol: str
    security_type: str
    multiplier: int
    kind: int
    strike: int
    expiry_date: str


class SignedClose(msgspec.Struct, frozen=True, kw_only=True):
    """The terms of a close that was signed; ``entry``: what it took of the opening cash."""

    trade_id: int
    number: int
    share: int
    pnl: int
    opened: int
    units_before: int
    units: int
    entry: int
    executions_hash: bytes


class AttestorStore:
    """The attestor's memory.

    Parameters
    ----------
    path
        File, made for this user alone; None keeps it in memory.
    identity
        Key and vault it belongs to: another attestor's file is refused.

    Raises
    ------
    SettlementError
        If the file cannot be opened, belongs to another attestor, or another process has it.
    """

    def __init__(self, path: Path | None, identity: str) -> None:
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            where = ":memory:" if path is None else path
            self._database = sqlite3.connect(where, isolation_level=None, timeout=1.0)
        except (OSError, sqlite3.Error) as error:
            raise SettlementError(f"the attestor's memory {path}: {error}") from error
        try:
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._begin(identity, str(path))
        except sqlite3.Error as error:
            self._database.close()
            raise SettlementError(f"the attestor's memory {path}: {error}") from error
        except SettlementError:
            self._database.close()
            raise

    def _begin(self, identity: str, where: str) -> None:
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            with self._transaction():
                self._run(_SCHEMA, _SINCE_2)
                self._database.execute("INSERT INTO owner VALUES (1, ?)", (identity,))
        found = self._database.execute("SELECT identity FROM owner").fetchone()
        if version > _VERSION or found is None or found[0] != identity:
            raise SettlementError(
                f"the attestor's memory {where} belongs to {found[0] if found else 'nobody'} (version "
                f"{version}), expected {identity}; it is unchanged"
            )
        if version == 1:
            with self._transaction():
                self._run(_SINCE_2, _FROM_1)

    def _run(self, *scripts: str) -> None:
        for statement in ";".join(scripts).split(";"):
            self._database.execute(statement)
        self._database.execute(f"PRAGMA user_version={_VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def put_contracts(self, contracts: Iterable[Contract]) -> None:
        """Keep what contracts stand for."""
        rows = [
            (c.con_id, c.symbol, c.security_type, c.multiplier, c.kind, c.strike, c.expiry_date)
            for c in contracts
        ]
        with self._transaction():
            self._database.executemany("INSERT OR REPLACE INTO contracts VALUES (?,?,?,?,?,?,?)", rows)

    def put_order(self, event: Execution) -> None:
        """Keep which order an execution (a combination's too) belongs to."""
        if event.order_ref and event.perm_id:
            self._database.execute(
                "INSERT OR REPLACE INTO orders VALUES (?, ?)", (event.perm_id, event.order_ref)
            )

    def put_execution(self, event: Execution) -> None:
        """Keep an execution; a known one changes nothing, a correction replaces the one before."""
        name = event.execution_id
        stem = name.rpartition(".")[0] or name
        with self._transaction():
            if self.execution(name) is not None:
                self._database.execute(
                    "UPDATE executions SET order_ref=?, perm_id=? WHERE id=? AND order_ref IS NULL",
                    (event.order_ref, event.perm_id, name),
                )
                return
            row = (name, stem, event.con_id, event.side, event.quantity, event.price, event.at_ns)
            self._database.execute(
                "INSERT INTO executions (id, stem, con_id, side, quantity, price, at_ns, order_ref, perm_id) "
                "VALUES (?,?,?,?,?,?,?,?,?)",
                (*row, event.order_ref, event.perm_id),
            )
            ids = [
                row[0] for row in self._database.execute("SELECT id FROM executions WHERE stem=?", (stem,))
            ]
            newest = max(ids, key=_correction)
            self._database.execute(
                "UPDATE executions SET corrected_by=CASE WHEN id=?1 THEN '' ELSE ?1 END WHERE stem=?2",
                (newest, stem),
            )

    def put_commission(self, event: CommissionReport) -> None:
        """Keep a commission; a later word on it replaces the earlier one."""
        self._database.execute(
            "INSERT OR REPLACE INTO commissions VALUES (?, ?)", (event.execution_id, event.amount)
        )

    def execution(self, name: str) -> SeenExecution | None:
        """Return an execution; None where it was not seen."""
        row = self._database.execute(
            "SELECT con_id, side, quantity, price, at_ns, perm_id, "
            "executions.order_ref IS NOT '' OR perm_id IN (SELECT perm_id FROM orders), "
            "corrected_by, amount FROM executions LEFT JOIN commissions USING (id) WHERE id=?",
            (name,),
        ).fetchone()
        return None if row is None else msgspec.convert(row, SeenExecution, strict=False)

    def contract(self, con_id: int) -> SeenContract | None:
        """Return what a contract stands for; None where it is not known."""
        row = self._database.execute(
            "SELECT symbol, security_type, multiplier, kind, strike, expiry_date FROM contracts "
            "WHERE con_id=?",
            (con_id,),
        ).fetchone()
        return None if row is None else SeenContract(*row)

    def closed(self, name: str, trade_id: int) -> int:
        """Return how many contracts of an execution the signed closes of one trade have."""
        row = self._database.execute(
            "SELECT coalesce(sum(quantity), 0) FROM closings WHERE id=? AND trade_id=?", (name, trade_id)
        ).fetchone()
        return int(row[0])

    def used(self, name: str, *, except_opening_of: int | None = None) -> int:
        """Return how many contracts of an execution are used up, not counting as opening of one trade."""
        row = self._database.execute(
            "SELECT (SELECT coalesce(sum(quantity), 0) FROM closings WHERE id=?1) + "
            "(SELECT coalesce(sum(quantity), 0) FROM openings WHERE id=?1 AND trade_id IS NOT ?2)",
            (name, except_opening_of),
        ).fetchone()
        return int(row[0])

    def openings(self, trade_id: int) -> dict[str, int]:
        """Return which executions opened a trade, with quantities, as far as was said."""
        return dict(
            self._database.execute(
                "SELECT id, quantity FROM openings WHERE trade_id=?", (trade_id,)
            ).fetchall()
        )

    def closes(self, trade_id: int) -> list[SignedClose]:
        """Return the signed closes of a trade, in order."""
        rows = self._database.execute(
            "SELECT number, share, pnl, opened, units_before, units, entry, executions_hash FROM closes "
            "WHERE trade_id=? ORDER BY number",
            (trade_id,),
        )
        names = SignedClose.__struct_fields__[1:]
        return [SignedClose(trade_id=trade_id, **dict(zip(names, row, strict=True))) for row in rows]

    def put_close(
        self, close: SignedClose, *, opening: Mapping[str, int], closing: Mapping[str, int]
    ) -> None:
        """Use up executions for a close, all or nothing; durable on return.

        Raises
        ------
        SettlementError
            If it cannot be written; nothing may be signed.
        """
        trade_id, number = close.trade_id, close.number
        try:
            self._database.execute("PRAGMA synchronous=FULL")
            with self._transaction():
                self._database.execute(
                    "INSERT INTO closes VALUES (?,?,?,?,?,?,?,?,?)", msgspec.structs.astuple(close)
                )
                self._database.executemany(
                    "INSERT OR REPLACE INTO openings VALUES (?,?,?)",
                    [(name, trade_id, quantity) for name, quantity in opening.items()],
                )
                self._database.executemany(
                    "INSERT INTO closings VALUES (?,?,?,?)",
                    [(name, trade_id, number, quantity) for name, quantity in closing.items()],
                )
            self._database.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error as error:
            raise SettlementError(
                f"the attestor's memory cannot be written: {error}; nothing is signed"
            ) from error

    def corrected_after_use(self) -> list[str]:
        """Return the executions that a signed close counts and the broker has corrected since."""
        rows = self._database.execute(
            "SELECT id FROM executions WHERE corrected_by != '' AND (id IN (SELECT id FROM closings) "
            "OR id IN (SELECT id FROM openings)) ORDER BY id"
        )
        return [row[0] for row in rows]

    def counts(self) -> tuple[int, int]:
        """Return how many executions were seen and how many closes signed."""
        seen, signed = self._database.execute(
            "SELECT (SELECT count(*) FROM executions), (SELECT count(*) FROM closes)"
        ).fetchone()
        return int(seen), int(signed)

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)


class _Transaction:
    """BEGIN and COMMIT around a block; ROLLBACK where it raises."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")


def _correction(name: str) -> tuple[int, str]:
    number = name.rpartition(".")[2]
    return (int(number) if number.isdecimal() else 0, name)
