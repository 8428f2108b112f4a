"""The stationary bootstrap against its published laws; block lengths against another implementation."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

from optionsib.pricing import OptionScenarioGenerator
from optionsib.pricing.scenarios import History, Scenarios, optimal_block_length
from optionsib.pricing.scenarios.bootstrap import block_length_of, indices, mean_growth


def autoregression(rows: int, phi: float) -> Any:
    """Return x_t = phi x_(t-1) + the fractional parts of multiples of t^2: the same numbers everywhere."""
    t = np.arange(1, rows + 1)
    noise = (t * t * 0.6180339887498949) % 1.0 + (t * t * 0.4142135623730951) % 1.0 - 1.0
    found = np.zeros(rows)
    for i in range(rows):
        found[i] = (phi * found[i - 1] if i else 0.0) + noise[i]
    return found


def market(rows: int = 400) -> History:
    """Return made-up levels whose changes hang together, and a return's size on the one before."""
    rng = np.random.default_rng(5)
    shocks = rng.standard_normal((rows, 3))
    size = np.exp(autoregression(rows, 0.95) * 0.6)
    returns = 0.01 * size * shocks[:, 0] + 0.0006
    volatility = 0.2 * np.exp(-0.5 * np.cumsum(returns) + 0.02 * np.cumsum(shocks[:, 1]) * 0.2)
    rate = 0.03 + 2e-4 * np.cumsum(0.6 * shocks[:, 0] + 0.8 * shocks[:, 2])
    return History(100.0 * np.exp(np.cumsum(returns)), volatility, rate, name="made up")


HISTORY = market()


def made(measure: Any = "physical", **options: Any) -> Scenarios:
    given: dict[str, Any] = {"steps": 40, "paths": 20_000, "seed": 1, "block_length": 10.0}
    return OptionScenarioGenerator.bootstrap(HISTORY, measure=measure, **(given | options))


@pytest.mark.parametrize(
    ("rows", "phi", "expected"),
    [
        (500, 0.0, 1.5142815182328402),
        (500, 0.6, 9.680673551806963),
        (1000, 0.9, 26.815558428458658),
        (2000, -0.5, 18.541694074504427),
        (300, 0.97, 20.425226941458817),
        (120, 0.3, 3.6785778202697488),
    ],
)
def test_block_lengths_of_another_implementation(rows: int, phi: float, expected: float) -> None:
    """Values of optimal_block_length (stationary) of arch 8.0.0."""
    assert optimal_block_length(autoregression(rows, phi)) == pytest.approx(expected, rel=1e-12)


def test_block_lengths_do_not_depend_on_scale_and_grow_with_memory() -> None:
    series = autoregression(800, 0.7)
    assert optimal_block_length(3e-7 * series + 5.0) == pytest.approx(optimal_block_length(series), rel=1e-6)
    lengths = [optimal_block_length(autoregression(800, phi)) for phi in (0.3, 0.6, 0.9)]
    assert lengths == sorted(lengths)


@pytest.mark.parametrize("series", [[1.0] * 20, [1.0, 2.0], [math.nan] * 20, np.ones((5, 5))])
def test_no_block_length_of_what_is_no_series(series: Any) -> None:
    with pytest.raises(ValueError, match="series must"):
        optimal_block_length(series)


def test_blocks_are_geometric_and_wrap() -> None:
    rows, length = 37, 5.0
    drawn = indices(rows, steps=60, paths=20_000, block_length=length, seed=3)
    follows = (drawn[1:] - drawn[:-1]) % rows == 1
    # A fresh row is the next one by chance, too.
    assert float(follows.mean()) == pytest.approx(0.8 + 0.2 / rows, abs=2e-3)
    counts = np.bincount(drawn.ravel(), minlength=rows) / drawn.size
    assert counts == pytest.approx(np.full(rows, 1 / rows), rel=0.03)
    runs = follows[:4].all(axis=0)
    assert float(runs.mean()) == pytest.approx((0.8 + 0.2 / rows) ** 4, abs=0.01)
    assert ((drawn[:-1] == rows - 1) & (drawn[1:] == 0)).any()


def test_the_variance_of_a_mean_is_that_of_politis_and_romano() -> None:
    """Their Lemma 1: the variance of the mean of a resampled series as long as the original."""
    series = autoregression(60, 0.6)
    rows, length = len(series), 6.0
    drawn = indices(rows, steps=rows, paths=40_000, block_length=length, seed=2)
    found = float(series[drawn].mean(axis=0).var())
    centred = series - series.mean()
    around = np.array([centred @ np.roll(centred, -k) for k in range(rows)]) / rows
    k = np.arange(1, rows)
    weights = (1 - k / rows) * (1 - 1 / length) ** k
    expected = (around[0] + 2 * float(weights @ around[1:])) / rows
    assert found == pytest.approx(expected, rel=0.03)


def test_rows_stay_together() -> None:
    """Every step's three changes are one row of the history: nothing is mixed."""
    found = made(steps=6, paths=50)
    steps = np.stack(
        [np.diff(np.log(found.spot)), np.diff(np.log(found.volatility)), np.diff(found.rate)], axis=-1
    )
    rows = HISTORY.changes()
    for step in steps.reshape(-1, 3):
        assert np.abs(rows - step).max(axis=1).min() < 1e-12


def test_cross_correlation_and_clusters_survive() -> None:
    found = made(steps=60, block_length=25.0)
    moves = np.stack([np.diff(np.log(found.spot)), np.diff(np.log(found.volatility)), np.diff(found.rate)])
    recorded = np.corrcoef(HISTORY.changes().T)
    assert abs(recorded[0, 1]) > 0.4
    assert np.corrcoef(moves.reshape(3, -1)) == pytest.approx(recorded, abs=0.02)
    sizes = np.abs(moves[0])
    own = np.abs(HISTORY.changes()[:, 0])

    def memory(x: Any) -> float:
        return float(np.corrcoef(x[..., :-5].ravel(), x[..., 5:].ravel())[0, 1])

    assert memory(own) > 0.1
    assert memory(sizes) == pytest.approx(memory(own), abs=0.05)
    shuffled = made(steps=60, block_length=1.0)
    assert abs(memory(np.abs(np.diff(np.log(shuffled.spot))))) < 0.01


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_mean_of_the_discounted_spot(seed: int) -> None:
    found = made("risk_neutral", seed=seed, dividend_yield=0.02)
    reinvested = found.spot * found.discount * np.exp(0.02 * found.times)
    error = reinvested.std(axis=0, ddof=1) / math.sqrt(found.paths)
    gap = np.abs(reinvested.mean(axis=0) - HISTORY.spot[-1])
    assert np.all(gap <= 3.0 * error + 1e-9)
    physical = made(seed=seed)
    factor = found.spot * found.discount / physical.spot
    np.testing.assert_allclose(factor, np.broadcast_to(factor[0], factor.shape), rtol=1e-12)


def test_mean_growth_is_that_of_all_paths() -> None:
    """Every path of a tiny history, with its probability."""
    returns = np.array([0.3, -0.2, 0.1])
    length = 4.0
    totals = np.zeros(4)
    for first in range(3):
        for second in range(3):
            for third in range(3):
                chance = 1 / 3
                for before, after in ((first, second), (second, third)):
                    chance *= 0.25 / 3 + (0.75 if (before + 1) % 3 == after else 0.0)
                sums = np.cumsum(returns[[first, second, third]])
                totals += chance * np.exp([0.0, *sums])
    assert mean_growth(returns, steps=3, block_length=length) == pytest.approx(totals, rel=1e-13)


def test_levels_begin_where_the_history_ends() -> None:
    found = made()
    starts = [values[0, 0] for values in found.arrays().values()]
    assert starts == [HISTORY.spot[-1], HISTORY.volatility[-1], HISTORY.rate[-1], 1.0]
    assert made(spot=5000.0).spot[0, 0] == 5000.0
    assert found.times[-1] == 40 / 252
    about = json.loads(found.provenance.model)
    assert about["sha256"] == HISTORY.digest()
    assert found.provenance.source == "simulated"
    assert found.provenance.method == "stationary_bootstrap"


def test_first_paths_are_those_of_a_longer_run() -> None:
    few, many = made(paths=5000), made(paths=9000)
    assert np.array_equal(few.spot, many.spot[:5000])
    assert not np.array_equal(many.spot[:4000], many.spot[4096:8096])  # blocks have numbers of their own


def test_seeds_tell_and_the_block_length_is_chosen() -> None:
    assert np.array_equal(made().spot, made().spot)
    assert not np.array_equal(made().spot, made(seed=2).spot)
    chosen = made(block_length=None, paths=10)
    changes = HISTORY.changes()
    expected = max(optimal_block_length(one) for x in changes.T for one in (x, np.abs(x)))
    assert json.loads(chosen.provenance.model)["block_length"] == block_length_of(HISTORY) == expected > 5


def test_a_level_that_is_a_number() -> None:
    plain = History(HISTORY.spot, 0.2, 0.03, name="spot alone")
    found = OptionScenarioGenerator.bootstrap(plain, measure="physical", steps=3, paths=4, seed=1)
    assert np.all(found.rate == 0.03)
    assert found.volatility == pytest.approx(np.full((4, 4), 0.2))
    assert found.discount[:, -1] == pytest.approx(math.exp(-0.03 * 3 / 252))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (([100.0] * 9, 0.2, 0.0), "at least 10 rows"),
        (([100.0] * 11 + [0.0], 0.2, 0.0), "spot must be finite and positive, got 0.0 in row 11"),
        (([100.0] * 12, [0.2] * 11, 0.0), "volatility must have the 12 rows"),
        (([100.0] * 12, -0.2, 0.0), "volatility must be finite and positive"),
        (([100.0] * 12, 0.2, [0.0] * 5 + [math.nan] * 7), "rate must be finite, got nan in row 5"),
    ],
)
def test_bad_histories(columns: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        History(*columns, name="bad")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measure": "q"}, "measure"),
        ({"steps": 0}, "steps"),
        ({"paths": 1}, "paths"),
        ({"seed": 1.5}, "seed"),
        ({"block_length": 0.5}, "block_length must be a finite number >= 1"),
        ({"periods_per_year": 0.0}, "periods_per_year"),
        ({"spot": -1.0}, "spot"),
    ],
)
def test_bad_arguments(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made(**change)


def test_more_than_the_memory_is_refused() -> None:
    with pytest.raises(MemoryError, match="GB"):
        made(paths=1 << 40)
