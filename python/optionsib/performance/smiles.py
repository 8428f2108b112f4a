"""The smiles of a session with our fills on them, thinned out to what a page can show."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from optionsib.bus.tape import TapeReader
from optionsib.common.events import Execution, PortfolioSnapshot, SmileSnapshot
from optionsib.common.types import PRICE_SCALE, YEAR_NS, Contract

MAXIMUM_SNAPSHOTS = 80  # of one expiry


class SmileFill(msgspec.Struct, frozen=True):
    """One leg execution as a point on its expiry's smile.

    ``volatility`` is the smile's at that strike and time, moved by the distance of our price from the
    mid over the vega; without a tape the distance is not known and taken as 0.
    """

    execution: Execution
    strike: float
    volatility: float


class ExpirySmiles(msgspec.Struct, frozen=True):
    """The smiles of one expiry, rising in time, and our fills in it."""

    expiry_date: str
    snapshots: tuple[SmileSnapshot, ...]
    fills: tuple[SmileFill, ...]


def smiles_with_fills(
    smiles: Iterable[SmileSnapshot],
    executions: Sequence[Execution],
    contracts: Mapping[int, Contract],
    snapshots: Sequence[PortfolioSnapshot],
    tape: Path | None,
) -> list[ExpirySmiles]:
    """Group smiles by expiry and place the leg executions of known contracts on them."""
    by_expiry: dict[str, list[SmileSnapshot]] = {}
    for smile in smiles:
        by_expiry.setdefault(smile.expiry_date, []).append(smile)
    legs = [e for e in executions if not e.is_combo and e.con_id in contracts]
    mids = _mids(tape, legs) if tape is not None and legs else {}
    found = []
    for expiry, group in sorted(by_expiry.items()):
        group.sort(key=lambda smile: smile.at_ns)
        inside = [e for e in legs if contracts[e.con_id].expiry_date == expiry]
        fills = [_fill(e, contracts[e.con_id], group, snapshots, mids.get(e.execution_id)) for e in inside]
        kept = _thin(group, [e.at_ns for e in inside])
        found.append(ExpirySmiles(expiry, tuple(kept), tuple(fill for fill in fills if fill is not None)))
    return found


def _latest(times: Sequence[int], at_ns: int) -> int:
    """Return the index of the last time not after ``at_ns`` (the first one if all are)."""
    return max(bisect_right(times, at_ns) - 1, 0)


def _thin(group: list[SmileSnapshot], fill_times: Sequence[int]) -> list[SmileSnapshot]:
    """Keep an even choice, the first, the last, and those that our fills met."""
    if len(group) <= MAXIMUM_SNAPSHOTS:
        return group
    times = [smile.at_ns for smile in group]
    even = {round(i * (len(group) - 1) / (MAXIMUM_SNAPSHOTS - 1)) for i in range(MAXIMUM_SNAPSHOTS)}
    met = {_latest(times, at_ns) for at_ns in fill_times}
    return [group[index] for index in sorted(even | met)]


def _fill(
    execution: Execution,
    contract: Contract,
    group: list[SmileSnapshot],
    snapshots: Sequence[PortfolioSnapshot],
    mid: float | None,
) -> SmileFill | None:
    smile = group[_latest([each.at_ns for each in group], execution.at_ns)]
    strike = contract.strike / PRICE_SCALE
    volatility = _volatility_at(smile, strike)
    if not math.isfinite(volatility):
        return None
    if mid is not None and snapshots:
        row = snapshots[_latest([each.at_ns for each in snapshots], execution.at_ns)]
        years = (contract.expiry_ns - execution.at_ns) / YEAR_NS
        vega = _vega(row.underlying_price / PRICE_SCALE, strike, years, volatility)
        if vega > 1e-3:
            volatility += (execution.price / PRICE_SCALE - mid) / vega
    return SmileFill(execution, strike, volatility)


def _volatility_at(smile: SmileSnapshot, strike: float) -> float:
    """Return the market's volatility at ``strike``, else the fitted one, else NaN."""
    for k, market, fitted in zip(smile.strikes, smile.implied_volatility, smile.fitted, strict=True):
        if abs(k - strike) < 1e-9:
            return market if math.isfinite(market) else fitted
    return math.nan


def _vega(spot: float, strike: float, years: float, volatility: float) -> float:
    """Black-Scholes vega per 1.00 of volatility without rates: enough to place a marker."""
    if min(spot, strike, years, volatility) <= 0.0:
        return 0.0
    deviation = volatility * math.sqrt(years)
    d1 = math.log(spot / strike) / deviation + deviation / 2.0
    return spot * math.sqrt(years) * math.exp(-d1 * d1 / 2.0) / math.sqrt(2.0 * math.pi)


def _mids(tape: Path, legs: Sequence[Execution]) -> dict[str, float]:
    """Return the mid of each execution's contract in the last frame not after it."""
    waiting = sorted(legs, key=lambda e: e.at_ns, reverse=True)
    wanted = {e.con_id for e in legs}
    last: dict[int, float] = {}
    found: dict[str, float] = {}

    def settle(until_ns: float) -> None:
        while waiting and waiting[-1].at_ns < until_ns:
            execution = waiting.pop()
            if execution.con_id in last:
                found[execution.execution_id] = last[execution.con_id]

    with TapeReader(tape) as reader:
        for frame in reader:
            settle(frame.at_ns)
            for quote in frame.quotes:
                if quote.con_id in wanted and quote.bid is not None and quote.ask is not None:
                    last[quote.con_id] = (quote.bid + quote.ask) / 2 / PRICE_SCALE
    settle(math.inf)
    return found
