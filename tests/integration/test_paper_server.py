"""Sessions over a real socket: limits, versions, client ids, and connections that are only half there."""

from __future__ import annotations

import asyncio
from typing import Any

import ib_async
import pytest

from optionsib.brokers.paper import session
from optionsib.brokers.paper.limits import Limits


def errors(messages: list[list[str]]) -> list[int]:
    return [
        int(message[3]) for message in messages if message[0] == "4" and not 2100 <= int(message[3]) < 2200
    ]


def test_too_many_messages_are_refused_and_at_last_the_client_is_dropped(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(), limits=Limits())
        client = await laboratory.raw(exchange)
        other = await laboratory.raw(exchange, 2)
        await client.until(9)
        for _ in range(70):
            client.send(17, 1)
        await asyncio.sleep(1.1)
        client.send(16, 1)
        told = await client.until(53)
        assert errors(told).count(100) == 20
        assert errors(told).count(0) == 1  # the warning at 44
        assert sum(message[0] == "15" for message in told) == 50 + 0
        for _ in range(2):
            for _ in range(60):
                client.send(17, 1)
            await asyncio.sleep(1.1)
        assert errors(await client.rest())[-1] == 100
        other.send(16, 1)
        await other.until(53)

    laboratory.run(scenario())


def test_a_client_that_asked_for_pacing_is_slowed_instead(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(
            laboratory.tape(), limits=Limits(messages_per_second=20, notice_at=99)
        )
        client = await laboratory.raw(exchange, versions="v157..178 +PACEAPI")
        await client.until(9)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(45):
            client.send(17, 1)
        client.send(16, 1)
        told = await client.until(53)
        assert errors(told) == []
        assert loop.time() - began >= 1.9  # 46 messages at 20 a second: two waits of a second

    laboratory.run(scenario())


def test_the_fourth_depth_subscription_is_refused(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(), limits=Limits())
        client = await laboratory.raw(exchange)
        await client.until(9)
        for request in range(1, 5):
            client.send(10, 5, request, 13, *[""] * 7, "SMART", *[""] * 3, 5, 0, "")
        client.send(16, 1)
        told = await client.until(53)
        assert [(message[2], message[3]) for message in told if message[3:4] == ["309"]] == [("4", "309")]

    laboratory.run(scenario())


def test_a_half_closed_client_gets_its_answers(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.raw(exchange)
        for _ in range(30):
            client.send(17, 1)
        client.writer.write_eof()
        assert sum(message[0] == "15" for message in await client.rest()) == 31
        assert exchange.sessions() == []

    laboratory.run(scenario())


def test_versions_are_negotiated_and_158_never_answered(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        expected = {"v100..157": 157, "v157..158": 157, "v100..164": 164, "v163..225": 178, "v178": 178}
        for number, (offered, agreed) in enumerate(expected.items()):
            client = await laboratory.raw(exchange, None, versions=offered)
            assert (await client.message())[0] == str(agreed), offered
            client.send(71, 2, number)  # a client that leaves its optional capabilities out
            await client.until(9)
        for refused in ("v100..156", "v179..225", "v158..158"):
            assert await (await laboratory.raw(exchange, None, versions=refused)).rest() == []

    laboratory.run(scenario())


def test_a_client_id_is_free_again_once_its_connection_is_gone(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        first = await laboratory.raw(exchange, 5)
        await first.until(9)
        second = await laboratory.raw(exchange, 5)
        assert errors(await second.rest()) == [326]
        first.send(17, 1)
        await first.until(15)  # the first one has not noticed
        first.writer.close()
        await first.writer.wait_closed()
        await asyncio.sleep(0.05)
        await (await laboratory.raw(exchange, 5)).until(9)

    laboratory.run(scenario())


def test_a_half_open_connection_keeps_its_client_id(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.raw(exchange, 5)
        await client.until(9)
        exchange.faults.half_open(5)
        client.writer.close()
        assert errors(await (await laboratory.raw(exchange, 5)).rest()) == [326]
        exchange.faults.resume()
        await asyncio.sleep(0.05)
        await (await laboratory.raw(exchange, 5)).until(9)

    laboratory.run(scenario())


def test_what_a_half_open_connection_is_owed_has_a_bound(
    laboratory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "MAXIMUM_BACKLOG", 20_000)

    async def scenario() -> None:
        minutes = [{13: (8_000 + k * 100, 10, 8_400 + k * 100, 10)} for k in range(100)]
        exchange = await laboratory.start(laboratory.tape(*minutes))
        deaf, owner = await laboratory.raw(exchange, 5), await laboratory.raw(exchange, 1)
        await owner.until(9)
        for request in range(20):
            deaf.send(1, 11, request, 13, *[""] * 7, "SMART", *[""] * 3, 0, "", 0, 0, "")
        deaf.send(16, 1)
        await deaf.until(53)
        exchange.faults.half_open(5)
        for _ in minutes:
            owner.send(49, 1)
            await owner.until(49)
        assert [one.client_id for one in exchange.sessions()] == [1]

    laboratory.run(scenario())


@pytest.mark.parametrize("client_id", ["-1", "x", "", "99999999999999999999"])
def test_a_client_id_that_is_no_number_ends_the_connection(laboratory: Any, client_id: str) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.raw(exchange, None)
        await client.message()
        client.send(71, 2, client_id, "")
        assert await client.rest() == []
        assert exchange.sessions() == []

    laboratory.run(scenario())


def test_permanent_ids_are_of_the_account_and_order_ids_of_the_client(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape({}, {}, {}))
        one, two = await laboratory.connect(exchange, 1), await laboratory.connect(exchange, 2)
        await one.reqCurrentTimeAsync()
        contract = ib_async.Contract(conId=13, exchange="SMART")
        trades = [ib.placeOrder(contract, ib_async.LimitOrder("BUY", 1, 0.5)) for ib in (one, two, one)]
        shown = await two.reqAllOpenOrdersAsync()
        owners = {trade.order.permId: trade.order.clientId for trade in shown}
        assert sorted(owners.values()) == [1, 1, 2]
        assert {trade.order.permId for trade in trades} <= owners.keys()
        assert {trade.order.clientId for trade in await two.reqOpenOrdersAsync()} == {2}

    laboratory.run(scenario())
