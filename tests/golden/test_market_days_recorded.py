"""The recorded S&P 500 and VIX: closes that were in the news, and what the packages carry of the same."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import numpy as np
import pytest

from optionsib.data.daily import MarketDays, load_market_days, to_date, to_day
from optionsib.features.daily import daily_features, labelled_days, volatility_labels

DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
recorded = pytest.mark.skipif(not (DATA / "daily").is_dir(), reason=f"no recorded data at {DATA}")


@pytest.fixture(scope="module")
def days() -> MarketDays:
    return load_market_days(DATA)


@pytest.mark.tape
@recorded
@pytest.mark.parametrize(
    ("date", "sp500", "vix"),
    [
        (dt.date(1990, 1, 2), 359.69, 17.24),
        (dt.date(2008, 10, 13), 1003.35, None),
        (dt.date(2008, 11, 20), None, 80.86),
        (dt.date(2020, 3, 16), 2386.13, 82.69),
    ],
)
def test_closes_of_known_days(
    days: MarketDays, date: dt.date, sp500: float | None, vix: float | None
) -> None:
    row = int(np.searchsorted(days.date, to_day(date)))
    assert to_date(days.date[row]) == date
    assert sp500 in (None, days.sp500_close[row])
    assert vix in (None, days.vix_close[row])


@pytest.mark.tape
@recorded
def test_every_session_is_there_and_the_defects_are_told(days: MarketDays) -> None:
    assert len(days) == 7812
    assert (to_date(days.date[0]), to_date(days.date[-1])) == (dt.date(1990, 1, 2), dt.date(2020, 12, 31))
    assert np.isfinite(days.sp500_close).all()
    absent = [to_date(day).isoformat() for day in days.date[np.isnan(days.vix_close)]]
    assert absent == ["1991-03-01", "1997-01-31", "1997-11-26", "1999-12-31"]
    for defect in ("the first 2004-06-11", "4 sessions without a value", "VIX before 2003-09-22"):
        assert defect in days.source


@pytest.mark.tape
@recorded
def test_features_of_thirty_years_are_complete_but_for_the_beginning_and_the_absent_vix(
    days: MarketDays,
) -> None:
    features = daily_features(days)
    unknown = np.isnan(days.vix_close)
    touched = np.convolve(unknown, np.ones(22))[: len(days)] > 0
    assert features.complete.tolist() == ((np.arange(len(days)) >= 66) & ~touched).tolist()
    joined = labelled_days(features, volatility_labels(days, 5))
    assert len(joined.label) == features.complete.sum() - 5
    assert 0.45 < joined.label.mean() < 0.55


def test_the_packages_carry_the_same_values() -> None:
    pytest.importorskip("skfolio", reason="needs the extra research")
    pytest.importorskip("arch", reason="needs the extra research")
    packaged = load_market_days()
    assert (to_date(packaged.date[0]), to_date(packaged.date[-1])) == (
        dt.date(2014, 1, 3),
        dt.date(2019, 1, 3),
    )
    assert len(packaged) == 1259
    assert np.isfinite(packaged.sp500_close).all()
    assert np.isfinite(packaged.vix_close).all()
    if (DATA / "daily").is_dir():
        files = load_market_days(DATA).between(dt.date(2014, 1, 3), dt.date(2019, 1, 3))
        np.testing.assert_array_equal(packaged.sp500_close, files.sp500_close)
        np.testing.assert_array_equal(packaged.vix_close, files.vix_close)
