"""From fills to vault movements.

1. Approval reserves the order's maximum loss and its fees; no reserve, no order.
2. A fill moves its share of that into the trade's escrow, the fee of the way out included.
3. A closing fill returns its share of the escrow, plus the profit or minus the loss.
4. Commissions are paid from the free balance once they are known; the end of an order frees the rest.

Every movement carries the execution's id, so a restart may repeat all of them and nothing moves twice.
"""

from __future__ import annotations

from optionsib.common.ports import SettlementLedger
from optionsib.common.types import price_to_money
from optionsib.execution.orders import (
    CommissionBooked,
    Effect,
    OrderDone,
    UnitsFilled,
)
from optionsib.execution.portfolio import Portfolio, Trade


class Settlement:
    """Calls the ledger for each effect, in the effects' order."""

    def __init__(self, ledger: SettlementLedger, portfolio: Portfolio) -> None:
        self._ledger = ledger
        self._portfolio = portfolio
        self._max_loss: dict[str, int] = {}

    def approve(self, order_ref: str, max_loss: int) -> str | None:
        """Reserve ``max_loss`` (money) for an order; return None or why the vault refuses."""
        refusal = self._ledger.reserve(order_ref, max_loss) if max_loss > 0 else None
        if refusal is None:
            self._max_loss[order_ref] = max(max_loss, self._max_loss.get(order_ref, 0))
        return refusal

    def restore(self, order_ref: str, max_loss: int) -> None:
        """Take over what an earlier run had reserved, from its decision records."""
        self._max_loss[order_ref] = max(max_loss, self._max_loss.get(order_ref, 0))

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

    def _pay_fee(self, effect: CommissionBooked) -> None:
        reference, trade_id = effect.execution.execution_id, effect.record.order.trade_id
        if effect.amount > 0:
            self._ledger.fee(reference, trade_id, effect.amount)
        elif effect.amount < 0:
            self._ledger.close(f"{reference} rebate", trade_id, 0, -effect.amount)

    def _open(self, effect: UnitsFilled, trade: Trade) -> None:
        amount = self._share_of_reserve(effect)
        if amount > 0:
            order = effect.record.order
            self._ledger.open(effect.execution.execution_id, order.order_ref, order.trade_id, amount)
            trade.escrow += amount

    def _share_of_reserve(self, effect: UnitsFilled) -> int:
        """Escrow of the filled units, by cumulative shares, so that rounding never loses a unit."""
        total, size = self._max_loss.get(effect.record.order.order_ref, 0), effect.record.order.quantity
        after = effect.filled_before + effect.quantity
        return total * after // size - total * effect.filled_before // size

    def _close(self, effect: UnitsFilled, trade: Trade) -> None:
        units = effect.quantity
        before = trade.quantity + units
        collateral = trade.escrow if trade.quantity == 0 else trade.escrow * units // before
        entry = trade.entry_cost * units // trade.opened
        profit = -entry - price_to_money(effect.price, trade.multiplier, units)
        self._ledger.close(effect.execution.execution_id, trade.trade_id, collateral, profit)
        trade.escrow -= collateral
