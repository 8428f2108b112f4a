"""From a fitted XGBoost classifier to ONNX bytes that are the same whenever the trees are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import MissingExtraError, ModelError
from optionsib.models.serving import PROBABILITIES, OnnxSession

TARGET_OPSET = 15
_IR_VERSION = 8
TOLERANCE = 1e-5  # largest difference of a probability between XGBoost and ONNX Runtime (float32 sums)


def to_onnx(classifier: Any, features: int) -> bytes:
    """Convert ``classifier`` (XGBClassifier on ``features`` columns) to a serialised ONNX model."""
    try:
        from onnxmltools import convert_xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", error.name or "onnxmltools") from error
    model = convert_xgboost(
        classifier,
        name="optionsib",
        initial_types=[("features", FloatTensorType([None, features]))],
        target_opset=TARGET_OPSET,
    )
    model.doc_string = ""
    for output in list(model.graph.output):
        if output.name != PROBABILITIES:  # the label is 1 where the probability says so
            model.graph.output.remove(output)
    return bytes(model.SerializeToString(deterministic=True))


def rule_to_onnx(weights: NDArray[np.float64], offset: float) -> bytes:
    """Return the logistic of ``offset`` and weighted features (k,), missing ones counting 0, as ONNX.

    Raises
    ------
    MissingExtraError
        If onnx is not installed.
    """
    try:
        from onnx import TensorProto, helper
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "onnx") from error
    kind, columns = TensorProto.FLOAT, len(weights)
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features"], ["known"]),
        helper.make_node("MatMul", ["known", "weights"], ["sum"]),
        helper.make_node("Add", ["sum", "offset"], ["logits"]),
        helper.make_node("Softmax", ["logits"], [PROBABILITIES], axis=1),
    ]
    logits = np.stack([np.zeros(columns), weights], axis=1)
    constants = [
        helper.make_tensor("zero", kind, [1], [0.0]),
        helper.make_tensor("weights", kind, [columns, 2], logits.ravel().tolist()),
        helper.make_tensor("offset", kind, [1, 2], [0.0, offset]),
    ]
    graph = helper.make_graph(
        nodes,
        "optionsib",
        [helper.make_tensor_value_info("features", kind, ["rows", columns])],
        [helper.make_tensor_value_info(PROBABILITIES, kind, ["rows", 2])],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", TARGET_OPSET)], ir_version=_IR_VERSION
    )
    return bytes(model.SerializeToString(deterministic=True))


def largest_difference(classifier: Any, content: bytes, rows: NDArray[np.float32]) -> float:
    """Return the largest difference of a probability between framework and ONNX on ``rows``.

    Raises
    ------
    ModelError
        If it exceeds ``TOLERANCE``.
    """
    found = OnnxSession(content, "to be checked").probabilities(rows)
    difference = float(np.abs(found - classifier.predict_proba(rows)[:, 1]).max(initial=0.0))
    if not difference <= TOLERANCE:
        raise ModelError(
            f"exported model differs from XGBoost by {difference:.2e} on {len(rows)} rows, "
            f"expected at most {TOLERANCE:.0e}; nothing was written"
        )
    return difference
