"""Order types, times in force and conditions on the paper exchange, through ib_async."""

from __future__ import annotations

import copy
from typing import Any

import ib_async
import pytest

from tests.integration.conftest import OPENING
from tests.integration.paper_orders import contract, fills, limit, settle, spread, status


def quote(bid: int, ask: int, size: int = 10, con_id: int = 11) -> dict[int, tuple[int, int, int, int]]:
    """A minute in which one contract is quoted, in cents."""
    return {con_id: (bid * 100, size, ask * 100, size)}


async def steps(client: ib_async.IB, count: int = 1) -> None:
    for _ in range(count):
        await client.reqCurrentTimeAsync()


def test_a_market_order_fills_at_the_displayed_price_and_waits_for_more(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(quote(190, 210, 3)))
        client = await laboratory.connect(exchange)
        await steps(client)
        trade = client.placeOrder(contract(11), ib_async.MarketOrder("BUY", 12))
        await settle(client)
        assert fills(trade) == [("OPT", "BOT", 10, 2.02, 6.5)]
        assert status(trade) == ("Submitted", 10, 2)
        await steps(client)
        assert fills(trade)[1:] == [("OPT", "BOT", 2, 2.1, 1.3)]
        combo = client.placeOrder(spread((11, 1), (13, -1)), ib_async.MarketOrder("SELL", 1))
        await settle(client)
        assert fills(combo)[0][:4] == ("BAG", "SLD", 1, 1.06)  # 1.90 - 0.84

    laboratory.run(scenario())


def test_immediate_and_fill_or_kill(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await steps(client)
        wanted = [("IOC", 12, 2.02), ("FOK", 1, 2.02), ("IOC", 1, 2.01), ("FOK", 11, 2.0)]
        trades = [client.placeOrder(contract(11), limit("BUY", n, p, tif=tif)) for tif, n, p in wanted]
        other = [client.placeOrder(contract(13), limit("BUY", n, 0.84, tif="FOK")) for n in (11, 10)]
        combo = client.placeOrder(spread((12, 1), (14, -1)), limit("BUY", 11, 1.0, tif="IOC"))
        await settle(client)
        assert [status(trade)[:2] for trade in trades] == [("Cancelled", 10)] + [("Cancelled", 0)] * 3
        assert [status(trade)[:2] for trade in other] == [("Cancelled", 0), ("Filled", 10)]
        assert status(combo) == ("Cancelled", 10, 1)
        assert set(laboratory.codes()) == {202}
        assert await client.reqAllOpenOrdersAsync() == []

    laboratory.run(scenario())


@pytest.mark.parametrize(("kind", "filled_at"), [("STP", 1.7), ("STP LMT", None)])
def test_a_stop_waits_for_two_quotes_of_an_option(
    laboratory: Any, kind: str, filled_at: float | None
) -> None:
    async def scenario() -> None:
        minutes = (quote(180, 184), quote(190, 194), quote(180, 184), quote(170, 174))
        exchange = await laboratory.start(laboratory.tape(*minutes))
        client = await laboratory.connect(exchange)
        await steps(client)
        order = ib_async.Order(
            action="SELL",
            totalQuantity=2,
            orderType=kind,
            auxPrice=1.85,
            lmtPrice=1.83 if filled_at is None else 0,
        )
        trade = client.placeOrder(contract(11), order)
        await settle(client)
        assert status(trade) == ("PreSubmitted", 0, 2)
        assert trade.orderStatus.whyHeld == "trigger"
        await steps(client, 3)  # one ask at or below the stop, then none, then one: not two in a row
        assert status(trade)[0] == "PreSubmitted"
        await steps(client)
        if filled_at is None:
            assert status(trade) == ("Submitted", 0, 2)  # its limit is above the bid
            assert trade.orderStatus.whyHeld == ""
        else:
            assert [fill[:4] for fill in fills(trade)] == [("OPT", "SLD", 2, filled_at)]
        (found,) = client.trades()
        assert (found.order.auxPrice, found.order.orderType) == (1.85, kind)

    laboratory.run(scenario())


def test_the_trigger_method_and_a_stop_on_a_combination(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(quote(180, 184), {13: (8_000, 9, 8_200, 9)}))
        client = await laboratory.connect(exchange)
        await steps(client)
        single = ib_async.StopOrder("SELL", 1, 1.85, triggerMethod=4)
        middle = ib_async.StopOrder("SELL", 1, 1.82, triggerMethod=8)
        low = ib_async.StopOrder("SELL", 1, 1.81, triggerMethod=8)
        trades = [client.placeOrder(contract(11), order) for order in (single, middle, low)]
        combo = client.placeOrder(spread((11, 1), (13, -1)), ib_async.StopOrder("SELL", 1, 1.1))
        await settle(client)
        await steps(client)
        assert [status(trade)[0] for trade in trades] == ["Filled", "Filled", "PreSubmitted"]
        assert status(combo)[0] == "PreSubmitted"  # 1.84 - 0.80 = 1.04: the first quote at the stop
        await steps(client)
        assert fills(combo)[0][:4] == ("BAG", "SLD", 1, 0.98)  # 1.80 - 0.82

    laboratory.run(scenario())


async def seen_by_another(laboratory: Any, exchange: Any, client_id: int) -> ib_async.Order:
    """The only open order, as a client sees it that has just connected."""
    client = await laboratory.connect(exchange, client_id)
    (trade,) = await client.reqAllOpenOrdersAsync()
    client.disconnect()
    order: ib_async.Order = trade.order
    return order


@pytest.mark.parametrize("is_limit", [False, True])
def test_a_trailing_stop_follows_and_never_goes_back(laboratory: Any, is_limit: bool) -> None:
    async def scenario() -> None:
        minutes = (quote(216, 220), quote(206, 210), quote(192, 196, 9), quote(191, 195, 9))
        exchange = await laboratory.start(laboratory.tape(*minutes))
        client = await laboratory.connect(exchange)
        await steps(client)
        order = ib_async.Order(action="SELL", totalQuantity=1, auxPrice=0.2, orderType="TRAIL")
        if is_limit:
            order.orderType, order.lmtPriceOffset = "TRAIL LIMIT", 0.1
        trade = client.placeOrder(contract(11), order)
        await settle(client)
        stops = []
        for number in (20, 21, 22):
            seen = await seen_by_another(laboratory, exchange, number)
            stops.append(seen.trailStopPrice)
            if is_limit:
                assert seen.lmtPrice == round(seen.trailStopPrice - 0.1, 2)
            await steps(client)
        assert stops == [1.82, 2.0, 2.0]  # 0.20 below the highest ask
        assert fills(trade) == []
        await steps(client)  # the second ask at or below 2.00
        assert [fill[3] for fill in fills(trade)] == [1.91]

    laboratory.run(scenario())


def test_a_trailing_buy_in_percent_and_an_explicit_first_stop(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(quote(180, 184), quote(176, 180)))
        client = await laboratory.connect(exchange)
        await steps(client)
        order = ib_async.Order(action="BUY", totalQuantity=1, orderType="TRAIL", trailingPercent=10)
        order.trailStopPrice = 2.1
        client.placeOrder(contract(11), order)
        await settle(client)
        stops = []
        for number in (20, 21, 22):
            stops.append((await seen_by_another(laboratory, exchange, number)).trailStopPrice)
            await steps(client)
        assert stops == [2.1, 1.98, 1.94]  # 1.80 and 1.76 + 10 %, rounded up

    laboratory.run(scenario())


def test_times_in_force(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape({13: (8_000, 9, 8_200, 9)}, quote(180, 184)))
        client = await laboratory.connect(exchange)
        opening = client.placeOrder(contract(11), limit("BUY", 12, 2.5, tif="OPG"))
        missed = client.placeOrder(contract(12), limit("BUY", 1, 0.5, tif="OPG"))
        await settle(client)
        assert status(opening) == ("Submitted", 0, 12)
        await steps(client)  # 09:31, the first quotes
        assert (status(opening)[:2], status(missed)[:2]) == (("Cancelled", 10), ("Cancelled", 0))
        ends = client.placeOrder(
            contract(11), limit("BUY", 1, 1.0, tif="GTD", goodTillDate="20140606 09:32:00 America/New_York")
        )
        utc = client.placeOrder(
            contract(11), limit("BUY", 1, 1.0, tif="GTD", goodTillDate="20140606-13:33:00")
        )
        day = client.placeOrder(contract(11), limit("BUY", 1, 1.0, tif="GTD", goodTillDate="20140606"))
        later = client.placeOrder(
            contract(11), limit("BUY", 1, 2.5, goodAfterTime="20140606 09:33:00 US/Eastern")
        )
        await settle(client)
        assert [status(trade)[0] for trade in (ends, utc, day, later)] == ["Submitted"] * 3 + ["PreSubmitted"]
        await steps(client)
        assert [status(trade)[0] for trade in (ends, utc, day, later)] == ["Cancelled", "Submitted"] * 1 + [
            "Submitted",
            "PreSubmitted",
        ]
        await steps(client)
        assert [status(trade)[0] for trade in (utc, day, later)] == ["Cancelled", "Submitted", "Filled"]
        assert fills(later)[0][3] == 1.84
        assert set(laboratory.codes()) == {202}

    laboratory.run(scenario())


def test_conditions_are_honoured(laboratory: Any) -> None:
    async def scenario() -> None:
        up = {1: (699_900, 5, 700_100, 5)}
        exchange = await laboratory.start(laboratory.tape(up, {12: (9_700, 10, 10_100, 10)}))
        client = await laboratory.connect(exchange)
        await steps(client)
        above = ib_async.PriceCondition(price=70.0, conId=1, exch="SMART", isMore=True)
        below = ib_async.PriceCondition(price=60.0, conId=1, exch="SMART", isMore=False)
        at = ib_async.TimeCondition(time="20140606 09:33:00 US/Eastern", isMore=True)
        percent = ib_async.PercentChangeCondition(changePercent=1.0, conId=1, exch="SMART", isMore=True)
        traded = ib_async.ExecutionCondition(secType="OPT", exch="SMART", symbol="TWX")
        rich = ib_async.MarginCondition(percent=30, isMore=True)
        volume = ib_async.VolumeCondition(volume=1, conId=1, exch="SMART")
        cases: list[tuple[list[ib_async.OrderCondition], int]] = [
            ([above], 1),  # step in which the order works
            ([at], 2),
            ([above, at], 2),
            ([copy.copy(above).Or(), at], 1),
            ([percent], 1),
            ([rich], 0),
            ([traded], 2),  # the first execution comes after it in step 1
            ([below], 9),
            ([volume], 9),
        ]
        trades = []
        for conditions, _ in cases:
            order = limit("BUY", 1, 0.9, conditions=[copy.copy(one) for one in conditions])
            trades.append(client.placeOrder(contract(12), order))
        buys = client.placeOrder(contract(14), limit("BUY", 1, 1.84, conditions=[copy.copy(above)]))
        stays = limit("BUY", 1, 0.9, conditions=[copy.copy(above)], conditionsCancelOrder=True)
        ends = client.placeOrder(contract(12), stays)
        await settle(client)
        assert status(ends)[0] == "Submitted"
        for step in range(3):
            working = [status(trade)[0] == "Submitted" for trade in trades]
            assert working == [step >= at_step for _, at_step in cases], step
            await steps(client)
        assert (status(buys)[0], status(ends)[0]) == ("Filled", "Cancelled")

    laboratory.run(scenario())


@pytest.mark.parametrize("version", [157, 160, 163, 169, 176, 178])
def test_every_field_of_an_order_comes_back(
    laboratory: Any, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ib_async.client.Client, "MaxClientVersion", version)

    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await steps(client)
        given = {
            "orderType": "LMT",
            "action": "SELL",
            "totalQuantity": 3.0,
            "lmtPrice": 1.25,
            "tif": "GTC",
            "orderRef": "all of it",
            "outsideRth": True,
            "hidden": True,
            "displaySize": 2,
            "triggerMethod": 4,
            "discretionaryAmt": 0.05,
            "minQty": 1,
            "algoStrategy": "Adaptive",
            "algoParams": [ib_async.TagValue("adaptivePriority", "Patient")],
            "smartComboRoutingParams": [ib_async.TagValue("NonGuaranteed", "1")],
            "orderComboLegs": [ib_async.OrderComboLeg(2.0), ib_async.OrderComboLeg(0.75)],
            "rule80A": "I",
            "percentOffset": 0.1,
            "scaleInitLevelSize": 1,
            "scaleSubsLevelSize": 1,
            "scalePriceIncrement": 0.01,
            "scaleProfitOffset": 0.02,
            "hedgeType": "D",
            "hedgeParam": "1",
            "deltaNeutralOrderType": "MKT",
            "deltaNeutralConId": 1,
            "clearingIntent": "Away",
            "notHeld": True,
            "solicited": True,
            "randomizePrice": True,
            "cashQty": 12.5,
            "modelCode": "model",
            "conditions": [ib_async.TimeCondition(time="20140606 09:00:00 US/Eastern", isMore=True)],
            "conditionsIgnoreRth": True,
            "lmtPriceOffset": 0.03,
            "adjustedOrderType": "STP",
            "adjustedStopPrice": 0.9,
            "duration": 60,
            "postToAts": 1,
            "autoCancelParent": True,
        }
        wanted = spread((11, 1), (13, -1))
        wanted.comboLegs[0].exemptCode, wanted.comboLegs[0].openClose = 3, 1
        client.placeOrder(wanted, ib_async.Order(**given))
        await settle(client)
        for number in (20, 21):
            other = await laboratory.connect(exchange, number)
            if number == 20:
                (trade,) = await other.reqAllOpenOrdersAsync()
            else:
                client.reqGlobalCancel()
                await settle(client)
                (trade,) = await other.reqCompletedOrdersAsync(False)
            legs = [(leg.conId, leg.ratio, leg.action) for leg in trade.contract.comboLegs]
            assert legs == [(11, 1, "BUY"), (13, 1, "SELL")]
            assert (trade.contract.comboLegs[0].exemptCode, trade.contract.comboLegs[0].openClose) == (3, 1)
            skipped = (
                {"duration", "postToAts", "adjustedOrderType", "adjustedStopPrice"} if number == 21 else set()
            )
            since = {"duration": 159, "postToAts": 160, "autoCancelParent": 162}
            skipped |= {name for name, first in since.items() if version < first}
            for name, value in given.items():
                if name not in skipped:
                    assert getattr(trade.order, name) == value, name
            if number == 20:
                assert trade.order.trailStopPrice == ib_async.util.UNSET_DOUBLE

    laboratory.run(scenario())


def test_opening_minute_has_what_the_tests_assume() -> None:
    assert OPENING[11] == (19_800, 10, 20_200, 10)
