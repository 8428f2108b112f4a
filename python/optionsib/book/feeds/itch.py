"""NASDAQ TotalView-ITCH 5.0 files as records of the book.

The decoding is native (``cpp/include/optionsib/book/itch.hpp``); here the pieces of a stream are put
together.
"""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core
from optionsib.book.feeds.records import FeedStatistics
from optionsib.book.types import make_records

_NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
_BATCH = 16_384  # records


class ItchFeed:
    """Decode an ITCH 5.0 file, each message after its length in two bytes (0: the length of its type).

    Prices are ticks of 1/10000 dollar. Records carry the book's row in ``contract`` and the exchange's time
    in ``timestamp``. A message about no queue (trades outside the book, imbalances, halts) gives no record.
    Damaged messages are passed over and counted; they never raise.

    Parameters
    ----------
    date
        Trading day in New York: the wire counts nanoseconds from its midnight.
    symbols
        The stocks wanted, the first in row 0 and so on; None: all, each in the row of its stock locate.

    Raises
    ------
    ValueError
        If a symbol has not 1 to 8 letters.

    Examples
    --------
    >>> import datetime
    >>> from optionsib.book.feeds import ItchFeed
    >>> feed = ItchFeed(datetime.date(2019, 12, 30), symbols=["AAPL", "SPY"])
    >>> len(feed.decode(b""))  # the file, piece by piece; then chain.apply_batch(records)
    0
    """

    def __init__(self, date: datetime.date, symbols: Sequence[str] | None = None) -> None:
        # The wire's clock is the wall clock's distance from midnight on every day without a change of time
        # zone, and changes of time zone are on Sundays.
        midnight = datetime.datetime.combine(date, datetime.time(), _NEW_YORK)
        self._decoder = _core.ItchDecoder(int(midnight.timestamp()) * 1_000_000_000, list(symbols or ()))
        self._rest = b""
        self.stuck = False
        """Whether decoding ended at bytes that are no message and carry no length."""
        self.statistics = FeedStatistics()

    def decode(self, data: bytes | bytearray | memoryview) -> NDArray[np.void]:
        """Return the records of the messages that `data` completes.

        The rest of an unfinished message is kept for the next call; pieces of about a megabyte keep the
        arrays small. After `stuck` nothing more comes.
        """
        view = memoryview(self._rest + bytes(data) if self._rest else data).cast("B")
        batches = []
        while not self.stuck:
            records = make_records(_BATCH)
            consumed, count, messages, damaged, self.stuck = self._decoder.decode(view, records)
            view = view[consumed:]
            self.statistics.messages += messages
            self.statistics.damaged += damaged
            self.statistics.records += count
            batches.append(records[:count])
            if count < _BATCH:
                break
        self._rest = b"" if self.stuck else bytes(view)
        return np.concatenate(batches) if batches else make_records(0)

    def symbol(self, row: int) -> str:
        """Return the symbol of a row, '' where the directory has not named it yet."""
        return self._decoder.symbol(row)
