"""Prices of orders on the tick grid of their market rule.

1. Every price rounds down as a net debit of the order: a buyer bids less, a seller asks for more, a stop
   is reached no later than it was asked for, a trailing stop trails no wider.
2. Rounding moves a price by less than one increment and never changes its sign.
3. A price whose rule is not known, or that has no place on the grid, is refused.

A single leg has the rule of its contract; combinations of US options trade in whole cents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from optionsib.common.errors import BrokerError
from optionsib.common.types import PENNY_GRID, Contract, Order, OrderLeg, TickGrid

COMBO_GRID = PENNY_GRID
NO_LIMIT: tuple[str, ...] = ("STP", "TRAIL")  # order types whose limit price has no meaning


def grid_of(legs: Sequence[OrderLeg], contracts: Mapping[int, Contract]) -> TickGrid:
    """Return the grid that an order for ``legs`` is priced on.

    Raises
    ------
    BrokerError
        If a leg's contract is not known, so that nothing is known of its market rule.
    """
    for leg in legs:
        if leg.con_id not in contracts:
            raise BrokerError(f"the market rule of contract {leg.con_id} is not known; load its chain first")
    return contracts[legs[0].con_id].tick_grid if len(legs) == 1 else COMBO_GRID


def round_price(name: str, price: int, grid: TickGrid, *, is_single: bool) -> int:
    """Return ``price`` (1/10000, net debit) on the grid, rounded down.

    Raises
    ------
    BrokerError
        If a single leg's price has no place on the grid: nothing but zero is below it.
    """
    rounded = grid.passive(price)
    if is_single and rounded == 0 and price > 0:
        raise BrokerError(
            f"{name} {price} (1/10000) is below the smallest price of its market rule, {grid.increment(0)}"
        )
    return rounded


def round_trail(amount: int, grid: TickGrid) -> int:
    """Return a trailing distance (1/10000) as a multiple of the smallest increment, rounded down.

    Raises
    ------
    BrokerError
        If it is below the smallest increment.
    """
    step = grid.increment(0)
    if 0 < amount < step:
        raise BrokerError(f"trail_amount {amount} (1/10000) is below the smallest increment, {step}")
    return amount - amount % step


def on_grid(order: Order, contracts: Mapping[int, Contract]) -> Order:
    """Return ``order`` with its limit, stop and trailing distance on the grid.

    Raises
    ------
    BrokerError
        If a leg's market rule is not known, or a price has no place on the grid.

    Examples
    --------
    >>> from optionsib.common.types import OPTION_GRID
    >>> call = Contract(1, "TST", "OPT", tick_grid=OPTION_GRID)  # 0.01 below 3.00, 0.05 from there on
    >>> sale = Order("O1", "T1", (OrderLeg(1, -1),), 1, -30_100, "close", "test")
    >>> on_grid(sale, {1: call}).limit_price  # 3.01 asked for, 3.05 sent
    -30500
    """
    grid, is_single = grid_of(order.legs, contracts), len(order.legs) == 1
    limit, stop = order.limit_price, order.stop_price
    if order.order_type not in NO_LIMIT:
        limit = round_price("limit", limit, grid, is_single=is_single)
    if stop is not None:
        stop = round_price("stop", stop, grid, is_single=is_single)
    trail = round_trail(order.trail_amount, grid)
    if (limit, stop, trail) == (order.limit_price, order.stop_price, order.trail_amount):
        return order
    return msgspec.structs.replace(order, limit_price=limit, stop_price=stop, trail_amount=trail)


def describe_rounding(asked: object, rounded: object) -> str:
    """Say what rounding changed of an order or its terms, "" where it changed nothing.

    Examples
    --------
    >>> asked = Order("O1", "T1", (OrderLeg(1, 1),), 1, 20_050, "open", "test")
    >>> describe_rounding(asked, msgspec.structs.replace(asked, limit_price=20_000))
    'limit 20050 rounded to 20000'
    """
    names = {"limit_price": "limit", "stop_price": "stop", "trail_amount": "trail"}
    return ", ".join(
        f"{name} {getattr(asked, field)} rounded to {getattr(rounded, field)}"
        for field, name in names.items()
        if getattr(asked, field) != getattr(rounded, field)
    )
