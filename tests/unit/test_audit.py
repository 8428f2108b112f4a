"""``optionsib audit verify``: what it prints, returns and refuses."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from optionsib.bus.journal import Journal, make_genesis
from optionsib.common.errors import JournalError
from optionsib.common.events import Halted
from optionsib.governance.audit import main_verify, verify

GENESIS = make_genesis(seed=1, config="", data="", model="", build="", simd_path="")


@pytest.fixture
def journal(tmp_path: Path) -> tuple[Path, str]:
    path = tmp_path / "journal.sqlite"
    with Journal.create(path, GENESIS) as opened:
        for number in range(1, 6):
            opened.append(Halted(at_ns=number, reason=f"r{number}"), number)
    return path, opened.head


def tamper(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_good_journal(journal: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    path, head = journal
    assert main_verify(path) == 0
    text = capsys.readouterr().out
    assert "ok, 5 records" in text
    assert "--expected-head" in text
    assert text.splitlines()[-1] == f"journal sha256 {head}"
    assert main_verify(path, head.upper()) == 0


def test_bad_record_is_named(journal: tuple[Path, str], capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = journal
    tamper(path, "UPDATE records SET payload = payload || x'00' WHERE seq = 3")
    assert main_verify(path) == 1
    text = capsys.readouterr().out
    assert "BAD at record 3" in text
    assert "2 good records before it" in text


@pytest.mark.parametrize(
    ("statement", "bad", "reason"),
    [
        ("UPDATE genesis SET payload = payload || x'00'", 0, "genesis"),
        ("DELETE FROM genesis", 0, "0 genesis rows"),
        ("INSERT INTO genesis SELECT * FROM genesis", 0, "2 genesis rows"),
        ("UPDATE records SET hash = zeroblob(32) WHERE seq = 5", 5, "does not match"),
        ("UPDATE records SET at_ns = 99 WHERE seq = 2", 2, "does not match"),
        ("UPDATE records SET at_ns = 'noon' WHERE seq = 2", 2, "its time is 'noon'"),
        ("UPDATE records SET kind = 'Resumed' WHERE seq = 4", 4, "filed as 'Resumed' but holds Halted"),
        ("UPDATE records SET payload = 'text' WHERE seq = 4", 4, "does not match"),
        ("UPDATE records SET hash = 'text' WHERE seq = 1", 1, "does not match"),
        ("UPDATE records SET seq = 0 WHERE seq = 1", 0, "record 0 follows record 0"),
        ("DELETE FROM records WHERE seq = 1", 1, "missing"),
        ("DROP TABLE records", 1, "damaged"),
    ],
)
def test_kinds_of_damage(journal: tuple[Path, str], statement: str, bad: int, reason: str) -> None:
    path, _ = journal
    tamper(path, statement)
    report = verify(path)
    assert not report.ok
    assert report.first_bad_seq == bad
    assert reason in report.reason


def test_a_cut_end_shows_against_a_noted_head(journal: tuple[Path, str]) -> None:
    path, head = journal
    tamper(path, "DELETE FROM records WHERE seq = 5")
    assert verify(path).ok  # the chain alone cannot know
    report = verify(path, head)
    assert (report.ok, report.first_bad_seq) == (False, 5)
    assert "missing at the end" in report.reason


def test_a_damaged_database_page_is_a_report(journal: tuple[Path, str]) -> None:
    path, _ = journal
    content = bytearray(path.read_bytes())
    page = 4096
    assert len(content) > 2 * page
    for start in range(2 * page, len(content), page):
        content[start : start + 64] = b"\xff" * 64
    path.write_bytes(content)
    report = verify(path)
    assert not report.ok
    assert report.first_bad_seq is not None


def test_not_a_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none"
    assert main_verify(path) == 2
    assert "no journal" in capsys.readouterr().err
    path.write_text("not a database at all, but long enough" * 10)
    with pytest.raises(JournalError):
        verify(path)
    assert main_verify(path) == 2


@pytest.mark.parametrize("head", ["", "12", "z" * 64])
def test_an_expected_head_must_be_a_hash(journal: tuple[Path, str], head: str) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        verify(journal[0], head)
