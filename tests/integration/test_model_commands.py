"""``optionsib model`` and a running daemon, with real processes and sockets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from optionsib.common.events import ModelEpoch, ModelFrozen
from optionsib.governance.audit import verify
from optionsib.launchers.exchange import exchange_process
from optionsib.launchers.state_folder import journal_path
from optionsib.models import BUNDLED_MODEL
from optionsib.models.card import card_path, digest

from .session_processes import cli, live_daemon, set_options
from .test_operations import (
    HOLD,
    PATIENCE_SECONDS,
    SPEED,
    events_of,
    holds_and_works,
    real_exchange,
    wait_for,
)

pytestmark = pytest.mark.timeout(900)
MODEL = digest(BUNDLED_MODEL.read_bytes())


def test_an_operator_and_the_models(tmp_path: Path) -> None:
    state, copy = tmp_path / "state", tmp_path / "copy.onnx"
    shutil.copy(BUNDLED_MODEL, copy)
    shutil.copy(card_path(BUNDLED_MODEL), card_path(copy))
    with exchange_process(real_exchange(), tmp_path / "exchange.log") as exchange:
        words = set_options(exchange, state, *HOLD)

        def ask(*verb: str, status: int = 0) -> str:
            done = cli("model", *verb, "--operator", "ann", *words)
            assert done.returncode == status, done.stderr
            assert "Traceback" not in done.stderr
            return done.stdout if status == 0 else done.stderr

        assert "none runs with the state folder" in ask("show", status=1)
        with live_daemon(exchange, state, SPEED, *HOLD) as daemon:
            wait_for(state, holds_and_works, daemon, "a trade and a working order")
            shown = ask("show")
            assert f"live   simulated {MODEL[:16]} ({BUNDLED_MODEL}), trained on simulated data" in shown
            assert "proof of skill: none: simulated days are no proof of skill" in shown
            assert "epoch  1" in shown
            picture = wait_for(state, lambda a: True, daemon, "a picture")
            assert any("no demonstrated skill" in notice for notice in picture["view"]["notices"])

            assert "needs --reason" in ask("freeze", status=1)
            assert "frozen: looks odd" in ask("freeze", "--reason", "looks odd")
            wait_for(state, lambda a: "frozen: looks odd" in a["state"], daemon, "a silent model")
            assert "already frozen" in ask("freeze", "--reason", "again", status=1)
            assert "frozen" not in ask("thaw", "--reason", "is fine")

            assert "needs the path" in ask("swap", "--reason", "drill", status=1)
            assert "is missing" in ask("swap", str(tmp_path / "no.onnx"), "--reason", "drill", status=1)
            assert "is loaded and takes its seat" in ask("shadow", str(copy), "--reason", "drill")
            assert "is loaded and takes its seat" in ask("swap", str(copy), "--reason", "drill")
            for _ in range(200):
                found = json.loads(ask("show", "--json"))
                if found["epoch"] == 2 and found["shadow"]:
                    break
            assert found["live"]["path"] == found["shadow"]["path"] == str(copy)
            assert ask("shadow", "none", "--reason", "enough") == "from the next step on there is none\n"
            ask("swap", "none", "--reason", "drill is over")
            wait_for(state, lambda a: "no model: drill is over" in a["state"], daemon, "an empty seat")
            assert "live   none: nothing is opened" in ask("show")
            daemon.terminate()
            assert daemon.wait(timeout=PATIENCE_SECONDS) == 0
    epochs = [
        (e.epoch, e.shadow, e.reason, e.operator) for e in events_of(state) if isinstance(e, ModelEpoch)
    ]
    assert epochs == [
        (1, False, "configured", ""),
        (1, True, "drill", "ann"),
        (2, False, "drill", "ann"),
        (2, True, "enough", "ann"),
        (3, False, "drill is over", "ann"),
    ]
    assert [(e.frozen, e.operator) for e in events_of(state) if isinstance(e, ModelFrozen)] == [
        (True, "ann"),
        (False, "ann"),
    ]
    assert verify(journal_path(state)).ok
