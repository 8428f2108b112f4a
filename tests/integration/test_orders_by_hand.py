"""A person's changes between the steps of a session: taken up once, answered always, never too late."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from optionsib.brokers.paper import PaperExchange
from optionsib.common.errors import BrokerError, ExecutionError
from optionsib.common.events import DecisionRecord, OrderModifyRequested, OrderSubmitted, OrderUpdate
from optionsib.execution.orders import OrderManager
from optionsib.trader.by_hand import OrdersByHand

from .bracket_play import decisions_of, minute, play, refused
from .bracket_session import CALL, Session, make_bracket
from .conftest import Laboratory

NO_FEATURES: Any = None  # no vote of the model then


class Person:
    """Asks for changes of a session that holds a bracket."""

    def __init__(self, session: Session) -> None:
        self.orders = OrdersByHand(session.desk, decisions_of(session), session.clock)

    def ask(self, ref: str, patience: float = 60.0, **terms: int) -> asyncio.Task[DecisionRecord]:
        asked = self.orders.change(ref, terms, reason="why", operator="ada", patience=patience)
        return asyncio.get_running_loop().create_task(asked)

    async def take_up(self, *asked: asyncio.Task[DecisionRecord]) -> list[Any]:
        await asyncio.sleep(0)
        await self.orders.carry_out(NO_FEATURES, None)
        return await asyncio.gather(*asked, return_exceptions=True)


def in_doubt(session: Session) -> bool:
    return session.desk.in_doubt


def changes(session: Session) -> list[tuple[str, str]]:
    return [
        (e.order_ref, e.operator)
        for _, _, e in session.journal.events()
        if isinstance(e, OrderModifyRequested)
    ]


def test_what_is_asked_is_judged_and_refused_or_sent(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        person = Person(session)
        await session.decide(*make_bracket(0))
        await session.settle()
        moved, dearer, late, unknown, twice = await person.take_up(
            person.ask("P0-sl", stop_price=-18_000),
            person.ask("P0", limit_price=20_100),
            person.ask("P0-tp", patience=-1.0, limit_price=-25_000),
            person.ask("O9", quantity=1),
            person.ask("P0-sl", stop_price=-18_500),
        )
        assert moved.outcome.order.stop_price == -18_000
        assert refused(dearer) == ("model", "no model is live"), "a person does not vote for the model"
        for answer, words in (
            (late, "no step came in time; nothing was sent"),
            (unknown, "not in this journal"),
            (twice, "a change has no answer yet"),
        ):
            assert isinstance(answer, ExecutionError), answer
            assert words in str(answer)
        assert changes(session) == [("P0-sl", "ada")]
        await session.settle()
        assert session.record("P0-sl").order.stop_price == -18_000
        assert session.record("P0-sl").by_hand
        assert not session.record("P0").by_hand

        session.desk.differences = [(CALL, 0, 1)]
        (kept,) = await person.take_up(person.ask("P0-sl", stop_price=-18_500))
        assert "counts a position of its legs otherwise" in str(kept)
        session.desk.differences = []
        await person.orders.cancel("P0", reason="why", operator="ada")
        with pytest.raises(ExecutionError, match="asked for before"):
            await person.orders.cancel("P0", reason="why", operator="ada")
        (kept,) = await person.take_up(person.ask("P0", limit_price=19_000))
        assert "is being cancelled" in str(kept)

        after_a_restart = OrderManager()
        for _, _, event in session.journal.events():
            if isinstance(event, OrderSubmitted | OrderModifyRequested | OrderUpdate):
                after_a_restart.apply(event)
        assert after_a_restart.records["P0-sl"].by_hand, "a restart remembers whose terms they are"

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_whoever_asks_is_told_when_the_way_to_the_broker_breaks(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        person = Person(session)
        await session.decide(*make_bracket(0))
        await session.settle()
        first = person.ask("P0-sl", stop_price=-18_000)
        second = person.ask("P0-tp", limit_price=-25_000)
        await asyncio.sleep(0)
        await session.gateway.disconnect()
        with pytest.raises(BrokerError):
            await person.orders.carry_out(NO_FEATURES, None)
        with pytest.raises(BrokerError):
            await first
        assert [task.done() for task in (first, second)] == [True, False], "it waits for a step that can send"
        with pytest.raises(BrokerError):
            await person.orders.cancel("P0", reason="why", operator="ada")
        assert in_doubt(session)
        person.orders.close()
        with pytest.raises(ExecutionError, match="the session ends"):
            await second
        with pytest.raises(ExecutionError, match="the session ends"):
            await person.ask("P0-tp", limit_price=-25_000)
        session.desk.reconcile(await session.gateway.reconnect())
        assert not in_doubt(session)
        assert not session.record("P0-sl").modify_pending
        await session.desk.cancel_again()
        await session.settle()
        assert session.record("P0").status == "cancelled"

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))
