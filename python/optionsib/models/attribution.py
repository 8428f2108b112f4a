"""What a fitted model's forecasts rest on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import ModelError
from optionsib.models.metrics import score

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Labels = NDArray[np.int8]
Rows = NDArray[np.intp]


def permutation_importance(
    probabilities: Callable[[Matrix], Floats],
    matrix: Matrix,
    label: Labels,
    rows: Rows,
    names: tuple[str, ...],
    *,
    seed: int,
    repeats: int = 5,
) -> dict[str, float]:
    """Return by how much the mean log loss of ``rows`` rises when a feature is shuffled over time.

    The largest first; about 0 or less: the forecasts do not need it. Correlated features share their part.
    Source: Breiman, Machine Learning 45 (2001); Fisher, Rudin and Dominici, JMLR 20 (2019), model reliance.

    Parameters
    ----------
    probabilities
        From all rows (n, k), in time order, to the probability (n,) of label 1.
    matrix, label : (n, k), (n,)
        Features and 0/1 labels.
    rows
        Those that are judged; the ones without a forecast are left out.
    seed, repeats
        Of the shuffles.

    Raises
    ------
    ModelError
        If no judged row has a forecast.
    """
    chosen = rows[np.isfinite(probabilities(matrix)[rows])]
    if len(chosen) == 0:
        raise ModelError(f"none of {len(rows)} rows has a forecast: nothing can be attributed")
    before = score(label[chosen], probabilities(matrix)[chosen]).log_loss
    generator = np.random.default_rng(seed)
    found = {}
    for k, name in enumerate(names):
        losses = []
        for _ in range(repeats):
            shuffled = matrix.copy()
            shuffled[:, k] = generator.permutation(shuffled[:, k])
            after = probabilities(shuffled)[chosen]
            losses.append(score(label[chosen], np.where(np.isfinite(after), after, 0.5)).log_loss)
        found[name] = float(np.mean(losses)) - before
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def tree_contributions(classifier: Any, matrix: Matrix, names: tuple[str, ...]) -> dict[str, float]:
    """Return the mean absolute contribution of each feature to the logit, the largest first.

    Contributions of a row and the bias add up to its logit (``pred_contribs`` of XGBoost: Lundberg, Erion and
    Lee, arXiv:1802.03888).

    Raises
    ------
    ModelError
        If there are no rows.
    """
    if len(matrix) == 0:
        raise ModelError("no rows: nothing can be attributed")
    from xgboost import DMatrix  # heavy: only where a model was trained

    found = classifier.get_booster().predict(DMatrix(matrix), pred_contribs=True)
    sizes = np.abs(found[:, : len(names)]).mean(axis=0)
    return dict(sorted(zip(names, sizes.tolist(), strict=True), key=lambda item: -item[1]))
