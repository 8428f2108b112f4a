"""What a contract gains or loses in each cell of a grid of spot and volatility moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optionsib.common.types import PRICE_SCALE, Contract
from optionsib.pricing import price


def scenario_gains(
    contracts: Sequence[Contract],
    forward: ArrayLike,
    time_to_expiry: ArrayLike,
    volatility: ArrayLike,
    moves: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the gains of one contract each, currency, shape (contracts, cells); Black-76, not discounted.

    ``forward`` (currency a share), ``time_to_expiry`` (years) and ``volatility`` (annualised) are 1-d, one a
    contract; of a stock only the first counts. ``moves`` has shape (cells, 2): relative moves of spot and of
    volatility.
    """

    def column(values: ArrayLike) -> NDArray[np.float64]:
        return np.asarray(values, dtype=np.float64).reshape(len(contracts), 1)

    kinds, strikes = (column([getattr(c, name) for c in contracts]) for name in ("kind", "strike"))
    forwards, times, volatilities = column(forward), column(time_to_expiry), column(volatility)
    spot_moves, volatility_moves = moves.T
    options = kinds[:, 0] != 0

    def value(forward: NDArray[np.float64], volatility: NDArray[np.float64]) -> NDArray[np.float64]:
        worth = np.array(forward)  # what a share is worth
        worth[options] = price(
            kinds[options].astype(np.int8), forward[options], strikes[options] / PRICE_SCALE,
            times[options], 0.0, volatility[options], model="black76",
        )  # fmt: skip
        return worth

    gains = value(forwards * (1.0 + spot_moves), volatilities * (1.0 + volatility_moves))
    gains = (gains - value(forwards, volatilities)) * column([c.multiplier for c in contracts])
    return np.ascontiguousarray(gains)
