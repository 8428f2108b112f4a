"""A combination without guarantee through gateway, fold and books, against the paper exchange's sockets."""

from __future__ import annotations

from typing import Any

import pytest

from optionsib.common.errors import BrokerError
from optionsib.common.events import CommissionReport, Execution, OrderSubmitted, OrderUpdate
from optionsib.common.types import Order, OrderLeg
from optionsib.execution.orders import OrderManager
from optionsib.execution.portfolio import Portfolio
from tests.integration.ib_world import CALL, EXECUTION, PUT, FlatTape, World, play

# 10 of each side are shown a minute: 10 calls and 10 puts are 5 units and 5 lone calls.
LEGS = (OrderLeg(CALL, 1), OrderLeg(PUT, -2))


def apart(quantity: int, limit: int = 9_500, **more: Any) -> Order:
    return Order("N1", "T1", LEGS, quantity, limit, "open", "test", guaranteed=False, **more)


def held(world: World) -> dict[int, int]:
    found: dict[int, int] = {}
    for fill in world.of(Execution):
        found[fill.con_id] = found.get(fill.con_id, 0) + fill.side * fill.quantity
    return found


def books(world: World, order: Order) -> tuple[OrderManager, Portfolio]:
    """What follows from the gateway's events alone."""
    manager, portfolio = OrderManager(), Portfolio({one.con_id: one for one in FlatTape.contracts})
    manager.apply(OrderSubmitted(order=order, at_ns=0))
    for event in world.events:
        if isinstance(event, Execution | CommissionReport | OrderUpdate):
            for effect in manager.apply(event):
                portfolio.apply(effect)
    return manager, portfolio


def test_legs_fill_apart_and_the_books_follow() -> None:
    order = apart(12)

    async def scenario(world: World) -> None:
        await world.ready()
        world.faults.duplicate("execDetails", count=None)
        await world.gateway.place(order)
        await world.settle()
        assert held(world) == {CALL: 10, PUT: -10}
        assert world.statuses("N1")[-1] == "working"
        assert books(world, order)[0].records["N1"].filled == 5
        while world.statuses("N1")[-1] != "filled":
            await world.step()
            await world.settle()
        assert held(world) == {CALL: 12, PUT: -24}
        assert not [fill for fill in world.of(Execution) if fill.is_combo]
        state = await world.gateway.refresh()
        assert (state.positions, state.working_orders) == ({CALL: 12, PUT: -24}, ())
        manager, portfolio = books(world, order)
        assert manager.records["N1"].status == "filled"
        assert portfolio.positions == state.positions
        trade = portfolio.trades["T1"]
        assert trade.quantity == 12
        assert trade.entry_cost == -portfolio.cash - portfolio.fees
        assert portfolio.fees == 36 * 650_000
        assert world.exchange._account.cash == world.exchange._account.initial_cash + portfolio.cash
        assert world.codes() == []

    play(scenario)


def test_a_cancel_leaves_a_leg_alone_and_a_new_session_knows_the_order() -> None:
    order = apart(30)

    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order)
        await world.settle()
        successor = world.another_gateway(client_id=1)
        await world.gateway.disconnect()
        try:
            state = await successor.connect()
            assert state.positions == {CALL: 10, PUT: -10}
            (working,) = state.working_orders
            assert (working.order_ref, working.quantity) == ("N1", 30)
            tracked = successor._inbox.orders.get("N1")
            assert tracked is not None
            assert tracked.executed == 5  # known from the legs alone
            await successor.cancel("N1")
            await successor.settle()
            assert (await successor.refresh()).positions == {CALL: 10, PUT: -10}
            assert tracked.status == "cancelled"
        finally:
            await successor.disconnect()

    play(scenario)


def test_lost_leg_executions_are_fetched() -> None:
    order = apart(5)

    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.to_client = lambda f: [] if f[0] == EXECUTION and f[1] == "-1" else [f]
        await world.gateway.place(order)
        await world.settle()
        assert world.statuses("N1")[-1] == "filled"
        assert held(world) == {CALL: 5, PUT: -10}
        manager, _ = books(world, order)
        assert manager.records["N1"].filled == 5

    play(scenario)


@pytest.mark.parametrize("more", [{"parent_ref": "P1"}, {"oca_group": "G1"}])
def test_a_member_of_a_group_keeps_its_guarantee(more: dict[str, Any]) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        with pytest.raises(BrokerError, match="outside of groups"):
            await world.gateway.preview(apart(1, **more))
        single = Order("S1", "T1", LEGS[:1], 1, 9_500, "open", "test", guaranteed=False)
        with pytest.raises(BrokerError, match="only a combination"):
            await world.gateway.place(single)

    play(scenario)
