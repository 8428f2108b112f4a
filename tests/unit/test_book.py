"""What the property tests do not reach: layout, refusals, and the rules written out."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from optionsib._native import _core
from optionsib.book import (
    ASK,
    BID,
    MAX_PRICE,
    MAX_QUANTITY,
    RECORD_DTYPE,
    RECORD_STRUCT,
    TOP_DTYPE,
    TRADE_DTYPE,
    Action,
    BookStatus,
    ChainBook,
    Level,
    MatchingEngine,
    OrderBook,
    make_records,
)


def test_the_documented_layout_is_the_native_one() -> None:
    assert RECORD_DTYPE == _core.BOOK_RECORD
    assert RECORD_DTYPE.itemsize == RECORD_STRUCT.size == 64
    assert TRADE_DTYPE == _core.BOOK_TRADE
    assert TOP_DTYPE == _core.BOOK_TOP
    assert TRADE_DTYPE.itemsize == TOP_DTYPE.itemsize == 32
    fields = RECORD_DTYPE.fields
    assert fields is not None
    assert {name: fields[name][1] for name in RECORD_DTYPE.names or ()} == {
        "action": 0, "side": 1, "flags": 2, "contract": 4, "order_id": 8, "price": 16, "quantity": 24,
        "new_order_id": 32, "sequence": 40, "timestamp": 48, "owner": 56, "reserved": 60,
    }  # fmt: skip
    values = (Action.ADD, ASK, 1, 2**32 - 1, -3, -4, 5, 6, 7, -8, 9, 0)
    (record,) = np.frombuffer(RECORD_STRUCT.pack(*values), dtype=RECORD_DTYPE)
    assert record.item() == values


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
def test_statuses_of_add(message: tuple[int, int, int, int], status: BookStatus) -> None:
    order_id, side, price, quantity = message
    named, applied = OrderBook(), OrderBook()
    for book in (named, applied):
        book.add(7, BID, 1, 1)
    assert named.add(*message) is status
    assert applied.apply(Action.ADD, order_id, side, price, quantity) is status
    assert len(named) == len(applied) == (2 if status is BookStatus.OK else 1)


def test_actions_that_a_book_does_not_know() -> None:
    records = make_records(3)
    records["action"] = [0, Action.MODIFY, 99]
    status = np.zeros(3, dtype=np.int8)
    assert OrderBook().apply_batch(records, status=status) == (0, 3, 0)
    assert status.tolist() == [BookStatus.BAD_ACTION] * 3
    assert OrderBook().apply(256 + Action.ADD, 1, BID, 100, 1) is BookStatus.BAD_ACTION


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
    with pytest.raises(ValueError, match="status is int64"):
        book.apply_batch(make_records(2), status=np.zeros(2, dtype=np.int64))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="status is int8"):
        book.apply_batch(make_records(2), status=np.zeros(3, dtype=np.int8))
    with pytest.raises(ValueError, match="top must be contiguous"):
        book.apply_batch(make_records(2), top=np.zeros(4, dtype=TOP_DTYPE)[::2])
    fixed = np.zeros(2, dtype=np.int8)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        book.apply_batch(make_records(2), status=fixed)
    with pytest.raises(ValueError, match="out is int8"):
        ChainBook(2).tops(np.zeros(2, dtype=np.int8))  # type: ignore[arg-type]
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
    with pytest.raises(ValueError, match="sequence"):
        book.apply(Action.ADD, 1, BID, 100, 1, 0, 0, -1)
    with pytest.raises(ValueError, match="order_count"):
        book.set_level(BID, 100, 1, -1)
    for owner in (-1, 2**32):
        with pytest.raises(ValueError, match="owner"):
            book.add(1, BID, 100, 1, owner)
    with pytest.raises(TypeError):
        Unborn().cancel(1)
    with pytest.raises(TypeError):
        OrderBook.cancel(ChainBook(1), 1)  # type: ignore[arg-type]
    assert len(book) == 0


def test_a_strided_batch_reads_the_right_rows() -> None:
    records = make_records(6)
    records["action"] = Action.ADD
    records["side"] = BID
    records["order_id"] = range(6)
    records["price"] = range(6)
    records["quantity"] = 1
    book = OrderBook()
    assert book.apply_batch(records[::2]) == (3, 0, 0)
    assert book.depth(BID).price.tolist() == [4, 2, 0]


def test_records_off_their_alignment_are_read_and_outputs_refused() -> None:
    records = make_records(2)
    records["action"], records["side"], records["quantity"] = Action.ADD, BID, 1
    records["order_id"] = [1, 2]
    shifted = np.frombuffer(b"x" + records.tobytes(), dtype=np.uint8)[1:].view(RECORD_DTYPE)
    book = OrderBook()
    assert book.apply_batch(shifted) == (2, 0, 0)
    top = np.zeros(2 * TOP_DTYPE.itemsize + 8, dtype=np.uint8)
    at = 1 if top.ctypes.data % 8 == 0 else 0
    with pytest.raises(ValueError, match="multiple of 8"):
        book.apply_batch(records, top=top[at : at + 64].view(TOP_DTYPE))


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
    assert book.spread == -1
    assert book.add(3, BID, 99, 1) is BookStatus.CROSSED
    assert book.replace(1, 1, 100, 5) is BookStatus.LOCKED
    assert book.cancel(1) is BookStatus.OK
    assert book.quantity_ahead(1) is None
    assert book.orders_ahead(1) is None
    assert book.find(1) is None
    assert book.queue(BID, 100) == []


def test_a_gap_is_refused_until_the_missing_message_came() -> None:
    book = OrderBook()

    def add(order_id: int, sequence: int) -> BookStatus:
        return book.apply(Action.ADD, order_id, BID, 100, 1, 0, 0, sequence)

    assert [add(1, 7), add(3, 9), add(4, 10)] == [BookStatus.OK, BookStatus.GAP, BookStatus.GAP]
    assert (len(book), book.next_sequence) == (1, 8)
    assert [add(2, 8), add(2, 8), add(3, 9)] == [BookStatus.OK, BookStatus.STALE_SEQUENCE, BookStatus.OK]
    # A refused message has been seen, so its number is used up.
    assert add(3, 10) is BookStatus.DUPLICATE_ORDER
    assert book.next_sequence == 11
    assert add(5, 20) is BookStatus.GAP
    assert book.clear(30) is BookStatus.OK
    assert (len(book), book.next_sequence, add(5, 31)) == (0, 31, BookStatus.OK)
    book.resume(40)
    assert add(6, 40) is BookStatus.OK


def test_levels_told_as_totals() -> None:
    book = OrderBook()
    assert book.set_level(BID, 100, 50) is BookStatus.OK
    assert book.set_level(ASK, 102, 30, 4) is BookStatus.OK
    assert (book.best_bid, book.best_ask) == (Level(100, 50, 0), Level(102, 30, 4))
    assert (book.mid, book.microprice) == (101.0, (100 * 30 + 102 * 50) / 80)
    assert book.imbalance() == 20 / 80
    assert (len(book), book.queue(BID, 100)) == (0, [])
    assert book.set_level(BID, 100, 10) is BookStatus.OK
    assert book.set_level(BID, 100, 0) is BookStatus.OK
    assert book.set_level(BID, 100, 0) is BookStatus.OK
    assert book.best_bid is None
    assert book.add(1, ASK, 102, 1) is BookStatus.MIXED_LEVEL
    assert book.add(1, ASK, 103, 1) is BookStatus.OK
    assert book.replace(1, 2, 102, 1) is BookStatus.MIXED_LEVEL
    assert book.set_level(ASK, 103, 1) is BookStatus.MIXED_LEVEL
    with pytest.raises(ValueError, match="levels"):
        book.imbalance(0)


def test_a_level_cannot_overflow() -> None:
    book = OrderBook()
    most = 2**62 // MAX_QUANTITY
    for order_id in range(most):
        assert book.add(order_id, BID, 0, MAX_QUANTITY) is BookStatus.OK
    assert book.add(most, BID, 0, MAX_QUANTITY) is BookStatus.BAD_QUANTITY
    assert book.replace(0, most, 0, MAX_QUANTITY) is BookStatus.OK
    assert book.best_bid == Level(0, most * MAX_QUANTITY, most)


def test_a_chain_knows_its_contracts() -> None:
    chain = ChainBook(2)
    assert chain.apply(0, Action.ADD, 5, BID, 100, 1) is BookStatus.OK
    assert chain.apply(1, Action.ADD, 5, BID, 100, 1) is BookStatus.DUPLICATE_ORDER
    assert chain.apply(1, Action.CANCEL, 5) is BookStatus.BAD_CONTRACT
    assert chain.book(1).find(5) is None
    for contract in (-1, 2, 2**40):
        assert chain.apply(contract, Action.ADD, 6, BID, 100, 1) is BookStatus.BAD_CONTRACT
        with pytest.raises(IndexError, match="contract must lie in 0 to 1"):
            chain.book(contract)
    view = chain.book(0)
    del chain
    assert view.best_bid == Level(100, 1, 1)
    own = ChainBook(2, shared_ids=False)
    assert [own.apply(row, Action.ADD, 5, BID, 100, 1) for row in (0, 1)] == [BookStatus.OK, BookStatus.OK]
    for contracts in (0, 2**40):
        with pytest.raises(ValueError, match="chain has"):
            ChainBook(contracts)


def test_an_empty_book_is_small_and_memory_follows_what_it_held() -> None:
    chain = ChainBook(2_000)
    assert chain.memory < 2_000 * 300
    book = OrderBook()
    for order_id in range(1_000):
        book.add(order_id, BID, -order_id * 10**9, 1)  # a page of levels each: the dearest there is
    full = book.memory
    assert full < 1_000 * 2_500
    for lap in range(1, 4):
        for order_id in range(1_000):
            book.replace((lap - 1) * 1_000 + order_id, lap * 1_000 + order_id, -order_id * 10**9, 1)
    assert book.memory == full


def test_a_book_at_work_refuses_other_threads() -> None:
    records = make_records(400_000)
    records["action"], records["side"], records["quantity"] = Action.ADD, BID, 1
    records["order_id"] = np.arange(len(records))
    book = OrderBook()
    refused, done = [], threading.Event()

    def ask() -> None:
        while not done.is_set():
            try:
                assert len(book) in (0, len(records))
            except RuntimeError as error:
                refused.append(str(error))

    other = threading.Thread(target=ask)
    other.start()
    counts = book.apply_batch(records)
    done.set()
    other.join()
    assert counts == (len(records), 0, 0)
    assert set(refused) <= {"another thread's batch is at work on this book"}
