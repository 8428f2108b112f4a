"""Times as clients write them in orders: ``20140606 15:30:00 America/New_York`` and its variants."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

from optionsib.brokers.paper.contracts import ZONE, local_time
from optionsib.common.types import SECOND_NS

_TIME = re.compile(r"(?:([0-9]{8})(?:([ -]) *|$))?(?:([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?)?(?: +(\S+))?")
_ABBREVIATIONS = {"EST": ZONE, "EDT": ZONE, "ET": ZONE}
_END_OF_DAY = dt.time(23, 59, 59)


def parse_time(text: str, now_ns: int) -> int | None:
    """Return the UTC ns of a client's time, or None if it cannot be read.

    ``YYYYMMDD HH:MM:SS zone``; without a date it is today, without a time the end of that day, without
    a zone New York - but ``YYYYMMDD-HH:MM:SS`` is UTC, as TWS has it.
    """
    match = _TIME.fullmatch(text.strip())
    if match is None or not any(match.groups()[:4]):
        return None
    date, separator, hour, minute, second, zone_name = match.groups()
    try:
        day = dt.date.fromisoformat(date) if date else local_time(now_ns).date()
        clock = dt.time(int(hour), int(minute), int(second or 0)) if hour else _END_OF_DAY
        zone: dt.tzinfo = ZONE
        if zone_name:
            zone = _ABBREVIATIONS.get(zone_name) or ZoneInfo(zone_name)
        elif separator == "-":
            zone = dt.UTC
        return int(dt.datetime.combine(day, clock, zone).timestamp()) * SECOND_NS
    except (ValueError, OSError, KeyError):  # no such day, no such zone
        return None
