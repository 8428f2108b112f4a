"""Client libraries that others wrote drive the paper exchange, each in an environment of its own.

``make test-clients`` makes the environments and runs these tests. A log line that tells of a message the
library could not read fails the test.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from optionsib.launchers.exchange import ExchangeSettings, exchange_process

ROOT = Path(__file__).parents[2]
FLOWS = {
    "ib_async": ["drive_ib.py", "ib_async"],
    "ib_insync": ["drive_ib.py", "ib_insync"],
    "ibapi": ["drive_ibapi.py"],
    "nautilus_ibapi": ["drive_ibapi.py"],
}
UNREADABLE = ("Error handling fields", "Error for ", "Traceback", "unable to decode", "bad message")


@pytest.mark.parametrize("library", FLOWS)
def test_a_foreign_client_trades_from_connect_to_reconnect(library: str, tmp_path: Path) -> None:
    python = ROOT / "build" / "clients" / library / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment for {library}; `make test-clients` makes it")
    driver, *words = FLOWS[library]
    log = tmp_path / "exchange.log"
    with exchange_process(ExchangeSettings(None, None, seed=7, limits="ib"), log) as exchange:
        command = [python, "-I", Path(__file__).with_name(driver), *words, str(exchange.port), "SPY"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-4000:] + log.read_text()[-2000:]
    assert done.stdout.splitlines()[-1] == "done"
    assert not [word for word in UNREADABLE if word in told], told[-4000:]
    assert "Traceback" not in log.read_text()
