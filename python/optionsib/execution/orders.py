"""Orders and what became of them: a fold over journaled events.

1. A fill is booked once per execution id, whatever else arrives, in whatever order, however often.
2. Units filled come from executions alone; a status never fills anything.
3. An order is done when all units are filled, or the broker ended it and no unit more can come.
4. After the end a late execution is still booked; a late status changes nothing.

The same fold rebuilds the state after a restart, so nothing here reads a clock or sends anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from optionsib.common.errors import ExecutionError
from optionsib.common.events import (
    CommissionReport,
    Execution,
    OrderCancelRequested,
    OrderModifyRequested,
    OrderSubmitted,
    OrderUpdate,
)
from optionsib.common.types import Order

OrderEvent = (
    OrderSubmitted | OrderModifyRequested | OrderCancelRequested | OrderUpdate | Execution | CommissionReport
)


@dataclass(slots=True)
class OrderRecord:
    """One order of ours. ``limit_price`` is the limit the broker works, as far as is known."""

    order: Order
    submitted_ns: int
    limit_price: int
    status: str = "submitted"
    perm_id: int = 0
    filled: int = 0
    cancel_requested: bool = False
    modify_pending: bool = False
    last_message: str = ""
    legs_filled: dict[int, int] = field(default_factory=dict)

    @property
    def remaining(self) -> int:
        """Units still open."""
        return self.order.quantity - self.filled

    @property
    def is_done(self) -> bool:
        """Tell whether nothing more can happen to the order."""
        return self.remaining == 0 or self.status in ("cancelled", "rejected")


@dataclass(frozen=True, slots=True)
class UnitsFilled:
    """``quantity`` units of an order were filled at ``price`` (1/10000 net debit per share).

    ``filled_before``: units of the order filled earlier.
    """

    record: OrderRecord
    execution: Execution
    quantity: int
    price: int
    filled_before: int


@dataclass(frozen=True, slots=True)
class LegFilled:
    """One leg execution: this, and nothing else, changes a position."""

    record: OrderRecord
    execution: Execution


@dataclass(frozen=True, slots=True)
class CommissionBooked:
    """The commission of one execution became known."""

    record: OrderRecord
    execution: Execution
    amount: int


@dataclass(frozen=True, slots=True)
class OrderDone:
    """An order came to its end."""

    record: OrderRecord


Effect = UnitsFilled | LegFilled | CommissionBooked | OrderDone


class OrderManager:
    """All orders of this journal, by order reference."""

    def __init__(self) -> None:
        self.records: dict[str, OrderRecord] = {}
        self.executions: dict[str, Execution] = {}
        self.commissions: dict[str, int] = {}
        self._early_commissions: dict[str, int] = {}
        self._stems: dict[str, str] = {}

    def working(self) -> list[OrderRecord]:
        """Return the orders that are not done, oldest first."""
        return [record for record in self.records.values() if not record.is_done]

    def apply(self, event: OrderEvent) -> list[Effect]:
        """Fold one event in and return what changed; an event already known changes nothing.

        Raises
        ------
        ExecutionError
            If the event names an order that was never submitted, or fills more than was ordered;
            the state is unchanged.
        """
        match event:
            case OrderSubmitted():
                self._submit(event)
                return []
            case OrderModifyRequested():
                self._record(event.order_ref).modify_pending = True
                return []
            case OrderCancelRequested():
                self._record(event.order_ref).cancel_requested = True
                return []
            case OrderUpdate():
                return self._update(event)
            case Execution():
                return self._execute(event)
            case CommissionReport():
                return self._commission(event)

    def apply_all(self, events: Iterable[OrderEvent]) -> list[Effect]:
        """Fold several events in, in their order."""
        return [effect for event in events for effect in self.apply(event)]

    def _record(self, order_ref: str) -> OrderRecord:
        try:
            return self.records[order_ref]
        except KeyError:
            raise ExecutionError(
                f"order {order_ref!r} was never submitted from this journal; nothing booked"
            ) from None

    def _submit(self, event: OrderSubmitted) -> None:
        order = event.order
        if order.order_ref in self.records:
            raise ExecutionError(f"order {order.order_ref!r} was submitted before; nothing changed")
        self.records[order.order_ref] = OrderRecord(order, event.at_ns, order.limit_price)

    def _update(self, event: OrderUpdate) -> list[Effect]:
        record = self._record(event.order_ref)
        if event.perm_id:
            record.perm_id = event.perm_id
        if record.is_done:
            return []
        record.last_message = event.message or record.last_message
        if event.limit_price is not None:
            record.limit_price = event.limit_price
            record.modify_pending = False
        # "filled" is only a hint: the executions will say so (sentence 2).
        if event.status in ("unconfirmed", "working", "cancelled", "rejected"):
            record.status = event.status
        return [OrderDone(record)] if record.is_done else []

    def _execute(self, execution: Execution) -> list[Effect]:
        if execution.execution_id in self.executions:
            return []
        record = self._record(execution.order_ref)
        self._refuse_correction(execution)
        order = record.order
        single = len(order.legs) == 1
        effects: list[Effect] = []
        if execution.is_combo or single:
            per_unit = abs(order.legs[0].ratio) if single else 1
            units, rest = divmod(execution.quantity, per_unit)
            if rest or record.filled + units > order.quantity:
                raise ExecutionError(
                    f"execution {execution.execution_id} of {execution.quantity} does not fit order "
                    f"{order.order_ref}: {record.filled} of {order.quantity} filled; not booked"
                )
            price = execution.price * per_unit * (execution.side if single else 1)
            was_done = record.is_done
            effects.append(UnitsFilled(record, execution, units, price, record.filled))
            record.filled += units
            if record.remaining == 0 and record.status not in ("cancelled", "rejected"):
                record.status = "filled"
                if not was_done:
                    effects.append(OrderDone(record))
        if not execution.is_combo:
            self._check_leg(record, execution)
            filled = record.legs_filled
            filled[execution.con_id] = filled.get(execution.con_id, 0) + execution.side * execution.quantity
            effects.insert(0, LegFilled(record, execution))
        self.executions[execution.execution_id] = execution
        early = self._early_commissions.pop(execution.execution_id, None)
        if early is not None:
            effects += self._book_commission(execution, early)
        return effects

    def _refuse_correction(self, execution: Execution) -> None:
        """Refuse a known execution under a new version: the part of its id after the last dot."""
        stem = execution.execution_id.rpartition(".")[0]
        before = self._stems.setdefault(stem, execution.execution_id) if stem else ""
        if stem and before != execution.execution_id:
            raise ExecutionError(
                f"execution {execution.execution_id} corrects {before}, which is booked already; the books "
                "keep the first version until an operator settles the difference"
            )

    @staticmethod
    def _check_leg(record: OrderRecord, execution: Execution) -> None:
        for leg in record.order.legs:
            if leg.con_id == execution.con_id and leg.ratio * execution.side > 0:
                return
        raise ExecutionError(
            f"execution {execution.execution_id} trades contract {execution.con_id} on side "
            f"{execution.side:+d}, which is no leg of {record.order.order_ref}; not booked"
        )

    def _commission(self, event: CommissionReport) -> list[Effect]:
        if event.execution_id in self.commissions:
            return []
        execution = self.executions.get(event.execution_id)
        if execution is None:
            self._early_commissions[event.execution_id] = event.amount
            return []
        return self._book_commission(execution, event.amount)

    def _book_commission(self, execution: Execution, amount: int) -> list[Effect]:
        self.commissions[execution.execution_id] = amount
        return [CommissionBooked(self.records[execution.order_ref], execution, amount)]
