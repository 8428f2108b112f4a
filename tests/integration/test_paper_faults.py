"""Each fault of the paper exchange, seen from a raw socket or from ib_async."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import struct
from collections.abc import Callable
from typing import Any

import ib_async
import pytest

OPEN_ORDER, STATUS, EXECUTION, COMMISSION = "5", "3", "11", "59"
NAMES = {"openOrder": OPEN_ORDER, "orderStatus": STATUS, "execDetails": EXECUTION, "commission": COMMISSION}


IDLE = [{1: (689_900, 5, 690_100, 5)}] * 8  # minutes in which nothing moves


def encode(call: Callable[[ib_async.client.Client], None]) -> bytes:
    """Return the frame that ib_async sends for a request to a server of version 178."""
    sent: list[bytes] = []
    wire = ib_async.client.Client(None)
    wire._serverVersion = 178
    wire.connState = wire.CONNECTED
    wire.MaxRequests = 0
    wire.conn.sendMsg = sent.append
    call(wire)
    (frame,) = sent
    return frame


def limit_order(order_id: int, price: float, *, reference: str = "", con_id: int = 13) -> bytes:
    """Return the frame that buys one contract."""
    order = ib_async.LimitOrder("BUY", 1, price, orderRef=reference)
    contract = ib_async.Contract(conId=con_id, exchange="SMART")
    return encode(lambda wire: wire.placeOrder(order_id, contract, order))


def about_orders(messages: list[list[str]]) -> list[str]:
    """Return the message numbers that concern orders."""
    return [message[0] for message in messages if message[0] in NAMES.values()]


async def started(laboratory: Any, *later: Any, client_id: int = 1) -> tuple[Any, Any]:
    """Return an exchange that has shown its first minute, and a raw client of it."""
    exchange = await laboratory.start(laboratory.tape(*(later or IDLE)))
    client = await laboratory.raw(exchange, client_id)
    await client.until(9)
    client.send(49, 1)
    await client.until(49)
    return exchange, client


async def until_time(client: Any) -> list[list[str]]:
    """Let the client ask for the time; return all messages up to the answer."""
    client.send(49, 1)
    messages: list[list[str]] = await client.until(49)
    return messages


def test_drop_loses_a_message_and_nothing_else(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        exchange.faults.drop("execDetails", order_ref="lost")
        client.writer.write(limit_order(1, 0.84, reference="other") + limit_order(2, 0.84, reference="lost"))
        told = about_orders(await until_time(client))
        assert told.count(EXECUTION) == 1
        assert told.count(COMMISSION) == 2
        client.send(7, 3, 9, 0, "", "", "", "", "", "")
        replayed = [message for message in await client.until(55) if message[0] == EXECUTION]
        assert [message[26] for message in replayed] == ["other", "lost"]

    laboratory.run(scenario())


@pytest.mark.parametrize("order", list(itertools.permutations(NAMES)), ids=" ".join)
def test_reorder_sends_the_callbacks_of_a_fill_in_the_order_named(
    laboratory: Any, order: tuple[str, ...]
) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        client.writer.write(limit_order(1, 0.70, reference="one"))
        await until_time(client)
        exchange.faults.reorder(list(order), order_ref="one")
        assert exchange.faults.fill_now("one") == 1
        told = about_orders(await until_time(client))
        assert told == [NAMES[name] for name in order]

    laboratory.run(scenario())


def test_hold_keeps_back_until_release_and_duplicate_doubles(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        exchange.faults.hold("commission")
        exchange.faults.duplicate("execDetails")
        client.writer.write(limit_order(1, 0.84))
        told = about_orders(await until_time(client))
        assert told.count(EXECUTION) == 2
        assert COMMISSION not in told
        assert exchange.faults.release() == 1
        assert about_orders(await client.until(59)) == [COMMISSION]

    laboratory.run(scenario())


def test_chance_comes_from_the_seed(laboratory: Any) -> None:
    async def told(seed: int) -> list[str]:
        exchange = await laboratory.start(laboratory.tape(), seed=seed)
        client = await laboratory.raw(exchange)
        await until_time(client)
        exchange.faults.drop("nextValidId", count=None, probability=0.5)
        for _ in range(40):
            client.send(8, 1, 1)
            client.send(17, 1)
        client.send(16, 1)
        return [message[0] for message in await client.until(53)]

    async def scenario() -> None:
        first, second, other = await told(3), await told(3), await told(4)
        assert first == second != other
        assert 5 < first.count("9") < 35

    laboratory.run(scenario())


def test_commission_comes_late_and_unset_first(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory, {13: (8_000, 9, 8_400, 10)}, {13: (8_000, 8, 8_400, 10)})
        exchange.faults.commission_delay(90, first="-1")
        client.writer.write(limit_order(1, 0.84))
        told = [message for message in await until_time(client) if message[0] == COMMISSION]
        assert [message[3] for message in told] == ["-1"]  # the order came in minute 1, this is minute 2
        told = [message for message in await until_time(client) if message[0] == COMMISSION]
        assert [float(message[3]) for message in told] == [1.0]

    laboratory.run(scenario())


def test_corrections_replace_execution_and_commission(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        client.writer.write(limit_order(1, 0.84))
        execution = next(one for one in await until_time(client) if one[0] == EXECUTION)
        corrected = exchange.faults.correct_execution(execution[14], price=0.83)
        assert corrected.rpartition(".")[0] == execution[14].rpartition(".")[0]
        assert corrected > execution[14]
        told = next(one for one in await client.until(59) if one[0] == EXECUTION)
        assert (told[14], float(told[20])) == (corrected, 0.83)
        exchange.faults.correct_commission(corrected, 2.5)
        assert float((await client.until(59))[-1][3]) == 2.5
        with pytest.raises(ValueError, match="no execution"):
            exchange.faults.correct_execution("nonsense")

    laboratory.run(scenario())


def test_fill_while_away(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        client.writer.write(limit_order(1, 0.70, reference="away"))
        await until_time(client)
        assert exchange.faults.fill_while_away("away") == 1
        assert about_orders(await client.rest()) == []
        back = await laboratory.connect(exchange)
        (fill,) = back.fills()
        assert (fill.execution.orderRef, fill.execution.price, fill.commissionReport.commission) == (
            "away",
            0.7,
            1.0,
        )

    laboratory.run(scenario())


def test_a_twin_has_the_reference_and_a_perm_id_of_its_own(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        client.writer.write(limit_order(1, 0.70, reference="one"))
        await until_time(client)
        twin = exchange.faults.twin_order("one")
        client.send(16, 1)
        shown = [message for message in await client.until(53) if message[0] == OPEN_ORDER]
        assert {message[23] for message in shown} == {"one"}
        assert len({message[25] for message in shown}) == 2
        assert str(twin) in {message[25] for message in shown}

    laboratory.run(scenario())


@pytest.mark.parametrize("code", [110, 201, 321])
def test_error_answers_in_place_of_the_exchange(laboratory: Any, code: int) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        client.writer.write(limit_order(1, 0.70, reference="one"))
        await until_time(client)
        exchange.faults.error(code, order_ref="one")
        client.writer.write(limit_order(1, 0.71, reference="one"))
        told = await until_time(client)
        assert [(message[2], message[3]) for message in told if message[0] == "4"] == [("1", str(code))]
        client.send(5, 1)
        (shown,) = [message for message in await client.until(53) if message[0] == OPEN_ORDER]
        assert float(shown[16]) == 0.7

    laboratory.run(scenario())


def test_an_information_code_goes_beside_the_answer(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        exchange.faults.error(10349, "placeOrder")
        client.writer.write(limit_order(1, 0.70))
        told = await until_time(client)
        assert ["4", "2", "1", "10349"] in [message[:4] for message in told]
        assert OPEN_ORDER in about_orders(told)

    laboratory.run(scenario())


def test_silence_and_a_late_answer(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        exchange.faults.silence("positions")
        exchange.faults.silence("placeOrder")
        client.writer.write(limit_order(1, 0.70))
        client.send(61, 1)
        told = [message[0] for message in await until_time(client)]
        assert told == ["49"]
        assert exchange.faults.speak(late=True) == 2
        assert about_orders(await client.until(62))[-1] in (OPEN_ORDER, STATUS)

    laboratory.run(scenario())


def test_half_open_neither_reads_nor_writes(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        exchange.faults.half_open()
        client.send(16, 1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.message(), 0.1)
        exchange.faults.resume()
        await client.until(53)

    laboratory.run(scenario())


def test_restart_refuses_for_a_moment_and_rolls_the_order_ids_back(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        for order_id in range(1, 7):
            client.writer.write(limit_order(order_id, 0.70))
        await until_time(client)
        exchange.faults.restart(order_id_rollback=4, seconds=0.5)
        await client.rest()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", exchange.port)
        again = None
        while again is None:
            await asyncio.sleep(0.05)
            with contextlib.suppress(ConnectionRefusedError):
                again = await laboratory.raw(exchange)
        assert (await again.until(9))[-1] == ["9", "1", "3"]
        again.send(16, 1)
        shown = [message for message in await again.until(53) if message[0] == OPEN_ORDER]
        assert len(shown) == 6

    laboratory.run(scenario())


def test_a_lingering_session_is_refused_326_for_a_while(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        exchange.faults.cut(1)
        exchange.faults.lingering_session(1, 0.5)
        assert (await (await laboratory.raw(exchange)).rest())[-1][3] == "326"
        await (await laboratory.raw(exchange, 2)).until(9)
        await asyncio.sleep(0.55)
        await (await laboratory.raw(exchange)).until(9)
        assert await client.rest() == []

    laboratory.run(scenario())


def ticks(messages: list[list[str]]) -> int:
    return sum(message[0] in ("1", "2", "21", "46") for message in messages)


MOVES = [{13: (8_000 + step * 100, 10, 8_400 + step * 100, 10)} for step in range(1, 9)]


def market_data(request: int, con_id: int = 13) -> tuple[object, ...]:
    return (1, 11, request, con_id, *[""] * 7, "SMART", *[""] * 3, 0, "", 0, 0, "")


def test_a_link_that_comes_back_with_data_lost_leaves_old_streams_dead(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory, *MOVES)
        client.send(*market_data(1))
        assert ticks(await until_time(client))
        exchange.faults.connectivity(1100)
        client.writer.write(limit_order(1, 0.70))
        told = await until_time(client)
        assert ticks(told) == 0
        assert about_orders(told) == []
        exchange.faults.connectivity(1101)
        told = await until_time(client)
        assert ticks(told) == 0
        assert OPEN_ORDER in about_orders(told)
        client.send(*market_data(2))
        assert {message[2] for message in await until_time(client) if message[0] == "1"} == {"2"}

    laboratory.run(scenario())


def test_a_farm_flap_freezes_and_thaws_with_the_newest_values(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory, *MOVES)
        client.send(*market_data(1))
        await until_time(client)
        exchange.faults.farm("usfarm", up=False)
        await until_time(client)
        told = await until_time(client)
        assert ticks(told) == 0
        exchange.faults.farm("usfarm", up=True)
        told = await until_time(client)
        prices = [message[4] for message in told if message[0] == "1" and message[3] == "1"]
        assert prices == ["0.83", "0.84"]  # what was missed last, then the new step
        codes = [message[3] for message in told if message[0] == "4"]
        assert codes == ["2104"]

    laboratory.run(scenario())


def test_who_connects_is_told_what_is_down(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, _ = await started(laboratory)

        async def told_to(client_id: int) -> list[str]:
            client = await laboratory.raw(exchange, client_id)
            return [message[3] for message in await until_time(client) if message[0] == "4"]

        fine = ["2104", "2106", "2158"]
        exchange.faults.farm("usopt", up=False)
        assert await told_to(2) == [*fine, "2103"]
        exchange.faults.connectivity(1100)
        assert await told_to(3) == ["2110"]
        exchange.faults.connectivity(1102)
        exchange.faults.farm("usopt", up=True)
        assert await told_to(4) == fine

    laboratory.run(scenario())


def test_a_farm_that_says_ok_may_still_be_silent_for_old_streams(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory, *MOVES)
        client.send(*market_data(1))
        await until_time(client)
        exchange.faults.farm("usfarm", up=False)
        exchange.faults.farm("usfarm", up=True, silent=True)
        told = await until_time(client)
        assert [message[3] for message in told if message[0] == "4"] == ["2103", "2104"]
        assert ticks(told) == 0
        client.send(2, 2, 1)
        client.send(*market_data(1))  # the same request id, asked for anew
        assert ticks(await until_time(client))

    laboratory.run(scenario())


def test_a_liquidation_is_announced_and_belongs_to_no_order(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        client.writer.write(limit_order(1, 0.84))
        await until_time(client)
        exchange.faults.liquidate(13, 1, 0.5)
        told = await until_time(client)
        assert told[0][:4] == ["4", "2", "-1", "2148"]
        (execution,) = [message for message in told if message[0] == EXECUTION]
        assert (execution[2], execution[18], execution[23]) == ("-1", "SLD", "1")
        with pytest.raises(ValueError, match="cannot liquidate"):
            exchange.faults.liquidate(13, 1, 0.5)

    laboratory.run(scenario())


def test_ticks_can_be_dropped_and_doubled_too(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory, *MOVES)
        client.send(*market_data(1))
        await until_time(client)
        exchange.faults.drop("tickPrice", count=None)
        exchange.faults.duplicate("tickString")
        told = [message[0] for message in await until_time(client)]
        assert (told.count("1"), told.count("46")) == (0, 2)

    laboratory.run(scenario())


def test_lines_that_died_with_the_link_do_not_count_against_the_limit(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(*MOVES), market_data_lines=2)
        client = await laboratory.raw(exchange)
        await until_time(client)
        for request in range(4):
            client.send(*market_data(request + 1, 11 + request % 2))
        errors = [message[3] for message in await until_time(client) if message[0] == "4"]
        assert errors == ["101", "101"]
        exchange.faults.connectivity(1100)
        exchange.faults.connectivity(1101)
        client.send(*market_data(11, 13))
        client.send(*market_data(12, 14))
        told = await until_time(client)
        assert "101" not in [message[3] for message in told if message[0] == "4"]
        assert {message[2] for message in told if message[0] == "1"} == {"11", "12"}

    laboratory.run(scenario())


def test_a_frozen_contract_is_silent_alone(laboratory: Any) -> None:
    async def scenario() -> None:
        moves = [
            {13: (8_000 + k * 100, 10, 8_400 + k * 100, 10), 14: (18_000 + k * 100, 10, 18_400 + k * 100, 10)}
            for k in range(1, 4)
        ]
        exchange, client = await started(laboratory, *moves)
        client.send(*market_data(1, 13))
        client.send(*market_data(2, 14))
        await until_time(client)
        exchange.faults.freeze_feed(13)
        told = await until_time(client)
        assert {message[2] for message in told if message[0] == "1"} == {"2"}
        exchange.faults.thaw()
        assert "1" in {message[2] for message in await until_time(client) if message[0] == "1"}

    laboratory.run(scenario())


def test_the_clock_can_be_off(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange, client = await started(laboratory)
        first = int((await until_time(client))[-1][2])
        exchange.faults.clock(-120)
        assert int((await until_time(client))[-1][2]) == first + 60 - 120  # a minute later, two off
        exchange.faults.clear()
        assert int((await until_time(client))[-1][2]) == first + 120

    laboratory.run(scenario())


def test_a_frame_is_never_cut_by_a_fault(laboratory: Any) -> None:
    """What reaches a socket before a cut is whole frames."""

    async def scenario() -> None:
        exchange, client = await started(laboratory)
        for _ in range(200):
            client.send(17, 1)
        await client.until(15)
        exchange.faults.cut()
        data = await client.reader.read()
        while len(data) >= 4 and len(data) >= 4 + struct.unpack(">I", data[:4])[0]:
            data = data[4 + struct.unpack(">I", data[:4])[0] :]
        assert data == b""

    laboratory.run(scenario())
