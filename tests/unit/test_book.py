"""What the property tests do not reach: layout, refusals, and the rules written out."""

from __future__ import annotations

import numpy as np
import pytest

from optionsib._native import _core
from optionsib.book import (
    ASK,
    BID,
    MAX_PRICE,
    MAX_QUANTITY,
    RECORD_DTYPE,
    TRADE_DTYPE,
    Action,
    BookStatus,
    Level,
    MatchingEngine,
    OrderBook,
    make_records,
)


def test_the_documented_layout_is_the_native_one() -> None:
    assert RECORD_DTYPE == _core.BOOK_RECORD
    assert RECORD_DTYPE.itemsize == 40
    assert TRADE_DTYPE == _core.BOOK_TRADE
    assert TRADE_DTYPE.itemsize == 32
    fields = RECORD_DTYPE.fields
    assert fields is not None
    assert {name: fields[name][1] for name in RECORD_DTYPE.names or ()} == {
        "action": 0, "side": 1, "flags": 2, "owner": 4, "order_id": 8, "price": 16, "quantity": 24,
        "new_order_id": 32,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ((1, 0, 100, 1), BookStatus.BAD_SIDE),
        ((1, 2, 100, 1), BookStatus.BAD_SIDE),
        ((1, 257, 100, 1), BookStatus.BAD_SIDE),
        ((1, BID, 100, 0), BookStatus.BAD_QUANTITY),
        ((1, BID, 100, -5), BookStatus.BAD_QUANTITY),
        ((1, BID, 100, MAX_QUANTITY + 1), BookStatus.BAD_QUANTITY),
        ((1, BID, MAX_PRICE + 1, 1), BookStatus.BAD_PRICE),
        ((1, BID, -MAX_PRICE - 1, 1), BookStatus.BAD_PRICE),
        ((7, BID, 100, 1), BookStatus.DUPLICATE_ORDER),
        ((1, BID, MAX_PRICE, MAX_QUANTITY), BookStatus.OK),
        ((-1, ASK, MAX_PRICE, MAX_QUANTITY), BookStatus.OK),
    ],
)
def test_statuses_of_add_and_submit(message: tuple[int, int, int, int], status: BookStatus) -> None:
    book, engine = OrderBook(), MatchingEngine()
    book.add(7, BID, 1, 1)
    engine.submit(7, BID, 1, 1)
    assert book.add(*message) is status
    result = engine.submit(*message)
    assert result.status is status
    assert len(book) == len(engine) == (2 if status is BookStatus.OK else 1)
    if status is not BookStatus.OK:
        assert (result.trades, result.remaining, result.resting) == ([], 0, False)


def test_actions_that_a_book_does_not_know() -> None:
    records = make_records(3)
    records["action"] = [0, Action.MODIFY, 99]
    assert OrderBook().apply_batch(records).tolist() == [BookStatus.BAD_ACTION] * 3
    records["action"] = [Action.REDUCE, Action.REPLACE, Action.EXECUTE]
    assert MatchingEngine().apply_batch(records)[0].tolist() == [BookStatus.BAD_ACTION] * 3


def test_a_batch_of_another_shape_or_layout_is_refused() -> None:
    book = OrderBook()
    with pytest.raises(ValueError, match="dtype"):
        book.apply_batch(np.zeros(3, dtype=np.int64))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="2 dimensions"):
        book.apply_batch(make_records(4).reshape(2, 2))
    with pytest.raises(ValueError, match="side"):
        book.depth(0)
    with pytest.raises(ValueError, match="levels"):
        book.depth(BID, -1)
    with pytest.raises(TypeError):
        book.add(1, BID, 1.5, 1)  # type: ignore[arg-type]
    assert len(book) == 0


def test_calls_with_impossible_arguments_raise() -> None:
    class Unborn(OrderBook):
        def __init__(self) -> None:
            pass

    book = OrderBook()
    with pytest.raises(TypeError, match="arguments"):
        book.add(1, BID, 100)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="arguments"):
        book.cancel(1, 2)  # type: ignore[call-arg]
    with pytest.raises(OverflowError):
        book.cancel(2**63)
    for owner in (-1, 2**32):
        with pytest.raises(ValueError, match="owner"):
            book.add(1, BID, 100, 1, owner)
        with pytest.raises(TypeError):
            MatchingEngine().submit(1, BID, 100, 1, owner)
    with pytest.raises(TypeError):
        Unborn().cancel(1)
    with pytest.raises(TypeError):
        OrderBook.cancel(MatchingEngine(), 1)  # type: ignore[arg-type]
    assert len(book) == 0


def test_a_strided_batch_reads_the_right_rows() -> None:
    records = make_records(6)
    records["action"] = Action.ADD
    records["side"] = BID
    records["order_id"] = range(6)
    records["price"] = range(6)
    records["quantity"] = 1
    book = OrderBook()
    assert book.apply_batch(records[::2]).tolist() == [0, 0, 0]
    assert book.depth(BID).price.tolist() == [4, 2, 0]


def test_size_down_keeps_the_place_size_up_and_price_change_lose_it() -> None:
    engine = MatchingEngine()
    for order_id in (1, 2, 3):
        engine.submit(order_id, BID, 100, 10)
    engine.modify(1, 100, 4)
    assert [o.order_id for o in engine.queue(BID, 100)] == [1, 2, 3]
    assert engine.quantity_ahead(2) == 4
    engine.modify(1, 100, 5)
    assert [o.order_id for o in engine.queue(BID, 100)] == [2, 3, 1]
    engine.modify(2, 101, 10)
    engine.modify(2, 100, 10)
    assert [o.order_id for o in engine.queue(BID, 100)] == [3, 1, 2]


def test_a_modify_that_crosses_trades_as_a_taker() -> None:
    engine = MatchingEngine()
    engine.submit(1, ASK, 105, 3)
    engine.submit(2, BID, 100, 5, owner=9)
    result = engine.modify(2, 106, 5)
    assert result.trades == [(1, 2, 105, 3)]
    assert engine.find(2) == (2, BID, 106, 2, 9)
    assert engine.best_bid == Level(106, 2, 1)
    assert engine.best_ask is None


def test_immediate_or_cancel_never_rests() -> None:
    engine = MatchingEngine()
    engine.submit(1, ASK, 105, 3)
    result = engine.submit(2, BID, 105, 5, ioc=True)
    assert (result.remaining, result.resting, len(engine)) == (2, False, 0)


def test_a_resting_order_fills_at_its_own_limit_when_the_market_comes() -> None:
    market, client = 1, 2
    engine = MatchingEngine()
    engine.submit(1, BID, 20_000, 10, market)
    engine.submit(2, ASK, 20_500, 10, market)
    engine.submit(3, BID, 20_200, 4, client)
    engine.cancel(2)
    result = engine.submit(4, ASK, 20_100, 10, market)
    assert result.trades == [(3, 4, 20_200, 4)]
    assert engine.best_ask == Level(20_100, 6, 1)


def test_a_failed_replace_changes_nothing() -> None:
    book = OrderBook()
    book.add(1, BID, 100, 5)
    book.add(2, BID, 100, 5)
    assert book.replace(1, 2, 101, 5) is BookStatus.DUPLICATE_ORDER
    assert book.replace(1, 9, 101, 0) is BookStatus.BAD_QUANTITY
    assert book.replace(9, 3, 101, 5) is BookStatus.UNKNOWN_ORDER
    assert [o.order_id for o in book.queue(BID, 100)] == [1, 2]
    assert book.replace(1, 1, 100, 5) is BookStatus.OK
    assert [o.order_id for o in book.queue(BID, 100)] == [2, 1]


def test_a_mirrored_book_may_be_crossed() -> None:
    book = OrderBook()
    book.add(1, BID, 101, 5)
    book.add(2, ASK, 100, 5)
    assert book.best_bid == Level(101, 5, 1)
    assert book.best_ask == Level(100, 5, 1)
    assert book.quantity_ahead(3) is None
    assert book.find(3) is None
    assert book.queue(BID, 100) == []
