"""How an order of ours is told to TWS, and what is checked before it leaves.

Our orders always buy their legs at a signed net debit. TWS wants a single leg bought or sold at a
positive price, and several legs as one BAG; a BAG is bought here, so that its legs keep their signs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from optionsib.brokers.ib.conversions import contract_to_wire, price_from_wire, whole_quantity
from optionsib.brokers.ib.library import ComboLeg, TagValue
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import Order as IBOrder
from optionsib.common.errors import BrokerError
from optionsib.common.types import PENNY_GRID, PRICE_SCALE, SECOND_NS, Contract, Order, TickGrid

COMBO_GRID = PENNY_GRID  # combos of US options trade in whole cents
_PERCENT_SCALE = 100  # ours is in hundredths of a percent
_UNLIMITED = ("STP", "TRAIL")
_STOPS = ("STP", "STP LMT", "TRAIL LIMIT")
_TRAILS = ("TRAIL", "TRAIL LIMIT")
ORDER_TYPES = ("LMT", "STP", "STP LMT", *_TRAILS)  # whose terms we can send whole
_CANCEL_THE_REST = 1  # OCA type: the first fill cancels the others, one order is at the exchange at a time
# What an order of an earlier session must keep when it is sent again, in TWS's names.
_KEPT = (
    *("ocaGroup", "ocaType", "parentId", "goodTillDate", "outsideRth", "trailingPercent"),
    *("algoStrategy", "algoParams", "openClose", "triggerMethod", "goodAfterTime", "allOrNone", "hidden"),
    *("conditions", "conditionsIgnoreRth", "conditionsCancelOrder"),
)


class Terms(msgspec.Struct, frozen=True):
    """What a modify can change: our signed prices (1/10000) and the number of units."""

    limit_price: int
    quantity: int
    stop_price: int | None = None


class Ticket(msgspec.Struct, frozen=True):
    """What must be repeated, unchanged, whenever an order is sent again with other terms.

    ``sign`` turns our prices (we always buy the legs) into TWS's: -1 where the action is SELL.
    ``order_type`` is TWS's; ``kept`` has the further fields of TWS's order by name.
    """

    order_ref: str
    contract: IBContract
    action: str
    quantity: int
    time_in_force: str
    account: str
    order_type: str = "LMT"
    kept: dict[str, Any] = {}

    @property
    def sign(self) -> int:
        """-1 for a sale, else +1."""
        return -1 if self.action == "SELL" else 1

    @property
    def market(self) -> tuple[object, ...]:
        """What is traded and on which side; equal for orders that compete for the same limits of IB."""
        legs = tuple((leg.conId, leg.ratio, leg.action) for leg in self.contract.comboLegs or ())
        return (self.contract.conId, legs, self.action)


def ticket_for(order: Order, contracts: Mapping[int, Contract], account: str) -> Ticket:
    """Return how ``order`` is told to TWS: one leg as itself, several as a BAG that is bought.

    Raises
    ------
    BrokerError
        If a leg's contract is unknown or the legs cannot be one order.
    """
    if not order.legs or order.quantity < 1 or any(leg.ratio == 0 for leg in order.legs):
        raise BrokerError(f"order {order.order_ref}: expected legs with a ratio and a positive quantity")
    missing = [leg.con_id for leg in order.legs if leg.con_id not in contracts]
    if missing:
        raise BrokerError(f"order {order.order_ref}: contracts {missing} are unknown, load the chain first")
    action = "BUY"
    if len(order.legs) == 1:
        ratio = order.legs[0].ratio
        if abs(ratio) != 1:
            raise BrokerError(f"order {order.order_ref}: ratio {ratio} of a single leg, expected +1 or -1")
        contract = contract_to_wire(contracts[order.legs[0].con_id])
        action = "BUY" if ratio > 0 else "SELL"
    else:
        contract = _combo(order, contracts)
    return Ticket(
        order_ref=order.order_ref,
        contract=contract,
        action=action,
        quantity=order.quantity,
        time_in_force=order.time_in_force,
        account=account,
        # A guarded market order is a limit order through the market: nothing fills beyond the guard.
        order_type="LMT" if order.order_type == "MKT" else order.order_type,
        kept=_kept_of(order),
    )


def terms_of(order: Order) -> Terms:
    """Return the terms that an order begins with."""
    return Terms(order.limit_price, order.quantity, order.stop_price)


def ticket_of(order_ref: str, contract: IBContract, raw: IBOrder) -> Ticket:
    """Describe an order as the broker does, well enough to send it again with other terms.

    Raises
    ------
    BrokerError
        If its quantity has a fraction.
    """
    default = IBOrder()
    kept = {name: getattr(raw, name) for name in _KEPT if getattr(raw, name) != getattr(default, name)}
    if raw.orderType in _TRAILS and "trailingPercent" not in kept:
        kept["auxPrice"] = raw.auxPrice
    return Ticket(
        order_ref=order_ref,
        contract=contract,
        action=raw.action,
        quantity=whole_quantity(float(raw.totalQuantity), f"order {order_ref}: quantity"),
        time_in_force=raw.tif or "DAY",
        account=raw.account,
        order_type=raw.orderType or "LMT",
        kept=kept,
    )


def terms_of_wire(ticket: Ticket, raw: IBOrder) -> Terms | None:
    """Return the terms under which the broker works an order; None where it did not say."""
    limit, stop = price_from_wire(raw.lmtPrice), None
    if ticket.order_type in _TRAILS:
        stop = price_from_wire(raw.trailStopPrice)
    elif ticket.order_type in _STOPS:
        stop = price_from_wire(raw.auxPrice)
    if ticket.order_type in _UNLIMITED:
        limit = 0
    offset = price_from_wire(raw.lmtPriceOffset)
    if ticket.order_type == "TRAIL LIMIT" and not limit and stop is not None and offset is not None:
        limit = stop + ticket.sign * offset
    if limit is None:
        return None
    quantity = whole_quantity(float(raw.totalQuantity), f"order {ticket.order_ref}: quantity")
    return Terms(ticket.sign * limit, quantity, None if stop is None else ticket.sign * stop)


def order_to_wire(ticket: Ticket, terms: Terms, *, transmit: bool = True) -> IBOrder:
    """Return TWS's order for ``ticket`` on our ``terms``; untransmitted, TWS holds it back."""
    wire = IBOrder(
        action=ticket.action,
        totalQuantity=terms.quantity,
        orderType=ticket.order_type,
        tif=ticket.time_in_force,
        account=ticket.account,
        orderRef=ticket.order_ref,
        transmit=transmit,
        **ticket.kept,
    )
    if ticket.order_type in ("LMT", "STP LMT"):
        wire.lmtPrice = ticket.sign * terms.limit_price / PRICE_SCALE
    if terms.stop_price is None:
        return wire
    stop = ticket.sign * terms.stop_price / PRICE_SCALE
    if ticket.order_type in _TRAILS:
        wire.trailStopPrice = stop
    elif ticket.order_type in _STOPS:
        wire.auxPrice = stop
    if ticket.order_type == "TRAIL LIMIT":
        wire.lmtPriceOffset = (terms.limit_price - terms.stop_price) / PRICE_SCALE
    return wire


def check_order(order: Order, contracts: Mapping[int, Contract], now_ns: int) -> None:
    """Refuse what TWS would reject, or would fill beyond the limit.

    Raises
    ------
    BrokerError
        Naming the field, its value and what was expected; nothing was sent.
    """

    def refuse(text: str) -> BrokerError:
        return BrokerError(f"order {order.order_ref} ({order.order_type}): {text}; nothing was sent")

    kind = order.order_type
    if kind in _UNLIMITED and (len(order.legs) > 1 or order.legs[0].ratio > 0 or order.limit_price):
        raise refuse(
            "fills at any price once it is released, so it must sell a single leg and have the limit 0; "
            "use STP LMT or TRAIL LIMIT"
        )
    if kind in _STOPS and order.stop_price is None:
        raise refuse("expected a stop_price")
    if kind in ("LMT", "MKT") and order.stop_price is not None:
        raise refuse(f"stop_price {order.stop_price} has no meaning here")
    if kind in _TRAILS:
        if (order.trail_amount > 0) + (order.trail_percent > 0) != 1:
            raise refuse("expected either a positive trail_amount or a positive trail_percent")
        if order.trail_percent >= 100 * _PERCENT_SCALE:
            raise refuse(f"trail_percent {order.trail_percent} (1/100 %) is 100 % or more")
        if order.trail_amount % _grid(order, contracts).bands[0].increment:
            raise refuse(f"trail_amount {order.trail_amount} (1/10000) is off the grid")
    elif order.trail_amount or order.trail_percent:
        raise refuse("only TRAIL and TRAIL LIMIT trail")
    if kind == "TRAIL LIMIT" and order.stop_price is not None and order.limit_price < order.stop_price:
        raise refuse(
            f"limit {order.limit_price} is below the stop {order.stop_price} (1/10000): it would be released "
            "out of the market"
        )
    if (order.time_in_force == "GTD") != (order.good_till_ns > 0):
        raise refuse("good_till_ns belongs to GTD orders, and they need it")
    if order.good_till_ns and order.good_till_ns <= now_ns:
        raise refuse(f"good_till_ns {order.good_till_ns} is past, it is {now_ns}")
    if order.urgency and kind not in ("LMT", "MKT"):
        raise refuse("the Adaptive algorithm takes limit orders")
    if order.urgency and order.time_in_force != "DAY":
        raise refuse(f"the Adaptive algorithm works for the DAY, not {order.time_in_force}")
    check_terms(
        order.order_ref,
        kind,
        order.legs[0].ratio if len(order.legs) == 1 else 0,
        terms_of(order),
        _grid(order, contracts),
    )


def check_terms(order_ref: str, order_type: str, side: int, terms: Terms, grid: TickGrid) -> None:
    """Refuse prices that TWS would reject: off the tick grid, or not positive for a single leg.

    Parameters
    ----------
    order_ref, order_type : str
        For messages, and to know which prices count.
    side : int
        +1 a single leg is bought, -1 sold, 0 a combination (whose prices may have any sign).
    terms : Terms
        Prices and quantity.
    grid : TickGrid
        Of the contract, or ``COMBO_GRID``.

    Raises
    ------
    BrokerError
        Naming the price and the nearest valid ones; nothing was sent.
    """
    if terms.quantity < 1:
        raise BrokerError(f"order {order_ref}: quantity {terms.quantity}, expected 1 or more")
    prices = {} if order_type in _UNLIMITED else {"limit": terms.limit_price}
    if terms.stop_price is not None:
        prices["stop"] = terms.stop_price
    for name, price in prices.items():
        if side and side * price <= 0:
            raise BrokerError(
                f"order {order_ref}: {'buys' if side > 0 else 'sells'} at a {name} of {side * price} "
                "(1/10000), expected a positive price (a sale has a negative limit); nothing was sent"
            )
        if not grid.is_on_grid(price):
            low, high = (
                sorted((abs(grid.floor(price)), abs(grid.ceil(price))))
                if side
                else (grid.floor(price), grid.ceil(price))
            )
            shown = abs(price) if side else price
            raise BrokerError(
                f"order {order_ref}: {name} {shown} (1/10000) is off the grid, a multiple of "
                f"{grid.increment(price)}; the nearest valid prices are {low} and {high}; nothing was sent"
            )


def _grid(order: Order, contracts: Mapping[int, Contract]) -> TickGrid:
    return contracts[order.legs[0].con_id].tick_grid if len(order.legs) == 1 else COMBO_GRID


def _combo(order: Order, contracts: Mapping[int, Contract]) -> IBContract:
    first = contracts[order.legs[0].con_id]
    return IBContract(
        symbol=first.symbol,
        secType="BAG",
        exchange="SMART",
        currency=first.currency,
        comboLegs=[
            ComboLeg(
                conId=leg.con_id,
                ratio=abs(leg.ratio),
                action="BUY" if leg.ratio > 0 else "SELL",
                exchange="SMART",
            )
            for leg in order.legs
        ],
    )


def _kept_of(order: Order) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    if order.trail_amount:
        kept["auxPrice"] = order.trail_amount / PRICE_SCALE
    if order.trail_percent:
        kept["trailingPercent"] = order.trail_percent / _PERCENT_SCALE
    if order.good_till_ns:
        kept["goodTillDate"] = _utc_text(order.good_till_ns)
    if order.urgency:
        kept["algoStrategy"] = "Adaptive"
        kept["algoParams"] = [TagValue("adaptivePriority", order.urgency)]
    if order.oca_group:
        kept["ocaGroup"], kept["ocaType"] = order.oca_group, _CANCEL_THE_REST
    if order.outside_hours:
        kept["outsideRth"] = True
    return kept


def _utc_text(at_ns: int) -> str:
    """Return an instant as TWS reads it; whole seconds, never later than asked."""
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, dt.UTC).strftime("%Y%m%d %H:%M:%S UTC")
