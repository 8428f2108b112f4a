"""Orders that end positions at once."""

from __future__ import annotations

import itertools

from optionsib.common.types import Contract, OrderLeg, TickBand, TickGrid
from optionsib.execution.flatten import crossing_limit, flattening_orders, position_orders
from optionsib.execution.portfolio import Trade

TOUCHES = {1: (10_000, 11_000), 2: (5_000, 5_500), 3: (None, 200), 4: (100, None)}


def trade(trade_id: str, *legs: tuple[int, int], units: int = 1) -> Trade:
    return Trade(trade_id, "test", tuple(OrderLeg(c, ratio) for c, ratio in legs), opened_ns=0, opened=units)


def refs() -> itertools.count[int]:
    return itertools.count(1)


def test_every_leg_pays_the_far_touch() -> None:
    assert crossing_limit([OrderLeg(1, 1), OrderLeg(2, -2)], TOUCHES) == 11_000 - 2 * 5_000
    assert crossing_limit([OrderLeg(1, -1), OrderLeg(2, 1)], TOUCHES) == -10_000 + 5_500


def test_no_bid_counts_as_worthless_and_no_offer_makes_it_impossible() -> None:
    assert crossing_limit([OrderLeg(3, -1), OrderLeg(2, 1)], TOUCHES) == 5_500
    assert crossing_limit([OrderLeg(4, 1)], TOUCHES) is None
    assert crossing_limit([OrderLeg(99, 1)], TOUCHES) is None


def test_each_open_trade_gets_one_closing_order() -> None:
    number = refs()
    orders, stuck = flattening_orders(
        [trade("T1", (1, 1), (2, -1), units=2), trade("T2", (4, -1), (1, 1))],
        TOUCHES,
        lambda: f"F{next(number)}",
    )
    assert [(o.order_ref, o.trade_id, o.quantity, o.limit_price, o.purpose) for o in orders] == [
        ("F1", "T1", 2, -10_000 + 5_500, "close")
    ]
    assert orders[0].legs == (OrderLeg(1, -1), OrderLeg(2, 1))
    assert stuck == ["T2: a leg to buy back has no offer"]


def test_without_trades_shorts_are_bought_back_first() -> None:
    number = refs()
    contracts = {c: Contract(c, "X", "OPT", local_symbol=f"X {c}") for c in TOUCHES}
    orders, stuck = position_orders(
        {1: 3, 2: -2, 3: 1, 4: -1}, contracts, TOUCHES, lambda: f"F{next(number)}"
    )
    assert [(o.legs[0], o.quantity, o.limit_price) for o in orders] == [
        (OrderLeg(2, 1), 2, 5_500),
        (OrderLeg(1, -1), 3, -10_000),
    ]
    assert stuck == ["X 4: -1, no offer", "X 3: +1, no bid"]


def test_a_quote_off_the_tick_grid_is_still_crossed() -> None:
    grid = TickGrid((TickBand(0, 500),))
    contracts = {c: Contract(c, "X", "OPT", local_symbol=f"X {c}", tick_grid=grid) for c in (1, 2, 3)}
    touches = {1: (9_900, 10_300), 2: (9_900, 10_300), 3: (300, 700)}
    orders, stuck = position_orders({1: 1, 2: -1, 3: 1}, contracts, touches, lambda: "F")
    assert [o.limit_price for o in orders] == [10_500, -9_500]
    assert stuck == ["X 3: +1, no bid"]
