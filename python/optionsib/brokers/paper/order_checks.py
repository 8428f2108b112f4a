"""From a client's ticket to an order, or to the refusal that TWS would answer."""

from __future__ import annotations

from optionsib.brokers.paper.client_times import parse_time
from optionsib.brokers.paper.contracts import ContractDirectory
from optionsib.brokers.paper.order_ticket import OrderTicket
from optionsib.brokers.paper.orders import STOP_TYPES, TRAILING_TYPES, ClientOrder
from optionsib.brokers.paper.wire import price_from_number
from optionsib.common.types import PENNY_GRID, Contract

MAXIMUM_QUANTITY = 1_000_000
MAXIMUM_REFERENCE = 128
ORDER_TYPES = frozenset({"LMT", "MKT", *STOP_TYPES})
TIMES_IN_FORCE = frozenset({"DAY", "GTC", "GTD", "IOC", "FOK", "OPG"})
ALGORITHMS = frozenset(
    {
        *("Adaptive", "ArrivalPx", "BalanceImpactRisk", "ClosePx", "DarkIce", "MinImpact"),
        *("PctVol", "PctVolPx", "PctVolSz", "PctVolTm", "Twap", "Vwap"),
    }
)
_SECURITIES, _FUTURES = frozenset({"OPT", "STK"}), frozenset({"FUT", "FOP"})
_ODD_LOT = 20_000  # units of currency
TRADED = _SECURITIES | _FUTURES | {"CASH"}
_ROUTED_BY_NAME = _FUTURES | {"CASH"}  # SMART knows no way to their exchanges


class OrderRefusedError(Exception):
    """A business refusal: the error code and text that the client is told."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


def rejected(reason: str) -> OrderRefusedError:
    """Return a refusal with code 201."""
    return OrderRefusedError(201, f"Order rejected - reason:{reason}")


class OrderChecks:
    """Turns tickets into orders."""

    def __init__(self, directory: ContractDirectory, account: str) -> None:
        self._directory = directory
        self._account = account

    def new_order(self, client_id: int, ticket: OrderTicket, now_ns: int) -> ClientOrder:
        """Return the order that ``ticket`` describes, without permId and parent.

        Raises
        ------
        OrderRefusedError
            With the code that TWS answers.
        """
        _check_words(ticket, self._account)
        for condition in ticket.conditions:
            if "conId" in condition.values and int(condition.number("conId")) not in self._directory.by_id:
                raise OrderRefusedError(147, "The conditional contract info is incomplete.")
        contracts, ratios = self._resolve_legs(ticket, now_ns)
        symbol = ticket.query.symbol or contracts[0].symbol
        order = ClientOrder(
            client_id=client_id,
            order_id=ticket.order_id,
            perm_id=0,
            account=self._account,
            ticket=ticket,
            contracts=contracts,
            ratios=ratios,
            combo_legs=ticket.legs,
            symbol=symbol,
            currency=contracts[0].currency,
            action=ticket.text("action"),
            quantity=_checked_quantity(ticket),
            order_type=ticket.order_type,
            time_in_force=ticket.time_in_force,
            open_close=ticket.text("openClose")[:1],
            order_ref=ticket.text("orderRef"),
            oca_group=ticket.text("ocaGroup"),
            oca_type=ticket.integer("ocaType") or 3,
            good_after_ns=_time(ticket, "goodAfterTime", now_ns, 337),
            good_till_ns=_time(ticket, "goodTillDate", now_ns, 343),
            placed_ns=now_ns,
        )
        _set_prices(order)
        _check_times(order, now_ns)
        if order.is_combo:
            _check_guarantee(order)
        return order

    def _resolve_legs(self, ticket: OrderTicket, now_ns: int) -> tuple[tuple[Contract, ...], tuple[int, ...]]:
        ratios: tuple[int, ...] = (1,)
        if ticket.query.security_type == "BAG":
            if len(ticket.legs) < 2 or len({leg.con_id for leg in ticket.legs}) < len(ticket.legs):
                raise rejected("a combination needs two or more different legs")
            found: list[Contract] = []
            for leg in ticket.legs:
                contract = self._directory.by_id.get(leg.con_id)
                if contract is None:
                    raise OrderRefusedError(200, f"No security definition found for leg {leg.con_id}")
                if not 1 <= leg.ratio <= MAXIMUM_QUANTITY or leg.action not in ("BUY", "SELL"):
                    raise rejected(f"leg {leg.con_id}: ratio {leg.ratio}, action {leg.action!r}")
                found.append(contract)
            kinds = {contract.security_type for contract in found}
            if not (kinds <= _SECURITIES or kinds <= _FUTURES or "IND" in kinds):
                raise rejected(f"{', '.join(sorted(kinds))} cannot be legs of one combination")
            ratios = tuple(leg.signed_ratio for leg in ticket.legs)
        else:
            found = list(self._directory.find(ticket.query))
            if len(found) != 1:
                reason = "No security definition has been found for the request" if not found else "Ambiguous"
                raise OrderRefusedError(200, reason)
            self._check_exchange(found[0], ticket.query.exchange)
        for contract in found:
            if contract.security_type not in TRADED:
                raise rejected(f"no trading permission for {contract.security_type} {contract.symbol}")
            if contract.expiry_ns and contract.expiry_ns <= now_ns:
                raise OrderRefusedError(392, "Invalid order: contract expired.")
        return tuple(found), ratios

    def _check_exchange(self, contract: Contract, named: str) -> None:
        listing = self._directory.listing(contract.con_id)
        known = ("",) if listing is None else ("", *listing.exchanges)
        if contract.security_type in _ROUTED_BY_NAME and named not in known:
            raise OrderRefusedError(
                200, f"No security definition has been found for the request on exchange {named!r}"
            )


def notices(order: ClientOrder, *, tells_preset: bool) -> list[tuple[int, str]]:
    """Return what a client is told about an order that is accepted: code and text."""
    found = []
    if tells_preset and not order.ticket.text("tif"):
        found.append((10349, "Order TIF was set to DAY based on order preset."))
    if order.contracts[0].security_type == "CASH" and order.quantity < _ODD_LOT:
        what = f"{order.action} {order.quantity} {order.contracts[0].local_symbol}"
        warning = (
            f"Your order size is below the {order.symbol} {_ODD_LOT} IdealPro minimum and will be routed "
            "as an odd lot order."
        )
        found.append((399, f"Order Message:\n{what}\nWarning: {warning}"))
    return found


def _check_guarantee(order: ClientOrder) -> None:
    """Refuse a combination whose legs nobody can fill together, and an odd one whose legs fill apart.

    The broker fills legs together where at least one is an option, or where an exchange trades the
    combination as such; it works legs apart only by SMART.
    """
    is_smart = order.ticket.query.exchange in ("", "SMART", "BEST")
    apart = order.fills_legs_apart
    has_options = any(contract.kind for contract in order.contracts)
    if apart != is_smart if not has_options else apart and not is_smart:
        raise OrderRefusedError(10043, "Missing or invalid NonGuaranteed value.")
    in_lots = order.fills_whole or order.ticket.integer("minQty") > 1
    if apart and (order.oca_group or order.ticket.integer("parentId") or in_lots):
        raise rejected("a NonGuaranteed combination is no child, in no OCA group, and fills in any lots")


def _check_words(ticket: OrderTicket, account: str) -> None:
    if ticket.order_type not in ORDER_TYPES:
        raise OrderRefusedError(387, "Unsupported order type for this exchange and security type.")
    if ticket.time_in_force not in TIMES_IN_FORCE:
        raise OrderRefusedError(
            321, f"Error validating request: time in force {ticket.time_in_force!r} is not valid"
        )
    if ticket.time_in_force == "OPG" and ticket.order_type not in ("LMT", "MKT"):
        raise OrderRefusedError(111, "The TIF (Tif type) and the order type are incompatible.")
    if ticket.text("action") not in ("BUY", "SELL"):
        raise rejected(f"action {ticket.text('action')!r}, BUY or SELL is expected")
    if ticket.text("account") not in ("", account):
        raise OrderRefusedError(321, f"Invalid account code {ticket.text('account')!r}.")
    if len(ticket.text("orderRef")) > MAXIMUM_REFERENCE:
        raise OrderRefusedError(321, f"orderRef is longer than {MAXIMUM_REFERENCE} characters")
    if ticket.text("algoStrategy") and ticket.text("algoStrategy") not in ALGORITHMS:
        raise OrderRefusedError(439, "Order processing failed. Algorithm definition not found.")
    if not 0 <= ticket.integer("ocaType") <= 3:
        raise OrderRefusedError(321, f"Error validating request: OCA type {ticket.integer('ocaType')}")
    if ticket.flag("whatIf") and not ticket.flag("transmit"):
        raise OrderRefusedError(413, "What-if order should have the transmit flag set to true.")


def _checked_quantity(ticket: OrderTicket) -> int:
    quantity = ticket.number("totalQuantity")
    if quantity == 0:
        raise OrderRefusedError(434, "The order size cannot be zero.")
    if quantity is not None and quantity != int(quantity):
        raise OrderRefusedError(10243, "Fractional-sized order cannot be placed via API.")
    if quantity is None or not 1 <= quantity <= MAXIMUM_QUANTITY:
        raise rejected(f"quantity {quantity}, a whole number from 1 to {MAXIMUM_QUANTITY} is expected")
    return int(quantity)


def _set_prices(order: ClientOrder) -> None:
    """Take limit, stop and trailing distance from the ticket, as the order type wants them."""
    ticket, kind = order.ticket, order.order_type
    if kind in ("LMT", "STP LMT"):
        if ticket.number("lmtPrice") is None:
            raise rejected("a limit order needs a limit price")
        order.limit = _price(order, "lmtPrice")
        if order.limit <= 0 and not order.is_combo:
            raise rejected(f"limit price {ticket.text('lmtPrice')}, above 0 is expected")
    if kind in ("STP", "STP LMT"):
        if ticket.number("auxPrice") is None or (not order.is_combo and not ticket.number("auxPrice")):
            raise OrderRefusedError(403, "Invalid stop price.")
        order.stop = _price(order, "auxPrice")
    if kind in TRAILING_TYPES:
        _set_trail(order)


def _set_trail(order: ClientOrder) -> None:
    ticket = order.ticket
    amount, percent = ticket.number("auxPrice") or 0.0, ticket.number("trailingPercent") or 0.0
    if (amount > 0) == (percent > 0) or amount < 0 or not 0 <= percent < 100:
        raise rejected("a trailing order needs either a trailing amount or a percentage, above 0")
    if ticket.number("trailStopPrice") is not None:
        order.stop = _price(order, "trailStopPrice")
    if order.order_type == "TRAIL":
        return
    if ticket.number("lmtPriceOffset") is not None:
        order.trail_offset = _price(order, "lmtPriceOffset")
    elif order.stop is not None and ticket.number("lmtPrice") is not None:
        order.trail_offset = (_price(order, "lmtPrice") - order.stop) * order.direction
    else:
        raise rejected("a TRAIL LIMIT order needs a limit offset, or a stop and a limit price")
    if order.stop is not None:
        order.limit = order.stop + order.direction * order.trail_offset


def _price(order: ClientOrder, name: str) -> int:
    """Return a price of the ticket in 1/10000. A combination trades in cents."""
    price = price_from_number(order.ticket.number(name) or 0.0)
    grid = PENNY_GRID if order.is_combo else order.contracts[0].tick_grid
    if price is None or not grid.is_on_grid(price):
        raise OrderRefusedError(
            110, "The price does not conform to the minimum price variation for this contract."
        )
    return price


def _time(ticket: OrderTicket, name: str, now_ns: int, code: int) -> int:
    text = ticket.text(name)
    at_ns = parse_time(text, now_ns) if text else 0
    if at_ns is None:
        raise OrderRefusedError(
            code,
            "The date, time, or time-zone entered is invalid. The correct format is yyyymmdd hh:mm:ss xxx "
            "where yyyymmdd and xxx are optional.",
        )
    return at_ns


def _check_times(order: ClientOrder, now_ns: int) -> None:
    if order.time_in_force == "GTD" and not now_ns < order.good_till_ns:
        raise rejected(f"goodTillDate {order.ticket.text('goodTillDate')!r} is not after the present time")
    if order.time_in_force != "GTD":
        order.good_till_ns = 0
