"""Whatever leaves under a halt, the worst loss is no worse than before: stock, two expiries, any price."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.test_limits import ASK, BID, IDS, STOCK, Desk

from optionsib.common.types import Order, OrderLeg
from optionsib.risk.limits import LimitChecker

MULTIPLIER = {con_id: 1 if con_id == STOCK else 100 for con_id in IDS}
UNBOUNDED = 2**63


def lots(con_id: int, number: int) -> int:
    return number * 100 // MULTIPLIER[con_id]


def worst_loss(checker: LimitChecker) -> int:
    loss = checker.exposure().worst_loss
    return UNBOUNDED if loss is None else loss


@st.composite
def orders(draw: st.DrawFn) -> Order:
    """Return an order at the market, or up to 20.00 from it on either side."""
    con_ids = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=3, unique=True))
    if len(con_ids) == 1:
        legs = (OrderLeg(con_ids[0], draw(st.sampled_from([-1, 1]))),)
        quantity = lots(con_ids[0], draw(st.integers(1, 5)))
    else:
        ratios = st.sampled_from([-2, -1, 1, 2])
        legs = tuple(OrderLeg(con_id, lots(con_id, draw(ratios))) for con_id in con_ids)
        quantity = draw(st.integers(1, 5))
    touches = ((leg, (ASK if leg.ratio > 0 else BID)[IDS.index(leg.con_id)]) for leg in legs)
    money = sum(leg.ratio * MULTIPLIER[leg.con_id] * touch for leg, touch in touches)
    market = int(money * 10_000) // max(MULTIPLIER[leg.con_id] for leg in legs)
    away = draw(st.sampled_from([0, -200, 200, -10_000, 10_000, -200_000, 200_000]))
    return Order("O", "T", legs, quantity, (market + away) // 500 * 500, "open", "test")


holdings = st.dictionaries(st.sampled_from(IDS), st.integers(-2, 2).filter(bool), max_size=4)


@given(holdings, st.lists(orders(), min_size=1, max_size=3))
def test_nothing_that_leaves_under_a_halt_raises_the_worst_loss(
    held: dict[int, int], wanted: list[Order]
) -> None:
    checker = Desk(limits={"max_order_quantity": 1_000}).checker()
    for con_id, number in held.items():
        checker.set_position(con_id, lots(con_id, number))
    checker.set_halted(True)
    before = worst_loss(checker)
    for number, order in enumerate(wanted):
        named = msgspec.structs.replace(order, order_ref=f"O{number}")
        checker.submit("C", named, 0)
        assert worst_loss(checker) <= before, named
