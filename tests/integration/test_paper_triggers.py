"""Stops that trades release, trailing stops that follow trades, conditions on volume: a simulated share."""

from __future__ import annotations

import functools
import itertools
from typing import Any

import ib_async
import pytest
from ib_async import Stock

from optionsib.common.types import MINUTE_NS
from optionsib.data.synthetic.universe import SimulatedUniverse
from tests.integration.paper_orders import contract, limit, settle, status
from tests.integration.test_paper_market import market, resolve, start
from tests.integration.test_paper_order_kinds import seen_by_another

MINUTES = 9


@functools.cache
def reference() -> SimulatedUniverse:
    """The exchange's market once more: everything in it is a pure function of seed and date."""
    return market()


def prices_between(con_id: int, start_ns: int, end_ns: int) -> list[int]:
    return [trade.price for trade in reference().trades(con_id, start_ns, end_ns)]


async def resting_stop(client: ib_async.IB, share: Any, stop: int, method: int) -> ib_async.Trade:
    """A stop to buy whose limit is far below: released, it rests."""
    order = ib_async.StopLimitOrder("BUY", 1, 1.0, stop / 10_000, triggerMethod=method)
    trade = client.placeOrder(share, order)
    await settle(client)
    return trade


@pytest.mark.parametrize("method", [0, 1, 2, 3, 4, 7, 8])
def test_a_stop_on_a_share_is_released_as_its_method_says(laboratory: Any, method: int) -> None:
    """A price that was traded between two quotes releases a stop that no quote has reached."""

    async def scenario() -> None:
        exchange = await start(laboratory, minutes=MINUTES)
        client = await laboratory.connect(exchange)
        share = await resolve(client, Stock("SPY", "SMART", "USD"))
        await client.reqCurrentTimeAsync()
        placed_ns = exchange.now_ns
        times = [placed_ns + number * MINUTE_NS for number in range(MINUTES)]
        traded = [prices_between(share.conId, *span) for span in itertools.pairwise(times)]
        quotes = [reference().quotes([share.conId], at_ns)[0] for at_ns in times[1:]]
        highest_bid = max(quote.bid for quote in quotes if quote.bid is not None)
        stop = max(itertools.chain(*traded))
        assert stop > highest_bid + 200, "the day does not show what this test is about"
        assert reference().facts(share.conId, placed_ns).last < stop

        trade = await resting_stop(client, share, stop, method)
        at_bid = await resting_stop(client, share, highest_bid, method)
        middle_of_best = max(quote.bid + quote.ask for quote in quotes) // 2  # type: ignore[operator]
        hits, released, by_quote = 0, False, False
        for prices, quote in zip(traded, quotes, strict=True):
            await client.reqCurrentTimeAsync()
            await settle(client)
            for price in prices:
                hits = hits + 1 if price >= stop else 0
                released |= hits >= (2 if method == 3 else 1)
            by_quote |= quote.bid == highest_bid
            expected = "Submitted" if method in (0, 2, 3, 7) and released else "PreSubmitted"
            assert status(trade)[0] == expected
            if method == 4:
                assert status(at_bid)[0] == ("Submitted" if by_quote else "PreSubmitted")
            if method == 1:
                assert status(at_bid)[0] == "PreSubmitted"  # the bid was there once, not twice in a row
        assert middle_of_best < stop

    laboratory.run(scenario())


def test_double_last_wants_two_trades_in_a_row(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await start(laboratory, minutes=MINUTES)
        client = await laboratory.connect(exchange)
        share = await resolve(client, Stock("SPY", "SMART", "USD"))
        await client.reqCurrentTimeAsync()
        now = exchange.now_ns
        traded = prices_between(share.conId, now, now + (MINUTES - 1) * MINUTE_NS)
        last = reference().facts(share.conId, now).last
        assert last is not None
        once = max(traded)
        twice = max(min(pair) for pair in itertools.pairwise(traded))
        assert last < twice < once, "the day does not show what this test is about"
        stops = [(once, 2), (once, 3), (twice, 3)]
        trades = [await resting_stop(client, share, stop, method) for stop, method in stops]
        for _ in range(MINUTES - 1):
            await client.reqCurrentTimeAsync()
        await settle(client)
        assert [status(trade)[0] for trade in trades] == ["Submitted", "PreSubmitted", "Submitted"]

    laboratory.run(scenario())


def test_a_stop_that_the_last_trade_has_passed_is_released_at_once(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await start(laboratory, minutes=2)
        client = await laboratory.connect(exchange)
        share = await resolve(client, Stock("SPY", "SMART", "USD"))
        await client.reqCurrentTimeAsync()
        last = reference().facts(share.conId, exchange.now_ns).last
        assert last is not None
        below, above = [await resting_stop(client, share, last + step, 2) for step in (-100, 100)]
        assert [status(trade)[0] for trade in (below, above)] == ["Submitted", "PreSubmitted"]

    laboratory.run(scenario())


def test_a_trailing_stop_on_a_share_follows_its_trades(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await start(laboratory, minutes=MINUTES)
        client = await laboratory.connect(exchange)
        share = await resolve(client, Stock("SPY", "SMART", "USD"))
        await client.reqCurrentTimeAsync()
        trails = ib_async.Order(action="BUY", totalQuantity=1, orderType="TRAIL", auxPrice=50.0)
        client.placeOrder(share, trails)
        lasts: list[int] = []
        for number in range(MINUTES):
            await settle(client)
            facts = reference().facts(share.conId, exchange.now_ns)
            assert facts.last is not None
            lasts.append(facts.last)
            shown = await seen_by_another(laboratory, exchange, 2 + number)
            assert round(shown.trailStopPrice * 10_000) == min(lasts) + 500_000
            await client.reqCurrentTimeAsync()
        assert min(lasts) < lasts[0], "the day does not show what this test is about"

    laboratory.run(scenario())


def test_a_condition_on_volume_holds_when_that_many_were_traded(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await start(laboratory, minutes=MINUTES)
        client = await laboratory.connect(exchange)
        share = await resolve(client, Stock("SPY", "SMART", "USD"))
        await client.reqCurrentTimeAsync()
        now = exchange.now_ns
        wanted = reference().facts(share.conId, now + 3 * MINUTE_NS).volume
        assert reference().facts(share.conId, now + 2 * MINUTE_NS).volume < wanted
        waits = [
            client.placeOrder(
                contract(12),
                limit("BUY", 1, 0.9, conditions=[ib_async.VolumeCondition(volume=n, conId=c, exch="SMART")]),
            )
            for n, c in ((wanted, share.conId), (wanted + 1, share.conId), (1, 1))
        ]
        for step in range(4):
            await settle(client)
            holds = [status(trade)[0] == "Submitted" for trade in waits]
            assert holds[0] == (step >= 3), step
            assert not holds[1]
            assert not holds[2]  # the tape tells no volume
            await client.reqCurrentTimeAsync()
        await settle(client)
        assert [status(trade)[0] for trade in waits[:2]] == ["Submitted", "Submitted"]

    laboratory.run(scenario())
