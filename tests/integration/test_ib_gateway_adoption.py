"""Orders that an earlier session, or another program under our client id, has left: taken over whole."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from optionsib.brokers.ib import IBGateway, library
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.common.errors import BrokerError
from tests.integration.ib_world import CALL, PLACE, World, order, play

OPTION = library.Contract(conId=CALL, symbol="TST", secType="OPT", exchange="SMART")


def limit_order(order_ref: str, quantity: int = 1, **more: object) -> library.Order:
    """A purchase at 2.00, far below the market."""
    return library.LimitOrder(
        "BUY", quantity, 2.0, tif="DAY", account="DU0000001", orderRef=order_ref, **more
    )


async def left_behind(world: World, orders: Sequence[library.Order]) -> IBGateway:
    """Place orders through the client library, leave, and return a gateway that has found them."""
    other = library.IB()
    await other.connectAsync("127.0.0.1", world.exchange.port, clientId=1)
    for one in orders:
        other.placeOrder(OPTION, one)
    await other.reqAllOpenOrdersAsync()
    other.disconnect()
    later = world.another_gateway()
    await later.connect()
    await later.option_chain("TST")
    return later


def at_exchange(world: World) -> dict[str, ClientOrder]:
    return {one.order_ref: one for one in world.exchange._desk.working()}


def test_orders_of_an_earlier_session_are_adopted_changed_and_ended() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        await world.gateway.disconnect()
        later = world.another_gateway()
        state = await later.connect()
        await later.option_chain("TST")
        assert [(u.order_ref, u.limit_price) for u in state.working_orders] == [("O1", 20_000)]
        await later.modify("O1", 20_500)
        await later.settle()
        assert [u.limit_price for u in (await later.refresh()).working_orders] == [20_500]
        await later.cancel("O1")
        await later.settle()
        assert (await later.refresh()).working_orders == ()
        await later.disconnect()

    play(scenario)


def test_an_adopted_order_keeps_its_conditions_when_it_is_changed() -> None:
    async def scenario(world: World) -> None:
        waits = library.PriceCondition(conId=1, exch="SMART", isMore=True, price=90.0)
        later = await left_behind(
            world, [limit_order("plain"), limit_order("waits", conditions=[waits], hidden=True)]
        )
        for order_ref in ("plain", "waits"):
            await later.modify(order_ref, 20_500)
        await later.settle()
        worked = at_exchange(world)
        assert {one.limit for one in worked.values()} == {20_500}
        assert [len(worked[name].ticket.conditions) for name in ("plain", "waits")] == [0, 1]
        assert float(worked["waits"].ticket.conditions[0].values["price"]) == 90.0
        assert [worked[name].ticket.flag("hidden") for name in ("plain", "waits")] == [False, True]
        kept = later._inbox.orders.get("plain")
        assert kept is not None
        assert kept.ticket is not None
        assert set(kept.ticket.kept) <= {"openClose", "ocaType"}  # what TWS says of every order
        await later.disconnect()

    play(scenario)


@pytest.mark.parametrize(
    "fields",
    [
        {"displaySize": 2},
        {"minQty": 3},
        {"discretionaryAmt": 0.05},
        {"sweepToFill": True},
        {"notHeld": True},
        {"randomizeSize": True, "randomizePrice": True},
        {
            "scaleInitLevelSize": 4,
            "scaleSubsLevelSize": 2,
            "scalePriceIncrement": 0.05,
            "scalePriceAdjustValue": 0.1,
            "scalePriceAdjustInterval": 60,
            "scaleProfitOffset": 0.2,
            "scaleAutoReset": True,
            "scaleInitPosition": 1,
            "scaleInitFillQty": 1,
            "scaleRandomPercent": True,
        },
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_an_adopted_order_keeps_how_it_is_worked(fields: dict[str, object]) -> None:
    async def scenario(world: World) -> None:
        later = await left_behind(world, [limit_order("worked", 10, **fields)])
        before = at_exchange(world)["worked"].ticket
        assert before.text(next(iter(fields))) not in ("", "0", "1.7976931348623157E308")
        await later.modify("worked", 20_500)
        await later.settle()
        changed = at_exchange(world)["worked"]
        assert (changed.limit, changed.quantity) == (20_500, 10)
        assert {name: changed.ticket.text(name) for name in fields} == {
            name: before.text(name) for name in fields
        }
        await later.disconnect()

    play(scenario)


def test_an_adopted_order_of_a_type_that_we_do_not_send_can_be_cancelled_only() -> None:
    async def scenario(world: World) -> None:
        never = library.PriceCondition(conId=1, exch="SMART", isMore=True, price=900.0)
        market = limit_order("market", conditions=[never])
        market.orderType, market.lmtPrice = "MKT", 0.0
        later = await left_behind(world, [market])
        before = at_exchange(world)["market"].ticket
        with pytest.raises(BrokerError, match=r"type MKT can be cancelled, not changed; nothing was sent"):
            await later.modify("market", quantity=2)
        await later.settle()
        assert at_exchange(world)["market"].ticket is before
        assert world.requests(PLACE) == []
        await later.cancel("market")
        await later.settle()
        assert at_exchange(world) == {}
        await later.disconnect()

    play(scenario)
