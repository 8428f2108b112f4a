"""Books and chains of books against a plain-Python model, message by message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.book import (
    ASK,
    BID,
    MAX_QUANTITY,
    NO_ASK,
    NO_BID,
    TOP_DTYPE,
    Action,
    BookStatus,
    ChainBook,
    ContractBook,
    OrderBook,
    make_records,
)

Message = tuple[Action, int, int, int, int, int, int, int, int]


@dataclass
class Resting:
    order_id: int
    side: int
    price: int
    quantity: int
    owner: int


@dataclass
class Model:
    """One book: all orders in arrival order and the told totals; everything else is searched for."""

    orders: list[Resting] = field(default_factory=list)
    totals: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    next_sequence: int = 0

    def find(self, order_id: int) -> Resting | None:
        return next((o for o in self.orders if o.order_id == order_id), None)

    def levels(self, side: int) -> list[tuple[int, int, int]]:
        """Price, quantity and number of orders, best first."""
        found = {price: total for (at, price), total in self.totals.items() if at == side}
        for order in self.orders:
            if order.side == side:
                quantity, count = found.get(order.price, (0, 0))
                found[order.price] = (quantity + order.quantity, count + 1)
        return [(price, *found[price]) for price in sorted(found, key=lambda price: -side * price)]

    def standing(self) -> BookStatus:
        bids, asks = self.levels(BID), self.levels(ASK)
        if not (bids and asks) or bids[0][0] < asks[0][0]:
            return BookStatus.OK
        return BookStatus.CROSSED if bids[0][0] > asks[0][0] else BookStatus.LOCKED

    def apply(self, message: Message, others: list[Model]) -> BookStatus:
        """Apply one message; ``others`` are the books that share its order ids."""
        action, order_id, side, price, quantity, new_id, owner, _, sequence = message
        if sequence and action != Action.CLEAR:
            if self.next_sequence and sequence != self.next_sequence:
                return BookStatus.GAP if sequence > self.next_sequence else BookStatus.STALE_SEQUENCE
            self.next_sequence = sequence + 1
        taken = {o.order_id for book in [self, *others] for o in book.orders}
        order = self.find(order_id)
        match action:
            case Action.ADD:
                if not 0 < quantity <= MAX_QUANTITY:
                    return BookStatus.BAD_QUANTITY
                if order_id in taken:
                    return BookStatus.DUPLICATE_ORDER
                if (side, price) in self.totals:
                    return BookStatus.MIXED_LEVEL
                self.orders.append(Resting(order_id, side, price, quantity, owner))
            case Action.SET_LEVEL:
                if not 0 <= quantity <= MAX_QUANTITY:
                    return BookStatus.BAD_QUANTITY
                if any((o.side, o.price) == (side, price) for o in self.orders):
                    return BookStatus.MIXED_LEVEL
                self.totals.pop((side, price), None)
                if quantity:
                    self.totals[side, price] = (quantity, owner)
            case Action.CLEAR:
                self.orders.clear()
                self.totals.clear()
                if sequence:
                    self.next_sequence = sequence + 1
            case Action.MODIFY:
                return BookStatus.BAD_ACTION
            case _ if order is None:
                return BookStatus.BAD_CONTRACT if order_id in taken else BookStatus.UNKNOWN_ORDER
            case Action.CANCEL:
                self.orders.remove(order)
            case Action.REDUCE | Action.EXECUTE:
                if not 0 < quantity <= order.quantity:
                    return BookStatus.BAD_QUANTITY
                order.quantity -= quantity
                if order.quantity == 0:
                    self.orders.remove(order)
            case Action.REPLACE:
                if not 0 < quantity <= MAX_QUANTITY:
                    return BookStatus.BAD_QUANTITY
                if new_id != order_id and new_id in taken:
                    return BookStatus.DUPLICATE_ORDER
                if (order.side, price) in self.totals:
                    return BookStatus.MIXED_LEVEL
                self.orders.remove(order)
                self.orders.append(Resting(new_id, order.side, price, quantity, order.owner))
        return self.standing()


def assert_same(native: OrderBook | ContractBook, model: Model) -> None:
    assert len(native) == len(model.orders)
    for side, best in ((BID, native.best_bid), (ASK, native.best_ask)):
        levels = model.levels(side)
        depth = native.depth(side, 1_000)
        assert list(zip(depth.price, depth.quantity, depth.order_count, strict=True)) == levels
        assert best == (levels[0] if levels else None)
        assert native.level_count(side) == len(levels)
        for price, _, _ in levels:
            queue = [o for o in model.orders if (o.side, o.price) == (side, price)]
            assert native.queue(side, price) == [
                (o.order_id, o.side, o.price, o.quantity, o.owner) for o in queue
            ]
            for at, order in enumerate(queue):
                assert native.orders_ahead(order.order_id) == at
                assert native.quantity_ahead(order.order_id) == sum(o.quantity for o in queue[:at])
        found = [level.order_id for level in native.orders(side)]
        assert found == [o.order_id for price, _, _ in levels for o in model.orders
                         if (o.side, o.price) == (side, price)]  # fmt: skip
    bids, asks = model.levels(BID), model.levels(ASK)
    if bids and asks:
        (bid, bid_size, _), (ask, ask_size, _) = bids[0], asks[0]
        assert (native.spread, native.mid) == (ask - bid, (bid + ask) / 2)
        assert native.microprice == float(bid + Fraction((ask - bid) * bid_size, bid_size + ask_size))
    else:
        assert (native.spread, native.mid, native.microprice) == (None, None, None)
    near = sum(level[1] for level in bids[:3]), sum(level[1] for level in asks[:3])
    assert native.imbalance(3) == ((near[0] - near[1]) / sum(near) if sum(near) else None)


def top_of(model: Model) -> tuple[int, int, int, int]:
    bids, asks = model.levels(BID), model.levels(ASK)
    bid, ask = bids[0] if bids else (NO_BID, 0, 0), asks[0] if asks else (NO_ASK, 0, 0)
    return (bid[0], ask[0], bid[1], ask[1])


# Near prices, a few ticks that share a page of the native book, and prices all over the domain.
PRICES = st.one_of(
    st.integers(-12, 12), st.integers(-400, 400), st.sampled_from([-(2**62), -(2**40), 2**40 + 1, 2**62])
)
QUANTITIES = st.one_of(st.integers(-1, 9), st.sampled_from([MAX_QUANTITY, MAX_QUANTITY + 1]))
# Dense, all in one cell of any index, and from both ends of the range.
IDS = st.one_of(
    st.integers(0, 25), st.sampled_from([i << 32 for i in range(8)]), st.sampled_from([-(2**63), 2**63 - 1])
)
TAKES = [Action.REDUCE, Action.CANCEL, Action.REPLACE, Action.EXECUTE]
KINDS = st.sampled_from(
    [Action.ADD] * 15 + TAKES * 3 + [Action.SET_LEVEL] * 3 + [Action.MODIFY, Action.CLEAR]
)


def messages(contracts: int, sequences: st.SearchStrategy[int]) -> st.SearchStrategy[list[Message]]:
    return st.lists(
        st.tuples(
            KINDS, IDS, st.sampled_from([BID, ASK]), PRICES, QUANTITIES, IDS, st.integers(0, 5),
            st.integers(0, contracts - 1), sequences,
        ),
        max_size=60,
    )  # fmt: skip


def records_of(sent: list[Message]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    records = make_records(len(sent))
    for record, (action, order_id, side, price, quantity, new_id, owner, contract, sequence) in zip(
        records, sent, strict=True
    ):
        record["action"], record["order_id"], record["side"], record["price"] = action, order_id, side, price
        record["quantity"], record["new_order_id"], record["owner"] = quantity, new_id, owner
        record["contract"], record["sequence"] = contract, sequence
    return records


def single(book: OrderBook, message: Message) -> BookStatus:
    """Send the message by the method of its name."""
    action, order_id, side, price, quantity, new_id, owner, _, sequence = message
    by_name: dict[Action, Callable[[], BookStatus]] = {
        Action.ADD: lambda: book.add(order_id, side, price, quantity, owner),
        Action.CANCEL: lambda: book.cancel(order_id),
        Action.REDUCE: lambda: book.reduce(order_id, quantity),
        Action.EXECUTE: lambda: book.execute(order_id, quantity),
        Action.REPLACE: lambda: book.replace(order_id, new_id, price, quantity),
        Action.SET_LEVEL: lambda: book.set_level(side, price, quantity, owner),
        Action.CLEAR: lambda: book.clear(sequence),
    }
    return by_name.get(action, lambda: book.apply(action, order_id))()


@settings(max_examples=150, deadline=None)
@given(messages(1, st.just(0)))
def test_a_book_keeps_what_it_is_told(sent: list[Message]) -> None:
    called, applied, batched, model = OrderBook(), OrderBook(), OrderBook(4), Model()
    expected, tops = [], []
    for message in sent:
        expected.append(model.apply(message, []))
        tops.append(top_of(model))
        assert single(called, message) is expected[-1]
        action, *rest, _, sequence = message
        assert applied.apply(action, *rest, sequence) is expected[-1]
        assert_same(called, model)
    assert_same(applied, model)
    records = records_of(sent)
    before = records.copy()
    status = np.zeros(len(sent), dtype=np.int8)
    top = np.zeros(len(sent), dtype=TOP_DTYPE)
    counts = batched.apply_batch(records, status=status, top=top)
    assert status.tolist() == expected
    assert top.tolist() == tops
    assert counts == (
        sum(s >= 0 for s in expected), sum(s < 0 for s in expected), sum(s > 0 for s in expected)
    )  # fmt: skip
    assert (records == before).all()
    assert_same(batched, model)


@settings(max_examples=100, deadline=None)
@given(messages(3, st.integers(0, 12)), st.booleans(), st.booleans())
def test_a_chain_is_its_books(sent: list[Message], shared_ids: bool, shared_sequence: bool) -> None:
    called = ChainBook(3, shared_ids=shared_ids, shared_sequence=shared_sequence)
    batched = ChainBook(3, 8, shared_ids=shared_ids, shared_sequence=shared_sequence)
    models = [Model() for _ in range(3)]
    expected = []
    for message in sent:
        contract = message[-2]
        model = models[contract]
        others = [m for m in models if m is not model] if shared_ids else []
        expected.append(model.apply(message, others))
        if shared_sequence:
            for other in models:
                other.next_sequence = model.next_sequence
        action, *rest, _, sequence = message
        assert called.apply(contract, action, *rest, sequence) is expected[-1]
    status = np.zeros(len(sent), dtype=np.int8)
    batched.apply_batch(records_of(sent), status=status)
    assert status.tolist() == expected
    for chain in (called, batched):
        assert chain.tops().tolist() == [top_of(model) for model in models]
        assert chain.order_count == sum(len(model.orders) for model in models)
        for contract, model in enumerate(models):
            assert_same(chain.book(contract), model)
            assert chain.next_sequence(contract) == model.next_sequence


@settings(max_examples=50, deadline=None)
@given(messages(2, st.integers(0, 5)), st.integers(0, 60))
def test_however_a_batch_is_cut_it_leaves_the_same(sent: list[Message], cut: int) -> None:
    records = records_of(sent)
    whole, cut_up = ChainBook(2), ChainBook(2)
    counts = whole.apply_batch(records)
    parts = [cut_up.apply_batch(part) for part in (records[:cut], records[cut:])]
    assert counts == tuple(map(sum, zip(*parts, strict=True)))
    assert (whole.tops() == cut_up.tops()).all()
    for contract in range(2):
        for side in (BID, ASK):
            assert whole.book(contract).orders(side) == cut_up.book(contract).orders(side)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(min_size=64, max_size=64), max_size=40))
def test_any_bytes_get_a_status(rows: list[bytes]) -> None:
    records = np.frombuffer(b"".join(rows), dtype=make_records(0).dtype)
    status = np.full(len(rows), 99, dtype=np.int8)
    for book in (OrderBook(), ChainBook(2), ChainBook(2, shared_ids=False)):
        counts = book.apply_batch(records, status=status)
        assert counts.applied + counts.refused == len(rows)
        assert {BookStatus(int(value)) for value in status} <= set(BookStatus)
