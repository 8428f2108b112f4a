"""Any symbol on the paper exchange, over real sockets: contracts, quotes, depth, ticks, computations."""

from __future__ import annotations

import asyncio
import datetime as dt
import math
from typing import Any

import ib_async
import pytest
from ib_async import Contract, Forex, Future, FuturesOption, Index, Option, Stock

from optionsib.data.synthetic.universe import SimulatedUniverse

DATE = dt.date(2014, 6, 6)
RATE = 0.02


def market(seed: int = 7) -> SimulatedUniverse:
    return SimulatedUniverse(seed, DATE, rate=RATE)


async def resolve(client: ib_async.IB, contract: Contract) -> Contract:
    """Return the one contract that fits, with its id."""
    (details,) = await client.reqContractDetailsAsync(contract)
    assert details.contract is not None
    return details.contract


async def start(laboratory: Any, minutes: int = 5, **options: Any) -> Any:
    tape = laboratory.tape(*[{} for _ in range(minutes)])
    return await laboratory.start(tape, market=market(), rate=RATE, **options)


@pytest.mark.parametrize("version", [157, 163, 164, 176, 178])
def test_every_kind_of_contract_is_described(
    laboratory: Any, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ib_async.client.Client, "MaxClientVersion", version)

    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        (share,) = await client.reqContractDetailsAsync(Stock("AAPL", "SMART", "USD"))
        assert share.longName == "APPLE INC (simulated)"
        assert (share.contract.primaryExchange, share.industry, share.stockType) == (
            "NASDAQ",
            "Technology",
            "COMMON",
        )
        assert share.tradingHours.split(";")[0] == "20140606:0400-20140606:2000"
        assert share.liquidHours.split(";")[:2] == ["20140606:0930-20140606:1600", "20140607:CLOSED"]
        assert len(share.marketRuleIds.split(",")) == len(share.validExchanges.split(","))
        (routed,) = await client.reqContractDetailsAsync(Stock("AAPL", "ARCA", "USD"))
        assert (routed.contract.exchange, routed.contract.conId) == ("ARCA", share.contract.conId)
        (index,) = await client.reqContractDetailsAsync(Index("SPX", "CBOE", "USD"))
        assert (index.contract.secType, index.contract.exchange, index.minTick) == ("IND", "CBOE", 0.01)
        strip = await client.reqContractDetailsAsync(Future("ES", exchange="CME"))
        assert [one.contract.localSymbol for one in strip] == ["ESM4", "ESU4", "ESZ4", "ESH5", "ESM5"]
        assert (strip[0].contract.multiplier, strip[0].minTick, strip[0].timeZoneId) == (
            "50",
            0.25,
            "America/Chicago",
        )
        assert strip[0].tradingHours.split(";")[0] == "20140605:1700-20140606:1600"
        assert (strip[0].underConId, strip[0].underSymbol) == (index.contract.conId, "SPX")
        (front,) = await client.reqContractDetailsAsync(Future(localSymbol="ESM4", exchange="CME"))
        assert front.contract == strip[0].contract
        (euro,) = await client.reqContractDetailsAsync(Forex("EURUSD"))
        assert (euro.contract.localSymbol, euro.contract.exchange) == ("EUR.USD", "IDEALPRO")
        combo = ib_async.Contract(symbol="SPY", secType="BAG", exchange="SMART", currency="USD")
        assert len(await client.reqContractDetailsAsync(combo)) == 1
        (option,) = await client.reqContractDetailsAsync(Option("AAPL", "20140718", 220, "C", "SMART"))
        assert option.contract.localSymbol == "AAPL  140718C00220000"
        assert option.underConId == share.contract.conId
        assert laboratory.codes() == []
        samples = await client.reqMatchingSymbolsAsync("AAP")
        assert samples is not None
        assert [one.contract.symbol for one in samples] == ["AAP", "AAPL"]

    laboratory.run(scenario())


def test_garbage_is_not_listed(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        for unknown in (
            Stock("ZZZZ", "SMART", "USD"),
            Stock("TOOLONG", "SMART", "USD"),
            Stock("spy", "SMART", "USD"),
            Stock("SPX", "SMART", "USD"),
            Stock("SPY", "LSE", "USD"),
            Stock("SPY", "SMART", "GBP"),
            Index("AAPL", "CBOE"),
            Future("ES", "203001", "CME"),
            Future(localSymbol="ESZ9", exchange="CME"),
            Option("AAPL", "20140718", 280.01, "C", "SMART"),
            Option("AAPL", "20140719", 280, "C", "SMART"),
            Contract(conId=2_147_483_000),
            Contract(localSymbol="AAPL  140718X00280000"),
            Contract(symbol="AAPL"),
        ):
            assert await client.reqContractDetailsAsync(unknown) == [], unknown
        assert laboratory.codes() == [200] * 14

    laboratory.run(scenario())


def test_the_tape_keeps_its_symbol(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        (under,) = await client.reqContractDetailsAsync(Stock("TWX", "SMART", "USD"))
        assert under.contract.conId == 1
        assert await client.reqContractDetailsAsync(Option("TWX", "20140627", 68, "C", "SMART")) == []
        samples = await client.reqMatchingSymbolsAsync("TWX")
        assert samples is not None
        assert [one.contract.conId for one in samples] == [1]

    laboratory.run(scenario())


def test_a_chain_is_loaded_by_one_wildcard_an_expiry(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        (index,) = await client.reqContractDetailsAsync(Index("SPX", "CBOE", "USD"))
        chains = await client.reqSecDefOptParamsAsync("SPX", "", "IND", index.contract.conId)
        names = {(chain.exchange, chain.tradingClass) for chain in chains}
        assert names == {(x, c) for x in ("SMART", "CBOE") for c in ("SPX", "SPXW")}
        chain = next(one for one in chains if (one.exchange, one.tradingClass) == ("SMART", "SPXW"))
        wanted = Option("SPX", chain.expirations[3], exchange="SMART", tradingClass="SPXW")
        members = [one.contract for one in await client.reqContractDetailsAsync(wanted)]
        assert len(members) > 100
        assert {one.strike for one in members} <= set(chain.strikes)
        assert {one.tradingClass for one in members} == {"SPXW"}
        # The monthly series settles at the opening of its last day.
        monthly = next(one for one in chains if (one.exchange, one.tradingClass) == ("SMART", "SPX"))
        wanted = Option("SPX", monthly.expirations[0], exchange="SMART", tradingClass="SPX")
        assert {one.lastTradeTime for one in await client.reqContractDetailsAsync(wanted)} == {"09:30:00"}
        future = (await client.reqContractDetailsAsync(Future("ES", exchange="CME")))[0].contract
        (of_future,) = await client.reqSecDefOptParamsAsync("ES", "CME", "FUT", future.conId)
        assert (of_future.exchange, of_future.multiplier) == ("CME", "50")
        wanted = FuturesOption("ES", of_future.expirations[0], exchange="CME")
        details = await client.reqContractDetailsAsync(wanted)
        assert {one.underConId for one in details} == {future.conId}
        assert await client.reqSecDefOptParamsAsync("SPX", "", "STK", index.contract.conId) == []

    laboratory.run(scenario())


def test_quotes_trades_and_computations_of_any_option(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await start(laboratory)
        client = await laboratory.connect(exchange)
        (details,) = await client.reqContractDetailsAsync(Option("AAPL", "20140718", 220, "P", "SMART"))
        share = client.reqMktData(
            await resolve(client, Stock("AAPL", "SMART", "USD")), "104,106,165,221,233,236"
        )
        option = client.reqMktData(details.contract, "100,101")
        await client.reqCurrentTimeAsync()
        before = share.last
        await client.reqCurrentTimeAsync()
        assert 0 < share.bid < share.ask < 1.01 * share.bid
        assert share.low <= share.last <= share.high
        assert share.last != before
        assert share.volume > 0
        assert share.minTick == 0.01
        assert share.histVolatility > 0.05
        assert share.impliedVolatility > 0.05
        assert share.avVolume > 0
        assert share.shortableShares > 0
        assert share.halted == 0
        assert share.marketDataType == 1
        assert 0 < option.bid < option.ask
        assert option.putOpenInterest > 0
        model = option.modelGreeks
        assert model is not None
        assert option.bidGreeks is not None
        assert option.askGreeks is not None
        assert option.bidGreeks.impliedVol < model.impliedVol < option.askGreeks.impliedVol
        assert share.bid <= model.undPrice <= share.ask
        assert -1 < model.delta < 0 < model.gamma
        solved = await client.calculateImpliedVolatilityAsync(
            details.contract, model.optPrice, model.undPrice
        )
        assert solved is not None
        assert solved.impliedVol == pytest.approx(model.impliedVol, abs=1e-6)
        priced = await client.calculateOptionPriceAsync(details.contract, 0.31, model.undPrice)
        assert priced is not None
        back = await client.calculateImpliedVolatilityAsync(details.contract, priced.optPrice, model.undPrice)
        assert back is not None
        assert back.impliedVol == pytest.approx(0.31, abs=1e-6)

    laboratory.run(scenario())


def test_an_index_has_a_level_and_no_sides(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        index = client.reqMktData(await resolve(client, Index("SPX", "CBOE", "USD")))
        await client.reqCurrentTimeAsync()
        await client.reqCurrentTimeAsync()
        assert index.last > 0
        assert math.isnan(index.bid)
        assert index.low <= index.last <= index.high

    laboratory.run(scenario())


def test_a_combination_is_quoted_by_its_legs(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        legs = [
            (await client.reqContractDetailsAsync(Option("SPY", "20140718", strike, "C", "SMART")))[
                0
            ].contract
            for strike in (650, 660)
        ]
        combo = ib_async.Bag(symbol="SPY", exchange="SMART", currency="USD")
        combo.comboLegs = [
            ib_async.ComboLeg(conId=legs[0].conId, ratio=1, action="BUY", exchange="SMART"),
            ib_async.ComboLeg(conId=legs[1].conId, ratio=1, action="SELL", exchange="SMART"),
        ]
        tickers = [client.reqMktData(one) for one in (*legs, combo)]
        await client.reqCurrentTimeAsync()
        low, high, spread = tickers
        assert spread.bid == pytest.approx(low.bid - high.ask)
        assert spread.ask == pytest.approx(low.ask - high.bid)

    laboratory.run(scenario())


def test_snapshots_end_and_cannot_have_generic_ticks(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        (ticker,) = await client.reqTickersAsync(await resolve(client, Stock("QQQ", "SMART", "USD")))
        assert 0 < ticker.bid < ticker.ask
        client.reqMktData(await resolve(client, Stock("QQQ", "SMART", "USD")), "233", snapshot=True)
        await client.reqAllOpenOrdersAsync()
        assert laboratory.codes() == [321]

    laboratory.run(scenario())


@pytest.mark.parametrize(
    ("entitlement", "kind", "codes", "seen"),
    [
        ("live", 1, [], 1),
        ("live", 3, [], 1),
        ("delayed", 1, [354], None),
        ("delayed", 3, [10167], 3),
        ("api", 1, [10089], None),
        ("api", 4, [10167], 3),
        ("partial", 1, [10090], 1),
        ("none", 3, [354], None),
    ],
)
def test_entitlements(
    laboratory: Any, entitlement: str, kind: int, codes: list[int], seen: int | None
) -> None:
    async def scenario() -> None:
        exchange = await start(laboratory, minutes=20, entitlement=entitlement)
        client = await laboratory.connect(exchange)
        client.reqMarketDataType(kind)
        ticker = client.reqMktData(await resolve(client, Stock("SPY", "SMART", "USD")))
        for _ in range(17):
            await client.reqCurrentTimeAsync()
        assert laboratory.codes() == codes
        if seen is None:
            assert math.isnan(ticker.bid)
            return
        assert ticker.marketDataType == seen
        listing = market().find(_query("SPY"))[0]
        at_ns = exchange.now_ns - (900 * 10**9 if seen == 3 else 0)
        (quote,) = market().quotes([listing.contract.con_id], at_ns)
        assert (ticker.bid * 10_000, ticker.ask * 10_000) == pytest.approx((quote.bid, quote.ask))

    laboratory.run(scenario())


def _query(symbol: str) -> Any:
    from optionsib.common.ports import ContractQuery

    return ContractQuery(symbol=symbol, security_type="STK")


def test_depth_keeps_a_book_in_order(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        share = client.reqMktDepth(
            await resolve(client, Stock("SPY", "SMART", "USD")), numRows=5, isSmartDepth=True
        )
        future = client.reqMktDepth(await resolve(client, Future("ES", "20140620", "CME")), numRows=3)
        tape = client.reqMktDepth(Contract(conId=11, exchange="SMART"), numRows=5)
        for _ in range(3):
            await client.reqCurrentTimeAsync()
            for ticker, rows in ((share, 5), (future, 3), (tape, 1)):
                bids = [level.price for level in ticker.domBids]
                asks = [level.price for level in ticker.domAsks]
                assert (len(bids), len(asks)) == (rows, rows)
                assert bids == sorted(bids, reverse=True)
                assert asks == sorted(asks)
                assert bids[0] < asks[0]
        assert all(level.marketMaker for level in share.domBids)
        client.cancelMktDepth(await resolve(client, Stock("SPY", "SMART", "USD")), isSmartDepth=True)
        client.client.cancelMktDepth(4711, False)
        await client.reqAllOpenOrdersAsync()
        assert laboratory.codes() == [310]

    laboratory.run(scenario())


def test_tick_by_tick(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await start(laboratory)
        client = await laboratory.connect(exchange)
        spy = await resolve(client, Stock("SPY", "SMART", "USD"))
        last = client.reqTickByTickData(spy, "AllLast")
        await client.reqCurrentTimeAsync()
        trades = list(last.tickByTicks)
        con_id = market().find(_query("SPY"))[0].contract.con_id
        opened = exchange.now_ns - 60 * 10**9
        expected = market().trades(con_id, opened, exchange.now_ns)
        assert [(tick.price, tick.size) for tick in trades] == [(t.price / 10_000, t.size) for t in expected]
        middle = client.reqTickByTickData(await resolve(client, Future("ES", "20140620", "CME")), "MidPoint")
        sides = client.reqTickByTickData(Contract(conId=11, exchange="SMART"), "Last")
        for request, wrong in ((91, Option("SPY", "20140718", 650, "C", "SMART")), (92, spy)):
            client.client.reqTickByTickData(
                request, wrong, "BidAsk" if request == 91 else "Nonsense", 0, False
            )
        await client.reqCurrentTimeAsync()
        assert middle.tickByTicks
        assert not sides.tickByTicks
        assert laboratory.codes() == [10189, 10189, 321]
        client.cancelTickByTickData(spy, "AllLast")
        client.client.cancelTickByTickData(4711)
        await client.reqAllOpenOrdersAsync()
        assert laboratory.codes()[3:] == [300]

    laboratory.run(scenario())


def test_market_moves_between_the_steps_of_the_tape(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await start(laboratory, pace="real", speed=4.0)
        client = await laboratory.connect(exchange)
        ticker = client.reqMktData(await resolve(client, Stock("SPY", "SMART", "USD")))
        seen: set[float] = set()
        async with asyncio.timeout(20):
            while len(seen) < 4:
                await ticker.updateEvent
                seen.add(ticker.bid)
        assert exchange.now_ns < laboratory.tape().session_open_ns + 60 * 10**9

    laboratory.run(scenario())


def test_orders_meet_the_simulated_quotes_of_the_moment(laboratory: Any) -> None:
    """Watched or not, and whatever was ordered before: an order meets what is displayed now."""

    async def scenario() -> None:
        exchange = await start(laboratory, minutes=12)
        client = await laboratory.connect(exchange)
        contract = await resolve(client, Option("SPY", "20140718", 690, "C", "SMART"))
        await client.reqCurrentTimeAsync()
        far = client.placeOrder(contract, ib_async.LimitOrder("BUY", 1, 0.01))
        await client.reqCurrentTimeAsync()
        client.cancelOrder(far.order)
        for _ in range(5):
            await client.reqCurrentTimeAsync()
        (shown,) = market().quotes([contract.conId], exchange.now_ns)
        assert shown.ask is not None
        trade = client.placeOrder(contract, ib_async.LimitOrder("BUY", 1, shown.ask / 10_000 + 1.0))
        await client.reqAllOpenOrdersAsync()
        assert trade.orderStatus.status == "Filled"
        assert trade.orderStatus.avgFillPrice == shown.ask / 10_000
        resting = client.placeOrder(contract, ib_async.LimitOrder("SELL", 1, shown.ask / 10_000 - 5.0))
        await client.reqAllOpenOrdersAsync()
        assert resting.orderStatus.status == "Filled"

    laboratory.run(scenario())
