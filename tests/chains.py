"""A chain of options priced exactly on a known smile."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

import optionsib as oib
from optionsib.common.types import YEAR_NS, Contract
from optionsib.data.live.chain import ChainSnapshot

NOON = 1_402_070_400_000_000_000  # 2014-06-06 12:00 New York
RATE = 0.01


class FlatCurve:
    """One rate for all times."""

    def rate(self, time_to_expiry: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.full(np.shape(time_to_expiry), RATE)


def smile(x: float) -> float:
    return 0.2 - 0.1 * x + 0.3 * x * x + 0.05 * x**3


def chain(
    strikes: range = range(85, 116, 3),
    days: tuple[int, ...] = (30, 90),
    width: float = 0.02,
    spot: float = 100.0,
    volatility: Callable[[float], float] = smile,
    at_ns: int = NOON,
    american: bool = False,
) -> ChainSnapshot:
    """A chain priced exactly on ``volatility`` with a dividend yield of 2 %."""
    value = oib.american_price if american else oib.price
    contracts: list[Contract] = []
    mids: list[float] = []
    for day in days:
        years = day / 365.0
        forward = spot * math.exp((RATE - 0.02) * years)
        for strike in strikes:
            for right in ("C", "P"):
                x = math.log(strike / forward) / math.sqrt(years)
                mids.append(
                    value(right, spot, float(strike), years, RATE, volatility(x), dividend_yield=0.02)
                )
                contracts.append(
                    Contract(
                        con_id=1001 + len(contracts),
                        symbol="X",
                        security_type="OPT",
                        right=right,
                        strike=strike * 10_000,
                        expiry_ns=NOON + day * 86_400 * 10**9,
                    )
                )
    mid, n = np.array(mids), len(mids)
    expiry_ns = np.array([c.expiry_ns for c in contracts])
    return ChainSnapshot(
        at_ns=at_ns,
        underlying=Contract(con_id=1, symbol="X", security_type="STK"),
        contracts=tuple(contracts),
        con_id=np.array([c.con_id for c in contracts]),
        kind=np.array([c.kind for c in contracts], dtype=np.int8),
        strike=np.array([c.strike for c in contracts]) / 1e4,
        expiry_ns=expiry_ns,
        time_to_expiry=(expiry_ns - at_ns) / YEAR_NS,
        bid=mid - width / 2,
        ask=mid + width / 2,
        bid_size=np.full(n, 30),
        ask_size=np.full(n, 10),
        feed_age=np.zeros(n),
        change_age=np.zeros(n),
        underlying_bid=spot - 0.01,
        underlying_ask=spot + 0.01,
        underlying_feed_age=0.0,
    )
