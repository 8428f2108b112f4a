"""The exchange's time: known dates, and counting minute by minute as the second method."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.common.errors import DataError
from optionsib.common.types import MINUTE_NS
from optionsib.data.calendars import all_sessions, session_bounds, unscheduled_closures
from optionsib.data.session_time import SESSION_YEAR_NS, ahead, elapsed, session_around, years_ahead
from optionsib.features.temporal import PHASES, EncodingMethod, SessionPhase, TemporalEncoder

NEW_YORK = ZoneInfo("America/New_York")
HOUR = 60 * MINUTE_NS


def at(year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    return int(dt.datetime(year, month, day, hour, minute, tzinfo=NEW_YORK).timestamp()) * 1_000_000_000


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [
        (at(2024, 3, 8, 12), at(2024, 3, 11, 12), 6.5),  # clocks change on the Sunday between
        (at(2024, 11, 1, 12), at(2024, 11, 4, 12), 6.5),
        (at(2014, 11, 26, 9, 30), at(2014, 11, 29, 0), 10.0),  # Thanksgiving, then a half day to 13:00
        (at(2001, 9, 10, 9, 30), at(2001, 9, 17, 9, 30), 6.5),  # closed 11 to 14 September
        (at(2024, 7, 6, 10), at(2024, 7, 7, 22), 0.0),
        (at(2024, 7, 3, 12), at(2024, 7, 3, 12, 30), 0.5),
    ],
)
def test_elapsed(begin: int, end: int, hours: float) -> None:
    assert elapsed(begin, end) == hours * HOUR


def test_an_unplanned_closure_is_not_known_the_day_before() -> None:
    assert ahead(at(2001, 9, 10, 16), at(2001, 9, 17, 9, 30)) == 4 * 6.5 * HOUR
    assert ahead(at(2001, 9, 11, 9, 29), at(2001, 9, 11, 16)) == 6.5 * HOUR
    assert ahead(at(2001, 9, 11, 12), at(2001, 9, 11, 16)) == 0
    assert ahead(at(2001, 9, 11, 12), at(2001, 9, 12, 16)) == 6.5 * HOUR
    opens, _, before = session_around(at(2001, 9, 11, 12))
    assert int(opens) == at(2001, 9, 12, 9, 30)
    assert int(before) == at(2001, 9, 10, 16)
    assert dt.date(2025, 1, 9) in unscheduled_closures()


@settings(max_examples=60, deadline=None)
@given(st.integers(at(1999, 1, 4, 9, 30), at(2035, 1, 2, 0)), st.integers(0, 12 * 24 * 60))
def test_elapsed_equals_counting_days(start: int, minutes: int) -> None:
    end = start + minutes * MINUTE_NS
    first = dt.datetime.fromtimestamp(start // 10**9, NEW_YORK).date()
    last = dt.datetime.fromtimestamp(end // 10**9, NEW_YORK).date()
    total = 0
    for date in all_sessions():
        if first <= date <= last:
            opened, closed = session_bounds(date)
            total += max(0, min(end, closed) - max(start, opened))
    assert elapsed(start, end) == total


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(at(1999, 1, 4, 9, 30), at(2035, 1, 2, 0)), min_size=3, max_size=3))
def test_time_ahead_shrinks_as_time_passes(instants: list[int]) -> None:
    early, late, until = sorted(instants)
    assert ahead(early, until) >= ahead(late, until) >= 0
    assert ahead(early, until) >= elapsed(early, until)


def test_a_year_has_about_one_year() -> None:
    assert years_ahead(at(2023, 1, 1, 0), at(2024, 1, 1, 0)) == pytest.approx(1.0, abs=0.02)
    assert SESSION_YEAR_NS == 252 * 6.5 * HOUR


def test_phases_and_edges() -> None:
    stamps = [at(2024, 7, 2, *time) for time in ((9, 29), (9, 30), (10, 0), (15, 29), (15, 30), (16, 0))]
    found = TemporalEncoder().encode(np.array(stamps))
    names = [PHASES[k] for k in found.phase]
    assert names == [
        SessionPhase.CLOSED, SessionPhase.OPENING, SessionPhase.MIDDLE,
        SessionPhase.MIDDLE, SessionPhase.CLOSING, SessionPhase.CLOSED,
    ]  # fmt: skip
    assert np.isnan(found.session_fraction[[0, 5]]).all()
    assert found.session_fraction[1] == 0.0
    assert found.minutes_to_close.tolist() == [391.0, 390.0, 360.0, 31.0, 30.0, 24 * 60 - 180.0]
    assert found.weekday.tolist() == [1, 1, 1, 1, 1, 2]  # after Tuesday's close: Wednesday 3 July, a half day
    assert found.half_day.tolist() == [False] * 5 + [True]


def test_gap_over_night_weekend_and_holiday() -> None:
    stamps = [at(2024, 7, 2, 12), at(2024, 7, 8, 12), at(2024, 7, 5, 12), at(2024, 5, 28, 12)]
    assert TemporalEncoder().encode(np.array(stamps)).gap_hours.tolist() == [17.5, 65.5, 44.5, 89.5]


def test_monthly_expiry_in_session_time() -> None:
    found = TemporalEncoder().encode(
        np.array([at(2024, 7, 18, 16), at(2024, 7, 19, 15), at(2024, 7, 19, 16)])
    )
    hours = found.years_to_monthly_expiry * 252 * 6.5
    assert hours == pytest.approx([6.5, 1.0, 20 * 6.5])  # then the 20 sessions to 16 August


@pytest.mark.parametrize("method", EncodingMethod)
def test_columns_are_finite_in_a_session_and_named(method: EncodingMethod) -> None:
    stamps = np.arange(at(2024, 7, 2, 9, 30), at(2024, 7, 2, 16), 7 * MINUTE_NS)
    found = TemporalEncoder(method).encode(stamps)
    assert found.columns.shape == (len(stamps), len(found.names))
    assert np.isfinite(found.columns).all()
    assert len(set(found.names)) == len(found.names)
    for k, stamp in enumerate(stamps):  # one at a time gives the same: no look at the neighbours
        single = TemporalEncoder(method).encode(np.array([stamp]))
        assert single.columns[0].tobytes() == found.columns[k].tobytes()


def test_cyclical_columns_join_at_the_ends() -> None:
    found = TemporalEncoder().encode(np.array([at(2024, 7, 2, 9, 30), at(2024, 7, 2, 15, 59)]))
    first, last = found.columns[:, :2]
    assert np.hypot(*(first - last)) < 0.02


def test_regime_metrics_find_the_planted_volatility() -> None:
    generator = np.random.default_rng(4)
    stamps, price, level = [], [], 0.0
    for date in all_sessions()[5000:5120]:
        opened, closed = session_bounds(date)
        level += 0.01 * generator.standard_normal()  # over night
        for stamp in range(opened, closed + 1, 5 * MINUTE_NS):
            edge = stamp - opened <= 30 * MINUTE_NS and stamp > opened
            year = 5 * MINUTE_NS / SESSION_YEAR_NS
            level += (
                0.0
                if stamp == opened
                else (0.6 if edge else 0.2) * np.sqrt(year) * generator.standard_normal()
            )
            stamps.append(stamp)
            price.append(100.0 * np.exp(level))
    found = TemporalEncoder().regime_metrics(np.array(stamps), np.array(price))
    assert found.count.sum() == len(stamps) - 1
    assert found.count[PHASES.index(SessionPhase.CLOSED)] == 119
    assert found.volatility[PHASES.index(SessionPhase.OPENING)] == pytest.approx(0.6, rel=0.08)
    assert found.volatility[PHASES.index(SessionPhase.MIDDLE)] == pytest.approx(0.2, rel=0.05)
    assert found.volatility[PHASES.index(SessionPhase.CLOSED)] == pytest.approx(0.01 * np.sqrt(252), rel=0.25)
    assert found.share.sum() == pytest.approx(1.0)


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match="calendar's range"):
        TemporalEncoder().encode(np.array([0]))
    with pytest.raises(ValueError, match="not a valid EncodingMethod"):
        TemporalEncoder("spiral")  # type: ignore[arg-type]
    stamps = np.array([at(2024, 7, 2, 10), at(2024, 7, 2, 11)])
    with pytest.raises(ValueError, match="expected above 0"):
        TemporalEncoder().regime_metrics(stamps, np.array([1.0, 0.0]))
    with pytest.raises(ValueError, match="do not ascend"):
        TemporalEncoder().regime_metrics(stamps[::-1], np.array([1.0, 1.0]))
