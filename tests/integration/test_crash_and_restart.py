"""SIGKILL at every named fault point, then a restart: no order doubled or lost, ledger = chain."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from optionsib.brokers.api import BrokerState
from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.bus.journal import JournalReader
from optionsib.common.clock import SteppedClock, SystemClock
from optionsib.common.config import GatewayConfig, VaultConfig
from optionsib.common.events import (
    AnyEvent,
    CommissionReport,
    DecisionRecord,
    Execution,
    Halted,
    LedgerEntry,
    OrderSubmitted,
    PortfolioSnapshot,
    Refusal,
    SessionEnded,
    SessionStarted,
    VaultIntent,
    VaultState,
)
from optionsib.common.types import MONEY_SCALE
from optionsib.governance.audit import verify
from optionsib.launchers.exchange import RunningExchange, exchange_process
from optionsib.launchers.session import journal_path
from optionsib.models import BUNDLED_MODEL
from optionsib.models.card import card_path, digest, read_card, write_model
from optionsib.vault.embedded import EmbeddedChain
from tests.integration.session_processes import exchange_settings, run_daemon

FAULTS = [
    "after-reserve-before-journal:2",
    "after-journal-before-send:1",
    "after-journal-before-send:4",
    "after-send-before-acknowledgement:1",
    "after-send-before-acknowledgement:5",
    "after-execution-before-settlement:1",
    "after-execution-before-settlement:4",
    "after-vault-journal-before-chain:1",
    "after-chain-before-next:2",
    "before-step-commit:3",
    "after-step-commit:9",
]
WHILE_RECOVERING = "after-vault-journal-before-chain:1"


async def ask_exchange(exchange: RunningExchange) -> BrokerState:
    config = GatewayConfig(host=exchange.host, port=exchange.port, client_id=77)
    broker = BrokerAdapterFactory(clock=SystemClock()).create(config)
    state = await broker.connect()
    await broker.disconnect()
    return state


def events_of(state: Path) -> list[AnyEvent]:
    with JournalReader.open_read_only(journal_path(state)) as journal:
        return [event for _, _, event in journal.events()]


def check_chain(state: Path, events: list[AnyEvent], last: VaultState, seed: int) -> None:
    """Every record of the chain stands in the ledger once, but for those of the last moments."""
    booked = [e for e in events if isinstance(e, LedgerEntry) and e.reference.startswith("chain ")]
    assert [e.reference for e in booked] == [f"chain {n}" for n in range(len(booked))]
    chain = EmbeddedChain(seed, SteppedClock(last.at_ns), state=state / "chain")

    async def read() -> tuple[list[str], int]:
        found = [entry.signature for entry in await chain.vault().history() for _ in entry.events]
        reading = await chain.vault().read()
        await chain.close()
        assert reading.vault is not None
        return found, reading.vault.open_amount

    on_chain, open_amount = asyncio.run(read())
    assert [e.signature for e in booked] == on_chain[: len(booked)]
    assert len(on_chain) - len(booked) <= last.under_way
    if not last.under_way:
        assert open_amount == last.escrow
    intents = [e.reference for e in events if isinstance(e, VaultIntent)]
    assert len(set(intents)) == len(intents), "something was decided twice"


def check_books(state: Path, broker: BrokerState, seed: int = 7) -> list[AnyEvent]:
    report = verify(journal_path(state))
    assert report.ok, report
    events = events_of(state)
    assert [e for e in events if isinstance(e, Halted)] == []

    submitted = Counter(e.order.order_ref for e in events if isinstance(e, OrderSubmitted))
    assert set(submitted.values()) <= {1}, "an order was submitted twice"
    journaled = Counter(e.execution_id for e in events if isinstance(e, Execution))
    at_broker = {e.execution_id for e in broker.executions}
    assert set(journaled) == at_broker, "an execution is missing, or never happened"
    refs = Counter((e.order_ref, e.perm_id) for e in broker.executions)
    assert len({ref for ref, _ in refs}) == len(refs), "one order reference lives twice at the broker"

    positions: Counter[int] = Counter()
    for event in {e.execution_id: e for e in events if isinstance(e, Execution)}.values():
        if not event.is_combo:
            positions[event.con_id] += event.side * event.quantity
    assert {c: q for c, q in positions.items() if q} == broker.positions

    last = [e for e in events if isinstance(e, VaultState)][-1]
    check_chain(state, events, last, seed)
    assert not last.conditions
    assert last.reserved == 0 or last.under_way, "money stays reserved for an order that is gone"

    # money: what the vault lost is what was realised and paid
    snapshot = [e for e in events if isinstance(e, PortfolioSnapshot)][-1]
    commissions = {e.execution_id: e.amount for e in events if isinstance(e, CommissionReport)}
    assert snapshot.fees == sum(commissions.values())
    deposit = int(VaultConfig().deposit) * MONEY_SCALE
    assert last.free + last.reserved + last.escrow == deposit + last.settled - last.fees
    if not snapshot.open_trades and not last.under_way:
        assert last.settled == snapshot.realized - snapshot.fees
    return events


@pytest.mark.parametrize("fault", FAULTS)
def test_killed_and_restarted(tmp_path: Path, fault: str) -> None:
    with exchange_process(exchange_settings(), tmp_path / "exchange.log") as exchange:
        killed = run_daemon(exchange, tmp_path, kill_at=fault)
        assert killed.returncode == -signal.SIGKILL, f"{fault} was never reached: {killed.stderr}"
        finished = run_daemon(exchange, tmp_path)
        assert finished.returncode == 0, finished.stderr
        broker = asyncio.run(ask_exchange(exchange))
    events = check_books(tmp_path, broker)
    starts = [e for e in events if isinstance(e, SessionStarted)]
    assert [e.resumed for e in starts][-1] is True
    assert sum(isinstance(e, SessionEnded) for e in events) == 1
    assert broker.executions, "nothing was traded: the test shows nothing"


def test_killed_again_while_recovering(tmp_path: Path) -> None:
    with exchange_process(exchange_settings(), tmp_path / "exchange.log") as exchange:
        first = run_daemon(exchange, tmp_path, kill_at="after-execution-before-settlement:1")
        assert first.returncode == -signal.SIGKILL
        second = run_daemon(exchange, tmp_path, kill_at=WHILE_RECOVERING)
        assert second.returncode == -signal.SIGKILL
        last = run_daemon(exchange, tmp_path)
        assert last.returncode == 0, last.stderr
        broker = asyncio.run(ask_exchange(exchange))
    check_books(tmp_path, broker)


@pytest.mark.parametrize("harm", ["gone", "another"])
def test_a_restart_without_its_model_closes_what_is_open(tmp_path: Path, harm: str) -> None:
    """A lost or replaced artefact may keep anything from being opened; the exits it may not keep."""
    artefact = tmp_path / "model.onnx"
    shutil.copy(BUNDLED_MODEL, artefact)
    shutil.copy(card_path(BUNDLED_MODEL), card_path(artefact))
    chosen = f"model.path={artefact}"
    state = tmp_path / "state"
    state.mkdir()
    with exchange_process(exchange_settings(), tmp_path / "exchange.log") as exchange:
        killed = run_daemon(exchange, state, chosen, kill_at="after-execution-before-settlement:1")
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        already = sum(isinstance(e, OrderSubmitted) for e in events_of(state))
        if harm == "gone":
            artefact.unlink()
        else:
            onnx = pytest.importorskip("onnx", reason="needs the train extra")
            model = onnx.load(artefact)
            model.doc_string = "another"
            card = msgspec.structs.replace(
                read_card(card_path(artefact)), artefact_sha256=digest(model.SerializeToString())
            )
            write_model(artefact, model.SerializeToString(), card)
        finished = run_daemon(exchange, state, chosen)
        assert finished.returncode == 0, finished.stderr
        broker = asyncio.run(ask_exchange(exchange))
    events = check_books(state, broker)
    later = [e for e in events if isinstance(e, OrderSubmitted)][already:]
    assert later, "nothing was closed: the test shows nothing"
    assert {e.order.purpose for e in later} == {"close"}
    assert broker.positions == {}
    refused = {
        e.outcome.reason for e in events if isinstance(e, DecisionRecord) and isinstance(e.outcome, Refusal)
    }
    assert "no model is live" in refused


def test_uninterrupted_runs_have_one_hash(tmp_path: Path) -> None:
    heads = []
    for name in ("first", "second"):
        state = tmp_path / name
        state.mkdir()
        with exchange_process(exchange_settings(), state / "exchange.log") as exchange:
            finished = run_daemon(exchange, state)
            assert finished.returncode == 0, finished.stderr
            broker = asyncio.run(ask_exchange(exchange))
        check_books(state, broker)
        heads.append(finished.stdout.splitlines()[-1])
    assert heads[0] == heads[1]
    assert heads[0].startswith("journal sha256 ")
