"""Whatever becomes of the model, exits and cancels go on.

A trader on a paper exchange with a model in a process of its own; trouble begins with the first open trade.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.importorskip("solders")

from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.bus.journal import Journal, JournalReader, make_genesis
from optionsib.bus.local import LocalBus
from optionsib.bus.tape import TickTape
from optionsib.common.clock import SteppedClock
from optionsib.common.config import Config, load_config
from optionsib.common.errors import ModelError
from optionsib.common.events import (
    AnyEvent,
    ApprovedOrder,
    DecisionRecord,
    Event,
    ModelEpoch,
    ModelFrozen,
    Prediction,
    Refusal,
)
from optionsib.common.fees import FeeTable
from optionsib.common.session_view import SessionView
from optionsib.data.rates import RateCurve
from optionsib.launchers.exchange import exchange_process
from optionsib.launchers.settlement import settlement
from optionsib.models import BUNDLED_MODEL
from optionsib.models.card import card_path
from optionsib.models.model_process import ModelProcess
from optionsib.models.server import ModelServer
from optionsib.risk.limits import LimitChecker
from optionsib.trader import QuantumTrader

from .session_processes import EAGER, exchange_settings

MINUTES = 20
Trouble = Callable[["Day"], None]


@dataclass
class Day:
    """One session and what the trouble needs to know of it."""

    trader: QuantumTrader
    models: ModelServer
    artefact: Path
    broken_ns: int = 0
    answer: asyncio.Task[str] | None = None

    @property
    def pid(self) -> int:
        seat = self.models._live
        assert seat is not None
        return seat.process.pid

    def swap(self, path: Path | None) -> None:
        """Begin a swap as the control socket would; what it answers is looked at in the end."""
        self.answer = asyncio.create_task(self.models.prepare(path, "drill", "tester"))


def copied(folder: Path) -> Path:
    path = folder / "model.onnx"
    shutil.copy(BUNDLED_MODEL, path)
    shutil.copy(card_path(BUNDLED_MODEL), card_path(path))
    return path


def played(folder: Path, trouble: Trouble, config: Config | None = None, patience: float = 20.0) -> Day:
    """Trade twenty minutes; ``trouble`` is called at the end of the first step with an open trade.

    ``patience`` with the model holds from then on; before, a slow machine is not what is tried.
    """
    artefact = copied(folder)

    async def session(port: int, symbol: str) -> Day:
        overrides = dict(pair.split("=", 1) for pair in EAGER)
        chosen = config or load_config(
            "paper",
            overrides={
                **overrides,
                "session.symbol": symbol,
                "gateway.port": port,
                "gateway.market_data_lines": 250,
                "paths.state": str(folder),
            },
        )
        clock = SteppedClock(0)
        broker = BrokerAdapterFactory(
            clock=clock, pace="lockstep", messages_per_second=1_000_000, broker_time=True
        ).create(chosen.gateway)
        state = await broker.connect()
        chain = await broker.option_chain(symbol)
        clock.advance(chain.session_open_ns)
        genesis = make_genesis(seed=7, config="", data="", model="", build="", simd_path="")
        contracts = (chain.underlying, *chain.options)
        with Journal.create(folder / "journal.sqlite", genesis) as journal, TickTape(folder / "tape") as tape:

            def capture(_: int, event: Event) -> None:
                journal.append(event, clock.now_ns())

            bus = LocalBus(tap=capture)
            first = await ModelProcess.start(artefact, stage="paper")
            models = ModelServer(chosen.model, clock, bus.publish, first=first, patience=20.0)
            async with settlement(
                chosen, clock=clock, bus=bus, commit=journal.commit, contracts=contracts, journaled=[]
            ) as vault:
                fee = FeeTable(chosen.fees, dt.date(2014, 6, 6)).total(1)

                def show(view: SessionView) -> None:
                    if view.trades and not day.broken_ns:
                        day.broken_ns = view.at_ns
                        models._patience = patience
                    if day.broken_ns:
                        trouble(day)

                trader = QuantumTrader(
                    config=chosen, chain=chain, broker=broker, bus=bus, journal=journal, tape=tape,
                    clock=clock, ledger=vault, models=models,
                    curve=RateCurve.from_config(chosen.rates, dt.date(2014, 6, 6)),
                    checker=LimitChecker(
                        chosen.limits, contracts, dict.fromkeys((c.con_id for c in contracts), fee)
                    ),
                    show=show,
                )  # fmt: skip
                day = Day(trader, models, artefact)
                try:
                    await trader.start(state, resumed=False)
                    summary = await trader.run()
                    if day.answer is not None:
                        await asyncio.wait({day.answer})
                finally:
                    await models.close()
        await broker.disconnect()
        assert summary.trades_opened > 0
        assert summary.trades_open == 0, "exits did not go on"
        assert not trader.desk.manager.working(), "cancels did not go on"
        return day

    with exchange_process(exchange_settings(minutes=MINUTES), folder / "exchange.log") as running:
        return asyncio.run(session(running.port, running.symbol))


def events(folder: Path) -> list[AnyEvent]:
    with JournalReader.open_read_only(folder / "journal.sqlite") as journal:
        return [event for _, _, event in journal.events()]


def refusals_after(folder: Path, at_ns: int) -> set[str]:
    """Return why the model's layer refused later on; nothing may have been opened."""
    later = [e for e in events(folder) if isinstance(e, DecisionRecord) and e.at_ns > at_ns]
    for one in later:
        if isinstance(one.outcome, ApprovedOrder):
            assert one.outcome.reduces_risk, f"opened without a vote: {one}"
    return {
        one.outcome.reason
        for one in later
        if isinstance(one.outcome, Refusal) and one.outcome.layer == "model"
    }


def once(act: Trouble) -> Trouble:
    done: list[bool] = []

    def trouble(day: Day) -> None:
        if not done:
            done.append(True)
            act(day)

    return trouble


def test_no_model(tmp_path: Path) -> None:
    day = played(tmp_path, once(lambda day: day.swap(None)))
    assert refusals_after(tmp_path, day.broken_ns) == {"no model is live"}
    epochs = [e for e in events(tmp_path) if isinstance(e, ModelEpoch)]
    assert [(e.epoch, bool(e.model_id), e.operator) for e in epochs] == [(1, True, ""), (2, False, "tester")]


def test_a_frozen_model(tmp_path: Path) -> None:
    day = played(tmp_path, once(lambda day: day.models.freeze("drill", "tester")))
    assert refusals_after(tmp_path, day.broken_ns) == {"the model is frozen: drill"}
    (frozen,) = [e for e in events(tmp_path) if isinstance(e, ModelFrozen)]
    assert (frozen.epoch, frozen.frozen, frozen.operator) == (1, True, "tester")
    with pytest.raises(ModelError, match="no model is live"):  # it has been closed by now
        day.models.thaw("drill is over", "tester")


def test_a_hanging_model(tmp_path: Path) -> None:
    """Its process is stopped: the first forecast is late, later ones are not even begun, then it rests."""
    day = played(tmp_path, once(lambda day: os.kill(day.pid, signal.SIGSTOP)), patience=0.2)
    reasons = refusals_after(tmp_path, day.broken_ns)
    assert "abstains: late: no forecast within 0.2 s" in reasons
    assert "abstains: late: an earlier forecast is still being computed" in reasons
    assert all(reason.startswith("abstains: ") for reason in reasons)
    silent = [e for e in events(tmp_path) if isinstance(e, Prediction) and e.abstain]
    late = ["late" in one.abstain for one in silent]
    assert late[:4] == [True, True, True, False]  # then the breaker opens, and tries again every five minutes
    assert sum(late) <= 3 + MINUTES // 5


def test_a_late_model_is_heard_again(tmp_path: Path) -> None:
    turns = iter((signal.SIGSTOP, signal.SIGCONT))

    def pause(day: Day) -> None:
        for turn in turns:
            os.kill(day.pid, turn)
            break

    day = played(tmp_path, pause, patience=0.2)
    later = [e for e in events(tmp_path) if isinstance(e, Prediction) and e.known_at_ns > day.broken_ns]
    assert "late: no forecast within 0.2 s" in later[0].abstain
    assert any(not one.abstain for one in later[1:]), "one late forecast must not silence a model for good"


def test_a_crashing_model(tmp_path: Path) -> None:
    def kill(day: Day) -> None:
        if day.models._live is not None and day.models._live.process.is_running:
            os.kill(day.pid, signal.SIGKILL)

    day = played(tmp_path, kill)
    refusals_after(tmp_path, day.broken_ns)
    asked = [e for e in events(tmp_path) if isinstance(e, Prediction) and e.known_at_ns > day.broken_ns]
    assert any("its process" in e.abstain for e in asked)
    assert all(e.abstain for e in asked[:3])


def test_a_corrupt_model_is_not_swapped_in_and_not_started_again(tmp_path: Path) -> None:
    def harm(day: Day) -> None:
        day.artefact.write_bytes(day.artefact.read_bytes()[:-1] + b"?")
        os.kill(day.pid, signal.SIGKILL)
        day.swap(day.artefact)

    day = played(tmp_path, once(harm))
    reasons = refusals_after(tmp_path, day.broken_ns)
    assert all(reason.startswith("abstains: ") for reason in reasons)
    asked = [e for e in events(tmp_path) if isinstance(e, Prediction) and e.known_at_ns > day.broken_ns]
    assert asked
    assert all(
        "its process" in e.abstain or "belong together" in e.abstain or "open" in e.abstain for e in asked
    )
    assert day.answer is not None
    with pytest.raises(ModelError, match="do not belong together"):
        day.answer.result()
