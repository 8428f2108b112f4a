"""The sentences at the head of ``execution/settlement.py`` on the real vault, with fills in any parts."""

from __future__ import annotations

import itertools
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.common.clock import SteppedClock
from optionsib.common.config import VaultConfig
from optionsib.common.events import (
    CommissionReport,
    Execution,
    OrderModifyRequested,
    OrderSubmitted,
    OrderUpdate,
    VaultTransaction,
)
from optionsib.common.types import MONEY_SCALE, Contract, Order, OrderLeg
from optionsib.execution.orders import CommissionBooked, Effect, OrderManager, change_between
from optionsib.execution.portfolio import Portfolio
from optionsib.execution.settlement import Settlement
from optionsib.vault import TokenVault

DEPOSIT = 1_000 * MONEY_SCALE
LEGS = (OrderLeg(1001, 1), OrderLeg(1003, -1))
CONTRACTS = {c: Contract(c, "TWX", "OPT", multiplier=100, right="C") for c in (1001, 1003)}


class Desk:
    """Order fold, portfolio, settlement and vault, as the order desk joins them."""

    def __init__(self) -> None:
        self.journal: list[VaultTransaction] = []
        config = VaultConfig(deposit=Decimal(1_000), clearing_deposit=Decimal(1_000))
        self.vault = TokenVault(7, config, clock=SteppedClock(10**18), record=self.journal.append)
        self.vault.fund()
        self.manager, self.portfolio = OrderManager(), Portfolio(CONTRACTS)
        self.settlement = Settlement(self.vault, self.portfolio)

    def fold(
        self, event: OrderSubmitted | OrderModifyRequested | OrderUpdate | Execution | CommissionReport
    ) -> None:
        effects: list[Effect] = self.manager.apply(event)
        for effect in sorted(effects, key=lambda effect: isinstance(effect, CommissionBooked)):
            self.portfolio.apply(effect)
            self.settlement.apply(effect)

    def fill(self, ref: str, number: int, units: int, price: int) -> None:
        for part, con_id, side, each in ((0, 9, 1, price), (1, 1001, 1, 20_000), (2, 1003, -1, 20_000)):
            if ref == "O2" and part:
                side = -side
            self.fold(
                Execution(
                    execution_id=f"{ref}-{number}-{part}.01",
                    order_ref=ref,
                    con_id=con_id,
                    side=side,
                    quantity=units,
                    price=each,
                    at_ns=5,
                    is_combo=part == 0,
                )
            )


def parts(total: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(1, total), min_size=1).map(lambda raw: _cut(raw, total))


def _cut(raw: list[int], total: int) -> list[int]:
    sizes: list[int] = []
    for size in raw:
        if sum(sizes) + size <= total:
            sizes.append(size)
    return sizes


@settings(max_examples=25, deadline=None)
@given(parts(3), st.data(), st.integers(0, 25_000), st.integers(0, 25_000), st.integers(0, 1_000_000))
def test_money_moves_exactly_with_the_fills(
    opened: list[int], data: st.DataObject, entry: int, exit_price: int, fee: int
) -> None:
    desk = Desk()
    max_loss = 3 * 25_000 * 100 * 100 + 17  # not divisible by the units, so that rounding shows
    opening = Order("O1", "T1", LEGS, 3, entry, "open", "t")
    assert desk.settlement.approve(opening, max_loss) is None
    desk.fold(OrderSubmitted(order=opening, at_ns=1))
    assert desk.vault.state(0).reserved == max_loss
    for number, units in enumerate(opened):
        desk.fill("O1", number, units, entry)
    desk.fold(OrderUpdate(order_ref="O1", status="cancelled", at_ns=6))
    held = sum(opened)
    state = desk.vault.state(0)
    assert state.reserved == 0
    assert state.escrow == max_loss * held // 3
    assert state.free == DEPOSIT - state.escrow

    reverse = tuple(OrderLeg(leg.con_id, -leg.ratio) for leg in LEGS)
    desk.fold(OrderSubmitted(order=Order("O2", "T1", reverse, held, -exit_price, "close", "t"), at_ns=7))
    closed = data.draw(parts(held))
    for number, units in enumerate(closed):
        desk.fill("O2", number, units, -exit_price)
    if fee:
        desk.fold(CommissionReport(execution_id="O2-0-1.01", amount=fee))

    trade = desk.portfolio.trades["T1"]
    state = desk.vault.state(0)
    profit = (exit_price - entry) * 100 * 100 * sum(closed)
    assert trade.realized == profit
    assert state.fees == fee == desk.portfolio.fees
    assert state.free + state.escrow == DEPOSIT + profit - fee
    if sum(closed) == held:
        assert (state.escrow, trade.escrow) == (0, 0)

    # repeating everything, as a restart does, moves nothing
    before = len(desk.journal)
    manager, portfolio = OrderManager(), Portfolio(CONTRACTS)
    again = Settlement(desk.vault, portfolio)
    again.restore(opening, max_loss)
    for ref, legs, quantity in (("O1", LEGS, 3), ("O2", reverse, held)):
        limit, purpose = (entry, "open") if ref == "O1" else (-exit_price, "close")
        order = Order(ref, "T1", legs, quantity, limit, purpose, "t")  # type: ignore[arg-type]
        manager.apply(OrderSubmitted(order=order, at_ns=1))
    for execution in desk.manager.executions.values():
        for effect in manager.apply(execution):
            portfolio.apply(effect)
            again.apply(effect)
    assert len(desk.journal) == before
    assert portfolio.trades["T1"].escrow == trade.escrow


def test_no_reserve_no_order() -> None:
    desk = Desk()
    refusal = desk.settlement.approve(Order("O1", "T1", LEGS, 3, 1, "open", "t"), DEPOSIT + 1)
    assert refusal is not None
    assert "1,000" in refusal or "1000" in refusal
    assert desk.vault.state(0).free == DEPOSIT


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_order_on_other_terms_stays_covered_whether_or_not_the_change_holds(data: st.DataObject) -> None:
    """Grown, made dearer, cut or refused between partial fills: every unit's escrow is what it may lose."""
    desk = Desk()
    order, unit_loss, filled = Order("O1", "T1", LEGS, 3, 2_000, "open", "t"), 2_000 * 100 * 100, 0
    assert desk.settlement.approve(order, 3 * unit_loss) is None
    desk.fold(OrderSubmitted(order=order, at_ns=1))
    story: list[tuple[Order, int, int]] = [(order, 3 * unit_loss, 0)]
    dearest, most = unit_loss, 3
    for number in range(data.draw(st.integers(1, 4))):
        quantity, price = data.draw(st.integers(filled + 1, 9)), data.draw(st.integers(1_500, 2_500))
        wanted = Order("O1", "T1", LEGS, quantity, price, "open", "t")
        max_loss = price * 100 * 100 * (quantity - filled)
        assert desk.settlement.approve(wanted, max_loss, filled) is None
        story.append((wanted, max_loss, filled))
        dearest, most = max(dearest, price * 100 * 100), max(most, quantity)
        assert desk.vault.reserved("O1") >= price * 100 * 100 * (quantity - filled)
        assert desk.vault.reserved("O1") >= unit_loss * (desk.manager.records["O1"].order.quantity - filled)
        change = change_between(desk.manager.records["O1"].order, wanted, 2) if wanted != order else None
        if change is not None and data.draw(st.booleans()):
            desk.fold(change)
            desk.fold(
                OrderUpdate(order_ref="O1", status="working", at_ns=3, limit_price=price, quantity=quantity)
            )
            order, unit_loss = wanted, price * 100 * 100
        units = data.draw(st.integers(0, order.quantity - filled))
        if units == order.quantity - filled:
            units -= 1  # leave one open, so that the story can go on
        if units > 0:
            before = desk.vault.state(0).escrow
            desk.fill("O1", number, units, order.limit_price)
            filled += units
            story.append((order, -1, units))
            assert unit_loss * units <= desk.vault.state(0).escrow - before <= dearest * units + units
    desk.fold(OrderUpdate(order_ref="O1", status="cancelled", at_ns=6))
    state = desk.vault.state(0)
    assert state.reserved == 0
    assert state.free + state.escrow == DEPOSIT

    # a restart restores the same reserves from the decisions, and moves nothing again
    before_restart = len(desk.journal)
    manager, portfolio = OrderManager(), Portfolio(CONTRACTS)
    again = Settlement(desk.vault, portfolio)
    manager.apply(OrderSubmitted(order=msgspec.structs.replace(story[0][0], quantity=most), at_ns=1))
    executions = iter(desk.manager.executions.values())
    for wanted, max_loss, count in story:
        if max_loss >= 0:
            again.restore(wanted, max_loss, count)
            continue
        for execution in itertools.islice(executions, 3):
            for effect in manager.apply(execution):
                portfolio.apply(effect)
                again.apply(effect)
    assert len(desk.journal) == before_restart
    if filled:
        assert portfolio.trades["T1"].escrow == desk.portfolio.trades["T1"].escrow
