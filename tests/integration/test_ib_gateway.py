"""Chain, steps, quotes and orders of the gateway, against the paper exchange in lockstep."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from optionsib.brokers.api import BrokerState
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerNotice, CommissionReport, Execution, OrderUpdate
from optionsib.common.types import MINUTE_NS
from tests.integration.ib_lockstep import (
    OPEN_NS,
    QUOTES,
    SmallTape,
    World,
    connected,
    play,
    single,
    spread,
)


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
        unknown = 999
        values = world.gateway.model_values([100, unknown])
        assert values[:, 0].tolist() == [computation.implied_volatility, computation.delta]
        assert np.isnan(values[:, 1]).all()

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
        await gateway.cancel("O1")  # crossed with the end: nothing to ask for
        await world.settle()
        assert world.statuses("O1")[-1] == "cancelled"
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
            (single("O1", 100, 1, 50), "below the smallest price of its market rule, 100"),
            (single("O2", 100, -1, 30_000), "negative limit"),
            (single("O3", 100, 2, 30_000), "ratio 2"),
            (single("O4", 999, 1, 30_000), "unknown"),
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
        update = world.of(OrderUpdate)[-1]
        assert (update.status, update.code) == ("rejected", 201)
        assert "funds" in update.message

    play(scenario, [QUOTES])


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
