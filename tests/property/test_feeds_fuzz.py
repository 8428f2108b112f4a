"""Damaged bytes: no adapter raises, no book loses count of itself."""

from __future__ import annotations

import datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import feed_bytes
from tests.feed_bytes import Market

from optionsib.book import ChainBook, OrderBook
from optionsib.book.feeds import BinanceFeed, BitstampFeed, ItchFeed, LobsterFeed

DAY = datetime.date(2024, 7, 3)
EXAMPLES = settings(max_examples=150, deadline=None)

damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=20)


def damaged(data: bytes, changes: list[tuple[float, int]]) -> bytes:
    result = bytearray(data)
    for place, value in changes:
        result[int(place * len(result))] = value
    return bytes(result)


def check(book: OrderBook, records: np.ndarray) -> None:
    """Apply what came; refused records change nothing, levels stay positive."""
    book.apply_batch(records)
    for side in (1, -1):
        depth = book.depth(side, 1000)
        assert (depth.quantity > 0).all()
        assert (np.diff(depth.price) * side < 0).all()


def itch_bytes() -> bytes:
    market = Market(seed=21)
    return feed_bytes.framed(feed_bytes.itch_directory(7, "AAPL")) + b"".join(
        feed_bytes.framed(feed_bytes.itch_message(event, 7, time))
        for time, event in enumerate(market.events(60))
    )


def bitstamp_bytes() -> bytes:
    market, lines = Market(seed=22), []
    for ms, event in enumerate(market.events(60)):
        lines += feed_bytes.bitstamp_lines(event, ms)
        if ms % 10 == 0:
            lines.append(feed_bytes.bitstamp_snapshot(market.levels(), ms, 5))
    return "\n".join([*lines, ""]).encode()


def binance_bytes() -> bytes:
    market, lines = Market(seed=23), [feed_bytes.binance_snapshot(([], []), 0)]
    before = market.levels()
    for step, _ in enumerate(market.events(60)):
        lines.append(feed_bytes.binance_update(before, market.levels(), step + 1, step + 1, None))
        before = market.levels()
    return "\n".join([*lines, ""]).encode()


def lobster_lines() -> list[str]:
    market, lines = Market(seed=24), []
    for time, event in enumerate(market.events(60)):
        lines += feed_bytes.lobster_message(event, time)
    return lines


ITCH, BITSTAMP, BINANCE, LOBSTER = itch_bytes(), bitstamp_bytes(), binance_bytes(), lobster_lines()


@EXAMPLES
@given(damage, st.integers(1, 5000))
def test_itch(changes: list[tuple[float, int]], size: int) -> None:
    data, feed, chain = damaged(ITCH, changes), ItchFeed(DAY), ChainBook(65_536)
    for start in range(0, len(data), size):
        chain.apply_batch(feed.decode(data[start : start + size]))
    assert feed.statistics.messages > 0 or feed.stuck or len(data) < 65_538


@EXAMPLES
@given(st.binary(max_size=500))
def test_itch_of_no_sense(data: bytes) -> None:
    ItchFeed(DAY).decode(data)


@EXAMPLES
@given(damage)
def test_bitstamp(changes: list[tuple[float, int]]) -> None:
    feed = BitstampFeed()
    check(OrderBook(), np.concatenate([feed.decode(damaged(BITSTAMP, changes)), feed.finish()]))


@EXAMPLES
@given(damage)
def test_binance(changes: list[tuple[float, int]]) -> None:
    feed = BinanceFeed(price_decimals=1, quantity_decimals=0)
    check(OrderBook(), np.concatenate([feed.decode(damaged(BINANCE, changes)), feed.finish()]))


@EXAMPLES
@given(damage, st.binary(max_size=60))
def test_lobster(changes: list[tuple[float, int]], book: bytes) -> None:
    feed = LobsterFeed(DAY)
    text = damaged("\n".join(LOBSTER).encode(), changes).decode("latin-1")
    lines = text.split("\n")
    check(OrderBook(), feed.decode(lines, [book.decode("latin-1")] * len(lines)))
