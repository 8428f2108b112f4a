"""Implied volatility and Greeks of a whole chain, at once or only where something changed.

American exercise, cash dividends included, all from the native core. Each value says when it was
computed and from what; one that could not be computed is NaN with a status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from optionsib.common.types import SECOND_NS, YEAR_NS, Contract
from optionsib.data.live.chain import ChainSnapshot
from optionsib.features.engine import ZeroCurve
from optionsib.pricing import Status, american_implied_greeks

Floats = NDArray[np.float64]

VALUE_NAMES = ("implied_volatility", "model_price", "delta", "gamma", "vega", "theta", "rho")
_KERNEL_NAMES = ("volatility", "price", "delta", "gamma", "vega", "theta", "rho")


class Source(IntEnum):
    """Where a row of ``GreekFeatures`` comes from."""

    NONE = 0  # no two-sided quote, or no underlying: all NaN
    COMPUTED = 1  # in this step
    CACHED = 2  # in an earlier one; nothing has changed since that asks for more


@dataclass(frozen=True, slots=True)
class Dividend:
    """A cash dividend per share (currency) with its ex instant (UTC ns), as known now."""

    ex_ns: int
    amount: float


@dataclass(frozen=True, slots=True)
class GreekFeatures:
    """Values of all contracts of a chain, in its order: ``values`` (7, n) by ``VALUE_NAMES``.

    Raw units: volatility annualised, theta per calendar year, vega and rho per 1.00. ``status`` (n,) is a
    ``pricing.Status``, ``computed_ns`` (n,) of the snapshot that the row was computed from (0 = never),
    ``source`` (n,) a ``Source``. ``broker_gap`` (n,): implied volatility less the broker's; NaN where one is
    unknown.
    """

    at_ns: int
    contracts: tuple[Contract, ...]
    values: Floats
    status: NDArray[np.int8]
    computed_ns: NDArray[np.int64]
    source: NDArray[np.int8]
    broker_gap: Floats

    def __getattr__(self, name: str) -> Floats:
        if name in VALUE_NAMES:
            return np.asarray(self.values[VALUE_NAMES.index(name)])
        raise AttributeError(f"GreekFeatures has no {name!r}: expected one of {VALUE_NAMES}")

    @property
    def age_seconds(self) -> Floats:
        """Seconds (n,) since the row was computed, NaN where there is no row.

        The quote behind it may be older by the ``feed_age`` of that snapshot: nothing here drops a stale one.
        """
        age = (self.at_ns - self.computed_ns) / SECOND_NS
        return np.where(self.computed_ns > 0, age, np.nan)


class GreekFeatureGenerator:
    """Greeks of every contract from its mid; keeps nothing between calls.

    Parameters
    ----------
    curve
        Discounting.
    dividends
        Cash dividends known today, in any order. Those at or before a snapshot, and those after an expiry,
        do not count for it.
    tier
        Of the American pricers: ``fast`` or ``accurate``.
    threads
        For whole chains.
    """

    def __init__(
        self,
        curve: ZeroCurve,
        *,
        dividends: Sequence[Dividend] = (),
        tier: Literal["fast", "accurate"] = "fast",
        threads: int = 1,
    ) -> None:
        for dividend in dividends:
            if not (dividend.amount >= 0.0 and np.isfinite(dividend.amount)):
                raise ValueError(f"{dividend}: expected a finite amount, 0 or more")
        self._curve = curve
        self._dividends = sorted(dividends, key=lambda one: one.ex_ns)
        self._tier = tier
        self._threads = threads

    def generate(self, snapshot: ChainSnapshot) -> GreekFeatures:
        """Compute all contracts of ``snapshot``."""
        count = len(snapshot.contracts)
        found = empty_features(snapshot)
        self.fill(snapshot, np.arange(count), found)
        return found

    def fill(self, snapshot: ChainSnapshot, rows: NDArray[np.intp], into: GreekFeatures) -> None:
        """Compute ``rows`` of ``snapshot`` into ``into``; a row depends on nothing but itself."""
        if len(rows) == 0:
            return
        mid = snapshot.mid[rows]
        years = (snapshot.expiry_ns[rows] - snapshot.at_ns) / YEAR_NS
        solved = american_implied_greeks(
            mid,
            snapshot.kind[rows],
            snapshot.underlying_mid,
            snapshot.strike[rows],
            years,
            self._curve.rate(years),
            dividends=self._ahead(snapshot.at_ns),
            tier=self._tier,
            threads=self._threads,
        )
        into.values[:, rows] = [getattr(solved, name) for name in _KERNEL_NAMES]
        into.status[rows] = solved.status
        known = np.isfinite(mid) & np.isfinite(snapshot.underlying_mid)
        into.computed_ns[rows] = np.where(known, snapshot.at_ns, 0)
        into.source[rows] = np.where(known, Source.COMPUTED, Source.NONE)

    def _ahead(self, at_ns: int) -> tuple[list[float], list[float]] | None:
        ahead = [one for one in self._dividends if one.ex_ns > at_ns]
        if not ahead:
            return None
        return [(one.ex_ns - at_ns) / YEAR_NS for one in ahead], [one.amount for one in ahead]


class GreekFeaturePipeline:
    """The generator on a live chain: computes again only what changed.

    A row is computed again when its mid changed, when the underlying's mid moved by more than
    ``spot_tolerance`` (relative) since that row was computed, or when it is older than
    ``maximum_age_seconds``. Every row equals, bit for bit, what the generator gives for the inputs of its
    ``computed_ns``.

    Parameters
    ----------
    generator
        What computes.
    spot_tolerance
        0 = every move of the underlying computes the whole chain again.
    maximum_age_seconds
        After this the passing of time alone asks for a new value.

    Raises
    ------
    ValueError
        If a limit is negative.
    """

    def __init__(
        self,
        generator: GreekFeatureGenerator,
        *,
        spot_tolerance: float = 0.0,
        maximum_age_seconds: float = 60.0,
    ) -> None:
        if not (spot_tolerance >= 0.0 and maximum_age_seconds >= 0.0):
            raise ValueError(
                f"spot_tolerance {spot_tolerance}, maximum_age_seconds {maximum_age_seconds}: expected >= 0"
            )
        self._generator = generator
        self._tolerance = spot_tolerance
        self._maximum_age_ns = round(maximum_age_seconds * SECOND_NS)
        self._last: GreekFeatures | None = None
        self._mid = np.empty(0)
        self._spot = np.empty(0)

    def step(self, snapshot: ChainSnapshot, broker_volatility: Floats | None = None) -> GreekFeatures:
        """Return the features at ``snapshot``, which must not be older than the last one.

        Parameters
        ----------
        broker_volatility : (n,)
            The broker's implied volatility of each contract, NaN = unknown; only watched, never used.

        Raises
        ------
        ValueError
            If ``snapshot`` is older than the last one or of another chain, or the broker's values do not fit.
        """
        count = len(snapshot.contracts)
        mid, spot = snapshot.mid, snapshot.underlying_mid
        if self._last is None:
            found = empty_features(snapshot)
            changed = np.ones(count, dtype=np.bool_)
            self._mid, self._spot = np.full(count, np.nan), np.full(count, np.nan)
        else:
            if snapshot.at_ns < self._last.at_ns:
                raise ValueError(
                    f"snapshot at {snapshot.at_ns} ns is older than the last one, {self._last.at_ns} ns"
                )
            if snapshot.contracts is not self._last.contracts and snapshot.contracts != self._last.contracts:
                raise ValueError(
                    "snapshot of another chain: its contracts are not those of the first snapshot"
                )
            found = GreekFeatures(
                at_ns=snapshot.at_ns,
                contracts=snapshot.contracts,
                values=self._last.values.copy(),
                status=self._last.status.copy(),
                computed_ns=self._last.computed_ns.copy(),
                source=np.where(self._last.source == Source.NONE, Source.NONE, Source.CACHED).astype(np.int8),
                broker_gap=np.full(count, np.nan),
            )
            same_mid = (mid == self._mid) | (np.isnan(mid) & np.isnan(self._mid))
            near = np.abs(spot / self._spot - 1.0) <= self._tolerance
            near |= np.isnan(self._spot) & np.isnan(spot)
            young = snapshot.at_ns - found.computed_ns <= self._maximum_age_ns
            idle = found.source == Source.NONE  # an absent quote does not age
            changed = ~(same_mid & near & (young | idle))
        rows = np.flatnonzero(changed)
        self._generator.fill(snapshot, rows, found)
        self._mid[rows], self._spot[rows] = mid[rows], spot
        if broker_volatility is not None:
            if broker_volatility.shape != (count,):
                raise ValueError(
                    f"broker_volatility has shape {broker_volatility.shape}: expected ({count},)"
                )
            found.broker_gap[:] = found.implied_volatility - broker_volatility
        self._last = found
        return found


def empty_features(snapshot: ChainSnapshot) -> GreekFeatures:
    """Return features of ``snapshot`` without any value yet."""
    count = len(snapshot.contracts)
    return GreekFeatures(
        at_ns=snapshot.at_ns,
        contracts=snapshot.contracts,
        values=np.full((len(VALUE_NAMES), count), np.nan),
        status=np.full(count, Status.INVALID_INPUT, dtype=np.int8),
        computed_ns=np.zeros(count, dtype=np.int64),
        source=np.zeros(count, dtype=np.int8),
        broker_gap=np.full(count, np.nan),
    )
