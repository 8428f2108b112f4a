"""The paper exchange seen by ib_async over real sockets: connection, contracts, quotes, time."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
from collections.abc import Iterator
from typing import Any

import ib_async
import pytest

from optionsib.brokers.paper import PaperExchange
from optionsib.common.config import FeesConfig
from optionsib.common.errors import BrokerError, DataError
from optionsib.common.ports import TapeStep
from optionsib.pricing import greeks, implied_volatility

UTC = dt.UTC


def contract(con_id: int) -> ib_async.Contract:
    return ib_async.Contract(conId=con_id, exchange="SMART")


def test_connects_and_reports_account_time_and_next_id(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(), account="DU7654321", pace="real")
        client = await laboratory.connect(exchange)
        assert client.client.serverVersion() == 178
        assert client.managedAccounts() == ["DU7654321"]
        assert client.client.getReqId() >= 1
        assert await client.reqCurrentTimeAsync() == dt.datetime(2014, 6, 6, 13, 30, tzinfo=UTC)
        assert {2104, 2106} <= {code for _, code, _ in laboratory.errors}

    laboratory.run(scenario())


@pytest.mark.parametrize("version", [157, 159, 163, 164, 166, 169, 170, 176, 177, 178])
def test_every_server_version_decodes(laboratory: Any, version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ib_async.client.Client, "MaxClientVersion", version)

    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        assert client.client.serverVersion() == version
        details = await client.reqContractDetailsAsync(ib_async.Option("TWX", "20140620", 68, "C"))
        assert details[0].realExpirationDate == "20140620"
        ticker = client.reqMktData(contract(11))
        await client.reqCurrentTimeAsync()
        assert ticker.ask == 2.02
        trade = client.placeOrder(contract(11), ib_async.LimitOrder("BUY", 12, 2.02))
        await client.reqCurrentTimeAsync()
        assert trade.orderStatus.filled == 10
        assert [o.order.orderId for o in await client.reqCompletedOrdersAsync(False)] != []
        assert trade.orderStatus.status == "Cancelled"  # the day is over
        assert len(await client.reqExecutionsAsync()) == 1

    laboratory.run(scenario())


def test_the_highest_version_is_178_and_158_is_never_answered(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        answers = {}
        for versions in ("v157..178", "v100..225", "v157..158", "v100..160 +PACEAPI", "v100..157"):
            client = await laboratory.raw(exchange, None, versions=versions)
            answers[versions] = (await client.message())[0]
        assert list(answers.values()) == ["178", "178", "157", "160", "157"]
        for versions in ("v179..200", "v100..156", "v158..158"):
            client = await laboratory.raw(exchange, None, versions=versions)
            assert await client.rest() == []

    laboratory.run(scenario())


def test_contract_details(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        (under,) = await client.reqContractDetailsAsync(ib_async.Stock("TWX", "SMART", "USD"))
        assert (under.contract.conId, under.contract.secType, under.minTick) == (1, "STK", 0.01)
        assert under.longName == "TWX (simulated)"
        (call,) = await client.reqContractDetailsAsync(ib_async.Option("TWX", "20140620", 68, "C", "SMART"))
        assert (call.contract.conId, call.contract.strike, call.contract.multiplier) == (11, 68.0, "100")
        assert call.contract.localSymbol == "TWX   140620C00068000"
        assert (call.contract.lastTradeDateOrContractMonth, call.lastTradeTime) == ("20140620", "16:00:00")
        assert call.timeZoneId == "America/New_York"
        assert call.tradingHours == call.liquidHours == "20140606:0930-20140606:1600"
        assert (call.underConId, call.contractMonth) == (1, "201406")
        rule = await client.reqMarketRuleAsync(int(call.marketRuleIds))
        assert [(band.lowEdge, band.increment) for band in rule] == [(0.0, 0.01), (3.0, 0.05)]

        expiry = await client.reqContractDetailsAsync(ib_async.Option("TWX", "20140620"))
        assert [one.contract.conId for one in expiry] == [11, 12, 13, 14]
        month = await client.reqContractDetailsAsync(ib_async.Option("TWX", "201407"))
        assert [one.contract.conId for one in month] == [15]
        calls = await client.reqContractDetailsAsync(ib_async.Option("TWX", right="CALL", strike=70))
        assert [one.contract.conId for one in calls] == [13, 15]
        by_id = await client.reqContractDetailsAsync(ib_async.Contract(conId=14))
        assert by_id[0].contract.right == "P"
        assert laboratory.codes() == []

        for unknown in (
            ib_async.Option("TWX", "20140620", 69, "C"),
            ib_async.Stock("IBM", "SMART", "USD"),
            ib_async.Contract(conId=999),
            ib_async.Option("TWX", "20140620", 68, "X"),
            ib_async.Option("TWX", "20140620", exchange="LSE"),
        ):
            assert await client.reqContractDetailsAsync(unknown) == []
        assert laboratory.codes() == [200] * 5

    laboratory.run(scenario())


def test_chain_parameters(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.connect(exchange)
        (chain,) = await client.reqSecDefOptParamsAsync("TWX", "", "STK", 1)
        assert (chain.exchange, chain.tradingClass, chain.multiplier) == ("SMART", "TWX", "100")
        assert chain.expirations == ["20140620", "20140718"]
        assert chain.strikes == [68.0, 70.0]
        assert await client.reqSecDefOptParamsAsync("IBM", "", "STK", 1) == []
        assert laboratory.codes() == [200]

    laboratory.run(scenario())


def test_recorded_tape_is_not_called_simulated(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(simulated=False))
        client = await laboratory.connect(exchange)
        (under,) = await client.reqContractDetailsAsync(ib_async.Stock("TWX", "SMART", "USD"))
        assert under.longName == "TWX"

    laboratory.run(scenario())


def test_quotes_carry_volatility_and_greeks_of_our_core(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(), rate=0.002)
        client = await laboratory.connect(exchange)
        ticker, one_sided = client.reqMktData(contract(12)), client.reqMktData(contract(15))
        stock = client.reqMktData(contract(1))
        assert await client.reqCurrentTimeAsync() == dt.datetime(2014, 6, 6, 13, 31, tzinfo=UTC)
        assert (ticker.bid, ticker.bidSize, ticker.ask, ticker.askSize) == (0.98, 10, 1.02, 10)
        assert (stock.bid, stock.ask, stock.modelGreeks) == (68.99, 69.01, None)
        assert ticker.lastTimestamp == dt.datetime(2014, 6, 6, 13, 31, tzinfo=UTC)
        years = (14 * 86_400 + (6 * 60 + 29) * 60) / (365 * 86_400)
        for price, got in ((0.98, ticker.bidGreeks), (1.02, ticker.askGreeks), (1.00, ticker.modelGreeks)):
            volatility = implied_volatility(price, "put", 69.0, 68.0, years, 0.002).volatility
            expected = greeks("put", 69.0, 68.0, years, 0.002, volatility)
            assert got.impliedVol == pytest.approx(volatility, abs=1e-9)
            assert got.optPrice == price
            assert got.undPrice == 69.0
            assert got.delta == pytest.approx(expected.delta, abs=1e-9)
            assert got.gamma == pytest.approx(expected.gamma, abs=1e-9)
            assert got.vega == pytest.approx(expected.vega / 100, abs=1e-9)
            assert got.theta == pytest.approx(expected.theta / 365, abs=1e-9)
        # ib_async shows a missing side as price -1, size 0, and the sentinels -1 and -2 as None
        # (but for vega and theta, which it passes through).
        assert (one_sided.bid, one_sided.bidSize, one_sided.ask) == (-1, 0, 1.5)
        assert one_sided.bidGreeks.impliedVol is None
        assert (one_sided.bidGreeks.delta, one_sided.bidGreeks.vega) == (None, -2)
        assert one_sided.askGreeks.impliedVol > 0

    laboratory.run(scenario())


def test_a_step_sends_only_what_changed_by_contract_id(laboratory: Any) -> None:
    async def scenario() -> None:
        second = {13: (8_000, 7, 8_400, 10), 11: (19_800, 10, 20_100, 10), 12: (9_800, 10, 10_200, 10)}
        exchange = await laboratory.start(laboratory.tape(second))
        client = await laboratory.raw(exchange)
        for request, con_id in ((5, 13), (6, 11), (7, 12), (8, 14)):
            client.send(1, 11, request, con_id, *[""] * 7, "SMART", *[""] * 3, 0, "", 0, 0, "")
        client.send(49, 1)
        await client.until(49)
        client.send(49, 1)
        step = await client.until(49)
        quotes = [message for message in step if message[0] in ("1", "2", "46")]
        stamp = str((exchange.now_ns) // 10**9)
        assert quotes == [
            ["1", "6", "6", "2", "2.01", "10", "0"],
            ["46", "6", "6", "45", stamp],
            ["46", "6", "7", "45", stamp],
            ["2", "6", "5", "0", "7"],
            ["46", "6", "5", "45", stamp],
        ]
        assert step[-1] == ["49", "1", stamp]
        assert all("" not in message for message in step if message[0] == "21")
        assert not [message for message in step if message[1] == "8"]

    laboratory.run(scenario())


def test_subscribing_in_mid_session_shows_the_standing_quote_at_once(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        owner = await laboratory.connect(exchange)
        before = owner.reqMktData(contract(13))
        await owner.reqAllOpenOrdersAsync()
        assert before.ask != before.ask  # nothing was quoted before the first step
        await owner.reqCurrentTimeAsync()
        late = owner.reqMktData(contract(14))
        await owner.reqAllOpenOrdersAsync()
        assert (late.bid, late.ask) == (1.8, 1.84)
        assert late.modelGreeks.delta < 0

    laboratory.run(scenario())


def test_snapshot_ends_and_takes_no_line(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(), market_data_lines=1)
        client = await laboratory.connect(exchange)
        await client.reqCurrentTimeAsync()
        client.reqMktData(contract(11))
        tickers = await client.reqTickersAsync(contract(12), contract(13))
        assert [ticker.ask for ticker in tickers] == [1.02, 0.84]
        assert laboratory.codes() == []

    laboratory.run(scenario())


def test_market_data_line_limit_and_cancel(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape(), market_data_lines=2)
        client = await laboratory.connect(exchange)
        for con_id in (11, 12, 13):
            client.reqMktData(contract(con_id))
        await client.reqAllOpenOrdersAsync()
        assert laboratory.codes() == [101]
        client.cancelMktData(contract(11))
        ticker = client.reqMktData(contract(14))
        await client.reqCurrentTimeAsync()
        assert ticker.bid == 1.8
        client.client.cancelMktData(4711)
        await client.reqAllOpenOrdersAsync()
        assert laboratory.codes() == [101, 300]

    laboratory.run(scenario())


def test_duplicate_ticker_id(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        client = await laboratory.raw(exchange)
        for _ in range(2):
            client.send(1, 11, 5, 13, *[""] * 7, "SMART", *[""] * 3, 0, "", 0, 0, "")
        client.send(16, 1)
        errors = [message for message in await client.until(53) if message[0] == "4"]
        assert [(message[2], message[3]) for message in errors if message[2] != "-1"] == [("5", "322")]

    laboratory.run(scenario())


def test_time_stands_still_until_the_owner_has_finished_its_step(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape({11: (20_000, 5, 20_400, 5)}), owner_client_id=7)
        owner, visitor = await laboratory.connect(exchange, 7), await laboratory.connect(exchange, 8)
        seen = visitor.reqMktData(contract(11))
        opening = dt.datetime(2014, 6, 6, 13, 30, tzinfo=UTC)
        for _ in range(3):
            assert await visitor.reqCurrentTimeAsync() == opening
        assert await owner.reqCurrentTimeAsync() == opening + dt.timedelta(minutes=1)
        assert await visitor.reqCurrentTimeAsync() == opening + dt.timedelta(minutes=1)
        assert seen.ask == 2.02
        owner.disconnect()
        await asyncio.sleep(0.05)
        assert await visitor.reqCurrentTimeAsync() == opening + dt.timedelta(minutes=1)
        again = await laboratory.connect(exchange, 7)
        assert await again.reqCurrentTimeAsync() == opening + dt.timedelta(minutes=2)
        closing = dt.datetime(2014, 6, 6, 20, 0, tzinfo=UTC)
        assert [await again.reqCurrentTimeAsync() for _ in range(3)] == [closing] * 3

    laboratory.run(scenario())


def test_real_pace_follows_the_wall_clock_and_only_reports_time(laboratory: Any) -> None:
    async def scenario() -> None:
        tape = laboratory.tape({11: (20_000, 5, 20_400, 5)})
        exchange = await laboratory.start(tape, pace="real", speed=600.0)  # a minute in 0.1 s
        await asyncio.sleep(0.15)
        assert exchange.now_ns == tape.session_open_ns  # nobody is there yet
        client = await laboratory.connect(exchange)
        ticker = client.reqMktData(contract(11))
        first = await client.reqCurrentTimeAsync()
        assert await client.reqCurrentTimeAsync() == first
        while ticker.ask != 2.04:
            await ticker.updateEvent
        assert exchange.now_ns == tape.session_open_ns + 120 * 10**9

    laboratory.run(scenario())


def test_two_runs_send_the_same_bytes(laboratory: Any) -> None:
    async def play() -> list[list[str]]:
        exchange = await laboratory.start(laboratory.tape({11: (20_300, 5, 20_400, 5)}))
        client = await laboratory.raw(exchange)
        client.send(61, 1)
        for con_id in (1, 15, 11):
            client.send(1, 11, 100 + con_id, con_id, *[""] * 7, "SMART", *[""] * 3, 0, "", 0, 0, "")
        for _ in range(4):
            client.send(49, 1)
        messages: list[list[str]] = []
        for _ in range(4):
            messages += await client.until(49)
        return messages

    async def scenario() -> None:
        assert await play() == await play()

    laboratory.run(scenario())


def test_client_id_in_use(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape())
        first = await laboratory.connect(exchange, 3)
        second = await laboratory.raw(exchange, 3)
        refused = await second.rest()
        assert [message[3] for message in refused] == ["326"]
        assert len(await first.reqContractDetailsAsync(ib_async.Option("TWX", "20140620"))) == 4
        first.disconnect()
        await asyncio.sleep(0.05)
        await laboratory.connect(exchange, 3)

    laboratory.run(scenario())


def test_port_in_use_is_named(laboratory: Any) -> None:
    async def scenario() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(BrokerError, match=f"127.0.0.1:{port}"):
                await laboratory.start(laboratory.tape(), port=port)

    laboratory.run(scenario())


def test_a_broken_tape_stops_the_exchange_with_its_error(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(laboratory.tape({999: (1, 1, 2, 2)}))
        client = await laboratory.raw(exchange)
        client.send(49, 1)
        await client.until(49)
        client.send(49, 1)
        await client.rest()
        with pytest.raises(DataError, match="999"):
            await exchange.serve_until_closed()

    laboratory.run(scenario())


class CrashingTape:
    """Breaks with an error of its own in the second minute."""

    def __init__(self, tape: Any) -> None:
        self._tape = tape

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tape, name)

    def steps(self) -> Iterator[TapeStep]:
        yield from self._tape.steps()
        raise KeyError("lost row")


@pytest.mark.parametrize("pace", ["lockstep", "real"])
def test_a_tape_that_crashes_does_not_look_finished(laboratory: Any, pace: str) -> None:
    async def scenario() -> None:
        exchange = await laboratory.start(CrashingTape(laboratory.tape()), pace=pace, speed=6000.0)
        client = await laboratory.raw(exchange)
        client.send(49, 1)
        client.send(49, 1)
        await client.rest()
        with pytest.raises(DataError, match="lost row"):
            await exchange.serve_until_closed()

    laboratory.run(scenario())


def test_bad_settings_are_refused(laboratory: Any) -> None:
    for wrong in ({"speed": 0}, {"pace": "fast"}, {"account": "U123"}):
        with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
            PaperExchange(laboratory.tape(), fees=FeesConfig(), **wrong)
