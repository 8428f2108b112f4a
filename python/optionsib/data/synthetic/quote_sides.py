"""What a market maker shows around a model value, as a function of contract and time alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionsib.common.ports import TapeQuote
from optionsib.common.types import PRICE_SCALE, YEAR_NS
from optionsib.data.synthetic.grids import down, nearest, up
from optionsib.data.synthetic.listing import scatter
from optionsib.data.synthetic.price_path import KNOT_NS
from optionsib.data.synthetic.registry import Instrument

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LIQUIDITY = {"daily": 0.25, "weekly": 0.5, "monthly": 1.0, "none": 1.0}  # factor on options' spreads
_SHARE_SPREAD = 5e-5  # of the usual price, at least one tick
_OPTION_SPREAD = (0.0015, 0.0006)  # of the value; of the underlying times the root of the years left
_LARGEST_LOTS = 60.0
_LOT_SIZES = {"STK": 100, "CASH": 100_000}


def sides(one: Instrument, middles: Floats, at_ns: Ints | int) -> tuple[Ints, Ints, Ints]:
    """Return trade, bid and ask prices (1/10000; 0 = absent) around middle prices (currency).

    A middle lies between its bid and its ask. Of shares and futures all three rise with the middle, so
    the extremes of a bar are those of its middles.
    """
    scaled, grid = middles * PRICE_SCALE, one.contract.tick_grid
    if one.contract.security_type == "IND":
        level = nearest(scaled, grid)
        return level, level, level
    if one.under is None:
        tick = grid.bands[0].increment
        ticks = 1
        if one.contract.security_type == "STK":
            ticks = max(1, round(one.product.level * PRICE_SCALE * _SHARE_SPREAD / tick))
        bid = np.floor(scaled / tick - 0.5 * (ticks - 1)).astype(np.int64) * tick
        return nearest(scaled, grid), bid, bid + ticks * tick
    years = np.maximum(0.0, (one.contract.expiry_ns - at_ns) / YEAR_NS)
    width = _OPTION_SPREAD[0] * middles + _OPTION_SPREAD[1] * one.under.product.level * np.sqrt(years)
    width = width * LIQUIDITY[one.product.options] * PRICE_SCALE
    bid = np.maximum(down(scaled - 0.5 * width, grid), 0)
    ask = up(np.maximum(scaled + 0.5 * width, 1.0), grid)
    ask = np.maximum(ask, up((bid + 1).astype(np.float64), grid))
    return np.clip(nearest(scaled, grid), np.maximum(bid, grid.bands[0].increment), ask), bid, ask


def displayed(one: Instrument, middle: float, at_ns: int) -> TapeQuote:
    """Return the quote at one instant; sizes change every five seconds."""
    con_id = one.contract.con_id
    _, bid, ask = (int(side[0]) for side in sides(one, np.array([middle]), at_ns))
    if one.contract.security_type == "IND":
        return TapeQuote(con_id, bid, 0, ask, 0)
    words = np.array([con_id, con_id + (1 << 40)], dtype=np.uint64) * np.uint64(1 << 20)
    shares = scatter(words + np.uint64(at_ns // KNOT_NS % (1 << 20)))
    lots = 1 + np.floor(_LARGEST_LOTS * shares**2).astype(np.int64)
    lots *= _LOT_SIZES.get(one.contract.security_type, 1)
    return TapeQuote(con_id, bid or None, int(lots[0]) if bid else 0, ask, int(lots[1]))
