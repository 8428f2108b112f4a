"""What can be set for each trainer, and how it is read from a file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal, TypeVar

import yaml
from pydantic import Field, ValidationError

from optionsib.common.config import Section
from optionsib.common.errors import ConfigError


class ChainTraining(Section):
    """The data of a learner of option chains; labels as in ``training`` of the main configuration."""

    date: dt.date | None = Field(default=None, description="recorded day; default: the last but one")
    days: int = Field(default=3, ge=1, description="simulated days, where no folder is given")


class ResidualTraining(ChainTraining):
    """Gradient-boosted trees on the residuals of the smile."""


class EnsembleTraining(ChainTraining):
    """Trees, a support vector machine and a small network that vote."""

    rows: int = Field(default=20_000, ge=200, description="at most so many rows are fitted")
    dead_band: float = Field(default=0.02, gt=0, lt=0.5, description="forecasts nearer to 0.5 abstain")
    maximum_spread: float = Field(default=0.25, gt=0, le=1, description="members further apart abstain")
    minimum_members: int = Field(default=2, ge=1, le=3)


class RuleTraining(ChainTraining):
    """A rule without learning, registered as a model: the logistic of weighted features."""

    weights: dict[str, float] = Field(
        default={"residual_in_spreads": -1.0}, description="feature to weight in the logit"
    )
    offset: float = 0.0


class DailyTraining(Section):
    """The data of a learner of market days."""

    first: dt.date | None = Field(default=None, description="first session")
    last: dt.date | None = Field(default=None, description="last session")
    simulated_days: int = Field(
        default=0, ge=0, description="more than 0: that many simulated sessions, no market data"
    )


class LstmTraining(DailyTraining):
    """A recurrent network on S&P 500 and VIX."""

    label: Literal["volatility", "direction"] = "volatility"
    horizon: int = Field(default=5, ge=1, description="sessions ahead")
    window: int = Field(default=22, ge=1, description="sessions that one forecast sees")
    hidden: int = Field(default=16, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    learning_rate: float = Field(default=0.003, gt=0)
    weight_decay: float = Field(default=0.001, ge=0)
    epochs: int = Field(default=40, ge=1, description="at most")
    patience: int = Field(default=6, ge=1, description="epochs without a better validation loss")
    validation_fraction: float = Field(default=0.2, gt=0, lt=0.5, description="ends the fit")
    test_fraction: float = Field(default=0.2, gt=0, lt=0.5, description="judged once, at the end")


class RegimesTraining(DailyTraining):
    """A hidden Markov model of daily returns, filtered."""

    regimes: int = Field(default=2, ge=2, le=5)
    noise: Literal["gaussian", "student", "likelier"] = "likelier"
    dwell: int = Field(default=3, ge=1, description="sessions before the label changes")
    switch_probability: float = Field(default=0.6, ge=0.5, lt=1)
    sure_probability: float = Field(default=0.95, ge=0.5, le=1, description="the label changes at once")
    restarts: int = Field(default=4, ge=1)
    test_fraction: float = Field(
        default=0.3, gt=0, lt=0.9, description="filtered with what was fitted before"
    )


SomeTraining = TypeVar("SomeTraining", bound=Section)


def read_training_config(kind: type[SomeTraining], path: Path | None) -> SomeTraining:
    """Read ``path`` (YAML), or return the defaults without one.

    Raises
    ------
    ConfigError
        If the file cannot be read, holds an unknown key, or a value is out of range.
    """
    if path is None:
        return kind()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"training configuration {path} cannot be read: {error}") from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigError(f"training configuration {path}: expected keys and values, got {content!r}")
    unknown = sorted(set(content) - set(kind.model_fields))
    if unknown:
        raise ConfigError(
            f"training configuration {path}: unknown key {unknown[0]}: expected one of "
            f"{', '.join(kind.model_fields)}"
        )
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"training configuration {path}: {place}: {first['msg']}") from error
