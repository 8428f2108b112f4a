"""Daily series in which every datum says when it was known, and a view that cannot look ahead.

When a datum of a session is usable, at the earliest (``Kind``):

close
    At the session's close: 16:00 New York, 13:00 on half days.
level
    15 minutes after it. Cboe computes the VIX while S&P 500 options trade in regular hours, and they trade
    until 16:15 New York, 13:15 on half days.
return
    At the session's close. Of prices that were adjusted for later dividends and splits only returns are
    free of the future, so such a series has no levels.
open interest
    At the open of the next session. OPRA reports it once a day, at about 06:30 New York, as of the end of the
    session before (docs.thetadata.us, option history open interest); the open is on the safe side of that.

A datum may come later (a delay), or again (a revision: the same date, known later). NaN is a withdrawal.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optionsib.common.errors import DataError
from optionsib.common.types import MINUTE_NS
from optionsib.data.calendars import all_sessions, session_table

Floats = NDArray[np.float64]
Days = NDArray[np.int64]
Stamps = NDArray[np.int64]

LEVEL_DELAY_NS = 15 * MINUTE_NS
_EPOCH = dt.date(1970, 1, 1).toordinal()


class Kind(StrEnum):
    """What the values of a series are; says from when on a datum may be used."""

    CLOSE = "close"
    LEVEL = "level"
    RETURN = "return"
    OPEN_INTEREST = "open interest"


@lru_cache(maxsize=1)
def session_days() -> Days:
    """Return every session of the calendar as days since 1970, ascending, read-only."""
    days = np.array([day.toordinal() - _EPOCH for day in all_sessions()], dtype=np.int64)
    days.flags.writeable = False
    return days


def to_date(day: int) -> dt.date:
    """Return the date of ``day``, days since 1970."""
    return dt.date.fromordinal(int(day) + _EPOCH)


def to_day(date: dt.date) -> int:
    """Return ``date`` as days since 1970."""
    return date.toordinal() - _EPOCH


def session_number(date: Days) -> NDArray[np.intp]:
    """Return where each of ``date`` (n,), days since 1970, stands in ``session_days``.

    Raises
    ------
    DataError
        If one is no session of New York, or outside the calendar's range.
    """
    sessions = session_days()
    number = np.minimum(np.searchsorted(sessions, date), len(sessions) - 1)
    strange = sessions[number] != date
    if strange.any():
        raise DataError(
            f"date {to_date(np.asarray(date)[np.argmax(strange)])}: expected a trading day in New York from "
            f"{to_date(sessions[0])} to {to_date(sessions[-1])}"
        )
    return number


def usable_from(kind: Kind, date: Days) -> Stamps:
    """Return from when on (UTC ns) a datum of each session ``date`` (n,) may be used, at the earliest.

    Raises
    ------
    DataError
        If one is no session of New York; of open interest also if it is the calendar's last one.

    Examples
    --------
    >>> day = np.array([to_day(dt.date(2018, 11, 23))])  # the half day after Thanksgiving
    >>> for kind in (Kind.CLOSE, Kind.LEVEL, Kind.OPEN_INTEREST):
    ...     found = dt.datetime.fromtimestamp(int(usable_from(kind, day)[0]) // 10**9, dt.UTC)
    ...     print(kind, found.isoformat(" "))
    close 2018-11-23 18:00:00+00:00
    level 2018-11-23 18:15:00+00:00
    open interest 2018-11-26 14:30:00+00:00
    """
    number = session_number(date)
    opens, closes = session_table()
    match kind:
        case Kind.CLOSE | Kind.RETURN:
            return np.asarray(closes[number])
        case Kind.LEVEL:
            return np.asarray(closes[number] + LEVEL_DELAY_NS)
        case Kind.OPEN_INTEREST:
            if number.size and number.max() == len(opens) - 1:
                raise DataError(f"date {to_date(session_days()[-1])}: the session after it is not known")
            return np.asarray(opens[number + 1])


@dataclass(frozen=True, slots=True, eq=False)
class DailySeries:
    """``values`` (n,) of the sessions ``date`` (n,), each known from ``known_at_ns`` (n,); read-only.

    Sorted by date, then by ``known_at_ns``; a date with several rows was revised. ``of`` makes one.

    Attributes
    ----------
    date
        Days since 1970 (New York).
    known_at_ns
        UTC ns; never before ``usable_from``.
    source
        Where the data come from.
    simulated
        True if no market made them.
    notes
        Defects that a user should know of.
    """

    name: str
    kind: Kind
    date: Days
    values: Floats
    known_at_ns: Stamps
    source: str
    simulated: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (self.date.shape == self.values.shape == self.known_at_ns.shape == (len(self.date),)):
            raise DataError(
                f"{self.name}: shapes {self.date.shape}, {self.values.shape}, {self.known_at_ns.shape}: "
                "expected (n,) three times"
            )
        early = self.known_at_ns < usable_from(self.kind, self.date)
        if early.any():
            first = int(np.argmax(early))
            earliest = usable_from(self.kind, self.date[first : first + 1])[0]
            raise DataError(
                f"{self.name}: {self.kind} of {to_date(self.date[first])} known at "
                f"{self.known_at_ns[first]} ns: expected {earliest} or later"
            )
        step = np.diff(self.date)
        if ((step < 0) | ((step == 0) & (np.diff(self.known_at_ns) <= 0))).any():
            raise DataError(
                f"{self.name}: expected rows by date, then by known_at_ns, and no two with both the same"
            )
        lowest = {Kind.CLOSE: 0.0, Kind.LEVEL: 0.0, Kind.OPEN_INTEREST: -0.5, Kind.RETURN: -np.inf}[self.kind]
        wrong = np.isinf(self.values) | (self.values <= lowest)  # NaN: withdrawn
        if wrong.any():
            first = int(np.argmax(wrong))
            raise DataError(
                f"{self.name}: value {self.values[first]} on {to_date(self.date[first])}: not a {self.kind}"
            )
        for column in (self.date, self.values, self.known_at_ns):
            column.flags.writeable = False

    @classmethod
    def of(
        cls,
        name: str,
        kind: Kind,
        date: ArrayLike,
        values: ArrayLike,
        *,
        source: str,
        known_at_ns: ArrayLike | None = None,
        simulated: bool = False,
        notes: Sequence[str] = (),
    ) -> DailySeries:
        """Make a series of rows in any order; without ``known_at_ns`` each is known when it may be used.

        Raises
        ------
        DataError
            If shapes do not fit, a date is no session, a datum claims to be known before it can be, two rows
            have date and ``known_at_ns`` in common, or a value is impossible for its kind.
        """
        days = np.array(date, dtype=np.int64)
        stamps = usable_from(kind, days) if known_at_ns is None else np.array(known_at_ns, dtype=np.int64)
        numbers = np.array(values, dtype=np.float64)
        if not days.shape == stamps.shape == numbers.shape == (days.size,):
            raise DataError(
                f"{name}: shapes {days.shape}, {numbers.shape}, {stamps.shape}: expected (n,) three times"
            )
        order = np.lexsort((stamps, days))
        return cls(
            name=name,
            kind=kind,
            date=days[order],
            values=numbers[order],
            known_at_ns=stamps[order],
            source=source,
            simulated=simulated,
            notes=tuple(notes),
        )

    @property
    def sha256(self) -> str:
        """Hash (hex) of name, kind and every datum with its date and ``known_at_ns``."""
        digest = hashlib.sha256(f"daily series 1 {self.name!r} {self.kind} {len(self.date)}".encode())
        for column in (self.date, self.values, self.known_at_ns):
            digest.update(column.astype(column.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def as_of(self, at_ns: int) -> DailySeries:
        """Return what was known at ``at_ns`` (UTC ns): one row a date, in its last version by then.

        The view holds copies: there is nothing in it that was known later.
        """
        rows = np.flatnonzero(self.known_at_ns <= at_ns)
        last = np.append(self.date[rows][1:] != self.date[rows][:-1], True)[: len(rows)]
        return self._rows(rows[last])

    def first_published(self) -> DailySeries:
        """Return the first version of each date, revisions left out."""
        return self._rows(np.flatnonzero(np.diff(self.date, prepend=-(1 << 62)) != 0))

    def between(self, first: dt.date, last: dt.date) -> DailySeries:
        """Return the rows of the dates from ``first`` to ``last``, both included."""
        return self._rows(np.flatnonzero((self.date >= to_day(first)) & (self.date <= to_day(last))))

    def revised(self, date: dt.date, value: float, known_at_ns: int) -> DailySeries:
        """Return the series with one more version of ``date``; NaN withdraws it.

        Raises
        ------
        DataError
            As ``of``.
        """
        return DailySeries.of(
            self.name,
            self.kind,
            np.append(self.date, to_day(date)),
            np.append(self.values, value),
            known_at_ns=np.append(self.known_at_ns, known_at_ns),
            source=self.source,
            simulated=self.simulated,
            notes=self.notes,
        )

    def levels(self) -> Floats:
        """Return the values (n,) as levels.

        Raises
        ------
        DataError
            If the series is one of returns: levels of adjusted prices hold dividends and splits to come.
        """
        if self.kind is Kind.RETURN:
            raise DataError(
                f"{self.name} is a series of returns: it has no levels, because adjusted prices change with "
                "every later dividend and split"
            )
        return self.values

    def _rows(self, rows: NDArray[np.intp]) -> DailySeries:
        return replace(
            self, date=self.date[rows], values=self.values[rows], known_at_ns=self.known_at_ns[rows]
        )


def adjusted_returns(
    name: str,
    date: ArrayLike,
    adjusted_close: ArrayLike,
    *,
    source: str,
    simulated: bool = False,
    notes: Sequence[str] = (),
) -> DailySeries:
    """Return the log returns of prices that were adjusted for dividends and splits of any time.

    A ratio of two adjusted prices holds only what happened between them, so it was known at the later close;
    the prices themselves hold all that came after. The first date has no return and is left out, as is one
    whose session before is not in ``date``.

    Raises
    ------
    DataError
        If a price is not finite and positive, a date comes twice, or as ``DailySeries.of``.
    """
    days, prices = np.array(date, dtype=np.int64), np.array(adjusted_close, dtype=np.float64)
    if days.shape != prices.shape or days.ndim != 1:
        raise DataError(f"{name}: shapes {days.shape} and {prices.shape}: expected (n,) twice")
    order = np.argsort(days)
    days, prices = days[order], prices[order]
    wrong = ~(np.isfinite(prices) & (prices > 0.0))
    if wrong.any():
        first = int(np.argmax(wrong))
        raise DataError(f"{name}: adjusted price {prices[first]} on {to_date(days[first])}: expected above 0")
    for before, after in pairwise(days):
        if before == after:
            raise DataError(f"{name}: date {to_date(after)} comes twice")
    follows = np.diff(session_number(days)) == 1
    return DailySeries.of(
        name,
        Kind.RETURN,
        days[1:][follows],
        np.diff(np.log(prices))[follows],
        source=source,
        simulated=simulated,
        notes=notes,
    )
