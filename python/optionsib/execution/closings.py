"""Which closes of a trade are due, and what each has earned.

1. Every closing fill of whole units is one close, in the order in which the fills came.
2. The leg executions belong to the fills first come, first served; one execution may serve several.
3. A close is due once all commissions of its executions, and of all opening ones before it, are known.

The terms follow from the order of the executions alone: whenever commissions arrive, and however often the
journal is replayed, each close has the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from optionsib.common.ports import CloseTerms
from optionsib.common.types import Contract, OrderLeg
from optionsib.execution.orders import CommissionBooked, Effect, LegFilled, UnitsFilled
from optionsib.execution.realised import Fill, net_cash, part_of_commission, realise


@dataclass(slots=True)
class _Leg:
    """A leg execution and how many of its contracts are not given to a fill yet."""

    execution_id: str
    con_id: int
    side: int
    quantity: int
    price: int
    left: int


@dataclass(slots=True)
class _Unit:
    """A fill of whole units: what it needs of each contract, and what it has got."""

    reference: str
    units: int
    needs: dict[int, int]
    parts: list[tuple[_Leg, int]] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        return not any(self.needs.values())


@dataclass(slots=True)
class _Side:
    """The opening or the closing side of a trade."""

    legs: dict[int, deque[_Leg]] = field(default_factory=dict)
    fills: list[_Unit] = field(default_factory=list)

    def match(self) -> None:
        """Give waiting executions to the fills that wait for them, in order."""
        for fill in self.fills:
            if fill.is_complete:
                continue
            for con_id, missing in fill.needs.items():
                waiting = self.legs.get(con_id, deque())
                while missing and waiting:
                    leg = waiting[0]
                    part = min(missing, leg.left)
                    fill.parts.append((leg, part))
                    leg.left -= part
                    missing -= part
                    if not leg.left:
                        waiting.popleft()
                fill.needs[con_id] = missing


@dataclass(slots=True)
class _Trade:
    opening: _Side = field(default_factory=_Side)
    closing: _Side = field(default_factory=_Side)
    openings_before: list[int] = field(default_factory=list)  # of each close: opening fills before it
    closed: int = 0  # closes handed out
    closed_units: int = 0
    entry: int = 0


class Closings:
    """The closes of all trades, from the effects of the order fold."""

    def __init__(self, contracts: Mapping[int, Contract]) -> None:
        self._contracts = contracts
        self._trades: dict[str, _Trade] = {}
        self._legs: dict[str, _Leg] = {}
        self._commissions: dict[str, int] = {}

    def apply(self, effect: Effect) -> list[CloseTerms]:
        """Take an effect in; return the closes that are due now."""
        if not isinstance(effect, LegFilled | UnitsFilled | CommissionBooked):
            return []
        order, execution = effect.record.order, effect.execution
        trade = self._trades.setdefault(order.trade_id, _Trade())
        side = trade.closing if order.purpose == "close" else trade.opening
        match effect:
            case LegFilled():
                each = (execution.con_id, execution.side, execution.quantity, execution.price)
                leg = _Leg(execution.execution_id, *each, left=execution.quantity)
                self._legs[leg.execution_id] = leg
                side.legs.setdefault(leg.con_id, deque()).append(leg)
            case UnitsFilled():
                side.fills.append(
                    _Unit(execution.execution_id, effect.quantity, _needs(order.legs, effect.quantity))
                )
                if side is trade.closing:
                    trade.openings_before.append(len(trade.opening.fills))
            case CommissionBooked():
                self._commissions[execution.execution_id] = effect.amount
        side.match()
        return list(self._due(order.trade_id, trade))

    def awaiting_commission(self) -> frozenset[str]:
        """Return the trades with a close that waits for executions or commissions."""
        return frozenset(
            name for name, trade in self._trades.items() if trade.closed < len(trade.closing.fills)
        )

    def _due(self, trade_id: str, trade: _Trade) -> Iterator[CloseTerms]:
        while trade.closed < len(trade.closing.fills):
            fill = trade.closing.fills[trade.closed]
            opening = trade.opening.fills[: trade.openings_before[trade.closed]]
            if not all(one.is_complete and self._is_paid(one) for one in (*opening, fill)):
                return
            opened = sum(one.units for one in opening)
            cash = net_cash(self._fills(*opening))
            before = opened - trade.closed_units
            result = realise(cash - trade.entry, self._fills(fill), units=fill.units, units_before=before)
            trade.entry += result.entry
            trade.closed += 1
            trade.closed_units += fill.units
            yield CloseTerms(
                reference=fill.reference,
                trade_id=trade_id,
                opened=opened,
                units_before=before,
                units=fill.units,
                pnl=result.pnl,
                opening=_uses(*opening),
                closing=_uses(fill),
            )

    def _is_paid(self, fill: _Unit) -> bool:
        return all(leg.execution_id in self._commissions for leg, _ in fill.parts)

    def _fills(self, *fills: _Unit) -> Iterator[Fill]:
        for name, quantity in _uses(*fills):
            leg = self._legs[name]
            yield Fill(
                con_id=leg.con_id,
                side=leg.side,
                quantity=quantity,
                price=leg.price,
                multiplier=self._contracts[leg.con_id].multiplier,
                commission=part_of_commission(self._commissions[name], quantity, leg.quantity),
            )


def _needs(legs: tuple[OrderLeg, ...], units: int) -> dict[int, int]:
    return {leg.con_id: abs(leg.ratio) * units for leg in legs}


def _uses(*fills: _Unit) -> tuple[tuple[str, int], ...]:
    used: dict[str, int] = {}
    for fill in fills:
        for leg, quantity in fill.parts:
            used[leg.execution_id] = used.get(leg.execution_id, 0) + quantity
    return tuple(sorted(used.items()))
