"""The daemon through a broken link and a broken farm: no order leaves meanwhile, nothing is torn down."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from optionsib.common.events import BrokerNotice, OrderModifyRequested, OrderSubmitted, SessionStarted
from optionsib.common.types import SECOND_NS
from optionsib.launchers.exchange import exchange_process
from tests.integration.session_processes import exchange_settings, run_daemon
from tests.integration.test_crash_and_restart import ask_exchange, check_books

SCENARIO = """
- {at: "10:02", fault: connectivity, code: 1100}
- {at: "10:04", fault: connectivity, code: 1101}
- {at: "10:06", fault: farm, name: usopt, up: false}
- {at: "10:07", fault: farm, name: usopt, up: true}
"""


def minute(at_ns: int) -> str:
    return f"{dt.datetime.fromtimestamp(at_ns // SECOND_NS, ZoneInfo('America/New_York')):%H:%M}"


def test_orders_wait_out_a_broken_link_and_openings_a_broken_farm(tmp_path: Path) -> None:
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text(SCENARIO)
    settings = dataclasses.replace(exchange_settings(), scenario=scenario)
    with exchange_process(settings, tmp_path / "exchange.log") as exchange:
        done = run_daemon(exchange, tmp_path / "state")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        events = check_books(tmp_path / "state", asyncio.run(ask_exchange(exchange)))
    notices = [event.code for event in events if isinstance(event, BrokerNotice)]
    assert {1100, 1101, 2103} <= set(notices)
    assert 101 not in notices  # dead streams do not use up lines
    assert -3 not in notices  # no connection was given up
    assert len([event for event in events if isinstance(event, SessionStarted)]) == 1
    opened = [minute(e.at_ns) for e in events if isinstance(e, OrderSubmitted) and e.order.purpose == "open"]
    sent = [minute(e.at_ns) for e in events if isinstance(e, OrderSubmitted | OrderModifyRequested)]
    assert not {"10:02", "10:03"} & set(sent)
    assert "10:06" not in opened
    assert min(sent) < "10:02" < max(opened)


def test_no_order_leaves_in_a_planned_outage_and_trading_goes_on_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the window orders leave at 10:02 and 10:03."""
    window = '[{"name": "drill", "start": "10:02", "minutes": 3}]'
    monkeypatch.setenv("OPTIONSIB_GATEWAY__QUIET_WINDOWS", window)
    with exchange_process(exchange_settings(), tmp_path / "exchange.log") as exchange:
        done = run_daemon(exchange, tmp_path / "state")
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        events = check_books(tmp_path / "state", asyncio.run(ask_exchange(exchange)))
    sent = [minute(e.at_ns) for e in events if isinstance(e, OrderSubmitted | OrderModifyRequested)]
    assert not {"10:02", "10:03", "10:04"} & set(sent)
    assert min(sent) < "10:02" < max(sent)
    told = [(minute(e.at_ns), e.message) for e in events if isinstance(e, BrokerNotice) and e.code == -7]
    assert [text for _, text in told] == ["planned outage begins: drill", "planned outage over: drill"]
    assert -3 not in [event.code for event in events if isinstance(event, BrokerNotice)]
