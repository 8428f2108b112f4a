"""The gateway against the paper exchange, over a real socket, in lockstep."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from optionsib.brokers.api import BrokerState, OptionChain
from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.brokers.ib import IBGateway
from optionsib.brokers.paper import PaperExchange
from optionsib.common.clock import SteppedClock
from optionsib.common.config import FeeRow, FeesConfig, GatewayConfig
from optionsib.common.errors import BrokerError, ConfigError
from optionsib.common.events import BrokerNotice, CommissionReport, Execution, OrderUpdate
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


class World:
    """An exchange and a daemon's gateway, with the daemon's stepped clock."""

    def __init__(self, exchange: PaperExchange, gateway: IBGateway, clock: SteppedClock) -> None:
        self.exchange = exchange
        self.gateway = gateway
        self.clock = clock
        self.events: list[object] = []
        self.chain: OptionChain

    async def step(self) -> int | None:
        time_ns = await self.gateway.step()
        if time_ns is not None:
            self.clock.advance(time_ns)
        self.take()
        return time_ns

    async def settle(self) -> None:
        await self.gateway.settle()
        self.take()

    def take(self) -> None:
        self.events += self.gateway.take_events()

    def of(self, kind: type) -> list:
        return [event for event in self.events if type(event) is kind]

    def statuses(self, order_ref: str) -> list[str]:
        return [event.status for event in self.of(OrderUpdate) if event.order_ref == order_ref]


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


def test_chain_is_complete_sorted_and_exact() -> None:
    tape = SmallTape(4, [QUOTES])

    async def main() -> None:
        async with connected(tape) as world:
            chain = world.chain
            assert chain.underlying.con_id == 1
            assert chain.simulated
            assert (chain.session_open_ns, chain.session_close_ns) == (OPEN_NS, tape.session_close_ns)
            assert [
                (c.con_id, c.strike, c.right, c.expiry_ns, c.expiry_date, c.multiplier, c.tick_grid)
                for c in chain.options
            ] == [
                (c.con_id, c.strike, c.right, c.expiry_ns, c.expiry_date, c.multiplier, c.tick_grid)
                for c in tape.contracts
            ]

    asyncio.run(main())


def test_unknown_symbol_names_it() -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(BrokerError, match="NOPE"):
            await world.gateway.option_chain("NOPE")
        assert world.gateway.ready

    play(scenario, [QUOTES])


def test_a_step_brings_its_quotes_and_its_time() -> None:
    moved = {100: (30_500, 31_000)}

    async def scenario(world: World) -> None:
        await world.gateway.subscribe([world.chain.underlying, *world.chain.options])
        assert await world.step() == OPEN_NS + MINUTE_NS
        quotes = world.gateway.take_quotes()
        assert [q.con_id for q in quotes] == sorted(QUOTES)
        assert {q.con_id: (q.bid, q.ask) for q in quotes} == QUOTES
        assert {(q.as_of_ns, q.changed_ns) for q in quotes} == {(OPEN_NS + MINUTE_NS, OPEN_NS + MINUTE_NS)}
        assert [(q.bid_size, q.ask_size) for q in quotes if q.con_id == 103] == [(0, 10)]
        computation = world.gateway.broker_computation(100)
        assert computation is not None
        assert computation.delta is not None
        assert 0.0 < computation.delta <= 1.0

        assert await world.step() == OPEN_NS + 2 * MINUTE_NS
        (quote,) = world.gateway.take_quotes()
        assert (quote.con_id, quote.bid, quote.ask) == (100, 30_500, 31_000)
        assert quote.changed_ns == OPEN_NS + 2 * MINUTE_NS
        assert await world.step() == OPEN_NS + 3 * MINUTE_NS  # the tape is over, the session closes
        assert await world.step() is None

    play(scenario, [QUOTES, moved])


def test_combo_rests_is_modified_fills_once_and_its_legs_make_the_position() -> None:
    async def scenario(world: World) -> None:
        gateway = world.gateway
        await gateway.subscribe(world.chain.options)
        await world.step()
        await gateway.place(spread("O1", 5_000, quantity=2))
        await world.settle()
        assert world.statuses("O1") == ["working"]
        await gateway.modify("O1", 6_000)
        await world.settle()
        assert world.of(OrderUpdate)[-1].limit_price == 6_000
        assert world.of(Execution) == []
        before = await gateway.refresh()
        assert [(u.order_ref, u.limit_price) for u in before.working_orders] == [("O1", 6_000)]

        await gateway.modify("O1", 7_500)  # 3.15 - 2.40: both far sides
        await world.settle()
        executions = world.of(Execution)
        assert [(e.con_id, e.side, e.quantity, e.price) for e in executions if not e.is_combo] == [
            (100, 1, 2, 31_500),
            (102, -1, 2, 24_000),
        ]
        assert [(e.side, e.quantity, e.price) for e in executions if e.is_combo] == [(1, 2, 7_500)]
        assert {e.order_ref for e in executions} == {"O1"}
        assert {e.at_ns for e in executions} == {OPEN_NS + MINUTE_NS}
        reports = world.of(CommissionReport)
        assert sum(r.amount for r in reports) == 4 * 650_000
        assert {r.execution_id for r in reports} <= {e.execution_id for e in executions}
        assert world.statuses("O1")[-1] == "filled"
        state = await gateway.refresh()
        world.take()
        assert state.positions == {100: 2, 102: -2}
        assert state.working_orders == ()
        assert len(state.executions) == 3
        assert state.cash == 100_000 * 10**6 - 7_500 * 100 * 100 * 2 - 4 * 650_000
        assert len(world.of(Execution)) == 3
        assert len(world.of(CommissionReport)) == len(reports)

    play(scenario, [QUOTES, QUOTES])


def test_a_fill_inside_a_step_carries_the_new_time() -> None:
    async def scenario(world: World) -> None:
        await world.step()
        await world.gateway.place(single("O1", 102, -1, -26_000))
        await world.settle()
        await world.step()
        (execution,) = world.of(Execution)
        assert (execution.side, execution.price, execution.at_ns) == (-1, 26_000, OPEN_NS + 2 * MINUTE_NS)
        assert all(event.at_ns > 0 for event in world.of(OrderUpdate))
        assert world.events.index(execution) < world.events.index(world.of(CommissionReport)[0])

    play(scenario, [QUOTES, {102: (26_000, 27_000)}])


def test_cancel_and_its_failures_leave_the_truth() -> None:
    async def scenario(world: World) -> None:
        gateway = world.gateway
        await world.step()
        await gateway.place(spread("O1", 5_000))
        await gateway.place(spread("O2", 5_000))
        await gateway.place(spread("O3", 5_000))
        await world.settle()
        await gateway.cancel("O1")
        await world.settle()
        assert world.statuses("O1")[-1] == "cancelled"
        with pytest.raises(BrokerError, match="O1 is cancelled already"):
            await gateway.modify("O1", 6_000)
        with pytest.raises(BrokerError, match="unknown"):
            await gateway.cancel("O9")
        await gateway.cancel_all()
        await world.settle()
        assert world.statuses("O2")[-1] == world.statuses("O3")[-1] == "cancelled"

    play(scenario, [QUOTES])


def test_orders_that_tws_would_reject_are_not_sent() -> None:
    async def scenario(world: World) -> None:
        await world.step()
        for order, reason in (
            (single("O1", 100, 1, 30_100), "off the grid"),
            (single("O2", 100, -1, 30_000), "negative limit"),
            (single("O3", 100, 2, 30_000), "ratio 2"),
            (single("O4", 999, 1, 30_000), "unknown"),
            (spread("O5", 5_050), "multiple of 100"),
        ):
            with pytest.raises(BrokerError, match=reason):
                await world.gateway.place(order)
        await world.settle()
        assert world.of(OrderUpdate) == []

    play(scenario, [QUOTES])


def test_a_rejected_order_is_rejected_with_its_reason() -> None:
    async def scenario(world: World) -> None:
        await world.step()
        await world.gateway.place(spread("O1", 7_500, quantity=5_000))  # far beyond the cash
        await world.settle()
        (update,) = world.of(OrderUpdate)
        assert (update.status, update.code) == ("rejected", 201)
        assert "funds" in update.message

    play(scenario, [QUOTES])


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


def test_a_chain_day_within_a_budget_of_100_lines() -> None:
    """184 options on 100 lines: the first wishes are watched, never error 101."""
    minutes = 30

    def quotes(minute: int) -> dict[int, tuple[int | None, int | None]]:
        made: dict[int, tuple[int | None, int | None]] = {1: (520_000 + 100 * minute, 520_100 + 100 * minute)}
        for index in range(184):
            if (index + minute) % 3 == 0:
                made[100 + index] = (10_000 + 100 * (index + minute), 10_500 + 100 * (index + minute))
        return made

    tape = SmallTape(46, [quotes(minute) for minute in range(minutes)])

    async def main() -> None:
        async with connected(tape, lines=100, exchange_lines=100) as world:
            chain = world.chain
            assert len(chain.options) == 184
            wish = [chain.underlying, *reversed(chain.options)]
            await world.gateway.subscribe(wish)
            assert world.gateway.unsubscribed == tuple(c.con_id for c in wish[100:])
            seen: set[int] = set()
            steps = 0
            while await world.step() is not None:
                steps += 1
                seen |= {q.con_id for q in world.gateway.take_quotes()}
            assert steps == minutes + 1
            assert seen == {c.con_id for c in wish[:100]}
            assert [n.code for n in world.of(BrokerNotice) if n.code not in (2104, 2106, 2158)] == []

            await world.gateway.unsubscribe(wish[1:3])
            assert world.gateway.unsubscribed == tuple(c.con_id for c in wish[102:])
            await world.settle()
            assert 101 not in {n.code for n in world.of(BrokerNotice)}

    asyncio.run(main())


def test_a_broker_with_fewer_lines_than_configured_shrinks_the_budget() -> None:
    async def scenario(world: World) -> None:
        await world.gateway.subscribe(world.chain.options)
        await world.settle()
        assert len(world.gateway.unsubscribed) == len(world.chain.options) - 5
        assert 101 in {n.code for n in world.of(BrokerNotice)}

    play(scenario, [QUOTES], lines=100, exchange_lines=5)


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


def test_two_runs_give_equal_events() -> None:
    async def run() -> tuple[list[object], BrokerState]:
        async with connected(SmallTape(4, [QUOTES, {102: (26_000, 27_000)}])) as world:
            await world.gateway.subscribe([world.chain.underlying, *world.chain.options])
            await world.step()
            await world.gateway.place(spread("O1", 7_500))
            await world.gateway.place(single("O2", 102, -1, -26_000))
            await world.settle()
            await world.step()
            return [*world.events, *world.gateway.take_quotes()], await world.gateway.refresh()

    assert asyncio.run(run()) == asyncio.run(run())


def test_real_pace_follows_the_exchange_and_ends_at_the_close() -> None:
    async def main() -> None:
        tape = SmallTape(4, [QUOTES] * 6)
        exchange = PaperExchange(tape, fees=FEES, pace="real", speed=600.0)
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
