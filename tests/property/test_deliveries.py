"""The sentences at the head of ``execution/deliveries.py``, against random assignments and expiries.

A market of its own keeps the truth: who holds what, what was executed, what the broker counts. The desk's
side hears executions in pieces, in any order, with commissions at any time, and may start again at any point.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

pytest.importorskip("solders")

from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.common.clock import SteppedClock
from optionsib.common.events import CommissionReport, Delivery, Event, Execution, OrderSubmitted, OrderUpdate
from optionsib.common.ports import CloseTerms
from optionsib.common.types import SECOND_NS, Contract, Order, OrderLeg, price_to_money
from optionsib.execution.closings import Closings
from optionsib.execution.deliveries import BookedEffect, Deliveries
from optionsib.execution.orders import OrderManager
from optionsib.execution.portfolio import Portfolio
from optionsib.vault.attestor import AttestationRequest, Attestor, ExecutionUse
from optionsib.vault.attestor_store import AttestorStore
from optionsib.vault.signers import DemoSigner

NOW = 1_700_000_000
SHARE, LOW, HIGH = 1, 11, 12
CONTRACTS = {
    SHARE: Contract(SHARE, "TST", "STK"),
    LOW: Contract(LOW, "TST", "OPT", multiplier=100, right="C", strike=500_000),
    HIGH: Contract(HIGH, "TST", "OPT", multiplier=100, right="C", strike=550_000),
}
PLACE = {name: str(DemoSigner(1, name).public_key) for name in ("cluster", "program", "vault")}


@dataclass
class Side:
    """The daemon's side: what it knows follows from its journal."""

    journal: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.manager, self.portfolio = OrderManager(), Portfolio(CONTRACTS)
        self.deliveries = Deliveries(CONTRACTS, self.portfolio.trades)
        self.closings = Closings(CONTRACTS)
        self.closes: list[CloseTerms] = []
        for event in self.journal:
            self.fold(event)

    def fold(self, event: Any) -> None:
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
            self.closes += self.closings.apply(effect)

    def hear(self, event: Event) -> None:
        self.journal.append(event)
        self.fold(event)

    def look(self, positions: Counter[int]) -> None:
        for delivery in self.deliveries.recognised(self.portfolio.positions, positions, 9):
            self.hear(delivery)


@dataclass
class Market:
    """The truth, and the draws."""

    draw: st.DrawFn
    side: Side
    told: list[Execution] = field(default_factory=list)
    positions: Counter[int] = field(default_factory=Counter)
    held: dict[str, Counter[int]] = field(default_factory=dict)
    late: list[CommissionReport] = field(default_factory=list)
    number: Any = field(default_factory=itertools.count)

    def execution(self, ref: str, con_id: int, signed: int, price: int, perm_id: int = 0) -> Execution:
        self.positions[con_id] += signed
        one = Execution(
            execution_id=f"{next(self.number)}.01", order_ref=ref, con_id=con_id,
            side=1 if signed > 0 else -1, quantity=abs(signed), price=price,
            at_ns=NOW * SECOND_NS, perm_id=perm_id,
        )  # fmt: skip
        self.told.append(one)
        self.late.append(
            CommissionReport(execution_id=one.execution_id, amount=self.draw(st.integers(0, 2_000_001)))
        )
        return one

    def tell(self, events: list[Execution]) -> None:
        """In any order, with looks at the positions in between, and some of the commissions."""
        ordered: list[Execution] = self.draw(st.permutations(events))
        for event in ordered:
            self.side.hear(event)
            if self.draw(st.booleans()):
                self.side.look(self.positions)
            if self.draw(st.booleans()):
                self.side = Side(self.side.journal)
            for _ in range(self.draw(st.integers(0, len(self.late)))):
                self.side.hear(self.late.pop(self.draw(st.integers(0, len(self.late) - 1))))
        self.side.look(self.positions)

    def trade(self, ref: str, trade_id: str, con_id: int, signed: int, purpose: Any) -> None:
        """An order of one leg, filled in parts."""
        leg = OrderLeg(con_id, 1 if signed > 0 else -1)
        unfilled = self.draw(st.integers(0, 1)) if purpose == "open" else 0  # may fill until it is cancelled
        order = Order(ref, trade_id, (leg,), abs(signed) + unfilled, 10**6, purpose, "t")
        self.side.hear(OrderSubmitted(order=order, at_ns=1))
        parts = [abs(signed)]
        if parts[0] > 1 and self.draw(st.booleans()):
            cut = self.draw(st.integers(1, parts[0] - 1))
            parts = [cut, parts[0] - cut]
        self.held.setdefault(trade_id, Counter())[con_id] += signed
        price = self.draw(st.integers(1, 60_000))
        self.tell([self.execution(ref, con_id, leg.ratio * part, price, 77) for part in parts])

    def end(self, con_id: int, quantity: int, *, delivers: bool) -> list[Execution]:
        """End contracts of a net position, the trade that was opened first first; return what tells of it."""
        net = self.positions[con_id]
        side = -1 if net > 0 else 1
        strike, perm = CONTRACTS[con_id].strike, 1_000 + next(self.number)
        parts = [self.execution("", con_id, side * quantity, 0, perm)]
        if delivers:
            shares = [quantity * 100]
            if self.draw(st.booleans()):
                shares = [40, quantity * 100 - 40]
            parts += [self.execution("", SHARE, -side * n, strike, perm) for n in shares]
        return parts


@st.composite
def stories(draw: st.DrawFn) -> Market:
    market = Market(draw, Side())
    legs = draw(st.lists(st.tuples(st.sampled_from([LOW, HIGH]), st.integers(1, 3)), min_size=1, max_size=3))
    sign = {LOW: draw(st.sampled_from([-1, 1])), HIGH: draw(st.sampled_from([-1, 1]))}
    for number, (con_id, units) in enumerate(legs):
        market.trade(f"O{number}", f"T{number}", con_id, sign[con_id] * units, "open")
    for number in range(draw(st.integers(0, 2))):  # closed in the ordinary way
        trade_id = draw(st.sampled_from(sorted(market.held)))
        con_id, held = next(iter(market.held[trade_id].items()))
        if held:
            units = draw(st.integers(1, abs(held)))
            market.trade(f"C{number}", trade_id, con_id, -units if held > 0 else units, "close")
    for con_id in (LOW, HIGH):
        while market.positions[con_id]:  # early, in parts; what is left expires
            parts: list[Execution] = []
            for _ in range(draw(st.integers(1, 2))):  # several may wait for one look
                if market.positions[con_id]:
                    quantity = draw(st.integers(1, abs(market.positions[con_id])))
                    parts += market.end(con_id, quantity, delivers=draw(st.booleans()))
            market.tell(parts)
    assert market.side.deliveries.waiting == ()
    left = {name: trade.held.get(SHARE, 0) for name, trade in market.side.portfolio.trades.items()}
    assert sum(left.values()) == market.positions[SHARE]
    for trade_id, shares in left.items():
        if shares:
            market.trade(f"S{trade_id}", trade_id, SHARE, -shares, "close")
    for report in draw(st.permutations(market.late)):
        market.side.hear(report)
    closed = {terms.trade_id for terms in market.side.closes if terms.units == terms.units_before}
    for record in market.side.manager.working():
        assert not (
            record.order.trade_id in closed and market.side.portfolio.trades[record.order.trade_id].apart
        )
        market.side.hear(OrderUpdate(order_ref=record.order.order_ref, status="cancelled", at_ns=3))
    return market


@settings(max_examples=120, deadline=None)
@given(stories())
def test_each_execution_counts_once_and_the_closes_are_all_the_cash(market: Market) -> None:
    side = market.side
    assert side.deliveries.waiting == ()
    assert not side.portfolio.open_trades()
    assert side.portfolio.positions == {}
    assert not side.closings.awaiting_commission()
    assert not side.closings.apart()
    used: Counter[str] = Counter()
    for trade in side.portfolio.trades.values():
        closes = [terms for terms in side.closes if terms.trade_id == trade.trade_id]
        assert sum(terms.pnl for terms in closes) == trade.cash - trade.fees
        assert sum(terms.units for terms in closes) == trade.opened
        for uses in (closes[-1].opening, *(terms.closing for terms in closes)):
            used.update(dict(uses))
    assert used == {one.execution_id: one.quantity for one in market.told}
    cash = sum(
        -price_to_money(e.price, CONTRACTS[e.con_id].multiplier, e.side * e.quantity) for e in market.told
    )
    assert side.portfolio.cash + side.portfolio.fees == cash


@settings(max_examples=60, deadline=None)
@given(stories())
def test_the_attestor_signs_every_close_and_a_replay_gives_the_same(market: Market) -> None:
    again = Side(list(market.side.journal))
    assert again.closes == market.side.closes
    paid = [event for event in again.journal if isinstance(event, CommissionReport)]
    late = Side([*(event for event in again.journal if not isinstance(event, CommissionReport)), *paid])
    key = {(terms.trade_id, terms.reference): terms for terms in again.closes}
    assert {(terms.trade_id, terms.reference): terms for terms in late.closes} == key
    attestor = Attestor(
        DemoSigner(1, "attestor"), AttestorStore(None, "test"), SteppedClock(NOW * SECOND_NS), **PLACE
    )
    attestor.learn(CONTRACTS.values())
    for event in again.journal:
        attestor.observe(event)
    numbers: Counter[str] = Counter()
    for terms in again.closes:
        request = AttestationRequest(
            **PLACE,
            trade_id=int(terms.trade_id[1:]) + 1,
            close_number=numbers[terms.trade_id],
            share=10**15,
            pnl=terms.pnl,
            valid_until=NOW + 600,
            opened=terms.opened,
            units_before=terms.units_before,
            units=terms.units,
            opening=tuple(ExecutionUse(*use) for use in terms.opening),
            closing=tuple(ExecutionUse(*use) for use in terms.closing),
        )
        numbers[terms.trade_id] += 1
        assert asyncio.run(attestor.attest(request)).signature


def held_by(side: Side, *trades: int) -> None:
    """Trades T0, T1 ... that are short this many of the lower call."""
    for number, units in enumerate(trades):
        order = Order(f"O{number}", f"T{number}", (OrderLeg(LOW, -1),), units, 100, "open", "t")
        side.hear(OrderSubmitted(order=order, at_ns=1))
        side.hear(execution(f"o{number}.01", LOW, -units, 20_000, f"O{number}"))


def execution(name: str, con_id: int, signed: int, price: int, ref: str = "", perm_id: int = 0) -> Execution:
    return Execution(
        execution_id=name, order_ref=ref, con_id=con_id, side=1 if signed > 0 else -1, quantity=abs(signed),
        price=price, at_ns=NOW * SECOND_NS, perm_id=perm_id,
    )  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        [execution("x.01", LOW, 3, 0)],  # more than the trades hold
        [execution("x.01", LOW, -1, 0)],  # adds to what they hold
        [execution("x.01", LOW, 1, 10)],  # a market's price, before its expiry
        [execution("x.01", HIGH, 1, 0)],  # nobody holds it
        [execution("x.01", SHARE, -100, 550_000)],  # at another strike
        [execution("x.01", SHARE, 100, 500_000)],  # on the other side
        [execution("x.01", 99, 1, 0)],  # of a contract that is not known
    ],
)
def test_what_cannot_be_an_end_is_never_ours(told: list[Execution]) -> None:
    side = Side()
    held_by(side, 1, 1)
    for event in told:
        side.hear(event)
        assert not side.deliveries.may_be_ours(event)
        assert side.deliveries.missing([event]) == []
    positions = Counter(side.portfolio.positions)
    for event in told:
        positions[event.con_id] += event.side * event.quantity
    assert side.deliveries.recognised(side.portfolio.positions, positions, 1) == []


@pytest.mark.parametrize(
    ("told", "positions"),
    [
        ([execution("x.01", LOW, 1, 0)], {LOW: -1, SHARE: -100}),  # the shares were not told
        ([execution("x.01", LOW, 1, 0)], {LOW: -2}),  # not in the positions yet
        ([execution("x.01", LOW, 1, 0), execution("s.01", SHARE, -60, 500_000)], {LOW: -1, SHARE: -60}),
        (  # two ends, one delivery: whose is it?
            [
                execution("x.01", LOW, 1, 0),
                execution("y.01", LOW, 1, 0),
                execution("s.01", SHARE, -100, 500_000),
            ],
            {LOW: 0, SHARE: -100},
        ),
    ],
)
def test_what_positions_do_not_bear_out_waits(told: list[Execution], positions: dict[int, int]) -> None:
    side = Side()
    held_by(side, 1, 1)
    for event in told:
        side.hear(event)
        assert side.deliveries.may_be_ours(event)
    side.look(Counter(positions))
    assert side.deliveries.waiting == tuple(told)
    assert side.portfolio.positions == {LOW: -2}


@pytest.mark.parametrize("perms", [(0, 0, 0, 0), (7, 8, 7, 8), (7, 8, 8, 7), (1, 2, 3, 4)])
def test_permids_decide_where_the_broker_gives_them_and_are_not_needed(perms: tuple[int, ...]) -> None:
    side = Side()
    held_by(side, 1, 2)
    told = [
        execution("x.01", LOW, 1, 0, perm_id=perms[0]),
        execution("y.01", LOW, 2, 0, perm_id=perms[1]),
        execution("s.01", SHARE, -100 if perms[0] == perms[2] == 7 else -200, 500_000, perm_id=perms[2]),
        execution("t.01", SHARE, -200 if perms[0] == perms[2] == 7 else -100, 500_000, perm_id=perms[3]),
    ]
    for event in told:
        side.hear(event)
    side.look(Counter({SHARE: -300}))
    assert side.deliveries.waiting == ()
    held = {name: trade.held for name, trade in side.portfolio.trades.items()}
    assert held == {"T0": {SHARE: -100}, "T1": {SHARE: -200}}


def test_a_correction_is_for_a_person() -> None:
    side = Side()
    held_by(side, 2)
    side.hear(execution("x.01", LOW, 1, 0))
    corrected = execution("x.02", LOW, 2, 0)
    assert side.deliveries.hear(corrected)
    assert not side.deliveries.may_be_ours(corrected)
