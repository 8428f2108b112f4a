"""Training of the residual classifier: tapes in, ONNX artefact and card out.

Deterministic: one thread, histogram trees, seeded; equal tapes, seed and library versions give equal
bytes. ``python -m optionsib.models.train OUT.onnx`` trains on simulated days,
``--tape FOLDER --date DAY`` on a recorded one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.common.config import FeaturesConfig, RatesConfig, TrainingConfig, load_config
from optionsib.common.errors import MissingExtraError, ModelError
from optionsib.common.ports import QuoteTape
from optionsib.data.memory_tape import shorten
from optionsib.data.rates import RateCurve
from optionsib.features import FEATURE_NAMES, FEATURES_VERSION, FeatureEngine, run_tape
from optionsib.features.leak_test import leak_test_tape
from optionsib.models.card import (
    NO_PROOF,
    NO_PROOF_SIMULATED,
    DataSource,
    ModelCard,
    digest,
    write_model,
)
from optionsib.models.dataset import LABEL, LabelledRows, join, label_rows, split_purged
from optionsib.models.export import TOLERANCE, largest_difference, to_onnx
from optionsib.models.metrics import score

SIMULATED_SEEDS = (900_001, 900_002, 900_003)  # far from the seeds that people choose for a demo
_LEAK_TEST_FROM, _LEAK_TEST_MINUTES = 30, 30
_RESIDUAL = FEATURE_NAMES.index("residual_in_spreads")
_DIRECTIONS = {  # a richer quote can only make a rise less likely, a heavier bid only more likely
    "volatility_residual": -1,
    "price_residual": -1,
    "residual_in_spreads": -1,
    "residual_less_mean": -1,
    "size_imbalance": 1,
}
_LIBRARIES = ("numpy", "xgboost-cpu", "onnx", "onnxmltools", "onnxruntime")


@dataclass(frozen=True, slots=True)
class TrainedTrees:
    """A written model with what it was made of."""

    card: ModelCard
    classifier: Any
    training: LabelledRows
    validation: LabelledRows
    probability: NDArray[np.float64]


def train(
    days: Sequence[QuoteTape],
    config: TrainingConfig,
    out: Path,
    *,
    features: FeaturesConfig,
    rates: RatesConfig,
    seed: int,
) -> TrainedTrees:
    """Fit on the earlier part of each day, validate on the later part, export, check and write.

    The artefact is the model that was validated: it is not fitted again on all rows.

    Parameters
    ----------
    days
        Tapes of one chain layout each; days are independent of each other.
    out
        Artefact to write, ``*.onnx``; the card goes beside it.

    Raises
    ------
    ModelError
        If a part has no rows of both labels, or the export differs from the framework; nothing is written.
    MissingExtraError
        If the ``train`` extra is not installed.
    """
    if not days:
        raise ModelError("no days to train on: expected at least one tape")
    curve = RateCurve.from_config(rates)
    fitted, validated = [], []
    for day in days:
        rows = label_rows(run_tape(day, FeatureEngine(features, curve)), config)
        earlier, later = split_purged(rows, config.training_fraction, config.horizon_minutes)
        fitted.append(earlier)
        validated.append(later)
    training, validation = join(fitted), join(validated)
    for name, part in (("training", training), ("validation", validation)):
        if len(np.unique(part.label)) < 2:
            raise ModelError(
                f"{name} part of {', '.join(day.name for day in days)} has {len(part.label)} rows and not "
                "both labels: nothing can be learnt, nothing was written"
            )
    classifier = fit_classifier(training, config, seed, validation)
    content = to_onnx(classifier, len(FEATURE_NAMES))
    difference = largest_difference(classifier, content, validation.matrix)
    probability = classifier.predict_proba(validation.matrix)[:, 1].astype(np.float64)
    card = ModelCard(
        name=out.stem,
        kind="rows",
        input_shape=(len(FEATURE_NAMES),),
        artefact_sha256=digest(content),
        model_type="XGBoost gradient-boosted trees, binary classifier, exported to ONNX",
        features_version=FEATURES_VERSION,
        feature_names=FEATURE_NAMES,
        label=LABEL.format(
            horizon=config.horizon_minutes, dead_band=config.dead_band, spread=config.maximum_spread
        ),
        horizon_minutes=config.horizon_minutes,
        training_data=tuple(source_of(day) for day in days),
        simulated=any(day.simulated for day in days),
        training_rows=len(training.label),
        validation_rows=len(validation.label),
        validation=(
            f"last {1.0 - config.training_fraction:.0%} of each day; rows whose label looks past the cut "
            "are purged from training"
        ),
        leak_test=chain_leak_test(days[0], features, curve),
        metrics=score(validation.label, probability),
        baselines={
            name: score(validation.label, forecast)
            for name, forecast in naive_forecasts(training, validation).items()
        },
        onnx_largest_difference=difference,
        onnx_tolerance=TOLERANCE,
        seed=seed,
        parameters=_parameters(config),
        libraries={name: version(name) for name in _LIBRARIES},
        proof=NO_PROOF_SIMULATED if any(day.simulated for day in days) else NO_PROOF,
    )
    write_model(out, content, card)
    return TrainedTrees(card, classifier, training, validation, probability)


def train_command(
    tape: str | None,
    date: dt.date | None,
    seed: int,
    out: Path,
    *,
    environment: str = "paper",
    config_directory: Path | None = None,
) -> ModelCard:
    """Train on the recorded day ``date`` of folder ``tape``, or on simulated days without a folder.

    Without ``date``, the day before the latest one in the folder is taken: the latest is the one to trade.
    ``seed`` seeds the trees; the simulated days are always the same.

    Raises
    ------
    DataError
        If the tape is missing or broken.
    ModelError
        See ``train``.
    """
    from optionsib.data.tapes import day_before, latest_day_with_predecessor, open_tape

    config = load_config(environment, config_directory)
    days: list[QuoteTape]
    if tape is None:
        days = [open_tape(None, date=date, seed=number) for number in SIMULATED_SEEDS]
    else:
        folder = Path(tape).expanduser()
        days = [
            open_tape(folder, date=date or day_before(folder, latest_day_with_predecessor(folder)), seed=seed)
        ]
    return train(days, config.training, out, features=config.features, rates=config.rates, seed=seed).card


def fit_classifier(
    rows: LabelledRows, config: TrainingConfig, seed: int, judged: LabelledRows | None = None
) -> Any:
    """Fit an XGBClassifier on ``rows``, single-threaded and seeded.

    With ``judged`` it keeps the log loss of both after each round; the trees are the same.

    Raises
    ------
    MissingExtraError
        If xgboost is not installed.
    """
    try:
        import sklearn  # noqa: F401  (XGBClassifier is nothing without it)
        from xgboost import XGBClassifier  # heavy: only where a model is trained
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", error.name or "xgboost") from error
    classifier = XGBClassifier(
        n_estimators=config.trees,
        max_depth=config.depth,
        learning_rate=config.learning_rate,
        min_child_weight=config.minimum_child_weight,
        subsample=config.subsample,
        colsample_bytree=config.column_sample,
        objective="binary:logistic",
        monotone_constraints=tuple(_DIRECTIONS.get(name, 0) for name in FEATURE_NAMES),
        tree_method="hist",
        n_jobs=1,
        random_state=seed,
    )
    watched = None if judged is None else [(one.matrix, one.label) for one in (rows, judged)]
    classifier.fit(rows.matrix, rows.label, eval_set=watched, verbose=False)
    return classifier


def naive_forecasts(training: LabelledRows, validation: LabelledRows) -> dict[str, NDArray[np.float64]]:
    """Forecast ``validation`` by rules that need no model; their frequencies come from ``training``.

    ``class prior``: the share of rises. ``residual mean-reverts``: the share of rises on either side of
    zero residual. ``residual deciles``: the share of rises in each tenth of the residual in spreads.
    """

    def by_group(edges: NDArray[np.float64]) -> NDArray[np.float64]:
        known = np.searchsorted(edges, training.matrix[:, _RESIDUAL], side="right")
        ones = np.bincount(known, weights=training.label, minlength=len(edges) + 1)
        share = (ones + 1.0) / (np.bincount(known, minlength=len(edges) + 1) + 2.0)
        return np.asarray(share[np.searchsorted(edges, validation.matrix[:, _RESIDUAL], side="right")])

    deciles = np.quantile(training.matrix[:, _RESIDUAL].astype(np.float64), np.arange(1, 10) / 10.0)
    return {
        "class prior": np.full(len(validation.label), float(training.label.mean())),
        "residual mean-reverts": by_group(np.array([0.0])),
        "residual deciles": by_group(deciles),
    }


def chain_leak_test(day: QuoteTape, features: FeaturesConfig, curve: RateCurve) -> str:
    """Mutate later quotes of some minutes of a day, and see whether any feature knew them."""
    window = shorten(day, _LEAK_TEST_FROM, _LEAK_TEST_MINUTES)
    return leak_test_tape(lambda tape: run_tape(tape, FeatureEngine(features, curve)), window, mutations=8)


def source_of(day: QuoteTape) -> DataSource:
    """Return what the card says of a day."""
    moment = dt.datetime.fromtimestamp(day.session_open_ns // 1_000_000_000, tz=dt.UTC)
    return DataSource(
        name=day.name, sha256=day.sha256, simulated=day.simulated, date=moment.date().isoformat()
    )


def _parameters(config: TrainingConfig) -> dict[str, float | int | str | bool | None]:
    names = {"dead_band": "label_dead_band", "maximum_spread": "label_maximum_spread"}
    return {names.get(name, name): value for name, value in config.model_dump(mode="json").items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from the command line."""
    parser = argparse.ArgumentParser(prog="python -m optionsib.models.train", description=__doc__)
    parser.add_argument("out", type=Path, help="artefact to write, NAME.onnx; the card NAME.json goes beside")
    parser.add_argument("--tape", help="folder of recorded quotes; simulated days without it")
    parser.add_argument("--date", type=dt.date.fromisoformat, help="day to train on")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args(arguments)
    card = train_command(options.tape, options.date, options.seed, options.out)
    sys.stdout.write(card.encode().decode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
