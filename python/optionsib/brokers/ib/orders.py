"""Our own record of orders, executions and commissions, fed by the broker's callbacks.

- An execution id is booked once, over duplicates and reconnects; fills come from executions alone.
- The callbacks of an order may come in any order, repeatedly, or not at all; the end state is the same.
- An order that has ended stays ended; no late message brings it back.
- An error code alone ends an order only where it can mean nothing else; otherwise a query decides.

Orders are known by our ``order_ref``, then by ``permId`` (the account's own number, stable over
sessions), then by order id, which is only good within one session: TWS may reissue order ids.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from ib_async import Contract as IBContract
from ib_async import Execution as IBExecution
from ib_async import Order as IBOrder
from ib_async.order import OrderState

from optionsib.brokers.ib import codes
from optionsib.brokers.ib.conversions import (
    Ticket,
    is_set,
    money_from_wire,
    price_from_wire,
    whole_quantity,
)
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerEvent, BrokerNotice, CommissionReport, Execution, OrderUpdate

Status = Literal["unconfirmed", "working", "filled", "cancelled", "rejected"]
ENDED: frozenset[str] = frozenset({"filled", "cancelled", "rejected"})
_STATUS: dict[str, Status] = {
    "Filled": "filled",
    "Cancelled": "cancelled",
    "ApiCancelled": "cancelled",
    "Inactive": "rejected",
    "PendingCancel": "working",
    "Submitted": "working",
    "PreSubmitted": "working",
}  # PendingSubmit and ApiPending say that TWS knows the order, not that it accepted it


def reference(raw: IBOrder) -> str:
    """Return our name of an order; one that was placed by hand gets its account-wide number."""
    return raw.orderRef or f"perm-{raw.permId}"


def is_open(state: OrderState) -> bool:
    """Tell whether an order with this state can still be filled."""
    return _STATUS.get(state.status) not in ENDED


@dataclass(slots=True)
class TrackedOrder:
    """What we know of one order. ``limit_price``: what the broker works; None where it never said."""

    order_ref: str
    ticket: Ticket | None = None
    client_id: int = -1
    order_id: int = 0
    perm_ids: list[int] = field(default_factory=list)
    status: Status = "unconfirmed"
    accepted: bool = False
    limit_price: int | None = None
    requested_limit: int | None = None
    executed: int = 0
    waits_for: set[str] = field(default_factory=set)  # place, modify, cancel: sent, not answered
    to_query: bool = False
    error: tuple[int, str] = (0, "")
    told: OrderUpdate | None = None
    short_told: bool = False

    @property
    def ended(self) -> bool:
        """Whether nothing more can happen to the order, except that fills are still reported."""
        return self.status in ENDED

    @property
    def perm_id(self) -> int:
        """The account's number of the order, 0 until it is known."""
        return self.perm_ids[0] if self.perm_ids else 0


class OrderTracker:
    """State of all orders of one account, and the events that come of the broker's callbacks.

    Parameters
    ----------
    emit : callable
        Takes each event, in order.
    stamp : callable
        Returns the time for an event, UTC ns.
    client_id : int
        Our client id; orders of other clients are tracked but cannot be changed.
    """

    def __init__(self, emit: Callable[[BrokerEvent], None], stamp: Callable[[], int], client_id: int) -> None:
        self.account = ""
        self._emit = emit
        self._stamp = stamp
        self._client_id = client_id
        self._orders: dict[str, TrackedOrder] = {}
        self._by_perm_id: dict[int, TrackedOrder] = {}
        self._by_order_id: dict[tuple[int, int], TrackedOrder] = {}
        self._early_status: dict[int, str] = {}  # permId -> status of an order not yet described
        self._executions: dict[str, Execution] = {}
        self._newest_correction: dict[str, tuple[int, str]] = {}
        self._superseded: set[str] = set()
        self._early_commissions: dict[str, tuple[int, str]] = {}
        self._commissioned: set[str] = set()

    # --- asked by the gateway ----------------------------------------------------------------------

    def get(self, order_ref: str) -> TrackedOrder | None:
        """Return the order, None if it was never seen."""
        return self._orders.get(order_ref)

    def live_orders(self) -> list[TrackedOrder]:
        """Return the orders that have not ended, by ``order_ref``."""
        return sorted((o for o in self._orders.values() if not o.ended), key=lambda o: o.order_ref)

    def executions(self) -> tuple[Execution, ...]:
        """Return every execution that stands, in the order of arrival; corrections replace."""
        return tuple(self._executions.values())

    def unanswered(self) -> list[TrackedOrder]:
        """Return the orders that wait for the broker's word or need a query."""
        return [o for o in self._orders.values() if o.waits_for or o.to_query or self._is_short(o)]

    def awaits_word(self) -> bool:
        """Tell whether an answer may still come by itself; a doubtful answer needs a query instead."""
        return any(o.waits_for or self._is_short(o) for o in self._orders.values())

    def new_session(self) -> None:
        """Forget order ids: the next connection may give them to other orders."""
        self._by_order_id.clear()
        self._early_status.clear()
        for order in self._orders.values():
            order.order_id = 0

    # --- told by the gateway -----------------------------------------------------------------------

    def placed(self, ticket: Ticket, order_id: int) -> None:
        """Record a new order about to leave under ``order_id``."""
        order = TrackedOrder(ticket.order_ref, ticket, self._client_id, order_id)
        order.waits_for.add("place")
        self._orders[ticket.order_ref] = order
        self._by_order_id[(self._client_id, order_id)] = order

    def modifying(self, order: TrackedOrder, limit_price: int) -> None:
        """Record a modify about to leave."""
        order.waits_for.add("modify")
        order.requested_limit = limit_price

    def cancelling(self, order: TrackedOrder) -> None:
        """Record a cancel about to leave."""
        order.waits_for.add("cancel")

    def ended(self) -> set[str]:
        """Return the references of the orders that have ended without being filled."""
        return {o.order_ref for o in self._orders.values() if o.status in ("cancelled", "rejected")}

    def concluded(self, listed: Iterable[str], ended_before: set[str]) -> None:
        """Settle every open question after the broker listed open and completed orders and executions.

        Parameters
        ----------
        listed : iterable of str
            ``order_ref`` of the orders that the broker says are open and working.
        ended_before : set of str
            What ``ended`` said before the question was asked. If such an order is listed, we were
            wrong (an order on hold looks rejected): it is working again, with an alarm.
        """
        open_refs = set(listed)
        for order in self._orders.values():
            if order.order_ref in open_refs & ended_before and order.status in ("cancelled", "rejected"):
                self._notice(
                    codes.ORDER_ALARM,
                    f"order {order.order_ref} was {order.status}, but the broker lists it as open",
                )
                order.status, order.accepted = "working", True
                self._tell(order)
            waited = bool(order.waits_for or order.to_query)
            order.waits_for.clear()
            order.to_query = False
            if self._is_short(order):
                self._report_short(order)
            if order.ended or order.order_ref in open_refs:
                continue
            code, message = order.error
            if not order.accepted and code:
                self._move(order, "rejected", code, message)
            elif waited or order.status == "working":
                self._move(order, "unconfirmed", code, message or "the broker does not list this order")

    # --- callbacks -----------------------------------------------------------------------------------

    def on_open_order(self, contract: IBContract, raw: IBOrder, state: OrderState) -> None:
        """Take an order as the broker works it, ours or one of an earlier session."""
        if self.account and raw.account and raw.account != self.account:
            return
        order = self._find(raw.orderRef, raw.permId, raw.clientId, raw.orderId)
        if order is None:
            order = TrackedOrder(reference(raw))
            self._orders[order.order_ref] = order
        order.client_id = raw.clientId
        if raw.orderId > 0:
            order.order_id = raw.orderId
            self._by_order_id[(raw.clientId, raw.orderId)] = order
        self._learn_perm_id(order, raw.permId)
        if order.ticket is None:
            order.ticket = _ticket_of(order.order_ref, contract, raw)
        limit = price_from_wire(raw.lmtPrice)
        if limit is not None:
            order.limit_price = order.ticket.sign * limit
        order.waits_for.discard("place")
        if order.limit_price == order.requested_limit:
            order.waits_for.discard("modify")
        self._count_executed(order)
        early = self._early_status.pop(raw.permId, None)
        self._apply_status(order, state.status)
        if early is not None:
            self._apply_status(order, early)

    def on_order_status(self, order_id: int, client_id: int, perm_id: int, status: str) -> None:
        """Take a status; fills in it are ignored, executions carry them."""
        order = self._find("", perm_id, client_id, order_id)
        if order is None:
            if perm_id:
                self._early_status[perm_id] = status
            return
        self._learn_perm_id(order, perm_id)
        order.waits_for.discard("place")
        self._apply_status(order, status)

    def on_completed_order(self, raw: IBOrder, state: OrderState) -> None:
        """Take an order that ended today, possibly while we were away."""
        if self.account and raw.account and raw.account != self.account:
            return
        order = self._find(raw.orderRef, raw.permId, -1, 0)
        if order is None:
            if not raw.orderRef:
                return  # by hand or by another program, and over
            order = TrackedOrder(raw.orderRef)
            self._orders[order.order_ref] = order
        self._learn_perm_id(order, raw.permId)
        self._apply_status(order, state.status, state.completedStatus)

    def on_execution(self, contract: IBContract, raw: IBExecution) -> None:
        """Book an execution, once per id; a correction is announced and replaces."""
        if self.account and raw.acctNumber and raw.acctNumber != self.account:
            return
        if raw.execId in self._executions or raw.execId in self._superseded:
            return
        order = self._find(raw.orderRef, raw.permId, raw.clientId, raw.orderId)
        price = price_from_wire(raw.price)
        if price is None or raw.side not in ("BOT", "SLD"):
            raise BrokerError(f"execution {raw.execId}: price {raw.price}, side {raw.side!r} are unusable")
        execution = Execution(
            execution_id=raw.execId,
            order_ref=raw.orderRef or (order.order_ref if order else ""),
            con_id=contract.conId,
            side=1 if raw.side == "BOT" else -1,
            quantity=whole_quantity(raw.shares, f"execution {raw.execId}"),
            price=price,
            at_ns=self._stamp(),
            is_combo=contract.secType == "BAG",
            perm_id=raw.permId,
            liquidation=bool(raw.liquidation),
        )
        self._book(execution, order)
        self._release_commission(raw.execId)

    def on_commission(self, execution_id: str, amount: float | None, currency: str) -> None:
        """Take a commission; -1 and unset mean "not known yet", so a rebate of exactly 1.00 waits too."""
        if amount is None or not is_set(amount) or amount == -1.0 or execution_id in self._commissioned:
            return
        self._early_commissions[execution_id] = (money_from_wire(amount), currency)
        self._release_commission(execution_id)

    def on_error(self, order_id: int, code: int, message: str) -> bool:
        """React to an error that names an order of this session; False if it names none."""
        order = self._by_order_id.get((self._client_id, order_id))
        if order is None:
            return False
        if code == codes.CANCELLED:
            order.waits_for.clear()
            self._move(order, "cancelled", code, message)
        elif codes.is_information(code):
            if order.accepted:
                self._tell(order, code, message)
            else:
                self._notice(code, f"order {order.order_ref}: {message}")
        elif code in codes.REFUSALS and not order.accepted:
            order.waits_for.clear()
            self._move(order, "rejected", code, message)
        elif code in codes.REFUSALS and "modify" in order.waits_for:
            order.waits_for.discard("modify")
            self._tell(order, code, message)
        else:
            order.error = (code, message)
            order.to_query = True
            if code in codes.NEEDS_QUERY:
                order.waits_for.discard("cancel")
            self._tell(order, code, message)
        return True

    # --- inside --------------------------------------------------------------------------------------

    def _find(self, order_ref: str, perm_id: int, client_id: int, order_id: int) -> TrackedOrder | None:
        order = self._orders.get(order_ref) if order_ref else None
        if order is None and perm_id:
            order = self._by_perm_id.get(perm_id)
        if order is None and order_id > 0:
            order = self._by_order_id.get((client_id, order_id))
            # A reissued order id must not pull in an order that the account knows by another number.
            if order is not None and perm_id and order.perm_ids and perm_id not in order.perm_ids:
                order = None
        return order

    def _learn_perm_id(self, order: TrackedOrder, perm_id: int) -> None:
        if not perm_id or perm_id in order.perm_ids:
            return
        order.perm_ids.append(perm_id)
        self._by_perm_id[perm_id] = order
        if len(order.perm_ids) > 1:
            self._notice(
                codes.ORDER_ALARM,
                f"order {order.order_ref} has {len(order.perm_ids)} orders at the broker: {order.perm_ids}",
            )

    def _apply_status(self, order: TrackedOrder, text: str, reason: str = "") -> None:
        status = _STATUS.get(text)
        if status is None:
            return
        if text != "Inactive":
            order.accepted = True
        if text == "PendingCancel" or status in ENDED:
            order.waits_for.discard("cancel")
        if status in ENDED:
            order.waits_for.clear()
        code, message = order.error if status == "rejected" else (0, reason)
        self._move(order, status, code, message or reason)

    def _move(self, order: TrackedOrder, status: Status, code: int = 0, message: str = "") -> None:
        # Filled outranks every other end: a cancel can cross with the last fill.
        if not order.ended or status == "filled":
            changed = order.status != status
            order.status = status
            if changed and status in ENDED:
                order.to_query = False
            self._tell(order, code, message)

    def _tell(self, order: TrackedOrder, code: int = 0, message: str = "") -> None:
        update = OrderUpdate(
            order_ref=order.order_ref,
            status=order.status,
            at_ns=self._stamp(),
            perm_id=order.perm_id,
            limit_price=order.limit_price,
            code=code,
            message=message,
        )
        if order.told is not None and _same_words(order.told, update):
            return
        order.told = update
        self._emit(update)

    def _notice(self, code: int, message: str) -> None:
        self._emit(BrokerNotice(code=code, message=message, at_ns=self._stamp()))

    def _book(self, execution: Execution, order: TrackedOrder | None) -> None:
        base, number = _correction_number(execution.execution_id)
        if base in self._newest_correction:
            newest, newest_id = self._newest_correction[base]
            if number < newest:
                self._superseded.add(execution.execution_id)  # corrected before it arrived
                return
            replaced = self._executions.pop(newest_id)
            self._superseded.add(newest_id)
            self._notice(
                codes.EXECUTION_CORRECTED,
                f"execution {execution.execution_id} replaces {newest_id}: {execution.quantity} at "
                f"{execution.price} instead of {replaced.quantity} at {replaced.price}",
            )
        self._newest_correction[base] = (number, execution.execution_id)
        self._executions[execution.execution_id] = execution
        self._emit(execution)
        if order is not None:
            self._learn_perm_id(order, execution.perm_id)
            order.waits_for.discard("place")
            order.accepted = True
            self._count_executed(order)

    def _count_executed(self, order: TrackedOrder) -> None:
        if order.ticket is None:
            return
        is_combo = order.ticket.contract.secType == "BAG"
        # A combo's legs are executions of their own; the order's quantity is counted by the combo's.
        order.executed = sum(
            execution.quantity
            for execution in self._executions.values()
            if execution.is_combo == is_combo
            and (execution.order_ref == order.order_ref or execution.perm_id in order.perm_ids)
        )
        if order.executed >= order.ticket.quantity:
            order.waits_for.clear()
            self._move(order, "filled")

    def _release_commission(self, execution_id: str) -> None:
        if execution_id in self._executions and execution_id in self._early_commissions:
            amount, currency = self._early_commissions.pop(execution_id)
            self._commissioned.add(execution_id)
            self._emit(CommissionReport(execution_id=execution_id, amount=amount, currency=currency))

    def _is_short(self, order: TrackedOrder) -> bool:
        return (
            order.status == "filled"
            and order.ticket is not None
            and order.executed < order.ticket.quantity
            and not order.short_told
        )

    def _report_short(self, order: TrackedOrder) -> None:
        order.short_told = True
        quantity = order.ticket.quantity if order.ticket else 0
        self._notice(
            codes.ORDER_ALARM,
            f"order {order.order_ref} is filled, but executions show {order.executed} of {quantity}",
        )


def _same_words(before: OrderUpdate, after: OrderUpdate) -> bool:
    def words(update: OrderUpdate) -> tuple[object, ...]:
        return (update.status, update.perm_id, update.limit_price, update.code, update.message)

    return words(before) == words(after)


def _correction_number(execution_id: str) -> tuple[str, int]:
    """Split an execution id at its last dot: a higher number there replaces the execution before."""
    base, dot, number = execution_id.rpartition(".")
    return (base, int(number)) if dot and number.isdigit() else (execution_id, 0)


def _ticket_of(order_ref: str, contract: IBContract, raw: IBOrder) -> Ticket:
    """Describe an order that an earlier session placed, well enough to change it."""
    quantity = float(raw.totalQuantity)
    if not math.isfinite(quantity) or quantity != int(quantity):
        raise BrokerError(f"order {order_ref}: quantity {quantity}, expected a whole number of contracts")
    return Ticket(order_ref, contract, raw.action, int(quantity), raw.tif or "DAY", raw.account)
