"""The latest bid and ask of every watched contract, from ticks."""

from __future__ import annotations

from dataclasses import dataclass

from optionsib.brokers.ib.conversions import is_set, quote_price
from optionsib.common.events import Quote

_BID_PRICE, _ASK_PRICE = frozenset({1, 66}), frozenset({2, 67})  # live, delayed
_BID_SIZE, _ASK_SIZE = frozenset({0, 69}), frozenset({3, 70})


@dataclass(slots=True)
class _Book:
    bid: int | None = None
    ask: int | None = None
    bid_size: int = 0
    ask_size: int = 0
    as_of_ns: int = 0
    changed_ns: int = 0


class QuoteBoard:
    """Collects ticks into quotes and knows which changed since they were last taken.

    A time that is not known yet (ticks of a step arrive before the step's time) is given as
    ``UNKNOWN_NS`` and filled in by ``stamp``.
    """

    UNKNOWN_NS = -1

    def __init__(self) -> None:
        self._books: dict[int, _Book] = {}
        self._dirty: set[int] = set()
        self._unstamped: list[_Book] = []

    def price(self, con_id: int, tick_type: int, price: float, size: float, at_ns: int) -> None:
        """Take a price tick with its size; other kinds than bid and ask are not kept."""
        is_bid = tick_type in _BID_PRICE
        if not is_bid and tick_type not in _ASK_PRICE:
            return
        book = self._touch(con_id, at_ns)
        value = quote_price(price, size)
        shown = 0 if value is None else _contracts(size)
        if is_bid:
            changed = value != book.bid
            book.bid, book.bid_size = value, shown
        else:
            changed = value != book.ask
            book.ask, book.ask_size = value, shown
        if changed:
            book.changed_ns = at_ns

    def size(self, con_id: int, tick_type: int, size: float, at_ns: int) -> None:
        """Take a size tick."""
        if tick_type in _BID_SIZE:
            self._touch(con_id, at_ns).bid_size = _contracts(size)
        elif tick_type in _ASK_SIZE:
            self._touch(con_id, at_ns).ask_size = _contracts(size)

    def confirm(self, con_id: int, at_ns: int) -> None:
        """Record that the feed said the quote stands."""
        if con_id in self._books:
            self._touch(con_id, at_ns)

    def stamp(self, at_ns: int) -> None:
        """Give all ticks with an unknown time the time ``at_ns``."""
        for book in self._unstamped:
            if book.as_of_ns == self.UNKNOWN_NS:
                book.as_of_ns = at_ns
            if book.changed_ns == self.UNKNOWN_NS:
                book.changed_ns = at_ns
        self._unstamped.clear()

    def take(self) -> list[Quote]:
        """Return what changed or was confirmed since the last call, by rising ``con_id``."""
        quotes = [
            Quote(
                con_id=con_id,
                bid=book.bid,
                ask=book.ask,
                bid_size=book.bid_size,
                ask_size=book.ask_size,
                as_of_ns=book.as_of_ns,
                changed_ns=book.changed_ns,
            )
            for con_id, book in ((con_id, self._books[con_id]) for con_id in sorted(self._dirty))
        ]
        self._dirty.clear()
        return quotes

    def _touch(self, con_id: int, at_ns: int) -> _Book:
        book = self._books.get(con_id)
        if book is None:
            book = self._books[con_id] = _Book()
        if at_ns == self.UNKNOWN_NS and book.as_of_ns != self.UNKNOWN_NS:
            self._unstamped.append(book)
        book.as_of_ns = at_ns
        self._dirty.add(con_id)
        return book


def _contracts(size: float) -> int:
    return int(size) if is_set(size) and size > 0 else 0
