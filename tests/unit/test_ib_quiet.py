"""Planned outages follow the clocks of New York, over midnight and over the change of the clocks."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from optionsib.brokers.ib.quiet import QuietCalendar
from optionsib.common.config import GatewayConfig, QuietWindow
from optionsib.common.types import SECOND_NS

NEW_YORK = ZoneInfo("America/New_York")
NIGHT = QuietWindow(name="night", start="23:45", minutes=30)
LOGIN = QuietWindow(name="login", start="01:00", minutes=60, days=("sun",))


def at(*when: int) -> int:
    return int(dt.datetime(*when, tzinfo=NEW_YORK).timestamp()) * SECOND_NS  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("when", "name"),
    [
        ((2024, 3, 6, 23, 44, 59), ""),
        ((2024, 3, 6, 23, 45), "night"),
        ((2024, 3, 7, 0, 14, 59), "night"),  # into the next day
        ((2024, 3, 7, 0, 15), ""),
        ((2024, 3, 7, 1, 30), ""),
        ((2024, 3, 10, 1, 30), "login"),  # a Sunday
        ((2024, 3, 10, 3, 0), ""),  # 02:00 does not exist on that day: an hour later it is 03:00
        ((2024, 11, 3, 0, 59), ""),
    ],
)
def test_which_window_is_on(when: tuple[int, ...], name: str) -> None:
    found = QuietCalendar([NIGHT, LOGIN]).current(at(*when))
    assert (found[0] if found else "") == name


def test_the_end_and_the_next_start_are_told() -> None:
    calendar = QuietCalendar([NIGHT, LOGIN])
    assert calendar.current(at(2024, 3, 6, 23, 50)) == ("night", at(2024, 3, 7, 0, 15))
    assert calendar.next_start(at(2024, 3, 9, 23, 50)) == at(2024, 3, 10, 1, 0)
    assert calendar.next_start(at(2024, 3, 10, 1, 0)) == at(2024, 3, 10, 23, 45)
    assert QuietCalendar([]).next_start(at(2024, 3, 10, 1, 0)) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "", "start": "23:45", "minutes": 1},
        {"name": "n", "start": "24:00", "minutes": 1},
        {"name": "n", "start": "9:00", "minutes": 1},
        {"name": "n", "start": "09:00", "minutes": 0},
        {"name": "n", "start": "09:00", "minutes": 1, "days": []},
        {"name": "n", "start": "09:00", "minutes": 1, "days": ["sonntag"]},
    ],
)
def test_a_window_that_cannot_be_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GatewayConfig.model_validate({"quiet_windows": [fields]})
