"""The model card: what a model is, what it was trained on, and what that proves.

A model is an artefact ``NAME.onnx`` with its card ``NAME.json`` and, where its inputs are scaled, the
normaliser ``NAME.normalizer.json``; an ensemble is a folder with ``ensemble.json`` and ``card.json``.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from optionsib.common.errors import ModelError

NO_PROOF = "none: one day is no proof of skill"
NO_PROOF_SIMULATED = "none: simulated days are no proof of skill"
NO_SKILL = "no demonstrated skill"
LARGEST_FILE = 256 * 2**20  # bytes of an artefact, a card, a normaliser
LABEL_LIMITS = {"label_dead_band": 0.0, "label_maximum_spread": math.inf}  # name to what holds without it
PASSED = "passed"  # how the text of a leak test that found no leak begins

Stage = Literal["paper", "live"]
Kind = Literal["rows", "sequence", "rule", "ensemble"]


class DataSource(msgspec.Struct, frozen=True, kw_only=True):
    """One tape or series that a model was trained on."""

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


class ModelCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that is known of one artefact.

    ``kind``: one forecast needs a row of features, a sequence of rows, or is made by a rule or by several
    models. ``input_shape`` of one forecast: (features,) or (rows, features). ``normalizer_sha256``: "" where
    inputs go in as they are. ``leak_test``: what was done to show that no feature knows the future, beginning
    with "passed"; "" = not done. ``proof`` starts with ``none`` unless skill was shown out of sample.
    ``baselines`` are naive rules, scored on the same rows as ``metrics``.
    """

    card_version: Literal[2] = 2
    name: str
    kind: Kind
    input_shape: tuple[int, ...]
    artefact_sha256: str
    normalizer_sha256: str = ""
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
    leak_test: str
    metrics: Metrics
    baselines: dict[str, Metrics]
    onnx_largest_difference: float
    onnx_tolerance: float
    seed: int
    parameters: dict[str, float | int | str | bool | None]
    libraries: dict[str, str]
    proof: str

    @property
    def model_id(self) -> str:
        """SHA-256 of what computes: the artefact; with a normaliser beside it, of both hashes together.

        An ensemble's artefact names its normaliser already.
        """
        if not self.normalizer_sha256 or self.kind == "ensemble":
            return self.artefact_sha256
        return digest((self.artefact_sha256 + self.normalizer_sha256).encode())

    @property
    def sha256(self) -> str:
        """SHA-256 of all that the card says, however its file is laid out; with ``model_id`` in it."""
        return digest(self.encode())

    @property
    def proven(self) -> bool:
        """True if the card claims skill out of sample."""
        return not self.proof.startswith("none")

    @property
    def notice(self) -> str:
        """What every view of this model's decisions has to say; "" if nothing."""
        return "" if self.proven else f"model {self.name}: {NO_SKILL} (proof: {self.proof})"

    def label_limit(self, name: str) -> float:
        """Return one of ``LABEL_LIMITS``, NaN where the card has something else than a number there."""
        value = self.parameters.get(name)
        try:
            return LABEL_LIMITS[name] if value is None else float(value)
        except ValueError:
            return math.nan

    def encode(self) -> bytes:
        """Return the card as indented JSON with sorted keys."""
        return msgspec.json.format(msgspec.json.encode(self, order="sorted"), indent=2) + b"\n"


def objections(card: ModelCard, stage: Stage) -> tuple[str, ...]:
    """Return what keeps a model of this card from serving at ``stage``; empty = nothing.

    ``paper`` needs integrity: a complete card, ONNX equal to the framework, a passed leak test. ``live``
    needs skill out of sample too.
    """
    found = [
        f"its card does not say {field}"
        for field in ("name", "model_type", "label", "validation", "training_data", "libraries", "proof")
        if not getattr(card, field)
    ]
    if card.input_shape[-1:] != (len(card.feature_names),):
        found.append(f"its input shape {card.input_shape} does not fit {len(card.feature_names)} features")
    if card.horizon_minutes < 1:
        found.append(f"its horizon is {card.horizon_minutes} minutes, expected at least 1")
    for name in LABEL_LIMITS:
        given = card.parameters.get(name)
        if given is not None and not 0.0 <= card.label_limit(name) < math.inf:
            found.append(f"its {name} is {given!r}, expected a number, 0 or more")
    if not card.onnx_largest_difference <= card.onnx_tolerance:
        found.append(
            f"ONNX differs from the framework by {card.onnx_largest_difference}, expected at most "
            f"{card.onnx_tolerance}"
        )
    if not card.leak_test.startswith(PASSED):
        found.append(f"its leak test is {card.leak_test or 'missing'!r}")
    if stage == "live" and not card.proven:
        found.append(f"{NO_SKILL} (proof: {card.proof!r})")
    return tuple(found)


def card_path(artefact: Path) -> Path:
    """Return where the card of ``artefact`` lies."""
    return artefact / "card.json" if artefact.is_dir() else artefact.with_suffix(".json")


def normalizer_path(artefact: Path) -> Path:
    """Return where the normaliser of ``artefact`` lies."""
    return artefact.with_suffix(".normalizer.json")


def digest(content: bytes) -> str:
    """Return the SHA-256 (hex) of ``content``."""
    return hashlib.sha256(content).hexdigest()


def read_file(path: Path) -> bytes:
    """Read a file of a model.

    Raises
    ------
    OSError
        If it cannot be read, is a pipe or a device, or is larger than ``LARGEST_FILE``.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{path} is no regular file")
    if found.st_size > LARGEST_FILE:
        raise OSError(f"{path} has {found.st_size:,} bytes, expected at most {LARGEST_FILE:,}")
    return path.read_bytes()


def read_card(path: Path) -> ModelCard:
    """Read a card.

    Raises
    ------
    ModelError
        If the file is missing or is no card.
    """
    try:
        return msgspec.json.decode(read_file(path), type=ModelCard)
    except FileNotFoundError as error:
        raise ModelError(
            f"model card {path} is missing: an artefact without its card may not serve"
        ) from error
    except OSError as error:
        raise ModelError(f"model card {path} cannot be read: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"model card {path} is broken: {error}") from error


def write_model(path: Path, content: bytes, card: ModelCard, normalizer: bytes = b"") -> None:
    """Write artefact, normaliser and card; each file is whole or as before; what a crash tore does not load.

    Raises
    ------
    ModelError
        If the card is of another artefact or normaliser, the names of two files are the same, or there is no
        room; nothing is written.
    """
    if card.artefact_sha256 != digest(content):
        raise ModelError(f"card {card.name} is of artefact {card.artefact_sha256}, not of {digest(content)}")
    if card.normalizer_sha256 != (digest(normalizer) if normalizer else ""):
        raise ModelError(f"card {card.name} is of another normaliser: {card.normalizer_sha256 or 'none'}")
    if card_path(path) == path:
        raise ModelError(f"an artefact named {path.name} would be overwritten by its card: expected *.onnx")
    files = [(path, content), (card_path(path), card.encode())]
    if normalizer:
        files.insert(1, (normalizer_path(path), normalizer))
    write_files(files)
    if not normalizer:
        normalizer_path(path).unlink(missing_ok=True)


def write_files(files: Sequence[tuple[Path, bytes]]) -> None:
    """Write files that belong together: all beside their places first, then all into them.

    Raises
    ------
    ModelError
        If one cannot be written; where it was for want of room, all are as before.
    """
    waiting = [(target.with_name(target.name + ".partial"), target, data) for target, data in files]
    try:
        for temporary, target, data in waiting:
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir():
                raise IsADirectoryError(f"{target} is a folder")
            temporary.write_bytes(data)
        for temporary, target, _ in waiting:
            temporary.replace(target)
    except OSError as error:
        raise ModelError(f"model {files[0][0]} cannot be written: {error}") from error
    finally:
        for temporary, _, _ in waiting:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
