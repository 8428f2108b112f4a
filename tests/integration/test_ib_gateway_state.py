"""Positions, orders and executions are known or unknown, never assumed; sessions come and go."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerNotice, CommissionReport, Execution, OrderUpdate
from tests.integration.ib_world import CALL, NEXT_ID, PLACE, PUT, Frame, World, order, play


@pytest.mark.parametrize(
    ("answer", "name"),
    [
        ("62", "positions"),
        ("53", "open orders"),
        ("102", "completed orders"),
        ("55", "executions"),
        ("64", "cash"),
    ],
)
def test_silence_is_never_taken_for_an_empty_list(answer: str, name: str) -> None:
    async def scenario(world: World) -> None:
        world.proxy.to_client = lambda frame: [] if frame[0] == answer else [frame]
        with pytest.raises(BrokerError, match=f"did not answer {name}"):
            await world.gateway.connect()
        assert not world.gateway.ready
        with pytest.raises(BrokerError, match="state is unknown"):
            await world.gateway.place(order("O1", 20_000))
        world.proxy.to_client = lambda frame: [frame]
        await world.gateway.connect()
        assert world.gateway.ready

    play(scenario, timeout=0.15, silent=name)


def test_reissued_order_ids_touch_no_other_order() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.gateway.place(order("O2", 20_100))
        await world.settle()
        await world.gateway.disconnect()
        world.proxy.to_client = lambda frame: [["9", "1", "1"] if frame[0] == NEXT_ID else frame]
        await world.gateway.connect()
        await world.step()  # nothing opens before the quotes are fresh again
        await world.gateway.place(order("O3", 20_200))
        await world.settle()
        await world.gateway.cancel("O2")
        await world.settle()
        assert world.codes() == []
        state = await world.gateway.refresh()
        assert [(u.order_ref, u.limit_price) for u in state.working_orders] == [
            ("O1", 20_000),
            ("O3", 20_200),
        ]

    play(scenario)


def test_a_late_answer_to_a_question_given_up_does_no_harm() -> None:
    async def scenario(world: World) -> None:
        held: list[Frame] = []

        def hold(frame: Frame) -> list[Frame]:
            if frame[0] in ("10", "52"):
                held.append(frame)
                return []
            return [frame]

        await world.ready()
        world.proxy.to_client = hold
        with pytest.raises(BrokerError, match="did not answer contract details"):
            await world.gateway.option_chain("TST")
        world.proxy.to_client = lambda frame: [frame]
        for frame in held:
            world.proxy.inject(*frame)
        await world.settle()
        assert world.codes() == []
        await world.gateway.option_chain("TST")

    play(scenario, timeout=0.15, silent="contract details")


def test_a_cut_connection_fails_the_waiting_call_and_heals() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()

        def cut(frame: Frame) -> list[Frame]:
            if frame[0] == "49":
                world.proxy.cut()
                return []
            return [frame]

        world.proxy.to_server = cut
        with pytest.raises(BrokerError, match="lost"):
            await world.gateway.step()
        world.take()
        assert world.codes() == [-3]
        world.proxy.to_server = lambda frame: [frame]
        state = await world.gateway.reconnect(first_wait_seconds=0.05)
        assert [u.order_ref for u in state.working_orders] == ["O1"]
        assert world.proxy.connections == 2
        await world.step()
        assert {q.con_id for q in world.gateway.take_quotes()} == {1, CALL, PUT}

    play(scenario)


@pytest.mark.parametrize(
    ("request_name", "name"),
    [
        ("positions", "positions"),
        ("openOrders", "open orders"),
        ("completedOrders", "completed orders"),
        ("executions", "executions"),
    ],
)
def test_a_broker_that_never_answers_leaves_the_gateway_not_ready(request_name: str, name: str) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        await world.gateway.disconnect()
        world.faults.silence(request_name)
        before = len(world.proxy.sent)
        with pytest.raises(BrokerError, match="did not answer"):
            await world.gateway.reconnect(attempts=2, first_wait_seconds=0.05)
        world.take()
        assert not world.gateway.ready
        assert world.gateway.health().state == "down"
        assert "did not answer" in world.gateway.health().down_because
        for refused in (world.gateway.place(order("O2", 20_000)), world.gateway.cancel("O1")):
            with pytest.raises(BrokerError, match="state is unknown"):
                await refused
        assert not {frame[0] for frame in world.proxy.sent[before:]} & {"3", "4", "58"}
        assert world.of(Execution) == []
        world.faults.speak()
        state = await world.gateway.reconnect(first_wait_seconds=0.05)
        assert [u.order_ref for u in state.working_orders] == ["O1"]

    play(scenario, timeout=0.15, silent=name)


def test_a_fill_while_away_is_booked_once_with_its_commission() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000, quantity=2))
        await world.settle()
        assert world.faults.fill_while_away("O1") == 1
        await world.until(lambda: not world.gateway.ready)
        state = await world.gateway.reconnect(first_wait_seconds=0.05)
        world.take()
        assert [(e.con_id, e.quantity, e.price) for e in world.of(Execution)] == [(CALL, 2, 20_000)]
        assert [r.amount for r in world.of(CommissionReport)] == [1_300_000]
        assert world.statuses("O1")[-1] == "filled"
        assert (state.positions, state.working_orders) == ({CALL: 2}, ())
        await world.gateway.refresh()
        world.take()
        assert len(world.of(Execution)) == len(world.of(CommissionReport)) == 1
        assert [code for code in world.codes() if code != -3] == []

    play(scenario)


def test_a_restart_that_rolls_order_ids_back_gives_no_callback_to_the_wrong_order() -> None:
    async def scenario(world: World) -> None:
        gateway = world.gateway
        await world.ready()
        for number in range(4):
            await gateway.place(order(f"O{number}", 20_000 + 100 * number))
        await world.settle()
        epoch = gateway.health().epoch
        world.faults.restart(order_id_rollback=4, seconds=0.2)
        await world.until(lambda: not gateway.ready)
        await gateway.reconnect(first_wait_seconds=0.1)
        assert gateway.health().epoch == epoch + 1 or gateway.health().reconnects == 1
        await world.step()  # nothing opens before the quotes are fresh again
        await gateway.place(order("N1", 20_900))
        await gateway.modify("O3", 20_400)
        await world.settle()
        await gateway.cancel("O1")
        await world.settle()
        state = await gateway.refresh()
        assert [(u.order_ref, u.limit_price) for u in state.working_orders] == [
            ("N1", 20_900),
            ("O0", 20_000),
            ("O2", 20_200),
            ("O3", 20_400),
        ]
        assert 103 not in world.codes()
        placed = [frame[1] for frame in world.requests(PLACE)]
        assert len(set(placed)) == 5  # the modify used the id of its own order

    play(scenario)


@pytest.mark.parametrize("symbol", ["", "TST\0", "Ä", "X" * 65])
def test_a_symbol_that_would_break_the_link_is_not_sent(symbol: str) -> None:
    async def scenario(world: World) -> None:
        await world.gateway.connect()
        before = len(world.proxy.sent)
        with pytest.raises(BrokerError, match="symbol"):
            await world.gateway.option_chain(symbol)
        assert len(world.proxy.sent) == before
        assert await world.step() is not None

    play(scenario)


def test_an_unknown_contract_is_a_notice_and_the_link_lives() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        chain = await world.gateway.option_chain("TST")
        stranger = msgspec.structs.replace(chain.options[0], con_id=999_999, strike=990_000)
        await world.gateway.subscribe([stranger])
        await world.settle()
        assert 200 in world.codes()
        with pytest.raises(BrokerError, match="contract id -5"):
            await world.gateway.subscribe([msgspec.structs.replace(stranger, con_id=-5)])
        assert await world.step() is not None
        assert stranger.con_id in world.gateway.unsubscribed

    play(scenario)


def test_positions_that_lag_are_asked_again_and_own_fills_are_the_truth() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 27_000))
        await world.settle()
        lags = [2]

        def late(frame: Frame) -> list[Frame]:
            if frame[0] == "61" and lags[0] > 0:
                lags[0] -= 1
                return []
            return [frame]

        world.proxy.to_client = late
        state = await world.gateway.refresh()
        world.take()
        assert state.positions == {CALL: 1}
        assert -5 not in world.codes()
        world.proxy.to_client = lambda frame: [] if frame[0] == "61" else [frame]
        assert (await world.gateway.refresh()).positions == {}
        world.take()
        assert world.codes().count(-5) == 1
        assert "1 by our fills, 0 there" in world.of(BrokerNotice)[-1].message

    play(scenario)


def test_a_cancelled_question_does_not_shift_the_answers_of_the_next_one() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        other = world.another_gateway(client_id=2)
        await other.connect()
        await other.option_chain("TST")
        await other.place(order("X1", 20_000))
        await other.settle()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        held: list[Frame] = []
        world.proxy.to_client = lambda f: held.append(f) or [] if f[0] == "53" else [f]  # type: ignore[func-returns-value]
        asking = asyncio.ensure_future(world.gateway.refresh())
        await world.until(lambda: held)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        again = asyncio.ensure_future(world.gateway.refresh())
        await asyncio.sleep(0.05)
        world.proxy.to_client = lambda frame: [frame]
        world.proxy.inject(*held[0])
        assert [u.order_ref for u in (await again).working_orders] == ["O1", "X1"]
        world.take()
        assert [u.status for u in world.of(OrderUpdate) if u.status != "working"] == []
        await other.disconnect()

    play(scenario)
