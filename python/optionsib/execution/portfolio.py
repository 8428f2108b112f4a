"""Positions, cash and trades, exact to the cent, from executions alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optionsib.common.errors import ExecutionError
from optionsib.common.types import Contract, OrderLeg, price_to_money
from optionsib.execution.orders import CommissionBooked, Effect, LegFilled, UnitsFilled


@dataclass(slots=True)
class Trade:
    """What was opened and closed under one trade id.

    ``entry_cost`` and ``exit_proceeds`` are money.
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

    @property
    def quantity(self) -> int:
        """Units open now."""
        return self.opened - self.closed

    @property
    def is_open(self) -> bool:
        """Tell whether units are open."""
        return self.quantity > 0

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

    def apply(self, effect: Effect) -> None:
        """Book one effect.

        Raises
        ------
        ExecutionError
            If a closing fill exceeds what its trade holds; nothing is booked.
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
            case _:
                pass

    def open_trades(self) -> list[Trade]:
        """Return the trades with open units, oldest first."""
        return [trade for trade in self.trades.values() if trade.is_open]

    def _book_leg(self, effect: LegFilled) -> None:
        execution = effect.execution
        contract = self._contracts[execution.con_id]
        signed = execution.side * execution.quantity
        held = self.positions.get(execution.con_id, 0) + signed
        self.positions[execution.con_id] = held
        if held == 0:
            del self.positions[execution.con_id]
        self.cash -= price_to_money(execution.price, contract.multiplier, signed)
        self._trade(effect)  # a commission may come before the combo's own execution

    def _trade(self, effect: LegFilled | UnitsFilled) -> Trade:
        order = effect.record.order
        trade = self.trades.get(order.trade_id)
        if trade is None:
            multiplier = self._contracts[order.legs[0].con_id].multiplier
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
        if effect.quantity > trade.quantity:
            raise ExecutionError(
                f"order {order.order_ref} closed {effect.quantity} units of {trade.trade_id}, "
                f"which holds {trade.quantity}; not booked"
            )
        trade.closed += effect.quantity
        trade.exit_proceeds -= money
        trade.closed_ns = effect.execution.at_ns
