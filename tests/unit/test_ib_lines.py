"""The market-data-line budget is spent in the order of the wishes and never overdrawn."""

from __future__ import annotations

import pytest

from optionsib.brokers.ib.lines import MarketDataLines


def opened(budget: int, wishes: list[int]) -> MarketDataLines:
    lines = MarketDataLines(budget)
    lines.want(wishes)
    for con_id in lines.due():
        lines.opened(con_id, 1000 + con_id)
    return lines


def test_the_first_wishes_get_the_lines() -> None:
    lines = opened(2, [30, 10, 20])
    assert lines.watched == (30, 10)
    assert lines.unsubscribed == (20,)
    assert lines.due() == []


def test_a_line_that_nobody_needs_streams_on_until_another_contract_needs_it() -> None:
    lines = opened(2, [30, 10, 20])
    lines.want([30])
    lines.release([30])
    assert lines.evict() == []
    lines.release([30])
    assert lines.evict() == [(30, 1030)]
    assert lines.due() == [20]
    assert lines.contract_of(1030) is None


def test_the_least_recently_used_idle_line_goes_first() -> None:
    lines = opened(3, [1, 2, 3])
    lines.release([2])
    lines.release([1])
    lines.release([3])
    lines.want([2])  # taken up again: no request
    assert (lines.evict(), lines.due(), lines.watched) == ([], [], (2,))
    lines.want([4])
    assert lines.evict() == [(1, 1001)]
    lines.opened(4, 1004)
    lines.want([5, 6])
    assert lines.evict() == [(3, 1003)]  # the other two are needed
    assert lines.due() == [5]
    assert lines.used == 2


def test_a_silent_line_is_opened_again_under_another_id() -> None:
    lines = opened(2, [30, 10])
    assert lines.reopen([30, 99]) == [1030]
    assert lines.due() == [30]
    lines.opened(30, 2030)
    assert (lines.contract_of(1030), lines.contract_of(2030)) == (None, 30)


def test_releasing_a_stranger_changes_nothing() -> None:
    lines = opened(2, [30, 10])
    with pytest.raises(KeyError, match="99"):
        lines.release([30, 99])
    assert lines.watched == (30, 10)


def test_a_refused_contract_is_not_asked_for_again_in_this_session() -> None:
    lines = opened(2, [30, 10, 20])
    assert lines.refuse(1030) == 30
    assert lines.due() == [20]
    assert lines.unsubscribed == (30, 20)
    lines.forget_requests()
    assert lines.due() == [30, 10]


def test_a_smaller_budget_than_configured_is_learnt() -> None:
    lines = opened(3, [1, 2, 3])
    lines.refuse(1003)
    lines.lower_budget()
    assert lines.budget == 2
    assert lines.due() == []


def test_a_budget_of_none_is_named() -> None:
    with pytest.raises(ValueError, match="budget is 0"):
        MarketDataLines(0)
