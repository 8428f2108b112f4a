"""The S&P 500 and the VIX joined, read from files, or simulated."""

from __future__ import annotations

import datetime as dt
import gzip
import sys
from pathlib import Path

import numpy as np
import pytest

from optionsib.common.errors import DataError, MissingExtraError
from optionsib.data.calendars import NEW_YORK
from optionsib.data.daily import (
    SP500_FILE,
    VIX_FILE,
    MarketDays,
    load_market_days,
    simulated_market_days,
    to_date,
    to_day,
)
from optionsib.data.daily_series import DailySeries, Kind, session_days

SP500_ROWS = "Date,SP500\n2018-06-04,2746.87\n2018-06-05,2748.80\n2018-06-06,2772.35\n2018-06-07,2770.37\n"
VIX_ROWS = (
    "DATE,OPEN,HIGH,LOW,CLOSE\n"
    "2018-06-03,1,1,1,1\n"
    "2018-06-05,12.7,13.0,12.2,12.40\n"
    "2018-06-07,12,13,11,12.13\n"
)


def folder(tmp_path: Path, sp500: str = SP500_ROWS, vix: str = VIX_ROWS) -> Path:
    for name, text in ((SP500_FILE, sp500), (VIX_FILE, vix)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    return tmp_path


def test_files_are_joined_over_the_sessions_that_both_cover(tmp_path: Path) -> None:
    days = load_market_days(folder(tmp_path))
    assert [to_date(day).isoformat() for day in days.date] == ["2018-06-05", "2018-06-06", "2018-06-07"]
    assert days.sp500_close.tolist() == [2748.80, 2772.35, 2770.37]
    np.testing.assert_array_equal(days.vix_close, [12.40, np.nan, 12.13])
    np.testing.assert_allclose(days.sp500_returns[1:], np.diff(np.log([2748.80, 2772.35, 2770.37])))
    assert np.isnan(days.sp500_returns[0])
    expected = dt.datetime(2018, 6, 5, 16, 15, tzinfo=NEW_YORK)
    assert days.known_at_ns[0] == int(expected.timestamp()) * 10**9
    assert not days.simulated


def test_what_is_wrong_with_the_data_is_told(tmp_path: Path) -> None:
    source = load_market_days(folder(tmp_path)).source
    assert "VIX: 1 rows on days without a session left out, the first 2018-06-03" in source
    assert "VIX: 1 sessions without a value" in source
    assert "2003-09-22" not in source


@pytest.mark.parametrize(
    ("sp500", "vix", "complaint"),
    [
        ("Date,Close\n2018-06-04,2746.87\n", VIX_ROWS, "row 2: column SP500 is empty or missing"),
        ("Date,SP500\n2018-06-04,\n", VIX_ROWS, "row 2: column SP500 is empty or missing"),
        ("Date,SP500\n2018-06-04,1\n06/05/2018,2\n", VIX_ROWS, "row 3, columns Date and SP500: .*06/05/2018"),
        ("Date,SP500\n2018-06-04,nan\n", VIX_ROWS, "row 2, column SP500: nan, expected above 0"),
        ("Date,SP500\n2018-06-04,-3\n", VIX_ROWS, "row 2, column SP500: -3.0, expected above 0"),
        (SP500_ROWS + "2018-06-07,1\n", VIX_ROWS, "row 6, column Date: 2018-06-07 comes twice"),
        ("Date,SP500\n", VIX_ROWS, "expected at least one row in each"),
        ("Date,SP500\n2018-06-04,1\n", "DATE,CLOSE\n2018-06-05,12\n", "no date in common"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, sp500: str, vix: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        load_market_days(folder(tmp_path, sp500, vix))


def test_a_missing_and_a_torn_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is missing: expected a folder with"):
        load_market_days(tmp_path)
    path = folder(tmp_path) / VIX_FILE
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match=r"vix_daily.* cannot be read"):
        load_market_days(tmp_path)


@pytest.mark.parametrize("package", ["skfolio", "arch"])
def test_a_missing_package_names_the_extra(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if package == "arch":
        pytest.importorskip("skfolio")  # asked for first
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"{package} is not installed: .*optionsib\[research\]"):
        load_market_days()


def test_only_a_close_and_a_level_are_joined() -> None:
    days = simulated_market_days(seed=1, days=3)
    with pytest.raises(DataError, match="kinds level and close: expected close and level"):
        MarketDays.join(days.vix, days.sp500)


def test_no_session_is_left_out() -> None:
    days = simulated_market_days(seed=1, days=5)
    with pytest.raises(DataError, match="2000-01-04 is not followed by the next session"):
        MarketDays(np.delete(days.date, 2), days.sp500, days.vix)


def test_as_of_ends_with_the_last_session_that_could_be_decided_on() -> None:
    days = simulated_market_days(seed=1, days=30)
    at_ns = int(days.known_at_ns[9])
    assert days.as_of(at_ns).date.tolist() == days.date[:10].tolist()
    before = days.as_of(at_ns - 1)
    assert before.date.tolist() == days.date[:9].tolist()
    assert before.sp500.date.tolist() == days.date[:10].tolist()  # its close was known, its VIX was not
    assert before.vix.date.tolist() == days.date[:9].tolist()


def test_between_cuts_the_sessions_and_both_series() -> None:
    days = simulated_market_days(seed=1, days=30)
    part = days.between(to_date(days.date[5]), to_date(days.date[8]))
    assert part.sp500_close.tolist() == days.sp500_close[5:9].tolist()
    assert part.vix_close.tolist() == days.vix_close[5:9].tolist()
    assert part.sha256 != days.sha256


def test_closes_are_those_that_were_known_at_the_decision() -> None:
    days = simulated_market_days(seed=1, days=5)
    at_ns = days.known_at_ns
    sp500 = days.sp500.revised(to_date(days.date[1]), 1.0, int(at_ns[1]))
    sp500 = sp500.revised(to_date(days.date[2]), 2.0, int(at_ns[2]) + 1)
    known = days.vix.known_at_ns.copy()
    known[3] += 1
    vix = DailySeries.of("VIX", Kind.LEVEL, days.vix.date, days.vix.values, known_at_ns=known, source="test")
    found = MarketDays.join(sp500, vix)
    first = days.sp500_close
    assert found.sp500_close.tolist() == [first[0], 1.0, first[2], first[3], first[4]]
    assert np.isnan(found.vix_close).tolist() == [False, False, False, True, False]


def test_a_late_vix_puts_off_no_decision() -> None:
    days = simulated_market_days(seed=1, days=5)
    known = days.vix.known_at_ns + 10**15
    late = DailySeries.of("VIX", Kind.LEVEL, days.vix.date, days.vix.values, known_at_ns=known, source="test")
    joined = MarketDays.join(days.sp500, late)
    assert np.isnan(joined.vix_close).all()
    assert joined.known_at_ns.tolist() == days.known_at_ns.tolist()


def test_simulated_days_say_so_and_follow_the_seed() -> None:
    days = simulated_market_days(seed=1, days=300)
    assert days.simulated
    assert "simulated, seed 1" in days.source
    assert days.sha256 == simulated_market_days(seed=1, days=300).sha256
    assert days.sha256 != simulated_market_days(seed=2, days=300).sha256
    longer = simulated_market_days(seed=1, days=301)
    assert longer.sp500_close[:300].tolist() == days.sp500_close.tolist()
    assert longer.vix_close[:300].tolist() == days.vix_close.tolist()


def test_simulated_volatility_clusters_follows_losses_and_shows_in_the_vix() -> None:
    days = simulated_market_days(seed=0, days=5_000)
    returns = days.sp500_returns[1:]
    squares = returns**2

    def correlation(left: np.ndarray, right: np.ndarray) -> float:
        return float(np.corrcoef(left, right)[0, 1])

    bound = 3.0 / np.sqrt(len(returns))  # of a correlation that is 0
    assert correlation(np.abs(returns[:-10]), np.abs(returns[10:])) > bound
    assert correlation(returns[:-1], np.abs(returns[1:])) < -bound  # leverage
    assert correlation(returns, np.diff(np.log(days.vix_close))) < -0.3
    signs = np.sign(returns)
    assert abs(correlation(signs[:-1], signs[1:])) < bound  # the direction is not to be foretold
    month = np.sqrt(np.convolve(squares, np.ones(21), mode="valid") * 252.0 / 21.0)
    assert correlation(days.vix_close[: len(month)], month) > 0.5  # of the 21 sessions after
    assert np.median(days.vix_close[: len(month)] / (100.0 * month)) > 1.1  # the premium


@pytest.mark.parametrize("days", [0, len(session_days())])
def test_a_simulation_fits_the_calendar(days: int) -> None:
    with pytest.raises(DataError, match="what the calendar holds"):
        simulated_market_days(seed=1, days=days)
    with pytest.raises(DataError, match="2018-07-04: expected a trading day"):
        simulated_market_days(seed=1, days=5, first=dt.date(2018, 7, 4))


def test_the_closes_of_a_half_day_are_usable_earlier() -> None:
    days = simulated_market_days(seed=1, days=2, first=dt.date(2018, 7, 3))
    assert days.date.tolist() == [to_day(dt.date(2018, 7, 3)), to_day(dt.date(2018, 7, 5))]
    clock = [
        dt.datetime.fromtimestamp(at // 10**9, NEW_YORK).strftime("%H:%M") for at in days.known_at_ns.tolist()
    ]
    assert clock == ["13:15", "16:15"]
