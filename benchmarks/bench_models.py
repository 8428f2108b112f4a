"""Features of a chain and forecasts of the served models, on one core.

A chain of 2,000 contracts is featurised in one call, and after one changed quote; forecasts by ONNX Runtime
stand beside the framework that trained the model. Answers are compared first.
"""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.harness import Ratio, Row, compare
from optionsib.common.config import FeaturesConfig, TrainingConfig
from optionsib.common.types import YEAR_NS, Contract
from optionsib.data.live.chain import ChainSnapshot
from optionsib.features import FEATURE_NAMES, FeatureEngine
from optionsib.features.greeks import GreekFeatureGenerator, GreekFeaturePipeline
from optionsib.features.normalizer import QuantileNormalizer
from optionsib.models import BUNDLED_MODEL, OnnxModel
from optionsib.models.dataset import LabelledRows
from optionsib.models.ensemble import OptionStrategyEnsemble, calibrated
from optionsib.models.ensemble_training import make_member
from optionsib.models.export import to_onnx
from optionsib.models.market_lstm import TOLERANCE, MarketLSTM
from optionsib.models.model_process import ModelProcess
from optionsib.models.sequences import sequences
from optionsib.models.serving import OnnxSession
from optionsib.models.splits import Split
from optionsib.models.train import fit_classifier
from optionsib.pricing import american_implied_greeks, american_price

CONTRACTS, CALLS = 2_000, 1_000
NOW = 1_402_070_400_000_000_000
RATE, YIELD, SPOT = 0.03, 0.015, 100.0
Matrix = NDArray[np.float32]


class Curve:
    """One rate for all times."""

    def rate(self, time_to_expiry: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return it."""
        return np.full(np.shape(time_to_expiry), RATE)


def chain(count: int) -> ChainSnapshot:
    """Return American options over ten expiries on a smile."""
    contracts = []
    for number in range(count):
        expiry, place = divmod(number, count // 10)
        contracts.append(
            Contract(
                con_id=1_000 + number,
                symbol="X",
                security_type="OPT",
                right="CP"[place % 2],
                strike=(700_000 + 6_000 * (place // 2)),
                expiry_ns=NOW + (20 + 35 * expiry) * 86_400 * 10**9,
            )
        )
    strike = np.array([one.strike for one in contracts]) / 1e4
    expiry_ns = np.array([one.expiry_ns for one in contracts])
    years = (expiry_ns - NOW) / YEAR_NS
    kind = np.array([one.kind for one in contracts], dtype=np.int8)
    x = np.log(strike / SPOT) / np.sqrt(years)
    mid = american_price(kind, SPOT, strike, years, RATE, 0.25 - 0.08 * x + 0.1 * x * x, YIELD, tier="fast")
    return ChainSnapshot(
        at_ns=NOW,
        underlying=Contract(con_id=1, symbol="X", security_type="STK"),
        contracts=tuple(contracts),
        con_id=np.array([one.con_id for one in contracts]),
        kind=kind,
        strike=strike,
        expiry_ns=expiry_ns,
        time_to_expiry=years,
        bid=np.maximum(mid - 0.02, 0.01),
        ask=mid + 0.02,
        bid_size=np.full(count, 10),
        ask_size=np.full(count, 10),
        feed_age=np.zeros(count),
        change_age=np.zeros(count),
        underlying_bid=SPOT - 0.01,
        underlying_ask=SPOT + 0.01,
        underlying_feed_age=0.0,
    )


def chain_rows() -> list[Row]:
    """Time the features of the whole chain, and of one changed contract."""
    snapshot = chain(CONTRACTS)
    generator = GreekFeatureGenerator(Curve())
    found = generator.generate(snapshot)
    arguments: tuple[Any, ...] = (
        snapshot.mid, snapshot.kind, SPOT, snapshot.strike, snapshot.time_to_expiry, RATE,
    )  # fmt: skip
    core = american_implied_greeks(*arguments, tier="fast")
    np.testing.assert_array_equal(found.implied_volatility, core.volatility)
    pipeline = GreekFeaturePipeline(generator)
    pipeline.step(snapshot)
    turn = [0]

    def one_changed() -> object:
        turn[0] += 1
        ask = snapshot.ask.copy()
        ask[turn[0] % CONTRACTS] += 0.01 * (1 + turn[0] % 3)
        return pipeline.step(dataclasses.replace(snapshot, at_ns=NOW + turn[0], ask=ask))

    engine = FeatureEngine(FeaturesConfig(), Curve())

    def whole() -> object:
        turn[0] += 1
        return engine.step(dataclasses.replace(snapshot, at_ns=NOW + turn[0]))

    return [
        compare(
            "2,000 contracts: American volatility and Greeks, one call", lambda: generator.generate(snapshot),
            {"the native core alone": lambda: american_implied_greeks(*arguments, tier="fast")},
            check=lambda answers: None, items=CONTRACTS,
        ),
        compare(
            "2,000 contracts: all features of the engine, one step", whole,
            {"volatility and Greeks alone": lambda: generator.generate(snapshot)},
            check=lambda answers: None, items=CONTRACTS,
        ),
        compare(
            "one changed contract of 2,000, cached pipeline", one_changed,
            {"all computed again": lambda: generator.generate(snapshot)},
            check=lambda answers: None, items=1,
        ),
    ]  # fmt: skip


def percentiles(call: Callable[[], object], calls: int = CALLS) -> tuple[float, float]:
    """Return median and 99th percentile of the time of a call, seconds."""
    for _ in range(20):
        call()
    seconds = np.empty(calls)
    for number in range(calls):
        begun = time.perf_counter()
        call()
        seconds[number] = time.perf_counter() - begun
    middle, late = np.quantile(seconds, (0.5, 0.99))
    return float(middle), float(late)


def served(
    name: str,
    ours: Callable[[Matrix], Any],
    framework: Callable[[Matrix], Any],
    rows: Matrix,
    tolerance: float,
) -> Row:
    """Compare the forecasts of all ``rows`` first, then the times of the first alone."""
    difference = float(np.abs(np.asarray(ours(rows)) - np.asarray(framework(rows))).max())
    if not difference <= tolerance:
        raise AssertionError(f"{name}: forecasts differ by {difference}, tolerance {tolerance}")
    first = rows[:1].copy()
    found, theirs = percentiles(lambda: ours(first)), percentiles(lambda: framework(first))
    ratio = theirs[0] / found[0]
    return Row(
        name,
        1,
        found[0],
        {"the framework": Ratio(ratio, ratio, ratio, theirs[0])},
        notes=[
            f"p50 {found[0] * 1e6:.0f} us, p99 {found[1] * 1e6:.0f} us; framework p50 "
            f"{theirs[0] * 1e6:.0f} us, p99 {theirs[1] * 1e6:.0f} us; largest "
            f"difference of {len(rows)} forecasts {difference:.1e} (tolerance {tolerance:.0e})"
        ],
    )


def by_torch(network: MarketLSTM, inputs: Matrix) -> NDArray[np.float64]:
    """Return what the framework forecasts, without the normaliser, as ONNX Runtime does."""
    with torch.no_grad():
        found = network._network(torch.from_numpy(inputs))[:, 1]
    return np.asarray(found.numpy(), dtype=np.float64)


def model_rows() -> list[Row]:
    """Time one forecast of each served model beside its framework."""
    torch.set_num_threads(1)
    generator = np.random.default_rng(1)
    matrix: Matrix = generator.normal(size=(3_000, len(FEATURE_NAMES))).astype(np.float32)
    label = (generator.random(3_000) < 1.0 / (1.0 + np.exp(-matrix[:, 0]))).astype(np.int8)
    split = Split(np.arange(2_000), np.arange(2_000, 3_000))
    trees = fit_classifier(
        LabelledRows(matrix, label, np.arange(3_000, dtype=np.int64)),
        TrainingConfig(minimum_child_weight=20.0),
        1,
    )
    session = OnnxSession(to_onnx(trees, len(FEATURE_NAMES)), "trees")
    judged = matrix[split.validation]
    found = [
        served(
            "trees, one row",
            session.probabilities,
            lambda rows: trees.predict_proba(rows)[:, 1],
            judged,
            1e-5,
        )
    ]
    network = MarketLSTM.fit(
        matrix, label, split, FEATURE_NAMES, window=22, known_until_ns=0, seed=1, epochs=1
    )
    content, _ = network.to_onnx(matrix[:300])
    recurrent = OnnxSession(content, "network")
    scaled = sequences(network.normalizer.transform(judged), 22)[21:].copy()
    found.append(
        served(
            "LSTM, one sequence of 22 rows", recurrent.probabilities, lambda rows: by_torch(network, rows),
            scaled, TOLERANCE,
        )
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        ensemble = OptionStrategyEnsemble.fit(
            Path(folder), matrix, label, split, FEATURE_NAMES, known_until_ns=0, seed=1
        )
    normalizer = QuantileNormalizer.fit(matrix[split.training], FEATURE_NAMES, known_until_ns=0)
    members = {name: make_member(name, 1) for name in ensemble.state.members}
    for member in members.values():
        member.fit(normalizer.transform(matrix[split.training]), label[split.training])

    def by_members(rows: Matrix) -> NDArray[np.float64]:
        scaled = normalizer.transform(rows)
        votes = [
            calibrated(member.predict_proba(scaled)[:, 1].astype(np.float64), ensemble.state.members[name])
            for name, member in members.items()
        ]
        return np.asarray(np.mean(votes, axis=0))

    found.append(
        served(
            "ensemble of three, one row", lambda rows: ensemble.forecast(rows).probability, by_members,
            judged, 1e-5,
        )
    )  # fmt: skip
    bundled = OnnxModel.load(BUNDLED_MODEL, stage="paper")

    async def hosted() -> Row:
        process = await ModelProcess.start(BUNDLED_MODEL, stage="paper")
        rows = matrix[:460]
        try:
            mine = (await process.predict(rows, patience=10.0)).probability
            np.testing.assert_array_equal(mine, bundled.predict(rows).probability)
            there, here = np.empty(CALLS), np.empty(CALLS)
            for number in range(CALLS):
                begun = time.perf_counter()
                await process.predict(rows, patience=10.0)
                between = time.perf_counter()
                bundled.predict(rows)
                there[number], here[number] = between - begun, time.perf_counter() - between
        finally:
            await process.close()
        middle, late = np.quantile(there, (0.5, 0.99))
        near = float(np.median(here))
        ratio = near / float(middle)
        return Row(
            "460 contracts by the model's own process", 460, float(middle),
            {"the same inside the process": Ratio(ratio, ratio, ratio, near)},
            notes=[f"p50 {middle * 1e6:.0f} us, p99 {late * 1e6:.0f} us; in process {near * 1e6:.0f} us"],
        )  # fmt: skip

    found.append(asyncio.run(hosted()))
    return found


def rows() -> list[Row]:
    """Measure all jobs."""
    return [*chain_rows(), *model_rows()]
