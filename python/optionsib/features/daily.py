"""Features of market days: one row a session, from what was usable 15 minutes after its close.

A row at ``t`` sees the closes and VIX values that were known at ``t``, in their versions of then, and nothing
else (``data.daily_series``). Batch and stream go through the same board of known values and the same
arithmetic, element by element, so they agree bit for bit.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from itertools import count
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import DataError
from optionsib.data.daily import MarketDays, decision_instants
from optionsib.data.daily_series import Days, Floats, Kind, Stamps, session_days, session_number, usable_from
from optionsib.features.temporal import EncodingMethod, TemporalEncoder

DAILY_FEATURES_VERSION = "1"

_YEAR = 252.0  # sessions
_WINDOW = 66  # returns that a row sees
_CALENDAR = ("week_sine", "week_cosine", "half_day", "gap_hours", "years_to_monthly_expiry")

DAILY_FEATURE_NAMES: tuple[str, ...] = (
    "return_1",
    "return_5",
    "return_22",
    "return_66",
    "volatility_1",
    "volatility_5",
    "volatility_22",
    "volatility_66",
    "volatility_5_of_22",
    "volatility_22_of_66",
    "downside_share_22",
    "surprise",
    "drawdown_66",
    "vix",
    "vix_change_1",
    "vix_change_5",
    "vix_of_mean_22",
    "variance_premium",
    "vix_of_volatility_22",
    *(f"next_{name}" for name in _CALENDAR),
)
"""Columns of ``DailyFeatures.matrix``, in order; a change of meaning raises ``DAILY_FEATURES_VERSION``.

``return_k``: log return over k sessions. ``volatility_k``: root of the mean squared log return of the last k
sessions, annualised; those of 1, 5 and 22 are the terms of the HAR model (Corsi, Journal of Financial
Econometrics 7 (2009)) on daily returns. ``volatility_a_of_b``: log of their ratio. ``downside_share_22``: of
the squared returns, the part of the losses. ``surprise``: the last return in units of what the VIX of the
session before expected. ``drawdown_66``: log of the close over the highest of the last 67. ``vix``: as a
fraction; ``vix_change_k``: log change; ``vix_of_mean_22``: log of the VIX over its mean.
``variance_premium``: the VIX squared less the squared ``volatility_22`` (Bollerslev, Tauchen and Zhou, Review
of Financial Studies 22 (2009), with daily instead of intraday returns), ``vix_of_volatility_22`` the log of
their ratio. ``next_*``: the session to come, by ``TemporalEncoder``.
"""

DailyDatum = Literal["sp500", "vix"]
_SERIES: tuple[DailyDatum, ...] = ("sp500", "vix")
_KINDS = {"sp500": Kind.CLOSE, "vix": Kind.LEVEL}


@dataclass(frozen=True, slots=True, eq=False)
class DailyFeatures:
    """One row a session: ``date`` (n,) days since 1970, ``known_at_ns`` (n,) UTC ns.

    ``matrix`` float32 (n, k): columns ``DAILY_FEATURE_NAMES``, NaN where a value was not known.
    """

    date: Days
    known_at_ns: Stamps
    matrix: NDArray[np.float32]

    @property
    def complete(self) -> NDArray[np.bool_]:
        """Rows (n,) without a NaN."""
        return np.asarray(np.isfinite(self.matrix).all(axis=1))


@dataclass(frozen=True, slots=True, eq=False)
class DailyLabels:
    """What became of each labelled session: ``label`` int8 (n,) 0 or 1, known at ``label_at_ns`` (n,).

    ``known_at_ns`` (n,) is the decision instant of the row, as in ``DailyFeatures``; sessions whose outcome
    is not known are left out. ``horizon`` in sessions, ``meaning`` in words.
    """

    label: NDArray[np.int8]
    known_at_ns: Stamps
    label_at_ns: Stamps
    horizon: int
    meaning: str


@dataclass(frozen=True, slots=True, eq=False)
class LabelledDays:
    """Complete rows with their labels: what a learner of market days is given; all arrays (n, ...)."""

    date: Days
    matrix: NDArray[np.float32]
    label: NDArray[np.int8]
    known_at_ns: Stamps
    label_at_ns: Stamps


class _Board:
    """The last known value of each session, as time goes on; what is known later waits."""

    def __init__(self) -> None:
        sessions = len(session_days())
        self._values = {name: np.full(sessions, np.nan) for name in _SERIES}
        self._ahead: list[tuple[int, int, DailyDatum, int, float]] = []
        self._arrival = count()
        self.at_ns = -1

    def add(self, name: DailyDatum, session: int, value: float, known_at_ns: int) -> None:
        """Take a datum; it is on the board from ``known_at_ns`` on."""
        if known_at_ns <= self.at_ns:
            raise DataError(
                f"{name} known at {known_at_ns} ns: the row of {self.at_ns} ns was made without it; "
                "a datum that comes late is known when it comes"
            )
        heapq.heappush(self._ahead, (known_at_ns, next(self._arrival), name, session, value))

    def add_days(self, days: MarketDays) -> None:
        """Take all data of ``days``, in all versions."""
        for name, series in (("sp500", days.sp500), ("vix", days.vix)):
            numbers = session_number(series.date).tolist()
            data = zip(numbers, series.values.tolist(), series.known_at_ns.tolist(), strict=True)
            for number, value, known_at_ns in data:
                self.add(name, number, value, known_at_ns)  # type: ignore[arg-type]

    def advance(self, at_ns: int) -> None:
        """Go on to ``at_ns``."""
        while self._ahead and self._ahead[0][0] <= at_ns:
            _, _, name, session, value = heapq.heappop(self._ahead)
            self._values[name][session] = value
        self.at_ns = at_ns

    def window(self, name: DailyDatum, session: int, length: int) -> Floats:
        """Return the ``length`` values up to ``session``, NaN before the calendar begins."""
        first = session + 1 - length
        values = self._values[name][max(first, 0) : session + 1]
        return np.concatenate([np.full(length - len(values), np.nan), values])


class DailyFeatureStream:
    """The features of a session as soon as it is over, from data in the order in which they come.

    Examples
    --------
    >>> from optionsib.data.daily import simulated_market_days
    >>> days = simulated_market_days(seed=1, days=100)
    >>> stream = DailyFeatureStream()
    >>> stream.observe_days(days)
    >>> row = stream.step(int(days.date[-1]))
    >>> bool((row.matrix[0] == daily_features(days).matrix[-1]).all())
    True
    """

    def __init__(self) -> None:
        self._board = _Board()
        self._last = -1

    def observe(self, name: DailyDatum, date: int, value: float, known_at_ns: int) -> None:
        """Take a datum of the session ``date`` (days since 1970); NaN withdraws what was there.

        Raises
        ------
        DataError
            If the name is none of ``sp500`` and ``vix``, ``date`` is no session, ``value`` is impossible, or
            the datum claims to have been known before it can be, or before a row that was made without it.
        """
        if name not in _SERIES:
            raise DataError(f"series {name!r}: expected one of {', '.join(_SERIES)}")
        day = np.array([date], dtype=np.int64)
        earliest = int(usable_from(_KINDS[name], day)[0])
        if known_at_ns < earliest:
            raise DataError(f"{name} of day {date} known at {known_at_ns} ns: expected {earliest} or later")
        if not (value > 0.0 or math.isnan(value)) or math.isinf(value):
            raise DataError(f"{name} of day {date}: {value}, expected a finite value above 0, or NaN")
        self._board.add(name, int(session_number(day)[0]), value, known_at_ns)

    def observe_days(self, days: MarketDays) -> None:
        """Take all data of ``days``, in all versions: the history that a stream begins with.

        Raises
        ------
        DataError
            If a datum claims to have been known before a row that was made without it.
        """
        self._board.add_days(days)

    def step(self, date: int) -> DailyFeatures:
        """Return the row (1, k) of the session ``date``, days since 1970, at its decision instant.

        Raises
        ------
        DataError
            If ``date`` is no session, or not after the last one.
        """
        day = np.array([date], dtype=np.int64)
        session = int(session_number(day)[0])
        if session <= self._last:
            raise DataError(f"day {date} is not after the last one, {session_days()[self._last]}")
        self._last = session
        at = decision_instants(day)
        self._board.advance(int(at[0]))
        close = self._board.window("sp500", session, _WINDOW + 1)[None]
        vix = self._board.window("vix", session, _WINDOW + 1)[None]
        return DailyFeatures(day, at, _rows(close, vix, at))


def daily_features(days: MarketDays) -> DailyFeatures:
    """Return the features of every session of ``days``, each from what was known at its decision instant."""
    at = days.known_at_ns
    close, vix = known_windows(days, _WINDOW + 1)
    return DailyFeatures(days.date, at, _rows(close, vix, at))


def volatility_labels(days: MarketDays, horizon: int) -> DailyLabels:
    """Label sessions by whether the next ``horizon`` log returns have more squared sum than the last.

    Volatility reverts to its mean, so whoever knows its level can tell in part: compare a model with that.

    Raises
    ------
    DataError
        If ``horizon`` is below 1.
    """
    close = _outcomes(days, horizon, 2 * horizon + 1)
    squares = np.diff(np.log(close), axis=1) ** 2
    rises = _total(squares[:, horizon:]) - _total(squares[:, :horizon])
    meaning = (
        f"1 if the realised volatility of the S&P 500 over the next {horizon} sessions is higher than over "
        f"the last {horizon}, else 0"
    )
    return _labels(days, horizon, rises, meaning)


def direction_labels(days: MarketDays, horizon: int) -> DailyLabels:
    """Label sessions by whether the S&P 500 closes higher ``horizon`` sessions later (1), or not (0).

    Raises
    ------
    DataError
        If ``horizon`` is below 1.
    """
    close = _outcomes(days, horizon, horizon + 1)
    meaning = f"1 if the S&P 500 closes higher {horizon} sessions later, else 0"
    return _labels(days, horizon, close[:, -1] - close[:, 0], meaning)


def labelled_days(features: DailyFeatures, labels: DailyLabels) -> LabelledDays:
    """Join complete rows with their labels, in time order."""
    _, rows, outcomes = np.intersect1d(
        features.known_at_ns, labels.known_at_ns, assume_unique=True, return_indices=True
    )
    kept = features.complete[rows]
    rows, outcomes = rows[kept], outcomes[kept]
    return LabelledDays(
        features.date[rows],
        features.matrix[rows],
        labels.label[outcomes],
        features.known_at_ns[rows],
        labels.label_at_ns[outcomes],
    )


def known_windows(days: MarketDays, length: int) -> tuple[Floats, Floats]:
    """Return closes and VIX values (n, length) up to each session, as known at its decision instant.

    NaN where a value was not known then. Values of a session that came later, or were revised, show from the
    first row on whose instant is not before them.
    """
    board = _Board()
    board.add_days(days)
    close, vix = np.empty((len(days), length)), np.empty((len(days), length))
    for row, (session, at_ns) in enumerate(zip(session_number(days.date), days.known_at_ns, strict=True)):
        board.advance(int(at_ns))
        close[row] = board.window("sp500", int(session), length)
        vix[row] = board.window("vix", int(session), length)
    return close, vix


def _outcomes(days: MarketDays, horizon: int, length: int) -> Floats:
    """Return the closes (n - horizon, length) up to ``horizon`` sessions after each row, as known by then."""
    if horizon < 1:
        raise DataError(f"horizon is {horizon} sessions: expected 1 or more")
    return known_windows(days, length)[0][horizon:]


def _labels(days: MarketDays, horizon: int, rise: Floats, meaning: str) -> DailyLabels:
    known = np.flatnonzero(np.isfinite(rise))
    at = days.known_at_ns
    return DailyLabels((rise[known] > 0.0).astype(np.int8), at[known], at[known + horizon], horizon, meaning)


def _total(columns: Floats) -> Floats:
    """Sum (n, m) over m, one column after the other: the bits do not depend on n."""
    total = np.zeros(len(columns))
    for column in columns.T:
        total = total + column
    return total


def _rows(close: Floats, vix: Floats, at_ns: Stamps) -> NDArray[np.float32]:
    """Compute all features from windows (n, 67) of closes and VIX values that end at ``at_ns`` (n,)."""
    logs, implied = np.log(close), vix / 100.0
    returns = np.diff(logs, axis=1)
    squares = returns * returns
    last, level = logs[:, -1], implied[:, -1]
    volatility = {k: np.sqrt(_total(squares[:, -k:]) / k * _YEAR) for k in (1, 5, 22, 66)}
    month = squares[:, -22:]
    losses = _total(np.where(returns[:, -22:] < 0.0, month, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {f"return_{k}": last - logs[:, -1 - k] for k in (1, 5, 22, 66)}
        found |= {f"volatility_{k}": values for k, values in volatility.items()}
        found |= {
            "volatility_5_of_22": np.log(volatility[5] / volatility[22]),
            "volatility_22_of_66": np.log(volatility[22] / volatility[66]),
            "downside_share_22": losses / _total(month),
            "surprise": returns[:, -1] / (implied[:, -2] / math.sqrt(_YEAR)),
            "drawdown_66": last - logs.max(axis=1),
            "vix": level,
            "vix_change_1": np.log(level / implied[:, -2]),
            "vix_change_5": np.log(level / implied[:, -6]),
            "vix_of_mean_22": np.log(level / (_total(implied[:, -22:]) / 22.0)),
            "variance_premium": level * level - volatility[22] * volatility[22],
            "vix_of_volatility_22": np.log(level / volatility[22]),
        }
    ahead = TemporalEncoder(EncodingMethod.CYCLICAL).encode(at_ns)
    found |= {f"next_{name}": ahead.columns[:, ahead.names.index(name)] for name in _CALENDAR}
    matrix = np.stack([found[name] for name in DAILY_FEATURE_NAMES], axis=1).astype(np.float32)
    matrix[~np.isfinite(matrix)] = np.nan  # no volatility to divide by
    return matrix
