"""Scores of probability forecasts of a 0/1 label."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionsib.models.card import Metrics

Floats = NDArray[np.float64]

_CLIP = 1e-6


def score(label: NDArray[np.int8], probability: Floats) -> Metrics:
    """Score forecasts ``probability`` (n,) of ``label`` (n,).

    Raises
    ------
    ValueError
        If there are no rows, or the lengths differ.
    """
    if len(label) == 0 or len(label) != len(probability):
        raise ValueError(
            f"{len(label)} labels and {len(probability)} forecasts: expected equal, at least one"
        )
    clipped = np.clip(probability, _CLIP, 1.0 - _CLIP)
    loss = -np.where(label == 1, np.log(clipped), np.log1p(-clipped))
    return Metrics(
        auc=area_under_curve(label, probability),
        log_loss=float(loss.mean()),
        brier=float(((probability - label) ** 2).mean()),
        accuracy=float(((probability >= 0.5) == (label == 1)).mean()),
    )


def area_under_curve(label: NDArray[np.int8], probability: Floats) -> float:
    """Return the chance that a random 1 ranks above a random 0 (ties count half); 0.5 for one class."""
    ones = int(label.sum())
    zeros = len(label) - ones
    if ones == 0 or zeros == 0:
        return 0.5
    _, inverse, counts = np.unique(probability, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - 0.5 * (counts - 1)  # Mann-Whitney with average ranks
    rank_sum = float(mean_rank[inverse][label == 1].sum())
    return (rank_sum - 0.5 * ones * (ones + 1)) / (ones * zeros)
