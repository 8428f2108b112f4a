"""A new state folder at an account that has traded today: another journal's orders are not taken for ours."""

from __future__ import annotations

from pathlib import Path

from optionsib.common.events import Execution, Halted, OrderSubmitted, PortfolioSnapshot
from optionsib.launchers.exchange import exchange_process
from tests.integration.session_processes import cli, live_daemon, set_options
from tests.integration.test_operations import (
    HOLD,
    SPEED,
    broker_state,
    events_of,
    holds_and_works,
    real_exchange,
    wait_for,
)


def test_orders_of_another_journal_halt_and_their_numbers_are_not_given_again(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    with exchange_process(real_exchange(), tmp_path / "exchange.log") as exchange:
        with live_daemon(exchange, before, SPEED, *HOLD) as daemon:
            wait_for(before, holds_and_works, daemon, "a trade and a working order")
            daemon.kill()
            daemon.wait(timeout=60)
        theirs = {e.order.order_ref for e in events_of(before) if isinstance(e, OrderSubmitted)}
        assert theirs <= set(broker_state(exchange).order_refs)
        with live_daemon(exchange, after, SPEED, *HOLD) as daemon:
            wait_for(after, lambda a: a["state"].startswith("halted"), daemon, "a halt")
            assert cli("resume", *set_options(exchange, after, *HOLD)).returncode == 0
            wait_for(after, lambda a: a["view"]["orders"], daemon, "a working order")
            daemon.kill()
            daemon.wait(timeout=60)
    events = events_of(after)
    halt = next(e for e in events if isinstance(e, Halted))
    assert "was never submitted from this journal; nothing booked" in halt.reason
    ours = [e.order.order_ref for e in events if isinstance(e, OrderSubmitted)]
    assert ours
    assert min(ours) > max(theirs)
    booked = {e.order_ref for e in events if isinstance(e, Execution)} & set(ours)
    last = [e for e in events if isinstance(e, PortfolioSnapshot)][-1]
    assert bool(last.fees) == bool(booked), "what the other journal paid is none of this one's"
