"""The distance to the broker's own values: what is compared, and when it is told."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from optionsib.trader.broker_gap import FEWEST, BrokerGapWatch


def features(volatility: float, count: int = 9) -> Any:
    return SimpleNamespace(implied_volatility=np.full(count, volatility), delta=np.linspace(0.1, 0.9, count))


def of_broker(count: int = 9) -> Any:
    return np.stack([np.full(count, 0.20), np.linspace(0.1, 0.9, count)])


def test_medians_leave_out_what_is_unknown_on_either_side() -> None:
    watch = BrokerGapWatch(0.05)
    ours, theirs = features(0.21), of_broker()
    ours.implied_volatility[:2] = np.nan
    theirs[1, 2] = np.nan
    theirs[0, 3] = 0.5
    watch.step(ours, theirs)
    assert watch.last is not None
    assert watch.last.contracts == 6
    assert watch.last.volatility == pytest.approx(0.01)
    assert watch.last.delta == 0.0
    assert watch.last.largest_volatility == pytest.approx(0.29)
    assert watch.notices == ()


def test_told_once_when_they_part_and_once_when_they_meet(caplog: pytest.LogCaptureFixture) -> None:
    watch = BrokerGapWatch(0.05)
    with caplog.at_level(logging.INFO):
        for volatility in (0.21, 0.30, 0.31, 0.20, 0.20):
            watch.step(features(volatility), of_broker())
            assert bool(watch.notices) == (volatility > 0.25)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "0.100 in volatility, 0.000 in delta (tolerance 0.05)" in caplog.records[0].getMessage()


def test_too_few_contracts_say_nothing() -> None:
    watch = BrokerGapWatch(0.05)
    watch.step(features(0.9, FEWEST - 1), of_broker(FEWEST - 1))
    assert watch.last is None
    assert watch.notices == ()


def test_deltas_alone_are_enough() -> None:
    watch = BrokerGapWatch(0.05)
    theirs = of_broker()
    theirs[1] -= 0.2
    watch.step(features(0.20), theirs)
    assert "0.200 in delta" in watch.notices[0]
