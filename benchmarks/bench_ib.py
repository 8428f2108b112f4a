"""The IB gateway: ticks from the socket to the bus, orders there and back, a long chain under the rate limit.

The server is our paper exchange in a process of its own on the loopback, in lockstep. Ticks are CPU time
of the gateway's process; the peer is ib_async's own decoder fed with the very same messages and told to do
nothing with them, so the ratio is the share of the decoder in what a tick costs. Orders and chain are wall
time.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Literal, cast

from ib_async.decoder import Decoder

from benchmarks.harness import Ratio, Row
from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.brokers.ib import IBGateway
from optionsib.brokers.paper import PaperExchange
from optionsib.bus.local import LocalBus
from optionsib.common.clock import SteppedClock
from optionsib.common.config import FeesConfig, GatewayConfig
from optionsib.common.events import OrderUpdate, Quote
from optionsib.common.ports import TapeQuote, TapeStep
from optionsib.common.types import OPTION_GRID, SECOND_NS, Contract, Order, OrderLeg

OPEN_NS = int(dt.datetime(2014, 6, 6, 13, 30, tzinfo=dt.UTC).timestamp()) * SECOND_NS
LINES = 100
STEPS = 300
ROUNDS = 5
ORDERS = 150  # a round; more cancels without a fill than this would break IB's efficiency ratio
ORDER_ROUNDS = 4
EXPIRIES, STRIKES = 10, 100  # calls and puts: 2,000 contracts
RATE = 45
UNLIMITED = 1_000_000
LONGEST_WAIT = 0.050  # of an order behind the chain
LOOK_UP, PLACE = "9", "3"


class BenchTape:
    """``expiries`` x ``strikes`` x 2 options; the first ``LINES`` contracts change at every step."""

    name = "BENCH"
    simulated = True
    sha256 = "0" * 64
    session_open_ns = OPEN_NS
    session_close_ns = OPEN_NS + 6 * 3600 * SECOND_NS

    def __init__(self, expiries: int, strikes: int) -> None:
        self.underlying = Contract(1, "BENCH", "STK", trading_class="BENCH")
        self.contracts: list[Contract] = []
        for expiry in range(expiries):
            day = dt.date(2014, 6, 20) + dt.timedelta(days=7 * expiry)
            at = int(dt.datetime(day.year, day.month, day.day, 20, tzinfo=dt.UTC).timestamp()) * SECOND_NS
            for strike in range(strikes):
                for right in ("C", "P"):
                    self.contracts.append(
                        Contract(
                            con_id=100 + len(self.contracts),
                            symbol="BENCH",
                            security_type="OPT",
                            multiplier=100,
                            right=right,
                            strike=(50 + strike) * 10_000,
                            expiry_date=f"{day:%Y%m%d}",
                            expiry_ns=at,
                            trading_class="BENCH",
                            tick_grid=OPTION_GRID,
                        )
                    )

    def steps(self) -> Iterator[TapeStep]:
        """Yield a change of both prices and both sizes of each line a second."""
        for second in range(1, 3_600):
            shift = second % 7 * 100
            quotes = [TapeQuote(1, 990_000 + shift, 5 + second % 3, 990_200 + shift, 5 + second % 2)]
            quotes += [
                TapeQuote(contract.con_id, 10_000 + shift, 1 + second % 9, 10_400 + shift, 1 + second % 8)
                for contract in self.contracts[: LINES - 1]
            ]
            yield TapeStep(OPEN_NS + second * SECOND_NS, tuple(quotes))


async def serve(expiries: int, strikes: int) -> None:
    """Serve until the parent is gone; print the port first."""
    exchange = PaperExchange(
        BenchTape(expiries, strikes), fees=FeesConfig(), pace="lockstep", market_data_lines=LINES
    )
    print(await exchange.start(), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await exchange.close()


@contextlib.contextmanager
def server(expiries: int, strikes: int) -> Iterator[int]:
    """Run the exchange in a process of its own and give its port."""
    command = [sys.executable, "-m", "benchmarks.bench_ib", str(expiries), str(strikes)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


@contextlib.asynccontextmanager
async def connected(port: int, rate: int, tap: Any = None) -> AsyncIterator[tuple[IBGateway, SteppedClock]]:
    """Give a gateway that is connected, and its clock."""
    clock = SteppedClock(0)
    gateway = BrokerAdapterFactory(
        clock=clock, pace="lockstep", messages_per_second=rate, message_tap=tap
    ).create(GatewayConfig(port=port, market_data_lines=LINES))
    assert isinstance(gateway, IBGateway)
    await gateway.connect()
    try:
        yield gateway, clock
    finally:
        await gateway.disconnect()


# --- ticks ---------------------------------------------------------------------------------------------


async def ticks(port: int, tap: Any = None) -> tuple[int, float, float]:
    """Play ``STEPS`` steps; return quotes on the bus, CPU seconds of this process and wall seconds."""
    seen: list[Quote] = []
    bus = LocalBus()
    bus.subscribe(Quote, seen.append)
    async with connected(port, UNLIMITED, tap) as (gateway, clock):
        chain = await gateway.option_chain("BENCH")
        await gateway.subscribe([chain.underlying, *chain.options[: LINES - 1]])
        await gateway.settle()
        gateway.take_quotes()
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(STEPS):
            time_ns = await gateway.step()
            assert time_ns is not None
            clock.advance(time_ns)
            for quote in gateway.take_quotes():
                bus.publish(quote)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        assert len(seen) == STEPS * LINES, f"{len(seen)} quotes on the bus, {STEPS * LINES} were sent"
        last = seen[-1]
        assert last.bid is not None
        assert last.ask is not None
        assert last.ask - last.bid == 400
    return len(seen), cpu, wall


class _Deaf:
    """A wrapper that takes every callback and does nothing."""

    def __getattr__(self, name: str) -> Any:
        return self._ignore

    @staticmethod
    def _ignore(*_: object, **__: object) -> None:
        return


def tick_row() -> Row:
    """Measure ticks, and the decoder alone on what was received."""
    received: list[list[str]] = []

    def record(way: Literal["in", "out"], fields: Sequence[str]) -> None:
        if way == "in" and fields[0] in ("1", "2", "21", "46"):
            received.append(list(fields))

    ours: list[float] = []
    decoding: list[float] = []
    walls: list[float] = []
    with server(1, 60) as port:
        asyncio.run(ticks(port, record))
    messages = len(received)
    for _ in range(ROUNDS):
        with server(1, 60) as port:
            _, cpu, wall = asyncio.run(ticks(port))
        ours.append(cpu)
        walls.append(wall)
        decoder: Any = Decoder(cast(Any, _Deaf()), 178)
        copies = [list(fields) for fields in received]
        start = time.process_time()
        for fields in copies:
            decoder.interpret(fields)
        decoding.append(time.process_time() - start)
    paired = [other / own for other, own in zip(decoding, ours, strict=True)]
    share = Ratio(statistics.median(paired), min(paired), max(paired), statistics.median(decoding))
    wall = statistics.median(walls)
    notes = [
        f"{messages / wall:,.0f} tick messages a second of wall time, {STEPS * LINES / wall:,.0f} quotes a "
        f"second on the bus, the exchange's own work included; {messages / (STEPS * LINES):.1f} messages "
        "a quote"
    ]
    return Row(
        "ticks: server -> gateway -> bus, a message",
        messages,
        statistics.median(ours),
        {"ib_async's decode alone": share},
        {},
        notes,
    )


# --- orders --------------------------------------------------------------------------------------------


def order(ref: str, con_id: int, limit: int = 100) -> Order:
    """Return an order that rests far below the market."""
    return Order(ref, ref, (OrderLeg(con_id, 1),), 1, limit, "open", "bench")


async def round_trips(port: int) -> list[float]:
    """Send orders one after the other; return the seconds until the exchange's word was applied."""
    seconds: list[float] = []
    async with connected(port, UNLIMITED) as (gateway, _):
        chain = await gateway.option_chain("BENCH")
        await gateway.subscribe([chain.underlying])
        await gateway.settle()
        gateway.take_events()
        for number in range(ORDERS):
            ref = f"{port}-{number}-{len(seconds)}-{time.monotonic_ns()}"
            start = time.perf_counter()
            await gateway.place(order(ref, chain.options[0].con_id))
            await gateway.settle()
            seconds.append(time.perf_counter() - start)
            events = gateway.take_events()
            assert any(isinstance(e, OrderUpdate) and e.status == "working" for e in events), events
            await gateway.cancel(ref)
            await gateway.settle()
            gateway.take_events()
    return seconds


async def echoes(count: int) -> list[float]:
    """Send as many bytes as an order has to an echo server; return the seconds until they are back."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            writer.write(data)
        writer.close()

    listening = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", listening.sockets[0].getsockname()[1])
    seconds = []
    for _ in range(count):
        start = time.perf_counter()
        writer.write(b"x" * 500)
        await reader.readexactly(500)
        seconds.append(time.perf_counter() - start)
    writer.write_eof()
    await reader.read()  # the echo has gone too
    writer.close()
    listening.close()
    return seconds


def order_row() -> Row:
    """Measure orders there and back."""
    seconds: list[float] = []
    floors: list[float] = []
    for _ in range(ORDER_ROUNDS):
        with server(1, 60) as port:
            seconds += asyncio.run(round_trips(port))
        floors += asyncio.run(echoes(ORDERS))
    ours, floor = sorted(seconds), sorted(floors)
    middle, echo = statistics.median(ours), statistics.median(floor)
    note = (
        f"p50 {middle * 1e3:.2f} ms, p99 {ours[len(ours) * 99 // 100] * 1e3:.2f} ms of {len(ours)} orders, "
        "from place() until the exchange's word was applied"
    )
    spread = (floor[len(floor) // 20] / middle, floor[len(floor) * 19 // 20] / middle)
    return Row(
        "order round trip on the loopback",
        1,
        middle,
        {"floor: asyncio echo in one process": Ratio(echo / middle, *spread, echo)},
        {},
        [note],
    )


# --- chain ---------------------------------------------------------------------------------------------


async def chain_under_load(port: int) -> tuple[float, int, int, list[float], int]:
    """Load the chain at 45 messages a second and send orders meanwhile.

    Returns
    -------
    tuple
        Seconds of the load, contracts, look-ups, seconds each order waited for the socket, and most
        messages in any one second.
    """
    left: list[tuple[float, str]] = []

    def watch(way: Literal["in", "out"], fields: Sequence[str]) -> None:
        if way == "out":
            left.append((time.perf_counter(), fields[0]))

    waits: list[float] = []
    async with connected(port, RATE, watch) as (gateway, _):
        before = len(left)
        start = time.perf_counter()
        chain = await gateway.option_chain("BENCH")
        seconds = time.perf_counter() - start
        look_ups = sum(number == LOOK_UP for _, number in left[before:])
        await asyncio.sleep(1.0)
        again = asyncio.ensure_future(gateway.option_chain("BENCH"))
        lines = asyncio.ensure_future(gateway.subscribe([chain.underlying, *chain.options[: LINES - 1]]))
        for number in range(15):
            await asyncio.sleep(0.1)
            asked = time.perf_counter()
            await gateway.place(order(f"c{number}", chain.options[0].con_id))
            sent = [at for at, message in left if message == PLACE and at >= asked]
            waits.append(sent[0] - asked)
        await asyncio.gather(again, lines)
        await gateway.settle()
    times = [at for at, _ in left]
    most = max(sum(first <= at < first + 1.0 for at in times) for first in times)
    return seconds, len(chain.options), look_ups, waits, most


def chain_row() -> Row:
    """Load 2,000 contracts under the limit; every promise is asserted."""
    with server(EXPIRIES, STRIKES) as port:
        seconds, contracts, look_ups, waits, most = asyncio.run(chain_under_load(port))
    assert contracts == 2 * EXPIRIES * STRIKES, contracts
    options = look_ups - 1  # the underlying's own
    assert options <= EXPIRIES, f"{options} look-ups for {EXPIRIES} expiries"
    assert most <= RATE, f"{most} messages in one second"
    assert max(waits) < LONGEST_WAIT, f"an order waited {max(waits) * 1e3:.1f} ms"
    notes = [
        f"{contracts} contracts of {EXPIRIES} expiries by {options} look-ups in {seconds:.2f} s; at most "
        f"{most} messages in any second while the chain and {LINES} lines are asked for again, and of "
        f"{len(waits)} orders placed then none waited longer than {max(waits) * 1e3:.1f} ms for the socket"
    ]
    return Row("chain of 2,000 contracts, a contract", contracts, seconds, {}, {}, notes)


def rows() -> list[Row]:
    """Measure all jobs."""
    return [tick_row(), order_row(), chain_row()]


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
