"""``optionsib order``: a person lists, changes and cancels orders of a daemon in its own process."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from optionsib.brokers.api import BrokerState
from optionsib.common.events import (
    ApprovedOrder,
    DecisionRecord,
    OrderCancelRequested,
    OrderModifyRequested,
    Refusal,
)
from optionsib.governance.audit import verify
from optionsib.launchers.exchange import RunningExchange, exchange_process
from optionsib.launchers.state_folder import journal_path
from tests.integration.session_processes import cli, live_daemon, set_options
from tests.integration.test_crash_and_restart import ask_exchange
from tests.integration.test_operations import (
    HOLD,
    PATIENCE_SECONDS,
    SPEED,
    events_of,
    opening,
    real_exchange,
    wait_for,
)

pytestmark = pytest.mark.timeout(900)
# Orders rest so far below the market that they wait for the person, however long a command takes to start:
# what fills makes the book full, and then nothing is opened any more.
RESTS = (*HOLD, "strategy.minimum_edge=0.4")


class Desk:
    """The command line of one daemon."""

    def __init__(self, exchange: RunningExchange, state: Path) -> None:
        self.exchange, self.state = exchange, state
        self.words = set_options(exchange, state, *RESTS)

    def order(self, *words: str) -> subprocess.CompletedProcess[str]:
        return cli("order", *words, *self.words)

    def listed(self) -> list[dict[str, Any]]:
        shown = self.order("list", "--json")
        assert shown.returncode == 0, shown.stderr
        lines: list[dict[str, Any]] = json.loads(shown.stdout)
        return lines

    def at_broker(self) -> BrokerState:
        return asyncio.run(ask_exchange(self.exchange))


def limits(answer: Any) -> dict[str, int]:
    return {order["order_ref"]: order["limit_price"] for order in answer["view"]["orders"]}


def park(desk: Desk, daemon: subprocess.Popen[str]) -> tuple[str, int, subprocess.CompletedProcess[str]]:
    """Move an opening order further below the market."""
    for _ in range(20):
        wait_for(desk.state, lambda answer: bool(opening(answer)), daemon, "a working opening order")
        for line in desk.listed():
            if line["purpose"] == "open" and not line["change_waits"]:
                price = round(line["price"] * 10_000) - 3_000
                words = (line["order_ref"], f"--price={price / 10_000:.2f}", "--reason", "patience")
                changed = desk.order("change", *words, "--operator", "ada")
                if changed.returncode == 0:
                    return line["order_ref"], price, changed
                assert "already" in changed.stderr or "no answer yet" in changed.stderr, changed
    raise AssertionError("no order stood still long enough to be moved")


def test_a_person_changes_and_cancels_working_orders(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with exchange_process(real_exchange(), tmp_path / "exchange.log") as exchange:
        desk = Desk(exchange, state)
        silent = desk.order("cancel", "O1", "--reason", "x")
        assert silent.returncode == 1
        assert "none runs with the state folder" in silent.stderr
        with live_daemon(exchange, state, SPEED, *RESTS) as daemon:
            ref, price, changed = park(desk, daemon)
            assert (
                changed.stdout
                == f"change of {ref} sent; `optionsib order list` shows what the broker works\n"
            )
            wait_for(state, lambda answer: limits(answer).get(ref) == price, daemon, "the new limit")
            assert f"{ref}  open  1 x " in desk.order("list").stdout
            (line,) = [one for one in desk.listed() if one["order_ref"] == ref]
            assert (line["price"] * 10_000, line["by_hand"]) == (pytest.approx(price), True)
            asked = len([e for e in events_of(state) if isinstance(e, OrderModifyRequested) and e.operator])

            for words, reason in (
                (("change", ref), "needs --price, --stop or --quantity"),
                (("change", ref, "--price", "cheap"), "'cheap': expected a number"),
                (("change", ref, "--quantity", "1.5"), "expected a number"),
                (("change", ref, "--price", "1"), "an operator and a reason"),
                (("change", "O999999", "--price", "1", "--reason", "x"), "not in this journal"),
                (("change", ref, "--stop", "1", "--reason", "x"), "it has no stop"),
                (("change", ref, f"--price={price / 10_000}", "--reason", "x"), "changes nothing"),
                (("change", ref, "--price=-99999999999", "--reason", "x"), "is malformed"),
                (("change", ref, f"--price={'9' * 30}", "--reason", "x"), "expected a number below"),
                (("cancel", ref), "an operator and a reason"),
                (("cancel", "O999999", "--reason", "x"), "not in this journal"),
            ):
                said = desk.order(*words)
                assert (said.returncode, reason in said.stderr) == (1, True), (words, said)
            for quantity, layers in (("100000", ("model", "strategy", "risk")), ("0", ("risk",))):
                refused = desk.order("change", ref, "--quantity", quantity, "--reason", "more")
                assert refused.returncode == 1, refused
                assert refused.stdout.split(":")[0] in [f"refused by {layer}" for layer in layers], refused
                assert refused.stdout.endswith("; the order works on as it was\n")
            assert "[quantity_positive: 0, limit 0]" in refused.stdout
            done = [e for e in events_of(state) if isinstance(e, OrderModifyRequested) and e.operator]
            assert len(done) == asked, "what was refused did not leave"
            held = {one.order_ref: one.limit_price for one in desk.at_broker().working_orders}
            assert held[ref] == price, "the strategy leaves it where it was put"

            cancelled = desk.order("cancel", ref, "--reason", "enough", "--operator", "ada")
            assert (cancelled.returncode, cancelled.stdout[:15]) == (0, f"cancel of {ref} sent"[:15]), (
                cancelled
            )
            assert ref not in {one.order_ref for one in desk.at_broker().working_orders}
            wait_for(
                state,
                lambda answer: ref not in {order["order_ref"] for order in answer["view"]["orders"]},
                daemon,
                "the end of the order",
            )
            late = desk.order("cancel", ref, "--reason", "again")
            assert (late.returncode, "is cancelled already" in late.stderr) == (1, True), late
            daemon.terminate()
            assert daemon.wait(timeout=PATIENCE_SECONDS) == 0
    events = events_of(state)
    change = [e for e in events if isinstance(e, OrderModifyRequested) and e.operator][-1]
    assert (change.order_ref, change.limit_price, change.operator) == (ref, price, "ada")
    decisions = [
        e
        for e in events
        if isinstance(e, DecisionRecord) and e.strategy and e.strategy.reason.startswith("by hand, ")
    ]
    outcomes = [type(e.outcome) for e in decisions]
    assert outcomes[-3:] == [ApprovedOrder, Refusal, Refusal], "what was refused is journaled too"
    assert "by hand, ada: enough" in [e.reason for e in events if isinstance(e, OrderCancelRequested)]
    assert verify(journal_path(state)).ok
