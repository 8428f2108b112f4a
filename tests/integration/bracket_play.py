"""A scenario played against an exchange over a real socket, from the gate to the books."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from optionsib.brokers.paper import PaperExchange
from optionsib.common.config import ModelConfig, load_config
from optionsib.common.events import (
    DecisionRecord,
    Halted,
    Refusal,
)
from optionsib.models.server import ModelServer
from optionsib.strategies.candidates import SequentialIds
from optionsib.trader.decisions import Decisions

from .bracket_session import CALL, Session, open_session
from .conftest import Laboratory

Scenario = Callable[[Session, PaperExchange], Awaitable[None]]


def play(
    laboratory: Laboratory, folder: Path, scenario: Scenario, *minutes: dict[int, Any], halts: bool = False
) -> None:
    async def whole() -> None:
        exchange = await laboratory.start(laboratory.tape(*minutes))
        session = await open_session(exchange.port, folder)
        try:
            await session.step()
            await scenario(session, exchange)
            assert any(isinstance(event, Halted) for _, _, event in session.journal.events()) is halts
        finally:
            await session.close()

    laboratory.run(whole())


def refused(record: DecisionRecord) -> tuple[str, str]:
    assert isinstance(record.outcome, Refusal), record.outcome
    return record.outcome.layer, record.outcome.reason


def minute(bid: int, ask: int, size: int = 10) -> dict[int, Any]:
    return {CALL: (bid, size, ask, size)}


def decisions_of(session: Session) -> Decisions:
    return Decisions(
        config=load_config("paper"),
        clock=session.clock,
        desk=session.desk,
        models=ModelServer(ModelConfig(), session.clock, session.bus.publish),
        ids=SequentialIds(),
        contracts=session.contracts,
    )
