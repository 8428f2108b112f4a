"""Where the Monte Carlo engine could be wrong without a word: counters, scrambling, rare events, scales."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from optionsib import simd_path
from optionsib.pricing import (
    AsianOption,
    BlackScholes,
    EuropeanOption,
    Heston,
    Merton,
    Model,
    MultiAsset,
    VarianceSwap,
    monte_carlo,
    simulate_paths,
)
from optionsib.pricing._rows import Writer
from optionsib.pricing._simulation import finish
from optionsib.pricing._statistics import coefficients, moments

MARKET = BlackScholes(spot=100.0, volatility=0.2, rate=0.03)
HESTON = Heston(spot=100.0, variance=0.04, kappa=1.5, theta=0.04, xi=0.5, rho=-0.7, rate=0.03)
CALL = EuropeanOption(kind="call", strike=100.0, expiry=1.0)
Words = NDArray[np.uint64]


def drawn(operation: str, *, paths: int, seed: int, draws: int = 1, **options: Any) -> Any:
    writer = Writer()
    writes = 1 if operation == "sobol" else 2
    for n in range(draws):
        for i, row in enumerate(writer.emit(operation, n=n, writes=writes)):
            writer.emit("store", (row,), n=n * writes + i, writes=0)
    compiled = finish(writer, [], [], draws if operation == "sobol" else 0, draws * writes)
    program = compiled.program(seed=seed, paths=paths, **options)
    out = np.empty((draws * writes, paths))
    program.run_into(0, program.blocks, simd_path(), out)
    return out


def philox(counter: list[Words], key: tuple[int, int]) -> list[Words]:
    """Return Philox4x32-10 of four rows of 32 bits."""
    lower = np.uint64(0xFFFFFFFF)
    first, second = key
    for _ in range(10):
        low, high = counter[0] * np.uint64(0xD2511F53), counter[2] * np.uint64(0xCD9E8D57)
        counter = [
            (high >> np.uint64(32)) ^ counter[1] ^ np.uint64(first),
            high & lower,
            (low >> np.uint64(32)) ^ counter[3] ^ np.uint64(second),
            low & lower,
        ]
        first, second = (first + 0x9E3779B9) & 0xFFFFFFFF, (second + 0xBB67AE85) & 0xFFFFFFFF
    return counter


def test_philox_is_the_published_one_at_the_counters_promised() -> None:
    """The known answer of Random123, then a number as a function of seed, path and draw alone."""
    zero = [np.zeros(1, dtype=np.uint64)] * 4
    answer = [int(word[0]) for word in philox(zero, (0, 0))]
    assert answer == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    seed, paths, draws = 0x0123456789ABCDEF, 5000, 3
    rows = drawn("philox", paths=paths, seed=seed, draws=draws)
    path = np.arange(paths, dtype=np.uint64)
    for draw in range(draws):
        words = philox(
            [path, path * np.uint64(0), np.full(paths, draw, dtype=np.uint64), path * np.uint64(0)],
            (seed & 0xFFFFFFFF, seed >> 32),
        )
        one, two = words[0] | words[1] << np.uint64(32), words[2] | words[3] << np.uint64(32)
        radius, share = (((w >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52 for w in (one, two))
        length = np.sqrt(-2.0 * np.log(radius)) * np.where(two >> np.uint64(1) & np.uint64(1), -1.0, 1.0)
        angle = (share - 0.5) * math.pi / 2.0
        swapped = (two & np.uint64(1)).astype(bool)
        first, second = length * np.cos(angle), length * np.sin(angle)
        np.testing.assert_allclose(rows[2 * draw], np.where(swapped, second, first), rtol=1e-11, atol=1e-14)
        np.testing.assert_allclose(
            rows[2 * draw + 1], np.where(swapped, first, second), rtol=1e-11, atol=1e-14
        )


@pytest.mark.parametrize("operation", ["philox", "xoshiro"])
@pytest.mark.parametrize("precision", ["wide", "paired"])
def test_no_number_is_drawn_twice(operation: str, precision: str) -> None:
    """Over rows, blocks and draws: a counter or stream used again would repeat numbers."""
    numbers = drawn(operation, paths=5 * 4096 + 77, seed=9, draws=4, precision=precision)
    # Of 164,000 pairs of 31 bits (single precision) some radii meet by chance, all but never pairs.
    pairs = np.concatenate([numbers[0::2].ravel()[:, None], numbers[1::2].ravel()[:, None]], axis=1)
    assert len(np.unique(pairs, axis=0)) == len(pairs)


def test_scrambling_flips_each_node_on_its_own() -> None:
    """Owen's tree: the bit below a node flips with probability 1/2, whatever the others do."""
    replicates = 4000
    row = drawn("sobol", paths=replicates * 4096, seed=3, replicate_paths=4096)[0].reshape(replicates, 4096)
    uniform = norm.cdf(row[:, :16])
    plain = np.array([int(f"{i:04b}"[::-1], 2) for i in range(16)])  # van der Corput, four bits
    cells = np.floor(uniform * 16).astype(int)
    bound = 5 / math.sqrt(replicates)
    for level in range(4):
        # Of each node at this level one point below it.
        flips = []
        for node in range(2**level):
            point = int(np.flatnonzero(plain >> (4 - level) == node)[0])
            flips.append((cells[:, point] >> (3 - level) ^ plain[point] >> (3 - level)) & 1)
        table = np.array(flips, dtype=float)
        assert np.abs(table.mean(axis=1) - 0.5).max() < bound / 2
        if level:
            assert np.abs(np.corrcoef(table) - np.eye(2**level)).max() < bound
    # Every point is uniform in itself: estimates have no bias.
    assert np.abs(uniform.mean(axis=0) - 0.5).max() < 5 * math.sqrt(1 / 12 / replicates)


def test_a_target_is_not_met_by_paths_that_saw_nothing() -> None:
    """4096 paths all missed it: an error of 0 says nothing."""
    option = EuropeanOption(kind="call", strike=250.0, expiry=1.0)
    few = monte_carlo(option, MARKET, paths=4096, seed=1)
    assert (few.price, few.stderr) == (0.0, 0.0)
    found = monte_carlo(option, MARKET, paths=4_000_000, seed=1, target_stderr=1e-2)
    assert found.paths > 4096
    assert found.price > 0
    assert 0 < found.stderr <= 1e-2


def test_controls_count_whatever_they_are_measured_in() -> None:
    """An index of millions: forward and variance as controls differ by fourteen digits in their variances."""
    relative = [
        monte_carlo(
            replace(CALL, strike=spot), replace(HESTON, spot=spot), paths=40_000, steps=20, seed=1,
            conditional=True,
        ).stderr / spot
        for spot in (100.0, 1e7)
    ]  # fmt: skip
    assert relative[1] == pytest.approx(relative[0], rel=1e-6)
    rng = np.random.default_rng(1)
    small, large = rng.normal(size=(2, 1000)) * [[1e-9], [1e9]]
    outputs = np.array([large + 1e18 * small, small, large])
    rest = outputs - outputs.mean(axis=1, keepdims=True)
    block = np.concatenate([[1000.0], outputs.mean(axis=1), (rest @ rest.T)[np.tril_indices(3)]])
    np.testing.assert_allclose(coefficients(moments(block[None], 3), [1, 2])[:, 0], [1e18, 1.0], rtol=1e-6)


def test_regression_on_the_same_paths_biases_less_than_its_error() -> None:
    """Few paths, two controls, many seeds: the mean of the estimates is off by a fraction of an error."""
    exact = monte_carlo(AsianOption(kind="call", strike=100.0, dates=(0.5, 1.0)), MARKET, paths=2_000_000,
                        seed=77, control_variate="geometric").price  # fmt: skip
    option = AsianOption(kind="call", strike=100.0, dates=(0.5, 1.0))
    found = [
        monte_carlo(option, MARKET, paths=50, seed=seed, control_variate=("european", "spot"))
        for seed in range(400)
    ]
    gap = np.array([one.price for one in found]) - exact
    assert abs(gap.mean()) < 0.33 * np.mean([one.stderr for one in found])
    assert 0.8 < gap.std() / np.mean([one.stderr for one in found]) < 1.25


def test_antithetic_pairs_are_one_sample_each() -> None:
    """The stated error is the scatter over seeds; of paths counted one by one it would be far too large."""
    option = EuropeanOption(kind="call", strike=50.0, expiry=1.0)  # nearly linear: pairs all but cancel
    found = [monte_carlo(option, MARKET, paths=2000, seed=seed, antithetic=True) for seed in range(200)]
    scatter = np.std([one.price for one in found], ddof=1)
    assert scatter == pytest.approx(np.mean([one.stderr for one in found]), rel=0.15)
    assert scatter < 0.3 * monte_carlo(option, MARKET, paths=2000, seed=1).stderr


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("correlation", [0.5, 1.0, -1.0])
def test_several_assets_are_martingales(seed: int, correlation: float) -> None:
    other = replace(MARKET, spot=50.0, volatility=0.35, dividend_yield=0.02)
    model = MultiAsset(underlyings=(MARKET, other), correlation=((1.0, correlation), (correlation, 1.0)))
    spots = simulate_paths(model, (0.4, 1.0), paths=50_000, seed=seed)
    for asset, rows in zip(model.underlyings, spots, strict=True):
        for time, row in zip((0.4, 1.0), rows, strict=True):
            forward = asset.forwards(time)
            assert forward is not None
            assert abs(row.mean() - forward[0]) < 3.5 * row.std() / math.sqrt(row.size)
    moved = np.log(spots[:, 1] / spots[:, 0])
    assert np.corrcoef(moved)[0, 1] == pytest.approx(correlation, abs=0.02)


@pytest.mark.parametrize(
    "model",
    [
        replace(HESTON, xi=2.0, kappa=0.3, rho=-0.95), replace(HESTON, variance=0.0, xi=1.0),
        replace(HESTON, xi=1e-6), replace(HESTON, rho=1.0), replace(HESTON, rho=-1.0, scheme="euler"),
        Merton(spot=100.0, volatility=0.1, intensity=50.0, jump_mean=0.02, jump_deviation=0.05, rate=0.03),
        Merton(spot=100.0, volatility=0.1, intensity=0.0, jump_mean=0.0, jump_deviation=0.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("seed", [21, 22])
def test_models_at_their_limits_are_martingales(model: Model, seed: int) -> None:
    row = simulate_paths(model, (1.0,), paths=60_000, seed=seed, steps=40)[0]
    forward = model.forwards(1.0)
    assert forward is not None
    assert abs(row.mean() - forward[0]) < 3.5 * row.std() / math.sqrt(row.size)


def test_a_bridge_over_uneven_dates_keeps_the_law() -> None:
    dates = (0.01, 0.02, 0.5, 0.55, 2.0)
    found = [
        monte_carlo(
            AsianOption(kind="call", strike=100.0, dates=dates, average="geometric"), MARKET, paths=65_536,
            seed=seed, sampler="sobol",
        )
        for seed in range(4)
    ]  # fmt: skip
    logs = simulate_paths(MARKET, dates, paths=400_000, seed=1)
    payoff = np.maximum(np.exp(np.log(logs).mean(axis=0)) - 100.0, 0.0) * math.exp(-0.06)
    error = payoff.std() / math.sqrt(payoff.size)
    assert abs(np.mean([one.price for one in found]) - payoff.mean()) < 3.5 * error


def test_what_is_not_finite_is_told() -> None:
    ruined = replace(MARKET, dividends=((0.5, 99.0),))
    swap = VarianceSwap(strike=0.04, dates=(0.25, 0.75, 1.0))
    with pytest.raises(OverflowError, match="spot of 0"):
        monte_carlo(swap, ruined, paths=10_000, seed=1)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: monte_carlo(CALL, MARKET, paths=1e5, seed=1), "paths must be a whole number"),  # type: ignore[arg-type]
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=1.5), "seed must be a whole number"),  # type: ignore[arg-type]
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=True), "seed must be a whole number"),
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=1, steps=math.nan), "steps must be"),  # type: ignore[arg-type]
        (lambda: monte_carlo(CALL, MARKET, paths=100, seed=1, threads=1.5), "threads must be"),  # type: ignore[arg-type]
        (lambda: replace(HESTON, xi=1e-7), "xi must be at least"),
        (lambda: MultiAsset(underlyings=(1,), correlation=((1.0,),)), "underlyings must be"),  # type: ignore[arg-type]
        (lambda: Model.from_json('{"type": ["black_scholes"]}'), "type must be one of"),
        (lambda: Model.from_json('{"type":"multi_asset","underlyings":[1],"correlation":[[1]]}'), "must be"),
    ],
)  # fmt: skip
def test_bad_input_is_named(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
