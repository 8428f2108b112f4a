"""Implied volatilities and Greeks of displayed quotes, as TWS reports them.

Black-Scholes-Merton on the middle price of the underlying, the exchange's rate, no dividends.
Units on the wire are those of TWS: theta per calendar day, vega per volatility point. What cannot
be computed is -1 (volatility, prices) or -2 (Greeks); no field is ever empty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optionsib.brokers.paper.contracts import ContractDirectory
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.common.types import PRICE_SCALE, YEAR_NS
from optionsib.pricing import greeks, implied_volatility

BID, ASK, MODEL = 10, 11, 13
Computation = tuple[str, ...]  # the fields after the tick attribute


class OptionComputer:
    """Computes all requested contracts of one step in one call of the pricing core."""

    def __init__(self, directory: ContractDirectory, board: QuoteBoard, rate: float) -> None:
        self._directory = directory
        self._board = board
        self._rate = rate
        self._made_at_ns = -1
        self._made: dict[int, dict[int, Computation]] = {}

    def compute(self, con_ids: Sequence[int], now_ns: int) -> dict[int, dict[int, Computation]]:
        """Return tick type -> computation for each of the options ``con_ids``.

        Results are kept for the standing time only: what one client asks for never changes what
        another one is told.
        """
        if now_ns != self._made_at_ns:
            self._made.clear()
            self._made_at_ns = now_ns
        missing = [con_id for con_id in con_ids if con_id not in self._made]
        if missing:
            self._compute_missing(missing, now_ns)
        return {con_id: self._made[con_id] for con_id in con_ids}

    def _compute_missing(self, con_ids: list[int], now_ns: int) -> None:
        contracts = [self._directory.by_id[con_id] for con_id in con_ids]
        mark = self._board.doubled_mark(self._directory.underlying.con_id)
        spot = math.nan if mark is None else mark / 2 / PRICE_SCALE
        prices = np.full((3, len(con_ids)), np.nan)
        for column, con_id in enumerate(con_ids):
            quote = self._board.quote(con_id)
            if quote is not None and quote.bid is not None:
                prices[0, column] = quote.bid / PRICE_SCALE
            if quote is not None and quote.ask is not None:
                prices[1, column] = quote.ask / PRICE_SCALE
        prices[2] = (prices[0] + prices[1]) / 2
        kind = np.array([contract.kind for contract in contracts], dtype=np.int8)
        strike = np.array([contract.strike / PRICE_SCALE for contract in contracts])
        years = np.array([(contract.expiry_ns - now_ns) / YEAR_NS for contract in contracts])
        years[years <= 0] = np.nan
        fields = self._fields(prices, kind, spot, strike, years)
        for column, con_id in enumerate(con_ids):
            self._made[con_id] = {tick: fields[row][column] for row, tick in enumerate((BID, ASK, MODEL))}

    def _fields(
        self,
        prices: NDArray[np.float64],
        kind: NDArray[np.int8],
        spot: float,
        strike: NDArray[np.float64],
        years: NDArray[np.float64],
    ) -> list[list[Computation]]:
        rows = prices.shape[0]
        kinds, strikes = np.tile(kind, rows), np.tile(strike, rows)
        times, spots = np.tile(years, rows), np.full(prices.size, spot)
        flat = prices.ravel()
        volatility = implied_volatility(flat, kinds, spots, strikes, times, self._rate).volatility
        result = greeks(kinds, spots, strikes, times, self._rate, volatility)
        columns = (
            _texts(volatility, "-1"),
            _texts(result.delta, "-2"),
            _texts(flat, "-1"),
            ["0"] * flat.size,  # present value of dividends
            _texts(result.gamma, "-2"),
            _texts(result.vega / 100.0, "-2"),
            _texts(result.theta / 365.0, "-2"),
            _texts(spots, "-1"),
        )
        lines = list(zip(*columns, strict=True))
        width = prices.shape[1]
        return [lines[row * width : (row + 1) * width] for row in range(rows)]


def _texts(values: NDArray[np.float64], missing: str) -> list[str]:
    return [f"{value:.10g}" if math.isfinite(value) else missing for value in values.tolist()]
