"""A market maker's quotes around a hidden fair value, minute by minute, on the tick grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optionsib.common.types import PENNY_GRID, PRICE_SCALE, TickGrid
from optionsib.data.synthetic.grids import increments
from optionsib.data.synthetic.market import Floats, HiddenMarket, by_time_of_day, mean_reverting
from optionsib.data.synthetic.parameters import DayParameters, QuoteParameters

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class QuoteArrays:
    """Quotes by minute and instrument; a price of 0 is an absent side. Prices in 1/10000."""

    bid: Ints
    ask: Ints
    bid_size: Ints
    ask_size: Ints


def quote_share(rng: np.random.Generator, spot: Floats, parameters: DayParameters) -> QuoteArrays:
    """Quote the share: one or two cents wide, sizes in round lots. Arrays have shape (minutes, 1)."""
    minutes = len(spot)
    cents = np.where(rng.random(minutes) < parameters.spot.wide_share, 2, 1)
    tick = PENNY_GRID.increment(0)
    bid = np.rint(spot * PRICE_SCALE / tick - 0.5 * cents).astype(np.int64) * tick
    sizes = parameters.spot.size_median * np.exp(
        parameters.spot.size_deviation * rng.standard_normal((minutes, 2))
    )
    lots = np.maximum(1, np.rint(sizes / 100.0)).astype(np.int64) * 100
    return QuoteArrays(bid[:, None], (bid + cents * tick)[:, None], lots[:, :1].copy(), lots[:, 1:].copy())


def quote_options(
    prices_rng: np.random.Generator,
    sizes_rng: np.random.Generator,
    market: HiddenMarket,
    grid: TickGrid,
    parameters: QuoteParameters,
) -> QuoteArrays:
    """Quote every option. Arrays have shape (minutes, options).

    A side is moved if the maker happens to look at the contract and finds it off by more than its
    patience, or at once if it would give the fair value away. A bid that has been shown stays at
    one increment at least; one that would be below half an increment at the opening is not shown.
    """
    minutes, count = market.fair.shape
    width = _widths(prices_rng, market, parameters)
    opening = 1.0 + parameters.opening_factor * np.exp(-np.arange(minutes) / parameters.opening_minutes)
    half = 0.5 * width * opening[:, None]
    middle = market.fair + half * mean_reverting(
        prices_rng, minutes, count, parameters.fair_noise, parameters.fair_half_life
    )
    below, above = (
        half
        * np.exp(mean_reverting(prices_rng, minutes, count, parameters.side_noise, parameters.side_half_life))
        for _ in range(2)
    )
    wanted_bid = (middle - below) * PRICE_SCALE
    wanted_ask = (middle + above) * PRICE_SCALE
    looks_bid, looks_ask = _looks(prices_rng, market, parameters)
    patience = parameters.patience * width * PRICE_SCALE
    follows = prices_rng.random((minutes, count)) < parameters.follow_share
    fair = market.fair * PRICE_SCALE

    bid = np.zeros((minutes, count), dtype=np.int64)
    ask = np.zeros((minutes, count), dtype=np.int64)
    for k in range(minutes):
        down, up = _on_grid(wanted_bid[k], wanted_ask[k], grid)
        if k == 0:
            bid[k], ask[k] = down, up
            continue
        step = increments(fair[k], grid)
        tolerance = np.maximum(parameters.patience_increments * step, patience)
        off_bid = np.abs(wanted_bid[k] - bid[k - 1] - 0.5 * step)
        off_ask = np.abs(wanted_ask[k] - ask[k - 1] + 0.5 * step)
        moves_bid = (looks_bid[k] & (off_bid > tolerance)) | (bid[k - 1] > np.maximum(fair[k], step))
        moves_ask = (looks_ask[k] & (off_ask > tolerance)) | (ask[k - 1] < fair[k])
        moves_bid |= follows[k] & moves_ask & (off_bid > 0.5 * tolerance)
        moves_ask |= follows[k] & moves_bid & (off_ask > 0.5 * tolerance)
        shown = np.where(bid[k - 1] > 0, np.maximum(down, step), down)
        bid[k] = np.where(moves_bid, shown, bid[k - 1])
        ask[k] = np.where(moves_ask, up, ask[k - 1])
        # One side alone may have moved onto the other: then both take what is wanted now.
        touching = bid[k] >= ask[k]
        bid[k] = np.where(touching, shown, bid[k])
        ask[k] = np.where(touching, np.maximum(up, shown + step), ask[k])
    bid_size, ask_size = _sizes(sizes_rng, bid, ask, looks_bid, looks_ask, parameters)
    return QuoteArrays(bid, ask, bid_size, ask_size)


def _widths(rng: np.random.Generator, market: HiddenMarket, parameters: QuoteParameters) -> Floats:
    m, time = market.moneyness, market.time_to_expiry
    at_money = parameters.width_money[0] + parameters.width_money[1] * time
    outside = parameters.width_out[0] + parameters.width_out[1] * time
    towards_money = np.exp(np.minimum(m, 0.0) / 0.05)
    inside = parameters.width_in / (
        1.0 + np.exp(-(m - parameters.width_in_centre) / parameters.width_in_scale)
    )
    own = np.exp(parameters.width_contract_deviation * rng.standard_normal(len(m)))
    widths: Floats = (outside + (at_money - outside) * towards_money + inside) * own
    return widths


def _looks(
    rng: np.random.Generator, market: HiddenMarket, parameters: QuoteParameters
) -> tuple[Flags, Flags]:
    """Return in which minutes the maker looks at the bid and at the ask of each contract."""
    minutes, count = market.fair.shape
    m, time = market.moneyness, market.time_to_expiry
    scale = (parameters.rate_scale[0] + parameters.rate_scale[1] * np.sqrt(time)) * np.where(m > 0, 2.0, 1.0)
    rate = parameters.rate_money[0] * np.exp(-parameters.rate_money[1] * time)
    rate *= np.exp(-((np.abs(m) / scale) ** 1.3))
    rate = np.maximum(rate, parameters.rate_floor)
    rate *= np.exp(parameters.rate_contract_deviation * rng.standard_normal(count))
    activity = by_time_of_day(parameters.activity, minutes)
    looks = rng.random((minutes, count)) < 1.0 - np.exp(-rate[None, :] * activity[:, None])
    which = rng.random((minutes, count))
    one_side = 0.5 * (1.0 - parameters.both_sides_share)
    return looks & (which >= one_side), looks & (which < 1.0 - one_side)


def _sizes(
    rng: np.random.Generator,
    bid: Ints,
    ask: Ints,
    looks_bid: Flags,
    looks_ask: Flags,
    parameters: QuoteParameters,
) -> tuple[Ints, Ints]:
    minutes, count = bid.shape
    typical = parameters.size_median * np.exp(
        parameters.size_contract_deviation * rng.standard_normal((2, count))
    )
    drawn = typical[:, None, :] * np.exp(
        parameters.size_update_deviation * rng.standard_normal((2, minutes, count))
    )
    fresh = np.clip(np.rint(drawn), 1, parameters.largest_size).astype(np.int64)
    sizes = []
    for price, looks, size in ((bid, looks_bid, fresh[0]), (ask, looks_ask, fresh[1])):
        changes = looks.copy()
        changes[0] = True
        changes[1:] |= price[1:] != price[:-1]
        latest = np.maximum.accumulate(np.where(changes, np.arange(minutes)[:, None], 0), axis=0)
        standing = np.take_along_axis(size, latest, axis=0)
        sizes.append(np.where(price > 0, standing, 0))
    return sizes[0], sizes[1]


def _on_grid(wanted_bid: Floats, wanted_ask: Floats, grid: TickGrid) -> tuple[Ints, Ints]:
    """Round to the nearest prices of the grid, the ask at least one increment above 0 and the bid."""
    bid_step = increments(wanted_bid, grid)
    bid = np.maximum(np.rint(wanted_bid / bid_step).astype(np.int64), 0) * bid_step
    ask_step = increments(wanted_ask, grid)
    ask = np.maximum(np.rint(wanted_ask / ask_step).astype(np.int64), 1) * ask_step
    # A bid just below a band's edge may round onto it; it is a multiple of the wider step there too.
    ask = np.maximum(ask, bid + increments(bid.astype(np.float64), grid))
    return bid, ask
