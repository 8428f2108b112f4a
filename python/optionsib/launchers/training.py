"""``optionsib train NAME``: one command from data to artefact, card and page."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from optionsib.common.clock import SystemClock
from optionsib.common.errors import ConfigError
from optionsib.models.trainers import TRAINERS, Outcome, Run, find_trainer, read_training_config
from optionsib.models.trials import TrialLedger
from optionsib.performance.model_page import page_path, write_model_page
from optionsib.performance.pages import plotly_source

LEDGER = "trials.sqlite"


def show_trainers(console: Console | None = None) -> int:
    """Print what can be trained and what can be set; return the exit status."""
    console = console or Console()
    for trainer in TRAINERS.values():
        console.print(f"[bold]{trainer.name:9}[/bold] {trainer.summary}", highlight=False, soft_wrap=True)
        settings = ", ".join(trainer.config.model_fields)
        console.print(f"          {settings}", style="dim", highlight=False, soft_wrap=True)
    console.print("\noptionsib train NAME --config FILE; examples in config/training/", highlight=False)
    return 0


def train_by_name(
    name: str,
    *,
    config: Path | None,
    out: Path | None,
    seed: int,
    data: Path | None,
    resume: bool,
    console: Console | None = None,
) -> Outcome:
    """Train, note the trial, write the page, print the outcome.

    Parameters
    ----------
    name
        Of the trainer.
    config
        YAML file; None = the defaults.
    out
        Artefact to write; None = the trainer's own place.
    data
        Folder of recorded data; None = what the trainer finds by itself.
    resume
        Go on from a checkpoint; without it, one that is there is refused.

    Raises
    ------
    ConfigError
        If the configuration is wrong, or there is a checkpoint that was not asked for, or none that was.
    MissingExtraError
        If plotly, or what the trainer needs, is not installed.
    ModelError
        If nothing can be learnt, or the export differs; the trial is noted as failed.
    """
    console = console or Console()
    trainer = find_trainer(name)
    settings = read_training_config(trainer.config, config)
    artefact = out or trainer.out
    if trainer.out.suffix == ".onnx" and (artefact.suffix != ".onnx" or artefact.is_dir()):
        raise ConfigError(f"--out {artefact}: expected a file *.onnx; its card and its page get its name")
    checkpoint = artefact.with_name(artefact.name + ".checkpoint")
    if resume and not trainer.resumes:
        raise ConfigError(f"{name} cannot be gone on with: it takes a minute, begin anew without --resume")
    if resume and not checkpoint.exists():
        raise ConfigError(f"there is no checkpoint {checkpoint} to go on from")
    if checkpoint.exists() and not resume:
        raise ConfigError(f"{checkpoint} is of an interrupted run: go on with --resume, or remove it")

    plotly_source()  # before hours of training, not after them

    def tell(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True, markup=False)

    terms = settings.model_dump(mode="json")
    ledger = TrialLedger(artefact.parent / LEDGER, SystemClock())
    try:
        artefact.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out {artefact}: its folder cannot be made: {error}") from error
    try:
        with ledger.trial(name, terms | {"seed": seed}, "") as trial:
            outcome = trainer.train(
                settings, Run(out=artefact, seed=seed, data=data, checkpoint=checkpoint, tell=tell)
            )
            trial.finish(
                outcome.gains,
                {"data rows": float(len(outcome.gains))},
                data=outcome.data_sha256,
            )
    except KeyboardInterrupt:
        if checkpoint.exists():
            tell(f"interrupted; go on with the same command and --resume ({checkpoint})")
        raise
    page = write_model_page(outcome, page_path(artefact), terms | {"seed": seed})
    _print(console, outcome, page, len(ledger.trials(name)))
    return outcome


def _print(console: Console, outcome: Outcome, page: Path, trials: int) -> None:
    if outcome.scores:
        table = Table(box=None, pad_edge=False)
        for heading in ("forecaster", "log loss", "Brier", "AUC", "gain over it (95 %)", "p, Holm"):
            side: Literal["left", "right"] = "left" if heading == "forecaster" else "right"
            # In a narrow window names take two lines; a figure without its end would be another one.
            table.add_column(heading, justify=side, no_wrap=side == "right")
        for one in outcome.scores:
            gain = one.gain
            table.add_row(
                one.name,
                f"{one.metrics.log_loss:.4f}",
                f"{one.metrics.brier:.4f}",
                f"{one.metrics.auc:.4f}",
                f"{gain.value:+.4f} ({gain.low:+.4f} to {gain.high:+.4f})" if gain else "",
                "" if math.isnan(one.chance) else f"{one.chance:.4f}",
            )
        console.print(table)
    for key, value in outcome.facts.items():
        console.print(f"{key}: {value}", highlight=False, soft_wrap=True, markup=False)
    data = "SIMULATED DATA; " if outcome.simulated else ""
    console.print(f"{data}proof of skill: {outcome.proof}", style="bold", highlight=False, soft_wrap=True)
    ledger = outcome.artefact.parent / LEDGER
    console.print(
        f"wrote {outcome.artefact} and {page}; trial {trials} of its kind in {ledger}",
        highlight=False,
        soft_wrap=True,
    )
