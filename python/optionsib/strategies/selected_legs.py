"""From a strategy as data to the contracts of one chain, or the reason why there are none.

What is returned respects the strategy's risk bounds: its highest loss, from the payoff geometry at the price
that crosses every leg's spread, is at most ``risk.maximum_loss``. Where legs expire at different times, the
geometry takes a later leg at its intrinsic value, below which no American option trades for long.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optionsib.common.strategy_data import ByDelta, ExpirySelector, StrategyData, StrategyLeg
from optionsib.common.types import PRICE_SCALE, OrderLeg, price_to_money
from optionsib.features import ChainFeatures
from optionsib.pricing.payoff import ExactPayoffGeometry, exact_payoff_geometry
from optionsib.strategies.spread_quotes import ceil_to_grid, quote_spread

DAY_NS = 86_400 * 10**9


@dataclass(frozen=True, slots=True)
class SelectedLegs:
    """Contracts for one unit; ``natural`` (1/10000) is the net debit at which all spreads are crossed."""

    legs: tuple[OrderLeg, ...]
    natural: int
    geometry: ExactPayoffGeometry


@dataclass(frozen=True, slots=True)
class NotSelected:
    """Why the chain offers nothing for the strategy."""

    reason: str


def select_legs(strategy: StrategyData, features: ChainFeatures) -> SelectedLegs | NotSelected:
    """Choose the contracts of ``strategy`` among the usable ones of a chain.

    Expiries are chosen by calendar days from ``features.at_ns``; ties go to the earlier expiry and the lower
    strike. Deltas and forwards are those of ``features``.
    """
    if strategy.underlying != features.underlying.symbol:
        return NotSelected(f"the chain is of {features.underlying.symbol}, not of {strategy.underlying}")
    chosen: list[int] = []
    for leg in strategy.legs:
        row = _expiry_row(leg.expiry, features)
        if row is None:
            return NotSelected(
                f"no expiry in {leg.expiry.minimum_days} to {leg.expiry.maximum_days} days is listed"
            )
        number = _contract(leg, row, features)
        if number is None:
            return NotSelected(f"no usable {leg.right} expires at {int(features.expiry_ns[row])}")
        if number in chosen:
            return NotSelected(f"the strikes are too far apart: two legs select {features.contracts[number]}")
        chosen.append(number)
    legs = tuple(
        OrderLeg(int(features.con_id[number]), leg.ratio)
        for number, leg in zip(chosen, strategy.legs, strict=True)
    )
    natural = ceil_to_grid(quote_spread(legs, features).natural)
    contracts = [features.contracts[number] for number in chosen]
    multiplier = contracts[0].multiplier
    if any(contract.multiplier != multiplier for contract in contracts):
        return NotSelected(f"multipliers {[contract.multiplier for contract in contracts]} differ")
    geometry = exact_payoff_geometry(
        np.array([contract.kind for contract in contracts]),
        np.array([contract.strike for contract in contracts]),
        np.array([leg.ratio for leg in strategy.legs]),
        cash=-price_to_money(natural, multiplier, 1),
        multiplier=multiplier,
    )
    bound = int(strategy.risk.maximum_loss * 1_000_000)
    if geometry.max_loss is None or geometry.max_loss > bound:
        lost = "without bound" if geometry.max_loss is None else f"{geometry.max_loss / 1e6:.2f}"
        return NotSelected(f"a unit may lose {lost}, the bound is {strategy.risk.maximum_loss}")
    if geometry.max_gain is not None and geometry.max_gain <= 0:
        return NotSelected(f"at {natural / PRICE_SCALE:.2f} a unit can only lose")
    return SelectedLegs(legs, natural, geometry)


def _expiry_row(expiry: ExpirySelector, features: ChainFeatures) -> int | None:
    days = (features.expiry_ns - features.at_ns) / DAY_NS
    inside = np.flatnonzero((days >= expiry.minimum_days) & (days < expiry.maximum_days + 1))
    if not len(inside):
        return None
    return int(inside[np.argmin(np.abs(days[inside] - expiry.target_days))])


def _contract(leg: StrategyLeg, row: int, features: ChainFeatures) -> int | None:
    kind = 1 if leg.right == "C" else -1
    free = np.flatnonzero(features.usable & (features.grid.row == row) & (features.kind == kind))
    if isinstance(leg.strike, ByDelta):
        distance = np.abs(np.abs(features.delta[free]) - leg.strike.delta)
    else:
        distance = np.abs(features.strike[free] - leg.strike.moneyness * features.forward[row])
    known = np.isfinite(distance)
    free, distance = free[known], distance[known]
    if not len(free):
        return None
    return int(free[np.lexsort((features.strike[free], distance))[0]])
