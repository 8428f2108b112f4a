"""What has filled is in the limits' books, whatever else is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optionsib.bus.journal import Journal, make_genesis
from optionsib.common.config import LimitsConfig
from optionsib.common.errors import ExecutionError
from optionsib.common.events import (
    Execution,
    OrderModifyRequested,
    OrderSubmitted,
    OrderUpdate,
)
from optionsib.common.types import MONEY_SCALE, Order, OrderLeg
from optionsib.execution.limit_books import LimitBooks
from optionsib.execution.orders import OrderManager
from optionsib.execution.portfolio import Portfolio
from optionsib.risk.limits import LimitChecker

from .test_limit_books import BUY, Books, in_bracket
from .test_limit_changes import checker, desk_on
from .test_limits import CALL_55, CONTRACTS, FEE, GENEROUS, IDS, STOCK


def execution(number: int, ref: str, side: int, quantity: int = 1) -> Execution:
    return Execution(
        execution_id=f"{number}", order_ref=ref, con_id=CALL_55, side=side, quantity=quantity, price=20_000,
        at_ns=2,
    )  # fmt: skip


class NoVault:
    def __getattr__(self, name: str) -> Any:
        return lambda *args: None


def test_a_close_too_many_counts_in_the_limits_too(tmp_path: Path) -> None:
    def sent(ref: str, side: int, limit: int, purpose: Any) -> OrderSubmitted:
        order = Order(ref, "T1", (OrderLeg(CALL_55, side),), 1, limit, purpose, "test")
        return OrderSubmitted(order=order, at_ns=1)

    genesis = make_genesis(seed=1, config="", data="", model="", build="", simd_path="")
    limits = checker()
    with Journal.create(tmp_path / "journal.sqlite", genesis) as journal:
        desk = desk_on(journal, limits)
        desk.settlement._ledger = NoVault()  # type: ignore[assignment]
        desk.replay([sent("O", 1, 21_000, "open"), execution(1, "O", 1)])
        desk.replay([sent("A", -1, -20_000, "close"), sent("B", -1, -20_000, "close")])
        desk.take_in([execution(2, "A", -1), execution(3, "B", -1)])
        assert journal.is_halted(), "the trade held one"
        assert limits.positions == desk.portfolio.positions == {CALL_55: -1}
        back = Order("C", "T2", (OrderLeg(CALL_55, 1),), 1, 21_000, "close", "test")
        assert desk.judge("C1", back).reduces_risk, "the way out of it is open"


def test_an_exit_that_never_fits_takes_no_other_fill_with_it() -> None:
    books = in_bracket()
    with pytest.raises(ExecutionError, match="does not fit"):
        books.manager.apply(execution(1, "tp", -1, 3))
    books.take(execution(2, "tp", -1, 1))  # before its parent: it waits
    with pytest.raises(ExecutionError, match="does not fit"):
        books.manager.apply(execution(3, "tp", -1, 2))
    books.take(execution(4, "P", 1, 2))
    assert books.checker.positions == {CALL_55: 1}


def test_an_exit_made_smaller_while_its_fill_waits_leaves_the_parents_fill_alone() -> None:
    books = in_bracket()
    books.take(execution(1, "tp", -1, 2))
    books.take(OrderUpdate(order_ref="tp", status="working", limit_price=-25_000, quantity=1, at_ns=2))
    books.take(execution(2, "P", 1, 2))
    assert books.checker.positions == {CALL_55: 2}
    assert [one.execution_id for one in books.manager.waiting()] == ["1"], "reconciliation halts on it"


def test_terms_that_have_filled_already_answer_no_change() -> None:
    books = Books()
    books.take(OrderSubmitted(order=Order("P", "T1", BUY, 1, 21_000, "open", "test"), at_ns=1))
    books.take(OrderModifyRequested(order_ref="P", at_ns=2, quantity=3))
    books.limits.changed("P", 2)
    fills = [*books.manager.apply(execution(1, "P", 1)), *books.manager.apply(execution(2, "P", 1))]
    books.manager.apply(OrderUpdate(order_ref="P", status="working", limit_price=21_000, quantity=1, at_ns=3))
    books.limits.changed("P", 3)
    for effect in fills:
        books.limits.apply(effect)
    record = books.manager.records["P"]
    assert (record.filled, record.remaining, record.is_done) == (2, 1, False)
    assert (books.checker.positions, books.checker.working_orders) == ({CALL_55: 2}, 1)


def test_an_order_that_the_limits_have_no_room_for_can_still_be_cancelled() -> None:
    books = Books()
    books.checker = LimitChecker(LimitsConfig(**GENEROUS), CONTRACTS, dict.fromkeys(IDS, FEE), orders=1)
    books.limits = LimitBooks(books.checker, books.manager, {c.con_id: c for c in CONTRACTS})
    books.take(OrderSubmitted(order=Order("P", "T1", BUY, 1, 21_000, "open", "test"), at_ns=1))
    with pytest.raises(ExecutionError, match="too many orders work"):
        books.take(OrderSubmitted(order=Order("Q", "T2", BUY, 1, 21_000, "open", "test"), at_ns=1))
    books.limits.message("Q")  # a cancel leaves after this
    books.manager.apply(OrderUpdate(order_ref="Q", status="working", limit_price=20_000, quantity=1, at_ns=2))
    books.limits.changed("Q", 2)
    assert books.checker.working_orders == 1


def test_more_may_have_filled_than_the_broker_still_names() -> None:
    books = Books()
    books.take(OrderSubmitted(order=Order("P", "T1", BUY, 2, 21_000, "open", "test"), at_ns=1))
    books.take(OrderModifyRequested(order_ref="P", at_ns=2, quantity=4))
    books.limits.changed("P", 2)
    books.take(execution(1, "P", 1, 3))
    books.take(OrderUpdate(order_ref="P", status="working", limit_price=21_000, at_ns=3))
    record = books.manager.records["P"]
    assert (record.remaining, record.is_done, record.status) == (0, True, "filled")
    assert books.checker.working_orders == 0


@pytest.mark.parametrize("backwards", [False, True])
def test_a_covered_call_is_booked_at_the_price_of_shares_and_calls_in_either_order(backwards: bool) -> None:
    legs = (OrderLeg(STOCK, 100), OrderLeg(CALL_55, -1))
    order = Order("O", "T", legs[::-1] if backwards else legs, 1, 530_000, "open", "test")
    contracts = {contract.con_id: contract for contract in CONTRACTS}
    manager, portfolio = OrderManager(), Portfolio(contracts)
    manager.apply(OrderSubmitted(order=order, at_ns=1))
    bought = {"order_ref": "O", "at_ns": 2}
    for event in (
        Execution(execution_id="1.01", con_id=9, side=1, quantity=1, price=530_000, is_combo=True, **bought),
        Execution(execution_id="2.01", con_id=STOCK, side=1, quantity=100, price=550_000, **bought),
        Execution(execution_id="3.01", con_id=CALL_55, side=-1, quantity=1, price=20_000, **bought),
    ):
        for effect in manager.apply(event):
            portfolio.apply(effect)
    (trade,) = portfolio.open_trades()
    assert (trade.quantity, trade.entry_price) == (1, 530_000)
    assert trade.entry_cost == 5_300 * MONEY_SCALE
    assert portfolio.positions == {STOCK: 100, CALL_55: -1}
