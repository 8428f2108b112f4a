"""What an operator tells a running daemon."""

from __future__ import annotations

import argparse

from optionsib.commands.arguments import (
    add_config,
    configuration,
    positive,
)

OPERATIONS = {
    "status": "Show what the running daemon does.",
    "halt": "No new risk from now on, across restarts, until resume.",
    "resume": "Lift a halt.",
    "cancel-all": "Halt and cancel every working order.",
    "flatten": "Halt, cancel every working order, and close every position at the market.",
}


def add_operation(command: argparse.ArgumentParser, name: str) -> None:
    """Add the arguments of one of ``OPERATIONS``."""
    command.set_defaults(command=name)
    add_config(command)
    command.add_argument("--reason", default="operator", help="written in the journal (halt, resume)")
    command.add_argument(
        "--timeout", type=positive, default=10.0, help="seconds to wait for the daemon (default: 10)"
    )
    command.add_argument("--json", action="store_true", help="for machines")
    if name in ("cancel-all", "flatten"):
        command.add_argument(
            "--own-process",
            action="store_true",
            help="do not ask the daemon: connect to the broker as client gateway.rescue_client_id",
        )


def add_limits(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``limits``."""
    add_config(command)
    command.add_argument("verb", choices=("show", "propose", "approve", "switch"))
    command.add_argument(
        "words",
        nargs="*",
        help="propose: NAME=VALUE ... (no value: not set); approve: VERSION; switch: SWITCH=VALUE",
    )
    command.add_argument("--reason", default="", help="propose, switch: why; written in the journal")
    command.add_argument("--operator", default="", help="who asks (default: the user of this machine)")
    command.add_argument(
        "--timeout", type=positive, default=10.0, help="seconds to wait for the daemon (default: 10)"
    )


def add_order(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``order``."""
    verbs = command.add_subparsers(required=True, metavar="VERB")
    for name, text in {
        "list": "Show the working orders; reference, price and quantity as `change` takes them.",
        "change": "Ask for other terms of a working order; judged like any order at the daemon's next step.",
        "cancel": "Cancel a working order at once.",
    }.items():
        verb = verbs.add_parser(name, help=text, description=text)
        verb.set_defaults(run=order, verb=name)
        add_config(verb)
        verb.add_argument("--json", action="store_true", help="for machines")
        wait = 150.0 if name == "change" else 10.0
        verb.add_argument(
            "--timeout",
            type=positive,
            default=wait,
            help=f"seconds to wait for the daemon (default: {wait:g})",
        )
        if name == "list":
            continue
        verb.add_argument("ref", metavar="REF", help="reference of the order")
        verb.add_argument("--reason", default="", help="why; written in the journal")
        verb.add_argument("--operator", default="", help="who asks (default: the user of this machine)")
        if name == "change":
            verb.add_argument(
                "--price", default="", help="limit: of one contract; net debit of a combination, < 0 a credit"
            )
            verb.add_argument("--stop", default="", help="stop price, counted as --price")
            verb.add_argument("--quantity", default="", help="units in all, filled ones included")


def add_book(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``book``."""
    add_config(command)
    command.add_argument(
        "words",
        nargs="*",
        metavar="WORD",
        help="ORDER UNITS PRICE, one price a leg (none: show what differs)",
    )
    command.add_argument(
        "--commission", default="0", help="of the whole fill, from the statement (default: 0)"
    )
    command.add_argument("--reason", default="", help="why; written in the journal")
    command.add_argument("--operator", default="", help="who books (default: the user of this machine)")
    command.add_argument(
        "--timeout", type=positive, default=10.0, help="seconds to wait for the daemon (default: 10)"
    )


def operate(options: argparse.Namespace) -> int:
    """Send an operator's command to the daemon, or do it without one."""
    from optionsib.launchers.operate import operate as carry_out

    return carry_out(
        configuration(options),
        options.command,
        reason=options.reason,
        timeout=options.timeout,
        own_process=getattr(options, "own_process", False),
        as_json=options.json,
    )


def limits(options: argparse.Namespace) -> int:
    """Show or change the running daemon's limits."""
    from optionsib.launchers.operate import change_limits

    return change_limits(
        configuration(options),
        options.verb,
        options.words,
        reason=options.reason,
        operator=options.operator,
        timeout=options.timeout,
    )


def order(options: argparse.Namespace) -> int:
    """List, change or cancel working orders of the daemon."""
    from optionsib.launchers import order_commands as work

    config = configuration(options)
    if options.verb == "list":
        return work.show_orders(config, timeout=options.timeout, as_json=options.json)
    terms = (
        {"price": options.price, "stop": options.stop, "quantity": options.quantity}
        if options.verb == ("change")
        else {}
    )
    return work.ask_for(
        config,
        options.verb,
        options.ref,
        terms,
        reason=options.reason,
        operator=options.operator,
        timeout=options.timeout,
        as_json=options.json,
    )


def book(options: argparse.Namespace) -> int:
    """Show or book fills that the broker no longer reports."""
    from optionsib.launchers.booking import book as carry_out

    return carry_out(
        configuration(options),
        options.words,
        commission=options.commission,
        reason=options.reason,
        operator=options.operator,
        timeout=options.timeout,
    )
