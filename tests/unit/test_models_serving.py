"""Artefact, card and vote: what does not belong together does not serve."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import msgspec
import numpy as np
import pytest

from optionsib.common.config import ModelConfig, load_config
from optionsib.common.errors import ModelError
from optionsib.common.ports import LiveModel
from optionsib.common.types import OrderLeg
from optionsib.data.memory_tape import shorten
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.features import CHAIN_FEATURES, FEATURE_NAMES, ChainFeatures, FeatureEngine, run_tape
from optionsib.models import BUNDLED_MODEL, OnnxModel, vote
from optionsib.models.card import ModelCard, card_path, digest, read_card


@pytest.fixture(scope="module")
def features() -> ChainFeatures:
    config = load_config("paper")
    engine = FeatureEngine(config.features, RateCurve.from_config(config.rates))
    return list(run_tape(shorten(SimulatedTape(seed=4), 60, 20), engine))[-1]


def rewrite(artefact: Path, **changes: object) -> None:
    card = msgspec.structs.replace(read_card(card_path(artefact)), **changes)
    card_path(artefact).write_bytes(card.encode())


# --- loading ---------------------------------------------------------------------------------------


def test_the_bundled_model_loads_and_says_that_it_proves_nothing() -> None:
    model = OnnxModel.load(BUNDLED_MODEL, stage="paper")
    assert model.model_id == digest(BUNDLED_MODEL.read_bytes())
    assert model.card.simulated
    assert not model.card.proven
    assert model.card.proof.startswith("none")
    assert set(model.card.baselines) == {"class prior", "residual mean-reverts", "residual deciles"}
    assert BUNDLED_MODEL.stat().st_size < 300_000


def test_production_refuses_an_unproven_model(artefact: Path) -> None:
    with pytest.raises(ModelError, match="no demonstrated skill"):
        OnnxModel.load(artefact, stage="live")
    rewrite(artefact, proof="12 months out of sample")
    assert OnnxModel.load(artefact, stage="live").card.proven


def test_an_artefact_that_is_not_the_cards_is_refused_naming_both(artefact: Path) -> None:
    expected = read_card(card_path(artefact)).artefact_sha256
    artefact.write_bytes(artefact.read_bytes() + b"\0")
    with pytest.raises(ModelError) as caught:
        OnnxModel.load(artefact, stage="paper")
    assert expected in str(caught.value)
    assert digest(artefact.read_bytes()) in str(caught.value)
    assert str(artefact) in str(caught.value)


def test_other_features_are_refused_naming_the_difference(artefact: Path) -> None:
    rewrite(artefact, feature_names=(*FEATURE_NAMES[:-1], "moon_phase"))
    with pytest.raises(ModelError, match=r"moon_phase.*spread_of_mid"):
        OnnxModel.load(artefact, stage="paper", features=CHAIN_FEATURES)
    rewrite(artefact, feature_names=FEATURE_NAMES[::-1])
    with pytest.raises(ModelError, match="another order"):
        OnnxModel.load(artefact, stage="paper", features=CHAIN_FEATURES)
    rewrite(artefact, feature_names=FEATURE_NAMES, features_version="0")
    with pytest.raises(ModelError, match="features version 0"):
        OnnxModel.load(artefact, stage="paper", features=CHAIN_FEATURES)


def test_missing_and_broken_files_are_named(artefact: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nowhere\.json is missing"):
        OnnxModel.load(tmp_path / "nowhere.onnx", stage="paper")
    content = b"this is no model"
    artefact.write_bytes(content)
    rewrite(artefact, artefact_sha256=digest(content))
    with pytest.raises(ModelError, match="no readable ONNX model"):
        OnnxModel.load(artefact, stage="paper")
    artefact.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        OnnxModel.load(artefact, stage="paper")
    card_path(artefact).write_bytes(b'{"\x80": 1}')
    with pytest.raises(ModelError, match="is broken"):
        OnnxModel.load(artefact, stage="paper")
    card_path(artefact).write_text('{"artefact_sha256": 3}')
    with pytest.raises(ModelError, match="is broken"):
        OnnxModel.load(artefact, stage="paper")


def test_a_card_survives_its_encoding() -> None:
    card = read_card(card_path(BUNDLED_MODEL))
    assert msgspec.json.decode(card.encode(), type=ModelCard) == card
    assert card.encode() == card_path(BUNDLED_MODEL).read_bytes()


# --- predicting ------------------------------------------------------------------------------------


def test_rows_are_independent_and_unusable_rows_are_nan(features: ChainFeatures) -> None:
    model = OnnxModel.load(BUNDLED_MODEL, stage="paper")
    matrix = features.matrix()
    together = model.predict(matrix).probability
    assert together.dtype == np.float64
    assert together.shape == (len(matrix),)
    np.testing.assert_array_equal(np.isnan(together), ~features.usable)
    alone = np.concatenate([model.predict(row[None]).probability for row in matrix])
    np.testing.assert_array_equal(together, alone)
    known = together[features.usable]
    assert known.min() >= 0.0
    assert known.max() <= 1.0
    assert model.predict(matrix[:0]).probability.shape == (0,)


def test_a_cheap_quote_is_more_likely_to_rise(features: ChainFeatures) -> None:
    model = OnnxModel.load(BUNDLED_MODEL, stage="paper")
    matrix = features.matrix()[features.usable].copy()
    columns = [FEATURE_NAMES.index(n) for n in FEATURE_NAMES[:4]]
    cheap, rich = matrix.copy(), matrix.copy()
    cheap[:, columns] -= 0.1
    rich[:, columns] += 0.1
    assert (model.predict(cheap).probability >= model.predict(rich).probability).all()
    assert model.predict(cheap).probability.mean() > model.predict(rich).probability.mean() + 0.2


def test_a_matrix_of_the_wrong_shape_is_refused() -> None:
    model = OnnxModel.load(BUNDLED_MODEL, stage="paper")
    for shape in [(3, 2), (len(FEATURE_NAMES),)]:
        with pytest.raises(ModelError, match="expected"):
            model.predict(np.zeros(shape, dtype=np.float32))


# --- voting ----------------------------------------------------------------------------------------


def cast(features: ChainFeatures, long: float, short: float, accept: float = 0.6) -> object:
    probabilities = np.full(len(features.con_id), 0.5)
    probabilities[3], probabilities[5] = long, short
    legs = (OrderLeg(int(features.con_id[3]), 1), OrderLeg(int(features.con_id[5]), -1))
    config = ModelConfig(accept_probability=accept, vote_valid_seconds=120)
    return vote("C000001", legs, features, probabilities, config, LiveModel("m" * 64, 2), features.at_ns + 5)


def test_vote_wants_the_long_leg_up_and_the_short_leg_down(features: ChainFeatures) -> None:
    for long, short, score in [(0.7, 0.3, 0.49 / 0.58), (0.5, 0.5, 0.5), (0.3, 0.7, 0.09 / 0.58)]:
        signal = cast(features, long, short)
        assert signal.score == pytest.approx(score, rel=1e-5)
        assert signal.accepts == (score >= 0.6)
        assert f"{signal.score:.3f}" in signal.reason
    known = features.at_ns
    assert (signal.made_at_ns, signal.valid_until_ns) == (known + 5, known + 120_000_000_000)
    assert (signal.model_id, signal.epoch) == ("m" * 64, 2)
    assert math.isfinite(cast(features, 1.0, 0.0).score)


def test_vote_refuses_what_it_does_not_know(features: ChainFeatures) -> None:
    for long, short, which in [(math.nan, 0.1, 3), (0.9, math.nan, 5)]:
        signal = cast(features, long, short, accept=0.0)
        assert not signal.accepts
        assert str(features.con_id[which]) in signal.reason
        assert signal.score == 0.0


def test_vote_checks_its_input(features: ChainFeatures) -> None:
    legs = (OrderLeg(int(features.con_id[3]), 1),)
    few = np.zeros(3)
    with pytest.raises(ValueError, match="3 probabilities"):
        vote("C000001", legs, features, few, ModelConfig(), LiveModel("m", 0), 0)
    enough = np.zeros(len(features.con_id))
    with pytest.raises(KeyError):
        vote("C000001", (OrderLeg(5, 1),), features, enough, ModelConfig(), LiveModel("m", 0), 0)


def test_features_are_values(features: ChainFeatures) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        features.at_ns = 0
    with pytest.raises(ValueError, match="read-only"):
        features.matrix()[0, 0] = 1.0
