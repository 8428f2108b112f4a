"""What the gateway says of a change on its way: the terms that hold, and whether that may change."""

from __future__ import annotations

from typing import Any

import pytest

from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import Order as IBOrder
from optionsib.brokers.ib.library import OrderState
from optionsib.brokers.ib.order_kinds import Terms, Ticket
from optionsib.brokers.ib.orders import OrderTracker
from optionsib.common.events import BrokerEvent, OrderUpdate

OPTION = IBContract(conId=100, symbol="TST", secType="OPT", exchange="SMART")


class Told:
    """A tracker with one order that works, and what it told of it."""

    def __init__(self, order_type: str = "LMT", **terms: Any) -> None:
        self.events: list[BrokerEvent] = []
        self.tracker = OrderTracker(self.events.append, lambda: 1, 1)
        self.order_type = order_type
        self.tracker.placed(Ticket("O1", OPTION, "BUY", 3, "DAY", "DU1", order_type=order_type), 5)
        self.echo(**terms)

    def echo(self, status: str = "Submitted", **terms: Any) -> None:
        fields = {"totalQuantity": 3, "lmtPrice": 1.25, **terms}
        raw = IBOrder(
            orderId=5, clientId=1, permId=77, action="BUY", orderRef="O1", account="DU1", tif="DAY",
            orderType=self.order_type, **fields,
        )  # fmt: skip
        self.tracker.on_open_order(OPTION, raw, OrderState(status=status))

    def ask(self, terms: Terms) -> None:
        order = self.tracker.get("O1")
        assert order is not None
        self.tracker.modifying(order, terms)

    @property
    def last(self) -> OrderUpdate:
        update = self.events[-1]
        assert isinstance(update, OrderUpdate)
        return update


def test_an_echo_of_the_old_terms_answers_nothing() -> None:
    told = Told()
    assert (told.last.quantity, told.last.limit_price, told.last.pending) == (3, 12_500, False)
    told.ask(Terms(13_000, 5))
    told.echo(status="PreSubmitted")
    assert (told.last.quantity, told.last.limit_price, told.last.pending) == (3, 12_500, True)
    told.echo(totalQuantity=5, lmtPrice=1.30)
    assert (told.last.quantity, told.last.limit_price, told.last.pending) == (5, 13_000, False)


@pytest.mark.parametrize("code", [110, 201, 321])
def test_a_refusal_says_that_the_old_terms_hold(code: int) -> None:
    told = Told()
    told.ask(Terms(13_000, 5))
    told.tracker.on_error(5, code, "no")
    assert (told.last.status, told.last.code, told.last.pending) == ("working", code, False)
    assert (told.last.quantity, told.last.limit_price) == (3, 12_500)


def test_without_an_answer_the_list_of_open_orders_decides() -> None:
    told = Told()
    told.ask(Terms(13_000, 5))
    told.echo()
    assert told.last.pending
    told.tracker.concluded([("O1", 77)], set(), told.tracker.messages)
    assert (told.last.quantity, told.last.limit_price, told.last.pending) == (3, 12_500, False)


@pytest.mark.parametrize(
    ("asked", "echoed", "answered"),
    [
        (Terms(0, 3, 10_000, 3_000), {"auxPrice": 0.3, "trailStopPrice": 0.9}, True),
        (Terms(0, 3, 9_500, 2_000), {"auxPrice": 0.2, "trailStopPrice": 1.0}, False),
        (Terms(0, 3, 9_500, 2_000), {"auxPrice": 0.2, "trailStopPrice": 0.9}, True),
        (Terms(0, 3, 10_000, 3_000), {"auxPrice": 0.2, "trailStopPrice": 1.0}, False),
        (Terms(0, 3, 10_000, 0, 500), {"trailingPercent": 5.0, "trailStopPrice": 0.9}, True),
        (Terms(0, 4, 10_000, 2_000), {"auxPrice": 0.2, "trailStopPrice": 1.0}, False),
        (Terms(0, 4, 10_000, 2_000), {"auxPrice": 0.2, "trailStopPrice": 0.9, "totalQuantity": 4}, True),
    ],
)
def test_what_trails_moves_by_itself(asked: Terms, echoed: dict[str, Any], answered: bool) -> None:
    told = Told("TRAIL", auxPrice=0.2, trailStopPrice=1.0)
    assert (told.last.trail_amount, told.last.trail_percent, told.last.stop_price) == (2_000, 0, 10_000)
    told.ask(asked)
    told.echo(**echoed)
    told.tracker.on_order_status(5, 1, 77, "Submitted")
    assert told.last.pending is not answered
