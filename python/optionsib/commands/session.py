"""``optionsib demo``, ``run``, ``doctor``, ``report`` and ``audit``: sessions, and what is left of them."""

from __future__ import annotations

import argparse
from pathlib import Path

from optionsib.commands.arguments import (
    add_config,
    add_tape,
    configuration,
    count,
    is_number,
    port,
    positive,
)


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``demo``."""
    add_tape(parser)
    parser.add_argument(
        "--speed", type=_demo_speed, default="max", help="'max' (lockstep) or simulated seconds a second"
    )
    parser.add_argument("--market-data-lines", type=count, default=250, help="quotes watched at a time")
    parser.add_argument(
        "--state", type=Path, default=Path("var/demo"), help="folder to write (emptied first)"
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON too")


def _demo_speed(word: str) -> float | None:
    """Return simulated seconds a second; None = lockstep."""
    if word == "max":
        return None
    if not is_number(word):
        raise argparse.ArgumentTypeError(f"{word!r}: expected 'max' or a number above 0")
    return positive(word)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``run``."""
    add_config(parser)
    parser.add_argument("--pace", choices=("real", "lockstep"), default="real")
    parser.add_argument("--speed", type=positive, default=1.0, help="of a paper exchange at real pace")
    parser.add_argument("--data-sha256", default="", help="digest of the day a paper exchange plays")
    parser.add_argument("--arm-live", action="store_true", help="needed for live trading, never the default")
    parser.add_argument("--confirm-account", default="", help="the live account, named once more")
    parser.add_argument(
        "--log-messages", action="store_true", help="write every broker message to messages.log, masked"
    )
    parser.add_argument("--metrics-port", type=port, help="serve Prometheus metrics on this loopback port")


def add_audit(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``audit``."""
    verbs = command.add_subparsers(required=True, metavar="VERB")
    verify = verbs.add_parser("verify", help="Recompute the hash chain and name the first bad record.")
    verify.add_argument("journal", type=Path)
    verify.add_argument("--expected-head", default=None, help="hash noted elsewhere: finds a cut tail too")
    verify.set_defaults(run=audit_verify)


def add_report(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``report``."""
    command.add_argument("state", type=Path, help="folder with journal.sqlite and ticks.tape")
    command.add_argument("--out", type=Path, help="file to write (default: report.html in the folder)")


def demo(options: argparse.Namespace) -> int:
    """Play a day."""
    from optionsib.launchers.demo import DemoSettings, run_demo, summary_as_json

    run_demo(
        DemoSettings(
            tape=options.tape,
            date=options.date,
            seed=options.seed,
            speed=options.speed,
            market_data_lines=options.market_data_lines,
            state=options.state,
            first_minute=options.first_minute,
            minutes=options.minutes,
        ),
        before_hash=summary_as_json if options.json else None,
    )
    return 0


def run(options: argparse.Namespace) -> int:
    """Run the daemon."""
    import asyncio

    from optionsib.dashboard.terminal import TerminalView
    from optionsib.launchers.session import SessionSetup, run_session

    setup = SessionSetup(
        config=configuration(options),
        pace=options.pace,
        speed=options.speed,
        data_sha256=options.data_sha256,
        arm_live=options.arm_live,
        confirm_account=options.confirm_account,
        log_messages=options.log_messages,
        metrics_port=options.metrics_port,
    )
    with TerminalView() as view:
        summary = asyncio.run(run_session(setup, view.update))
    print(f"ended: {summary.reason}; open trades {summary.trades_open}")
    print(f"journal sha256 {summary.head}")
    return 0


def doctor(options: argparse.Namespace) -> int:
    """Check the installation."""
    from optionsib.launchers.doctor import examine

    return examine(lambda: configuration(options))


def report(options: argparse.Namespace) -> int:
    """Write a report."""
    from optionsib.launchers.report import report_of

    print(report_of(options.state, options.out))
    return 0


def audit_verify(options: argparse.Namespace) -> int:
    """Verify a journal."""
    from optionsib.governance.audit import main_verify

    return main_verify(options.journal, options.expected_head)
