"""Operator's commands: ask the daemon; where it is gone, act on the journal or on the broker directly.

Nothing here needs a model, a vault or the daemon's own modules: a rescue works when those are broken.
"""

from __future__ import annotations

import asyncio
import getpass
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from optionsib.brokers.ib.health import GatewayHealth
from optionsib.bus.control import ControlClient
from optionsib.bus.journal import Journal, JournalReader, writer_of
from optionsib.common.clock import SystemClock
from optionsib.common.config import Config
from optionsib.common.errors import BusError, ConfigError, JournalError
from optionsib.common.events import Halted, PortfolioSnapshot, Resumed, SessionEnded, SessionStarted
from optionsib.common.types import Json
from optionsib.launchers.gateway_text import describe_gateway
from optionsib.launchers.rescue import rescue
from optionsib.launchers.state_folder import control_endpoint, is_silent, journal_path
from optionsib.launchers.status_text import describe_daemon, describe_journal


def operate(
    config: Config,
    command: str,
    *,
    reason: str,
    timeout: float,
    own_process: bool = False,
    as_json: bool = False,
) -> int:
    """Carry out ``status``, ``halt``, ``resume``, ``cancel-all`` or ``flatten``; return the exit status.

    ``halt`` and ``resume`` reach a stopped daemon through its journal. ``cancel-all`` and ``flatten``
    go to the broker directly when the daemon does not answer.

    Raises
    ------
    OptionsIBError
        If neither the daemon nor the journal or broker can be reached; the message says what to do.
    """
    journal = journal_path(Path(config.paths.state))
    operator = getpass.getuser()
    if not own_process:
        arguments: dict[str, Json] = {} if command == "status" else {"operator": operator}
        if command in ("halt", "resume"):
            arguments["reason"] = reason
        try:
            answer = _ask(config, command, timeout, arguments)
        except BusError as error:
            print(f"daemon: {error}", file=sys.stderr)
        else:
            _print_answer(command, answer, as_json=as_json)
            return 0
    if command == "status":
        return _show_journal(journal, as_json=as_json)
    if command in ("halt", "resume"):
        return _latch(journal, command, reason, operator, as_json=as_json)
    return _rescue(config, command, journal, as_json=as_json)


def change_limits(
    config: Config, verb: str, words: Sequence[str], *, reason: str, operator: str, timeout: float
) -> int:
    """Show, propose or approve limits of the running daemon, or move a switch; return the exit status.

    Raises
    ------
    OptionsIBError
        If no daemon answers, or it refuses; the message has its reason.
    """
    operator = operator or getpass.getuser()
    if verb == "show":
        print(json.dumps(_ask(config, "limits", timeout, {}), indent=2))
        return 0
    if verb == "propose":
        changes: dict[str, Json] = {}
        for word in words:
            name, equals, value = word.partition("=")
            if not equals:
                raise ConfigError(f"{word!r}: expected NAME=VALUE, such as max_open_orders=10")
            changes[name] = value
        answer = _ask(
            config, "propose-limits", timeout, {"changes": changes, "reason": reason, "operator": operator}
        )
        version = answer["version"]
        print(
            f"version {version} waits: a second person lets it hold with `optionsib limits approve {version}`"
        )
        return 0
    if verb == "switch":
        name, _, value = " ".join(words).partition("=")
        arguments: dict[str, Json] = {"switch": name, "value": value, "reason": reason, "operator": operator}
        _ask(config, "set-switch", timeout, arguments)
        print(f"{name}{f' = {value}' if value else ''}: done")
        return 0
    if len(words) != 1 or not words[0].isdecimal():
        raise ConfigError(f"approve needs the one version that waits, got {' '.join(words) or 'nothing'}")
    answer = _ask(config, "approve-limits", timeout, {"version": int(words[0]), "operator": operator})
    print(f"limits of version {answer['version']} hold")
    return 0


def show_gateway(config: Config, *, timeout: float, as_json: bool) -> int:
    """Show the running daemon's connection to the broker; return 1 if no order may leave.

    Raises
    ------
    OptionsIBError
        If no daemon answers; the message has its reason.
    """
    try:
        answer = _ask(config, "ib-status", timeout, {})
    except BusError as error:
        raise BusError(f"daemon: {error}") from error
    health = msgspec.convert(answer, GatewayHealth)
    print(json.dumps(answer, indent=2) if as_json else describe_gateway(health))
    return int(health.state != "ready" or bool(health.order_block))


def _ask(config: Config, command: str, timeout: float, arguments: dict[str, Json]) -> Any:
    endpoint = control_endpoint(config)
    if is_silent(endpoint):
        raise BusError(f"none runs with the state folder {config.paths.state}")
    return ControlClient(endpoint).request(command, timeout=timeout, **arguments)


def _print_answer(command: str, answer: Any, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"daemon": "running", **answer}, indent=2))
    elif command == "status":
        print(describe_daemon(answer))
    else:
        cancelled = f"; asked to cancel {answer['cancelled']} orders" if "cancelled" in answer else ""
        hint = "; `optionsib status` shows what is still open" if command == "flatten" else ""
        print(f"{command}: the daemon is {answer['state']}{cancelled}{hint}")


def _show_journal(path: Path, *, as_json: bool) -> int:
    facts = _journal_facts(path)
    print(json.dumps(facts, indent=2) if as_json else describe_journal(facts))
    return 0


def _journal_facts(path: Path) -> dict[str, Any]:
    _require_journal(path)
    with JournalReader.open_read_only(path) as journal:
        halted, ended, snapshot = "", "", None
        for _, _, event in journal.events(["Halted", "SessionStarted", "SessionEnded", "PortfolioSnapshot"]):
            match event:
                case Halted(reason=reason):
                    halted = reason
                case SessionStarted():
                    ended = ""
                case SessionEnded(reason=reason):
                    ended = reason
                case PortfolioSnapshot():
                    snapshot = event
        is_halted = journal.is_halted()
        return {
            "daemon": "silent",
            "journal": str(path),
            "records": journal.last_seq,
            "head": journal.head,
            "halted": is_halted,
            "halt_reason": halted if is_halted else "",
            "ended": ended,
            "last_snapshot": msgspec.to_builtins(snapshot),
        }


def _require_journal(path: Path) -> None:
    if not path.is_file():
        raise JournalError(
            f"no journal at {path}: no daemon has run with the state folder {path.parent}. Give the "
            "daemon's own with --set paths.state=<folder>"
        )


def _latch(path: Path, command: str, reason: str, operator: str, *, as_json: bool) -> int:
    _require_journal(path)
    try:
        journal = Journal.open(path)
    except JournalError as error:
        raise JournalError(
            f"{error}. If that process is a daemon that hangs: `optionsib cancel-all --own-process` cancels "
            f"at the broker; end the process (kill -9), then {command} again"
        ) from error
    with journal:
        at_ns = max(journal.last_at_ns, 0) or SystemClock().now_ns()
        kind = Halted if command == "halt" else Resumed
        journal.append_durable(kind(at_ns=at_ns, reason=reason, operator=operator), at_ns)
    if as_json:
        print(json.dumps({"daemon": "silent", "journal": str(path), "halted": command == "halt"}))
    else:
        print(f"{command}: written in {path}; the daemon will find it at its next start")
    return 0


def _rescue(config: Config, command: str, journal: Path, *, as_json: bool) -> int:
    report = asyncio.run(rescue(config, flatten=command == "flatten"))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        print(
            f"account {report.account}: all working orders cancelled; "
            f"{report.orders_sent} closing orders sent"
        )
        for line in report.stuck:
            print(f"not closed: {line}")
        left = ", ".join(f"{held:+d} {name}" for name, held in report.positions_left.items())
        print(f"positions left: {left or 'none'}; journal {report.journal}")
    if report.orders_sent and (writer := writer_of(journal)):
        print(
            f"{writer} holds {journal} and has not booked these closes. Before its next order it compares "
            "with the broker, and halts; if it hangs for good, end it (kill -9) and start anew",
            file=sys.stderr,
        )
    return 0 if command == "cancel-all" or not report.positions_left else 1
