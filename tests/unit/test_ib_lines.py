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


def test_a_line_ends_with_its_last_reference_and_goes_to_who_waits() -> None:
    lines = opened(2, [30, 10, 20])
    lines.want([30])
    assert lines.release([30]) == []
    assert lines.release([30]) == [1030]
    assert lines.due() == [20]
    assert lines.contract_of(1030) is None


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
