"""The S&P 500 and the VIX day by day: from files, from the packages that carry them, or simulated."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from optionsib.common.errors import DataError, MissingExtraError
from optionsib.data.daily_series import (
    DailySeries,
    Days,
    Floats,
    Kind,
    Stamps,
    adjusted_returns,
    session_days,
    session_number,
    to_date,
    to_day,
    usable_from,
)

__all__ = [
    "DailySeries",
    "Kind",
    "MarketDays",
    "adjusted_returns",
    "decision_instants",
    "load_market_days",
    "simulated_market_days",
    "to_date",
    "to_day",
]

SP500_FILE = "daily/sp500_index_close_1990_2020.csv.gz"
VIX_FILE = "daily/vix_daily_1990_2023.csv.gz"
_SP500_SOURCE = "S&P 500 close, data set of the package skfolio (BSD-3-Clause)"
_VIX_SOURCE = "VIX close, github.com/datasets/finance-vix (PDDL), which has it from Cboe"
_ARCH_SOURCE = "VIX close 2014 to 2018, data set of the package arch (NCSA), which has it from FRED"
_VIX_METHOD_SINCE = to_day(dt.date(2003, 9, 22))


def decision_instants(date: Days) -> Stamps:
    """Return when (UTC ns) the close and the VIX of each session ``date`` (n,) are both usable.

    15 minutes after the close. It depends on the calendar alone: a late datum is missing then, and does not
    put off the instant.

    Raises
    ------
    DataError
        If one is no session of New York.
    """
    return usable_from(Kind.LEVEL, date)


@dataclass(frozen=True, slots=True, eq=False)
class MarketDays:
    """The S&P 500 and the VIX over the sessions ``date`` (n,), none left out.

    Attributes
    ----------
    date
        Days since 1970; every session of New York from the first to the last.
    sp500, vix
        The series with all their versions. Index points and percent a year.
    """

    date: Days
    sp500: DailySeries
    vix: DailySeries

    def __post_init__(self) -> None:
        if self.sp500.kind is not Kind.CLOSE or self.vix.kind is not Kind.LEVEL:
            raise DataError(
                f"kinds {self.sp500.kind} and {self.vix.kind}: expected {Kind.CLOSE} and {Kind.LEVEL}"
            )
        gap = np.diff(session_number(self.date)) != 1
        if gap.any():
            after = to_date(self.date[np.argmax(gap)])
            raise DataError(f"date: {after} is not followed by the next session; expected none left out")

    @classmethod
    def join(cls, sp500: DailySeries, vix: DailySeries) -> MarketDays:
        """Join two series over the sessions that both cover.

        Raises
        ------
        DataError
            If a series is of the wrong kind, or there is no such session.
        """
        if not (len(sp500.date) and len(vix.date)):
            raise DataError(f"{sp500.name} and {vix.name}: expected at least one row in each")
        first, last = max(sp500.date[0], vix.date[0]), min(sp500.date[-1], vix.date[-1])
        sessions = session_days()
        date = sessions[(sessions >= first) & (sessions <= last)]
        if len(date) == 0:
            raise DataError(f"{sp500.name} and {vix.name} have no date in common")
        bounds = to_date(first), to_date(last)
        return cls(date, sp500.between(*bounds), vix.between(*bounds))

    def __len__(self) -> int:
        return len(self.date)

    @property
    def known_at_ns(self) -> Stamps:
        """When (n,) a decision on each session can be made, UTC ns; see ``decision_instants``."""
        return decision_instants(self.date)

    @property
    def sp500_close(self) -> Floats:
        """Closes (n,), each as it was known at its own ``known_at_ns``; NaN where it was not."""
        return self._aligned(self.sp500)

    @property
    def vix_close(self) -> Floats:
        """VIX closes (n,), percent a year, each as it was known at its own ``known_at_ns``, else NaN."""
        return self._aligned(self.vix)

    @property
    def sp500_returns(self) -> Floats:
        """Log returns (n,) of ``sp500_close``, known at ``known_at_ns``; the first is NaN."""
        return np.diff(np.log(self.sp500_close), prepend=np.nan)

    @property
    def simulated(self) -> bool:
        """True if no market made a part of it."""
        return self.sp500.simulated or self.vix.simulated

    @property
    def source(self) -> str:
        """Where the data come from, with their defects."""
        parts = (self.sp500.source, *self.sp500.notes, self.vix.source, *self.vix.notes)
        return "; ".join(dict.fromkeys(parts))

    @property
    def sha256(self) -> str:
        """Hash (hex) of both series over these sessions."""
        return hashlib.sha256(f"{self.sp500.sha256} {self.vix.sha256}".encode()).hexdigest()

    def as_of(self, at_ns: int) -> MarketDays:
        """Return the sessions that could be decided on by ``at_ns``, with what was known then."""
        date = self.date[self.known_at_ns <= at_ns]
        return MarketDays(date, self.sp500.as_of(at_ns), self.vix.as_of(at_ns))

    def between(self, first: dt.date, last: dt.date) -> MarketDays:
        """Return the sessions from ``first`` to ``last``, both included."""
        date = self.date[(self.date >= to_day(first)) & (self.date <= to_day(last))]
        return MarketDays(date, self.sp500.between(first, last), self.vix.between(first, last))

    def _aligned(self, series: DailySeries) -> Floats:
        found = np.full(len(self.date), np.nan)
        timely = series.known_at_ns <= decision_instants(series.date)
        timely &= np.isin(series.date, self.date)
        # Versions of one date ascend in known_at_ns: the last one written stays.
        found[np.searchsorted(self.date, series.date[timely])] = series.values[timely]
        return found


def load_market_days(folder: Path | None = None) -> MarketDays:
    """Load the S&P 500 and the VIX; what is wrong with the data stands in ``source``.

    Only closes are read: on hundreds of early rows the VIX file repeats them as open, high and low.

    Parameters
    ----------
    folder
        Holds ``daily/sp500_index_close_1990_2020.csv.gz`` (columns Date, SP500) and
        ``daily/vix_daily_1990_2023.csv.gz`` (columns DATE, CLOSE). None: what the packages skfolio (S&P 500)
        and arch (VIX, 2014 to 2018) carry.

    Raises
    ------
    DataError
        If a file is missing or broken; the message names row and column.
    MissingExtraError
        If ``folder`` is None and a package is not installed (extra ``research``).
    """
    if folder is None:
        sp500, vix = _packaged()
        sources = _SP500_SOURCE, _ARCH_SOURCE
    else:
        sp500 = _read(folder / SP500_FILE, "Date", "SP500")
        vix = _read(folder / VIX_FILE, "DATE", "CLOSE")
        sources = _SP500_SOURCE, _VIX_SOURCE
    return MarketDays.join(
        _series("S&P 500", Kind.CLOSE, sp500, sources[0]), _series("VIX", Kind.LEVEL, vix, sources[1])
    )


def _series(name: str, kind: Kind, rows: dict[int, float], source: str) -> DailySeries:
    """Drop what is on no session, and say so."""
    sessions = set(session_days().tolist())
    kept = {day: value for day, value in sorted(rows.items()) if day in sessions}
    notes = []
    if len(kept) < len(rows):
        strange = [to_date(day).isoformat() for day in sorted(rows) if day not in sessions]
        notes.append(
            f"{name}: {len(strange)} rows on days without a session left out, the first {strange[0]}"
        )
    if kept:
        spanned = session_number(np.array([min(kept), max(kept)], dtype=np.int64))
        absent = int(spanned[1] - spanned[0] + 1 - len(kept))
        if absent:
            notes.append(f"{name}: {absent} sessions without a value")
        if name == "VIX" and min(kept) < _VIX_METHOD_SINCE:
            notes.append(
                "VIX before 2003-09-22: computed by Cboe afterwards with the method of that date, "
                "so nobody knew these values then"
            )
    return DailySeries.of(name, kind, list(kept), list(kept.values()), source=source, notes=notes)


def _read(path: Path, date_column: str, value_column: str) -> dict[int, float]:
    try:
        with gzip.open(path, "rt", encoding="ascii", newline="") as file:
            return _parse(path.name, csv.DictReader(file), date_column, value_column)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: expected a folder with {SP500_FILE} and {VIX_FILE}") from error
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def _parse(
    file: str, rows: Iterable[dict[str | Any, str | Any]], date_column: str, value_column: str
) -> dict[int, float]:
    found: dict[int, float] = {}
    for number, row in enumerate(rows, start=2):
        for column in (date_column, value_column):
            if not row.get(column):
                raise DataError(f"{file} row {number}: column {column} is empty or missing")
        try:
            day, value = to_day(dt.date.fromisoformat(row[date_column])), float(row[value_column])
        except ValueError as error:
            raise DataError(
                f"{file} row {number}, columns {date_column} and {value_column}: {error}"
            ) from error
        if day in found:
            raise DataError(f"{file} row {number}, column {date_column}: {row[date_column]} comes twice")
        if not (np.isfinite(value) and value > 0.0):
            raise DataError(f"{file} row {number}, column {value_column}: {value}, expected above 0")
        found[day] = value
    return found


def _packaged() -> tuple[dict[int, float], dict[int, float]]:
    try:
        from skfolio.datasets import load_sp500_index
    except ModuleNotFoundError as error:
        raise MissingExtraError("research", "skfolio") from error
    try:
        from arch.data import vix
    except ModuleNotFoundError as error:
        raise MissingExtraError("research", "arch") from error
    sp500, volatility = load_sp500_index()["SP500"], vix.load()["vix"]
    found = tuple(
        {to_day(stamp.date()): float(value) for stamp, value in column.dropna().items()}
        for column in (sp500, volatility)
    )
    return found[0], found[1]


def simulated_market_days(seed: int, days: int, *, first: dt.date = dt.date(2000, 1, 3)) -> MarketDays:
    """Simulate ``days`` sessions from ``first`` on, in which volatility can be foretold in part.

    The variance reverts to the level of a regime (a Markov chain: a calm one lasts 200 sessions on average, a
    stormy one 50) and rises after losses (leverage, as in Glosten, Jagannathan and Runkle, Journal of Finance
    48 (1993)). Returns are Student-t with six degrees of freedom. The VIX is the expected volatility of the
    next 21 sessions if the regime stays, with a premium and with noise. The direction of the market cannot be
    foretold: the expected return hardly changes.

    Raises
    ------
    DataError
        If ``days`` is below 1, ``first`` is no session, or the calendar ends before.
    """
    begin = int(session_number(np.array([to_day(first)], dtype=np.int64))[0])
    sessions = session_days()
    if not 1 <= days <= len(sessions) - begin:
        raise DataError(f"days is {days}: expected 1 to {len(sessions) - begin}, what the calendar holds")
    date = sessions[begin : begin + days]
    close, vix = _simulate(seed, days)
    source = f"simulated, seed {seed}: no market made these values"
    return MarketDays(
        date,
        DailySeries.of("simulated S&P 500", Kind.CLOSE, date, close, source=source, simulated=True),
        DailySeries.of("simulated VIX", Kind.LEVEL, date, vix, source=source, simulated=True),
    )


def _simulate(seed: int, days: int) -> tuple[Floats, Floats]:
    levels = (0.11**2 / 252.0, 0.27**2 / 252.0)  # variance a session that each regime reverts to
    leave = (1.0 / 200.0, 1.0 / 50.0)
    arch, leverage, garch = 0.02, 0.16, 0.86
    persistence = arch + 0.5 * leverage + garch
    weight = (1.0 - persistence**21) / (21.0 * (1.0 - persistence))  # of today's variance in the mean of 21
    of_shocks, of_turns, of_noise = np.random.default_rng(seed).spawn(3)  # more days, the same first ones
    shocks = of_shocks.standard_t(6.0, size=days) * np.sqrt(4.0 / 6.0)
    turns, noise = of_turns.random(days), of_noise.standard_normal(days)
    close, vix = np.empty(days), np.empty(days)
    regime, variance, price = 0, levels[0], 1400.0
    for day in range(days):
        if turns[day] < leave[regime]:
            regime = 1 - regime
        move = np.sqrt(variance) * shocks[day]
        price *= float(np.exp(0.0003 - 0.5 * variance + move))
        squared = move * move
        variance = (
            levels[regime] * (1.0 - persistence)
            + (arch + (leverage if move < 0.0 else 0.0)) * squared
            + garch * variance
        )
        expected = levels[regime] + weight * (variance - levels[regime])
        close[day] = round(price, 2)
        vix[day] = round(
            max(100.0 * float(np.sqrt(252.0 * expected) * 1.15 * np.exp(0.03 * noise[day])), 1.0), 2
        )
    return close, vix
