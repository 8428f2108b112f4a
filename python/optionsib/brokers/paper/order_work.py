"""Orders at work: sent to the market, held and released, filled, taken out; what their groups make of it."""

from __future__ import annotations

from optionsib.brokers.paper.contracts import time_stamp
from optionsib.brokers.paper.credit import CreditCheck
from optionsib.brokers.paper.desk_messages import DeskMessages
from optionsib.brokers.paper.desk_rules import DeskRules
from optionsib.brokers.paper.groups import Groups
from optionsib.brokers.paper.matching import Matching, OrderFill
from optionsib.brokers.paper.order_checks import OrderRefusedError, rejected
from optionsib.brokers.paper.order_filling import Filling
from optionsib.brokers.paper.order_messages import open_order
from optionsib.brokers.paper.order_registry import OrderRegistry
from optionsib.brokers.paper.orders import (
    CANCELLED,
    FILLED,
    INACTIVE,
    PRE_SUBMITTED,
    STOP_TYPES,
    SUBMITTED,
    ClientOrder,
)
from optionsib.brokers.paper.triggers import Triggers


class OrderWork:
    """Moves orders between waiting, the market and their end, and tells their clients."""

    def __init__(
        self,
        rules: DeskRules,
        registry: OrderRegistry,
        matching: Matching,
        filling: Filling,
        credit: CreditCheck,
        triggers: Triggers,
        messages: DeskMessages,
    ) -> None:
        self.groups = Groups()
        self._rules = rules
        self._registry = registry
        self._matching = matching
        self._filling = filling
        self._credit = credit
        self._triggers = triggers
        self._messages = messages

    # --- sending -----------------------------------------------------------------------------------

    def transmit(self, order: ClientOrder, now_ns: int) -> None:
        """Send an order to the market, after its parent and with its siblings, as TWS does."""
        family = [order]
        if order.parent is not None:
            top = order.parent
            family = [top, *self.groups.children(top)]
        for member in family:
            if not member.is_transmitted and member.is_live:
                self._submit(member, now_ns)

    def _submit(self, order: ClientOrder, now_ns: int) -> None:
        order.is_transmitted = True
        try:
            if self.groups.is_spent(order):
                raise rejected("the OCA group leaves nothing to fill")
            limit = self._rules.working_orders_per_side
            same = sum(one.market == order.market for one in self._registry.working.values())
            if limit is not None and same >= limit:
                raise rejected(f"more than {limit} working orders on one side of one contract")
            if order.parent is None and self._rules.checks_funds:
                self._credit.check(order)
        except OrderRefusedError as refusal:
            self.end(order, INACTIVE, now_ns, refusal.text, code=refusal.code)
            return
        self._registry.working[order.perm_id] = self._registry.waiting[order.perm_id] = order
        self._triggers.start_trailing(order)
        if not self.release(order, now_ns, None):
            self._messages.tell_state(order)

    def put_back(self, order: ClientOrder, now_ns: int) -> None:
        """Put what is left of an order to work again that :meth:`take_out` took out."""
        if order.is_live:
            self.book_all(self._matching.arrive(order), now_ns)

    def take_out(self, order: ClientOrder) -> None:
        """Take an order out of the market, wherever it waits; it stays live."""
        self._matching.withdraw(order)
        self._registry.waiting.pop(order.perm_id, None)

    # --- waiting and releasing -------------------------------------------------------------------

    def release(self, order: ClientOrder, now_ns: int, changed: frozenset[int] | None) -> bool:
        """Put a waiting order to work if nothing holds it; tell whether it is at work (or done) now.

        ``changed`` names the contracts quoted in this step, None when the order has just come.
        """
        held = self._held_by(order, now_ns, changed)
        if held is not None:
            news = (PRE_SUBMITTED, held) != (order.status, order.why_held)
            order.status, order.why_held = PRE_SUBMITTED, held
            if news and changed is not None:
                self._messages.tell_state(order)
            return False
        del self._registry.waiting[order.perm_id]
        order.status, order.why_held = SUBMITTED, ""
        self._messages.tell_state(order)
        self.book_all(self._matching.arrive(order), now_ns)
        self.end_immediate(order, now_ns)
        return True

    def _held_by(self, order: ClientOrder, now_ns: int, changed: frozenset[int] | None) -> str | None:
        """Return what TWS shows as the reason why the order is held; None if it is free."""
        if order.workable == 0:
            return "child"
        if not self._triggers.is_due(order, now_ns):
            return ""
        waits = not order.ticket.flag("conditionsCancelOrder")
        if waits and not order.conditions_met:
            order.conditions_met = self._triggers.conditions_hold(order, now_ns)
            if not order.conditions_met:
                return ""
        if order.order_type not in STOP_TYPES or order.is_triggered:
            return None
        is_quoted = changed is None or any(contract.con_id in changed for contract in order.contracts)
        return None if is_quoted and self._triggers.stop_is_reached(order) else "trigger"

    def _follow(self, order: ClientOrder, changed: frozenset[int]) -> None:
        """Let a trailing order follow the market, once it is past what else holds it."""
        is_quoted = any(contract.con_id in changed for contract in order.contracts)
        if order.workable and order.why_held == "trigger" and is_quoted and self._triggers.trail(order):
            self._messages.tell(order, open_order)

    def release_waiting(self, changed: frozenset[int], now_ns: int) -> None:
        """Let trailing orders follow new quotes of the contracts ``changed``; release what is due."""
        waiting = self._registry.waiting
        for order in sorted(waiting.values(), key=lambda one: (one.order_id, one.client_id)):
            if order.perm_id in waiting:
                self._follow(order, changed)
                self.release(order, now_ns, changed)

    def cancel_conditional(self, now_ns: int) -> None:
        """End the orders whose conditions say so."""
        for order in list(self._registry.working.values()):
            is_cancelled = order.is_live and order.ticket.flag("conditionsCancelOrder")
            if is_cancelled and self._triggers.conditions_hold(order, now_ns):
                self.end(order, CANCELLED, now_ns, "the conditions of the order are met")

    def end_immediate(self, order: ClientOrder, now_ns: int) -> None:
        """End what is left of an order that fills at once or not at all."""
        if order.is_live and order.is_immediate and order.perm_id not in self._registry.waiting:
            self.end(order, CANCELLED, now_ns, "")

    # --- filling ---------------------------------------------------------------------------------

    def meet_held(self, now_ns: int) -> None:
        """Try the orders that are held beside the books, one after the other."""
        for order in self._matching.held():
            if self._matching.is_held(order):
                fill = self._matching.meet(order)
                if fill is not None:
                    self.book_fill(fill, now_ns)

    def book_all(self, fills: list[OrderFill], now_ns: int) -> None:
        """Book fills in their order."""
        for fill in fills:
            self.book_fill(fill, now_ns)

    def book_fill(self, fill: OrderFill, now_ns: int) -> None:
        """Book one fill and let it reach the order's group, before the next one is looked for."""
        order = fill.order
        records = self._filling.book(fill, now_ns)
        for record in records:
            self._triggers.executed.append((now_ns, str(record.contract[1]), str(record.contract[2])))
        self.groups.refresh(order)
        if order.remaining == 0:
            order.finish(FILLED, time_stamp(now_ns), f"Filled Size: {order.filled}")
            del self._registry.working[order.perm_id]
        self._messages.tell_fill(order, records)
        self._spread_fill(order, now_ns)

    def _spread_fill(self, order: ClientOrder, now_ns: int) -> None:
        """Let a fill reach the order's OCA group and its children."""
        for other in self.groups.others(order):
            if order.oca_type == 1:
                self.end(other, CANCELLED, now_ns, "")
            elif self.groups.refresh(other):
                if other.remaining == 0:
                    self.end(other, CANCELLED, now_ns, "")
                elif other.is_transmitted:
                    self._messages.tell_state(other)
        for child in self.groups.children(order):
            if not child.is_live or not self.groups.refresh(child) or not child.is_transmitted:
                continue  # a sibling's fill may have ended it meanwhile
            if child.perm_id not in self._registry.waiting:
                self.book_all(self._matching.change(child), now_ns)
            elif not self.release(child, now_ns, None):
                self._messages.tell_state(child)

    def end(self, order: ClientOrder, status: str, now_ns: int, reason: str, *, code: int = 202) -> None:
        """Take an order out of the market without a (further) fill and tell why."""
        self._matching.withdraw(order)
        self._registry.retire(order)
        order.finish(status, time_stamp(now_ns), reason or "Cancelled by Trader")
        if code == 202:
            reason = f"Order Canceled - reason:{reason}"
        self._messages.tell_end(order, code, reason)
        children = self.groups.children(order)
        lost = self.groups.end_of_parent(order)
        for child in children:
            if child in lost:
                self.end(child, CANCELLED, now_ns, "")
            else:
                self._messages.tell_state(child)
