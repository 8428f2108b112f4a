"""The one place where prices that strategies and operators ask for are rounded, before anyone judges them.

A price that has no place on the grid, or whose market rule is not known, is left as it is: the limits
refuse it by name.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from optionsib.brokers.price_grid import describe_rounding, on_grid
from optionsib.common.errors import BrokerError
from optionsib.common.events import StrategyDecision
from optionsib.common.types import Contract, Order


def decision_on_grid(decision: StrategyDecision, contracts: Mapping[int, Contract]) -> StrategyDecision:
    """Return ``decision`` with all its prices on the tick grid; its reason then says what was rounded.

    Examples
    --------
    >>> from optionsib.common.types import OrderLeg
    >>> order = Order("O1", "T1", (OrderLeg(1, 1),), 1, 20_050, "open", "test")
    >>> asked = StrategyDecision(candidate_id="C1", strategy="s", accepts=True, reason="cheap", order=order)
    >>> decision_on_grid(asked, {1: Contract(1, "TST", "OPT")}).reason
    'cheap; O1 limit 20050 rounded to 20000'
    """
    if decision.order is None:
        return decision
    asked = (decision.order, *decision.attached)
    order, *attached = (_rounded(one, contracts) for one in asked)
    changes = [
        f"{before.order_ref} {describe_rounding(before, after)}"
        for before, after in zip(asked, (order, *attached), strict=True)
        if before != after
    ]
    if not changes:
        return decision
    reason = "; ".join([decision.reason, *changes])
    return msgspec.structs.replace(decision, order=order, attached=tuple(attached), reason=reason)


def _rounded(order: Order, contracts: Mapping[int, Contract]) -> Order:
    try:
        return on_grid(order, contracts)
    except BrokerError:
        return order
