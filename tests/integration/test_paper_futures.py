"""Futures, options on them and currencies on the paper exchange, through ib_async: every figure by hand."""

from __future__ import annotations

import datetime as dt
from typing import Any

import ib_async
import pytest
from ib_async import Contract, Forex, Future, FuturesOption, LimitOrder, MarketOrder, StopOrder

from optionsib.common import types
from optionsib.common.types import TickBand, TickGrid
from optionsib.data.synthetic.universe import SimulatedUniverse
from tests.integration.conftest import new_york_ns
from tests.integration.paper_orders import fills, settle, status

DATE = dt.date(2014, 6, 6)
CASH = 1_000_000_000_000  # a million
GRID = TickGrid((TickBand(0, 2_500),))


async def start(laboratory: Any, minutes: int = 5, **options: Any) -> Any:
    """An exchange with the simulated market, in its first minute."""
    tape = laboratory.tape(*[{} for _ in range(minutes)])
    market = SimulatedUniverse(7, DATE, rate=0.02)
    exchange = await laboratory.start(tape, market=market, initial_cash=CASH, **options)
    client = await laboratory.connect(exchange)
    await client.reqCurrentTimeAsync()
    return exchange, client


async def resolve(client: ib_async.IB, contract: Contract) -> Contract:
    (details,) = await client.reqContractDetailsAsync(contract)
    assert details.contract is not None
    return details.contract


async def touch(client: ib_async.IB, contract: Contract) -> tuple[float, float]:
    """Bid and ask now."""
    (ticker,) = await client.reqTickersAsync(contract)
    return ticker.bid, ticker.ask


async def values(client: ib_async.IB) -> dict[tuple[str, str], float]:
    """The amounts of the account by tag and currency."""
    await client.reqAccountUpdatesAsync("")
    found = {}
    for one in client.accountValues():
        try:
            found[one.tag, one.currency] = float(one.value)
        except ValueError:
            continue
    client.client.reqAccountUpdates(False, "")  # type: ignore[no-untyped-call]
    return found


async def held(client: ib_async.IB) -> dict[str, Any]:
    found = await client.reqPositionsAsync()
    return {one.contract.localSymbol: (one.position, one.avgCost) for one in found if one.position}


def filled(trade: ib_async.Trade) -> list[Any]:
    return list(fills(trade))


def test_a_future_is_traded_margined_and_booked(laboratory: Any) -> None:
    async def scenario() -> None:
        _, client = await start(laboratory)
        future = await resolve(client, Future(localSymbol="ESM4", exchange="CME"))
        bid, ask = await touch(client, future)
        preview = await client.whatIfOrderAsync(future, LimitOrder("BUY", 3, ask))
        assert float(preview.initMarginChange) == pytest.approx(3 * 1.1 * 22_000)  # the listing's figure
        assert float(preview.maintMarginChange) == pytest.approx(3 * 22_000)
        assert preview.commission == pytest.approx(3 * 0.85)
        assert float(preview.equityWithLoanChange) == pytest.approx(-3 * 0.85)  # nothing is paid for it
        bought = client.placeOrder(future, LimitOrder("BUY", 3, ask))
        resting = client.placeOrder(future, LimitOrder("BUY", 1, bid - 50))
        off = client.placeOrder(future, LimitOrder("BUY", 1, bid + 0.1))
        await settle(client)
        assert filled(bought) == [("FUT", "BOT", 3, ask, pytest.approx(2.55))]
        assert bought.fills[0].execution.exchange == "CME"
        assert (status(resting)[0], status(off)[0]) == ("Submitted", "Cancelled")
        assert laboratory.codes() == [110]
        assert await held(client) == {"ESM4": (3, pytest.approx(50 * ask))}
        middle = (bid + ask) / 2
        open_profit = 3 * 50 * (middle - ask)
        now = await values(client)
        assert now["CashBalance", "USD"] == pytest.approx(1e6 - 2.55)
        assert now["FuturesPNL", "USD"] == pytest.approx(open_profit)
        assert now["TotalCashValue", "USD"] == pytest.approx(1e6 - 2.55 + open_profit)
        assert now["NetLiquidation", "USD"] == pytest.approx(1e6 - 2.55 + open_profit)
        assert now["InitMarginReq", "USD"] == pytest.approx(72_600)
        assert now["RegTMargin", "USD"] == 0
        (item,) = client.portfolio()
        assert (item.marketValue, item.averageCost) == pytest.approx((3 * 50 * middle, 50 * ask))
        assert item.unrealizedPNL == pytest.approx(open_profit)

        await client.reqCurrentTimeAsync()
        sold = client.placeOrder(future, MarketOrder("SELL", 3))
        await settle(client)
        while not sold.isDone():
            await client.reqCurrentTimeAsync()
        gained = 50 * sum((one.execution.price - ask) * one.execution.shares for one in sold.fills)
        realized = sum(one.commissionReport.realizedPNL for one in sold.fills)
        assert realized == pytest.approx(gained - 2.55)
        after = await values(client)
        assert after["CashBalance", "USD"] == pytest.approx(1e6 - 5.10 + gained)
        assert (after["FuturesPNL", "USD"], after["InitMarginReq", "USD"]) == (0, 0)

    laboratory.run(scenario())


def test_a_micro_future_a_calendar_spread_and_refusals(laboratory: Any) -> None:
    async def scenario() -> None:
        _, client = await start(laboratory)
        micro = await resolve(client, Future(localSymbol="MESM4", exchange="CME"))
        trade = client.placeOrder(micro, MarketOrder("SELL", 2))
        near, far = [
            await resolve(client, Future(localSymbol=name, exchange="CME")) for name in ("ESM4", "ESU4")
        ]
        legs = [
            ib_async.ComboLeg(near.conId, 1, "SELL", "CME"),
            ib_async.ComboLeg(far.conId, 1, "BUY", "CME"),
        ]
        calendar = Contract(secType="BAG", symbol="ES", currency="USD", exchange="CME", comboLegs=legs)
        rolled = client.placeOrder(calendar, MarketOrder("BUY", 2))
        await settle(client)
        assert trade.fills[0].commissionReport.commission == pytest.approx(2 * 0.25)
        assert [fill[:3] for fill in filled(rolled)] == [
            ("BAG", "BOT", 2),
            ("FUT", "SLD", 2),
            ("FUT", "BOT", 2),
        ]
        assert sum(fill[4] for fill in filled(rolled)) == pytest.approx(4 * 0.85)
        assert {name: one[0] for name, one in (await held(client)).items()} == {
            "MESM4": -2,
            "ESM4": -2,
            "ESU4": 2,
        }
        # without a guarantee only by SMART, by SMART only without one; no SMART for a single future
        smart = Contract(secType="BAG", symbol="ES", currency="USD", exchange="SMART", comboLegs=legs)
        client.placeOrder(smart, MarketOrder("BUY", 1))
        apart = MarketOrder("BUY", 1, smartComboRoutingParams=[ib_async.TagValue("NonGuaranteed", "1")])
        client.placeOrder(calendar, apart)
        client.placeOrder(Contract(conId=near.conId, exchange="SMART"), MarketOrder("BUY", 1))
        await settle(client)
        assert laboratory.codes() == [10043, 10043, 200]
        # beyond what the account can margin: 24,200 each
        many = client.placeOrder(near, MarketOrder("BUY", 60))
        await settle(client)
        assert (status(many)[0], laboratory.codes()[-1]) == ("Inactive", 201)

    laboratory.run(scenario())


def test_options_on_a_future(laboratory: Any) -> None:
    async def scenario() -> None:
        _, client = await start(laboratory)
        future = await resolve(client, Future(localSymbol="ESM4", exchange="CME"))
        (chain,) = await client.reqSecDefOptParamsAsync("ES", "CME", "FUT", future.conId)
        _, level = await touch(client, future)
        strikes = sorted(chain.strikes, key=lambda strike: abs(strike - level))
        call = await resolve(
            client, FuturesOption("ES", chain.expirations[0], max(strikes[:2]), "C", "CME", tradingClass="ES")
        )
        bid, ask = await touch(client, call)
        middle = (bid + ask) / 2
        preview = await client.whatIfOrderAsync(call, LimitOrder("SELL", 1, bid))
        future_bid, future_ask = await touch(client, future)
        outside = max(0.0, call.strike - (future_bid + future_ask) / 2) * 50
        expected = middle * 50 + max(1.1 * 22_000 - outside, 0.5 * 1.1 * 22_000)
        assert float(preview.initMarginChange) == pytest.approx(expected)
        bought = client.placeOrder(call, LimitOrder("BUY", 2, ask))
        await settle(client)
        assert filled(bought) == [("FOP", "BOT", 2, ask, pytest.approx(1.7))]
        now = await values(client)
        assert now["CashBalance", "USD"] == pytest.approx(1e6 - 1.7 - 2 * 50 * ask)
        assert now["FutureOptionValue", "USD"] == pytest.approx(2 * 50 * middle)
        assert now["NetLiquidation", "USD"] == pytest.approx(1e6 - 1.7 - 2 * 50 * (ask - middle))
        # A short call is covered by a long future; the future's own margin stays.
        client.placeOrder(call, MarketOrder("SELL", 3))
        client.placeOrder(future, MarketOrder("BUY", 1))
        await settle(client)
        assert (await values(client))["InitMarginReq", "USD"] == pytest.approx(1.1 * 22_000)

    laboratory.run(scenario())


def test_currencies_are_exchanged(laboratory: Any) -> None:
    async def scenario() -> None:
        _, client = await start(laboratory)
        euro = await resolve(client, Forex("EURUSD"))
        bid, ask = await touch(client, euro)
        middle = (bid + ask) / 2
        bought = client.placeOrder(euro, LimitOrder("BUY", 200_000, ask))
        small = client.placeOrder(euro, LimitOrder("SELL", 1_000, round(ask + 0.01, 4)))
        await settle(client)
        fee = 0.2e-4 * 200_000 * ask
        assert [fill[:3] for fill in filled(bought)] == [("CASH", "BOT", 200_000)]
        assert bought.fills[0].execution.exchange == "IDEALPRO"
        assert bought.fills[0].commissionReport.commission == pytest.approx(max(2, fee))
        assert status(small)[0] == "Submitted"
        assert [(code, "odd lot" in text) for _, code, text in laboratory.errors if code == 399] == [
            (399, True)
        ]
        now = await values(client)
        assert now["CashBalance", "EUR"] == 200_000
        assert now["ExchangeRate", "EUR"] == pytest.approx(middle)
        assert now["CashBalance", "USD"] == pytest.approx(1e6 - 200_000 * ask - max(2, fee))
        assert now["CashBalance", "BASE"] == pytest.approx(1e6 - 200_000 * (ask - middle) - max(2, fee))
        assert now["NetLiquidation", "USD"] == now["TotalCashValue", "USD"] == now["CashBalance", "BASE"]
        assert now["InitMarginReq", "USD"] == pytest.approx(0.03 * 200_000 * middle)
        assert now["GrossPositionValue", "USD"] == 0
        ledger = {
            (one.tag, one.currency): one.value
            for one in await client.accountSummaryAsync()
            if one.tag == "TotalCashBalance"
        }
        assert float(ledger["TotalCashBalance", "EUR"]) == 200_000
        assert await held(client) == {"EUR.USD": (200_000, pytest.approx(ask))}

        client.cancelOrder(small.order)
        client.placeOrder(euro, MarketOrder("SELL", 200_000))
        await settle(client)
        after = await values(client)
        assert after["CashBalance", "EUR"] == 0
        sold = client.fills()[-1]
        assert after["CashBalance", "USD"] == pytest.approx(
            1e6 + 200_000 * (sold.execution.price - ask) - max(2, fee) - sold.commissionReport.commission
        )
        assert sold.commissionReport.realizedPNL == pytest.approx(
            200_000 * (sold.execution.price - ask) - sold.commissionReport.commission
        )

    laboratory.run(scenario())


def test_stops_on_a_future_and_on_a_currency_are_released(laboratory: Any) -> None:
    async def scenario() -> None:
        _, client = await start(laboratory, minutes=60)
        future = await resolve(client, Future(localSymbol="NQM4", exchange="CME"))
        euro = await resolve(client, Forex("EURUSD"))
        levels = [await touch(client, one) for one in (future, euro)]
        trades = []
        for contract, (bid, _), tick in ((future, levels[0], 0.25), (euro, levels[1], 0.0001)):
            for action, stop in (("BUY", bid + 8 * tick), ("SELL", bid - 8 * tick)):
                trades.append(
                    client.placeOrder(contract, StopOrder(action, 20_000 if tick < 0.1 else 1, stop))
                )
        await settle(client)
        assert {status(one)[0] for one in trades} == {"PreSubmitted"}
        for _ in range(60):
            await client.reqCurrentTimeAsync()
        by_symbol = {one.contract.symbol for one in trades if status(one)[0] == "Filled"}
        assert by_symbol == {"NQ", "EUR"}

    laboratory.run(scenario())


def listed(
    con_id: int, kind: str, strike: int = 0, right: str = "", lives_on: bool = False
) -> types.Contract:
    """A future (of the index 1, 50 a point) or an option on what the tape is about."""
    return types.Contract(
        con_id=con_id,
        symbol="FX1",
        security_type=kind,  # type: ignore[arg-type]
        exchange="SMART",
        multiplier=50,
        right=right,  # type: ignore[arg-type]
        strike=strike * 10_000,
        expiry_date="20140620",
        expiry_ns=new_york_ns(2014, 6, 20, 9, 33) if not lives_on else new_york_ns(2014, 9, 19, 9, 30),
        tick_grid=GRID,
    )


def quoted(mark: float, wide: int = 2_500) -> tuple[int, int, int, int]:
    price = round(mark * 10_000)
    return price - wide, 50, price + wide, 50


def test_a_future_and_options_of_the_same_day_settle_in_cash(laboratory: Any) -> None:
    async def scenario() -> None:
        tape = laboratory.tape(
            session_open_ns=new_york_ns(2014, 6, 20, 9, 30),
            session_close_ns=new_york_ns(2014, 6, 20, 9, 33),
            underlying=types.Contract(1, "FX1", "IND"),
            contracts=(listed(21, "FUT"),),
        )
        tape.minutes[:] = [{1: quoted(1_950, 0), 21: quoted(1_951)}, {1: quoted(1_960, 0)}]
        exchange = await laboratory.start(tape, initial_cash=CASH)
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        future = Contract(conId=21, secType="FUT", exchange="SMART")
        client.placeOrder(future, MarketOrder("SELL", 2))
        resting = client.placeOrder(future, LimitOrder("BUY", 1, 1_900, tif="GTC"))
        await settle(client)
        await client.reqCurrentTimeAsync()
        await client.reqCurrentTimeAsync()  # past the last step: the expiry
        settled = client.fills()[-1]
        assert (settled.execution.side, settled.execution.shares, settled.execution.price) == (
            "BOT",
            2,
            1_960,
        )
        assert (settled.execution.orderId, status(resting)[0]) == (-1, "Cancelled")
        gained = 2 * 50 * (1_950.75 - 1_960)
        assert settled.commissionReport.realizedPNL == pytest.approx(gained)
        assert await held(client) == {}
        now = await values(client)
        assert now["CashBalance", "USD"] == pytest.approx(1e6 + gained - 1.7)

    laboratory.run(scenario())


def test_an_option_is_exercised_into_a_future_that_lives_on(laboratory: Any) -> None:
    async def scenario() -> None:
        tape = laboratory.tape(
            session_open_ns=new_york_ns(2014, 6, 20, 9, 30),
            session_close_ns=new_york_ns(2014, 6, 20, 9, 33),
            underlying=listed(1, "FUT", lives_on=True),
            contracts=(listed(31, "FOP", 1_940, "C"), listed(32, "FOP", 1_940, "P")),
        )
        tape.minutes[:] = [{1: quoted(1_950), 31: quoted(10), 32: quoted(1)}, {1: quoted(1_955)}]
        exchange = await laboratory.start(tape, initial_cash=CASH)
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        for con_id, quantity in ((31, 2), (32, 1)):
            option = Contract(conId=con_id, secType="FOP", exchange="SMART")
            client.placeOrder(option, MarketOrder("BUY", quantity))
        await settle(client)
        cash = (await values(client))["CashBalance", "USD"]
        await client.reqCurrentTimeAsync()
        await client.reqCurrentTimeAsync()
        told = {
            (one.contract.conId, one.execution.side, one.execution.shares, one.execution.price)
            for one in client.fills()
            if one.execution.orderId == -1
        }
        assert told == {(31, "SLD", 2, 0), (1, "BOT", 2, 1_940), (32, "SLD", 1, 0)}
        now = await values(client)
        assert now["CashBalance", "USD"] == cash  # a future costs nothing
        assert now["FuturesPNL", "USD"] == pytest.approx(2 * 50 * 15)

    laboratory.run(scenario())
