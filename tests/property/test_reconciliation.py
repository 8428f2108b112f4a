"""The four sentences at the head of ``execution/reconciliation.py``, one test each."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optionsib.common.events import Execution, OrderSubmitted, OrderUpdate
from optionsib.common.types import Order, OrderLeg
from optionsib.execution.orders import OrderManager
from optionsib.execution.reconciliation import missing_executions, position_differences, settle_fates

REFS = ("O1", "O2", "O3", "O4")
SIZE = 5


def submitted(ref: str) -> OrderSubmitted:
    order = Order(ref, f"T{ref}", (OrderLeg(1001, 1),), SIZE, 10_000, "open", "test")
    return OrderSubmitted(order=order, at_ns=1)


def execution(ref: str, number: int) -> Execution:
    return Execution(
        execution_id=f"{ref}-{number}.01",
        order_ref=ref,
        con_id=1001,
        side=1,
        quantity=1,
        price=10_000,
        at_ns=2,
    )


known = st.lists(st.sampled_from(REFS), unique=True)
executions = st.lists(st.tuples(st.sampled_from([*REFS, "stranger"]), st.integers(1, SIZE)), unique=True)


def manager_of(refs: list[str], booked: list[tuple[str, int]]) -> OrderManager:
    manager = OrderManager()
    for ref in refs:
        manager.apply(submitted(ref))
    for ref, number in booked:
        if ref in refs:
            manager.apply(execution(ref, number))
    return manager


@given(known, executions, st.data())
def test_an_execution_the_broker_knows_and_we_do_not_is_booked_once(
    refs: list[str], reported: list[tuple[str, int]], data: st.DataObject
) -> None:
    booked = data.draw(st.lists(st.sampled_from(reported), unique=True)) if reported else []
    manager = manager_of(refs, booked)
    answer = [execution(ref, number) for ref, number in reported]
    for _ in range(2):  # the broker may be asked twice
        for missing in missing_executions(manager, answer):
            manager.apply(missing)
    for ref in refs:
        expected = sum(1 for name, _ in reported if name == ref)
        assert manager.records[ref].filled == expected
    assert missing_executions(manager, answer) == []


@given(known, known)
def test_an_order_the_broker_never_heard_of_ends_as_cancelled(refs: list[str], at_broker: list[str]) -> None:
    manager = manager_of(refs, [])
    working = [OrderUpdate(order_ref=ref, status="working", at_ns=3, limit_price=9_900) for ref in at_broker]
    for update in settle_fates(manager, working, now_ns=4):
        manager.apply(update)
    for ref in refs:
        assert manager.records[ref].status == ("working" if ref in at_broker else "cancelled")


@given(known.filter(bool), st.integers(-100_000, 100_000))
def test_an_order_the_broker_works_keeps_working_under_its_own_limit(refs: list[str], limit: int) -> None:
    manager = manager_of(refs, [])
    working = [OrderUpdate(order_ref=ref, status="working", at_ns=3, limit_price=limit) for ref in refs]
    for update in settle_fates(manager, working, now_ns=4):
        manager.apply(update)
    assert {record.limit_price for record in manager.working()} == {limit}
    assert len(manager.working()) == len(refs)


positions = st.dictionaries(st.integers(1, 6), st.integers(-3, 3))


@given(positions, positions)
def test_positions_that_differ_are_reported_contract_by_contract(
    ours: dict[int, int], theirs: dict[int, int]
) -> None:
    differences = position_differences(ours, theirs)
    patched = dict(ours)
    for con_id, here, there in differences:
        assert here != there
        patched[con_id] = there
    assert {c: q for c, q in patched.items() if q} == {c: q for c, q in theirs.items() if q}
    assert [con_id for con_id, _, _ in differences] == sorted(con_id for con_id, _, _ in differences)
