"""Brackets and OCA groups: how much of an order may fill, and what a fill does to the others.

For the members of a group let f be the sum of filled / base over all members, and for the children of
a bracket p = filled / base of the parent (1 where there is no parent).

1. A member of an OCA group of type 2 or 3 wants at most filled + floor(base x (1 - f)) units.
2. A fill of a member of an OCA group of type 1 cancels all others.
3. A child fills at most floor(base x (p - f)) more units.

Children without a group of their own are one group (type 3, named by the parent's permId), as TWS
does it. A group whose members are all done is over; its name may be used again. Types 2 and 3 differ
only in whether two orders may be at the market at once ("block"); here no two orders are ever tried at
the same time, so nothing is overfilled with either.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from optionsib.brokers.paper.orders import ClientOrder


class Groups:
    """The OCA groups of an account and the children of its bracket orders."""

    def __init__(self) -> None:
        self._members: dict[str, list[ClientOrder]] = {}
        self._children: dict[int, list[ClientOrder]] = {}  # by the parent's permId

    def join(self, order: ClientOrder) -> None:
        """Take a new order in; a child without a group joins its siblings."""
        if order.parent is not None:
            self._children.setdefault(order.parent.perm_id, []).append(order)
            if not order.oca_group:
                order.oca_group, order.oca_type = str(order.parent.perm_id), 3
        if order.oca_group:
            members = self._members.get(order.oca_group, [])
            if not any(member.is_live for member in members):
                members = self._members[order.oca_group] = []  # the name begins anew
            members.append(order)
        self.refresh(order)

    def children(self, parent: ClientOrder) -> list[ClientOrder]:
        """Return the children that are not done, in order of arrival."""
        return [child for child in self._children.get(parent.perm_id, ()) if child.is_live]

    def others(self, order: ClientOrder) -> Iterator[ClientOrder]:
        """Yield the live members of the order's OCA group but itself."""
        if order.oca_group:
            for member in list(self._members[order.oca_group]):
                if member is not order and member.is_live:
                    yield member

    def is_spent(self, order: ClientOrder) -> bool:
        """Whether the group leaves a new member nothing, or (type 1) belongs to one that has filled."""
        members = self._members.get(order.oca_group, ()) if order.oca_type == 1 else ()
        first_has_it = any(member.filled for member in members if member is not order)
        return order.remaining == 0 or first_has_it

    def refresh(self, order: ClientOrder) -> bool:
        """Set ``quantity`` and ``workable`` by the rules above; tell whether either changed."""
        before = order.quantity, order.workable
        filled = self._filled_fraction(order)
        left = max(0, int(order.base * (1 - filled)))
        order.quantity = order.filled + left
        started = self._started_fraction(order)
        order.workable = min(left, max(0, int(order.base * (started - filled))))
        return (order.quantity, order.workable) != before

    def end_of_parent(self, parent: ClientOrder) -> list[ClientOrder]:
        """Cut the children down to what a parent that is done has filled; return those left with nothing."""
        share, children = self._started_fraction_of(parent), self.children(parent)
        for child in children:
            child.base, child.parent = int(child.base * share), None
        lost = []
        for child in children:
            self.refresh(child)
            if child.remaining == 0:
                lost.append(child)
        return lost

    def _filled_fraction(self, order: ClientOrder) -> Fraction:
        members = self._members.get(order.oca_group, ()) if order.oca_group else (order,)
        return sum((Fraction(one.filled, one.base) for one in members if one.base), Fraction(0))

    def _started_fraction(self, order: ClientOrder) -> Fraction:
        return Fraction(1) if order.parent is None else self._started_fraction_of(order.parent)

    @staticmethod
    def _started_fraction_of(parent: ClientOrder) -> Fraction:
        return (
            min(Fraction(1), Fraction(parent.filled, parent.base))
            if parent.base
            else Fraction(1)
            if parent.base
            else Fraction(0)
        )
