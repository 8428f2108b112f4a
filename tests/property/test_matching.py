"""The book and the matching engine against plain-Python models, message by message."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.book import (
    ASK,
    BID,
    IMMEDIATE_OR_CANCEL,
    Action,
    BookStatus,
    MatchingEngine,
    OrderBook,
    make_records,
)


@dataclass
class Resting:
    order_id: int
    side: int
    price: int
    quantity: int
    owner: int


@dataclass
class Model:
    """All orders in arrival order; everything else is searched for."""

    orders: list[Resting] = field(default_factory=list)
    trades: list[tuple[int, int, int, int]] = field(default_factory=list)

    def find(self, order_id: int) -> Resting | None:
        return next((o for o in self.orders if o.order_id == order_id), None)

    def side(self, side: int) -> list[Resting]:
        """Best price first; the sort is stable, so arrival decides at one price."""
        return sorted((o for o in self.orders if o.side == side), key=lambda o: -side * o.price)

    def add(self, order_id: int, side: int, price: int, quantity: int, owner: int = 0) -> BookStatus:
        if quantity <= 0:
            return BookStatus.BAD_QUANTITY
        if self.find(order_id):
            return BookStatus.DUPLICATE_ORDER
        self.orders.append(Resting(order_id, side, price, quantity, owner))
        return BookStatus.OK

    def take(self, order_id: int, quantity: int) -> BookStatus:
        order = self.find(order_id)
        if order is None:
            return BookStatus.UNKNOWN_ORDER
        if not 0 < quantity <= order.quantity:
            return BookStatus.BAD_QUANTITY
        order.quantity -= quantity
        if order.quantity == 0:
            self.orders.remove(order)
        return BookStatus.OK

    def cancel(self, order_id: int) -> BookStatus:
        order = self.find(order_id)
        if order is None:
            return BookStatus.UNKNOWN_ORDER
        self.orders.remove(order)
        return BookStatus.OK

    def replace(self, order_id: int, new_id: int, price: int, quantity: int) -> BookStatus:
        order = self.find(order_id)
        if order is None:
            return BookStatus.UNKNOWN_ORDER
        if quantity <= 0:
            return BookStatus.BAD_QUANTITY
        if new_id != order_id and self.find(new_id):
            return BookStatus.DUPLICATE_ORDER
        self.orders.remove(order)
        return self.add(new_id, order.side, price, quantity, order.owner)

    def submit(
        self, order_id: int, side: int, price: int, quantity: int, owner: int, ioc: bool
    ) -> tuple[BookStatus, int]:
        if quantity <= 0:
            return BookStatus.BAD_QUANTITY, 0
        if self.find(order_id):
            return BookStatus.DUPLICATE_ORDER, 0
        for maker in self.side(-side):
            if quantity == 0 or side * (price - maker.price) < 0:
                break
            traded = min(quantity, maker.quantity)
            self.trades.append((maker.order_id, order_id, maker.price, traded))
            self.take(maker.order_id, traded)
            quantity -= traded
        if quantity and not ioc:
            self.add(order_id, side, price, quantity, owner)
        return BookStatus.OK, quantity

    def modify(self, order_id: int, price: int, quantity: int) -> tuple[BookStatus, int]:
        order = self.find(order_id)
        if order is None:
            return BookStatus.UNKNOWN_ORDER, 0
        if quantity <= 0:
            return BookStatus.BAD_QUANTITY, 0
        if price == order.price and quantity <= order.quantity:
            order.quantity = quantity
            return BookStatus.OK, quantity
        self.orders.remove(order)
        return self.submit(order_id, order.side, price, quantity, order.owner, False)


def assert_same(native: OrderBook | MatchingEngine, model: Model) -> None:
    assert len(native) == len(model.orders)
    for side, best in ((BID, native.best_bid), (ASK, native.best_ask)):
        expected = model.side(side)
        depth = native.depth(side, 1_000)
        prices = list(dict.fromkeys(o.price for o in expected))
        assert depth.price.tolist() == prices
        assert (best.price if best else None) == (prices[0] if prices else None)
        queues = [native.queue(side, price) for price in prices]
        assert [tuple(o) for queue in queues for o in queue] == [
            (o.order_id, o.side, o.price, o.quantity, o.owner) for o in expected
        ]
        assert depth.quantity.tolist() == [sum(o.quantity for o in queue) for queue in queues]
        assert depth.order_count.tolist() == [len(queue) for queue in queues]
        for queue in queues:
            ahead = 0
            for order in queue:
                assert native.quantity_ahead(order.order_id) == ahead
                ahead += order.quantity


IDS = st.integers(0, 25)
SIDES = st.sampled_from([BID, ASK])
PRICES = st.integers(-12, 12)
QUANTITIES = st.integers(-1, 9)
BOOK_MESSAGES = st.one_of(
    st.tuples(st.just(Action.ADD), IDS, SIDES, PRICES, QUANTITIES, IDS),
    st.tuples(
        st.sampled_from([Action.REDUCE, Action.CANCEL, Action.REPLACE, Action.EXECUTE]),
        IDS, SIDES, PRICES, QUANTITIES, IDS,
    ),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(BOOK_MESSAGES, max_size=80))
def test_the_book_keeps_what_it_is_told(messages: list[tuple[Action, int, int, int, int, int]]) -> None:
    book, batch_book, model = OrderBook(4), OrderBook(4), Model()
    records = make_records(len(messages))
    expected = []
    for i, (action, order_id, side, price, quantity, new_id) in enumerate(messages):
        records[i] = (action, side, 0, new_id, order_id, price, quantity, new_id)
        if action == Action.ADD:
            args = (order_id, side, price, quantity, new_id)
            expected.append(model.add(*args))
            assert book.add(*args) is expected[-1]
        elif action == Action.CANCEL:
            expected.append(model.cancel(order_id))
            assert book.cancel(order_id) is expected[-1]
        elif action == Action.REPLACE:
            args = (order_id, new_id, price, quantity)
            expected.append(model.replace(*args))
            assert book.replace(*args) is expected[-1]
        else:
            expected.append(model.take(order_id, quantity))
            native = book.reduce if action == Action.REDUCE else book.execute
            assert native(order_id, quantity) is expected[-1]
        assert_same(book, model)
    assert batch_book.apply_batch(records).tolist() == expected
    assert_same(batch_book, model)


ENGINE_MESSAGES = st.one_of(
    st.tuples(st.just(Action.ADD), IDS, SIDES, PRICES, QUANTITIES, st.booleans()),
    st.tuples(
        st.sampled_from([Action.CANCEL, Action.MODIFY]), IDS, SIDES, PRICES, QUANTITIES, st.just(False)
    ),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(ENGINE_MESSAGES, max_size=80))
def test_matching_is_price_time(messages: list[tuple[Action, int, int, int, int, bool]]) -> None:
    engine, batch_engine, model = MatchingEngine(4), MatchingEngine(4), Model()
    records = make_records(len(messages))
    expected = []
    for i, (action, order_id, side, price, quantity, ioc) in enumerate(messages):
        records[i] = (action, side, IMMEDIATE_OR_CANCEL * ioc, 7, order_id, price, quantity, 0)
        traded_before, open_before = len(model.trades), model.find(order_id)
        if action == Action.CANCEL:
            expected.append(model.cancel(order_id))
            assert engine.cancel(order_id) is expected[-1]
        else:
            brought = open_before.quantity if open_before else None
            if action == Action.ADD:
                status, remaining = model.submit(order_id, side, price, quantity, 7, ioc)
                result = engine.submit(order_id, side, price, quantity, 7, ioc)
            else:
                status, remaining = model.modify(order_id, price, quantity)
                result = engine.modify(order_id, price, quantity)
            expected.append(status)
            trades = model.trades[traded_before:]
            assert (result.status, result.trades, result.remaining) == (status, trades, remaining)
            if status is BookStatus.OK:
                assert result.resting is (engine.find(order_id) is not None)
                assert sum(t.quantity for t in result.trades) + result.remaining == quantity
            elif brought is not None:
                kept = engine.find(order_id)
                assert kept is not None
                assert kept.quantity == brought
        bid, ask = engine.best_bid, engine.best_ask
        assert bid is None or ask is None or bid.price < ask.price
        assert_same(engine, model)
    statuses, trades = batch_engine.apply_batch(records)
    assert statuses.tolist() == expected
    assert [tuple(trade) for trade in trades.tolist()] == model.trades
    assert_same(batch_engine, model)


def test_a_long_random_stream_stays_true_to_the_model() -> None:
    """Pools grow, are emptied and used again; ids are large, negative and come back."""
    rng = np.random.default_rng(11)
    engine, model = MatchingEngine(1), Model()
    ids = rng.integers(-(2**63), 2**63 - 1, 300)
    for step in range(3_000):
        order_id = int(ids[rng.integers(300)])
        side = BID if rng.random() < 0.5 else ASK
        price = int(rng.integers(-40, 40)) - 15 * side
        quantity = int(rng.integers(1, 50))
        match step % 4:
            case 0 | 1:
                result = engine.submit(order_id, side, price, quantity)
                assert result.status is model.submit(order_id, side, price, quantity, 0, False)[0]
            case 2:
                assert engine.cancel(order_id) is model.cancel(order_id)
            case _:
                result = engine.modify(order_id, price, quantity)
                assert result.status is model.modify(order_id, price, quantity)[0]
        if step % 100 == 0:
            assert_same(engine, model)
    assert_same(engine, model)
