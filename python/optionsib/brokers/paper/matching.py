"""Client orders against the displayed quotes of the tape.

Each option has a native price-time book in which the tape's two displayed sides are orders like the
clients' own. A quote that changes replaces both of its sides: taken size is there again, and a
resting client order that the new opposite side reaches fills at its own limit. An arriving order
fills at the displayed price. A quote whose bid is not below its ask is shown, but nobody can trade
on it.

A combination *buys* its legs at a net price, the sum over legs of ratio x the displayed opposite
side. It fills when that sum is not above its limit, all legs together, for as many units as every
leg's remaining displayed size allows. Arriving, it pays the sum; resting, where the market came to
it, its own limit. It rests outside the books and meets displayed sides only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optionsib.book import ASK, BID, MAX_QUANTITY, MatchingEngine, Trade
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.common.ports import TapeQuote

_TAPE_BID, _TAPE_ASK = -1, -2  # order ids of the displayed sides; client orders use their permId
_EXPECTED_ORDERS = 16


@dataclass(frozen=True, slots=True)
class OrderFill:
    """``quantity`` units of ``order`` filled.

    ``price`` is the net price paid per unit (negative = received); ``leg_prices`` are the legs' own
    prices, whose ratio-weighted sum is ``price``.
    """

    order: ClientOrder
    quantity: int
    price: int
    leg_prices: tuple[int, ...]


class Matching:
    """The books of all options, and the combinations that rest beside them."""

    def __init__(self, con_ids: Iterable[int]) -> None:
        self._books = {con_id: MatchingEngine(_EXPECTED_ORDERS) for con_id in con_ids}
        self._resting: dict[int, ClientOrder] = {}  # single-contract orders by permId
        self._combos: dict[int, ClientOrder] = {}  # combinations by permId

    def show(self, quotes: Iterable[TapeQuote]) -> list[OrderFill]:
        """Display new quotes and return the fills of resting orders.

        Single contracts first, in order of ``quotes``; then the combinations by order id.
        """
        fills: list[OrderFill] = []
        for quote in quotes:
            if quote.con_id in self._books:
                fills += self._show(self._books[quote.con_id], quote)
        for order in sorted(self._combos.values(), key=lambda one: (one.order_id, one.client_id)):
            fills += self._match_combo(order, arriving=False)
        return fills

    def arrive(self, order: ClientOrder) -> list[OrderFill]:
        """Take in a new order; return what it fills at once. The rest of it stays."""
        if order.is_combo:
            self._combos[order.perm_id] = order
            return self._match_combo(order, arriving=True)
        book = self._books[order.contracts[0].con_id]
        self._resting[order.perm_id] = order
        result = book.submit(order.perm_id, order.direction, order.limit, order.remaining)
        return self._fills_of(result.trades)

    def change(self, order: ClientOrder) -> list[OrderFill]:
        """Work ``order`` at its changed limit or quantity; return what it fills at once.

        Less quantity at the same limit keeps the place in the queue.
        """
        if order.is_combo:
            return self._match_combo(order, arriving=True)
        book = self._books[order.contracts[0].con_id]
        return self._fills_of(book.modify(order.perm_id, order.limit, order.remaining).trades)

    def withdraw(self, order: ClientOrder) -> None:
        """Forget a working order."""
        if self._combos.pop(order.perm_id, None) is None:
            del self._resting[order.perm_id]
            self._books[order.contracts[0].con_id].cancel(order.perm_id)

    def _show(self, book: MatchingEngine, quote: TapeQuote) -> list[OrderFill]:
        book.cancel(_TAPE_BID)
        book.cancel(_TAPE_ASK)
        if quote.bid is not None and quote.ask is not None and quote.bid >= quote.ask:
            return []
        fills: list[OrderFill] = []
        for tape_id, side, price, size in (
            (_TAPE_BID, BID, quote.bid, quote.bid_size),
            (_TAPE_ASK, ASK, quote.ask, quote.ask_size),
        ):
            if price is not None and size > 0:
                result = book.submit(tape_id, side, price, min(size, MAX_QUANTITY))
                fills += self._fills_of(result.trades)
        return fills

    def _fills_of(self, trades: list[Trade]) -> list[OrderFill]:
        """Return the client orders' fills in ``trades`` of one book, and forget orders that are done."""
        fills = []
        for trade in trades:
            for perm_id in (trade.maker_id, trade.taker_id):
                order = self._resting.get(perm_id)
                if order is not None:
                    price = order.direction * trade.price
                    fills.append(OrderFill(order, trade.quantity, price, (trade.price,)))
        for fill in fills:  # only now: one order may be in several trades
            order = fill.order
            if self._books[order.contracts[0].con_id].find(order.perm_id) is None:
                self._resting.pop(order.perm_id, None)
        return fills

    def _match_combo(self, order: ClientOrder, *, arriving: bool) -> list[OrderFill]:
        legs = order.leg_sides()
        touches: list[int] = []
        quantity = order.remaining
        for con_id, ratio in legs:
            displayed = self._books[con_id].find(_TAPE_ASK if ratio > 0 else _TAPE_BID)
            if displayed is None:
                return []
            touches.append(displayed.price)
            quantity = min(quantity, displayed.quantity // abs(ratio))
        ratios = [ratio for _, ratio in legs]
        net, limit = _net_price(touches, ratios), order.direction * order.limit
        if quantity == 0 or net > limit:
            return []
        for con_id, ratio in legs:
            self._take(con_id, _TAPE_ASK if ratio > 0 else _TAPE_BID, quantity * abs(ratio))
        prices = touches if arriving else _raise_net_price(touches, ratios, limit - net)
        if quantity == order.remaining:
            del self._combos[order.perm_id]
        return [OrderFill(order, quantity, _net_price(prices, ratios), tuple(prices))]

    def _take(self, con_id: int, tape_id: int, quantity: int) -> None:
        book = self._books[con_id]
        displayed = book.find(tape_id)
        if displayed is not None and displayed.quantity > quantity:
            book.modify(tape_id, displayed.price, displayed.quantity - quantity)
        else:
            book.cancel(tape_id)


def _net_price(prices: list[int], ratios: list[int]) -> int:
    return sum(price * ratio for price, ratio in zip(prices, ratios, strict=True))


def _raise_net_price(touches: list[int], ratios: list[int], difference: int) -> list[int]:
    """Return leg prices whose net price is ``difference`` higher.

    The first leg that can carry the whole difference carries it: its ratio divides it and its
    price does not become negative. If none can, the client keeps the better price of the touches.
    """
    for index, (touch, ratio) in enumerate(zip(touches, ratios, strict=True)):
        if difference % ratio == 0 and touch + difference // ratio >= 0:
            return [*touches[:index], touch + difference // ratio, *touches[index + 1 :]]
    return list(touches)
