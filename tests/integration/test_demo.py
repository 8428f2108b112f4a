"""The demo as a user starts it: on a window, on a whole recorded day, and interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from optionsib.common.events import OrderCancelRequested, OrderUpdate
from optionsib.governance.audit import verify
from optionsib.launchers.state_folder import journal_path
from tests.integration.session_processes import cli
from tests.integration.test_operations import PATIENCE_SECONDS, events_of, wait_for

WINDOW = ("--first-minute", "30", "--minutes", "25")
DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
TWX = DATA / "lean" / "option" / "usa" / "minute" / "twx"
HASH_LINE = re.compile(r"journal sha256 [0-9a-f]{64}")


def play(state: Path, *words: str, timeout: float = 120) -> tuple[str, str]:
    """Run the demo over a pipe; return all it printed and its last line."""
    ended = cli("demo", "--state", str(state), *words, timeout=timeout)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "\x1b" not in ended.stdout, "a pipe gets plain text"
    last = ended.stdout.splitlines()[-1]
    assert HASH_LINE.fullmatch(last), last
    return ended.stdout, last


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Return state folder, output and last line of a window with seed 7."""
    state = tmp_path_factory.mktemp("first")
    return (state, *play(state, "--seed", "7", *WINDOW))


def test_one_seed_one_hash_another_seed_a_clean_run(first: tuple[Path, str, str], tmp_path: Path) -> None:
    _, out, line = first
    assert "SIMULATED" in out
    other_out, other = play(tmp_path, "--seed", "8", "--json", *WINDOW)
    summary: dict[str, Any] = json.loads(other_out.splitlines()[-2])
    assert summary["reason"] == "session closed"
    assert other == f"journal sha256 {summary['head']}" != line
    # The same folder again: what the other demo wrote is replaced, and does not matter.
    _, again = play(tmp_path, "--seed", "7", *WINDOW)
    assert again == line


def test_audit_of_the_journal(first: tuple[Path, str, str], tmp_path: Path) -> None:
    state, _, line = first
    path = journal_path(state)
    report = verify(path)
    assert report.ok
    assert line == f"journal sha256 {report.head}"
    audited = cli("audit", "verify", str(path), "--expected-head", report.head)
    assert (audited.returncode, audited.stdout.splitlines()[-1]) == (0, line)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.rindex(b"session closed")] ^= 1
    copy = tmp_path / "damaged.sqlite"
    copy.write_bytes(damaged)
    audited = cli("audit", "verify", str(copy))
    assert audited.returncode == 1
    assert f"BAD at record {report.records}" in audited.stdout


def test_report_stands_alone(first: tuple[Path, str, str]) -> None:
    state, out, _ = first
    page = state / "report.html"
    assert f"report: {page.resolve()}" in out
    text = page.read_text()
    assert "no demonstrated skill" in text
    fetched = re.findall(r"""<(?:script|link|img|iframe)\b[^>]*?(?:src|href)\s*=\s*["']([^"']+)""", text)
    assert [target for target in fetched if not target.startswith("data:")] == []
    assert not re.search(r"""@import|url\(\s*["']?https?:""", text)


def test_interrupt_at_the_terminal_ends_it_in_an_orderly_way(tmp_path: Path) -> None:
    """Ctrl-C reaches the whole process group; the exchange must outlive the daemon's last cancels."""
    state = tmp_path / "s"
    words = [sys.executable, "-m", "optionsib.cli", "demo", "--speed", "120", "--state", str(state)]
    process = subprocess.Popen(
        [*words, "--first-minute", "30", "--minutes", "355"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        wait_for(state, lambda answer: answer["view"]["orders"], process, "a working order")
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "ended: SIGINT" in out
    assert HASH_LINE.fullmatch(out.splitlines()[-1])
    assert "Traceback" not in err
    asked = {e.order_ref for e in events_of(state) if isinstance(e, OrderCancelRequested)}
    ended = {
        e.order_ref
        for e in events_of(state)
        if isinstance(e, OrderUpdate) and e.status in ("cancelled", "filled")
    }
    assert asked
    assert asked <= ended, "the exchange had gone before the daemon's last cancels"


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if not TWX.is_dir():
        pytest.skip(f"no recorded market data at {TWX} ($OPTIONSIB_TAPE_DATA)")
    state = tmp_path_factory.mktemp("twx")
    ended = cli("demo", "--tape", str(TWX), "--state", str(state / "s"), "--json", timeout=240)
    assert HASH_LINE.fullmatch(ended.stdout.splitlines()[-1]), ended.stderr
    return dict(json.loads(ended.stdout.splitlines()[-2]))


@pytest.mark.tape
@pytest.mark.slow
def test_recorded_day_ends_flat(recorded: dict[str, Any]) -> None:
    assert recorded["simulated"] is False
    assert recorded["reason"] == "session closed"
    assert recorded["trades_open"] == 0
    assert recorded["vault"]["reserved"] == recorded["vault"]["escrow"] == 0


@pytest.mark.tape
@pytest.mark.slow
def test_recorded_day_trades_and_refuses(recorded: dict[str, Any]) -> None:
    assert recorded["trades_opened"] >= 3
    assert recorded["trades_closed"] >= 3
    for layer in ("model", "strategy", "risk"):
        assert recorded["counts"].get(layer, 0) >= 1, recorded["counts"]


@pytest.mark.tape
@pytest.mark.slow
def test_recorded_day_with_the_lines_of_a_plain_account(tmp_path: Path) -> None:
    if not TWX.is_dir():
        pytest.skip(f"no recorded market data at {TWX} ($OPTIONSIB_TAPE_DATA)")
    lines = ("--market-data-lines", "100")
    out, _ = play(tmp_path / "s", "--tape", str(TWX), "--json", *lines, timeout=240)
    summary = json.loads(out.splitlines()[-2])
    assert summary["reason"] == "session closed"
    assert summary["trades_open"] == 0
    assert verify(journal_path(tmp_path / "s")).ok
