"""Orders that end positions at once: every leg at the far touch, no model and no strategy involved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from optionsib.common.types import Contract, Order, OrderLeg
from optionsib.execution.portfolio import Trade

Touch = tuple[int | None, int | None]  # bid and ask, 1/10000


def crossing_limit(legs: Sequence[OrderLeg], touches: Mapping[int, Touch]) -> int | None:
    """Return the net debit (1/10000 per share) at which buying ``legs`` fills at once.

    A leg to sell that nobody bids for counts as worthless; a leg to buy that nobody offers makes the
    whole impossible: None.
    """
    total = 0
    for leg in legs:
        bid, ask = touches.get(leg.con_id, (None, None))
        if leg.ratio > 0:
            if ask is None:
                return None
            total += leg.ratio * ask
        else:
            total += leg.ratio * (bid or 0)
    return total


def flattening_orders(
    trades: Sequence[Trade], touches: Mapping[int, Touch], next_ref: Callable[[], str]
) -> tuple[list[Order], list[str]]:
    """Return a closing order for each open trade, and the trades that cannot be priced.

    Parameters
    ----------
    trades
        Trades with open units.
    touches
        Bid and ask by contract, 1/10000.
    next_ref
        Gives a fresh order reference.
    """
    orders: list[Order] = []
    stuck: list[str] = []
    for trade in trades:
        legs = tuple(OrderLeg(leg.con_id, -leg.ratio) for leg in trade.legs)
        limit = crossing_limit(legs, touches)
        if limit is None:
            stuck.append(f"{trade.trade_id}: a leg to buy back has no offer")
            continue
        orders.append(Order(next_ref(), trade.trade_id, legs, trade.quantity, limit, "close", trade.strategy))
    return orders, stuck


def position_orders(
    positions: Mapping[int, int],
    contracts: Mapping[int, Contract],
    touches: Mapping[int, Touch],
    next_ref: Callable[[], str],
    trade: Trade | None = None,
) -> tuple[list[Order], list[str]]:
    """Return one order a position, short positions first, then shares before the options that may cover them.

    Buying back shorts first never leaves an uncovered short behind. Without a ``trade`` they are those of a
    process that knows none.
    """
    orders: list[Order] = []
    stuck: list[str] = []
    order_of_closing = sorted(
        positions.items(), key=lambda item: (item[1] > 0, contracts[item[0]].kind != 0, item[0])
    )
    for con_id, held in order_of_closing:
        if held == 0:
            continue
        legs = (OrderLeg(con_id, -1 if held > 0 else 1),)
        limit = crossing_limit(legs, touches)
        if limit:  # a quote off the tick grid must still be crossed
            limit = contracts[con_id].tick_grid.ceil(limit)
        if not limit:  # no offer, or nobody bids: a limit order at zero is none
            side = "bid" if held > 0 else "offer"
            stuck.append(f"{contracts[con_id].local_symbol or con_id}: {held:+d}, no {side}")
            continue
        ref = next_ref()
        if trade is None:
            orders.append(Order(ref, ref, legs, abs(held), limit, "hedge", "flatten"))
        else:
            orders.append(Order(ref, trade.trade_id, legs, abs(held), limit, "close", trade.strategy))
    return orders, stuck
