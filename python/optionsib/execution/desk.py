"""The desk: carries approved orders to the broker and everything that comes back into the books.

1. What leaves is durable in the journal before it leaves.
2. What comes back is journaled, then folded: order, portfolio, vault, limits, in that order.
3. Recovery repeats the same fold over the journal, then asks the broker for what happened meanwhile.
4. An answer that contradicts the books halts new risk; it never stops a cancel or an exit.
5. Prices are rounded onto the tick grid before anyone judges them: what was approved is what is sent.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from optionsib.brokers.api import BrokerAPI, BrokerState
from optionsib.bus.journal import Journal
from optionsib.bus.local import LocalBus
from optionsib.common.errors import BrokerError, ExecutionError, SettlementError
from optionsib.common.events import (
    AnyEvent,
    ApprovedOrder,
    BrokerEvent,
    BrokerNotice,
    CommissionReport,
    DecisionRecord,
    Delivery,
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
    RiskVerdict,
    StrategyDecision,
    SwitchSet,
)
from optionsib.common.faults import fault_point
from optionsib.common.ports import Clock, SettlementLedger
from optionsib.common.types import Contract, Order
from optionsib.execution import unreported
from optionsib.execution.deliveries import BookedEffect, DeliveryPaid
from optionsib.execution.limit_books import LimitBooks
from optionsib.execution.orders import (
    CommissionBooked,
    OrderManager,
    OrderRecord,
    UnitsFilled,
    change_between,
)
from optionsib.execution.portfolio import Portfolio
from optionsib.execution.reconciliation import missing_executions, position_differences, settle_fates
from optionsib.execution.rounding import decision_on_grid
from optionsib.execution.settlement import Settlement
from optionsib.execution.unordered import UnorderedExecutions
from optionsib.risk.limit_changes import LimitHistory
from optionsib.risk.limit_switches import apply_switch, switch_event
from optionsib.risk.limits import LimitChecker, State

NOTICES_KEPT = 100
_FEES = CommissionBooked | DeliveryPaid
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
        rescue_has_begun: Callable[[], bool] = lambda: False,
    ) -> None:
        self._broker = broker
        self._bus = bus
        self._journal = journal
        self._clock = clock
        self._checker = checker
        self._contracts = contracts
        self._rescue_has_begun = rescue_has_begun
        self.manager = OrderManager()
        self.portfolio = Portfolio(contracts)
        self._unordered = UnorderedExecutions(contracts, self.portfolio, clock, self.halt)
        self.settlement = Settlement(ledger, contracts)
        self._books = LimitBooks(checker, self.manager, contracts, self.portfolio.trades)
        self.fills: list[UnitsFilled] = []
        self.notices: deque[BrokerNotice] = deque(maxlen=NOTICES_KEPT)
        self.differences: list[tuple[int, int, int]] = []  # contract, ours, the broker's, at the last look
        self.in_doubt = False  # an execution not booked, a cancel not sent: the broker's state must be asked
        self._cancel_again: list[OrderRecord] = []
        self._checker.set_halted(journal.is_halted())
        self.limit_history = LimitHistory(checker.limits)

    # --- what leaves -------------------------------------------------------------------------------

    def on_grid(self, decision: StrategyDecision) -> StrategyDecision:
        """Return a decision whose orders have prices on the tick grid, rounded to the side that waits.

        What was rounded is said in its reason; see ``execution.rounding``.
        """
        return decision_on_grid(decision, self._contracts)

    def judge(self, candidate_id: str, order: Order, attached: Sequence[Order] = ()) -> RiskVerdict:
        """Ask the limits about a new order with what is attached to it, or other terms for a working one.

        Raises
        ------
        ValueError
            If the order is malformed.
        """
        return self._books.judge(candidate_id, order, attached, self._clock.now_ns())

    async def carry_out(self, record: DecisionRecord, operator: str = "") -> DecisionRecord:
        """Journal a decision; if it is approved, reserve, journal the order, and send it.

        ``operator``: who has changed a working order by hand.

        Returns the decision as journaled: an approval that the vault refuses has become a refusal.

        Raises
        ------
        BrokerError
            If the broker's side refuses to send it, or a rescue began since the step looked for one: nothing
            was sent, and the broker's state is to be asked.
        """
        outcome = record.outcome
        if isinstance(outcome, ApprovedOrder):
            self._stay_behind_rescue()
            record = self._reserve(record, outcome)
            outcome = record.outcome
        self._bus.publish(record)
        if not isinstance(outcome, ApprovedOrder):
            return record
        order, now = outcome.order, self._clock.now_ns()
        known = self.manager.records.get(order.order_ref)
        if known is None:
            submitted = OrderSubmitted(order=order, at_ns=now, attached=outcome.attached)
            self._bus.publish(submitted)
            self.manager.apply(submitted)
            self._books.submitted(submitted)
            self._journal.commit()
            fault_point("after-journal-before-send")
            self._stay_behind_rescue()  # the commit may have hung
            if outcome.attached:
                await self._broker.place_bracket(order, outcome.attached)
            else:
                await self._broker.place(order)
        else:
            change = change_between(known.requested or known.order, order, now)
            change = msgspec.structs.replace(change, operator=operator)
            self.manager.apply(change)  # first: one that cannot be is not journaled
            self._bus.publish(change)
            self._books.changed(order.order_ref, now)
            self._books.message(order.order_ref)
            self._journal.commit()
            fault_point("after-journal-before-send")
            self._stay_behind_rescue()  # the commit may have hung
            await self._broker.modify(
                change.order_ref,
                change.limit_price,
                quantity=change.quantity,
                stop_price=change.stop_price,
                trail_amount=change.trail_amount,
                trail_percent=change.trail_percent,
            )
        fault_point("after-send-before-acknowledgement")
        return record

    def _stay_behind_rescue(self) -> None:
        if self._rescue_has_begun():
            raise BrokerError(
                "a rescue has acted at the broker within this step; nothing is sent before its state is known"
            )

    def _reserve(self, record: DecisionRecord, approved: ApprovedOrder) -> DecisionRecord:
        if approved.reduces_risk:  # never a new trade
            return record
        refusal = self.settlement.approve(approved.order, approved.max_loss, self._filled(approved.order))
        fault_point("after-reserve-before-journal")
        if refusal is None:
            return record
        outcome = Refusal(candidate_id=record.candidate_id, layer="vault", reason=refusal)
        return msgspec.structs.replace(record, outcome=outcome)

    def _filled(self, order: Order) -> int:
        known = self.manager.records.get(order.order_ref)
        return 0 if known is None else known.filled

    async def cancel(self, record: OrderRecord, reason: str) -> None:
        """Ask the broker to cancel a working order, once."""
        if (record.is_done and not record.revived) or record.cancel_requested:
            return
        request = OrderCancelRequested(
            order_ref=record.order.order_ref, at_ns=self._clock.now_ns(), reason=reason
        )
        self._bus.publish(request)
        self.manager.apply(request)
        self._books.message(request.order_ref)
        self._journal.commit()
        try:
            await self._broker.cancel(record.order.order_ref)
        except BrokerError:
            self.in_doubt = True  # whether it works on is asked, and then its end again
            raise

    async def cancel_working(self, reason: str, *, opening_only: bool = False) -> int:
        """Cancel all working orders (or those that open risk); return how many were asked for.

        Raises
        ------
        BrokerError
            The last refusal, after every order was asked for.
        """
        count, refusal = 0, None
        for record in self.manager.working():
            if opening_only and record.order.purpose == "close":
                continue
            try:
                await self.cancel(record, reason)
            except BrokerError as error:
                refusal = error
            count += 1
        if refusal is not None:
            raise refusal
        return count

    async def cancel_orphans(self) -> None:
        """Cancel attached orders whose parent ended unfilled, where the broker has not done so."""
        for record in self.manager.orphans():
            await self.cancel(record, f"its parent {record.order.parent_ref} ended unfilled")

    async def cancel_again(self) -> None:
        """Cancel what was to end and works on: the request was lost, or the order has revived.

        What cannot be cancelled now (an order of another client) must not stand in the way of exits: it stays
        in doubt, and its end is asked for again.
        """
        again, self._cancel_again = self._cancel_again, []
        for record in again:
            record.cancel_requested = False
        for record in [*again, *self.manager.revived()]:
            with contextlib.suppress(BrokerError):
                await self.cancel(record, "it was to end, and the broker works it")

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

    def take_in(self, events: Iterable[BrokerEvent], *, whole: bool = False) -> None:
        """Journal broker events and fold them into the books.

        ``whole``: they are durable together with what the books make of them, or not at all. The broker
        does not repeat such events, so a restart could not reserve for them again.
        """
        effects: list[BookedEffect] = []
        for event in events:
            self._bus.publish(event)
            if isinstance(event, BrokerNotice):
                self.notices.append(event)
                if event.code in ALARMS:
                    self.halt(f"broker alarm {event.code}: {event.message}")
                continue
            effects += self._fold(event)
            self._halt_if_revived(event)
        if not whole:
            self._journal.commit()
        if effects:
            fault_point("after-execution-before-settlement")
        self._book(effects)
        self.differences += self._unordered.judge_new()
        if whole:
            self._journal.commit()

    def _fold(self, event: OrderUpdate | Execution | CommissionReport) -> list[BookedEffect]:
        if isinstance(event, Execution) and not event.order_ref:
            self._unordered.hear(event)
            return []
        try:
            effects: list[BookedEffect] = [*self.manager.apply(event)]
            if isinstance(event, OrderUpdate) and not self.manager.records[event.order_ref].is_done:
                self._books.changed(event.order_ref, event.at_ns)
            return effects + (self._unordered.pay(event) if isinstance(event, CommissionReport) else [])
        except ExecutionError as error:
            if isinstance(event, Execution):
                self._dispute(event)
            self.halt(f"broker event contradicts the books: {error}")
            return []

    @property
    def wants_positions(self) -> bool:
        """Tell whether contracts ended without an order, so that the broker's state must be asked."""
        return self._unordered.wants_positions

    def _book(self, effects: Iterable[BookedEffect]) -> None:
        # Fees come last: the end of an order frees the reserve that pays them.
        ordered = sorted(effects, key=lambda effect: isinstance(effect, _FEES))
        for effect in ordered:
            # The limits count what has filled, come what may.
            done = [self._follow(apply, effect) for apply in (self.portfolio.apply, self._books.apply)]
            if all(done):
                self._follow(self.settlement.apply, effect)
            if isinstance(effect, UnitsFilled):
                self.fills.append(effect)

    def _follow(self, apply: Callable[[BookedEffect], None], effect: BookedEffect) -> bool:
        try:
            apply(effect)
        except (ExecutionError, SettlementError) as error:
            self.halt(f"books or vault cannot follow the broker: {error}")
            return False
        return True

    # --- restart -----------------------------------------------------------------------------------

    def replay(self, events: Iterable[AnyEvent]) -> None:
        """Rebuild the books from the journal; vault movements already on the chain do not repeat."""
        commissions: list[BookedEffect] = []
        for event in events:
            effects: list[BookedEffect] = []
            match event:
                case DecisionRecord(outcome=ApprovedOrder() as approved) if not approved.reduces_risk:
                    filled = self._filled(approved.order)
                    self.settlement.restore(approved.order, approved.max_loss, filled)
                case OrderSubmitted():
                    self.manager.apply(event)
                    self._books.submitted(event)
                case OrderModifyRequested():
                    self.manager.apply(event)
                    self._books.changed(event.order_ref, event.at_ns)
                    self._books.message(event.order_ref)
                case OrderCancelRequested():
                    self.manager.apply(event)
                    self._books.message(event.order_ref)
                case Delivery() | Execution(order_ref=""):
                    effects = [*self._unordered.restore(event)]
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
            commissions += [effect for effect in effects if isinstance(effect, _FEES)]
            self._book([effect for effect in effects if not isinstance(effect, _FEES)])
        self._book(commissions)
        if self._journal.is_halted() and self._checker.state is State.ACTIVE:  # the replay itself halted
            self._checker.set_halted(True)

    def reconcile(self, state: BrokerState) -> list[tuple[int, int, int]]:
        """Book what happened while away; return and halt on positions that still differ."""
        self.take_in(missing_executions(self.manager, state.executions))
        self.take_in(self._unordered.missing(state.executions))
        self.take_in(settle_fates(self.manager, state.working_orders, self._clock.now_ns()))
        for delivery in self._unordered.recognised(state.positions):
            self._bus.publish(delivery)
            self._book(self._unordered.apply(delivery))
        self._journal.commit()
        live = [*self.manager.working(), *self.manager.revived()]
        # The broker lists them, so a request to end them is lost, or still on its way.
        self._cancel_again = [record for record in live if record.cancel_requested]
        if early := self.manager.waiting():
            ids = ", ".join(execution.execution_id for execution in early)
            self.halt(f"executions {ids} close what no execution has opened; they are not booked")
        self._unordered.judge_the_rest()
        self.in_doubt = False
        self.differences = position_differences(self.portfolio.positions, state.positions)
        if self.differences:
            listed = ", ".join(
                f"{con_id}: {ours} here, {theirs} there" for con_id, ours, theirs in self.differences
            )
            why = unreported.describe(self.manager, self.differences)
            self.halt(f"positions differ from the broker's ({listed})" + (f"; {why}" if why else ""))
        return self.differences

    @property
    def disputed(self) -> frozenset[int]:
        """Contracts on which the broker counts otherwise, or may."""
        return self._unordered.con_ids | {con_id for con_id, _, _ in self.differences}

    def is_disputed(self, order: Order) -> bool:
        """Tell whether the broker counts a leg's position otherwise: a "close" might open there."""
        return any(leg.con_id in self.disputed for leg in order.legs)

    def _dispute(self, event: Execution) -> None:
        """Keep orders off a contract whose execution is not booked, until positions were compared."""
        ours = self.portfolio.positions.get(event.con_id, 0)
        self.differences = [*self.differences, (event.con_id, ours, ours + event.side * event.quantity)]
        self.in_doubt = True

    def _halt_if_revived(self, event: BrokerEvent) -> None:
        if not isinstance(event, OrderUpdate):
            return
        record = self.manager.records.get(event.order_ref)
        if record is not None and record.revived:
            self.halt(f"order {event.order_ref} had ended, and the broker works it")

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
