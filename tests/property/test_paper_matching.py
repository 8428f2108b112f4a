"""Matching against displayed quotes, with and without the queue.

1. An order never pays more than its limit.
2. Between two quotes of a contract, no more is filled than was displayed.
3. The legs' prices add up to the price of the combination; legs fill in their ratios.
4. What can fill at once does: nothing marketable is left resting.
5. Equal input gives equal fills.
6. Where legs fill apart, whole units as a whole cost no more than their limit, whatever each leg paid; no
   leg runs further ahead than the order is large, and nothing new is begun while a leg is behind.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.brokers.paper.contracts import ComboLeg
from optionsib.brokers.paper.matching import Matching, OrderFill
from optionsib.brokers.paper.order_ticket import OrderTicket
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.common.ports import ContractQuery, TapeQuote
from optionsib.common.types import Contract

CONTRACTS = {con_id: Contract(con_id, "TWX", "OPT", multiplier=100) for con_id in (1, 2, 3)}
Spec = tuple[tuple[tuple[int, int], ...], str, int, int]

quote = st.builds(
    lambda con_id, bid, width, bid_size, ask_size: TapeQuote(con_id, bid, bid_size, bid + width, ask_size),
    st.sampled_from([1, 2, 3]),
    st.integers(1, 40).map(lambda cents: cents * 100),
    st.integers(1, 10).map(lambda cents: cents * 100),
    st.integers(0, 6),
    st.integers(0, 6),
)
legs = st.one_of(
    st.sampled_from([1, 2, 3]).map(lambda con_id: ((con_id, 1),)),
    st.permutations([1, 2, 3]).flatmap(
        lambda ids: st.tuples(
            st.tuples(st.just(ids[0]), st.sampled_from([1, -1, 2, -2, 3])),
            st.tuples(st.just(ids[1]), st.sampled_from([1, -1, 2, -3])),
        )
    ),
)
order = st.tuples(
    legs, st.sampled_from(["BUY", "SELL"]), st.integers(1, 8), st.integers(-60, 60).map(lambda c: c * 100)
)
actions = st.lists(st.one_of(quote, order), max_size=40)
queues = pytest.mark.parametrize("queue", [False, True])


def client_order(number: int, spec: Spec, **more: str) -> ClientOrder:
    signed, action, quantity, limit = spec
    combo = tuple(ComboLeg(con, abs(ratio), "BUY" if ratio > 0 else "SELL", "SMART") for con, ratio in signed)
    return ClientOrder(
        client_id=1,
        order_id=number,
        perm_id=1_000 + number,
        account="DU1",
        ticket=OrderTicket(number, ContractQuery(), more),
        contracts=tuple(CONTRACTS[con_id] for con_id, _ in signed),
        ratios=tuple(ratio for _, ratio in signed),
        combo_legs=combo if len(signed) > 1 else (),
        symbol="TWX",
        currency="USD",
        action=action,
        quantity=quantity,
        limit=limit if len(signed) > 1 else max(100, abs(limit)),
    )


def show(matching: Matching, *quotes: TapeQuote) -> list[OrderFill]:
    """Display quotes and try the held orders, as the desk does."""
    fills = matching.display(quotes)
    for held in matching.held():
        fill = matching.meet(held)
        if fill is not None:
            fills.append(fill)
    return fills


class Run:
    """Plays actions and keeps the score."""

    def __init__(self, script: list[TapeQuote | Spec], *, queue: bool) -> None:
        self.displayed: dict[int, TapeQuote] = {}
        self.matching = Matching(self.displayed.get, queue=queue)
        self.taken: Counter[tuple[int, int]] = Counter()
        self.orders: list[ClientOrder] = []
        self.log: list[tuple[int, int, int, tuple[int, ...]]] = []
        for number, action in enumerate(script):
            if isinstance(action, TapeQuote):
                self.displayed[action.con_id] = action
                self.taken[action.con_id, 1] = self.taken[action.con_id, -1] = 0
                fills = show(self.matching, action)
            else:
                self.orders.append(client_order(number, action))
                fills = self.matching.arrive(self.orders[-1])
            self.score(fills)

    def score(self, fills: list[OrderFill]) -> None:
        met: Counter[tuple[int, int]] = Counter()  # orders that met each other take nothing displayed
        for fill in fills:
            order = fill.order
            order.filled += fill.quantity
            order.workable -= fill.quantity
            self.log.append((order.order_id, fill.quantity, fill.price, fill.leg_prices))
            assert fill.quantity > 0
            assert order.remaining >= 0
            assert order.limit is not None
            assert fill.price <= order.direction * order.limit
            sides = order.leg_sides()
            assert fill.price == sum(p * ratio for p, (_, ratio) in zip(fill.leg_prices, sides, strict=True))
            assert min(fill.leg_prices) >= 0
            for con_id, ratio in sides:
                met[con_id, 1 if ratio > 0 else -1] += abs(ratio) * fill.quantity
        for con_id in CONTRACTS:
            both = min(met[con_id, 1], met[con_id, -1])
            for side in (1, -1):
                self.taken[con_id, side] += met[con_id, side] - both
                if met[con_id, side] - both:
                    shown = self.displayed[con_id]
                    assert self.taken[con_id, side] <= (shown.ask_size if side > 0 else shown.bid_size)


@queues
@settings(max_examples=120, deadline=None)
@given(script=actions)
def test_limits_sizes_ratios_and_sums_hold(script: list[TapeQuote | Spec], queue: bool) -> None:
    run = Run(script, queue=queue)
    for order in run.orders:
        if order.remaining:
            assert run.matching.change(order) == []  # nothing marketable was left resting
            run.matching.withdraw(order)
    assert show(run.matching, *run.displayed.values()) == []


@queues
@settings(max_examples=50, deadline=None)
@given(script=actions)
def test_equal_input_gives_equal_fills(script: list[TapeQuote | Spec], queue: bool) -> None:
    assert Run(script, queue=queue).log == Run(script, queue=queue).log


@settings(max_examples=80, deadline=None)
@given(script=actions)
def test_without_trades_the_queue_changes_no_fill(script: list[TapeQuote | Spec]) -> None:
    """Only the opposite side fills then, and it meets the clients' orders alone."""

    def filled(run: Run) -> list[tuple[int, int]]:
        return [(one.order_id, one.filled) for one in run.orders]

    single = [one for one in script if isinstance(one, TapeQuote) or len(one[0]) == 1]
    buys = [one for one in single if isinstance(one, TapeQuote) or one[1] == "BUY"]
    assert filled(Run(buys, queue=True)) == filled(Run(buys, queue=False))


def test_a_locked_or_crossed_quote_is_shown_but_not_traded() -> None:
    matching = Matching({}.get)
    for bid, ask in ((300, 300), (400, 300)):
        assert show(matching, TapeQuote(1, bid, 5, ask, 5)) == []
        buyer = client_order(bid, (((1, 1),), "BUY", 1, 1_000))
        assert matching.arrive(buyer) == []
        matching.withdraw(buyer)
    buyer = client_order(9, (((1, 1),), "BUY", 1, 400))
    assert matching.arrive(buyer) == []
    (fill,) = show(matching, TapeQuote(1, 300, 5, 350, 5))
    assert (fill.price, fill.quantity) == (400, 1)


def apart(number: int, spec: Spec) -> ClientOrder:
    order = client_order(number, spec)
    routing = (("NonGuaranteed", "1"),)
    order.ticket = OrderTicket(number, ContractQuery(security_type="BAG"), {}, routing=routing)
    return order


@settings(max_examples=150, deadline=None)
@given(script=actions)
def test_legs_that_fill_apart(script: list[TapeQuote | Spec]) -> None:
    displayed: dict[int, TapeQuote] = {}
    matching = Matching(displayed.get)
    taken: Counter[tuple[int, int]] = Counter()
    for number, action in enumerate(script):
        if isinstance(action, TapeQuote):
            displayed[action.con_id] = action
            taken[action.con_id, 1] = taken[action.con_id, -1] = 0
            fills = []
            matching.display([action])
            for held in matching.held():
                if (fill := matching.meet(held)) is not None:
                    fills.append(fill)
                    book(fill, displayed, taken)
        elif len(action[0]) > 1:
            for fill in matching.arrive(apart(number, action)):
                book(fill, displayed, taken)


def book(fill: OrderFill, displayed: dict[int, TapeQuote], taken: Counter[tuple[int, int]]) -> None:
    """Check one fill of legs apart, and let the order know of it."""
    order = fill.order
    was_whole = order.begun == order.filled
    assert was_whole or all(
        count <= gap for count, gap in zip(fill.contracts, order.missing(order.begun), strict=True)
    )
    assert sum(fill.contracts) > 0
    legs = zip(order.leg_sides(), order.leg_totals, fill.contracts, fill.leg_prices, strict=True)
    for (con_id, ratio), total, count, price in legs:
        quote, side = displayed[con_id], 1 if ratio > 0 else -1
        assert count == 0 or price == (quote.ask if side > 0 else quote.bid)
        taken[con_id, side] += count
        assert taken[con_id, side] <= (quote.ask_size if side > 0 else quote.bid_size)
        total.quantity += count
        total.value += price * count
    before = order.filled
    order.count_legs()
    order.workable = order.remaining
    assert order.filled == before + fill.quantity <= order.begun <= order.quantity
    if order.begun == order.filled:
        assert order.limit is not None
        sides = zip(order.leg_sides(), order.leg_totals, strict=True)
        paid = sum((1 if ratio > 0 else -1) * total.value for (_, ratio), total in sides)
        assert paid <= order.direction * order.limit * order.filled


def board(*quotes: TapeQuote) -> Matching:
    """A matching that stands on these quotes."""
    return Matching({one.con_id: one for one in quotes}.get)


def test_improvement_goes_to_the_first_leg_that_can_carry_it() -> None:
    matching = board(TapeQuote(1, 900, 9, 1_000, 9), TapeQuote(2, 200, 9, 300, 9))
    order = client_order(1, (((1, 2), (2, -1)), "BUY", 1, 1_500))  # 2 x 0.10 - 0.02 = 0.18
    assert matching.arrive(order) == []
    (fill,) = show(matching, TapeQuote(1, 700, 9, 800, 9))  # 2 x 0.08 - 0.02 = 0.14
    assert (fill.price, fill.leg_prices) == (1_500, (850, 200))
    order = client_order(2, (((1, -1), (2, 1)), "BUY", 1, -300))
    (fill,) = matching.arrive(order)  # 0.03 - 0.07: arriving, it pays the sum
    assert (fill.price, fill.leg_prices) == (-400, (700, 300))


def test_no_leg_price_becomes_negative() -> None:
    quotes = [TapeQuote(con_id, 100, 9, 200, 9) for con_id in (1, 2, 3)]
    matching = Matching({1: quotes[0], 2: quotes[1]}.get)
    order = client_order(1, (((1, -1), (2, -1)), "SELL", 1, -100))  # buys both legs for at most 0.01
    assert matching.arrive(order) == []
    assert show(matching, *quotes[:2]) == []
    order = client_order(2, (((1, -1), (2, -1)), "BUY", 1, 500))  # pays up to 0.05 to sell both
    (fill,) = matching.arrive(order)
    assert (fill.price, fill.leg_prices) == (-200, (100, 100))
    order = client_order(3, (((1, -1), (3, -1)), "BUY", 1, 500))
    assert matching.arrive(order) == []
    (fill,) = show(matching, quotes[2])  # no bid can be lowered by 0.07
    assert (fill.price, fill.leg_prices) == (-200, (100, 100))


def test_all_or_none_and_minimum_quantity() -> None:
    matching = board(TapeQuote(1, 900, 9, 1_000, 3))
    whole = client_order(1, (((1, 1),), "BUY", 4, 1_000), allOrNone="1")
    partly = client_order(2, (((1, 1),), "BUY", 9, 1_000), minQty="4")
    assert matching.arrive(whole) == matching.arrive(partly) == []
    fills = show(matching, TapeQuote(1, 900, 9, 1_000, 8))
    assert [(fill.order.order_id, fill.quantity) for fill in fills] == [(1, 4), (2, 4)]


class Queue:
    """A resting bid of 5 at 0.10 and the market around it."""

    def __init__(self, *quotes: tuple[int, int]) -> None:
        """Show (bid, size) quotes; the order comes after the first."""
        first, *later = quotes
        self.matching = Matching({1: self.quote(*first)}.get, queue=True)
        self.order = client_order(1, (((1, 1),), "BUY", 5, 1_000))
        assert self.matching.arrive(self.order) == []
        for bid, size in later:
            assert self.matching.display([self.quote(bid, size)]) == []

    @staticmethod
    def quote(bid: int, size: int) -> TapeQuote:
        return TapeQuote(1, bid, size, 1_500, 9)

    def trade(self, price: int, quantity: int) -> int:
        return sum(fill.quantity for fill in self.matching.trade(1, price, quantity))


@pytest.mark.parametrize(
    ("quotes", "ahead"),
    [
        (((1_000, 7),), 7),  # it waits behind what was there
        (((900, 7),), 0),  # alone at the best price
        (((1_000, 7), (1_000, 3)), 3),  # a decrease shortens the queue
        (((1_000, 7), (1_000, 20)), 7),  # an increase joins behind
        (((1_000, 7), (1_000, 20), (1_000, 9)), 0),
        (((1_000, 7), (900, 4)), 0),  # those ahead have left
        (((1_000, 7), (900, 4), (1_000, 6)), 0),  # whoever comes back is behind
        (((1_100, 7), (1_000, 6)), 6),  # was there unseen when the order came
        (((1_100, 7), (900, 6)), 0),
    ],
)
def test_place_in_the_queue(quotes: tuple[tuple[int, int], ...], ahead: int) -> None:
    assert Queue(*quotes).trade(1_000, ahead + 2) == 2
    assert Queue(*quotes).trade(1_000, ahead) == 0
    # Through the limit it fills whatever size is left, after what stands ahead.
    assert Queue(*quotes).trade(800, ahead + 5) == 5
    assert Queue(*quotes).trade(1_400, 100) == 0
    assert Queue(*quotes).trade(1_500, 100) == 0


def test_without_the_queue_model_trades_fill_nothing() -> None:
    queue = Queue((1_000, 7))
    matching = Matching({1: Queue.quote(1_000, 7)}.get)
    matching.arrive(queue.order)
    assert matching.trade(1, 800, 100) == []
