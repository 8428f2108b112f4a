"""An operator and a running daemon: every command, with real processes and sockets."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from optionsib.brokers.api import BrokerState
from optionsib.bus.control import ControlClient
from optionsib.bus.journal import JournalReader
from optionsib.common.errors import BusError
from optionsib.common.events import (
    AnyEvent,
    Halted,
    OrderModifyRequested,
    OrderSubmitted,
    Resumed,
    SessionEnded,
    SessionStarted,
)
from optionsib.governance.audit import verify
from optionsib.launchers.exchange import ExchangeSettings, RunningExchange, exchange_process
from optionsib.launchers.state_folder import journal_path
from tests.integration.session_processes import cli, exchange_settings, live_daemon, run_daemon, set_options
from tests.integration.test_crash_and_restart import ask_exchange

# A test needs about ten seconds of the day; on a machine that does something else it gets nine minutes. The
# daemon steps twice a second all the same.
SPEED, MINUTES = 40.0, 355
pytestmark = pytest.mark.timeout(900)
PATIENCE_SECONDS = 240.0
# Open and hold: the tests below want positions and working orders to act on, and a model that is heard even
# where the machine is busy with something else.
HOLD = (
    "model.budget_seconds=30",
    "session.step_seconds=20",
    "strategy.no_new_before=09:31",
    "strategy.no_new_after=15:40",
    "strategy.cross_at=15:50",
    "strategy.flat_at=15:52",
    "strategy.cancel_after_minutes=350",
    "strategy.hold_minutes=350",
)


def real_exchange() -> ExchangeSettings:
    return dataclasses.replace(exchange_settings(minutes=MINUTES), pace="real", speed=SPEED)


def ask_daemon(state: Path, command: str = "status", timeout: float = 5.0) -> Any:
    return ControlClient(f"ipc://{state}/control.sock").request(command, timeout=timeout)


def wait_for(
    state: Path, wanted: Callable[[Any], bool], daemon: subprocess.Popen[str], what: str
) -> dict[str, Any]:
    """Poll the daemon's status until it is as wanted."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    answer: Any = None
    while time.monotonic() < deadline:
        assert daemon.poll() is None, f"the daemon ended early: {daemon.communicate()}"
        if (state / "control.sock").exists():
            try:
                answer = ask_daemon(state, timeout=1.0)
            except BusError:
                continue
            if answer["view"] and wanted(answer):
                return dict(answer)
        time.sleep(0.1)
    raise AssertionError(f"{what} did not come: {answer}")


def wait_until_stopped(daemon: subprocess.Popen[str]) -> None:
    """Wait until a fault point has stopped the daemon."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while psutil.Process(daemon.pid).status() != psutil.STATUS_STOPPED:
        assert daemon.poll() is None, f"the daemon ended early: {daemon.communicate()}"
        assert time.monotonic() < deadline, "it never came to that point"
        time.sleep(0.05)


def opening(answer: Any) -> list[Any]:
    return [order for order in answer["view"]["orders"] if order["purpose"] == "open"]


def holds_and_works(answer: Any) -> bool:
    return bool(answer["view"]["trades"] and answer["view"]["orders"])


def events_of(state: Path) -> list[AnyEvent]:
    with JournalReader.open_read_only(journal_path(state)) as journal:
        return [event for _, _, event in journal.events()]


def broker_state(exchange: RunningExchange) -> BrokerState:
    return asyncio.run(ask_exchange(exchange))


def test_operators_day(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with exchange_process(real_exchange(), tmp_path / "exchange.log") as exchange:
        words = set_options(exchange, state, *HOLD)
        with live_daemon(exchange, state, SPEED, *HOLD) as daemon:
            answer = wait_for(state, holds_and_works, daemon, "a trade and a working order")
            gap = answer["view"]["broker_gap"]
            assert gap["contracts"] >= 20
            assert max(gap["volatility"], gap["delta"]) < 0.02, gap

            shown = cli("status", *words)
            assert shown.returncode == 0, shown.stderr
            assert re.match(r"RUNNING  SIMX 2014-06-06 \(SIMULATED\)  1\d:\d\d", shown.stdout), shown.stdout
            for heading in (
                "P&L",
                "Greeks",
                "broker gap",
                "vault",
                "open trades (",
                "working orders (",
                "last decisions",
            ):
                assert heading in shown.stdout
            machine = json.loads(cli("status", "--json", *words).stdout)
            assert (machine["daemon"], machine["state"]) == ("running", "running")

            halted = cli("halt", "--reason", "lunch", *words)
            assert (halted.returncode, halted.stdout) == (0, "halt: the daemon is halted\n")
            # A halt ends new risk: opening orders go, trades stay.
            quiet = wait_for(state, lambda a: not opening(a), daemon, "the end of opening orders")
            assert quiet["view"]["trades"]

            second = cli("run", "--speed", str(SPEED), "--data-sha256", exchange.sha256, *words)
            assert second.returncode == 1
            assert f"is being written by process {daemon.pid}" in second.stderr
            assert "Traceback" not in second.stderr
            assert daemon.poll() is None

            daemon.send_signal(signal.SIGTERM)
            out, err = daemon.communicate(timeout=PATIENCE_SECONDS)
            assert daemon.returncode == 0, err
            assert "ended: SIGTERM; open trades" in out
            assert out.splitlines()[-1] == f"journal sha256 {verify(journal_path(state)).head}"
        assert isinstance(events_of(state)[-1], SessionEnded)

        # A daemon that is gone is not waited for: the test's own limit is far below this time-out.
        gone = cli("status", "--timeout", "3600", *words)
        assert gone.returncode == 0
        assert "daemon: none runs with the state folder" in gone.stderr
        assert "halted: lunch" in gone.stdout
        assert "last session ended: SIGTERM" in gone.stdout
        assert json.loads(cli("status", "--json", *words).stdout)["halt_reason"] == "lunch"

        with live_daemon(exchange, state, SPEED, *HOLD) as daemon:
            wait_for(state, lambda a: a["state"] == "halted", daemon, "the halt of the run before")
            resumed = cli("resume", *words)
            assert (resumed.returncode, resumed.stdout) == (0, "resume: the daemon is running\n")
            wait_for(state, holds_and_works, daemon, "a working order after the halt was lifted")

            cancelled = cli("cancel-all", *words)
            assert cancelled.returncode == 0
            assert cancelled.stdout.startswith("cancel-all: the daemon is halted; asked to cancel ")
            flat = cli("flatten", *words)
            assert (flat.returncode, flat.stdout[:30]) == (0, "flatten: the daemon is halted:")
            wait_for(state, lambda a: a["state"] == "halted: flat", daemon, "a flat book")
            cli("resume", *words)
            wait_for(state, lambda a: a["state"] == "running", daemon, "a resume after the flattening")
            wait_for(state, lambda a: a["view"]["orders"], daemon, "a working order")

            daemon.send_signal(signal.SIGINT)
            out, err = daemon.communicate(timeout=PATIENCE_SECONDS)
            assert daemon.returncode == 0, err
            assert "ended: SIGINT" in out
        at_broker = broker_state(exchange)
    assert at_broker.working_orders == (), "an orderly end leaves no order at the exchange"
    events = events_of(state)
    reasons = [(type(e).__name__, e.reason) for e in events if isinstance(e, Halted | Resumed)]
    assert reasons[:3] == [
        ("Halted", "lunch"),
        ("Resumed", "operator"),
        ("Halted", "cancel-all requested"),
    ]
    assert sum(isinstance(e, SessionEnded) for e in events) == 2
    assert verify(journal_path(state)).ok


def test_second_signal_leaves_at_once_and_restart_recovers(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with exchange_process(real_exchange(), tmp_path / "exchange.log") as exchange:
        with live_daemon(exchange, state, SPEED, *HOLD) as daemon:
            wait_for(state, holds_and_works, daemon, "a trade and a working order")
            daemon.send_signal(signal.SIGSTOP)  # so that both signals wait for it when it goes on
            daemon.send_signal(signal.SIGINT)
            daemon.send_signal(signal.SIGTERM)
            daemon.send_signal(signal.SIGCONT)
            assert daemon.wait(timeout=PATIENCE_SECONDS) == 130
        # Two threads may take them in any order; the first may have begun to cancel; nobody waited for it.
        assert not any(isinstance(e, SessionEnded) for e in events_of(state))
        with live_daemon(exchange, state, SPEED, *HOLD) as daemon:
            answer = wait_for(state, lambda a: a["view"]["trades"], daemon, "the recovered books")
            assert answer["state"] == "running"
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(timeout=PATIENCE_SECONDS) == 0
        assert broker_state(exchange).working_orders == ()
    starts = [e.resumed for e in events_of(state) if isinstance(e, SessionStarted)]
    assert starts == [False, True]


def test_daemon_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs where that is worst: an order is journaled and not sent, and a rescue closes everything."""
    state = tmp_path / "state"
    with exchange_process(real_exchange(), tmp_path / "exchange.log") as exchange:
        words = set_options(exchange, state, *HOLD)
        monkeypatch.setenv("OPTIONSIB_STOP_AT", "after-journal-before-send:8")  # there are trades by then
        with live_daemon(exchange, state, SPEED, *HOLD) as daemon:
            monkeypatch.delenv("OPTIONSIB_STOP_AT")
            wait_until_stopped(daemon)
            last = [e for e in events_of(state) if isinstance(e, OrderSubmitted | OrderModifyRequested)][-1]

            shown = cli("status", "--timeout", "0.5", *words)
            assert shown.returncode == 0
            assert "no answer to 'status'" in shown.stderr
            assert re.search(r"last snapshot 1\d:\d\d", shown.stdout), shown.stdout
            halted = cli("halt", "--timeout", "0.5", *words)
            assert halted.returncode == 1
            assert f"is being written by process {daemon.pid}" in halted.stderr
            assert "optionsib cancel-all --own-process" in halted.stderr

            flat = cli("flatten", "--own-process", *words)
            assert flat.returncode == 0, flat.stdout + flat.stderr
            assert "positions left: none" in flat.stdout
            assert f"process {daemon.pid} holds" in flat.stderr
            at_broker = broker_state(exchange)
            assert (at_broker.positions, at_broker.working_orders) == ({}, ())

            # It wakes up, and finds out before it sends what it was about to, or "closes" what is closed.
            before = len([e for e in events_of(state) if isinstance(e, OrderSubmitted)])
            daemon.send_signal(signal.SIGCONT)
            disputed = "halted: positions differ from the broker's"
            wait_for(state, lambda a: a["state"] == disputed, daemon, "a halt")
            woken = broker_state(exchange)
            assert (woken.positions, woken.working_orders) == ({}, ())
            assert woken.order_refs == at_broker.order_refs, f"sent after the rescue: {last}"
            daemon.kill()
            daemon.wait(timeout=PATIENCE_SECONDS)

        rescue = JournalReader.open_read_only(state / "rescue-1.sqlite")
        with rescue as journal:
            kinds = {type(event).__name__ for _, _, event in journal.events()}
        assert {"BrokerNotice", "OrderSubmitted", "Execution"} <= kinds

        with live_daemon(exchange, state, SPEED, *HOLD) as daemon:
            answer = wait_for(state, lambda a: a["state"].startswith("halted"), daemon, "a halt")
            assert answer["state"] == disputed
            assert answer["view"]["trades"], "its books still hold what was closed behind its back"
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(timeout=PATIENCE_SECONDS) == 0
        last_halt = [e for e in events_of(state) if isinstance(e, Halted)][-1]
        assert last_halt.reason.startswith("positions differ from the broker's (")
        assert len([e for e in events_of(state) if isinstance(e, OrderSubmitted)]) == before
        assert broker_state(exchange).positions == {}


def test_flatten_without_daemon_while_time_stands_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state"
    with exchange_process(exchange_settings(), tmp_path / "exchange.log") as exchange:
        killed = run_daemon(exchange, state, *HOLD, kill_at="after-step-commit:6")
        assert killed.returncode == -signal.SIGKILL
        left = broker_state(exchange)
        assert left.positions
        assert left.working_orders
        # A rescue is not put off by the hour: windows in which the daemon sends nothing do not bind it.
        always = '[{"name": "always", "start": "00:00", "minutes": 1440}]'
        monkeypatch.setenv("OPTIONSIB_GATEWAY__QUIET_WINDOWS", always)
        words = set_options(exchange, state, *HOLD)

        cancelled = cli("cancel-all", "--json", *words)
        assert cancelled.returncode == 0, cancelled.stderr
        report = json.loads(cancelled.stdout)
        assert report["orders_sent"] == 0
        assert sum(map(abs, report["positions_left"].values())) == sum(map(abs, left.positions.values()))
        assert broker_state(exchange).working_orders == ()

        flat = cli("flatten", *words)
        assert flat.returncode == 0, flat.stdout + flat.stderr
        assert "daemon: none runs" in flat.stderr
        assert broker_state(exchange).positions == {}
    for name in ("rescue-1.sqlite", "rescue-2.sqlite"):
        assert verify(state / name).ok
