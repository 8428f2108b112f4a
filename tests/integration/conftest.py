"""A laboratory for the paper exchange: a small listed chain, real sockets, real ib_async clients."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import struct
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import ib_async
import pytest

from optionsib.brokers.paper import PaperExchange
from optionsib.common.config import FeeRow, FeesConfig
from optionsib.common.ports import TapeQuote, TapeStep
from optionsib.common.types import MINUTE_NS, OPTION_GRID, SECOND_NS, Contract

NEW_YORK = ZoneInfo("America/New_York")
FEES = FeesConfig(
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


def new_york_ns(*when: int) -> int:
    """UTC ns of a New York wall-clock time."""
    return int(dt.datetime(*when, tzinfo=NEW_YORK).timestamp()) * SECOND_NS  # type: ignore[misc,arg-type]


def option(con_id: int, strike: int, right: str, expiry: tuple[int, int, int] = (2014, 6, 20)) -> Contract:
    """An option on TWX; ``strike`` in currency."""
    return Contract(
        con_id=con_id,
        symbol="TWX",
        security_type="OPT",
        multiplier=100,
        right=right,  # type: ignore[arg-type]
        strike=strike * 10_000,
        expiry_date="{:04}{:02}{:02}".format(*expiry),
        expiry_ns=new_york_ns(*expiry, 16, 0),
        tick_grid=OPTION_GRID,
    )


SHARE = Contract(1, "TWX", "STK")
OPTIONS = (
    option(11, 68, "C"),
    option(12, 68, "P"),
    option(13, 70, "C"),
    option(14, 70, "P"),
    option(15, 70, "C", (2014, 7, 18)),
)


@dataclass
class ListedTape:
    """Two calls and two puts of one expiry, one call of a later one; one step a minute."""

    name: str = "TWX 2014-06-06"
    simulated: bool = True
    sha256: str = "0" * 64
    session_open_ns: int = new_york_ns(2014, 6, 6, 9, 30)
    session_close_ns: int = new_york_ns(2014, 6, 6, 16, 0)
    underlying: Contract = SHARE
    contracts: tuple[Contract, ...] = OPTIONS
    minutes: list[dict[int, tuple[int | None, int, int | None, int]]] = field(default_factory=list)

    def steps(self) -> Iterator[TapeStep]:
        for minute, quotes in enumerate(self.minutes, start=1):
            at_ns = self.session_open_ns + minute * MINUTE_NS
            yield TapeStep(at_ns, tuple(TapeQuote(con_id, *sides) for con_id, sides in quotes.items()))


# The first minute quotes everything: bid, bid size, ask, ask size.
OPENING: dict[int, tuple[int | None, int, int | None, int]] = {
    1: (689_900, 5, 690_100, 5),
    11: (19_800, 10, 20_200, 10),
    12: (9_800, 10, 10_200, 10),
    13: (8_000, 10, 8_400, 10),
    14: (18_000, 10, 18_400, 10),
    15: (None, 0, 15_000, 3),
}


class RawClient:
    """A client that shows every message as the list of its fields."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, port: int, client_id: int | None, versions: str = "v157..178") -> RawClient:
        """Shake hands, and start the API unless ``client_id`` is None."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        text = versions.encode()
        client.writer.write(b"API\0" + struct.pack(">I", len(text)) + text)
        if client_id is not None:
            await client.message()
            client.send(71, 2, client_id, "")
        return client

    def send(self, *fields: object) -> None:
        body = "".join(f"{field}\0" for field in fields).encode()
        self.writer.write(struct.pack(">I", len(body)) + body)

    async def message(self) -> list[str]:
        (length,) = struct.unpack(">I", await self.reader.readexactly(4))
        return (await self.reader.readexactly(length)).decode().split("\0")[:-1]

    async def until(self, message_id: int) -> list[list[str]]:
        """Read up to and including the first message of this kind."""
        messages = [await self.message()]
        while messages[-1][0] != str(message_id):
            messages.append(await self.message())
        return messages

    async def rest(self) -> list[list[str]]:
        """Read until the exchange closes the connection."""
        messages = []
        try:
            while True:
                messages.append(await self.message())
        except (asyncio.IncompleteReadError, ConnectionError):
            return messages


class Laboratory:
    """Starts exchanges and clients, and closes what a scenario has left open."""

    def __init__(self) -> None:
        self._exchanges: list[PaperExchange] = []
        self._clients: list[ib_async.IB] = []
        self._raw: list[RawClient] = []
        self.errors: list[tuple[int, int, str]] = []

    def tape(self, *later_minutes: dict[int, Any], **changes: Any) -> ListedTape:
        """The small chain: the opening minute and then ``later_minutes``."""
        return ListedTape(minutes=[OPENING, *later_minutes], **changes)

    async def start(self, tape: ListedTape, **options: Any) -> PaperExchange:
        exchange = PaperExchange(tape, **{"fees": FEES, "pace": "lockstep", **options})
        self._exchanges.append(exchange)
        await exchange.start()
        return exchange

    async def connect(self, exchange: PaperExchange, client_id: int = 1) -> ib_async.IB:
        client = ib_async.IB()
        client.errorEvent += lambda request, code, text, _: self.errors.append((request, code, text))
        await client.connectAsync("127.0.0.1", exchange.port, client_id, raiseSyncErrors=True)
        self._clients.append(client)
        return client

    async def raw(self, exchange: PaperExchange, client_id: int | None = 1, **options: Any) -> RawClient:
        client = await RawClient.connect(exchange.port, client_id, **options)
        self._raw.append(client)
        return client

    def codes(self) -> list[int]:
        """The error codes that clients were sent, without farm notices."""
        return [code for _, code, _ in self.errors if not 2100 <= code < 2200]

    def run(self, scenario: Coroutine[Any, Any, None]) -> None:
        async def whole() -> None:
            try:
                async with asyncio.timeout(120):
                    await scenario
            finally:
                for client in self._clients:
                    client.disconnect()
                for raw in self._raw:
                    raw.writer.close()
                for exchange in self._exchanges:
                    await exchange.close()

        asyncio.run(whole())


@pytest.fixture
def laboratory(caplog: pytest.LogCaptureFixture) -> Iterator[Laboratory]:
    """A laboratory in which no client may have failed to decode a message, and no task died."""
    caplog.set_level(logging.WARNING)
    yield Laboratory()
    broken = [
        record.getMessage()
        for record in caplog.records
        if "Error handling fields" in record.getMessage()
        or record.getMessage().startswith("Error for ")
        or record.name == "asyncio"
    ]
    assert not broken, broken[0]
