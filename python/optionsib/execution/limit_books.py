"""What the limit check is asked and told of orders: what may still fill, and what has filled.

1. An order is booked with every unit and the dearest limit that it may fill at, a change that has no
   answer yet included.
2. Attached orders are not booked before their parent fills. From then on all of them are one booking, of
   the units that the parent has filled and they have not closed: no more of them can ever fill.
3. A change is judged by what would still be open. Made smaller and no dearer an order needs no vote; a
   change of an attached order stays within the rules of a bracket, and needs none either. While a change
   has no answer, smaller and dearer count against each of the two terms, not against what both come to.
4. A stop without a limit is judged, and booked, at its stop, and may do nothing but close what is held: as
   a hedge it would be one at its stop alone.
5. What is left of a trade whose options ended without an order may be closed, shorts first, even where that
   gives up a hedge: its payoff has a lower worst case then, but what can still happen is less.
6. What this file knows to close answers to all that any order which reduces risk answers to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from optionsib.brokers.price_grid import NO_LIMIT, grid_of, on_grid
from optionsib.common.errors import BrokerError, ExecutionError
from optionsib.common.events import OrderSubmitted, RiskVerdict
from optionsib.common.types import Contract, Order, price_to_money
from optionsib.execution.brackets import attachment_problem
from optionsib.execution.deliveries import BookedEffect, Delivered
from optionsib.execution.orders import (
    OrderDone,
    OrderManager,
    OrderRecord,
    UnitsFilled,
    change_between,
)
from optionsib.execution.portfolio import Trade
from optionsib.risk.limits import LimitChecker


@dataclass(slots=True)
class _Exit:
    """The one booking of a parent's exits."""

    booked_as: str
    units: int
    limit: int


class LimitBooks:
    """Asks and tells ``checker`` for the order desk.

    Parameters
    ----------
    checker
        The limits.
    manager
        The orders; what it knows may be ahead of what was booked here.
    contracts
        Every contract of the orders, by ``con_id``.
    trades
        The portfolio's trades, for those that are closed contract by contract.
    """

    def __init__(
        self,
        checker: LimitChecker,
        manager: OrderManager,
        contracts: Mapping[int, Contract],
        trades: Mapping[str, Trade] | None = None,
    ) -> None:
        self._checker = checker
        self._trades: Mapping[str, Trade] = {} if trades is None else trades
        self._records = manager.records
        self._contracts = contracts
        self._filled: Counter[str] = Counter()
        self._booked: dict[str, tuple[int, int]] = {}  # units in all and limit, by reference
        self._ended: set[str] = set()
        self._exits: dict[str, _Exit] = {}  # by the parent's reference
        self._exits_made: Counter[str] = Counter()

    # --- asked ---------------------------------------------------------------------------------------

    def judge(self, candidate_id: str, order: Order, attached: Sequence[Order], now_ns: int) -> RiskVerdict:
        """Judge a new order with what is attached to it, or a working one on other terms.

        Raises
        ------
        ValueError
            If the order is malformed.
        """
        record = self._records.get(order.order_ref)
        if record is None:
            return self._judge_new(candidate_id, order, attached, now_ns)
        still_open = order.quantity - record.filled
        if record.is_done or still_open < 1:
            text = f"{record.status}, {record.filled} filled: no change to {order.quantity} units can leave"
            return _refused(candidate_id, order, "quantity_positive", text, reduces_risk=True)
        try:
            change_between(record.requested or record.order, order, now_ns)
        except ExecutionError as error:
            return _refused(candidate_id, order, "malformed", str(error), reduces_risk=True)
        parent = self._records.get(order.parent_ref)
        if parent is not None:
            return self._judge_exit(candidate_id, order, record, parent, now_ns)
        exits = [self._records[ref] for ref in record.attached if not self._records[ref].is_done]
        if any(one.most_units > order.quantity for one in exits):
            text = f"its exits have more than {order.quantity} units; make them smaller first"
            return _refused(candidate_id, order, "attached", text, reduces_risk=True)
        rest = msgspec.structs.replace(self._seen(order), quantity=still_open)
        if record.requested is not None and self._is_between(record, rest, still_open):
            text = "a change has no answer yet, and this is within neither its terms nor those before it"
            return _refused(candidate_id, order, "malformed", text, reduces_risk=True)
        verdict = self._or_closes(self._checker.check(candidate_id, rest, now_ns), rest, now_ns)
        return self._within_kind(msgspec.structs.replace(verdict, order=order))

    def _is_between(self, record: OrderRecord, wanted: Order, still_open: int) -> bool:
        """Tell whether terms are smaller and no dearer than what two versions come to, but than neither."""
        limit, booked = wanted.limit_price, record.remaining
        if still_open >= booked or limit > self._dearest(record):
            return False  # judged anew
        return not any(
            still_open <= one.quantity - record.filled and limit <= self._seen(one).limit_price
            for one in _versions(record)
        )

    def _judge_new(
        self, candidate_id: str, order: Order, attached: Sequence[Order], now_ns: int
    ) -> RiskVerdict:
        if order.parent_ref:
            text = f"its parent {order.parent_ref} is sent with it or not at all"
            return _refused(candidate_id, order, "attached", text)
        if not all(one.guaranteed for one in (order, *attached)):
            text = "its legs may fill without each other, and the limits judge whole units"
            return _refused(candidate_id, order, "guaranteed", text)
        seen = self._seen(order)
        verdict = self._or_closes(self._checker.check(candidate_id, seen, now_ns), seen, now_ns)
        verdict = msgspec.structs.replace(verdict, order=order, attached=tuple(attached))
        problem = self._attachment_problem(order, attached, verdict.max_loss) if attached else ""
        if verdict.accepts and problem:
            return _refused(candidate_id, order, "attached", problem, verdict)
        return self._within_kind(verdict)

    def _judge_exit(
        self, candidate_id: str, order: Order, record: OrderRecord, parent: OrderRecord, now_ns: int
    ) -> RiskVerdict:
        most = parent.filled if parent.is_done else parent.order.quantity
        if most < 1:
            text = f"its parent {parent.order.order_ref} ended unfilled"
            return _refused(candidate_id, order, "attached", text, reduces_risk=True)
        closed = sum(self._records[ref].filled for ref in parent.attached if ref != order.order_ref)
        if (
            closed and order.quantity > most - closed
        ):  # a change repeats the quantity, and would undo the group's own cut
            text = (
                f"quantity {order.quantity}, the parent has {most}, of which other exits have closed {closed}"
            )
            return _refused(candidate_id, order, "attached", text, reduces_risk=True)
        opener, bound = msgspec.structs.replace(parent.order, quantity=most), _NO_BOUND
        if order.limit_price > record.highest_limit:  # else it costs no more than what was approved
            bound = self._checker.check(candidate_id, self._seen(opener), now_ns).max_loss
        problem = self._attachment_problem(opener, [order], bound, in_full=False)
        if problem:
            return _refused(candidate_id, order, "attached", problem, reduces_risk=True)
        verdict = self._checker.check(candidate_id, self._anywhere(order), now_ns, closes=True)
        if not verdict.accepts and verdict.check not in _OF_PRICE:
            return msgspec.structs.replace(verdict, order=order)
        return self._within_kind(
            RiskVerdict(
                candidate_id=candidate_id,
                order=order,
                accepts=True,
                reduces_risk=True,
                reason=f"closes no more than {parent.order.order_ref} has filled",
            )
        )

    def _anywhere(self, order: Order) -> Order:
        """Return an exit at a price of the grid: it may wait far away, or beyond its own parent."""
        leg = order.legs[0]
        limit = leg.ratio * grid_of(order.legs, self._contracts).increment(0) if len(order.legs) == 1 else 0
        return msgspec.structs.replace(order, limit_price=limit)

    def _or_closes(self, verdict: RiskVerdict, order: Order, now_ns: int) -> RiskVerdict:
        """Return a verdict, or leave to close what a trade that is apart holds of one contract."""
        trade, leg = self._trades.get(order.trade_id), order.legs[0]
        if verdict.reduces_risk:
            return verdict
        if trade is None or not trade.apart or order.purpose != "close" or len(order.legs) > 1:
            return verdict
        held = trade.held.get(leg.con_id, 0)
        at_work = sum(
            abs(one.ratio) * record.remaining
            for ref, record in self._records.items()
            if ref != order.order_ref and record.order.trade_id == order.trade_id and not record.is_done
            for one in record.order.legs
            if one.con_id == leg.con_id
        )
        if held * leg.ratio >= 0 or order.quantity + at_work > abs(held):
            return verdict
        if held > 0 and any(quantity < 0 for quantity in trade.held.values()):
            return verdict  # a long position may cover the short one
        verdict = self._checker.check(verdict.candidate_id, order, now_ns, closes=True)
        if not verdict.accepts:
            return verdict
        reason = f"closes what {order.trade_id} holds of a contract after its options ended"
        return msgspec.structs.replace(verdict, reason=reason, max_loss=0)

    def _attachment_problem(
        self, parent: Order, exits: Sequence[Order], max_loss: int, *, in_full: bool = True
    ) -> str:
        multiplier = self._multiplier(parent)
        fee = self._checker.unit_fee(parent.legs)
        return attachment_problem(parent, exits, max_loss, multiplier, fee, in_full=in_full)

    def _within_kind(self, verdict: RiskVerdict) -> RiskVerdict:
        """Refuse what the limits do not see: other prices off the grid, and openings at any price."""
        for order in (verdict.order, *verdict.attached):
            problem = self._grid_problem(order) if verdict.accepts else ""
            if problem:
                return _refused(verdict.candidate_id, order, "price_grid", problem, verdict)
        if verdict.order.order_type in NO_LIMIT and not (
            verdict.reduces_risk and self._closes(verdict.order)
        ):
            text = (
                f"a {verdict.order.order_type} order fills at any price; it may only reduce risk by closing"
            )
            return _refused(verdict.candidate_id, verdict.order, "price_band", text, verdict)
        return verdict

    def _closes(self, order: Order) -> bool:
        """Tell whether what is open of an order closes what its parent, its trade or the account holds."""
        if order.parent_ref:
            return True
        record, trade = self._records.get(order.order_ref), self._trades.get(order.trade_id)
        units = order.quantity - (0 if record is None else record.filled)
        holders = [self._checker.positions, {} if trade is None else trade.held]
        return any(
            all(
                leg.ratio * held.get(leg.con_id, 0) < 0
                and abs(leg.ratio) * units <= abs(held.get(leg.con_id, 0))
                for leg in order.legs
            )
            for held in holders
        )

    def _grid_problem(self, order: Order) -> str:
        try:
            rounded = on_grid(order, self._contracts)
        except BrokerError as error:
            return str(error)
        return "" if rounded == order else "a price is not on the tick grid"

    # --- told ----------------------------------------------------------------------------------------

    def submitted(self, event: OrderSubmitted) -> None:
        """Book a new order; each attached one is a message more."""
        ref = event.order.order_ref
        self._checker.on_order_working(self._seen(event.order), event.at_ns)
        self._booked[ref] = event.order.quantity, self._seen(event.order).limit_price
        for _ in event.attached:
            self._checker.on_message(ref)

    def message(self, order_ref: str) -> None:
        """Count a change or a cancel that is being sent; of what was never booked nothing is to count."""
        booked_as = self._records[order_ref].order.parent_ref or order_ref
        if booked_as in self._booked:
            self._checker.on_message(booked_as)

    def changed(self, order_ref: str, at_ns: int) -> None:
        """Book what an order may do now, after its terms changed or a change was asked for."""
        record = self._records[order_ref]
        if record.order.parent_ref:
            self._book_exits(record.order.parent_ref, at_ns)
            return
        if order_ref not in self._booked:
            return
        units = max(record.most_units, record.filled)  # fills of the same batch are booked after this
        terms = units, self._dearest(record)
        still_open = units - self._filled[order_ref]
        if terms != self._booked[order_ref] and still_open > 0 and order_ref not in self._ended:
            self._booked[order_ref] = terms
            self._checker.on_order_modified(order_ref, still_open, terms[1])

    def apply(self, effect: BookedEffect) -> None:
        """Book a fill, the end of an order, or contracts that ended without one.

        Raises
        ------
        ExecutionError
            If the limits do not know the order, or have no room for one more; nothing is booked.
        """
        match effect:
            case UnitsFilled():
                self._fill(effect)
            case OrderDone():
                order = effect.record.order
                self._ended.add(order.order_ref)
                if order.parent_ref:
                    self._book_exits(order.parent_ref, effect.record.submitted_ns)
                else:
                    self._checker.on_order_done(order.order_ref)
            case Delivered():
                for execution, quantity in effect.uses:
                    signed, con_id = execution.side * quantity, execution.con_id
                    cash = -price_to_money(execution.price, self._contracts[con_id].multiplier, signed)
                    self._checker.deliver(con_id, signed, cash, effect.trade_id, effect.strategy)
            case _:
                pass

    def _fill(self, effect: UnitsFilled) -> None:
        order, at_ns = effect.record.order, effect.execution.at_ns
        multiplier = self._multiplier(order)
        cash = -price_to_money(effect.price, multiplier, effect.quantity)
        exit_ = self._exit_for(effect) if order.parent_ref else None
        booked_as = order.order_ref if exit_ is None else exit_.booked_as
        self._checker.on_fill(booked_as, effect.quantity, cash, at_ns)
        self._filled[order.order_ref] += effect.quantity
        if exit_ is not None or effect.record.attached:
            self._book_exits(order.parent_ref or order.order_ref, at_ns)

    def _exit_for(self, effect: UnitsFilled) -> _Exit:
        """Return the booking that an exit fills; one that came before its parent's fill gets one now."""
        order = effect.record.order
        booked = self._exits.get(order.parent_ref)
        if booked is not None and booked.units >= effect.quantity:
            return booked
        return self._book_exit(
            order.parent_ref, order, effect.quantity, self._seen(order).limit_price, effect.execution.at_ns
        )

    def _book_exits(self, parent_ref: str, at_ns: int) -> None:
        parent = self._records[parent_ref]
        exits = [self._records[ref] for ref in parent.attached]
        units = self._filled[parent_ref] - sum(self._filled[one.order.order_ref] for one in exits)
        live = [one for one in exits if one.order.order_ref not in self._ended]
        booked = self._exits.get(parent_ref)
        if units > 0 and live:
            limit = max(self._dearest(one) for one in live)
            if booked is None or (booked.units, booked.limit) != (units, limit):
                self._book_exit(parent_ref, live[0].order, units, limit, at_ns)
        elif booked is not None:
            self._checker.on_order_done(booked.booked_as)
            del self._exits[parent_ref]

    def _book_exit(self, parent_ref: str, like: Order, units: int, limit: int, at_ns: int) -> _Exit:
        booked = self._exits.get(parent_ref)
        if booked is None:
            self._exits_made[parent_ref] += 1
            booked_as = f"{parent_ref} exit {self._exits_made[parent_ref]}"
            terms = msgspec.structs.replace(like, order_ref=booked_as, quantity=units, limit_price=limit)
            self._checker.on_order_working(terms, at_ns)
            booked = self._exits[parent_ref] = _Exit(booked_as, units, limit)
        else:
            self._checker.on_order_modified(booked.booked_as, units, limit)
            booked.units, booked.limit = units, limit
        return booked

    def _seen(self, order: Order) -> Order:
        """Return an order as the limits see it: a stop without a limit has its stop for one."""
        if order.order_type not in NO_LIMIT:
            return order
        lowest = -grid_of(order.legs, self._contracts).increment(0)
        limit = lowest if order.stop_price is None else order.stop_price
        return msgspec.structs.replace(order, limit_price=limit)

    def _dearest(self, record: OrderRecord) -> int:
        return max(self._seen(order).limit_price for order in _versions(record))

    def _multiplier(self, order: Order) -> int:
        """Return what an order's price is quoted for: a share of the largest of its contracts."""
        return max(self._contracts[leg.con_id].multiplier for leg in order.legs)


_NO_BOUND = 2**62
_OF_PRICE = frozenset({"price_collar", "self_match", "capacity"})  # of a price that an exit does not have


def _versions(record: OrderRecord) -> tuple[Order, ...]:
    return (record.order,) if record.requested is None else (record.order, record.requested)


def _refused(
    candidate_id: str,
    order: Order,
    check: str,
    reason: str,
    verdict: RiskVerdict | None = None,
    *,
    reduces_risk: bool = False,
) -> RiskVerdict:
    """Return a refusal of our own, in place of what the limits said."""
    return RiskVerdict(
        candidate_id=candidate_id,
        order=order if verdict is None else verdict.order,
        accepts=False,
        reduces_risk=reduces_risk if verdict is None else verdict.reduces_risk,
        reason=f"order {order.order_ref}: {reason}",
        check=check,
        max_loss=0 if verdict is None else verdict.max_loss,
        attached=() if verdict is None else verdict.attached,
    )
