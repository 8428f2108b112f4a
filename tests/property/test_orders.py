"""The four sentences at the head of ``execution/orders.py``, one test each, and exact books."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionsib.common.errors import ExecutionError
from optionsib.common.events import CommissionReport, Execution, OrderSubmitted, OrderUpdate
from optionsib.common.types import Contract, Order, OrderLeg
from optionsib.execution.orders import (
    CommissionBooked,
    LegFilled,
    OrderDone,
    OrderManager,
    UnitsFilled,
)
from optionsib.execution.portfolio import Portfolio

LEGS = (OrderLeg(1001, 1), OrderLeg(1003, -2))
CONTRACTS = {
    1001: Contract(1001, "TWX", "OPT", multiplier=100, right="C", strike=700_000),
    1003: Contract(1003, "TWX", "OPT", multiplier=100, right="C", strike=725_000),
}


def opening(quantity: int = 3, ref: str = "O1") -> OrderSubmitted:
    return OrderSubmitted(order=Order(ref, "T1", LEGS, quantity, 9_900, "open", "test"), at_ns=1)


def fill(number: int, units: int, ref: str = "O1", sign: int = 1) -> list[Execution]:
    """The combo's execution and its legs' for ``units`` units at 0.50 (1.50 less 2 x 0.50)."""

    def execution(part: int, con_id: int, side: int, quantity: int, price: int) -> Execution:
        return Execution(
            execution_id=f"{ref}-{number}-{part}.01",
            order_ref=ref,
            con_id=con_id,
            side=side,
            quantity=quantity,
            price=price,
            at_ns=5,
            is_combo=part == 0,
        )

    return [
        execution(0, 9, sign, units, 5_000 * sign),
        execution(1, 1001, sign, units, 15_000),
        execution(2, 1003, -sign, 2 * units, 5_000),
    ]


def story() -> list[object]:
    executions = [e for n in range(3) for e in fill(n, 1)]
    commissions = [
        CommissionReport(execution_id=e.execution_id, amount=650_000 * e.quantity)
        for e in executions
        if not e.is_combo
    ]
    updates = [
        OrderUpdate(order_ref="O1", status="working", at_ns=2, perm_id=77, limit_price=9_900),
        OrderUpdate(order_ref="O1", status="filled", at_ns=6, perm_id=77),
    ]
    return [*executions, *commissions, *updates]


@given(st.data())
def test_any_order_and_any_number_of_callbacks_end_in_one_state(data: st.DataObject) -> None:
    events = data.draw(st.permutations(story()))
    extra = data.draw(st.lists(st.sampled_from(story()), max_size=10))
    positions = data.draw(st.lists(st.integers(0, len(events)), min_size=len(extra), max_size=len(extra)))
    for event, position in zip(extra, positions, strict=True):
        events.insert(position, event)
    manager, portfolio = OrderManager(), Portfolio(CONTRACTS)
    effects = manager.apply(opening())
    effects += manager.apply_all(events)  # type: ignore[arg-type]
    for effect in effects:
        portfolio.apply(effect)

    record = manager.records["O1"]
    assert record.is_done
    assert record.filled == 3
    assert record.perm_id == 77
    assert sum(isinstance(e, UnitsFilled) for e in effects) == 3
    assert sum(isinstance(e, LegFilled) for e in effects) == 6
    assert sum(isinstance(e, CommissionBooked) for e in effects) == 6
    assert sum(isinstance(e, OrderDone) for e in effects) == 1
    assert portfolio.positions == {1001: 3, 1003: -6}
    fees = 9 * 650_000
    assert portfolio.fees == fees
    assert portfolio.cash == -3 * 50_000_000 - fees
    assert portfolio.trades["T1"].entry_cost == 3 * 50_000_000


@given(st.lists(st.sampled_from(["working", "filled", "unconfirmed"]), max_size=8))
def test_a_status_never_fills_anything(statuses: list[str]) -> None:
    manager = OrderManager()
    manager.apply(opening())
    for status in statuses:
        assert manager.apply(OrderUpdate(order_ref="O1", status=status, at_ns=3)) == []  # type: ignore[arg-type]
    assert manager.records["O1"].filled == 0
    assert manager.working() == [manager.records["O1"]]


def test_the_end_comes_once_and_a_late_status_changes_nothing() -> None:
    manager = OrderManager()
    manager.apply(opening())
    cancelled = OrderUpdate(order_ref="O1", status="cancelled", at_ns=3, limit_price=9_900)
    assert [type(e) for e in manager.apply(cancelled)] == [OrderDone]
    assert manager.apply(cancelled) == []
    assert manager.apply(OrderUpdate(order_ref="O1", status="working", at_ns=4, limit_price=1)) == []
    assert manager.records["O1"].status == "cancelled"
    assert manager.records["O1"].limit_price == 9_900


def test_a_late_execution_is_still_booked() -> None:
    manager, portfolio = OrderManager(), Portfolio(CONTRACTS)
    manager.apply(opening())
    manager.apply(OrderUpdate(order_ref="O1", status="cancelled", at_ns=3))
    for effect in manager.apply_all(fill(0, 1)):
        portfolio.apply(effect)
    assert manager.records["O1"].filled == 1
    assert portfolio.positions == {1001: 1, 1003: -2}


def test_what_cannot_be_is_refused_and_changes_nothing() -> None:
    manager = OrderManager()
    manager.apply(opening(quantity=1))
    with pytest.raises(ExecutionError, match="never submitted"):
        manager.apply(OrderUpdate(order_ref="O9", status="working", at_ns=1))
    with pytest.raises(ExecutionError, match="submitted before"):
        manager.apply(opening())
    with pytest.raises(ExecutionError, match="does not fit"):
        manager.apply(fill(0, 2)[0])
    manager.apply(fill(0, 1)[1])
    corrected = Execution(
        execution_id="O1-0-1.02", order_ref="O1", con_id=1001, side=1, quantity=1, price=14_900, at_ns=6
    )
    with pytest.raises(ExecutionError, match=r"corrects O1-0-1\.01"):
        manager.apply(corrected)
    stranger = Execution(execution_id="x", order_ref="O1", con_id=5, side=1, quantity=1, price=1, at_ns=1)
    with pytest.raises(ExecutionError, match="no leg"):
        manager.apply(stranger)
    assert list(manager.executions) == ["O1-0-1.01"]
    assert manager.records["O1"].filled == 0


@given(st.lists(st.integers(1, 3), min_size=1, max_size=4))
def test_opening_and_closing_in_parts_is_exact(parts: list[int]) -> None:
    total = sum(parts)
    manager, portfolio = OrderManager(), Portfolio(CONTRACTS)
    reverse = tuple(OrderLeg(leg.con_id, -leg.ratio) for leg in LEGS)
    effects = manager.apply(opening(total))
    for number, units in enumerate(parts):
        effects += manager.apply_all(fill(number, units))
    close = Order("O2", "T1", reverse, total, -4_000, "close", "test")
    effects += manager.apply(OrderSubmitted(order=close, at_ns=9))
    for number, units in enumerate(reversed(parts)):
        for execution in fill(number, units, "O2", -1):
            if execution.is_combo:  # we buy the reversed legs at -0.40: sold the combo at 0.40
                execution = Execution(
                    execution_id=execution.execution_id, order_ref="O2", con_id=9, side=1,
                    quantity=units, price=-4_000, at_ns=9, is_combo=True,
                )  # fmt: skip
            effects += manager.apply(execution)
    for effect in effects:
        portfolio.apply(effect)
    trade = portfolio.trades["T1"]
    assert portfolio.positions == {}
    assert not trade.is_open
    assert trade.realized == -total * 10_000_000  # bought at 0.50, sold at 0.40, times 100

    too_much = Order("O3", "T1", reverse, 1, -4_000, "close", "test")
    manager.apply(OrderSubmitted(order=too_much, at_ns=10))
    combo = Execution(
        execution_id="late", order_ref="O3", con_id=9, side=1, quantity=1, price=-4_000, at_ns=11,
        is_combo=True,
    )  # fmt: skip
    (effect, _done) = manager.apply(combo)
    with pytest.raises(ExecutionError, match="holds 0"):
        portfolio.apply(effect)
