"""Where a moment stands in the exchange's day, week and expiry cycle.

All of it is known in advance from the calendar as planned (``data.session_time``), so it is known at the
moment itself. Daylight saving and half days follow the exchange, never UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from optionsib.common.types import MINUTE_NS
from optionsib.data.calendars import FIRST_DATE, LAST_DATE, expiry_instant, third_friday
from optionsib.data.session_time import SESSION_YEAR_NS, elapsed, session_around, years_ahead

Floats = NDArray[np.float64]
Stamps = NDArray[np.int64]

_HALF_DAY_NS = 300 * MINUTE_NS  # a session shorter than this is a half day
_EDGE_NS = 30 * MINUTE_NS  # the opening and the closing phase
_DAY_NS = 86_400 * 1_000_000_000
_LONGEST_GAP_HOURS = 120.0


class EncodingMethod(StrEnum):
    """How the place within a cycle is written."""

    FRACTION = "fraction"  # one column, 0 to 1
    CYCLICAL = "cyclical"  # sine and cosine: the end lies beside the beginning
    ONE_HOT = "one-hot"  # one column a phase of the day, one a weekday


class SessionPhase(StrEnum):
    """Phases of the exchange's day. Opening and closing are the first and the last 30 minutes."""

    CLOSED = "closed"
    OPENING = "opening"
    MIDDLE = "middle"
    CLOSING = "closing"


PHASES = tuple(SessionPhase)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday")


@dataclass(frozen=True, slots=True)
class TemporalFeatures:
    """Moments ``at_ns`` (n,) in the exchange's time; all arrays (n,).

    Attributes
    ----------
    session_fraction
        0 at the open, 1 at the close; NaN while closed.
    minutes_to_close
        Of the running session, or of the next one while closed.
    phase
        Index into ``PHASES``.
    weekday
        0 = Monday, of the running session, or of the next one while closed.
    half_day
        True if that session is a short one.
    gap_hours
        Hours between the close before and that session's open, at most 120: a night has 17.5.
    years_to_monthly_expiry
        Session time (252 sessions of 6.5 hours a year) to the next third-Friday expiry.
    columns, names
        The encoding: float32 (n, k) and the k names.
    """

    at_ns: Stamps
    session_fraction: Floats
    minutes_to_close: Floats
    phase: NDArray[np.int8]
    weekday: NDArray[np.int8]
    half_day: NDArray[np.bool_]
    gap_hours: Floats
    years_to_monthly_expiry: Floats
    columns: NDArray[np.float32]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegimeMetrics:
    """How a series behaves in each phase of the day, ``PHASES`` in order; all arrays (4,).

    ``count`` of steps, ``volatility`` annualised over session time (NaN below two steps), ``share`` of the
    total variance. A step that crosses a close belongs to ``closed``, and its volatility is per step over a
    session's length.
    """

    count: NDArray[np.int64]
    volatility: Floats
    share: Floats


class TemporalEncoder:
    """Turns instants into columns for a learner.

    Parameters
    ----------
    method
        See ``EncodingMethod``.

    Examples
    --------
    >>> import datetime as dt
    >>> from optionsib.data.calendars import NEW_YORK
    >>> noon = dt.datetime(2014, 11, 28, 12, tzinfo=NEW_YORK)  # the session after Thanksgiving ends at 13:00
    >>> found = TemporalEncoder(EncodingMethod.FRACTION).encode(np.array([int(noon.timestamp()) * 10**9]))
    >>> float(found.minutes_to_close[0]), bool(found.half_day[0]), float(found.gap_hours[0])
    (60.0, True, 41.5)
    """

    def __init__(self, method: EncodingMethod = EncodingMethod.CYCLICAL) -> None:
        self.method = EncodingMethod(method)

    def encode(self, at_ns: Stamps) -> TemporalFeatures:
        """Return the features of ``at_ns`` (n,), UTC ns.

        Raises
        ------
        DataError
            If an instant lies outside the calendar's range.
        """
        at = np.asarray(at_ns, dtype=np.int64)
        opens, closes, closed_before = session_around(at)
        running = (at >= opens) & (at < closes)
        fraction = np.where(running, (at - opens) / (closes - opens), np.nan)
        phase = np.where(running, PHASES.index(SessionPhase.MIDDLE), PHASES.index(SessionPhase.CLOSED))
        phase[running & (at - opens < _EDGE_NS)] = PHASES.index(SessionPhase.OPENING)
        phase[running & (closes - at <= _EDGE_NS)] = PHASES.index(SessionPhase.CLOSING)
        weekday = (
            opens // _DAY_NS + 3
        ) % 7  # New York opens on the same date in UTC; 1970-01-01 was a Thursday
        gap = np.minimum((opens - closed_before) / (60 * MINUTE_NS), _LONGEST_GAP_HOURS)
        half_day = closes - opens < _HALF_DAY_NS
        to_expiry = years_ahead(at, _next(_monthly_expiries(), at))
        columns, names = self._columns(fraction, phase, weekday, half_day, gap, to_expiry)
        return TemporalFeatures(
            at_ns=at,
            session_fraction=fraction,
            minutes_to_close=(closes - at) / MINUTE_NS,
            phase=phase.astype(np.int8),
            weekday=weekday.astype(np.int8),
            half_day=half_day,
            gap_hours=gap,
            years_to_monthly_expiry=to_expiry,
            columns=columns,
            names=names,
        )

    def regime_metrics(self, at_ns: Stamps, price: Floats) -> RegimeMetrics:
        """Measure a series of prices (n,) at ``at_ns`` (n,), ascending, phase by phase.

        To scale a later day by, never the day itself: it uses the whole series.

        Raises
        ------
        ValueError
            If the shapes differ, the instants do not ascend, or a price is not above 0.
        DataError
            If an instant lies outside the calendar's range.
        """
        at = np.asarray(at_ns, dtype=np.int64)
        if at.shape != price.shape or at.ndim != 1 or len(at) < 2:
            raise ValueError(f"shapes {at.shape} and {price.shape}: expected (n,) twice, n at least 2")
        if not (np.diff(at) > 0).all():
            raise ValueError("the instants do not ascend")
        if not (price > 0.0).all():
            raise ValueError(f"price {price[~(price > 0.0)][0]}: expected above 0")
        squares = np.diff(np.log(price)) ** 2
        opens, closes, _ = session_around(at[:-1])
        inside = (at[:-1] >= opens) & (at[1:] <= closes)
        phase = np.where(inside, self.encode(at[:-1]).phase, PHASES.index(SessionPhase.CLOSED))
        length = np.where(inside, elapsed(at[:-1], at[1:]), SESSION_YEAR_NS // 252)
        count = np.bincount(phase, minlength=len(PHASES))
        total = np.bincount(phase, weights=squares, minlength=len(PHASES))
        time = np.bincount(phase, weights=length, minlength=len(PHASES)) / SESSION_YEAR_NS
        with np.errstate(invalid="ignore", divide="ignore"):
            volatility = np.where(count >= 2, np.sqrt(total / time), np.nan)
            share = total / squares.sum()
        return RegimeMetrics(count.astype(np.int64), volatility, share)

    def _columns(
        self,
        fraction: Floats,
        phase: NDArray[np.int64],
        weekday: NDArray[np.int64],
        half_day: NDArray[np.bool_],
        gap: Floats,
        to_expiry: Floats,
    ) -> tuple[NDArray[np.float32], tuple[str, ...]]:
        by_name: dict[str, NDArray[np.generic]] = {}
        match self.method:
            case EncodingMethod.FRACTION:
                by_name = {"session_fraction": fraction, "week_fraction": weekday / 5.0}
            case EncodingMethod.CYCLICAL:
                for name, turn in (("session", fraction), ("week", weekday / 5.0)):
                    by_name[f"{name}_sine"] = np.sin(2.0 * np.pi * turn)
                    by_name[f"{name}_cosine"] = np.cos(2.0 * np.pi * turn)
            case EncodingMethod.ONE_HOT:
                by_name = {f"phase_{name}": phase == k for k, name in enumerate(PHASES)}
                by_name |= {f"weekday_{name}": weekday == k for k, name in enumerate(_WEEKDAYS)}
        by_name |= {
            "half_day": half_day,
            "gap_hours": gap,
            "years_to_monthly_expiry": to_expiry,
        }
        return np.stack(list(by_name.values()), axis=-1).astype(np.float32), tuple(by_name)


def _next(instants: Stamps, at: Stamps) -> Stamps:
    return instants[np.searchsorted(instants, at, side="right")]


@lru_cache(maxsize=1)
def _monthly_expiries() -> Stamps:
    months = [(year, month) for year in range(FIRST_DATE.year, LAST_DATE.year + 1) for month in range(1, 13)]
    found = [expiry_instant(third_friday(*month)) for month in months]
    return np.array(found, dtype=np.int64)
