"""A bracket fills in parts; the reports may come in any order and repeatedly: the books end alike.

1. What closes is never booked before what it closes: on the way no position is short.
2. In the end orders, positions, trade and limits are those of the reports in the broker's order.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.common.events import CommissionReport, Execution, OrderSubmitted
from optionsib.common.types import Order, OrderLeg
from optionsib.execution.brackets import bracket

from .test_order_changes import Books

EXITS = ("tp", "sl")
PARENT = Order("P", "T", (OrderLeg(7, 1),), 6, 20_000, "open", "test")
ATTACHED = bracket(
    PARENT,
    [
        Order("tp", "", (), 0, -24_000, "close", ""),
        Order("sl", "", (), 0, 0, "close", "", order_type="STP", stop_price=-17_000),
    ],
)


def execution(number: int, ref: str, units: int) -> Execution:
    side = 1 if ref == "P" else -1
    return Execution(
        execution_id=f"{number}.01", order_ref=ref, con_id=7, side=side, quantity=units, price=20_000, at_ns=4
    )


@st.composite
def stories(draw: st.DrawFn) -> list[Execution]:
    """Parts of the parent, and of its exits never more than it has, in the broker's order."""
    story: list[Execution] = []
    opened = closed = 0
    for _ in range(draw(st.integers(1, 8))):
        if opened > closed and draw(st.booleans()):
            units = draw(st.integers(1, opened - closed))
            closed += units
            story.append(execution(len(story), draw(st.sampled_from(EXITS)), units))
        elif opened < PARENT.quantity:
            units = draw(st.integers(1, PARENT.quantity - opened))
            opened += units
            story.append(execution(len(story), "P", units))
    return story


def told(reports: list[Execution | CommissionReport]) -> Books:
    books = Books()
    books.take(OrderSubmitted(order=PARENT, at_ns=1, attached=ATTACHED))
    for report in reports:
        if isinstance(report, Execution):
            books.take(report)
        else:
            for effect in books.manager.apply(report):
                books.portfolio.apply(effect)
        held = books.portfolio.positions.get(7, 0)
        assert held >= 0
        assert books.checker.positions == books.portfolio.positions
        exits = sum(books.manager.records[ref].filled for ref in EXITS)
        assert books.manager.records["P"].filled - exits == held
    return books


@settings(max_examples=200, deadline=None)
@given(stories(), st.data())
def test_reports_in_any_order_end_in_the_same_books(story: list[Execution], data: st.DataObject) -> None:
    fees = [CommissionReport(execution_id=one.execution_id, amount=650_000) for one in story]
    reports: list[Execution | CommissionReport] = [*story, *fees]
    in_order = told(reports)
    repeated = data.draw(st.lists(st.sampled_from(reports), max_size=4))
    shuffled = told(data.draw(st.permutations([*reports, *repeated])))
    assert shuffled.manager.waiting() == []
    assert shuffled.portfolio.positions == in_order.portfolio.positions
    assert (shuffled.portfolio.cash, shuffled.portfolio.fees) == (
        in_order.portfolio.cash,
        650_000 * len(story),
    )
    for ref in ("P", *EXITS):
        ours, expected = shuffled.manager.records[ref], in_order.manager.records[ref]
        assert (ours.filled, ours.status) == (expected.filled, expected.status)
    trade, expected_trade = shuffled.portfolio.trades["T"], in_order.portfolio.trades["T"]
    assert (trade.opened, trade.closed) == (expected_trade.opened, expected_trade.closed)
    assert trade.realized == expected_trade.realized
    assert shuffled.checker.working_orders == in_order.checker.working_orders
    assert shuffled.checker.exposure() == in_order.checker.exposure()
