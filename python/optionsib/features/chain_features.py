"""The features of a whole chain at one instant."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optionsib.common.errors import ModelError
from optionsib.common.types import Contract
from optionsib.features.grid import ChainGrid
from optionsib.features.normalizer import QuantileNormalizer
from optionsib.features.temporal import TemporalEncoder

Floats = NDArray[np.float64]

FEATURES_VERSION = "2"

FEATURE_NAMES: tuple[str, ...] = (
    "volatility_residual",
    "price_residual",
    "residual_in_spreads",
    "residual_less_mean",
    "residual_change_1",
    "residual_change_5",
    "residual_change_15",
    "size_imbalance",
    "change_age_minutes",
    "spread",
    "spread_of_mid",
)
"""Columns of ``ChainFeatures.matrix()``, in order; a change of meaning raises ``FEATURES_VERSION``.

What tells a contract or a moment from all others (strike, expiry, level and shape of the smile, moves of
the underlying) is left out on purpose: within one day it lets a learner remember the day instead of
learning how residuals behave.
"""

CHAIN_FEATURES = {FEATURES_VERSION: FEATURE_NAMES}
"""Version to names of what this build computes of a chain; a model of other features is refused."""


@dataclass(frozen=True, slots=True)
class ChainFeatures:
    """Features in the order of ``contracts`` (n), and per expiry in the order of ``expiry_ns`` (m).

    Prices in currency per share, volatilities annualised, Greeks per share in raw units (theta a
    calendar year, vega per 1.00 of volatility) at the fitted volatility. Volatilities, fair prices and Greeks
    are those of the exercise in the configuration: American under the dividend yield that the parity forward
    stands for, or Black-76 on that forward.

    ``usable`` marks contracts with a live two-sided quote on a live underlying and a fitted smile; all
    features of the other ones that need a quote are NaN.
    """

    at_ns: int
    underlying: Contract
    underlying_price: float
    underlying_feed_age: float
    realized_volatility: float
    grid: ChainGrid
    con_id: NDArray[np.int64]
    kind: NDArray[np.int8]
    strike: Floats
    time_to_expiry: Floats
    bid: Floats
    ask: Floats
    mid: Floats
    spread: Floats
    feed_age: Floats
    change_age: Floats
    usable: NDArray[np.bool_]
    log_moneyness: Floats
    implied_volatility: Floats
    fitted_volatility: Floats
    fitted_price: Floats
    price_residual: Floats
    volatility_residual: Floats
    delta: Floats
    gamma: Floats
    vega: Floats
    theta: Floats
    forward: Floats
    at_the_money_volatility: Floats
    skew: Floats
    curvature: Floats
    term_slope: Floats
    smile_quotes: NDArray[np.int64]
    columns: NDArray[np.float32]

    @property
    def contracts(self) -> tuple[Contract, ...]:
        """The contracts, in the order of all arrays."""
        return self.grid.contracts

    @property
    def expiry_ns(self) -> NDArray[np.int64]:
        """The expiries (UTC ns), in the order of the per-expiry arrays."""
        return self.grid.expiry_ns

    def position(self, con_id: int) -> int:
        """Return where ``con_id`` stands in the arrays.

        Raises
        ------
        KeyError
            If the chain has no such contract.
        """
        return self.grid.position[con_id]

    def matrix(self) -> NDArray[np.float32]:
        """Return the model's input, float32 (n, ``len(FEATURE_NAMES)``); unusable rows are NaN."""
        return self.columns


class FeatureStages:
    """The last stages of the graph: columns of the moment beside those of the contracts, then one scale.

    A pure function of the features that it is given, so batch and stream agree bit for bit.

    Parameters
    ----------
    encoder
        Adds its columns to every row; None = none. Within few days they let a learner remember the day.
    normalizer
        Fitted on earlier rows of these ``names``; None = raw values, to fit one on. A model that is served
        brings its own, pinned by its card, and is given raw rows.

    Raises
    ------
    ModelError
        If ``normalizer`` was fitted on other columns.
    """

    def __init__(
        self, encoder: TemporalEncoder | None = None, normalizer: QuantileNormalizer | None = None
    ) -> None:
        self._encoder = encoder
        self._normalizer = normalizer
        moment = () if encoder is None else encoder.encode(np.empty(0, dtype=np.int64)).names
        self.names: tuple[str, ...] = FEATURE_NAMES + moment
        if normalizer is not None and normalizer.state.names != self.names:
            raise ModelError(f"normaliser of {normalizer.state.names}: expected one of {self.names}")

    def matrix(self, features: ChainFeatures) -> NDArray[np.float32]:
        """Return float32 (n, ``len(names)``); unusable rows are NaN.

        Raises
        ------
        DataError
            If the moment lies outside the calendar's range.
        """
        rows = features.matrix()
        if self._encoder is not None:
            moment = self._encoder.encode(np.array([features.at_ns], dtype=np.int64)).columns
            rows = np.concatenate([rows, np.repeat(moment, len(rows), axis=0)], axis=1)
            rows[~features.usable] = np.nan
        return rows if self._normalizer is None else self._normalizer.transform(rows)
