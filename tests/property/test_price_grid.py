"""The three sentences at the head of ``brokers/price_grid.py``, for every order and market rule."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionsib.brokers.price_grid import COMBO_GRID, describe_rounding, grid_of, on_grid
from optionsib.common.errors import BrokerError
from optionsib.common.types import OPTION_GRID, PENNY_GRID, Contract, Order, OrderLeg, TickBand, TickGrid

DIMES = TickGrid((TickBand(0, 500), TickBand(30_000, 1_000)))  # 0.05 below 3.00, 0.10 from there on
CONTRACTS = {
    number: Contract(number, "TST", "OPT", multiplier=100, tick_grid=grid)
    for number, grid in ((1, PENNY_GRID), (2, OPTION_GRID), (3, DIMES))
}
LEGS = st.sampled_from(
    [
        *((OrderLeg(number, side),) for number in CONTRACTS for side in (1, -1)),
        (OrderLeg(1, 1), OrderLeg(3, -2)),
    ]
)
PRICES = st.integers(1, 10**7) | st.integers(1, 1_500)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    legs, size = draw(LEGS), draw(PRICES)
    sign = draw(st.sampled_from([1, -1])) if len(legs) > 1 else legs[0].ratio
    more: dict[str, Any] = {}
    kind = draw(st.sampled_from(["LMT", "MKT", "STP LMT", "TRAIL LIMIT", "STP", "TRAIL"]))
    if kind not in ("LMT", "MKT"):
        more["stop_price"] = sign * max(size - draw(st.integers(0, 500)), 1)
    if kind.startswith("TRAIL"):
        more["trail_amount"] = draw(st.integers(0, 5_000))
    limit = 0 if kind in ("STP", "TRAIL") else sign * size
    return Order("O1", "T1", legs, 1, limit, "close", "test", order_type=kind, **more)


@given(orders())
def test_prices_go_down_onto_the_grid_by_less_than_a_step_and_keep_their_sign(order: Order) -> None:
    grid = grid_of(order.legs, CONTRACTS)
    positive = [price for price in (order.limit_price, order.stop_price or 0) if price > 0]
    if 0 < order.trail_amount < grid.increment(0) or (
        len(order.legs) == 1 and any(price < grid.increment(0) for price in positive)
    ):
        with pytest.raises(BrokerError, match="below the smallest"):
            on_grid(order, CONTRACTS)
        return
    rounded = on_grid(order, CONTRACTS)
    assert on_grid(rounded, CONTRACTS) == rounded
    assert rounded == msgspec.structs.replace(
        order,
        limit_price=rounded.limit_price,
        stop_price=rounded.stop_price,
        trail_amount=rounded.trail_amount,
    ), "only prices change"
    prices = [(order.limit_price, rounded.limit_price), (order.stop_price or 0, rounded.stop_price or 0)]
    for asked, given_back in prices:
        assert 0 <= asked - given_back < grid.increment(asked)
        assert grid.is_on_grid(given_back)
        assert asked * given_back >= 0
        assert asked == 0 or given_back != 0 or len(order.legs) > 1
    assert 0 <= order.trail_amount - rounded.trail_amount < grid.increment(0)
    assert rounded.trail_amount % grid.increment(0) == 0
    assert (describe_rounding(order, rounded) == "") == (rounded == order)


@given(orders())
def test_a_limit_that_reached_beyond_its_stop_still_does(order: Order) -> None:
    stop = order.limit_price if order.stop_price is None else min(order.stop_price, order.limit_price)
    given_order = msgspec.structs.replace(order, order_type="STP LMT", stop_price=stop, trail_amount=0)
    try:
        rounded = on_grid(given_order, CONTRACTS)
    except BrokerError:
        return
    assert rounded.stop_price is not None
    assert rounded.limit_price >= rounded.stop_price


def test_a_price_without_a_place_or_a_rule_is_refused() -> None:
    for legs, limit, reason in (
        ((OrderLeg(3, 1),), 499, "limit 499 .* below the smallest price of its market rule, 500"),
        ((OrderLeg(9, 1),), 500, "market rule of contract 9 is not known"),
        ((OrderLeg(1, 1), OrderLeg(9, -1)), 500, "market rule of contract 9 is not known"),
    ):
        with pytest.raises(BrokerError, match=reason):
            on_grid(Order("O1", "T1", legs, 1, limit, "open", "test"), CONTRACTS)
    assert grid_of((OrderLeg(1, 1), OrderLeg(3, -1)), CONTRACTS) is COMBO_GRID
