"""Greeks of a chain: the pricers' own values, and incremental equal to whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.chains import NOON, RATE, FlatCurve, chain

import optionsib as oib
from optionsib.common.types import SECOND_NS, YEAR_NS
from optionsib.data.live.chain import ChainSnapshot
from optionsib.features.greeks import (
    VALUE_NAMES,
    Dividend,
    GreekFeatureGenerator,
    GreekFeaturePipeline,
    GreekFeatures,
    Source,
)
from optionsib.pricing import Status

EX = NOON + 20 * 86_400 * SECOND_NS


def generator() -> GreekFeatureGenerator:
    return GreekFeatureGenerator(FlatCurve(), dividends=[Dividend(EX, 0.7), Dividend(NOON - 1, 5.0)])


def test_each_contract_equals_the_pricer() -> None:
    snapshot = chain()
    found = generator().generate(snapshot)
    ahead = (EX - NOON) / YEAR_NS
    for k, contract in enumerate(snapshot.contracts):
        terms = (contract.right, snapshot.underlying_mid, float(snapshot.strike[k]))
        years = float(snapshot.time_to_expiry[k])
        # The chain's yield is no dividend of 0.70: some mids are too low for it.
        if found.status[k] != Status.OK:
            floor = oib.american_price(*terms, years, RATE, 1e-4, dividends=([ahead], [0.7]))
            assert snapshot.mid[k] <= floor + 1e-6
            assert not found.implied_volatility[k] > 0.0  # NaN, or 0 at the exercise value
            continue
        alone = oib.american_implied_greeks(
            float(snapshot.mid[k]), *terms, years, RATE, dividends=([ahead], [0.7]), tier="fast"
        )
        expected = [getattr(alone, name) for name in ("volatility", *VALUE_NAMES[2:])]
        assert found.values[[0, 2, 3, 4, 5, 6], k] == pytest.approx(expected, abs=1e-12)
        assert found.model_price[k] == pytest.approx(snapshot.mid[k], abs=1e-6)
    assert (found.status == Status.OK).mean() > 0.8
    assert (found.source == Source.COMPUTED).all()
    assert (found.age_seconds == 0.0).all()
    assert found.delta is not None
    with pytest.raises(AttributeError, match="has no 'charm'"):
        _ = found.charm


def test_a_contract_without_quote_is_nan_with_status() -> None:
    snapshot = chain()
    bid = snapshot.bid.copy()
    bid[3], bid[5] = np.nan, snapshot.ask[5] + 1.0  # one side, crossed
    found = generator().generate(replace(snapshot, bid=bid))
    for k in (3, 5):
        assert np.isnan(found.values[:, k]).all()
        assert found.status[k] == Status.INVALID_INPUT
        assert found.source[k] == Source.NONE
        assert np.isnan(found.age_seconds[k])
    assert (found.status[[0, 1, 2, 4]] != Status.INVALID_INPUT).all()
    nothing = generator().generate(replace(snapshot, underlying_bid=np.nan))
    assert np.isnan(nothing.values).all()


def test_permuted_contracts_give_permuted_values() -> None:
    snapshot = chain()
    order = np.random.default_rng(1).permutation(len(snapshot.contracts))
    fields = ("con_id", "kind", "strike", "expiry_ns", "time_to_expiry", "bid", "ask", "bid_size", "ask_size")
    shuffled = replace(
        snapshot,
        contracts=tuple(snapshot.contracts[k] for k in order),
        **{name: getattr(snapshot, name)[order] for name in fields},
    )
    whole, other = generator().generate(snapshot), generator().generate(shuffled)
    assert other.values.tobytes() == np.ascontiguousarray(whole.values[:, order]).tobytes()


def moved(snapshot: ChainSnapshot, seconds: float, rows: list[int], spot: float) -> ChainSnapshot:
    bid, ask = snapshot.bid.copy(), snapshot.ask.copy()
    bid[rows] += 0.01
    ask[rows] += 0.01
    return replace(
        snapshot, at_ns=snapshot.at_ns + round(seconds * SECOND_NS), bid=bid, ask=ask,
        underlying_bid=snapshot.underlying_bid * spot, underlying_ask=snapshot.underlying_ask * spot,
    )  # fmt: skip


def test_only_what_changed_is_computed_again() -> None:
    pipeline = GreekFeaturePipeline(generator(), spot_tolerance=1e-3, maximum_age_seconds=60.0)
    first = chain()
    pipeline.step(first)
    second = moved(first, 1.0, [2, 7], 1.0)
    found = pipeline.step(second)
    assert np.flatnonzero(found.source == Source.COMPUTED).tolist() == [2, 7]
    assert sorted(set(found.age_seconds)) == [0.0, 1.0]
    third = moved(second, 1.0, [], 1.0005)  # a small move of the underlying
    assert (pipeline.step(third).source == Source.CACHED).all()
    fourth = moved(third, 1.0, [], 1.0007)  # with the one before, more than the tolerance
    assert (pipeline.step(fourth).source == Source.COMPUTED).all()
    assert (pipeline.step(moved(fourth, 59.0, [], 1.0)).source == Source.CACHED).all()
    assert (pipeline.step(moved(fourth, 61.0, [], 1.0)).source == Source.COMPUTED).all()


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 40.0),
            st.lists(st.integers(0, 43), max_size=3),
            st.sampled_from([1.0, 1.0, 1.0002, 0.999]),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_every_row_equals_the_whole_chain_at_its_moment(steps: list[tuple[float, list[int], float]]) -> None:
    pipeline = GreekFeaturePipeline(generator(), spot_tolerance=3e-4, maximum_age_seconds=30.0)
    snapshot = chain()
    wholes: dict[int, list[GreekFeatures]] = {}
    for seconds, rows, spot in [(0.0, [], 1.0), *steps]:
        snapshot = moved(snapshot, seconds, rows, spot)
        found = pipeline.step(snapshot)
        whole = generator().generate(snapshot)
        wholes.setdefault(snapshot.at_ns, []).append(whole)
        for k, at_ns in enumerate(found.computed_ns):
            assert any(
                found.values[:, k].tobytes() == one.values[:, k].tobytes() for one in wholes[int(at_ns)]
            )
            assert snapshot.at_ns - at_ns <= 30 * SECOND_NS


def test_the_broker_is_watched_and_never_used() -> None:
    pipeline = GreekFeaturePipeline(generator())
    snapshot = chain()
    plain = generator().generate(snapshot)
    theirs = plain.implied_volatility + 0.01
    theirs[4] = np.nan
    found = pipeline.step(snapshot, broker_volatility=theirs)
    known = np.isfinite(found.implied_volatility) & np.isfinite(theirs)
    assert found.broker_gap[known] == pytest.approx(-0.01)
    assert np.isnan(found.broker_gap[4])
    assert found.values.tobytes() == plain.values.tobytes()


def test_bad_input_is_named() -> None:
    pipeline = GreekFeaturePipeline(generator())
    snapshot = chain()
    pipeline.step(snapshot)
    with pytest.raises(ValueError, match="is older than the last one"):
        pipeline.step(replace(snapshot, at_ns=snapshot.at_ns - 1))
    with pytest.raises(ValueError, match="another chain"):
        pipeline.step(replace(snapshot, contracts=snapshot.contracts[::-1]))
    with pytest.raises(ValueError, match="expected \\(44,\\)"):
        pipeline.step(snapshot, broker_volatility=np.zeros(3))
    with pytest.raises(ValueError, match=">= 0"):
        GreekFeaturePipeline(generator(), spot_tolerance=-1.0)
    with pytest.raises(ValueError, match="finite amount"):
        GreekFeatureGenerator(FlatCurve(), dividends=[Dividend(0, -1.0)])
    assert len(VALUE_NAMES) == 7
