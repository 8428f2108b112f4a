"""Daily series: when a datum may be used, what a view shows, and what is refused."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from optionsib.common.errors import DataError
from optionsib.data.calendars import NEW_YORK
from optionsib.data.daily_series import (
    DailySeries,
    Kind,
    adjusted_returns,
    session_days,
    to_date,
    to_day,
    usable_from,
)

MONDAY, TUESDAY, WEDNESDAY = (to_day(dt.date(2018, 6, day)) for day in (4, 5, 6))
HOUR_NS = 3_600 * 10**9


def new_york(year: int, month: int, day: int, hour: int, minute: int) -> dt.datetime:
    return dt.datetime(year, month, day, hour, minute, tzinfo=NEW_YORK)


def series(**changes: Any) -> DailySeries:
    given: dict[str, Any] = {
        "name": "index",
        "kind": Kind.CLOSE,
        "date": [MONDAY, TUESDAY, WEDNESDAY],
        "values": [100.0, 101.0, 102.0],
        "source": "test",
    }
    return DailySeries.of(**(given | changes))


@pytest.mark.parametrize(
    ("kind", "date", "expected"),
    [
        (Kind.CLOSE, dt.date(2018, 6, 4), new_york(2018, 6, 4, 16, 0)),
        (Kind.CLOSE, dt.date(2018, 7, 3), new_york(2018, 7, 3, 13, 0)),
        (Kind.RETURN, dt.date(2018, 7, 3), new_york(2018, 7, 3, 13, 0)),
        (Kind.LEVEL, dt.date(2018, 3, 9), new_york(2018, 3, 9, 16, 15)),
        (Kind.LEVEL, dt.date(2018, 3, 12), new_york(2018, 3, 12, 16, 15)),  # the clocks changed between
        (Kind.LEVEL, dt.date(2018, 12, 24), new_york(2018, 12, 24, 13, 15)),
        (Kind.OPEN_INTEREST, dt.date(2018, 6, 4), new_york(2018, 6, 5, 9, 30)),
        (Kind.OPEN_INTEREST, dt.date(2018, 3, 29), new_york(2018, 4, 2, 9, 30)),  # Good Friday, a weekend
        (Kind.OPEN_INTEREST, dt.date(2018, 12, 4), new_york(2018, 12, 6, 9, 30)),  # a day of mourning
    ],
)
def test_from_when_on_a_datum_may_be_used(kind: Kind, date: dt.date, expected: dt.datetime) -> None:
    at_ns = int(usable_from(kind, np.array([to_day(date)]))[0])
    assert at_ns == int(expected.timestamp()) * 10**9


def test_of_the_last_session_of_the_calendar_no_next_morning_is_known() -> None:
    with pytest.raises(DataError, match="the session after it is not known"):
        usable_from(Kind.OPEN_INTEREST, session_days()[-1:])


def test_rows_are_sorted_known_when_usable_and_read_only() -> None:
    found = series(date=[WEDNESDAY, MONDAY, TUESDAY], values=[102.0, 100.0, 101.0])
    assert found.sha256 == series().sha256
    assert found.date.tolist() == [MONDAY, TUESDAY, WEDNESDAY]
    assert found.values.tolist() == [100.0, 101.0, 102.0]
    assert found.known_at_ns.tolist() == usable_from(Kind.CLOSE, found.date).tolist()
    for column in (found.date, found.values, found.known_at_ns):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0


def test_the_arrays_given_stay_the_callers_own() -> None:
    values = np.array([100.0, 101.0, 102.0])
    found = series(values=values)
    values[0] = 7.0
    assert found.values[0] == 100.0


def test_a_view_holds_nothing_that_was_known_later() -> None:
    whole = series()
    close = int(whole.known_at_ns[1])
    assert whole.as_of(close).values.tolist() == [100.0, 101.0]
    assert whole.as_of(close - 1).values.tolist() == [100.0]
    assert whole.as_of(0).values.tolist() == []
    view = whole.as_of(close)
    assert view.values.base is None
    assert view.date.base is None


def test_a_revision_shows_from_its_own_instant_on() -> None:
    first = series()
    revised_at = int(first.known_at_ns[2]) + 5 * HOUR_NS
    revised = first.revised(dt.date(2018, 6, 5), 99.0, revised_at)
    assert revised.as_of(revised_at - 1).values.tolist() == [100.0, 101.0, 102.0]
    assert revised.as_of(revised_at).values.tolist() == [100.0, 99.0, 102.0]
    assert revised.first_published().sha256 == first.sha256
    withdrawn = revised.revised(dt.date(2018, 6, 5), float("nan"), revised_at + 1)
    assert np.isnan(withdrawn.as_of(revised_at + 1).values[1])


def test_between_keeps_both_ends() -> None:
    found = series().between(dt.date(2018, 6, 5), dt.date(2018, 6, 6))
    assert found.values.tolist() == [101.0, 102.0]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"date": [MONDAY, TUESDAY, to_day(dt.date(2018, 7, 4))]}, "2018-07-04: expected a trading day"),
        ({"date": [MONDAY, TUESDAY, to_day(dt.date(1970, 1, 5))]}, "1970-01-05: expected a trading day"),
        ({"date": [MONDAY, TUESDAY]}, "shapes"),
        ({"date": [MONDAY, TUESDAY, TUESDAY]}, "no two with both the same"),
        ({"values": [100.0, 0.0, 102.0]}, "value 0.0 on 2018-06-05: not a close"),
        ({"values": [100.0, np.inf, 102.0]}, "value inf on 2018-06-05: not a close"),
        ({"kind": Kind.OPEN_INTEREST, "values": [0.0, -1.0, 2.0]}, "value -1.0 on 2018-06-05"),
        ({"kind": Kind.RETURN, "values": [0.0, -np.inf, 2.0]}, "value -inf on 2018-06-05"),
    ],
)
def test_impossible_data_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        series(**changes)


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_is_known_before_it_may_be_used(kind: Kind) -> None:
    known = usable_from(kind, np.array([MONDAY, TUESDAY, WEDNESDAY]))
    series(kind=kind, known_at_ns=known + HOUR_NS)
    known[1] -= 1
    with pytest.raises(
        DataError, match=f"{kind} of 2018-06-05 known at {known[1]} ns: expected {known[1] + 1}"
    ):
        series(kind=kind, known_at_ns=known)


def test_the_hash_tells_every_datum_apart() -> None:
    first = series()
    later = first.known_at_ns + np.array([0, 1, 0])
    hashes = {
        first.sha256,
        series(values=[100.0, 101.0, np.nextafter(102.0, 103.0)]).sha256,
        series(known_at_ns=later).sha256,
        series(name="other").sha256,
        series(kind=Kind.RETURN).sha256,
        first.as_of(int(first.known_at_ns[1])).sha256,
    }
    assert len(hashes) == 6


def test_adjusted_prices_give_returns_and_no_levels() -> None:
    days = [MONDAY, TUESDAY, WEDNESDAY]
    found = adjusted_returns("share", days, [50.0, 51.0, 49.0], source="test")
    assert found.kind is Kind.RETURN
    assert found.date.tolist() == [TUESDAY, WEDNESDAY]
    np.testing.assert_allclose(found.values, [np.log(51.0 / 50.0), np.log(49.0 / 51.0)], rtol=1e-13)
    assert found.known_at_ns.tolist() == usable_from(Kind.CLOSE, found.date).tolist()
    with pytest.raises(DataError, match="share is a series of returns: it has no levels"):
        found.levels()
    assert series().levels().tolist() == [100.0, 101.0, 102.0]


def test_a_split_to_come_changes_no_adjusted_return() -> None:
    days = [MONDAY, TUESDAY, WEDNESDAY]
    now = adjusted_returns("share", days, [50.0, 51.0, 49.0], source="test")
    after_the_split = adjusted_returns("share", days, [50.0 / 7, 51.0 / 7, 49.0 / 7], source="test")
    np.testing.assert_allclose(after_the_split.values, now.values, rtol=1e-12)


def test_no_return_over_a_gap() -> None:
    found = adjusted_returns("share", [WEDNESDAY, MONDAY], [50.0, 51.0], source="test")
    assert len(found.values) == 0


@pytest.mark.parametrize(
    ("date", "price", "complaint"),
    [
        ([MONDAY, TUESDAY], [50.0, 0.0], "adjusted price 0.0 on 2018-06-05"),
        ([MONDAY, MONDAY], [50.0, 51.0], "2018-06-04 comes twice"),
        ([MONDAY], [50.0, 51.0], "shapes"),
    ],
)
def test_bad_adjusted_prices_are_refused(date: list[int], price: list[float], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        adjusted_returns("share", date, price, source="test")


def test_days_and_dates_are_inverse() -> None:
    assert to_day(dt.date(1970, 1, 1)) == 0
    assert to_date(to_day(dt.date(2018, 6, 4))) == dt.date(2018, 6, 4)
