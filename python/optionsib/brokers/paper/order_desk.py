"""The life of client orders: accept or refuse, hold, release, fill, modify, cancel, and tell the client."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.commissions import Commissions
from optionsib.brokers.paper.contracts import ContractDirectory, local_time
from optionsib.brokers.paper.credit import CreditCheck
from optionsib.brokers.paper.desk_messages import DeskMessages
from optionsib.brokers.paper.desk_rules import DeskRules
from optionsib.brokers.paper.executions import ExecutionFilter, ExecutionLog
from optionsib.brokers.paper.expiry import Deliveries
from optionsib.brokers.paper.interventions import Interventions
from optionsib.brokers.paper.matching import Matching
from optionsib.brokers.paper.order_checks import OrderChecks, OrderRefusedError, notices, rejected
from optionsib.brokers.paper.order_filling import Filling
from optionsib.brokers.paper.order_messages import open_order, order_status
from optionsib.brokers.paper.order_registry import OrderRegistry
from optionsib.brokers.paper.order_ticket import OrderTicket
from optionsib.brokers.paper.order_work import OrderWork
from optionsib.brokers.paper.orders import (
    CANCELLED,
    FILLED,
    PENDING_CANCEL,
    PRE_SUBMITTED,
    TRAILING_TYPES,
    ClientOrder,
)
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.session import Session
from optionsib.brokers.paper.triggers import Triggers
from optionsib.common.fees import FeeTable
from optionsib.common.ports import TapeQuote


class OrderDesk:
    """All orders of the account, whoever sent them. Orders outlive the connection of their client.

    Parameters
    ----------
    sessions
        The connected clients now, by client id.
    rules
        See :class:`DeskRules`.
    seed
        Numbers the session: order and execution ids of different seeds never coincide.
    """

    def __init__(
        self,
        directory: ContractDirectory,
        board: QuoteBoard,
        account: Account,
        fees: FeeTable,
        sessions: Callable[[], list[Session]],
        *,
        rules: DeskRules | None = None,
        seed: int = 0,
    ) -> None:
        self.rules = rules or DeskRules()
        self.account = account
        self.log = ExecutionLog(seed)
        commissions = Commissions(fees)
        self.filling = Filling(directory, account, commissions, self.log)
        self.messages = DeskMessages(sessions, self.rules)
        self.matching = Matching(board.quote, queue=self.rules.queue)
        self._checks = OrderChecks(directory, account.name)
        self.credit = CreditCheck(account, board, commissions)
        self.registry = OrderRegistry(seed)
        self._triggers = Triggers(board, account)
        self.work = OrderWork(
            self.rules,
            self.registry,
            self.matching,
            self.filling,
            self.credit,
            self._triggers,
            self.messages,
        )
        self.deliveries = Deliveries(self, directory, board, seed)
        self.interventions = Interventions(self, directory)
        self._has_opened = False

    # --- requests --------------------------------------------------------------------------------

    def next_order_id(self, client_id: int) -> int:
        """Return the first order id that ``client_id`` may use."""
        return self.registry.next_order_id(client_id)

    def place(self, session: Session, ticket: OrderTicket, now_ns: int, *, is_open: bool) -> bool:
        """Accept, modify, preview or refuse; return whether anything was filled."""
        executed = len(self.log)
        try:
            known = self.registry.find(session.client_id, ticket.order_id)
            if ticket.flag("whatIf"):
                order = self._checks.new_order(session.client_id, ticket, now_ns)
                session.send(open_order(order, session.version, self.credit.preview(order)))
            elif known is not None:
                self._modify(known, ticket, now_ns, is_open=is_open)
            else:
                self.registry.claim_id(session.client_id, ticket.order_id)
                if not is_open:
                    raise rejected("the session has closed")
                order = self._accept(session.client_id, ticket, now_ns)
                for code, text in notices(order, tells_preset=self.rules.tells_preset):
                    session.error(ticket.order_id, code, text)
                if ticket.flag("transmit"):
                    self.work.transmit(order, now_ns)
                else:
                    self.messages.tell(order, open_order)
        except OrderRefusedError as refusal:
            session.error(ticket.order_id, refusal.code, refusal.text)
        return len(self.log) > executed

    def place_by_hand(self, ticket: OrderTicket, now_ns: int) -> int:
        """Place an order as if by hand in TWS itself; return its permId. Client 0 may bind it.

        Raises
        ------
        OrderRefusedError
            If the order is not acceptable.
        """
        order = self._accept(0, ticket, now_ns, is_manual=True)
        if self.messages.binds_manual_orders and self.registry.bind(order):
            self.messages.tell_bound(order)
        self.work.transmit(order, now_ns)
        return order.perm_id

    def cancel(self, session: Session, order_id: int, now_ns: int) -> None:
        """Cancel one order of this client, or say why not."""
        order = self.registry.find(session.client_id, order_id)
        if order is None:
            session.error(order_id, 10147, f"OrderId {order_id} that needs to be cancelled is not found.")
        elif not order.is_transmitted and order.is_live:
            self.work.end(order, CANCELLED, now_ns, "")
            text = (
                f"Cancel attempted when order is not in a cancellable state. Order permId = {order.perm_id}"
            )
            session.error(order_id, 161, text)
        elif not order.is_live:
            session.error(
                order_id,
                10148,
                f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {order.status}.",
            )
        else:
            self.messages.tell(order, lambda one, _: order_status(one, PENDING_CANCEL))
            self.work.end(order, CANCELLED, now_ns, "")

    def cancel_all(self, now_ns: int) -> None:
        """Cancel every working order of every client."""
        for order in self.working():
            if order.is_live:
                self.work.end(order, CANCELLED, now_ns, "")

    def exercise(
        self,
        session: Session,
        ticket: OrderTicket,
        now_ns: int,
        *,
        action: int,
        override: bool,
        is_open: bool,
    ) -> None:
        """Take an instruction to exercise (1) or to let lapse (2) options; see ``Deliveries``."""
        try:
            if not is_open:
                raise rejected("the session has closed")
            self.registry.claim_id(session.client_id, ticket.order_id)
            order = self.deliveries.instruct(
                session.client_id, ticket, now_ns, action=action, override=override
            )
            self.registry.check_room()
        except OrderRefusedError as refusal:
            session.error(ticket.order_id, refusal.code, refusal.text)
            return
        self.registry.add(order)
        self.registry.working[order.perm_id] = order
        self.messages.tell_state(order)

    def bind_all(self) -> None:
        """Bind every working order that was placed by hand to client 0."""
        for order in self.working():
            if self.registry.bind(order):
                self.messages.tell_bound(order)

    # --- answers ---------------------------------------------------------------------------------

    def working(self) -> list[ClientOrder]:
        """Return the orders that are at work or wait, in order of acceptance."""
        return list(self.registry.working.values())

    def watched(self) -> frozenset[int]:
        """Return the contracts whose quotes matter: those of live orders, conditions and positions."""
        found = {con_id for con_id, held in self.account.positions() if held.quantity}
        for order in self.registry.working.values():
            found.update(contract.con_id for contract in order.contracts)
            for condition in order.ticket.conditions:
                found.add(int(condition.values.get("conId", "") or 0))
        return frozenset(found - {0})

    def send_open_orders(self, session: Session, *, of_all_clients: bool) -> None:
        """Answer reqOpenOrders (which binds manual orders to client 0) or reqAllOpenOrders."""
        if session.client_id == 0 and not of_all_clients:
            self.bind_all()
        for order in self.working():
            if of_all_clients or order.client_id == session.client_id:
                session.send(open_order(order, session.version))
                session.send(order_status(order))
        session.send([53, 1])

    def send_completed_orders(self, session: Session, now_ns: int, *, api_only: bool) -> None:
        """Answer reqCompletedOrders: the orders of today that are done."""
        today = f"{local_time(now_ns):%Y%m%d}"
        done = [order for order in self.registry.all if not order.is_live and order.done_at[:8] == today]
        self.messages.send_completed(session, [one for one in done if not (api_only and one.is_manual)])

    def send_executions(
        self, session: Session, request_id: int, wanted: ExecutionFilter, now_ns: int
    ) -> None:
        """Answer reqExecutions: each execution since midnight with its commission, then the end."""
        today = local_time(now_ns).date()
        records = [one for one in self.log if wanted.accepts(one) and local_time(one.at_ns).date() == today]
        self.messages.send_executions(session, request_id, records)

    # --- time and market -------------------------------------------------------------------------

    def show(self, quotes: Iterable[TapeQuote], now_ns: int) -> bool:
        """Let time pass and display new quotes; tell whether anything was executed.

        Orders whose time is over go first; then resting orders fill in order of order id, then held
        ones; then waiting orders are released; last, options that have expired are settled.
        """
        executed = len(self.log)
        shown = list(quotes)
        changed = frozenset(quote.con_id for quote in shown)
        self._triggers.remember_first_marks(changed)
        for order in self.working():
            if order.good_till_ns and now_ns >= order.good_till_ns:
                self.work.end(order, CANCELLED, now_ns, "the order has expired")
        fills = self.matching.display(shown)
        fills.sort(key=lambda fill: (fill.order.order_id, fill.order.client_id))
        self.work.book_all(fills, now_ns)
        self.work.meet_held(now_ns)
        self.work.release_waiting(changed, now_ns)
        self.work.cancel_conditional(now_ns)
        if not self._has_opened:
            self._has_opened = True
            for order in self.working():
                if order.time_in_force == "OPG":
                    self.work.end(order, CANCELLED, now_ns, "the opening is over")
        self.deliveries.expire(now_ns)
        return len(self.log) > executed

    def show_trade(self, con_id: int, price: int, quantity: int, now_ns: int) -> bool:
        """Let a trade of the market reach resting orders (queue model); tell whether any was filled."""
        executed = len(self.log)
        self.work.book_all(self.matching.trade(con_id, price, quantity), now_ns)
        return len(self.log) > executed

    def close_session(self, now_ns: int) -> bool:
        """End what the end of the session ends: day orders, exercises; tell whether anything was executed."""
        executed = len(self.log)
        for order in self.working():
            if order.is_live and order.time_in_force == "DAY" and not order.is_exercise:
                self.work.end(order, CANCELLED, now_ns, "the session has closed")
        self.deliveries.close_session(now_ns)
        self.deliveries.expire(now_ns)
        return len(self.log) > executed

    # --- accepting -------------------------------------------------------------------------------

    def _accept(
        self, client_id: int, ticket: OrderTicket, now_ns: int, *, is_manual: bool = False
    ) -> ClientOrder:
        order = self._checks.new_order(client_id, ticket, now_ns)
        order.is_manual = is_manual
        self.registry.check_room()
        if order.time_in_force == "OPG" and self._has_opened:
            raise rejected("the opening is over")
        parent_id = ticket.integer("parentId")
        if parent_id:
            parent = self.registry.find(client_id, parent_id)
            if parent is None or not (parent.is_live or parent.status == FILLED):
                raise OrderRefusedError(135, f"Can't find order with id ={parent_id}")
            order.parent = parent
        order.is_transmitted = False
        order.status = PRE_SUBMITTED
        self.registry.add(order)
        self.work.groups.join(order)
        return order

    def _modify(self, order: ClientOrder, ticket: OrderTicket, now_ns: int, *, is_open: bool) -> None:
        if order.status == FILLED:
            raise OrderRefusedError(104, "Cannot modify a filled order")
        if not order.is_live or order.is_exercise:
            raise OrderRefusedError(103, "Duplicate order id")
        if not is_open:
            raise rejected("the session has closed")
        wanted = self._checks.new_order(order.client_id, ticket, now_ns)
        if (order.action, order.contracts, order.ratios) != (wanted.action, wanted.contracts, wanted.ratios):
            raise OrderRefusedError(105, "Order being modified does not match original order")
        if wanted.time_in_force not in (order.time_in_force, "IOC"):
            raise OrderRefusedError(105, "Order being modified does not match original order")
        if order.order_type != wanted.order_type:
            raise OrderRefusedError(329, "Order modify failed. Cannot change to the new order type.")
        if wanted.quantity <= order.filled or wanted.quantity < order.begun:
            raise OrderRefusedError(321, f"Quantity {wanted.quantity} is not above the filled {order.filled}")
        if order.parent is None and order.is_transmitted and self.rules.checks_funds:
            wanted.filled, wanted.charged = order.filled, order.charged
            wanted.filled_value, wanted.leg_totals = order.filled_value, order.leg_totals
            self.credit.check(wanted)
        self._take_over(order, wanted)
        if not order.is_transmitted:
            if ticket.flag("transmit"):
                self.work.transmit(order, now_ns)
            return
        self.messages.tell_state(order)
        if order.perm_id in self.registry.waiting:
            self.work.release(order, now_ns, None)
        else:
            self.work.book_all(self.matching.change(order), now_ns)
            self.work.end_immediate(order, now_ns)
        for child in self.work.groups.children(order):
            self.work.groups.refresh(child)

    def _take_over(self, order: ClientOrder, wanted: ClientOrder) -> None:
        old_ticket, order.ticket = order.ticket, wanted.ticket
        name = "trailStopPrice" if order.order_type in TRAILING_TYPES else "auxPrice"
        order.base, order.time_in_force = wanted.base, wanted.time_in_force
        order.good_after_ns, order.good_till_ns = wanted.good_after_ns, wanted.good_till_ns
        order.trail_offset, order.order_ref = wanted.trail_offset, wanted.order_ref
        if order.trail_offset is None:
            order.limit = wanted.limit
        if wanted.stop is not None and old_ticket.text(name) != wanted.ticket.text(name):
            order.stop, order.limit = wanted.stop, wanted.limit
        order.trigger_hits = 0
        self.work.groups.refresh(order)
