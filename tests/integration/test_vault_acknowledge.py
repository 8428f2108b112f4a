"""An alarm that would stand for ever ends when a person answers for it, not before its cause has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solders")

from optionsib.bus.control import ControlServer
from optionsib.bus.journal import Journal
from optionsib.cli import main
from optionsib.common.errors import SettlementError
from optionsib.common.events import VaultAcknowledged
from optionsib.launchers.acknowledging import acknowledging_handlers
from optionsib.performance.report_rows import _control_row
from optionsib.performance.session_facts import read_facts
from optionsib.vault.conditions import VaultCondition
from tests.vault_desk import BACK, USDT, Desk

C = VaultCondition
WHO = {"reason": "the mandate was too tight", "operator": "ann"}


def played(scenario: Callable[[Desk], Awaitable[None]]) -> None:
    async def whole() -> None:
        desk = await Desk().begin()
        async with asyncio.timeout(60):
            await scenario(desk)

    asyncio.run(whole())


def handler(desk: Desk) -> Any:
    return acknowledging_handlers(desk.portfolio, desk.manager, desk.service)["acknowledge-vault"]


async def unfunded(desk: Desk, units: int = 1) -> None:
    """A trade that is filled while the vault is paused."""
    assert desk.order("O1", "T1", units, loss=300 * units) is None
    trader, program = desk.chain.signer("trader"), desk.vault.program
    await desk.vault.run([program.pause(desk.vault.trader, trader.public_key)], signers=[trader])
    desk.fill("O1", 1, 1, (25_000, 11_000))
    await desk.service.advance()
    await desk.vault.run([program.unpause(desk.vault.trader)], signers=[trader])
    await desk.settle(rounds=3)
    assert C.UNFUNDED in desk.service.conditions()


def closed(desk: Desk, price: int = 27_000) -> None:
    desk.order("C1", "T1", 1, legs=BACK)
    desk.fill("C1", 1, 1, (price, 11_000))


def test_an_unfunded_trade_is_acknowledged_once_it_is_closed_and_opens_go_on() -> None:
    async def scenario(desk: Desk) -> None:
        await unfunded(desk)
        with pytest.raises(SettlementError, match="T1 still has open positions: close it first"):
            handler(desk)("T1", **WHO)
        closed(desk)
        await desk.settle(rounds=3)
        assert (desk.order("O2", "T2", 1, loss=1) or "").startswith("UNFUNDED: trade T1: PAUSED, 1 units")
        with pytest.raises(SettlementError, match="'T9' has no alarm to acknowledge; expected one of T1"):
            handler(desk)("T9", **WHO)
        with pytest.raises(SettlementError, match="needs a reason"):
            handler(desk)("T1", reason=" ", operator="ann")
        (told,) = handler(desk)("T1", **WHO)["acknowledged"]
        assert told == (
            "UNFUNDED trade T1: PAUSED, 1 units filled; acknowledged by ann: the mandate was too tight"
        )
        assert desk.service.conditions() == {}
        with pytest.raises(SettlementError, match="T1 was acknowledged by ann already"):
            handler(desk)("T1", **WHO)
        await desk.start()  # the next process knows it from the journal
        assert desk.service.conditions() == {}
        assert desk.service.state(0).acknowledged == (told,)
        assert desk.order("O3", "T3", 1, loss=300) is None
        desk.fill("O3", 1, 1, (25_000, 11_000))
        await desk.settle(rounds=5)
        assert desk.ledger.books.balances["escrow"] == 300 * USDT
        assert sum(isinstance(event, VaultAcknowledged) for event in desk.journal) == 1

    played(scenario)


def test_more_of_the_same_after_an_acknowledgement_is_an_alarm_again() -> None:
    async def scenario(desk: Desk) -> None:
        await unfunded(desk, units=2)
        closed(desk)
        await desk.settle(rounds=3)
        with pytest.raises(SettlementError, match="order O1 of trade T1 still works"):
            handler(desk)("T1", **WHO)
        desk.cancel("O1")
        handler(desk)("T1", **WHO)
        assert desk.service.conditions() == {}
        desk.fill("O1", 2, 1, (25_000, 11_000))  # after its end, as brokers do
        assert "1 units filled after the order's end" in desk.service.conditions()[C.UNFUNDED]
        with pytest.raises(SettlementError, match="open positions"):
            handler(desk)("T1", **WHO)

    played(scenario)


def test_a_shortfall_is_acknowledged_after_its_close_has_settled() -> None:
    async def scenario(desk: Desk) -> None:
        assert desk.order("O1", "T1", 1, loss=100) is None  # 141.30 is lost
        desk.fill("O1", 1, 1, (25_000, 11_000))
        await desk.settle(rounds=5)
        closed(desk, price=11_000)
        with pytest.raises(SettlementError, match="close of trade T1 is still due"):
            handler(desk)("T1", **WHO)
        await desk.settle(rounds=5)
        assert C.SHORTFALL in desk.service.conditions()
        assert "SHORTFALL trade T1: 42.60 USDT above" in handler(desk)("T1", **WHO)["acknowledged"][0]
        assert desk.service.conditions() == {}
        assert desk.order("O2", "T2", 1, loss=100) is None

    played(scenario)


def test_a_lost_result_is_acknowledged() -> None:
    async def scenario(desk: Desk) -> None:
        assert desk.order("O1", "T1", 1, loss=300) is None
        desk.fill("O1", 1, 1, (25_000, 11_000))
        await desk.settle(rounds=5)
        desk.pass_seconds(90_000)
        found = await desk.vault.trade(1)
        assert found is not None
        stranger = desk.chain.signer("fees")
        await desk.vault.run([desk.vault.program.expire(desk.vault.trader, found)], signers=[stranger])
        closed(desk)
        await desk.settle(rounds=5)
        assert C.TRADE_EXPIRED in desk.service.conditions()
        assert "T1" in handler(desk)("T1", **WHO)["acknowledged"][0]
        assert C.TRADE_EXPIRED not in desk.service.conditions()

    played(scenario)


def test_the_command_reaches_the_daemon_and_names_what_it_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--set", f"paths.state={tmp_path}", "--reason", "seen", "--operator", "ann"]

    async def scenario(desk: Desk) -> None:
        assert await asyncio.to_thread(main, ["vault", "acknowledge", "T1", *words]) == 1
        assert "none runs with the state folder" in capsys.readouterr().err
        await unfunded(desk)
        handlers = acknowledging_handlers(desk.portfolio, desk.manager, desk.service)
        async with ControlServer(f"ipc://{tmp_path}/control.sock", handlers):
            for status, said in ((1, "still has open positions"), (0, "acknowledged by ann: seen")):
                assert await asyncio.to_thread(main, ["vault", "acknowledge", "T1", *words]) == status
                printed = capsys.readouterr()
                assert said in printed.out + printed.err
                closed(desk)
                await desk.settle(rounds=3)

    played(scenario)


def test_an_acknowledgement_is_in_the_report(tmp_path: Path) -> None:
    event = VaultAcknowledged(
        at_ns=1,
        condition="SHORTFALL",
        trade_id="T1",
        details="trade T1: 42.60 USDT",
        reason="paid",
        operator="ann",
    )
    path = tmp_path / "journal.sqlite"
    with Journal.create(path, {"seed": 1}) as journal:
        journal.append_durable(event, 1)
    (found,) = read_facts(path).control
    assert found == event
    row: Any = _control_row(found)
    assert row["what"] == "SHORTFALL acknowledged"
    assert "paid (ann)" in row["text"]
