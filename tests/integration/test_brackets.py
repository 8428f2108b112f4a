"""Brackets and changed orders from the gate to the exchange and back, over a real socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from optionsib.brokers.paper import PaperExchange
from optionsib.common.config import load_config
from optionsib.common.errors import BrokerError
from optionsib.common.events import (
    ApprovedOrder,
    DecisionRecord,
    Halted,
    OrderModifyRequested,
    Refusal,
)
from optionsib.common.types import MONEY_SCALE, Order, OrderLeg
from optionsib.execution.brackets import bracket
from optionsib.strategies.candidates import SequentialIds
from optionsib.trader.decisions import Decisions

from .bracket_session import CALL, FEE, Session, make_bracket, open_session
from .conftest import Laboratory

Scenario = Callable[[Session, PaperExchange], Awaitable[None]]


def play(laboratory: Laboratory, folder: Path, scenario: Scenario, *minutes: dict[int, Any]) -> None:
    async def whole() -> None:
        exchange = await laboratory.start(laboratory.tape(*minutes))
        session = await open_session(exchange.port, folder)
        try:
            await session.step()
            await scenario(session, exchange)
            assert [event for event in session.journal.events() if isinstance(event[2], Halted)] == []
        finally:
            await session.close()

    laboratory.run(whole())


def refused(record: DecisionRecord) -> tuple[str, str]:
    assert isinstance(record.outcome, Refusal), record.outcome
    return record.outcome.layer, record.outcome.reason


def minute(bid: int, ask: int, size: int = 10) -> dict[int, Any]:
    return {CALL: (bid, size, ask, size)}


def test_the_exits_of_a_bracket_are_booked_as_the_parent_fills(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        parent, target, stop = make_bracket(0)
        await session.decide(parent, target, stop)
        await session.settle()
        assert [r.status for r in session.desk.manager.working()] == ["working"] * 3
        assert session.checker.working_orders == 1, "exits cannot fill before their parent"
        reserved = session.reserved("P0")
        assert reserved == 3 * (200 * MONEY_SCALE + 2 * FEE)
        await session.step()  # two are offered at the limit
        await session.settle()
        assert session.record("P0").filled == 2
        assert session.checker.working_orders == 2
        exposure = session.checker.exposure()
        assert exposure.worst_loss is not None
        assert exposure.worst_loss <= reserved, "the exits do not add to the worst loss"
        await session.step()
        await session.settle()
        assert session.record("P0").filled == 3
        await session.step()
        await session.settle()
        assert (session.record("P0-tp").status, session.record("P0-sl").status) == ("filled", "cancelled")
        assert session.desk.portfolio.positions == {}
        assert session.checker.positions == {}
        assert session.checker.working_orders == 0
        state = await session.quiet()
        assert (state.reserved, state.escrow) == (0, 0)

    play(
        laboratory,
        tmp_path,
        scenario,
        minute(19_600, 20_000, 2),
        minute(19_600, 19_900),
        minute(24_500, 24_900),
    )


def test_a_change_is_judged_reserved_and_sent(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.settle()
        for ref, terms in (("P0", {}), ("P0-sl", {"trade_id": "X"}), ("P0", {"time_in_force": "GTC"})):
            changed = msgspec.structs.replace(session.record(ref).order, **terms)
            assert refused(await session.decide(changed, votes=False))[0] == "risk"
        larger = await session.change("P0", quantity=5)
        assert refused(larger) == ("model", "no signal")
        early = await session.change("P0", quantity=2)
        assert refused(early)[1].endswith("its exits have more than 2 units; make them smaller first")
        for ref in ("P0-tp", "P0-sl"):
            await session.change(ref, quantity=2)
        await session.settle()
        smaller = await session.change("P0", quantity=2)
        assert isinstance(smaller.outcome, ApprovedOrder)
        assert smaller.outcome.reduces_risk
        assert session.record("P0").most_units == 3, "until the broker has answered"
        await session.settle()
        assert (session.record("P0").order.quantity, session.record("P0").modify_pending) == (2, False)
        before = session.reserved("P0")
        await session.change("P0", votes=True, quantity=4, limit_price=20_049)
        assert session.reserved("P0") == 4 * (200 * MONEY_SCALE + 2 * FEE) > before
        await session.settle()
        assert session.record("P0").order.quantity == 4
        decisions = [e for _, _, e in session.journal.events() if isinstance(e, DecisionRecord)]
        assert decisions[-1].strategy is not None
        assert decisions[-1].strategy.reason == "test; P0 limit 20049 rounded to 20000"
        changes = [e for _, _, e in session.journal.events() if isinstance(e, OrderModifyRequested)]
        assert [(e.order_ref, e.quantity, e.limit_price) for e in changes] == [
            ("P0-tp", 2, None), ("P0-sl", 2, None), ("P0", 2, None), ("P0", 4, None),
        ]  # fmt: skip
        assert [(order.order_ref, order.quantity) for order in session.desk.manager.exits_behind()] == [
            ("P0-tp", 4), ("P0-sl", 4),
        ]  # fmt: skip
        too_much = await session.change("P0", votes=True, quantity=1_000_000)
        assert refused(too_much)[0] in ("risk", "vault")
        moved = await session.change("P0-sl", stop_price=-18_049)
        assert isinstance(moved.outcome, ApprovedOrder)
        assert moved.outcome.order.stop_price == -18_100
        beyond = await session.change("P0-sl", quantity=5)
        assert refused(beyond) == ("risk", "order P0-sl: P0-sl attached: quantity 5, the parent has 4")
        await session.settle()
        assert session.record("P0-sl").order.stop_price == -18_100

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_a_change_that_the_broker_refuses_leaves_the_old_terms(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.settle()
        exchange.faults.error(201, order_ref="P0")
        await session.change("P0", votes=True, quantity=5)
        assert session.record("P0").most_units == 5
        await session.settle()
        record = session.record("P0")
        assert (record.order.quantity, record.modify_pending, record.status) == (3, False, "working")
        assert session.reserved("P0") == 5 * (200 * MONEY_SCALE + 2 * FEE), "freed at the end"

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


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
        assert session.record("P0-sl").cancel_requested
        await session.step()
        await session.settle()
        assert session.desk.manager.working() == []

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200), minute(19_800, 20_200))


def test_a_bracket_that_the_gateway_holds_back_never_was(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        exchange.faults.farm("usopt", up=False)
        await session.settle()
        with pytest.raises(BrokerError, match="stale"):
            await session.decide(*make_bracket(0))
        session.desk.reconcile(await session.gateway.refresh())  # as the trader does after any such error
        assert session.desk.manager.working() == []
        assert session.checker.working_orders == 0
        assert (await session.quiet()).reserved == 0

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


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


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ({"quantity": 4}, "quantity 4, the parent has 3"),
        ({"quantity": 2}, "quantity 2, the parent has 3"),
        ({"parent_ref": "X"}, "its parent is 'X'"),
        ({"trade_id": "X"}, "expected to close trade T0"),
        ({"legs": make_bracket(0)[0].legs}, "not the parent's the other way round"),
        ({"limit_price": 100}, "loses more than without it"),
        ({"oca_group": "other"}, "must share one group"),
        ({"order_ref": "P0"}, "references repeat"),
    ],
)
def test_what_is_no_bracket_is_refused_whole(
    laboratory: Laboratory, tmp_path: Path, spoil: dict[str, Any], reason: str
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        parent, target, stop = make_bracket(0)
        record = await session.decide(parent, msgspec.structs.replace(target, **spoil), stop)
        assert refused(record)[0] == "risk", refused(record)
        assert reason in refused(record)[1]
        assert session.desk.manager.records == {}
        assert (await session.quiet()).reserved == 0
        alone = await session.decide(target)
        assert "sent with it or not at all" in refused(alone)[1]

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_a_spread_has_exits_too(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        legs = (OrderLeg(CALL, 1), OrderLeg(13, -1))  # 68/70 call vertical: 1.14 bid, 1.22 asked
        parent = Order("P0", "T0", legs, 2, 12_250, "open", "test")
        target = Order("P0-tp", "", (), 0, -15_050, "close", "")
        stop = Order("P0-sl", "", (), 0, -5_000, "close", "", order_type="STP LMT", stop_price=-8_000)
        record = await session.decide(parent, *bracket(parent, [target, stop]))
        assert isinstance(record.outcome, ApprovedOrder)
        assert [order.limit_price for order in record.outcome.attached] == [-15_100, -5_000]
        await session.settle()
        assert session.record("P0").filled == 2
        assert session.checker.working_orders == 1
        await session.change("P0-tp", limit_price=-14_000)
        await session.step()
        await session.settle()
        assert (session.record("P0-tp").status, session.record("P0-sl").status) == ("filled", "cancelled")
        assert (session.desk.portfolio.positions, session.checker.positions) == ({}, {})
        assert (await session.quiet()).escrow == 0
        paying_out = Order("P1-tp", "", (), 0, 21_000, "close", "")  # more than the width of the spread
        credit = Order(
            "P1", "T1", tuple(OrderLeg(x.con_id, -x.ratio) for x in legs), 1, -10_000, "open", "test"
        )
        again = await session.decide(credit, *bracket(credit, [paying_out]))
        assert "loses more than without it" in refused(again)[1]

    play(laboratory, tmp_path, scenario, {CALL: (23_500, 10, 23_900, 10), 13: (8_000, 10, 8_400, 10)})


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


def decisions_of(session: Session) -> Decisions:
    return Decisions(
        config=load_config("paper"),
        clock=session.clock,
        desk=session.desk,
        model=None,
        ids=SequentialIds(),
        contracts=session.contracts,
    )


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
