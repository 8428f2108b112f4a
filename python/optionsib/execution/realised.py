"""What a close has earned, from executions alone: the one formula that the books and the attestor share.

All integers, base units (1/1000000). A close of ``units`` takes its part of what the opening fills have cost
and no earlier close took, so that the parts of all closes add up exactly, also where fills go on between
them.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from optionsib.common.types import price_to_money


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """What a trade has of one leg execution.

    ``side`` +1 bought, -1 sold; ``price`` 1/10000; ``commission`` (money) of these ``quantity`` contracts.
    """

    con_id: int
    side: int
    quantity: int
    price: int
    multiplier: int
    commission: int


class Realised(msgspec.Struct, frozen=True):
    """``entry``: what the close takes of the opening cash (negative: a cost); ``pnl``: net of commissions."""

    entry: int
    pnl: int


def net_cash(fills: Iterable[Fill]) -> int:
    """Return what fills have brought in, commissions paid; negative: paid out."""
    return sum(
        -fill.side * price_to_money(fill.price, fill.multiplier, fill.quantity) - fill.commission
        for fill in fills
    )


def part_of_commission(amount: int, quantity: int, whole: int, before: int = 0) -> int:
    """Return the commission of ``quantity`` contracts of an execution of ``whole``, rounded up.

    ``before``: contracts that earlier closes of the same trade took; their parts and this one add up exactly.
    """
    return (-amount * before) // whole - (-amount * (before + quantity)) // whole


def part_of_escrow(escrow: int, units: int, units_before: int) -> int:
    """Return the escrow that a close of ``units`` of ``units_before`` gives back; the last one takes all."""
    return escrow * units // units_before


def realise(opening_left: int, closing: Iterable[Fill], *, units: int, units_before: int) -> Realised:
    """Return the result of closing ``units`` of ``units_before``.

    Parameters
    ----------
    opening_left
        Net cash of all opening fills, less the ``entry`` of earlier closes.
    closing
        The fills that close, exactly.

    Raises
    ------
    ValueError
        If ``units`` is not within 1 and ``units_before``.
    """
    if not 1 <= units <= units_before:
        raise ValueError(f"{units} units of {units_before}: expected 1 to {units_before}")
    entry = opening_left * units // units_before
    return Realised(entry, entry + net_cash(closing))
