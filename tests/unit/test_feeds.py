"""Feed adapters against a market of the tests' own, whose state after every message is known."""

from __future__ import annotations

import datetime
from copy import deepcopy

import numpy as np
import pytest
from tests import feed_bytes
from tests.feed_bytes import Levels, Market

from optionsib.book import Action, ChainBook, OrderBook
from optionsib.book.feeds import BinanceFeed, BitstampFeed, ItchFeed, LobsterFeed
from optionsib.book.feeds.records import DamagedMessageError, scaled

DAY = datetime.date(2024, 7, 3)
# 00:00 in New York on that day (UTC-4), seconds since the epoch.
MIDNIGHT = 1_719_979_200


def levels(book: OrderBook, count: int = 1000) -> Levels:
    bids, asks = book.depth(1, count), book.depth(-1, count)
    return (
        list(zip(bids.price.tolist(), bids.quantity.tolist(), strict=True)),
        list(zip(asks.price.tolist(), asks.quantity.tolist(), strict=True)),
    )


def apply_all(book: OrderBook, records: np.ndarray) -> None:
    statuses = np.zeros(len(records), dtype=np.int8)
    book.apply_batch(records, status=statuses)
    assert (statuses >= 0).all(), records[statuses < 0][:3]


# --- ITCH -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [True, False])
def test_itch_rebuilds_the_market_after_every_message(told: bool) -> None:
    market, book = Market(seed=1), OrderBook()
    feed = ItchFeed(DAY, symbols=["AAPL"])
    feed.decode(feed_bytes.framed(feed_bytes.itch_directory(7, "AAPL"), told=told))
    for time, event in enumerate(market.events(1500)):
        message = feed_bytes.framed(feed_bytes.itch_message(event, 7, time), told=told)
        records = feed.decode(message)
        assert len(records) == 1
        assert records["timestamp"][0] == MIDNIGHT * 10**9 + time
        apply_all(book, records)
        assert levels(book) == market.levels()
    assert feed.statistics.damaged == 0
    assert feed.statistics.records == 1500


def test_itch_in_pieces_of_any_size_gives_the_same_records() -> None:
    market = Market(seed=2)
    data = feed_bytes.framed(feed_bytes.itch_directory(7, "AAPL")) + b"".join(
        feed_bytes.framed(feed_bytes.itch_message(event, 7, time))
        for time, event in enumerate(market.events(400))
    )
    whole = ItchFeed(DAY).decode(data)
    assert len(whole) == 400
    for size in (1, 3, 64, 1000):
        feed = ItchFeed(DAY)
        pieces = [feed.decode(data[start : start + size]) for start in range(0, len(data), size)]
        assert np.array_equal(np.concatenate(pieces), whole)


def test_itch_more_records_than_one_batch_holds() -> None:
    market = Market(seed=3)
    message = feed_bytes.framed(feed_bytes.itch_message(next(market.events(1)), 7, 5))
    feed = ItchFeed(DAY)
    records = feed.decode(feed_bytes.framed(feed_bytes.itch_directory(7, "A")) + message * 40_000)
    assert len(records) == 40_000
    assert (records == records[0]).all()


def test_itch_routes_the_stocks_asked_for_and_leaves_the_others_out() -> None:
    feed = ItchFeed(DAY, symbols=["SPY", "AAPL"])
    chain = ChainBook(2)
    event = next(Market(seed=4).events(1))
    before = feed_bytes.framed(feed_bytes.itch_message(event, 1, 1))
    assert len(feed.decode(before)) == 0  # the directory has not named it yet
    for locate, symbol in enumerate(("AAPL", "MSFT", "SPY"), start=1):
        feed.decode(feed_bytes.framed(feed_bytes.itch_directory(locate, symbol)))
    for locate, row in ((1, 1), (3, 0)):
        records = feed.decode(feed_bytes.framed(feed_bytes.itch_message(event, locate, 1)))
        assert records["contract"].tolist() == [row]
    assert len(feed.decode(feed_bytes.framed(feed_bytes.itch_message(event, 2, 1)))) == 0
    assert [feed.symbol(row) for row in range(2)] == ["SPY", "AAPL"]
    assert chain.apply_batch(records)


def test_itch_passes_over_other_messages_and_counts_damaged_ones() -> None:
    feed = ItchFeed(DAY)
    event = feed_bytes.itch_header("S", 0, 1) + b"O"
    short = feed_bytes.itch_header("D", 7, 1) + b"123"
    unknown = b"?" + bytes(30)
    directory = feed_bytes.itch_directory(7, "A")
    order = feed_bytes.itch_message(next(Market(seed=5).events(1)), 7, 1)
    data = b"".join(map(feed_bytes.framed, (event, short, directory, unknown, order)))
    assert len(feed.decode(data)) == 1
    assert (feed.statistics.messages, feed.statistics.damaged, feed.stuck) == (5, 2, False)
    assert len(feed.decode(b"\0\0?" + feed_bytes.framed(order))) == 0
    assert feed.stuck


@pytest.mark.parametrize("symbol", ["", "TOOLONGNAME"])
def test_itch_refuses_a_symbol_the_wire_cannot_carry(symbol: str) -> None:
    with pytest.raises(ValueError, match="1 to 8 letters"):
        ItchFeed(DAY, symbols=[symbol])


# --- LOBSTER ----------------------------------------------------------------------------------------------


def test_lobster_with_its_books_shows_the_best_levels_after_every_message() -> None:
    market, book, feed = Market(seed=6), OrderBook(), LobsterFeed(DAY)
    list(market.events(200))  # what rested before the file begins
    shown = 5
    for time, event in enumerate(market.events(1500)):
        lines = feed_bytes.lobster_message(event, time)
        row = feed_bytes.lobster_book(market.levels(), shown)
        for line in lines[:-1]:
            apply_all(book, feed.decode([line]))
        apply_all(book, feed.decode(lines[-1:], [row]))
        assert levels(book, shown) == tuple(side[:shown] for side in market.levels())
    assert feed.statistics.damaged == 0
    assert feed.corrected_levels > 0


def test_lobster_without_books_knows_the_orders_it_was_told_of() -> None:
    market, book, feed = Market(seed=7), OrderBook(), LobsterFeed(DAY)
    for time, event in enumerate(market.events(800)):
        apply_all(book, feed.decode(feed_bytes.lobster_message(event, time)))
    assert levels(book) == market.levels()
    assert feed.statistics.unknown_orders == 0
    assert len(feed.decode(["34200.1,3,999999,10,10000,1"])) == 0
    assert feed.statistics.unknown_orders == 1


def test_lobster_hidden_executions_crosses_and_halts_leave_the_book_alone() -> None:
    feed = LobsterFeed(DAY)
    lines = [f"34200.000000001,{kind},0,100,10000,-1" for kind in (5, 6, 7)]
    assert len(feed.decode(lines)) == 0
    assert feed.statistics.damaged == 0
    with pytest.raises(ValueError, match=r"zip\(\)"):
        feed.decode(lines, [])


# --- Bitstamp ---------------------------------------------------------------------------------------------


def test_bitstamp_from_the_middle_of_a_day_equals_every_snapshot() -> None:
    market, feed = Market(seed=8), BitstampFeed()
    list(market.events(300))
    shown, lines, truth = 5, [], []
    for ms, event in enumerate(market.events(3000)):
        lines += feed_bytes.bitstamp_lines(event, ms)
        if ms % 7 == 0:
            lines.append(feed_bytes.bitstamp_snapshot(market.levels(), ms, shown))
            truth.append(tuple(side[:shown] for side in deepcopy(market.levels())))
    records = feed.decode("\n".join(lines).encode() + b"\n")
    snapshots = feed.take_snapshots()
    assert [(snapshot.bids, snapshot.asks) for snapshot in snapshots] == truth
    assert feed.take_snapshots() == []
    assert feed.statistics.damaged == 0
    book, at, equal = OrderBook(), 0, 0
    for snapshot in snapshots:
        apply_all(book, records[at : snapshot.position])
        at = snapshot.position
        equal += levels(book, shown) == (snapshot.bids, snapshot.asks)
    assert equal == len(snapshots)


def test_bitstamp_deletion_before_creation_and_second_deletion() -> None:
    def line(name: str, order_id: int) -> bytes:
        body = f'{{"price": "10.00", "amount": "1.00000000", "id": {order_id}, "order_type": 1}}'
        return f"5 {name} {body}\n".encode()

    feed = BitstampFeed()
    records = feed.decode(
        line("order_created", 1)
        + line("order_deleted", 3)
        + line("order_created", 3)
        + line("order_deleted", 1)
        + line("order_deleted", 1)
    )
    assert records["action"].tolist() == [Action.ADD, Action.CANCEL]
    assert records["order_id"].tolist() == [1, 1]
    assert feed.statistics.unknown_orders == 3


# --- Binance ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("futures", [False, True])
def test_binance_begins_with_the_snapshot_and_follows_the_updates(futures: bool) -> None:
    market, book = Market(seed=9), OrderBook()
    feed = BinanceFeed(price_decimals=1, quantity_decimals=0)
    last, before = 100, market.levels()
    for step, _ in enumerate(market.events(600)):
        after = market.levels()
        first, previous = last + 1, last
        last += 3
        line = feed_bytes.binance_update(before, after, first, last, previous if futures else None)
        apply_all(book, feed.decode(f"{step + 1} {line}\n".encode()))
        before = after
        if step == 50:  # a snapshot as it stood some updates ago would do too
            apply_all(book, feed.decode(feed_bytes.binance_snapshot(after, last).encode() + b"\n"))
        assert feed.synchronised == (step >= 50)
        assert levels(book) == (after if step >= 50 else ([], []))
    assert feed.statistics.damaged == feed.statistics.gaps == 0


def test_binance_snapshot_older_than_waiting_updates() -> None:
    market, book = Market(seed=10), OrderBook()
    feed = BinanceFeed(price_decimals=1, quantity_decimals=0)
    before, lines, snapshot = market.levels(), [], ""
    for step, _ in enumerate(market.events(40)):
        after = market.levels()
        lines.append(feed_bytes.binance_update(before, after, step + 1, step + 1, None))
        before = after
        if step == 20:
            snapshot = feed_bytes.binance_snapshot(after, step + 1)
    apply_all(book, feed.decode("\n".join([*lines, snapshot, ""]).encode()))
    assert levels(book) == market.levels()
    assert feed.last_update == 40


def test_binance_gap_empties_the_book_until_the_next_snapshot() -> None:
    market, book = Market(seed=11), OrderBook()
    feed = BinanceFeed(price_decimals=1, quantity_decimals=0)
    list(market.events(50))
    apply_all(book, feed.decode(feed_bytes.binance_snapshot(market.levels(), 10).encode() + b"\n"))
    before = market.levels()
    next(market.events(1))
    lost = feed_bytes.binance_update(before, market.levels(), 13, 13, None)
    apply_all(book, feed.decode(lost.encode() + b"\n"))
    assert (feed.synchronised, feed.statistics.gaps, levels(book)) == (False, 1, ([], []))
    apply_all(book, feed.decode(feed_bytes.binance_snapshot(market.levels(), 13).encode() + b"\n"))
    assert feed.synchronised
    assert levels(book) == market.levels()


# --- numbers ----------------------------------------------------------------------------------------------


def test_decimals_become_ticks_exactly() -> None:
    assert scaled("236.47", 2) == 23647
    assert scaled("61737.63000000", 2) == 6173763
    assert scaled("-0.5", 1) == -5
    assert scaled("7", 0) == 7
    for text in ("1e5", "nan", "", "0.123", "٣", None, 5, "9" * 30):
        with pytest.raises(DamagedMessageError):
            scaled(text, 2)
