"""Strategies from regimes, forecasts and chance: what each gives, when it abstains, what it refuses."""

from __future__ import annotations

import datetime as dt
import sys
from decimal import Decimal

import msgspec
import numpy as np
import pytest
from tests.chains import FlatCurve, chain

from optionsib.common.config import FeaturesConfig
from optionsib.common.errors import DataError, MissingExtraError, ModelError
from optionsib.common.strategy_data import (
    ByDelta,
    EntryWindow,
    ForecastHolds,
    ForecastReading,
    Meaning,
    QuotesNarrow,
    RegimeHolds,
    RegimeReading,
    StopLoss,
    StrategyData,
)
from optionsib.features import FeatureEngine
from optionsib.models import BUNDLED_MODEL, OnnxModel
from optionsib.models.generators import (
    Abstention,
    Situation,
    generate_ai_strategy,
    get_available_generators,
    read_forecast,
    read_regime,
)
from optionsib.models.parameters import Number
from optionsib.models.regimes import MarketRegimeClassifier
from optionsib.strategies.selected_legs import NotSelected, SelectedLegs, select_legs

HASH = "0a" * 32
SITUATION = Situation(underlying="X", known_at_ns=10, data_sha256=HASH)


def regime(*probability: float) -> Situation:
    reading = RegimeReading(probability=probability, model="01" * 32, known_at_ns=9)
    return msgspec.structs.replace(SITUATION, regime=reading)


def forecast(probability: float, meaning: Meaning = "direction", *, abstains: bool = False) -> Situation:
    reading = ForecastReading(
        meaning=meaning, probability=probability, abstains=abstains, model="23" * 32, known_at_ns=9
    )
    return msgspec.structs.replace(SITUATION, forecast=reading)


def strategy(situation: Situation, generator: str, **parameters: float | str) -> StrategyData:
    made = generate_ai_strategy(situation, generator=generator, seed=0, parameters=parameters)
    assert isinstance(made, StrategyData), made
    return made


def test_calm_sells_insured_premium_and_turbulence_buys_insurance() -> None:
    calm = strategy(regime(0.9, 0.1), "regime")
    assert calm.structure == "iron_condor"
    assert [(leg.right, leg.ratio) for leg in calm.legs] == [("P", 1), ("P", -1), ("C", 1), ("C", -1)]
    assert [leg.strike for leg in calm.legs[:2]] == [ByDelta(delta=0.1), ByDelta(delta=0.25)]
    assert calm.entry == (
        RegimeHolds(regime=0, probability=0.8),
        EntryWindow(not_before=dt.time(9, 45), not_after=dt.time(15)),
        QuotesNarrow(maximum_leg_spread=Decimal("0.2")),
    )
    assert any(isinstance(rule, StopLoss) for rule in calm.exits)
    assert calm.models == ("01" * 32,)
    wild = strategy(regime(0.05, 0.05, 0.9), "regime")
    assert wild.structure == "long_strangle"
    assert wild.entry[0] == RegimeHolds(regime=2, probability=0.8)
    assert all(leg.ratio > 0 for leg in wild.legs)
    assert not any(isinstance(rule, StopLoss) for rule in wild.exits)
    hedge = strategy(regime(0.1, 0.9), "regime", turbulent_structure="put_debit_vertical")
    assert [(leg.right, leg.ratio, leg.strike) for leg in hedge.legs] == [
        ("P", 1, ByDelta(delta=0.25)),
        ("P", -1, ByDelta(delta=0.1)),
    ]


def test_an_unclear_regime_abstains_with_its_probabilities() -> None:
    found = generate_ai_strategy(regime(0.6, 0.4), generator="regime", seed=0)
    assert isinstance(found, Abstention)
    assert "0.8: 0.600, 0.400" in found.reason


@pytest.mark.parametrize(
    ("probability", "meaning", "structure", "direction"),
    [
        (0.7, "direction", "call_debit_vertical", "up"),
        (0.3, "direction", "put_debit_vertical", "down"),
        (0.7, "volatility", "long_strangle", "up"),
        (0.3, "volatility", "iron_condor", "down"),
    ],
)
def test_the_forecast_decides_the_structure(
    probability: float, meaning: Meaning, structure: str, direction: str
) -> None:
    made = strategy(forecast(probability, meaning), "forecast")
    assert made.structure == structure
    entry = made.entry[0]
    assert isinstance(entry, ForecastHolds)
    assert (entry.meaning, entry.direction, entry.probability) == (meaning, direction, 0.55)


def test_no_strategy_from_a_model_that_abstains_or_is_unsure() -> None:
    silent = generate_ai_strategy(forecast(0.9, abstains=True), generator="forecast", seed=0)
    assert silent == Abstention(generator="forecast", reason="the model abstains")
    unsure = generate_ai_strategy(forecast(0.48), generator="forecast", seed=0)
    assert isinstance(unsure, Abstention)
    assert "0.520, expected 0.55" in unsure.reason


def test_chance_draws_every_structure_and_depends_on_the_seed_alone() -> None:
    drawn = [generate_ai_strategy(regime(0.9, 0.1), generator="random", seed=seed) for seed in range(60)]
    structures = {made.structure for made in drawn if isinstance(made, StrategyData)}
    assert len(structures) == 6
    plain = generate_ai_strategy(SITUATION, generator="random", seed=7)
    assert plain == drawn[7]  # it does not look at the regime, and does not claim to come from it


def test_errors_name_the_value_and_what_was_expected() -> None:
    with pytest.raises(ModelError, match="generator 'astrology': expected one of regime, forecast, random"):
        generate_ai_strategy(SITUATION, generator="astrology", seed=0)
    with pytest.raises(ModelError, match="needs regime, the situation has none"):
        generate_ai_strategy(SITUATION, generator="regime", seed=0)
    with pytest.raises(ModelError, match="unknown parameters leverage"):
        generate_ai_strategy(SITUATION, generator="random", seed=0, parameters={"leverage": 3})
    with pytest.raises(ModelError, match=r"near_delta is 0\.9: expected a number of 0\.15 to 0\.5"):
        generate_ai_strategy(SITUATION, generator="random", seed=0, parameters={"near_delta": 0.9})
    with pytest.raises(ModelError, match=r"target_days is 30\.5: expected a whole number"):
        generate_ai_strategy(SITUATION, generator="random", seed=0, parameters={"target_days": 30.5})
    with pytest.raises(ModelError, match="calm_structure is 'straddle': expected one of"):
        generate_ai_strategy(
            regime(0.9, 0.1), generator="regime", seed=0, parameters={"calm_structure": "straddle"}
        )
    with pytest.raises(ModelError, match="seed is -1"):
        generate_ai_strategy(SITUATION, generator="random", seed=-1)
    late = msgspec.structs.replace(regime(0.9, 0.1), known_at_ns=8)
    with pytest.raises(DataError, match="known at 9 only"):
        generate_ai_strategy(late, generator="regime", seed=0)


def test_the_registry_tells_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {info.name: info for info in get_available_generators()}
    assert {name: info.needs for name, info in found.items()} == {
        "forecast": ("forecast",),
        "random": (),
        "regime": ("regime",),
    }
    assert all(info.available and info.description and info.parameters for info in found.values())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    without = {info.name: info.missing_extra for info in get_available_generators()}
    assert without == {"forecast": "infer", "random": "", "regime": ""}
    with pytest.raises(MissingExtraError, match=r"optionsib\[infer\]"):
        generate_ai_strategy(forecast(0.9), generator="forecast", seed=0)


def test_a_regime_is_read_from_a_classifier_that_does_not_know_the_future() -> None:
    generator = np.random.default_rng(5)
    returns = np.concatenate([0.005 * generator.standard_normal(400), 0.03 * generator.standard_normal(100)])
    classifier = MarketRegimeClassifier.fit(returns, known_until_ns=1_000)
    wild = read_regime(classifier, returns, known_at_ns=1_000)
    assert wild.model == classifier.sha256
    assert wild.probability[1] > 0.9
    calm = read_regime(classifier, returns[:300], known_at_ns=1_000)
    assert calm.probability == tuple(classifier.filtered(returns)[299].tolist())
    with pytest.raises(ModelError, match="fitted until 1000: it knows the future of 999"):
        read_regime(classifier, returns, known_at_ns=999)
    with pytest.raises(ModelError, match="no rows"):
        read_regime(classifier, returns[:0], known_at_ns=1_000)


def test_a_forecast_is_read_from_a_served_model_with_its_notice() -> None:
    model = OnnxModel.load(BUNDLED_MODEL, stage="paper")
    row = np.zeros((1, *model.card.input_shape), dtype=np.float32)
    found = read_forecast(model, row, meaning="direction", known_at_ns=4)
    assert found.probability == model.predict(row).probability[0]
    assert (found.abstains, found.model) == (False, model.model_id)
    assert "no demonstrated skill" in found.notice
    blind = read_forecast(model, np.full_like(row, np.nan), meaning="direction", known_at_ns=4)
    assert blind.abstains
    with pytest.raises(ModelError, match="expected one row"):
        read_forecast(model, np.repeat(row, 2, axis=0), meaning="direction", known_at_ns=4)


def test_legs_are_selected_by_delta_within_the_bound_or_refused_with_the_reason() -> None:
    features = FeatureEngine(FeaturesConfig(), FlatCurve()).step(chain(range(70, 131)))
    condor = strategy(regime(0.9, 0.1), "regime", target_days=30)
    found = select_legs(condor, features)
    assert isinstance(found, SelectedLegs)
    chosen = [features.position(leg.con_id) for leg in found.legs]
    assert np.abs(features.delta[chosen]) == pytest.approx([0.1, 0.25, 0.1, 0.25], abs=0.05)
    strikes = features.strike[chosen]
    assert strikes[0] < strikes[1] < 100.0 < strikes[3] < strikes[2]
    credit = -found.natural / 10_000
    width = max(strikes[1] - strikes[0], strikes[2] - strikes[3])
    assert found.geometry.max_loss == round((width - credit) * 1_000_000)
    assert found.geometry.max_gain == round(credit * 1_000_000)

    def refusal(made: StrategyData) -> str:
        answer = select_legs(made, features)
        assert isinstance(answer, NotSelected)
        return answer.reason

    assert "the bound is 1.0" in refusal(strategy(regime(0.9, 0.1), "regime", maximum_loss=1.0))
    assert "no expiry in 100 to 300 days" in refusal(strategy(regime(0.9, 0.1), "regime", target_days=200))
    other = msgspec.structs.replace(condor, underlying="SPX")
    assert refusal(other) == "the chain is of X, not of SPX"
    coarse = FeatureEngine(FeaturesConfig(), FlatCurve()).step(chain(range(85, 116, 6)))
    same = select_legs(strategy(regime(0.9, 0.1), "regime", target_days=30, far_share=0.8), coarse)
    assert isinstance(same, NotSelected)
    assert "two legs select" in same.reason


def test_a_range_must_hold_its_default() -> None:
    with pytest.raises(ModelError, match="low <= default <= high"):
        Number(name="x", low=0.0, high=1.0, default=2.0)
    with pytest.raises(ModelError, match="whole numbers"):
        Number(name="x", low=0.0, high=1.0, default=0.5, whole=True)
