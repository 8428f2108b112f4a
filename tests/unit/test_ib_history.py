"""Historical requests leave no faster than IB's pacing rules allow."""

from __future__ import annotations

import asyncio

import pytest

from optionsib.brokers.ib import history
from optionsib.brokers.ib.history import HistoryPacer, HistoryQueue
from optionsib.brokers.ib.library import BarData
from optionsib.brokers.ib.session import RequestRefusedError


class FakeTime:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def leave(pacer: HistoryPacer, time: FakeTime, requests: list[tuple[str, str, int]]) -> list[float]:
    """Send the requests in turn as soon as each may; return when they left."""
    left = []
    for request, stream, cost in requests:
        while (wait := pacer.wait(request, stream, cost)) > 0.0:
            time.now += wait
        pacer.sent(request, stream, cost)
        left.append(time.now - 100.0)
    return left


def test_the_same_request_waits_fifteen_seconds() -> None:
    time = FakeTime()
    assert leave(HistoryPacer(time), time, [("a", "s", 1), ("a", "s", 1)]) == [0.0, 15.0]


def test_no_two_seconds_see_six_requests_of_one_stream() -> None:
    time = FakeTime()
    left = leave(HistoryPacer(time), time, [(f"r{i}", "s", 1) for i in range(11)])
    assert left == pytest.approx([0.0] * 5 + [2.0] * 5 + [4.0])
    assert (
        leave(HistoryPacer(time), time, [(f"r{i}", f"s{i}", 1) for i in range(11)]) == [time.now - 100] * 11
    )


@pytest.mark.parametrize(("cost", "at_once"), [(1, 60), (2, 30)])
def test_ten_minutes_see_sixty_requests_and_bid_ask_counts_twice(cost: int, at_once: int) -> None:
    time = FakeTime()
    left = leave(HistoryPacer(time), time, [(f"r{i}", f"s{i}", cost) for i in range(at_once + 2)])
    assert left == [0.0] * at_once + [600.0] * 2


def bar() -> BarData:
    return BarData(date="20140606", open=1.0, high=2.0, low=0.5, close=1.5, volume=3, average=1.2, barCount=4)


def test_a_pacing_complaint_is_asked_once_more_and_another_refusal_is_told() -> None:
    async def main() -> None:
        queue = HistoryQueue(asyncio.get_running_loop().time)
        refusals = ["pacing violation"]

        async def ask() -> list[BarData]:
            if refusals:
                raise RequestRefusedError("history", 162, refusals.pop())
            return [bar()]

        history_seconds = history.SAME_REQUEST_SECONDS
        history.SAME_REQUEST_SECONDS = 0.05
        try:
            (one,) = await queue.get("r", "s", 1, ask)
            assert (one.open, one.high, one.low, one.close, one.time) == (1.0, 2.0, 0.5, 1.5, "20140606")
            await asyncio.sleep(0.06)
            refusals.append("no data")
            with pytest.raises(RequestRefusedError, match="no data"):
                await queue.get("r", "s", 1, ask)
        finally:
            history.SAME_REQUEST_SECONDS = history_seconds

    asyncio.run(main())


def test_identical_questions_at_once_are_one_request() -> None:
    async def main() -> None:
        queue = HistoryQueue(asyncio.get_running_loop().time)
        asked = 0

        async def ask() -> list[BarData]:
            nonlocal asked
            asked += 1
            return [bar()]

        first = await queue.get("r", "s", 1, ask)
        rest = await asyncio.gather(*(queue.get("r", "s", 1, ask) for _ in range(5)))
        assert asked == 1
        assert set(rest) == {first}

    asyncio.run(main())
