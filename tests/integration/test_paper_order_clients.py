"""Several clients, manual orders, corrections, liquidations and exact messages on the paper exchange."""

from __future__ import annotations

from typing import Any

import ib_async
import pytest

from optionsib.brokers.paper.desk_rules import DeskRules
from tests.integration.paper_orders import contract, fills, limit, settle, spread, status


def test_client_0_sees_and_binds_orders_placed_by_hand(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client, zero = await laboratory.connect(exchange, 1), await laboratory.raw(exchange, 0)
        await client.reqCurrentTimeAsync()
        await zero.until(9)
        perm_id = exchange.faults.place_by_hand(11, "BUY", 2, 1.5)
        zero.send(16, 1)
        (found,) = [message for message in await zero.until(53) if message[0] == "5"]
        assert (found[1], found[24], found[25]) == ("0", "0", str(perm_id))  # unbound
        client.client.reqAutoOpenOrders(True)
        await settle(client)
        assert laboratory.codes() == [327]
        zero.send(5, 1)
        bound = await zero.until(53)
        assert ["100", str(perm_id), "0", "-1"] in bound
        later = exchange.faults.place_by_hand(12, "SELL", 1, 1.5)
        zero.send(15, 1, 1)
        assert ["100", str(later), "0", "-2"] in await zero.until(3)
        third = exchange.faults.place_by_hand(11, "BUY", 3)  # at the market
        messages = await zero.until(59)
        assert ["100", str(third), "0", "-3"] in messages
        (executed,) = [message for message in messages if message[0] == "11"]
        assert (executed[2], executed[19], executed[20]) == ("-3", "3", "2.02")
        zero.send(4, 1, -1, "")
        cancelled = await zero.until(4)
        assert cancelled[-1][2:4] == ["-1", "202"]
        assert [one.order.permId for one in await client.reqAllOpenOrdersAsync()] == [later]
        with pytest.raises(ValueError, match="110"):
            exchange.faults.place_by_hand(11, "BUY", 1, 1.505)

    laboratory.run(scenario())


def test_the_master_client_is_told_everything_and_commissions_of_others(laboratory: Any) -> None:
    async def scenario() -> None:
        rules = DeskRules(master_client_id=5, commissions_of_others=False)
        exchange = await laboratory.start(laboratory.tape(), desk_rules=rules)
        client, master = await laboratory.connect(exchange, 1), await laboratory.connect(exchange, 5)
        stranger = await laboratory.connect(exchange, 6)
        await client.reqCurrentTimeAsync()
        trade = client.placeOrder(contract(11), limit("BUY", 1, 2.02, orderRef="x"))
        await settle(client)
        await settle(master)
        assert [(one.execution.orderRef, one.commissionReport.commission) for one in master.fills()] == [
            ("x", 1.0)
        ]
        (seen,) = master.trades()
        assert (seen.order.clientId, status(seen)) == (1, ("Filled", 1, 0))
        assert stranger.fills() == []
        (asked,) = await stranger.reqExecutionsAsync()
        assert (asked.execution.execId, asked.commissionReport.execId) == (
            trade.fills[0].execution.execId,
            "",
        )

    laboratory.run(scenario())


def test_a_corrected_execution_replaces_and_the_account_follows(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(), initial_cash=10_000_000_000)
        client = await laboratory.raw(exchange)
        client.send(49, 1)
        await client.until(49)
        other = await laboratory.connect(exchange, 2)
        trade = other.placeOrder(spread((11, 1), (13, -1)), limit("BUY", 2, 1.22))
        await settle(other)
        legs = [fill.execution.execId for fill in trade.fills]
        corrected = exchange.faults.correct_execution(legs[1], price=2.0)
        assert corrected == legs[1][:-2] + "02"
        assert exchange.faults.correct_execution(legs[2], quantity=1).endswith(".02")
        assert exchange.faults.correct_execution(corrected, price=1.99).endswith(".03")
        exchange.faults.correct_commission(legs[1], 0.5)
        await settle(other)
        replay = {one.execution.execId: one for one in await other.reqExecutionsAsync()}
        assert sorted(replay) == sorted([legs[0], legs[1][:-2] + "03", legs[2][:-2] + "02"])
        buy = replay[legs[1][:-2] + "03"]
        assert buy.execution.price == 1.99
        told = {one.execution.execId: one.commissionReport.commission for one in other.fills()}
        assert told[buy.execution.execId] == 0.5
        await other.reqPositionsAsync()
        held = {one.contract.conId: (one.position, one.avgCost) for one in other.positions()}
        assert held == {11: (2, 199.0), 13: (-1, 80.0)}
        summary = {one.tag: one.value for one in await other.accountSummaryAsync()}
        assert summary["TotalCashValue"] == "9680.20"  # 10000 - 2 x 199 + 80 - 0.50 - 1.30
        with pytest.raises(ValueError, match="4711"):
            exchange.faults.correct_execution("4711", price=1.0)

    laboratory.run(scenario())


def test_a_liquidation_is_announced_and_carries_order_id_minus_one(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.raw(exchange, 3)
        await client.until(9)
        owner = await laboratory.connect(exchange)
        await owner.reqCurrentTimeAsync()
        owner.placeOrder(contract(11), limit("BUY", 2, 2.02))
        await settle(owner)
        execution_id = exchange.faults.liquidate(11, 2, 1.8)
        messages = await client.until(59)
        assert [message[3] for message in messages if message[0] == "4"][-1] == "2148"
        (found,) = [message for message in messages if message[0] == "11"]
        # orderId, execId, side, shares, price, clientId, liquidation
        assert [found[k] for k in (2, 14, 18, 19, 20, 22, 23)] == [
            "-1",
            execution_id,
            "SLD",
            "2",
            "1.8",
            "0",
            "1",
        ]
        await owner.reqPositionsAsync()
        assert owner.positions() == []
        with pytest.raises(ValueError, match="0 of contract 11 are held"):
            exchange.faults.liquidate(11, 1, 1.8)

    laboratory.run(scenario())


def test_messages_of_a_cancel_in_their_order(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.raw(exchange)
        owner = await laboratory.connect(exchange, 2)
        trade = owner.placeOrder(contract(11), limit("BUY", 1, 1.0))
        await settle(owner)
        assert trade.orderStatus.permId == 500_000_001
        client.send(4, 1, 7, "")
        client.send(16, 1)
        messages = await client.until(53)
        assert [message[3] for message in messages if message[0] == "4"][-1] == "10147"
        trail: list[str] = []
        owner.orderStatusEvent += lambda one: trail.append(one.orderStatus.status)
        owner.cancelOrder(trade.order)
        await settle(owner)
        assert trail[-2:] == ["PendingCancel", "Cancelled"]
        assert laboratory.codes() == [202]

    laboratory.run(scenario())


def test_what_if_of_naked_and_covered_sales(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        naked = await client.whatIfOrderAsync(contract(13), limit("SELL", 1, 0.80))
        # 0.82 + 20 % of 69.00 - 1.00 out of the money
        assert naked.initMarginChange == naked.maintMarginAfter == "1362.00"
        assert naked.commission == 1.0
        bought = client.placeOrder(contract(1), ib_async.MarketOrder("BUY", 5))
        await settle(client)
        assert fills(bought) == [("STK", "BOT", 5, 69.01, 1.0)]
        shares = await client.whatIfOrderAsync(contract(1), limit("BUY", 100, 69.0))
        assert shares.initMarginChange == "3450.00"
        assert shares.equityWithLoanChange == "-1.00"
        assert await client.reqAllOpenOrdersAsync() == []

    laboratory.run(scenario())


def test_positions_and_account_by_request(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client, owner = await laboratory.raw(exchange, 3), await laboratory.connect(exchange)
        await client.until(9)
        await owner.reqCurrentTimeAsync()
        owner.placeOrder(contract(11), limit("BUY", 2, 2.02))
        await settle(owner)
        client.send(74, 1, 40, "DU0000001", "core")
        (message, _) = (await client.until(72))[-2:]
        assert message[:5] == ["71", "1", "40", "DU0000001", "11"]
        assert message[-3:] == ["2", "202", "core"]
        for number in (50, 51, 52):
            client.send(62, 1, number, "All", "$LEDGER:ALL,NetLiquidation,AccountType,Nothing")
        messages = await client.until(4)
        rows = [message[4:] for message in messages if message[0] == "63" and message[2] == "50"]
        assert ["AccountType", "INDIVIDUAL", ""] in rows
        assert [row[2] for row in rows if row[0] == "OptionMarketValue"] == ["BASE", "USD"]
        assert messages[-1][2:4] == ["52", "322"]
        client.send(63, 1, 50)
        client.send(62, 1, 53, "All", "BuyingPower")
        (row,) = [message for message in await client.until(64) if message[0] == "63"]
        assert row[3:] == ["DU0000001", "BuyingPower", "398378.80", "USD"]

    laboratory.run(scenario())
