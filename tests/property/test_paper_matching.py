"""Matching against displayed quotes.

1. An order never pays more than its limit.
2. Between two quotes of a contract, no more is filled than was displayed.
3. The legs' prices add up to the price of the combination; legs fill in their ratios.
4. What can fill at once does: nothing marketable is left resting.
5. Equal input gives equal fills.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.brokers.paper.contracts import ComboLeg
from optionsib.brokers.paper.matching import Matching, OrderFill
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.common.ports import TapeQuote
from optionsib.common.types import Contract

CONTRACTS = {con_id: Contract(con_id, "TWX", "OPT", multiplier=100) for con_id in (1, 2, 3)}

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


def client_order(number: int, spec: tuple) -> ClientOrder:  # type: ignore[type-arg]
    signed, action, quantity, limit = spec
    combo = tuple(ComboLeg(con, abs(ratio), "BUY" if ratio > 0 else "SELL", "SMART") for con, ratio in signed)
    return ClientOrder(
        client_id=1,
        order_id=number,
        perm_id=1_000 + number,
        account="DU1",
        contracts=tuple(CONTRACTS[con_id] for con_id, _ in signed),
        ratios=tuple(ratio for _, ratio in signed),
        combo_legs=combo if len(signed) > 1 else (),
        symbol="TWX",
        currency="USD",
        action=action,
        quantity=quantity,
        limit=limit if len(signed) > 1 else max(100, abs(limit)),
        time_in_force="DAY",
        open_close="O",
        order_ref="",
    )


class Run:
    """Plays actions and keeps the score."""

    def __init__(self, script: list) -> None:  # type: ignore[type-arg]
        self.matching = Matching(CONTRACTS)
        self.displayed: dict[int, TapeQuote] = {}
        self.taken: Counter[tuple[int, int]] = Counter()
        self.orders: list[ClientOrder] = []
        self.log: list[tuple[int, int, int, tuple[int, ...]]] = []
        for number, action in enumerate(script):
            if isinstance(action, TapeQuote):
                self.displayed[action.con_id] = action
                self.taken[action.con_id, 1] = self.taken[action.con_id, -1] = 0
                fills = self.matching.show([action])
            else:
                self.orders.append(client_order(number, action))
                fills = self.matching.arrive(self.orders[-1])
            self.score(fills)

    def score(self, fills: list[OrderFill]) -> None:
        met = Counter()  # client orders that met each other take nothing that was displayed
        for fill in fills:
            order = fill.order
            order.filled += fill.quantity
            self.log.append((order.order_id, fill.quantity, fill.price, fill.leg_prices))
            assert fill.quantity > 0
            assert order.remaining >= 0
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


@settings(max_examples=300, deadline=None)
@given(actions)
def test_limits_sizes_ratios_and_sums_hold(script: list) -> None:  # type: ignore[type-arg]
    run = Run(script)
    for order in run.orders:
        if order.remaining:
            assert run.matching.change(order) == []  # nothing marketable was left resting
            run.matching.withdraw(order)
    assert run.matching.show(list(run.displayed.values())) == []


@settings(max_examples=50, deadline=None)
@given(actions)
def test_equal_input_gives_equal_fills(script: list) -> None:  # type: ignore[type-arg]
    assert Run(script).log == Run(script).log


def test_a_locked_or_crossed_quote_is_shown_but_not_traded() -> None:
    matching = Matching(CONTRACTS)
    for bid, ask in ((300, 300), (400, 300)):
        assert matching.show([TapeQuote(1, bid, 5, ask, 5)]) == []
        buyer = client_order(bid, (((1, 1),), "BUY", 1, 1_000))
        assert matching.arrive(buyer) == []
        matching.withdraw(buyer)
    buyer = client_order(9, (((1, 1),), "BUY", 1, 400))
    assert matching.arrive(buyer) == []
    (fill,) = matching.show([TapeQuote(1, 300, 5, 350, 5)])
    assert (fill.price, fill.quantity) == (400, 1)


def test_improvement_goes_to_the_first_leg_that_can_carry_it() -> None:
    matching = Matching(CONTRACTS)
    matching.show([TapeQuote(1, 900, 9, 1_000, 9), TapeQuote(2, 200, 9, 300, 9)])
    order = client_order(1, (((1, 2), (2, -1)), "BUY", 1, 1_500))  # 2 x 0.10 - 0.02 = 0.18
    assert matching.arrive(order) == []
    (fill,) = matching.show([TapeQuote(1, 700, 9, 800, 9)])  # 2 x 0.08 - 0.02 = 0.14
    assert (fill.price, fill.leg_prices) == (1_500, (850, 200))
    order = client_order(2, (((1, -1), (2, 1)), "BUY", 1, -300))
    (fill,) = matching.arrive(order)  # 0.03 - 0.07: arriving, it pays the sum
    assert (fill.price, fill.leg_prices) == (-400, (700, 300))


def test_no_leg_price_becomes_negative() -> None:
    matching = Matching(CONTRACTS)
    order = client_order(1, (((1, -1), (2, -1)), "SELL", 1, -100))  # buys both legs for at most 0.01
    assert matching.arrive(order) == []
    assert matching.show([TapeQuote(1, 100, 9, 200, 9), TapeQuote(2, 100, 9, 200, 9)]) == []
    order = client_order(2, (((1, -1), (2, -1)), "BUY", 1, 500))  # pays up to 0.05 to sell both
    (fill,) = matching.arrive(order)
    assert (fill.price, fill.leg_prices) == (-200, (100, 100))
    order = client_order(3, (((1, -1), (3, -1)), "BUY", 1, 500))
    assert matching.arrive(order) == []
    (fill,) = matching.show([TapeQuote(3, 100, 9, 200, 9)])  # no bid can be lowered by 0.07
    assert (fill.price, fill.leg_prices) == (-200, (100, 100))
