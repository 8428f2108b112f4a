"""Brackets: an order and the exits that its fill puts to work, decided, journaled and sent as one.

1. An exit closes what its parent opened: the parent's legs the other way round, of the same trade, as many
   units as the parent has. When the parent is changed it may have fewer for a while, never more: brokers
   put exits to work in proportion to the parent's fill.
2. Among the exits of one parent the first that fills takes from the others: they share one group.
3. Parent and exit together, fees both ways, lose no more than the parent alone may lose.

So a bracket adds no risk to that of its parent: its exits need no vote of their own.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from optionsib.common.types import Order, OrderLeg, price_to_money


def bracket(parent: Order, exits: Sequence[Order]) -> tuple[Order, ...]:
    """Return ``exits`` as they are attached to ``parent``: of its trade and strategy, in its quantity.

    Only their own terms count (reference, type, prices, time in force).

    Examples
    --------
    >>> legs = (OrderLeg(1, 1),)
    >>> parent = Order("O1", "T1", legs, 2, 20_000, "open", "test")
    >>> target = Order("O2", "", (), 0, -24_000, "close", "")
    >>> bracket(parent, [target])[0].legs
    (OrderLeg(con_id=1, ratio=-1),)
    """
    return tuple(
        msgspec.structs.replace(
            one,
            trade_id=parent.trade_id,
            legs=_reverse(parent.legs),
            quantity=parent.quantity,
            purpose="close",
            strategy=parent.strategy,
            parent_ref=parent.order_ref,
        )
        for one in exits
    )


def attachment_problem(
    parent: Order,
    exits: Sequence[Order],
    max_loss: int,
    multiplier: int,
    unit_fee: int,
    *,
    in_full: bool = True,
) -> str:
    """Say which exit breaks a sentence at the head of this file, and how; "" where all are sound.

    Parameters
    ----------
    parent, exits
        The orders.
    max_loss
        The worst loss of ``parent`` alone, fees both ways, money.
    multiplier
        Of the legs.
    unit_fee
        Fee estimate of one unit, one way, money.
    in_full
        Whether the exits must have as many units as the parent, as those of a new bracket.
    """
    refs = [parent.order_ref, *(one.order_ref for one in exits)]
    if len(set(refs)) < len(refs):
        return f"order references repeat: {refs}"
    if exits and parent.purpose == "close":
        return f"{parent.order_ref} closes; nothing can be attached to it"
    if len({one.oca_group for one in exits}) > 1 or any(
        one.oca_group and one.oca_group == parent.oca_group for one in exits
    ):
        return "exits of one parent must share one group, other than the parent's"
    for one in exits:
        problem = _problem(parent, one, in_full=in_full)
        loss = price_to_money(parent.limit_price + one.limit_price, multiplier, parent.quantity)
        loss += 2 * unit_fee * parent.quantity
        if not problem and loss > max_loss:
            problem = f"at its limit {one.limit_price} (1/10000) the trade loses more than without it"
        if problem:
            return f"{one.order_ref} attached: {problem}"
    return ""


def _problem(parent: Order, one: Order, *, in_full: bool) -> str:
    if one.parent_ref != parent.order_ref:
        return f"its parent is {one.parent_ref!r}, expected {parent.order_ref!r}"
    if (one.trade_id, one.strategy, one.purpose) != (parent.trade_id, parent.strategy, "close"):
        return f"expected to close trade {parent.trade_id} of {parent.strategy}"
    if sorted(one.legs, key=_con_id) != sorted(_reverse(parent.legs), key=_con_id):
        return "its legs are not the parent's the other way round"
    if not (parent.quantity if in_full else 1) <= one.quantity <= parent.quantity:
        return f"quantity {one.quantity}, the parent has {parent.quantity}"
    return ""


def _reverse(legs: Sequence[OrderLeg]) -> tuple[OrderLeg, ...]:
    return tuple(OrderLeg(leg.con_id, -leg.ratio) for leg in legs)


def _con_id(leg: OrderLeg) -> int:
    return leg.con_id
