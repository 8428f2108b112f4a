"""SIGKILL while a bracket is sent, changed and filled, then a restart: all books tell one story."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.common.clock import SystemClock
from optionsib.common.config import GatewayConfig, VaultConfig
from optionsib.common.events import (
    AnyEvent,
    CommissionReport,
    Execution,
    Halted,
    OrderSubmitted,
    SessionStarted,
    VaultOutcome,
)
from optionsib.common.types import MONEY_SCALE
from optionsib.performance.session_facts import read_facts

from .bracket_session import MINUTES, Session, events_in, main, open_session
from .conftest import Laboratory

FAULTS = [
    "after-reserve-before-journal:1",
    "after-reserve-before-journal:2",
    "after-journal-before-send:1",
    "after-journal-before-send:2",
    "after-journal-before-send:5",
    "after-send-before-acknowledgement:1",
    "after-send-before-acknowledgement:2",
    "after-send-before-acknowledgement:4",
    "after-execution-before-settlement:1",
    "after-execution-before-settlement:2",
    "after-execution-before-settlement:3",
    "after-vault-journal-before-chain:1",
    "after-vault-journal-before-chain:2",
    "after-chain-before-next:1",
    "after-chain-before-next:2",
]


async def run_process(port: int, folder: Path, kill_at: str = "", *words: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.bracket_session", str(port), str(folder), *words),
        env={**os.environ, "OPTIONSIB_KILL_AT": kill_at},
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), errors.decode()
    return process.returncode


def check_one_state(events: list[AnyEvent], session: Session, exchange_executions: set[str]) -> None:
    """Check that journal, books, limits, vault and exchange tell one story."""
    assert [e for e in events if isinstance(e, Halted)] == []
    submitted = Counter(
        order.order_ref for e in events if isinstance(e, OrderSubmitted) for order in (e.order, *e.attached)
    )
    assert set(submitted.values()) == {1}
    assert {e.execution_id for e in events if isinstance(e, Execution)} == exchange_executions
    assert session.desk.manager.working() == []
    assert (session.desk.portfolio.positions, session.checker.positions) == ({}, {})
    assert session.checker.working_orders == 0
    state = session.vault.state(0)
    fees = sum({e.execution_id: e.amount for e in events if isinstance(e, CommissionReport)}.values())
    realized = sum(trade.realized for trade in session.desk.portfolio.trades.values())
    assert (state.reserved, state.escrow, state.receivable, state.conditions) == (0, 0, 0, ())
    deposit = int(VaultConfig().deposit) * MONEY_SCALE
    assert (state.settled, state.free) == (realized - fees, deposit + realized - fees - state.fees)
    last = {e.intent: e.result for e in events if isinstance(e, VaultOutcome)}
    assert set(last.values()) == {"confirmed"}


@pytest.mark.parametrize("fault", FAULTS)
def test_killed_and_restarted(laboratory: Laboratory, tmp_path: Path, fault: str) -> None:
    async def whole() -> None:
        exchange = await laboratory.start(laboratory.tape(*MINUTES))
        assert await run_process(exchange.port, tmp_path, fault) == -signal.SIGKILL, f"{fault} not reached"
        assert await run_process(exchange.port, tmp_path) == 0
        events = events_in(tmp_path)
        assert [e.resumed for e in events if isinstance(e, SessionStarted)] == [False, True]
        last = await open_session(exchange.port, tmp_path)
        try:
            state = await last.gateway.refresh()
            assert (state.positions, state.working_orders) == ({}, ())
            assert len(state.executions) > 1, "nothing was traded: the test shows nothing"
            check_one_state(events, last, {e.execution_id for e in state.executions})
        finally:
            await last.close()

    laboratory.run(whole())


def test_the_story_without_interruption(laboratory: Laboratory, tmp_path: Path) -> None:
    async def whole() -> None:
        exchange = await laboratory.start(laboratory.tape(*MINUTES))
        await main(exchange.port, tmp_path)
        broker = BrokerAdapterFactory(clock=SystemClock()).create(
            GatewayConfig(port=exchange.port, client_id=9)
        )
        state = await broker.connect()
        await broker.disconnect()
        assert state.positions == {}
        parent = [e for e in events_in(tmp_path) if isinstance(e, Execution) and e.side > 0]
        assert sum(e.quantity for e in parent) == 5
        assert len(parent) > 1, "the parent did not fill in parts"
        (trade,) = read_facts(tmp_path / "journal.sqlite").trades({})
        assert (trade.quantity, trade.is_closed, trade.gross) == (5, True, 5 * 40 * MONEY_SCALE)

    laboratory.run(whole())
