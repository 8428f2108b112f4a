"""Fills of a day that the broker no longer reports: named, booked by a person, refused where they do not fit.

The exchange fills an order while nobody listens and never speaks of it again, as TWS after midnight.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from optionsib.brokers.paper import PaperExchange
from optionsib.bus.control import ControlServer
from optionsib.cli import main
from optionsib.common.config import load_config
from optionsib.common.errors import ExecutionError
from optionsib.common.events import BrokerNotice, CommissionReport, Execution, Halted
from optionsib.common.types import MONEY_SCALE, SECOND_NS, Order, OrderLeg
from optionsib.execution.portfolio import Trade
from optionsib.execution.unreported import UnreportedFill, book, explanations
from optionsib.launchers.booking import booking_handlers
from optionsib.launchers.state_folder import control_endpoint

from .bracket_session import CALL, FEE, Session, events_in, open_session
from .conftest import Laboratory
from .test_brackets_killed import run_process

OTHER = 13  # the 70 call: 0.80/0.84 in the opening minute
Scenario = Callable[[Session, PaperExchange], Awaitable[None]]


def single(order_ref: str, quantity: int = 3) -> Order:
    return Order(order_ref, f"T-{order_ref}", (OrderLeg(CALL, 1),), quantity, 19_900, "open", "test")


def spread(order_ref: str, quantity: int = 2) -> Order:
    legs = (OrderLeg(CALL, 1), OrderLeg(OTHER, -1))
    return Order(order_ref, f"T-{order_ref}", legs, quantity, 11_000, "open", "test")


def after_midnight(laboratory: Laboratory, folder: Path, scenario: Scenario, *orders: Order) -> None:
    """Place orders, leave, let all of them fill unseen; run the scenario in a session that comes back."""

    async def whole() -> None:
        exchange = await laboratory.start(laboratory.tape({}, {}))
        first = await open_session(exchange.port, folder)
        await first.step()
        for order in orders:
            await first.decide(order)
        await first.settle()
        assert [r.status for r in first.desk.manager.working()] == ["working"] * len(orders)
        await first.close()
        for message in ("execDetails", "completedOrder", "commission"):
            exchange.faults.drop(message, count=None)
        assert exchange.faults.fill_now() == len(orders)
        session = await open_session(exchange.port, folder)
        try:
            await scenario(session, exchange)
        finally:
            await session.close()

    laboratory.run(whole())


def halts(folder: Path) -> list[str]:
    return [event.reason for event in events_in(folder) if isinstance(event, Halted)]


def take(fill: UnreportedFill, session: Session, **who: str) -> None:
    words = {"operator": "ada", "reason": "statement of 6 June", **who}
    book(session.desk, fill, at_ns=session.clock.now_ns(), **words)


@pytest.mark.parametrize("order", [single("O1"), spread("O1")], ids=["one leg", "two legs"])
def test_a_fill_booked_by_hand_is_as_good_as_a_reported_one(
    laboratory: Laboratory, tmp_path: Path, order: Order
) -> None:
    prices = (19_000, 8_200)[: len(order.legs)]
    held = {leg.con_id: leg.ratio * order.quantity for leg in order.legs}
    net = sum(leg.ratio * price for leg, price in zip(order.legs, prices, strict=True))

    async def scenario(session: Session, exchange: PaperExchange) -> None:
        desk = session.desk
        assert desk.portfolio.positions == {}, "nothing is guessed into the books"
        assert desk.disputed == set(held)
        (halt,) = halts(tmp_path)
        assert halt.startswith("positions differ from the broker's (")
        assert f"{order.quantity} of O1; compare with the account statement" in halt
        take(UnreportedFill("O1", order.quantity, prices, 1_950_000), session)
        assert desk.portfolio.positions == held
        assert desk.disputed == set()
        assert session.journal.is_halted(), "a person resumes, not a booking"
        trade = desk.portfolio.trades["T-O1"]
        assert (trade.opened, trade.entry_price, trade.fees) == (order.quantity, net, 1_950_000)
        vault = await session.quiet()
        assert vault.escrow >= net * order.quantity * 100 * MONEY_SCALE // 10_000
        assert vault.reserved == 0
        assert desk.reconcile(await session.gateway.refresh()) == []
        desk.resume("books agree")
        session.journal.commit()
        notices = [e for e in events_in(tmp_path) if isinstance(e, BrokerNotice) and e.code == -11]
        assert "BOOKED BY HAND by ada" in notices[0].message
        assert "statement of 6 June" in notices[0].message
        ids = [e.execution_id for e in events_in(tmp_path) if isinstance(e, Execution | CommissionReport)]
        assert {name[:7] for name in ids} == {"by hand"}

        await session.close()
        again = await open_session(exchange.port, tmp_path)
        assert again.desk.portfolio.positions == held
        assert not again.journal.is_halted()
        assert await again.quiet() == msgspec.structs.replace(
            vault, confirmation_ns=0, submit_ns=0
        )  # not remembered
        await again.close()

    after_midnight(laboratory, tmp_path, scenario, order)


def test_only_what_makes_positions_agree_is_booked(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        count = len(events_in(tmp_path))
        fits = UnreportedFill("O1", 3, (19_800,))
        for fill, who, reason in (
            (UnreportedFill("O9", 3, (19_800,)), {}, "not in this journal"),
            (UnreportedFill("O1", 2, (19_800,)), {}, "do not make the positions agree"),
            (UnreportedFill("O1", 4, (19_800,)), {}, "expected 1 to 3"),
            (UnreportedFill("O1", 0, (19_800,)), {}, "expected 1 to 3"),
            (UnreportedFill("O1", 3, ()), {}, "expected 1 positive"),
            (UnreportedFill("O1", 3, (0,)), {}, "expected 1 positive"),
            (UnreportedFill("O1", 3, (20_000,)), {}, "beyond its limit of 19900"),
            (fits, {"reason": " "}, "an operator and a reason"),
            (fits, {"operator": ""}, "an operator and a reason"),
        ):
            with pytest.raises(ExecutionError, match=reason):
                take(fill, session, **who)
        session.journal.commit()
        assert len(events_in(tmp_path)) == count
        assert session.desk.portfolio.positions == {}
        take(fits, session)
        with pytest.raises(ExecutionError, match="of 3, 3 are booked"):
            take(fits, session)

    after_midnight(laboratory, tmp_path, scenario, single("O1"))


def test_a_leg_of_a_combination_may_have_gone_for_nothing(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        with pytest.raises(ExecutionError, match="expected 2 non-negative ones"):
            take(UnreportedFill("O1", 2, (10_900, -100)), session)
        take(UnreportedFill("O1", 2, (10_900, 0)), session)
        assert session.desk.portfolio.trades["T-O1"].entry_price == 10_900
        assert session.desk.portfolio.positions == {CALL: 2, OTHER: -2}

    after_midnight(laboratory, tmp_path, scenario, spread("O1"))


def test_two_orders_that_explain_the_same_are_both_named(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        manager = session.desk.manager
        assert session.desk.differences == [(CALL, 0, 4)]
        assert explanations(manager, [(CALL, 0, 2)]) == [("O1", 2), ("O2", 2)]
        assert explanations(manager, [(CALL, 0, 4)]) == [], "neither of them alone"
        assert explanations(manager, [(CALL, 0, -2)]) == []
        assert "would explain it" not in halts(tmp_path)[0]

    after_midnight(laboratory, tmp_path, scenario, single("O1", 2), single("O2", 2))


def test_a_report_that_comes_after_the_booking_halts(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        take(UnreportedFill("O1", 3, (19_900,)), session)
        session.desk.resume("books agree")
        exchange.faults.clear()
        session.desk.reconcile(await session.gateway.refresh())
        assert session.desk.portfolio.positions == {CALL: 3}
        assert session.journal.is_halted()
        assert "does not fit order O1: 3 of 3 filled; not booked" in halts(tmp_path)[-1]

    after_midnight(laboratory, tmp_path, scenario, single("O1"))


def test_a_person_books_with_the_command_line(
    laboratory: Laboratory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--set", f"paths.state={tmp_path}"]

    async def scenario(session: Session, exchange: PaperExchange) -> None:
        async def optionsib(*arguments: str) -> tuple[int, str]:
            status = await asyncio.to_thread(main, ["book", *arguments, *words])
            said = capsys.readouterr()
            return status, said.out + said.err

        endpoint = control_endpoint(load_config(overrides={"paths.state": str(tmp_path)}))
        chain = await session.gateway.option_chain("TWX")
        contracts = {contract.con_id: contract for contract in chain.options}
        async with ControlServer(endpoint, booking_handlers(session.desk, session.clock, contracts)):
            status, said = await optionsib()
            assert status == 0
            assert "+0 in the books, +2 at the broker" in said
            assert "+0 in the books, -2 at the broker" in said
            assert "would explain it: 2 of O1 (+1 " in said
            for arguments, reason in (
                (("O1", "2"), "expected ORDER UNITS PRICE"),
                (("O1", "two", "1.98"), "expected ORDER UNITS PRICE"),
                (("O1", "2", "1.98", "x"), "'x': expected a number"),
                (("O1", "2", "1.90001", "0.82"), "at most 4 decimals"),
                (("O1", "2", "1.9", "0.82"), "an operator and a reason"),
                (("O1", "1", "1.9", "0.82", "--reason", "x"), "do not make the positions agree"),
            ):
                status, said = await optionsib(*arguments)
                assert (status, reason in said) == (1, True), said
            assert session.desk.portfolio.positions == {}
            status, said = await optionsib(
                "O1", "2", "1.9", "0.82", "--commission", "2.6", "--reason", "statement of 6 June"
            )
            assert (status, "positions agree; `optionsib resume`" in said) == (0, True), said
            assert session.desk.portfolio.positions == {CALL: 2, OTHER: -2}
            assert session.desk.portfolio.fees == 2_600_000
            status, said = await optionsib()
            assert (status, said) == (0, "positions agree with the broker's; nothing to book\n")
        status, said = await optionsib()
        assert status == 1
        assert "none runs with the state folder" in said

    after_midnight(laboratory, tmp_path, scenario, spread("O1"))


def test_a_vault_that_cannot_cover_the_fill_refuses(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        vault = session.vault.state(0)
        assert session.vault.reserve(single("other"), vault.free - FEE) is None
        count = len(events_in(tmp_path))
        with pytest.raises(ExecutionError, match=r"order O1 .* nothing booked"):
            take(UnreportedFill("O1", 3, (19_900,)), session)
        assert len(events_in(tmp_path)) == count
        assert session.desk.portfolio.positions == {}

    after_midnight(laboratory, tmp_path, scenario, single("O1"))


@pytest.mark.parametrize("point", ["after-reserve-before-journal", "after-execution-before-settlement"])
def test_killed_while_it_is_booked_nothing_of_it_is_left(
    laboratory: Laboratory, tmp_path: Path, point: str
) -> None:
    fill = UnreportedFill("O1", 3, (19_800,), 1_950_000)

    async def scenario(session: Session, exchange: PaperExchange) -> None:
        before = await session.quiet()
        await session.close()
        words = msgspec.json.encode(fill).decode()
        assert await run_process(exchange.port, tmp_path, point, words) == -signal.SIGKILL
        later = await open_session(exchange.port, tmp_path)
        try:
            assert later.desk.portfolio.positions == {}
            assert (later.vault.state(0).reserved, later.vault.state(0).free) == (0, before.free)
            take(fill, later)  # the person tries again
            assert later.desk.portfolio.positions == {CALL: 3}
            vault = await later.quiet()
            assert (vault.reserved, vault.escrow) == (0, 3 * (199 * MONEY_SCALE + 2 * FEE))
            assert later.desk.portfolio.fees == 1_950_000
            with pytest.raises(ExecutionError, match="3 are booked"):
                take(fill, later)
        finally:
            await later.close()

    after_midnight(laboratory, tmp_path, scenario, single("O1"))


def test_a_close_is_not_booked_before_what_it_closes(laboratory: Laboratory, tmp_path: Path) -> None:
    closing = Order("O1", "T-O1", (OrderLeg(CALL, 1),), 3, 19_900, "close", "test")

    async def scenario(session: Session, exchange: PaperExchange) -> None:
        record = session.desk.manager.records["O1"]
        record.order = closing  # one whose trade is not in these books, or holds less
        count = len(events_in(tmp_path))
        trade = Trade("T-O1", "test", closing.legs, 0, opened=2)
        for held in (0, 2):
            with pytest.raises(ExecutionError, match=f"closes trade T-O1, which holds {held} units"):
                take(UnreportedFill("O1", 3, (19_800,)), session)
            session.desk.portfolio.trades["T-O1"] = trade
        session.journal.commit()
        assert len(events_in(tmp_path)) == count
        assert session.desk.portfolio.positions == {}

    after_midnight(laboratory, tmp_path, scenario, single("O1"))


def test_an_execution_of_no_order_halts_and_disputes_its_contract(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    """Somebody else sells what a trade holds."""

    async def scenario(session: Session, exchange: PaperExchange) -> None:
        take(UnreportedFill("O1", 3, (19_800,)), session)
        session.desk.resume("books agree")
        sold = Execution(
            execution_id="X.1", order_ref="", con_id=CALL, side=-1, quantity=3, price=19_000, at_ns=1
        )
        session.desk.take_in([sold])
        assert "-3 of contract 11, belongs to no order" in halts(tmp_path)[-1]
        assert "trades T-O1 hold it" in halts(tmp_path)[-1]
        assert session.desk.disputed == {CALL}
        assert session.desk.portfolio.positions == {CALL: 3}, "nothing is guessed into the books"

    after_midnight(laboratory, tmp_path, scenario, single("O1"))


def test_an_option_that_ends_is_booked_only_if_positions_bear_it_out(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(session: Session, exchange: PaperExchange) -> None:
        take(UnreportedFill("O1", 3, (19_800,)), session)
        session.desk.resume("books agree")
        count = len(halts(tmp_path))
        session.desk.take_in(
            [Execution(execution_id="X.1", order_ref="", con_id=CALL, side=-1, quantity=3, price=0, at_ns=1)]
        )
        assert (len(halts(tmp_path)), session.desk.disputed) == (count, {CALL})
        assert session.desk.wants_positions
        session.desk.reconcile(await session.gateway.refresh())  # the broker still counts three
        assert "X.1 of contract 11 may end what trades hold" in halts(tmp_path)[-1]
        assert session.desk.portfolio.positions == {CALL: 3}
        assert not session.desk.wants_positions
        session.clock.advance(session.clock.now_ns() + 30 * SECOND_NS)
        assert session.desk.wants_positions, "another look, later"

    after_midnight(laboratory, tmp_path, scenario, single("O1"))


def test_a_fill_and_its_end_may_come_together(laboratory: Laboratory, tmp_path: Path) -> None:
    """After an outage everything is told at once."""

    async def scenario(session: Session, exchange: PaperExchange) -> None:
        session.desk.resume("to be reported after all")
        common: Any = {"con_id": CALL, "quantity": 3, "at_ns": session.clock.now_ns()}
        filled = Execution(execution_id="F.1", order_ref="O1", side=1, price=19_800, **common)
        ended = Execution(execution_id="X.1", order_ref="", side=-1, price=0, **common)
        session.desk.take_in([filled, ended])
        assert not session.journal.is_halted()
        state = msgspec.structs.replace(await session.gateway.refresh(), positions={})
        assert session.desk.reconcile(state) == []
        assert not session.journal.is_halted()
        assert session.desk.portfolio.positions == {}
        assert session.desk.portfolio.trades["T-O1"].closed == 3

    after_midnight(laboratory, tmp_path, scenario, single("O1"))
