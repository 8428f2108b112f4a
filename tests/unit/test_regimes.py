"""Regimes on a simulator with known truth: found, in time, without looking ahead."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from optionsib.common.errors import ModelError
from optionsib.models.regimes import MarketRegimeClassifier, RegimeState

CALM, WILD = 0.008, 0.024  # daily volatility


def simulate(
    seed: int, rows: int = 3_000, *, noise: str = "gaussian", stay: tuple[float, float] = (0.99, 0.97)
) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    state, truth = 0, np.empty(rows, dtype=np.int64)
    for k in range(rows):
        state = state if generator.random() < stay[state] else 1 - state
        truth[k] = state
    shocks = (
        generator.standard_normal(rows)
        if noise == "gaussian"
        else generator.standard_t(5, rows) / np.sqrt(5 / 3)
    )
    if noise == "garch":
        variance = 1.0
        for k in range(rows):
            previous = variance
            variance = 0.05 + 0.05 * shocks[k - 1] ** 2 + 0.9 * previous if k else 1.0
            shocks[k] = np.sqrt(variance) * generator.standard_normal()
    return np.where(truth == 0, CALM, WILD) * shocks + 0.0003, truth


def balanced_accuracy(truth: np.ndarray, label: np.ndarray) -> float:
    return float(np.mean([(label[truth == k] == k).mean() for k in (0, 1)]))


def test_the_fit_finds_the_simulator() -> None:
    rows, _ = simulate(1, 6_000)
    found = MarketRegimeClassifier.fit(rows, known_until_ns=0, noise="gaussian").state
    assert found.scale[0][0] == pytest.approx(CALM, rel=0.05)
    assert found.scale[1][0] == pytest.approx(WILD, rel=0.05)
    assert found.transition[0][0] == pytest.approx(0.99, abs=0.006)
    assert found.transition[1][1] == pytest.approx(0.97, abs=0.012)


def test_likelihood_equals_the_sum_over_all_paths() -> None:
    rows = np.array([0.01, -0.02, 0.005, 0.03, -0.001, 0.002])
    state = RegimeState(
        transition=((0.9, 0.1), (0.2, 0.8)), mean=((0.0,), (0.001,)), scale=((0.01,), (0.02,)),
        noise="gaussian", dwell=1, switch_probability=0.5, sure_probability=1.0, log_likelihood=0.0,
        evidence=1.0, rows=0, fitted_until_ns=0,
    )  # fmt: skip
    filtered = MarketRegimeClassifier(state).filtered(rows)
    a, start = np.array(state.transition), np.array([2 / 3, 1 / 3]) @ np.array(state.transition)
    for until in range(1, len(rows) + 1):
        weight = np.zeros(2)
        for path in product((0, 1), repeat=until):
            chance = start[path[0]]
            for k, now in enumerate(path):
                chance *= a[path[k - 1], now] if k else 1.0
                sigma, mu = state.scale[now][0], state.mean[now][0]
                chance *= np.exp(-0.5 * ((rows[k] - mu) / sigma) ** 2) / sigma
            weight[path[-1]] += chance
        assert filtered[until - 1] == pytest.approx(weight / weight.sum(), abs=1e-12)


@pytest.mark.parametrize(("noise", "least"), [("gaussian", 0.87), ("student", 0.84), ("garch", 0.8)])
def test_filtered_labels_on_new_rows(noise: str, least: float) -> None:
    classifier = MarketRegimeClassifier.fit(simulate(2, noise=noise)[0], known_until_ns=0)
    rows, truth = simulate(3, noise=noise)
    assert balanced_accuracy(truth, classifier.filtered(rows).argmax(axis=1)) > least


def test_nothing_after_a_row_changes_its_probability() -> None:
    rows, _ = simulate(4, 400)
    classifier = MarketRegimeClassifier.fit(rows, known_until_ns=0)
    whole = classifier.filtered(rows)
    changed = rows.copy()
    changed[250:] *= -7.0
    assert classifier.filtered(changed)[:250].tobytes() == whole[:250].tobytes()
    stepped = classifier.start()
    for k, row in enumerate(rows):
        stepped = classifier.step(stepped, np.array([row]))
        assert stepped.tobytes() == whole[k].tobytes()


def test_labels_mean_the_same_after_a_refit() -> None:
    scales = []
    for seed in range(6):
        found = MarketRegimeClassifier.fit(simulate(seed, 1_500)[0], known_until_ns=0, seed=seed).state
        scales.append([row[0] for row in found.scale])
    assert all(calm < 0.7 * wild for calm, wild in scales)


def test_dwell_keeps_the_label_from_flickering() -> None:
    rows, truth = simulate(5, noise="student")
    changes = {}
    for dwell in (1, 4):
        classifier = MarketRegimeClassifier.fit(rows, known_until_ns=0, dwell=dwell, switch_probability=0.5)
        changes[dwell] = int((np.diff(classifier.labels(classifier.filtered(rows))) != 0).sum())
    assert changes[4] < changes[1]
    assert changes[4] >= 0.5 * int((np.diff(truth) != 0).sum())


def test_an_outlier_is_no_regime_of_its_own() -> None:
    rows, _ = simulate(6)
    rows[1_000] = -0.2
    found = MarketRegimeClassifier.fit(rows, known_until_ns=0).state
    assert found.scale[1][0] < 0.03
    assert found.transition[1][1] > 0.9


def test_two_columns_and_missing_rows() -> None:
    first, truth = simulate(7)
    second = np.where(truth == 0, 0.01, 0.05) * np.random.default_rng(8).standard_normal(len(first))
    classifier = MarketRegimeClassifier.fit(np.stack([first, second], axis=1), known_until_ns=0)
    rows = np.stack([first, second], axis=1)
    assert balanced_accuracy(truth, classifier.filtered(rows).argmax(axis=1)) > 0.93
    rows[100] = np.nan
    found = classifier.filtered(rows)
    assert found[100] == pytest.approx(found[99] @ np.array(classifier.state.transition))


def test_state_goes_out_and_comes_back() -> None:
    rows, _ = simulate(9, 300)
    classifier = MarketRegimeClassifier.fit(rows, known_until_ns=5)
    again = MarketRegimeClassifier.from_bytes(classifier.to_bytes())
    assert again.sha256 == classifier.sha256
    assert again.filtered(rows).tobytes() == classifier.filtered(rows).tobytes()
    with pytest.raises(ModelError, match="broken"):
        MarketRegimeClassifier.from_bytes(b"{}")
    with pytest.raises(ModelError, match="version 7"):
        MarketRegimeClassifier.from_bytes(classifier.to_bytes().replace(b'"version":2', b'"version":7'))


def test_bad_rows_are_named() -> None:
    with pytest.raises(ModelError, match="20 or more a regime"):
        MarketRegimeClassifier.fit(np.zeros(30), known_until_ns=0)
    with pytest.raises(ModelError, match="column 0 does not vary"):
        MarketRegimeClassifier.fit(np.zeros(60), known_until_ns=0)
    rows, _ = simulate(1, 60)
    rows[7] = np.inf
    with pytest.raises(ModelError, match="row 7 is not finite"):
        MarketRegimeClassifier.fit(rows, known_until_ns=0)
    with pytest.raises(ModelError, match="dwell 0"):
        MarketRegimeClassifier.fit(simulate(1, 60)[0], known_until_ns=0, dwell=0)
    with pytest.raises(ModelError, match="expected \\(n, 1\\)"):
        MarketRegimeClassifier.fit(simulate(1, 60)[0], known_until_ns=0).filtered(np.zeros((5, 2)))
