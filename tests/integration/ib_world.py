"""A gateway, a paper exchange with its faults, and a proxy between them that can rewrite any frame.

Most tests use the exchange's own fault switches; the proxy invents what no exchange would send.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Literal

import pytest

from optionsib.brokers.ib import IBGateway
from optionsib.brokers.ib.session import TwsSession
from optionsib.brokers.paper import PaperExchange
from optionsib.common.clock import SteppedClock
from optionsib.common.config import FeeRow, FeesConfig, GatewayConfig
from optionsib.common.events import BrokerNotice
from optionsib.common.ports import Clock, TapeQuote, TapeStep
from optionsib.common.types import MINUTE_NS, OPTION_GRID, SECOND_NS, Contract, Order, OrderLeg
from tests.integration.ib_events import GatewayEvents

OPEN_NS = int(dt.datetime(2014, 6, 6, 13, 30, tzinfo=dt.UTC).timestamp()) * SECOND_NS
EXPIRY_NS = int(dt.datetime(2014, 6, 20, 20, 0, tzinfo=dt.UTC).timestamp()) * SECOND_NS
CALL, PUT = 100, 101
PATIENCE_SECONDS = 20.0  # where nothing but failure takes it

Frame = list[str]
PLACE, CANCEL, MARKET_DATA = "3", "4", "1"
STATUS, ERROR, OPEN_ORDER, NEXT_ID, EXECUTION, COMMISSION = "3", "4", "5", "9", "11", "59"


class FlatTape:
    """Two options that are quoted anew, unchanged, every minute."""

    name = "TST flat"
    simulated = True
    sha256 = "0" * 64
    session_open_ns = OPEN_NS
    underlying = Contract(con_id=1, symbol="TST", security_type="STK")
    contracts = tuple(
        Contract(
            con_id=con_id,
            symbol="TST",
            security_type="OPT",
            multiplier=100,
            right=right,
            strike=500_000,
            expiry_date="20140620",
            expiry_ns=EXPIRY_NS,
            trading_class="TST",
            tick_grid=OPTION_GRID,
        )
        for con_id, right in ((CALL, "C"), (PUT, "P"))
    )

    def __init__(self, minutes: int = 8) -> None:
        self._minutes = minutes
        self.session_close_ns = OPEN_NS + (minutes + 1) * MINUTE_NS

    def steps(self) -> Iterator[TapeStep]:
        for minute in range(1, self._minutes + 1):
            quotes = (
                TapeQuote(1, 519_900 + minute % 2 * 100, 10, 520_100, 10),
                TapeQuote(CALL, 25_000 + 100 * (minute % 9), 10, 26_000 + 100 * (minute % 9), 10),
                TapeQuote(PUT, 9_000, 10, 9_500, 10),
            )
            yield TapeStep(OPEN_NS + minute * MINUTE_NS, quotes)


class Proxy:
    """Stands between gateway and exchange; ``to_client`` and ``to_server`` rewrite each frame."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self.to_client: Callable[[Frame], list[Frame]] = lambda frame: [frame]
        self.to_server: Callable[[Frame], list[Frame]] = lambda frame: [frame]
        self.sent: list[Frame] = []
        self.sent_at: list[float] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._client: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def inject(self, *fields: object) -> None:
        """Send the client a message that the exchange never sent."""
        assert self._client is not None
        self._client.write(pack([str(field) for field in fields]))

    def write(self, data: bytes) -> None:
        """Send the client bytes that need not be a message."""
        assert self._client is not None
        self._client.write(data)

    def cut(self) -> None:
        """Break the client's connection."""
        assert self._client is not None
        self._client.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._client = writer
        self.connections += 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        up_writer.write(await reader.readexactly(4))
        hello = await read(reader)
        up_writer.write(len(hello).to_bytes(4, "big") + hello)
        try:
            await asyncio.gather(self._pump_up(reader, up_writer), self._pump_down(up_reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            up_writer.close()

    async def _pump_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = unpack(await read(reader))
            self.sent.append(frame)
            self.sent_at.append(time.monotonic())
            for one in self.to_server(frame):
                writer.write(pack(one))

    async def _pump_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = unpack(await read(reader))
            for one in self.to_client(frame):
                writer.write(pack(one))


async def read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))


def unpack(data: bytes) -> Frame:
    return data.decode().split("\0")[:-1]


def pack(frame: Frame) -> bytes:
    data = "".join(field + "\0" for field in frame).encode()
    return len(data).to_bytes(4, "big") + data


class World(GatewayEvents):
    """Exchange, proxy and gateway; every event taken so far."""

    def __init__(self, exchange: PaperExchange, proxy: Proxy, gateway: IBGateway, clock: Clock) -> None:
        self.exchange = exchange
        self.faults = exchange.faults
        self.proxy = proxy
        super().__init__(gateway, clock)

    def codes(self) -> list[int]:
        """Codes of the notices so far; the state of the farms at the start is no news."""
        return [notice.code for notice in self.of(BrokerNotice) if notice.code not in (2104, 2106, 2158)]

    def requests(self, kind: str) -> list[Frame]:
        """What the gateway has sent of a kind."""
        return [frame for frame in self.proxy.sent if frame[0] == kind]

    def another_gateway(self, client_id: int = 1) -> IBGateway:
        """A new process, straight at the exchange."""
        config = GatewayConfig(port=self.exchange.port, client_id=client_id, request_timeout_seconds=2.0)
        clock = SteppedClock(self.clock.now_ns())
        return IBGateway(config, clock=clock, pace="lockstep", messages_per_second=5_000)

    async def watch(self) -> None:
        """Connect, load the chain, watch it."""
        await self.gateway.connect()
        chain = await self.gateway.option_chain("TST")
        await self.gateway.subscribe([chain.underlying, *chain.options])

    async def ready(self) -> None:
        """Connect, load the chain, watch it, play the first step."""
        await self.watch()
        await self.step()
        self.gateway.take_quotes()

    async def until(self, true: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait until something holds, taking events meanwhile; fail after ``seconds``."""
        async with asyncio.timeout(seconds):
            while not true():
                await asyncio.sleep(0.02)
                self.take()


def play(
    scenario: Callable[[World], Awaitable[None]],
    timeout: float = 2.0,
    *,
    pace: Literal["lockstep", "real"] = "lockstep",
    rate: int = 5_000,
    minutes: int = 8,
    speed: float | None = None,
    seed: int = 0,
    confirm_seconds: float = 0.3,
    silent: str = "",
    **settings: object,
) -> None:
    """Run a scenario; with ``speed`` the exchange ticks by itself, that many simulated seconds a second.

    ``silent`` names the question that stays without an answer: it alone is given up soon, and no question
    because the machine stood still for a moment.
    """

    async def main() -> None:
        fees = FeesConfig(
            rows=(
                FeeRow(
                    name="commission",
                    per_contract=Decimal("0.65"),
                    minimum_per_order=Decimal("1.00"),
                    valid_from=dt.date(2014, 1, 1),
                    source="test",
                    verified=False,
                ),
            )
        )
        exchange = PaperExchange(
            FlatTape(minutes),
            fees=fees,
            pace="lockstep" if speed is None else "real",
            speed=speed or 1.0,
            seed=seed,
        )
        proxy = Proxy(await exchange.start())
        clock = SteppedClock(OPEN_NS)
        patience = PATIENCE_SECONDS if silent else timeout
        config = {"port": await proxy.start(), "request_timeout_seconds": patience, **settings}
        gateway = IBGateway(
            GatewayConfig.model_validate(config),
            clock=clock,
            pace=pace if speed is None else "real",
            step_seconds=0.05,
            confirm_seconds=confirm_seconds,
            messages_per_second=rate,
            broker_time=speed is not None,
        )
        try:
            with impatient(silent, timeout) if silent else contextlib.nullcontext():
                await scenario(World(exchange, proxy, gateway, clock))
        finally:
            await gateway.disconnect()
            await proxy.close()
            await exchange.close()

    asyncio.run(main())


@contextlib.contextmanager
def impatient(question: str, seconds: float) -> Iterator[None]:
    """Give up questions of this name after twice ``seconds``, the first of them in which the machine runs."""
    answer, parts = TwsSession._answer, 10

    async def answer_soon(
        session: TwsSession, name: str, request: Callable[[], Awaitable[object]], timeout: float
    ) -> object:
        if not name.startswith(question):
            return await answer(session, name, request, timeout)

        async def ask() -> object:
            return await request()

        asked = asyncio.ensure_future(ask())
        try:
            for _ in range(parts):  # standing still uses up one of them
                await asyncio.wait({asked}, timeout=seconds / parts)
        except asyncio.CancelledError:
            asked.cancel()
            raise
        return await answer(session, name, lambda: asked, seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TwsSession, "_answer", answer_soon)
        yield


def order(order_ref: str, limit: int, quantity: int = 1, purpose: Literal["open", "close"] = "open") -> Order:
    return Order(order_ref, "T1", (OrderLeg(CALL, 1),), quantity, limit, purpose, "test")


def order_id_of(world: World) -> str:
    return next(frame[1] for frame in reversed(world.proxy.sent) if frame[0] == PLACE)
