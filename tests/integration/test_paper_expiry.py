"""Exercise, assignment and expiry on the paper exchange, through ib_async."""

from __future__ import annotations

from typing import Any

import ib_async
import pytest

from optionsib.brokers.paper.desk_rules import DeskRules
from optionsib.common.types import MINUTE_NS, Contract
from tests.integration.conftest import OPENING, ListedTape, new_york_ns, option
from tests.integration.paper_orders import contract, limit, settle, status

OPEN_NS, CLOSE_NS = new_york_ns(2014, 6, 20, 9, 30), new_york_ns(2014, 6, 20, 9, 33)


def expiring_tape(laboratory: Any, *minutes: dict[int, Any], **changes: Any) -> ListedTape:
    """The last three minutes of options that expire at their end; 15 lives on. TWX stands at 69.00."""
    contracts = tuple(
        Contract(
            **{
                **{name: getattr(one, name) for name in one.__struct_fields__},
                "expiry_ns": CLOSE_NS if one.con_id != 15 else one.expiry_ns,
            }
        )
        for one in (
            option(11, 68, "C"),
            option(12, 68, "P"),
            option(13, 70, "C"),
            option(14, 70, "P"),
            option(15, 60, "C", (2014, 7, 18)),
        )
    )
    last = {con_id: quote for con_id, quote in OPENING.items() if con_id != 15}
    cheap = {15: (89_500, 50, 90_000, 50)}
    tape: ListedTape = laboratory.tape(
        {**last, **cheap},
        *minutes,
        session_open_ns=OPEN_NS,
        session_close_ns=CLOSE_NS,
        contracts=contracts,
        **changes,
    )
    return tape


async def hold(client: ib_async.IB, *wanted: tuple[int, int]) -> None:
    """Buy or sell contracts at the market in the second minute."""
    await client.reqCurrentTimeAsync()
    await client.reqCurrentTimeAsync()
    for con_id, quantity in wanted:
        order = ib_async.MarketOrder("BUY" if quantity > 0 else "SELL", abs(quantity))
        client.placeOrder(contract(con_id), order)
    await settle(client)


async def positions(client: ib_async.IB) -> dict[int, tuple[float, float]]:
    found = await client.reqPositionsAsync()
    return {one.contract.conId: (one.position, one.avgCost) for one in found if one.position}


def test_expiry_delivers_shares_for_what_is_in_the_money(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(expiring_tape(laboratory), initial_cash=1_000_000_000_000)
        client = await laboratory.connect(exchange)
        await hold(client, (11, 2), (12, 1), (13, -1), (14, -1))
        resting = client.placeOrder(contract(11), limit("SELL", 1, 9.0, tif="GTC"))
        await settle(client)
        before = {
            one.tag: float(one.value)
            for one in await client.accountSummaryAsync()
            if one.tag == "TotalCashValue"
        }
        await client.reqCurrentTimeAsync()
        # 2 calls at 68 are exercised: 200 shares; the short put at 70 is assigned: 100 shares
        assert await positions(client) == {1: (300, pytest.approx((200 * 68 + 100 * 70) / 300))}
        assert status(resting)[0] == "Cancelled"
        told = {
            (one.contract.conId, one.execution.side, one.execution.shares, one.execution.price)
            for one in client.fills()
            if one.execution.orderId == -1
        }
        assert told == {
            (11, "SLD", 2, 0),
            (1, "BOT", 200, 68),
            (12, "SLD", 1, 0),
            (13, "BOT", 1, 0),
            (14, "BOT", 1, 0),
            (1, "BOT", 100, 70),
        }
        after = {
            one.tag: float(one.value)
            for one in await client.accountSummaryAsync()
            if one.tag == "TotalCashValue"
        }
        assert after["TotalCashValue"] == before["TotalCashValue"] - 200 * 68 - 100 * 70

    laboratory.run(scenario())


def test_index_options_settle_in_cash(laboratory: Any) -> None:
    async def scenario() -> None:
        index = Contract(1, "TWX", "IND")
        exchange = await laboratory.start(expiring_tape(laboratory, underlying=index))
        client = await laboratory.connect(exchange)
        await hold(client, (11, 2), (13, 1))
        await client.reqCurrentTimeAsync()
        assert await positions(client) == {}
        settled = [one for one in client.fills() if one.execution.orderId == -1]
        assert {(one.contract.conId, one.execution.price) for one in settled} == {(11, 1.0), (13, 0.0)}
        assert sum(one.commissionReport.realizedPNL for one in settled) == pytest.approx(2 * (100 - 202) - 84)

    laboratory.run(scenario())


def test_exercise_and_lapse(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(expiring_tape(laboratory), initial_cash=1_000_000_000_000)
        client = await laboratory.connect(exchange)
        await hold(client, (11, 3), (15, 2), (14, 1))
        listed = ib_async.Contract(conId=11, exchange="CBOE")
        early = ib_async.Contract(conId=15, exchange="CBOE")
        put = ib_async.Contract(conId=14, exchange="CBOE")

        def exercise(which: ib_async.Contract, action: int, quantity: int, override: int = 0) -> int:
            request_id = client.client.getReqId()
            client.client.exerciseOptions(request_id, which, action, quantity, "", override)
            return int(request_id)

        exercise(ib_async.Contract(conId=11, exchange="SMART"), 1, 1)
        exercise(listed, 2, 1)  # in the money: lapsing is not natural
        exercise(listed, 1, 4)
        exercise(contract(1), 1, 1)
        await settle(client)
        assert laboratory.codes() == [321, 201, 321, 321]
        laboratory.errors.clear()
        lapse = exercise(listed, 2, 1, 1)
        wanted = exercise(early, 1, 2)
        withdrawn = exercise(put, 2, 1, 1)
        exercise(listed, 1, 3)  # one of three is to lapse
        await settle(client)
        assert laboratory.codes() == [321]
        states = {
            one.order.orderId: (one.order.orderType, one.orderStatus.status) for one in client.openTrades()
        }
        assert states == {
            lapse: ("LAPSE", "PreSubmitted"),
            wanted: ("EXERCISE", "PreSubmitted"),
            withdrawn: ("LAPSE", "PreSubmitted"),
        }
        client.client.cancelOrder(withdrawn)
        await client.reqCurrentTimeAsync()
        assert await positions(client) == {
            1: (300, pytest.approx((200 * 68 + 200 * 60 - 100 * 70) / 300, abs=20))
        }
        done = {one.order.orderId: one.orderStatus.status for one in client.trades()}
        assert (done[lapse], done[wanted], done[withdrawn]) == ("Filled", "Filled", "Cancelled")
        mine = [one for one in client.fills() if one.execution.orderId == wanted]
        assert [(one.contract.conId, one.execution.price) for one in mine] == [(15, 0), (1, 60)]

    laboratory.run(scenario())


@pytest.mark.parametrize(("chance", "left"), [(0.0, {15: -3}), (1.0, {1: -300})])
def test_early_assignment_by_chance(laboratory: Any, chance: float, left: dict[int, int]) -> None:
    async def scenario() -> None:
        at_intrinsic = {15: (89_900, 50, 90_000, 50)}
        tape = expiring_tape(laboratory, {13: (8_000, 9, 8_400, 9)}, at_intrinsic)
        rules = DeskRules(early_assignment=chance)
        exchange = await laboratory.start(tape, desk_rules=rules, initial_cash=1_000_000_000_000)
        client = await laboratory.connect(exchange)
        await hold(client, (15, -3))
        await client.reqCurrentTimeAsync()
        assert {con_id: count for con_id, (count, _) in (await positions(client)).items()} == left

    laboratory.run(scenario())


def test_the_tape_that_ends_early_expires_all_the_same(laboratory: Any) -> None:
    async def scenario() -> None:
        tape = expiring_tape(laboratory)
        assert len(tape.minutes) * MINUTE_NS < CLOSE_NS - OPEN_NS
        exchange = await laboratory.start(tape)
        client = await laboratory.connect(exchange)
        await hold(client, (13, 1))
        await client.reqCurrentTimeAsync()
        assert exchange.now_ns == CLOSE_NS
        assert await positions(client) == {}

    laboratory.run(scenario())
