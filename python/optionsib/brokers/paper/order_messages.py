"""Client orders on the wire: openOrder, completedOrder and orderStatus, field by field.

The tables name the fields in their order on the wire. What the exchange knows better than the ticket
(quantity, current stop, status) comes from ``_current``; all else is echoed as it came, with the
value TWS shows where the client set nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from optionsib.brokers.paper.contracts import combo_fields, contract_fields
from optionsib.brokers.paper.order_ticket import (
    BENCHMARK,
    CONDITION_FIELDS,
    DELTA_NEUTRAL_CONTRACT,
    PEGGED_TO_BENCHMARK,
    SCALE,
)
from optionsib.brokers.paper.orders import TRAILING_TYPES, ClientOrder
from optionsib.brokers.paper.wire import UNSET_NUMBER, Field, format_price, format_ratio

_MARGINS = ("initMargin", "maintMargin", "equityWithLoan")
_NO_EXTRAS = ("0", "0", "", "-1")  # of a leg: openClose, shortSaleSlot, designatedLocation, exemptCode
_DEFAULTS = {
    "exemptCode": "-1",
    "ocaType": "3",
    "clearingIntent": "IB",
    "adjustedOrderType": "None",
    "cashQty": "0",
    "discretionaryAmt": "0",
    "displaySize": "",
    "lmtPrice": "0",
    "auxPrice": "0",
}
_ORDER = "action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin orderRef"
_MODEL = (
    "modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot designatedLocation exemptCode"
)
_STOCK = "startingPrice stockRefPrice delta stockRangeLower stockRangeUpper displaySize"
_VOLATILITY = "triggerMethod volatility volatilityType deltaNeutralOrderType deltaNeutralAuxPrice"
_TRAILING = "continuousUpdate referencePriceType trailStopPrice trailingPercent"
_SIZES = "scaleInitLevelSize scaleSubsLevelSize scalePriceIncrement"
_PEGGED = "minTradeQty minCompeteSize competeAgainstBestOffset midOffsetAtWhole midOffsetAtHalf"
_TIER = "softDollarTierName softDollarTierValue softDollarTierDisplay"


def order_contract_fields(order: ClientOrder) -> list[Field]:
    """Return the eleven contract fields of an order."""
    if order.is_combo:
        return combo_fields(order.symbol, order.currency, order.ticket.query.exchange)
    return contract_fields(order.contracts[0])


def open_order(order: ClientOrder, version: int, margins: dict[str, str] | None = None) -> list[Field]:
    """Return the openOrder message; ``margins`` belongs to the answer to a what-if order."""
    named = _Named(order)
    state: list[Field] = [order.status if order.is_transmitted else "", *_margin_fields(margins)]
    if margins is not None:
        state[0] = "PreSubmitted"
    return [
        *(5, order.order_id),
        *order_contract_fields(order),
        *named(f"{_ORDER} clientId permId outsideRth hidden discretionaryAmt goodAfterTime sharesAllocation"),
        *named("faGroup faMethod faPercentage" + (" faProfile" if version < 177 else "")),
        *named(f"{_MODEL} auctionStrategy {_STOCK} blockOrder sweepToFill allOrNone minQty ocaType"),
        *named(f"eTradeOnly firmQuoteOnly nbboPriceCap parentId {_VOLATILITY}"),
        *(
            named(
                "deltaNeutralConId deltaNeutralSettlingFirm deltaNeutralClearingAccount "
                "deltaNeutralClearingIntent deltaNeutralOpenClose deltaNeutralShortSale "
                "deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation"
            )
            if order.ticket.text("deltaNeutralOrderType")
            else []
        ),
        *named(f"{_TRAILING} basisPoints basisPointsType"),
        *_leg_fields(order),
        *_scale_and_hedge(order, named),
        *named("optOutSmartRouting clearingAccount clearingIntent notHeld"),
        *_algorithm(order, named),
        *named("solicited whatIf"),
        *state,
        *_conditions(order, named),
        *named("adjustedOrderType triggerPrice trailStopPrice lmtPriceOffset adjustedStopPrice"),
        *named(f"adjustedStopLimitPrice adjustedTrailingAmount adjustableTrailingUnit {_TIER} cashQty"),
        *named("dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice usePriceMgmtAlgo"),
        *(named("duration") if version >= 159 else []),
        *(named("postToAts") if version >= 160 else []),
        *(named("autoCancelParent") if version >= 162 else []),
        *(named(_PEGGED) if version >= 170 else []),
    ]


def completed_order(order: ClientOrder, version: int) -> list[Field]:
    """Return the completedOrder message."""
    named = _Named(order)
    parent_perm_id = 0 if order.parent is None else order.parent.perm_id
    return [
        101,
        *order_contract_fields(order),
        *named(f"{_ORDER} permId outsideRth hidden discretionaryAmt goodAfterTime"),
        *named("faGroup faMethod faPercentage" + (" faProfile" if version < 177 else "")),
        *named(f"{_MODEL} {_STOCK} sweepToFill allOrNone minQty ocaType {_VOLATILITY}"),
        *(
            named(
                "deltaNeutralConId deltaNeutralShortSale deltaNeutralShortSaleSlot "
                "deltaNeutralDesignatedLocation"
            )
            if order.ticket.text("deltaNeutralOrderType")
            else []
        ),
        *named(_TRAILING),
        *_leg_fields(order),
        *_scale_and_hedge(order, named),
        *named("clearingAccount clearingIntent notHeld"),
        *_algorithm(order, named),
        *named("solicited"),
        order.status,
        *_conditions(order, named),
        *named("trailStopPrice lmtPriceOffset cashQty dontUseAutoPriceForHedge isOmsContainer"),
        "",  # autoCancelDate
        order.filled,
        0,  # refFuturesConId
        *named("autoCancelParent"),
        *("", 0, 0),  # shareholder, imbalanceOnly, routeMarketableToBbo
        parent_perm_id,
        *(order.done_at, order.done_text),
        *(named(_PEGGED) if version >= 170 else []),
    ]


def order_status(order: ClientOrder, status: str = "") -> list[Field]:
    """Return the orderStatus message, with another ``status`` than the present one if named."""
    return [
        3,
        order.order_id,
        status or order.status,
        order.filled,
        order.remaining,
        format_ratio(order.filled_value, order.filled),
        order.perm_id,
        order.ticket.integer("parentId"),
        format_price(order.last_price),
        order.client_id,
        order.why_held,
        "0",
    ]


class _Named:
    """Looks up fields by name: the exchange's own values, then the ticket's, then what TWS shows."""

    def __init__(self, order: ClientOrder) -> None:
        self._current = _current(order)
        self._ticket: Mapping[str, str] = order.ticket.values

    def __call__(self, names: str) -> list[Field]:
        return [
            self._current.get(name) or self._ticket.get(name, "") or _DEFAULTS.get(name, "")
            for name in names.split()
        ]


def _current(order: ClientOrder) -> dict[str, str]:
    current = {
        "action": order.action,
        "totalQuantity": str(order.quantity),
        "orderType": order.order_type,
        "tif": order.time_in_force,
        "ocaGroup": order.oca_group,
        "ocaType": str(order.oca_type),
        "account": order.account,
        "orderRef": order.order_ref,
        "clientId": str(order.client_id),
        "permId": str(order.perm_id),
    }
    if order.limit is not None:
        current["lmtPrice"] = format_price(order.limit)
    if order.stop is not None:
        name = "trailStopPrice" if order.order_type in TRAILING_TYPES else "auxPrice"
        current[name] = format_price(order.stop)
    return current


def _scale_and_hedge(order: ClientOrder, named: _Named) -> list[Field]:
    scale = named(_names(SCALE))
    is_scaled = (order.ticket.number("scalePriceIncrement") or 0) > 0
    hedge = named("hedgeParam") if order.ticket.text("hedgeType") else []
    return [*named(_SIZES), *(scale if is_scaled else []), *named("hedgeType"), *hedge]


def _algorithm(order: ClientOrder, named: _Named) -> list[Field]:
    """Return the delta-neutral contract and the algorithm with its parameters."""
    present = order.ticket.flag("underPresent")
    under = named(_names(DELTA_NEUTRAL_CONTRACT)) if present else []
    strategy = order.ticket.text("algoStrategy")
    fields: list[Field] = [int(present), *under, strategy]
    if strategy:
        fields.append(len(order.ticket.algo_parameters))
        for pair in order.ticket.algo_parameters:
            fields += pair
    return fields


def _conditions(order: ClientOrder, named: _Named) -> list[Field]:
    """Return randomizeSize, randomizePrice, the benchmark's fields and the conditions."""
    fields = named("randomizeSize randomizePrice")
    if order.order_type in PEGGED_TO_BENCHMARK:
        fields += named(_names(BENCHMARK))
    fields.append(len(order.ticket.conditions))
    for condition in order.ticket.conditions:
        fields.append(condition.kind)
        fields += [condition.values[name] for name in _names(CONDITION_FIELDS[condition.kind]).split()]
    if order.ticket.conditions:
        fields += named("conditionsIgnoreRth conditionsCancelOrder")
    return fields


def _names(table: str) -> str:
    return " ".join(name.partition(":")[0] for name in table.split())


def _leg_fields(order: ClientOrder) -> list[Field]:
    """Return legs description, legs, leg prices and routing parameters."""
    description = ",".join(f"{leg.con_id}|{leg.signed_ratio}" for leg in order.combo_legs)
    fields: list[Field] = [description, len(order.combo_legs)]
    extras = order.ticket.leg_extras or (_NO_EXTRAS,) * len(order.combo_legs)
    for leg, extra in zip(order.combo_legs, extras, strict=True):
        fields += [leg.con_id, leg.ratio, leg.action, leg.exchange, *extra]
    fields += [len(order.ticket.leg_prices), *order.ticket.leg_prices, len(order.ticket.routing)]
    for pair in order.ticket.routing:
        fields += pair
    return fields


def _margin_fields(margins: dict[str, str] | None) -> list[Field]:
    """Return margins before, change, after, the commissions, their currency, and no warning."""
    names = [f"{name}{when}" for when in ("Before", "Change", "After") for name in _MARGINS]
    names += ["commission", "minCommission", "maxCommission"]
    if margins is None:
        return [*([UNSET_NUMBER] * len(names)), "", ""]
    return [*(margins[name] for name in names), "USD", ""]
