"""Words of the book: statuses, the batch record, top of book, trades, resting orders, depth.

Prices are signed integer ticks (what a tick is worth belongs to the caller, see ``common.types`` for
order prices in 1/10000); quantities are positive integers up to ``MAX_QUANTITY``. The layouts are described
in docs/order-book.md.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core

BID = 1
ASK = -1
# What became of a message: below zero refused, zero and above applied.
BookStatus = _core.BookStatus
MAX_QUANTITY: int = _core.BOOK_MAX_QUANTITY
MAX_PRICE: int = _core.BOOK_MAX_PRICE
# What an empty side shows as its best price in ``TOP_DTYPE``.
NO_BID = -(2**63)
NO_ASK = 2**63 - 1

# One message: 64 bytes, little-endian, no padding. Which fields an action reads stands at ``Action``;
# ``timestamp`` is carried and not read, ``flags`` belong to the MatchingEngine (bit 0: immediate-or-cancel).
RECORD_DTYPE: np.dtype[Any] = np.dtype(
    [
        ("action", "u1"),
        ("side", "i1"),
        ("flags", "<u2"),
        ("contract", "<u4"),
        ("order_id", "<i8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("new_order_id", "<i8"),
        ("sequence", "<u8"),
        ("timestamp", "<i8"),
        ("owner", "<u4"),
        ("reserved", "<u4"),
    ]
)
# The same layout for one record as bytes: ``RECORD_STRUCT.pack(action, side, flags, contract, ...)``.
RECORD_STRUCT = struct.Struct("<BbHIqqqqQqII")
# Best prices and their quantities: 32 bytes, little-endian, no padding.
TOP_DTYPE: np.dtype[Any] = np.dtype(
    [("bid_price", "<i8"), ("ask_price", "<i8"), ("bid_quantity", "<i8"), ("ask_quantity", "<i8")]
)
# One match: 32 bytes, little-endian, no padding.
TRADE_DTYPE: np.dtype[Any] = np.dtype(
    [("maker_id", "<i8"), ("taker_id", "<i8"), ("price", "<i8"), ("quantity", "<i8")]
)
IMMEDIATE_OR_CANCEL = 1


class Action(enum.IntEnum):
    """The action of a record, and the fields it reads besides ``contract`` and ``sequence``."""

    ADD = 1  # order_id, side, price, quantity, owner; engine: submit, reads flags too
    REDUCE = 2  # book only: order_id, quantity
    CANCEL = 3  # order_id
    REPLACE = 4  # book only: order_id, new_order_id, price, quantity
    EXECUTE = 5  # book only: order_id, quantity
    MODIFY = 6  # engine only: order_id, price, quantity
    SET_LEVEL = 7  # book only: side, price, quantity (0: gone), owner = number of orders (0: not told)
    CLEAR = 8  # nothing; a numbered clear starts a book's numbering anew
    SET_PHASE = 9  # engine only: quantity = phase, new_order_id = end of an auction, price where flags is 1
    TELL_TIME = 10  # engine only: timestamp


class BatchCounts(NamedTuple):
    """How many records of a batch came to what."""

    applied: int  # crossed and locked ones too
    refused: int  # status below zero
    crossed: int  # applied, and left the book crossed or locked


class Level(NamedTuple):
    """One price of one side."""

    price: int
    quantity: int
    order_count: int


class RestingOrder(NamedTuple):
    """An order in its queue; ``side`` +1 bid, -1 ask."""

    order_id: int
    side: int
    price: int
    quantity: int
    owner: int


class Trade(NamedTuple):
    """One match, at the price of the maker (the order that was resting)."""

    maker_id: int
    taker_id: int
    price: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Depth:
    """The levels of one side, best first; the three int64 arrays have one length."""

    price: NDArray[np.int64]
    quantity: NDArray[np.int64]
    order_count: NDArray[np.int64]


def make_records(count: int) -> NDArray[np.void]:
    """Return ``count`` zeroed batch records of ``RECORD_DTYPE``."""
    return np.zeros(count, dtype=RECORD_DTYPE)


def checked_records(records: NDArray[np.void]) -> NDArray[np.void]:
    """Return ``records`` as the core takes them: copied only where they are strided or off an 8-byte address.

    Raises
    ------
    ValueError
        If the array is not one-dimensional or its dtype is not ``RECORD_DTYPE``.
    """
    if records.dtype != RECORD_DTYPE:
        raise ValueError(f"records have dtype {records.dtype}, expected RECORD_DTYPE {RECORD_DTYPE}")
    if records.ndim != 1:
        raise ValueError(f"records have {records.ndim} dimensions, expected 1")
    records = np.ascontiguousarray(records)
    return records if _is_aligned(records) else records.copy()


def _is_aligned(array: NDArray[Any]) -> bool:
    # NumPy's own flag does not tell: a packed layout counts as aligned everywhere.
    return int(array.__array_interface__["data"][0]) % 8 == 0


def check_output(name: str, array: NDArray[Any] | None, dtype: np.dtype[Any], length: int) -> None:
    """Raise `ValueError` unless ``array`` is None or can take ``length`` elements of ``dtype`` in place."""
    if array is None:
        return
    if array.dtype != dtype or array.shape != (length,):
        raise ValueError(f"{name} is {array.dtype}{array.shape}, expected {dtype}{(length,)}")
    if not (array.flags.c_contiguous and array.flags.writeable):
        raise ValueError(f"{name} must be contiguous and writeable")
    if dtype.itemsize >= 8 and not _is_aligned(array):
        raise ValueError(f"{name} must lie at an address that is a multiple of 8")
