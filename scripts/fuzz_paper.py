"""Send the paper exchange whatever bytes may come over a socket, and check what must hold all the same.

    python scripts/fuzz_paper.py [--seed N] [--calls N]

Valid requests of every message id, mutated; unknown ids; random, truncated and oversized frames; written
byte by byte, in random pieces or all at once; ended by a close, a reset or in the middle of a frame. What
comes back are whole frames; nothing raises; other clients are served; no task, socket or memory is left.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import struct
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import ib_async
from ib_async.client import Client

from optionsib.brokers.paper import PaperExchange
from optionsib.common.config import FeesConfig
from optionsib.data.memory_tape import shorten
from optionsib.data.synthetic.universe import SimulatedUniverse
from optionsib.data.tapes import open_tape

ROUND = 2_000  # requests that one exchange takes; its orders and executions go with it
FRAMES = 40  # of one connection
VERSIONS = ("v157..178", "v100..164", "v157", "v163..176", "v100..225 +PACEAPI")
NOISE = [
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
    "0",
    "\\",
]
NOISE += [
    "9223372036854775807",
    "1.7976931348623157E308",
    "20140610",
    "SPY",
    "OPT",
    "BAG",
    "C",
    "true",
    "A" * 300,
]
MEMORY_SLACK = 48 * 1024 * 1024
QUIET_SECONDS = 30.0


def frame(fields: list[str]) -> bytes:
    """Return the frame of these fields."""
    body = "".join(f"{field}\0" for field in fields).encode("utf-8", "surrogatepass")
    return struct.pack(">I", len(body)) + body


def requests(symbol: str, options: list[int]) -> list[list[str]]:
    """Let ib_async encode a request of every kind; return their fields."""
    sent: list[list[str]] = []
    wire = Client(None)
    wire._serverVersion, wire.connState, wire.MaxRequests = 178, Client.CONNECTED, 0
    wire.conn.sendMsg = lambda data: sent.append(data[4:].decode().split("\0")[:-1])
    option = ib_async.Contract(conId=options[0], exchange="SMART")
    stock = ib_async.Stock(symbol, "SMART", "USD")
    legs = [
        ib_async.ComboLeg(options[0], 1, "BUY", "SMART"),
        ib_async.ComboLeg(options[1], 2, "SELL", "SMART"),
    ]
    combo = ib_async.Contract(secType="BAG", symbol=symbol, exchange="SMART", currency="USD", comboLegs=legs)
    orders: list[Any] = [
        ib_async.LimitOrder("BUY", 1, 1.2, orderRef="a"),
        ib_async.MarketOrder("SELL", 1),
        ib_async.StopOrder("SELL", 1, 0.5),
        ib_async.StopLimitOrder("SELL", 1, 0.4, 0.5),
        ib_async.Order(action="SELL", totalQuantity=1, orderType="TRAIL", auxPrice=0.1),
        ib_async.LimitOrder("BUY", 1, 1.0, whatIf=True),
        ib_async.LimitOrder("BUY", 1, 1.0, ocaGroup="g", ocaType=1, tif="GTC", transmit=False),
        ib_async.LimitOrder(
            "BUY", 1, 1.0, algoStrategy="Adaptive", algoParams=[ib_async.TagValue("p", "Normal")]
        ),
        ib_async.LimitOrder("BUY", 1, 1.0, conditions=[ib_async.PriceCondition(conId=options[0], price=1.0)]),
    ]
    calls: list[Callable[[], object]] = [
        lambda: wire.reqMktData(1, option, "100,101", False, False, []),
        lambda: wire.reqMktData(2, combo, "", False, False, []),
        lambda: wire.reqMktData(3, stock, "", True, False, []),
        lambda: wire.cancelMktData(1),
        *[lambda order=order: wire.placeOrder(random_id(sent), option, order) for order in orders],
        lambda: wire.placeOrder(random_id(sent), combo, orders[0]),
        lambda: wire.cancelOrder(3),
        wire.reqOpenOrders,
        wire.reqAllOpenOrders,
        lambda: wire.reqAutoOpenOrders(True),
        lambda: wire.reqAccountUpdates(True, ""),
        lambda: wire.reqExecutions(4, ib_async.ExecutionFilter()),
        lambda: wire.reqIds(1),
        lambda: wire.reqContractDetails(5, option),
        lambda: wire.reqContractDetails(6, stock),
        lambda: wire.reqMktDepth(7, option, 5, False, []),
        lambda: wire.cancelMktDepth(7, False),
        lambda: wire.setServerLogLevel(2),
        wire.reqManagedAccts,
        lambda: wire.reqHistoricalData(8, stock, "", "1 D", "5 mins", "TRADES", 1, 1, False, []),
        lambda: wire.cancelHistoricalData(8),
        lambda: wire.exerciseOptions(9, option, 1, 1, "", 0),
        wire.reqCurrentTime,
        lambda: wire.reqRealTimeBars(10, stock, 5, "TRADES", True, []),
        lambda: wire.cancelRealTimeBars(10),
        lambda: wire.calculateImpliedVolatility(11, option, 1.0, 100.0, []),
        lambda: wire.calculateOptionPrice(12, option, 0.2, 100.0, []),
        wire.reqGlobalCancel,
        lambda: wire.reqMarketDataType(3),
        wire.reqPositions,
        wire.cancelPositions,
        lambda: wire.reqAccountSummary(13, "All", "NetLiquidation,$LEDGER"),
        lambda: wire.cancelAccountSummary(13),
        lambda: wire.reqAccountUpdatesMulti(14, "", "", False),
        lambda: wire.reqSecDefOptParams(15, symbol, "", "STK", 1),
        lambda: wire.reqMatchingSymbols(16, symbol),
        lambda: wire.reqHeadTimeStamp(17, stock, "TRADES", 1, 1),
        lambda: wire.reqMarketRule(26),
        lambda: wire.reqPnL(18, "", ""),
        lambda: wire.reqPnLSingle(19, "", "", options[0]),
        lambda: wire.reqTickByTickData(20, stock, "BidAsk", 0, False),
        lambda: wire.cancelTickByTickData(20),
        lambda: wire.reqHistoricalTicks(21, stock, "20140606 10:00:00", "", 10, "TRADES", 1, False, []),
        lambda: wire.reqCompletedOrders(False),
    ]
    for call in calls:
        call()
    return sent


def random_id(sent: list[list[str]]) -> int:
    """Return an order id that none of the requests so far has."""
    return len(sent) + 1


class Cases:
    """Draws what one connection sends."""

    def __init__(self, generator: random.Random, valid: list[list[str]]) -> None:
        self._random, self._valid = generator, valid
        self._order_id = 1_000
        self.kinds: Counter[str] = Counter()

    def next(self) -> bytes:
        """Return the bytes of one case."""
        names = ["mutated", "valid", "unknown", "noise", "binary"]
        (kind,) = self._random.choices(names, [40, 55, 3, 1, 1])
        self.kinds[kind] += 1
        if kind == "unknown":
            words = [self._random.choice(NOISE) for _ in range(self._random.randrange(12))]
            return frame([str(self._random.choice([0, 12, 60, 72, 150, 9999, 2**31])), *words])
        if kind == "noise":
            return frame([self._random.choice(NOISE) for _ in range(self._random.randrange(40))])
        if kind == "binary":
            body = self._random.randbytes(self._random.randrange(200))
            return struct.pack(">I", len(body)) + body
        fields = list(self._random.choice(self._valid))
        if fields[0] == "3" and self._random.random() < 0.8:
            self._order_id += 1
            fields[1] = str(self._order_id)
        if kind == "mutated":
            for _ in range(self._random.choice([1, 1, 1, 2, 4])):
                self._mutate(fields)
        return frame(fields)

    def _mutate(self, fields: list[str]) -> None:
        at = self._random.randrange(len(fields))
        action = self._random.randrange(6)
        if action == 0 and len(fields) > 1:
            del fields[self._random.randrange(1, len(fields)) :]
        elif action == 1:
            fields.insert(at, fields[at])
        elif action == 2:
            other = self._random.randrange(len(fields))
            fields[at], fields[other] = fields[other], fields[at]
        else:
            fields[max(at, 1) if len(fields) > 1 else 0] = self._random.choice(NOISE)

    def end(self) -> bytes:
        """Return how the connection's bytes end: whole, within a frame, or with a frame too large."""
        ending = self._random.randrange(4)
        if ending == 0:
            return self.next()[: self._random.randrange(1, 12)]
        if ending == 1:
            return struct.pack(">I", self._random.choice([2**32 - 1, 2**31, 2**18 + 1])) + b"3\0"
        return b""


async def connection(port: int, generator: random.Random, cases: Cases) -> int:
    """Open a connection, send cases, read everything; return how many messages came back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    hello = generator.choice(VERSIONS).encode()
    sent = b"API\0" + struct.pack(">I", len(hello)) + hello
    sent += frame(["71", "2", str(generator.randrange(6)), ""])
    sent += b"".join(cases.next() for _ in range(FRAMES)) + cases.end()
    if generator.random() < 0.03:
        sent = generator.randbytes(len(sent))
    try:
        await write(writer, generator, sent)
        if generator.random() < 0.05:
            writer.transport.abort()
            return 0
        if writer.can_write_eof():
            writer.write_eof()
        async with asyncio.timeout(QUIET_SECONDS):
            received = await reader.read()
        return whole_frames(received)
    except OSError:  # the exchange dropped the connection while we wrote
        return 0
    finally:
        writer.close()


async def write(writer: asyncio.StreamWriter, generator: random.Random, sent: bytes) -> None:
    """Write at once, in random pieces, or byte by byte."""
    way = generator.randrange(10)
    if way < 6:
        writer.write(sent)
        return
    most = 1 if way == 9 else 700
    position = 0
    while position < min(len(sent), 3_000 if way == 9 else len(sent)) and not writer.is_closing():
        size = generator.randint(1, most)
        writer.write(sent[position : position + size])
        position += size
        await asyncio.sleep(0)
    if not writer.is_closing():
        writer.write(sent[position:])


def whole_frames(received: bytes) -> int:
    """Count the frames; a cut one, or one that does not begin with a number, is a failure."""
    count = position = 0
    while position < len(received):
        (length,) = struct.unpack_from(">I", received, position)
        body = received[position + 4 : position + 4 + length]
        if len(body) < length or not body.split(b"\0")[0].isdigit():
            raise AssertionError(f"not a whole message: {received[position : position + 80]!r}")
        position += 4 + length
        count += 1
    return count


async def sane_client(port: int, symbol: str) -> None:
    """Check that a library's client is served as if nothing had happened."""
    client = ib_async.IB()
    await client.connectAsync("127.0.0.1", port, 99, timeout=20, raiseSyncErrors=True)
    found = await client.reqContractDetailsAsync(ib_async.Stock(symbol, "SMART", "USD"))
    if not found:
        raise AssertionError("no contract details after the storm")
    client.reqGlobalCancel()
    values = {one.tag: one.value for one in client.accountValues() if one.currency == "USD"}
    parts = sum(float(values[tag]) for tag in ("TotalCashValue", "OptionMarketValue", "StockMarketValue"))
    if abs(parts - float(values["NetLiquidation"])) > 0.01:
        raise AssertionError(f"the account does not add up: {values}")
    client.disconnect()


async def play_round(generator: random.Random, calls: int, tally: Counter[str]) -> None:
    """Send ``calls`` requests to one exchange, then look whether it and the process are well."""
    loop = asyncio.get_running_loop()
    crashes: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: crashes.append(context))
    tape = shorten(open_tape(None, date=None, seed=7), 0, 240)
    market = SimulatedUniverse(7, date(2014, 6, 6), rate=0.01)
    exchange = PaperExchange(
        tape, fees=FeesConfig(rows=()), pace="lockstep", owner_client_id=0, market=market, seed=7
    )
    port = await exchange.start()
    taken = 0

    def count(number: int, order_ref: str | None) -> None:
        nonlocal taken
        taken += 1

    exchange.faults.watch(requests=count)
    options = [contract.con_id for contract in tape.contracts if contract.security_type == "OPT"]
    cases = Cases(generator, requests(tape.underlying.symbol, options))
    while taken < calls and not crashes:
        together = [connection(port, generator, cases) for _ in range(generator.randint(1, 3))]
        tally["messages"] += sum(await asyncio.gather(*together))
        tally["connections"] += len(together)
    for crash in crashes:
        raise AssertionError(f"a task failed: {crash['message']}") from crash.get("exception")
    await sane_client(port, tape.underlying.symbol)
    await asyncio.sleep(0.05)
    if exchange.sessions():
        raise AssertionError(f"sessions are left: {exchange.sessions()}")
    await exchange.close()
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    if left:
        raise AssertionError(f"tasks are left: {left}")
    tally["requests"] += taken
    tally.update(cases.kinds)


def resident() -> int:
    """Return the resident memory of the process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def sockets() -> int:
    """Return how many file descriptors are open."""
    return len(os.listdir("/proc/self/fd"))


def main() -> None:
    """Fuzz, and print what was done."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=100_000)
    options = parser.parse_args()
    generator, tally = random.Random(options.seed), Counter[str]()
    began, memory, files = time.monotonic(), 0, 0
    rounds = max(1, -(-options.calls // ROUND))
    for number in range(rounds):
        try:
            asyncio.run(play_round(generator, options.calls // rounds, tally))
        except BaseException:
            print(f"seed {options.seed}, round {number}")
            raise
        gc.collect()
        if number == 1:  # the first round loads what is loaded once
            memory, files = resident(), sockets()
        if number > 1 and sockets() > files:
            raise AssertionError(f"{sockets()} files are open, {files} after the second round")
        if number > 1 and resident() > memory + MEMORY_SLACK:
            raise AssertionError(f"{resident()} bytes resident, {memory} after the second round")
    names = ("mutated", "valid", "unknown", "noise", "binary")
    kinds = ", ".join(f"{tally[kind]} {kind}" for kind in names)
    print(
        f"paper exchange: {tally['requests']} requests taken, {tally['connections']} connections, "
        f"{tally['messages']} messages came back, {time.monotonic() - began:.0f} s; sent: {kinds}"
    )


if __name__ == "__main__":
    main()
