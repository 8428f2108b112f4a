"""How brackets end: with their parent, half filled, while nobody listens, or flattened."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from optionsib.brokers.paper import PaperExchange
from optionsib.common.events import (
    Halted,
    OrderCancelRequested,
)
from optionsib.common.types import MONEY_SCALE

from .bracket_play import decisions_of, minute, play, refused
from .bracket_session import CALL, FEE, Session, make_bracket, open_session
from .conftest import Laboratory


@pytest.mark.parametrize("all_at_once", [False, True])
def test_children_die_with_a_parent_that_never_filled(
    laboratory: Laboratory, tmp_path: Path, all_at_once: bool
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.settle()
        if all_at_once:  # as a session that ends does: the cancels of the exits come too late
            assert await session.desk.cancel_working("session ends") == 3
        else:
            await session.desk.cancel(session.record("P0"), "test")
        await session.settle()
        if all_at_once:
            assert session.desk.manager.working() == []
        await session.step()
        await session.settle()
        assert session.desk.manager.working() == []
        assert session.checker.working_orders == 0
        assert (await session.quiet()).reserved == 0
        assert (await session.gateway.refresh()).working_orders == ()

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_an_exit_whose_end_was_not_heard_is_cancelled_with_its_parent(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.settle()
        for message in ("orderStatus", "error", "openOrder"):
            exchange.faults.drop(message, count=None, order_ref="P0-sl")
        await session.desk.cancel(session.record("P0"), "test")
        await session.settle()
        assert [r.order.order_ref for r in session.desk.manager.orphans()] == ["P0-sl"]
        exchange.faults.clear()
        await session.step()
        await session.settle()
        assert "P0-sl" in [
            e.order_ref for _, _, e in session.journal.events() if isinstance(e, OrderCancelRequested)
        ]
        await session.step()
        await session.settle()
        assert session.desk.manager.working() == []

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200), minute(19_800, 20_200))


def test_nothing_is_left_of_a_bracket_whose_parent_was_rejected(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        exchange.faults.error(201, order_ref="P0")
        await session.decide(*make_bracket(0))
        await session.settle()
        assert session.record("P0").status == "rejected"
        await session.step()
        await session.settle()
        assert session.desk.manager.working() == []
        assert (await session.quiet()).reserved == 0
        assert (await session.gateway.refresh()).working_orders == ()

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_a_parent_cancelled_half_filled_keeps_its_exits_for_that_half(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.step()
        await session.settle()
        await session.desk.cancel(session.record("P0"), "test")
        await session.settle()
        assert session.record("P0").filled == 2
        assert (await session.quiet()).reserved == 0
        assert [session.record(ref).order.quantity for ref in ("P0-tp", "P0-sl")] == [2, 2]
        beyond = await session.change("P0-sl", quantity=3)
        assert refused(beyond)[1].endswith("quantity 3, the parent has 2")
        assert session.desk.manager.exits_behind() == []
        await session.step()
        await session.settle()
        assert session.record("P0-tp").filled == 2
        assert session.desk.manager.working() == []
        assert (session.desk.portfolio.positions, session.checker.positions) == ({}, {})
        assert (await session.quiet()).escrow == 0

    play(laboratory, tmp_path, scenario, minute(19_600, 20_000, 2), minute(24_500, 24_900))


@pytest.mark.parametrize("exit_filled", [False, True])
def test_what_filled_while_away_is_booked_once(
    laboratory: Laboratory, tmp_path: Path, exit_filled: bool
) -> None:
    async def whole() -> None:
        exchange = await laboratory.start(laboratory.tape(minute(19_800, 20_200), minute(19_900, 20_300)))
        first = await open_session(exchange.port, tmp_path)
        await first.step()
        await first.decide(*make_bracket(0))
        await first.settle()
        await first.close()
        exchange.faults.fill_now("P0")
        if exit_filled:
            exchange.faults.fill_now("P0-tp")
        later = await open_session(exchange.port, tmp_path)
        try:
            record = later.record("P0")
            assert (record.filled, record.is_done) == (3, True)
            left = 0 if exit_filled else 3
            held = {CALL: 3} if left else {}
            assert (later.desk.portfolio.positions, later.checker.positions) == (held, held)
            working = {r.order.order_ref for r in later.desk.manager.working()}
            assert working == (set() if exit_filled else {"P0-tp", "P0-sl"})
            assert later.checker.working_orders == (1 if left else 0)
            await later.settle()  # commissions come after their executions
            state = await later.quiet()
            assert state.reserved == 0
            assert state.escrow == left * (200 * MONEY_SCALE + 2 * FEE)
            assert [e for _, _, e in later.journal.events() if isinstance(e, Halted)] == []
            if left:  # the exits can still be moved
                await later.step()
                await later.change("P0-sl", stop_price=-18_000)
                await later.settle()
                assert later.record("P0-sl").order.stop_price == -18_000
        finally:
            await later.close()

    laboratory.run(whole())


def test_exits_follow_a_parent_that_grew(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.settle()
        await session.change("P0", votes=True, quantity=5)
        assert session.desk.manager.exits_behind() == [], "not before the broker works the larger parent"
        await session.settle()
        await decisions_of(session).follow_parents()  # no vote of the model is needed
        await session.settle()
        assert [r.order.quantity for r in session.desk.manager.working()] == [5, 5, 5]

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_flattening_takes_the_exits_back_and_closes_at_the_market(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.step()
        await session.settle()
        assert session.record("P0").filled == 2
        decisions = decisions_of(session)
        share = SimpleNamespace(con_id=1)
        chain: Any = SimpleNamespace(
            con_id=[CALL], bid=[1.96], ask=[2.00], underlying=share, underlying_bid=69.0, underlying_ask=69.0
        )
        session.checker.set_halted(True)
        await session.desk.cancel_working("halted", opening_only=True)
        await decisions.flatten(chain)
        await session.settle()
        assert session.desk.manager.working() == []
        await decisions.flatten(chain)
        await session.settle()
        assert (session.desk.portfolio.positions, session.checker.positions) == ({}, {})
        (closed,) = [r for r in session.desk.manager.records.values() if r.order.order_ref.startswith("O")]
        assert (closed.filled, closed.limit_price) == (2, -19_600)
        assert (await session.quiet()).escrow == 0

    play(laboratory, tmp_path, scenario, minute(19_600, 20_000, 2), minute(19_600, 20_000))
