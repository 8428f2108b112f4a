"""Evaluation: published figures, independent implementations, and what must hold for any input."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.models.evaluation import (
    SharpeMoments,
    backtest_overfitting,
    bootstrap_interval,
    calibration,
    chance_of_no_gain,
    deflated_sharpe,
    expected_maximum_sharpe,
    holm,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_moments,
)

# --- Sharpe ratios: Bailey and Lopez de Prado 2012 and 2014 -----------------------------------------


def test_probabilistic_sharpe_of_the_paper() -> None:
    # 24 monthly returns, mean 3.6 %, deviation 7.9 %, skewness -2.448, kurtosis 10.164
    skewed = SharpeMoments(0.036 / 0.079, -2.448, 10.164, 24)
    normal = SharpeMoments(0.036 / 0.079, 0.0, 3.0, 24)
    assert probabilistic_sharpe(normal) == pytest.approx(0.982, abs=1e-3)
    assert probabilistic_sharpe(skewed) == pytest.approx(0.913, abs=1e-3)


def test_minimum_track_record_of_the_paper() -> None:
    # annualised Sharpe ratio 2 against 1 from monthly returns: 4.99 years, 3.24 if they were normal
    ratio, benchmark = 2.0 / math.sqrt(12.0), 1.0 / math.sqrt(12.0)
    skewed = SharpeMoments(ratio, -0.72, 5.78, 60)
    normal = SharpeMoments(ratio, 0.0, 3.0, 60)
    assert minimum_track_record(skewed, benchmark) / 12.0 == pytest.approx(4.99, abs=5e-3)
    assert minimum_track_record(normal, benchmark) / 12.0 == pytest.approx(3.24, abs=5e-3)
    assert minimum_track_record(normal, ratio) == math.inf


@pytest.mark.parametrize(
    ("trials", "skewness", "kurtosis", "expected"),
    [(100, -3.0, 10.0, 0.9004), (46, -3.0, 10.0, 0.9505), (88, 0.0, 3.0, 0.9505)],
)
def test_deflated_sharpe_of_the_paper(trials: int, skewness: float, kurtosis: float, expected: float) -> None:
    # five years of daily returns, annualised Sharpe ratio 2.5, variance 1/2 among the trials
    variance = 0.5 / 250.0
    moments = SharpeMoments(2.5 / math.sqrt(250.0), skewness, kurtosis, 1250)
    assert deflated_sharpe(moments, variance=variance, trials=trials) == pytest.approx(expected, abs=5e-5)
    assert expected_maximum_sharpe(variance, 100) == pytest.approx(0.1132, abs=5e-5)


def test_expected_maximum_is_that_of_simulated_trials() -> None:
    drawn = np.random.default_rng(11).standard_normal((20_000, 50)).max(axis=1)
    assert expected_maximum_sharpe(1.0, 50) == pytest.approx(drawn.mean(), rel=0.015)
    assert expected_maximum_sharpe(1.0, 1) == 0.0


def test_standard_error_covers_the_true_ratio() -> None:
    generator = np.random.default_rng(5)
    below = [
        probabilistic_sharpe(sharpe_moments(0.1 + generator.standard_t(6, 500) / math.sqrt(1.5)), 0.1)
        for _ in range(600)
    ]
    # under the true benchmark the probability is uniform
    assert np.mean(np.array(below) > 0.95) == pytest.approx(0.05, abs=0.03)
    assert np.mean(np.array(below) < 0.05) == pytest.approx(0.05, abs=0.03)


# --- the bootstrap ----------------------------------------------------------------------------------


def test_interval_covers_a_dependent_mean() -> None:
    generator = np.random.default_rng(8)
    covered = 0
    for seed in range(150):
        noise = generator.standard_normal(420)
        series = np.empty(400)
        level = 0.0
        for k, shock in enumerate(noise):
            level = 0.5 * level + shock
            if k >= 20:
                series[k - 20] = level
        found = bootstrap_interval(
            series, lambda x: float(x.mean()), mean_block=12.0, seed=seed, samples=400, level=0.9
        )
        covered += found.low <= 0.0 <= found.high
    assert 0.82 <= covered / 150 <= 0.96


def test_gain_is_found_and_noise_is_not() -> None:
    generator = np.random.default_rng(2)
    noise = generator.standard_normal((40, 300))
    chances = np.array([chance_of_no_gain(row, mean_block=1.0, seed=9, samples=999) for row in noise])
    assert np.mean(chances < 0.1) < 0.25
    assert chance_of_no_gain(noise[0] + 0.5, mean_block=1.0, seed=9, samples=999) == 0.001


# --- many tests -------------------------------------------------------------------------------------


def test_holm_by_hand() -> None:
    # four tests at 0.01, 0.04, 0.03, 0.005: 0.005 x 4, 0.01 x 3, 0.03 x 2, then 0.04 raised to 0.06
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert len(holm(np.empty(0))) == 0


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12))
def test_holm_decides_as_its_definition(values: list[float]) -> None:
    adjusted = holm(np.array(values))
    for level in (0.01, 0.05, 0.2):
        rejected: set[int] = set()
        for step, place in enumerate(sorted(range(len(values)), key=values.__getitem__)):
            if values[place] * (len(values) - step) > level:
                break
            rejected.add(place)
        assert {k for k, value in enumerate(adjusted) if value <= level} == rejected


# --- overfitting ------------------------------------------------------------------------------------


def overfitting_by_definition(returns: np.ndarray, blocks: int) -> list[float]:
    parts = np.array_split(np.arange(len(returns)), blocks)
    logits = []
    for chosen in combinations(range(blocks), blocks // 2):
        inside = np.concatenate([parts[k] for k in chosen])
        outside = np.concatenate([parts[k] for k in range(blocks) if k not in chosen])

        def ratio(rows: np.ndarray) -> np.ndarray:
            return np.asarray(returns[rows].mean(axis=0) / returns[rows].std(axis=0, ddof=1))

        best = int(ratio(inside).argmax())
        later = ratio(outside)
        rank = 1 + sum(later[k] < later[best] for k in range(returns.shape[1]))
        relative = rank / (returns.shape[1] + 1)
        logits.append(math.log(relative / (1.0 - relative)))
    return logits


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(12, 40), st.integers(2, 6), st.sampled_from([2, 4, 6]))
def test_overfitting_equals_its_definition(seed: int, periods: int, strategies: int, blocks: int) -> None:
    returns = 0.01 * np.random.default_rng(seed).standard_normal((periods, strategies)) + 0.002
    found = backtest_overfitting(returns, blocks=blocks)
    expected = overfitting_by_definition(returns, blocks)
    assert found.logits == pytest.approx(expected, abs=1e-12)
    assert found.probability == pytest.approx(np.mean(np.array(expected) <= 0.0))


def test_overfitting_of_noise_and_of_skill() -> None:
    # Bailey et al. 2017, section 5: without skill the best of many is as likely below as above the median
    probabilities = []
    for seed in range(12):
        noise = np.random.default_rng(seed).standard_normal((800, 40))
        probabilities.append(backtest_overfitting(noise, blocks=10).probability)
    assert 0.35 < np.mean(probabilities) < 0.75
    skilled = np.random.default_rng(1).standard_normal((800, 40))
    skilled[:, 7] += 0.25
    found = backtest_overfitting(skilled, blocks=10)
    assert found.probability < 0.05
    assert found.loss < 0.05


def test_overfitting_refuses_what_it_cannot_judge() -> None:
    noise = np.random.default_rng(0).standard_normal((40, 3))
    with pytest.raises(ValueError, match="5 blocks"):
        backtest_overfitting(noise, blocks=5)
    with pytest.raises(ValueError, match="at least two strategies"):
        backtest_overfitting(noise[:, :1])
    noise[:, 1] = 0.5
    with pytest.raises(ValueError, match="does not vary"):
        backtest_overfitting(noise, blocks=4)
    noise[3, 1] = math.nan
    with pytest.raises(ValueError, match=r"returns\[3\]"):
        backtest_overfitting(noise, blocks=4)


# --- calibration ------------------------------------------------------------------------------------


def test_calibration_by_hand() -> None:
    label = np.array([0, 1, 1, 1], dtype=np.int8)
    found = calibration(label, np.array([0.1, 0.1, 0.9, 1.0]), bins=5)
    assert found.forecast == pytest.approx([0.1, 0.95])
    assert found.outcome == pytest.approx([0.5, 1.0])
    assert found.expected_error == pytest.approx(0.5 * 0.4 + 0.5 * 0.05)


def test_calibration_error_shrinks_for_true_probabilities_only() -> None:
    generator = np.random.default_rng(6)
    probability = generator.random(200_000)
    label = (generator.random(200_000) < probability).astype(np.int8)
    assert calibration(label, probability).expected_error < 0.006
    assert calibration(label, probability**2).expected_error > 0.1


def test_bad_series_are_named() -> None:
    with pytest.raises(ValueError, match=r"returns\[1\] is nan"):
        sharpe_moments(np.array([0.1, math.nan, 0.2]))
    with pytest.raises(ValueError, match="needs variation"):
        sharpe_moments(np.full(5, 0.01))
    with pytest.raises(ValueError, match="mean_block"):
        chance_of_no_gain(np.arange(5.0), mean_block=0.5, seed=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm(np.array([0.1, 1.5]))
    with pytest.raises(ValueError, match="within 0 and 1"):
        calibration(np.array([1], dtype=np.int8), np.array([1.5]))
