"""One contract's native book with the displayed quote in it, and the queue that resting orders stand in.

Without the queue model the displayed sides are renewed with every quote, behind the clients' orders;
a resting order is filled only when the opposite side reaches its limit.

With it, a resting order at the displayed price stands behind the size that was displayed when it
came. That size shortens when trades of the market are told and when the displayed size decreases
(which is all taken from the front: the optimistic reading of a decrease), never otherwise; an increase
joins behind. Where the displayed price falls back onto the limit of an order that came when better
prices stood in front of it, the displayed size stands ahead of it, since it was there unseen. A trade
at the limit fills what it leaves after the size ahead; a trade through the limit fills whatever its
size allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from optionsib.book import ASK, BID, MAX_QUANTITY, Level, MatchingEngine, Trade
from optionsib.common.ports import TapeQuote

_EXPECTED_ORDERS = 16
_MARKET_TAKER = -1  # order id of a trade of the market; the displayed sizes count down from -2


@dataclass(slots=True)
class _Side:
    """A displayed side: its price and the native orders that make it up, front first."""

    price: int | None = None
    parts: list[int] = field(default_factory=list)


class DisplayedBook:
    """The book of one contract. Client orders use their permId as order id."""

    def __init__(self, *, queue: bool) -> None:
        self._engine = MatchingEngine(_EXPECTED_ORDERS)
        self._queue = queue
        self._sides = {BID: _Side(), ASK: _Side()}
        self._clients: dict[int, tuple[int, int]] = {}  # permId -> side, limit
        self._deep: set[int] = set()  # came at a worse price than the displayed one
        self._next_part = _MARKET_TAKER - 1

    def display(self, quote: TapeQuote) -> list[Trade]:
        """Show a new quote; return the trades it leads to."""
        if quote.bid is not None and quote.ask is not None and quote.bid >= quote.ask:
            self._renew(BID, None, 0)
            self._renew(ASK, None, 0)
            return []
        wanted = ((BID, quote.bid, quote.bid_size), (ASK, quote.ask, quote.ask_size))
        if not self._queue or quote.bid != self._sides[BID].price or quote.ask != self._sides[ASK].price:
            for side, price, _ in wanted:  # both go before one comes: a quote may jump over its old self
                if not self._queue or price != self._sides[side].price:
                    self._renew(side, None, 0)
        trades: list[Trade] = []
        for side, price, size in wanted:
            if self._queue and price == self._sides[side].price:
                trades += self._resize(side, size)
            else:
                trades += self._renew(side, price, size)
        return trades

    def submit(self, perm_id: int, side: int, limit: int, quantity: int) -> list[Trade]:
        """Enter a client's order."""
        best = self._sides[side].price
        if self._queue and best is not None and (best - limit) * side > 0:
            self._deep.add(perm_id)
        self._clients[perm_id] = (side, limit)
        trades = self._engine.submit(perm_id, side, limit, quantity).trades
        self._forget_done()
        return trades

    def modify(self, perm_id: int, side: int, limit: int, quantity: int) -> list[Trade]:
        """Change a client's order; less quantity at the same limit keeps its place."""
        if self._engine.find(perm_id) is None:
            return self.submit(perm_id, side, limit, quantity)
        self._clients[perm_id] = (side, limit)
        trades = self._engine.modify(perm_id, limit, quantity).trades
        self._forget_done()
        return trades

    def cancel(self, perm_id: int) -> None:
        """Take a client's order out."""
        self._engine.cancel(perm_id)
        self._clients.pop(perm_id, None)
        self._deep.discard(perm_id)

    def has(self, perm_id: int) -> bool:
        """Whether the order rests here."""
        return self._engine.find(perm_id) is not None

    def touch(self, side: int) -> Level | None:
        """Return price and size that are left of a displayed side (+1 bid, -1 ask)."""
        shown = self._sides[side]
        size = self._size(side)
        return None if shown.price is None or size == 0 else Level(shown.price, size, 1)

    def take(self, side: int, quantity: int) -> None:
        """Take ``quantity`` off the front of a displayed side."""
        shown = self._sides[side]
        while quantity > 0 and shown.parts:
            part = self._engine.find(shown.parts[0])
            if part is not None and part.quantity > quantity:
                self._engine.modify(shown.parts[0], part.price, part.quantity - quantity)
                return
            quantity -= 0 if part is None else part.quantity
            self._engine.cancel(shown.parts.pop(0))

    def trade(self, price: int, quantity: int) -> list[Trade]:
        """Let a trade of the market reach the resting orders; nothing without the queue model."""
        if not self._queue or quantity <= 0:
            return []
        bid, ask = self._sides[BID].price, self._sides[ASK].price
        if bid is not None and price <= bid:
            takers = [ASK]
        elif ask is not None and price >= ask:
            takers = [BID]
        else:
            takers = [ASK, BID]
        for side in takers:
            trades = self._engine.submit(
                _MARKET_TAKER, side, price, min(quantity, MAX_QUANTITY), ioc=True
            ).trades
            if trades:
                self._forget_done()
                return trades
        return []

    def _size(self, side: int) -> int:
        found = [self._engine.find(part) for part in self._sides[side].parts]
        return sum(part.quantity for part in found if part is not None)

    def _resize(self, side: int, size: int) -> list[Trade]:
        """Make a displayed side that keeps its price ``size`` large; what was taken may trade anew."""
        shown = self._sides[side]
        change = min(size, MAX_QUANTITY) - self._size(side)
        if change < 0:
            self.take(side, -change)
        elif change > 0 and shown.price is not None:
            part, trades = self._add(side, shown.price, change)
            shown.parts.append(part)
            self._forget_done()
            return trades
        return []

    def _renew(self, side: int, price: int | None, size: int) -> list[Trade]:
        """Replace a displayed side; return the trades with resting orders."""
        shown = self._sides[side]
        for part in shown.parts:
            self._engine.cancel(part)
        shown.parts.clear()
        shown.price = price
        if price is None or size <= 0:
            return []
        part, trades = self._add(side, price, min(size, MAX_QUANTITY))
        shown.parts.append(part)
        self._forget_done()
        self._put_behind(side, price)
        return trades

    def _add(self, side: int, price: int, size: int) -> tuple[int, list[Trade]]:
        part = self._next_part
        self._next_part -= 1
        return part, self._engine.submit(part, side, price, size).trades

    def _put_behind(self, side: int, price: int) -> None:
        """Let orders that came when better prices were displayed wait behind what is there now."""
        for perm_id in sorted(self._deep):
            own_side, limit = self._clients[perm_id]
            if own_side != side or (price - limit) * side > 0:
                continue
            self._deep.discard(perm_id)
            resting = self._engine.find(perm_id)
            if limit == price and resting is not None:
                self._engine.cancel(perm_id)
                self._engine.submit(perm_id, side, limit, resting.quantity)

    def _forget_done(self) -> None:
        done = [perm_id for perm_id in self._clients if self._engine.find(perm_id) is None]
        for perm_id in done:
            del self._clients[perm_id]
            self._deep.discard(perm_id)
