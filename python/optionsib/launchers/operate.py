"""Operator's commands: ask the daemon; where it is gone, act on the journal or on the broker directly."""

from __future__ import annotations

import asyncio
import getpass
import json
from pathlib import Path

from optionsib.bus.control import ControlClient
from optionsib.bus.journal import Journal, JournalReader
from optionsib.common.clock import SystemClock
from optionsib.common.config import Config
from optionsib.common.errors import BusError, JournalError
from optionsib.common.events import Halted, Resumed
from optionsib.common.types import MONEY_SCALE, Json
from optionsib.launchers.rescue import rescue
from optionsib.launchers.session import control_endpoint, journal_path


def operate(config: Config, command: str, *, reason: str, timeout: float, own_process: bool) -> int:
    """Carry out ``status``, ``halt``, ``resume``, ``cancel-all`` or ``flatten``; return the exit status.

    ``halt`` and ``resume`` reach a stopped daemon through its journal. ``cancel-all`` and ``flatten``
    go to the broker directly when the daemon does not answer.
    """
    operator = getpass.getuser()
    arguments: dict[str, Json] = {} if command in ("status",) else {"operator": operator}
    if command in ("halt", "resume"):
        arguments["reason"] = reason
    if not own_process:
        try:
            answer = ControlClient(control_endpoint(config)).request(command, timeout=timeout, **arguments)
        except BusError as error:
            print(f"daemon: {error}")
        else:
            print(json.dumps(answer, indent=2))
            return 0
    if command == "status":
        return _show_journal(journal_path(Path(config.paths.state)))
    if command in ("halt", "resume"):
        return _latch(journal_path(Path(config.paths.state)), command, reason, operator)
    report = asyncio.run(rescue(config, flatten=command == "flatten"))
    print(f"cancelled all working orders of the account; {report.orders_sent} closing orders sent")
    for line in report.stuck:
        print(f"left open: {line}")
    print(f"positions left: {report.positions_left or 'none'}; journal {report.journal}")
    return 0 if command == "cancel-all" or not report.positions_left else 1


def _show_journal(path: Path) -> int:
    try:
        with JournalReader.open_read_only(path) as journal:
            halted = "halted" if journal.is_halted() else "not halted"
            print(f"no daemon runs; {path}: {journal.last_seq} records, {halted}, head {journal.head}")
            snapshots = list(journal.events(["PortfolioSnapshot"]))
    except JournalError as error:
        print(error)
        return 1
    if snapshots:
        last = snapshots[-1][2]
        equity = getattr(last, "equity", 0)
        print(f"last snapshot: result {equity / MONEY_SCALE:+,.2f}, open {getattr(last, 'open_trades', 0)}")
    return 0


def _latch(path: Path, command: str, reason: str, operator: str) -> int:
    now = SystemClock().now_ns()
    with Journal.open(path) as journal:
        at_ns = max(journal.last_at_ns, 0) or now
        kind = Halted if command == "halt" else Resumed
        journal.append_durable(kind(at_ns=at_ns, reason=reason, operator=operator), at_ns)
    print(f"{command}: written in {path}; the daemon will find it at its next start")
    return 0
