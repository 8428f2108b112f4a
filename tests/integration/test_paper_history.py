"""Bars, ticks and schedules of the paper exchange over real sockets; what was streamed is what is history."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import ib_async
import pytest
from ib_async import Contract, Forex, Future, Index, Option, Stock

from optionsib.data.calendars import session_bounds
from optionsib.data.synthetic.universe import SimulatedUniverse

DATE = dt.date(2014, 6, 6)
UTC = dt.UTC
NEW_YORK = ZoneInfo("America/New_York")


async def start(laboratory: Any, minutes: int = 6, date: dt.date = DATE, **options: Any) -> Any:
    times = {}
    if date != DATE:
        opens, closes = session_bounds(date)
        times = {"session_open_ns": opens, "session_close_ns": closes}
    tape = laboratory.tape(*[{} for _ in range(minutes)], **times)
    return await laboratory.start(tape, market=SimulatedUniverse(7, date, rate=0.02), **options)


async def resolve(client: ib_async.IB, contract: Contract) -> Contract:
    (details,) = await client.reqContractDetailsAsync(contract)
    assert details.contract is not None
    return details.contract


async def bars(client: ib_async.IB, contract: Contract, size: str, span: str = "1 D", **more: Any) -> Any:
    settings = {"whatToShow": "TRADES", "useRTH": True, "endDateTime": "", "formatDate": 2} | more
    return await client.reqHistoricalDataAsync(
        contract, durationStr=span, barSizeSetting=size, keepUpToDate=False, **settings
    )


def prices(bar: Any) -> tuple[float, float, float, float]:
    return bar.open, bar.high, bar.low, bar.close


@pytest.mark.parametrize("version", [157, 164, 178])
@pytest.mark.parametrize("what", ["TRADES", "MIDPOINT", "BID", "ASK"])
def test_real_time_bars_are_the_history_of_later(
    laboratory: Any, version: int, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ib_async.client.Client, "MaxClientVersion", version)

    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        for wanted in (Stock("SPY", "SMART", "USD"), Option("SPY", "20140718", 690, "C", "SMART")):
            contract = await resolve(client, wanted)
            streamed = client.reqRealTimeBars(contract, 5, what, useRTH=True)
            await client.reqCurrentTimeAsync()
            await client.reqCurrentTimeAsync()
            history = await bars(client, contract, "5 secs", "120 S", whatToShow=what)
            assert len(streamed) == len(history) == 24
            for live, later in zip(streamed, history, strict=True):
                assert live.time == later.date
                assert (live.open_, live.high, live.low, live.close) == prices(later)
                if what == "TRADES":
                    assert (live.volume, live.wap) == (later.volume, later.average)
            client.cancelRealTimeBars(streamed)
        assert laboratory.codes() == []

    laboratory.run(scenario())


def test_bars_of_all_sizes_agree_with_each_other(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        contract = await resolve(client, Stock("AAPL", "SMART", "USD"))
        end = "20140605 16:00:00 America/New_York"
        fine = await bars(client, contract, "1 min", endDateTime=end)
        assert len(fine) == 390
        sizes = [f"{count} mins" for count in (2, 3, 5, 10, 15, 20, 30)]
        sizes += ["1 hour", "2 hours", "3 hours", "4 hours", "8 hours", "1 day", "1 week", "1 month"]
        for size in sizes:
            coarse = await bars(client, contract, size, endDateTime=end)
            assert coarse[0].open == fine[0].open, size
            assert coarse[-1].close == fine[-1].close, size
            assert max(bar.high for bar in coarse) == max(bar.high for bar in fine), size
            assert min(bar.low for bar in coarse) == min(bar.low for bar in fine), size
            assert sum(bar.volume for bar in coarse) == sum(bar.volume for bar in fine), size
            for bar in coarse:
                assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
                assert bar.low <= bar.average <= bar.high
        minute = await bars(client, contract, "1 secs", "60 S", endDateTime=end)
        assert (minute[0].open, minute[-1].close) == (fine[-1].open, fine[-1].close)
        assert (max(b.high for b in minute), min(b.low for b in minute)) == (fine[-1].high, fine[-1].low)
        assert sum(b.volume for b in minute) == fine[-1].volume

    laboratory.run(scenario())


def test_daily_bars_name_sessions_and_weeks_join_them(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        contract = await resolve(client, Stock("SPY", "SMART", "USD"))
        end = "20140605 16:00:00 America/New_York"
        daily = await bars(client, contract, "1 day", "3 M", endDateTime=end)
        dates = [bar.date for bar in daily]
        assert dates[-5:] == [dt.date(2014, 5, 30), *(dt.date(2014, 6, day) for day in (2, 3, 4, 5))]
        assert dt.date(2014, 4, 18) not in dates  # Good Friday
        weekly = await bars(client, contract, "1 week", "3 M", endDateTime=end)
        assert weekly[-1].date == dt.date(2014, 6, 2)
        assert weekly[-1].high == max(bar.high for bar in daily[-4:])
        assert weekly[-1].volume == sum(bar.volume for bar in daily[-4:])
        for what in ("HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY"):
            levels = await bars(client, contract, "1 day", "1 M", endDateTime=end, whatToShow=what)
            assert all(0.02 < bar.close < 1.0 for bar in levels)

    laboratory.run(scenario())


def test_a_kept_bar_grows_into_the_bar_of_history(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory, minutes=8))
        contract = await resolve(client, Future("ES", "20140620", "CME"))
        await client.reqCurrentTimeAsync()
        kept = client.reqHistoricalDataAsync(contract, "", "3600 S", "2 mins", "TRADES", False, 2, True)
        live = await kept
        before = len(live)
        for _ in range(6):
            await client.reqCurrentTimeAsync()
        history = await bars(client, contract, "2 mins", "3600 S", useRTH=False)
        assert before < len(live)
        assert [bar.date for bar in live[-3:]] == [bar.date for bar in history[-3:]]
        assert [prices(bar) for bar in live[before:-1]] == [
            prices(bar) for bar in history[-(len(live) - before) : -1]
        ]
        client.cancelHistoricalData(live)
        client.client.cancelHistoricalData(4711)
        await client.reqAllOpenOrdersAsync()
        assert laboratory.codes() == [162, 366]

    laboratory.run(scenario())


def test_nothing_is_shown_of_the_future(laboratory: Any) -> None:
    async def scenario() -> None:
        exchange = await start(laboratory)
        client = await laboratory.connect(exchange)
        contract = await resolve(client, Stock("SPY", "SMART", "USD"))
        await client.reqCurrentTimeAsync()
        got = await bars(client, contract, "1 min", "1 D", endDateTime="20140606 16:00:00 America/New_York")
        assert len(got) == 1
        ticks = await client.reqHistoricalTicksAsync(
            contract, "20140606 09:30:00 America/New_York", "", 1000, "TRADES", True
        )
        assert len(ticks) == 60
        assert ticks[-1].time.timestamp() < exchange.now_ns / 1e9

    laboratory.run(scenario())


def test_the_week_in_which_clocks_change(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory, date=dt.date(2026, 3, 6)))
        (share,) = await client.reqContractDetailsAsync(Stock("SPY", "SMART", "USD"))
        assert share.liquidHours.split(";")[:4] == [
            "20260306:0930-20260306:1600",
            "20260307:CLOSED",
            "20260308:CLOSED",
            "20260309:0930-20260309:1600",
        ]
        (future,) = await client.reqContractDetailsAsync(Future(localSymbol="ESH6", exchange="CME"))
        assert "20260308:1700-20260309:1600" in future.tradingHours
        # ib_async reads the hours with their zone.
        opened = [f"{one.start.astimezone(UTC):%d %H:%M}" for one in share.liquidSessions()]
        assert opened[:2] == ["06 14:30", "09 13:30"]

        later = await laboratory.connect(await start(laboratory, date=dt.date(2026, 3, 11)))
        contract = await resolve(later, Stock("SPY", "SMART", "USD"))
        end = "20260311 09:00:00 America/New_York"
        hours = await bars(later, contract, "1 hour", "3 D", endDateTime=end)
        first = [f"{bar.date.astimezone(UTC):%d %H:%M}" for bar in hours[::7]]
        assert first == ["06 14:30", "09 13:30", "10 13:30"]
        schedule = await later.reqHistoricalScheduleAsync(contract, 3, end)
        assert [one.refDate for one in schedule.sessions] == ["20260306", "20260309", "20260310"]
        assert schedule.sessions[1].startDateTime == "20260309-09:30:00"

    laboratory.run(scenario())


def test_half_day(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory, date=dt.date(2026, 11, 27)))
        (share,) = await client.reqContractDetailsAsync(Stock("SPY", "SMART", "USD"))
        assert share.liquidHours.startswith("20261127:0930-20261127:1300;20261128:CLOSED")
        (future,) = await client.reqContractDetailsAsync(Future(localSymbol="ESZ6", exchange="CME"))
        assert future.tradingHours.startswith("20261126:1700-20261127:1215;")
        series = await client.reqContractDetailsAsync(Option("SPY", "20261127", exchange="SMART"))
        assert {one.lastTradeTime for one in series} == {"13:00:00"}

        later = await laboratory.connect(await start(laboratory, date=dt.date(2026, 11, 30)))
        contract = await resolve(later, Stock("SPY", "SMART", "USD"))
        end = "20261130 09:00:00 America/New_York"
        hours = await bars(later, contract, "1 hour", "2 D", endDateTime=end)
        assert [f"{bar.date.astimezone(NEW_YORK):%d %H:%M}" for bar in hours[-5:]] == [
            "25 15:00",
            "27 09:30",
            "27 10:00",
            "27 11:00",
            "27 12:00",
        ]

    laboratory.run(scenario())


def test_what_ib_refuses(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        spy = await resolve(client, Stock("SPY", "SMART", "USD"))
        index = await resolve(client, Index("SPX", "CBOE", "USD"))
        option = await resolve(client, Option("SPY", "20140718", 690, "C", "SMART"))
        euro = await resolve(client, Forex("EURUSD"))
        tape = Contract(conId=11, exchange="SMART")
        # 321 is a warning to ib_async, which would go on waiting: the requests go out below it.
        for number, (contract, size, span, end, what) in enumerate((
            (spy, "7 mins", "1 D", "", "TRADES"),
            (spy, "1 min", "1 X", "", "TRADES"),
            (spy, "1 min", "90000 S", "", "TRADES"),
            (spy, "1 min", "1 D", "", "GUESS"),
            (spy, "1 min", "1 D", "yesterday", "TRADES"),
            (option, "1 min", "2 M", "", "TRADES"),
            (index, "1 min", "1 D", "", "BID"),
            (option, "1 day", "5 D", "", "TRADES"),
            (euro, "1 min", "1 D", "", "TRADES"),
            (tape, "1 min", "1 D", "", "TRADES"),
            (Contract(conId=2_147_483_000), "1 min", "1 D", "", "TRADES"),
        )):  # fmt: skip
            client.client.reqHistoricalData(900 + number, contract, end, span, size, what, True, 2, False, [])
        client.client.reqHistoricalTicks(950, spy, "", "", 50, "TRADES", True, False, [])
        client.client.reqRealTimeBars(951, spy, 10, "TRADES", True, [])
        client.client.reqHeadTimeStamp(952, spy, "GUESS", True, 2)
        await client.reqAllOpenOrdersAsync()
        assert laboratory.codes() == [321] * 6 + [162] * 4 + [200] + [321] * 3

    laboratory.run(scenario())


def test_bars_of_the_tape_follow_its_quotes(laboratory: Any) -> None:
    async def scenario() -> None:
        tape = laboratory.tape({11: (20_000, 5, 20_400, 5)}, {11: (19_600, 5, 20_000, 5)}, {})
        client = await laboratory.connect(await laboratory.start(tape))
        for _ in range(4):
            await client.reqCurrentTimeAsync()
        contract = Contract(conId=11, exchange="SMART")
        got = await bars(client, contract, "5 mins", whatToShow="MIDPOINT")
        assert [prices(bar) for bar in got] == [(2.0, 2.02, 1.98, 1.98)]
        bids = await bars(client, contract, "1 min", whatToShow="BID")
        assert [bar.open for bar in bids] == [1.98, 2.0, 1.96]

    laboratory.run(scenario())


def test_head_timestamp_histogram_and_ticks(laboratory: Any) -> None:
    async def scenario() -> None:
        client = await laboratory.connect(await start(laboratory))
        spy = await resolve(client, Stock("SPY", "SMART", "USD"))
        head = await client.reqHeadTimeStampAsync(spy, "TRADES", True, 2)
        assert head == dt.datetime(2012, 6, 5, 13, 30, tzinfo=UTC)
        oldest = await bars(client, spy, "1 day", "5 Y")
        assert oldest[0].date == dt.date(2012, 6, 5)
        counts = await client.reqHistogramDataAsync(spy, True, "1 day")
        assert counts == sorted(counts, key=lambda one: one.price)
        await client.reqCurrentTimeAsync()
        end = "20140605 15:59:00 America/New_York"
        for what in ("TRADES", "BID_ASK", "MIDPOINT"):
            ticks = await client.reqHistoricalTicksAsync(spy, "", end, 50, what, True)
            assert 10 < len(ticks) <= 50
            assert [tick.time for tick in ticks] == sorted(tick.time for tick in ticks)
            assert ticks[-1].time < dt.datetime(2014, 6, 5, 19, 59, tzinfo=UTC)
        assert laboratory.codes() == []

    laboratory.run(scenario())
