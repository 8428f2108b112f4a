"""Assignment, exercise and expiry of what vault trades hold: from the exchange's executions to the chain.

A real exchange, gateway, desk, limits, vault and attestor; TWX options that expire in the third minute.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")

from optionsib.brokers.ib.execution_watch import ExecutionWatch
from optionsib.brokers.paper import PaperExchange
from optionsib.common.config import GatewayConfig
from optionsib.common.events import (
    Delivery,
    Execution,
    Refusal,
    VaultIntent,
)
from optionsib.common.types import MINUTE_NS, SECOND_NS, Contract, Order, OrderLeg
from optionsib.vault.attestor import (
    AttestationRefusedError,
    AttestationRequest,
    Attestor,
    ExecutionUse,
)
from optionsib.vault.attestor_store import AttestorStore
from optionsib.vault.conditions import VaultCondition
from optionsib.vault.signers import DemoSigner

from .bracket_session import events_in, open_session
from .conftest import Laboratory
from .delivery_day import (
    CALL,
    CLOSE_NS,
    CREDIT,
    DEBIT,
    HIGHER,
    SHARE,
    Trading,
    check,
    day,
    deliveries,
    halts,
    opened,
    until_settled,
)


def test_an_assigned_short_leg_is_bought_back_and_settled(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(trading: Trading, exchange: PaperExchange) -> None:
        await opened(trading, "O1", CREDIT, -11_400, units=2)
        await trading.step()
        await trading.step(acts=False)
        assert trading.desk.portfolio.trades["T-O1"].apart
        assert deliveries(tmp_path) == [("assignment", CALL), ("expiry", HIGHER)]
        conditions = trading.session.vault.conditions()
        assert "trade T-O1 holds -200 of contract 1" in conditions[VaultCondition.DELIVERED]
        vault = await until_settled(trading)
        assert halts(tmp_path) == []
        await check(trading, tmp_path, vault)
        trade = trading.desk.portfolio.trades["T-O1"]
        assert trade.realized - trade.fees == vault.settled
        (close,) = [e for e in events_in(tmp_path) if isinstance(e, VaultIntent) and e.kind == "close"]
        assert (close.reference, close.units) == ("T-O1 close apart 1", 2)

    day(laboratory, tmp_path, 690_000, scenario)


@pytest.mark.parametrize(
    ("spot", "legs", "limit", "told"),
    [
        (670_000, CREDIT, -11_400, [("expiry", CALL), ("expiry", HIGHER)]),
        (720_000, CREDIT, -11_400, [("assignment", CALL), ("exercise", HIGHER)]),
        (720_000, DEBIT, 12_200, [("exercise", CALL), ("assignment", HIGHER)]),
        (690_000, DEBIT, 12_200, [("exercise", CALL), ("expiry", HIGHER)]),
    ],
    ids=["worthless", "credit in the money", "debit in the money", "long leg exercised"],
)
def test_what_expires_is_settled(
    laboratory: Laboratory, tmp_path: Path, spot: int, legs: Any, limit: int, told: Any
) -> None:
    async def scenario(trading: Trading, exchange: PaperExchange) -> None:
        await opened(trading, "O1", legs, limit)
        await trading.step()
        await trading.step()
        assert deliveries(tmp_path) == told
        vault = await until_settled(trading)
        assert halts(tmp_path) == []
        await check(trading, tmp_path, vault)

    day(laboratory, tmp_path, spot, scenario)


def test_one_execution_serves_two_trades_and_an_earlier_close_keeps_its_part(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    async def scenario(trading: Trading, exchange: PaperExchange) -> None:
        await opened(trading, "O1", CREDIT, -11_400, units=3)
        await opened(trading, "O2", CREDIT, -11_400)
        back = tuple(OrderLeg(leg.con_id, -leg.ratio) for leg in CREDIT)
        await trading.session.decide(Order("C1", "T-O1", back, 2, 12_300, "close", "test"))
        await trading.session.settle()
        await trading.step()
        await trading.step()
        (assigned, expired) = [e for e in events_in(tmp_path) if isinstance(e, Delivery)]
        assert [(trade, n) for trade, _, n in assigned.uses] == [
            ("T-O1", 1), ("T-O2", 1), ("T-O1", 100), ("T-O2", 100),
        ]  # fmt: skip
        assert [(trade, n) for trade, _, n in expired.uses] == [("T-O1", 1), ("T-O2", 1)]
        vault = await until_settled(trading)
        await check(trading, tmp_path, vault)
        closes = [e for e in events_in(tmp_path) if isinstance(e, VaultIntent) and e.kind == "close"]
        assert [(e.trade_id, e.units, e.units_before) for e in closes] == [
            ("T-O1", 2, 3), ("T-O1", 1, 1), ("T-O2", 1, 1),
        ]  # fmt: skip

    day(laboratory, tmp_path, 690_000, scenario)


@pytest.mark.parametrize("moment", ["before it is taken in", "before it is recognised", "after", "unheard"])
def test_a_restart_finds_what_ended_and_books_it_once(
    laboratory: Laboratory, tmp_path: Path, moment: str
) -> None:
    async def scenario(trading: Trading, exchange: PaperExchange) -> None:
        session = trading.session
        await opened(trading, "O1", CREDIT, -11_400)
        await session.quiet()
        await trading.step()
        if moment == "unheard":
            await session.close()
            other = await laboratory.connect(exchange)  # whoever drives the exchange's clock
            await other.reqCurrentTimeAsync()
            other.disconnect()
            await asyncio.sleep(0.05)
        elif moment == "after":
            await trading.step(acts=False)
            await session.close()
        else:
            await session.gateway.step()
            if moment == "before it is recognised":
                session.desk.take_in(session.gateway.take_events())
                assert session.desk.wants_positions
                assert session.desk.disputed == {SHARE, CALL, HIGHER}
            await session.close()
        assert deliveries(tmp_path) == (
            [("assignment", CALL), ("expiry", HIGHER)] if moment == "after" else []
        )
        for start in range(2):  # the second one finds nothing new
            trading.session = session = await open_session(exchange.port, tmp_path)
            assert deliveries(tmp_path) == [("assignment", CALL), ("expiry", HIGHER)]
            assert session.desk.portfolio.positions == {SHARE: -100} == session.checker.positions
            assert halts(tmp_path) == []
            if not start:
                await session.close()
        again = Trading(session)
        trading.desk = again.desk
        vault = await until_settled(again)
        assert halts(tmp_path) == []
        await check(again, tmp_path, vault)

    day(laboratory, tmp_path, 690_000, scenario)


def test_an_early_assignment_deep_in_the_money_is_wound_up_even_when_halted(
    laboratory: Laboratory, tmp_path: Path
) -> None:
    """Of three units two are assigned. What covered them is sold last."""

    async def scenario(trading: Trading, exchange: PaperExchange) -> None:
        await opened(trading, "O1", CREDIT, -11_400, units=3)
        await trading.step()
        with pytest.raises(ValueError, match="cannot assign 4 of contract 11: 3 options are sold"):
            exchange.faults.assign(CALL, 4)
        exchange.faults.assign(CALL, 2)
        trading.desk.halt("something else", "ada")
        await trading.step(acts=False)
        for number, (con_id, ratio, units) in enumerate(
            [(SHARE, 1, 201), (SHARE, -1, 1), (HIGHER, -1, 3), (HIGHER, 1, 1)]
        ):  # more than is held, on the wrong side, what covers a short position
            limit = ratio * (720_100 if con_id == SHARE else 20_500)
            order = Order(f"X{number}", "T-O1", (OrderLeg(con_id, ratio),), units, limit, "close", "test")
            outcome = (await trading.session.decide(order, votes=False)).outcome
            assert isinstance(outcome, Refusal), order
        await trading.step()
        trade = trading.desk.portfolio.trades["T-O1"]
        assert trade.held == {HIGHER: 3}, "bought back in one step, sold in the next"
        vault = await until_settled(trading)
        assert halts(tmp_path) == ["something else"]
        await check(trading, tmp_path, vault)
        told = [e for e in events_in(tmp_path) if isinstance(e, Execution) and e.order_ref != "O1"]
        assert {(e.con_id, e.side * e.quantity, e.price) for e in told} == {
            (CALL, 2, 0), (SHARE, -200, 680_000), (CALL, 1, 40_500), (SHARE, 200, 720_052),
            (HIGHER, -3, 20_500),
        }  # fmt: skip

    dear = {CALL: (40_000, 50, 40_500, 50), HIGHER: (20_500, 50, 21_000, 50)}
    day(laboratory, tmp_path, 720_000, scenario, expiry_ns=CLOSE_NS + MINUTE_NS, second=dear)


def test_index_options_settle_in_cash(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(trading: Trading, exchange: PaperExchange) -> None:
        await opened(trading, "O1", CREDIT, -11_400)
        await trading.step()
        await trading.step()
        assert deliveries(tmp_path) == [("cash settlement", CALL), ("expiry", HIGHER)]
        vault = await until_settled(trading)
        await check(trading, tmp_path, vault)
        assert vault.settled == (11_400 - 10_001) * 100 * 100 - 2 * 650_000

    day(laboratory, tmp_path, 690_000, scenario, underlying=Contract(1, "TWX", "IND"))


def test_shares_that_cannot_be_traded_are_named(laboratory: Laboratory, tmp_path: Path) -> None:
    async def scenario(trading: Trading, exchange: PaperExchange) -> None:
        await opened(trading, "O1", CREDIT, -11_400)
        trading.session.checker.set_tradable(SHARE, False)
        await trading.step()
        await trading.step()
        (stuck,) = trading.decisions.stuck
        assert stuck.startswith("T-O1: ")
        assert "not trad" in stuck
        vault = trading.session.vault.state(0)
        assert [words.split(":")[0] for words in vault.conditions] == ["DELIVERED"]
        refusal = trading.session.vault.reserve(Order("O9", "T9", CREDIT, 1, 0, "open", "test"), 1)
        assert refusal is not None
        assert refusal.startswith("DELIVERED")
        trading.session.checker.set_tradable(SHARE, True)
        await check(trading, tmp_path, await until_settled(trading))
        assert trading.decisions.stuck == ()

    day(laboratory, tmp_path, 690_000, scenario)


def test_an_attestor_of_its_own_comes_to_the_same_results(laboratory: Laboratory, tmp_path: Path) -> None:
    """It sees only what its own connection is told: executions, commissions and the contracts in them."""

    async def scenario(trading: Trading, exchange: PaperExchange) -> None:
        await opened(trading, "O1", CREDIT, -11_400, units=2)
        await trading.step()
        await trading.step()
        await check(trading, tmp_path, await until_settled(trading))
        clock = trading.session.clock
        watch = ExecutionWatch(GatewayConfig(port=exchange.port, client_id=9), clock)
        await watch.connect()
        events, contracts = await watch.poll()
        await watch.disconnect()
        place = {name: str(DemoSigner(1, name).public_key) for name in ("cluster", "program", "vault")}
        attestor = Attestor(DemoSigner(1, "attestor"), AttestorStore(None, "test"), clock, **place)
        attestor.learn(contracts)
        for event in events:
            attestor.observe(event)
        (close,) = [e for e in events_in(tmp_path) if isinstance(e, VaultIntent) and e.kind == "close"]
        request = AttestationRequest(
            **place,
            trade_id=1,
            close_number=0,
            share=close.amount,
            pnl=close.pnl,
            valid_until=clock.now_ns() // SECOND_NS + 60,
            opened=close.opened,
            units_before=close.units_before,
            units=close.units,
            opening=tuple(ExecutionUse(*use) for use in close.opening),
            closing=tuple(ExecutionUse(*use) for use in close.closing),
        )
        executions = [e for e in events if isinstance(e, Execution)]
        bought = [e.execution_id for e in executions if (e.con_id, e.side) == (SHARE, 1)]
        short = [use for use in request.closing if use.execution_id not in bought]
        with pytest.raises(AttestationRefusedError, match="leaves"):
            await attestor.attest(msgspec.structs.replace(request, closing=tuple(short)))
        assert (await attestor.attest(request)).signature

    day(laboratory, tmp_path, 690_000, scenario)
