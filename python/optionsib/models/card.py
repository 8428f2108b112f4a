"""The model card: what a model is, what it was trained on, and what that proves.

Artefact and card are two files of one name, ``NAME.onnx`` and ``NAME.json``.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from optionsib.common.errors import ModelError

NO_PROOF = "none: one day is no proof of skill"
NO_PROOF_SIMULATED = "none: simulated days are no proof of skill"


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """One tape that a model was trained on."""

    name: str
    sha256: str
    simulated: bool
    date: str


class Metrics(msgspec.Struct, frozen=True, kw_only=True):
    """Scores on the validation part. Lower is better for ``log_loss`` and ``brier``."""

    auc: float
    log_loss: float
    brier: float
    accuracy: float


class ModelCard(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one artefact.

    ``proof`` starts with ``none`` unless skill was shown out of sample. ``baselines`` are naive rules,
    scored on the same rows as ``metrics``.
    """

    card_version: int = 1
    artefact_sha256: str
    model_type: str
    features_version: str
    feature_names: tuple[str, ...]
    label: str
    horizon_minutes: int
    training_data: tuple[DataSource, ...]
    simulated: bool
    training_rows: int
    validation_rows: int
    validation: str
    metrics: Metrics
    baselines: dict[str, Metrics]
    onnx_largest_difference: float
    onnx_tolerance: float
    seed: int
    parameters: dict[str, float | int | str]
    libraries: dict[str, str]
    proof: str

    @property
    def proven(self) -> bool:
        """True if the card claims skill out of sample."""
        return not self.proof.startswith("none")

    def encode(self) -> bytes:
        """Return the card as indented JSON with sorted keys."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=2) + b"\n"


def card_path(artefact: Path) -> Path:
    """Return where the card of ``artefact`` lies."""
    return artefact.with_suffix(".json")


def digest(content: bytes) -> str:
    """Return the SHA-256 (hex) of ``content``."""
    return hashlib.sha256(content).hexdigest()


def read_card(path: Path) -> ModelCard:
    """Read a card.

    Raises
    ------
    ModelError
        If the file is missing or is no card.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=ModelCard)
    except FileNotFoundError as error:
        raise ModelError(
            f"model card {path} is missing: an artefact without its card may not serve"
        ) from error
    except OSError as error:
        raise ModelError(f"model card {path} cannot be read: {error}") from error
    except msgspec.DecodeError as error:
        raise ModelError(f"model card {path} is broken: {error}") from error


def write_model(path: Path, content: bytes, card: ModelCard) -> None:
    """Write artefact and card; each file is whole or as before, and a pair torn by a crash does not load."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for target, data in ((path, content), (card_path(path), card.encode())):
        temporary = target.with_name(target.name + ".partial")
        temporary.write_bytes(data)
        temporary.replace(target)
