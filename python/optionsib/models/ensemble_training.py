"""Fitting, calibration and export of the ensemble's members."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import MissingExtraError, ModelError
from optionsib.models.ensemble import logit
from optionsib.models.export import to_onnx as trees_to_onnx
from optionsib.models.serving import PROBABILITIES, OnnxSession
from optionsib.models.splits import Split

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Labels = NDArray[np.int8]

TOLERANCE = 5e-6  # largest difference of a probability between framework and ONNX Runtime
_OPSET = {"": 18, "ai.onnx.ml": 3}
_LARGEST_KERNEL_FIT = 4_000  # rows: a support vector machine takes time by their square


def fit_members(
    names: Sequence[str], matrix: Matrix, label: Labels, split: Split, seed: int
) -> dict[str, tuple[bytes, float, float]]:
    """Return artefact, slope and offset of the calibration of each member.

    ``matrix`` (n, k) is normalised already; NaN = missing. One thread, seeded.

    Raises
    ------
    ModelError
        If an export differs from its framework by more than ``TOLERANCE``.
    MissingExtraError
        If the ``train`` extra is not installed.
    """
    try:
        import sklearn  # noqa: F401
        import xgboost  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", error.name or "scikit-learn") from error
    generator = np.random.default_rng(seed)
    result = {}
    for name in names:
        rows = split.training
        if name == "vector_machine" and len(rows) > _LARGEST_KERNEL_FIT:
            rows = np.sort(generator.choice(rows, _LARGEST_KERNEL_FIT, replace=False))
        model = make_member(name, seed)
        model.fit(matrix[rows], label[rows])
        content = _export(name, model, matrix.shape[1])
        judged = matrix[split.validation]
        probability = model.predict_proba(judged)[:, 1].astype(np.float64)
        difference = float(np.abs(OnnxSession(content, name).probabilities(judged) - probability).max())
        if not difference <= TOLERANCE:
            raise ModelError(
                f"{name}: ONNX differs from the framework by {difference:.2e} on {len(judged)} rows, "
                f"expected at most {TOLERANCE:.0e}; nothing was written"
            )
        result[name] = (content, *calibrate(probability, label[split.validation]))
    return result


def calibrate(probability: Floats, label: Labels) -> tuple[float, float]:
    """Return slope and offset of a logistic fit of ``label`` (n,) on the logit of ``probability`` (n,).

    Platt scaling: targets are drawn in as if one more row of each label had been seen (Platt 1999).
    """
    odds = logit(probability)
    ones = float(label.sum())
    zeros = len(label) - ones
    target = np.where(label == 1, (ones + 1.0) / (ones + 2.0), 1.0 / (zeros + 2.0))
    design = np.stack([odds, np.ones_like(odds)], axis=1)
    found = np.array([1.0, 0.0])
    for _ in range(100):
        forecast = 1.0 / (1.0 + np.exp(-(design @ found)))
        weight = np.maximum(forecast * (1.0 - forecast), 1e-12)
        curvature = design.T @ (design * weight[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design.T @ (target - forecast))
        found = found + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            break
    return max(float(found[0]), 0.0), float(
        found[1]
    )  # a forecast that points the wrong way counts for nothing


def make_member(name: str, seed: int) -> Any:
    """Return the unfitted scikit-learn estimator of member ``name``."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import SVC
    from xgboost import XGBClassifier

    if name == "trees":
        return XGBClassifier(
            n_estimators=120, max_depth=3, learning_rate=0.05, subsample=0.8, colsample_bytree=0.8,
            min_child_weight=20.0, tree_method="hist", n_jobs=1, random_state=seed,
        )  # fmt: skip
    fill = SimpleImputer(strategy="constant", fill_value=0.0)  # the median: rows are normal scores
    if name == "vector_machine":
        return make_pipeline(fill, CalibratedClassifierCV(SVC(C=0.5, gamma="scale"), ensemble=False, cv=3))
    network = MLPClassifier(
        hidden_layer_sizes=(24, 12), alpha=1e-2, learning_rate_init=3e-3, max_iter=150,
        early_stopping=True, n_iter_no_change=12, random_state=seed,
    )  # fmt: skip
    return make_pipeline(fill, network)


def _export(name: str, model: Any, columns: int) -> bytes:
    if name == "trees":
        return trees_to_onnx(model, columns)
    try:
        from skl2onnx import to_onnx
        from skl2onnx.common.data_types import FloatTensorType
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", error.name or "skl2onnx") from error
    with warnings.catch_warnings():
        # It reads attributes of the support vector machine that scikit-learn is about to drop.
        warnings.simplefilter("ignore", FutureWarning)
        converted = to_onnx(
            model,
            name="optionsib",
            initial_types=[("features", FloatTensorType([None, columns]))],
            options={"zipmap": False},
            target_opset=_OPSET,
        )
    converted.doc_string = ""
    for output in list(converted.graph.output):
        if output.name != PROBABILITIES:
            converted.graph.output.remove(output)
    return bytes(converted.SerializeToString(deterministic=True))
