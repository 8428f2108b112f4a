"""Fills that the broker no longer reports: seen in the positions, confirmed by a person, booked by hand.

A broker reports the executions of the running day (TWS: up to seven days, if its Trade Log is set so; see
the TWS API documentation, "Executions and Commissions"). What filled before, while nobody listened, shows
in the positions alone. Nothing is guessed into the books: an order that would explain the difference is
named, and a person books it with the prices of the account statement.

1. Only what makes positions agree can be booked, and only on an order of this journal with open units.
2. It is journaled as executions whose id begins with ``by hand``, after a notice with name and reason.
3. Its reserve, its executions and the vault's part are durable in one commit: a crash leaves all or nothing.
4. A report of the broker that still comes is an execution too many: it does not fit its order, or the
   positions differ again; trading halts either way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from optionsib.common.errors import ExecutionError
from optionsib.common.events import BrokerEvent, BrokerNotice, CommissionReport, Execution
from optionsib.common.faults import fault_point
from optionsib.execution.orders import OrderManager, OrderRecord

if TYPE_CHECKING:
    from optionsib.execution.desk import OrderDesk

BOOKED_BY_HAND = -11  # code of the notice
_UNLIMITED = ("STP", "TRAIL")
Difference = tuple[int, int, int]  # contract id, ours, the broker's


class UnreportedFill(msgspec.Struct, frozen=True):
    """What a person has read in the account statement.

    ``prices``: of each leg, in the order's order, 1/10000; 0 only for a leg of a combination.
    ``commission``: of all legs, money.
    """

    order_ref: str
    units: int
    prices: tuple[int, ...]
    commission: int = 0


def explanations(manager: OrderManager, differences: Iterable[Difference]) -> list[tuple[str, int]]:
    """Return (order_ref, units) of each order whose open units alone explain the difference of all its legs.

    Several orders may explain one difference; which of them it was, only the statement tells.
    """
    missing = _missing(differences)
    found: list[tuple[str, int]] = []
    for order_ref, record in manager.records.items():
        legs = record.order.legs
        units = missing.get(legs[0].con_id, 0) // legs[0].ratio
        if _open_units(record) >= units > 0 and _explains(record, units, missing):
            found.append((order_ref, units))
    return found


def describe(manager: OrderManager, differences: Iterable[Difference]) -> str:
    """Return which orders would explain the differences, as a sentence; "" where none does."""
    found = [f"{units} of {order_ref}" for order_ref, units in explanations(manager, differences)]
    if not found:
        return ""
    return (
        f"fills that the broker no longer reports would explain it: {' or '.join(found)}; compare with the "
        "account statement, then `optionsib book`"
    )


def bookings(
    manager: OrderManager,
    fill: UnreportedFill,
    differences: Iterable[Difference],
    *,
    reason: str,
    operator: str,
    at_ns: int,
) -> list[BrokerEvent]:
    """Return what books the fill: a notice, executions as the broker would report them, what they cost.

    Raises
    ------
    ExecutionError
        If nobody answers for it, the order is unknown or has fewer open units, prices are missing, not
        positive or beyond its limit, or the fill does not make the positions of all its legs agree.
    """
    record = manager.records.get(fill.order_ref)
    if not reason.strip() or not operator.strip():
        raise ExecutionError("a booking by hand needs an operator and a reason; nothing booked")
    if record is None:
        raise ExecutionError(f"order {fill.order_ref!r} is not in this journal; nothing booked")
    order, legs = record.order, record.order.legs
    if not 0 < fill.units <= _open_units(record):
        raise ExecutionError(
            f"order {fill.order_ref}: {fill.units} units, expected 1 to {_open_units(record)} (of "
            f"{order.quantity}, {record.filled} are booked); nothing booked"
        )
    least, word = (1, "positive") if len(legs) == 1 else (0, "non-negative")  # a leg may go for nothing
    if len(fill.prices) != len(legs) or min(fill.prices) < least:
        raise ExecutionError(
            f"order {fill.order_ref}: prices {fill.prices}, expected {len(legs)} {word} ones, of contracts "
            f"{[leg.con_id for leg in legs]}; nothing booked"
        )
    net = sum(leg.ratio * price for leg, price in zip(legs, fill.prices, strict=True))
    if order.order_type not in _UNLIMITED and net > record.highest_limit:
        raise ExecutionError(
            f"order {fill.order_ref}: a net debit of {net} is beyond its limit of {record.highest_limit} "
            "(1/10000), at which it cannot fill; nothing booked"
        )
    differences = list(differences)
    if not _explains(record, fill.units, _missing(differences)):
        raise ExecutionError(
            f"{fill.units} units of order {fill.order_ref} do not make the positions agree, which differ by "
            f"{_missing(differences)}; nothing booked"
        )
    name = f"by hand {fill.order_ref} {record.filled}"

    def execution(leg: str, con_id: int, ratio: int, price: int, *, is_combo: bool = False) -> Execution:
        return Execution(
            execution_id=f"{name} {leg}",
            order_ref=fill.order_ref,
            con_id=con_id,
            side=1 if ratio > 0 else -1,
            quantity=abs(ratio) * fill.units,
            price=price,
            at_ns=at_ns,
            is_combo=is_combo,
            perm_id=record.perm_id,
        )

    executions = [
        execution(f"leg {number}", leg.con_id, leg.ratio, price)
        for number, (leg, price) in enumerate(zip(legs, fill.prices, strict=True), 1)
    ]
    if len(legs) > 1:
        executions.insert(0, execution("combo", 0, 1, net, is_combo=True))
    cost = CommissionReport(execution_id=f"{name} leg 1", amount=fill.commission, currency="USD")
    notice = BrokerNotice(
        code=BOOKED_BY_HAND,
        message=f"BOOKED BY HAND by {operator}: {fill.units} of {fill.order_ref} at {fill.prices}: {reason}",
        at_ns=at_ns,
    )
    return [notice, *executions, cost]


def book(desk: OrderDesk, fill: UnreportedFill, *, reason: str, operator: str, at_ns: int) -> None:
    """Journal a fill and carry it into the books; trading stays halted until somebody resumes it.

    Raises
    ------
    ExecutionError
        As ``bookings``, or if the vault does not cover the fill; nothing was journaled.
    """
    events = bookings(desk.manager, fill, desk.differences, reason=reason, operator=operator, at_ns=at_ns)
    record = desk.manager.records[fill.order_ref]
    trade = desk.portfolio.trades.get(record.order.trade_id)
    if record.order.purpose == "close" and (trade is None or trade.quantity < fill.units):
        held = 0 if trade is None else trade.quantity
        raise ExecutionError(
            f"order {fill.order_ref} closes trade {record.order.trade_id}, which holds {held} units: book "
            "what opened it first; nothing booked"
        )
    if record.order.purpose != "close":
        refusal = desk.settlement.reserve_again(record.order, record.filled, fill.units)
        if refusal is not None:
            raise ExecutionError(f"order {fill.order_ref}: {refusal}; nothing booked")
        fault_point("after-reserve-before-journal")
    desk.take_in(events, whole=True)
    legs = {leg.con_id for leg in record.order.legs}
    desk.differences = [difference for difference in desk.differences if difference[0] not in legs]


def _missing(differences: Iterable[Difference]) -> dict[int, int]:
    return {con_id: theirs - ours for con_id, ours, theirs in differences}


def _open_units(record: OrderRecord) -> int:
    return record.order.quantity - record.filled


def _explains(record: OrderRecord, units: int, missing: dict[int, int]) -> bool:
    return all(missing.get(leg.con_id, 0) == units * leg.ratio for leg in record.order.legs)
