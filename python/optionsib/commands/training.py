"""``optionsib train`` and ``model``: models made, and models that vote."""

from __future__ import annotations

import argparse
from pathlib import Path

from optionsib.commands.arguments import (
    add_config,
    configuration,
    count,
    positive,
)


def add_train(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``train``."""
    parser.add_argument("name", nargs="?", help="of the trainer; without it, all are listed")
    parser.add_argument("--config", type=Path, help="YAML file with the trainer's settings")
    parser.add_argument("--data", type=Path, help="folder of recorded data (default: what the trainer finds)")
    parser.add_argument("--out", type=Path, help="artefact to write (default: in var/models)")
    parser.add_argument("--seed", type=count, default=7)
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")


def train(options: argparse.Namespace) -> int:
    """Train a model, or list what can be trained."""
    from optionsib.launchers.training import show_trainers, train_by_name

    if options.name is None:
        return show_trainers()
    train_by_name(
        options.name,
        config=options.config,
        out=options.out,
        seed=options.seed,
        data=options.data,
        resume=options.resume,
    )
    return 0


def add_model(command: argparse.ArgumentParser) -> None:
    """Add the arguments of ``model``."""
    add_config(command)
    command.add_argument("verb", choices=("show", "swap", "shadow", "freeze", "thaw"))
    command.add_argument("path", nargs="?", default="", help="swap, shadow: artefact to load, or `none`")
    command.add_argument("--reason", default="", help="why; written in the journal")
    command.add_argument("--operator", default="", help="who asks (default: the user of this machine)")
    command.add_argument(
        "--timeout", type=positive, default=60.0, help="seconds to wait for the daemon (default: 60)"
    )
    command.add_argument("--json", action="store_true", help="for machines")


def model(options: argparse.Namespace) -> int:
    """Show or change the running daemon's models."""
    from optionsib.launchers.model_commands import work

    return work(
        configuration(options),
        options.verb,
        options.path,
        reason=options.reason,
        operator=options.operator,
        timeout=options.timeout,
        as_json=options.json,
    )
