"""Trees, a support vector machine and a small neural network that vote on a 0/1 label, or abstain.

Each member is an ONNX artefact of its own with its own calibration, so one that is missing or broken leaves
the others voting. What is served needs onnxruntime alone; ``fit`` needs the ``train`` extra.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import ModelError
from optionsib.features.normalizer import QuantileNormalizer
from optionsib.models.card import ModelCard, Stage, card_path, digest, read_card, read_file, write_files
from optionsib.models.serving import Forecast, OnnxSession, check_card, check_rows
from optionsib.models.splits import Split

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]
Labels = NDArray[np.int8]

MEMBERS = ("trees", "vector_machine", "network")
_STATE_VERSION = 1
STATE_FILE = "ensemble.json"
_NORMALIZER_FILE = "normalizer.json"
_CLIP = 1e-6
_ROUNDING = 1e-6  # of float32 sums, beyond 0 and 1


class MemberState(msgspec.Struct, frozen=True, kw_only=True):
    """One member: its artefact's hash, and ``1 / (1 + exp(-(slope * logit + offset)))`` of its forecast."""

    sha256: str
    slope: float
    offset: float


class EnsembleState(msgspec.Struct, frozen=True, kw_only=True):
    """All of an ensemble but the artefacts themselves. Thresholds as in ``OptionStrategyEnsemble.fit``."""

    version: int = _STATE_VERSION
    feature_names: tuple[str, ...]
    normalizer_sha256: str
    members: dict[str, MemberState]
    dead_band: float
    maximum_spread: float
    minimum_members: int
    fitted_until_ns: int


@dataclass(frozen=True, slots=True)
class EnsembleForecast:
    """Forecasts of ``n`` rows.

    ``probability`` (n,) of label 1, mean of the members that are there; ``spread`` (n,) between the highest
    and the lowest of them; ``abstains`` (n,) where it must not be acted on. ``missing``: member to reason.
    """

    probability: Floats
    spread: Floats
    abstains: NDArray[np.bool_]
    members: tuple[str, ...]
    missing: Mapping[str, str]


class _Member(Protocol):
    def probabilities(self, matrix: Matrix) -> Floats: ...


class _OnnxMember:
    def __init__(self, content: bytes, name: str, state: MemberState) -> None:
        self._session = OnnxSession(content, name)
        self._state = state

    def probabilities(self, matrix: Matrix) -> Floats:
        found = self._session.probabilities(matrix)
        if (
            (found < -_ROUNDING) | (found > 1.0 + _ROUNDING)
        ).any():  # calibration would make it look like one
            raise ModelError("it gave something that is no probability")
        return calibrated(found, self._state)


class OptionStrategyEnsemble:
    """A served ensemble. Make it with ``load``; ``fit`` writes what ``load`` reads."""

    def __init__(
        self,
        state: EnsembleState,
        normalizer: QuantileNormalizer,
        members: Mapping[str, _Member],
        missing: Mapping[str, str],
        card: ModelCard | None = None,
    ) -> None:
        self.state = state
        self._card = card
        self._missing = dict(missing)
        self._normalizer = normalizer
        self._members = dict(members)

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        stage: Stage | None = None,
        features: Mapping[str, tuple[str, ...]] | None = None,
    ) -> OptionStrategyEnsemble:
        """Load the ensemble in ``folder``; members that are absent or broken are left out, by name.

        Parameters
        ----------
        stage
            What it shall be good for (see ``models.card.objections``); None = its card is not needed.
        features
            Version to names of the features that will be asked with; None = not checked.

        Raises
        ------
        ModelError
            If state or normaliser are missing or broken, less than ``minimum_members`` are whole, or it may
            not serve at ``stage``.
        MissingExtraError
            If onnxruntime is not installed.
        """
        card = None
        try:
            content = read_file(folder / STATE_FILE)
            if stage is not None:
                card = read_card(card_path(folder))
                if card.artefact_sha256 != digest(content):
                    raise ModelError(
                        f"ensemble {folder} has sha256 {digest(content)}, its card expects "
                        f"{card.artefact_sha256}: they do not belong together"
                    )
                check_card(folder, card, stage, features)
            state = msgspec.json.decode(content, type=EnsembleState)
            normalizer = QuantileNormalizer.from_bytes(
                read_file(folder / _NORMALIZER_FILE), expected_sha256=state.normalizer_sha256
            )
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ModelError(f"ensemble {folder} cannot be read: {error}") from error
        if state.version != _STATE_VERSION:
            raise ModelError(
                f"ensemble {folder} has version {state.version}, this build reads {_STATE_VERSION}"
            )
        named = {"normaliser": normalizer.state.names}
        if card is not None:
            named["card"] = card.feature_names
        for what, names in named.items():
            if names != state.feature_names:
                raise ModelError(f"ensemble {folder}: its {what} is of {names}, not of {state.feature_names}")
        if unknown := sorted(
            set(state.members) - set(MEMBERS)
        ):  # names of files: not to be followed anywhere
            raise ModelError(f"ensemble {folder} has members {unknown}: expected some of {MEMBERS}")
        members: dict[str, _Member] = {}
        missing: dict[str, str] = {}
        for name, member in state.members.items():
            try:
                content = read_file(folder / f"{name}.onnx")
                if digest(content) != member.sha256:
                    raise ModelError(f"sha256 is {digest(content)}, expected {member.sha256}")
                members[name] = _OnnxMember(content, f"{folder / name}.onnx", member)
            except (OSError, ModelError) as error:
                missing[name] = str(error)
        if len(members) < state.minimum_members:
            raise ModelError(
                f"ensemble {folder}: {len(members)} members are whole, expected {state.minimum_members}: "
                f"{missing}"
            )
        return cls(state, normalizer, members, missing, card)

    @property
    def missing(self) -> Mapping[str, str]:
        """Members that do not vote, and why."""
        return self._missing

    @property
    def card(self) -> ModelCard:
        """All that is known of it.

        Raises
        ------
        ModelError
            If it was loaded without its card.
        """
        if self._card is None:
            raise ModelError("this ensemble was loaded without its card")
        return self._card

    @property
    def model_id(self) -> str:
        """SHA-256 of ``ensemble.json``, which names the hashes of all members."""
        return self.card.artefact_sha256

    def predict(self, rows: Matrix) -> Forecast:
        """Forecast rows (n, k); errors as ``forecast``."""
        found = self.forecast(check_rows(rows, self.card))
        return Forecast(found.probability, found.abstains)

    def warm_up(self) -> None:
        """Run every member once on zeros."""
        self.forecast(np.zeros((1, len(self.state.feature_names)), dtype=np.float32))

    def forecast(self, matrix: Matrix) -> EnsembleForecast:
        """Forecast the rows of ``matrix`` (n, k), features in the order of ``state.feature_names``.

        A row without any feature (all NaN) abstains with NaN. A member that fails is left out from now on.

        Raises
        ------
        ModelError
            If the number of columns is not that of the features, or too few members are left.
        """
        rows = self._normalizer.transform(matrix)
        known = np.isfinite(rows).any(axis=1)
        found: dict[str, Floats] = {}
        for name, member in list(self._members.items()):
            try:
                answer = member.probabilities(rows) if len(rows) else np.empty(0)
                if not np.isfinite(answer[known]).all():
                    raise ModelError(f"member {name} gave a forecast that is not finite")
            except Exception as error:  # onnxruntime raises a dozen unrelated types of its own
                self._missing[name] = str(error)
                del self._members[name]
            else:
                found[name] = answer
        if len(found) < self.state.minimum_members:
            raise ModelError(
                f"{len(found)} members are left, expected {self.state.minimum_members}: {self._missing}"
            )
        votes = np.stack(list(found.values()))
        votes[:, ~known] = np.nan
        probability = votes.mean(axis=0)
        spread = votes.max(axis=0) - votes.min(axis=0)
        with np.errstate(invalid="ignore"):
            acts = (np.abs(probability - 0.5) >= self.state.dead_band) & (spread <= self.state.maximum_spread)
        return EnsembleForecast(probability, spread, ~acts, tuple(found), dict(self._missing))

    @classmethod
    def fit(
        cls,
        folder: Path,
        matrix: Matrix,
        label: Labels,
        split: Split,
        feature_names: tuple[str, ...],
        *,
        known_until_ns: int,
        seed: int,
        dead_band: float = 0.02,
        maximum_spread: float = 0.25,
        minimum_members: int = 2,
        members: Sequence[str] = MEMBERS,
    ) -> OptionStrategyEnsemble:
        """Fit on ``split.training``, calibrate on ``split.validation``, write and load the ensemble.

        Parameters
        ----------
        folder
            Where artefacts, normaliser and state go.
        matrix, label : (n, k), (n,)
            Features and 0/1 labels; NaN is a missing feature.
        known_until_ns
            When the last label was known, UTC ns.
        dead_band
            Forecasts nearer to 0.5 than this abstain; keep it wider than the members' ONNX tolerance.
        maximum_spread
            Rows on which the members differ by more abstain.

        Raises
        ------
        ModelError
            If a part lacks one of the labels, a parameter is out of range, or a member's export differs from
            the framework; nothing is written.
        MissingExtraError
            If the ``train`` extra is not installed.
        """
        from optionsib.models.ensemble_training import fit_members  # scikit-learn: only where it trains

        unknown = sorted(set(members) - set(MEMBERS))
        if unknown or not 0.0 < dead_band < 0.5 or not 1 <= minimum_members <= len(members):
            raise ModelError(
                f"members {unknown or tuple(members)}, dead_band {dead_band}, minimum_members "
                f"{minimum_members}: expected some of {MEMBERS}, between 0 and 0.5, and 1 to {len(members)}"
            )
        for part, rows in (("training", split.training), ("validation", split.validation)):
            if len(np.unique(label[rows])) < 2:
                raise ModelError(f"{part} part has {len(rows)} rows and not both labels; nothing was written")
        normalizer = QuantileNormalizer.fit(
            matrix[split.training], feature_names, known_until_ns=known_until_ns
        )
        scaled = normalizer.transform(matrix)
        fitted = fit_members(members, scaled, label, split, seed)
        state = EnsembleState(
            feature_names=feature_names,
            normalizer_sha256=normalizer.sha256,
            members={
                name: MemberState(sha256=digest(content), slope=slope, offset=offset)
                for name, (content, slope, offset) in fitted.items()
            },
            dead_band=dead_band,
            maximum_spread=maximum_spread,
            minimum_members=minimum_members,
            fitted_until_ns=known_until_ns,
        )
        text = msgspec.json.format(msgspec.json.encode(state, order="sorted"), indent=2)
        write_files(
            [
                *((folder / f"{name}.onnx", content) for name, (content, _, _) in fitted.items()),
                (folder / _NORMALIZER_FILE, normalizer.to_bytes()),
                (folder / STATE_FILE, text),
            ]
        )
        return cls.load(folder)


def calibrated(probability: Floats, state: MemberState) -> Floats:
    """Return a member's forecasts (n,) after its calibration."""
    return np.asarray(1.0 / (1.0 + np.exp(-(state.slope * logit(probability) + state.offset))))


def logit(probability: Floats) -> Floats:
    """Return the logarithm of the odds, finite for 0 and 1 too."""
    clipped = np.clip(probability, _CLIP, 1.0 - _CLIP)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))
