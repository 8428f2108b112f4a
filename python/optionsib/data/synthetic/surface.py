"""Implied volatilities without static arbitrage: the surface SVI (SSVI).

Total variance w(k, theta) = theta/2 (1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2)) in log
moneyness k = log(K / F), with phi(theta) = eta / (theta^(1/2) (1 + theta)^(1/2)). With
eta (1 + |rho|) <= 2 and theta rising in time there is neither butterfly nor calendar arbitrage
(Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces, Quantitative Finance 14, 2014,
section 4). Theta comes from a variance that reverts to its mean, so it rises.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_REVERSION = 3.0  # a year
_LONG_RUN = 1.10  # long-run volatility as a share of today's usual one
_SHORTEST = 1.0 / (365.0 * 24.0 * 60.0)  # a minute: keeps theta above 0


@dataclass(frozen=True, slots=True)
class Smile:
    """Skew ``rho`` and size ``eta`` of the smile; ``volatility`` is that of an average day."""

    volatility: float
    rho: float
    eta: float

    def __post_init__(self) -> None:
        if self.eta * (1.0 + abs(self.rho)) > 2.0:
            raise ValueError(f"eta {self.eta}, rho {self.rho}: expected eta (1 + |rho|) <= 2")

    def implied(self, log_moneyness: Floats, years: Floats, factor: Floats | float) -> Floats:
        """Return implied volatilities; ``factor`` scales those of the moment (1 = an average day)."""
        time = np.maximum(years, _SHORTEST)
        now = (self.volatility * factor) ** 2
        later = (self.volatility * _LONG_RUN) ** 2
        theta = later * time + (now - later) * -np.expm1(-_REVERSION * time) / _REVERSION
        phi = self.eta / np.sqrt(theta * (1.0 + theta))
        shifted = phi * log_moneyness
        variance = (
            0.5 * theta * (1.0 + self.rho * shifted + np.sqrt((shifted + self.rho) ** 2 + 1.0 - self.rho**2))
        )
        return np.sqrt(variance / time)
