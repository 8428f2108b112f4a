"""Planned outages: the daily restart and the weekly login of TWS, from the calendar in the configuration.

During a window no new order and no modify leaves; cancels do. A connection that is lost meanwhile is no
surprise: reconnecting goes on until the window is over.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from optionsib.common.config import QuietWindow
from optionsib.common.types import SECOND_NS

NEW_YORK = ZoneInfo("America/New_York")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class QuietCalendar:
    """Tells whether a planned outage is on, and when the next one begins.

    Parameters
    ----------
    windows : sequence of QuietWindow
        Weekly, on the clocks of New York; a window may reach into the next day.
    """

    def __init__(self, windows: Sequence[QuietWindow]) -> None:
        self._windows = tuple(windows)

    def current(self, now_ns: int) -> tuple[str, int] | None:
        """Return the name and the end (UTC ns) of the window that is on, None outside.

        Of several at once the one that ends last counts.
        """
        spans = self._spans(now_ns, days_before=1, days_ahead=0)
        running = [(end, name) for start, end, name in spans if start <= now_ns < end]
        if not running:
            return None
        end, name = max(running)
        return name, end

    def next_start(self, now_ns: int) -> int | None:
        """Return when the next window begins (UTC ns), None without windows."""
        spans = self._spans(now_ns, days_before=0, days_ahead=8)
        return min((start for start, _, _ in spans if start > now_ns), default=None)

    def _spans(self, now_ns: int, *, days_before: int, days_ahead: int) -> list[tuple[int, int, str]]:
        today = dt.datetime.fromtimestamp(now_ns // SECOND_NS, NEW_YORK).date()
        spans: list[tuple[int, int, str]] = []
        for offset in range(-days_before, days_ahead + 1):
            date = today + dt.timedelta(days=offset)
            for window in self._windows:
                if _DAYS[date.weekday()] in window.days:
                    start = dt.datetime.combine(date, window.start_time, NEW_YORK)
                    start_ns = int(start.timestamp()) * SECOND_NS
                    spans.append((start_ns, start_ns + window.minutes * 60 * SECOND_NS, window.name))
        return spans
