"""The orders that a feed has told of, and what rested before the recording began."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from optionsib.book.feeds.records import RecordWriter
from optionsib.book.types import Action


@dataclass(slots=True)
class KnownOrder:
    """An order that rests in the book as far as the feed tells."""

    side: int
    price: int
    quantity: int


class RestingOrders:
    """Follow the orders of one book and write the records that keep it.

    A recording begins in the middle of a day: what rested before is seen as totals of levels only. For
    every such level one *placeholder* with a negative id stands in the queue; executions and cancellations
    of orders never seen before take from it. Queue positions behind a placeholder are those of its level,
    not of its orders.
    """

    def __init__(self, writer: RecordWriter) -> None:
        self._writer = writer
        self._orders: dict[int, KnownOrder] = {}
        self._levels: defaultdict[tuple[int, int], dict[int, None]] = defaultdict(dict)  # ids, in order
        self._placeholders: dict[tuple[int, int], int] = {}
        self._last_placeholder = 0

    def __contains__(self, order_id: int) -> bool:
        return order_id in self._orders

    def __getitem__(self, order_id: int) -> KnownOrder:
        return self._orders[order_id]

    def total(self, side: int, price: int) -> int:
        """Return the quantity of a level."""
        return sum(self._orders[order].quantity for order in self._levels.get((side, price), ()))

    def prices(self, side: int) -> list[int]:
        """Return the prices of a side that have orders."""
        return [price for (own, price) in self._levels if own == side]

    def add(self, order_id: int, side: int, price: int, quantity: int, timestamp: int) -> None:
        """Put an order at the back of its level."""
        self._orders[order_id] = KnownOrder(side, price, quantity)
        self._levels[side, price][order_id] = None
        self._writer.write(
            Action.ADD, timestamp=timestamp, order_id=order_id, side=side, price=price, quantity=quantity
        )

    def cancel(self, order_id: int, timestamp: int) -> None:
        """Take an order out."""
        self._forget(order_id)
        self._writer.write(Action.CANCEL, timestamp=timestamp, order_id=order_id)

    def reduce(self, order_id: int, quantity: int, timestamp: int, action: Action = Action.REDUCE) -> None:
        """Take at most `quantity` off an order, which keeps its place."""
        order = self._orders[order_id]
        quantity = min(quantity, order.quantity)
        order.quantity -= quantity
        if order.quantity == 0:
            self._forget(order_id)
        self._writer.write(action, timestamp=timestamp, order_id=order_id, quantity=quantity)

    def change(self, order_id: int, price: int, quantity: int, timestamp: int) -> None:
        """Give an order a new price and remaining quantity; only a smaller size keeps the place."""
        order = self._orders[order_id]
        if price == order.price and 0 < quantity <= order.quantity:
            if quantity < order.quantity:
                self.reduce(order_id, order.quantity - quantity, timestamp)
            return
        self.cancel(order_id, timestamp)
        if quantity > 0:
            self.add(order_id, order.side, price, quantity, timestamp)

    def reveal(self, side: int, price: int, quantity: int, timestamp: int) -> None:
        """Let `quantity` more have rested at a level before the recording."""
        placeholder = self._placeholders.get((side, price))
        if placeholder is not None:
            quantity += self._orders[placeholder].quantity
            self.cancel(placeholder, timestamp)
        self._last_placeholder -= 1
        self._placeholders[side, price] = self._last_placeholder
        self.add(self._last_placeholder, side, price, quantity, timestamp)

    def take_earlier(
        self, side: int, price: int, quantity: int, timestamp: int, action: Action = Action.REDUCE
    ) -> None:
        """Take at most `quantity` off what rested at a level before the recording."""
        placeholder = self._placeholders.get((side, price))
        if placeholder is not None and quantity > 0:
            self.reduce(placeholder, quantity, timestamp, action)

    def replace_level(self, side: int, price: int, quantity: int, timestamp: int) -> None:
        """Forget the orders of a level for one placeholder of `quantity`, or for nothing."""
        for order_id in list(self._levels.get((side, price), ())):
            self.cancel(order_id, timestamp)
        if quantity > 0:
            self.reveal(side, price, quantity, timestamp)

    def _forget(self, order_id: int) -> None:
        order = self._orders.pop(order_id)
        level = (order.side, order.price)
        del self._levels[level][order_id]
        if not self._levels[level]:
            del self._levels[level]
        if self._placeholders.get(level) == order_id:
            del self._placeholders[level]
