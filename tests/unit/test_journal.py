"""The journal: one writer, group commit, crash safety, reading beside the writer."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from optionsib.bus.journal import Journal, JournalReader, genesis_hash, make_genesis
from optionsib.common import codec
from optionsib.common.errors import JournalError
from optionsib.common.events import SCHEMA_VERSION, Execution, Halted, OrderCancelRequested, Quote, Resumed
from optionsib.governance.audit import verify

GENESIS = make_genesis(
    seed=7, config="c" * 64, data="d" * 64, model="e" * 64, build="0.1.0", simd_path="avx2"
)


def cancel(number: int) -> OrderCancelRequested:
    return OrderCancelRequested(order_ref=f"o-{number}", at_ns=number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_chain_by_hand(path: Path) -> None:
    """The format as documented, computed without our functions."""
    with Journal.create(path, GENESIS) as journal:
        head = hashlib.sha256(codec.encode(GENESIS)).digest()
        assert journal.head == head.hex()
        for number in (1, 2):
            assert journal.append(cancel(number), at_ns=100 + number) == number
            seq, at = number.to_bytes(8, "big"), (100 + number).to_bytes(8, "big")
            head = hashlib.sha256(head + seq + at + codec.encode(cancel(number))).digest()
        journal.commit()
        assert journal.head == head.hex()


def test_equal_input_gives_equal_head_and_pinned(tmp_path: Path) -> None:
    heads = []
    for name in ("a", "b"):
        with Journal.create(tmp_path / name, GENESIS) as journal:
            journal.note_ports({"gateway": 1000 + len(heads)})  # run facts are outside the chain
            for number in range(1, 6):
                journal.append(cancel(number), number)
                if name == "b":
                    journal.commit()  # the grouping of commits does not show
        heads.append(journal.head)
    assert heads[0] == heads[1]
    other = Journal.create(tmp_path / "c", {**GENESIS, "seed": 8})
    other.close()
    assert other.head != genesis_hash(codec.encode(GENESIS)).hex()


def test_events_come_back_equal_and_filtered(path: Path) -> None:
    events = [
        cancel(1),
        Execution(execution_id="x", order_ref="o", con_id=5, side=-1, quantity=2, price=-150, at_ns=2),
        cancel(3),
    ]
    with Journal.create(path, GENESIS) as journal:
        for event in events:
            journal.append(event, event.at_ns)
        assert list(journal.events()) == []  # only committed records show
        journal.commit()
        assert list(journal.events()) == [(n, n, event) for n, event in enumerate(events, 1)]
        assert [seq for seq, _, _ in journal.events(["OrderCancelRequested"])] == [1, 3]
        assert [seq for seq, _, _ in journal.events([OrderCancelRequested], after=1)] == [3]
        assert list(journal.events([])) == []
        assert journal.genesis == GENESIS


def test_reading_goes_on_while_the_writer_appends(path: Path) -> None:
    with Journal.create(path, GENESIS) as journal:
        for number in range(1, 5001):
            journal.append(cancel(number), number)
        journal.commit()
        seen = 0
        for seq, _, _ in journal.events():
            seen += 1
            if seq == 10:
                journal.append_durable(cancel(5001), 5001)
        assert seen == 5001


def test_reader_beside_the_writer(path: Path) -> None:
    with Journal.create(path, GENESIS) as journal:
        journal.append_durable(cancel(1), 1)
        with JournalReader.open_read_only(path) as reader:
            assert reader.last_seq == 1
            journal.append(cancel(2), 2)
            assert reader.last_seq == 1
            journal.commit()
            assert reader.last_seq == 2
            assert reader.head == journal.head
            assert reader.runs[0].pid == os.getpid()
            assert reader.runs[0].ended_wall_ns is None
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                reader._connection.execute("DELETE FROM records")
    with JournalReader.open_read_only(path) as reader:
        assert reader.runs[0].ended_wall_ns is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_reader_in_a_folder_without_write_permission(path: Path) -> None:
    with Journal.create(path, GENESIS) as journal:
        journal.append_durable(cancel(1), 1)
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert verify(path).ok
    finally:
        path.parent.chmod(stat.S_IRWXU)


def test_second_writer_is_told_who_holds_it(path: Path) -> None:
    with Journal.create(path, GENESIS) as journal:
        for attempt in (Journal.open, lambda p: Journal.create(p, GENESIS)):
            with pytest.raises(JournalError, match=f"being written by process {os.getpid()}"):
                attempt(path)
        journal.append_durable(cancel(1), 1)
    with Journal.open(path) as journal:
        assert journal.append(cancel(2), 2) == 2


def test_create_never_overwrites(path: Path) -> None:
    Journal.create(path, GENESIS).close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="exists already"):
        Journal.create(path, GENESIS)
    assert path.read_bytes() == before
    path.write_bytes(b"something of the user's, long enough to be no empty file" * 30)
    before = path.read_bytes()
    for attempt in (Journal.open, JournalReader.open_read_only, lambda p: Journal.create(p, GENESIS)):
        with pytest.raises(JournalError):
            attempt(path)
    assert path.read_bytes() == before
    Journal.create(path.with_name("other"), GENESIS).close()  # the failed attempts hold no lock


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot create a journal in"):
        Journal.create(tmp_path / "file" / "journal", GENESIS)
    (tmp_path / "journal.lock").mkdir()
    with pytest.raises(JournalError, match="cannot write"):
        Journal.create(tmp_path / "journal", GENESIS)


def test_create_takes_over_an_interrupted_creation(path: Path) -> None:
    path.touch()
    Journal.create(path, GENESIS).close()
    assert verify(path).ok


def test_open_faults(path: Path) -> None:
    with pytest.raises(JournalError, match="no journal"):
        Journal.open(path)
    assert not path.exists()
    with Journal.create(path, GENESIS) as journal:
        journal.append(cancel(1), 1)
    with pytest.raises(JournalError, match="begun with seed = 7, this session has 8"):
        Journal.open(path, expected_genesis={**GENESIS, "seed": 8})
    Journal.open(path, expected_genesis=GENESIS).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE records SET at_ns = 2")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="record 1 does not follow the chain"):
        Journal.open(path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE genesis SET payload = CAST(payload || x'00' AS BLOB)")
    connection.commit()
    connection.close()
    for attempt in (Journal.open, JournalReader.open_read_only):
        with pytest.raises(JournalError, match="genesis does not match"):
            attempt(path)


def test_a_journal_of_the_first_version_is_read(path: Path) -> None:
    Journal.create(path, GENESIS).close()
    payload = codec.encode({**GENESIS, "schema_version": 1})
    connection = sqlite3.connect(path)
    connection.execute("UPDATE genesis SET payload = ?, hash = ?", (payload, genesis_hash(payload)))
    connection.commit()
    connection.close()
    with JournalReader.open_read_only(path) as journal:
        assert list(journal.events()) == []
    with pytest.raises(JournalError, match="begun with schema_version = 1"):
        Journal.open(path, expected_genesis=GENESIS)  # new messages do not go into an old journal


def test_another_schema_version_is_refused(path: Path) -> None:
    payload = codec.encode({**GENESIS, "schema_version": SCHEMA_VERSION + 1})
    Journal.create(path, GENESIS).close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE genesis SET payload = ?, hash = ?", (payload, genesis_hash(payload)))
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match=f"schema version {SCHEMA_VERSION + 1}"):
        Journal.open(path)


@pytest.mark.parametrize(
    ("event", "at_ns"),
    [("text", 1), (None, 1), (Halted(at_ns=1, reason=""), 1.5), (Halted(at_ns=1, reason=""), True)],
)
def test_bad_input_changes_nothing(path: Path, event: object, at_ns: object) -> None:
    with Journal.create(path, GENESIS) as journal:
        with pytest.raises(JournalError, match="nothing was written"):
            journal.append(event, at_ns)  # type: ignore[arg-type]
        assert journal.last_seq == 0


def test_halt_is_latched(path: Path) -> None:
    with Journal.create(path, GENESIS) as journal:
        assert not journal.is_halted()
        journal.append(Halted(at_ns=1, reason="loss"), 1)
        assert journal.is_halted()  # at once, before the commit
    with Journal.open(path) as journal:
        assert journal.is_halted()
        journal.append_durable(cancel(2), 2)
    with JournalReader.open_read_only(path) as reader:
        assert reader.is_halted()
    with Journal.open(path) as journal:
        journal.append_durable(Resumed(at_ns=3, reason="checked", operator="me"), 3)
        assert not journal.is_halted()
    with JournalReader.open_read_only(path) as reader:
        assert not reader.is_halted()


def test_closed_journal_takes_nothing(path: Path) -> None:
    journal = Journal.create(path, GENESIS)
    journal.append(cancel(1), 1)
    journal.close()
    journal.close()
    assert len(journal.head) == 64
    for act in (lambda: journal.append(cancel(2), 2), journal.commit):
        with pytest.raises(JournalError, match="closed"):
            act()
    assert verify(path, journal.head).records == 1  # close commits


def test_a_full_disk_stops_the_journal_and_leaves_a_valid_chain(path: Path) -> None:
    journal = Journal.create(path, GENESIS)
    journal.append_durable(cancel(1), 1)
    pages = journal._connection.execute("PRAGMA page_count").fetchone()[0]
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    for number in range(2, 500):
        journal.append(cancel(number), number)
    with pytest.raises(JournalError, match=r"498 records after record 1 are not durable .*full"):
        journal.commit()
    with pytest.raises(JournalError, match="takes nothing more"):
        journal.append(cancel(500), 500)
    journal.close()
    report = verify(path, journal.head)
    assert report.ok
    assert report.records == 1


def test_commit_from_a_second_thread(path: Path) -> None:
    stop = threading.Event()
    with Journal.create(path, GENESIS) as journal:

        def commit_often() -> None:
            while not stop.is_set():
                journal.commit()

        writer = threading.Thread(target=commit_often)
        writer.start()
        for number in range(1, 1001):
            journal.append(cancel(number), number)
        stop.set()
        writer.join()
    assert verify(path).records == 1000


def test_synced_write_ahead_log(path: Path) -> None:
    with Journal.create(path, GENESIS) as journal:
        assert journal._connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert journal._connection.execute("PRAGMA synchronous").fetchone()[0] == 2  # FULL


CHILD = """
import sys
from pathlib import Path
from optionsib.bus.journal import Journal, make_genesis
from optionsib.common.events import Halted
journal = Journal.create(
    Path(sys.argv[1]),
    make_genesis(seed=7, config="", data="", model="", build="", simd_path=""),
)
for number in range(1, 51):
    journal.append(Halted(at_ns=number, reason="committed"), number)
journal.commit()
for number in range(51, 61):
    journal.append(Halted(at_ns=number, reason="not committed"), number)
print(journal.head, flush=True)
sys.stdin.read()
"""


def test_sigkill_loses_only_what_was_not_committed(path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    committed_head = child.stdout.readline().strip()
    with pytest.raises(JournalError, match=f"process {child.pid}"):
        Journal.open(path)
    assert verify(path).records == 50  # read beside the living writer
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.communicate()
    report = verify(path, committed_head)
    assert (report.ok, report.records) == (True, 50)
    with Journal.open(path) as journal:  # the dead holder's lock is gone
        assert journal.is_halted()
        assert journal.append_durable(Resumed(at_ns=51, reason="after the crash"), 51) == 51
        assert [run.ended_wall_ns is None for run in journal.runs] == [True, True]
    assert verify(path, journal.head).records == 51


def test_quotes_may_be_journaled_too(path: Path) -> None:
    with Journal.create(path, GENESIS) as journal:
        journal.append_durable(Quote(con_id=1, bid=None, ask=200), 1)
        assert next(iter(journal.events()))[2] == Quote(con_id=1, bid=None, ask=200)


def test_a_record_of_an_unknown_kind_is_an_error(path: Path) -> None:
    with Journal.create(path, GENESIS) as journal:
        journal.append_durable(cancel(1), 1)
        journal._connection.execute(
            "UPDATE records SET payload = ?", (msgspec.msgpack.encode({"type": "Odd"}),)
        )
        with pytest.raises(JournalError, match="record 1 is not a known event"):
            list(journal.events())
