"""The price of a driver at any instant of fifty years, a pure function of seed, driver and time.

Closing prices follow a mean-reverting walk over the trading days of New York. Inside a day - 18:00
of the evening before to 17:00 - the logarithm is a Brownian bridge between two closes on a grid of
five seconds, with most of its variance in the regular session and more at both of its ends; between
the knots prices are linear. Extremes therefore lie on knots, and bars of any length made from knots
agree with each other and with what was streamed.
"""

from __future__ import annotations

import datetime as dt
import zlib
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from optionsib.common.types import SECOND_NS
from optionsib.data.calendars import NEW_YORK, all_sessions, session_bounds

Floats = NDArray[np.float64]

FIRST_SIMULATED = dt.date(1995, 1, 3)
KNOT_NS = 5 * SECOND_NS
DAY_KNOTS = 23 * 3600 // 5  # 18:00 to 17:00
HALF_LIFE = 250.0  # sessions
REALISED_SHARE = 0.85  # of the implied volatility
_REGULAR_SHARE = 0.75  # of a day's variance
_KEPT_DAYS = 32  # a quarter of a MiB each
_SESSIONS_A_YEAR = 252.0


@dataclass(frozen=True, slots=True)
class DayPath:
    """Knots of one session: ``price[k]`` at ``start_ns + 5 s * k``; ``volume[k]``: share traded before."""

    start_ns: int
    price: Floats  # (DAY_KNOTS + 1,), the driver's level is 1
    volume: Floats  # (DAY_KNOTS + 1,), rising from 0; 1 = the regular session of an average day

    @property
    def end_ns(self) -> int:
        """The last knot."""
        return self.start_ns + DAY_KNOTS * KNOT_NS


@lru_cache(maxsize=1)
def simulated_sessions() -> tuple[dt.date, ...]:
    """Return the sessions that paths go through; where they begin decides all later prices."""
    return tuple(date for date in all_sessions() if date >= FIRST_SIMULATED)


@lru_cache(maxsize=1)
def _day_starts() -> list[int]:
    """Return where each session's grid begins, ascending."""
    return [day_start_ns(date) for date in simulated_sessions()]


def day_start_ns(date: dt.date) -> int:
    """Return 18:00 New York of the evening before ``date`` (no clock is changed between it and 17:00)."""
    evening = dt.datetime(date.year, date.month, date.day, 18, tzinfo=NEW_YORK) - dt.timedelta(days=1)
    return int(evening.timestamp()) * SECOND_NS


class PricePath:
    """One driver: a relative price around 1 at any time, and a level of volatility for each session."""

    def __init__(self, seed: int, driver: str, volatility: float) -> None:
        self._key = (seed, zlib.crc32(driver.encode()))
        self._dates = simulated_sessions()
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(self._key)))
        daily = REALISED_SHARE * volatility / np.sqrt(_SESSIONS_A_YEAR)
        draws = rng.standard_normal((2, len(self._dates)))
        self._close = daily * _walk(draws[0])
        self._level = np.exp(0.15 * np.sqrt(1.0 - _keep() ** 2) * _walk(draws[1]))
        # The bridge needs the size of a day's moves, not each day's own move: a quiet close to close may
        # hide a lively day.
        self._typical = float(np.std(np.diff(self._close)))
        self._days: OrderedDict[int, DayPath] = OrderedDict()

    def price(self, at_ns: int) -> float:
        """Return the relative price; the last one of a session stands until the next begins."""
        return float(self.prices(np.array([at_ns], dtype=np.int64), self.index_at(at_ns))[0])

    def prices(self, at_ns: NDArray[np.int64], index: int) -> Floats:
        """Return relative prices at instants that all belong to one session."""
        day = self.day(index)
        return _between_knots(day, day.price, at_ns)

    def volumes(self, at_ns: NDArray[np.int64], index: int) -> Floats:
        """Return how much of an average day's volume has traded, at instants of one session."""
        day = self.day(index)
        return _between_knots(day, day.volume, at_ns)

    def index_at(self, at_ns: int) -> int:
        """Return the number of the session that has begun last."""
        return max(0, bisect_right(_day_starts(), at_ns) - 1)

    def index_of(self, date: dt.date) -> int:
        """Return the number of the first session on or after ``date``."""
        return bisect_left(self._dates, date)

    def date(self, index: int) -> dt.date:
        """Return the date of a session."""
        return self._dates[index]

    def close(self, index: int) -> float:
        """Return the relative price at the end of a session (17:00)."""
        return float(np.exp(self._close[index]))

    def level(self, index: int) -> float:
        """Return the factor on all implied volatilities of a session."""
        return float(self._level[index])

    def historical_volatility(self, index: int, sessions: int = 30) -> float:
        """Return the annualised standard deviation of the returns of the sessions before ``index``."""
        returns = np.diff(self._close[max(0, index - sessions - 1) : index])
        return float(np.std(returns) * np.sqrt(_SESSIONS_A_YEAR)) if len(returns) > 1 else 0.0

    def day(self, index: int) -> DayPath:
        """Return the knots of one session."""
        found = self._days.get(index)
        if found is not None:
            self._days.move_to_end(index)
            return found
        made = self._make(index)
        self._days[index] = made
        if len(self._days) > _KEPT_DAYS:
            self._days.popitem(last=False)
        return made

    def _make(self, index: int) -> DayPath:
        date = self._dates[index]
        start = _day_starts()[index]
        opens, closes = session_bounds(date)
        regular = ((opens - start) // KNOT_NS, (closes - start) // KNOT_NS)
        weight = _variance_weights(*regular)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((*self._key, date.toordinal()))))
        shock = rng.standard_normal(DAY_KNOTS)
        first = self._close[index - 1] if index else 0.0
        change = self._close[index] - first
        walk = np.concatenate(([0.0], np.cumsum(shock * np.sqrt(weight)))) * self._typical
        clock = np.concatenate(([0.0], np.cumsum(weight)))
        logs = first + walk + clock * (change - walk[-1])
        traded = np.concatenate(([0.0], np.cumsum(_volume_weights(*regular) * (0.4 + 0.75 * np.abs(shock)))))
        return DayPath(start, np.exp(logs), traded)


def _keep() -> float:
    return float(0.5 ** (1.0 / HALF_LIFE))


def _walk(draws: Floats) -> Floats:
    keep, value = _keep(), 0.0
    path = np.empty(len(draws))
    for i, draw in enumerate(draws.tolist()):
        value = keep * value + draw
        path[i] = value
    return path


def _between_knots(day: DayPath, values: Floats, at_ns: NDArray[np.int64]) -> Floats:
    position = np.clip((at_ns - day.start_ns) / KNOT_NS, 0.0, float(DAY_KNOTS))
    knot = np.minimum(position.astype(np.int64), DAY_KNOTS - 1)
    between: Floats = values[knot] + (position - knot) * (values[knot + 1] - values[knot])
    return between


@lru_cache(maxsize=16)
def _variance_weights(opens: int, closes: int) -> Floats:
    """Return the share of the day's variance in each five seconds; they add up to 1."""
    weight = np.full(DAY_KNOTS, (1.0 - _REGULAR_SHARE) / (DAY_KNOTS - (closes - opens)))
    shape = _u_shape(closes - opens)
    weight[opens:closes] = _REGULAR_SHARE * shape / shape.sum()
    return weight


@lru_cache(maxsize=16)
def _volume_weights(opens: int, closes: int) -> Floats:
    """Return the share of an average day's volume in each five seconds, before chance."""
    weight = np.full(DAY_KNOTS, 0.02 / 4680)
    weight[opens:closes] = _u_shape(closes - opens) / 4680 / _u_shape(4680).mean()
    return weight


def _u_shape(count: int) -> Floats:
    position = np.linspace(0.0, 1.0, count)
    shape: Floats = 0.6 + 2.4 * np.exp(-position / 0.06) + 0.9 * np.exp(-(1.0 - position) / 0.05)
    return shape
