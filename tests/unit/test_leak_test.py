"""The leak test finds planted leaks of every kind, passes what is causal, and does not pass for nothing."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable
from functools import cache

import numpy as np
import pytest

from optionsib.common.config import FeaturesConfig, RatePoint, RatesConfig
from optionsib.common.ports import QuoteTape, TapeStep
from optionsib.data.daily import MarketDays, simulated_market_days
from optionsib.data.memory_tape import MemoryTape, shorten
from optionsib.data.rates import RateCurve
from optionsib.data.synthetic.simulated_day import SimulatedTape
from optionsib.features import ChainFeatures, FeatureEngine, run_tape
from optionsib.features.daily import DailyFeatures, daily_features
from optionsib.features.leak_test import leak_test, leak_test_days, leak_test_tape, mutate_days, mutate_tape

CURVE = RateCurve.from_config(
    RatesConfig(as_of=dt.date(2014, 6, 5), source="test", points=(RatePoint(tenor_days=365, rate=0.001),))
)


@cache
def days() -> MarketDays:
    return simulated_market_days(seed=2, days=90)


@cache
def tape() -> MemoryTape:
    return shorten(SimulatedTape(seed=11), first_minute=30, minutes=8)


def chain(some: QuoteTape) -> Iterable[ChainFeatures]:
    return run_tape(some, FeatureEngine(FeaturesConfig(), CURVE))


def test_causal_features_pass() -> None:
    assert leak_test_days(daily_features, days(), mutations=16).startswith(
        "passed: 16 mutations of data known after t changed no feature up to t"
    )
    assert leak_test_tape(chain, tape(), mutations=8).startswith("passed: 8 mutations")


def next_row(some: MarketDays) -> DailyFeatures:
    found = daily_features(some)
    return dataclasses.replace(found, matrix=np.roll(found.matrix, -1, axis=0))


def whole_sample_scale(some: MarketDays) -> DailyFeatures:
    found = daily_features(some)
    return dataclasses.replace(found, matrix=found.matrix - np.nanmean(found.matrix, axis=0))


def backward_fill(some: MarketDays) -> DailyFeatures:
    """A missing VIX is filled with the next one."""
    found = daily_features(some)
    matrix = found.matrix.copy()
    for t in range(len(matrix) - 2, -1, -1):
        matrix[t] = np.where(np.isnan(matrix[t]), matrix[t + 1], matrix[t])
    return dataclasses.replace(found, matrix=matrix)


def final_versions(some: MarketDays) -> DailyFeatures:
    """What a data base gives that keeps only the last version of each value."""
    last = dataclasses.replace(
        some,
        sp500=some.sp500.as_of(1 << 62),
        vix=some.vix.as_of(1 << 62),
    )
    close = np.full(len(last.date), np.nan, dtype=np.float32)
    close[np.searchsorted(last.date, last.sp500.date)] = last.sp500.values
    return DailyFeatures(last.date, last.known_at_ns, close[:, None])


def complete_rows_only(some: MarketDays) -> DailyFeatures:
    """Which rows there are depends on whether the next one is complete."""
    found = daily_features(some)
    kept = np.append(found.complete[1:], True)
    return DailyFeatures(found.date[kept], found.known_at_ns[kept], found.matrix[kept])


def stamps_of_the_next_value(some: MarketDays) -> DailyFeatures:
    """As many rows as ever, but when each was known depends on what comes after."""
    found = daily_features(some)
    up = np.append(np.nan_to_num(np.diff(some.sp500_close)), 0.0) > 0.0
    return dataclasses.replace(found, known_at_ns=found.known_at_ns - up)


@pytest.mark.parametrize(
    "leak",
    [
        next_row,
        whole_sample_scale,
        backward_fill,
        final_versions,
        complete_rows_only,
        stamps_of_the_next_value,
    ],
)
def test_leaks_are_found(leak: Callable[[MarketDays], DailyFeatures]) -> None:
    found = leak_test_days(leak, days(), mutations=16)
    assert found.startswith("failed: mutation"), found


def test_the_answer_names_the_feature_and_the_moment() -> None:
    def vix_of_tomorrow(some: MarketDays) -> DailyFeatures:
        found = daily_features(some)
        matrix = found.matrix.copy()
        matrix[:-1, 13] = matrix[1:, 13]
        return dataclasses.replace(found, matrix=matrix)

    assert " changed vix at 2000-" in leak_test_days(vix_of_tomorrow, days(), mutations=32)


def test_a_leak_in_any_number_of_the_chain_is_found() -> None:
    def next_bid(some: QuoteTape) -> Iterable[ChainFeatures]:
        found = list(chain(some))
        for now, later in zip(found, [*found[1:], found[-1]], strict=True):
            yield dataclasses.replace(now, bid=later.bid)

    assert " changed bid at " in leak_test_tape(next_bid, tape(), mutations=8)


def test_a_field_that_cannot_be_compared_is_no_silent_hole() -> None:
    def with_a_cube(some: QuoteTape) -> Iterable[ChainFeatures]:
        for features in chain(some):
            yield dataclasses.replace(features, bid=np.zeros((2, 3)))

    with pytest.raises(TypeError, match=r"bid has shape \(2, 3\)"):
        leak_test_tape(with_a_cube, tape())


def test_features_that_nothing_moves_are_not_passed() -> None:
    def constant(some: MarketDays) -> DailyFeatures:
        found = daily_features(some)
        return dataclasses.replace(found, matrix=np.zeros_like(found.matrix))

    found = leak_test_days(constant, days(), mutations=4)
    assert found == "failed: none of 4 mutations changed any later feature, so nothing was tested"


def test_there_must_be_something_to_test() -> None:
    with pytest.raises(ValueError, match="mutations is 0"):
        leak_test_days(daily_features, days(), mutations=0)
    one = np.array([5])
    with pytest.raises(ValueError, match="at least two instants"):
        leak_test(lambda data: (one, data), np.zeros((1, 1)), lambda data, at_ns, rng: data)


def test_mutated_days_are_the_same_as_far_as_they_were_known() -> None:
    for seed in range(20):
        at_ns = int(days().known_at_ns[seed * 4])
        other = mutate_days(days(), at_ns, np.random.default_rng(seed))
        assert other.as_of(at_ns).sha256 == days().as_of(at_ns).sha256
        assert other.sha256 != days().sha256
        assert other.simulated


def test_a_mutated_tape_is_the_same_up_to_its_cut() -> None:
    steps = list(tape().steps())
    for seed, cut in enumerate(range(len(steps) - 1)):
        other = list(mutate_tape(tape(), steps[cut].at_ns, np.random.default_rng(seed)).steps())
        assert other[: cut + 1] == steps[: cut + 1]
        assert other != steps
        assert [step.at_ns for step in other] == [step.at_ns for step in steps]
        assert all(isinstance(step, TapeStep) for step in other)
