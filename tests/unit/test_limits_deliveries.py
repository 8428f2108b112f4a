"""What an assignment makes of the limit engine's books, and what it lets be closed then."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.test_limits import CALL_50, CALL_55, STOCK, Desk, order

from optionsib.common.types import MONEY_SCALE
from optionsib.risk.limits import LimitChecker

AT_STRIKE = 5_000 * MONEY_SCALE


def traded() -> LimitChecker:
    """A credit spread, and another trade that gains where its shares will lose."""
    checker = Desk().checker()
    for one in (
        order((CALL_50, -1), (CALL_55, 1), limit=-34_000),
        msgspec.structs.replace(order((CALL_50, 1), limit=56_000, quantity=2, ref="o-2"), trade_id="t-2"),
    ):
        checker.on_order_working(one)
        checker.on_fill(one.order_ref, one.quantity)
    return checker


def assigned() -> LimitChecker:
    """The spread's short leg was assigned."""
    checker = traded()
    checker.deliver(CALL_50, 1, 0, "t-1", "test")
    checker.deliver(STOCK, -100, AT_STRIKE, "t-1", "test")
    return checker


def test_positions_cash_and_losses_follow() -> None:
    before, checker, other = traded(), assigned(), traded()
    assert checker.positions == {STOCK: -100, CALL_50: 2, CALL_55: 1}
    assert checker.cash == before.cash + AT_STRIKE
    other.set_position(CALL_50, 2)
    other.set_position(STOCK, -100)
    other.set_cash(before.cash + AT_STRIKE)
    assert checker.exposure() == other.exposure()
    assert checker.exposure() != before.exposure()


def test_the_shares_belong_to_their_trade_which_may_buy_them_back() -> None:
    checker = assigned()
    checker.set_halted(True)
    cover = order((STOCK, 1), limit=549_000, quantity=100, ref="o-3", purpose="close")
    assert checker.check("c", cover, 0).accepts
    assert checker.check("c", msgspec.structs.replace(cover, quantity=101), 0).check == "kill_switch"
    stranger = msgspec.structs.replace(cover, trade_id="t-3")
    assert checker.check("c", stranger, 0).check == "kill_switch", "it hedges what t-2 holds"


def test_a_trade_or_contract_that_nobody_knows() -> None:
    checker = traded()
    checker.deliver(STOCK, 5, 0, "nobody's", "")
    assert checker.positions[STOCK] == 5
    with pytest.raises(ValueError, match="unknown con_id 99"):
        checker.deliver(99, 1, 0, "t-1", "test")
