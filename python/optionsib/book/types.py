"""Words of the book: statuses, the batch record, trades, resting orders, depth.

Prices are signed integer ticks (what a tick is worth belongs to the caller, see ``common.types`` for
order prices in 1/10000); quantities are positive integers up to ``MAX_QUANTITY``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from optionsib._native import _core

BID = 1
ASK = -1
# What became of a message; on anything but OK the book is unchanged.
BookStatus = _core.BookStatus
MAX_QUANTITY: int = _core.BOOK_MAX_QUANTITY
MAX_PRICE: int = _core.BOOK_MAX_PRICE

# One message of a batch: 40 bytes, little-endian, no padding. ``side`` +1 bid, -1 ask; bit 0 of ``flags``
# is immediate-or-cancel (MatchingEngine). Which fields an action reads stands at ``Action``.
RECORD_DTYPE: np.dtype[Any] = np.dtype(
    [
        ("action", "u1"),
        ("side", "i1"),
        ("flags", "<u2"),
        ("owner", "<u4"),
        ("order_id", "<i8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("new_order_id", "<i8"),
    ]
)
# One match: 32 bytes, little-endian, no padding.
TRADE_DTYPE: np.dtype[Any] = np.dtype(
    [("maker_id", "<i8"), ("taker_id", "<i8"), ("price", "<i8"), ("quantity", "<i8")]
)
IMMEDIATE_OR_CANCEL = 1


class Action(enum.IntEnum):
    """The action of a batch record, and the fields it reads besides ``order_id``."""

    ADD = 1  # side, price, quantity, owner; engine: submit, reads flags too
    REDUCE = 2  # book only: quantity
    CANCEL = 3
    REPLACE = 4  # book only: new_order_id, price, quantity
    EXECUTE = 5  # book only: quantity
    MODIFY = 6  # engine only: price, quantity


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


@dataclass(frozen=True, slots=True)
class MatchResult:
    """What became of a submitted or modified order.

    ``remaining`` was not traded: it rests (``resting``), or was given back (immediate-or-cancel).
    """

    status: BookStatus
    trades: list[Trade]
    remaining: int
    resting: bool


def make_records(count: int) -> NDArray[np.void]:
    """Return ``count`` zeroed batch records of ``RECORD_DTYPE``."""
    return np.zeros(count, dtype=RECORD_DTYPE)


def checked_records(records: NDArray[np.void]) -> NDArray[np.void]:
    """Return ``records`` as the core takes them.

    Raises
    ------
    ValueError
        If the array is not one-dimensional or its dtype is not ``RECORD_DTYPE``.
    """
    if records.dtype != RECORD_DTYPE:
        raise ValueError(f"records have dtype {records.dtype}, expected RECORD_DTYPE {RECORD_DTYPE}")
    if records.ndim != 1:
        raise ValueError(f"records have {records.ndim} dimensions, expected 1")
    return np.ascontiguousarray(records)
