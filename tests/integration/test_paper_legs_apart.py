"""NonGuaranteed combinations on the paper exchange: legs fill without each other, through ib_async."""

from __future__ import annotations

from typing import Any

import ib_async
import pytest

from tests.integration.paper_orders import fills, limit, settle, spread, status

# The vertical: buy the 68 call (2.02 offered), sell the 70 call (0.80 bid): 1.22 to pay.
LEGS = ((11, 1), (13, -1))


def apart(action: str, quantity: float, price: float, **more: Any) -> ib_async.LimitOrder:
    routing = [ib_async.TagValue("NonGuaranteed", "1")]
    return limit(action, quantity, price, smartComboRoutingParams=routing, **more)


async def open_market(laboratory: Any, *minutes: dict[int, Any], **options: Any) -> Any:
    exchange = await laboratory.start(laboratory.tape(*minutes), **options)
    client = await laboratory.connect(exchange)
    await client.reqCurrentTimeAsync()
    return exchange, client


async def positions(client: ib_async.IB) -> dict[int, float]:
    found = await client.reqPositionsAsync()
    return {one.contract.conId: one.position for one in found if one.position}


def test_a_leg_stays_behind_until_the_market_completes_it(laboratory: Any) -> None:
    async def scenario() -> None:
        minutes: list[dict[int, Any]] = [
            {13: (7_900, 3, 8_400, 10)},  # the bid of the short leg shows 3
            {13: (7_000, 9, 8_400, 10)},  # too low: 5 x 2.02 - 3 x 0.79 - 2 x 0.70 is above 5 x 1.25
            {13: (7_800, 1, 8_400, 10)},  # 1 of the 2
            {13: (7_800, 9, 8_400, 10)},
        ]
        _, client = await open_market(laboratory, *minutes)
        await client.reqCurrentTimeAsync()
        trade = client.placeOrder(spread(*LEGS), apart("BUY", 5, 1.25))
        await settle(client)
        # No execution of the combination; the units are those that are whole.
        assert fills(trade) == [("OPT", "BOT", 5, 2.02, 3.25), ("OPT", "SLD", 3, 0.79, 1.95)]
        assert status(trade) == ("Submitted", 3, 2)
        assert trade.orderStatus.avgFillPrice == pytest.approx(2.02 - 0.79)
        assert await positions(client) == {11: 5, 13: -3}
        await client.reqCurrentTimeAsync()
        assert status(trade) == ("Submitted", 3, 2)
        await client.reqCurrentTimeAsync()
        assert status(trade) == ("Submitted", 4, 1)
        await client.reqCurrentTimeAsync()
        assert status(trade) == ("Filled", 5, 0)
        assert [fill[:4] for fill in fills(trade)[2:]] == [("OPT", "SLD", 1, 0.78)] * 2
        assert sum(fill[4] for fill in fills(trade)) == pytest.approx(10 * 0.65)
        assert await positions(client) == {11: 5, 13: -5}
        assert trade.orderStatus.avgFillPrice == pytest.approx(2.02 - (3 * 0.79 + 2 * 0.78) / 5)
        (repeated,) = [
            one
            for one in await client.reqCompletedOrdersAsync(apiOnly=False)
            if one.contract.secType == "BAG"
        ]
        assert repeated.orderStatus.status == "Filled"

    laboratory.run(scenario())


@pytest.mark.parametrize("end", ["cancel", "IOC"])
def test_an_order_that_ends_leaves_a_leg_alone(laboratory: Any, end: str) -> None:
    async def scenario() -> None:
        _, client = await open_market(laboratory, {13: (8_000, 1, 8_400, 10)})
        await client.reqCurrentTimeAsync()
        trade = client.placeOrder(spread(*LEGS), apart("BUY", 2, 1.25, tif="IOC" if end == "IOC" else "DAY"))
        await settle(client)
        if end == "cancel":
            client.cancelOrder(trade.order)
            await settle(client)
        assert status(trade) == ("Cancelled", 1, 1)
        assert await positions(client) == {11: 2, 13: -1}  # the second call is not covered

    laboratory.run(scenario())


def test_a_ratio_is_worked_through_its_parts(laboratory: Any) -> None:
    """1 x 2 with two of the short leg shown at a time."""

    async def scenario() -> None:
        shown: dict[int, Any] = {13: (8_000, 3, 8_400, 10)}
        _, client = await open_market(laboratory, *[shown] * 4)
        await client.reqCurrentTimeAsync()
        trade = client.placeOrder(spread((11, 1), (13, -2)), apart("SELL", 3, 0.35))
        await settle(client)
        assert fills(trade) == []  # sells one at 1.98, buys two at 0.84: receives 0.30
        trade.order.lmtPrice = 0.30
        client.placeOrder(trade.contract, trade.order)
        await settle(client)
        assert [fill[:4] for fill in fills(trade)] == [("OPT", "SLD", 3, 1.98), ("OPT", "BOT", 6, 0.84)]
        assert status(trade)[0] == "Filled"
        trade = client.placeOrder(spread((11, 1), (13, -2)), apart("BUY", 3, 0.50))  # 2.02 - 1.60 = 0.42
        await settle(client)
        assert status(trade) == ("Submitted", 1, 2)
        assert await positions(client) == {13: 3}  # bought 3 and sold 3 again of 6
        # Three have been begun: the order cannot be made smaller than that, or another kind.
        trade.order.totalQuantity = 2
        client.placeOrder(trade.contract, trade.order)
        await settle(client)
        assert laboratory.codes()[-1] == 321
        await client.reqCurrentTimeAsync()
        assert status(trade) == ("Filled", 3, 0)
        assert await positions(client) == {}

    laboratory.run(scenario())


def test_refusals_and_corrections(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await open_market(laboratory)
        for order in (
            apart("BUY", 1, 1.25, ocaGroup="group"),
            apart("BUY", 1, 1.25, allOrNone=True),
            apart("BUY", 2, 1.25, minQty=2),
        ):
            client.placeOrder(spread(*LEGS), order)
        directed = spread(*LEGS)
        directed.exchange = "CBOE"
        client.placeOrder(directed, apart("BUY", 1, 1.25))
        await settle(client)
        assert laboratory.codes() == [201, 201, 201, 10043]
        trade = client.placeOrder(spread(*LEGS), apart("BUY", 2, 1.0, orderRef="forced"))
        await settle(client)
        assert exchange.faults.fill_now("forced") == 1
        await settle(client)
        assert status(trade) == ("Filled", 2, 0)
        assert trade.orderStatus.avgFillPrice == pytest.approx(1.0)
        execution = trade.fills[0].execution
        exchange.faults.correct_execution(execution.execId, price=execution.price + 0.5)
        await settle(client)
        assert trade.orderStatus.avgFillPrice == pytest.approx(1.5)

    laboratory.run(scenario())
