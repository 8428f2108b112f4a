"""The watched chain as arrays: quotes go in one by one, a snapshot of the whole comes out.

Prices are float64 in currency (NaN = side absent), ages in seconds, ``time_to_expiry`` in years
ACT/365F. Staleness has two parts, each with its own limit: *feed age* (for how long the feed has not
confirmed the option's quote, or sent a quote of the underlying) and *change age* (for how long the
option's price has not moved).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optionsib.common.events import Quote
from optionsib.common.types import PRICE_SCALE, SECOND_NS, YEAR_NS, Contract

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChainSnapshot:
    """All options of one underlying at one instant; arrays share the order of ``contracts``."""

    at_ns: int
    underlying: Contract
    contracts: tuple[Contract, ...]
    con_id: NDArray[np.int64]
    kind: NDArray[np.int8]
    strike: Floats
    expiry_ns: NDArray[np.int64]
    time_to_expiry: Floats
    bid: Floats
    ask: Floats
    bid_size: NDArray[np.int64]
    ask_size: NDArray[np.int64]
    feed_age: Floats
    change_age: Floats
    underlying_bid: float
    underlying_ask: float
    underlying_feed_age: float

    @property
    def mid(self) -> Floats:
        """Mid price, NaN unless both sides are there and not crossed."""
        usable = (self.bid > 0.0) & (self.ask >= self.bid)
        return np.where(usable, 0.5 * (self.bid + self.ask), np.nan)

    @property
    def underlying_mid(self) -> float:
        """Mid of the underlying, NaN unless both sides are there and not crossed."""
        if self.underlying_bid > 0.0 and self.underlying_ask >= self.underlying_bid:
            return 0.5 * (self.underlying_bid + self.underlying_ask)
        return float("nan")


class ChainState:
    """Latest quote of every contract of a chain."""

    def __init__(self, underlying: Contract, options: Sequence[Contract]) -> None:
        self.underlying = underlying
        self.contracts = tuple(options)
        n = len(self.contracts)
        self.index = {contract.con_id: i for i, contract in enumerate(self.contracts)}
        # Snapshots share what never changes.
        self._con_id = np.array([c.con_id for c in self.contracts], dtype=np.int64)
        self._kind = np.array([c.kind for c in self.contracts], dtype=np.int8)
        self._strike = np.array([c.strike for c in self.contracts], dtype=np.float64) / PRICE_SCALE
        self._expiry_ns = np.array([c.expiry_ns for c in self.contracts], dtype=np.int64)
        for constant in (self._con_id, self._kind, self._strike, self._expiry_ns):
            constant.flags.writeable = False
        self._bid = np.full(n + 1, np.nan)  # the last slot is the underlying
        self._ask = np.full(n + 1, np.nan)
        self._bid_size = np.zeros(n + 1, dtype=np.int64)
        self._ask_size = np.zeros(n + 1, dtype=np.int64)
        self._as_of_ns = np.zeros(n + 1, dtype=np.int64)
        self._changed_ns = np.zeros(n + 1, dtype=np.int64)

    def apply(self, quotes: Iterable[Quote]) -> None:
        """Take over new quotes.

        Raises
        ------
        KeyError
            If a quote names a contract that is not part of this chain; the quotes before it are
            taken over.
        """
        for quote in quotes:
            i = self._slot(quote.con_id)
            self._bid[i] = np.nan if quote.bid is None else quote.bid / PRICE_SCALE
            self._ask[i] = np.nan if quote.ask is None else quote.ask / PRICE_SCALE
            self._bid_size[i] = quote.bid_size
            self._ask_size[i] = quote.ask_size
            self._as_of_ns[i] = quote.as_of_ns
            self._changed_ns[i] = quote.changed_ns

    def _slot(self, con_id: int) -> int:
        if con_id == self.underlying.con_id:
            return -1
        found = self.index.get(con_id)
        if found is None:
            raise KeyError(
                f"quote of contract {con_id}; expected {self.underlying.symbol} or one of its options"
            )
        return found

    def observe(self, at_ns: int, quotes: Sequence[Quote]) -> None:
        """Take over the quotes of one step; a step without any tells nothing of the others."""
        self.apply(quotes)
        if quotes:
            self.confirm(at_ns)

    def confirm(self, at_ns: int) -> None:
        """Record that the feed was alive at ``at_ns``: every known option quote still stands.

        A quiet option is normal; a quiet underlying is not. Its feed age counts from the last quote
        that was truly sent.
        """
        options = self._as_of_ns[:-1]
        options[options > 0] = np.maximum(options[options > 0], at_ns)

    def snapshot(self, now_ns: int) -> ChainSnapshot:
        """Return a copy of the whole chain as of ``now_ns`` (UTC ns)."""

        def age(stamps: NDArray[np.int64]) -> Floats:
            return np.where(stamps > 0, (now_ns - stamps) / SECOND_NS, np.inf)

        feed_age, change_age = age(self._as_of_ns), age(self._changed_ns)
        return ChainSnapshot(
            at_ns=now_ns,
            underlying=self.underlying,
            contracts=self.contracts,
            con_id=self._con_id,
            kind=self._kind,
            strike=self._strike,
            expiry_ns=self._expiry_ns,
            time_to_expiry=(self._expiry_ns - now_ns) / YEAR_NS,
            bid=self._bid[:-1].copy(),
            ask=self._ask[:-1].copy(),
            bid_size=self._bid_size[:-1].copy(),
            ask_size=self._ask_size[:-1].copy(),
            feed_age=feed_age[:-1],
            change_age=change_age[:-1],
            underlying_bid=float(self._bid[-1]),
            underlying_ask=float(self._ask[-1]),
            underlying_feed_age=float(feed_age[-1]),
        )
