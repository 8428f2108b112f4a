"""The settlement service on the embedded chain: each trade settled once, whatever happens on the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")

from optionsib.common.events import Execution, LedgerEntry, Posting, VaultIntent, VaultOutcome, VaultSent
from optionsib.common.types import OrderLeg
from optionsib.vault.conditions import VaultCondition
from optionsib.vault.verify import ledger_differences
from tests.vault_desk import BACK, DEPOSIT, LONG, SHORT, STOCK, STRIKES, Desk, play


async def day(desk: Desk) -> None:
    """Partial fills, a cancel, a roll, a refused order, a spread sold for next to nothing.

    Then an assignment, an expiry, and an open that the chain refuses after the money was set aside.
    """
    await desk.settle()
    await desk.placed("O1", "T1", 3, loss=900)
    desk.fill("O1", 1, 1, (25_000, 11_000))
    await desk.settle(rounds=1)
    desk.fill("O1", 2, 1, (25_100, 11_000))
    desk.cancel("O1")  # the third unit never fills
    await desk.settle()
    await desk.placed("C1", "T1", 1, legs=BACK)  # a profit
    desk.fill("C1", 1, 1, (11_500, 27_000)[::-1])
    await desk.settle()
    assert desk.order("O9", "T9", 1, loss=2_001) is not None  # above the cap of a trade
    # the roll: the rest is closed at a loss, and another trade opens
    await desk.placed("C2", "T1", 1, legs=BACK)
    await desk.placed("O2", "T2", 2, loss=600)
    desk.fill("C2", 1, 1, (24_000, 12_000))
    desk.fill("O2", 1, 2, (20_000, 9_000))
    await desk.settle()
    await desk.placed("C3", "T2", 2, legs=BACK)
    desk.fill("C3", 1, 1, (1, 1))
    desk.fill("C3", 2, 1, (1, 1), paid=0)
    await desk.placed("O3", "T3", 1, loss=100)
    desk.cancel("O3")
    await desk.settle()
    await assignment_and_expiry(desk)
    await refused_by_the_chain(desk)


async def assignment_and_expiry(desk: Desk) -> None:
    """Of two units one is closed, the short leg of the other is assigned early; then the rest ends."""
    await desk.placed("O4", "T4", 2, loss=600)
    desk.fill("O4", 1, 2, (24_000, 11_000))
    await desk.placed("O5", "T5", 1, loss=200)
    desk.fill("O5", 1, 1, (24_000, 11_000))
    await desk.placed("C4", "T4", 1, legs=BACK)
    desk.fill("C4", 1, 1, (25_000, 11_000))
    desk.end("A4", (SHORT, 1, 0), (STOCK, -100, STRIKES[SHORT]))
    if "S4" not in desk.manager.records:
        assert desk.portfolio.trades["T4"].held == {LONG: 1, STOCK: -100}
    await desk.placed("S4", "T4", 100, legs=(OrderLeg(STOCK, 1),))
    desk.fill("S4", 1, 40, (528_000,), paid=5_000)
    await desk.settle()
    desk.fill("S4", 2, 60, (527_900,), paid=5_000)
    desk.end("E", (LONG, -2, 0), (SHORT, 1, 0))  # the rest of T4, and T5
    await desk.settle()


async def refused_by_the_chain(desk: Desk) -> None:
    """The trader pauses the vault when an order is at work: its fill is not funded, and is closed at once."""

    def failed() -> bool:
        return any(trade.unfunded for trade in desk.ledger.trades.values())

    program, by = desk.vault.program, desk.chain.signer("trader").public_key
    await desk.placed("O6", "T6", 1, loss=100)
    if not failed() and not await is_paused(desk):
        await by_the_trader(desk, program.pause(desk.vault.trader, by))
    desk.fill("O6", 1, 1, (24_000, 11_000))
    await desk.settle()
    assert failed()
    await desk.placed("C6", "T6", 1, legs=BACK)
    desk.fill("C6", 1, 1, (24_000, 11_000))
    if await is_paused(desk):
        await by_the_trader(desk, program.unpause(desk.vault.trader))
    await desk.settle()


async def by_the_trader(desk: Desk, instruction: Any) -> None:
    """The trader's own machine does not meet our faults."""
    faults = desk.chain.call("localnet_info")["faults"]
    desk.chain.call("localnet_setFault", None)
    await desk.vault.run([instruction], signers=[desk.chain.signer("trader")])
    desk.chain.call("localnet_setFault", faults)


async def is_paused(desk: Desk) -> bool:
    faults = desk.chain.call("localnet_info")["faults"]
    desk.chain.call("localnet_setFault", None)
    vault = (await desk.vault.read()).vault
    desk.chain.call("localnet_setFault", faults)
    assert vault is not None
    return bool(vault.paused)


def check(desk: Desk) -> None:
    """Ledger = chain, everything settled once, and the money adds up."""
    desk.chain.call("localnet_setFault", None)  # whoever checks has a good connection
    asyncio.run(desk.service.advance())
    reading = asyncio.run(desk.vault.read())
    assert reading.vault is not None
    assert reading.funds is not None
    books = desk.ledger.books.balances
    assert not desk.ledger.waiting()
    assert list(desk.service.conditions()) == [VaultCondition.UNFUNDED]
    assert books["reserved"] == books["escrow"] == books["receivable"] == 0
    assert reading.vault.open_amount == reading.vault.open_trades == 0
    assert books["free"] == reading.funds.amount
    assert sum(books.values()) == 0
    kinds = [e.memo for e in desk.journal if isinstance(e, LedgerEntry) and e.reference.startswith("chain")]
    assert sorted(kinds) == sorted(
        ["create", "deposit", "reduce", "pause", "unpause"] + 4 * ["open"] + 7 * ["close"]
    )
    intents = [e for e in desk.journal if isinstance(e, VaultIntent)]
    pnl = sum(e.pnl for e in intents if e.kind == "close" and e.trade_id != "T6")
    assert books["free"] == DEPOSIT + pnl - books["fees"]
    assert books["settlement"] == -pnl
    opened, closed = 4, 7
    outcomes = [e for e in desk.journal if isinstance(e, VaultOutcome) and e.result == "confirmed"]
    assert len(outcomes) == opened + closed + 1
    assert len({e.intent for e in outcomes}) == len(outcomes)
    assert desk.portfolio.positions == {}
    check_each_trade(desk, intents)


def check_each_trade(desk: Desk, intents: list[VaultIntent]) -> None:
    """The closes of a trade add up to all its cash, and have each of its executions once."""
    told = {e.execution_id: e for e in desk.journal if isinstance(e, Execution) and not e.is_combo}
    for trade in desk.portfolio.trades.values():
        closes = [e for e in intents if e.kind == "close" and e.trade_id == trade.trade_id]
        assert sum(e.pnl for e in closes) == trade.cash - trade.fees
        used = Counter(dict(closes[-1].opening))
        for one in closes:
            used.update(dict(one.closing))
        assert trade.held == {}
        moved: Counter[int] = Counter()
        for name, quantity in used.items():
            moved[told[name].con_id] += told[name].side * quantity
        assert not any(moved.values())
    everything: Counter[str] = Counter()
    for trade_id in desk.portfolio.trades:
        closes = [e for e in intents if e.kind == "close" and e.trade_id == trade_id]
        for uses in (closes[-1].opening, *(e.closing for e in closes)):
            everything.update(dict(uses))
    assert everything == {name: e.quantity for name, e in told.items()}


@pytest.fixture(scope="module")
def whole() -> Desk:
    return play(day)


def test_a_day_is_settled(whole: Desk) -> None:
    check(whole)


def test_killed_at_every_journal_offset_each_trade_settles_once(whole: Desk) -> None:
    for offset in range(1, len(whole.journal) + 1):
        desk = play(day, kill_at=offset)
        check(desk)
        assert desk.ledger.books.balances == whole.ledger.books.balances, f"killed at record {offset}"
        sent = [e.signature for e in desk.journal if isinstance(e, VaultSent)]
        assert len(set(sent)) == len(sent), f"killed at record {offset}"


def test_equal_days_have_equal_journals(whole: Desk) -> None:
    assert play(day).journal == whole.journal


def test_verify_finds_what_ledger_and_chain_do_not_share(whole: Desk) -> None:
    history = asyncio.run(whole.vault.history())
    assert ledger_differences(history, whole.journal) == []
    booked = [e for e in whole.journal if isinstance(e, LedgerEntry) and e.memo == "close"]
    (missing,) = ledger_differences(history, [e for e in whole.journal if e is not booked[0]])
    assert "is not in the ledger" in missing
    moved = tuple(Posting(p.account, p.amount - (p.account == "escrow")) for p in booked[0].postings)
    changed = msgspec.structs.replace(booked[0], postings=moved)
    found = ledger_differences(history, [changed if e is booked[0] else e for e in whole.journal])
    assert any("the ledger" in words for words in found)
    last = max(n for n, one in enumerate(history) if one.signature == booked[-1].signature)
    gone = ledger_differences(history[:last] + history[last + 1 :], whole.journal)
    assert len(gone) == 2
    assert "the chain has not" in gone[0]
    assert "not in the chain's log" in gone[1]


FAULTY: dict[str, Any] = {
    "processed_ms": 400.0, "jitter_ms": 800.0, "confirmed_ms": 900.0, "finalized_ms": 12_000.0, "drop": 0.4,
    "duplicate": 0.3, "reorder": 0.3, "expire": 0.2, "rpc_error": 0.1, "rpc_unavailable": 0.1,
    "rpc_lost_answer": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_a_faulty_network_and_a_kill_settle_each_trade_once(whole: Desk, seed: int) -> None:
    desk = play(day, seed=seed, kill_at=1 + 13 * seed % len(whole.journal), **FAULTY)
    check(desk)
    assert desk.ledger.books.balances == whole.ledger.books.balances
