"""Recorded feeds against what the exchanges themselves said of their books."""

from __future__ import annotations

import bisect
import datetime
import gzip
import json
import os
from pathlib import Path

import pytest

from optionsib.book import OrderBook
from optionsib.book.feeds import BinanceFeed, BitstampFeed, ItchFeed, LobsterFeed

DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
FOLDER = DATA / "orderbook"

pytestmark = [
    pytest.mark.tape,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no recorded data at {FOLDER}"),
]

Side = list[tuple[int, int]]


def recorded(name: str) -> bytes:
    return gzip.decompress((FOLDER / name).read_bytes())


def side_of(book: OrderBook, side: int, count: int) -> Side:
    depth = book.depth(side, count)
    return list(zip(depth.price.tolist(), depth.quantity.tolist(), strict=True))


def test_bitstamp_replay_equals_each_of_3251_snapshots() -> None:
    feed = BitstampFeed()
    records = feed.decode(recorded("bitstamp_l3_log_2015-05-01_first3h.log.gz"))
    snapshots = feed.take_snapshots()
    assert len(snapshots) == 3251
    assert feed.statistics.damaged == 0

    book = OrderBook()
    states = [([], []), *([None] * len(records))]
    for i in range(len(records)):
        assert book.apply_batch(records[i : i + 1]).refused == 0
        states[i + 1] = (side_of(book, 1, 20), side_of(book, -1, 20))
    times = [0, *records["timestamp"].tolist()]

    # The snapshots come by a channel of their own: some stand a few messages early or late.
    elsewhere = 0
    for snapshot in snapshots:
        shown = (snapshot.bids, snapshot.asks)
        if states[snapshot.position] == shown:
            continue
        elsewhere += 1
        first = bisect.bisect_left(times, snapshot.timestamp - 50_000_000)
        last = bisect.bisect_right(times, snapshot.timestamp + 50_000_000)
        assert shown in states[first - 1 : last], snapshot.timestamp
    assert elsewhere == 27


def test_lobster_book_equals_the_order_book_file_on_every_row() -> None:
    def lines(name: str) -> list[str]:
        return recorded(f"lobster_AAPL_2012-06-21_{name}_10.csv.gz").decode().splitlines()

    feed, book = LobsterFeed(datetime.date(2012, 6, 21)), OrderBook()
    for message, row in zip(lines("message"), lines("orderbook"), strict=True):
        assert book.apply_batch(feed.decode([message], [row])).refused == 0
        columns = [int(field) for field in row.split(",")]
        assert side_of(book, -1, 10) == list(zip(columns[0::4], columns[1::4], strict=True))
        assert side_of(book, 1, 10) == list(zip(columns[2::4], columns[3::4], strict=True))
    assert feed.statistics.messages == 999
    # 20 levels at the start, 13 that scrolled into sight with orders the file had not told of.
    assert feed.corrected_levels == 33


@pytest.mark.parametrize(
    ("name", "price_decimals", "quantity_decimals", "updates"),
    [
        ("binance_spot_btcusdt_20240808.gz", 2, 8, 3448),
        ("binance_cm_btcusd_perp_20240808.gz", 1, 0, 26822),
    ],
)
def test_binance_top_of_book_equals_the_best_quote_stream(
    name: str, price_decimals: int, quantity_decimals: int, updates: int
) -> None:
    feed = BinanceFeed(price_decimals=price_decimals, quantity_decimals=quantity_decimals)
    book, quotes, compared = OrderBook(), [], 0

    def ticks(text: str, decimals: int) -> int:
        whole, _, fraction = text.partition(".")
        return int(whole + fraction[:decimals].ljust(decimals, "0"))

    for line in recorded(name).splitlines(keepends=True):
        assert book.apply_batch(feed.decode(line)).refused == 0
        event = json.loads(line.split(b" ", 1)[1])
        event = event.get("data", event)
        if "B" in event and "U" not in event:
            quotes.append(event)
        if event.get("e") != "depthUpdate" or not feed.synchronised:
            continue
        # The last best quote that this update includes.
        number = bisect.bisect_right(quotes, feed.last_update, key=lambda quote: quote["u"])
        if number == 0:
            continue
        quote = quotes[number - 1]
        del quotes[: number - 1]
        compared += 1
        for side, price, quantity in ((1, "b", "B"), (-1, "a", "A")):
            level = (ticks(quote[price], price_decimals), ticks(quote[quantity], quantity_decimals))
            assert side_of(book, side, 1) == [level]
    assert compared == updates
    assert (feed.statistics.gaps, feed.statistics.damaged) == (0, 0)


def test_itch_files_are_read_to_the_end() -> None:
    feed = ItchFeed(datetime.date(2019, 1, 2))
    records = feed.decode(recorded("itch50_ritch_synthetic.gz"))
    assert (feed.statistics.messages, feed.statistics.damaged, feed.stuck) == (12_012, 0, False)
    assert len(records) == 4997 + 3 + 1745 + 198 + 45 + 12  # A, F, D, E, X, U
    assert [feed.symbol(row) for row in (1, 2, 3)] == ["ALC", "BOB", "CHAR"]

    day = ItchFeed(datetime.date(2019, 1, 2))
    assert len(day.decode((FOLDER / "itch50_slice_4096B.itch").read_bytes())) == 0
    assert (day.statistics.messages, day.statistics.damaged) == (101, 0)
