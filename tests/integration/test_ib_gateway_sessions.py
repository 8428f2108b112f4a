"""One session after another, several clients, exchanges that die, and real pace."""

from __future__ import annotations

import asyncio

import pytest

from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.brokers.ib import IBGateway
from optionsib.brokers.paper import PaperExchange
from optionsib.common.clock import SteppedClock
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import BrokerError, ConfigError
from optionsib.common.events import BrokerNotice, CommissionReport, Execution
from tests.integration.ib_lockstep import (
    FEES,
    OPEN_NS,
    QUOTES,
    SmallTape,
    World,
    connected,
    gateway_at,
    play,
    single,
    spread,
)


def test_orders_and_fills_survive_the_gateway() -> None:
    """A new process with the same client id adopts, changes and ends what the old one left."""

    async def main() -> None:
        async with connected(SmallTape(4, [QUOTES, QUOTES])) as world:
            await world.step()
            await world.gateway.place(spread("O1", 7_500))
            await world.gateway.place(spread("O2", 5_000))
            await world.gateway.place(single("O3", 102, -1, -26_000))
            await world.settle()
            await world.gateway.disconnect()

            gateway, clock = gateway_at(world.exchange.port)
            clock.advance(world.clock.now_ns())
            state = await gateway.connect()
            later = World(world.exchange, gateway, clock)
            later.take()
            assert [(u.order_ref, u.limit_price) for u in state.working_orders] == [
                ("O2", 5_000),
                ("O3", -26_000),
            ]
            assert len(state.executions) == 3
            assert later.statuses("O1") == ["filled"]
            assert [e.execution_id for e in later.of(Execution)] == [e.execution_id for e in state.executions]
            assert len(later.of(CommissionReport)) == len(world.of(CommissionReport))
            await gateway.modify("O2", 6_000)
            with pytest.raises(BrokerError, match="market rule of contract 102 is not known"):
                await gateway.modify("O3", -25_500)
            await gateway.option_chain("TST")
            await gateway.modify("O3", -25_500)
            await later.settle()
            assert [(u.order_ref, u.limit_price) for u in (await gateway.refresh()).working_orders] == [
                ("O2", 6_000),
                ("O3", -25_500),
            ]
            await gateway.cancel("O2")
            await gateway.cancel("O3")
            await later.settle()
            assert later.statuses("O2")[-1] == later.statuses("O3")[-1] == "cancelled"
            await gateway.disconnect()

    asyncio.run(main())


def test_reconnect_books_what_happened_meanwhile_exactly_once() -> None:
    async def main() -> None:
        async with connected(SmallTape(4, [QUOTES, {102: (26_000, 27_000)}, QUOTES])) as world:
            gateway = world.gateway
            await gateway.subscribe([world.chain.underlying, *world.chain.options])
            await world.step()
            await gateway.place(spread("O1", 7_500))
            await gateway.place(single("O2", 102, -1, -26_000))
            await world.settle()
            assert len(world.of(Execution)) == 3
            await gateway.disconnect()
            with pytest.raises(BrokerError, match="no connection"):
                await gateway.step()
            with pytest.raises(BrokerError, match="no connection"):
                await gateway.place(spread("O3", 5_000))

            other, _ = gateway_at(world.exchange.port, client_id=1)  # plays a step, as the owner
            await other.connect()
            await other.step()
            await other.disconnect()

            state = await gateway.reconnect()
            world.take()
            assert len(state.executions) == len(world.of(Execution)) == 4
            assert len({e.execution_id for e in world.of(Execution)}) == 4
            assert len(world.of(CommissionReport)) == len(
                {r.execution_id for r in world.of(CommissionReport)}
            )
            assert world.statuses("O2")[-1] == "filled"
            gateway.take_quotes()
            await world.step()
            assert {q.con_id: (q.bid, q.ask) for q in gateway.take_quotes()}[102] == QUOTES[102]

    asyncio.run(main())


def test_another_client_cannot_change_our_orders_but_can_end_all() -> None:
    async def main() -> None:
        async with connected(SmallTape(4, [QUOTES])) as world:
            await world.step()
            await world.gateway.place(spread("O1", 5_000))
            await world.settle()
            rescue, _ = gateway_at(world.exchange.port, client_id=9)
            state = await rescue.connect()
            assert [u.order_ref for u in state.working_orders] == ["O1"]
            with pytest.raises(BrokerError, match="belongs to client 1"):
                await rescue.modify("O1", 6_000)
            await rescue.cancel_all()
            await rescue.settle()
            assert (await rescue.refresh()).working_orders == ()
            await rescue.disconnect()
            await world.settle()
            assert world.statuses("O1")[-1] == "cancelled"

    asyncio.run(main())


def test_a_client_id_in_use_says_what_to_do() -> None:
    async def scenario(world: World) -> None:
        second, _ = gateway_at(world.exchange.port)
        with pytest.raises(BrokerError, match="client id 1 is in use"):
            await second.connect()
        assert not second.ready
        await world.step()  # the first one is not disturbed

    play(scenario, [QUOTES])


def test_a_closed_port_is_named() -> None:
    async def main() -> None:
        exchange = PaperExchange(SmallTape(1, []), fees=FEES)
        port = await exchange.start()
        await exchange.close()
        gateway, _ = gateway_at(port)
        with pytest.raises(BrokerError, match=f"127.0.0.1:{port}"):
            await gateway.connect()

    asyncio.run(main())


def test_a_foreign_account_is_refused() -> None:
    async def main() -> None:
        exchange = PaperExchange(SmallTape(1, []), fees=FEES, account="DU0000001")
        port = await exchange.start()
        gateway = IBGateway(GatewayConfig(port=port), clock=SteppedClock(OPEN_NS), account="U7")
        with pytest.raises(BrokerError, match="'U7' is not managed"):
            await gateway.connect()
        await exchange.close()

    asyncio.run(main())


def test_an_exchange_that_dies_is_an_error_not_an_end() -> None:
    async def main() -> None:
        exchange = PaperExchange(SmallTape(4, [QUOTES, QUOTES]), fees=FEES, pace="lockstep")
        gateway, _ = gateway_at(await exchange.start())
        await gateway.connect()
        await gateway.step()
        await exchange.close()
        with pytest.raises(BrokerError, match=r"lost|no connection"):
            await gateway.step()
        assert [e.code for e in gateway.take_events() if isinstance(e, BrokerNotice) and e.code < 0] == [-3]
        assert not gateway.ready

    asyncio.run(main())


def test_real_pace_follows_the_exchange_and_ends_at_the_close() -> None:
    async def main() -> None:
        tape = SmallTape(4, [QUOTES] * 6)
        exchange = PaperExchange(tape, fees=FEES, pace="real", speed=200.0)
        clock = SteppedClock(OPEN_NS)
        gateway = IBGateway(
            GatewayConfig(port=await exchange.start()),
            clock=clock,
            step_seconds=0.1,
            broker_time=True,
            messages_per_second=5_000,
        )
        await gateway.connect()
        chain = await gateway.option_chain("TST")
        await gateway.subscribe(chain.options)
        times = []
        while (time_ns := await gateway.step()) is not None:
            clock.advance(time_ns)
            times.append(time_ns)
        assert times == sorted(set(times))
        assert times[-1] >= tape.session_close_ns
        assert len(times) > 3
        assert {q.con_id for q in gateway.take_quotes()} == set(QUOTES) - {1}
        await gateway.disconnect()
        await exchange.close()

    asyncio.run(main())


def test_factory_makes_the_gateway_and_refuses_others() -> None:
    factory = BrokerAdapterFactory(clock=SteppedClock(OPEN_NS), pace="lockstep")
    assert isinstance(factory.create(GatewayConfig()), IBGateway)
    with pytest.raises(ConfigError, match="'tradier'"):
        factory.create(GatewayConfig(), "tradier")
