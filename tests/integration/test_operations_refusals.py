"""What the daemon and the exchange refuse, each with a sentence and nothing half-done."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from optionsib.brokers.paper import PaperExchange
from optionsib.common.config import load_config
from optionsib.data.historical.lean_writer import save_lean
from optionsib.data.memory_tape import shorten
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.launchers.exchange import exchange_process
from optionsib.models import BUNDLED_MODEL
from tests.integration.session_processes import cli, exchange_settings


def run_against_account(account: str, *words: str) -> tuple[subprocess.CompletedProcess[str], PaperExchange]:
    """Run a command against an exchange whose account has another name than paper accounts have."""

    async def serve_and_run() -> tuple[subprocess.CompletedProcess[str], PaperExchange]:
        tape = shorten(SimulatedTape(seed=7), first_minute=30, minutes=5)
        exchange = PaperExchange(tape, fees=load_config("paper").fees, pace="lockstep")
        exchange._account.name = account  # the exchange itself refuses names that are not DU...
        port = await exchange.start()
        try:
            command = (*words, "--set", f"gateway.port={port}", "--set", "session.symbol=SIMX")
            return await asyncio.to_thread(cli, *command), exchange
        finally:
            await exchange.close()

    return asyncio.run(serve_and_run())


def test_paper_mode_refuses_a_live_account(tmp_path: Path) -> None:
    state = ["--set", f"paths.state={tmp_path}"]
    ended, exchange = run_against_account("U1234567", "run", "--pace", "lockstep", *state)
    assert ended.returncode == 1
    assert "account U1****67 is no paper account (DU...) but the mode is paper" in ended.stderr
    assert "U1234567" not in ended.stderr
    assert "Traceback" not in ended.stderr
    ended, exchange = run_against_account("U1234567", "flatten", "--own-process", *state)
    assert ended.returncode == 1
    assert "is no paper account" in ended.stderr
    assert not list(tmp_path.glob("rescue-*"))
    assert exchange.now_ns == SimulatedTape(seed=7).session_open_ns + 30 * 60 * 10**9


def test_live_mode_refuses_any_account_but_the_confirmed_one(tmp_path: Path) -> None:
    words = ["run", "--env", "prod", "--arm-live", "--confirm-account", "U7654321", "--pace", "lockstep"]
    words += ["--set", "session.account=U7654321", "--set", f"paths.state={tmp_path}"]
    words += ["--set", "model.path=none"]  # the one in the package has no proof of skill and is refused first
    ended, _ = run_against_account("U1234567", *words)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "U7654321" in ended.stderr or "U7****21" in ended.stderr


def test_no_broker_at_the_port(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        words = ["--set", f"gateway.port={port}", "--set", f"paths.state={tmp_path}"]
        # A start that found nobody binds nothing: the configuration may be corrected.
        for command in (["run"], ["run", "--set", "session.seed=8"], ["flatten"]):
            ended = cli(*command, *words)
            assert ended.returncode == 1
            assert f"127.0.0.1:{port}" in ended.stderr
            assert "Traceback" not in ended.stderr


def test_model_that_does_not_match_its_card(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(BUNDLED_MODEL.read_bytes() + b"\0")
    model.with_suffix(".json").write_bytes(BUNDLED_MODEL.with_suffix(".json").read_bytes())
    ended = cli("run", "--set", f"model.path={model}", "--set", f"paths.state={tmp_path / 'state'}")
    assert ended.returncode == 1
    assert ended.stderr.startswith("optionsib: ModelError: ")
    assert str(model) in ended.stderr
    assert not list((tmp_path / "state").glob("journal*")), "nothing was begun"


def test_exchange_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = cli("paper-exchange", "--port", str(port), "--minutes", "5")
    assert ended.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "choose a free port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_first_minute_alone_cuts_the_start(tmp_path: Path) -> None:
    settings = dataclasses.replace(exchange_settings(minutes=0), first_minute=380)
    with exchange_process(settings, tmp_path / "exchange.log") as exchange:
        assert exchange.tape.endswith("(minutes 380 to 390)")


def _break_price(rows: list[str]) -> None:
    rows[len(rows) // 2] = rows[len(rows) // 2].replace(",", ",x", 1)


def _cut_columns(rows: list[str]) -> None:
    rows[-1] = rows[-1].rpartition(",")[0]


@pytest.mark.parametrize("spoil", [_break_price, _cut_columns])
def test_broken_row_in_a_tape(tmp_path: Path, spoil: Callable[[list[str]], None]) -> None:
    folder = save_lean(SimulatedTape(seed=7), tmp_path)
    (quotes,) = sorted(folder.glob("*_quote_*.zip"))
    with zipfile.ZipFile(quotes) as archive:
        members = {name: archive.read(name).decode().splitlines() for name in archive.namelist()}
    name = sorted(members)[3]
    spoil(members[name])
    with zipfile.ZipFile(quotes, "w") as archive:
        for member, rows in members.items():
            archive.writestr(member, "\n".join(rows) + "\n")
    ended = cli("paper-exchange", "--port", "0", "--tape", str(folder), "--date", "2014-06-06")
    assert ended.returncode == 1
    assert ended.stderr.startswith("optionsib: DataError: ")
    assert name in ended.stderr
    assert "row" in ended.stderr
    assert ended.stdout == "", "it must not serve what it cannot play"
