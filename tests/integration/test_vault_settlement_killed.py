"""SIGKILL of the settlement process at every record of its journal, and between journal and chain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solders")

from tests.integration.test_vault_settlement import day
from tests.vault_desk import Desk, play

PARTS = 8


def run(*words: str | int | Path, kill_at: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.vault_killed", *map(str, words)],
        env={**os.environ, "OPTIONSIB_KILL_AT": kill_at},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


def days(process: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert process.returncode == 0, process.stderr
    return [json.loads(line) for line in process.stdout.splitlines()]


@pytest.fixture(scope="module")
def whole() -> Desk:
    return play(day)


@pytest.mark.parametrize("part", range(PARTS))
def test_killed_at_every_record_each_trade_settles_once(whole: Desk, tmp_path: Path, part: int) -> None:
    records = len(whole.journal)
    first, last = records * part // PARTS + 1, records * (part + 1) // PARTS
    found = days(run(tmp_path, first, last))
    assert len(found) == last - first + 1
    for one in found:
        assert one["balances"] == whole.ledger.books.balances


@pytest.mark.parametrize("count", [1, 4, 7])
@pytest.mark.parametrize("point", ["after-vault-journal-before-chain", "after-chain-before-next"])
def test_killed_between_journal_and_chain(whole: Desk, tmp_path: Path, point: str, count: int) -> None:
    assert run(tmp_path, kill_at=f"{point}:{count}").returncode == -signal.SIGKILL
    (one,) = days(run(tmp_path))
    assert one["balances"] == whole.ledger.books.balances
