"""Describe a tape by a handful of figures, to compare days: recorded with recorded or simulated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optionsib.common.ports import QuoteTape
from optionsib.common.types import PRICE_SCALE

Floats = NDArray[np.float64]
SESSIONS_PER_YEAR = 252


@dataclass(frozen=True, slots=True)
class TapeSummary:
    """Figures of one day. Shares are between 0 and 1; prices in currency; sizes in contracts.

    An *update* is one contract named in one step after the first. Moneyness ``m`` is
    ``kind * log(mean spot / strike)``: above 0 in the money. Spreads are medians over all contract
    minutes with both sides.
    """

    contracts: int
    expiries: int
    steps: int
    update_share: float  # of contract minutes
    updates_per_contract: tuple[float, float, float]  # 10th, 50th, 90th percentile over contracts
    quiet_share: float  # contracts with fewer than 30 updates
    opening_activity: float  # update share of the first half hour over that of the whole day
    midday_activity: float  # the same of 13:00 to 14:30
    closing_activity: float  # the same of the last half hour
    price_change_share: float  # updates that change a price
    both_sides_share: float  # price changes that change both sides
    one_sided_share: float  # updates that change price or size of one side only
    price_changes_per_contract: tuple[float, float, float]  # 25th, 50th, 75th percentile
    minutes_since_change: float  # median age of the last price change, after the first half hour
    never_bid_share: float  # contracts without a bid at the end
    first_step_share: float  # contracts with both sides in the first step
    spread_deep_in: float  # m above 0.15
    spread_in: float  # m 0.05 to 0.15
    spread_near: float  # m -0.05 to 0.05
    spread_out: float  # m below -0.05
    bid_size: float  # medians over contract minutes
    ask_size: float
    underlying_spread: float  # median
    underlying_volatility: float  # annualised, of one-minute returns within the session


@dataclass(frozen=True, slots=True)
class QuoteMatrix:
    """A tape as arrays of shape (steps, options), forward filled; NaN = absent side."""

    bid: Floats
    ask: Floats
    bid_size: Floats
    ask_size: Floats
    named: NDArray[np.bool_]  # contract named in this step
    underlying_bid: Floats  # (steps,)
    underlying_ask: Floats


def quote_matrix(tape: QuoteTape) -> QuoteMatrix:
    """Return all quotes of a tape as arrays; columns in the order of ``tape.contracts``."""
    column = {contract.con_id: i for i, contract in enumerate(tape.contracts)}
    last = column[tape.underlying.con_id] = len(column)
    state = np.full((4, last + 1), np.nan)
    states, named = [], []
    for step in tape.steps():
        hit = np.zeros(last + 1, dtype=bool)
        for quote in step.quotes:
            i = column[quote.con_id]
            state[0, i] = np.nan if quote.bid is None else quote.bid / PRICE_SCALE
            state[1, i] = np.nan if quote.ask is None else quote.ask / PRICE_SCALE
            state[2, i], state[3, i] = quote.bid_size, quote.ask_size
            hit[i] = True
        states.append(state.copy())
        named.append(hit)
    bid, ask, bid_size, ask_size = np.stack(states, axis=1)
    return QuoteMatrix(
        bid=bid[:, :last],
        ask=ask[:, :last],
        bid_size=bid_size[:, :last],
        ask_size=ask_size[:, :last],
        named=np.array(named)[:, :last],
        underlying_bid=bid[:, last],
        underlying_ask=ask[:, last],
    )


def summarize(tape: QuoteTape) -> TapeSummary:
    """Return the figures of a tape of at least two steps.

    Raises
    ------
    ValueError
        If the tape has fewer than two steps.
    """
    quotes = quote_matrix(tape)
    steps, count = quotes.bid.shape
    if steps < 2:
        raise ValueError(f"{tape.name}: {steps} steps; expected at least two")
    bid_price, ask_price = _changed(quotes.bid), _changed(quotes.ask)
    bid_any = bid_price | _changed(quotes.bid_size)
    ask_any = ask_price | _changed(quotes.ask_size)
    updates = quotes.named[1:]
    price_changes = bid_price | ask_price
    per_contract = updates.sum(axis=0)
    spot = 0.5 * (quotes.underlying_bid + quotes.underlying_ask)
    returns = np.diff(np.log(spot))
    spreads = _spreads_by_moneyness(tape, quotes, float(np.nanmean(spot)))
    both = np.isfinite(quotes.bid) & np.isfinite(quotes.ask)
    shown_bid, shown_ask = np.isfinite(quotes.bid), np.isfinite(quotes.ask)
    return TapeSummary(
        contracts=count,
        expiries=len({contract.expiry_ns for contract in tape.contracts}),
        steps=steps,
        update_share=float(updates.mean()),
        updates_per_contract=_percentiles(per_contract, 10, 50, 90),
        quiet_share=float(np.mean(per_contract < 30)),
        opening_activity=_activity(updates, 0.0, 1 / 13),
        midday_activity=_activity(updates, 7 / 13, 10 / 13),
        closing_activity=_activity(updates, 12 / 13, 1.0),
        price_change_share=_share(price_changes, updates),
        both_sides_share=_share(bid_price & ask_price, price_changes),
        one_sided_share=_share(bid_any ^ ask_any, updates),
        price_changes_per_contract=_percentiles(price_changes.sum(axis=0), 25, 50, 75),
        minutes_since_change=_median_age(price_changes),
        never_bid_share=float(np.mean(~np.isfinite(quotes.bid[-1]))),
        first_step_share=float(np.mean(both[0])),
        spread_deep_in=spreads[0],
        spread_in=spreads[1],
        spread_near=spreads[2],
        spread_out=spreads[3],
        bid_size=float(np.median(quotes.bid_size[shown_bid])),
        ask_size=float(np.median(quotes.ask_size[shown_ask])),
        underlying_spread=float(np.nanmedian(quotes.underlying_ask - quotes.underlying_bid)),
        underlying_volatility=float(np.sqrt(np.nanmean(returns**2) * (steps - 1) * SESSIONS_PER_YEAR)),
    )


def _changed(values: Floats) -> NDArray[np.bool_]:
    """Tell where a value differs from the step before; NaN to NaN is no change."""
    before, after = values[:-1], values[1:]
    changed: NDArray[np.bool_] = (before != after) & ~(np.isnan(before) & np.isnan(after))
    return changed


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    return float(part.sum() / max(1, int(whole.sum())))


def _percentiles(values: NDArray[np.int64], *levels: int) -> tuple[float, float, float]:
    low, middle, high = (float(value) for value in np.percentile(values, levels))
    return low, middle, high


def _activity(updates: NDArray[np.bool_], start: float, end: float) -> float:
    steps = len(updates)
    part = updates[round(start * steps) : max(round(end * steps), round(start * steps) + 1)]
    return float(part.mean() / max(float(updates.mean()), 1e-12))


def _median_age(changes: NDArray[np.bool_]) -> float:
    minute = np.arange(len(changes))[:, None]
    latest = np.maximum.accumulate(np.where(changes, minute, -1), axis=0)
    ages = minute - latest
    return float(np.median(ages[min(30, len(changes) - 1) :]))


def _spreads_by_moneyness(tape: QuoteTape, quotes: QuoteMatrix, spot: float) -> list[float]:
    strike = np.array([contract.strike for contract in tape.contracts]) / PRICE_SCALE
    kind = np.array([contract.kind for contract in tape.contracts])
    moneyness = kind * np.log(spot / strike)
    spread = quotes.ask - quotes.bid
    found = []
    for low, high in ((0.15, np.inf), (0.05, 0.15), (-0.05, 0.05), (-np.inf, -0.05)):
        values = spread[:, (moneyness > low) & (moneyness <= high)]
        values = values[np.isfinite(values)]
        found.append(float(np.median(values)) if len(values) else float("nan"))
    return found
