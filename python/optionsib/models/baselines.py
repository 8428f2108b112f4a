"""Naive forecasts that a model has to beat before its own are worth anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import ModelError

Floats = NDArray[np.float64]
Labels = NDArray[np.int8]

_STEPS = 50


def class_prior(label: Labels, count: int) -> Floats:
    """Return the share of ones in ``label``, ``count`` times."""
    return np.full(count, float(label.mean()))


def logistic(known: Floats, label: Labels, asked: Floats, *, ridge: float = 1.0) -> Floats:
    """Return the probability (m,) of label 1 for ``asked`` (m, k) by logistic regression on ``known`` (n, k).

    Columns are standardised by ``known``; a missing value (NaN) counts as the mean. Fitted by Newton's method
    with a quadratic penalty on the slopes.

    Raises
    ------
    ModelError
        If shapes do not fit, or ``label`` (n,) has one value only.
    """
    if known.ndim != 2 or label.shape != (len(known),) or asked.shape[1:] != known.shape[1:]:
        raise ModelError(
            f"known {known.shape}, label {label.shape}, asked {asked.shape}: expected (n, k), (n,), (m, k)"
        )
    if len(np.unique(label)) < 2:
        raise ModelError(f"{len(label)} labels and not both: nothing can be learnt")
    mean, spread = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
    spread = np.where(spread > 0.0, spread, 1.0)

    def design(rows: Floats) -> Floats:
        scaled = np.nan_to_num((rows - mean) / spread)
        return np.column_stack([np.ones(len(rows)), scaled])

    x = design(known)
    penalty = np.diag([0.0, *[ridge] * known.shape[1]])
    found = np.zeros(x.shape[1])
    for _ in range(_STEPS):
        forecast = 1.0 / (1.0 + np.exp(-(x @ found)))
        weight = np.maximum(forecast * (1.0 - forecast), 1e-9)
        slope = x.T @ (label - forecast) - penalty @ found
        step = np.linalg.solve(x.T @ (x * weight[:, None]) + penalty, slope)
        found = found + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    return np.asarray(1.0 / (1.0 + np.exp(-(design(asked) @ found))))
