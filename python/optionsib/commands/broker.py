"""``optionsib ib``, ``paper-exchange`` and ``paper-fault``: the broker's side."""

from __future__ import annotations

import argparse
from pathlib import Path

from optionsib.commands.arguments import (
    add_config,
    add_tape,
    configuration,
    count,
    port,
    positive,
)


def add_ib(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``ib``."""
    verbs = command.add_subparsers(required=True, metavar="VERB")
    status = verbs.add_parser("status", help="Connection, farms, lines, message rate and last error.")
    status.set_defaults(run=ib_status)
    add_config(status)
    status.add_argument("--timeout", type=positive, default=10.0, help="seconds to wait (default: 10)")
    status.add_argument("--json", action="store_true", help="for machines")
    examination = verbs.add_parser("doctor", help="Name each setting of TWS that is wrong; sends no order.")
    examination.set_defaults(run=ib_doctor)
    examination.add_argument("--host", default="127.0.0.1")
    examination.add_argument("--port", type=port, default=7497, help="TWS paper 7497, IB Gateway paper 4002")
    examination.add_argument("--client-id", type=count, default=8, help="must be free (default: 8)")
    examination.add_argument(
        "--symbol", action="append", default=[], metavar="SYMBOL", help="may be repeated (default: SPY)"
    )
    examination.add_argument("--timeout", type=positive, default=10.0, help="seconds an answer may take")
    examination.add_argument("--log-messages", type=Path, help="write every message there, masked")


def ib_status(options: argparse.Namespace) -> int:
    """Show the daemon's connection to the broker."""
    from optionsib.launchers.operate import show_gateway

    return show_gateway(configuration(options), timeout=options.timeout, as_json=options.json)


def ib_doctor(options: argparse.Namespace) -> int:
    """Examine a TWS, IB Gateway or paper exchange."""
    from optionsib.launchers.ib_doctor import DoctorSettings, examine_broker

    return examine_broker(
        DoctorSettings(
            host=options.host,
            port=options.port,
            client_id=options.client_id,
            symbols=tuple(options.symbol) or ("SPY",),
            timeout=options.timeout,
            log_messages=options.log_messages,
        )
    )


def add_exchange(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``paper-exchange``."""
    add_tape(parser)
    parser.add_argument("--host", default="127.0.0.1", help="loopback unless you know what you do")
    parser.add_argument("--port", type=port, default=7497, help="0 takes a free one")
    parser.add_argument("--pace", choices=("real", "lockstep"), default="real")
    parser.add_argument("--speed", type=positive, default=1.0, help="simulated seconds a second")
    parser.add_argument("--owner-client-id", type=count, default=1, help="who owns the time in lockstep")
    parser.add_argument("--market-data-lines", type=count, default=100)
    parser.add_argument("--tape-only", action="store_true", help="no simulated market of all other symbols")
    parser.add_argument(
        "--market-data",
        choices=("live", "delayed", "api", "partial", "none"),
        default="live",
        help="what the account has subscribed to (default: live)",
    )
    parser.add_argument(
        "--limits", choices=("ib", "off"), default="ib", help="what IB enforces (default: ib)"
    )
    parser.add_argument("--queue", action="store_true", help="resting orders wait behind the displayed size")
    parser.add_argument("--scenario", type=Path, help="YAML file of faults to play")
    parser.add_argument("--control-port", type=port, help="take faults as JSON lines there (0: a free port)")
    add_config(parser)


def add_fault(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``paper-fault``."""
    command.add_argument("output", type=Path, help="file with the standard output of paper-exchange")
    command.add_argument("name", help="the fault, e.g. drop")
    command.add_argument("arguments", nargs="*", metavar="ARGUMENT=VALUE", help="e.g. message=execDetails")


def paper_exchange(options: argparse.Namespace) -> int:
    """Serve a paper exchange."""
    import asyncio

    from optionsib.launchers.exchange import ExchangeSettings, serve

    settings = ExchangeSettings(
        tape=options.tape,
        date=options.date,
        seed=options.seed,
        pace=options.pace,
        speed=options.speed,
        host=options.host,
        port=options.port,
        owner_client_id=options.owner_client_id,
        market_data_lines=options.market_data_lines,
        first_minute=options.first_minute,
        minutes=options.minutes,
        tape_only=options.tape_only,
        market_data=options.market_data,
        limits=options.limits,
        queue=options.queue,
        scenario=options.scenario,
        control_port=options.control_port,
    )
    asyncio.run(serve(settings, configuration(options)))
    return 0


def paper_fault(options: argparse.Namespace) -> int:
    """Arm a fault of a running paper exchange."""
    from optionsib.launchers.paper_fault import arm_fault

    result = arm_fault(options.output, options.name, options.arguments)
    print("ok" if result is None else f"ok {result}")
    return 0
