"""From fills to vault movements.

1. Approval reserves the order's maximum loss and its fees; no reserve, no order. Approved again on other
   terms, every unit that may still fill is reserved at the dearer of both.
2. A fill moves its share of that into the trade's escrow, the fee of the way out included.
3. A closing fill returns its share of the escrow, plus the profit or minus the loss.
4. Commissions are paid from the free balance once they are known; the end of an order frees the rest.

Every movement carries the execution's id, so a restart may repeat all of them and nothing moves twice.
"""

from __future__ import annotations

from dataclasses import dataclass

from optionsib.common.ports import SettlementLedger
from optionsib.common.types import Order, price_to_money
from optionsib.execution.orders import (
    CommissionBooked,
    Effect,
    OrderDone,
    UnitsFilled,
)
from optionsib.execution.portfolio import Portfolio, Trade


@dataclass(slots=True)
class _Reserve:
    """``amount`` (money) for ``units`` units, ``moved`` of which have filled."""

    amount: int
    units: int
    moved: int = 0

    def share_until(self, moved: int) -> int:
        """Return what the first ``moved`` units take, so that rounding never loses a unit of money."""
        return self.amount * min(moved, self.units) // self.units


class Settlement:
    """Calls the ledger for each effect, in the effects' order."""

    def __init__(self, ledger: SettlementLedger, portfolio: Portfolio) -> None:
        self._ledger = ledger
        self._portfolio = portfolio
        self._reserves: dict[str, _Reserve] = {}

    def approve(self, order: Order, max_loss: int, filled: int = 0) -> str | None:
        """Reserve ``max_loss`` (money) for what ``filled`` leaves open of an order.

        Return None, or why the vault refuses (the reserve is as before then).
        """
        reserve = self._reserve_for(order, max_loss, filled)
        refusal = self._ledger.reserve(order.order_ref, reserve.amount) if reserve.amount > 0 else None
        if refusal is None:
            self._reserves[order.order_ref] = reserve
        return refusal

    def restore(self, order: Order, max_loss: int, filled: int = 0) -> None:
        """Take over what an earlier run had reserved, from its decision records."""
        self._reserves[order.order_ref] = self._reserve_for(order, max_loss, filled)

    def _reserve_for(self, order: Order, max_loss: int, filled: int) -> _Reserve:
        units = order.quantity - filled
        before = self._reserves.get(order.order_ref)
        if before is None or before.moved >= before.units:
            return _Reserve(max_loss, units)
        # The change may still be refused: what works now must stay covered too.
        open_before = before.units - before.moved
        left = before.amount - before.share_until(before.moved)
        most = max(units, open_before)
        return _Reserve(max(-(-max_loss * most // units), -(-left * most // open_before)), most)

    def reserve_again(self, order_ref: str, units: int) -> str | None:
        """Reserve anew what ``units`` more of an order take, which has ended; return None or a refusal."""
        reserve = self._reserves.get(order_ref)
        if reserve is None:
            return None
        amount = reserve.share_until(reserve.moved + units) - reserve.share_until(reserve.moved)
        return self._ledger.reserve(order_ref, amount) if amount > 0 else None

    def release(self, order_ref: str) -> int:
        """Free the reserve of an order that was never sent; return the amount."""
        return self._ledger.free(order_ref)

    def apply(self, effect: Effect) -> None:
        """Move the money of one effect; the portfolio must have booked it before."""
        match effect:
            case UnitsFilled():
                trade = self._portfolio.trades[effect.record.order.trade_id]
                if effect.record.order.purpose == "close":
                    self._close(effect, trade)
                else:
                    self._open(effect, trade)
            case CommissionBooked():
                self._ledger.fee(effect.execution.execution_id, effect.record.order.trade_id, effect.amount)
            case OrderDone():
                self._ledger.free(effect.record.order.order_ref)
            case _:
                pass

    def _open(self, effect: UnitsFilled, trade: Trade) -> None:
        amount = self._share_of_reserve(effect)
        if amount > 0:
            order = effect.record.order
            self._ledger.open(effect.execution.execution_id, order.order_ref, order.trade_id, amount)
            trade.escrow += amount

    def _share_of_reserve(self, effect: UnitsFilled) -> int:
        reserve = self._reserves.get(effect.record.order.order_ref)
        if reserve is None:
            return 0
        before = reserve.share_until(reserve.moved)
        reserve.moved += effect.quantity
        return reserve.share_until(reserve.moved) - before

    def _close(self, effect: UnitsFilled, trade: Trade) -> None:
        units = effect.quantity
        before = trade.quantity + units
        collateral = trade.escrow if trade.quantity == 0 else trade.escrow * units // before
        entry = trade.entry_cost * units // trade.opened
        profit = -entry - price_to_money(effect.price, trade.multiplier, units)
        self._ledger.close(effect.execution.execution_id, trade.trade_id, collateral, profit)
        trade.escrow -= collateral
