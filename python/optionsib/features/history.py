"""What the feature engine remembers: recent residuals and recent prices of the underlying."""

from __future__ import annotations

import itertools
import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from optionsib.common.types import MINUTE_NS

Floats = NDArray[np.float64]

SESSION_MINUTES_PER_YEAR = 252 * 390


class ResidualHistory:
    """Residuals of the last ``minutes``, to be compared with the newest."""

    def __init__(self, minutes: int) -> None:
        self._keep_ns = minutes * MINUTE_NS
        self._rows: deque[tuple[int, Floats]] = deque()

    def change(self, at_ns: int, residual: Floats, minutes: int) -> Floats:
        """Return ``residual`` less the one of ``minutes`` ago; NaN where that is not known.

        The row of ``minutes`` ago is the youngest one that is at least so old; it may be one minute
        older at most.
        """
        wanted = at_ns - minutes * MINUTE_NS
        for stamp, row in reversed(self._rows):
            if stamp <= wanted:
                return residual - row if wanted - stamp <= MINUTE_NS else np.full(len(residual), np.nan)
        return np.full(len(residual), np.nan)

    def mean(self, residual: Floats) -> Floats:
        """Return the mean of the remembered residuals and ``residual``, NaN where none is known."""
        known = np.isfinite(residual)
        total, count = np.where(known, residual, 0.0), known.astype(np.float64)
        for _, row in self._rows:
            known = np.isfinite(row)
            total = total + np.where(known, row, 0.0)
            count = count + known
        with np.errstate(invalid="ignore"):
            return np.where(count > 0.0, total / count, np.nan)

    def append(self, at_ns: int, residual: Floats) -> None:
        """Remember ``residual`` and forget what is older than the window."""
        self._rows.append((at_ns, residual))
        while self._rows[0][0] < at_ns - self._keep_ns - MINUTE_NS:
            self._rows.popleft()


class PriceHistory:
    """Mids of the underlying over the last ``minutes``."""

    def __init__(self, minutes: int) -> None:
        self._keep_ns = minutes * MINUTE_NS
        self._prices: deque[tuple[int, float]] = deque()

    def append(self, at_ns: int, price: float) -> None:
        """Remember ``price`` (NaN is skipped) and forget what is older than the window."""
        if math.isfinite(price):
            self._prices.append((at_ns, price))
        while self._prices and self._prices[0][0] < at_ns - self._keep_ns:
            self._prices.popleft()

    def realized_volatility(self) -> float:
        """Return the volatility of the window, annualised over session time (252 days of 390 minutes).

        NaN with fewer than three prices.
        """
        if len(self._prices) < 3:
            return math.nan
        prices = [price for _, price in self._prices]
        variance = sum(math.log(b / a) ** 2 for a, b in itertools.pairwise(prices))
        minutes = (self._prices[-1][0] - self._prices[0][0]) / MINUTE_NS
        return math.sqrt(variance / minutes * SESSION_MINUTES_PER_YEAR) if minutes > 0.0 else math.nan

    def log_return(self, at_ns: int, minutes: int) -> float:
        """Return the log return over the last ``minutes``, NaN where that is not known."""
        wanted = at_ns - minutes * MINUTE_NS
        for stamp, price in reversed(self._prices):
            if stamp <= wanted:
                return math.log(self._prices[-1][1] / price) if wanted - stamp <= MINUTE_NS else math.nan
        return math.nan
