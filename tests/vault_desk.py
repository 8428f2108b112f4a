"""A trading desk around the settlement service and the embedded chain, that can be killed anywhere.

What is in ``journal`` is durable, as are the chain and the attestor's memory; all else is lost by ``Killed``.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from optionsib.common.clock import SteppedClock
from optionsib.common.events import (
    ApprovedOrder,
    CommissionReport,
    Delivery,
    Event,
    Execution,
    LedgerEntry,
    OrderSubmitted,
    OrderUpdate,
    VaultIntent,
    VaultOutcome,
    VaultSent,
)
from optionsib.common.types import SECOND_NS, Contract, Order, OrderLeg
from optionsib.execution.deliveries import BookedEffect, Deliveries
from optionsib.execution.orders import OrderManager
from optionsib.execution.portfolio import Portfolio
from optionsib.execution.settlement import Settlement
from optionsib.vault.attestor import Attestor
from optionsib.vault.attestor_store import AttestorStore
from optionsib.vault.conditions import Limits, VaultCondition
from optionsib.vault.embedded import EmbeddedChain
from optionsib.vault.ledger import VaultLedger
from optionsib.vault.localnet import Faults
from optionsib.vault.service import SettlementService
from optionsib.vault.signers import Signer

DAY = 86_400
USDT = 1_000_000
START_NS = 1_402_061_400 * SECOND_NS
LONG, SHORT, STOCK = 1001, 1003, 1
STRIKES = {LONG: 500_000, SHORT: 525_000}
CONTRACTS = {
    c: Contract(c, "TST", "OPT", multiplier=100, right="C", strike=strike) for c, strike in STRIKES.items()
}
CONTRACTS[STOCK] = Contract(STOCK, "TST", "STK", multiplier=1)
LEGS = (OrderLeg(LONG, 1), OrderLeg(SHORT, -1))
DEPOSIT, FUNDED = 10_000 * USDT, 20_000 * USDT
TERMS: dict[str, Any] = {
    "symbols_hash": bytes(32), "trade_cap": 2_000 * USDT, "total_cap": 5_000 * USDT,
    "day_loss_cap": 6_000 * USDT, "lifetime_loss_cap": 50_000 * USDT, "fee_bps": 1_000,
    "max_duration": 30 * DAY, "heartbeat_limit": DAY, "timelock": DAY,
}  # fmt: skip
ORDER_EVENTS = (OrderSubmitted, OrderUpdate, Execution, CommissionReport, Delivery)
LEDGER_EVENTS = (LedgerEntry, VaultIntent, VaultSent, VaultOutcome)


class Killed(BaseException):
    """The process is gone."""


class Desk:
    """One process after another on one chain."""

    def __init__(
        self,
        *,
        kill_at: int = 0,
        limits: Limits | None = None,
        seed: int = 11,
        state: Path | None = None,
        **faults: Any,
    ) -> None:
        self.clock = SteppedClock(START_NS)
        self.chain = EmbeddedChain(seed, self.clock, state=state, faults=Faults(**faults))
        self.engine: Signer = self.chain.signer("engine")
        self.journal: list[Any] = []
        self.kill_at = kill_at  # of the journal's records; 0: never
        self.limits = limits or Limits()
        self.store = AttestorStore(None, "test")

    async def begin(self, *, pays: bool = True, **terms: Any) -> Desk:
        """Set the chain up, and start the first process."""
        self.pays = pays
        mandate = self.chain.mandate(**{**TERMS, **terms})
        self.vault = await self.chain.set_up(mandate, deposit=DEPOSIT, settlement=FUNDED)
        cluster = str(self.chain.call("getGenesisHash"))
        self.place = (cluster, str(self.chain.program), str(self.vault.addresses.vault))
        await self.start()
        return self

    async def start(self) -> None:
        """Start a process: everything it knows comes from the journal and the chain."""
        self.attestor = Attestor(
            self.chain.signer("attestor"),
            self.store,
            self.clock,
            cluster=self.place[0],
            program=self.place[1],
            vault=self.place[2],
        )
        self.attestor.learn(CONTRACTS.values())
        self.ledger = VaultLedger(
            self.clock,
            self.write,
            place=self.place,
            trade_seconds=self.limits.trade_seconds,
        )
        self.service = SettlementService(
            self.ledger,
            self.vault,
            engine=self.engine,
            settlement=self.chain.signer("settlement") if self.pays else None,
            attestor=self.attestor,
            commit=lambda: None,
            clock=self.clock,
            limits=self.limits,
        )
        self.manager = OrderManager()
        self.portfolio = Portfolio(CONTRACTS)
        self.deliveries = Deliveries(CONTRACTS, self.portfolio.trades)
        self.settlement = Settlement(self.service, CONTRACTS)
        events = list(self.journal)
        self.ledger.replay(events)
        for event in events:
            if isinstance(event, ApprovedOrder):
                self.settlement.restore(event.order, event.max_loss)
            elif isinstance(event, ORDER_EVENTS):
                self.fold(event)
        for order_ref in self.ledger.reserved():
            if order_ref not in self.manager.records:
                self.settlement.release(order_ref)
        await self.service.advance()

    def write(self, event: Event) -> None:
        """Journal an event, or die before it is there."""
        if self.kill_at and len(self.journal) + 1 == self.kill_at:
            self.kill_at = 0
            raise Killed
        self.journal.append(event)

    def fold(self, event: Any) -> None:
        self.attestor.observe(event)
        effects: list[BookedEffect] = []
        if isinstance(event, Delivery):
            effects += self.deliveries.apply(event)
        elif isinstance(event, Execution) and not event.order_ref:
            self.deliveries.hear(event)
        else:
            effects += self.manager.apply(event)
            effects += self.deliveries.pay(event) if isinstance(event, CommissionReport) else []
        for effect in effects:
            self.portfolio.apply(effect)
            self.settlement.apply(effect)

    def tell(self, event: Any) -> None:
        """The broker's word, journaled once."""
        if event not in self.journal:
            self.write(event)
            self.fold(event)

    # --- what a trader does; all of it may be said again ---------------------------------------------------

    def order(self, ref: str, trade: str, units: int, loss: int = 0, legs: Any = LEGS) -> str | None:
        """Approve and submit an order: ``loss`` (USDT) for one that opens, 0 for one that closes."""
        if ref in self.manager.records:
            return None
        order = Order(ref, trade, legs, units, 100, "open" if loss else "close", "t")
        refusal = self.settlement.approve(order, loss * USDT) if loss else None
        if refusal is None:
            if loss:
                self.write(
                    ApprovedOrder(candidate_id=ref, order=order, max_loss=loss * USDT, reduces_risk=False)
                )
            self.tell(OrderSubmitted(order=order, at_ns=1))
        return refusal

    async def placed(self, ref: str, trade: str, units: int, loss: int = 0, legs: Any = LEGS) -> None:
        """An order that is approved, if not at once then when the chain answers again."""
        for _ in range(50):
            if self.order(ref, trade, units, loss, legs) is None:
                return
            await self.settle(rounds=1)
            self.pass_seconds(3.0)
        raise AssertionError(f"{ref}: {self.service.conditions()}")

    def pass_seconds(self, seconds: float) -> None:
        self.clock.advance(self.clock.now_ns() + round(seconds * SECOND_NS))

    def fill(self, ref: str, number: int, units: int, prices: tuple[int, ...], paid: int = 650_000) -> None:
        """A fill of whole units, leg by leg, and the commissions."""
        order = self.manager.records[ref].order
        combo = len(order.legs) > 1
        names = [f"{ref}-{number}-{leg.con_id}.01" for leg in order.legs]
        common: dict[str, Any] = {"order_ref": ref, "at_ns": 2}
        if combo:
            net = sum(leg.ratio * price for leg, price in zip(order.legs, prices, strict=True))
            self.tell(
                Execution(
                    execution_id=f"{ref}-{number}.01", con_id=9, side=1, quantity=units, price=net,
                    is_combo=True, **common,
                )
            )  # fmt: skip
        for leg, price, name in zip(order.legs, prices, names, strict=True):
            side = 1 if leg.ratio > 0 else -1
            quantity = abs(leg.ratio) * units
            self.tell(
                Execution(
                    execution_id=name, con_id=leg.con_id, side=side, quantity=quantity, price=price, **common
                )
            )
        for name in names:
            self.tell(CommissionReport(execution_id=name, amount=paid * units))

    def cancel(self, ref: str) -> None:
        self.tell(OrderUpdate(order_ref=ref, status="cancelled", at_ns=3))

    def end(self, name: str, *parts: tuple[int, int, int], paid: int = 0) -> None:
        """Executions of no order (contract, signed quantity, price); then a look at the positions."""
        names = [f"{name}-{number}.01" for number, _ in enumerate(parts)]
        for one, (con_id, signed, price) in zip(names, parts, strict=True):
            side = 1 if signed > 0 else -1
            self.tell(
                Execution(
                    execution_id=one, order_ref="", con_id=con_id, side=side, quantity=abs(signed),
                    price=price, at_ns=4,
                )
            )  # fmt: skip
        brokers: Counter[int] = Counter()
        for event in self.journal:
            if isinstance(event, Execution) and not event.is_combo:
                brokers[event.con_id] += event.side * event.quantity
        for delivery in self.deliveries.recognised(self.portfolio.positions, brokers, 4):
            self.write(delivery)
            self.fold(delivery)
        for one in names:
            self.tell(CommissionReport(execution_id=one, amount=paid))

    async def settle(self, rounds: int = 200, seconds: float = 3.0) -> None:
        """Let time pass and the service work until nothing waits."""
        for _ in range(rounds):
            await self.service.advance()
            if not self.ledger.waiting():
                break
            self.pass_seconds(seconds)
        for _ in range(20):
            await self.service.advance()
            if VaultCondition.RPC_DOWN not in self.service.conditions():
                break


BACK = tuple(OrderLeg(leg.con_id, -leg.ratio) for leg in LEGS)


def play(
    scenario: Callable[[Desk], Any], *, kill_at: int = 0, limits: Limits | None = None, **faults: Any
) -> Desk:
    """Play a scenario, started again from its beginning after a kill."""

    async def whole() -> Desk:
        desk = Desk(kill_at=kill_at, limits=limits, **faults)
        async with asyncio.timeout(60):
            try:
                await desk.begin()
                await scenario(desk)
            except Killed:
                desk.kill_at = 0
                await desk.start()
                await scenario(desk)
        return desk

    return asyncio.run(whole())
