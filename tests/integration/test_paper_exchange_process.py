"""``optionsib paper-exchange`` as a process: its first line, any symbol, the control port, a clean end."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ib_async
import pytest

COMMAND = (sys.executable, "-m", "optionsib.cli", "paper-exchange", "--port", "0", "--date", "2026-11-23")


@contextmanager
def exchange(*options: str) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline()), process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_any_symbol_and_a_clean_end() -> None:
    async def scenario(port: int) -> None:
        client = ib_async.IB()
        await client.connectAsync("127.0.0.1", port, 5, raiseSyncErrors=True)
        (details,) = await client.reqContractDetailsAsync(ib_async.Stock("SPY", "SMART", "USD"))
        (ticker,) = await client.reqTickersAsync(details.contract)
        assert 0 < ticker.bid < ticker.ask
        client.disconnect()

    with exchange("--control-port", "0") as (facts, process):
        assert facts["market"] == "simulated market 2026-11-23 (seed 7)"
        assert facts["simulated"] is True
        assert facts["control_port"] > 0
        assert len(facts["control_token"]) >= 16
        asyncio.run(scenario(facts["port"]))
        assert process.stdout is not None
        assert f"127.0.0.1:{facts['port']}" in process.stdout.readline()
        assert "no market ever quoted" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_it_may_be_told_to_end_from_its_first_line_on() -> None:
    with exchange("--tape-only") as (_, process):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_the_tape_alone() -> None:
    async def scenario(port: int) -> None:
        client = ib_async.IB()
        await client.connectAsync("127.0.0.1", port, 5, raiseSyncErrors=True)
        assert await client.reqContractDetailsAsync(ib_async.Stock("SPY", "SMART", "USD")) == []
        assert len(await client.reqContractDetailsAsync(ib_async.Stock("SIMX", "SMART", "USD"))) == 1
        client.disconnect()

    with exchange("--tape-only") as (facts, _):
        assert facts["market"] == ""
        assert "control_port" not in facts
        asyncio.run(scenario(facts["port"]))


@pytest.mark.parametrize("options", [("--market-data", "some"), ("--limits", "few"), ("--date", "soon")])
def test_wrong_words_are_refused(options: tuple[str, str]) -> None:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert options[1] in done.stderr
