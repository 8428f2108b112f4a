"""Messages leave no faster than allowed, and orders never stand in a queue behind other requests."""

from __future__ import annotations

import asyncio

import pytest

from optionsib.brokers.ib.pacing import PacedSender, TokenBucket


class FakeTime:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def sent_within(rate: int, seconds: float, every: float) -> list[float]:
    """Send as fast as the bucket lets us; return the times at which messages left."""
    time = FakeTime()
    bucket = TokenBucket(rate, time)
    left: list[float] = []
    while time.now < seconds:
        while bucket.take() == 0.0:
            left.append(time.now)
        time.now += every
    return left


@pytest.mark.parametrize("rate", [1, 2, 9, 45, 50])
def test_no_second_sees_more_than_the_rate(rate: int) -> None:
    left = sent_within(rate, 4.0, 0.001)
    assert max(sum(1 for other in left if at <= other < at + 1.0) for at in left) <= rate


def test_the_rate_is_used() -> None:
    assert len(sent_within(45, 10.0, 0.001)) >= 400


def test_an_order_waits_one_refill_at_most() -> None:
    time = FakeTime()
    bucket = TokenBucket(45, time)
    while (wait := bucket.take()) == 0.0:
        pass
    assert wait <= 0.025 + 1e-9


def test_a_complaint_halves_the_rate_for_a_minute() -> None:
    time = FakeTime()
    bucket = TokenBucket(45, time)
    bucket.slow_down()
    left: list[float] = []
    while time.now < 70.0:
        while bucket.take() == 0.0:
            left.append(time.now)
        time.now += 0.01
    slow = [at for at in left if at < 60.0]
    fast = [at for at in left if at >= 61.0]
    assert left[0] > 0.0  # what was saved is gone
    assert len(slow) == pytest.approx(60 * 20, abs=2)
    assert len(fast) == pytest.approx(9 * 40, abs=6)
    assert not bucket.is_slow


def test_a_rate_below_one_is_named() -> None:
    with pytest.raises(ValueError, match="rate is 0"):
        TokenBucket(0, FakeTime())


def test_orders_and_cancels_overtake_and_each_class_keeps_its_order() -> None:
    async def main() -> list[str]:
        written: list[str] = []
        loop = asyncio.get_running_loop()
        sender = PacedSender(written.append, TokenBucket(90, loop.time))
        for i in range(20):
            sender.send(f"1\0data{i}\0")  # ten leave at once
        for message in ("3\0order\0", "4\0cancel\0", "58\0all\0"):
            sender.send(message)
        assert sender.waiting == 13
        await asyncio.wait_for(sender.orders_sent(), 30.0)
        assert sender.waiting <= 10  # the bucket fills up while the machine stands still
        while sender.waiting:
            await asyncio.sleep(0.01)
        return written

    written = asyncio.run(main())
    assert [m for m in written if m.startswith("1\0")] == [f"1\0data{i}\0" for i in range(20)]
    assert written[10:13] == ["3\0order\0", "4\0cancel\0", "58\0all\0"]


def test_a_lost_connection_empties_the_queue_and_wakes_who_waits() -> None:
    async def main() -> None:
        written: list[str] = []
        sender = PacedSender(written.append, TokenBucket(1, asyncio.get_running_loop().time))
        sender.send("3\0first\0")
        sender.send("3\0second\0")
        waiting = asyncio.ensure_future(sender.orders_sent())
        await asyncio.sleep(0)
        sender.clear()
        await asyncio.wait_for(waiting, 30.0)
        assert (sender.waiting, written) == (0, ["3\0first\0"])

    asyncio.run(main())
