"""Trainers on option chains: residual trees, the ensemble, and rules registered as models."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from optionsib.common.config import Config, load_config
from optionsib.common.errors import ModelError
from optionsib.common.ports import QuoteTape
from optionsib.common.types import MINUTE_NS
from optionsib.data.rates import RateCurve
from optionsib.data.tapes import day_before, latest_day_with_predecessor, open_tape
from optionsib.features import FEATURE_NAMES, FEATURES_VERSION, FeatureEngine, run_tape
from optionsib.models.attribution import permutation_importance, tree_contributions
from optionsib.models.card import (
    NO_PROOF,
    NO_PROOF_SIMULATED,
    Kind,
    Metrics,
    ModelCard,
    card_path,
    digest,
    write_files,
    write_model,
)
from optionsib.models.dataset import LABEL, LabelledRows, join, label_rows, split_purged
from optionsib.models.ensemble import MEMBERS, STATE_FILE, OptionStrategyEnsemble
from optionsib.models.ensemble_training import TOLERANCE as MEMBER_TOLERANCE
from optionsib.models.evaluation import calibration
from optionsib.models.export import TOLERANCE, rule_to_onnx
from optionsib.models.serving import OnnxSession
from optionsib.models.splits import Split
from optionsib.models.train import (
    SIMULATED_SEEDS,
    chain_leak_test,
    naive_forecasts,
    source_of,
    train,
)
from optionsib.models.trainers.configs import (
    ChainTraining,
    EnsembleTraining,
    ResidualTraining,
    RuleTraining,
)
from optionsib.models.trainers.run import Outcome, Run, judge

Floats = NDArray[np.float64]

_ATTRIBUTED_ROWS = 1_000
_BLOCK_ROWS = 400.0  # rows of neighbouring minutes tell of the same quotes


def train_residual(config: ResidualTraining, run: Run) -> Outcome:
    """Train the trees that the daemon serves by default; errors as ``models.train.train``."""
    settings = load_config("paper")
    if run.data is None:
        days = _simulated(config, run)
    else:
        date = config.date or day_before(run.data, latest_day_with_predecessor(run.data))
        days = [open_tape(run.data, date=date, seed=run.seed)]
    for day in days:
        run.tell(f"{day.name}: {'simulated' if day.simulated else 'recorded'}")
    found = train(
        days, settings.training, run.out, features=settings.features, rates=settings.rates, seed=run.seed
    )
    told = found.classifier.evals_result()
    few = found.validation.matrix[_spread(len(found.validation.label), _ATTRIBUTED_ROWS)]
    naive = naive_forecasts(found.training, found.validation)
    scores, gains = judge(
        "residual", found.validation.label, found.probability, naive,
        mean_block=_BLOCK_ROWS, seed=run.seed,
    )  # fmt: skip
    return Outcome(
        name="residual",
        artefact=run.out,
        simulated=found.card.simulated,
        proof=found.card.proof,
        data=",".join(day.sha256 for day in days),
        card=found.card,
        scores=scores,
        gains=gains,
        curves={
            "training": told["validation_0"]["logloss"],
            "validation": told["validation_1"]["logloss"],
        },
        calibration=calibration(found.validation.label, found.probability, bins=10),
        attribution=tree_contributions(found.classifier, few, FEATURE_NAMES),
        attribution_by="mean absolute contribution to the logit (pred_contribs)",
        facts={"leak test": found.card.leak_test},
    )


def train_ensemble(config: EnsembleTraining, run: Run) -> Outcome:
    """Fit on the days but the last, calibrate on their later part, judge by the last; write a folder.

    Raises
    ------
    ModelError
        If a part has no rows of both labels, or an export differs from its framework.
    MissingExtraError
        If an extra is not installed.
    """
    settings = load_config("paper")
    days = _days_and_one(config, run)
    rows = [_labelled(day, settings, run) for day in days]
    parts = [
        split_purged(one, settings.training.training_fraction, settings.training.horizon_minutes)
        for one in rows[:-1]
    ]
    fitted, calibrated = join([one for one, _ in parts]), join([one for _, one in parts])
    fitted, calibrated = _thinned(fitted, config.rows), _thinned(calibrated, config.rows)
    judged = rows[-1]
    together = join([fitted, calibrated])
    split = Split(np.arange(len(fitted.label)), np.arange(len(fitted.label), len(together.label)))
    known_until = int(together.at_ns.max(initial=0)) + settings.training.horizon_minutes * MINUTE_NS
    run.tell(
        f"{len(fitted.label)} rows to fit, {len(calibrated.label)} to calibrate, {len(judged.label)} to judge"
    )
    with tempfile.TemporaryDirectory(prefix="optionsib-") as aside:  # what stands stays until all is judged
        ensemble = OptionStrategyEnsemble.fit(
            Path(aside), together.matrix, together.label, split, FEATURE_NAMES,
            known_until_ns=known_until,
            seed=run.seed,
            dead_band=config.dead_band,
            maximum_spread=config.maximum_spread,
            minimum_members=config.minimum_members,
        )  # fmt: skip
        files = {file.name: file.read_bytes() for file in Path(aside).iterdir()}
    forecast = ensemble.forecast(judged.matrix)
    known = np.isfinite(forecast.probability)
    judged, probability = judged.where(known), forecast.probability[known]
    scores, gains = judge(
        "ensemble", judged.label, probability, naive_forecasts(fitted, judged),
        mean_block=_BLOCK_ROWS, seed=run.seed,
    )  # fmt: skip
    acted = ~forecast.abstains[known]
    few = _spread(len(judged.label), _ATTRIBUTED_ROWS)
    curve = RateCurve.from_config(settings.rates)
    card = _card(
        run, settings, days, "ensemble",
        model_type=f"mean of calibrated members ({', '.join(MEMBERS)}), each exported to ONNX",
        artefact_sha256=digest(files[STATE_FILE]),
        normalizer_sha256=ensemble.state.normalizer_sha256,
        rows=(len(fitted.label), len(judged.label)),
        validation=f"{days[-1].name}, a day after all that was fitted or calibrated on",
        leak_test=chain_leak_test(days[0], settings.features, curve),
        metrics=(scores[0].metrics, {one.name: one.metrics for one in scores[1:]}),
        difference=(MEMBER_TOLERANCE, MEMBER_TOLERANCE),  # each member was held to it
        parameters=config.model_dump(mode="json"),
    )  # fmt: skip
    run.tell("what the forecasts rest on")
    attribution = permutation_importance(
        lambda matrix: ensemble.forecast(matrix).probability, judged.matrix[few], judged.label[few],
        np.arange(len(few)), FEATURE_NAMES, seed=run.seed, repeats=2,
    )  # fmt: skip
    run.out.mkdir(parents=True, exist_ok=True)
    files[card_path(run.out).name] = card.encode()
    write_files([(run.out / name, content) for name, content in files.items()])
    return Outcome(
        name="ensemble",
        artefact=run.out,
        simulated=card.simulated,
        proof=card.proof,
        data=",".join(day.sha256 for day in days),
        card=card,
        scores=scores,
        gains=gains,
        calibration=calibration(judged.label, probability, bins=10),
        attribution=attribution,
        attribution_by="rise of the log loss when a feature is shuffled",
        facts={
            "acts on": f"{acted.mean():.1%} of the judged rows; elsewhere members differ or are near 0.5",
            "right where it acts": f"{np.mean((probability[acted] > 0.5) == judged.label[acted]):.1%}"
            if acted.any()
            else "it never acts",
            "leak test": card.leak_test,
        },
    )


def train_rule(config: RuleTraining, run: Run) -> Outcome:
    """Write a rule as a model with its own card, judged as a model is.

    Raises
    ------
    ModelError
        If a weight is of no feature.
    MissingExtraError
        If onnx is not installed.
    """
    settings = load_config("paper")
    weights = rule_weights(config.weights)
    before, *days = _days_and_one(config, run)[-2:]
    known = _labelled(before, settings, run)
    judged = _labelled(days[0], settings, run)
    content = rule_to_onnx(weights, config.offset)
    logit = np.nan_to_num(judged.matrix).astype(np.float64) @ weights + config.offset
    expected = 1.0 / (1.0 + np.exp(-logit))
    probability = OnnxSession(content, run.out.name).probabilities(judged.matrix)
    difference = float(np.abs(probability - expected).max(initial=0.0))
    scores, gains = judge(
        "rule", judged.label, probability, naive_forecasts(known, judged),
        mean_block=_BLOCK_ROWS, seed=run.seed,
    )  # fmt: skip
    curve = RateCurve.from_config(settings.rates)
    words = " ".join(f"{weight:+g} {name}" for name, weight in config.weights.items())
    card = _card(
        run, settings, days, "rule",
        model_type=f"logistic of {config.offset:g} {words}; nothing was learnt",
        artefact_sha256=digest(content),
        normalizer_sha256="",
        rows=(0, len(judged.label)),
        validation=f"all of {days[0].name}; what the baselines know is of {before.name}",
        leak_test=chain_leak_test(days[0], settings.features, curve),
        metrics=(scores[0].metrics, {one.name: one.metrics for one in scores[1:]}),
        difference=(difference, TOLERANCE),
        parameters={
            **{f"weight of {name}": weight for name, weight in config.weights.items()},
            "offset": config.offset,
        },
    )  # fmt: skip
    write_model(run.out, content, card)
    return Outcome(
        name="rule",
        artefact=run.out,
        simulated=card.simulated,
        proof=card.proof,
        data=",".join(day.sha256 for day in days),
        card=card,
        scores=scores,
        gains=gains,
        calibration=calibration(judged.label, probability, bins=10),
        attribution={
            name: float(np.nanmean(np.abs(weights[k] * judged.matrix[:, k])))
            for k, name in enumerate(FEATURE_NAMES)
            if weights[k]
        },
        attribution_by="mean absolute part of the logit",
        facts={"rule": words, "leak test": card.leak_test},
    )


def rule_weights(weights: Mapping[str, float]) -> Floats:
    """Return the weight (k,) of each feature of a chain; 0 where none is named."""
    unknown = sorted(set(weights) - set(FEATURE_NAMES))
    if unknown or not weights:
        raise ModelError(f"weights of {unknown or 'nothing'}: expected some of {', '.join(FEATURE_NAMES)}")
    return np.array([weights.get(name, 0.0) for name in FEATURE_NAMES])


def _simulated(config: ChainTraining, run: Run) -> list[QuoteTape]:
    first = SIMULATED_SEEDS[0]
    return [open_tape(None, date=None, seed=first + number) for number in range(config.days)]


def _days_and_one(config: ChainTraining, run: Run) -> list[QuoteTape]:
    """Days to fit and one more to judge."""
    if run.data is None:
        return [*_simulated(config, run), open_tape(None, date=None, seed=SIMULATED_SEEDS[0] + config.days)]
    last = config.date or latest_day_with_predecessor(run.data)
    dates = (day_before(run.data, last), last)
    return [open_tape(run.data, date=date, seed=run.seed) for date in dates]


def _labelled(day: QuoteTape, settings: Config, run: Run) -> LabelledRows:
    engine = FeatureEngine(settings.features, RateCurve.from_config(settings.rates))
    rows = label_rows(run_tape(day, engine), settings.training)
    run.tell(f"{day.name}: {len(rows.label)} rows, {'simulated' if day.simulated else 'recorded'}")
    if len(np.unique(rows.label)) < 2:
        raise ModelError(f"{day.name} has {len(rows.label)} rows and not both labels; nothing was written")
    return rows


def _spread(count: int, most: int) -> NDArray[np.intp]:
    """Row numbers, at most ``most``, evenly over ``count``."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def _thinned(rows: LabelledRows, most: int) -> LabelledRows:
    chosen = np.zeros(len(rows.label), dtype=np.bool_)
    chosen[_spread(len(rows.label), most)] = True
    return rows.where(chosen)


def _card(
    run: Run,
    settings: Config,
    days: list[QuoteTape],
    kind: Kind,
    *,
    model_type: str,
    artefact_sha256: str,
    normalizer_sha256: str,
    rows: tuple[int, int],
    validation: str,
    leak_test: str,
    metrics: tuple[Metrics, dict[str, Metrics]],
    difference: tuple[float, float],
    parameters: dict[str, float | int | str | bool | None],
) -> ModelCard:
    training = settings.training
    simulated = any(day.simulated for day in days)
    libraries = ["numpy", "onnx", "onnxruntime"]
    if kind == "ensemble":
        libraries += ["scikit-learn", "skl2onnx", "xgboost-cpu"]
    return ModelCard(
        name=run.out.stem,
        kind=kind,
        input_shape=(len(FEATURE_NAMES),),
        artefact_sha256=artefact_sha256,
        normalizer_sha256=normalizer_sha256,
        model_type=model_type,
        features_version=FEATURES_VERSION,
        feature_names=FEATURE_NAMES,
        label=LABEL.format(
            horizon=training.horizon_minutes, dead_band=training.dead_band, spread=training.maximum_spread
        ),
        horizon_minutes=training.horizon_minutes,
        training_data=tuple(source_of(day) for day in days),
        simulated=simulated,
        training_rows=rows[0],
        validation_rows=rows[1],
        validation=validation,
        leak_test=leak_test,
        metrics=metrics[0],
        baselines=metrics[1],
        onnx_largest_difference=difference[0],
        onnx_tolerance=difference[1],
        seed=run.seed,
        parameters=parameters
        | {"label_dead_band": str(training.dead_band), "label_maximum_spread": str(training.maximum_spread)},
        libraries={name: version(name) for name in libraries},
        proof=NO_PROOF_SIMULATED if simulated else NO_PROOF,
    )
