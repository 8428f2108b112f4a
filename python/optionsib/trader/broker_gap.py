"""How far our implied volatilities and deltas stand from the broker's own: watched, never acted on."""

from __future__ import annotations

import logging

import numpy as np
from numpy.typing import NDArray

from optionsib.common.session_view import BrokerGap
from optionsib.features.chain_features import ChainFeatures

Floats = NDArray[np.float64]

FEWEST = 5  # contracts: a median of fewer says nothing

log = logging.getLogger(__name__)


class BrokerGapWatch:
    """Compares step by step, and says so in the log when the values part and when they meet again.

    Parameters
    ----------
    tolerance
        Largest median distance, per 1.00 of volatility and of delta.
    """

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self.last: BrokerGap | None = None
        self._apart = False

    def step(self, features: ChainFeatures, broker: Floats) -> None:
        """Compare ``features`` (n) with ``broker`` (2, n): implied volatilities and deltas, NaN = unknown."""
        gaps = np.abs(np.stack([features.implied_volatility, features.delta]) - broker)
        known = gaps[:, np.isfinite(gaps).all(axis=0)]
        count = known.shape[1]
        if count < FEWEST:
            self.last = None
            return
        volatility, delta = np.median(known, axis=1).tolist()
        self.last = BrokerGap(
            contracts=count, volatility=volatility, delta=delta, largest_volatility=float(known[0].max())
        )
        apart = max(volatility, delta) > self.tolerance
        if apart and not self._apart:
            log.warning("%s: check rates, dividends and the data type of the quotes", self._words())
        elif self._apart and not apart:
            log.info("our implied volatilities and deltas agree with the broker's again")
        self._apart = apart

    @property
    def notices(self) -> tuple[str, ...]:
        """What a person must be told now."""
        return (self._words(),) if self._apart and self.last is not None else ()

    def _words(self) -> str:
        last = self.last
        if last is None:
            return ""
        return (
            f"our Greeks are not the broker's: of {last.contracts} contracts the median differs by "
            f"{last.volatility:.3f} in volatility, {last.delta:.3f} in delta (tolerance {self.tolerance:g})"
        )
