"""Positions, cash and trades, exact to the cent, from executions alone.

A trade holds units of its legs until contracts of it end without an order (exercise, assignment, expiry).
From then on it is ``apart``: it holds contracts, its closing orders close these one by one, and the last of
them closes all its units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from optionsib.common.errors import ExecutionError
from optionsib.common.events import Execution
from optionsib.common.types import Contract, OrderLeg, price_to_money
from optionsib.execution.deliveries import BookedEffect, Delivered, DeliveryPaid
from optionsib.execution.orders import CommissionBooked, LegFilled, UnitsFilled


@dataclass(slots=True)
class Trade:
    """What was opened and closed under one trade id.

    ``entry_cost`` and ``exit_proceeds`` are money, as is ``cash``: what all executions have brought in, fees
    apart. ``held``: signed contracts by ``con_id``.
    """

    trade_id: str
    strategy: str
    legs: tuple[OrderLeg, ...]
    opened_ns: int
    opened: int = 0
    closed: int = 0
    entry_cost: int = 0
    exit_proceeds: int = 0
    fees: int = 0
    closed_ns: int = 0
    multiplier: int = 100
    cash: int = 0
    held: dict[int, int] = field(default_factory=dict)
    apart: bool = False

    @property
    def quantity(self) -> int:
        """Units that are not closed."""
        return self.opened - self.closed

    @property
    def is_open(self) -> bool:
        """Tell whether anything is left to close."""
        return bool(self.held) if self.apart else self.quantity > 0

    @property
    def open_legs(self) -> tuple[OrderLeg, ...]:
        """What is held: the legs of a unit, or every contract once it is apart."""
        return tuple(OrderLeg(*one) for one in sorted(self.held.items())) if self.apart else self.legs

    @property
    def entry_price(self) -> int:
        """Average net debit per share of the opened units, 1/10000."""
        unit = price_to_money(1, self.multiplier, 1)
        return round(self.entry_cost / (unit * self.opened)) if self.opened else 0

    @property
    def realized(self) -> int:
        """Profit of the closed units before fees, money."""
        if not self.closed:
            return 0
        return self.exit_proceeds - self.entry_cost * self.closed // self.opened


class Portfolio:
    """Holdings that follow from the effects of the order fold."""

    def __init__(self, contracts: Mapping[int, Contract]) -> None:
        self._contracts = contracts
        self.positions: dict[int, int] = {}
        self.trades: dict[str, Trade] = {}
        self.cash = 0
        self.fees = 0

    def apply(self, effect: BookedEffect) -> None:
        """Book one effect.

        Raises
        ------
        ExecutionError
            If a closing fill exceeds what its trade holds: then positions and cash follow, its units do not.
        """
        match effect:
            case LegFilled():
                self._book_leg(effect)
            case UnitsFilled():
                self._book_units(effect)
            case CommissionBooked():
                self.cash -= effect.amount
                self.fees += effect.amount
                self.trades[effect.record.order.trade_id].fees += effect.amount
            case Delivered():
                self._book_delivered(effect)
            case DeliveryPaid():
                self.cash -= effect.amount
                self.fees += effect.amount
                for trade_id, part in effect.parts:
                    self.trades[trade_id].fees += part
            case _:
                pass

    def open_trades(self) -> list[Trade]:
        """Return the trades with open units, oldest first."""
        return [trade for trade in self.trades.values() if trade.is_open]

    def _book_leg(self, effect: LegFilled) -> None:
        execution, trade = effect.execution, self._trade(effect)  # its commission may come first
        before = trade.held.get(execution.con_id, 0)
        self._move(trade, execution, execution.quantity)
        if trade.apart and effect.record.order.purpose == "close":
            if before * execution.side >= 0 or execution.quantity > abs(before):
                raise ExecutionError(
                    f"order {execution.order_ref} closed {execution.quantity} of contract "
                    f"{execution.con_id}, of which {trade.trade_id} holds {before:+d}"
                )
            self._close_apart(trade, execution.at_ns)

    def _book_delivered(self, effect: Delivered) -> None:
        trade = self.trades[effect.trade_id]
        trade.apart = True
        for execution, quantity in effect.uses:
            self._move(trade, execution, quantity)
        self._close_apart(trade, effect.uses[0][0].at_ns)

    def _move(self, trade: Trade, execution: Execution, quantity: int) -> None:
        con_id, signed = execution.con_id, execution.side * quantity
        for holdings in (self.positions, trade.held):
            holdings[con_id] = holdings.get(con_id, 0) + signed
            if holdings[con_id] == 0:
                del holdings[con_id]
        money = price_to_money(execution.price, self._contracts[con_id].multiplier, signed)
        self.cash -= money
        trade.cash -= money

    @staticmethod
    def _close_apart(trade: Trade, at_ns: int) -> None:
        if not trade.held:
            trade.closed, trade.closed_ns = trade.opened, at_ns
            trade.exit_proceeds = trade.entry_cost + trade.cash

    def _trade(self, effect: LegFilled | UnitsFilled) -> Trade:
        order = effect.record.order
        trade = self.trades.get(order.trade_id)
        if trade is None:
            multiplier = max(self._contracts[leg.con_id].multiplier for leg in order.legs)
            trade = Trade(
                order.trade_id,
                order.strategy,
                order.legs,
                opened_ns=effect.execution.at_ns,
                multiplier=multiplier,
            )
            self.trades[order.trade_id] = trade
        return trade

    def _book_units(self, effect: UnitsFilled) -> None:
        order, trade = effect.record.order, self._trade(effect)
        money = price_to_money(effect.price, trade.multiplier, effect.quantity)
        if order.purpose != "close":
            trade.opened += effect.quantity
            trade.entry_cost += money
            return
        if trade.apart:
            return  # contract by contract
        if effect.quantity > trade.quantity:
            raise ExecutionError(
                f"order {order.order_ref} closed {effect.quantity} units of {trade.trade_id}, "
                f"which holds {trade.quantity}; not booked"
            )
        trade.closed += effect.quantity
        trade.exit_proceeds -= money
        trade.closed_ns = effect.execution.at_ns
