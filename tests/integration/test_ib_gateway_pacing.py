"""Pacing: message rate, orders first, market data lines, whole chains, historical data."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Iterator

import pytest

from optionsib.brokers.ib import IBGateway
from optionsib.brokers.paper import PaperExchange
from optionsib.brokers.paper.limits import Limits
from optionsib.common.clock import SteppedClock
from optionsib.common.config import FeesConfig, GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.events import OrderUpdate
from optionsib.common.ports import TapeStep
from optionsib.common.types import MINUTE_NS, OPTION_GRID, SECOND_NS, Contract, Order, OrderLeg
from tests.integration.ib_world import CALL, OPEN_NS, PLACE, Proxy, World, order, play

EXPIRIES, STRIKES = 20, 50


class WideTape:
    """Two thousand options at twenty expiries; nothing is ever quoted."""

    name = "WID"
    simulated = True
    sha256 = "0" * 64
    session_open_ns = OPEN_NS
    session_close_ns = OPEN_NS + 600 * MINUTE_NS
    underlying = Contract(con_id=1, symbol="WID", security_type="STK")

    def __init__(self) -> None:
        self.contracts = []
        for week in range(EXPIRIES):
            date = dt.date(2014, 6, 20) + dt.timedelta(weeks=week)
            expiry = dt.datetime.combine(date, dt.time(20), dt.UTC)
            self.contracts += [
                Contract(
                    con_id=100 + week * 2 * STRIKES + number,
                    symbol="WID",
                    security_type="OPT",
                    multiplier=100,
                    right="CP"[number % 2],
                    strike=(50 + number // 2) * 10_000,
                    expiry_date=f"{date:%Y%m%d}",
                    expiry_ns=int(expiry.timestamp()) * SECOND_NS,
                    trading_class="WID",
                    tick_grid=OPTION_GRID,
                )
                for number in range(2 * STRIKES)
            ]

    def steps(self) -> Iterator[TapeStep]:
        return iter(())


def most_in_a_second(times: list[float]) -> int:
    return max(sum(1 for other in times if at <= other < at + 1.0) for at in times)


def test_a_chain_of_two_thousand_loads_within_the_rate_while_orders_pass() -> None:
    async def main() -> None:
        exchange = PaperExchange(
            WideTape(), fees=FeesConfig(), pace="lockstep", limits=Limits(messages_per_second=50)
        )
        proxy = Proxy(await exchange.start())
        config = GatewayConfig(port=await proxy.start(), request_timeout_seconds=20.0, market_data_lines=100)
        gateway = IBGateway(config, clock=SteppedClock(OPEN_NS), pace="lockstep")
        await gateway.connect()
        chain = await gateway.option_chain("WID")
        assert len(chain.options) == 2 * STRIKES * EXPIRIES
        look_ups = [tuple(f[4:8]) for f in proxy.sent if f[0] == "9" and f[5] == "OPT"]
        assert len(look_ups) == len(set(look_ups)) == EXPIRIES

        began = len(proxy.sent)
        loading = asyncio.ensure_future(gateway.option_chain("WID"))
        await gateway.subscribe(chain.options[:100])
        waits = []
        for number in range(5):
            await asyncio.sleep(0.3)
            asked_at = time.monotonic()
            leg = OrderLeg(chain.options[0].con_id, 1)
            await gateway.place(Order(f"O{number}", "T", (leg,), 1, 20_000, "open", "test"))
            waits.append((asked_at, f"O{number}"))
        await loading
        while gateway.health().queued_messages:
            await asyncio.sleep(0.05)
        await gateway.settle()
        for asked_at, ref in waits:
            place = next(i for i, f in enumerate(proxy.sent) if f[0] == PLACE and ref in f)
            overtaken = [f for f, at in zip(proxy.sent, proxy.sent_at, strict=True) if asked_at < at]
            assert (
                overtaken.index(proxy.sent[place]) <= 6
            )  # what the bucket had saved up, and a refill on its way
        assert len(proxy.sent) - began > 120
        assert most_in_a_second(proxy.sent_at) <= 46  # a message more where the proxy's clock is late
        updates = [e for e in gateway.take_events() if isinstance(e, OrderUpdate)]
        assert {u.order_ref for u in updates if u.status == "working"} == {ref for _, ref in waits}
        assert gateway.health().last_error is None  # no 100 among others
        assert gateway.health().messages_per_second <= 46
        await gateway.disconnect()
        await proxy.close()
        await exchange.close()

    asyncio.run(main())


def test_an_order_overtakes_the_requests_that_wait_for_the_message_rate() -> None:
    async def scenario(world: World) -> None:
        gateway = world.gateway
        await gateway.connect()
        await gateway.option_chain("TST")
        loading = asyncio.gather(*(gateway.option_chain("TST") for _ in range(30)))
        await asyncio.sleep(0.01)
        before = len(world.proxy.sent)
        await gateway.place(order("O1", 20_000))
        await world.settle()
        sent = [frame[0] for frame in world.proxy.sent[before:]]
        assert sent.index(PLACE) <= 6  # what the bucket had saved up
        assert len(sent) > sent.index(PLACE) + 10
        await loading
        await world.settle()
        assert 100 not in world.codes()

    play(scenario, timeout=20.0, rate=45)


def test_a_line_nobody_needs_is_given_up_for_one_that_is_wanted() -> None:
    async def scenario(world: World) -> None:
        gateway = world.gateway
        await gateway.connect()
        chain = await gateway.option_chain("TST")
        share, call, put = chain.underlying, *chain.options
        await gateway.subscribe([share, call])
        await gateway.subscribe([put])
        assert gateway.unsubscribed == (put.con_id,)
        await gateway.unsubscribe([call])
        assert gateway.unsubscribed == ()
        await gateway.unsubscribe([share])
        await gateway.subscribe([share])  # its stream is still there
        await gateway.subscribe([call])
        await world.settle()
        assert gateway.unsubscribed == (call.con_id,)
        assert [frame[3] for frame in world.requests("1")] == ["1", str(CALL), str(put.con_id)]
        assert len(world.requests("2")) == 1
        assert gateway.health().lines_used == gateway.health().lines_limit == 2
        assert gateway.health().lines_waiting == 1

    play(scenario, market_data_lines=2)


def test_history_is_answered_from_memory_within_fifteen_seconds() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        chain = await world.gateway.option_chain("TST")
        for _ in range(5):
            await world.step()
        bars = await world.gateway.historical_bars(chain.underlying, what="MIDPOINT")
        again = await world.gateway.historical_bars(chain.underlying, what="MIDPOINT")
        assert bars == again
        assert bars
        assert all(bar.low <= bar.open <= bar.high for bar in bars)
        assert len(world.requests("20")) == 1

    play(scenario, minutes=30)


def test_a_pacing_complaint_about_history_is_waited_out_and_others_are_told() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        chain = await world.gateway.option_chain("TST")
        world.faults.error(162, request="historicalData", text="no data for this contract")
        with pytest.raises(BrokerError, match="no data for this contract"):
            await world.gateway.historical_bars(chain.underlying)

    play(scenario)
