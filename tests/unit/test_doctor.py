"""The doctor names each fault and what to do about it."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path

import pytest

from optionsib.bus.journal import Journal, make_genesis
from optionsib.cli import main
from optionsib.common.events import BrokerNotice, Halted
from optionsib.launchers.state_folder import journal_path
from optionsib.models import BUNDLED_MODEL


def examine(capsys: pytest.CaptureFixture[str], state: Path, *settings: str) -> tuple[int, dict[str, str]]:
    """Return the exit status and the lines by subject (libraries aside)."""
    words = [f"paths.state={state}", f"model.path={BUNDLED_MODEL}", *settings]
    status = main(["doctor", *(w for pair in words for w in ("--set", pair))])
    lines = capsys.readouterr().out.splitlines()
    return status, {line[6:21].strip(): line for line in lines if line[6:21].strip() != "library"}


def write_journal(state: Path, records: int) -> Path:
    path = journal_path(state)
    genesis = make_genesis(seed=7, config="", data="", model="", build="0", simd_path="")
    with Journal.create(path, genesis) as journal:
        for number in range(records):
            journal.append(BrokerNotice(code=0, message=f"notice {number}", at_ns=number), at_ns=number)
    return path


def test_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_journal(tmp_path, 3)
    with socket.create_server(("127.0.0.1", 0)) as broker:
        status, found = examine(capsys, tmp_path, f"gateway.port={broker.getsockname()[1]}")
    assert status == 0, found
    assert {line[:4] for line in found.values()} <= {"ok  ", "note"}
    assert "3 records, chain intact" in found["journal"]
    assert "accepts connections" in found["broker port"]
    assert "no demonstrated skill" in found["model"]
    for subject in ("build", "native core", "configuration", "limits"):
        assert found[subject].startswith("ok"), found[subject]


def test_wrong_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = examine(capsys, tmp_path, "limits.max_delta=3")
    assert status == 1
    assert found["configuration"].startswith("BAD")
    assert "unknown key limits.max_delta: expected one of max_order_quantity" in found["configuration"]


def test_missing_limits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config"
    (config / "environment").mkdir(parents=True)
    source = Path(__file__).parents[2] / "config"
    text = (source / "main_config.yaml").read_text()
    (config / "main_config.yaml").write_text(
        text.replace("  max_order_loss: 300\n", "").replace("  price_collar: 0.05\n", "")
    )
    (config / "environment/paper.yaml").write_text((source / "environment/paper.yaml").read_text())
    assert main(["doctor", "--config", str(config), "--set", f"paths.state={tmp_path}"]) == 1
    out = capsys.readouterr().out
    assert "BAD   limits" in out
    assert "max_order_loss, price_collar" in out
    assert "main_config.yaml" in out, "it says where to set them"


def test_missing_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = examine(capsys, tmp_path, f"model.path={tmp_path / 'none.onnx'}")
    assert status == 1
    assert found["model"].startswith("BAD")
    assert f"{tmp_path / 'none.json'} is missing" in found["model"]


def test_model_that_does_not_match_its_card(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(BUNDLED_MODEL.read_bytes() + b"\0")
    model.with_suffix(".json").write_bytes(BUNDLED_MODEL.with_suffix(".json").read_bytes())
    status, found = examine(capsys, tmp_path / "state", f"model.path={model}")
    assert status == 1
    assert found["model"].startswith("BAD")


def test_damaged_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_journal(tmp_path, 5)
    with sqlite3.connect(path) as connection:
        payload = bytearray(connection.execute("SELECT payload FROM records WHERE seq = 3").fetchone()[0])
        payload[-1] ^= 1
        connection.execute("UPDATE records SET payload = ? WHERE seq = 3", (bytes(payload),))
    connection.close()
    status, found = examine(capsys, tmp_path)
    assert status == 1
    assert found["journal"].startswith("BAD")
    assert "record 3" in found["journal"]
    assert "paths.state" in found["journal"], "it says what to do"
    assert main(["audit", "verify", str(path)]) == 1
    assert "BAD at record 3" in capsys.readouterr().out


def test_journal_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal_path(tmp_path).write_bytes(b"not a database at all" * 100)
    status, found = examine(capsys, tmp_path)
    assert status == 1
    assert found["journal"].startswith("BAD")


def test_halted_journal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_journal(tmp_path, 1)
    with Journal.open(path) as journal:
        journal.append_durable(Halted(at_ns=9, reason="lunch"), 9)
    _status, found = examine(capsys, tmp_path)
    assert found["journal"].startswith("note")
    assert "is halted: `optionsib resume` lifts it" in found["journal"]


def test_nobody_at_the_port(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        status, found = examine(capsys, tmp_path, f"gateway.port={closed.getsockname()[1]}")
    assert status == 0
    assert found["broker port"].startswith("note")
    assert "optionsib paper-exchange" in found["broker port"]
