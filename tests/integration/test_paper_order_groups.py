"""Brackets, OCA groups and untransmitted orders on the paper exchange, through ib_async."""

from __future__ import annotations

from typing import Any

import ib_async
import pytest

from tests.integration.paper_orders import contract, fills, limit, settle, spread, status


def bracket(
    client: ib_async.IB, quantity: float, entry: float, profit: float, stop: float
) -> list[ib_async.Order]:
    """A bracket around a purchase, as ib_async makes it."""
    return list(client.bracketOrder("BUY", quantity, entry, profit, stop))


def test_a_bracket_from_entry_to_profit(laboratory: Any) -> None:
    async def scenario() -> None:
        entered, profit = {11: (18_600, 10, 18_800, 10)}, {11: (21_000, 10, 21_400, 10)}
        exchange = await laboratory.start(laboratory.tape(entered, profit))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        orders = bracket(client, 2, 1.9, 2.1, 1.7)
        parent, take, stop = (client.placeOrder(contract(11), order) for order in orders)
        await settle(client)
        assert [status(trade)[0] for trade in (parent, take, stop)] == ["Submitted"] + ["PreSubmitted"] * 2
        assert [trade.orderStatus.whyHeld for trade in (parent, take, stop)] == ["", "child", "child"]
        assert take.orderStatus.parentId == parent.order.orderId
        await client.reqCurrentTimeAsync()
        assert [status(trade)[0] for trade in (parent, take, stop)] == ["Filled", "Submitted", "PreSubmitted"]
        assert stop.orderStatus.whyHeld == "trigger"
        await client.reqCurrentTimeAsync()
        assert fills(take) == [("OPT", "SLD", 2, 2.1, 1.3)]
        assert [status(trade)[0] for trade in (parent, take, stop)] == ["Filled", "Filled", "Cancelled"]
        assert client.positions() == []
        done = await client.reqCompletedOrdersAsync(True)
        assert {trade.order.parentPermId for trade in done} == {0, parent.orderStatus.permId}

    laboratory.run(scenario())


def test_children_work_in_proportion_to_what_the_parent_has_filled(laboratory: Any) -> None:
    async def scenario() -> None:
        partly = {11: (18_600, 10, 18_800, 4)}
        profit = {11: (21_000, 10, 21_400, 10)}
        exchange = await laboratory.start(laboratory.tape(partly, profit))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        orders = bracket(client, 10, 1.9, 2.1, 1.7)
        parent, take, stop = (client.placeOrder(contract(11), order) for order in orders)
        await settle(client)
        await client.reqCurrentTimeAsync()
        assert status(parent) == ("Submitted", 4, 6)
        assert status(take) == ("Submitted", 0, 10)
        await client.reqCurrentTimeAsync()
        assert status(take) == ("Submitted", 4, 6)  # not one more than was bought
        assert status(stop) == ("PreSubmitted", 0, 6)
        assert exchange.faults.fill_now() == 1  # the parent; there is nothing left for the children before it
        await settle(client)
        assert status(parent) == ("Filled", 10, 0)
        assert status(take) == ("Filled", 10, 0)  # its bid was still there for the six
        assert status(stop)[0] == "Cancelled"
        assert [one for one in client.positions() if one.position] == []

    laboratory.run(scenario())


def test_a_parent_cancelled_half_way_leaves_its_children_the_half(laboratory: Any) -> None:
    async def scenario() -> None:
        partly = {11: (18_600, 10, 18_800, 4)}
        profit = {11: (21_000, 10, 21_400, 10)}
        exchange = await laboratory.start(laboratory.tape(partly, profit))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        orders = bracket(client, 10, 1.9, 2.1, 1.7)
        parent, take, stop = (client.placeOrder(contract(11), order) for order in orders)
        await settle(client)
        await client.reqCurrentTimeAsync()
        client.cancelOrder(parent.order)
        await settle(client)
        assert [status(trade) for trade in (take, stop)] == [("Submitted", 0, 4), ("PreSubmitted", 0, 4)]
        await client.reqCurrentTimeAsync()
        assert [status(trade)[:2] for trade in (take, stop)] == [("Filled", 4), ("Cancelled", 0)]
        assert [one for one in client.positions() if one.position] == []

    laboratory.run(scenario())


def test_a_parent_that_fills_at_once_puts_its_children_to_work(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        orders = bracket(client, 3, 2.02, 2.1, 1.7)
        trades = [client.placeOrder(contract(11), order) for order in orders]
        await settle(client)
        assert [status(trade)[0] for trade in trades] == ["Filled", "Submitted", "PreSubmitted"]
        assert trades[2].orderStatus.whyHeld == "trigger"

    laboratory.run(scenario())


def test_cancelling_a_parent_takes_its_children_along(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        parent, take, stop = (
            client.placeOrder(contract(11), one) for one in bracket(client, 1, 1.9, 2.1, 1.7)
        )
        await settle(client)
        client.cancelOrder(parent.order)
        await settle(client)
        assert [status(trade)[0] for trade in (parent, take, stop)] == ["Cancelled"] * 3
        assert laboratory.codes() == [202] * 3

    laboratory.run(scenario())


@pytest.mark.parametrize(("kind", "left"), [(1, None), (2, 4), (3, 4)])
def test_one_cancels_or_reduces_the_others(laboratory: Any, kind: int, left: int | None) -> None:
    async def scenario() -> None:
        partly = {11: (18_600, 10, 18_800, 6)}
        whole = {11: (18_600, 10, 18_800, 9)}
        exchange = await laboratory.start(laboratory.tape(partly, whole))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        one = limit("BUY", 10, 1.9, ocaGroup="either", ocaType=kind)
        other = limit("BUY", 10, 0.5, ocaGroup="either", ocaType=kind)
        half = limit("BUY", 5, 0.2, ocaGroup="either", ocaType=kind)
        alone = limit("BUY", 10, 0.5, ocaGroup="another", ocaType=kind)
        trades = [client.placeOrder(contract(11), order) for order in (one, other, half, alone)]
        await settle(client)
        await client.reqCurrentTimeAsync()
        assert status(trades[0]) == ("Submitted", 6, 4)
        if left is None:
            assert [status(trade)[0] for trade in trades[1:3]] == ["Cancelled"] * 2
        else:
            assert [status(trade) for trade in trades[1:3]] == [("Submitted", 0, 4), ("Submitted", 0, 2)]
        await client.reqCurrentTimeAsync()
        expected = ["Filled", "Cancelled", "Cancelled", "Submitted"]
        assert [status(trade)[0] for trade in trades] == expected

    laboratory.run(scenario())


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_two_orders_of_a_group_never_fill_on_one_quote(laboratory: Any, kind: int) -> None:
    async def scenario() -> None:
        drop = {11: (15_000, 50, 15_200, 50), 13: (5_000, 50, 5_200, 50)}
        exchange = await laboratory.start(laboratory.tape(drop))
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        orders = [
            (contract(11), 1.9),
            (contract(11), 1.8),
            (contract(13), 0.7),
            (spread((12, 1), (13, -1)), 0.1),
        ]
        trades = [
            client.placeOrder(wanted, limit("BUY", 5, price, ocaGroup="one", ocaType=kind))
            for wanted, price in orders
        ]
        await settle(client)
        await client.reqCurrentTimeAsync()
        assert [status(trade)[:2] for trade in trades] == [("Filled", 5)] + [("Cancelled", 0)] * 3

    laboratory.run(scenario())


def test_an_order_that_is_not_transmitted(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        held = client.placeOrder(contract(11), limit("BUY", 1, 2.5, transmit=False))
        gone = client.placeOrder(contract(11), limit("BUY", 1, 2.5, transmit=False))
        observer = await laboratory.connect(exchange, 9)
        assert await observer.reqAllOpenOrdersAsync() == []
        assert held.order.permId > 0
        assert held.orderStatus.status == "PendingSubmit"  # nobody has told a status
        client.cancelOrder(gone.order)
        await settle(client)
        assert laboratory.codes() == [202, 161]
        held.order.transmit = True
        client.placeOrder(contract(11), held.order)
        await settle(client)
        assert status(held) == ("Filled", 1, 0)

    laboratory.run(scenario())


def test_the_last_child_transmits_the_family_and_a_refused_parent_takes_it_down(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(), initial_cash=1_000_000_000)
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        good = bracket(client, 1, 1.9, 2.1, 1.7)
        trades = [client.placeOrder(contract(11), order) for order in good[:2]]
        await settle(client)
        assert await client.reqAllOpenOrdersAsync() == []
        trades.append(client.placeOrder(contract(11), good[2]))
        assert len(await client.reqAllOpenOrdersAsync()) >= 3
        bad = [client.placeOrder(contract(11), order) for order in bracket(client, 10, 1.9, 2.1, 1.7)]
        await settle(client)
        assert laboratory.codes() == [201, 202, 202]
        assert [trade.isDone() for trade in bad] == [True] * 3

    laboratory.run(scenario())


def test_twenty_working_orders_on_one_side_of_a_contract(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        for cents in range(20):
            client.placeOrder(contract(11), limit("BUY", 1, round(1 + cents / 100, 2)))
        await settle(client)
        assert laboratory.codes() == []
        over = client.placeOrder(contract(11), limit("BUY", 1, 0.9))
        client.placeOrder(contract(11), limit("SELL", 1, 2.9))
        client.placeOrder(contract(13), limit("BUY", 1, 0.1))
        await settle(client)
        assert laboratory.codes() == [201]
        assert over.isDone()
        done = await client.reqCompletedOrdersAsync(False)
        assert [(one.orderStatus.status, one.order.lmtPrice) for one in done] == [("Inactive", 0.9)]

    laboratory.run(scenario())
