"""Orders, fills, account and reconnection on the paper exchange, through ib_async."""

from __future__ import annotations

import asyncio
from typing import Any

import ib_async
import pytest

from tests.integration.paper_orders import contract, fills, limit, settle, spread


def test_a_resting_order_fills_at_its_limit_when_the_market_reaches_it(laboratory: Any) -> None:
    async def scenario() -> None:
        near = {11: (19_700, 10, 20_000, 10)}
        reached = {11: (19_300, 10, 19_800, 3)}
        exchange = await laboratory.start(laboratory.tape(near, reached))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        trade = client.placeOrder(contract(11), limit("BUY", 4, 1.99, orderRef="mine"))
        await settle(client)
        assert (trade.orderStatus.status, trade.orderStatus.remaining) == ("Submitted", 4)
        await client.reqCurrentTimeAsync()
        assert trade.fills == []
        await client.reqCurrentTimeAsync()
        assert fills(trade) == [("OPT", "BOT", 3, 1.99, 1.95)]
        assert (trade.orderStatus.filled, trade.orderStatus.remaining) == (3, 1)
        execution = trade.fills[0].execution
        assert (execution.orderRef, execution.permId) == ("mine", trade.orderStatus.permId)
        assert execution.time.timestamp() == exchange.now_ns / 1e9
        assert execution.execId == "0000e0d5.00000001.01.01"

    laboratory.run(scenario())


def test_a_crossing_order_fills_at_the_displayed_price_and_takes_the_displayed_size(laboratory: Any) -> None:
    async def scenario() -> None:
        same_again = {11: (19_800, 10, 20_200, 10)}
        exchange = await laboratory.start(laboratory.tape({12: (9_800, 1, 10_200, 1)}, same_again))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        first = client.placeOrder(contract(11), limit("BUY", 6, 2.50))
        second = client.placeOrder(contract(11), limit("BUY", 6, 2.50))
        await settle(client)
        assert fills(first) == [("OPT", "BOT", 6, 2.02, 3.9)]
        assert fills(second) == [("OPT", "BOT", 4, 2.02, 2.6)]
        await client.reqCurrentTimeAsync()  # another contract's quote brings nothing back
        assert second.orderStatus.remaining == 2
        await client.reqCurrentTimeAsync()  # a new quote does, at the resting order's limit
        assert fills(second)[1:] == [("OPT", "BOT", 2, 2.5, 1.3)]
        assert (second.orderStatus.status, second.orderStatus.avgFillPrice) == ("Filled", (4 * 2.02 + 5) / 6)
        sold = client.placeOrder(contract(11), limit("SELL", 1, 1.90))
        await settle(client)
        assert fills(sold) == [("OPT", "SLD", 1, 1.98, 1.0)]  # the minimum an order

    laboratory.run(scenario())


def test_modify_price_and_quantity(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        trade = client.placeOrder(contract(11), limit("BUY", 2, 1.50))
        await settle(client)
        perm_id = trade.orderStatus.permId
        trade.order.lmtPrice, trade.order.totalQuantity = 1.60, 3
        client.placeOrder(contract(11), trade.order)
        await settle(client)
        (open_order,) = await client.reqAllOpenOrdersAsync()
        assert (open_order.order.lmtPrice, open_order.order.totalQuantity) == (1.6, 3)
        assert (open_order.order.permId, trade.orderStatus.status) == (perm_id, "Submitted")
        trade.order.lmtPrice = 2.02
        client.placeOrder(contract(11), trade.order)
        await settle(client)
        assert fills(trade) == [("OPT", "BOT", 3, 2.02, 1.95)]
        client.client.placeOrder(trade.order.orderId, contract(11), trade.order)
        await settle(client)
        assert laboratory.codes() == [104]

    laboratory.run(scenario())


def test_a_refused_modify_leaves_the_order_as_it_was(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        trade = client.placeOrder(contract(11), limit("BUY", 2, 1.50))
        await settle(client)
        for change in ({"lmtPrice": 1.505}, {"action": "SELL"}, {"tif": "GTC"}, {"orderType": "MKT"}):
            wanted = limit("BUY", 2, 1.5)
            for name, value in change.items():
                setattr(wanted, name, value)
            client.client.placeOrder(trade.order.orderId, contract(11), wanted)
        await settle(client)
        assert laboratory.codes() == [110, 105, 105, 329]
        (open_order,) = await client.reqAllOpenOrdersAsync()
        assert (open_order.order.lmtPrice, open_order.order.action) == (1.5, "BUY")

    laboratory.run(scenario())


def test_cancel(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape({11: (10_000, 10, 10_100, 10)}))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        trade = client.placeOrder(contract(11), limit("BUY", 2, 1.50))
        client.cancelOrder(trade.order)
        await settle(client)
        assert trade.orderStatus.status == "Cancelled"
        assert laboratory.codes() == [202]
        client.client.cancelOrder(trade.order.orderId)
        client.client.cancelOrder(4711)
        await client.reqCurrentTimeAsync()
        assert laboratory.codes() == [202, 10148, 10147]
        assert trade.fills == []
        (done,) = await client.reqCompletedOrdersAsync(False)
        assert (done.order.permId, done.orderStatus.status) == (trade.order.permId, "Cancelled")

    laboratory.run(scenario())


def test_refusals_name_their_reason_and_leave_no_order(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        bad: list[tuple[ib_async.Contract, ib_async.Order, int]] = [
            (contract(11), limit("BUY", 1, 1.505), 110),  # below 3.00: cents
            (contract(11), limit("BUY", 1, 3.01), 110),  # from 3.00: five cents
            (contract(11), limit("BUY", 1, 1.50001), 110),
            (spread((11, 1), (13, -1)), limit("BUY", 1, 1.505), 110),
            (contract(11), ib_async.Order(action="BUY", totalQuantity=1, orderType="REL"), 387),
            (contract(11), ib_async.Order(action="BUY", totalQuantity=1, orderType="STP"), 403),
            (contract(11), ib_async.StopOrder("BUY", 1, 2.005), 110),
            (contract(11), ib_async.Order(action="SELL", totalQuantity=1, orderType="TRAIL"), 201),
            (contract(11), limit("BUY", 0, 1.5), 434),
            (contract(11), limit("BUY", 1.5, 1.5), 10243),
            (contract(11), limit("BUY", 1, -1.5), 201),
            (contract(11), limit("SSHORT", 1, 1.5), 201),
            (contract(11), limit("BUY", 1, 1.5, tif="NOW"), 321),
            (contract(11), limit("BUY", 1, 1.5, tif="OPG"), 201),  # the opening is over
            (contract(11), limit("BUY", 1, 1.5, tif="GTD"), 201),
            (contract(11), limit("BUY", 1, 1.5, tif="GTD", goodTillDate="20140605 16:00:00"), 201),
            (contract(11), limit("BUY", 1, 1.5, tif="GTD", goodTillDate="tomorrow"), 343),
            (contract(11), limit("BUY", 1, 1.5, goodAfterTime="20140631 16:00:00"), 337),
            (contract(11), ib_async.StopOrder("SELL", 1, 1.5, tif="OPG"), 111),
            (contract(11), limit("BUY", 1, 1.5, ocaGroup="a", ocaType=4), 321),
            (contract(11), limit("BUY", 1, 1.5, parentId=4711), 135),
            (contract(11), limit("BUY", 1, 1.5, algoStrategy="Nonsense"), 439),
            (contract(11), limit("BUY", 1, 1.5, conditions=[ib_async.PriceCondition(conId=99)]), 147),
            (contract(11), limit("BUY", 1, 1.5, account="DU1"), 321),
            (contract(11), limit("BUY", 1, 1.5, orderRef="x" * 129), 321),
            (contract(11), limit("BUY", 1_000, 2.00), 201),  # more than the account holds
            (contract(1), limit("BUY", 10_000, 69.0), 201),
            (contract(11), limit("BUY", 1, 1.5, whatIf=True, transmit=False), 413),
            (contract(99), limit("BUY", 1, 1.5), 200),
            (ib_async.Option("TWX", "20140620", 68), limit("BUY", 1, 1.5), 200),
            (spread((11, 1)), limit("BUY", 1, 1.5), 201),
            (spread((11, 1), (11, -1)), limit("BUY", 1, 1.5), 201),
            (spread((11, 1), (99, -1)), limit("BUY", 1, 1.5), 200),
            (spread((11, 1), (13, 0)), limit("BUY", 1, 1.5), 201),
        ]
        for wanted, order, _ in bad:
            client.placeOrder(wanted, order)
        assert await client.reqAllOpenOrdersAsync() == []
        assert laboratory.codes() == [code for _, _, code in bad]
        client.placeOrder(contract(11), limit("BUY", 1, 1.5, orderId=1))
        await settle(client)
        assert laboratory.codes()[-1] == 103
        assert await client.reqExecutionsAsync() == []

    laboratory.run(scenario())


def test_a_combination_fills_with_all_legs_at_the_displayed_sum(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        # buy 68C at 2.02, sell 70C at 0.80: 1.22
        trade = client.placeOrder(spread((11, 1), (13, -1)), limit("BUY", 2, 1.30, orderRef="vertical"))
        await settle(client)
        assert fills(trade) == [
            ("BAG", "BOT", 2, 1.22, 0.0),
            ("OPT", "BOT", 2, 2.02, 1.3),
            ("OPT", "SLD", 2, 0.8, 1.3),
        ]
        ids = [fill.execution.execId for fill in trade.fills]
        assert ids == [f"0000e0d5.{number:08x}.01.01" for number in (1, 2, 3)]
        assert {fill.execution.orderRef for fill in trade.fills} == {"vertical"}
        assert (trade.orderStatus.status, trade.orderStatus.avgFillPrice) == ("Filled", 1.22)
        await client.reqPositionsAsync()
        held = {one.contract.conId: (one.position, one.avgCost) for one in client.positions()}
        assert held == {11: (2, 202.0), 13: (-2, 80.0)}

    laboratory.run(scenario())


def test_a_resting_combination_fills_at_its_limit_improvement_on_the_first_leg(laboratory: Any) -> None:
    async def scenario() -> None:
        cheaper = {11: (19_700, 10, 20_000, 10), 13: (8_400, 2, 8_800, 10)}  # 2.00 - 0.84 = 1.16
        exchange = await laboratory.start(laboratory.tape(cheaper))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        trade = client.placeOrder(spread((11, 1), (13, -1)), limit("BUY", 3, 1.19))
        await settle(client)
        assert trade.fills == []
        await client.reqCurrentTimeAsync()
        assert [one[:4] for one in fills(trade)] == [
            ("BAG", "BOT", 2, 1.19),  # the bid of the sold leg is there for two
            ("OPT", "BOT", 2, 2.03),
            ("OPT", "SLD", 2, 0.84),
        ]
        assert (trade.orderStatus.filled, trade.orderStatus.remaining) == (2, 1)

    laboratory.run(scenario())


def test_selling_a_combination_and_ratios_and_credits(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        sold = client.placeOrder(spread((11, 1), (13, -1)), limit("SELL", 1, 1.10))
        await settle(client)
        assert [one[:4] for one in fills(sold)] == [
            ("BAG", "SLD", 1, 1.14),  # 1.98 - 0.84
            ("OPT", "SLD", 1, 1.98),
            ("OPT", "BOT", 1, 0.84),
        ]
        credit = client.placeOrder(spread((13, 1), (12, -2)), limit("BUY", 3, -1.10))  # 0.84 - 2 x 0.98
        await settle(client)
        assert [one[:4] for one in fills(credit)] == [
            ("BAG", "BOT", 3, -1.12),
            ("OPT", "BOT", 3, 0.84),
            ("OPT", "SLD", 6, 0.98),
        ]
        assert sum(one[4] for one in fills(credit)) == pytest.approx(9 * 0.65)
        waits = client.placeOrder(spread((13, 1), (12, -2)), limit("BUY", 3, -1.10))
        await settle(client)
        assert fills(waits)[0][:3] == ("BAG", "BOT", 2)  # four of ten are left on the put's bid

    laboratory.run(scenario())


def test_several_resting_orders_fill_in_order_of_order_id(laboratory: Any) -> None:
    async def scenario() -> None:
        lower = dict.fromkeys((11, 12, 13, 14), (5_000, 10, 5_100, 10))
        exchange = await laboratory.start(laboratory.tape(lower))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        trades = [client.placeOrder(contract(con_id), limit("BUY", 1, 0.6)) for con_id in (14, 11, 13)]
        trades.insert(1, client.placeOrder(spread((12, 1), (13, -1)), limit("BUY", 1, 0.1)))
        order: list[int] = []
        client.execDetailsEvent += lambda trade, fill: order.append(trade.order.orderId)
        await client.reqCurrentTimeAsync()
        ids = [trade.order.orderId for trade in trades]
        assert order == [ids[0], ids[2], ids[3], ids[1], ids[1], ids[1]]
        assert order == sorted(order)

    laboratory.run(scenario())


def test_account_values_and_positions_follow_the_fills(laboratory: Any) -> None:
    async def scenario() -> None:
        up = {1: (699_900, 5, 700_100, 5), 11: (21_800, 10, 22_200, 10), 13: (9_000, 10, 9_400, 10)}
        exchange = await laboratory.start(laboratory.tape(up), initial_cash=10_000_000_000)
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        profit = client.reqPnL("DU0000001")
        client.placeOrder(spread((11, 1), (13, -1)), limit("BUY", 1, 1.22))
        await settle(client)

        def value(tag: str) -> str:
            (found,) = {one.value for one in client.accountValues() if one.tag == tag}
            return str(found)

        assert value("TotalCashValue") == "9876.70"  # 10000 - 122 - 1.30
        assert value("NetLiquidation") == "9994.70"  # at the middle prices 2.00 and 0.82
        assert value("AvailableFunds") == "9876.70"  # a debit spread needs no margin
        await client.reqCurrentTimeAsync()
        assert profit.dailyPnL == 4.7  # -122 - 1.30 + 220 - 92
        closing = client.placeOrder(spread((11, -1), (13, 1)), limit("BUY", 1, -1.24))
        await settle(client)
        assert fills(closing)[0][:4] == ("BAG", "BOT", 1, -1.24)  # 2.18 - 0.94
        realized = [fill.commissionReport.realizedPNL for fill in closing.fills]
        assert realized == [0.0, 15.35, -14.65]  # 218 - 202 - 0.65, 80 - 94 - 0.65
        assert value("TotalCashValue") == value("NetLiquidation") == "9999.40"
        assert value("RealizedPnL") == "0.70"
        assert client.positions() == []
        summary = await client.accountSummaryAsync()
        assert {one.tag: one.value for one in summary}["NetLiquidation"] == "9999.40"

    laboratory.run(scenario())


def test_what_if_shows_margin_and_places_nothing(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        state = await client.whatIfOrderAsync(spread((11, 1), (13, -1)), limit("SELL", 2, 1.14))
        assert (state.initMarginChange, state.maintMarginAfter) == ("400.00", "400.00")
        assert state.equityWithLoanChange == "225.40"
        assert state.commission == 2.6
        assert await client.reqAllOpenOrdersAsync() == []

    laboratory.run(scenario())


def test_fills_while_away_are_replayed_after_reconnecting(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(), owner_client_id=9)
        clock, client = await laboratory.connect(exchange, 9), await laboratory.connect(exchange, 1)
        client.placeOrder(spread((11, 1), (13, -1)), limit("BUY", 2, 1.22, orderRef="away"))
        still_there = client.placeOrder(contract(12), limit("BUY", 1, 0.5, orderRef="open"))
        await settle(client)
        perm_id, next_id = still_there.orderStatus.permId, still_there.order.orderId + 1
        client.disconnect()
        await asyncio.sleep(0.05)
        await clock.reqCurrentTimeAsync()

        again = await laboratory.connect(exchange, 1)
        replayed = [(fill.execution.orderRef, fill.contract.secType) for fill in again.fills()]
        assert replayed == [("away", "BAG"), ("away", "OPT"), ("away", "OPT")]
        assert [round(fill.commissionReport.commission, 2) for fill in again.fills()] == [0.0, 1.3, 1.3]
        (working,) = again.openTrades()
        assert (working.order.permId, working.order.orderRef) == (perm_id, "open")
        assert again.client.getReqId() >= next_id
        assert {one.contract.conId: one.position for one in again.positions()} == {11: 2, 13: -2}
        again.cancelOrder(working.order)
        await settle(again)
        assert working.orderStatus.status == "Cancelled"

    laboratory.run(scenario())


def test_execution_filter(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape({12: (9_800, 10, 10_200, 10)}))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        client.placeOrder(spread((11, 1), (13, -1)), limit("BUY", 1, 1.22))
        await client.reqCurrentTimeAsync()
        client.placeOrder(contract(12), limit("BUY", 1, 1.02))
        await settle(client)
        expected = {
            (): 4,
            (("clientId", 1),): 4,
            (("clientId", 2),): 0,
            (("secType", "BAG"),): 1,
            (("side", "SELL"),): 1,
            (("side", "BUY"),): 3,
            (("symbol", "TWX"),): 4,
            (("symbol", "IBM"),): 0,
            (("acctCode", "DU1"),): 0,
            (("time", "20140606 09:32:00"),): 1,
            (("time", "20140606-09:31:00"),): 4,
            (("time", "20140607 00:00:00 America/New_York"),): 0,
        }
        for wanted, count in expected.items():
            found = await client.reqExecutionsAsync(ib_async.ExecutionFilter(**dict(wanted)))
            assert len(found) == count, wanted

    laboratory.run(scenario())


def test_a_second_client_sees_and_cancels_everything(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        owner, rescue = await laboratory.connect(exchange, 1), await laboratory.connect(exchange, 9)
        await owner.reqCurrentTimeAsync()
        trades = [
            owner.placeOrder(contract(11), limit("BUY", 1, 1.5)),
            owner.placeOrder(spread((11, 1), (13, -1)), limit("BUY", 1, 0.5)),
        ]
        await settle(owner)
        assert len(await rescue.reqAllOpenOrdersAsync()) == 2
        assert await rescue.reqOpenOrdersAsync() == []
        rescue.reqGlobalCancel()
        assert await rescue.reqAllOpenOrdersAsync() == []
        await settle(owner)
        assert [trade.orderStatus.status for trade in trades] == ["Cancelled"] * 2
        rescue.placeOrder(contract(12), limit("BUY", 1, 1.02))
        await settle(rescue)
        await settle(owner)
        assert [one.contract.conId for one in owner.positions()] == [12]

    laboratory.run(scenario())


def test_the_close_ends_day_orders_and_takes_no_new_ones(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        day = client.placeOrder(contract(11), limit("BUY", 1, 1.5))
        kept = client.placeOrder(contract(12), limit("BUY", 1, 0.5, tif="GTC"))
        await client.reqCurrentTimeAsync()
        assert (day.orderStatus.status, kept.orderStatus.status) == ("Cancelled", "Submitted")
        client.placeOrder(contract(11), limit("BUY", 1, 2.5))
        await settle(client)
        assert laboratory.codes() == [202, 201]

    laboratory.run(scenario())


def test_current_time_is_the_last_message_of_a_step_with_fills(laboratory: Any) -> None:
    async def scenario() -> None:
        lower = {11: (15_000, 10, 15_100, 10), 13: (8_000, 10, 8_400, 10)}
        exchange = await laboratory.start(laboratory.tape(lower))
        client = await laboratory.connect(exchange, 5)
        owner = await laboratory.raw(exchange, 1)
        for request in ((61, 1), (6, 2, 1, ""), (92, 900, "", "")):
            owner.send(*request)
        owner.send(49, 1)
        await owner.until(49)
        client.placeOrder(contract(11), limit("BUY", 1, 1.6))
        await settle(client)
        owner.send(49, 1)
        kinds = [message[0] for message in await owner.until(49)]
        assert kinds[:2] == ["61", "6"]
        assert kinds[-2:] == ["94", "49"]
        with_timeout = asyncio.wait_for(owner.message(), 0.1)
        try:
            late = await with_timeout
        except TimeoutError:
            late = None
        assert late is None

    laboratory.run(scenario())
