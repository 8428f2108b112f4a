"""The interest rate curve."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import numpy as np
import pytest

from optionsib.common.config import RatePoint, RatesConfig
from optionsib.common.errors import DataError
from optionsib.data.rates import RateCurve

DAY = dt.date(2014, 6, 5)


def config(*points: tuple[int, float], as_of: dt.date = DAY) -> RatesConfig:
    listed = tuple(RatePoint(tenor_days=days, rate=rate) for days, rate in points)
    return RatesConfig(as_of=as_of, source="test", points=listed)


def test_rates_are_linear_between_tenors_and_flat_outside() -> None:
    curve = RateCurve.from_config(config((73, 0.01), (365, 0.02), (730, 0.05)))
    times = np.array([0.0, 0.1, 0.2, 0.6, 1.0, 1.5, 2.0, 30.0])
    expected = np.array([0.01, 0.01, 0.01, 0.015, 0.02, 0.035, 0.05, 0.05])
    np.testing.assert_allclose(curve.rate(times), expected, rtol=0, atol=1e-15)
    assert curve.rate(times.reshape(2, 4)).shape == (2, 4)
    assert float(curve.rate(0.6)) == pytest.approx(0.015, abs=1e-15)


def test_one_tenor_is_a_flat_curve_and_nan_stays_nan() -> None:
    curve = RateCurve.from_config(config((30, 0.003)))
    assert curve.rate([0.001, 5.0]).tolist() == [0.003, 0.003]
    assert math.isnan(float(curve.rate(math.nan)))


def test_a_curve_may_be_as_old_as_the_trading_day_but_not_younger() -> None:
    assert RateCurve.from_config(config((30, 0.003)), DAY).as_of == DAY
    with pytest.raises(DataError, match="as_of 2014-06-05 is later than the trading day 2014-06-04"):
        RateCurve.from_config(config((30, 0.003)), dt.date(2014, 6, 4))


@pytest.mark.parametrize(
    ("points", "message"),
    [
        ((), "no point"),
        (((30, 0.01), (30, 0.02)), "tenor_days 30 after 30"),
        (((60, 0.01), (30, 0.02)), "tenor_days 30 after 60"),
    ],
)
def test_broken_curves_are_refused(points: Any, message: str) -> None:
    # model_construct: the curve must hold its own ground, whatever the configuration checks
    broken = RatesConfig.model_construct(
        as_of=DAY,
        source="test",
        points=tuple(RatePoint(tenor_days=days, rate=rate) for days, rate in points),
    )
    with pytest.raises(DataError, match=message):
        RateCurve.from_config(broken)


@pytest.mark.parametrize("rate", [math.nan, math.inf])
def test_a_rate_that_is_no_number_is_refused(rate: float) -> None:
    point = RatePoint.model_construct(tenor_days=30, rate=rate)
    broken = RatesConfig.model_construct(as_of=DAY, source="test", points=(point,))
    with pytest.raises(DataError, match="at 30 days; expected a finite number"):
        RateCurve.from_config(broken)
