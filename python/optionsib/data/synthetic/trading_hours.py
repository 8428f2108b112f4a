"""When simulated instruments trade: windows in UTC, from the sessions of New York.

Shares 04:00 to 20:00, regular 09:30 to 16:00; options, indices: the regular session; futures and their
options from 18:00 of the evening before to 17:00 New York; on a half day everything ends at its early
close (futures at 13:15). On holidays of New York futures are taken as closed too.
"""

from __future__ import annotations

import datetime as dt

from optionsib.common.ports import TradingDay
from optionsib.common.types import MINUTE_NS
from optionsib.data.calendars import is_session, midnight_ns, session_bounds
from optionsib.data.synthetic.price_path import day_start_ns

HOUR_NS = 60 * MINUTE_NS
_FULL_SESSION_NS = 13 * HOUR_NS // 2
_CLOSED = (0, 0)


def trading_day(security_type: str, date: dt.date) -> TradingDay:
    """Return the windows of ``date`` for a type of instrument."""
    label = f"{date:%Y%m%d}"
    if not is_session(date):
        return TradingDay(label, _CLOSED, _CLOSED)
    opens, closes = session_bounds(date)
    half_day = closes - opens < _FULL_SESSION_NS
    midnight = midnight_ns(date)
    if security_type == "STK":
        # 04:00 and 20:00 by the clock: no session of New York is a day on which clocks change.
        after_hours = 17 if half_day else 20
        return TradingDay(label, (midnight + 4 * HOUR_NS, midnight + after_hours * HOUR_NS), (opens, closes))
    if security_type in ("FUT", "FOP", "CASH"):
        ends = closes + 15 * MINUTE_NS if half_day else midnight + 17 * HOUR_NS
        return TradingDay(label, (day_start_ns(date), ends), (opens, closes))
    return TradingDay(label, (opens, closes), (opens, closes))
