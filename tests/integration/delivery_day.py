"""A day on which TWX options end: an exchange, a session, and what the trader does with what is left."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("solders")

from optionsib.brokers.paper import PaperExchange
from optionsib.common.clock import SteppedClock
from optionsib.common.config import ModelConfig, load_config
from optionsib.common.events import (
    ApprovedOrder,
    CommissionReport,
    Delivery,
    Execution,
    Halted,
    VaultIntent,
    VaultState,
)
from optionsib.common.types import MINUTE_NS, Order, OrderLeg, price_to_money
from optionsib.data.live.chain import ChainState
from optionsib.models.server import ModelServer
from optionsib.strategies.candidates import SequentialIds
from optionsib.trader.decisions import Decisions
from optionsib.vault.embedded import EmbeddedChain
from optionsib.vault.verify import ledger_differences

from .bracket_session import Session, events_in, open_session
from .conftest import OPENING, Laboratory, ListedTape, new_york_ns, option

OPEN_NS = new_york_ns(2014, 6, 20, 9, 30)
EXPIRY_NS, CLOSE_NS = OPEN_NS + 3 * MINUTE_NS, OPEN_NS + 12 * MINUTE_NS
SHARE, CALL, HIGHER, LATER = 1, 11, 13, 15
CREDIT = (OrderLeg(CALL, -1), OrderLeg(HIGHER, 1))  # sells the 68 call, buys the 70 call
DEBIT = (OrderLeg(CALL, 1), OrderLeg(HIGHER, -1))


def tape(
    laboratory: Laboratory,
    spot: int,
    *,
    size: int = 500,
    expiry_ns: int = EXPIRY_NS,
    second: dict[int, Any] | None = None,
    **changes: Any,
) -> ListedTape:
    """From its second minute on TWX stands at ``spot`` (1/10000), a cent wide, for ``size`` shares.

    ``second``: what else is quoted in that minute.
    """
    listed = (option(11, 68, "C"), option(12, 68, "P"), option(13, 70, "C"), option(14, 70, "P"))
    contracts = tuple(msgspec.structs.replace(one, expiry_ns=expiry_ns) for one in listed)
    later = option(LATER, 80, "C", (2014, 7, 18))
    minutes: list[dict[int, Any]] = [{SHARE: (spot - 50 + n, size, spot + 50 + n, size)} for n in range(11)]
    one: ListedTape = laboratory.tape(
        *minutes,
        **{
            "session_open_ns": OPEN_NS,
            "session_close_ns": CLOSE_NS,
            "contracts": (*contracts, later),
            **changes,
        },
    )
    one.minutes[1] |= second or {}
    one.minutes[0] = {**OPENING, LATER: (500, 50, 1_000, 50)}
    return one


class Trading:
    """A session that closes what trades are left with, as the trader does in each step."""

    def __init__(self, session: Session) -> None:
        self.session, self.desk = session, session.desk
        under = session.contracts[SHARE]
        self.chain = ChainState(under, [c for c in session.contracts.values() if c.con_id != SHARE])
        self.decisions = Decisions(
            config=load_config(),
            clock=session.clock,
            desk=session.desk,
            models=ModelServer(ModelConfig(), session.clock, session.bus.publish),
            ids=SequentialIds(1_000 + session.journal.last_seq),
            contracts=session.contracts,
        )

    async def step(self, *, acts: bool = True) -> bool:
        if not await self.session.step():
            return False
        now = self.session.clock.now_ns()
        if self.desk.wants_positions:
            self.desk.reconcile(await self.session.gateway.refresh())
            self.session.tell_limits()
        self.chain.observe(now, list(self.session.quotes.values()))
        if acts:
            await self.decisions.wind_up(self.chain.snapshot(now))
        await self.session.settle()
        return True


Scenario = Callable[[Trading, PaperExchange], Awaitable[None]]


def day(laboratory: Laboratory, folder: Path, spot: int, scenario: Scenario, **options: Any) -> None:
    async def whole() -> None:
        exchange = await laboratory.start(tape(laboratory, spot, **options), initial_cash=10**12)
        session = await open_session(exchange.port, folder)
        trading = Trading(session)
        try:
            await trading.step()
            await scenario(trading, exchange)
        finally:
            await trading.session.close()

    laboratory.run(whole())
    asyncio.run(compare_with_chain(folder))


async def compare_with_chain(folder: Path) -> None:
    """Hold the journal against everything that happened on the chain."""
    chain = EmbeddedChain(7, SteppedClock(CLOSE_NS), state=folder / "chain")
    history = await chain.vault().history()
    await chain.close()
    assert [event.record.kind for entry in history for event in entry.events]
    assert ledger_differences(history, events_in(folder)) == []


async def opened(trading: Trading, ref: str, legs: tuple[OrderLeg, ...], limit: int, units: int = 1) -> None:
    order = Order(ref, f"T-{ref}", legs, units, limit, "open", "test")
    record = await trading.session.decide(order)
    assert isinstance(record.outcome, ApprovedOrder), record.outcome
    await trading.session.settle()
    assert trading.session.record(ref).is_done


async def until_settled(trading: Trading) -> VaultState:
    while trading.desk.portfolio.open_trades() and await trading.step():
        pass
    return await trading.session.quiet()


def deliveries(folder: Path) -> list[tuple[str, int]]:
    return [(e.kind, e.con_id) for e in events_in(folder) if isinstance(e, Delivery)]


def halts(folder: Path) -> list[str]:
    return [event.reason for event in events_in(folder) if isinstance(event, Halted)]


async def check(trading: Trading, folder: Path, vault: VaultState) -> None:
    """Every trade settled at all its executions, none twice; books = broker = chain."""
    session, events = trading.session, events_in(folder)
    broker = await session.gateway.refresh()
    assert trading.desk.reconcile(broker) == []
    told = {e.execution_id: e for e in events if isinstance(e, Execution) and not e.is_combo}
    paid = {e.execution_id: e.amount for e in events if isinstance(e, CommissionReport)}
    cash = sum(
        -price_to_money(e.price, session.contracts[e.con_id].multiplier, e.side * e.quantity)
        - paid[e.execution_id]
        for e in told.values()
    )
    closes = [e for e in events if isinstance(e, VaultIntent) and e.kind == "close"]
    assert sum(e.pnl for e in closes) == cash == vault.settled
    used: Counter[str] = Counter()
    for trade in {e.trade_id for e in closes}:
        last = [e for e in closes if e.trade_id == trade][-1]
        assert last.units == last.units_before
        used.update(dict(last.opening))
    for one in closes:
        used.update(dict(one.closing))
    assert used == {name: e.quantity for name, e in told.items()}
    assert (vault.escrow, vault.reserved, vault.conditions) == (0, 0, ())
    assert trading.desk.portfolio.cash == cash
    assert session.checker.positions == {}
