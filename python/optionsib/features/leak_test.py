"""Does a feature know the future? Change what was known later, and see whether anything before it moves.

A trainer runs the test on its own features, and the answer goes into the model's card: a text that begins
with ``passed`` or ``failed``. Compared is exactly, over all rows up to ``t``, so that a scale or a selection
that was found on the whole sample shows as well.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from optionsib.common.ports import QuoteTape, TapeQuote, TapeStep
from optionsib.common.types import SECOND_NS
from optionsib.data.daily import MarketDays
from optionsib.data.daily_series import DailySeries
from optionsib.data.memory_tape import MemoryTape
from optionsib.features.chain_features import FEATURE_NAMES, ChainFeatures
from optionsib.features.daily import DAILY_FEATURE_NAMES, DailyFeatures

Stamps = NDArray[np.int64]
Values = NDArray[np.floating]
Data = TypeVar("Data")

_DAY_NS = 86_400 * SECOND_NS


def leak_test(
    compute: Callable[[Data], tuple[Stamps, Values]],
    data: Data,
    mutate: Callable[[Data, int, np.random.Generator], Data],
    *,
    names: Sequence[str] = (),
    mutations: int = 64,
    seed: int = 0,
) -> str:
    """Return ``passed: ...`` if no feature at ``t`` moves with data known after ``t``, else ``failed: ...``.

    Parameters
    ----------
    compute
        Gives ``known_at_ns`` (n,), ascending, and the rows (n, k) of some data.
    mutate
        Gives other data that are the same as far as they were known at an instant (UTC ns).
    names : (k,)
        Of the columns, for the answer.
    mutations
        How often, each time with another ``t``, drawn from the stamps of the rows.

    Raises
    ------
    ValueError
        If ``mutations`` is below 1, or there are fewer than two instants.
    """
    if mutations < 1:
        raise ValueError(f"mutations is {mutations}: expected 1 or more")
    rng = np.random.default_rng(seed)
    stamps, rows = compute(data)
    instants = np.unique(stamps)[:-1]
    if len(instants) == 0:
        raise ValueError(f"{len(stamps)} rows: expected rows of at least two instants")
    moved = 0
    for number in range(1, mutations + 1):
        at_ns = int(rng.choice(instants))
        other_stamps, other = compute(mutate(data, at_ns, rng))
        cut, other_cut = (
            int(np.searchsorted(found, at_ns, side="right")) for found in (stamps, other_stamps)
        )
        if cut != other_cut or not np.array_equal(stamps[:cut], other_stamps[:cut]):
            return f"failed: mutation {number} after {_moment(at_ns)} changed which rows there are before it"
        same = (rows[:cut] == other[:cut]) | (np.isnan(rows[:cut]) & np.isnan(other[:cut]))
        if not same.all():
            row, column = (int(place) for place in np.argwhere(~same)[0])
            name = names[column] if column < len(names) else f"column {column}"
            return (
                f"failed: mutation {number} after {_moment(at_ns)} changed {name} at "
                f"{_moment(int(stamps[row]))} from {rows[row, column]} to {other[row, column]}"
            )
        moved += not np.array_equal(rows[cut:], other[cut:], equal_nan=True)
    if moved == 0:
        return f"failed: none of {mutations} mutations changed any later feature, so nothing was tested"
    return (
        f"passed: {mutations} mutations of data known after t changed no feature up to t, "
        f"and {moved} of them later ones"
    )


def leak_test_days(
    compute: Callable[[MarketDays], DailyFeatures],
    days: MarketDays,
    *,
    names: Sequence[str] = DAILY_FEATURE_NAMES,
    mutations: int = 64,
    seed: int = 0,
) -> str:
    """Return the answer of ``leak_test`` for features of market days.

    Examples
    --------
    >>> from optionsib.data.daily import simulated_market_days
    >>> from optionsib.features.daily import daily_features
    >>> leak_test_days(daily_features, simulated_market_days(seed=1, days=90), mutations=4)[:21]
    'passed: 4 mutations o'
    """

    def rows(some: MarketDays) -> tuple[Stamps, Values]:
        found = compute(some)
        return found.known_at_ns, found.matrix

    return leak_test(rows, days, mutate_days, names=names, mutations=mutations, seed=seed)


def leak_test_tape(
    compute: Callable[[QuoteTape], Iterable[ChainFeatures]],
    tape: QuoteTape,
    *,
    mutations: int = 16,
    seed: int = 0,
) -> str:
    """Return the answer of ``leak_test`` for the features of a chain over a tape.

    All numbers of ``ChainFeatures`` are compared, not only the columns of its matrix.
    """
    names: list[str] = []

    def rows(some: QuoteTape) -> tuple[Stamps, Values]:
        stamps, parts = [], []
        for features in compute(some):
            found = chain_numbers(features)
            names[:] = found
            parts.append(np.stack(list(found.values()), axis=1))
            stamps.append(np.full(len(parts[-1]), features.at_ns, dtype=np.int64))
        return np.concatenate(stamps), np.concatenate(parts)

    return leak_test(rows, tape, mutate_tape, names=names, mutations=mutations, seed=seed)


def mutate_days(days: MarketDays, at_ns: int, rng: np.random.Generator) -> MarketDays:
    """Return other days that nobody could tell from ``days`` by what was known at ``at_ns``."""
    return dataclasses.replace(
        days, sp500=mutate_series(days.sp500, at_ns, rng), vix=mutate_series(days.vix, at_ns, rng)
    )


def mutate_series(series: DailySeries, at_ns: int, rng: np.random.Generator) -> DailySeries:
    """Return ``series`` with data known after ``at_ns`` changed, delayed, withdrawn, removed or revised.

    Data known by then may be revised too, after ``at_ns``.
    """
    later = series.known_at_ns > at_ns
    fate = rng.integers(0, 5, size=len(series.date))
    change = np.exp(rng.normal(0.0, 0.2, size=len(series.date)))
    delay = rng.integers(1, 10 * _DAY_NS, size=len(series.date))
    values = np.where(later & (fate == 1), series.values * change, series.values)
    values[later & (fate == 2)] = np.nan
    known = series.known_at_ns + np.where(later & (fate == 3), delay, 0)
    kept = ~(later & (fate == 4))
    revised = rng.random(len(series.date)) < 0.1
    revision_at = np.maximum(known, at_ns) + rng.integers(1, 10 * _DAY_NS, size=len(series.date))
    date = np.concatenate([series.date[kept], series.date[revised]])
    stamps = np.concatenate([known[kept], revision_at[revised]])
    found = np.concatenate([values[kept], (series.values / change)[revised]])
    _, unique = np.unique(np.stack([date, stamps]), axis=1, return_index=True)
    return DailySeries.of(
        series.name,
        series.kind,
        date[unique],
        found[unique],
        known_at_ns=stamps[unique],
        source=f"{series.source}, mutated",
        simulated=True,
    )


def mutate_tape(tape: QuoteTape, at_ns: int, rng: np.random.Generator) -> MemoryTape:
    """Return ``tape`` with quotes after ``at_ns`` changed, put off, dropped or thinned by side.

    The instants of the steps stay.
    """
    steps, late = [], list[TapeQuote]()
    for step in tape.steps():
        if step.at_ns <= at_ns:
            steps.append(step)
            continue
        quotes = {quote.con_id: quote for quote in late}
        late = []
        for quote in step.quotes if rng.random() < 0.9 else ():  # else a stalled feed
            match int(rng.integers(0, 5)):
                case 0:
                    late.append(quote)
                case 1:
                    pass
                case 2:
                    quotes[quote.con_id] = TapeQuote(quote.con_id, None, 0, quote.ask, quote.ask_size)
                case 3:
                    quotes[quote.con_id] = _moved(quote, int(rng.integers(-500, 500)))
                case _:
                    quotes[quote.con_id] = quote
        steps.append(TapeStep(step.at_ns, tuple(quotes[con_id] for con_id in sorted(quotes))))
    return MemoryTape(
        name=f"{tape.name} (mutated)",
        simulated=True,
        sha256="",
        session_open_ns=tape.session_open_ns,
        session_close_ns=tape.session_close_ns,
        underlying=tape.underlying,
        contracts=tape.contracts,
        all_steps=tuple(steps),
    )


def _moved(quote: TapeQuote, by: int) -> TapeQuote:
    bid = None if quote.bid is None else max(quote.bid + by, 100)
    ask = None if quote.ask is None else max(quote.ask + by, 200)
    return TapeQuote(quote.con_id, bid, quote.bid_size + 1, ask, quote.ask_size)


def chain_numbers(features: ChainFeatures) -> dict[str, NDArray[np.float64]]:
    """Return every number of ``features`` by name, one value a contract (n,).

    Raises
    ------
    TypeError
        If a field holds numbers by something else than contracts or expiries.
    """
    contracts, expiries = len(features.con_id), len(features.grid.expiry_ns)
    found: dict[str, NDArray[np.float64]] = {}
    for field in dataclasses.fields(features):
        value = getattr(features, field.name)
        if isinstance(value, float):
            found[field.name] = np.full(contracts, value)
        if not isinstance(value, np.ndarray):
            continue
        numbers = value.astype(np.float64)
        if numbers.shape == (contracts, len(FEATURE_NAMES)):
            found |= {f"feature {name}": numbers[:, k] for k, name in enumerate(FEATURE_NAMES)}
        elif numbers.shape == (contracts,):
            found[field.name] = numbers
        elif numbers.shape == (expiries,):
            found[field.name] = numbers[features.grid.row]
        else:
            raise TypeError(f"{field.name} has shape {value.shape}: expected one value a contract or expiry")
    return found


def _moment(at_ns: int) -> str:
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
