"""Limits as versioned data: two people, the journal first, and the same limits after a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optionsib.bus.journal import Journal, JournalReader, make_genesis
from optionsib.bus.local import LocalBus
from optionsib.common.clock import SteppedClock
from optionsib.common.config import LimitsConfig
from optionsib.common.events import LimitsApproved, LimitsProposed
from optionsib.execution.desk import OrderDesk
from optionsib.risk.limit_changes import LimitChangeError, LimitHistory
from optionsib.risk.limits import LimitChecker

from .test_limits import CONTRACTS, FEE, GENEROUS, IDS, tell, vertical


def history() -> LimitHistory:
    return LimitHistory(LimitsConfig(**GENEROUS))


def test_a_change_needs_a_second_person() -> None:
    changing = history()
    changing.apply(changing.propose({"max_open_orders": "1"}, "quiet day", "ann", at_ns=1))
    assert changing.version == 1
    assert changing.limits.max_open_orders == 20
    for same in ("ann", " Ann "):
        with pytest.raises(LimitChangeError, match="another person"):
            changing.approve(2, same, at_ns=2)
    assert changing.apply(changing.approve(2, "bob", at_ns=2))
    assert (changing.version, changing.limits.max_open_orders) == (2, 1)
    with pytest.raises(LimitChangeError, match="does not wait"):
        changing.approve(2, "bob", at_ns=3)


@pytest.mark.parametrize(
    ("changes", "reason", "operator", "words"),
    [
        ({"max_open_orders": "1"}, "why", " ", "needs an operator"),
        ({"max_open_orders": "1"}, "", "ann", "needs an operator and a reason"),
        ({}, "why", "ann", "changes nothing"),
        ({"max_open_orders": "20"}, "why", "ann", "changes nothing"),
        ({"max_vanna": "1"}, "why", "ann", "'max_vanna' is no limit"),
        ({"scenario_spot_moves": "0.1"}, "why", "ann", "no limit that can change"),
        ({"max_open_orders": "-1"}, "why", "ann", "max_open_orders = '-1'"),
        ({"max_order_delta": "nan"}, "why", "ann", "finite"),
        ({"max_daily_loss": "much"}, "why", "ann", "max_daily_loss = 'much'"),
    ],
)
def test_bad_proposals_are_refused(changes: dict[str, str], reason: str, operator: str, words: str) -> None:
    changing = history()
    with pytest.raises(LimitChangeError, match=words):
        changing.propose(changes, reason, operator, at_ns=1)
    assert changing.pending is None


def test_a_later_proposal_takes_the_place_of_the_one_that_waits() -> None:
    changing = history()
    changing.apply(changing.propose({"max_open_orders": "1"}, "why", "ann", at_ns=1))
    changing.apply(
        changing.propose({"max_open_orders": "2", "restricted": "XYZ, ABC"}, "why", "bob", at_ns=2)
    )
    with pytest.raises(LimitChangeError, match=r"version 2 does not wait for approval \(version 3 does\)"):
        changing.approve(2, "eve", at_ns=3)  # she has seen the first one
    with pytest.raises(LimitChangeError, match="another person"):
        changing.approve(3, "bob", at_ns=3)
    changing.apply(changing.approve(3, "ann", at_ns=3))
    assert changing.limits.max_open_orders == 2
    assert changing.limits.restricted == ("XYZ", "ABC")
    changing.apply(changing.propose({"max_open_orders": ""}, "none at all", "ann", at_ns=4))
    changing.apply(changing.approve(4, "bob", at_ns=5))
    assert changing.limits.max_open_orders is None


def desk_on(journal: Journal, checker: LimitChecker) -> OrderDesk:
    unused: Any = None  # neither broker nor vault is asked by limits
    return OrderDesk(
        broker=unused,
        bus=LocalBus(tap=lambda _number, event: journal.append(event, 1)),
        journal=journal,
        clock=SteppedClock(1),
        ledger=unused,
        checker=checker,
        contracts={contract.con_id: contract for contract in CONTRACTS},
    )


def checker() -> LimitChecker:
    made = LimitChecker(LimitsConfig(**GENEROUS), CONTRACTS, dict.fromkeys(IDS, FEE))
    tell(made)
    return made


def test_an_approved_change_holds_at_once_and_after_a_restart(tmp_path: Path) -> None:
    genesis = make_genesis(seed=1, config="", data="", model="", build="", simd_path="")
    path = tmp_path / "journal.sqlite"
    before = checker()
    with Journal.create(path, genesis) as journal:
        desk = desk_on(journal, before)
        desk.propose_limits({"max_order_quantity": "1"}, "first days", "ann")
        assert before.check("c", vertical(quantity=2), 0).accepts
        with pytest.raises(LimitChangeError):
            desk.approve_limits(2, "ann")
        desk.approve_limits(2, "bob")
        assert before.check("c", vertical(quantity=2), 0).check == "order_quantity"
        desk.propose_limits({"max_order_quantity": "9"}, "later", "bob")
    with JournalReader.open_read_only(path) as reader:
        events = [event for _, _, event in reader.events()]
    assert [type(event) for event in events] == [LimitsProposed, LimitsApproved, LimitsProposed]

    after = checker()
    with Journal.open(path) as journal:
        desk = desk_on(journal, after)
        desk.replay(events)
        assert after.check("c", vertical(quantity=2), 0).check == "order_quantity"
        assert after.limits == before.limits
        desk.approve_limits(3, "ann")  # what waited still waits
        assert after.check("c", vertical(quantity=2), 0).accepts


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("max_order_loss", "0.0000001"), ("max_order_loss", "1e30"), ("price_collar", "0.00001"),
        ("max_position", str(2**63)), ("max_order_delta", "inf"), ("max_portfolio_loss", "NaN"),
    ],
)  # fmt: skip
def test_limits_that_the_engine_would_not_take_are_never_journaled(name: str, text: str) -> None:
    history = LimitHistory(LimitsConfig(**GENEROUS))
    with pytest.raises(LimitChangeError, match=name):
        history.propose({name: text}, "a slip", "ann", at_ns=1)
