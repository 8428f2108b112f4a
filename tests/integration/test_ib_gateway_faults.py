"""The gateway behind a proxy that drops, doubles, edits and invents messages of the paper exchange."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Literal

import pytest

from optionsib.brokers.ib import IBGateway
from optionsib.brokers.paper import PaperExchange
from optionsib.common.clock import SteppedClock
from optionsib.common.config import FeeRow, FeesConfig, GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerNotice, CommissionReport, Execution, OrderUpdate
from optionsib.common.ports import TapeQuote, TapeStep
from optionsib.common.types import MINUTE_NS, OPTION_GRID, SECOND_NS, Contract, Order, OrderLeg

OPEN_NS = int(dt.datetime(2014, 6, 6, 13, 30, tzinfo=dt.UTC).timestamp()) * SECOND_NS
EXPIRY_NS = int(dt.datetime(2014, 6, 20, 20, 0, tzinfo=dt.UTC).timestamp()) * SECOND_NS
CALL, PUT = 100, 101
STEPS = 8

Frame = list[str]
PLACE, CANCEL, MARKET_DATA = "3", "4", "1"
STATUS, ERROR, OPEN_ORDER, NEXT_ID, EXECUTION, COMMISSION = "3", "4", "5", "9", "11", "59"


class FlatTape:
    """Two options that are quoted anew, unchanged, every minute."""

    name = "TST flat"
    simulated = True
    sha256 = "0" * 64
    session_open_ns = OPEN_NS
    session_close_ns = OPEN_NS + (STEPS + 1) * MINUTE_NS
    underlying = Contract(con_id=1, symbol="TST", security_type="STK")
    contracts = tuple(
        Contract(
            con_id=con_id,
            symbol="TST",
            security_type="OPT",
            multiplier=100,
            right=right,
            strike=500_000,
            expiry_date="20140620",
            expiry_ns=EXPIRY_NS,
            trading_class="TST",
            tick_grid=OPTION_GRID,
        )
        for con_id, right in ((CALL, "C"), (PUT, "P"))
    )

    def steps(self) -> Iterator[TapeStep]:
        for minute in range(1, STEPS + 1):
            quotes = (
                TapeQuote(1, 519_900, 10, 520_100, 10),
                TapeQuote(CALL, 25_000 + 100 * minute, 10, 26_000 + 100 * minute, 10),
                TapeQuote(PUT, 9_000, 10, 9_500, 10),
            )
            yield TapeStep(OPEN_NS + minute * MINUTE_NS, quotes)


class Proxy:
    """Stands between gateway and exchange; ``to_client`` and ``to_server`` rewrite each frame."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self.to_client: Callable[[Frame], list[Frame]] = lambda frame: [frame]
        self.to_server: Callable[[Frame], list[Frame]] = lambda frame: [frame]
        self.sent: list[Frame] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._client: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def inject(self, *fields: object) -> None:
        """Send the client a message that the exchange never sent."""
        assert self._client is not None
        self._client.write(pack([str(field) for field in fields]))

    def cut(self) -> None:
        """Break the client's connection."""
        assert self._client is not None
        self._client.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._client = writer
        self.connections += 1
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        up_writer.write(await reader.readexactly(4))
        hello = await read(reader)
        up_writer.write(len(hello).to_bytes(4, "big") + hello)
        try:
            await asyncio.gather(self._pump_up(reader, up_writer), self._pump_down(up_reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            up_writer.close()

    async def _pump_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = unpack(await read(reader))
            self.sent.append(frame)
            for one in self.to_server(frame):
                writer.write(pack(one))

    async def _pump_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            frame = unpack(await read(reader))
            for one in self.to_client(frame):
                writer.write(pack(one))


async def read(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))


def unpack(data: bytes) -> Frame:
    return data.decode().split("\0")[:-1]


def pack(frame: Frame) -> bytes:
    data = "".join(field + "\0" for field in frame).encode()
    return len(data).to_bytes(4, "big") + data


class World:
    """Exchange, proxy and gateway; every event taken so far."""

    def __init__(self, proxy: Proxy, gateway: IBGateway, clock: SteppedClock) -> None:
        self.proxy = proxy
        self.gateway = gateway
        self.clock = clock
        self.events: list[object] = []

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

    def codes(self) -> list[int]:
        return [notice.code for notice in self.of(BrokerNotice) if notice.code not in (2104, 2106, 2158)]

    async def ready(self) -> None:
        """Connect, load the chain, watch it, play the first step."""
        await self.gateway.connect()
        chain = await self.gateway.option_chain("TST")
        await self.gateway.subscribe([chain.underlying, *chain.options])
        await self.step()
        self.gateway.take_quotes()


def play(
    scenario: Callable[[World], Awaitable[None]],
    timeout: float = 2.0,
    *,
    pace: Literal["lockstep", "real"] = "lockstep",
    rate: int = 5_000,
) -> None:
    async def main() -> None:
        fees = FeesConfig(
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
        exchange = PaperExchange(FlatTape(), fees=fees, pace="lockstep")
        proxy = Proxy(await exchange.start())
        clock = SteppedClock(OPEN_NS)
        gateway = IBGateway(
            GatewayConfig(port=await proxy.start(), request_timeout_seconds=timeout),
            clock=clock,
            pace=pace,
            step_seconds=0.05,
            confirm_seconds=0.3,
            messages_per_second=rate,
        )
        try:
            await scenario(World(proxy, gateway, clock))
        finally:
            await gateway.disconnect()
            await proxy.close()
            await exchange.close()

    asyncio.run(main())


def order(order_ref: str, limit: int, quantity: int = 1) -> Order:
    return Order(order_ref, "T1", (OrderLeg(CALL, 1),), quantity, limit, "open", "test")


def order_id_of(world: World) -> str:
    return next(frame[1] for frame in reversed(world.proxy.sent) if frame[0] == PLACE)


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

    play(scenario, timeout=0.3)


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
        with pytest.raises(BrokerError, match=r"did not answer the time within 0\.3 s"):
            await world.gateway.step()
        assert not world.gateway.ready
        with pytest.raises(BrokerError, match="state is unknown"):
            await world.gateway.place(order("O1", 20_000))

    play(scenario, timeout=0.3)


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


def test_reissued_order_ids_touch_no_other_order() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.gateway.place(order("O2", 20_100))
        await world.settle()
        await world.gateway.disconnect()
        world.proxy.to_client = lambda frame: [["9", "1", "1"] if frame[0] == NEXT_ID else frame]
        await world.gateway.connect()
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


def test_lost_subscriptions_are_requested_anew_under_new_ids() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.inject(ERROR, 2, -1, 1101, "Connectivity restored - data lost.", "")
        await world.settle()
        first = [frame[2] for frame in world.proxy.sent if frame[0] == MARKET_DATA]
        await world.step()
        every = [frame[2] for frame in world.proxy.sent if frame[0] == MARKET_DATA]
        assert len(every) == len(set(every)) == 2 * len(first)
        assert {q.con_id for q in world.gateway.take_quotes()} == {1, CALL, PUT}

    play(scenario)


def test_farm_flaps_are_notices_and_nothing_else() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        for _ in range(20):
            world.proxy.inject(ERROR, 2, -1, 2103, "Market data farm connection is broken:usopt", "")
            world.proxy.inject(ERROR, 2, -1, 2104, "Market data farm connection is OK:usopt", "")
        await world.step()
        assert world.proxy.connections == 1
        assert world.codes() == [2103] * 20
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert world.of(OrderUpdate)[-1].status == "working"

    play(scenario)


def test_two_broker_orders_under_one_reference_alarm() -> None:
    async def scenario(world: World) -> None:
        await world.ready()

        def second(frame: Frame) -> list[Frame]:
            if frame[0] != OPEN_ORDER:
                return [frame]
            place = frame.index("O1") + 2  # orderRef, clientId, permId
            other = [*frame]
            other[place] = str(int(frame[place]) + 7)
            return [frame, other]

        world.proxy.to_client = second
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert world.codes() == [-2]
        assert "2 orders" in world.of(BrokerNotice)[-1].message

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

    play(scenario, timeout=0.4)


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

    play(scenario, pace="real")


def test_at_real_pace_silence_is_queried_in_the_end() -> None:
    async def scenario(world: World) -> None:
        await world.gateway.connect()
        await world.gateway.option_chain("TST")
        world.proxy.to_server = lambda frame: [] if frame[0] == PLACE else [frame]
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert [u.status for u in world.of(OrderUpdate)] == ["unconfirmed"]

    play(scenario, pace="real")


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
