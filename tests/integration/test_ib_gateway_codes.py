"""Every code that IB sends about an order, a stream or the connection, and what the gateway makes of it."""

from __future__ import annotations

import asyncio

import pytest

from optionsib.common.errors import BrokerError
from optionsib.common.events import OrderUpdate
from tests.integration.ib_world import (
    CALL,
    CANCEL,
    ERROR,
    MARKET_DATA,
    PLACE,
    PUT,
    Frame,
    World,
    order,
    order_id_of,
    play,
)

TERMINAL = (103, 105, 109, 110, 163, 200, 201, 321, 329, 382, 383, 387, 451, 460)
INFORMATION = (0, 165, 399, 404, 434, 492, 2109, 2137, 2148, 10167, 10349)
DOUBTFUL = (104, 135, 161, 10147, 10148)
LIVE = {"speed": 600.0, "minutes": 1_000, "heartbeat_seconds": 30.0}


def refused_with(world: World, code: int, kind: str = PLACE) -> None:
    """Let the server refuse what is sent, and forget it."""

    def refuse(frame: Frame) -> list[Frame]:
        if frame[0] != kind:
            return [frame]
        world.proxy.inject(ERROR, 2, frame[2 if kind == CANCEL else 1], code, "refused", "")
        return []

    world.proxy.to_server = refuse


def stream_of(world: World, con_id: int) -> str:
    return next(frame[2] for frame in reversed(world.requests(MARKET_DATA)) if frame[3] == str(con_id))


@pytest.mark.parametrize("code", TERMINAL)
def test_a_new_order_is_ended_and_a_working_one_lives_on(code: int) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("old", 20_000))
        await world.settle()
        refused_with(world, code)
        await world.gateway.place(order("new", 20_000))
        await world.gateway.modify("old", 21_000)
        await world.settle()
        assert world.statuses("new")[-1] == "rejected"
        last = [u for u in world.of(OrderUpdate) if u.order_ref == "old"][-1]
        assert (last.status, last.limit_price) == ("working", 20_000)
        assert len(world.requests(PLACE)) == 3  # nothing was sent again
        world.proxy.to_server = lambda frame: [frame]
        await world.gateway.cancel("old")
        await world.settle()
        assert world.statuses("old")[-1] == "cancelled"

    play(scenario)


@pytest.mark.parametrize("code", INFORMATION)
def test_information_ends_neither_an_order_nor_a_request(code: int) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        before = len(world.requests(PLACE))

        def remark(frame: Frame) -> list[Frame]:
            if frame[0] == PLACE:
                world.proxy.inject(ERROR, 2, frame[1], code, "a remark", "")
            return [frame]

        world.proxy.to_server = remark
        await world.gateway.preview(order("asked", 20_000))
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        await world.gateway.modify("O1", 21_000)
        await world.settle()
        last = world.of(OrderUpdate)[-1]
        assert (last.status, last.limit_price) == ("working", 21_000)
        assert len(world.requests(PLACE)) == before + 3
        assert world.gateway.health().last_error is None

    play(scenario)


@pytest.mark.parametrize("code", DOUBTFUL)
def test_a_doubtful_code_is_answered_by_the_brokers_lists(code: int) -> None:
    """The order may live or have ended: the same code, two truths."""

    async def scenario(world: World) -> None:
        await world.ready()
        for ref in ("lives", "filled"):
            await world.gateway.place(order(ref, 20_000))
        await world.settle()
        refused_with(world, code, CANCEL)
        world.proxy.to_client = lambda frame: [] if frame[0] in ("3", "5", "11", "59") else [frame]
        assert world.faults.fill_now("filled") == 1
        await world.gateway.cancel("filled")
        await world.gateway.cancel("lives")
        world.proxy.to_client = lambda frame: [frame]
        await world.settle()
        assert world.statuses("lives")[-1] == "working"
        assert world.statuses("filled")[-1] == "filled"
        assert len(world.requests(CANCEL)) == 2

    play(scenario)


def test_a_cancel_that_nobody_asked_for_ends_the_order() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        world.proxy.inject(ERROR, 2, order_id_of(world), 202, "Order Canceled - reason:", "")
        await world.settle()
        last = world.of(OrderUpdate)[-1]
        assert (last.order_ref, last.status, last.code) == ("O1", "cancelled", 202)
        with pytest.raises(BrokerError, match="cancelled already"):
            await world.gateway.modify("O1", 21_000)

    play(scenario)


@pytest.mark.parametrize("words", [(202, 161), (161, 202)])
def test_the_end_of_an_untransmitted_order_is_said_twice(words: tuple[int, int]) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()

        def end(frame: Frame) -> list[Frame]:
            if frame[0] == CANCEL:
                for code in words:
                    world.proxy.inject(ERROR, 2, frame[2], code, "Order Canceled", "")
            return [frame]

        world.proxy.to_server = end
        await world.gateway.cancel("O1")
        await world.settle()
        assert world.statuses("O1")[-1] == "cancelled"
        assert world.statuses("O1").count("cancelled") <= 2
        assert (await world.gateway.refresh()).working_orders == ()

    play(scenario)


def test_after_a_duplicate_order_id_the_next_order_has_a_higher_one() -> None:
    async def scenario(world: World) -> None:
        await world.ready()

        def reused(frame: Frame) -> list[Frame]:
            if frame[0] == PLACE and "first" in frame:
                world.proxy.inject(ERROR, 2, frame[1], 103, "Duplicate order id", "")
                return []
            return [frame]

        def far_ahead(frame: Frame) -> list[Frame]:
            return [[frame[0], frame[1], "500"]] if frame[0] == "9" else [frame]

        world.proxy.to_server, world.proxy.to_client = reused, far_ahead
        await world.gateway.place(order("first", 20_000))
        await world.settle()
        await world.gateway.place(order("second", 20_000))
        await world.settle()
        assert world.statuses("first") == ["rejected"]
        assert world.statuses("second")[-1] == "working"
        ids = [int(frame[1]) for frame in world.requests(PLACE)]
        assert ids[0] < 500 <= ids[1]

    play(scenario)


def test_a_preview_uses_up_an_id_that_no_order_gets() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        await world.gateway.preview(order("asked", 20_000))
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        await world.gateway.preview(order("asked", 20_000))
        await world.gateway.place(order("O2", 20_000))
        await world.settle()
        ids = [int(frame[1]) for frame in world.requests(PLACE)]
        assert ids == sorted(set(ids))
        assert len(ids) == 4
        assert [u.order_ref for u in (await world.gateway.refresh()).working_orders] == ["O1", "O2"]

    play(scenario)


def test_a_complaint_about_the_rate_slows_down_and_asks_for_what_may_be_lost() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        lost: list[Frame] = []

        def lose(frame: Frame) -> list[Frame]:
            if frame[0] == PLACE and not lost:
                lost.append(frame)
                text = "Max rate of messages per second has been exceeded"
                world.proxy.inject(ERROR, 2, -1, 100, text, "")
                return []
            return [frame]

        world.proxy.to_server = lose
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert world.statuses("O1") == ["unconfirmed"]  # asked for, not sent again
        assert len(world.requests(PLACE)) == 1
        assert world.gateway.health().last_error.code == 100
        sender = world.gateway._link.require().client._sender
        assert sender._bucket.is_slow
        assert world.gateway.order_block() == ""
        await world.gateway.place(order("O2", 20_000))
        await world.settle()
        assert world.statuses("O2")[-1] == "working"

    play(scenario)


@pytest.mark.parametrize(
    ("code", "where"), [(100, "stream"), (100, "nowhere"), (102, "stream"), (322, "stream")]
)
def test_a_stream_whose_request_was_lost_is_asked_for_under_a_new_id(code: int, where: str) -> None:
    async def scenario(world: World) -> None:
        def refuse(frame: Frame) -> list[Frame]:
            if frame[0] == MARKET_DATA and frame[3] == str(CALL) and len(refused) < 1:
                refused.append(frame[2])
                about = frame[2] if where == "stream" else -1
                world.proxy.inject(ERROR, 2, about, code, "refused", "")
                return []
            return [frame]

        refused: list[str] = []
        world.proxy.to_server = refuse
        await world.watch()
        await world.step()
        await world.step()
        assert CALL in {quote.con_id for quote in world.gateway.take_quotes()}
        assert refused == [frame[2] for frame in world.requests(MARKET_DATA) if frame[3] == str(CALL)][:1]
        assert stream_of(world, CALL) not in refused
        assert [len([f for f in world.requests(MARKET_DATA) if f[3] == str(c)]) for c in (1, PUT)] == [1, 1]

    play(scenario)


@pytest.mark.parametrize("code", [200, 354, 10089, 10168, 10186])
def test_a_refused_stream_gives_its_line_back(code: int) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        used = world.gateway.health().lines_used
        world.proxy.inject(ERROR, 2, stream_of(world, CALL), code, "not subscribed", "")
        await world.settle()
        assert world.gateway.health().lines_used == used - 1
        assert world.gateway.unsubscribed == (CALL,)
        assert code in world.codes()
        await world.step()
        assert CALL not in {quote.con_id for quote in world.gateway.take_quotes()}

    play(scenario)


def test_more_streams_than_the_broker_allows_shrink_the_budget() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.inject(ERROR, 2, stream_of(world, PUT), 101, "Max number of tickers", "")
        await world.settle()
        health = world.gateway.health()
        assert (health.lines_used, health.lines_limit, health.lines_waiting) == (2, 2, 1)

    play(scenario)


def test_the_end_of_a_subscription_that_has_ended_is_not_worth_a_word() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.inject(ERROR, 2, 999_999, 300, "Can't find EId with tickerId:999999", "")
        await world.settle()
        assert world.codes() == []
        assert world.gateway.stale_quotes() == {}

    play(scenario)


@pytest.mark.parametrize("code", [2105, 2157])
def test_a_farm_of_history_or_definitions_touches_no_quote_and_no_order(code: int) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.proxy.inject(ERROR, 2, -1, code, "farm connection is broken:ushmds", "")
        await world.settle()
        assert world.gateway.stale_quotes() == {}
        assert world.gateway.order_block() == ""
        assert code in world.codes()
        await world.gateway.place(order("O1", 20_000))
        await world.settle()
        assert world.statuses("O1")[-1] == "working"
        assert world.proxy.connections == 1

    play(scenario)


def test_an_order_without_a_word_is_asked_for_although_nobody_waits() -> None:
    async def scenario(world: World) -> None:
        await world.watch()
        world.proxy.to_server = lambda frame: [] if frame[0] == PLACE else [frame]
        await world.gateway.place(order("O1", 20_000))
        await world.until(lambda: world.gateway.health().unconfirmed_orders == ("O1",))
        assert world.statuses("O1") == ["unconfirmed"]
        asked = len(world.requests("99"))
        await asyncio.sleep(1.2)
        assert len(world.requests("99")) == asked  # once is enough
        assert len(world.requests(PLACE)) == 1
        assert world.gateway.health().reconnects == 0

    play(scenario, **LIVE)


def test_a_doubtful_word_is_followed_up_although_nobody_waits() -> None:
    async def scenario(world: World) -> None:
        await world.watch()
        await world.gateway.place(order("O1", 20_000))
        await world.until(lambda: world.statuses("O1")[-1:] == ["working"])
        refused_with(world, 10148, CANCEL)
        asked = len(world.requests("99"))
        await world.gateway.cancel("O1")
        await world.until(lambda: len(world.requests("99")) > asked)
        await world.until(lambda: not world.gateway._inbox.orders.unanswered())
        assert world.statuses("O1")[-1] == "working"

    play(scenario, **LIVE)
