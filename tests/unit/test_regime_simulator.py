"""The simulator is what it says, scores count what they say, and our classifier stands beside its peers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from optionsib.common.errors import ModelError
from optionsib.models.regime_peers import hmmlearn_filtered, markov_regression_filtered
from optionsib.models.regime_simulator import Shocks, judge_regimes, simulate_regimes
from optionsib.models.regimes import MarketRegimeClassifier

THREE = {"stay": (0.99, 0.98, 0.97), "volatility": (0.005, 0.012, 0.03), "mean": (0.0, 0.0, 0.0)}


@pytest.mark.parametrize("shocks", ["gaussian", "student", "garch"])
def test_the_simulator_has_the_moments_it_was_asked_for(shocks: Shocks) -> None:
    returns, truth = simulate_regimes(3, 200_000, shocks=shocks)
    for regime, (mean, volatility, share) in enumerate([(0.0005, 0.008, 0.75), (-0.0005, 0.024, 0.25)]):
        chosen = returns[truth == regime]
        assert chosen.mean() == pytest.approx(mean, abs=4 * volatility / len(chosen) ** 0.5)
        assert chosen.std() == pytest.approx(volatility, rel=0.03)
        assert len(chosen) / len(returns) == pytest.approx(share, abs=0.03)
    calm = returns[truth == 0] / 0.008
    kurtosis = float((calm**4).mean() / (calm**2).mean() ** 2)
    if shocks == "gaussian":
        assert kurtosis == pytest.approx(3.0, abs=0.1)
    else:
        assert kurtosis > 3.1
    again, same = simulate_regimes(3, 200_000, shocks=shocks)
    np.testing.assert_array_equal(again, returns)
    np.testing.assert_array_equal(same, truth)


def test_three_regimes_go_to_each_other() -> None:
    _, truth = simulate_regimes(1, 100_000, **THREE)
    moves = {(int(a), int(b)) for a, b in itertools.pairwise(truth) if a != b}
    assert len(moves) == 6


def test_scores_count_what_they_say() -> None:
    truth = np.array([0] * 10 + [1] * 10 + [0] * 10 + [1] * 2 + [0] * 220)
    label = truth.copy()
    perfect = judge_regimes(truth, label)
    assert (perfect.balanced_accuracy, perfect.lag_days, perfect.missed) == (1.0, 0.0, 0.0)
    assert perfect.false_switches_a_year == 0.0
    late = truth.copy()
    late[10:13] = 0  # three days late
    late[30:32] = 0  # never told
    late[100] = 1  # false
    found = judge_regimes(truth, late)
    assert found.lag_days == pytest.approx((3 + 0 + 2 + 0) / 4)
    assert found.missed == pytest.approx(1 / 4)
    assert found.false_switches_a_year == pytest.approx(1.0)
    assert found.balanced_accuracy == pytest.approx(0.5 * (239 / 240 + 7 / 12))
    with pytest.raises(ModelError, match="expected"):
        judge_regimes(truth, label[:3])


def test_bad_input_is_named() -> None:
    for changes in (
        {"stay": (0.9,)},
        {"volatility": (0.1,)},
        {"stay": (1.0, 0.5)},
        {"volatility": (0.0, 1.0)},
    ):
        with pytest.raises(ModelError, match="expected"):
            simulate_regimes(1, 10, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("shocks", ["gaussian", "student", "garch"])
def test_ours_stands_beside_its_peers(shocks: Shocks) -> None:
    """Fitted on the first half, judged on the second; mean of three seeds; filtered labels only.

    Dwell costs some days after each change, and buys less than a third of the peers' false switches.
    """
    pytest.importorskip("hmmlearn", reason="needs the research extra")
    pytest.importorskip("statsmodels", reason="needs the research extra")
    ours, theirs = [], []
    for seed in range(3):
        returns, truth = simulate_regimes(seed, 4_000, shocks=shocks)
        training, rows, judged = returns[:2_000], returns[2_000:], truth[2_000:]
        fitted = MarketRegimeClassifier.fit(training, known_until_ns=0, seed=seed)
        ours.append(judge_regimes(judged, fitted.labels(fitted.filtered(rows))))
        theirs.append(
            [
                judge_regimes(judged, np.argmax(found, axis=1))
                for found in (
                    hmmlearn_filtered(training, rows, regimes=2, seed=seed),
                    markov_regression_filtered(training, rows, regimes=2, seed=seed),
                )
            ]
        )
    accuracy = np.mean([one.balanced_accuracy for one in ours])
    false = np.mean([one.false_switches_a_year for one in ours])
    for peer in range(2):
        assert accuracy > np.mean([one[peer].balanced_accuracy for one in theirs]) - 0.03
        assert false < 0.33 * np.mean([one[peer].false_switches_a_year for one in theirs])


def test_where_there_are_no_regimes_few_are_told() -> None:
    returns = np.random.default_rng(5).normal(0.0, 0.01, size=4_000)
    fitted = MarketRegimeClassifier.fit(returns[:2_000], known_until_ns=0)
    labels = fitted.labels(fitted.filtered(returns[2_000:]))
    assert fitted.state.evidence < 0.0
    assert not labels.any()
