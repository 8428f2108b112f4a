"""What a set of legs is worth: fair value, mid and natural price, as net debits of the legs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from optionsib.common.types import PENNY_GRID, PRICE_SCALE, OrderLeg
from optionsib.features import ChainFeatures

COMBO_GRID = PENNY_GRID  # combos are priced in cents whatever their legs' grids


@dataclass(frozen=True, slots=True)
class SpreadQuote:
    """Net debits per unit in currency per share; NaN where a leg's part is unknown.

    ``natural``: buy at the ask, sell at the bid. ``opposite``: the other way round.
    """

    fair_value: float
    mid: float
    natural: float
    opposite: float
    widest_leg: float
    lowest_bid: float


def quote_spread(legs: Iterable[OrderLeg], features: ChainFeatures) -> SpreadQuote:
    """Value ``legs`` on the quotes and fitted prices of ``features``.

    Raises
    ------
    KeyError
        If a leg is not part of the chain.
    """
    fair = mid = natural = opposite = widest = 0.0
    lowest = math.inf
    for leg in legs:
        i = features.position(leg.con_id)
        bid, ask = float(features.bid[i]), float(features.ask[i])
        near, far = (ask, bid) if leg.ratio > 0 else (bid, ask)
        fair += leg.ratio * float(features.fitted_price[i])
        mid += leg.ratio * 0.5 * (bid + ask)
        natural += leg.ratio * near
        opposite += leg.ratio * far
        widest = max(widest, ask - bid) if math.isfinite(ask - bid) else math.nan
        lowest = min(lowest, bid) if math.isfinite(bid) else math.nan
    return SpreadQuote(fair, mid, natural, opposite, widest, lowest)


def floor_to_grid(price: float) -> int:
    """Return the highest combo price (1/10000) that is not above ``price`` (currency)."""
    # The rounding keeps 0.57 at 0.57 although its float64 product with the scale lies below 5700.
    return COMBO_GRID.floor(math.floor(round(price * PRICE_SCALE, 6)))


def ceil_to_grid(price: float) -> int:
    """Return the lowest combo price (1/10000) that is not below ``price`` (currency)."""
    return COMBO_GRID.ceil(math.ceil(round(price * PRICE_SCALE, 6)))


def reverse(legs: Iterable[OrderLeg]) -> tuple[OrderLeg, ...]:
    """Return the legs that undo ``legs``."""
    return tuple(OrderLeg(leg.con_id, -leg.ratio) for leg in legs)
