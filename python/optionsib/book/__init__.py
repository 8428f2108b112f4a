"""Order book and matching."""

from optionsib.book.matching import MatchingEngine
from optionsib.book.order_book import OrderBook
from optionsib.book.types import (
    ASK,
    BID,
    IMMEDIATE_OR_CANCEL,
    MAX_PRICE,
    MAX_QUANTITY,
    RECORD_DTYPE,
    TRADE_DTYPE,
    Action,
    BookStatus,
    Depth,
    Level,
    MatchResult,
    RestingOrder,
    Trade,
    make_records,
)

__all__ = [
    "ASK",
    "BID",
    "IMMEDIATE_OR_CANCEL",
    "MAX_PRICE",
    "MAX_QUANTITY",
    "RECORD_DTYPE",
    "TRADE_DTYPE",
    "Action",
    "BookStatus",
    "Depth",
    "Level",
    "MatchResult",
    "MatchingEngine",
    "OrderBook",
    "RestingOrder",
    "Trade",
    "make_records",
]
