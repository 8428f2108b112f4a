"""The latest bid and ask of every watched contract, from ticks; each with its age and its source.

A quote that must not be traded on (its farm is down, the feed is silent, it is delayed ...) is handed
out with ``as_of_ns`` 0: nobody confirms it, so whoever judges ages refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from optionsib.brokers.ib.conversions import is_set, quote_price
from optionsib.common.events import Quote, QuoteSource

_BID_PRICE, _ASK_PRICE = frozenset({1, 66}), frozenset({2, 67})  # live, delayed
_BID_SIZE, _ASK_SIZE = frozenset({0, 69}), frozenset({3, 70})
_DELAYED_TICKS = frozenset({66, 67, 68, 69, 70, 71})
_SOURCES: dict[int, QuoteSource] = {1: "live", 2: "frozen", 3: "delayed", 4: "delayed frozen"}
_HIGHEST_PRICE, _HIGHEST_SIZE = 1e9, 1e15  # beyond is no quote of anything


@dataclass(slots=True)
class _Book:
    bid: int | None = None
    ask: int | None = None
    bid_size: int = 0
    ask_size: int = 0
    as_of_ns: int = 0
    changed_ns: int = 0
    source: QuoteSource = "live"


class QuoteBoard:
    """Collects ticks into quotes and knows which changed since they were last taken.

    A time that is not known yet (ticks of a step arrive before the step's time) is given as
    ``UNKNOWN_NS`` and filled in by ``stamp``.
    """

    UNKNOWN_NS = -1

    def __init__(self) -> None:
        self._books: dict[int, _Book] = {}
        self._dirty: set[int] = set()
        self._stale: dict[int, str] = {}  # con_id -> why
        self._unstamped: list[_Book] = []

    def __contains__(self, con_id: int) -> bool:
        return con_id in self._books

    @property
    def stale(self) -> dict[int, str]:
        """Contracts whose quote must not be traded on, and why."""
        return dict(self._stale)

    def price(self, con_id: int, tick_type: int, price: float, size: float, at_ns: int) -> bool:
        """Take a price tick with its size; return False for other kinds than bid and ask."""
        is_bid = tick_type in _BID_PRICE
        if not is_bid and tick_type not in _ASK_PRICE:
            return False
        book = self._touch(con_id, at_ns)
        if tick_type in _DELAYED_TICKS and book.source == "live":
            book.source = "delayed"
        value = quote_price(price, size) if abs(price) < _HIGHEST_PRICE else None
        shown = 0 if value is None else _contracts(size)
        if is_bid:
            changed = value != book.bid
            book.bid, book.bid_size = value, shown
        else:
            changed = value != book.ask
            book.ask, book.ask_size = value, shown
        if changed:
            book.changed_ns = at_ns
        return True

    def size(self, con_id: int, tick_type: int, size: float, at_ns: int) -> bool:
        """Take a size tick; return False for other kinds than bid and ask."""
        if tick_type in _BID_SIZE:
            self._touch(con_id, at_ns).bid_size = _contracts(size)
        elif tick_type in _ASK_SIZE:
            self._touch(con_id, at_ns).ask_size = _contracts(size)
        else:
            return False
        return True

    def confirm(self, con_id: int, at_ns: int) -> None:
        """Record that the feed said the quote stands."""
        if con_id in self._books:
            self._touch(con_id, at_ns)

    def data_type(self, con_id: int, number: int) -> None:
        """Take the feed's word on what it sends; a number that means nothing counts as frozen."""
        book = self._books.setdefault(con_id, _Book())
        source = _SOURCES.get(number, "frozen")
        if book.source != source:
            book.source = source
            self._dirty.add(con_id)

    def source_of(self, con_id: int) -> QuoteSource:
        """Return what the feed sends for a contract; live where it never said."""
        book = self._books.get(con_id)
        return "live" if book is None else book.source

    def mark_stale(self, stale: dict[int, str]) -> None:
        """Say which quotes must not be traded on and why; all others may be again."""
        for con_id in stale.keys() ^ self._stale.keys():
            if con_id in self._books:
                self._dirty.add(con_id)
        self._stale = dict(stale)

    def forget(self, con_ids: Iterable[int]) -> None:
        """Drop what a contract that is no longer streamed once quoted."""
        for con_id in con_ids:
            self._books.pop(con_id, None)
            self._dirty.discard(con_id)
            self._stale.pop(con_id, None)

    def stamp(self, at_ns: int) -> None:
        """Give all ticks with an unknown time the time ``at_ns``."""
        for book in self._unstamped:
            if book.as_of_ns == self.UNKNOWN_NS:
                book.as_of_ns = at_ns
            if book.changed_ns == self.UNKNOWN_NS:
                book.changed_ns = at_ns
        self._unstamped.clear()

    def oldest_ns(self) -> int | None:
        """Return when the longest unconfirmed quote was last confirmed, None where there is none."""
        return min((book.as_of_ns for book in self._books.values() if book.as_of_ns > 0), default=None)

    def quote(self, con_id: int) -> Quote:
        """Return the quote as it stands.

        Raises
        ------
        KeyError
            If nothing was ever sent for the contract.
        """
        book = self._books[con_id]
        return Quote(
            con_id=con_id,
            bid=book.bid,
            ask=book.ask,
            bid_size=book.bid_size,
            ask_size=book.ask_size,
            as_of_ns=0 if con_id in self._stale else book.as_of_ns,
            changed_ns=book.changed_ns,
            source=book.source,
        )

    def take(self) -> list[Quote]:
        """Return what changed or was confirmed since the last call, by rising ``con_id``."""
        quotes = [self.quote(con_id) for con_id in sorted(self._dirty)]
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
    return int(size) if is_set(size) and 0 < size < _HIGHEST_SIZE else 0
