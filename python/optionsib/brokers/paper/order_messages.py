"""Client orders on the wire: reading placeOrder, rendering openOrder, orderStatus, completedOrder."""

from __future__ import annotations

from dataclasses import dataclass

from optionsib.brokers.paper.contracts import (
    ComboLeg,
    ContractQuery,
    combo_fields,
    contract_fields,
    read_combo_legs,
    read_contract,
)
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.brokers.paper.wire import UNSET_NUMBER, Field, FieldReader, format_price, format_ratio

_MAXIMUM_REPEATS = 64
_MARGINS = ("initMargin", "maintMargin", "equityWithLoan")


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """What a client asked for. ``unsupported`` names the features that this exchange does not have."""

    order_id: int
    query: ContractQuery
    legs: tuple[ComboLeg, ...]
    action: str
    quantity: float | None
    order_type: str
    limit: float | None
    time_in_force: str
    account: str
    open_close: str
    order_ref: str
    transmit: bool
    what_if: bool
    unsupported: tuple[str, ...]


def read_order(fields: FieldReader, version: int) -> OrderTicket:
    """Take a placeOrder message (after its message id) in the layout of server ``version``."""
    order_id = fields.integer(None)
    query = read_contract(fields)
    fields.skip(2)  # secIdType, secId
    action, quantity, order_type = fields.text(), fields.number(), fields.text()
    limit = fields.number()
    fields.skip(1)  # auxPrice
    time_in_force, oca_group, account = fields.text(), fields.text(), fields.text()
    open_close = fields.text()
    fields.skip(1)  # origin
    order_ref, transmit, parent_id = fields.text(), fields.boolean(), fields.integer()
    fields.skip(6)  # block, sweep, displaySize, triggerMethod, outsideRth, hidden
    legs: tuple[ComboLeg, ...] = ()
    if query.security_type == "BAG":
        legs = read_combo_legs(fields, extra_fields=4)
        fields.skip(fields.count(_MAXIMUM_REPEATS))  # prices per leg
        fields.skip(2 * fields.count(_MAXIMUM_REPEATS))  # routing parameters
    fields.skip(2)  # the empty field, discretionaryAmt
    good_after, good_till = fields.text(), fields.text()
    fields.skip(3 if version >= 177 else 4)  # financial advisor group, method, percentage, profile
    fields.skip(7)  # modelCode .. settlingFirm
    all_or_none, minimum = fields.boolean(), fields.integer()
    algo, what_if, conditions, hedge = _read_tail(fields, order_type)
    unsupported = {
        "one-cancels-all groups": oca_group != "",
        "parent orders": parent_id != 0,
        "goodAfterTime": good_after != "",
        "goodTillDate": good_till != "",
        "allOrNone": all_or_none,
        "minQty": minimum > 0,
        "algorithms": algo != "",
        "conditions": conditions > 0,
        "hedge orders": hedge != "",
        "transmit=0": not transmit,
    }
    return OrderTicket(
        order_id=order_id,
        query=query,
        legs=legs,
        action=action,
        quantity=quantity,
        order_type=order_type,
        limit=limit,
        time_in_force=time_in_force or "DAY",
        account=account,
        open_close=open_close,
        order_ref=order_ref,
        transmit=transmit,
        what_if=what_if,
        unsupported=tuple(name for name, present in unsupported.items() if present),
    )


def _read_tail(fields: FieldReader, order_type: str) -> tuple[str, bool, int, str]:
    """Take the fields from percentOffset on; return algorithm, what-if, conditions, hedge type."""
    fields.skip(4)  # percentOffset, eTradeOnly, firmQuoteOnly, nbboPriceCap
    fields.skip(7)  # auction, startingPrice, stockRefPrice, delta, range low and high, override
    fields.skip(2)  # volatility, volatilityType
    delta_neutral = fields.text()
    fields.skip(9 if delta_neutral else 1)
    fields.skip(6)  # continuousUpdate, referencePriceType, trailing x2, scale sizes x2
    increment = fields.number()
    if increment is not None and increment > 0:
        fields.skip(7)
    fields.skip(3)  # scaleTable, activeStartTime, activeStopTime
    hedge = fields.text()
    fields.skip(1 if hedge else 0)
    fields.skip(4)  # optOutSmartRouting, clearing x2, notHeld
    if fields.boolean():
        fields.skip(3)
    algo = fields.text()
    if algo:
        fields.skip(2 * fields.count(_MAXIMUM_REPEATS))
    fields.skip(1)  # algoId
    what_if = fields.boolean()
    fields.skip(4)  # miscOptions, solicited, randomizeSize, randomizePrice
    fields.skip(5 if order_type in ("PEG BENCH", "PEGBENCH") else 0)
    return algo, what_if, fields.count(_MAXIMUM_REPEATS), hedge


def order_contract_fields(order: ClientOrder) -> list[Field]:
    """Return the eleven contract fields of an order."""
    if order.is_combo:
        return combo_fields(order.symbol, order.currency)
    return contract_fields(order.contracts[0])


def open_order(order: ClientOrder, version: int, margins: dict[str, str] | None = None) -> list[Field]:
    """Return the openOrder message; ``margins`` belongs to the answer to a what-if order."""
    identity: list[Field] = [
        *(5, order.order_id),
        *order_contract_fields(order),
        *(order.action, order.quantity, "LMT", format_price(order.limit), "0", order.time_in_force),
        *("", order.account, order.open_close, 0, order.order_ref, order.client_id, order.perm_id),
        *(0, 0, "0", "", "", "", "", ""),  # outsideRth .. faPercentage
        *([""] if version < 177 else []),
        *("", "", "", "", "", 0, "", -1, 0),  # modelCode .. auctionStrategy
        *("", "", "", "", "", 0, 0, 0, 0, "", 3),  # startingPrice .. ocaType
        *(0, 0, "", 0, 0, "", 0, "", ""),  # eTradeOnly .. deltaNeutralAuxPrice
        *(0, 0, "", "", "", ""),  # continuousUpdate .. basisPointsType
    ]
    state: list[Field] = [
        *("", "", "", ""),  # scale sizes and increment, hedgeType
        *(0, "", "IB", 0, 0, ""),  # optOutSmartRouting .. algoStrategy
        *(0, int(margins is not None), order.status if margins is None else "PreSubmitted"),
        *_margin_fields(margins),
        *(0, 0, 0),  # randomizeSize, randomizePrice, number of conditions
        *("None", "", "", "", "", "", "", 0, "", "", "", "0", 0, 0, 0, 0),  # adjusted .. priceMgmtAlgo
        *([""] if version >= 159 else []),  # duration
        *([""] if version >= 160 else []),  # postToAts
        *([0] if version >= 162 else []),  # autoCancelParent
        *(["", "", "", "", ""] if version >= 170 else []),  # pegged orders
    ]
    return identity + _leg_fields(order) + state


def completed_order(order: ClientOrder, version: int) -> list[Field]:
    """Return the completedOrder message."""
    identity: list[Field] = [
        101,
        *order_contract_fields(order),
        *(order.action, order.quantity, "LMT", format_price(order.limit), "0", order.time_in_force),
        *("", order.account, order.open_close, 0, order.order_ref, order.perm_id),
        *(0, 0, "0", "", "", "", ""),  # outsideRth .. faPercentage
        *([""] if version < 177 else []),
        *("", "", "", "", "", 0, "", -1),  # modelCode .. exemptCode
        *("", "", "", "", "", 0, 0, 0, "", 3),  # startingPrice .. ocaType
        *(0, "", 0, "", ""),  # triggerMethod .. deltaNeutralAuxPrice
        *(0, 0, "", ""),  # continuousUpdate .. trailingPercent
    ]
    state: list[Field] = [
        *("", "", "", ""),  # scale sizes and increment, hedgeType
        *("", "IB", 0, 0, "", 0, order.status),  # clearing .. algoStrategy, solicited
        *(0, 0, 0),  # randomizeSize, randomizePrice, number of conditions
        *("", "", "0", 0, 0, "", order.filled, 0, 0, "", 0, 0, 0),  # trailStopPrice .. parentPermId
        *(order.done_at, order.done_text),
        *(["", "", "", "", ""] if version >= 170 else []),
    ]
    return identity + _leg_fields(order) + state


def order_status(order: ClientOrder) -> list[Field]:
    """Return the orderStatus message."""
    return [
        3,
        order.order_id,
        order.status,
        order.filled,
        order.quantity - order.filled,
        format_ratio(order.filled_value, order.filled),
        order.perm_id,
        0,
        format_price(order.last_price),
        order.client_id,
        "",
        "0",
    ]


def _leg_fields(order: ClientOrder) -> list[Field]:
    """Return legs description, legs, and the empty lists of leg prices and routing parameters."""
    description = ",".join(f"{leg.con_id}|{leg.signed_ratio}" for leg in order.combo_legs)
    fields: list[Field] = [description, len(order.combo_legs)]
    for leg in order.combo_legs:
        fields += [leg.con_id, leg.ratio, leg.action, leg.exchange, 0, 0, "", -1]
    return [*fields, 0, 0]


def _margin_fields(margins: dict[str, str] | None) -> list[Field]:
    """Return margins before, change, after, the commissions, their currency, and no warning."""
    names = [f"{name}{when}" for when in ("Before", "Change", "After") for name in _MARGINS]
    names += ["commission", "minCommission", "maxCommission"]
    if margins is None:
        return [*([UNSET_NUMBER] * len(names)), "", ""]
    return [*(margins[name] for name in names), "USD", ""]
