"""Orders that change and brackets that fill in parts, against a small model; folded, booked and replayed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from optionsib.common import codec
from optionsib.common.config import LimitsConfig
from optionsib.common.errors import ExecutionError
from optionsib.common.events import Execution, OrderCancelRequested, OrderSubmitted, OrderUpdate
from optionsib.common.types import Contract, Order, OrderLeg
from optionsib.execution.brackets import bracket
from optionsib.execution.limit_books import LimitBooks
from optionsib.execution.orders import OrderEvent, OrderManager, OrderRecord, change_between
from optionsib.execution.portfolio import Portfolio
from optionsib.risk.limits import LimitChecker

CONTRACTS = {7: Contract(7, "TST", "OPT", multiplier=100, right="C", strike=500_000, expiry_ns=10**18)}
LIMITS = LimitsConfig()
SPOT = 50.0


class Books:
    """What a desk keeps of orders: the fold, the portfolio, and what the limits were told."""

    def __init__(self) -> None:
        self.manager, self.portfolio = OrderManager(), Portfolio(CONTRACTS)
        self.checker = LimitChecker(LIMITS, list(CONTRACTS.values()), {7: 650_000})
        self.limits = LimitBooks(self.checker, self.manager, CONTRACTS)
        self.checker.update_market([7], [2.0], [2.1], [1.0], [0.0], [0.0], [0.0], [0.0], SPOT, 0.0)

    def take(self, event: OrderEvent) -> None:
        effects = self.manager.apply(event)
        match event:
            case OrderSubmitted():
                self.limits.submitted(event)
            case Execution():
                pass
            case _:
                if not self.manager.records[event.order_ref].is_done:  # type: ignore[union-attr]
                    self.limits.changed(event.order_ref, 1)  # type: ignore[union-attr]
        for effect in effects:
            self.portfolio.apply(effect)
            self.limits.apply(effect)


class ChangingOrders(RuleBasedStateMachine):
    """The broker's own view of each order is the model; the fold hears of it late, or not at all."""

    @initialize()
    def begin(self) -> None:
        self.books = Books()
        self.events: list[OrderEvent] = []
        self.broker: dict[str, Order] = {}  # terms that hold at the broker
        self.asked: dict[str, Order] = {}  # a change on its way
        self.filled: dict[str, int] = {}
        self.number = 0

    def take(self, event: OrderEvent) -> None:
        self.books.take(event)
        self.events.append(event)

    def record(self, ref: str) -> OrderRecord:
        return self.books.manager.records[ref]

    def live(self) -> list[str]:
        return [record.order.order_ref for record in self.books.manager.working()]

    def choose(self, data: st.DataObject, refs: list[str]) -> str:
        return data.draw(st.sampled_from(sorted(refs)))

    def tell(self, ref: str, status: str = "working", *, pending: bool = False) -> None:
        order = self.broker[ref]
        self.take(
            OrderUpdate(
                order_ref=ref,
                status=status,  # type: ignore[arg-type]
                at_ns=2,
                limit_price=order.limit_price,
                quantity=order.quantity,
                stop_price=order.stop_price,
                pending=pending,
            )
        )

    @precondition(lambda self: len(self.broker) < 12)
    @rule(quantity=st.integers(1, 5), exits=st.integers(0, 2))
    def submit(self, quantity: int, exits: int) -> None:
        self.number += 1
        parent = Order(f"O{self.number}", f"T{self.number}", (OrderLeg(7, 1),), quantity, 20_000, "open", "t")
        children = (
            Order(f"O{self.number}-tp", "", (), 0, -24_000, "close", ""),
            Order(f"O{self.number}-sl", "", (), 0, 0, "close", "", order_type="STP", stop_price=-17_000),
        )[:exits]
        attached = bracket(parent, children)
        self.take(OrderSubmitted(order=parent, at_ns=1, attached=attached))
        for order in (parent, *attached):
            self.broker[order.order_ref] = order
            self.filled[order.order_ref] = 0
        if exits:
            with pytest.raises(ExecutionError, match="submitted before"):
                self.books.manager.apply(OrderSubmitted(order=attached[0], at_ns=1))

    @precondition(lambda self: self.live())
    @rule(data=st.data(), quantity=st.integers(1, 8), limit=st.integers(150, 250))
    def ask_for_a_change(self, data: st.DataObject, quantity: int, limit: int) -> None:
        ref = self.choose(data, self.live())
        record = self.record(ref)
        known = record.requested or record.order
        terms: dict[str, Any] = {"quantity": quantity}
        if known.order_type == "STP":
            terms["stop_price"] = -limit * 100
        else:
            terms["limit_price"] = (1 if known.limit_price > 0 else -1) * limit * 100
        wanted = msgspec.structs.replace(known, **terms)
        if wanted == known:
            with pytest.raises(ExecutionError, match="changes nothing"):
                change_between(known, wanted, 3)
            return
        change = change_between(known, wanted, 3)
        if quantity <= record.filled:
            before = msgspec.structs.replace(record.order), record.requested
            with pytest.raises(ExecutionError, match="is not above"):
                self.books.manager.apply(change)
            assert (record.order, record.requested) == before
            return
        self.take(change)
        self.asked[ref] = wanted
        assert record.most_units >= quantity
        assert record.highest_limit >= max(wanted.limit_price, self.broker[ref].limit_price)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), accepts=st.booleans())
    def answer(self, data: st.DataObject, accepts: bool) -> None:
        ref = self.choose(data, list(self.asked))
        wanted = self.asked.pop(ref)
        if ref in self.live():
            if accepts and wanted.quantity > self.filled[ref]:
                self.broker[ref] = wanted
            self.tell(ref)
            assert self.record(ref).requested is None
            assert self.record(ref).order == self.broker[ref]

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def speak_before_the_answer(self, data: st.DataObject) -> None:
        ref = self.choose(data, list(self.asked))
        if ref in self.live():
            self.tell(ref, pending=True)
            assert self.record(ref).requested == self.asked[ref]

    @precondition(lambda self: any(self.filled[ref] > 1 for ref in self.live()))
    @rule(data=st.data())
    def repeat_old_terms(self, data: st.DataObject) -> None:
        ref = self.choose(data, [ref for ref in self.live() if self.filled[ref] > 1])
        known = self.record(ref).order
        self.take(
            OrderUpdate(
                order_ref=ref, status="working", at_ns=2, limit_price=known.limit_price,
                quantity=self.filled[ref] - 1, pending=True,
            )
        )  # fmt: skip
        assert self.record(ref).order == known

    def room(self, ref: str) -> int:
        """Units that the broker can fill now, or has filled before a cancel reached it."""
        order = self.broker[ref]
        left = order.quantity - self.filled[ref]
        if order.parent_ref:
            family = self.record(order.parent_ref).attached
            left = min(left, self.filled[order.parent_ref] - sum(self.filled[one] for one in family))
        return left

    @rule(data=st.data())
    def fill(self, data: st.DataObject) -> None:
        refs = [ref for ref in self.broker if self.room(ref) > 0]
        if not refs:
            return
        ref = self.choose(data, refs)
        units = data.draw(st.integers(1, self.room(ref)))
        self.filled[ref] += units
        side = self.broker[ref].legs[0].ratio
        self.take(
            Execution(
                execution_id=f"{len(self.events)}.01", order_ref=ref, con_id=7, side=side, quantity=units,
                price=20_000, at_ns=4,
            )
        )  # fmt: skip

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        ref = self.choose(data, self.live())
        self.take(OrderCancelRequested(order_ref=ref, at_ns=5))
        self.tell(ref, "cancelled")
        assert self.record(ref).is_done

    @invariant()
    def fills_are_what_the_broker_filled(self) -> None:
        for ref, filled in self.filled.items():
            record = self.record(ref)
            assert record.filled == filled <= max(record.most_units, self.broker[ref].quantity)

    @invariant()
    def the_limits_know_what_is_held_and_what_may_fill(self) -> None:
        checker, records = self.books.checker, self.books.manager.records
        assert checker.positions == self.books.portfolio.positions
        plain = [r for r in records.values() if not r.is_done and not r.order.parent_ref]
        exits = []
        for record in records.values():
            if any(not records[one].is_done for one in record.attached):
                exits.append(record.filled - sum(self.filled[one] for one in record.attached))
        exits = [units for units in exits if units > 0]
        assert checker.working_orders == len(plain) + len(exits)
        held = checker.positions.get(7, 0)
        long = held + sum(record.most_units - record.filled for record in plain)
        short = sum(exits) - held
        assert checker.exposure().notional == 100 * SPOT * max(long, short, 0)

    @invariant()
    def orphans_are_those_whose_parent_ended_unfilled(self) -> None:
        orphans = {record.order.order_ref for record in self.books.manager.orphans()}
        unfilled = {ref for ref in self.broker if self.record(ref).is_done and self.filled[ref] == 0}
        assert orphans == {ref for ref in self.live() if self.broker[ref].parent_ref in unfilled}

    def teardown(self) -> None:
        """Decode and fold the journal again: the same orders, books and limits."""
        again = Books()
        for event in self.events:
            decoded: Any = codec.decode(codec.encode(event))
            assert decoded == event
            again.take(decoded)
        assert again.manager.records == self.books.manager.records
        assert again.portfolio.positions == self.books.portfolio.positions
        assert again.checker.snapshot() == self.books.checker.snapshot()


TestChangingOrders = ChangingOrders.TestCase
TestChangingOrders.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_what_is_no_change_of_terms_is_refused() -> None:
    working = Order(
        "O1", "T1", (OrderLeg(7, 1),), 1, 20_000, "open", "t", order_type="STP LMT", stop_price=19_000
    )
    for other in (
        msgspec.structs.replace(working, trade_id="T2"),
        msgspec.structs.replace(working, time_in_force="GTC"),
        msgspec.structs.replace(working, stop_price=None),
        working,
    ):
        with pytest.raises(ExecutionError, match="O1"):
            change_between(working, other, 1)
