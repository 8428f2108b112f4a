"""What every trainer is given and what it hands back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optionsib.models.card import Metrics, ModelCard, digest
from optionsib.models.evaluation import Calibration, Interval, bootstrap_interval, chance_of_no_gain, holm
from optionsib.models.metrics import score

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]

_CLIP = 1e-6
NO_SKILL_GATE = "none: no skill gate has judged it"


@dataclass(frozen=True, slots=True)
class Run:
    """One training: where it writes, what it reads, and whom it tells.

    ``data``: folder of recorded data, None = what the trainer finds by itself. ``checkpoint`` belongs to a
    trainer that can go on where it was interrupted.
    """

    out: Path
    seed: int
    data: Path | None
    checkpoint: Path
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Score:
    """One forecaster on the judged rows; gains are of the model over this one, in log loss a row.

    ``chance`` that there is no gain, adjusted for the number of baselines (Holm); NaN for the model itself.
    """

    name: str
    metrics: Metrics
    gain: Interval | None = None
    chance: float = float("nan")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a training, for the page, the ledger and the terminal.

    ``gains`` (n,): log loss of the first baseline less that of the model, row by row, in time order.
    ``data``: SHA-256 of each part of the data, with commas between. ``curves``: name to values by epoch or
    round. ``facts``: what has no other place on the page.
    """

    name: str
    artefact: Path
    simulated: bool
    proof: str
    data: str
    card: ModelCard | None
    scores: tuple[Score, ...] = ()
    gains: Floats = field(default_factory=lambda: np.zeros(1))
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    calibration: Calibration | None = None
    attribution: Mapping[str, float] = field(default_factory=dict)
    attribution_by: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def data_sha256(self) -> str:
        """Hash of all data together, for the ledger."""
        return digest(self.data.encode())

    @property
    def has_skill(self) -> bool:
        """True if every baseline is beaten at 1 % on these rows: necessary, not sufficient for any claim."""
        return len(self.scores) > 1 and all(one.chance < 0.01 for one in self.scores[1:])


def judge(
    name: str,
    label: Labels,
    probability: Floats,
    baselines: Mapping[str, Floats],
    *,
    mean_block: float,
    seed: int,
) -> tuple[tuple[Score, ...], Floats]:
    """Score forecasts (n,) of ``label`` (n,) beside baselines; return scores and the gains over the first.

    ``mean_block`` rows: about how long labels depend on each other.
    """
    loss = row_losses(label, probability)
    gains = {key: row_losses(label, other) - loss for key, other in baselines.items()}
    chances = holm(
        np.array([chance_of_no_gain(one, mean_block=mean_block, seed=seed) for one in gains.values()])
    )
    scores = [Score(name, score(label, probability))]
    for (key, gain), chance in zip(gains.items(), chances, strict=True):
        interval = bootstrap_interval(gain, lambda rows: float(rows.mean()), mean_block=mean_block, seed=seed)
        scores.append(Score(key, score(label, baselines[key]), interval, float(chance)))
    return tuple(scores), next(iter(gains.values()))


def row_losses(label: Labels, probability: Floats) -> Floats:
    """Return the log loss of each row."""
    chance = np.clip(probability, _CLIP, 1.0 - _CLIP)
    return np.asarray(-np.where(label == 1, np.log(chance), np.log1p(-chance)))
