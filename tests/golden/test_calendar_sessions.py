"""Session bounds and expiry instants against published dates.

Sources: NYSE Group, "Holidays and Trading Hours" (2013 to 2016 tables: holidays, 13:00 closes);
OCC, "Options Expiration Calendar" (2014: April expiry on Thursday the 17th for Good Friday); daylight
saving by 15 U.S.C. 260a (second Sunday of March to first Sunday of November).
"""

from __future__ import annotations

import datetime as dt

import pytest

from optionsib.common.errors import DataError
from optionsib.common.types import SECOND_NS
from optionsib.data.calendars import (
    expiry_instant,
    is_session,
    last_session_on_or_before,
    midnight_ns,
    new_york_date,
    session_bounds,
    third_friday,
)


def utc_ns(year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    return int(dt.datetime(year, month, day, hour, minute, tzinfo=dt.UTC).timestamp()) * SECOND_NS


@pytest.mark.parametrize(
    ("date", "opened", "closed"),
    [
        # summer time: 09:30 to 16:00 New York is 13:30 to 20:00 UTC
        (dt.date(2014, 6, 6), utc_ns(2014, 6, 6, 13, 30), utc_ns(2014, 6, 6, 20)),
        # both sides of the change to summer time, 2014-03-09
        (dt.date(2014, 3, 7), utc_ns(2014, 3, 7, 14, 30), utc_ns(2014, 3, 7, 21)),
        (dt.date(2014, 3, 10), utc_ns(2014, 3, 10, 13, 30), utc_ns(2014, 3, 10, 20)),
        # both sides of the change to winter time, 2014-11-02
        (dt.date(2014, 10, 31), utc_ns(2014, 10, 31, 13, 30), utc_ns(2014, 10, 31, 20)),
        (dt.date(2014, 11, 3), utc_ns(2014, 11, 3, 14, 30), utc_ns(2014, 11, 3, 21)),
        # half days end at 13:00: after Thanksgiving, Christmas Eve, before Independence Day
        (dt.date(2014, 11, 28), utc_ns(2014, 11, 28, 14, 30), utc_ns(2014, 11, 28, 18)),
        (dt.date(2014, 12, 24), utc_ns(2014, 12, 24, 14, 30), utc_ns(2014, 12, 24, 18)),
        (dt.date(2014, 7, 3), utc_ns(2014, 7, 3, 13, 30), utc_ns(2014, 7, 3, 17)),
    ],
)
def test_session_bounds(date: dt.date, opened: int, closed: int) -> None:
    assert session_bounds(date) == (opened, closed)


@pytest.mark.parametrize(
    ("listed", "instant"),
    [
        # the five Saturdays of the recorded TWX chain: Friday 16:00 New York
        (dt.date(2014, 6, 21), utc_ns(2014, 6, 20, 20)),
        (dt.date(2014, 7, 19), utc_ns(2014, 7, 18, 20)),
        (dt.date(2014, 10, 18), utc_ns(2014, 10, 17, 20)),
        (dt.date(2015, 1, 17), utc_ns(2015, 1, 16, 21)),
        # since 2015 the Friday itself is listed
        (dt.date(2016, 1, 15), utc_ns(2016, 1, 15, 21)),
        # Good Friday 2014-04-18: Thursday's close, whether Friday or Saturday is listed
        (dt.date(2014, 4, 18), utc_ns(2014, 4, 17, 20)),
        (dt.date(2014, 4, 19), utc_ns(2014, 4, 17, 20)),
        # a weekly that ends on a half day: 13:00 New York
        (dt.date(2014, 11, 28), utc_ns(2014, 11, 28, 18)),
        (dt.date(2014, 11, 29), utc_ns(2014, 11, 28, 18)),
    ],
)
def test_expiry_instant(listed: dt.date, instant: int) -> None:
    assert expiry_instant(listed) == instant


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (dt.date(2014, 6, 6), dt.date(2014, 6, 6)),
        (dt.date(2014, 6, 8), dt.date(2014, 6, 6)),
        (dt.date(2014, 7, 4), dt.date(2014, 7, 3)),
        (dt.date(2012, 10, 30), dt.date(2012, 10, 26)),  # hurricane Sandy closed Monday and Tuesday
        (dt.date(2001, 9, 14), dt.date(2001, 9, 10)),
    ],
)
def test_last_session_on_or_before(date: dt.date, expected: dt.date) -> None:
    assert last_session_on_or_before(date) == expected


def test_third_fridays_of_2014() -> None:
    days = [third_friday(2014, month).day for month in range(1, 13)]
    assert days == [17, 21, 21, 18, 16, 20, 18, 15, 19, 17, 21, 19]


def test_no_session_is_an_error_that_names_the_day() -> None:
    assert not is_session(dt.date(2014, 7, 4))
    with pytest.raises(DataError, match="2014-07-04: expected a trading day"):
        session_bounds(dt.date(2014, 7, 4))


@pytest.mark.parametrize("date", [dt.date(1989, 6, 6), dt.date(2050, 6, 6)])
def test_dates_outside_the_calendar_are_errors(date: dt.date) -> None:
    for question in (is_session, session_bounds, last_session_on_or_before, expiry_instant):
        with pytest.raises(DataError, match=str(date)):
            question(date)


def test_midnight_and_date_are_new_york() -> None:
    assert midnight_ns(dt.date(2014, 6, 6)) == utc_ns(2014, 6, 6, 4)
    assert midnight_ns(dt.date(2014, 12, 24)) == utc_ns(2014, 12, 24, 5)
    assert new_york_date(utc_ns(2014, 6, 7, 3, 59)) == dt.date(2014, 6, 6)
    assert new_york_date(utc_ns(2014, 6, 7, 4)) == dt.date(2014, 6, 7)
