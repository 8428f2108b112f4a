"""The paper account: positions, cash, margin, and the messages that show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optionsib.brokers.paper.contracts import ContractDirectory, contract_fields
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.wire import Field, format_money, format_ratio
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, price_to_money

_DOUBLED_MARK_TO_MONEY = MONEY_SCALE // PRICE_SCALE // 2


@dataclass(slots=True)
class Position:
    """A signed holding and what it cost (money; negative = received); ``realized`` so far."""

    quantity: int = 0
    cost: int = 0
    realized: int = 0


class Account:
    """Cash and positions. Commissions reduce cash and realized profit, not a position's cost."""

    def __init__(self, name: str, cash: int, directory: ContractDirectory, board: QuoteBoard) -> None:
        self.name = name
        self.cash = cash
        self._initial_cash = cash
        self._directory = directory
        self._board = board
        self._positions: dict[int, Position] = {}
        self.commissions = 0

    def book(self, con_id: int, side: int, quantity: int, price: int, commission: int) -> int | None:
        """Book an execution; return the realized profit after commission, None if it only opened."""
        multiplier = self._directory.by_id[con_id].multiplier
        held = self._positions.setdefault(con_id, Position())
        self.cash -= side * price_to_money(price, multiplier, quantity) + commission
        self.commissions += commission
        closing = min(quantity, abs(held.quantity)) if held.quantity * side < 0 else 0
        realized = None
        if closing:
            released = held.cost * closing // abs(held.quantity)
            realized = -side * price_to_money(price, multiplier, closing) - released - commission
            held.cost -= released
            held.realized += realized
        held.cost += side * price_to_money(price, multiplier, quantity - closing)
        held.quantity += side * quantity
        return realized

    def positions(self) -> list[tuple[int, Position]]:
        """Return every contract ever held, by rising contract id (closed ones have quantity 0)."""
        return sorted(self._positions.items())

    def quantity(self, con_id: int) -> int:
        """Return the signed holding."""
        held = self._positions.get(con_id)
        return 0 if held is None else held.quantity

    def market_value(self, con_id: int) -> int:
        """Return the holding's value at the middle price; at cost while it has no quote."""
        held = self._positions[con_id]
        mark = self._board.doubled_mark(con_id)
        if mark is None:
            return held.cost
        multiplier = self._directory.by_id[con_id].multiplier
        return mark * _DOUBLED_MARK_TO_MONEY * multiplier * held.quantity

    def unrealized(self, con_id: int) -> int:
        """Return the holding's value less its cost."""
        return self.market_value(con_id) - self._positions[con_id].cost

    def margin(self, changes: Iterable[tuple[int, int]] = ()) -> int:
        """Return the margin (money) of the positions plus ``changes`` (contract id, quantity).

        The worst value at expiry of all options and shares together, for an underlying between 0
        and twice the higher of the highest strike and today's price; all expiries taken as one. A
        stand-in for the broker's own rules: exact for spreads, of the right order for naked calls.
        """
        quantities = {con_id: held.quantity for con_id, held in self._positions.items()}
        for con_id, quantity in changes:
            quantities[con_id] = quantities.get(con_id, 0) + quantity
        held = [(self._directory.by_id[con_id], n) for con_id, n in sorted(quantities.items()) if n]
        if not held:
            return 0
        spot = (self._board.doubled_mark(self._directory.underlying.con_id) or 0) // 2
        strikes = {contract.strike for contract, _ in held}
        prices = sorted({0, *strikes, 2 * max(spot, *strikes)})
        worst = min(
            sum(
                price_to_money(
                    max(0, (price - contract.strike) * contract.kind) if contract.kind else price,
                    contract.multiplier,
                    quantity,
                )
                for contract, quantity in held
            )
            for price in prices
        )
        return max(0, -worst)

    def values(self) -> dict[str, str]:
        """Return the account values as TWS names them, all in the base currency."""
        open_ids = [con_id for con_id, held in self.positions() if held.quantity]
        market = {con_id: self.market_value(con_id) for con_id in open_ids}
        is_option = {con_id: self._directory.by_id[con_id].security_type == "OPT" for con_id in open_ids}
        margin = self.margin()
        amounts = {
            "NetLiquidation": self.cash + sum(market.values()),
            "TotalCashValue": self.cash,
            "TotalCashBalance": self.cash,
            "SettledCash": self.cash,
            "EquityWithLoanValue": self.cash,
            "AvailableFunds": self.cash - margin,
            "ExcessLiquidity": self.cash - margin,
            "BuyingPower": max(0, self.cash - margin),
            "InitMarginReq": margin,
            "MaintMarginReq": margin,
            "GrossPositionValue": sum(map(abs, market.values())),
            "OptionMarketValue": sum(value for con_id, value in market.items() if is_option[con_id]),
            "StockMarketValue": sum(value for con_id, value in market.items() if not is_option[con_id]),
            "RealizedPnL": self.realized_total(),
            "UnrealizedPnL": self.unrealized_total(),
        }
        return {tag: format_money(amount) for tag, amount in amounts.items()}

    def realized_total(self) -> int:
        """Return the realized profit of all closing executions, after their commissions."""
        return sum(held.realized for held in self._positions.values())

    def unrealized_total(self) -> int:
        """Return the value of all holdings less their cost."""
        return sum(self.unrealized(con_id) for con_id, held in self._positions.items() if held.quantity)

    def daily_profit(self) -> int:
        """Return the change of the net liquidation value since the session opened."""
        value = sum(self.market_value(con_id) for con_id, held in self._positions.items() if held.quantity)
        return self.cash + value - self._initial_cash

    def position_message(self, con_id: int) -> list[Field]:
        """Return the position message of one contract."""
        held = self._positions[con_id]
        fields = contract_fields(self._directory.by_id[con_id], exchange="")
        return [61, 3, self.name, *fields, held.quantity, format_ratio(held.cost, held.quantity, MONEY_SCALE)]

    def portfolio_message(self, con_id: int) -> list[Field]:
        """Return the portfolio value message of one contract."""
        held = self._positions[con_id]
        contract = self._directory.by_id[con_id]
        identity = contract_fields(contract, exchange="SMART")
        mark = self._board.doubled_mark(con_id)
        return [
            7,
            8,
            *identity,
            held.quantity,
            "0" if mark is None else format_ratio(mark, 2),
            format_money(self.market_value(con_id)),
            format_ratio(held.cost, held.quantity, MONEY_SCALE),
            format_money(self.unrealized(con_id)),
            format_money(held.realized),
            self.name,
        ]

    def profit_message(self, request_id: int, con_id: int) -> list[Field]:
        """Return the P&L message of one contract, or of the account for ``con_id`` 0."""
        if con_id == 0:
            amounts = (self.daily_profit(), self.unrealized_total(), self.realized_total())
            return [94, request_id, *map(format_money, amounts)]
        held = self._positions.get(con_id)
        if held is None:
            return [95, request_id, 0, "0", "0", "0", "0"]
        unrealized = self.unrealized(con_id)
        amounts = (held.realized + unrealized, unrealized, held.realized)
        value = format_money(self.market_value(con_id))
        return [95, request_id, held.quantity, *map(format_money, amounts), value]
