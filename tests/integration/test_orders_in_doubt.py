"""Where the broker's word and ours part: requests that get lost, reports that come late or for nobody."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from optionsib.brokers.paper import PaperExchange
from optionsib.common.errors import BrokerError
from optionsib.common.events import (
    BrokerEvent,
    CommissionReport,
    Execution,
    Halted,
    OrderCancelRequested,
    OrderUpdate,
)
from optionsib.common.types import MONEY_SCALE, Order, OrderLeg
from optionsib.execution.brackets import bracket

from .bracket_play import minute, play
from .bracket_session import CALL, FEE, Session, make_bracket, open_session
from .conftest import Laboratory

OPENING = Order("O1", "T1", (OrderLeg(CALL, 1),), 3, 19_900, "open", "test")


def halts(session: Session) -> list[str]:
    return [event.reason for _, _, event in session.journal.events() if isinstance(event, Halted)]


def cancels(session: Session) -> list[str]:
    return [e.order_ref for _, _, e in session.journal.events() if isinstance(e, OrderCancelRequested)]


def bought(session: Session, quantity: int, execution_id: str = "X.1", ref: str = "O1") -> Execution:
    return Execution(
        execution_id=execution_id,
        order_ref=ref,
        con_id=CALL,
        side=1,
        quantity=quantity,
        price=19_900,
        at_ns=1,
    )


def test_a_cancel_that_never_left_is_asked_again(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(OPENING)
        await session.settle()
        before = await session.gateway.refresh()
        await session.gateway.disconnect()
        with pytest.raises(BrokerError):
            await session.desk.cancel(session.record("O1"), "test")
        session.desk.reconcile(before)
        await session.desk.cancel_again()  # fails too, and keeps nothing else from being done
        assert session.desk.in_doubt
        assert await session.desk.cancel_working("asked before") == 1
        state = await session.gateway.reconnect()
        session.desk.take_in(session.gateway.take_events())
        session.desk.reconcile(state)
        assert session.record("O1").status == "working"
        await session.desk.cancel_again()
        await session.settle()
        assert session.record("O1").status == "cancelled"
        assert (await session.gateway.refresh()).working_orders == ()
        assert cancels(session) == ["O1"] * 3
        await session.desk.cancel_again()
        assert cancels(session) == ["O1"] * 3, "not once it was heard"

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_a_cancel_journaled_before_a_crash_is_asked_again(laboratory: Laboratory, tmp_path: Path) -> None:
    async def whole() -> None:
        exchange = await laboratory.start(laboratory.tape(minute(19_800, 20_200), minute(19_800, 20_200)))
        first = await open_session(exchange.port, tmp_path)
        await first.step()
        await first.decide(OPENING)
        await first.settle()
        exchange.faults.silence("cancelOrder")
        await first.desk.cancel(first.record("O1"), "test")  # as if the process had died on the way
        await first.gateway.settle()
        await first.close()
        exchange.faults.speak()
        later = await open_session(exchange.port, tmp_path)
        try:
            assert later.record("O1").status == "working"
            await later.desk.cancel_again()
            await later.settle()
            assert later.desk.manager.working() == []
        finally:
            await later.close()

    laboratory.run(whole())


def test_one_cancel_that_fails_keeps_no_other_from_being_asked(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        for ref in ("O1", "O2", "O3"):
            await session.decide(msgspec.structs.replace(OPENING, order_ref=ref, trade_id=f"T-{ref}"))
        await session.settle()
        await session.gateway.disconnect()
        with pytest.raises(BrokerError):
            await session.desk.cancel_working("halted")
        assert cancels(session) == ["O1", "O2", "O3"]
        session.desk.reconcile(await session.gateway.reconnect())
        await session.desk.cancel_again()
        await session.settle()
        assert session.desk.manager.working() == []

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


@pytest.mark.parametrize("code", [161, 10147, 10148])
def test_a_cancel_that_the_broker_refuses_may_be_asked_again(
    laboratory: Laboratory, tmp_path: Path, code: int
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(OPENING)
        await session.settle()
        exchange.faults.error(code, request="cancelOrder", order_ref="O1")
        for status in ("working", "cancelled"):
            await session.desk.cancel(session.record("O1"), "test")
            await session.settle()
            assert session.record("O1").status == status
        assert cancels(session) == ["O1", "O1"]

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_an_order_by_hand_in_tws_keeps_us_off_its_contract(laboratory: Laboratory, tmp_path: Path) -> None:
    """Whoever trades in TWS makes our books wrong; what we would "close" there might open."""

    async def scenario(session: Session, exchange: PaperExchange) -> None:
        session.desk.take_in([bought(session, 2, ref="perm-77")])
        assert session.desk.disputed == {CALL}
        assert session.desk.in_doubt
        assert "perm-77" in halts(session)[0]
        session.desk.reconcile(await session.gateway.refresh())  # as the trader does at its next step
        assert (session.desk.disputed, session.desk.in_doubt) == (frozenset(), False)
        session.desk.resume("looked at it")

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200), halts=True)


def test_an_exit_that_is_reported_before_its_parent_waits(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.settle()
        exchange.faults.fill_now("P0")
        exchange.faults.fill_now("P0-tp")
        await session.gateway.settle()
        events = session.gateway.take_events()
        parent = [e for e in events if isinstance(e, Execution) and e.order_ref == "P0"]
        exits = [e for e in events if isinstance(e, Execution) and e.order_ref == "P0-tp"]
        others: list[BrokerEvent] = [e for e in events if e not in parent + exits]
        assert parent
        assert exits
        session.desk.take_in(exits)
        session.desk.take_in(exits)
        session.desk.take_in(others)
        assert (session.desk.portfolio.positions, session.checker.positions) == ({}, {})
        session.desk.take_in(parent)
        assert (session.desk.portfolio.positions, session.checker.positions) == ({}, {})
        trade = session.desk.portfolio.trades["T0"]
        assert (trade.opened, trade.closed, trade.is_open) == (3, 3, False)
        assert session.record("P0-tp").filled == 3
        assert session.desk.manager.waiting() == []
        assert session.checker.working_orders == 0
        await session.settle()
        vault = await session.quiet()
        assert (vault.reserved, vault.escrow) == (0, 0)

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_an_exit_of_a_spread_waits_with_its_legs(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        legs = (OrderLeg(CALL, 1), OrderLeg(13, -1))
        parent = Order("P0", "T0", legs, 2, 11_000, "open", "test")
        target = Order("P0-tp", "", (), 0, -15_000, "close", "")
        await session.decide(parent, *bracket(parent, [target]))
        await session.settle()
        assert exchange.faults.fill_now("P0") == 1
        assert exchange.faults.fill_now("P0-tp") == 1
        await session.gateway.settle()
        events = session.gateway.take_events()
        early = [e for e in events if isinstance(e, Execution) and e.order_ref == "P0-tp"]
        assert [e.is_combo for e in early].count(True) == 1
        for event in [*early, *reversed(early)]:
            session.desk.take_in([event])
            assert session.record("P0-tp").filled == 0
        session.desk.take_in([event for event in events if event not in early])
        trade = session.desk.portfolio.trades["T0"]
        assert (trade.opened, trade.closed, session.record("P0-tp").filled) == (2, 2, 2)
        assert (session.desk.portfolio.positions, session.checker.positions) == ({}, {})
        await session.settle()
        assert len(session.desk.manager.commissions) == 6, "two legs and the whole, twice"

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_an_exit_whose_parents_fill_is_never_reported_halts(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(*make_bracket(0))
        await session.settle()
        sold = msgspec.structs.replace(bought(session, 1, "S.1", "P0-tp"), side=-1, price=24_000)
        session.desk.take_in([sold])
        assert halts(session) == []
        session.desk.reconcile(await session.gateway.refresh())
        assert "executions S.1 close what no execution has opened" in halts(session)[0]
        session.desk.resume("looked at it")

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200), halts=True)


def test_an_order_that_works_after_its_end_halts_and_is_ended(laboratory: Laboratory, tmp_path: Path) -> None:
    """A list without the order is taken for its end; if that was wrong, its limits are free and it lives."""

    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(OPENING)
        await session.settle()
        state = await session.gateway.refresh()
        session.desk.reconcile(msgspec.structs.replace(state, working_orders=()))
        assert session.record("O1").status == "cancelled"
        assert halts(session) == []
        session.desk.take_in([OrderUpdate(order_ref="O1", status="working", at_ns=5, limit_price=19_900)])
        assert "order O1 had ended, and the broker works it" in halts(session)[0]
        await session.desk.cancel_again()
        await session.settle()
        assert (await session.gateway.refresh()).working_orders == ()
        await session.desk.cancel_again()
        assert cancels(session) == ["O1"]

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200), halts=True)


def test_what_was_said_before_a_change_left_does_not_answer_it(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(OPENING)
        await session.gateway.settle()  # acknowledged; nobody has taken the word in yet
        exchange.faults.silence("placeOrder")
        await session.change("O1", votes=True, quantity=5)
        session.desk.take_in(session.gateway.take_events())
        record = session.record("O1")
        assert (record.modify_pending, record.most_units) == (True, 5)
        assert session.checker.exposure().worst_loss == 5 * (199 * MONEY_SCALE + 2 * FEE)
        session.desk.take_in([bought(session, 5)])  # the larger order fills before its description comes
        assert (record.filled, halts(session)) == (5, [])

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200))


def test_a_change_to_what_has_filled_meanwhile_does_not_leave(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(OPENING)
        await session.settle()
        await session.gateway.step()  # two fill; the books have not heard of it
        assert session.record("O1").filled == 0
        with pytest.raises(BrokerError, match="quantity 2 is not above the 2 filled already"):
            await session.change("O1", quantity=2)
        assert session.record("O1").modify_pending
        state = await session.gateway.refresh()
        session.desk.take_in(session.gateway.take_events())
        session.desk.reconcile(state)
        record = session.record("O1")
        assert (record.filled, record.order.quantity, record.modify_pending) == (2, 3, False)
        assert record.status == "working"

    play(laboratory, tmp_path, scenario, minute(19_500, 19_900, 2), minute(19_500, 20_200))


def test_a_commission_in_another_currency_is_not_booked_as_dollars(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        await session.decide(OPENING)
        await session.settle()
        session.desk.take_in(
            [bought(session, 3), CommissionReport(execution_id="X.1", amount=100, currency="JPY")]
        )
        assert session.desk.portfolio.fees == 0
        assert "commission of execution X.1 is in JPY" in halts(session)[0]
        session.desk.take_in([CommissionReport(execution_id="X.1", amount=650_000, currency="USD")])
        assert session.desk.portfolio.fees == 650_000

    play(laboratory, tmp_path, scenario, minute(19_800, 20_200), halts=True)
