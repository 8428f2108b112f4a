"""What the limits are asked and told of stops, and of the exits of a bracket."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from optionsib.common.config import LimitsConfig
from optionsib.common.events import Execution, OrderModifyRequested, OrderSubmitted, OrderUpdate, RiskVerdict
from optionsib.common.types import Order, OrderLeg
from optionsib.execution.brackets import bracket
from optionsib.execution.limit_books import LimitBooks
from optionsib.execution.orders import OrderEvent, OrderManager
from optionsib.execution.portfolio import Trade
from optionsib.risk.limits import LimitChecker, State

from .test_limits import CALL_50, CALL_55, CALL_60, CONTRACTS, FEE, GENEROUS, IDS, PUT_50, STOCK, tell

BUY, SELL = (OrderLeg(CALL_55, 1),), (OrderLeg(CALL_55, -1),)  # 2.00 bid, 2.10 asked


class Books:
    """A manager and the limits, as the desk joins them."""

    def __init__(self, **limits: Any) -> None:
        self.checker = LimitChecker(LimitsConfig(**(GENEROUS | limits)), CONTRACTS, dict.fromkeys(IDS, FEE))
        tell(self.checker)
        self.manager = OrderManager()
        self.limits = LimitBooks(self.checker, self.manager, {c.con_id: c for c in CONTRACTS})
        self.executions = 0

    def take(self, event: OrderEvent) -> None:
        effects = self.manager.apply(event)
        if isinstance(event, OrderSubmitted):
            self.limits.submitted(event)
        for effect in effects:
            self.limits.apply(effect)

    def fill(self, ref: str, units: int, price: int = 21_000) -> None:
        self.executions += 1
        side = self.manager.records[ref].order.legs[0].ratio
        self.take(
            Execution(
                execution_id=f"{self.executions}", order_ref=ref, con_id=CALL_55, side=side, quantity=units,
                price=price, at_ns=5,
            )
        )  # fmt: skip

    def judge(self, order: Order, *attached: Order) -> RiskVerdict:
        return self.limits.judge("C1", order, attached, 10)


def order(ref: str, legs: tuple[OrderLeg, ...], limit: int, purpose: str = "open", **more: Any) -> Order:
    return Order(ref, "T1", legs, 2, limit, purpose, "test", **more)  # type: ignore[arg-type]


def in_bracket(**limits: Any) -> Books:
    """A parent for two, its target at 2.50 and its stop at 1.70, sent."""
    books = Books(**limits)
    parent = order("P", BUY, 21_000)
    exits = bracket(
        parent,
        [order("tp", (), -25_000), order("sl", (), 0, order_type="STP", stop_price=-17_000)],
    )
    assert books.judge(parent, *exits).accepts
    books.take(OrderSubmitted(order=parent, at_ns=1, attached=exits))
    return books


@pytest.mark.parametrize(
    "terms", [{"order_type": "STP", "stop_price": -17_000}, {"order_type": "TRAIL", "trail_amount": 2_000}]
)
def test_a_stop_without_a_limit_may_close_and_nothing_else(terms: dict[str, Any]) -> None:
    books = Books()
    opening = books.judge(order("S", SELL, 0, **terms))
    assert (opening.accepts, opening.check) == (False, "price_band")
    assert "may only reduce risk" in opening.reason
    books.take(OrderSubmitted(order=order("O", BUY, 21_000), at_ns=1))
    books.fill("O", 2)
    closing = books.judge(order("S", SELL, 0, "close", **terms))
    assert (closing.accepts, closing.reduces_risk) == (True, True), closing.reason
    assert closing.order.limit_price == 0, "the order is judged at its stop, and sent as it is"
    books.take(OrderSubmitted(order=closing.order, at_ns=2))
    assert books.checker.working_orders == 1
    assert books.judge(order("S2", SELL, 0, "close", **terms)).accepts is False, "it would close twice"


def test_prices_off_the_grid_never_pass() -> None:
    books = in_bracket()
    books.fill("P", 2)
    stop = books.manager.records["sl"].order
    verdict = books.judge(msgspec.structs.replace(stop, stop_price=-17_050))
    assert (verdict.accepts, verdict.check) == (False, "price_grid")
    parent = order("P", BUY, 21_000)
    (target,) = bracket(parent, [order("tp", (), -25_050)])
    verdict = Books().judge(parent, target)
    assert (verdict.accepts, verdict.check) == (False, "price_grid")


def test_the_exits_are_booked_once_at_the_dearest_of_their_prices() -> None:
    books = in_bracket()
    assert books.checker.working_orders == 1
    books.fill("P", 1)
    exposure = books.checker.exposure()
    assert books.checker.working_orders == 2
    assert exposure.worst_delta == pytest.approx(100 * 2 * 0.5), "one exit does not count as two"
    assert exposure.worst_loss == 2 * (210_000_000 + 2 * FEE), "nothing that may fill costs more than no exit"
    books.fill("P", 1)
    assert books.checker.working_orders == 1
    books.fill("tp", 1, 25_000)
    assert books.checker.positions == {CALL_55: 1}
    books.take(OrderUpdate(order_ref="tp", status="cancelled", at_ns=6))
    assert books.checker.working_orders == 1
    books.take(OrderUpdate(order_ref="sl", status="cancelled", at_ns=6))
    assert books.checker.working_orders == 0
    books.fill("sl", 1, 17_000)  # it crossed with the cancel
    assert (books.checker.positions, books.checker.working_orders) == ({}, 0)


def test_an_exit_changes_within_what_its_parent_has() -> None:
    books = in_bracket()
    target, stop = (books.manager.records[ref].order for ref in ("tp", "sl"))
    for wanted in (
        msgspec.structs.replace(stop, stop_price=-18_000),
        msgspec.structs.replace(target, limit_price=-23_000),
        msgspec.structs.replace(target, quantity=1),
    ):
        verdict = books.judge(wanted)
        assert (verdict.accepts, verdict.reduces_risk) == (True, True), verdict.reason
    for wanted, words in (
        (msgspec.structs.replace(target, quantity=3), "the parent has 2"),
        (msgspec.structs.replace(target, limit_price=100), "loses more than without it"),
        (msgspec.structs.replace(target, oca_group="x"), "only limit_price, quantity"),
        (target, "changes nothing"),
    ):
        verdict = books.judge(wanted)
        assert not verdict.accepts
        assert words in verdict.reason
    books.checker.set_state(State.CANCEL_ONLY)
    assert books.judge(msgspec.structs.replace(stop, stop_price=-18_000)).check == "kill_switch"
    books.checker.set_state(State.ACTIVE)
    books.take(OrderUpdate(order_ref="P", status="cancelled", at_ns=6))
    verdict = books.judge(msgspec.structs.replace(stop, stop_price=-18_000))
    assert "ended unfilled" in verdict.reason


def test_nothing_is_attached_to_a_close() -> None:
    books = Books()
    books.take(OrderSubmitted(order=order("O", BUY, 21_000), at_ns=1))
    books.fill("O", 2)
    closing = order("P", SELL, -20_000, "close")
    assert books.judge(closing).accepts
    verdict = books.judge(closing, *bracket(closing, [order("tp", (), 15_000)]))
    assert (verdict.accepts, verdict.check) == (False, "attached")
    assert "P closes; nothing can be attached to it" in verdict.reason


def test_attached_orders_are_messages_too() -> None:
    books = in_bracket(max_order_to_trade=3.0)
    verdict = books.judge(order("O", BUY, 21_000))
    assert (verdict.accepts, verdict.check, verdict.value) == (False, "order_to_trade", 4.0)
    alone = Books(max_order_to_trade=3.0)
    alone.take(OrderSubmitted(order=order("P", BUY, 21_000), at_ns=1))
    assert alone.judge(order("O", BUY, 21_000)).accepts


def test_a_change_without_an_answer_is_booked_at_the_dearer_of_both() -> None:
    books = Books()
    books.take(OrderSubmitted(order=order("O", BUY, 21_000), at_ns=1))

    def worst(limit: int) -> int:
        return 2 * (limit * 10_000 + 2 * FEE)

    for asked, booked in ((20_000, 21_000), (22_000, 22_000)):
        books.take(OrderModifyRequested(order_ref="O", at_ns=2, limit_price=asked))
        books.limits.changed("O", 2)
        assert books.checker.exposure().worst_loss == worst(booked)
    books.take(OrderUpdate(order_ref="O", status="working", at_ns=3, limit_price=20_500))
    books.limits.changed("O", 3)
    assert books.checker.exposure().worst_loss == worst(20_500)


def test_an_exit_may_not_take_back_what_its_group_has_closed() -> None:
    """A change repeats the quantity: sent with the old one it would undo the cut and sell what is sold."""
    books = in_bracket()
    books.fill("P", 2)
    books.fill("tp", 1, 25_000)
    stop = books.manager.records["sl"].order
    moved = msgspec.structs.replace(stop, stop_price=-18_000)
    verdict = books.judge(moved)
    assert (verdict.accepts, verdict.check) == (False, "attached"), "the broker has not cut it yet"
    assert "the parent has 2, of which other exits have closed 1" in verdict.reason
    books.take(OrderUpdate(order_ref="sl", status="working", at_ns=5, limit_price=0, quantity=1))
    assert not books.judge(moved).accepts
    assert books.judge(msgspec.structs.replace(moved, quantity=1)).accepts


def test_what_has_ended_cannot_be_changed() -> None:
    books = Books()
    given = order("O", BUY, 21_000)
    books.take(OrderSubmitted(order=given, at_ns=1))
    books.fill("O", 1)
    cut = books.judge(msgspec.structs.replace(given, quantity=1))
    assert (cut.accepts, cut.check) == (False, "quantity_positive")
    books.take(OrderUpdate(order_ref="O", status="cancelled", at_ns=6))
    late = books.judge(msgspec.structs.replace(given, limit_price=20_900))
    assert "cancelled, 1 filled" in late.reason


def test_while_a_change_has_no_answer_only_what_was_approved_may_shrink() -> None:
    def terms(units: int, limit: int) -> Order:
        return Order("P", "T1", BUY, units, limit, "open", "test")

    books = Books(max_order_loss=Decimal(800))
    assert books.judge(terms(5, 15_000)).accepts
    books.take(OrderSubmitted(order=terms(5, 15_000), at_ns=1))
    assert books.judge(terms(3, 21_000)).accepts
    books.take(OrderModifyRequested(order_ref="P", at_ns=2, quantity=3, limit_price=21_000))
    books.limits.changed("P", 2)
    # Five at 2.10 are booked, for either may fill; nobody has approved four at 2.10, which lose 845.20.
    refused = books.judge(terms(4, 21_000))
    assert not refused.accepts
    assert "within neither" in refused.reason
    for within in (terms(4, 15_000), terms(2, 21_000), terms(1, 14_000)):
        assert books.judge(within).reduces_risk, within
    assert not books.judge(terms(6, 15_000)).accepts, "larger is judged anew"
    books.take(OrderUpdate(order_ref="P", status="working", limit_price=21_000, quantity=3, at_ns=3))
    books.limits.changed("P", 3)
    assert books.judge(terms(4, 21_000)).check == "order_loss"
    assert books.judge(terms(2, 21_000)).reduces_risk


def stop_account(checker: LimitChecker) -> None:
    checker.set_account_state(State.CANCEL_ONLY)


def stop_all(checker: LimitChecker) -> None:
    checker.set_state(State.CANCEL_ONLY)


def disable(checker: LimitChecker) -> None:
    checker.set_account_enabled(False)


def suspend(checker: LimitChecker) -> None:
    for con_id in (CALL_55, STOCK):
        checker.set_tradable(con_id, False)


def silence(checker: LimitChecker) -> None:
    tell(checker, underlying_feed_age=1_000.0)


STOPS: dict[str, Callable[[LimitChecker], None]] = {
    "kill_switch": stop_all,
    "account_kill": stop_account,
    "account_enabled": disable,
    "tradable": suspend,
    "stale_feed": silence,
}


@pytest.mark.parametrize("check", STOPS)
def test_an_exit_on_other_terms_answers_to_what_every_exit_answers_to(check: str) -> None:
    books = in_bracket()
    books.fill("P", 1)
    stop, target = (books.manager.records[ref].order for ref in ("sl", "tp"))
    books.checker.set_halted(True)
    changes = [
        msgspec.structs.replace(stop, stop_price=-18_000),
        msgspec.structs.replace(target, limit_price=-90_000),
    ]
    for wanted in changes:  # far from the market, and a stop below its parent that still works
        assert books.judge(wanted).accepts
    STOPS[check](books.checker)
    for wanted in changes:
        verdict = books.judge(wanted)
        assert (verdict.accepts, verdict.check, verdict.order) == (False, check, wanted)


def what_is_left() -> Books:
    """100 shares short after an assignment, and a call in another trade that covers them."""
    books = Books()
    trade = Trade("T1", "test", (OrderLeg(STOCK, -100),), 1, opened=1, apart=True, held={STOCK: -100})
    contracts = {c.con_id: c for c in CONTRACTS}
    books.limits = LimitBooks(books.checker, books.manager, contracts, {"T1": trade})
    books.checker.set_position(STOCK, -100)
    books.checker.set_position(CALL_50, 1)
    return books


def buy_back(limit: int = 550_200) -> Order:
    return Order("X", "T1", (OrderLeg(STOCK, 1),), 100, limit, "close", "test")


@pytest.mark.parametrize("check", STOPS)
def test_what_is_left_of_a_trade_closes_by_the_rules_of_every_exit(check: str) -> None:
    books = what_is_left()
    assert not books.checker.check("C1", buy_back(), 10).reduces_risk, "it gives up a hedge"
    books.checker.set_halted(True)
    verdict = books.judge(buy_back())
    assert (verdict.accepts, verdict.reduces_risk) == (True, True)
    assert "after its options ended" in verdict.reason
    STOPS[check](books.checker)
    assert (books.judge(buy_back()).accepts, books.judge(buy_back()).check) == (False, check)


def test_what_is_left_of_a_trade_is_not_closed_at_any_price() -> None:
    books = what_is_left()
    books.checker.set_halted(True)
    assert books.judge(buy_back(600_000)).accepts
    assert books.judge(buy_back(600_200)).check == "price_collar"  # 5.00 beyond what is asked
    assert books.judge(buy_back(550_250)).check == "price_grid"
    own = Order("S", "T2", (OrderLeg(STOCK, -1),), 100, -550_100, "open", "test")
    books.take(OrderSubmitted(order=own, at_ns=1))
    assert books.judge(buy_back()).check == "self_match"


@pytest.mark.parametrize("legs", [(OrderLeg(STOCK, 100), OrderLeg(CALL_55, -1)),
                                  (OrderLeg(CALL_55, -1), OrderLeg(STOCK, 100))])  # fmt: skip
def test_cash_of_a_combination_is_of_its_largest_contract_whichever_leg_comes_first(
    legs: tuple[OrderLeg, ...],
) -> None:
    books = Books()
    books.take(OrderSubmitted(order=Order("P", "T1", legs, 1, 530_000, "open", "test"), at_ns=1))
    books.take(
        Execution(
            execution_id="1", order_ref="P", con_id=0, side=1, quantity=1, price=530_000, at_ns=5,
            is_combo=True,
        )
    )  # fmt: skip
    assert books.checker.cash == -5_300_000_000 - 101 * FEE


def test_a_stop_without_a_limit_is_no_hedge() -> None:
    books = Books()
    books.checker.set_position(STOCK, -100)
    books.checker.set_position(CALL_60, 1)  # loses most above 60, where a put that was sold helps
    books.checker.set_halted(True)
    put = Order("S", "T9", (OrderLeg(PUT_50, -1),), 1, -4_000, "hedge", "test")
    assert books.judge(put).reduces_risk, "at a limit it is one"
    at_any_price = msgspec.structs.replace(put, limit_price=0, order_type="STP", stop_price=-4_000)
    verdict = books.judge(at_any_price)
    assert (verdict.accepts, verdict.check) == (False, "price_band")
    spread = msgspec.structs.replace(
        put, legs=(OrderLeg(CALL_50, 1), OrderLeg(CALL_55, -1)), order_type="TRAIL", trail_amount=1_000
    )
    assert not books.judge(spread).accepts


def test_a_stop_closes_a_trade_that_another_one_offsets() -> None:
    books = Books()
    trades: dict[str, Trade] = {}
    books.limits = LimitBooks(books.checker, books.manager, {c.con_id: c for c in CONTRACTS}, trades)
    for ref, legs, limit in (("A", BUY, 21_000), ("B", SELL, -20_000)):
        sent = Order(ref, f"T{ref}", legs, 2, limit, "open", "test")
        books.take(OrderSubmitted(order=sent, at_ns=1))
        books.fill(ref, 2)
    stop = Order("S", "TA", SELL, 2, 0, "close", "test", order_type="STP", stop_price=-17_000)
    assert not books.judge(stop).accepts, "nobody knows what its trade holds"
    trades["TA"] = Trade("TA", "test", BUY, 1, opened=2, held={CALL_55: 2})
    # Without it the short calls of the other trade have no bound: they are closed first.
    assert not books.judge(stop).reduces_risk
    books.checker.set_position(CALL_60, 2)
    assert books.judge(stop).accepts
