"""Orders: refused changes, information, silence, lost links, orders that live twice."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerNotice, CommissionReport, Execution, OrderUpdate
from tests.integration.ib_world import (
    CANCEL,
    ERROR,
    OPEN_ORDER,
    PATIENCE_SECONDS,
    PLACE,
    STATUS,
    Frame,
    World,
    order,
    order_id_of,
    play,
)


@pytest.mark.parametrize("code", [110, 321, 201, 105, 329])
def test_a_refused_modify_leaves_the_order_working_at_its_old_limit(code: int) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()

        def refuse(frame: Frame) -> list[Frame]:
            if frame[0] != PLACE:
                return [frame]
            world.proxy.inject(ERROR, 2, frame[1], code, "refused", "")
            return []

        world.proxy.to_server = refuse
        await world.gateway.modify("O1", 21_000)
        await world.settle()
        last = world.of(OrderUpdate)[-1]
        assert (last.status, last.limit_price, last.code) == ("working", 20_000, code)
        world.proxy.to_server = lambda frame: [frame]
        await world.gateway.cancel("O1")
        await world.settle()
        assert world.of(OrderUpdate)[-1].status == "cancelled"

    play(scenario)


@pytest.mark.parametrize("code", [399, 2148, 10349, 404])
def test_information_about_an_order_ends_nothing(code: int) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        world.proxy.inject(ERROR, 2, order_id_of(world), code, "note", "")
        await world.settle()
        assert world.of(OrderUpdate)[-1].status == "working"
        assert [u.order_ref for u in (await world.gateway.refresh()).working_orders] == ["O1"]

    play(scenario)


@pytest.mark.parametrize("code", [161, 10147, 10148, 135, 12345])
def test_a_doubtful_code_is_queried_not_believed(code: int) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()

        def refuse(frame: Frame) -> list[Frame]:
            if frame[0] != CANCEL:
                return [frame]
            world.proxy.inject(ERROR, 2, frame[2], code, "doubtful", "")
            return []

        world.proxy.to_server = refuse
        await world.gateway.cancel("O1")
        await world.settle()
        assert world.of(OrderUpdate)[-1].status == "working"
        assert not world.gateway.take_events()

    play(scenario)


def test_an_order_without_any_answer_is_unconfirmed_and_never_sent_again() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.to_server = lambda frame: [] if frame[0] == PLACE else [frame]
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert [u.status for u in world.of(OrderUpdate)] == ["unconfirmed"]
        with pytest.raises(BrokerError, match="used before"):
            await world.gateway.place(order("O1", 20_000))
        assert len([frame for frame in world.proxy.sent if frame[0] == PLACE]) == 1

    play(scenario)


def test_lost_acknowledgements_are_recovered_by_a_query() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        deaf = [True]

        def drop(frame: Frame) -> list[Frame]:
            return [] if deaf[0] and frame[0] in (STATUS, OPEN_ORDER) else [frame]

        def hear_again(frame: Frame) -> list[Frame]:
            deaf[0] = deaf[0] and frame[0] != "5"  # until reqOpenOrders
            return [frame]

        world.proxy.to_client, world.proxy.to_server = drop, hear_again
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        last = world.of(OrderUpdate)[-1]
        assert (last.status, last.limit_price) == ("working", 20_000)

    play(scenario)


def test_no_order_while_the_brokers_own_link_is_down() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        world.proxy.inject(ERROR, 2, -1, 1100, "Connectivity between IB and TWS has been lost.", "")
        await world.settle()
        for refused in (world.gateway.place(order("O2", 20_000)), world.gateway.modify("O1", 21_000)):
            with pytest.raises(BrokerError, match="1100"):
                await refused
        world.proxy.inject(ERROR, 2, -1, 1102, "Connectivity restored - data maintained.", "")
        await world.settle()
        await world.gateway.modify("O1", 21_000)
        await world.step()
        assert world.gateway.ready

    play(scenario)


def test_an_order_that_only_looked_rejected_is_working_again_with_an_alarm() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        world.proxy.inject(STATUS, order_id_of(world), "Inactive", 0, 1, 0, 500000001, 0, 0, 1, "", 0)
        await world.settle()
        assert world.of(OrderUpdate)[-1].status == "rejected"
        state = await world.gateway.refresh()
        world.take()
        assert [u.order_ref for u in state.working_orders] == ["O1"]
        assert world.of(OrderUpdate)[-1].status == "working"
        assert world.codes() == [-2]

    play(scenario)


def test_at_real_pace_an_answer_may_take_its_time() -> None:
    async def scenario(world: World) -> None:
        await world.gateway.connect()
        await world.gateway.option_chain("TST")
        held: list[Frame] = []
        world.proxy.to_client = lambda f: held.append(f) or [] if f[0] in (STATUS, OPEN_ORDER) else [f]  # type: ignore[func-returns-value]
        await world.gateway.place(order("O1", 20_000))
        settling = asyncio.ensure_future(world.settle())
        await asyncio.sleep(0.1)
        assert not settling.done()
        for frame in held:
            world.proxy.inject(*frame)
        await settling
        assert [u.status for u in world.of(OrderUpdate)] == ["working"]
        assert [frame for frame in world.proxy.sent if frame[0] == "5"] == [["5", "1"]]  # that of connect()

    play(scenario, PATIENCE_SECONDS, pace="real", confirm_seconds=PATIENCE_SECONDS)


def test_at_real_pace_silence_is_queried_in_the_end() -> None:
    async def scenario(world: World) -> None:
        await world.gateway.connect()
        await world.gateway.option_chain("TST")
        world.proxy.to_server = lambda frame: [] if frame[0] == PLACE else [frame]
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert [u.status for u in world.of(OrderUpdate)] == ["unconfirmed"]

    play(scenario, pace="real")


@pytest.mark.parametrize("code", [110, 321, 201])
def test_the_exchange_refuses_a_modify_and_the_order_can_still_be_cancelled(code: int) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        world.faults.error(code, order_ref="O1")
        await world.gateway.modify("O1", 21_000)
        await world.settle()
        last = world.of(OrderUpdate)[-1]
        assert (last.status, last.limit_price, last.code) == ("working", 20_000, code)
        assert world.gateway.health().last_error.code == code
        await world.gateway.cancel("O1")
        await world.settle()
        assert world.statuses("O1")[-1] == "cancelled"

    play(scenario)


def test_a_change_builds_on_the_one_that_is_on_its_way() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        await world.gateway.modify("O1", 21_000)
        await world.gateway.modify("O1", quantity=3)
        await world.settle()
        (working,) = (await world.gateway.refresh()).working_orders
        assert (working.order_ref, working.limit_price) == ("O1", 21_000)
        (raw,) = world.exchange._desk.working()
        assert (raw.limit, raw.quantity) == (21_000, 3)

    play(scenario)


@pytest.mark.parametrize("first", ["modify", "cancel"])
def test_a_change_and_a_cancel_that_cross_end_the_order(first: str) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        acts = [lambda: world.gateway.modify("O1", 21_000), lambda: world.gateway.cancel("O1")]
        for act in acts if first == "modify" else reversed(acts):
            await act()
        await world.settle()
        assert world.statuses("O1")[-1] == "cancelled"
        assert (await world.gateway.refresh()).working_orders == ()
        assert world.gateway._inbox.orders.unanswered() == []
        assert -2 not in world.codes()

    play(scenario)


def test_a_reconciliation_that_is_refused_is_asked_for_again_and_blocks_orders_until_then() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.faults.connectivity(1100)
        world.faults.error(321, "executions")
        world.faults.connectivity(1102)
        with pytest.raises(BrokerError, match="refused executions"):
            await world.gateway.settle()
        assert "reconciled" in world.gateway.order_block()
        with pytest.raises(BrokerError, match="nothing was sent"):
            await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert world.gateway.order_block() == ""
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert world.statuses("O1")[-1] == "working"

    play(scenario)


def test_a_preset_that_changes_the_order_is_information() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.faults.error(10349, order_ref="O1")
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert world.statuses("O1")[-1] == "working"
        assert world.gateway.health().last_error is None

    play(scenario)


def test_no_new_order_and_no_modify_while_the_link_is_down_and_one_order_in_the_end() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        world.faults.connectivity(1100)
        await world.settle()
        assert "1100" in world.gateway.order_block()
        assert world.gateway.health().state == "link lost"
        for refused in (world.gateway.place(order("O2", 20_000)), world.gateway.modify("O1", 21_000)):
            with pytest.raises(BrokerError, match="1100"):
                await refused
        assert len(world.requests(PLACE)) == 1
        world.faults.connectivity(1102)
        await world.settle()
        assert world.gateway.order_block() == ""
        await world.gateway.modify("O1", 21_000)
        await world.settle()
        assert [(u.order_ref, u.limit_price) for u in (await world.gateway.refresh()).working_orders] == [
            ("O1", 21_000)
        ]

    play(scenario)


@pytest.mark.parametrize("word", ["1102", "2104"])
def test_who_connects_while_the_brokers_own_link_is_down_sends_no_order(word: str) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        world.faults.connectivity(1100)
        world.proxy.cut()
        await world.until(lambda: not world.gateway.ready)
        await world.gateway.reconnect()
        await world.settle()
        assert 2110 in world.codes()
        assert world.gateway.health().state == "link lost"
        with pytest.raises(BrokerError, match="2110"):
            await world.gateway.place(order("O2", 20_000))
        assert len(world.requests(PLACE)) == 1
        asked = len(world.requests("99"))
        if word == "1102":
            world.faults.connectivity(1102)
        else:
            world.proxy.inject(ERROR, 2, -1, 2104, "Market data farm connection is OK:usfarm", "")
        await world.settle()
        assert len(world.requests("99")) > asked  # orders were asked for again before any may leave
        assert world.gateway.order_block() == ""
        await world.gateway.modify("O1", 21_000)

    play(scenario)


def test_two_live_orders_under_one_reference_are_an_alarm_and_both_are_cancelled() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        world.faults.twin_order("O1")
        await world.settle()
        await world.settle()
        alarms = [n.message for n in world.of(BrokerNotice) if n.code == -2]
        assert "2 orders at the broker" in alarms[0]
        assert len(world.requests(CANCEL)) >= 2
        assert (await world.gateway.refresh()).working_orders == ()
        assert world.statuses("O1")[-1] == "cancelled"
        await world.gateway.place(order("O2", 20_000))
        await world.settle()
        assert world.statuses("O2")[-1] == "working"

    play(scenario)


def test_an_order_that_the_server_swallows_is_unconfirmed_and_asked_for_not_resent() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.faults.silence("placeOrder")
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert world.statuses("O1") == ["unconfirmed"]
        assert world.gateway.health().unconfirmed_orders == ("O1",)
        asked = [frame[0] for frame in world.proxy.sent if frame[0] in ("3", "5", "16", "99", "7")]
        assert asked[asked.index("3") :] == ["3", "5", "16", "99", "7"]
        world.faults.speak(late=True)  # it comes through after all
        await world.settle()
        await world.gateway.refresh()
        world.take()
        assert world.statuses("O1")[-1] == "working"
        assert world.gateway.health().unconfirmed_orders == ()
        assert len(world.requests(PLACE)) == 1

    play(scenario)


@pytest.mark.parametrize("how", ["drop", "duplicate"])
@pytest.mark.parametrize("message", ["openOrder", "orderStatus", "execDetails", "commission"])
def test_a_lost_or_doubled_callback_changes_nothing_in_the_end(how: str, message: str) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        getattr(world.faults, how)(message, count=None if how == "duplicate" else 2)
        await world.gateway.place(order("O1", 27_000))
        await world.settle()
        await world.step()
        await world.step()
        state = await world.gateway.refresh()
        world.take()
        assert world.statuses("O1")[-1] == "filled"
        assert [e.quantity for e in world.of(Execution)] == [1]
        assert [r.amount for r in world.of(CommissionReport)] == [1_000_000]
        assert [e.execution_id for e in state.executions] == [e.execution_id for e in world.of(Execution)]

    play(scenario)


def test_every_order_of_the_four_callbacks_over_the_socket_ends_alike() -> None:
    kinds = ("openOrder", "orderStatus", "execDetails", "commission")

    async def scenario(world: World) -> None:
        await world.ready()
        for number, messages in enumerate(itertools.permutations(kinds)):
            ref = f"O{number}"
            if number % 8 == 0:
                await world.step()  # new quotes to trade against
            world.faults.reorder(list(messages), order_ref=ref)
            await world.gateway.place(order(ref, 27_000))
            await world.settle()
            assert world.statuses(ref)[-1] == "filled", messages
            mine = [e.execution_id for e in world.of(Execution) if e.order_ref == ref]
            assert len(mine) == 1, messages
            assert [r.amount for r in world.of(CommissionReport) if r.execution_id in mine] == [1_000_000]
        assert world.codes() == []

    play(scenario)
