"""What is listed on a day: expiries, strikes, futures months, and contract ids that never change.

A contract id is a hash of the market's seed and the contract's identity, so it is the same in every
process and on every day. Where two contracts of a chain would share one (a few in a hundred thousand),
the later one is not listed.
"""

from __future__ import annotations

import datetime as dt
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optionsib.common.types import PRICE_SCALE
from optionsib.data.calendars import (
    expiry_instant,
    is_session,
    last_session_on_or_before,
    session_bounds,
    third_friday,
)
from optionsib.data.synthetic.catalog import Product

Words = NDArray[np.uint64]

FIRST_ID = 100_000_000
_IDS = 2_000_000_000  # ids stay below 2^31
_QUARTERS = (3, 6, 9, 12)
MONTH_CODES = "FGHJKMNQUVXZ"


@dataclass(frozen=True, slots=True)
class Series:
    """One expiry of one trading class. ``date`` is the last trading day, strikes in 1/10000."""

    trading_class: str
    date: dt.date
    expiry_ns: int
    strikes: tuple[int, ...]


def contract_id(seed: int, *identity: str | int) -> int:
    """Return the id of an instrument that is no option."""
    return int(_to_ids(_mix(_base(seed, *identity) ^ np.zeros(1, dtype=np.uint64)))[0])


def option_ids(seed: int, product: Product, series: Series) -> NDArray[np.int64]:
    """Return ids of a series, shape (strikes, 2): call, put."""
    base = _base(seed, "OPT", product.symbol, series.trading_class, series.date.toordinal())
    strikes = np.array(series.strikes, dtype=np.uint64)[:, None]
    return _to_ids(_mix(base ^ _mix(strikes * np.uint64(2) + np.arange(2, dtype=np.uint64)[None, :])))


def _base(seed: int, *identity: str | int) -> np.uint64:
    text = "|".join(map(str, (seed, *identity))).encode()
    return np.uint64(zlib.crc32(text) << 32 | zlib.crc32(text[::-1], 0x5BD1E995))


def _mix(words: Words) -> Words:
    """Scatter 64-bit words (the finaliser of splitmix64: Steele, Lea, Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        words = words + np.uint64(0x9E3779B97F4A7C15)
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return words ^ (words >> np.uint64(31))


def _to_ids(words: Words) -> NDArray[np.int64]:
    return (words % np.uint64(_IDS)).astype(np.int64) + FIRST_ID


def scatter(words: Words) -> NDArray[np.float64]:
    """Return numbers in [0, 1) that depend on all bits of each word."""
    return (_mix(words) >> np.uint64(11)).astype(np.float64) * 2.0**-53


# --- futures -------------------------------------------------------------------------------------------


def futures_expiries(date: dt.date, count: int = 5) -> list[dt.date]:
    """Return the next quarterly expiries: third Fridays of March, June, September, December."""
    found: list[dt.date] = []
    year, month = date.year, date.month
    while len(found) < count:
        if month in _QUARTERS and (friday := third_friday(year, month)) > date:
            found.append(friday)
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return found


def futures_expiry_ns(friday: dt.date) -> int:
    """Return the opening of the New York session that settles the month."""
    return session_bounds(last_session_on_or_before(friday))[0]


def futures_symbol(root: str, friday: dt.date) -> str:
    """Return the local symbol, e.g. ``ESZ6``."""
    return f"{root}{MONTH_CODES[friday.month - 1]}{friday.year % 10}"


# --- options -------------------------------------------------------------------------------------------


def option_series(product: Product, date: dt.date, spot: float) -> list[Series]:
    """Return what is listed on ``date`` with the underlying at ``spot``, by date and class."""
    if product.options == "none":
        return []
    monthly = _monthly(product, date)
    found: dict[tuple[dt.date, str], Series] = {}
    weekly_class = "SPXW" if product.symbol == "SPX" else product.symbol
    if product.symbol in ("NDX", "RUT"):
        weekly_class = {"NDX": "NDXP", "RUT": "RUTW"}[product.symbol]
    morning = product.security_type in ("IND", "FUT")
    for day in monthly:
        last = last_session_on_or_before(day)
        ends = session_bounds(last)[0] if morning else expiry_instant(day)
        strikes = _strikes(product, spot, (last - date).days, wide=True)
        found[last, product.symbol] = Series(product.symbol, last, ends, strikes)
    for day in _weekly(product, date):
        last = last_session_on_or_before(day)
        if last < date or (last, weekly_class) in found:
            continue
        strikes = _strikes(product, spot, (last - date).days, wide=False)
        found[last, weekly_class] = Series(weekly_class, last, expiry_instant(day), strikes)
    return [found[key] for key in sorted(found)]


def _monthly(product: Product, date: dt.date) -> list[dt.date]:
    months = [(date.year + (date.month - 1 + k) // 12, (date.month - 1 + k) % 12 + 1) for k in range(30)]
    wanted = []
    for k, (year, month) in enumerate(months):
        near = k <= 3
        quarterly = month in _QUARTERS and k <= 12
        leap = month == 1 or (month == 6 and k <= 20)
        if product.security_type == "FUT":
            near, leap = False, False
        if near or quarterly or leap:
            wanted.append(third_friday(year, month))
    return [day for day in wanted if last_session_on_or_before(day) >= date]


def _weekly(product: Product, date: dt.date) -> list[dt.date]:
    days: list[dt.date] = []
    if product.security_type == "FUT" or product.options == "monthly":
        return days
    if product.options == "daily":
        days += [day for k in range(14) if is_session(day := date + dt.timedelta(days=k))]
    first_friday = date + dt.timedelta(days=(4 - date.weekday()) % 7)
    days += [first_friday + dt.timedelta(weeks=k) for k in range(8)]
    return days


def _strikes(product: Product, spot: float, days: int, *, wide: bool) -> tuple[int, ...]:
    """Return strikes around ``spot``: fine near it, every fifth beyond, further out for later expiries."""
    step = (product.strike_step or _usual_step(spot)) * (5.0 if days > 100 and wide else 1.0)
    years = max(days, 1) / 365.0
    reach = min(0.60, max(0.06, 4.0 * product.volatility * years**0.5) + (0.05 if wide else 0.0))
    fine = min(reach, 0.6 * reach + 0.02)
    found = set()
    for low, high, width in (
        (spot * (1.0 - fine), spot * (1.0 + fine), step),
        (spot * (1.0 - reach), spot * (1.0 + 0.8 * reach), 5.0 * step),
    ):
        found |= {round(k * width * PRICE_SCALE) for k in range(int(low / width), int(high / width) + 2)}
    return tuple(sorted(strike for strike in found if strike > 0))


def _usual_step(spot: float) -> float:
    for limit, step in ((25.0, 0.5), (100.0, 1.0), (300.0, 2.5), (700.0, 5.0)):
        if spot < limit:
            return step
    return 10.0
