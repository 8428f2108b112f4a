"""The vault across processes: equal bytes, and a SIGKILL between journal and chain."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("solders")

from optionsib.common import codec
from optionsib.common.clock import SteppedClock
from optionsib.common.config import VaultConfig
from optionsib.common.events import VaultTransaction
from optionsib.vault import TokenVault

PROGRAM = '''
"""Trade until record number STOP, then die; before or after the chain has seen it."""
import os, signal, sys
from decimal import Decimal
from optionsib.common import codec
from optionsib.common.clock import SteppedClock
from optionsib.common.config import VaultConfig
from optionsib.vault import TokenVault
import optionsib.vault.token_vault as token_vault

path, stop, where = sys.argv[1], int(sys.argv[2]), sys.argv[3]
seen = 0

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def record(entry):
    global seen
    data = codec.encode(entry)
    with open(path, "ab") as journal:
        journal.write(len(data).to_bytes(4, "big") + data)
        journal.flush()
        os.fsync(journal.fileno())
    seen += 1
    if seen == stop and where == "before send":
        die()

send = token_vault.TokenChain.send
def send_then_die(self, signed):
    send(self, signed)
    if seen == stop and where == "after send":
        die()
token_vault.TokenChain.send = send_then_die

config = VaultConfig(deposit=Decimal(1000), clearing_deposit=Decimal(400))
vault = TokenVault(7, config, clock=SteppedClock(1402061400000000000), record=record)
vault.fund()
'''

TRADE = """
vault.reserve("o1", 300_000_000)
vault.open("e1", "o1", "t1", 200_000_000)
vault.free("o1")
vault.fee("e1", "t1", 1_300_000)
vault.close("e2", "t1", 200_000_000, 40_000_000)
"""

CONFIG = VaultConfig(deposit=Decimal(1000), clearing_deposit=Decimal(400))
FUNDING = 7


def run_child(path: Path, stop: int, where: str, hash_seed: str = "0") -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + TRADE, str(path), str(stop), where],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


def read(path: Path) -> list[VaultTransaction]:
    data, entries = path.read_bytes(), []
    while data:
        size = int.from_bytes(data[:4], "big")
        entry = codec.decode(data[4 : 4 + size])
        assert isinstance(entry, VaultTransaction)
        entries.append(entry)
        data = data[4 + size :]
    return entries


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vault") / "journal"
    assert run_child(path, 0, "never") == 0
    return path


def test_another_process_signs_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    other = tmp_path / "journal"
    assert run_child(other, 0, "never", hash_seed="4711") == 0
    assert hashlib.sha256(other.read_bytes()).digest() == hashlib.sha256(whole.read_bytes()).digest()
    assert len(read(whole)) == FUNDING + 5


@pytest.mark.parametrize("where", ["before send", "after send"])
@pytest.mark.parametrize("stop", [2, FUNDING + 2, FUNDING + 5])
def test_killed_process_is_continued_exactly_once(whole: Path, tmp_path: Path, stop: int, where: str) -> None:
    path = tmp_path / "journal"
    assert run_child(path, stop, where) == -signal.SIGKILL
    entries = read(path)
    assert len(entries) == stop
    vault = TokenVault(7, CONFIG, clock=SteppedClock(1402061400000000000), record=entries.append)
    vault.replay(list(entries))
    vault.fund()
    exec(TRADE, {"vault": vault})  # a restarted engine asks for everything again
    expected = {"free": 1_038_700_000, "clearing": 360_000_000, "fees": 1_300_000}
    state = vault.state(0)
    assert {name: getattr(state, name) for name in expected} == expected
    assert (state.reserved, state.escrow) == (0, 0)
    # The reserve is asked for and freed again where the trade had gone on; nothing else is doubled.
    once = [(e.action, e.reference) for e in entries if e.action in ("open", "close", "fee")]
    assert once == [("open", "e1"), ("fee", "e1"), ("close", "e2")]


def test_vault_import_is_light() -> None:
    code = (
        "import sys, optionsib.vault; sys.exit(any(m in sys.modules for m in ('solders', 'solana', 'spl')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
