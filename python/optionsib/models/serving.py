"""Serving of ONNX models: an artefact that does not match its card does not serve."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import MissingExtraError, ModelError
from optionsib.features import FEATURE_NAMES, FEATURES_VERSION
from optionsib.models.card import ModelCard, card_path, digest, read_card

BUNDLED_MODEL = Path(__file__).parent / "artefacts" / "simulated.onnx"  # trained on simulated days
PROBABILITIES = "probabilities"  # name of the output that holds P(label = 0), P(label = 1)


class OnnxModel:
    """A checked model, ready to predict. Make it with ``load``."""

    def __init__(self, card: ModelCard, session: Any) -> None:
        self.card = card
        self._session = session
        self._input = session.get_inputs()[0].name

    @classmethod
    def load(cls, path: Path, *, allow_unproven: bool) -> OnnxModel:
        """Load ``path`` and the card beside it.

        Parameters
        ----------
        path
            The artefact, ``*.onnx``.
        allow_unproven
            False refuses a model whose card does not claim skill out of sample.

        Raises
        ------
        ModelError
            If a file is missing or broken, artefact and card do not belong together, the model was
            trained on other features than this build computes, or it is unproven and that is not allowed.
        """
        card = read_card(card_path(path))
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"model artefact {path} cannot be read: {error}") from error
        found = digest(content)
        if found != card.artefact_sha256:
            raise ModelError(
                f"model artefact {path} has sha256 {found}, its card {card_path(path)} expects "
                f"{card.artefact_sha256}: they do not belong together, no model was loaded"
            )
        _check_features(path, card)
        if not (card.proven or allow_unproven):
            raise ModelError(
                f"model {path} has no demonstrated skill (proof: {card.proof!r}) and this environment "
                "serves proven models only (model.allow_unproven is false)"
            )
        return cls(card, open_session(content, str(path)))

    @property
    def model_id(self) -> str:
        """SHA-256 of the artefact."""
        return self.card.artefact_sha256

    def live_model_id(self) -> str | None:
        """Return the SHA-256 of the artefact that may vote now (``ModelDirectory``)."""
        return self.model_id

    def probabilities(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability that each row's residual rises, float32 (n,).

        A row without any feature (all NaN) gives NaN; single missing features are the model's to judge.

        Raises
        ------
        ModelError
            If ``matrix`` is not (n, number of features).
        """
        if matrix.ndim != 2 or matrix.shape[1] != len(self.card.feature_names):
            raise ModelError(
                f"feature matrix has shape {matrix.shape}, expected (n, {len(self.card.feature_names)})"
            )
        if len(matrix) == 0:
            return np.empty(0, dtype=np.float32)
        rows = np.ascontiguousarray(matrix, dtype=np.float32)
        (output,) = self._session.run([PROBABILITIES], {self._input: rows})
        answer = np.array(output[:, 1], dtype=np.float32)
        answer[np.isnan(rows).all(axis=1)] = np.nan
        return answer


def open_session(content: bytes, name: str) -> Any:
    """Open an ONNX Runtime session on the CPU with one thread.

    Raises
    ------
    MissingExtraError
        If onnxruntime is not installed.
    ModelError
        If ``content`` is no model, or has no output of class probabilities.
    """
    try:
        import onnxruntime  # heavy: only where a model is served
    except ModuleNotFoundError as error:
        raise MissingExtraError("infer", "onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen unrelated types of its own
        raise ModelError(f"model artefact {name} is no readable ONNX model: {error}") from error
    outputs = [output.name for output in session.get_outputs()]
    if PROBABILITIES not in outputs:
        raise ModelError(f"model artefact {name} has outputs {outputs}, expected one named {PROBABILITIES!r}")
    return session


def _check_features(path: Path, card: ModelCard) -> None:
    if card.features_version != FEATURES_VERSION:
        raise ModelError(
            f"model {path} was trained on features version {card.features_version}, this build computes "
            f"version {FEATURES_VERSION}: train it again"
        )
    if card.feature_names != FEATURE_NAMES:
        theirs, ours = set(card.feature_names), set(FEATURE_NAMES)
        raise ModelError(
            f"model {path} expects other features than this build computes: only in the card "
            f"{sorted(theirs - ours)}, only in this build {sorted(ours - theirs)}"
            + ("" if theirs != ours else " (same names in another order)")
        )
