"""What an order waits for before it works: its time, its conditions, its stop price.

Only quotes trigger anything here, since tapes carry no trades: the trigger methods of TWS that look at
last prices (2, 3, 7) are read as bid/ask. A stop to buy looks at the bid, a stop to sell at the ask;
double bid/ask (1, and the default for options and combinations) wants two quotes in a row; 8 is the
middle. A trailing stop follows the same price that triggers it.
"""

from __future__ import annotations

import itertools

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.client_times import parse_time
from optionsib.brokers.paper.order_ticket import Condition
from optionsib.brokers.paper.orders import TRAILING_TYPES, ClientOrder
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.wire import price_from_number
from optionsib.common.types import PENNY_GRID, PRICE_SCALE, TickGrid

_PRICE, _TIME, _MARGIN, _EXECUTION, _PERCENT = 1, 3, 4, 5, 7
_SINGLE_METHODS = (2, 3, 4, 7)
_MIDDLE = 8


class Triggers:
    """Judges waiting orders against the board; changes only their stops, limits and trigger counts."""

    def __init__(self, board: QuoteBoard, account: Account) -> None:
        self._board = board
        self._account = account
        self._first_marks: dict[int, int] = {}
        self.executed: list[tuple[int, str, str]] = []  # time, symbol, security type

    def remember_first_marks(self, con_ids: frozenset[int]) -> None:
        """Keep the first mark of each contract of the session, which changes in percent refer to."""
        for con_id in con_ids - self._first_marks.keys():
            mark = self._board.doubled_mark(con_id)
            if mark is not None:
                self._first_marks[con_id] = mark

    def is_due(self, order: ClientOrder, now_ns: int) -> bool:
        """Whether the time of a goodAfterTime order has come."""
        return now_ns >= order.good_after_ns

    def conditions_hold(self, order: ClientOrder, now_ns: int) -> bool:
        """Join the conditions from left to right; True if there are none."""
        conditions = order.ticket.conditions
        if not conditions:
            return True
        held = self._holds(conditions[0], order, now_ns)
        for before, condition in itertools.pairwise(conditions):
            holds = self._holds(condition, order, now_ns)
            held = held or holds if before.joins_with_or else held and holds
        return held

    def start_trailing(self, order: ClientOrder) -> None:
        """Give a trailing order that came without a stop its first one."""
        if order.order_type in TRAILING_TYPES and order.stop is None:
            self.trail(order)

    def trail(self, order: ClientOrder) -> bool:
        """Let the stop of a trailing order follow the market; tell whether it moved."""
        seen = self._seen_price(order)
        if order.order_type not in TRAILING_TYPES or seen is None:
            return False
        percent, amount = order.ticket.number("trailingPercent"), order.ticket.number("auxPrice")
        distance = seen * percent / 100 if percent else (amount or 0) * PRICE_SCALE
        grid = self._grid(order)
        wanted = seen + order.direction * round(abs(distance))
        stop = grid.ceil(wanted) if order.direction > 0 else grid.floor(wanted)
        if order.stop is not None and (stop - order.stop) * order.direction >= 0:
            return False
        order.stop = stop
        if order.trail_offset is not None:
            order.limit = stop + order.direction * order.trail_offset
        return True

    def stop_is_reached(self, order: ClientOrder) -> bool:
        """Count a quote against the stop; True once there were as many as the trigger method wants."""
        seen = self._seen_price(order)
        reached = seen is not None and order.stop is not None and (seen - order.stop) * order.direction >= 0
        order.trigger_hits = order.trigger_hits + 1 if reached else 0
        order.is_triggered = order.trigger_hits >= self._wanted_hits(order)
        return order.is_triggered

    def _wanted_hits(self, order: ClientOrder) -> int:
        method = order.ticket.integer("triggerMethod")
        is_stock = order.contracts[0].security_type == "STK" and not order.is_combo
        single = method in _SINGLE_METHODS or method == _MIDDLE or (method == 0 and is_stock)
        return 1 if single else 2

    def _grid(self, order: ClientOrder) -> TickGrid:
        return PENNY_GRID if order.is_combo else order.contracts[0].tick_grid

    def _seen_price(self, order: ClientOrder) -> int | None:
        """Return the price that triggers: the bid for BUY, the ask for SELL, or the middle."""
        sides = []
        wanted = (1, -1) if order.ticket.integer("triggerMethod") == _MIDDLE else (order.direction,)
        for side in wanted:
            price = self._quoted(order, side)
            if price is None:
                return None
            sides.append(price)
        return sum(sides) // len(sides)

    def _quoted(self, order: ClientOrder, side: int) -> int | None:
        """Return the bid (+1) or ask (-1) of what the order trades, as a BUY of one unit sees it."""
        total = 0
        for contract, ratio in zip(order.contracts, order.ratios, strict=True):
            quote = self._board.quote(contract.con_id)
            price = None if quote is None else (quote.bid if ratio * side > 0 else quote.ask)
            if price is None:
                return None
            total += ratio * price
        return total

    def _holds(self, condition: Condition, order: ClientOrder, now_ns: int) -> bool:
        if condition.kind == _TIME:
            at_ns = parse_time(condition.values["time"], now_ns)
            return at_ns is not None and (now_ns >= at_ns if condition.is_more else now_ns <= at_ns)
        if condition.kind == _EXECUTION:
            symbol, security_type = condition.values["symbol"], condition.values["secType"]
            return any(
                at_ns >= order.placed_ns and (symbol, security_type) == (traded, kind)
                for at_ns, traded, kind in self.executed
            )
        value, wanted = self._measured(condition)
        return value is not None and (value >= wanted if condition.is_more else value <= wanted)

    def _measured(self, condition: Condition) -> tuple[float | None, float]:
        if condition.kind == _MARGIN:
            return self._account.cushion() * 100, condition.number("percent")
        con_id = int(condition.number("conId")) if "conId" in condition.values else 0
        mark = self._board.doubled_mark(con_id)
        if condition.kind == _PRICE:
            wanted = price_from_number(condition.number("price"))
            return (None if mark is None or wanted is None else mark), 2 * (wanted or 0)
        first = self._first_marks.get(con_id)
        if condition.kind == _PERCENT and mark is not None and first:
            return 100 * (mark / first - 1), condition.number("changePercent")
        return None, 0.0  # volumes are not known
