"""From orders and fills to the ledger.

1. Approval reserves the order's maximum loss, fees included; no reserve, no order.
2. The first fill puts the whole of it at risk; the order's end returns the unfilled part.
3. A close is settled once its commissions are known, by the result that ``closings`` gives it.

Everything that is said to the ledger carries a reference, so a restart may repeat all of it and nothing
moves twice.
"""

from __future__ import annotations

from collections.abc import Mapping

from optionsib.common.ports import SettlementLedger
from optionsib.common.types import Contract, Order
from optionsib.execution.closings import Closings
from optionsib.execution.orders import Effect, OrderDone, UnitsFilled


class Settlement:
    """Tells the ledger of each effect, in the effects' order."""

    def __init__(self, ledger: SettlementLedger, contracts: Mapping[int, Contract]) -> None:
        self._ledger = ledger
        self._closings = Closings(contracts)
        self._funded: set[str] = set()  # trades with money at risk
        self._awaiting: frozenset[str] = frozenset()

    def approve(self, order: Order, max_loss: int) -> str | None:
        """Reserve ``max_loss`` (money) for an order; return None or why the vault refuses."""
        refusal = self._ledger.reserve(order, max_loss) if max_loss > 0 else None
        if refusal is None and max_loss > 0:
            self._funded.add(order.trade_id)
        return refusal

    def restore(self, order: Order, max_loss: int) -> None:
        """Take over what an earlier run had reserved, from its decision records."""
        if max_loss > 0:
            self._funded.add(order.trade_id)
            self._ledger.restore(order, max_loss)

    def release(self, order_ref: str) -> None:
        """Free the reserve of an order that was never sent."""
        self._ledger.ended(order_ref)

    def apply(self, effect: Effect) -> None:
        """Tell the ledger of one effect.

        Raises
        ------
        SettlementError
            If the ledger's books cannot follow.
        """
        order = effect.record.order
        opens = order.purpose != "close" and order.trade_id in self._funded
        match effect:
            case UnitsFilled() if opens:
                self._ledger.filled(effect.execution.execution_id, order.order_ref, effect.quantity)
            case OrderDone() if opens:
                self._ledger.ended(order.order_ref)
            case _:
                pass
        for terms in self._closings.apply(effect):
            if terms.trade_id in self._funded:
                self._ledger.close(terms)
        awaiting = self._closings.awaiting_commission() & self._funded
        if awaiting != self._awaiting:
            self._awaiting = awaiting
            self._ledger.awaiting_commission(awaiting)
