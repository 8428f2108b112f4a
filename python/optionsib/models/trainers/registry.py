"""The trainers by name: ``optionsib train NAME`` runs one of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from optionsib.common.config import Section
from optionsib.common.errors import ModelError
from optionsib.models.trainers.configs import (
    EnsembleTraining,
    LstmTraining,
    RegimesTraining,
    ResidualTraining,
    RuleTraining,
)
from optionsib.models.trainers.run import Outcome, Run


@dataclass(frozen=True, slots=True)
class Trainer:
    """One way to make a model. ``out``: default artefact; ``resumes``: an interrupted run can go on."""

    name: str
    summary: str
    config: type[Section]
    out: Path
    resumes: bool
    train: Callable[[Any, Run], Outcome]


def _of(module: str, function: str) -> Callable[[Any, Run], Outcome]:
    def run(config: Any, one: Run) -> Outcome:
        # Only when one trains: these import the learners.
        found = import_module(f"optionsib.models.trainers.{module}")
        outcome: Outcome = getattr(found, function)(config, one)
        return outcome

    return run


_FOLDER = Path("var/models")
TRAINERS: dict[str, Trainer] = {
    one.name: one
    for one in (
        Trainer(
            "residual", "gradient-boosted trees on the smile's residuals; what the daemon serves",
            ResidualTraining, _FOLDER / "residual.onnx", False, _of("chains", "train_residual"),
        ),
        Trainer(
            "ensemble", "trees, a support vector machine and a small network that vote, or abstain",
            EnsembleTraining, _FOLDER / "ensemble", False, _of("chains", "train_ensemble"),
        ),
        Trainer(
            "lstm", "a recurrent network on S&P 500 and VIX, day by day",
            LstmTraining, _FOLDER / "lstm.onnx", True, _of("market", "train_lstm"),
        ),
        Trainer(
            "regimes", "calm and turbulent markets from daily returns, filtered",
            RegimesTraining, _FOLDER / "regimes.json", False, _of("market", "train_regimes"),
        ),
        Trainer(
            "rule", "a rule without learning, registered as a model with its own card",
            RuleTraining, _FOLDER / "rule.onnx", False, _of("chains", "train_rule"),
        ),
    )
}  # fmt: skip


def find_trainer(name: str) -> Trainer:
    """Return the trainer of that name, or raise ``ModelError``."""
    if name not in TRAINERS:
        raise ModelError(f"no trainer {name!r}: expected one of {', '.join(TRAINERS)}")
    return TRAINERS[name]
