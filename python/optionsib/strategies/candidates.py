"""The values that strategy and trader exchange: candidates, working orders, open trades."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optionsib.common.types import Order, OrderLeg


@dataclass(frozen=True, slots=True)
class Candidate:
    """A spread that could be opened, with the exact order for it.

    ``fair_value``, ``mid`` and ``natural`` (what crossing every leg's spread costs) are net debits of
    the order's legs in currency per share; ``edge`` is ``fair_value`` less the limit.
    """

    candidate_id: str
    order: Order
    fair_value: float
    mid: float
    natural: float
    edge: float
    expiry_ns: int


@dataclass(frozen=True, slots=True)
class WorkingOrder:
    """An order at the broker; ``limit`` (1/10000) is the one it works with now, ``by_hand``: a person's."""

    order: Order
    submitted_ns: int
    filled_quantity: int
    limit: int
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class OpenTrade:
    """A filled spread that is not closed.

    ``legs`` and ``entry_price`` (1/10000, net debit per unit) are those of the opening order;
    ``quantity`` is what is still open.
    """

    trade_id: str
    legs: tuple[OrderLeg, ...]
    quantity: int
    entry_price: int
    opened_ns: int
    strategy: str


@dataclass(frozen=True, slots=True)
class NewLimit:
    """Work the order at ``limit_price`` (1/10000) from now on."""

    limit_price: int
    reason: str = "reprice"


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Take the order out of the market."""

    reason: str


class SequentialIds:
    """One number a candidate, from which its candidate, order and trade ids are made.

    Candidate ``C000123`` carries order ``O000123``; if it opens a trade, that is ``T000123``. After a
    restart, numbering goes on behind the highest id of the journal.
    """

    def __init__(self, last: int = 0) -> None:
        self.last = last

    @classmethod
    def after(cls, ids: Iterable[str]) -> SequentialIds:
        """Continue behind the highest of ``ids``.

        Raises
        ------
        ValueError
            If an id is not a letter and a number.

        Examples
        --------
        >>> SequentialIds.after(["C000002", "O000007"]).take()
        8
        """
        last = 0
        for identifier in ids:
            if not (identifier[:1].isalpha() and identifier[1:].isdecimal()):
                raise ValueError(f"id {identifier!r}: expected a letter and a number, like C000123")
            last = max(last, int(identifier[1:]))
        return cls(last)

    def pass_over(self, order_refs: Iterable[str]) -> None:
        """Go on behind the numbers of orders that are not this journal's; names of another form do not count.

        The account may know orders of another journal: a number given twice would mix up their fills.

        Examples
        --------
        >>> ids = SequentialIds(3)
        >>> ids.pass_over(["O000007", "F1402063380-1", "perm-12"])
        >>> ids.take()
        8
        """
        numbers = (ref[1:] for ref in order_refs if ref[:1] == "O" and ref[1:].isdecimal())
        self.last = max(self.last, *(int(number) for number in numbers), 0)

    def take(self) -> int:
        """Return the next number."""
        self.last += 1
        return self.last


def candidate_id(number: int) -> str:
    """Return the candidate id of ``number``."""
    return f"C{number:06d}"


def order_ref(number: int) -> str:
    """Return the order reference of ``number``."""
    return f"O{number:06d}"


def trade_id(number: int) -> str:
    """Return the trade id of ``number``."""
    return f"T{number:06d}"
