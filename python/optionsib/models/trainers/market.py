"""Trainers on market days: the recurrent network and the regimes."""

from __future__ import annotations

import datetime as dt
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import ModelError
from optionsib.data.daily import MarketDays, load_market_days, simulated_market_days, to_date
from optionsib.features.daily import (
    DAILY_FEATURE_NAMES,
    DAILY_FEATURES_VERSION,
    LabelledDays,
    daily_features,
    direction_labels,
    labelled_days,
    volatility_labels,
)
from optionsib.features.leak_test import leak_test_days
from optionsib.models.attribution import permutation_importance
from optionsib.models.baselines import class_prior, logistic
from optionsib.models.card import NO_PROOF_SIMULATED, DataSource, ModelCard, digest, write_files, write_model
from optionsib.models.evaluation import calibration
from optionsib.models.market_lstm import TOLERANCE, EpochScores, MarketLSTM
from optionsib.models.regimes import MarketRegimeClassifier
from optionsib.models.splits import Split
from optionsib.models.trainers.configs import DailyTraining, LstmTraining, RegimesTraining
from optionsib.models.trainers.run import NO_SKILL_GATE, Outcome, Run, judge

Floats = NDArray[np.float64]
HAR = ("volatility_1", "volatility_5", "volatility_22")
_SESSION_MINUTES = 390
_LEAK_TEST_DAYS = 200
_LIBRARIES = ("numpy", "torch", "onnx", "onnxscript", "onnxruntime")


def market_days(config: DailyTraining, run: Run) -> MarketDays:
    """Return the sessions that ``config`` asks for.

    Raises
    ------
    ModelError
        If there are none between its dates.
    """
    if config.simulated_days:
        days = simulated_market_days(run.seed, config.simulated_days)
    else:
        days = load_market_days(run.data)
    days = days.between(config.first or dt.date.min, config.last or dt.date.max)
    if len(days) == 0:
        raise ModelError(f"no sessions between {config.first} and {config.last}")
    run.tell(f"{len(days)} sessions, {to_date(days.date[0])} to {to_date(days.date[-1])}: {days.source}")
    return days


def train_lstm(config: LstmTraining, run: Run) -> Outcome:
    """Fit on the earlier sessions, end by later ones, judge by the last, export, check and write.

    Raises
    ------
    ModelError
        If a part lacks one of the labels, the export differs from torch, or a leak is found.
    MissingExtraError
        If an extra is not installed.
    """
    days = market_days(config, run)
    labels = (volatility_labels if config.label == "volatility" else direction_labels)(days, config.horizon)
    rows = labelled_days(daily_features(days), labels)
    split, judged = _parts(rows, config)
    run.tell(f"{len(split.training)} rows to fit, {len(split.validation)} to end by, {len(judged)} to judge")
    leaks = leak_test_days(daily_features, _some(days), mutations=16, seed=run.seed)
    run.tell(f"leak test {leaks}")

    def told(scores: EpochScores) -> None:
        run.tell(
            f"epoch {scores.epoch:3d} of {scores.epochs}: log loss {scores.training:.4f}, on validation "
            f"{scores.validation:.4f}, best {scores.best:.4f}"
        )

    network = MarketLSTM.fit(
        rows.matrix, rows.label, split, DAILY_FEATURE_NAMES,
        window=config.window,
        known_until_ns=int(rows.known_at_ns[split.training[-1]]),
        seed=run.seed,
        epochs=config.epochs,
        patience=config.patience,
        hidden=config.hidden,
        dropout=config.dropout,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        checkpoint=run.checkpoint,
        progress=told,
    )  # fmt: skip
    content, difference = network.to_onnx(rows.matrix)
    forecast = network.probabilities(rows.matrix)
    scores, gains = judge(
        "lstm", rows.label[judged], forecast[judged], daily_baselines(rows, split.training, judged),
        mean_block=2.0 * config.horizon, seed=run.seed,
    )  # fmt: skip
    proof = NO_PROOF_SIMULATED if days.simulated else NO_SKILL_GATE
    card = ModelCard(
        name=run.out.stem,
        kind="sequence",
        input_shape=(config.window, len(DAILY_FEATURE_NAMES)),
        artefact_sha256=digest(content),
        normalizer_sha256=network.normalizer.sha256,
        model_type="LSTM with one layer and a logistic head, exported to ONNX",
        features_version=f"daily {DAILY_FEATURES_VERSION}",
        feature_names=DAILY_FEATURE_NAMES,
        label=labels.meaning,
        horizon_minutes=config.horizon * _SESSION_MINUTES,
        training_data=(
            DataSource(
                name=days.source, sha256=days.sha256, simulated=days.simulated,
                date=f"{to_date(days.date[0])} to {to_date(days.date[-1])}",
            ),
        ),
        simulated=days.simulated,
        training_rows=len(split.training),
        validation_rows=len(judged),
        validation=(
            f"the last {config.test_fraction:.0%} of the sessions, judged once; the fit ended by the "
            f"{config.validation_fraction:.0%} before them; rows whose label looks past a cut are purged"
        ),
        leak_test=leaks,
        metrics=scores[0].metrics,
        baselines={one.name: one.metrics for one in scores[1:]},
        onnx_largest_difference=difference,
        onnx_tolerance=TOLERANCE,
        seed=run.seed,
        parameters=config.model_dump(mode="json"),
        libraries={name: version(name) for name in _LIBRARIES},
        proof=proof,
    )  # fmt: skip
    write_model(run.out, content, card, network.normalizer.to_bytes())
    run.tell("what the forecasts rest on")
    return Outcome(
        name="lstm",
        artefact=run.out,
        simulated=days.simulated,
        proof=proof,
        data=days.sha256,
        card=card,
        scores=scores,
        gains=gains,
        curves=network.curves,
        calibration=calibration(rows.label[judged], forecast[judged], bins=10),
        attribution=permutation_importance(
            network.probabilities,
            rows.matrix,
            rows.label,
            judged,
            DAILY_FEATURE_NAMES,
            seed=run.seed,
            repeats=2,
        ),
        attribution_by="rise of the log loss of the judged rows when a feature is shuffled",
        facts={"kept epoch": str(network.best_epoch), "leak test": leaks},
    )


def daily_baselines(
    rows: LabelledDays, training: NDArray[np.intp], judged: NDArray[np.intp]
) -> dict[str, Floats]:
    """Return naive forecasts of the judged rows, each fitted on the training rows."""
    label = rows.label[training]

    def by(*names: str) -> Floats:
        columns = [DAILY_FEATURE_NAMES.index(name) for name in names]
        chosen = rows.matrix[:, columns].astype(np.float64)
        return logistic(chosen[training], label, chosen[judged])

    return {
        "class prior": class_prior(label, len(judged)),
        "volatility reverts": by("volatility_5_of_22"),
        "HAR terms": by(*HAR),
        "VIX over realised": by("vix_of_volatility_22"),
        "all features, linear": by(*DAILY_FEATURE_NAMES),
    }


def train_regimes(config: RegimesTraining, run: Run) -> Outcome:
    """Fit regimes on the earlier returns and filter the later ones with them; write the state as JSON.

    Raises
    ------
    ModelError
        If there are too few rows, or they do not vary.
    """
    days = market_days(config, run)
    returns = days.sp500_returns
    known = np.flatnonzero(np.isfinite(returns))
    if len(known) == 0:
        raise ModelError(f"{len(days)} sessions have no return: expected 20 or more a regime to fit")
    cut = known[int(len(known) * (1.0 - config.test_fraction))]
    fitted, later = known[known < cut], known[known >= cut]
    classifier = MarketRegimeClassifier.fit(
        returns[fitted],
        known_until_ns=int(days.known_at_ns[fitted[-1]]),
        regimes=config.regimes,
        noise=config.noise,
        dwell=config.dwell,
        switch_probability=config.switch_probability,
        sure_probability=config.sure_probability,
        restarts=config.restarts,
        seed=run.seed,
    )
    filtered = classifier.filtered(returns[known])
    labels = classifier.labels(filtered)
    on_later = labels[-len(later) :]
    years = len(later) / 252.0
    state = classifier.state
    spread = [float(np.std(returns[later][on_later == k]) * 252.0**0.5) for k in range(config.regimes)]
    facts: dict[str, str] = {
        "fitted": f"{len(fitted)} returns to {to_date(days.date[fitted[-1]])}",
        "judged": f"{len(later)} returns from {to_date(days.date[later[0]])}, filtered only",
        "switches a year": f"{np.count_nonzero(np.diff(on_later)) / years:.2f}",
        "noise": state.noise,
        "evidence for regimes": f"{state.evidence:+.0f} (BIC of a single one less BIC of these)",
    }
    for k in range(config.regimes):
        facts[f"regime {k}"] = (
            f"scale {state.scale[k][0]:.4f} a day, stays with {state.transition[k][k]:.4f}; later it held "
            f"{np.mean(on_later == k):.1%} of the time, with returns of {spread[k]:.1%} a year"
        )
    artefact = run.out.with_suffix(".json")
    write_files([(artefact, classifier.to_bytes())])
    density = _log_density_gain(classifier, returns, fitted, later, filtered[len(fitted) :])
    return Outcome(
        name="regimes",
        artefact=artefact,
        simulated=days.simulated,
        proof=NO_PROOF_SIMULATED if days.simulated else NO_SKILL_GATE,
        data=days.sha256,
        card=None,
        gains=density,
        curves={f"filtered probability of regime {config.regimes - 1}": filtered[:, -1].tolist()},
        facts=facts
        | {"log density a day over one regime": f"{density.mean():+.4f} (a normal law of the fitted part)"},
    )


def _log_density_gain(
    classifier: MarketRegimeClassifier,
    returns: Floats,
    fitted: NDArray[np.intp],
    later: NDArray[np.intp],
    filtered: Floats,
) -> Floats:
    """Return, for each later return, the log density of the one-step forecast less that of one normal law."""
    before = classifier.filtered(returns[fitted])[-1]
    mean, spread = float(returns[fitted].mean()), float(returns[fitted].std())
    found = []
    for k, row in enumerate(later):
        ahead = (before if k == 0 else filtered[k - 1]) @ np.array(classifier.state.transition)
        z = (returns[row] - mean) / spread
        plain = -0.5 * z * z - np.log(spread) - 0.5 * np.log(2.0 * np.pi)
        found.append(classifier.log_density(ahead, returns[row : row + 1]) - plain)
    return np.array(found)


def _parts(rows: LabelledDays, config: LstmTraining) -> tuple[Split, NDArray[np.intp]]:
    """Cut in time: to fit, to end by, to judge; labels of one part are known before the next begins."""
    count = len(rows.label)
    test = int(count * (1.0 - config.test_fraction))
    validation = int(count * (1.0 - config.test_fraction - config.validation_fraction))
    if validation <= config.window:
        raise ModelError(f"{count} rows with a label: too few for a window of {config.window}")
    number = np.arange(count)
    training = number[(number < validation) & (rows.label_at_ns < rows.known_at_ns[validation])]
    ending = number[(number >= validation) & (number < test) & (rows.label_at_ns < rows.known_at_ns[test])]
    return Split(training, ending), number[test:]


def _some(days: MarketDays) -> MarketDays:
    """Return the last sessions: enough for a leak test."""
    few = days.date[-min(len(days), _LEAK_TEST_DAYS)]
    return days.between(to_date(few), to_date(days.date[-1]))
