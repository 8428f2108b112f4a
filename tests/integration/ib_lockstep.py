"""A gateway and a paper exchange in lockstep, with a tape that a test writes down step by step."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

from optionsib.brokers.api import OptionChain
from optionsib.brokers.ib import IBGateway
from optionsib.brokers.paper import PaperExchange
from optionsib.common.clock import SteppedClock
from optionsib.common.config import FeeRow, FeesConfig, GatewayConfig
from optionsib.common.events import BrokerNotice
from optionsib.common.ports import TapeQuote, TapeStep
from optionsib.common.types import (
    MINUTE_NS,
    OPTION_GRID,
    PENNY_GRID,
    SECOND_NS,
    Contract,
    Order,
    OrderLeg,
)
from tests.integration.ib_events import GatewayEvents

OPEN_NS = int(dt.datetime(2014, 6, 6, 13, 30, tzinfo=dt.UTC).timestamp()) * SECOND_NS
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


class SmallTape:
    """A made-up chain: every step quotes what the test says, minute by minute."""

    name = "TST small"
    simulated = True
    sha256 = "0" * 64
    session_open_ns = OPEN_NS

    def __init__(self, strikes: int, steps: Sequence[dict[int, tuple[int | None, int | None]]]) -> None:
        self.underlying = Contract(
            con_id=1, symbol="TST", security_type="STK", trading_class="TST", tick_grid=PENNY_GRID
        )
        self.contracts = []
        for date in ("20140620", "20140718"):
            expiry = dt.datetime.strptime(date + "20", "%Y%m%d%H").replace(tzinfo=dt.UTC)  # 16:00 New York
            for strike in range(strikes):
                for right in ("C", "P"):
                    self.contracts.append(
                        Contract(
                            con_id=100 + len(self.contracts),
                            symbol="TST",
                            security_type="OPT",
                            multiplier=100,
                            right=right,
                            strike=(50 + strike) * 10_000,
                            expiry_date=date,
                            expiry_ns=int(expiry.timestamp()) * SECOND_NS,
                            trading_class="TST",
                            tick_grid=OPTION_GRID,
                        )
                    )
        self._steps = steps
        self.session_close_ns = OPEN_NS + (len(steps) + 1) * MINUTE_NS

    def steps(self) -> Iterator[TapeStep]:
        for minute, quotes in enumerate(self._steps, 1):
            yield TapeStep(
                OPEN_NS + minute * MINUTE_NS,
                tuple(TapeQuote(con_id, bid, 10, ask, 10) for con_id, (bid, ask) in sorted(quotes.items())),
            )


QUOTES: dict[int, tuple[int | None, int | None]] = {
    1: (520_000, 520_100),
    100: (30_500, 31_500),  # 50 call
    101: (9_000, 9_500),  # 50 put
    102: (24_000, 24_500),  # 51 call
    103: (None, 13_000),  # 51 put
}


class World(GatewayEvents):
    """An exchange and a daemon's gateway, with the daemon's stepped clock."""

    def __init__(self, exchange: PaperExchange, gateway: IBGateway, clock: SteppedClock) -> None:
        self.exchange = exchange
        super().__init__(gateway, clock)
        self.chain: OptionChain


@asynccontextmanager
async def connected(
    tape: SmallTape, *, lines: int = 100, client_id: int = 1, exchange_lines: int = 100
) -> AsyncIterator[World]:
    exchange = PaperExchange(tape, fees=FEES, pace="lockstep", market_data_lines=exchange_lines)
    port = await exchange.start()
    world = World(exchange, *gateway_at(port, lines=lines, client_id=client_id))
    try:
        await world.gateway.connect()
        world.take()
        world.chain = await world.gateway.option_chain("TST")
        yield world
        assert [e for e in world.of(BrokerNotice) if e.code < 0] == [], "alarms"
    finally:
        await world.gateway.disconnect()
        await exchange.close()


def gateway_at(port: int, *, lines: int = 100, client_id: int = 1) -> tuple[IBGateway, SteppedClock]:
    clock = SteppedClock(OPEN_NS)
    config = GatewayConfig(
        port=port, client_id=client_id, market_data_lines=lines, request_timeout_seconds=5.0
    )
    return IBGateway(config, clock=clock, pace="lockstep", messages_per_second=5_000), clock


def spread(order_ref: str, limit: int, quantity: int = 1) -> Order:
    """Buy the 50 call, sell the 51 call."""
    return Order(
        order_ref=order_ref,
        trade_id="T1",
        legs=(OrderLeg(100, 1), OrderLeg(102, -1)),
        quantity=quantity,
        limit_price=limit,
        purpose="open",
        strategy="test",
    )


def single(order_ref: str, con_id: int, ratio: int, limit: int, quantity: int = 1) -> Order:
    return Order(order_ref, "T1", (OrderLeg(con_id, ratio),), quantity, limit, "open", "test")


def play(
    scenario: Callable[[World], Awaitable[None]],
    steps: Sequence[dict[int, tuple[int | None, int | None]]],
    **options: int,
) -> None:
    async def main() -> None:
        async with connected(SmallTape(4, steps), **options) as world:
            await scenario(world)

    asyncio.run(main())
