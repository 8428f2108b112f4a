"""``optionsib ib status``, metrics and the message log of a running daemon: real processes and sockets."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import msgspec

from optionsib.brokers.ib.health import GatewayHealth
from optionsib.launchers.exchange import exchange_process
from tests.integration.session_processes import cli, set_options
from tests.integration.test_operations import PATIENCE_SECONDS, SPEED, real_exchange, wait_for


def test_a_daemon_shows_its_connection_in_every_way(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        metrics_port = taken.getsockname()[1]
    with exchange_process(real_exchange(), tmp_path / "exchange.log") as exchange:
        options = set_options(exchange, state)
        words = [sys.executable, "-m", "optionsib.cli", "run", "--speed", str(SPEED), *options]
        words += ["--data-sha256", exchange.sha256, "--log-messages", "--metrics-port", str(metrics_port)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as daemon:
            try:
                wait_for(state, lambda answer: True, daemon, "a first step")
                text = cli("ib", "status", *options)
                assert text.returncode == 0, text.stdout + text.stderr
                assert text.stdout.startswith(f"READY  127.0.0.1:{exchange.port} as client 1, account DU")
                assert "last error" in text.stdout
                raw = cli("ib", "status", "--json", *options)
                health = msgspec.convert(json.loads(raw.stdout), GatewayHealth)
                assert (health.state, health.order_block, health.port) == ("ready", "", exchange.port)
                assert health.lines_used > 1
                assert {farm.up for farm in health.farms} == {True}
                with urllib.request.urlopen(f"http://127.0.0.1:{metrics_port}/metrics", timeout=10) as answer:
                    metrics = answer.read().decode()
                assert 'optionsib_ib_connection_state{state="ready"} 1' in metrics
                assert f"optionsib_ib_market_data_lines_used {health.lines_used}" in metrics
                counted = re.search(r"^optionsib_ib_broker_notices_total (\d+)$", metrics, re.MULTILINE)
                assert counted
                assert "# TYPE optionsib_ib_orders_submitted_total counter" in metrics
            finally:
                daemon.terminate()
                daemon.communicate(timeout=PATIENCE_SECONDS)
    silent = cli("ib", "status", *options)
    assert silent.returncode == 1
    assert "daemon: none runs" in silent.stderr
    log = (state / "messages.log").read_text()
    names = {json.loads(line)["message"] for line in log.splitlines()}
    assert {"reqContractDetails", "contractDetails", "reqMktData", "tickPrice", "positionEnd"} <= names
    assert "DU***" in log
    for written in (log, metrics, text.stdout):
        assert not re.search(r"\bD[UFI]\w*\d{5}", written)
