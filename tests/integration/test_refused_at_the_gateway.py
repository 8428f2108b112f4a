"""The daemon when its own gateway refuses an order: nothing was sent, so nothing is torn down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from optionsib.brokers.ib import IBGateway, connection, order_entry
from optionsib.common.config import load_config
from optionsib.common.errors import BrokerError
from optionsib.common.events import AnyEvent, BrokerNotice, Halted, OrderSubmitted, OrderUpdate
from optionsib.launchers.exchange import exchange_process
from optionsib.launchers.session import SessionSetup, run_session
from tests.integration.session_processes import exchange_settings, set_options
from tests.integration.test_crash_and_restart import ask_exchange, check_books, events_of


def trade(tmp_path: Path, *, clean: bool = True) -> list[AnyEvent]:
    """Run a daemon in this process to its end; return its journal, checked against the exchange."""
    with exchange_process(exchange_settings(), tmp_path / "exchange.log") as exchange:
        pairs = (word.partition("=") for word in set_options(exchange, tmp_path / "state")[1::2])
        config = load_config(overrides={key: value for key, _, value in pairs})
        setup = SessionSetup(config=config, pace="lockstep", data_sha256=exchange.sha256)
        asyncio.run(run_session(setup))
        at_broker = asyncio.run(ask_exchange(exchange))
        return check_books(tmp_path / "state", at_broker) if clean else events_of(tmp_path / "state")


def refuse(monkeypatch: pytest.MonkeyPatch, wanted: Callable[[int], bool]) -> list[str]:
    """Let the gateway's limit on working orders bite at the n-th orders that are ``wanted``."""
    refused: list[str] = []
    seen: list[str] = []
    check = order_entry.check_working

    def check_working(order_ref: str, working: int) -> None:
        seen.append(order_ref)
        if wanted(len(seen)):
            refused.append(order_ref)
            check(order_ref, 20)
        check(order_ref, working)

    monkeypatch.setattr(order_entry, "check_working", check_working)
    return refused


def connections(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count what is opened; the last one is this test's own question at the end."""
    opened: list[int] = []
    session = connection.TwsSession

    def counted(*arguments: object, **options: object) -> connection.TwsSession:
        opened.append(len(opened) + 1)
        return session(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(connection, "TwsSession", counted)
    return opened


def test_a_refused_order_ends_as_never_sent_and_the_connection_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, opened = refuse(monkeypatch, lambda number: number in (1, 4)), connections(monkeypatch)
    events = trade(tmp_path)  # money, positions and executions agree; no halt
    assert len(opened) == 1 + 1
    assert len(refused) == 2
    submitted = [e.order.order_ref for e in events if isinstance(e, OrderSubmitted)]
    assert set(refused) < set(submitted)
    for order_ref in refused:
        fates = [e for e in events if isinstance(e, OrderUpdate) and e.order_ref == order_ref]
        assert [fate.status for fate in fates] == ["cancelled"]
        assert "never arrived" in fates[0].message
    assert -3 not in [e.code for e in events if isinstance(e, BrokerNotice)]


def test_three_steps_in_a_row_that_are_refused_halt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused, opened = refuse(monkeypatch, lambda number: True), connections(monkeypatch)
    events = trade(tmp_path, clean=False)
    halts = [e.reason for e in events if isinstance(e, Halted)]
    assert len(halts) == 1
    assert halts[0].startswith("3 steps in a row failed at the broker: order ")
    assert "IB allows 20; nothing was sent" in halts[0]
    assert len(refused) == 3  # a halt ends new risk
    assert len(opened) == 1 + 1


def test_a_broker_that_refuses_to_be_asked_is_connected_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where even the broker's state is refused after a refused order, only a new connection helps."""
    refuse(monkeypatch, lambda number: number == 2)
    opened, asked = connections(monkeypatch), []
    whole = IBGateway.refresh

    async def refresh_refused_once(self: IBGateway) -> object:
        asked.append(1)
        if len(asked) == 1:
            raise BrokerError("broker refused executions: 321 not now")
        return await whole(self)

    monkeypatch.setattr(IBGateway, "refresh", refresh_refused_once)
    trade(tmp_path)
    assert len(opened) == 2 + 1
