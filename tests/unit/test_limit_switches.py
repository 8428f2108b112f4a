"""Switches of the limits: in the journal first, and where they were after a restart; messages count too."""

from __future__ import annotations

from pathlib import Path

import pytest

from optionsib.bus.journal import Journal, JournalReader, make_genesis
from optionsib.common.config import LimitsConfig
from optionsib.common.events import (
    AnyEvent,
    OrderCancelRequested,
    OrderModifyRequested,
    OrderSubmitted,
    SwitchSet,
)
from optionsib.risk.limit_changes import LimitChangeError
from optionsib.risk.limits import LimitChecker, State

from .test_limit_changes import checker, desk_on
from .test_limits import CALL_50, CALL_55, CONTRACTS, FEE, GENEROUS, IDS, PUT_50, order, tell, vertical


def new_journal(tmp_path: Path) -> Journal:
    genesis = make_genesis(seed=1, config="", data="", model="", build="", simd_path="")
    return Journal.create(tmp_path / "journal.sqlite", genesis)


def events_in(tmp_path: Path) -> list[AnyEvent]:
    with JournalReader.open_read_only(tmp_path / "journal.sqlite") as reader:
        return [event for _, _, event in reader.events()]


def restarted(tmp_path: Path) -> LimitChecker:
    made = checker()
    events = events_in(tmp_path)
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        desk_on(journal, made).replay(events)
    return made


def verdict_of(made: LimitChecker) -> str:
    return made.check("c", vertical(), 0).check


@pytest.mark.parametrize(
    ("switch", "value", "check"),
    [
        ("state", "reduce_only", "kill_switch"),
        ("state", "cancel_only", "kill_switch"),
        ("account_state", "halted", "account_kill"),
        ("account_enabled", "no", "account_enabled"),
        ("suspend", str(CALL_55), "tradable"),
    ],
)
def test_a_switch_holds_at_once_and_after_a_restart(
    tmp_path: Path, switch: str, value: str, check: str
) -> None:
    made = checker()
    with new_journal(tmp_path) as journal:
        desk = desk_on(journal, made)
        assert verdict_of(made) == ""
        assert desk.set_switch(switch, value, "news", "ann").switch == switch
        assert verdict_of(made) == check
    assert events_in(tmp_path) == [
        SwitchSet(at_ns=1, switch=switch, value=value, reason="news", operator="ann")  # type: ignore[arg-type]
    ]
    after = restarted(tmp_path)
    assert verdict_of(after) == check
    assert after.state == made.state


def test_switches_go_back_too(tmp_path: Path) -> None:
    made = checker()
    with new_journal(tmp_path) as journal:
        desk = desk_on(journal, made)
        for switch, value in [
            ("suspend", str(CALL_55)), ("trade", str(CALL_55)), ("account_enabled", "no"),
            ("account_enabled", "yes"), ("account_state", "cancel_only"), ("account_state", "active"),
            ("state", "reduce_only"),
        ]:  # fmt: skip
            desk.set_switch(switch, value, "drill", "ann")
        assert verdict_of(made) == "kill_switch"
        desk.resume("over", "ann")
        assert verdict_of(made) == ""
    assert verdict_of(restarted(tmp_path)) == ""


def test_what_executions_tripped_stays_so_until_the_journaled_reset(tmp_path: Path) -> None:
    strict = LimitsConfig(**{**GENEROUS, "max_repeated_executions": 0, "max_protection_quantity": 0})

    def tripped() -> LimitChecker:
        made = LimitChecker(strict, CONTRACTS, dict.fromkeys(IDS, FEE))
        tell(made)
        for n in range(2):
            made.on_order_working(vertical(ref=f"o-{n}"), n)
            made.on_fill(f"o-{n}", 1, now_ns=n)
        return made

    made = tripped()
    assert verdict_of(made) == "repeated_executions"
    with new_journal(tmp_path) as journal:
        desk = desk_on(journal, made)
        desk.set_switch("reset_repeated_executions", "test", "looked into", "bob")
        assert verdict_of(made) == "market_maker_protection"
        desk.set_switch("reset_protection", "", "looked into", "bob")
        assert verdict_of(made) == ""
    again = tripped()
    events = events_in(tmp_path)
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        desk_on(journal, again).replay(events)
    assert verdict_of(again) == ""


def test_a_halt_never_loosens_and_only_resume_ends_a_state(tmp_path: Path) -> None:
    made = checker()
    with new_journal(tmp_path) as journal:
        desk = desk_on(journal, made)
        desk.set_switch("state", "cancel_only", "news", "ann")
        desk.halt("alarm")
        assert made.state is State.CANCEL_ONLY
    after = restarted(tmp_path)
    assert after.state is State.CANCEL_ONLY
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        desk = desk_on(journal, after)
        desk.replay(events_in(tmp_path))
        desk.resume("looked into", "bob")
        assert after.state is State.ACTIVE
        desk.halt("again")
        assert after.state is State.HALTED
    assert restarted(tmp_path).state is State.HALTED


@pytest.mark.parametrize(
    ("switch", "value", "reason", "operator", "words"),
    [
        ("state", "reduce_only", "", "ann", "needs an operator and a reason"),
        ("state", "reduce_only", "why", " ", "needs an operator"),
        ("state", "active", "why", "ann", "expected reduce_only, cancel_only"),
        ("state", "halted", "why", "ann", "expected reduce_only, cancel_only"),
        ("state", "sleepy", "why", "ann", "'sleepy'"),
        ("account_enabled", "perhaps", "why", "ann", "expected yes, no"),
        ("suspend", "99", "why", "ann", "'99'"),
        ("reset_protection", "all", "why", "ann", "expected no value"),
        ("reset_repeated_executions", "", "why", "ann", "needs a strategy"),
        ("lights", "off", "why", "ann", "'lights' is no switch"),
    ],
)
def test_bad_switches_are_refused_and_not_journaled(
    tmp_path: Path, switch: str, value: str, reason: str, operator: str, words: str
) -> None:
    made = checker()
    with new_journal(tmp_path) as journal, pytest.raises(LimitChangeError, match=words):
        desk_on(journal, made).set_switch(switch, value, reason, operator)
    assert events_in(tmp_path) == []
    assert verdict_of(made) == ""


def test_reprices_and_cancels_count_as_messages_after_a_restart_too(tmp_path: Path) -> None:
    made = LimitChecker(
        LimitsConfig(**{**GENEROUS, "max_order_to_trade": 3.0}), CONTRACTS, dict.fromkeys(IDS, FEE)
    )
    tell(made)
    story: list[AnyEvent] = [
        OrderSubmitted(order=vertical(ref="o-1"), at_ns=1),
        OrderModifyRequested(order_ref="o-1", limit_price=33_100, at_ns=2),
        OrderCancelRequested(order_ref="o-1", at_ns=3, reason="drill"),
    ]
    with new_journal(tmp_path) as journal:
        desk_on(journal, made).replay(story[:2])
        assert verdict_of(made) == ""
    again = LimitChecker(made.limits, CONTRACTS, dict.fromkeys(IDS, FEE))
    tell(again)
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        desk_on(journal, again).replay(story)
    verdict = again.check("c", vertical(), 0)
    assert (verdict.check, verdict.value, verdict.limit) == ("order_to_trade", 4.0, 3.0)


def test_a_snapshot_goes_on_where_the_books_stood() -> None:
    made = checker()
    made.on_order_working(vertical(ref="o-1", quantity=3), 1)
    made.on_fill("o-1", 1, now_ns=2)
    made.on_order_working(order((PUT_50, 1), limit=4_000, ref="o-2"), 3)
    made.set_state(State.REDUCE_ONLY)
    made.set_tradable(CALL_55, False)
    stored = made.snapshot()

    again = checker()
    again.on_order_working(order((CALL_50, 1), limit=55_000, ref="gone"), 9)
    again.restore(stored)
    assert again.snapshot() == stored
    assert again.state is State.REDUCE_ONLY
    assert (again.positions, again.cash, again.working_orders) == (made.positions, made.cash, 2)
    for one in (made, again):
        one.on_fill("o-1", 2, now_ns=4)
        one.on_order_done("o-2")
        one.set_state(State.ACTIVE)
        one.set_tradable(CALL_55, True)
    assert again.exposure() == made.exposure()
    assert again.check("c", vertical(), 5) == made.check("c", vertical(), 5)
    assert again.strategy_number("test") == made.strategy_number("test")
    assert again.snapshot() == made.snapshot()


def test_a_damaged_snapshot_and_one_of_other_contracts_change_nothing() -> None:
    made = checker()
    made.on_order_working(vertical(ref="o-1"), 1)
    stored = made.snapshot()
    other = LimitChecker(LimitsConfig(**GENEROUS), CONTRACTS[:-1], dict.fromkeys(IDS, FEE))
    with pytest.raises(ValueError, match="of other contracts"):
        other.restore(stored)
    for damaged in (b"", stored[:-1], stored[:40], stored[:-9] + b"x" + stored[-8:], b"\x90" * 100):
        with pytest.raises(ValueError, match="nothing was changed"):
            made.restore(damaged)
    assert made.snapshot() == stored
