"""Trading sessions of the US exchanges, and the instant at which an option expires.

Sessions come from the XNYS calendar of exchange_calendars (half days, holidays); it is loaded on the
first question, not on import. Dates are New York dates, results UTC nanoseconds.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import DataError, MissingExtraError
from optionsib.common.types import SECOND_NS

NEW_YORK = ZoneInfo("America/New_York")
FIRST_DATE = dt.date(1990, 1, 2)
LAST_DATE = dt.date(2045, 12, 29)


@lru_cache(maxsize=1)
def _calendar() -> Any:
    try:
        import exchange_calendars  # imports pandas: a second, so only when a date is asked for
    except ModuleNotFoundError as error:
        raise MissingExtraError("app", "exchange_calendars") from error
    # Fixed bounds: the library's own default depends on today's date.
    return exchange_calendars.get_calendar("XNYS", start=FIRST_DATE.isoformat(), end=LAST_DATE.isoformat())


def _check_range(date: dt.date) -> None:
    if not FIRST_DATE <= date <= LAST_DATE:
        raise DataError(f"date {date}: expected {FIRST_DATE} to {LAST_DATE}, the range of the calendar")


def is_session(date: dt.date) -> bool:
    """Tell whether New York trades on ``date``.

    Raises
    ------
    DataError
        If ``date`` lies outside the calendar's range.
    """
    _check_range(date)
    return bool(_calendar().is_session(date.isoformat()))


@lru_cache(maxsize=4096)
def session_bounds(date: dt.date) -> tuple[int, int]:
    """Return the opening and closing instant (UTC ns) of the session on ``date``.

    Raises
    ------
    DataError
        If New York does not trade on ``date``, or it lies outside the calendar's range.

    Examples
    --------
    >>> import datetime as dt
    >>> opened, closed = session_bounds(dt.date(2014, 11, 28))  # the day after Thanksgiving
    >>> (closed - opened) / 3_600_000_000_000
    3.5
    """
    if not is_session(date):
        raise DataError(f"date {date}: expected a trading day in New York (XNYS)")
    calendar = _calendar()
    label = date.isoformat()
    return int(calendar.session_open(label).value), int(calendar.session_close(label).value)


def last_session_on_or_before(date: dt.date) -> dt.date:
    """Return ``date`` if New York trades on it, else the last trading day before it.

    Raises
    ------
    DataError
        If ``date`` lies outside the calendar's range.
    """
    _check_range(date)
    found: dt.date = _calendar().date_to_session(date.isoformat(), direction="previous").date()
    return found


def expiry_instant(expiry_date: dt.date) -> int:
    """Return the instant (UTC ns) at which an equity option of ``expiry_date`` ends.

    It is the close of the last session on or before that date: Friday 16:00 New York for the
    Saturdays that stood in contract names until 2015, the close of a half day, Thursday's close before
    Good Friday.

    Raises
    ------
    DataError
        If ``expiry_date`` lies outside the calendar's range.
    """
    return session_bounds(last_session_on_or_before(expiry_date))[1]


@lru_cache(maxsize=1)
def all_sessions() -> tuple[dt.date, ...]:
    """Return every trading day in New York of the calendar's range, ascending."""
    return tuple(stamp.date() for stamp in _calendar().sessions)


@lru_cache(maxsize=1)
def unscheduled_closures() -> tuple[dt.date, ...]:
    """Return the weekdays on which New York stayed closed for once (storms, mourning), ascending.

    They are in no calendar that anybody had before.
    """
    days = (stamp.date() for stamp in _calendar().adhoc_holidays)
    return tuple(sorted(day for day in days if FIRST_DATE <= day <= LAST_DATE))


@lru_cache(maxsize=1)
def session_table() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the opening and closing instants (UTC ns) of ``all_sessions``, read-only."""
    columns = (_calendar().opens, _calendar().closes)
    table = tuple(np.array([stamp.value for stamp in column], dtype=np.int64) for column in columns)
    for column in table:
        column.flags.writeable = False
    return table[0], table[1]


def third_friday(year: int, month: int) -> dt.date:
    """Return the third Friday of a month: the nominal monthly expiry, be it a session or not."""
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(4 - first.weekday()) % 7 + 14)


@lru_cache(maxsize=4096)
def midnight_ns(date: dt.date) -> int:
    """Return midnight New York at the start of ``date``, UTC ns."""
    return int(dt.datetime(date.year, date.month, date.day, tzinfo=NEW_YORK).timestamp()) * SECOND_NS


def new_york_date(at_ns: int) -> dt.date:
    """Return the New York date of an instant (UTC ns)."""
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, tz=NEW_YORK).date()
