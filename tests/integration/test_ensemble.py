"""The ensemble: what was planted is learnt, what is shuffled is not, a broken member leaves the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from optionsib.common.errors import ModelError
from optionsib.models.card import digest
from optionsib.models.ensemble import MEMBERS, STATE_FILE, OptionStrategyEnsemble
from optionsib.models.ensemble_training import calibrate
from optionsib.models.evaluation import chance_of_no_gain, holm
from optionsib.models.splits import Split

Matrix = NDArray[np.float32]
Labels = NDArray[np.int8]
Floats = NDArray[np.float64]
Fitted = tuple[Path, OptionStrategyEnsemble]

NAMES = tuple(f"feature_{k}" for k in range(6))
ROWS, FIT, CALIBRATE = 2_400, 1_200, 1_600
SPLIT = Split(np.arange(FIT), np.arange(FIT, CALIBRATE))

pytest.importorskip("xgboost")
pytest.importorskip("skl2onnx")


def planted(seed: int, strength: float = 1.0) -> tuple[Matrix, Labels]:
    """One linear effect and one that only shows together with another feature; 2 % of the values missing."""
    generator = np.random.default_rng(seed)
    matrix = generator.standard_normal((ROWS, len(NAMES))).astype(np.float32)
    odds = strength * (1.0 * matrix[:, 0] - 0.8 * matrix[:, 1] * matrix[:, 2])
    label = (generator.random(ROWS) < 1.0 / (1.0 + np.exp(-odds))).astype(np.int8)
    matrix[generator.random(matrix.shape) < 0.02] = np.nan
    return matrix * np.array([1.0, 100.0, 1e-3, 1.0, 5.0, 1.0], dtype=np.float32), label


def gains(ensemble: OptionStrategyEnsemble, matrix: Matrix, label: Labels) -> Floats:
    """Brier loss of the share of ones less that of the ensemble, row by row of the part not used before."""
    forecast = ensemble.forecast(matrix[CALIBRATE:]).probability
    later = label[CALIBRATE:].astype(np.float64)
    share = float(label[:CALIBRATE].mean())
    return np.asarray((share - later) ** 2 - (forecast - later) ** 2)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    folder = tmp_path_factory.mktemp("ensemble")
    matrix, label = planted(1)
    return folder, OptionStrategyEnsemble.fit(folder, matrix, label, SPLIT, NAMES, known_until_ns=9, seed=3)


def test_a_planted_signal_is_found(fitted: Fitted) -> None:
    ensemble = fitted[1]
    matrix, label = planted(1)
    found = gains(ensemble, matrix, label)
    assert chance_of_no_gain(found, mean_block=1.0, seed=0, samples=1999) < 0.01
    forecast = ensemble.forecast(matrix[CALIBRATE:])
    acts = ~forecast.abstains
    assert 0.3 < acts.mean() < 1.0
    right = (forecast.probability > 0.5) == (label[CALIBRATE:] == 1)
    assert right[acts].mean() > 0.68  # 0.735 is what the planted odds themselves reach
    assert set(forecast.members) == set(MEMBERS)


def test_shuffled_labels_are_not(tmp_path: Path) -> None:
    chances = []
    for seed in range(20):
        matrix, label = planted(1)
        shuffled = np.random.default_rng(100 + seed).permutation(label)
        ensemble = OptionStrategyEnsemble.fit(
            tmp_path / str(seed), matrix, shuffled, Split(np.arange(400), np.arange(FIT, CALIBRATE)), NAMES,
            known_until_ns=0, seed=seed,
        )  # fmt: skip
        chances.append(
            chance_of_no_gain(gains(ensemble, matrix, shuffled), mean_block=1.0, seed=seed, samples=1999)
        )
    assert (holm(np.array(chances)) > 0.01).all()


def test_batches_do_not_matter(fitted: Fitted) -> None:
    ensemble = fitted[1]
    matrix, _ = planted(2)
    whole = ensemble.forecast(matrix[:300])
    for size in (1, 7, 64):
        parts = [ensemble.forecast(matrix[k : min(k + size, 300)]) for k in range(0, 300, size)]
        assert np.concatenate([part.probability for part in parts]) == pytest.approx(
            whole.probability, abs=1e-6
        )
    assert ensemble.state.dead_band > 1e-6  # so that a different batch cannot turn a decision
    assert len(ensemble.forecast(matrix[:0]).probability) == 0


def test_equal_seeds_give_equal_bytes(tmp_path: Path, fitted: Fitted) -> None:
    matrix, label = planted(1)
    again = OptionStrategyEnsemble.fit(tmp_path, matrix, label, SPLIT, NAMES, known_until_ns=9, seed=3)
    assert again.state == fitted[1].state


@pytest.mark.parametrize("harm", ["absent", "changed", "truncated"])
def test_a_missing_member_degrades(harm: str, tmp_path: Path, fitted: Fitted) -> None:
    for file in fitted[0].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    target = tmp_path / "network.onnx"
    content = target.read_bytes()
    if harm == "absent":
        target.unlink()
    else:
        target.write_bytes(content[:-50] if harm == "truncated" else content.replace(b"\x3f", b"\x40", 1))
    ensemble = OptionStrategyEnsemble.load(tmp_path)
    assert list(ensemble.missing) == ["network"]
    forecast = ensemble.forecast(planted(1)[0][CALIBRATE:])
    assert sorted(forecast.members) == ["trees", "vector_machine"]
    assert np.isfinite(forecast.probability).all()
    (tmp_path / "trees.onnx").unlink()
    with pytest.raises(ModelError, match="1 members are whole, expected 2"):
        OptionStrategyEnsemble.load(tmp_path)


def test_a_member_that_fails_while_serving_is_left_out(fitted: Fitted) -> None:
    class Broken:
        def probabilities(self, matrix: Matrix) -> Floats:
            return np.full(len(matrix), np.nan)

    whole = OptionStrategyEnsemble.load(fitted[0])
    ensemble = OptionStrategyEnsemble(
        whole.state, whole._normalizer, {**whole._members, "trees": Broken()}, {}
    )
    rows = planted(1)[0][CALIBRATE:]
    assert sorted(ensemble.forecast(rows).members) == ["network", "vector_machine"]
    assert "not finite" in ensemble.missing["trees"]
    assert sorted(ensemble.forecast(rows).members) == ["network", "vector_machine"]


def test_a_row_without_features_abstains(fitted: Fitted) -> None:
    rows = planted(1)[0][:5].copy()
    rows[2] = np.nan
    forecast = fitted[1].forecast(rows)
    assert np.isnan(forecast.probability[2])
    assert forecast.abstains[2]
    assert np.isfinite(np.delete(forecast.probability, 2)).all()


def test_calibration_equals_maximum_likelihood_and_never_turns_round() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    generator = np.random.default_rng(4)
    odds = generator.standard_normal(5_000)
    label = (generator.random(5_000) < 1.0 / (1.0 + np.exp(-(0.4 * odds + 0.3)))).astype(np.int8)
    reference = linear_model.LogisticRegression(C=1e9).fit(odds[:, None], label)
    slope, offset = calibrate(1.0 / (1.0 + np.exp(-odds)), label)
    assert slope == pytest.approx(float(reference.coef_[0, 0]), abs=2e-3)
    assert offset == pytest.approx(float(reference.intercept_[0]), abs=2e-3)
    assert calibrate(1.0 / (1.0 + np.exp(odds)), label)[0] == 0.0


def test_bad_input_is_named(tmp_path: Path, fitted: Fitted) -> None:
    matrix, label = planted(1)
    with pytest.raises(ModelError, match="training part has 0 rows"):
        OptionStrategyEnsemble.fit(
            tmp_path, matrix, label, Split(np.arange(0), np.arange(9)), NAMES, known_until_ns=0, seed=1
        )
    with pytest.raises(ModelError, match="forest"):
        OptionStrategyEnsemble.fit(
            tmp_path, matrix, label, SPLIT, NAMES, known_until_ns=0, seed=1, members=("trees", "forest")
        )
    assert not any(tmp_path.iterdir())
    with pytest.raises(ModelError, match="cannot be read"):
        OptionStrategyEnsemble.load(tmp_path)
    with pytest.raises(ModelError, match="expected \\(n, 6\\)"):
        fitted[1].forecast(matrix[:, :4])


def broken_member() -> bytes:
    """A member that answers 7 instead of a probability."""
    import onnx

    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "zeros"], ["nothing"]),
            helper.make_node("Add", ["nothing", "seven"], ["probabilities"]),
        ],
        "seven",
        [helper.make_tensor_value_info("features", kind, [None, len(NAMES)])],
        [helper.make_tensor_value_info("probabilities", kind, [None, 2])],
        [
            helper.make_tensor("zeros", kind, [len(NAMES), 2], [0.0] * 2 * len(NAMES)),
            helper.make_tensor("seven", kind, [1, 2], [7.0, 7.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return bytes(model.SerializeToString())


def changed(fitted: Fitted, folder: Path, **changes: object) -> Path:
    shutil.copytree(fitted[0], folder)
    state = msgspec.structs.replace(fitted[1].state, **changes)
    (folder / STATE_FILE).write_bytes(msgspec.json.encode(state))
    return folder


def test_a_member_that_gives_no_probability_has_no_vote(fitted: Fitted, tmp_path: Path) -> None:
    content = broken_member()
    members = fitted[1].state.members
    spoilt = msgspec.structs.replace(members["network"], sha256=digest(content))
    folder = changed(fitted, tmp_path / "spoilt", members=members | {"network": spoilt})
    (folder / "network.onnx").write_bytes(content)
    found = OptionStrategyEnsemble.load(folder).forecast(planted(1)[0][:5])
    assert "network" not in found.members
    assert "no probability" in found.missing["network"]


def test_a_state_of_other_features_is_refused(fitted: Fitted, tmp_path: Path) -> None:
    folder = changed(fitted, tmp_path / "other", feature_names=NAMES[::-1])
    with pytest.raises(ModelError, match="its normaliser is of"):
        OptionStrategyEnsemble.load(folder)


def test_a_member_is_no_path(fitted: Fitted, tmp_path: Path) -> None:
    members = fitted[1].state.members
    folder = changed(fitted, tmp_path / "away", members=members | {"../trees": members["trees"]})
    shutil.copy(fitted[0] / "trees.onnx", tmp_path / "trees.onnx")
    with pytest.raises(ModelError, match="expected some of"):
        OptionStrategyEnsemble.load(folder)
