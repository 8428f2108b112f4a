"""Which closes of a trade are due, and what each has earned.

1. Every closing fill of whole units is one close, in the order in which the fills came.
2. The leg executions belong to the fills first come, first served; one execution may serve several.
3. A close is due once all commissions of its executions, and of all opening ones before it, are known.
4. Where contracts of a trade ended without an order (exercise, assignment, expiry), the units that no earlier
   fill closes have one close in common: when the trade holds nothing any more, delivered shares included, and
   can open nothing more. It has all that the trade executed and no close before it took.

The terms follow from the order of the executions alone: whenever commissions arrive, and however often the
journal is replayed, each close has the same. The closes of a trade that holds nothing add up to all its cash.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from optionsib.common.events import Execution
from optionsib.common.ports import CloseTerms
from optionsib.common.types import Contract, OrderLeg
from optionsib.execution.deliveries import BookedEffect, Delivered, DeliveryPaid
from optionsib.execution.orders import CommissionBooked, Effect, LegFilled, OrderDone, UnitsFilled
from optionsib.execution.realised import Fill, net_cash, part_of_commission, realise

Uses = dict[str, int]  # contracts by execution id


@dataclass(slots=True)
class _Leg:
    """A leg execution and how many of its contracts are not given to a fill yet."""

    execution: Execution
    left: int


@dataclass(slots=True)
class _Unit:
    """A fill of whole units: what it needs of each contract, and what it has got."""

    reference: str
    units: int
    needs: dict[int, int]
    uses: Uses = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return not any(self.needs.values())


@dataclass(slots=True)
class _Side:
    """The opening or the closing side of a trade."""

    legs: dict[int, deque[_Leg]] = field(default_factory=dict)
    fills: list[_Unit] = field(default_factory=list)
    all: Counter[str] = field(default_factory=Counter)  # every execution of it, contracts

    def take(self, execution: Execution) -> None:
        self.legs.setdefault(execution.con_id, deque()).append(_Leg(execution, execution.quantity))
        self.all[execution.execution_id] += execution.quantity

    def match(self) -> None:
        """Give waiting executions to the fills that wait for them, in order."""
        for fill in self.fills:
            if fill.is_complete:
                continue
            for con_id, missing in fill.needs.items():
                waiting = self.legs.get(con_id, deque())
                while missing and waiting:
                    leg = waiting[0]
                    part, name = min(missing, leg.left), leg.execution.execution_id
                    fill.uses[name] = fill.uses.get(name, 0) + part
                    leg.left -= part
                    missing -= part
                    if not leg.left:
                        waiting.popleft()
                fill.needs[con_id] = missing

    @property
    def is_whole(self) -> bool:
        """Tell whether fills and executions answer to each other."""
        return all(fill.is_complete for fill in self.fills) and not any(self.legs.values())


@dataclass(frozen=True, slots=True)
class _Close:
    """The extent of a close; what it has of the executions may still be coming."""

    fill: _Unit
    openings: int  # opening fills before it
    is_last: bool = False


@dataclass(slots=True)
class _Trade:
    opening: _Side = field(default_factory=_Side)
    closing: _Side = field(default_factory=_Side)
    closes: list[_Close] = field(default_factory=list)
    closed: int = 0  # closes handed out
    closed_units: int = 0
    entry: int = 0
    held: Counter[int] = field(default_factory=Counter)
    apart: bool = False
    may_open: set[str] = field(default_factory=set)  # opening orders that may fill still
    ended: set[str] = field(default_factory=set)

    def move(self, execution: Execution, quantity: int) -> None:
        self.held[execution.con_id] += execution.side * quantity
        if not self.held[execution.con_id]:
            del self.held[execution.con_id]

    def close_apart(self) -> None:
        """Note the last close where everything is gone and was not closed before."""
        waits = self.held or self.may_open or not all(close.fill.is_complete for close in self.closes)
        if not self.apart or waits or not self.opening.is_whole:
            return
        units = sum(fill.units for fill in self.opening.fills) - sum(c.fill.units for c in self.closes)
        if units < 1:
            return
        uses = self.closing.all.copy()
        for close in self.closes:
            uses.subtract(close.fill.uses)
        number = sum(close.is_last for close in self.closes) + 1
        fill = _Unit(f"apart {number}", units, {}, {name: n for name, n in uses.items() if n})
        self.closes.append(_Close(fill, len(self.opening.fills), is_last=True))


class Closings:
    """The closes of all trades, from the effects of the order fold and of deliveries."""

    def __init__(self, contracts: Mapping[int, Contract]) -> None:
        self._contracts = contracts
        self._trades: dict[str, _Trade] = {}
        self._executions: dict[str, Execution] = {}
        self._commissions: dict[str, int] = {}

    def apply(self, effect: BookedEffect) -> list[CloseTerms]:
        """Take an effect in; return the closes that are due now."""
        match effect:
            case Delivered():
                names = [effect.trade_id]
                self._deliver(self._trade(effect.trade_id), effect)
            case DeliveryPaid():
                names = [trade_id for trade_id, _ in effect.parts]
                self._commissions[effect.execution.execution_id] = effect.amount
            case _:
                names = [effect.record.order.trade_id]
                self._take(self._trade(names[0]), effect)
        return [terms for name in names for terms in self._due(name, self._trade(name))]

    def awaiting_commission(self) -> frozenset[str]:
        """Return the trades with a close that waits for executions or commissions."""
        return frozenset(name for name, trade in self._trades.items() if trade.closed < len(trade.closes))

    def apart(self) -> dict[str, dict[int, int]]:
        """Return what is left, signed contracts by ``con_id``, of trades that end contract by contract."""
        return {name: dict(trade.held) for name, trade in self._trades.items() if trade.apart and trade.held}

    def _trade(self, trade_id: str) -> _Trade:
        return self._trades.setdefault(trade_id, _Trade())

    def _take(self, trade: _Trade, effect: Effect) -> None:
        order = effect.record.order
        closes = order.purpose == "close"
        side = trade.closing if closes else trade.opening
        match effect:
            case LegFilled():
                self._executions[effect.execution.execution_id] = effect.execution
                side.take(effect.execution)
                trade.move(effect.execution, effect.execution.quantity)
            case UnitsFilled() if closes and trade.apart:
                pass  # contract by contract
            case UnitsFilled():
                reference = effect.execution.execution_id
                fill = _Unit(reference, effect.quantity, _needs(order.legs, effect.quantity))
                side.fills.append(fill)
                if closes:
                    trade.closes.append(_Close(fill, len(trade.opening.fills)))
            case CommissionBooked():
                self._commissions[effect.execution.execution_id] = effect.amount
            case OrderDone():
                trade.ended.add(order.order_ref)
        if not closes:
            trade.may_open = (trade.may_open | {order.order_ref}) - trade.ended
        side.match()
        trade.close_apart()

    def _deliver(self, trade: _Trade, effect: Delivered) -> None:
        trade.apart = True
        for execution, quantity in effect.uses:
            self._executions[execution.execution_id] = execution
            trade.closing.all[execution.execution_id] += quantity
            trade.move(execution, quantity)
        trade.close_apart()

    def _due(self, trade_id: str, trade: _Trade) -> Iterator[CloseTerms]:
        while trade.closed < len(trade.closes):
            close = trade.closes[trade.closed]
            opening = trade.opening.fills[: close.openings]
            if not all(one.is_complete and self._is_paid(one.uses) for one in (*opening, close.fill)):
                return
            opened, units = sum(one.units for one in opening), close.fill.units
            entries: Counter[str] = Counter()
            for one in opening:
                entries.update(one.uses)
            before = opened - trade.closed_units
            earlier: Counter[str] = Counter()
            for done in trade.closes[: trade.closed]:
                earlier.update(done.fill.uses)
            cash = net_cash(self._fills(entries))
            closing = self._fills(close.fill.uses, earlier)
            result = realise(cash - trade.entry, closing, units=units, units_before=before)
            trade.entry += result.entry
            trade.closed += 1
            trade.closed_units += units
            yield CloseTerms(
                reference=close.fill.reference,
                trade_id=trade_id,
                opened=opened,
                units_before=before,
                units=units,
                pnl=result.pnl,
                opening=tuple(sorted(entries.items())),
                closing=tuple(sorted(close.fill.uses.items())),
            )

    def _is_paid(self, uses: Uses) -> bool:
        return all(name in self._commissions for name in uses)

    def _fills(self, uses: Mapping[str, int], earlier: Mapping[str, int] | None = None) -> Iterator[Fill]:
        """Yield what a close has of its executions; ``earlier``: what closes before it had."""
        for name, quantity in uses.items():
            execution, before = self._executions[name], 0 if earlier is None else earlier.get(name, 0)
            yield Fill(
                con_id=execution.con_id,
                side=execution.side,
                quantity=quantity,
                price=execution.price,
                multiplier=self._contracts[execution.con_id].multiplier,
                commission=part_of_commission(self._commissions[name], quantity, execution.quantity, before),
            )


def _needs(legs: tuple[OrderLeg, ...], units: int) -> dict[int, int]:
    return {leg.con_id: abs(leg.ratio) * units for leg in legs}
