"""Brakes in front of the order socket: a price band for market orders, and IB's own house rules.

- A market order is sent as a limit through the market, and only against a fresh quote of every leg.
- IB allows 20 working orders per contract and side of an account (TWS API documentation, order limits).
- IB's Order Efficiency Ratio, (submissions + revisions + cancellations) / (executed orders + 1) of a day,
  should stay at or below 20 (IBKR knowledge base, "Order Management Overview"). The same page says that
  the rule aims at automated senders of very many orders, so it is enforced from ``FREE_ACTIONS`` on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo

from optionsib.common.errors import BrokerError
from optionsib.common.events import Quote
from optionsib.common.types import PENNY_GRID, SECOND_NS, Contract, Order, OrderLeg

QuoteOf = Callable[[int], Quote | None]  # con_id -> what is quoted now
NEW_YORK = ZoneInfo("America/New_York")
WORKING_ORDERS = 20
EFFICIENCY_RATIO = 20
FREE_ACTIONS = 400  # a day
FRESH_SECONDS = 10.0
BAND_SHARE = 0.10  # of the market's price
BAND_LEAST = 1_000  # 1/10000


class OrderActivity:
    """Counts what IB's order efficiency ratio counts; a new day in New York begins at zero."""

    def __init__(self) -> None:
        self._day: dt.date | None = None
        self._actions = 0
        self._executed_before = 0

    @property
    def actions(self) -> int:
        """Orders, modifies and cancels of today."""
        return self._actions

    def count(self, now_ns: int, executed_orders: int) -> None:
        """Count one order, modify or cancel that leaves."""
        self._turn_day(now_ns, executed_orders)
        self._actions += 1

    def check(self, order_ref: str, now_ns: int, executed_orders: int) -> None:
        """Refuse one more order or modify where the day's ratio would be too high.

        Raises
        ------
        BrokerError
            Naming the ratio; a cancel is never refused.
        """
        self._turn_day(now_ns, executed_orders)
        executed = executed_orders - self._executed_before
        ratio = (self._actions + 1) / (executed + 1)
        if self._actions >= FREE_ACTIONS and ratio > EFFICIENCY_RATIO:
            raise BrokerError(
                f"order {order_ref}: {self._actions} orders, modifies and cancels for {executed} executed "
                f"orders today; one more would be an order efficiency ratio of {ratio:.1f}, IB restricts "
                f"accounts above {EFFICIENCY_RATIO}; nothing was sent"
            )

    def _turn_day(self, now_ns: int, executed_orders: int) -> None:
        day = dt.datetime.fromtimestamp(now_ns // SECOND_NS, NEW_YORK).date()
        if day != self._day:
            self._day, self._actions, self._executed_before = day, 0, executed_orders


def check_working(order_ref: str, working: int) -> None:
    """Refuse one more order on a contract and side with ``working`` orders.

    Raises
    ------
    BrokerError
        If IB would refuse it; nothing was sent.
    """
    if working >= WORKING_ORDERS:
        raise BrokerError(
            f"order {order_ref}: {working} orders work on this side of the contract, IB allows "
            f"{WORKING_ORDERS}; nothing was sent"
        )


def touch(
    order_ref: str,
    legs: tuple[OrderLeg, ...],
    quote_of: QuoteOf,
    now_ns: int,
    *,
    fresh_seconds: float = FRESH_SECONDS,
) -> int:
    """Return the net debit (1/10000) at which the legs can be had now, leg by leg.

    Raises
    ------
    BrokerError
        If a leg has no quote on the side that is needed, or an older one than ``fresh_seconds``.
    """
    debit = 0
    for leg in legs:
        quote = quote_of(leg.con_id)
        price = None if quote is None else quote.ask if leg.ratio > 0 else quote.bid
        side = "ask" if leg.ratio > 0 else "bid"
        if quote is None or price is None:
            raise BrokerError(
                f"order {order_ref}: contract {leg.con_id} has no {side}; a market order needs one; "
                "nothing was sent"
            )
        age = (now_ns - quote.as_of_ns) / SECOND_NS
        if age > fresh_seconds:
            raise BrokerError(
                f"order {order_ref}: the {side} of contract {leg.con_id} is {age:.1f} s old, a market order "
                f"needs one of at most {fresh_seconds:g} s; nothing was sent"
            )
        debit += leg.ratio * price
    return debit


def market_limit(
    order_ref: str,
    legs: tuple[OrderLeg, ...],
    contracts: Mapping[int, Contract],
    quote_of: QuoteOf,
    now_ns: int,
) -> int:
    """Return a guard for a market order: half the allowed band beyond the market, on the grid.

    Give it as ``limit_price`` of an order of type ``MKT``.

    Raises
    ------
    BrokerError
        As ``touch``.
    """
    market = touch(order_ref, legs, quote_of, now_ns)
    grid = contracts[legs[0].con_id].tick_grid if len(legs) == 1 else PENNY_GRID
    guard = grid.passive(market + band(market) // 2)
    if len(legs) == 1 and legs[0].ratio < 0:  # a sale has a positive price
        guard = min(guard, -grid.bands[0].increment)
    return max(guard, market)


def band(market: int) -> int:
    """Return how far beyond the market (1/10000) the guard of a market order may be."""
    return max(round(abs(market) * BAND_SHARE), BAND_LEAST)


def check_market(order: Order, quote_of: QuoteOf, now_ns: int) -> None:
    """Refuse a market order whose guard does not reach the market, or reaches far through it.

    Raises
    ------
    BrokerError
        Naming guard, market and band; nothing was sent.
    """
    market = touch(order.order_ref, order.legs, quote_of, now_ns)
    highest = market + band(market)
    if not market <= order.limit_price <= highest:
        raise BrokerError(
            f"order {order.order_ref}: a market order's guard must be from {market} to {highest} "
            f"(1/10000, net debit), got {order.limit_price}; nothing was sent"
        )
