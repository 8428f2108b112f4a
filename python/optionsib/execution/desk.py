"""The desk: carries approved orders to the broker and everything that comes back into the books.

1. What leaves is durable in the journal before it leaves.
2. What comes back is journaled, then folded: order, portfolio, vault, limits, in that order.
3. Recovery repeats the same fold over the journal, then asks the broker for what happened meanwhile.
4. An answer that contradicts the books halts new risk; it never stops a cancel or an exit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping

from optionsib.brokers.api import BrokerAPI, BrokerState
from optionsib.bus.journal import Journal
from optionsib.bus.local import LocalBus
from optionsib.common.errors import ExecutionError, SettlementError
from optionsib.common.events import (
    AnyEvent,
    ApprovedOrder,
    BrokerEvent,
    BrokerNotice,
    CommissionReport,
    DecisionRecord,
    Execution,
    Halted,
    LimitsApproved,
    LimitsProposed,
    OrderCancelRequested,
    OrderModifyRequested,
    OrderSubmitted,
    OrderUpdate,
    Refusal,
    Resumed,
    SwitchSet,
)
from optionsib.common.faults import fault_point
from optionsib.common.ports import Clock, SettlementLedger
from optionsib.common.types import Contract, Order, price_to_money
from optionsib.execution.orders import (
    CommissionBooked,
    Effect,
    LegFilled,
    OrderDone,
    OrderManager,
    OrderRecord,
    UnitsFilled,
)
from optionsib.execution.portfolio import Portfolio
from optionsib.execution.reconciliation import missing_executions, position_differences, settle_fates
from optionsib.execution.settlement import Settlement
from optionsib.risk.limit_changes import LimitHistory
from optionsib.risk.limit_switches import apply_switch, switch_event
from optionsib.risk.limits import LimitChecker, State

NOTICES_KEPT = 100
# The gateway's own codes: a message that could not be read, an order that lives twice, an execution
# that was corrected. What we believe may be wrong then.
ALARMS = frozenset({-1, -2, -4})


class OrderDesk:
    """Joins broker, journal, books, vault and limits.

    The bus's tap is the journal: an event is captured before anyone sees it.
    """

    def __init__(
        self,
        *,
        broker: BrokerAPI,
        bus: LocalBus,
        journal: Journal,
        clock: Clock,
        ledger: SettlementLedger,
        checker: LimitChecker,
        contracts: Mapping[int, Contract],
    ) -> None:
        self._broker = broker
        self._bus = bus
        self._journal = journal
        self._clock = clock
        self._checker = checker
        self._contracts = contracts
        self.manager = OrderManager()
        self.portfolio = Portfolio(contracts)
        self.settlement = Settlement(ledger, contracts)
        self.fills: list[UnitsFilled] = []
        self.notices: deque[BrokerNotice] = deque(maxlen=NOTICES_KEPT)
        self.disputed: frozenset[int] = frozenset()  # contracts on which the broker counts otherwise
        self._checker.set_halted(journal.is_halted())
        self.limit_history = LimitHistory(checker.limits)

    # --- what leaves -------------------------------------------------------------------------------

    async def carry_out(self, record: DecisionRecord) -> DecisionRecord:
        """Journal a decision; if it is approved, reserve, journal the order, and send it.

        Returns the decision as journaled: an approval that the vault refuses has become a refusal.
        """
        outcome = record.outcome
        if isinstance(outcome, ApprovedOrder):
            record = self._reserve(record, outcome)
            outcome = record.outcome
        self._bus.publish(record)
        if not isinstance(outcome, ApprovedOrder):
            return record
        order, now = outcome.order, self._clock.now_ns()
        known = self.manager.records.get(order.order_ref)
        if known is None:
            submitted = OrderSubmitted(order=order, at_ns=now)
            self._bus.publish(submitted)
            self.manager.apply(submitted)
            self._checker.on_order_working(order, now)
        else:
            modified = OrderModifyRequested(
                order_ref=order.order_ref, limit_price=order.limit_price, at_ns=now
            )
            self._bus.publish(modified)
            self.manager.apply(modified)
            self._checker.on_order_modified(order.order_ref, order.limit_price)
            self._checker.on_message(order.order_ref)
        self._journal.commit()
        fault_point("after-journal-before-send")
        if known is None:
            await self._broker.place(order)
        else:
            await self._broker.modify(order.order_ref, order.limit_price)
        fault_point("after-send-before-acknowledgement")
        return record

    def _reserve(self, record: DecisionRecord, approved: ApprovedOrder) -> DecisionRecord:
        if approved.reduces_risk:
            return record
        refusal = self.settlement.approve(approved.order, approved.max_loss)
        fault_point("after-reserve-before-journal")
        if refusal is None:
            return record
        return DecisionRecord(
            candidate_id=record.candidate_id,
            at_ns=record.at_ns,
            tape_offset=record.tape_offset,
            outcome=Refusal(candidate_id=record.candidate_id, layer="vault", reason=refusal),
            signal=record.signal,
            strategy=record.strategy,
            risk=record.risk,
        )

    async def cancel(self, record: OrderRecord, reason: str) -> None:
        """Ask the broker to cancel a working order, once."""
        if record.is_done or record.cancel_requested:
            return
        request = OrderCancelRequested(
            order_ref=record.order.order_ref, at_ns=self._clock.now_ns(), reason=reason
        )
        self._bus.publish(request)
        self.manager.apply(request)
        self._checker.on_message(request.order_ref)
        self._journal.commit()
        await self._broker.cancel(record.order.order_ref)

    async def cancel_working(self, reason: str, *, opening_only: bool = False) -> int:
        """Cancel all working orders (or those that open risk); return how many were asked for."""
        count = 0
        for record in self.manager.working():
            if opening_only and record.order.purpose == "close":
                continue
            await self.cancel(record, reason)
            count += 1
        return count

    def halt(self, reason: str, operator: str = "") -> None:
        """Latch a halt in the journal: no new risk until an operator resumes."""
        event = Halted(at_ns=self._clock.now_ns(), reason=reason, operator=operator)
        if not self._journal.is_halted() or self._checker.state not in (State.HALTED, State.CANCEL_ONLY):
            self._bus.publish(event)
            self._journal.commit()
        apply_switch(self._checker, event)

    def resume(self, reason: str, operator: str = "") -> None:
        """Lift a halt, and any other state."""
        event = Resumed(at_ns=self._clock.now_ns(), reason=reason, operator=operator)
        if self._journal.is_halted() or self._checker.state is not State.ACTIVE:
            self._bus.publish(event)
            self._journal.commit()
        apply_switch(self._checker, event)

    def set_switch(self, switch: str, value: str, reason: str, operator: str) -> SwitchSet:
        """Journal a switch of the limits and move it.

        Raises
        ------
        LimitChangeError
            If there is no such switch or value, operator or reason; nothing is journaled.
        """
        event = switch_event(
            self._checker, switch, value, reason=reason, operator=operator, at_ns=self._clock.now_ns()
        )
        self._bus.publish(event)
        self._journal.commit()  # before it takes effect
        apply_switch(self._checker, event)
        return event

    def propose_limits(self, changes: Mapping[str, str], reason: str, operator: str) -> LimitsProposed:
        """Journal a proposal of other limits; it waits for a second person.

        Raises
        ------
        LimitChangeError
            If it is refused; nothing is journaled.
        """
        event = self.limit_history.propose(changes, reason, operator, at_ns=self._clock.now_ns())
        self._journal_limits(event)
        return event

    def approve_limits(self, version: int, operator: str) -> LimitsApproved:
        """Journal the approval of a proposal and let its limits hold.

        Raises
        ------
        LimitChangeError
            If no such proposal waits, or it is the operator's own; nothing is journaled.
        """
        event = self.limit_history.approve(version, operator, at_ns=self._clock.now_ns())
        self._journal_limits(event)
        return event

    def _journal_limits(self, event: LimitsProposed | LimitsApproved) -> None:
        self._bus.publish(event)
        self._journal.commit()  # before it takes effect
        if self.limit_history.apply(event):
            self._checker.set_limits(self.limit_history.limits)

    # --- what comes back ---------------------------------------------------------------------------

    def take_in(self, events: Iterable[BrokerEvent]) -> None:
        """Journal broker events and fold them into the books."""
        effects: list[Effect] = []
        for event in events:
            self._bus.publish(event)
            if isinstance(event, BrokerNotice):
                self.notices.append(event)
                if event.code in ALARMS:
                    self.halt(f"broker alarm {event.code}: {event.message}")
                continue
            effects += self._fold(event)
        self._journal.commit()
        if effects:
            fault_point("after-execution-before-settlement")
        self._book(effects)

    def _fold(self, event: OrderUpdate | Execution | CommissionReport) -> list[Effect]:
        try:
            return self.manager.apply(event)
        except ExecutionError as error:
            self.halt(f"broker event contradicts the books: {error}")
            return []

    def _book(self, effects: list[Effect]) -> None:
        # Fees come last: the end of an order frees the reserve that pays them.
        ordered = sorted(effects, key=lambda effect: isinstance(effect, CommissionBooked))
        for effect in ordered:
            try:
                self.portfolio.apply(effect)
                self._inform_limits(effect)
                self.settlement.apply(effect)
            except (ExecutionError, SettlementError) as error:
                self.halt(f"books or vault cannot follow the broker: {error}")
            if isinstance(effect, UnitsFilled):
                self.fills.append(effect)

    def _inform_limits(self, effect: Effect) -> None:
        match effect:
            case UnitsFilled():
                order = effect.record.order
                multiplier = self._contracts[order.legs[0].con_id].multiplier
                cash = -price_to_money(effect.price, multiplier, effect.quantity)
                self._checker.on_fill(order.order_ref, effect.quantity, cash, effect.execution.at_ns)
            case OrderDone():
                self._checker.on_order_done(effect.record.order.order_ref)
            case LegFilled() | CommissionBooked():
                pass

    # --- restart -----------------------------------------------------------------------------------

    def replay(self, events: Iterable[AnyEvent]) -> None:
        """Rebuild the books from the journal; vault movements already on the chain do not repeat."""
        reserved: dict[str, int] = {}
        commissions: list[Effect] = []
        for event in events:
            effects: list[Effect] = []
            match event:
                case DecisionRecord(outcome=ApprovedOrder() as approved) if not approved.reduces_risk:
                    ref = approved.order.order_ref
                    reserved[ref] = max(reserved.get(ref, 0), approved.max_loss)
                    self.settlement.restore(approved.order, reserved[ref])
                case OrderSubmitted():
                    self.manager.apply(event)
                    self._checker.on_order_working(event.order, event.at_ns)
                case OrderModifyRequested() | OrderCancelRequested():
                    self.manager.apply(event)
                    self._checker.on_message(event.order_ref)
                case OrderUpdate() | Execution() | CommissionReport():
                    effects = self._fold(event)
                case LimitsProposed() | LimitsApproved():
                    if self.limit_history.apply(event):
                        self._checker.set_limits(self.limit_history.limits)
                case Halted() | Resumed() | SwitchSet():
                    apply_switch(self._checker, event)
                case _:
                    continue
            # Each at its place in the story, as it happened; fees last, when reserves are free again.
            commissions += [effect for effect in effects if isinstance(effect, CommissionBooked)]
            self._book([effect for effect in effects if not isinstance(effect, CommissionBooked)])
        self._book(commissions)
        for record in self.manager.working():
            self._checker.on_order_modified(record.order.order_ref, record.limit_price)
        if self._journal.is_halted() and self._checker.state is State.ACTIVE:  # the replay itself halted
            self._checker.set_halted(True)

    def reconcile(self, state: BrokerState) -> list[tuple[int, int, int]]:
        """Book what happened while away; return and halt on positions that still differ."""
        now = self._clock.now_ns()
        self.take_in(missing_executions(self.manager, state.executions))
        self.take_in(settle_fates(self.manager, state.working_orders, now))
        differences = position_differences(self.portfolio.positions, state.positions)
        self.disputed = frozenset(con_id for con_id, _, _ in differences)
        if differences:
            listed = ", ".join(
                f"{con_id}: {ours} here, {theirs} there" for con_id, ours, theirs in differences
            )
            self.halt(f"positions differ from the broker's ({listed})")
        return differences

    def is_disputed(self, order: Order) -> bool:
        """Tell whether the broker counts a leg's position otherwise: a "close" might open there."""
        return any(leg.con_id in self.disputed for leg in order.legs)

    async def cancel_disputed(self) -> None:
        """Cancel working orders on positions that the broker counts otherwise."""
        for record in self.manager.working():
            if self.is_disputed(record.order):
                await self.cancel(record, "the broker counts this position otherwise")

    def release_orphans(self, reserved: Iterable[str]) -> None:
        """Free reserves of orders that were never journaled (a crash between the two)."""
        for order_ref in reserved:
            if order_ref not in self.manager.records:
                self.settlement.release(order_ref)
