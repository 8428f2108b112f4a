"""The queue model on the simulated market: trades fill resting orders that the quote never reaches."""

from __future__ import annotations

import datetime as dt
from typing import Any

import ib_async
import pytest

from optionsib.brokers.paper.desk_rules import DeskRules
from optionsib.data.synthetic.universe import SimulatedUniverse
from tests.integration.paper_orders import fills, limit, settle


@pytest.mark.parametrize("queue", [False, True])
def test_offers_above_a_simulated_share(laboratory: Any, queue: bool) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(
            laboratory.tape(*[{} for _ in range(8)]),
            market=SimulatedUniverse(7, dt.date(2014, 6, 6), rate=0.02),
            desk_rules=DeskRules(queue=queue),
        )
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        (share,) = await client.qualifyContractsAsync(ib_async.Stock("SPY", "SMART", "USD"))
        ticker = client.reqMktData(share)
        await settle(client)
        prices = [round(ticker.ask + 0.1 * k, 2) for k in range(20)]
        trades = [client.placeOrder(share, limit("SELL", 10, price)) for price in prices]
        await settle(client)
        assert not any(trade.fills for trade in trades)
        unreached = 0
        for _ in range(8):
            before = [len(trade.fills) for trade in trades]
            await client.reqCurrentTimeAsync()
            for trade, count, price in zip(trades, before, prices, strict=True):
                assert {fill[3] for fill in fills(trade)} <= {price}
                unreached += len(trade.fills) > count and ticker.bid < price
        assert any(trade.fills for trade in trades)
        assert (unreached > 0) == queue  # with the queue trades fill what no quote comes to

    laboratory.run(scenario())
