"""What the book is worth at the end of a step: marks, portfolio totals, smiles for the report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from optionsib.common.events import PortfolioSnapshot, SmileSnapshot
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, Contract, OrderLeg
from optionsib.data.live.chain import ChainSnapshot
from optionsib.execution.portfolio import Portfolio
from optionsib.features.chain_features import ChainFeatures


def to_price(value: float) -> int | None:
    """Return a price in 1/10000, None for NaN."""
    return None if math.isnan(value) else round(value * PRICE_SCALE)


class Valuation:
    """Marks held contracts at mid, at the fitted value without a two-sided quote, else at the last mark."""

    def __init__(self, contracts: Mapping[int, Contract]) -> None:
        self._contracts = contracts
        self._marks: dict[int, float] = {}

    def mark(self, chain: ChainSnapshot, features: ChainFeatures, held: Mapping[int, int]) -> None:
        """Take over this step's marks of the contracts in ``held``."""
        value = np.where(np.isnan(chain.mid), features.fitted_price, chain.mid)
        for con_id in held:
            is_share = con_id == chain.underlying.con_id
            found = chain.underlying_mid if is_share else float(value[features.position(con_id)])
            if not math.isnan(found):
                self._marks[con_id] = found

    def spread_mark(self, legs: Sequence[OrderLeg]) -> int | None:
        """Return the value of one unit of ``legs`` per share (1/10000), None if a leg was never marked."""
        return to_price(sum(leg.ratio * self._marks.get(leg.con_id, math.nan) for leg in legs))

    def snapshot(
        self, chain: ChainSnapshot, features: ChainFeatures, book: Portfolio, *, working_orders: int
    ) -> PortfolioSnapshot:
        """Return the portfolio's totals; a contract without Greeks at this step counts as 0 in them."""
        held = sorted(book.positions.items())
        size = {con_id: quantity * self._contracts[con_id].multiplier for con_id, quantity in held}
        delivered = size.get(chain.underlying.con_id, 0)  # shares, with a delta of 1 and nothing else

        def total(per_share: NDArray[np.float64]) -> float:
            options = ((c, shares) for c, shares in size.items() if c != chain.underlying.con_id)
            return float(
                np.nansum([shares * float(per_share[features.position(c)]) for c, shares in options])
            )

        value = sum(shares * self._marks.get(con_id, 0.0) for con_id, shares in size.items())
        equity = book.cash + round(value * MONEY_SCALE)
        realized = sum(trade.realized for trade in book.trades.values())
        return PortfolioSnapshot(
            at_ns=chain.at_ns,
            underlying_price=to_price(chain.underlying_mid) or 0,
            equity=equity,
            cash=book.cash,
            realized=realized,
            unrealized=equity - realized + book.fees,
            fees=book.fees,
            delta=total(features.delta) + delivered,
            gamma=total(features.gamma),
            vega=total(features.vega),
            theta=total(features.theta),
            open_trades=len(book.open_trades()),
            working_orders=working_orders,
        )


def smile_snapshots(features: ChainFeatures) -> Iterator[SmileSnapshot]:
    """Yield the smile of every expiry, strikes ascending, contracts without implied volatility left out."""
    dates = np.array([contract.expiry_date for contract in features.contracts])
    for date in sorted(set(dates.tolist())):
        rows = np.flatnonzero((dates == date) & ~np.isnan(features.implied_volatility))
        rows = rows[np.argsort(features.strike[rows], kind="stable")]
        yield SmileSnapshot(
            at_ns=features.at_ns,
            expiry_date=date,
            strikes=tuple(features.strike[rows].tolist()),
            implied_volatility=tuple(features.implied_volatility[rows].tolist()),
            fitted=tuple(features.fitted_volatility[rows].tolist()),
        )
