"""Orders and what became of them: a fold over journaled events.

1. A fill is booked once per execution id, whatever else arrives, in whatever order, however often.
2. Units filled come from executions alone (of the combination, or of its legs where they fill apart); a
   status never fills anything.
3. An order is done when all units are filled, or the broker ended it and no unit more can come.
4. After the end a late execution is still booked; a late status changes nothing, but an order that works
   after it ended has ``revived``: somebody must end it.
5. A change holds when the broker works it; until then it may come, or may not, and both are reckoned with.
6. Attached orders are submitted with their parent or not at all; one that ended unfilled leaves orphans.
7. An exit's execution that comes before that of its parent waits for it: nothing closes what is not open.
8. A cancel that the broker refuses may be asked for again.

The same fold rebuilds the state after a restart, so nothing here reads a clock or sends anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

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
from optionsib.execution.legs_apart import UnitsOfLegs

OrderEvent = (
    OrderSubmitted | OrderModifyRequested | OrderCancelRequested | OrderUpdate | Execution | CommissionReport
)


BASE_CURRENCY = "USD"
# TWS: the order cannot be cancelled in its state, or is not known; it works on, if it works.
_CANCEL_REFUSED = frozenset({161, 10147, 10148})
# What a change may change.
TERMS = ("limit_price", "quantity", "stop_price", "trail_amount", "trail_percent")


def change_between(working: Order, wanted: Order, at_ns: int) -> OrderModifyRequested:
    """Return the change that makes ``wanted`` of ``working``.

    Raises
    ------
    ExecutionError
        If they differ in more than terms, or in nothing.
    """
    terms = {name: getattr(wanted, name) for name in TERMS}
    if msgspec.structs.replace(working, **terms) != wanted:
        raise ExecutionError(
            f"order {working.order_ref!r} is working; only {', '.join(TERMS)} can change, nothing was changed"
        )
    changed = {name: value for name, value in terms.items() if value != getattr(working, name)}
    if not changed or changed.get("stop_price", 0) is None:
        raise ExecutionError(f"order {working.order_ref!r}: the change changes nothing, or takes a stop away")
    return OrderModifyRequested(order_ref=working.order_ref, at_ns=at_ns, **changed)


def with_terms(order: Order, terms: OrderModifyRequested | OrderUpdate) -> Order:
    """Return ``order`` on the terms that a change or the broker names; what is None stays."""
    named = {name: getattr(terms, name) for name in TERMS if getattr(terms, name) is not None}
    if all(getattr(order, name) == value for name, value in named.items()):
        return order
    return msgspec.structs.replace(order, **named)


@dataclass(slots=True)
class OrderRecord:
    """One order of ours.

    ``order`` has the terms that the broker works, as far as is known; ``requested`` those of a change
    that has no answer yet. ``attached``: the references of the orders that its fill puts to work.
    ``by_hand``: a person has set its terms.
    """

    order: Order
    submitted_ns: int
    attached: tuple[str, ...] = ()
    requested: Order | None = None
    status: str = "submitted"
    perm_id: int = 0
    filled: int = 0
    cancel_requested: bool = False
    revived: bool = False
    by_hand: bool = False
    last_message: str = ""
    legs_filled: dict[int, int] = field(default_factory=dict)
    units_of_legs: UnitsOfLegs | None = None

    def __post_init__(self) -> None:
        self.units_of_legs = self.units_of_legs or UnitsOfLegs.of(self.order)

    @property
    def limit_price(self) -> int:
        """The limit that the broker works, 1/10000."""
        return self.order.limit_price

    @property
    def modify_pending(self) -> bool:
        """Whether a change has no answer yet."""
        return self.requested is not None

    @property
    def most_units(self) -> int:
        """Units that may fill in all, a change without an answer included."""
        asked = 0 if self.requested is None else self.requested.quantity
        return max(self.order.quantity, asked)

    @property
    def highest_limit(self) -> int:
        """The dearest limit that it may fill at, a change without an answer included."""
        limit = self.order.limit_price
        return limit if self.requested is None else max(limit, self.requested.limit_price)

    @property
    def remaining(self) -> int:
        """Units that may still fill."""
        return max(self.most_units - self.filled, 0)

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
        self._waiting: dict[str, list[Execution]] = {}  # of exits, by the parent's reference

    def working(self) -> list[OrderRecord]:
        """Return the orders that are not done, oldest first."""
        return [record for record in self.records.values() if not record.is_done]

    def orphans(self) -> list[OrderRecord]:
        """Return the working orders whose parent ended without a fill: nothing will put them to work."""
        return [record for record in self.working() if self._is_orphan(record)]

    def revived(self) -> list[OrderRecord]:
        """Return the orders that ended here and work at the broker."""
        return [record for record in self.records.values() if record.revived]

    def waiting(self) -> list[Execution]:
        """Return the executions of exits that wait for the execution of their parent."""
        return [execution for held in self._waiting.values() for execution in held]

    def _is_orphan(self, record: OrderRecord) -> bool:
        parent = self.records.get(record.order.parent_ref)
        return parent is not None and parent.is_done and parent.filled == 0

    def exits_behind(self) -> list[Order]:
        """Return the exits with fewer units than their parent since it was made larger, with as many."""
        wanted = []
        for record in self.working():
            parent = self.records.get(record.order.parent_ref)
            if parent is None or parent.modify_pending or record.modify_pending or record.cancel_requested:
                continue
            closed = sum(
                self.records[ref].filled for ref in parent.attached if self.records[ref] is not record
            )
            units = (parent.filled if parent.is_done else parent.order.quantity) - closed
            if record.order.quantity < units:
                wanted.append(msgspec.structs.replace(record.order, quantity=units))
        return wanted

    def apply(self, event: OrderEvent) -> list[Effect]:
        """Fold one event in and return what changed; an event already known changes nothing.

        Raises
        ------
        ExecutionError
            If the event names an order that was never submitted, fills more than was ordered, or changes
            what cannot change; the state is unchanged.
        """
        match event:
            case OrderSubmitted():
                self._submit(event)
                return []
            case OrderModifyRequested():
                self._modify(event)
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
        refs = [order.order_ref for order in (event.order, *event.attached)]
        for ref in refs:
            if ref in self.records or refs.count(ref) > 1:
                raise ExecutionError(f"order {ref!r} was submitted before; nothing changed")
        for order in (event.order, *event.attached):
            self.records[order.order_ref] = OrderRecord(order, event.at_ns)
        self.records[refs[0]].attached = tuple(refs[1:])

    def _modify(self, event: OrderModifyRequested) -> None:
        record = self._record(event.order_ref)
        wanted = with_terms(record.requested or record.order, event)
        if record.is_done:
            raise ExecutionError(f"order {event.order_ref!r} has ended; nothing changed")
        if wanted.quantity <= record.filled:
            raise ExecutionError(
                f"order {event.order_ref!r}: quantity {wanted.quantity} is not above the {record.filled} "
                "filled; nothing changed"
            )
        record.requested = wanted
        record.by_hand |= bool(event.operator)

    def _update(self, event: OrderUpdate) -> list[Effect]:
        record = self._record(event.order_ref)
        if event.perm_id:
            record.perm_id = event.perm_id
        if record.is_done:
            if record.status != "filled" and record.revived != (event.status == "working"):
                record.revived = not record.revived
                record.cancel_requested = False
            return []
        if event.code in _CANCEL_REFUSED:
            record.cancel_requested = False
        record.last_message = event.message or record.last_message
        # Fewer units than have filled are no terms that anything works on, nor the answer to a change.
        if event.quantity is None or event.quantity >= max(record.filled, 1):
            record.order = with_terms(record.order, event)
            if event.limit_price is not None and not event.pending:
                record.requested = None
        # "filled" is only a hint: the executions will say so (sentence 2).
        if event.status in ("unconfirmed", "working", "cancelled", "rejected"):
            record.status = event.status
        if record.remaining == 0 and record.status not in ("cancelled", "rejected"):
            record.status = "filled"  # made no larger than what has filled
        return [OrderDone(record)] if record.is_done else []

    def _execute(self, execution: Execution) -> list[Effect]:
        if execution.execution_id in self.executions:
            return []
        record = self._record(execution.order_ref)
        if self._is_early(record, execution):
            held = self._waiting.get(record.order.parent_ref, [])
            if execution.execution_id not in {one.execution_id for one in held}:
                self._refuse_what_never_fits(record, execution, held)
                self._waiting[record.order.parent_ref] = [*held, execution]
            return []
        effects = self._book_execution(record, execution)
        for early in self._waiting.pop(execution.order_ref, ()):
            try:
                effects += self._execute(early)  # waits on where it must
            except ExecutionError:  # the exit was made smaller since; what is booked here stays booked
                self._waiting.setdefault(execution.order_ref, []).append(early)
        return effects

    @staticmethod
    def _refuse_what_never_fits(record: OrderRecord, execution: Execution, held: Iterable[Execution]) -> None:
        """Refuse an early execution at once that would not fit its order when its parent has filled."""
        if not execution.is_combo and len(record.order.legs) > 1:
            return  # a leg makes no units
        same = (one for one in held if one.order_ref == execution.order_ref)
        waiting = sum(one.quantity for one in same if one.is_combo == execution.is_combo)
        if waiting + execution.quantity > record.remaining:
            raise _does_not_fit(record, execution)

    def _is_early(self, record: OrderRecord, execution: Execution) -> bool:
        """Tell whether an exit has filled more than its parent, as far as is known."""
        parent = self.records.get(record.order.parent_ref)
        if parent is None:
            return False
        units = parent.filled - sum(self.records[ref].filled for ref in parent.attached)
        if execution.is_combo:
            return execution.quantity > units
        ratio = next((abs(leg.ratio) for leg in record.order.legs if leg.con_id == execution.con_id), 1)
        filled = abs(record.legs_filled.get(execution.con_id, 0)) + execution.quantity
        return filled > (record.filled + units) * ratio

    def _book_execution(self, record: OrderRecord, execution: Execution) -> list[Effect]:
        self._refuse_correction(execution)
        order = record.order
        single = len(order.legs) == 1
        effects: list[Effect] = []
        if not execution.is_combo:
            self._check_leg(record, execution)
        if record.units_of_legs is not None:
            if not execution.is_combo:
                for units, price in record.units_of_legs.add(
                    execution.con_id, execution.quantity, execution.price
                ):
                    effects += self._fill_units(record, execution, units, price)
        elif execution.is_combo or single:
            per_unit = abs(order.legs[0].ratio) if single else 1
            units, rest = divmod(execution.quantity, per_unit)
            if rest or units > record.remaining:
                raise _does_not_fit(record, execution)
            price = execution.price * per_unit * (execution.side if single else 1)
            effects += self._fill_units(record, execution, units, price)
        if not execution.is_combo:
            filled = record.legs_filled
            filled[execution.con_id] = filled.get(execution.con_id, 0) + execution.side * execution.quantity
            effects.insert(0, LegFilled(record, execution))
        self.executions[execution.execution_id] = execution
        early = self._early_commissions.pop(execution.execution_id, None)
        if early is not None:
            effects += self._book_commission(execution, early)
        return effects

    @staticmethod
    def _fill_units(record: OrderRecord, execution: Execution, units: int, price: int) -> list[Effect]:
        was_done = record.is_done
        effects: list[Effect] = [UnitsFilled(record, execution, units, price, record.filled)]
        record.filled += units
        if record.remaining == 0 and record.status not in ("cancelled", "rejected"):
            record.status = "filled"
            if not was_done:
                effects.append(OrderDone(record))
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
                filled = abs(record.legs_filled.get(leg.con_id, 0)) + execution.quantity
                if record.units_of_legs is not None and filled > abs(leg.ratio) * record.most_units:
                    raise _does_not_fit(record, execution)
                return
        raise ExecutionError(
            f"execution {execution.execution_id} trades contract {execution.con_id} on side "
            f"{execution.side:+d}, which is no leg of {record.order.order_ref}; not booked"
        )

    def _commission(self, event: CommissionReport) -> list[Effect]:
        if event.execution_id in self.commissions:
            return []
        if event.currency not in ("", BASE_CURRENCY):
            raise ExecutionError(
                f"commission of execution {event.execution_id} is in {event.currency}, the books are in "
                f"{BASE_CURRENCY}; not booked"
            )
        execution = self.executions.get(event.execution_id)
        if execution is None:
            self._early_commissions[event.execution_id] = event.amount
            return []
        return self._book_commission(execution, event.amount)

    def _book_commission(self, execution: Execution, amount: int) -> list[Effect]:
        self.commissions[execution.execution_id] = amount
        return [CommissionBooked(self.records[execution.order_ref], execution, amount)]


def _does_not_fit(record: OrderRecord, execution: Execution) -> ExecutionError:
    return ExecutionError(
        f"execution {execution.execution_id} of {execution.quantity} does not fit order "
        f"{record.order.order_ref}: {record.filled} of {record.most_units} filled; not booked"
    )
