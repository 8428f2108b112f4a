"""Times as clients write them, and the desk's switches."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from optionsib.brokers.paper.client_times import parse_time
from optionsib.brokers.paper.desk_rules import DeskRules
from optionsib.common.types import SECOND_NS

NEW_YORK, CHICAGO = ZoneInfo("America/New_York"), ZoneInfo("America/Chicago")
NOW_NS = int(dt.datetime(2014, 6, 6, 10, 0, tzinfo=NEW_YORK).timestamp()) * SECOND_NS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20140606 15:30:00", (2014, 6, 6, 15, 30, 0, NEW_YORK)),
        ("20140606  15:30:00", (2014, 6, 6, 15, 30, 0, NEW_YORK)),
        ("20140606 15:30", (2014, 6, 6, 15, 30, 0, NEW_YORK)),
        ("20140606 15:30:00 US/Central", (2014, 6, 6, 15, 30, 0, CHICAGO)),
        ("20140606 15:30:00 EST", (2014, 6, 6, 15, 30, 0, NEW_YORK)),
        ("20140606-19:30:00", (2014, 6, 6, 19, 30, 0, dt.UTC)),
        ("20141203 9:30:05 America/New_York", (2014, 12, 3, 9, 30, 5, NEW_YORK)),
        ("15:30:00 America/Chicago", (2014, 6, 6, 15, 30, 0, CHICAGO)),
        ("20140607", (2014, 6, 7, 23, 59, 59, NEW_YORK)),
    ],
)
def test_every_way_to_write_a_time(
    text: str, expected: tuple[int, int, int, int, int, int, dt.tzinfo]
) -> None:
    *parts, zone = expected
    moment = dt.datetime(*parts, tzinfo=zone)  # type: ignore[arg-type,misc]
    assert parse_time(text, NOW_NS) == int(moment.timestamp()) * SECOND_NS


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "tomorrow",
        "20140631",
        "20140606 25:00:00",
        "20140606 15:30:00 Mars/Olympus",
        "2014-06-06",
        "1530",
        "20140606 15:30:00 ../../etc/passwd",
        "20140606 15:30:00 New York",
        "00000000 10:00:00",
    ],
)
def test_what_is_no_time(text: str) -> None:
    assert parse_time(text, NOW_NS) is None


@pytest.mark.parametrize("wrong", [{"early_assignment": 1.5}, {"working_orders_per_side": 0}])
def test_switches_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        DeskRules(**wrong)  # type: ignore[arg-type]
