"""Executions and commissions: lost, doubled, late, corrected, forced; combos in parts."""

from __future__ import annotations

from optionsib.common.events import BrokerNotice, CommissionReport, Execution, OrderUpdate
from optionsib.common.types import Order, OrderLeg
from tests.integration.ib_world import (
    CALL,
    COMMISSION,
    EXECUTION,
    OPEN_ORDER,
    PUT,
    STATUS,
    Frame,
    World,
    order,
    play,
)


def test_lost_executions_are_fetched_and_booked_once() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.to_client = lambda f: [] if f[0] == EXECUTION and f[1] == "-1" else [f]
        await world.gateway.place(order("O1", 27_000))
        await world.settle()
        assert [(e.con_id, e.quantity, e.price) for e in world.of(Execution)] == [(CALL, 1, 26_100)]
        assert [r.amount for r in world.of(CommissionReport)] == [1_000_000]
        assert world.codes() == []

    play(scenario)


def test_everything_doubled_is_booked_once() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        doubled = (STATUS, OPEN_ORDER, EXECUTION, COMMISSION)
        world.proxy.to_client = lambda frame: [frame, frame] if frame[0] in doubled else [frame]
        await world.gateway.place(order("O1", 27_000))
        await world.settle()
        await world.gateway.refresh()
        world.take()
        assert len(world.of(Execution)) == len(world.of(CommissionReport)) == 1
        assert [u.status for u in world.of(OrderUpdate)][-1] == "filled"
        assert world.codes() == []

    play(scenario)


def test_a_commission_counts_when_it_is_known() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        amounts = iter(["-1", "", "1.7976931348623157E308"])

        def later(frame: Frame) -> list[Frame]:
            if frame[0] != COMMISSION:
                return [frame]
            return [*([*frame[:3], amount, *frame[4:]] for amount in amounts), frame, frame]

        world.proxy.to_client = later
        await world.gateway.place(order("O1", 27_000))
        await world.settle()
        assert [r.amount for r in world.of(CommissionReport)] == [1_000_000]

    play(scenario)


def test_a_corrected_execution_replaces_and_alarms() -> None:
    async def scenario(world: World) -> None:
        await world.ready()

        def correct(frame: Frame) -> list[Frame]:
            if frame[0] != EXECUTION:
                return [frame]
            place = next(i for i, field in enumerate(frame) if field.endswith(".01.01"))
            price = frame.index("2.61", place)
            fixed = [*frame]
            fixed[place], fixed[price] = frame[place][:-2] + "02", "2.60"
            return [frame, fixed]

        world.proxy.to_client = correct
        await world.gateway.place(order("O1", 27_000))
        await world.settle()
        assert [e.price for e in world.of(Execution)] == [26_100, 26_000]
        assert world.codes() == [-4]
        state = await world.gateway.refresh()
        assert [e.price for e in state.executions] == [26_000]

    play(scenario)


def test_a_late_commission_is_none_until_known_and_told_once() -> None:
    async def scenario(world: World) -> None:
        for first in ("-1", "unset"):
            await world.gateway.disconnect()
            await world.ready()
            told = len(world.of(CommissionReport))
            world.faults.commission_delay(60.0, first=first)  # one step of the tape
            await world.gateway.place(order(f"O{first}", 29_000))
            await world.settle()
            assert len(world.of(CommissionReport)) == told
            await world.step()
            await world.settle()
            assert [r.amount for r in world.of(CommissionReport)][told:] == [1_000_000]
            world.faults.commission_delay(0.0)

    play(scenario)


def test_a_commission_of_minus_one_is_never_booked_and_at_last_somebody_is_told() -> None:
    """A rebate of exactly 1.00 and "not known yet" are one word of the protocol."""

    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.to_client = lambda f: [[*f[:3], "-1", *f[4:]]] if f[0] == COMMISSION else [f]
        await world.gateway.place(order("O1", 29_000))
        await world.settle()
        for _ in range(4):
            await world.step()
        assert world.codes() == []
        await world.step()
        assert world.codes() == [-10]
        notice = world.of(BrokerNotice)[-1].message
        (execution,) = world.of(Execution)
        assert execution.execution_id in notice
        assert "rebate of exactly 1.00; nothing was booked" in notice
        asked = len(world.requests("7"))
        await world.step()
        assert world.codes() == [-10]  # told once
        assert len(world.requests("7")) == asked  # and not asked for without end
        assert world.of(CommissionReport) == []
        world.proxy.to_client = lambda f: [f]
        await world.gateway.refresh()
        world.take()
        assert [r.amount for r in world.of(CommissionReport)] == [1_000_000]

    play(scenario)


def test_a_negative_commission_is_a_rebate() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.to_client = lambda f: [[*f[:3], "-0.25", *f[4:]]] if f[0] == COMMISSION else [f]
        await world.gateway.place(order("O1", 29_000))
        await world.settle()
        assert [r.amount for r in world.of(CommissionReport)] == [-250_000]

    play(scenario)


def test_a_correction_by_the_exchange_replaces_the_execution() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 29_000, quantity=2))
        await world.settle()
        (before,) = world.of(Execution)
        after = world.faults.correct_execution(before.execution_id, price=2.5)
        await world.settle()
        assert -4 in world.codes()
        state = await world.gateway.refresh()
        assert [(e.execution_id, e.price, e.quantity) for e in state.executions] == [(after, 25_000, 2)]
        assert state.positions == {CALL: 2}

    play(scenario)


def test_a_ratio_combo_in_three_parts_has_exact_legs_one_price_and_each_commission_once() -> None:
    combo = Order("C1", "T1", (OrderLeg(CALL, 1), OrderLeg(PUT, -2)), 30, 9_000, "open", "test")

    async def scenario(world: World) -> None:
        await world.ready()
        world.faults.duplicate("execDetails", count=None)
        world.faults.duplicate("commission", count=None)
        await world.gateway.place(combo)
        for _ in range(8):
            await world.settle()
            if world.statuses("C1") and world.statuses("C1")[-1] == "filled":
                break
            await world.step()
        assert world.statuses("C1")[-1] == "filled"
        fills = world.of(Execution)
        wholes = [e for e in fills if e.is_combo]
        assert sum(e.quantity for e in wholes) == 30
        assert len(wholes) > 1
        assert all(e.price <= 9_000 for e in wholes)
        held = {c: sum(e.side * e.quantity for e in fills if e.con_id == c) for c in (CALL, PUT)}
        assert held == {CALL: 30, PUT: -60}
        assert (await world.gateway.refresh()).positions == held
        assert len(fills) == len({e.execution_id for e in fills})
        reports = world.of(CommissionReport)
        assert len(reports) == len({r.execution_id for r in reports})
        assert sum(r.amount for r in reports) == 90 * 650_000

    play(scenario)


def test_a_forced_execution_is_known_as_a_liquidation() -> None:
    async def scenario(world: World) -> None:
        await world.ready()

        def force(frame: Frame) -> list[Frame]:
            if frame[0] != EXECUTION:
                return [frame]
            place = frame.index("O1")  # orderRef; liquidation and clientId stand before
            forced = [*frame]
            forced[2], forced[place], forced[place - 3] = "-1", "", "1"
            return [forced]

        world.proxy.to_client = force
        await world.gateway.place(order("O1", 29_000))
        await world.settle()
        (execution,) = world.of(Execution)
        assert execution.liquidation
        assert -9 in world.codes()
        assert "liquidated" in next(n.message for n in world.of(BrokerNotice) if n.code == -9)

    play(scenario)
