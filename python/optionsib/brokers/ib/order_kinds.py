"""How an order of ours is told to TWS, and what is checked before it leaves.

Our orders always buy their legs at a signed net debit. TWS wants a single leg bought or sold at a
positive price, and several legs as one BAG; a BAG is bought here, so that its legs keep their signs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from optionsib.brokers.ib.conversions import contract_to_wire, is_set, price_from_wire, whole_quantity
from optionsib.brokers.ib.library import ComboLeg, TagValue
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import Order as IBOrder
from optionsib.brokers.price_grid import NO_LIMIT, grid_of
from optionsib.common.errors import BrokerError
from optionsib.common.types import PRICE_SCALE, SECOND_NS, Contract, Order, TickGrid

_PERCENT_SCALE = 100  # ours is in hundredths of a percent
_NO_PRICE = 1.7976931348623157e308
_STOPS = ("STP", "STP LMT", "TRAIL LIMIT")
_TRAILS = ("TRAIL", "TRAIL LIMIT")
ORDER_TYPES = ("LMT", "STP", "STP LMT", *_TRAILS)  # whose terms we can send whole
_CANCEL_THE_REST = 1  # OCA type: the first fill cancels the others, one order is at the exchange at a time
# What an order of an earlier session must keep when it is sent again, in TWS's names.
_KEPT = (
    *("ocaGroup", "ocaType", "parentId", "goodTillDate", "outsideRth", "trailingPercent"),
    *("algoStrategy", "algoParams", "openClose", "triggerMethod", "goodAfterTime", "allOrNone", "hidden"),
    *("conditions", "conditionsIgnoreRth", "conditionsCancelOrder"),
    *(
        "displaySize",
        "minQty",
        "discretionaryAmt",
        "discretionaryUpToLimitPrice",
        "sweepToFill",
        "blockOrder",
    ),
    *("scaleInitLevelSize", "scaleSubsLevelSize", "scalePriceIncrement", "scalePriceAdjustValue"),
    *("scalePriceAdjustInterval", "scaleProfitOffset", "scaleAutoReset", "scaleInitPosition"),
    *("scaleInitFillQty", "scaleRandomPercent", "notHeld", "randomizeSize", "randomizePrice"),
    *("hedgeType", "hedgeParam", "modelCode", "optOutSmartRouting", "smartComboRoutingParams"),
)
_NOTHING = (None, "", 0, 2**31 - 1, 1.7976931348623157e308)  # how TWS says that a field is not used


_NOT_GUARANTEED = ("NonGuaranteed", "1")


class Terms(msgspec.Struct, frozen=True):
    """What a modify can change: our signed prices (1/10000), the number of units, the trail.

    A trailing order trails by ``trail_amount`` (1/10000) or ``trail_percent`` (1/100 %); both 0: by what
    its ticket says.
    """

    limit_price: int
    quantity: int
    stop_price: int | None = None
    trail_amount: int = 0
    trail_percent: int = 0

    def is_met_by(self, working: Terms, order_type: str) -> bool:
        """Tell whether an order on ``working`` was changed to these; a trailing price moves by itself."""
        if order_type not in _TRAILS:
            return self == working
        trail = self.trail_amount, self.trail_percent
        same_trail = trail in ((0, 0), (working.trail_amount, working.trail_percent))
        stops = self.stop_price, working.stop_price
        trailed = stops[0] is None or stops[1] is None or stops[1] <= stops[0]  # in our favour alone
        return same_trail and trailed and self.quantity == working.quantity


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
    def fills_legs_apart(self) -> bool:
        """Whether the broker may fill the legs of the combination without each other."""
        routing = self.kept.get("smartComboRoutingParams") or ()
        is_told = _NOT_GUARANTEED in [(one.tag, one.value) for one in routing]
        return self.contract.secType == "BAG" and is_told

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
    return Terms(order.limit_price, order.quantity, order.stop_price, order.trail_amount, order.trail_percent)


def ticket_of(order_ref: str, contract: IBContract, raw: IBOrder) -> Ticket:
    """Describe an order as the broker does, well enough to send it again with other terms.

    Raises
    ------
    BrokerError
        If its quantity has a fraction.
    """
    default = IBOrder()
    given = {name: getattr(raw, name) for name in _KEPT}
    kept = {
        name: value
        for name, value in given.items()
        if value != getattr(default, name) and value not in _NOTHING
    }
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
    amount = percent = 0
    if ticket.order_type in _TRAILS:
        stop = price_from_wire(raw.trailStopPrice)
        percent = (
            round(float(raw.trailingPercent) * _PERCENT_SCALE) if is_set(float(raw.trailingPercent)) else 0
        )
        amount = 0 if percent else price_from_wire(raw.auxPrice) or 0
    elif ticket.order_type in _STOPS:
        stop = price_from_wire(raw.auxPrice)
    if ticket.order_type in NO_LIMIT:
        limit = 0
    offset = price_from_wire(raw.lmtPriceOffset)
    if ticket.order_type == "TRAIL LIMIT" and not limit and stop is not None and offset is not None:
        limit = stop + ticket.sign * offset
    if limit is None:
        return None
    quantity = whole_quantity(float(raw.totalQuantity), f"order {ticket.order_ref}: quantity")
    stop = None if stop is None else ticket.sign * stop
    return Terms(ticket.sign * limit, quantity, stop, amount, percent)


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
    if ticket.order_type in _TRAILS and terms.trail_percent:
        wire.trailingPercent, wire.auxPrice = terms.trail_percent / _PERCENT_SCALE, _NO_PRICE
    elif ticket.order_type in _TRAILS and terms.trail_amount:
        wire.auxPrice, wire.trailingPercent = terms.trail_amount / PRICE_SCALE, _NO_PRICE
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
    if kind in NO_LIMIT and (len(order.legs) > 1 or order.legs[0].ratio > 0 or order.limit_price):
        raise refuse(
            "fills at any price once it is released, so it must sell a single leg and have the limit 0; "
            "use STP LMT or TRAIL LIMIT"
        )
    if kind in _STOPS and order.stop_price is None:
        raise refuse("expected a stop_price")
    if kind in ("LMT", "MKT") and order.stop_price is not None:
        raise refuse(f"stop_price {order.stop_price} has no meaning here")
    if kind in _TRAILS and (order.trail_amount > 0) + (order.trail_percent > 0) != 1:
        raise refuse("expected either a positive trail_amount or a positive trail_percent")
    if kind == "TRAIL LIMIT" and order.stop_price is not None and order.limit_price < order.stop_price:
        raise refuse(
            f"limit {order.limit_price} is below the stop {order.stop_price} (1/10000): it would be released "
            "out of the market"
        )
    if (order.time_in_force == "GTD") != (order.good_till_ns > 0):
        raise refuse("good_till_ns belongs to GTD orders, and they need it")
    if not order.guaranteed and (len(order.legs) == 1 or order.parent_ref or order.oca_group):
        raise refuse("only a combination outside of groups can do without the guarantee of its legs")
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
        grid_of(order.legs, contracts),
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
        Of the contract, or that of combinations.

    Raises
    ------
    BrokerError
        Naming the price and the nearest valid ones; nothing was sent.
    """
    if terms.quantity < 1:
        raise BrokerError(f"order {order_ref}: quantity {terms.quantity}, expected 1 or more")
    if order_type in _TRAILS:
        _check_trail(order_ref, terms, grid)
    elif terms.trail_amount or terms.trail_percent:
        raise BrokerError(f"order {order_ref} ({order_type}): only TRAIL and TRAIL LIMIT trail")
    prices = {} if order_type in NO_LIMIT else {"limit": terms.limit_price}
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


def _check_trail(order_ref: str, terms: Terms, grid: TickGrid) -> None:
    if terms.trail_percent >= 100 * _PERCENT_SCALE or terms.trail_percent < 0:
        raise BrokerError(
            f"order {order_ref}: trail_percent {terms.trail_percent} (1/100 %) is 100 % or more, or negative"
        )
    if terms.trail_amount % grid.increment(0) or terms.trail_amount < 0:
        raise BrokerError(
            f"order {order_ref}: trail_amount {terms.trail_amount} (1/10000) is off the grid, or negative"
        )
    if terms.trail_amount and terms.trail_percent:
        raise BrokerError(f"order {order_ref}: trails by an amount or by a percentage, not by both")


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
    if order.good_till_ns:
        kept["goodTillDate"] = _utc_text(order.good_till_ns)
    if order.urgency:
        kept["algoStrategy"] = "Adaptive"
        kept["algoParams"] = [TagValue("adaptivePriority", order.urgency)]
    if order.oca_group:
        kept["ocaGroup"], kept["ocaType"] = order.oca_group, _CANCEL_THE_REST
    if order.outside_hours:
        kept["outsideRth"] = True
    if not order.guaranteed:
        kept["smartComboRoutingParams"] = [TagValue(*_NOT_GUARANTEED)]
    return kept


def _utc_text(at_ns: int) -> str:
    """Return an instant as TWS reads it; whole seconds, never later than asked."""
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, dt.UTC).strftime("%Y%m%d %H:%M:%S UTC")
