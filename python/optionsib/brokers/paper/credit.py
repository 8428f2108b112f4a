"""Can the account afford an order? The preview of a what-if order and the refusal of a real one."""

from __future__ import annotations

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.commissions import Commissions
from optionsib.brokers.paper.order_checks import rejected
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.wire import format_money
from optionsib.common.types import price_to_money


class CreditCheck:
    """Compares what is available before and after an order, as if it had filled at its limit."""

    def __init__(self, account: Account, board: QuoteBoard, commissions: Commissions) -> None:
        self._account = account
        self._board = board
        self._commissions = commissions

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
        marks = [self._mark(con_id) for con_id, _ in sides]
        difference = net - sum(mark * ratio for mark, (_, ratio) in zip(marks, sides, strict=True))
        for index, (_, ratio) in enumerate(sides):
            if difference % ratio == 0 and marks[index] + difference // ratio >= 0:
                marks[index] += difference // ratio
                break
        return tuple(marks)

    def _changes(self, order: ClientOrder) -> list[tuple[int, int]]:
        counts = zip(order.leg_sides(), order.missing(order.quantity), strict=True)
        return [(con_id, count if ratio > 0 else -count) for (con_id, ratio), count in counts]

    def _fees(self, order: ClientOrder) -> int:
        """Return what filling the rest of the order will cost in fees."""
        counts = [abs(ratio) * order.quantity for ratio in order.ratios]
        value = order.filled_value + self.likely_price(order) * order.remaining
        return self._commissions.total(order, counts, value) - order.charged

    def _equity_change(self, order: ClientOrder) -> int:
        """Return the change of the equity with loan.

        Options are paid for and lend nothing. Anything else keeps its value; what is paid for a
        combination above the marks of its legs is lost.
        """
        change = -self._fees(order)
        sides = order.leg_sides()
        marks = [self._mark(con_id) for con_id, _ in sides]
        net = order.direction * self.likely_price(order)
        optional = [contract.multiplier for contract in order.contracts if contract.kind]
        above = net - sum(mark * ratio for mark, (_, ratio) in zip(marks, sides, strict=True))
        if order.is_combo or optional:
            multiplier = max(optional or [contract.multiplier for contract in order.contracts])
            change -= price_to_money(above, multiplier, order.remaining)
        for contract, mark, (_, ratio) in zip(order.contracts, marks, sides, strict=True):
            if contract.kind:
                change -= price_to_money(mark, contract.multiplier, ratio * order.remaining)
        return change

    def _mark(self, con_id: int) -> int:
        return (self._board.doubled_mark(con_id) or 0) // 2

    def _opposite(self, con_id: int, ratio: int) -> int:
        quote = self._board.quote(con_id)
        price = None if quote is None else (quote.ask if ratio > 0 else quote.bid)
        return self._mark(con_id) if price is None else price
