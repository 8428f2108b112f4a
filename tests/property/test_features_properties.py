"""What features promise: the same in batch and stream, and blind to the order of a feed.

That they know nothing of what comes later stands in ``test_known_at.py``.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.common.config import FeaturesConfig, RatePoint, RatesConfig
from optionsib.common.errors import ModelError
from optionsib.common.events import Quote
from optionsib.common.ports import TapeQuote, TapeStep
from optionsib.data.live.chain import ChainSnapshot, ChainState
from optionsib.data.memory_tape import MemoryTape, shorten
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.features import FEATURE_NAMES, ChainFeatures, FeatureEngine, FeatureStages, run_tape
from optionsib.features.normalizer import QuantileNormalizer
from optionsib.features.temporal import EncodingMethod, TemporalEncoder

CURVE = RateCurve.from_config(
    RatesConfig(as_of=dt.date(2014, 6, 5), source="test", points=(RatePoint(tenor_days=365, rate=0.001),))
)
PER_CONTRACT = [
    "bid",
    "ask",
    "mid",
    "spread",
    "feed_age",
    "change_age",
    "usable",
    "log_moneyness",
    "implied_volatility",
    "fitted_volatility",
    "fitted_price",
    "price_residual",
    "volatility_residual",
    "delta",
    "gamma",
    "vega",
    "theta",
    "columns",
    "kind",
    "strike",
    "time_to_expiry",
]
PER_EXPIRY = ["forward", "at_the_money_volatility", "skew", "curvature", "term_slope", "smile_quotes"]
SCALARS = ["at_ns", "underlying_price", "realized_volatility", "underlying_feed_age"]


def engine() -> FeatureEngine:
    return FeatureEngine(FeaturesConfig(), CURVE)


@cache
def window() -> MemoryTape:
    return shorten(SimulatedTape(seed=11), first_minute=30, minutes=25)


@cache
def whole() -> tuple[ChainFeatures, ...]:
    return tuple(run_tape(window(), engine()))


def assert_equal(left: ChainFeatures, right: ChainFeatures, order: list[int] | None = None) -> None:
    """Bit for bit; ``order`` says where each contract of ``left`` stands in ``right``."""
    for name in PER_CONTRACT:
        theirs = getattr(right, name)
        theirs = theirs if order is None else theirs[order]
        assert getattr(left, name).tobytes() == theirs.tobytes(), name
    for name in PER_EXPIRY:
        assert getattr(left, name).tobytes() == getattr(right, name).tobytes(), name
    for name in SCALARS:
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name), err_msg=name)


def stream(tape: MemoryTape) -> list[ChainFeatures]:
    """What a live session does: quote by quote into the chain, a snapshot at the end of each step."""
    state, live = ChainState(tape.underlying, tape.contracts), engine()
    changed: dict[int, tuple[tuple[int | None, int | None], int]] = {}
    found = []
    for step in tape.steps():
        for quote in step.quotes:
            prices = (quote.bid, quote.ask)
            if quote.con_id not in changed or changed[quote.con_id][0] != prices:
                changed[quote.con_id] = (prices, step.at_ns)
            fields = msgspec_fields(quote)
            state.apply([Quote(**fields, as_of_ns=step.at_ns, changed_ns=changed[quote.con_id][1])])
        state.confirm(step.at_ns)
        found.append(live.step(state.snapshot(step.at_ns)))
    return found


def msgspec_fields(quote: TapeQuote) -> dict[str, int | None]:
    return {name: getattr(quote, name) for name in quote.__struct_fields__}


def test_batch_equals_stream_bit_for_bit() -> None:
    for batch, live in zip(whole(), stream(window()), strict=True):
        assert_equal(batch, live)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_permuting_contracts_permutes_features(seed: int) -> None:
    contracts = list(window().contracts)
    random.Random(seed).shuffle(contracts)
    shuffled = dataclasses.replace(window(), contracts=tuple(contracts))
    for straight, permuted in zip(whole(), run_tape(shuffled, engine()), strict=True):
        order = [permuted.position(int(con_id)) for con_id in straight.con_id]
        assert_equal(straight, permuted, order)


@settings(max_examples=20, deadline=None)
@given(gone=st.integers(0, len(SimulatedTape(seed=11).contracts) - 1))
def test_dropping_a_contract_moves_nothing_outside_its_expiry(gone: int) -> None:
    """And nothing but itself where it gave neither the forward nor the smile."""
    tape = early()
    dropped = tape.contracts[gone]
    fewer = dataclasses.replace(
        tape,
        contracts=tuple(one for one in tape.contracts if one is not dropped),
        all_steps=tuple(
            TapeStep(step.at_ns, tuple(quote for quote in step.quotes if quote.con_id != dropped.con_id))
            for step in tape.all_steps
        ),
    )
    for straight, less in zip(early_features(), run_tape(fewer, engine()), strict=True):
        kept = np.arange(len(straight.contracts)) != gone
        row = straight.grid.row[gone]
        inside = dropped.kind * (straight.strike[gone] - straight.forward[row]) < 0.0
        distance = np.abs(straight.grid.strike[row] - straight.underlying_price)
        far = np.abs(straight.strike[gone] - straight.underlying_price) > np.sort(distance)[8]
        same = kept if inside and far else kept & (straight.grid.row != row)
        for name in PER_CONTRACT:
            ours, theirs = getattr(straight, name), getattr(less, name)
            assert ours[same].tobytes() == theirs[same[kept]].tobytes(), name


@cache
def early() -> MemoryTape:
    return shorten(SimulatedTape(seed=11), first_minute=30, minutes=3)


@cache
def early_features() -> tuple[ChainFeatures, ...]:
    return tuple(run_tape(early(), engine()))


@pytest.mark.parametrize("method", EncodingMethod)
def test_stages_give_the_same_rows_in_batch_and_stream(method: EncodingMethod) -> None:
    encoder = TemporalEncoder(method)
    raw = FeatureStages(encoder)
    known = whole()[:18]
    rows = np.concatenate([raw.matrix(features)[features.usable] for features in known])
    normalizer = QuantileNormalizer.fit(rows, raw.names, known_until_ns=known[-1].at_ns)
    stages = FeatureStages(encoder, normalizer)
    for batch, live in zip(whole()[18:], stream(window())[18:], strict=True):
        found = stages.matrix(batch)
        assert found.tobytes() == stages.matrix(live).tobytes()
        assert found.shape == (len(batch.contracts), len(stages.names))
        assert found.dtype == np.float32
        assert np.isnan(found[~batch.usable]).all()
        steady = [name not in FEATURE_NAMES for name in stages.names]
        assert np.isfinite(found[batch.usable][:, steady]).all()
        assert np.nanmax(np.abs(found)) < 3.8  # normal scores


def test_stages_refuse_a_normaliser_of_other_columns() -> None:
    features = whole()[-1]
    rows = features.matrix()[features.usable]
    plain = QuantileNormalizer.fit(rows, FEATURE_NAMES, known_until_ns=features.at_ns)
    assert FeatureStages(normalizer=plain).names == FEATURE_NAMES
    np.testing.assert_array_equal(FeatureStages().matrix(features), features.matrix())
    with pytest.raises(ModelError, match="session_sine"):
        FeatureStages(TemporalEncoder(), plain)


@settings(max_examples=25, deadline=None)
@given(holes=st.lists(st.integers(0, 179), max_size=170), side=st.sampled_from(["bid", "ask", "crossed"]))
def test_contracts_without_a_two_sided_quote_have_no_features(holes: list[int], side: str) -> None:
    snapshot = snapshot_at(10)
    bid, ask = snapshot.bid.copy(), snapshot.ask.copy()
    if side == "crossed":
        bid[holes] = ask[holes] + 0.05
    else:
        (bid if side == "bid" else ask)[holes] = np.nan
    features = engine().step(dataclasses.replace(snapshot, bid=bid, ask=ask))
    assert not features.usable[holes].any()
    assert np.isnan(features.matrix()[~features.usable]).all()
    assert np.isfinite(features.matrix()[features.usable][:, 1:4]).all()
    assert features.usable.sum() <= len(bid) - len(set(holes))


def snapshot_at(minute: int) -> ChainSnapshot:
    state = ChainState(window().underlying, window().contracts)
    at_ns = 0
    for step in list(window().steps())[: minute + 1]:
        at_ns = step.at_ns
        state.apply(Quote(**msgspec_fields(q), as_of_ns=at_ns, changed_ns=at_ns) for q in step.quotes)
    state.confirm(at_ns)
    return state.snapshot(at_ns)


def test_a_snapshot_must_be_younger_than_the_last() -> None:
    live = engine()
    live.step(snapshot_at(3))
    with pytest.raises(ValueError, match="not younger"):
        live.step(snapshot_at(3))
