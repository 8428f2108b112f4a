"""What an order waits for before it works: its time, its conditions, its stop price.

How a stop is released follows TWS's trigger methods. Double bid/ask (1, and the default for options,
currencies and combinations) wants two quotes in a row, 4 one; a stop to buy looks at the bid, a stop to
sell at the ask; 8 looks at the middle. Last (2, and the default for everything else) looks at trades, double
last (3) wants two in a row, 7 takes either a trade or a quote. The tape carries no trades: its contracts are
judged by their quotes whatever the method, and so are currencies; a condition on the tape's volume does not
hold. A trailing stop follows the same price that releases it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.client_times import parse_time
from optionsib.brokers.paper.order_ticket import Condition
from optionsib.brokers.paper.orders import TRAILING_TYPES, ClientOrder
from optionsib.brokers.paper.quotes import QuoteBoard
from optionsib.brokers.paper.wire import price_from_number
from optionsib.common.types import PENNY_GRID, PRICE_SCALE, TickGrid

_PRICE, _TIME, _MARGIN, _EXECUTION, _VOLUME, _PERCENT = 1, 3, 4, 5, 6, 7
_DOUBLE_QUOTE, _LAST, _DOUBLE_LAST, _LAST_OR_QUOTE, _MIDDLE = 1, 2, 3, 7, 8
_TRADE_METHODS = (_LAST, _DOUBLE_LAST, _LAST_OR_QUOTE)


class Triggers:
    """Judges waiting orders against the board; changes only their stops, limits and trigger counts."""

    def __init__(self, board: QuoteBoard, account: Account) -> None:
        self._board = board
        self._account = account
        self._first_marks: dict[int, int] = {}
        self._looked_ns: dict[int, int] = {}  # permId -> up to when its trades were looked at
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
        """Count quotes or trades against the stop; True once there were as many as the method wants."""
        method = _method(order)
        trades = self._new_trades(order) if method in _TRADE_METHODS else None
        if trades is None or method == _LAST_OR_QUOTE:
            seen = self._quoted_price(order)
            wanted = 2 if method == _DOUBLE_QUOTE else 1
            self._count(order, [] if seen is None else [seen], wanted, breaks=seen is None)
        if trades is not None and not order.is_triggered:
            self._count(order, trades, 2 if method == _DOUBLE_LAST else 1)
        if order.is_triggered:
            self._looked_ns.pop(order.perm_id, None)
        return order.is_triggered

    def _count(self, order: ClientOrder, prices: Sequence[int], wanted: int, *, breaks: bool = False) -> None:
        if breaks:
            order.trigger_hits = 0
        for price in prices:
            reached = order.stop is not None and (price - order.stop) * order.direction >= 0
            order.trigger_hits = order.trigger_hits + 1 if reached else 0
            if order.trigger_hits >= wanted:
                order.is_triggered = True
                return

    def _new_trades(self, order: ClientOrder) -> list[int] | None:
        """Return the prices traded since the last look; None where nothing of it is ever traded."""
        con_id, now_ns = order.contracts[0].con_id, self._board.now_ns
        facts = None if order.is_combo or _is_currency(order) else self._board.day_facts(con_id)
        if facts is None or facts.last is None:
            return None
        since_ns = self._looked_ns.get(order.perm_id)
        self._looked_ns[order.perm_id] = now_ns
        if since_ns is None:
            return [facts.last]
        return [trade.price for trade in self._board.trades(con_id, since_ns, now_ns)]

    def _grid(self, order: ClientOrder) -> TickGrid:
        return PENNY_GRID if order.is_combo else order.contracts[0].tick_grid

    def _seen_price(self, order: ClientOrder) -> int | None:
        """Return the price that a trailing stop follows."""
        if _method(order) in _TRADE_METHODS and not (order.is_combo or _is_currency(order)):
            facts = self._board.day_facts(order.contracts[0].con_id)
            if facts is not None and facts.last is not None:
                return facts.last
        return self._quoted_price(order)

    def _quoted_price(self, order: ClientOrder) -> int | None:
        """Return the quote that releases: the bid for BUY, the ask for SELL, or the middle."""
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
        facts = self._board.day_facts(con_id) if condition.kind == _VOLUME else None
        return (None, 0.0) if facts is None else (facts.volume, condition.number("volume"))


def _method(order: ClientOrder) -> int:
    """Return the trigger method that counts: the order's own, or the default of what it trades."""
    method = order.ticket.integer("triggerMethod")
    if method:
        return method
    is_judged_by_quotes = order.is_combo or order.contracts[0].kind != 0 or _is_currency(order)
    return _DOUBLE_QUOTE if is_judged_by_quotes else _LAST


def _is_currency(order: ClientOrder) -> bool:
    """Whether nobody tells of the trades in what is ordered."""
    return order.contracts[0].security_type == "CASH"
