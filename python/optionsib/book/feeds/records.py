"""What the feed adapters share: exact decimals to ticks, rows to records, the lines of a byte stream."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optionsib.book.types import RECORD_DTYPE, Action

_DECIMAL = re.compile(r"(-?)(\d{1,18})(?:\.(\d*))?", re.ASCII)
_MOST = 2**62  # a price or quantity of the book stays below


@dataclass(slots=True)
class FeedStatistics:
    """What a feed has read since it was made."""

    messages: int = 0
    """Whole messages or lines, the damaged included."""
    records: int = 0
    """Records given out."""
    damaged: int = 0
    """Messages that could not be read and were passed over."""
    unknown_orders: int = 0
    """Messages about an order that was never added, see `earlier` in the adapter's notes."""
    gaps: int = 0
    """Places where messages are missing, as far as the feed tells."""


class DamagedMessageError(ValueError):
    """A message that cannot be read; adapters count it and go on."""


def scaled(text: Any, decimals: int) -> int:
    """Return a decimal number as an integer in units of ``10**-decimals``, exactly.

    Raises
    ------
    DamagedMessageError
        If `text` is not a plain decimal number, is finer than the unit, or is out of range.
    """
    match = _DECIMAL.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise DamagedMessageError(f"expected a decimal number, got {text!r:.40}")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if len(fraction) > decimals:
        if fraction[decimals:].strip("0"):
            raise DamagedMessageError(f"{text!r:.40} is finer than {decimals} decimals")
        fraction = fraction[:decimals]
    value = int(whole + fraction.ljust(decimals, "0"))
    if value >= _MOST:
        raise DamagedMessageError(f"{text!r:.40} is out of range")
    return -value if sign else value


class RecordWriter:
    """Rows on their way to an array of records."""

    def __init__(self, contract: int) -> None:
        self._contract = contract
        self._rows: list[tuple[int, ...]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def write(
        self,
        action: Action,
        *,
        timestamp: int,
        order_id: int = 0,
        side: int = 0,
        price: int = 0,
        quantity: int = 0,
        sequence: int = 0,
    ) -> None:
        """Append one record."""
        self._rows.append(
            (action, side, 0, self._contract, order_id, price, quantity, 0, sequence, timestamp, 0, 0)
        )

    def take(self) -> NDArray[np.void]:
        """Return what was written since the last call."""
        records = np.array(self._rows, dtype=RECORD_DTYPE)
        self._rows.clear()
        return records


class Lines:
    """The lines of a byte stream that comes in pieces."""

    def __init__(self) -> None:
        self._rest = b""

    def split(self, data: bytes | bytearray | memoryview) -> Iterator[str]:
        """Yield the lines that `data` completes; what is no UTF-8 comes as replacement characters."""
        *whole, self._rest = (self._rest + bytes(data)).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").rstrip("\r")

    def rest(self) -> Iterator[str]:
        """Yield the last line of a stream that ended without a line end."""
        line, self._rest = self._rest, b""
        if line:
            yield line.decode("utf-8", "replace")
