"""Training: finds what is there, does not find what is not, and gives the same bytes again."""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from optionsib.common.config import TrainingConfig, load_config
from optionsib.common.errors import ModelError
from optionsib.data.historical.lean import LeanTape
from optionsib.data.memory_tape import shorten
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.features import FEATURE_NAMES, ChainFeatures, FeatureEngine, run_tape
from optionsib.models import BUNDLED_MODEL, OnnxModel
from optionsib.models.card import ModelCard, card_path, read_card
from optionsib.models.dataset import LabelledRows, label_rows, split_purged
from optionsib.models.export import TOLERANCE, largest_difference, to_onnx
from optionsib.models.metrics import area_under_curve, score
from optionsib.models.train import SIMULATED_SEEDS, fit_classifier, train, train_command

pytest.importorskip("xgboost", reason="needs the train extra")
pytest.importorskip("onnxmltools", reason="needs the train extra")

CONFIG = load_config("paper")
DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[3] / "shared" / "data"))
TWX = DATA / "lean/option/usa/minute/twx"
MINUTE = 60_000_000_000


def rows(rule: Callable[[np.ndarray], np.ndarray], n: int = 6000, seed: int = 1) -> LabelledRows:
    generator = np.random.default_rng(seed)
    matrix = generator.normal(size=(n, len(FEATURE_NAMES))).astype(np.float32)
    matrix[generator.random(matrix.shape) < 0.05] = np.nan
    chance = rule(np.nan_to_num(matrix))
    return LabelledRows(matrix, (generator.random(n) < chance).astype(np.int8), np.arange(n, dtype=np.int64))


def planted(matrix: np.ndarray) -> np.ndarray:
    change = matrix[:, FEATURE_NAMES.index("residual_change_5")]
    return 1.0 / (1.0 + np.exp(-1.5 * change))


def test_planted_signal_is_learnt_and_shuffled_labels_are_not() -> None:
    fitted, fresh = rows(planted), rows(planted, seed=2)
    classifier = fit_classifier(fitted, TrainingConfig(), seed=7)
    truth = area_under_curve(fresh.label, planted(np.nan_to_num(fresh.matrix)))
    found = area_under_curve(fresh.label, classifier.predict_proba(fresh.matrix)[:, 1])
    assert truth > 0.75
    assert found > truth - 0.02
    shuffled = np.random.default_rng(3).permutation(fitted.label)
    nothing = fit_classifier(dataclasses.replace(fitted, label=shuffled), TrainingConfig(), seed=7)
    # Under chance the area is 0.5 with standard deviation of about 1 / sqrt(3 n) = 0.0075.
    assert area_under_curve(fresh.label, nothing.predict_proba(fresh.matrix)[:, 1]) == pytest.approx(
        0.5, abs=0.03
    )


@pytest.mark.parametrize("seed", [0, 7])
def test_onnx_equals_the_framework_also_on_missing_and_extreme_values(seed: int) -> None:
    fitted = rows(planted, n=3000)
    classifier = fit_classifier(fitted, TrainingConfig(minimum_child_weight=5, depth=4), seed)
    content = to_onnx(classifier, len(FEATURE_NAMES))
    probe = rows(planted, n=2000, seed=9).matrix.copy()
    probe[:200] *= 1e6
    probe[200:400] = np.nan
    probe[400:600] = 0.0
    assert largest_difference(classifier, content, probe) <= TOLERANCE
    assert content == to_onnx(
        fit_classifier(fitted, TrainingConfig(minimum_child_weight=5, depth=4), seed), 11
    )


def test_an_export_that_differs_is_refused() -> None:
    one, other = rows(planted, n=2000), rows(lambda m: np.full(len(m), 0.3), n=2000)
    content = to_onnx(fit_classifier(one, TrainingConfig(minimum_child_weight=5), 1), len(FEATURE_NAMES))
    stranger = fit_classifier(other, TrainingConfig(minimum_child_weight=5), 1)
    with pytest.raises(ModelError, match="differs from XGBoost"):
        largest_difference(stranger, content, one.matrix)


def day(seed: int, minutes: int = 120) -> list[ChainFeatures]:
    engine = FeatureEngine(CONFIG.features, RateCurve.from_config(CONFIG.rates))
    return list(run_tape(shorten(SimulatedTape(seed), 30, minutes), engine))


def test_labels_say_what_the_card_says() -> None:
    steps = day(3, minutes=40)
    config = TrainingConfig()
    found = label_rows(steps, config)
    first = steps[0]
    later = next(f for f in steps if f.at_ns == first.at_ns + config.horizon_minutes * MINUTE)
    change = later.price_residual - first.price_residual
    told = (np.abs(change) >= 0.005) & (first.spread <= 0.5)
    of_first = found.at_ns == first.at_ns
    np.testing.assert_array_equal(found.matrix[of_first], first.matrix()[told])
    np.testing.assert_array_equal(found.label[of_first], change[told] > 0)
    assert not np.isnan(found.matrix[:, 1]).any()
    # Nothing is labelled that the tape does not answer.
    assert found.at_ns.max() + config.horizon_minutes * MINUTE <= steps[-1].at_ns


def test_training_rows_never_see_the_validation_part() -> None:
    found = label_rows(day(3), TrainingConfig())
    earlier, later = split_purged(found, 0.7, 15)
    assert earlier.at_ns.max() + 15 * MINUTE <= later.at_ns.min()
    assert len(earlier.label) + len(later.label) < len(found.label)  # something was purged


def test_scores_agree_with_their_definition() -> None:
    label = np.array([0, 0, 1, 1, 1], dtype=np.int8)
    forecast = np.array([0.1, 0.6, 0.6, 0.4, 0.9])
    found = score(label, forecast)
    pairs = [(a > b) + 0.5 * (a == b) for a in forecast[label == 1] for b in forecast[label == 0]]
    assert found.auc == pytest.approx(np.mean(pairs))
    assert found.brier == pytest.approx(np.mean((forecast - label) ** 2))
    assert found.accuracy == pytest.approx(3 / 5)
    sklearn = pytest.importorskip("sklearn.metrics")
    assert found.log_loss == pytest.approx(sklearn.log_loss(label, forecast))
    assert found.auc == pytest.approx(sklearn.roc_auc_score(label, forecast))
    with pytest.raises(ValueError, match="at least one"):
        score(label[:0], forecast[:0])


def test_nothing_is_written_when_nothing_can_be_learnt(tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    arguments = {"features": CONFIG.features, "rates": CONFIG.rates, "seed": 1}
    with pytest.raises(ModelError, match="no days"):
        train([], TrainingConfig(), out, **arguments)
    short = shorten(SimulatedTape(3), 30, 10)  # shorter than the label's horizon
    with pytest.raises(ModelError, match="0 rows"):
        train([short], TrainingConfig(), out, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_training_again_gives_the_bundled_model(tmp_path: Path) -> None:
    committed = read_card(card_path(BUNDLED_MODEL))
    card = train_command(None, None, committed.seed, tmp_path / "again.onnx")
    again = (
        "run `python -m optionsib.models.train python/optionsib/models/artefacts/simulated.onnx` and commit"
    )
    assert card.training_data == committed.training_data, f"the simulated days have changed: {again}"
    assert card.parameters == committed.parameters, f"the training parameters have changed: {again}"
    for name in ("auc", "log_loss", "brier", "accuracy"):
        expected = getattr(committed.metrics, name)
        assert getattr(card.metrics, name) == pytest.approx(expected, abs=0.01), name
    if card.libraries == committed.libraries and card.artefact_sha256 != committed.artefact_sha256:
        # Equal libraries on another processor may round a feature differently: then say by how much.
        probe = rows(planted, n=2000).matrix * 0.05
        ours = OnnxModel.load(BUNDLED_MODEL, stage="paper").predict(probe).probability
        theirs = OnnxModel.load(tmp_path / "again.onnx", stage="paper").predict(probe).probability
        assert np.abs(ours - theirs).max() < 0.05, f"same libraries, other trees: {again}"
    assert committed.metrics.auc > committed.baselines["residual mean-reverts"].auc
    assert committed.metrics.log_loss < committed.baselines["class prior"].log_loss
    assert len(committed.training_data) == len(SIMULATED_SEEDS)


@pytest.mark.tape
@pytest.mark.skipif(not TWX.is_dir(), reason=f"no recorded quotes in {TWX}")
def test_training_on_the_recorded_day_is_deterministic_and_honest(tmp_path: Path) -> None:
    cards: list[ModelCard] = [
        train_command(str(TWX), dt.date(2014, 6, 5), 7, tmp_path / f"{i}.onnx") for i in range(2)
    ]
    assert msgspec.structs.replace(cards[1], name="0") == cards[0]
    assert (tmp_path / "0.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()
    assert not cards[0].simulated
    assert cards[0].proof == "none: one day is no proof of skill"
    assert cards[0].training_data[0].sha256 == LeanTape(TWX, dt.date(2014, 6, 5)).sha256
    assert cards[0].metrics.log_loss < cards[0].baselines["class prior"].log_loss
