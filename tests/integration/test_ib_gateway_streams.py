"""Quotes: streams that come back, farms that flap, ages, sources, snapshots, stale quotes."""

from __future__ import annotations

import asyncio
import os

import pytest

from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerNotice, OrderUpdate, Quote
from tests.integration.ib_world import CALL, ERROR, MARKET_DATA, PUT, World, order, play

LIVE = {"speed": 600.0, "minutes": 1_000, "heartbeat_seconds": 1.0, "stale_seconds": 1.0}


def stale(world: World) -> set[str]:
    return set(world.gateway.stale_quotes().values())


def ticked(world: World) -> set[int]:
    """Contracts whose quote is live and new since the last call."""
    return {quote.con_id for quote in world.gateway.take_quotes() if quote.as_of_ns > 0}


async def tick_again(world: World, seconds: float = 10.0) -> None:
    world.gateway.take_quotes()
    seen: set[int] = set()

    def all_live() -> bool:
        seen.update(ticked(world))
        return seen >= {1, CALL} and not world.gateway.stale_quotes()

    await world.until(all_live, seconds)


def test_lost_subscriptions_are_requested_anew_under_new_ids() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        first = {frame[2] for frame in world.requests(MARKET_DATA)}
        world.faults.connectivity(1101)
        await world.settle()
        await world.step()
        every = [frame[2] for frame in world.requests(MARKET_DATA)]
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


@pytest.mark.parametrize("trouble", ["restart", "1101", "1102 but dead", "silent farm"])
def test_every_wanted_stream_ticks_again_under_a_new_id(trouble: str) -> None:
    async def scenario(world: World) -> None:
        await world.watch()
        await tick_again(world)
        before = {frame[2] for frame in world.requests(MARKET_DATA)}
        match trouble:
            case "restart":
                world.faults.restart(seconds=0.2)
                await world.until(lambda: not world.gateway.ready)
                await world.gateway.reconnect(first_wait_seconds=0.1)
            case "1101":
                world.faults.connectivity(1100)
                await world.until(lambda: "link lost" in stale(world))
                world.faults.connectivity(1101)
            case "1102 but dead":
                world.faults.connectivity(1100)
                world.faults.farm("usfarm", up=True, silent=True)
                world.faults.connectivity(1102)
            case "silent farm":
                world.faults.farm("paper", up=False)
                await world.until(lambda: "farm down" in stale(world))
                world.faults.farm("paper", up=True, silent=True)
        await tick_again(world)
        after = {frame[2] for frame in world.requests(MARKET_DATA)[len(before) :]}
        assert len(after) == 3
        if trouble != "restart":  # where the connection is new, ids may begin anew
            assert not after & before
            assert world.gateway.health().reconnects == 0

    play(scenario, **LIVE)


def test_twenty_farm_flaps_cost_no_reconnect() -> None:
    """Twenty flaps in ``OPTIONSIB_FLAP_SECONDS`` (3 in the suite, 60 in ``make soak-ib``)."""
    seconds = float(os.environ.get("OPTIONSIB_FLAP_SECONDS", "3"))

    async def scenario(world: World) -> None:
        await world.watch()
        await tick_again(world)
        for number in range(20):
            world.faults.farm("paper", up=False)
            await asyncio.sleep(seconds / 40)
            await world.until(lambda: set(world.gateway.stale_quotes()) == {1, CALL, PUT})
            world.faults.farm("paper", up=True)
            await asyncio.sleep(seconds / 40)
            if number % 5 == 4:  # the order channel stays in use meanwhile
                await world.gateway.place(order(f"O{number}", 20_000, purpose="close"))
        await tick_again(world)
        health = world.gateway.health()
        assert (health.reconnects, health.client_id, world.proxy.connections) == (0, 1, 1)
        assert [(f.name, f.up, f.flaps) for f in health.farms if f.flaps] == [("paper", True, 20)]
        assert {frame[2] for frame in world.proxy.sent if frame[0] == "71"} == {"1"}
        await world.settle()
        state = await world.gateway.refresh()
        assert [u.order_ref for u in state.working_orders] == ["O14", "O19", "O4", "O9"]

    play(scenario, **{**LIVE, "minutes": 2_000 + int(20 * seconds)})


def test_a_farm_makes_only_its_own_quotes_stale() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.faults.farm("usopt", up=False)
        await world.settle()
        assert set(world.gateway.stale_quotes()) == {CALL, PUT}
        world.faults.farm("ushmds", up=False)
        world.faults.farm("usfuture", up=False)
        world.faults.farm("usopt", up=True)
        world.faults.farm("usfarm", up=False)
        await world.settle()
        assert set(world.gateway.stale_quotes()) == {1}
        world.faults.farm("usfarm", up=True)
        await world.step()
        assert world.gateway.stale_quotes() == {}

    play(scenario)


def test_quotes_of_a_broken_farm_are_confirmed_by_nobody() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        world.faults.farm("usopt", up=False)
        await world.settle()
        quotes = {quote.con_id: quote for quote in world.gateway.take_quotes()}
        assert {con_id: quote.as_of_ns for con_id, quote in quotes.items()} == {CALL: 0, PUT: 0}
        assert quotes[CALL].bid is not None  # the last price is there to be looked at
        assert [n.code for n in world.of(BrokerNotice) if n.code == -8] == [-8]

    play(scenario)


def test_a_frozen_feed_is_stale_within_the_limit() -> None:
    async def scenario(world: World) -> None:
        await world.watch()
        await tick_again(world)
        world.faults.freeze_feed()
        await world.until(lambda: len(world.gateway.stale_quotes()) == 3, 3.0)
        assert stale(world) == {"feed silent"}
        assert all(quote.as_of_ns == 0 for quote in world.gateway.take_quotes())
        assert world.gateway.health().quotes.live == 0
        world.faults.thaw()
        await tick_again(world)

    play(scenario, **LIVE)


@pytest.mark.parametrize("request_id", ["of the stream", "none"])
def test_a_competing_session_makes_quotes_stale(request_id: str) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        stream = next(f[2] for f in world.requests(MARKET_DATA) if f[3] == str(CALL))
        text = "No market data during competing live session"
        world.proxy.inject(ERROR, 2, stream if request_id == "of the stream" else -1, 10197, text, "")
        await world.settle()
        expected = {CALL} if request_id == "of the stream" else {1, CALL, PUT}
        assert world.gateway.stale_quotes() == dict.fromkeys(expected, "competing session")
        assert 10197 in world.codes()
        assert world.gateway.health().last_error.code == 10197

    play(scenario)


@pytest.mark.parametrize(("number", "source"), [(2, "frozen"), (3, "delayed"), (4, "delayed frozen")])
def test_data_that_is_not_live_says_so_and_is_stale(number: int, source: str) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        stream = next(f[2] for f in world.requests(MARKET_DATA) if f[3] == str(CALL))
        world.proxy.inject("58", 1, stream, number)
        await world.settle()
        (quote,) = [q for q in world.gateway.take_quotes() if q.con_id == CALL]
        assert (quote.source, quote.as_of_ns) == (source, 0)
        world.proxy.inject("58", 1, stream, 1)
        await world.settle()
        (quote,) = [q for q in world.gateway.take_quotes() if q.con_id == CALL]
        assert quote.source == "live"
        assert quote.as_of_ns > 0

    play(scenario)


@pytest.mark.parametrize("code", [10090, 10091, 10167])
def test_partial_data_ends_no_subscription(code: int) -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        stream = next(f[2] for f in world.requests(MARKET_DATA) if f[3] == str(CALL))
        world.proxy.inject(ERROR, 2, stream, code, "part of it is not subscribed", "")
        await world.step()
        assert CALL in {quote.con_id for quote in world.gateway.take_quotes()}
        assert world.gateway.unsubscribed == ()

    play(scenario)


def test_a_snapshot_counts_after_its_end_only() -> None:
    async def scenario(world: World) -> None:
        await world.gateway.connect()
        chain = await world.gateway.option_chain("TST")
        call = next(c for c in chain.options if c.con_id == CALL)
        await world.step()
        world.proxy.to_client = lambda frame: [] if frame[0] == "57" else [frame]
        with pytest.raises(BrokerError, match="snapshot"):
            await world.gateway.snapshot([call])
        assert world.gateway.take_quotes() == []
        world.proxy.to_client = lambda frame: [frame]
        (quote,) = await world.gateway.snapshot([call])
        assert isinstance(quote, Quote)
        assert (quote.con_id, quote.source) == (CALL, "snapshot")
        assert quote.bid is not None
        assert world.gateway.health().lines_used == 0

    play(scenario, timeout=0.15, silent="a snapshot")


def test_sentinels_of_greeks_are_no_values() -> None:
    async def scenario(world: World) -> None:
        await world.ready()
        stream = next(f[2] for f in world.requests(MARKET_DATA) if f[3] == str(CALL))
        world.proxy.inject("21", stream, 13, 0, "0.25", "-2", "-1", "0", "-2", "-2", "-2", "52.0")
        await world.settle()
        values = world.gateway.broker_computation(CALL)
        assert values is not None
        assert (values.implied_volatility, values.underlying_price) == (0.25, 52.0)
        assert {values.delta, values.gamma, values.vega, values.theta, values.option_price} == {None}

    play(scenario)
