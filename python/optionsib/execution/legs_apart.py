"""Whole units of a combination whose legs fill without each other: the first contracts make the first unit.

Nothing else tells of such units: the broker reports executions of the legs and none of the combination.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from optionsib.common.types import Order, OrderLeg


@dataclass(slots=True)
class UnitsOfLegs:
    """What each leg has filled that is no part of a whole unit yet: (contracts, price), oldest first."""

    legs: tuple[OrderLeg, ...]
    _waiting: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, order: Order) -> UnitsOfLegs | None:
        """Return the count for an order, None where the combination's own executions are its units."""
        return None if order.guaranteed or len(order.legs) == 1 else cls(order.legs)

    def add(self, con_id: int, quantity: int, price: int) -> list[tuple[int, int]]:
        """Count an execution of a leg; return the units that it makes whole and their net debit, in parts.

        Each part is exact: its units times its price (1/10000) is what their contracts cost.
        """
        self._waiting.setdefault(con_id, []).append((quantity, price))
        parts: list[tuple[int, int]] = []
        while all(self._waits(leg.con_id) >= abs(leg.ratio) for leg in self.legs):
            net = sum(self._take(leg) for leg in self.legs)
            if parts and parts[-1][1] == net:
                parts[-1] = parts[-1][0] + 1, net
            else:
                parts.append((1, net))
        return parts

    def _waits(self, con_id: int) -> int:
        return sum(quantity for quantity, _ in self._waiting.get(con_id, ()))

    def _take(self, leg: OrderLeg) -> int:
        """Take the contracts of one unit; return what they cost, negative for a sale."""
        waiting, wanted, cost = self._waiting[leg.con_id], abs(leg.ratio), 0
        while wanted:
            quantity, price = waiting[0]
            taken = min(quantity, wanted)
            cost += taken * price
            wanted -= taken
            if taken == quantity:
                waiting.pop(0)
            else:
                waiting[0] = quantity - taken, price
        return cost if leg.ratio > 0 else -cost
