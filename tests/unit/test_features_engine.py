"""Forward, smile and engine against chains whose truth is known."""

from __future__ import annotations

import datetime as dt
import math
import os
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.chains import NOON, RATE, FlatCurve, chain

import optionsib as oib
from optionsib.common.config import FeaturesConfig, load_config
from optionsib.common.types import MINUTE_NS
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.features import FEATURE_NAMES, FeatureEngine, run_tape
from optionsib.features.grid import ChainGrid
from optionsib.features.history import PriceHistory, ResidualHistory
from optionsib.features.smile import fit_smiles, parity_forward

DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[3] / "shared" / "data"))
TWX = DATA / "lean/option/usa/minute/twx"


EUROPEAN = FeaturesConfig(exercise="european")


def test_forward_and_smile_of_an_exact_chain_are_found() -> None:
    features = FeatureEngine(EUROPEAN, FlatCurve()).step(chain())
    for i, days in enumerate((30, 90)):
        assert features.forward[i] == pytest.approx(100.0 * math.exp(-0.01 * days / 365), abs=1e-9)
    assert features.at_the_money_volatility == pytest.approx([0.2, 0.2], abs=2e-4)
    assert features.skew == pytest.approx([-0.1, -0.1], abs=5e-3)
    assert features.curvature == pytest.approx([0.6, 0.6], abs=5e-2)
    assert features.term_slope == pytest.approx([0.0, 0.0], abs=2e-4)
    assert np.abs(features.price_residual).max() < 2e-3
    assert features.usable.all()
    truth = oib.greeks(
        features.kind, 100.0, features.strike, features.time_to_expiry, RATE, features.fitted_volatility, 0.02
    )
    assert features.vega == pytest.approx(truth.vega, abs=1e-6)
    # Per share of the prepaid forward: without the factor exp(-qT) of a yield.
    assert features.delta == pytest.approx(truth.delta * np.exp(0.02 * features.time_to_expiry), abs=1e-9)


def test_forward_and_smile_of_an_american_chain_are_found() -> None:
    """The calls are worth up to 0.7 more than European ones; nothing of that is left in the residuals."""
    snapshot = chain(range(70, 131, 3), american=True)
    features = FeatureEngine(FeaturesConfig(), FlatCurve()).step(snapshot)
    for i, days in enumerate((30, 90)):
        assert features.forward[i] == pytest.approx(100.0 * math.exp(-0.01 * days / 365), abs=2e-3)
    assert features.at_the_money_volatility == pytest.approx([0.2, 0.2], abs=3e-4)
    told = features.usable
    assert told.mean() > 0.8
    assert np.abs(features.price_residual[told]).max() < 6e-3
    years, volatility = features.time_to_expiry, features.fitted_volatility
    option = (features.kind, 100.0, features.strike, years, RATE, volatility, 0.02)
    truth = oib.american_greeks(*option)
    for name in ("delta", "vega"):
        np.testing.assert_allclose(getattr(features, name)[told], getattr(truth, name)[told], atol=6e-3)
    np.testing.assert_allclose(features.fitted_price[told], truth.price[told], atol=6e-3)
    # Taken for European, the same quotes of deep calls would look rich by their early-exercise premium.
    blind = FeatureEngine(EUROPEAN, FlatCurve()).step(snapshot)
    deep = (features.kind == 1) & (features.strike < 85) & np.isfinite(blind.price_residual)
    premium = oib.early_exercise_premium(*option)
    assert premium[deep].max() > 0.05
    np.testing.assert_allclose(blind.price_residual[deep], premium[deep], atol=0.02)


def test_a_planted_mispricing_is_the_residual() -> None:
    snapshot = chain()
    at = 7  # an out-of-the-money put among ten other strikes
    bid, ask = snapshot.bid.copy(), snapshot.ask.copy()
    bid[at] += 0.25
    ask[at] += 0.25
    features = FeatureEngine(FeaturesConfig(), FlatCurve()).step(replace(snapshot, bid=bid, ask=ask))
    assert snapshot.kind[at] == -1
    assert features.price_residual[at] == pytest.approx(0.25, abs=0.05)
    assert int(np.argmax(np.abs(features.price_residual))) == at
    # Neighbours keep their smile: the outlier is weighted down.
    assert np.median(np.abs(features.price_residual)) < 0.02


def test_a_crazy_pair_does_not_move_the_forward() -> None:
    strike = np.array([[98.0, 99.0, 100.0, 101.0, 102.0]])
    truth = 100.3
    call = np.maximum(truth - strike, 0.0) + 1.0
    put = np.maximum(strike - truth, 0.0) + 1.0
    call[0, 2] += 5.0
    found = parity_forward(100.0, strike, call, put, np.full((1, 5), 0.04), np.array([1.0]), 5)
    assert found == pytest.approx([truth])


def test_forward_is_unknown_without_a_pair() -> None:
    strike = np.array([[98.0, 99.0]])
    nothing = np.full((1, 2), np.nan)
    assert np.isnan(parity_forward(100.0, strike, nothing, strike, strike, np.array([1.0]), 5)).all()
    assert np.isnan(parity_forward(math.nan, strike, nothing, nothing, nothing, np.array([1.0]), 5)).all()


def test_few_quotes_give_a_quadratic_and_too_few_no_smile() -> None:
    x = np.array([[-0.2, -0.1, 0.0, 0.1, 0.2, np.nan], [-0.1, 0.0, 0.1, 0.2, np.nan, np.nan]])
    fit = fit_smiles(x, 0.2 + x**2, np.full((2, 6), 0.01), minimum_quotes=5)
    assert fit.coefficients[0] == pytest.approx([0.2, 0.0, 1.0, 0.0], abs=1e-6)
    assert np.isnan(fit.coefficients[1]).all()
    flat = fit.volatility(np.array([0.2, 9.0]), np.array([0, 0]))
    assert flat[1] == flat[0] == pytest.approx(0.24)


@pytest.mark.parametrize("what", ["option", "underlying", "expired", "one side of the underlying"])
def test_stale_or_missing_quotes_give_nan_and_no_error(what: str) -> None:
    snapshot = chain()
    if what == "option":
        age = snapshot.feed_age.copy()
        age[4] = 60.5
        features = FeatureEngine(FeaturesConfig(), FlatCurve()).step(replace(snapshot, feed_age=age))
        assert not features.usable[4]
        assert features.usable.sum() == len(age) - 1
        return
    if what == "underlying":
        snapshot = replace(snapshot, underlying_feed_age=60.5)
    elif what == "expired":
        snapshot = replace(snapshot, at_ns=NOON + 91 * 86_400 * 10**9)
    else:
        snapshot = replace(snapshot, underlying_bid=math.nan)
    features = FeatureEngine(FeaturesConfig(), FlatCurve()).step(snapshot)
    assert not features.usable.any()
    assert np.isnan(features.matrix()).all()


def test_histories_know_only_what_they_saw() -> None:
    residuals = ResidualHistory(15)
    minute = NOON // MINUTE_NS * MINUTE_NS
    assert np.isnan(residuals.change(minute, np.array([1.0]), 1)).all()
    for i in range(20):
        residuals.append(minute + i * MINUTE_NS, np.array([float(i), np.nan]))
    now = minute + 20 * MINUTE_NS
    assert residuals.change(now, np.array([20.0, 0.0]), 5)[0] == 5.0
    assert np.isnan(residuals.change(now, np.array([20.0, 0.0]), 5)[1])
    assert residuals.mean(np.array([20.0, 3.0]))[1] == 3.0
    prices = PriceHistory(30)
    assert math.isnan(prices.realized_volatility())
    for i in range(31):
        prices.append(minute + i * MINUTE_NS, 100.0 * math.exp(0.001 * (i % 2)))
    assert prices.realized_volatility() == pytest.approx(0.001 * math.sqrt(252 * 390))
    assert prices.log_return(minute + 30 * MINUTE_NS, 1) == pytest.approx(-0.001)


def test_grid_refuses_what_is_no_chain() -> None:
    snapshot = chain()
    with pytest.raises(ValueError, match="at least one option"):
        ChainGrid.of(())
    with pytest.raises(ValueError, match="is no option"):
        ChainGrid.of((snapshot.underlying,))
    with pytest.raises(ValueError, match="strike and right of contract 1001"):
        ChainGrid.of((snapshot.contracts[0], snapshot.contracts[0]))
    engine = FeatureEngine(FeaturesConfig(), FlatCurve())
    engine.step(snapshot)
    with pytest.raises(ValueError, match="another chain"):
        engine.step(chain(days=(30,), at_ns=NOON + MINUTE_NS))


def test_every_step_of_a_day_has_its_matrix() -> None:
    config = load_config("paper")
    engine = FeatureEngine(config.features, RateCurve.from_config(config.rates))
    tape = SimulatedTape(seed=5)
    steps = list(run_tape(tape, engine))
    assert len(steps) == 390
    for features in steps:
        assert features.matrix().shape == (len(tape.contracts), len(FEATURE_NAMES))
        assert features.matrix().dtype == np.float32


@pytest.mark.tape
@pytest.mark.skipif(not TWX.is_dir(), reason=f"no recorded quotes in {TWX}")
def test_recorded_day_is_fitted_within_the_quotes() -> None:
    from optionsib.data.historical.lean import LeanTape

    config = load_config("paper")
    engine = FeatureEngine(config.features, RateCurve.from_config(config.rates))
    steps = list(run_tape(LeanTape(TWX, dt.date(2014, 6, 5)), engine))
    usable = [int(features.usable.sum()) for features in steps[5:]]
    assert min(usable) >= 160  # of 184
    inside = []
    for features in steps[5::20]:
        tradable = features.usable & (features.spread <= 0.5)
        inside.append(np.abs(features.price_residual[tradable]) <= 0.5 * features.spread[tradable])
        spot, forwards = features.underlying_price, features.forward
        assert np.all(np.abs(forwards / spot - 1.0) < 0.04)  # dividends of less than 2 % a year
    assert np.concatenate(inside).mean() > 0.7


def test_memory_is_flat_over_a_day_of_ticks() -> None:
    """The engine remembers minutes, not the day."""
    engine = FeatureEngine(FeaturesConfig(), FlatCurve())
    snapshot = chain()
    generator = np.random.default_rng(1)
    sizes = []
    tracemalloc.start()
    try:
        for minute in range(390):
            moved = 0.02 * generator.integers(0, 3, size=len(snapshot.bid))
            tick = replace(
                snapshot,
                at_ns=NOON + minute * MINUTE_NS,
                bid=snapshot.bid + moved,
                ask=snapshot.ask + moved,
            )
            engine.step(tick)
            if minute % 60 == 59:
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(sizes[1:]) < sizes[1] + 50_000  # bytes; one step's arrays are about 20,000
