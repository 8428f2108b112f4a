"""What a client asks for in a placeOrder message: every field by name, and conditions as a list.

The layout is the one of the research tables of TWS clients: names are those of the client libraries
(``lmtPrice``, ``ocaGroup`` ...), ``:n`` marks a number, ``:i`` an integer, ``:b`` a truth value. A
number that is not set, in whatever way the client's language says so, is an empty text here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optionsib.brokers.paper.contracts import ComboLeg, read_contract
from optionsib.brokers.paper.wire import FieldReader, WireError
from optionsib.common.ports import ContractQuery

MAXIMUM_LEGS = 8
_MAXIMUM_REPEATS = 64
PEGGED_TO_BENCHMARK = ("PEG BENCH", "PEGBENCH")
_PEGGED_TO_BEST = ("PEG BEST", "PEGBEST")
_PEGGED_TO_MIDDLE = ("PEG MID", "PEGMID")
_UP_TO_MIDDLE = ("inf", "infinity")
# Fields of an order condition by its type, the conjunction (a, o) first.
CONDITION_FIELDS: dict[int, str] = {
    1: "conjunction isMore:b price:n conId:i exchange triggerMethod:i",
    3: "conjunction isMore:b time",
    4: "conjunction isMore:b percent:i",
    5: "conjunction secType exchange symbol",
    6: "conjunction isMore:b volume:i conId:i exchange",
    7: "conjunction isMore:b changePercent:n conId:i exchange",
}

_FIRST = (
    "secIdType secId action totalQuantity:n orderType lmtPrice:n auxPrice:n tif ocaGroup account openClose "
    "origin:i orderRef transmit:b parentId:i blockOrder:b sweepToFill:b displaySize:i triggerMethod:i "
    "outsideRth:b hidden:b"
)
_AFTER_LEGS = "sharesAllocation discretionaryAmt:n goodAfterTime goodTillDate faGroup faMethod faPercentage"
_MIDDLE = (
    "modelCode shortSaleSlot:i designatedLocation exemptCode:i ocaType:i rule80A settlingFirm allOrNone:b "
    "minQty:i percentOffset:n eTradeOnly:b firmQuoteOnly:b nbboPriceCap:n auctionStrategy:i startingPrice:n "
    "stockRefPrice:n delta:n stockRangeLower:n stockRangeUpper:n overridePercentageConstraints:b "
    "volatility:n volatilityType:i deltaNeutralOrderType deltaNeutralAuxPrice:n"
)
_DELTA_NEUTRAL = (
    "deltaNeutralConId:i deltaNeutralSettlingFirm deltaNeutralClearingAccount deltaNeutralClearingIntent "
    "deltaNeutralOpenClose deltaNeutralShortSale:b deltaNeutralShortSaleSlot:i deltaNeutralDesignatedLocation"
)
_TRAILING_AND_SCALE = (
    "continuousUpdate:b referencePriceType:i trailStopPrice:n trailingPercent:n scaleInitLevelSize:i "
    "scaleSubsLevelSize:i scalePriceIncrement:n"
)
SCALE = (
    "scalePriceAdjustValue:n scalePriceAdjustInterval:i scaleProfitOffset:n scaleAutoReset:b "
    "scaleInitPosition:i scaleInitFillQty:i scaleRandomPercent:b"
)
_CLEARING = "optOutSmartRouting:b clearingAccount clearingIntent notHeld:b"
DELTA_NEUTRAL_CONTRACT = "underConId:i underDelta:n underPrice:n"
_AFTER_ALGO = "algoId whatIf:b orderMiscOptions solicited:b randomizeSize:b randomizePrice:b"
BENCHMARK = (
    "referenceContractId:i isPeggedChangeAmountDecrease:b peggedChangeAmount:n referenceChangeAmount:n "
    "referenceExchangeId"
)
_ADJUSTED = (
    "adjustedOrderType triggerPrice:n lmtPriceOffset:n adjustedStopPrice:n adjustedStopLimitPrice:n "
    "adjustedTrailingAmount:n adjustableTrailingUnit:i extOperator softDollarTierName softDollarTierValue "
    "cashQty:n mifid2DecisionMaker mifid2DecisionAlgo mifid2ExecutionTrader mifid2ExecutionAlgo "
    "dontUseAutoPriceForHedge:b isOmsContainer:b discretionaryUpToLimitPrice:b usePriceMgmtAlgo:i"
)
_LATER = (
    (159, "duration:i"),
    (160, "postToAts:i"),
    (162, "autoCancelParent:b"),
    (166, "advancedErrorOverride"),
    (169, "manualOrderTime"),
)
_LEG_EXTRAS = "openClose:i shortSaleSlot:i designatedLocation exemptCode:i"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition as the client wrote it; ``values`` in the order of ``CONDITION_FIELDS``."""

    kind: int
    values: Mapping[str, str]

    def number(self, name: str) -> float:
        """Return a number; 0 if it is not set."""
        return float(self.values[name] or 0)

    @property
    def is_more(self) -> bool:
        """Whether the condition holds above its value (or after its time)."""
        return self.values["isMore"] == "1"

    @property
    def joins_with_or(self) -> bool:
        """Whether this condition is joined to the next one by "or"."""
        return self.values["conjunction"].lower() == "o"


@dataclass(frozen=True, slots=True)
class OrderTicket:
    """An order as its client describes it. What ``values`` does not name is not set."""

    order_id: int
    query: ContractQuery
    values: Mapping[str, str]
    legs: tuple[ComboLeg, ...] = ()
    leg_extras: tuple[tuple[str, ...], ...] = ()
    leg_prices: tuple[str, ...] = ()
    routing: tuple[tuple[str, str], ...] = ()
    algo_parameters: tuple[tuple[str, str], ...] = ()
    conditions: tuple[Condition, ...] = field(default_factory=tuple)

    def text(self, name: str, default: str = "") -> str:
        """Return a field, or ``default`` if it is not set."""
        return self.values.get(name, "") or default

    def number(self, name: str) -> float | None:
        """Return a number, or None if it is not set."""
        text = self.values.get(name, "")
        return float(text) if text else None

    def integer(self, name: str) -> int:
        """Return an integer; 0 if it is not set."""
        return int(self.values.get(name, "") or 0)

    def flag(self, name: str) -> bool:
        """Return a truth value; False if it is not set."""
        return self.values.get(name, "") == "1"

    @property
    def is_non_guaranteed(self) -> bool:
        """Whether the legs of a combination need not fill together."""
        return ("NonGuaranteed", "1") in self.routing

    @property
    def time_in_force(self) -> str:
        """DAY where the client says nothing."""
        return self.text("tif", "DAY")

    @property
    def order_type(self) -> str:
        """The type, spelled as TWS spells it."""
        return " ".join(self.text("orderType").upper().split())


def read_order(fields: FieldReader, version: int) -> OrderTicket:
    """Take a placeOrder message (after its message id) in the layout of server ``version``.

    Raises
    ------
    WireError
        If the message ends too early or a number cannot be read.
    """
    order_id = fields.integer(None)
    query = read_contract(fields)
    values: dict[str, str] = {}
    _take(fields, values, _FIRST)
    legs: list[ComboLeg] = []
    extras: list[tuple[str, ...]] = []
    leg_prices: tuple[str, ...] = ()
    routing: tuple[tuple[str, str], ...] = ()
    if query.security_type == "BAG":
        for _ in range(fields.count(MAXIMUM_LEGS)):
            legs.append(ComboLeg(fields.integer(), fields.integer(), fields.text(), fields.text()))
            extras.append(tuple(_read(fields, _LEG_EXTRAS).values()))
        leg_prices = tuple(_number(fields) for _ in range(fields.count(_MAXIMUM_REPEATS)))
        routing = _pairs(fields)
    _take(fields, values, _AFTER_LEGS)
    if version < 177:
        _take(fields, values, "faProfile")
    _take(fields, values, _MIDDLE)
    if values["deltaNeutralOrderType"]:
        _take(fields, values, _DELTA_NEUTRAL)
    _take(fields, values, _TRAILING_AND_SCALE)
    if float(values["scalePriceIncrement"] or 0) > 0:
        _take(fields, values, SCALE)
    _take(fields, values, "scaleTable activeStartTime activeStopTime hedgeType")
    if values["hedgeType"]:
        _take(fields, values, "hedgeParam")
    _take(fields, values, _CLEARING)
    values["underPresent"] = str(int(fields.boolean()))
    if values["underPresent"] == "1":
        _take(fields, values, DELTA_NEUTRAL_CONTRACT)
    _take(fields, values, "algoStrategy")
    algo_parameters = _pairs(fields) if values["algoStrategy"] else ()
    _take(fields, values, _AFTER_ALGO)
    order_type = values["orderType"]
    if order_type in PEGGED_TO_BENCHMARK:
        _take(fields, values, BENCHMARK)
    conditions = tuple(_condition(fields) for _ in range(fields.count(_MAXIMUM_REPEATS)))
    if conditions:
        _take(fields, values, "conditionsIgnoreRth:b conditionsCancelOrder:b")
    _take(fields, values, _ADJUSTED)
    for since, name in _LATER:
        if version >= since:
            _take(fields, values, name)
    if version >= 170:
        _take_pegged(fields, values, query.exchange, order_type)
    return OrderTicket(
        order_id,
        query,
        values,
        tuple(legs),
        tuple(extras),
        leg_prices,
        routing,
        algo_parameters,
        conditions,
    )


def _take_pegged(fields: FieldReader, values: dict[str, str], exchange: str, order_type: str) -> None:
    if exchange == "IBKRATS":
        _take(fields, values, "minTradeQty:i")
    both_middles = order_type in _PEGGED_TO_MIDDLE
    if order_type in _PEGGED_TO_BEST:
        _take(fields, values, "minCompeteSize:i competeAgainstBestOffset")
        both_middles = values["competeAgainstBestOffset"].lower() in _UP_TO_MIDDLE
    if both_middles:
        _take(fields, values, "midOffsetAtWhole:n midOffsetAtHalf:n")


def _condition(fields: FieldReader) -> Condition:
    kind = fields.integer(None)
    if kind not in CONDITION_FIELDS:
        raise WireError(f"type of condition {sorted(CONDITION_FIELDS)} expected, got {kind}")
    return Condition(kind, _read(fields, CONDITION_FIELDS[kind]))


def _pairs(fields: FieldReader) -> tuple[tuple[str, str], ...]:
    return tuple((fields.text(), fields.text()) for _ in range(fields.count(_MAXIMUM_REPEATS)))


def _read(fields: FieldReader, names: str) -> dict[str, str]:
    values: dict[str, str] = {}
    _take(fields, values, names)
    return values


def _take(fields: FieldReader, values: dict[str, str], names: str) -> None:
    for name, kind in _split(names):
        if kind == "n":
            values[name] = _number(fields)
        elif kind == "i":
            values[name] = _integer(fields)
        elif kind == "b":
            values[name] = str(int(fields.boolean()))
        else:
            values[name] = fields.text()


def _number(fields: FieldReader) -> str:
    value = fields.number()
    return "" if value is None else f"{value:.15g}"


def _integer(fields: FieldReader) -> str:
    value = fields.number()  # ints travel as floats from clients that do not know better
    if value is None or value == 2147483647:
        return ""
    if value != int(value):
        raise WireError(f"integer expected, got {value}")
    return str(int(value))


def _split(names: str) -> tuple[tuple[str, str], ...]:
    found = _SPLIT.get(names)
    if found is None:
        pairs = (name.partition(":") for name in names.split())
        found = _SPLIT[names] = tuple((name, kind) for name, _, kind in pairs)
    return found


_SPLIT: dict[str, tuple[tuple[str, str], ...]] = {}
