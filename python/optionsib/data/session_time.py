"""Time as the exchange lives it: only the hours between open and close count.

Half days are short, holidays and nights nothing, clock changes invisible. What lies ahead is counted by the
calendar as it stood: a closure that nobody had planned counts as a session until the morning of that day.
"""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import DataError
from optionsib.common.types import MINUTE_NS
from optionsib.data.calendars import NEW_YORK, session_table, unscheduled_closures

Stamps = NDArray[np.int64]
Floats = NDArray[np.float64]

SESSION_YEAR_NS = 252 * 390 * MINUTE_NS  # 252 sessions of 6.5 hours
_OPEN, _CLOSE = dt.time(9, 30), dt.time(16, 0)


class _Table:
    """Opens and closes (UTC ns, ascending) with the open time before each."""

    def __init__(self, opens: Stamps, closes: Stamps) -> None:
        self.opens, self.closes = opens, closes
        self.before = np.concatenate([[0], np.cumsum(closes - opens)])

    def open_time(self, at_ns: Stamps) -> Stamps:
        """Return the open time (ns) from the first session to ``at_ns``."""
        k = np.searchsorted(self.opens, at_ns, side="right")
        last = np.maximum(k - 1, 0)
        partial = np.minimum(at_ns, self.closes[last]) - self.opens[last]
        return np.where(k > 0, self.before[last] + partial, 0)


@lru_cache(maxsize=1)
def _actual() -> _Table:
    return _Table(*session_table())


@lru_cache(maxsize=1)
def _unplanned() -> _Table:
    days = unscheduled_closures()
    opens, closes = (
        np.array([round(dt.datetime.combine(day, at, NEW_YORK).timestamp()) for day in days], dtype=np.int64)
        * 1_000_000_000
        for at in (_OPEN, _CLOSE)
    )
    return _Table(opens, closes)


@lru_cache(maxsize=1)
def _planned() -> _Table:
    actual, unplanned = _actual(), _unplanned()
    opens = np.concatenate([actual.opens, unplanned.opens])
    order = np.argsort(opens)
    return _Table(opens[order], np.concatenate([actual.closes, unplanned.closes])[order])


def elapsed(from_ns: Stamps | int, until_ns: Stamps | int) -> Stamps:
    """Return the open time (ns) that passed between two instants (UTC ns, broadcast), as it was.

    Raises
    ------
    DataError
        If an instant lies outside the calendar's range.
    """
    table = _actual()
    return table.open_time(_known(until_ns)) - table.open_time(_known(from_ns))


def ahead(at_ns: Stamps | int, until_ns: Stamps | int) -> Stamps:
    """Return the open time (ns) between ``at_ns`` and ``until_ns`` as planned at ``at_ns`` (broadcast).

    Raises
    ------
    DataError
        If an instant lies outside the calendar's range.
    """
    at, until = _known(at_ns), _known(until_ns)
    table, closures = _planned(), _unplanned()
    today = np.searchsorted(closures.opens, at, side="right") - 1
    # On the morning of an unplanned closure the rest of that day is known to be closed.
    end = np.where(today >= 0, closures.closes[np.maximum(today, 0)], at)
    return table.open_time(until) - table.open_time(np.minimum(np.maximum(at, end), np.maximum(until, at)))


def years_ahead(at_ns: Stamps | int, until_ns: Stamps | int) -> Floats:
    """Return ``ahead`` in years of 252 sessions of 6.5 hours; negative if ``until_ns`` is past."""
    return ahead(at_ns, until_ns) / SESSION_YEAR_NS


def session_around(at_ns: Stamps | int) -> tuple[Stamps, Stamps, Stamps]:
    """Return open and close (UTC ns) of the session at ``at_ns``, else of the next one, and the close before.

    The next one is as planned.

    Raises
    ------
    DataError
        If an instant lies outside the calendar's range.
    """
    at = _known(at_ns)
    actual, planned, closures = _actual(), _planned(), _unplanned()
    last = np.searchsorted(closures.opens, at, side="right") - 1
    after = np.where(last >= 0, np.maximum(at, closures.closes[np.maximum(last, 0)]), at)
    k = np.searchsorted(planned.closes, after, side="right")
    before = np.searchsorted(actual.closes, at, side="right") - 1
    return planned.opens[k], planned.closes[k], actual.closes[np.maximum(before, 0)]


def _known(at_ns: Stamps | int) -> Stamps:
    at = np.asarray(at_ns, dtype=np.int64)
    table = _actual()
    first, last = table.opens[0], table.closes[-2]
    if at.size and (at.min() < first or at.max() > last):
        raise DataError(
            f"instants from {at.min()} to {at.max()} ns: expected {first} to {last}, the calendar's range"
        )
    return at
