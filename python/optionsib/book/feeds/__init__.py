"""Recorded and live feeds as records of the book: NASDAQ ITCH 5.0, LOBSTER, Bitstamp L3, Binance L2."""

from optionsib.book.feeds.binance import BinanceFeed
from optionsib.book.feeds.bitstamp import BitstampFeed, BookSnapshot
from optionsib.book.feeds.itch import ItchFeed
from optionsib.book.feeds.lobster import LobsterFeed
from optionsib.book.feeds.records import FeedStatistics

__all__ = [
    "BinanceFeed",
    "BitstampFeed",
    "BookSnapshot",
    "FeedStatistics",
    "ItchFeed",
    "LobsterFeed",
]
