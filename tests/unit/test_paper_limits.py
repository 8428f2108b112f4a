"""The limits of one connection, each against its rule in IB's documentation."""

from __future__ import annotations

import random

import pytest

from optionsib.brokers.paper.limits import HistoryPacing, Limits, MessageRate, RequestLimits, Verdict


def test_fifty_messages_a_second_pass_and_the_fiftyfirst_is_refused() -> None:
    rate = MessageRate(Limits())
    verdicts = [rate.take(0.01 * k) for k in range(51)]
    assert verdicts.count(Verdict.WARN) == 1
    assert verdicts.index(Verdict.WARN) == 43  # the 44th message
    assert verdicts[-1] is Verdict.REFUSE
    assert rate.take(1.005) is not Verdict.REFUSE  # the first one is more than a second old


def test_an_exchange_that_plays_faster_counts_its_own_seconds() -> None:
    faster = Limits().at_speed(60.0)
    assert (faster.messages_per_second, faster.notice_at, faster.strikes) == (3_000, 2_640, 3)
    assert Limits().at_speed(0.5) == Limits().at_speed(1.0) == Limits()
    assert Limits.off().at_speed(60.0) == Limits.off()


def test_the_third_second_above_the_limit_disconnects() -> None:
    rate = MessageRate(Limits())
    seen = [[rate.take(2.0 * second + 0.001 * k) for k in range(60)] for second in range(3)]
    assert seen[0].count(Verdict.REFUSE) == 10
    assert Verdict.DISCONNECT not in seen[0] + seen[1]
    assert seen[2][50] is Verdict.DISCONNECT


def test_no_window_of_one_second_ever_takes_more_than_the_limit() -> None:
    generator = random.Random(50)
    rate, now, taken = MessageRate(Limits(strikes=10**9)), 0.0, []
    for _ in range(5_000):
        now += generator.expovariate(80.0)
        if rate.take(now) in (Verdict.TAKE, Verdict.WARN):
            taken.append(now)
    assert all(later - earlier >= 1.0 for earlier, later in zip(taken, taken[50:], strict=False))
    assert len(taken) > 0.9 * 50 * now  # and the limit is used


def test_a_paced_connection_waits_as_long_as_it_must() -> None:
    rate = MessageRate(Limits(messages_per_second=2))
    rate.take(0.0)
    rate.take(0.4)
    assert rate.delay(0.5) == pytest.approx(0.5)
    assert rate.delay(1.2) == 0.0
    assert MessageRate(Limits.off()).delay(0.0) == 0.0


def history(
    request: int = 1, *, con_id: int = 11, bar: str = "5 secs", what: str = "TRADES", end: str = ""
) -> list[str]:
    contract = [str(con_id), *[""] * 11]
    return ["20", str(request), *contract, "0", end, bar, "3600 S", "1", what, "1", "0", ""]


def test_identical_requests_within_fifteen_seconds() -> None:
    pacing = HistoryPacing()
    assert pacing.refusal(history(1), 0.0) is None
    assert "identical" in str(pacing.refusal(history(2), 14.9))
    assert pacing.refusal(history(3), 15.1) is None


def test_six_requests_for_one_series_in_two_seconds() -> None:
    pacing = HistoryPacing()
    answers = [pacing.refusal(history(k, end=f"2014060{k}"), 0.1 * k) for k in range(1, 7)]
    assert answers[:5] == [None] * 5
    assert "2 seconds" in str(answers[5])
    assert pacing.refusal(history(7, con_id=12), 0.7) is None  # another contract


def test_sixty_requests_in_ten_minutes_and_bid_ask_counts_twice() -> None:
    pacing = HistoryPacing()
    for k in range(30):
        assert pacing.refusal(history(k, con_id=k, what="BID_ASK"), 3.0 * k) is None
    assert "10 minutes" in str(pacing.refusal(history(99, con_id=99), 100.0))
    assert pacing.refusal(history(99, con_id=99), 601.0) is None


def test_large_bars_are_not_paced() -> None:
    pacing = HistoryPacing()
    assert [pacing.refusal(history(bar="1 day"), 0.0) for _ in range(100)] == [None] * 100


def test_depth_and_tick_subscriptions() -> None:
    limits = RequestLimits(Limits(), HistoryPacing())
    for request in range(3):
        assert limits.refusal(["10", "5", str(request)], 0.0) is None
        assert limits.refusal(["97", str(request + 10)], 0.0) is None
    assert limits.refusal(["10", "5", "3"], 0.0) == (
        3,
        309,
        "Max number (3) of market depth requests has been reached",
    )
    refused = limits.refusal(["97", "13"], 0.0)
    assert refused is not None
    assert refused[:2] == (13, 10190)
    limits.refusal(["11", "1", "0", "0"], 0.0)
    limits.failed(10)
    assert limits.refusal(["10", "5", "3"], 0.0) is None
    assert limits.refusal(["97", "13"], 0.0) is None


@pytest.mark.parametrize("message", [["20"], ["10"], ["97"], [""], ["10", "5", "x" * 50], ["20", "é"]])
def test_mutilated_requests_are_no_reason_to_fail(message: list[str]) -> None:
    RequestLimits(Limits(), HistoryPacing()).refusal(message, 0.0)
