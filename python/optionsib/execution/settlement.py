"""From orders and fills to the ledger.

1. Approval reserves the order's maximum loss, fees included; no reserve, no order. Approved again on other
   terms, every unit that may still fill is reserved at the dearer of both.
2. The first fill puts the whole of it at risk; the order's end returns the unfilled part.
3. A close is settled once its commissions are known, by the result that ``closings`` gives it.
4. A trade whose contracts ended without an order is named as long as anything of it is left to close.

Everything that is said to the ledger carries a reference, so a restart may repeat all of it and nothing
moves twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from optionsib.common.ports import SettlementLedger
from optionsib.common.types import Contract, Order
from optionsib.execution.closings import Closings
from optionsib.execution.deliveries import BookedEffect
from optionsib.execution.orders import OrderDone, UnitsFilled


@dataclass(frozen=True, slots=True)
class _Reserve:
    """``amount`` (money) for ``units`` units, filled ones included."""

    amount: int
    units: int

    def share_until(self, units: int) -> int:
        """Return what the first ``units`` take, so that rounding never loses a unit of money."""
        return self.amount * min(units, self.units) // self.units


class Settlement:
    """Tells the ledger of each effect, in the effects' order."""

    def __init__(self, ledger: SettlementLedger, contracts: Mapping[int, Contract]) -> None:
        self._ledger = ledger
        self._closings = Closings(contracts)
        self._reserves: dict[str, _Reserve] = {}
        self._funded: set[str] = set()  # trades with money at risk
        self._awaiting: frozenset[str] = frozenset()
        self._apart: dict[str, dict[int, int]] = {}

    def approve(self, order: Order, max_loss: int, filled: int = 0) -> str | None:
        """Reserve ``max_loss`` (money) for what ``filled`` leaves open of an order.

        Return None, or why the vault refuses (the reserve is as before then).
        """
        reserve = self._reserve_for(order, max_loss, filled)
        if reserve.amount <= 0:  # the vault settles what it has paid for, and only that
            return f"order {order.order_ref}: it cannot lose at {order.limit_price}: nothing to reserve"
        refusal = self._ledger.reserve(_of(order, reserve), reserve.amount)
        if refusal is not None:
            return refusal
        self._funded.add(order.trade_id)
        self._reserves[order.order_ref] = reserve
        return None

    def restore(self, order: Order, max_loss: int, filled: int = 0) -> None:
        """Take over what an earlier run had reserved, from its decision records."""
        reserve = self._reserve_for(order, max_loss, filled)
        self._reserves[order.order_ref] = reserve
        if reserve.amount > 0:
            self._funded.add(order.trade_id)
            self._ledger.restore(_of(order, reserve), reserve.amount)

    def _reserve_for(self, order: Order, max_loss: int, filled: int) -> _Reserve:
        units = order.quantity - filled
        before = self._reserves.get(order.order_ref)
        if before is None:
            return _Reserve(max_loss, units)
        # The change may still be refused: what works now must stay covered too.
        gone = before.share_until(filled)
        open_before = max(before.units - filled, 0)
        most = max(units, open_before)
        left = -(-(before.amount - gone) * most // open_before) if open_before else 0
        return _Reserve(gone + max(-(-max_loss * most // units), left), filled + most)

    def reserve_again(self, order: Order, filled: int, units: int) -> str | None:
        """Reserve anew what ``units`` more of an order take, which has ended; return None or a refusal."""
        reserve = self._reserves.get(order.order_ref)
        if reserve is None:
            return None
        amount = reserve.share_until(filled + units) - reserve.share_until(filled)
        return self._ledger.reserve(order, amount) if amount > 0 else None

    def release(self, order_ref: str) -> None:
        """Free the reserve of an order that was never sent."""
        self._ledger.free(order_ref)

    def apply(self, effect: BookedEffect) -> None:
        """Tell the ledger of one effect.

        Raises
        ------
        SettlementError
            If the ledger's books cannot follow.
        """
        match effect:
            case UnitsFilled() if self._opens(effect):
                order_ref = effect.record.order.order_ref
                self._ledger.filled(effect.execution.execution_id, order_ref, effect.quantity)
            case OrderDone() if self._opens(effect):
                self._ledger.ended(effect.record.order.order_ref)
            case _:
                pass
        for terms in self._closings.apply(effect):
            if terms.trade_id in self._funded:
                self._ledger.close(terms)
        awaiting = self._closings.awaiting_commission() & self._funded
        if awaiting != self._awaiting:
            self._awaiting = awaiting
            self._ledger.awaiting_commission(awaiting)
        apart = {name: held for name, held in self._closings.apart().items() if name in self._funded}
        if apart != self._apart:
            self._apart = apart
            self._ledger.apart(apart)

    def _opens(self, effect: UnitsFilled | OrderDone) -> bool:
        order = effect.record.order
        return order.purpose != "close" and order.trade_id in self._funded


def _of(order: Order, reserve: _Reserve) -> Order:
    """Return the order with all units that its reserve is for."""
    return msgspec.structs.replace(order, quantity=reserve.units)
