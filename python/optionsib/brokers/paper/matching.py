"""Client orders against the displayed quotes of the tape.

Each contract that somebody trades has a native price-time book in which the displayed sides are
orders like the clients' own. An arriving order fills at the displayed price; a resting one fills at
its own limit when a new quote's opposite side reaches it. What is taken from a displayed side is gone
until the next quote of the contract. A quote whose bid is not below its ask is shown, but nobody can
trade on it.

Limit orders for one contract rest in its book. Everything else is *held* beside the books and meets
displayed sides only: combinations, market orders that found too little, orders that fill whole or not
at all, and members of brackets and OCA groups (so that a fill of one is known before the next one is
tried, and no group is ever filled twice). A combination buys its legs at a net price, the sum over
legs of ratio x the displayed opposite side; it fills when that sum is not above its limit, all legs
together, for as many units as every leg's displayed size allows. Arriving it pays the sum; held, where
the market came to it, its own limit.

The legs of a ``NonGuaranteed`` combination fill apart. Where the sum allows new units, each leg takes
what its own displayed side shows of them; then, and before anything new is begun, the legs that stayed
behind are completed as soon as that leaves the whole of what was paid within the limit. Until then, and
for ever if the order ends first, the other legs stand alone. Each leg pays what is displayed.

``queue=True`` gives resting orders a place in the queue, see ``DisplayedBook``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from optionsib.book import Trade
from optionsib.brokers.paper.displayed_book import DisplayedBook
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.common.ports import TapeQuote

QuoteOf = Callable[[int], TapeQuote | None]


@dataclass(frozen=True, slots=True)
class OrderFill:
    """``quantity`` units of ``order`` filled.

    ``price`` is the net price paid per unit (negative = received); ``leg_prices`` are the legs' own
    prices, whose ratio-weighted sum is ``price``. ``apart`` are the contracts of each leg where legs
    fill apart; ``quantity`` is then how many units that makes whole.
    """

    order: ClientOrder
    quantity: int
    price: int
    leg_prices: tuple[int, ...]
    apart: tuple[int, ...] = ()

    @property
    def contracts(self) -> list[int]:
        """How many contracts of each leg are filled."""
        return list(self.apart) or self.order.missing(self.order.filled + self.quantity)


class Matching:
    """The books of all traded contracts, and the orders that are held beside them.

    Parameters
    ----------
    quote_of
        The standing quote of a contract; asked once, when its book is opened.
    queue
        Whether resting orders wait behind the size that was displayed before them.
    """

    def __init__(self, quote_of: QuoteOf, *, queue: bool = False) -> None:
        self._quote_of = quote_of
        self._queue = queue
        self._books: dict[int, DisplayedBook] = {}
        self._shown: dict[int, TapeQuote] = {}  # the last quote that a book was told
        self._asked: dict[int, TapeQuote] = {}  # the last quote that a book asked for
        self._resting: dict[int, ClientOrder] = {}  # in a book, by permId
        self._held: dict[int, ClientOrder] = {}  # beside the books, by permId

    def display(self, quotes: Iterable[TapeQuote]) -> list[OrderFill]:
        """Show new quotes; return the fills of the orders that rest in the books, contract by contract."""
        fills: list[OrderFill] = []
        for quote in quotes:
            book = self._books.get(quote.con_id)
            if book is not None:
                self._shown[quote.con_id] = quote
                fills += self._fills_of(book, book.display(quote))
        return fills

    def trade(self, con_id: int, price: int, quantity: int) -> list[OrderFill]:
        """Let a trade of the market happen; return what it gives to resting orders (queue model only)."""
        book = self._books.get(con_id)
        return [] if book is None else self._fills_of(book, book.trade(price, quantity))

    def resting(self) -> list[int]:
        """Return the contracts that orders rest in the books of, by rising id."""
        return sorted({order.contracts[0].con_id for order in self._resting.values()})

    def held(self) -> list[ClientOrder]:
        """Return the held orders by order id; give each of them to :meth:`meet` after new quotes."""
        return sorted(self._held.values(), key=lambda one: (one.order_id, one.client_id, one.perm_id))

    def is_held(self, order: ClientOrder) -> bool:
        """Whether the order is still held."""
        return order.perm_id in self._held

    def arrive(self, order: ClientOrder) -> list[OrderFill]:
        """Take in a new order; return what it fills at once. The rest of it stays."""
        limit = order.working_limit
        if limit is None or order.is_combo or order.oca_group or order.parent or order.fills_in_lots:
            self._held[order.perm_id] = order
            fill = self.meet(order, arriving=True)
            return [] if fill is None else [fill]
        self._resting[order.perm_id] = order
        book = self._book(order.contracts[0].con_id)
        return self._fills_of(book, book.submit(order.perm_id, order.direction, limit, order.workable))

    def change(self, order: ClientOrder) -> list[OrderFill]:
        """Work ``order`` at its changed limit or quantity; return what it fills at once.

        Less quantity at the same limit keeps the place in the queue.
        """
        limit = order.working_limit
        if order.perm_id in self._held or limit is None:
            fill = self.meet(order, arriving=True)
            return [] if fill is None else [fill]
        book = self._book(order.contracts[0].con_id)
        return self._fills_of(book, book.modify(order.perm_id, order.direction, limit, order.workable))

    def withdraw(self, order: ClientOrder) -> None:
        """Forget an order, wherever it is."""
        if self._held.pop(order.perm_id, None) is None and self._resting.pop(order.perm_id, None) is not None:
            self._book(order.contracts[0].con_id).cancel(order.perm_id)

    def meet(self, order: ClientOrder, *, arriving: bool = False) -> OrderFill | None:
        """Fill what a held order can get from the displayed sides; forget the order when it is done."""
        if order.fills_legs_apart:
            return self._meet_apart(order)
        legs = order.leg_sides()
        touches: list[int] = []
        quantity = order.workable
        for con_id, ratio in legs:
            touch = self._book(con_id).touch(-1 if ratio > 0 else 1)
            if touch is None:
                return None
            touches.append(touch.price)
            quantity = min(quantity, touch.quantity // abs(ratio))
        ratios = [ratio for _, ratio in legs]
        net = _net_price(touches, ratios)
        limit = net if order.working_limit is None else order.direction * order.working_limit
        if quantity < _smallest_fill(order) or net > limit:
            return None
        for con_id, ratio in legs:
            self._book(con_id).take(-1 if ratio > 0 else 1, quantity * abs(ratio))
        prices = touches if arriving else _raise_net_price(touches, ratios, limit - net)
        if quantity == order.remaining:
            del self._held[order.perm_id]
        return OrderFill(order, quantity, _net_price(prices, ratios), tuple(prices))

    def _meet_apart(self, order: ClientOrder) -> OrderFill | None:
        """Fill legs without each other: those that are behind, or else new units."""
        begun = order.begun
        wanted, whole = order.missing(begun), begun
        if not any(wanted):
            whole += order.workable
            wanted = order.missing(whole)
        prices, counts, paid = [], [], 0
        for (con_id, ratio), count, total in zip(order.leg_sides(), wanted, order.leg_totals, strict=True):
            touch = self._book(con_id).touch(-1 if ratio > 0 else 1) if count else None
            if count and touch is None:
                return None
            prices.append(0 if touch is None else touch.price)
            counts.append(0 if touch is None else min(count, touch.quantity))
            before = total.value if whole == begun else 0
            paid += (1 if ratio > 0 else -1) * (before + count * prices[-1])
        units = whole if whole == begun else order.workable
        if order.working_limit is not None and paid > order.direction * order.working_limit * units:
            return None
        for (con_id, ratio), count in zip(order.leg_sides(), counts, strict=True):
            if count:
                self._book(con_id).take(-1 if ratio > 0 else 1, count)
        short = order.missing(0)
        made = min((count - gap) // abs(r) for count, gap, r in zip(counts, short, order.ratios, strict=True))
        if made == order.quantity:
            del self._held[order.perm_id]
        net = _net_price(prices, [ratio for _, ratio in order.leg_sides()])
        return OrderFill(order, made - order.filled, net, tuple(prices), tuple(counts))

    def _book(self, con_id: int) -> DisplayedBook:
        """Return the book, showing what is displayed now: nobody tells of contracts that nobody watches."""
        book = self._books.get(con_id)
        if book is None:
            book = self._books[con_id] = DisplayedBook(queue=self._queue)
        quote = self._quote_of(con_id)
        if quote is not None and quote not in (self._shown.get(con_id), self._asked.get(con_id)):
            book.display(quote)  # fills nothing: a book in which an order rests is told of every quote
            self._asked[con_id] = quote
        return book

    def _fills_of(self, book: DisplayedBook, trades: list[Trade]) -> list[OrderFill]:
        """Return the client orders' fills in ``trades`` of one book, and forget orders that are done."""
        fills = []
        for trade in trades:
            for perm_id in (trade.maker_id, trade.taker_id):
                order = self._resting.get(perm_id)
                if order is not None:
                    price = order.direction * trade.price
                    fills.append(OrderFill(order, trade.quantity, price, (trade.price,)))
        for fill in fills:  # only now: one order may be in several trades
            if not book.has(fill.order.perm_id):
                self._resting.pop(fill.order.perm_id, None)
        return fills


def _smallest_fill(order: ClientOrder) -> int:
    """Return the units below which the order does not fill."""
    if order.fills_whole:
        return max(1, order.workable)
    minimum = order.ticket.integer("minQty") if order.filled == 0 else 0
    return max(1, min(minimum, order.workable))


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
