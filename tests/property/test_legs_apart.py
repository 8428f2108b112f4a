"""Combinations whose legs fill without each other: the fold and the books that follow from it.

1. Units are whole when every leg has its contracts for them, and only then.
2. What the units cost is what their contracts cost, to the last unit of price, whatever order legs come in.
3. Positions and cash follow every leg at once; nothing is booked twice, and no leg beyond its share.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionsib.common.config import LimitsConfig
from optionsib.common.errors import ExecutionError
from optionsib.common.events import Execution, OrderSubmitted, OrderUpdate
from optionsib.common.types import Contract, Order, OrderLeg, price_to_money
from optionsib.execution.limit_books import LimitBooks
from optionsib.execution.orders import OrderDone, OrderManager, UnitsFilled
from optionsib.execution.portfolio import Portfolio
from optionsib.risk.limits import LimitChecker

LEGS = (OrderLeg(1001, 2), OrderLeg(1003, -3))
CONTRACTS = {con_id: Contract(con_id, "TWX", "OPT", multiplier=100) for con_id in (1001, 1003)}
QUANTITY = 4


def submitted() -> OrderSubmitted:
    order = Order("O1", "T1", LEGS, QUANTITY, 9_900, "open", "test", guaranteed=False)
    return OrderSubmitted(order=order, at_ns=1)


def leg(number: int, con_id: int, quantity: int, price: int) -> Execution:
    side = 1 if con_id == 1001 else -1
    return Execution(f"E{number}.01", "O1", con_id, side, quantity, price, at_ns=5)


@st.composite
def executions(draw: st.DrawFn) -> list[Execution]:
    """All contracts of the order in random parts and order."""
    parts = []
    for one in LEGS:
        left = abs(one.ratio) * QUANTITY
        while left:
            quantity = draw(st.integers(1, left))
            parts.append((one.con_id, quantity, draw(st.integers(0, 30_000))))
            left -= quantity
    return [leg(number, *part) for number, part in enumerate(draw(st.permutations(parts)))]


@given(executions(), st.booleans())
def test_units_and_books_follow_the_legs(fills: list[Execution], twice: bool) -> None:
    manager, portfolio = OrderManager(), Portfolio(CONTRACTS)
    manager.apply(submitted())
    filled: dict[int, int] = {1001: 0, 1003: 0}
    paid = cost = units = done = 0
    for execution in fills:
        for _ in range(1 + twice):
            for effect in manager.apply(execution):
                portfolio.apply(effect)
                if isinstance(effect, UnitsFilled):
                    assert effect.filled_before == units
                    units += effect.quantity
                    cost += effect.price * effect.quantity
                done += isinstance(effect, OrderDone)
        filled[execution.con_id] += execution.quantity
        paid += execution.side * execution.quantity * execution.price
        whole = min(filled[one.con_id] // abs(one.ratio) for one in LEGS)
        assert manager.records["O1"].filled == units == whole
        assert portfolio.positions == {
            one.con_id: filled[one.con_id] * (1 if one.ratio > 0 else -1)
            for one in LEGS
            if filled[one.con_id]
        }
        assert portfolio.cash == -price_to_money(paid, 100, 1)
    assert (done, manager.records["O1"].status) == (1, "filled")
    assert cost == paid
    assert portfolio.trades["T1"].entry_cost == price_to_money(paid, 100, 1)
    assert portfolio.trades["T1"].quantity == QUANTITY


@given(executions(), st.integers(0, 8))
def test_an_order_that_ends_keeps_a_lone_leg_and_books_late_ones(fills: list[Execution], before: int) -> None:
    manager = OrderManager()
    manager.apply(submitted())
    for execution in fills[:before]:
        manager.apply(execution)
    if manager.records["O1"].is_done:
        return
    (end,) = manager.apply(OrderUpdate(order_ref="O1", status="cancelled", at_ns=9))
    assert isinstance(end, OrderDone)
    manager.apply_all(fills)
    assert manager.records["O1"].filled == QUANTITY
    assert manager.records["O1"].status == "cancelled"


def test_a_leg_beyond_its_share_is_not_booked_and_the_combinations_own_word_fills_nothing() -> None:
    manager = OrderManager()
    manager.apply(submitted())
    manager.apply(leg(1, 1001, 8, 100))
    with pytest.raises(ExecutionError, match="does not fit order O1: 0 of 4 filled"):
        manager.apply(leg(2, 1001, 1, 100))
    whole = Execution("E3.01", "O1", 9, 1, 4, 5_000, at_ns=5, is_combo=True)
    assert manager.apply(whole) == []
    assert manager.records["O1"].filled == 0


def test_the_limits_do_not_judge_legs_alone() -> None:
    contracts = {
        con_id: Contract(con_id, "TWX", "OPT", multiplier=100, right="C", strike=700_000, expiry_ns=10**18)
        for con_id in (1001, 1003)
    }
    checker = LimitChecker(LimitsConfig(), list(contracts.values()), dict.fromkeys(contracts, 650_000))
    verdict = LimitBooks(checker, OrderManager(), contracts).judge("c", submitted().order, (), 1)
    assert (verdict.accepts, verdict.reduces_risk, verdict.check) == (False, False, "guaranteed")
