"""IB's own client, in its oldest and newest version, reads every market data message of the exchange."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from optionsib.launchers.exchange import ExchangeSettings, exchange_process

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("library", ["ibapi", "nautilus_ibapi"])
def test_every_market_message_is_read(library: str, tmp_path: Path) -> None:
    python = ROOT / "build" / "clients" / library / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment for {library}; `make test-clients` makes it")
    log = tmp_path / "exchange.log"
    settings = ExchangeSettings(None, None, seed=7, speed=10.0)
    with exchange_process(settings, log) as exchange:
        command = [python, "-I", Path(__file__).with_name("drive_ibapi_market.py"), str(exchange.port)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-4000:] + log.read_text()[-2000:]
    assert done.stdout.splitlines()[-1] == "done"
    assert "Traceback" not in told + log.read_text()
