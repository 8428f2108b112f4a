"""The connection: half open, cut, in use, moved, planned outages, garbage; heartbeats and care."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from optionsib.brokers.ib import IBGateway
from optionsib.common.clock import SteppedClock
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerNotice
from optionsib.common.types import MINUTE_NS
from tests.integration.ib_world import ERROR, OPEN_NS, OPEN_ORDER, Frame, World, order, pack, play, read

LIVE = {"speed": 600.0, "minutes": 1_000, "heartbeat_seconds": 0.5}


def test_a_message_that_cannot_be_decoded_is_an_alarm() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.inject(OPEN_ORDER, "broken")
        await world.settle()
        assert world.codes() == [-1]
        assert "broken" in world.of(BrokerNotice)[-1].message

    play(scenario)


def test_a_half_open_connection_is_found_within_the_time_out() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.to_client = lambda frame: []
        with pytest.raises(BrokerError, match=r"did not answer the time within 0\.15 s"):
            await world.gateway.step()
        assert not world.gateway.ready
        with pytest.raises(BrokerError, match="state is unknown"):
            await world.gateway.place(order("O1", 20_000))

    play(scenario, timeout=0.15, silent="the time")


def test_a_cancelled_step_does_not_shift_the_answers_of_later_ones() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        late: list[Frame] = []
        world.proxy.to_client = lambda f: late.append(f) or [] if f[0] == "49" else [f]  # type: ignore[func-returns-value]
        stepping = asyncio.ensure_future(world.gateway.step())
        while not late:
            await asyncio.sleep(0.01)
        stepping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stepping
        world.proxy.to_client = lambda frame: [frame]
        world.proxy.inject(*late[0])
        assert await world.step() == OPEN_NS + 3 * MINUTE_NS

    play(scenario)


def test_a_half_open_socket_is_found_by_the_heartbeat_and_blocks_orders() -> None:
    async def scenario(world: World) -> None:
        await world.watch()
        await world.until(lambda: world.gateway.take_quotes())
        world.faults.half_open()
        await world.until(lambda: not world.gateway.ready, 3.0)
        assert set(world.gateway.stale_quotes().values()) == {"no connection"}
        assert "heartbeat" in world.gateway.health().down_because
        assert world.codes()[-1] == -3
        with pytest.raises(BrokerError, match="state is unknown"):
            await world.gateway.place(order("O1", 20_000))
        world.faults.resume()
        await world.gateway.reconnect(first_wait_seconds=0.05)
        await world.until(lambda: not world.gateway.stale_quotes() and world.gateway.take_quotes())

    play(scenario, **LIVE)


def test_a_step_that_waits_on_a_half_open_socket_fails() -> None:
    async def scenario(world: World) -> None:
        await world.watch()
        world.faults.half_open()

        async def steps() -> None:
            for _ in range(100):
                await world.step()

        with pytest.raises(BrokerError):
            await steps()
        assert not world.gateway.ready

    play(scenario, **LIVE)


def test_a_client_id_that_lingers_is_waited_for_and_kept() -> None:
    async def scenario(world: World) -> None:
        await world.gateway.connect()
        world.faults.lingering_session(1, 1.0)
        world.faults.cut()
        await world.until(lambda: not world.gateway.ready)
        state = await world.gateway.reconnect(attempts=1, first_wait_seconds=0.1)
        assert state.account
        hellos = [frame for frame in world.proxy.sent if frame[0] == "71"]
        assert len(hellos) > 2
        assert {frame[2] for frame in hellos} == {"1"}

    play(scenario)


def test_a_lingering_client_id_is_not_waited_for_without_end() -> None:
    async def scenario(world: World) -> None:
        world.faults.lingering_session(1, 60.0)
        with pytest.raises(BrokerError, match="client id 1 is in use"):
            await world.gateway.reconnect(attempts=2, first_wait_seconds=0.02)

    play(scenario, client_id_patience_seconds=0.1)


def test_a_server_that_hangs_up_is_tried_again_after_growing_pauses() -> None:
    async def main() -> None:
        called: list[float] = []
        clock = SteppedClock(OPEN_NS)

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            called.append(clock.monotonic())
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        gateway = IBGateway(GatewayConfig(port=port, client_id=3), clock=clock, pace="lockstep")
        async with asyncio.timeout(20.0):
            with pytest.raises(BrokerError, match="as client 3"):
                await gateway.reconnect(attempts=6, first_wait_seconds=0.04)
        gaps = [later - earlier for earlier, later in itertools.pairwise(called)]
        assert len(gaps) == 5
        assert all(gap >= 0.02 * 2**number for number, gap in enumerate(gaps)), gaps
        assert gateway.health().state == "down"
        server.close()

    asyncio.run(main())


def test_a_port_that_moves_is_followed() -> None:
    async def scenario(world: World) -> None:
        await world.gateway.connect()
        port = world.exchange.port
        world.proxy.inject(ERROR, 2, -1, 1300, f"TWS socket port has been reset; reconnect on {port}", "")
        await world.settle()
        world.proxy.cut()
        await world.until(lambda: not world.gateway.ready)
        await world.gateway.reconnect(first_wait_seconds=0.05)
        assert world.gateway.health().port == port
        assert world.proxy.connections == 1

    play(scenario)


def test_no_order_leaves_in_a_planned_outage_but_cancels_do() -> None:
    window = {"name": "nightly", "start": "09:40", "minutes": 5, "days": ["fri"]}

    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.gateway.place(order("O2", 20_000))
        await world.settle()
        assert world.gateway.health().next_quiet_ns == OPEN_NS + 10 * MINUTE_NS
        world.clock.advance(OPEN_NS + 12 * MINUTE_NS)
        for refused in (world.gateway.place(order("O3", 20_000)), world.gateway.modify("O1", 20_500)):
            with pytest.raises(BrokerError, match=r"planned outage of the broker \(nightly\)"):
                await refused
        await world.gateway.cancel("O1")
        await world.settle()
        assert world.statuses("O1")[-1] == "cancelled"
        assert (world.gateway.health().state, world.gateway.health().quiet_window) == ("quiet", "nightly")
        world.clock.advance(OPEN_NS + 15 * MINUTE_NS)
        assert world.gateway.order_block() == ""
        await world.gateway.modify("O2", 20_500)
        await world.settle()
        assert world.codes() == [-7, -7]

    play(scenario, quiet_windows=[window])


def test_a_restart_in_a_planned_outage_uses_up_no_attempt() -> None:
    window = {"name": "restart", "start": "09:30", "minutes": 5}

    async def scenario(world: World) -> None:
        await world.gateway.connect()
        world.faults.restart(seconds=1.0)
        await world.until(lambda: not world.gateway.ready)
        await world.gateway.reconnect(attempts=1, first_wait_seconds=0.1)
        assert world.gateway.health().reconnects == 1

    play(scenario, quiet_windows=[window])


class Babbler:
    """A server that shakes hands, answers what it must, and then sends what it likes."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await reader.readexactly(4)
            await read(reader)
            writer.write(pack(["178", "20140606 09:30:00 EST"]))
            await read(reader)
            writer.write(pack(["15", "1", "DU1"]) + pack(["9", "1", "1"]))
            while not writer.is_closing():
                writer.write(self._garbage())
                await writer.drain()
                await asyncio.sleep(0.001)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def _garbage(self) -> bytes:
        chance = self._random
        if chance.random() < 0.3:
            return chance.randbytes(chance.randrange(1, 60))
        kinds = [
            "1",
            "3",
            "4",
            "5",
            "9",
            "10",
            "11",
            "21",
            "53",
            "55",
            "59",
            "61",
            "62",
            "63",
            "64",
            "101",
            "102",
        ]
        fields = [chance.choice(kinds)]
        values = [
            "",
            "-1",
            "1",
            "DU1",
            "nan",
            "1e400",
            "9" * 40,
            "Submitted",
            "O1",
            "\x00",
            "é",
            "2147483647",
        ]
        fields += [chance.choice(values) for _ in range(chance.randrange(0, 40))]
        return pack(fields)


@pytest.mark.parametrize("seed", range(12))
def test_a_server_that_babbles_is_left_loudly_and_nothing_is_believed(seed: int) -> None:
    async def main() -> None:
        babbler = Babbler(seed)
        server = await asyncio.start_server(babbler.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        gateway = IBGateway(
            GatewayConfig(port=port, request_timeout_seconds=0.5),
            clock=SteppedClock(OPEN_NS),
            pace="lockstep",
        )
        async with asyncio.timeout(20.0):
            with pytest.raises(BrokerError):
                await gateway.reconnect(attempts=2, first_wait_seconds=0.01)
        assert babbler.connections == 2
        assert not gateway.ready
        with pytest.raises(BrokerError, match="state is unknown"):
            await gateway.place(order("O1", 20_000))
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize("seed", range(6))
def test_garbage_between_good_messages_is_an_alarm_and_the_truth_is_asked_again(seed: int) -> None:
    chance = random.Random(seed)

    def spoil(frame: Frame) -> list[Frame]:
        if frame[0] in ("3", "5", "11") and chance.random() < 0.5:
            cut = frame[: chance.randrange(1, len(frame))]
            return [[field if chance.random() < 0.8 else "?" for field in cut]]
        return [frame]

    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.to_client = spoil
        for number in range(6):
            await world.gateway.place(order(f"O{number}", 20_000 if number % 2 else 29_000))
            try:
                await world.settle()
            except BrokerError:
                await world.gateway.reconnect(first_wait_seconds=0.01)
            if world.gateway.order_block():
                break
        world.proxy.to_client = lambda frame: [frame]
        if not world.gateway.ready:
            await world.gateway.reconnect(first_wait_seconds=0.01)
        state = await world.gateway.refresh()
        world.take()
        assert -1 in world.codes()
        later = world.another_gateway()
        await world.gateway.disconnect()
        truth = await later.connect()
        await later.disconnect()
        assert [(e.execution_id, e.quantity, e.price) for e in state.executions] == [
            (e.execution_id, e.quantity, e.price) for e in truth.executions
        ]
        assert [(u.order_ref, u.limit_price) for u in state.working_orders] == [
            (u.order_ref, u.limit_price) for u in truth.working_orders
        ]
        assert state.positions == truth.positions

    play(scenario)


@pytest.mark.parametrize("length", [0x01000000, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_message_of_impossible_length_ends_the_connection(length: int) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.write(length.to_bytes(4, "big") + b"1" * 100)
        await world.until(lambda: not world.gateway.ready)
        assert world.codes()[:2] == [-1, -3]
        assert "at most" in world.of(BrokerNotice)[-2].message
        await world.gateway.reconnect(first_wait_seconds=0.05)
        assert await world.step() is not None

    play(scenario)
