"""Our own record of orders, fed by the broker's callbacks.

- Fills come from executions alone, and those are booked once.
- The callbacks of an order may come in any order, repeatedly, or not at all; the end state is the same.
- An order that has ended stays ended; no late message brings it back.
- An error code alone ends an order only where it can mean nothing else; otherwise a query decides.

Orders are known by our ``order_ref``, then by ``permId`` (the account's own number, stable over
sessions), then by order id, which is only good within one epoch (one connection): TWS may reissue order
ids, so those of other epochs are never attributed. One reference has one order at the broker; a second
``permId`` (a modify that crossed with a lost link can make one) is an alarm, and all of them are cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from optionsib.brokers.ib import codes
from optionsib.brokers.ib.executions import ExecutionBook
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import Execution as IBExecution
from optionsib.brokers.ib.library import Order as IBOrder
from optionsib.brokers.ib.library import OrderState
from optionsib.brokers.ib.order_kinds import Terms, Ticket, terms_of_wire, ticket_of
from optionsib.brokers.ib.tracked_order import (
    ENDED,
    STATUS,
    BrokerOrder,
    Status,
    TrackedOrder,
    is_open,
    reference,
)
from optionsib.common.events import BrokerEvent, BrokerNotice, OrderUpdate


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
        self._doubled: set[str] = set()  # references with more than one permId
        self.executions = ExecutionBook(emit, stamp)
        self.epoch = 0
        self.messages = 0  # placed, modified, cancelled so far

    # --- asked by the gateway ----------------------------------------------------------------------

    def get(self, order_ref: str) -> TrackedOrder | None:
        """Return the order, None if it was never seen."""
        return self._orders.get(order_ref)

    def references(self) -> tuple[str, ...]:
        """Return the references of all orders, those that have ended included."""
        return tuple(sorted(self._orders))

    def live_orders(self) -> list[TrackedOrder]:
        """Return the orders that have not ended, by ``order_ref``."""
        return sorted((o for o in self._orders.values() if not o.ended), key=lambda o: o.order_ref)

    def unanswered(self) -> list[TrackedOrder]:
        """Return the orders that wait for the broker's word or need a query."""
        return [o for o in self._orders.values() if o.waits_for or o.to_query or self._is_short(o)]

    def awaits_word(self) -> bool:
        """Tell whether an answer may still come by itself; a doubtful answer needs a query instead."""
        return any(o.waits_for or self._is_short(o) for o in self._orders.values())

    def executed_orders(self) -> int:
        """Return how many orders have filled in full or in part."""
        return sum(order.executed > 0 for order in self._orders.values())

    def unconfirmed(self) -> tuple[str, ...]:
        """Return the references of the orders that the broker neither acknowledged nor lists."""
        return tuple(o.order_ref for o in self.live_orders() if o.status == "unconfirmed" and not o.waits_for)

    def doubles(self) -> list[TrackedOrder]:
        """Return the orders that live more than once at the broker, or did until one of them ended."""
        return [
            self._orders[order_ref]
            for order_ref in sorted(self._doubled)
            if any(one.is_open for one in self._orders[order_ref].broker_orders.values())
        ]

    def has_doubles_to_end(self) -> bool:
        """Tell whether one of several lives of an order can be cancelled by us."""
        return any(
            one.is_open and one.client_id == self._client_id and one.order_id > 0 and one.cancels < 1
            for order in self.doubles()
            for one in order.broker_orders.values()
        )

    def new_session(self) -> None:
        """Begin an epoch: forget order ids, the new connection may give them to other orders."""
        self.epoch += 1
        self._by_order_id.clear()
        self._early_status.clear()
        for order in self._orders.values():
            order.order_id = 0
            for one in order.broker_orders.values():
                one.order_id = 0

    # --- told by the gateway -----------------------------------------------------------------------

    def placed(self, ticket: Ticket, order_id: int) -> None:
        """Record a new order about to leave under ``order_id``."""
        order = TrackedOrder(ticket.order_ref, ticket, self._client_id, order_id, self.epoch)
        self._orders[ticket.order_ref] = order
        self._by_order_id[(self._client_id, order_id)] = order
        self._sending(order, "place")

    def modifying(self, order: TrackedOrder, terms: Terms) -> None:
        """Record a modify about to leave."""
        self._sending(order, "modify")
        order.requested = terms

    def cancelling(self, order: TrackedOrder) -> None:
        """Record a cancel about to leave."""
        self._sending(order, "cancel")

    def ended(self) -> set[str]:
        """Return the references of the orders that have ended without executions for their quantity."""
        return {o.order_ref for o in self._orders.values() if self._may_come_back(o)}

    def concluded(self, listed: Iterable[tuple[str, int]], ended_before: set[str], messages: int) -> None:
        """Settle every open question after the broker listed open and completed orders and executions.

        Parameters
        ----------
        listed : iterable of (str, int)
            ``order_ref`` and ``permId`` of the orders that the broker says are open and working.
        ended_before : set of str
            What ``ended`` said before the question was asked. If such an order is listed, we were
            wrong (an order on hold looks rejected, one made larger looks filled): it is working again,
            with an alarm.
        messages : int
            What ``messages`` said before the question was asked: it answers nothing that left later.
        """
        open_orders = set(listed)
        open_refs = {order_ref for order_ref, _ in open_orders}
        for order in self._orders.values():
            if order.sent > messages:
                continue
            for perm_id, one in order.broker_orders.items():
                one.is_open = (order.order_ref, perm_id) in open_orders
            if order.order_ref in open_refs & ended_before and self._may_come_back(order):
                if order.order_ref not in self._doubled:
                    self._notice(
                        codes.ORDER_ALARM,
                        f"order {order.order_ref} was {order.status}, but the broker lists it as open",
                    )
                order.status, order.accepted = "working", True
                self._tell(order)
            if order.status == "unconfirmed" and order.order_ref in open_refs and order.accepted:
                self._move(order, "working")
            waited = bool(order.waits_for or order.to_query)
            asked_for_change = "modify" in order.waits_for
            order.waits_for.clear()
            order.to_query = False
            if asked_for_change and not order.ended:
                self._tell(order)  # the terms that the broker listed are the ones that hold
            self._count_executed(order)
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
        self._learn_order_id(order, raw.clientId, raw.orderId)
        self._learn_perm_id(order, raw.permId)
        if raw.permId:
            self._learn_broker_order(order, raw, state)
        if order.ticket is None:
            order.ticket = ticket_of(order.order_ref, contract, raw)
        order.terms = terms_of_wire(order.ticket, raw) or order.terms
        order.waits_for.discard("place")
        asked, known = order.requested, order.terms
        if asked is not None and known is not None and asked.is_met_by(known, order.ticket.order_type):
            order.waits_for.discard("modify")
        self._count_executed(order)
        early = self._early_status.pop(raw.permId, None)
        self._apply_status(order, state.status, raw.permId)
        if early is not None:
            self._apply_status(order, early, raw.permId)

    def on_order_status(self, order_id: int, client_id: int, perm_id: int, status: str) -> None:
        """Take a status; fills in it are ignored, executions carry them."""
        order = self._find("", perm_id, client_id, order_id)
        if order is None:
            if perm_id:
                self._early_status[perm_id] = status
            return
        self._learn_perm_id(order, perm_id)
        order.waits_for.discard("place")
        self._apply_status(order, status, perm_id)

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
        self._apply_status(order, state.status, raw.permId, state.completedStatus)

    def on_execution(self, contract: IBContract, raw: IBExecution) -> None:
        """Book an execution, once per id; a correction is announced and replaces."""
        if self.account and raw.acctNumber and raw.acctNumber != self.account:
            return
        order = self._find(raw.orderRef, raw.permId, raw.clientId, raw.orderId)
        execution = self.executions.book(contract, raw, order.order_ref if order else "")
        if execution is None:
            return
        if order is not None:
            self._learn_perm_id(order, execution.perm_id)
            order.waits_for.discard("place")
            order.accepted = True
            self._count_executed(order)
        self.executions.release_commission(raw.execId)

    def on_error(self, order_id: int, code: int, message: str) -> bool:
        """React to an error that names an order of this session; False if it names none."""
        order = self._by_order_id.get((self._client_id, order_id))
        if order is None:
            return False
        if order.order_ref in self._doubled and code in codes.NEEDS_QUERY | {codes.CANCELLED}:
            return True  # which of its lives is meant is not said; the query that follows tells
        if code == codes.CANCELLED:
            order.waits_for.clear()
            self._move(order, "cancelled", code, message)
        elif codes.is_information(code):
            if order.accepted:
                self._tell(order, code, message)
            else:
                self._notice(code, f"order {order.order_ref}: {message}")
        elif order.status == "rejected" and code in codes.REFUSALS:
            self._tell(order, code, message)  # the status came first, now the reason
        elif code in codes.REFUSALS and not order.accepted:
            order.waits_for.clear()
            self._move(order, "rejected", code, message)
        elif code in codes.REFUSALS and "modify" in order.waits_for:
            order.waits_for.discard("modify")
            self._tell(order, code, message)
            self._count_executed(order)
        else:
            order.error = (code, message)
            order.to_query = True
            if code in codes.NEEDS_QUERY:
                order.waits_for.discard("cancel")
            self._tell(order, code, message)
        return True

    # --- inside --------------------------------------------------------------------------------------

    def _sending(self, order: TrackedOrder, what: str) -> None:
        self.messages += 1
        order.sent = self.messages
        order.waits_for.add(what)

    def _learn_order_id(self, order: TrackedOrder, client_id: int, order_id: int) -> None:
        order.client_id = client_id
        if order_id <= 0:
            return
        known = self._by_order_id.get((client_id, order_id))
        # An id that this epoch gave to a new order is not one of an order that is older than the epoch.
        if known is None or known is order or known.epoch != self.epoch:
            order.order_id = order_id
            self._by_order_id[(client_id, order_id)] = order

    def _lives_on(self, order: TrackedOrder) -> bool:
        """Tell whether an order that lives more than once still has a life that is open."""
        return order.order_ref in self._doubled and any(one.is_open for one in order.broker_orders.values())

    def _learn_broker_order(self, order: TrackedOrder, raw: IBOrder, state: OrderState) -> None:
        one = order.broker_orders.setdefault(raw.permId, BrokerOrder(raw.clientId, raw.orderId))
        one.client_id, one.order_id = raw.clientId, raw.orderId
        one.is_open = is_open(state)

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
            self._doubled.add(order.order_ref)
            self._notice(
                codes.ORDER_ALARM,
                f"order {order.order_ref} has {len(order.perm_ids)} orders at the broker: {order.perm_ids}",
            )

    def _apply_status(self, order: TrackedOrder, text: str, perm_id: int, reason: str = "") -> None:
        status = STATUS.get(text)
        if status is None:
            return
        if status in ENDED and perm_id in order.broker_orders:
            order.broker_orders[perm_id].is_open = False
        if status in ("cancelled", "rejected") and self._lives_on(order):
            return
        if text != "Inactive":
            order.accepted = True
        if order.status == "rejected" and status == "working":
            order.to_query = True  # it was on hold; or this word is old: the broker's list decides
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
        update = order.describe(self._stamp(), code, message)
        if order.told is not None and _same_words(order.told, update):
            return
        order.told = update
        self._emit(update)

    def _notice(self, code: int, message: str) -> None:
        self._emit(BrokerNotice(code=code, message=message, at_ns=self._stamp()))

    def _count_executed(self, order: TrackedOrder) -> None:
        if order.ticket is None:
            return
        ref, perm_ids = order.order_ref, order.perm_ids
        if order.ticket.fills_legs_apart:
            ratios = {leg.conId: leg.ratio for leg in order.ticket.contract.comboLegs}
            order.executed = self.executions.whole_units(ref, perm_ids, ratios)
        else:
            # A combo's legs are executions of their own; the order's quantity is counted by the combo's.
            is_combo = order.ticket.contract.secType == "BAG"
            order.executed = self.executions.quantity_of(ref, perm_ids, is_combo=is_combo)
        quantity = order.quantity
        if "modify" in order.waits_for and order.requested is not None:
            quantity = max(quantity, order.requested.quantity)  # the broker may have made it larger already
        if order.executed >= quantity:
            order.waits_for.clear()
            self._move(order, "filled")

    def _is_short(self, order: TrackedOrder) -> bool:
        return order.status == "filled" and self._may_come_back(order) and not order.short_told

    def _may_come_back(self, order: TrackedOrder) -> bool:
        """Tell whether an order has ended, but not by executions for all that it asks for."""
        if order.status == "filled":
            return order.ticket is not None and order.executed < order.quantity
        return order.ended

    def _report_short(self, order: TrackedOrder) -> None:
        order.short_told = True
        self._notice(
            codes.ORDER_ALARM,
            f"order {order.order_ref} is filled, but executions show {order.executed} of {order.quantity}",
        )


def _same_words(before: OrderUpdate, after: OrderUpdate) -> bool:
    return msgspec.structs.replace(before, at_ns=after.at_ns) == after
