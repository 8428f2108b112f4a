"""Can the account afford an order? The preview of a what-if order and the refusal of a real one."""

from __future__ import annotations

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.order_checks import rejected
from optionsib.brokers.paper.order_filling import Filling
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.wire import format_money
from optionsib.common.types import price_to_money


class CreditCheck:
    """Compares what is available before and after an order, as if it had filled at its limit."""

    def __init__(self, account: Account, board: QuoteBoard, filling: Filling) -> None:
        self._account = account
        self._board = board
        self._filling = filling

    def check(self, order: ClientOrder) -> None:
        """Refuse an order that takes available funds which are not there.

        Raises
        ------
        OrderRefusedError
            With code 201. An order that leaves more available than before is never refused.
        """
        margin = self._account.margin().initial
        before = self._account.equity_with_loan() - margin
        margin_change = self._account.margin(self._changes(order)).initial - margin
        after = before + self._equity_change(order) - margin_change
        if after < 0 and after < before:
            raise rejected(
                f"available funds {format_money(before)} do not cover the order, "
                f"{format_money(-after)} is missing"
            )

    def preview(self, order: ClientOrder) -> dict[str, str]:
        """Return the margin fields of the answer to a what-if order."""
        before, after = self._account.margin(), self._account.margin(self._changes(order))
        equity, equity_change = self._account.equity_with_loan(), self._equity_change(order)
        fees = format_money(self._fees(order))
        amounts = {
            "initMargin": (before.initial, after.initial),
            "maintMargin": (before.maintenance, after.maintenance),
            "equityWithLoan": (equity, equity + equity_change),
        }
        answer = {"commission": fees, "minCommission": fees, "maxCommission": fees}
        for name, (old, new) in amounts.items():
            answer[f"{name}Before"] = format_money(old)
            answer[f"{name}Change"] = format_money(new - old)
            answer[f"{name}After"] = format_money(new)
        return answer

    def likely_price(self, order: ClientOrder) -> int:
        """Return the price at which the order would fill, as its client quotes it."""
        if order.limit is not None:
            return order.limit
        if order.stop is not None:
            return order.stop
        return order.direction * sum(
            ratio * self._opposite(con_id, ratio) for con_id, ratio in order.leg_sides()
        )

    def leg_prices(self, order: ClientOrder, net: int) -> tuple[int, ...]:
        """Return prices of the legs that add up to ``net``, near their marks."""
        sides = order.leg_sides()
        marks = [(self._board.doubled_mark(con_id) or 0) // 2 for con_id, _ in sides]
        difference = net - sum(mark * ratio for mark, (_, ratio) in zip(marks, sides, strict=True))
        for index, (_, ratio) in enumerate(sides):
            if difference % ratio == 0 and marks[index] + difference // ratio >= 0:
                marks[index] += difference // ratio
                break
        return tuple(marks)

    def _changes(self, order: ClientOrder) -> list[tuple[int, int]]:
        return [(con_id, ratio * order.remaining) for con_id, ratio in order.leg_sides()]

    def _fees(self, order: ClientOrder) -> int:
        """Return what filling the rest of the order will cost in fees."""
        return sum(self._filling.cost(order, order.quantity)) - order.charged

    def _equity_change(self, order: ClientOrder) -> int:
        """Return the change of the equity with loan: options are paid for, shares keep their value."""
        paid = order.direction * self.likely_price(order) * order.remaining
        change = -self._fees(order)
        stock_value = 0
        multipliers = {contract.multiplier for contract in order.contracts if contract.kind} or {1}
        for contract, (con_id, ratio) in zip(order.contracts, order.leg_sides(), strict=True):
            if not contract.kind:
                price = self._share_price(con_id, order)
                stock_value += price_to_money(price, contract.multiplier, ratio * order.remaining)
        return change - price_to_money(paid, max(multipliers), 1) + stock_value

    def _share_price(self, con_id: int, order: ClientOrder) -> int:
        if not order.is_combo:
            return self.likely_price(order)
        return (self._board.doubled_mark(con_id) or 0) // 2

    def _opposite(self, con_id: int, ratio: int) -> int:
        quote = self._board.quote(con_id)
        price = None if quote is None else (quote.ask if ratio > 0 else quote.bid)
        return (self._board.doubled_mark(con_id) or 0) // 2 if price is None else price
