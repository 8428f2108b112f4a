"""Serving of ONNX models: what does not belong together does not serve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import MissingExtraError, ModelError
from optionsib.features.normalizer import QuantileNormalizer
from optionsib.models.card import (
    ModelCard,
    Stage,
    card_path,
    digest,
    normalizer_path,
    objections,
    read_card,
    read_file,
)

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]

BUNDLED_MODEL = Path(__file__).parent / "artefacts" / "simulated.onnx"  # trained on simulated days
PROBABILITIES = "probabilities"  # name of the output that holds P(label = 0), P(label = 1)


@dataclass(frozen=True, slots=True)
class Forecast:
    """``probability`` (n,) of label 1, NaN where there is none; ``abstains`` (n,) where not to act on it."""

    probability: Floats
    abstains: NDArray[np.bool_]


class ServedModel(Protocol):
    """What the daemon asks: one artefact, or several that vote."""

    @property
    def card(self) -> ModelCard:
        """All that is known of it."""
        ...

    @property
    def missing(self) -> Mapping[str, str]:
        """Parts that do not serve, and why; the card's figures are of the whole."""
        ...

    @property
    def model_id(self) -> str:
        """``ModelCard.model_id``: another one computes something else."""
        ...

    def predict(self, rows: Matrix) -> Forecast:
        """Forecast ``rows`` (n, ...) of the input shape."""
        ...

    def warm_up(self) -> None:
        """Run once, so that the first forecast that counts is not the slow one."""
        ...


class OnnxSession:
    """An open artefact on one thread; input and output tensors stay bound while their shape stays.

    Raises
    ------
    MissingExtraError
        If onnxruntime is not installed.
    ModelError
        If ``content`` is no model of one input, or has no output of class probabilities.
    """

    def __init__(self, content: bytes, name: str) -> None:
        try:
            import onnxruntime  # heavy: only where a model is served
        except ModuleNotFoundError as error:
            raise MissingExtraError("infer", "onnxruntime") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises a dozen unrelated types of its own
            raise ModelError(f"model artefact {name} is no readable ONNX model: {error}") from error
        outputs = [output.name for output in self._session.get_outputs()]
        inputs = [one.name for one in self._session.get_inputs()]
        if PROBABILITIES not in outputs or len(inputs) != 1:
            raise ModelError(
                f"model artefact {name} has inputs {inputs} and outputs {outputs}, expected one input and an "
                f"output named {PROBABILITIES!r}"
            )
        self._name = name
        self._input = inputs[0]
        self._value: Any = onnxruntime.OrtValue.ortvalue_from_numpy
        self._rows: Matrix = np.empty(0, dtype=np.float32)
        self._found: Matrix = np.empty((0, 2), dtype=np.float32)
        self._binding: Any = None

    def probabilities(self, rows: Matrix) -> Floats:
        """Return the probability (n,) of label 1 for ``rows`` (n, ...).

        Raises
        ------
        ModelError
            If the model cannot compute them.
        """
        if len(rows) == 0:
            return np.empty(0)
        try:
            if self._binding is None or rows.shape != self._rows.shape:
                self._bind(rows.shape)
            self._rows[...] = rows
            self._session.run_with_iobinding(self._binding)
        except Exception as error:  # as above
            self._binding = None
            raise ModelError(f"model {self._name} failed on rows of shape {rows.shape}: {error}") from error
        return self._found[:, 1].astype(np.float64)

    def _bind(self, shape: tuple[int, ...]) -> None:
        """Share memory of this shape with the runtime: nothing is allocated or copied by it later."""
        self._rows = np.zeros(shape, dtype=np.float32)
        self._found = np.zeros((shape[0], 2), dtype=np.float32)
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(self._input, self._value(self._rows))
        self._binding.bind_ortvalue_output(PROBABILITIES, self._value(self._found))


class OnnxModel:
    """A checked artefact with its card and normaliser, ready to predict. Make it with ``load``."""

    def __init__(self, card: ModelCard, session: OnnxSession, normalizer: QuantileNormalizer | None) -> None:
        self.card = card
        self._session = session
        self._normalizer = normalizer

    @classmethod
    def load(
        cls, path: Path, *, stage: Stage, features: Mapping[str, tuple[str, ...]] | None = None
    ) -> OnnxModel:
        """Load ``path``, the card beside it and the normaliser that the card names.

        Parameters
        ----------
        path
            The artefact, ``*.onnx``.
        stage
            What it shall be good for (see ``models.card.objections``).
        features
            Version to names of the features that will be asked with; None = not checked.

        Raises
        ------
        ModelError
            If a file is missing or broken, the files do not belong together, the model was trained on other
            features, or it may not serve at this stage.
        """
        card = read_card(card_path(path))
        content = _read(path, "artefact", card.artefact_sha256)
        normalizer = None
        if card.normalizer_sha256:
            beside = normalizer_path(path)
            normalizer = QuantileNormalizer.from_bytes(_read(beside, "normaliser", card.normalizer_sha256))
            if normalizer.state.names != card.feature_names:
                raise ModelError(
                    f"normaliser {beside} scales {normalizer.state.names}, not the card's features"
                )
        check_card(path, card, stage, features)
        return cls(card, OnnxSession(content, str(path)), normalizer)

    @property
    def model_id(self) -> str:
        """``ModelCard.model_id``."""
        return self.card.model_id

    @property
    def missing(self) -> Mapping[str, str]:
        """Nothing: one artefact serves whole or not at all."""
        return {}

    def predict(self, rows: Matrix) -> Forecast:
        """Forecast ``rows`` (n, ...) of the input shape, float32.

        A forecast without any feature (all NaN; in a sequence: a step of it) is NaN and abstains; single
        missing features are the model's to judge.

        Raises
        ------
        ModelError
            If the shape is not the card's, or the model gives something else than probabilities.
        """
        rows = check_rows(rows, self.card)
        unknown = np.isnan(rows).all(axis=-1)
        unknown = unknown.any(axis=-1) if unknown.ndim == 2 else unknown
        scaled = rows
        if self._normalizer is not None:
            scaled = self._normalizer.transform(rows.reshape(-1, rows.shape[-1])).reshape(rows.shape)
        found = self._session.probabilities(scaled)
        known = found[~unknown]
        if not ((known >= 0.0) & (known <= 1.0)).all():
            raise ModelError(f"model {self.card.name} gave something that is no probability")
        found[unknown] = np.nan
        return Forecast(found, np.asarray(unknown))

    def warm_up(self) -> None:
        """Run once on zeros."""
        self.predict(np.zeros((1, *self.card.input_shape), dtype=np.float32))


def load_served(
    path: Path, *, stage: Stage, features: Mapping[str, tuple[str, ...]] | None = None
) -> ServedModel:
    """Load an artefact, or the ensemble in a folder. Parameters and errors as ``OnnxModel.load``."""
    if path.is_dir():
        from optionsib.models.ensemble import OptionStrategyEnsemble  # it needs this module

        return OptionStrategyEnsemble.load(path, stage=stage, features=features)
    return OnnxModel.load(path, stage=stage, features=features)


def check_rows(rows: Matrix, card: ModelCard) -> Matrix:
    """Return ``rows`` as float32, or raise ``ModelError`` where it is not (n, ...) of the input shape."""
    if rows.shape[1:] != card.input_shape:
        expected = ", ".join(map(str, card.input_shape))
        raise ModelError(f"feature matrix has shape {rows.shape}, expected (n, {expected})")
    return np.ascontiguousarray(rows, dtype=np.float32)


def check_card(
    path: Path, card: ModelCard, stage: Stage, features: Mapping[str, tuple[str, ...]] | None
) -> None:
    """Raise ``ModelError`` where a model may not serve at ``stage``, or was trained on other features."""
    if features is not None:
        _check_features(path, card, features)
    if found := objections(card, stage):
        raise ModelError(f"model {path} may not serve at stage {stage}: {'; '.join(found)}")


def _check_features(path: Path, card: ModelCard, features: Mapping[str, tuple[str, ...]]) -> None:
    names = features.get(card.features_version)
    if names is None:
        raise ModelError(
            f"model {path} was trained on features version {card.features_version}, this build computes "
            f"version {', '.join(features)}: train it again"
        )
    if card.feature_names != names:
        theirs, ours = set(card.feature_names), set(names)
        raise ModelError(
            f"model {path} expects other features than this build computes: only in the card "
            f"{sorted(theirs - ours)}, only in this build {sorted(ours - theirs)}"
            + ("" if theirs != ours else " (same names in another order)")
        )


def _read(path: Path, what: str, expected: str) -> bytes:
    try:
        content = read_file(path)
    except OSError as error:
        raise ModelError(f"model {what} {path} cannot be read: {error}") from error
    found = digest(content)
    if found != expected:
        raise ModelError(
            f"model {what} {path} has sha256 {found}, its card expects {expected}: they do not belong "
            "together, no model was loaded"
        )
    return content
