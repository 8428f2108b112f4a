"""Broken, hostile and slow bytes: the exchange answers or drops that client, and goes on."""

from __future__ import annotations

import asyncio
import random
import struct
from typing import Any

import ib_async
import pytest

from optionsib.brokers.paper import session


def frame(*fields: object) -> bytes:
    body = "".join(f"{field}\0" for field in fields).encode()
    return struct.pack(">I", len(body)) + body


def mutated(generator: random.Random, requests: list[list[str]]) -> bytes:
    """Return a request with fields dropped, doubled, swapped or replaced, or raw noise."""
    fields = list(generator.choice(requests))
    if generator.random() < 0.1:
        return frame(*(generator.randbytes(3).decode("latin-1") for _ in range(generator.randrange(30))))
    for _ in range(generator.randrange(4)):
        at = generator.randrange(len(fields))
        action = generator.randrange(4)
        if action == 0:
            fields = fields[:at] or ["3"]
        elif action == 1:
            fields.insert(at, fields[at])
        elif action == 2:
            fields[at] = generator.choice(
                [
                    "",
                    "-1",
                    "nan",
                    "inf",
                    "1e309",
                    "9" * 30,
                    "x",
                    "é",
                    "1_0",
                    "٣",
                    "2147483647",
                    "1e12",
                    "-0.0",
                ]
            )
        else:
            other = generator.randrange(len(fields))
            fields[at], fields[other] = fields[other], fields[at]
    return frame(*fields)


def requests_of(client: ib_async.IB) -> list[list[str]]:
    """Let the client library encode one request of every kind; return their fields."""
    sent: list[list[str]] = []
    wire = client.client
    original, wire.conn.sendMsg = (
        wire.conn.sendMsg,
        lambda data: sent.append(data[4:].decode().split("\0")[:-1]),
    )
    throttle, wire.MaxRequests = wire.MaxRequests, 0
    option = ib_async.Contract(conId=11, exchange="SMART")
    combo = ib_async.Contract(
        secType="BAG",
        symbol="TWX",
        exchange="SMART",
        comboLegs=[ib_async.ComboLeg(11, 1, "BUY", "SMART"), ib_async.ComboLeg(13, 1, "SELL", "SMART")],
    )
    order = ib_async.LimitOrder("BUY", 1, 1.2)
    wire.reqMktData(1, option, "", False, False, [])
    wire.cancelMktData(1)
    wire.placeOrder(2, option, order)
    wire.placeOrder(3, combo, order)
    wire.cancelOrder(2)
    wire.reqOpenOrders()
    wire.reqAllOpenOrders()
    wire.reqAccountUpdates(True, "DU0000001")
    wire.reqExecutions(4, ib_async.ExecutionFilter())
    wire.reqIds(1)
    wire.reqContractDetails(5, ib_async.Option("TWX", "20140620", 68, "C"))
    wire.reqManagedAccts()
    wire.reqCurrentTime()
    wire.reqGlobalCancel()
    wire.reqMarketDataType(1)
    wire.reqPositions()
    wire.reqAccountSummary(6, "All", "NetLiquidation,AccountType")
    wire.reqAccountUpdatesMulti(7, "", "", False)
    wire.reqSecDefOptParams(8, "TWX", "", "STK", 1)
    wire.reqMarketRule(26)
    wire.reqPnL(9, "", "")
    wire.reqPnLSingle(10, "", "", 11)
    wire.reqCompletedOrders(False)
    wire.conn.sendMsg, wire.MaxRequests = original, throttle
    return sent


def test_mutated_requests_never_stop_the_exchange(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(), owner_client_id=99)
        sane = await laboratory.connect(exchange, 99)
        await sane.reqCurrentTimeAsync()
        requests = requests_of(sane)
        generator = random.Random(20140606)
        dropped = 0
        for _ in range(60):
            client = await laboratory.raw(exchange, 1)
            await client.until(9)
            client.writer.write(b"".join(mutated(generator, requests) for _ in range(50)))
            client.writer.write_eof()
            answers = await client.rest()
            dropped += any(message[0] == "4" and message[3] == "320" for message in answers)
            for message in answers:
                assert message[0].isdigit()
        assert dropped > 10  # the cases do reach the parsers
        assert len(await sane.reqContractDetailsAsync(ib_async.Option("TWX", "20140620"))) == 4
        sane.reqGlobalCancel()
        assert await sane.reqAllOpenOrdersAsync() == []
        values = {one.tag: one.value for one in sane.accountValues() if one.currency == "USD"}
        parts = ("TotalCashValue", "OptionMarketValue", "StockMarketValue")
        equity = sum(float(values[tag]) for tag in parts)
        assert equity == pytest.approx(float(values["NetLiquidation"]), abs=1e-6)

    laboratory.run(scenario())


def test_noise_in_place_of_a_handshake(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        generator = random.Random(7)
        openings = [b"", b"API", b"GET / HTTP/1.1\r\n\r\n", b"API\0" + b"\xff" * 8, b"API\0\0\0\0\0"]
        openings += [generator.randbytes(generator.randrange(1, 60)) for _ in range(300)]
        openings += [b"API\0" + generator.randbytes(generator.randrange(1, 60)) for _ in range(300)]
        openings += [b"API\0" + frame("v1..")[:-1], b"API\0\0\0\0\x09v157..178" + frame(71, 2, "x", "")]
        for opening in openings:
            reader, writer = await asyncio.open_connection("127.0.0.1", exchange.port)
            writer.write(opening)
            writer.write_eof()
            assert len(await reader.read()) < 200
            writer.close()
        await laboratory.connect(exchange)

    laboratory.run(scenario())


def test_byte_by_byte_and_coalesced_frames(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        reader, writer = await asyncio.open_connection("127.0.0.1", exchange.port)
        text = b"v157..178"
        hello = b"API\0" + struct.pack(">I", len(text)) + text + frame(71, 2, 3, "") + frame(8, 1, 1)
        for byte in hello:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        writer.write(b"".join(frame(17, 1) for _ in range(500)) + frame(16, 1))
        writer.write_eof()
        received = await reader.read()
        assert received.count(b"15\x001\x00DU0000001\x00") == 501  # the greeting's and 500 answers
        assert received.endswith(b"53\x001\x00")
        writer.close()

    laboratory.run(scenario())


@pytest.mark.parametrize("length", [2**32 - 1, 2**24, 256 * 1024 + 1])
def test_an_oversize_frame_drops_the_client_at_once(laboratory: Any, length: int) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.raw(exchange)
        await client.until(9)
        client.writer.write(struct.pack(">I", length) + b"3\0")
        assert [message[3] for message in await client.rest() if message[2] == "-1"][-1] == "320"

    laboratory.run(scenario())


def test_unknown_message_ids_are_answered_505_and_the_client_stays(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.raw(exchange)
        for message_id in (0, 27, 28, 36, 60, 9999):
            client.send(message_id, 1)
        client.send(16, 1)
        errors = [message for message in await client.until(53) if message[0] == "4"]
        assert [message[3] for message in errors].count("505") == 6

    laboratory.run(scenario())


@pytest.mark.parametrize("fields", [("x", 1), (4, 1, "7x", ""), (4, 1, "", ""), (4, 1), (91, "1.5"), ()])
def test_unparsable_numbers_are_answered_320_and_dropped(laboratory: Any, fields: tuple[Any, ...]) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.raw(exchange)
        client.send(*fields)
        assert [message[3] for message in await client.rest() if message[0] == "4"][-1] == "320"

    laboratory.run(scenario())


def test_more_clients_than_allowed(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        clients = [await laboratory.raw(exchange, number) for number in range(32)]
        await clients[-1].until(9)
        one_too_many = await laboratory.raw(exchange, None)
        assert await one_too_many.rest() == []
        clients[0].writer.close()
        await asyncio.sleep(0.05)
        await laboratory.connect(exchange, 40)

    laboratory.run(scenario())


def test_a_client_that_stops_reading_is_dropped(laboratory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MAXIMUM_BACKLOG", 100_000)

    async def scenario() -> None:
        minutes = [{1: (689_900 + minute * 100, 5, 691_000 + minute * 100, 5)} for minute in range(150)]
        exchange = await laboratory.start(laboratory.tape(*minutes))
        deaf = await laboratory.raw(exchange, 5)
        for request in range(250):
            deaf.send(1, 11, request, 11, *[""] * 7, "SMART", *[""] * 3, 0, "", 0, 0, "")
        owner = await laboratory.connect(exchange)
        for _ in minutes:
            await owner.reqCurrentTimeAsync()
        assert [one.client_id for one in exchange.sessions()] == [1]

    laboratory.run(scenario())


def test_a_client_that_asks_without_reading_is_not_read_either(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        greedy = await laboratory.raw(exchange, 5)
        ask = frame(9, 8, 1, 0, "TWX", "OPT", *[""] * 9, 0, "", "", "") * 1_000

        async def ask_for_ever() -> None:
            while True:
                greedy.writer.write(ask)
                await greedy.writer.drain()

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask_for_ever(), 0.5)
        await laboratory.connect(exchange)

    laboratory.run(scenario())
