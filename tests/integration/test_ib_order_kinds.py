"""Every kind of order through the gateway and the paper exchange, over a real socket, in lockstep.

A stop to sell an option is released by two asks in a row at or below it (double bid/ask).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import ib_async
import pytest

from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.brokers.ib import IBGateway
from optionsib.brokers.ib.codes import PRICE_ROUNDED
from optionsib.brokers.ib.guards import market_limit
from optionsib.brokers.paper import PaperExchange
from optionsib.common.clock import SteppedClock
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerNotice, Execution, OrderUpdate, Quote
from optionsib.common.types import MINUTE_NS, Order, OrderLeg

from .conftest import Laboratory

CALL, OTHER = 11, 13  # 68 call 1.98/2.02, 70 call 0.80/0.84 at the opening
BUY, SELL = (OrderLeg(CALL, 1),), (OrderLeg(CALL, -1),)


class Trader:
    """A gateway in lockstep with everything it said."""

    def __init__(self, exchange: PaperExchange) -> None:
        self.clock = SteppedClock(0)
        gateway = BrokerAdapterFactory(
            clock=self.clock, pace="lockstep", messages_per_second=1_000_000
        ).create(GatewayConfig(port=exchange.port, request_timeout_seconds=5.0))
        assert isinstance(gateway, IBGateway)
        self.gateway = gateway
        self.contracts: dict[int, Any] = {}
        self.quotes: dict[int, Quote] = {}
        self.events: list[object] = []

    async def start(self) -> None:
        """Connect, load the chain, watch all of it and play the opening minute."""
        await self.gateway.connect()
        chain = await self.gateway.option_chain("TWX")
        self.contracts = {c.con_id: c for c in (chain.underlying, *chain.options)}
        await self.gateway.subscribe([chain.underlying, *chain.options])
        await self.step()

    async def step(self) -> None:
        time_ns = await self.gateway.step()
        if time_ns is not None:
            self.clock.advance(time_ns)
        await self.settle()

    async def settle(self) -> None:
        await self.gateway.settle()
        self.events += self.gateway.take_events()
        self.quotes |= {quote.con_id: quote for quote in self.gateway.take_quotes()}

    async def place(self, order: Order) -> None:
        await self.gateway.place(order)
        await self.settle()

    def status(self, order_ref: str) -> str:
        return [e.status for e in self.events if isinstance(e, OrderUpdate) and e.order_ref == order_ref][-1]

    def fills(self, order_ref: str) -> list[tuple[int, int, int]]:
        """(con_id, signed quantity, price) of each execution."""
        return [
            (e.con_id, e.side * e.quantity, e.price)
            for e in self.events
            if isinstance(e, Execution) and e.order_ref == order_ref
        ]


def order(ref: str, legs: tuple[OrderLeg, ...], limit: int, quantity: int = 1, **more: Any) -> Order:
    return Order(ref, "T1", legs, quantity, limit, "open", "test", **more)


def calls(bid: int, ask: int) -> dict[int, Any]:
    """A minute in which the 68 call is quoted anew."""
    return {CALL: (bid, 10, ask, 10)}


Scenario = Callable[[Trader, PaperExchange], Awaitable[None]]


def play(laboratory: Laboratory, scenario: Scenario, *minutes: dict[int, Any]) -> None:
    async def whole() -> None:
        exchange = await laboratory.start(laboratory.tape(*minutes))
        trader = Trader(exchange)
        try:
            await trader.start()
            await scenario(trader, exchange)
        finally:
            await trader.gateway.disconnect()

    laboratory.run(whole())


def test_a_market_order_fills_inside_its_guard_or_does_not_leave(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        now = trader.clock.now_ns()
        guard = market_limit("M", BUY, trader.contracts, trader.quotes.get, now)
        await trader.place(order("M", BUY, guard, 2, order_type="MKT"))
        assert trader.fills("M") == [(CALL, 2, 20_200)]
        with pytest.raises(BrokerError, match="no bid"):
            await trader.gateway.place(order("N", (OrderLeg(15, -1),), -10_000, order_type="MKT"))
        with pytest.raises(BrokerError, match="guard must be from"):
            await trader.gateway.place(order("N", BUY, 30_000, order_type="MKT"))
        await trader.step()  # nothing confirms the quote a minute later
        with pytest.raises(BrokerError, match=r"60\.0 s old"):
            await trader.gateway.place(order("N", BUY, guard, order_type="MKT"))
        await trader.settle()
        assert trader.gateway.health().working_orders == 0

    play(laboratory, scenario, {1: (690_000, 5, 690_200, 5)})


def test_nothing_opens_on_a_stale_quote_but_exits_leave(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("O", BUY, 20_200))
        exchange.faults.farm("usopt", up=False)
        await trader.settle()
        assert trader.gateway.stale_quotes()[CALL] == "farm down"
        with pytest.raises(BrokerError, match=r"stale \(farm down\)"):
            await trader.gateway.place(order("N", BUY, 20_200))
        exit_order = Order("X", "T1", SELL, 1, -19_800, "close", "test")
        await trader.place(exit_order)
        assert trader.fills("X") == [(CALL, -1, 19_800)]

    play(laboratory, scenario)


def test_a_stop_waits_for_its_price_and_sells(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("O", BUY, 20_200))
        await trader.place(order("S", SELL, 0, order_type="STP", stop_price=-18_000))
        await trader.step()
        await trader.step()
        assert (trader.status("S"), trader.fills("S")) == ("working", [])
        await trader.step()
        assert trader.fills("S") == [(CALL, -1, 16_900)]
        assert trader.status("S") == "filled"

    play(laboratory, scenario, calls(19_000, 19_400), calls(17_000, 17_400), calls(16_900, 17_300))


def test_a_stop_limit_does_not_pay_more_than_its_limit(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("S", BUY, 21_500, order_type="STP LMT", stop_price=21_000))
        await trader.step()  # through stop and limit at once
        assert trader.fills("S") == []
        await trader.step()
        ((_, quantity, price),) = trader.fills("S")
        assert quantity == 1
        assert price <= 21_500

    play(laboratory, scenario, calls(22_000, 22_400), calls(21_000, 21_400))


def test_a_trailing_stop_follows_the_market_and_never_back(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("O", BUY, 20_200))
        await trader.place(order("T", SELL, 0, order_type="TRAIL", trail_amount=2_000, stop_price=-17_800))
        await trader.step()  # the ask rises to 2.44: the stop goes to 2.24
        await trader.step()
        assert trader.status("T") == "working"
        await trader.step()
        assert trader.fills("T") == [(CALL, -1, 21_400)]

    play(laboratory, scenario, calls(24_000, 24_400), calls(21_500, 22_000), calls(21_400, 21_900))


def test_a_percentage_trails_too(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("O", BUY, 20_200))
        await trader.place(order("T", SELL, 0, order_type="TRAIL", trail_percent=1_000))
        await trader.step()  # 2.44 less 10 %: 2.19
        await trader.step()
        await trader.step()
        assert trader.fills("T") == []
        await trader.step()
        assert trader.fills("T") == [(CALL, -1, 20_900)]

    minutes = (calls(24_000, 24_400), calls(22_000, 22_400), calls(21_000, 21_400), calls(20_900, 21_300))
    play(laboratory, scenario, *minutes)


def test_a_trailing_limit_keeps_its_distance(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("O", BUY, 20_200))
        await trader.place(
            order("T", SELL, -17_300, order_type="TRAIL LIMIT", trail_amount=2_000, stop_price=-17_800)
        )
        await trader.step()  # stop 2.24, limit 2.19
        await trader.step()
        await trader.step()  # released with the bid at 2.04, below the limit
        assert trader.fills("T") == []
        await trader.step()
        ((_, quantity, price),) = trader.fills("T")
        assert quantity == -1
        assert price >= 21_900

    minutes = (calls(24_000, 24_400), calls(20_500, 21_000), calls(20_400, 20_900), calls(22_000, 22_400))
    play(laboratory, scenario, *minutes)


def test_times_in_force(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("I", BUY, 20_200, 15, time_in_force="IOC"))
        assert [quantity for _, quantity, _ in trader.fills("I")] == [10]  # what is shown, and no more
        assert trader.status("I") == "cancelled"
        await trader.place(order("F", (OrderLeg(OTHER, 1),), 8_400, 15, time_in_force="FOK"))
        assert (trader.status("F"), trader.fills("F")) == ("cancelled", [])
        until = trader.clock.now_ns() + MINUTE_NS + MINUTE_NS // 2
        await trader.place(order("G", BUY, 15_000, time_in_force="GTD", good_till_ns=until))
        await trader.place(order("C", BUY, 15_000, time_in_force="GTC"))
        await trader.step()
        assert trader.status("G") == "working"
        await trader.step()
        assert trader.status("G") == "cancelled"
        assert trader.status("C") == "working"

    play(laboratory, scenario, calls(19_800, 20_200), calls(19_800, 20_200))


def test_adaptive_orders_carry_their_urgency(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("A", BUY, 15_000, urgency="Patient"))
        assert trader.status("A") == "working"
        observer = await laboratory.connect(exchange, 2)
        (found,) = await observer.reqAllOpenOrdersAsync()
        raw = found.order if isinstance(found, ib_async.Trade) else found
        assert raw.algoStrategy == "Adaptive"
        assert [(pair.tag, pair.value) for pair in raw.algoParams] == [("adaptivePriority", "Patient")]

    play(laboratory, scenario)


def bracket(quantity: int = 1) -> tuple[Order, list[Order]]:
    parent = order("P", BUY, 20_200, quantity)
    children = [
        order("P-tp", SELL, -24_000, quantity, parent_ref="P"),
        order("P-sl", SELL, 0, quantity, order_type="STP", stop_price=-17_000, parent_ref="P"),
    ]
    return parent, children


@pytest.mark.parametrize(
    ("minutes", "winner", "loser", "prices"),
    [
        ([calls(24_500, 25_000)], "P-tp", "P-sl", {24_000, 24_500}),  # a limit may be met at its own price
        ([calls(16_500, 17_000), calls(16_400, 16_900)], "P-sl", "P-tp", {16_400}),
    ],
)
def test_a_bracket_ends_with_one_of_its_children(
    laboratory: Laboratory, minutes: list[dict[int, Any]], winner: str, loser: str, prices: set[int]
) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.gateway.place_bracket(*bracket())
        await trader.settle()
        assert trader.fills("P") == [(CALL, 1, 20_200)]
        assert (trader.status("P-tp"), trader.status("P-sl")) == ("working", "working")
        for _ in minutes:
            await trader.step()
        ((_, quantity, price),) = trader.fills(winner)
        assert quantity == -1
        assert price in prices
        assert (trader.status(winner), trader.status(loser)) == ("filled", "cancelled")
        state = await trader.gateway.refresh()
        assert (state.positions, state.working_orders) == ({}, ())

    play(laboratory, scenario, *minutes)


def test_a_bracket_is_sent_whole_or_not_at_all(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        parent, (profit, loss) = bracket()
        stranger = order("P-x", SELL, -24_000, parent_ref="Q")
        no_trail = order("P-y", SELL, 0, order_type="TRAIL", trail_amount=50, parent_ref="P")
        for children, reason in (
            ([], "needs children"),
            ([profit, stranger], "expected 'P'"),
            ([profit, profit], "repeat"),
            ([loss, no_trail], "P-y: trail_amount 50 .* below the smallest increment"),
        ):
            with pytest.raises(BrokerError, match=reason):
                await trader.gateway.place_bracket(parent, children)
        with pytest.raises(BrokerError, match="place_bracket"):
            await trader.gateway.place(profit)
        await trader.settle()
        assert (await trader.gateway.refresh()).working_orders == ()

    play(laboratory, scenario)


def test_the_first_of_a_group_cancels_the_others(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("O", BUY, 20_200))
        await trader.place(order("X", SELL, -22_000, oca_group="exit"))
        await trader.place(order("Y", SELL, -23_000, oca_group="exit"))
        await trader.step()
        assert (trader.status("X"), trader.status("Y")) == ("filled", "cancelled")

    play(laboratory, scenario, calls(22_000, 22_400))


def test_a_preview_tells_the_margin_and_leaves_nothing(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        short = await trader.gateway.preview(order("W", SELL, -19_800))
        assert short.initial_change is not None
        assert short.initial_change > 0
        assert short.initial_before == 0
        assert short.commission == 1_000_000  # the least of an order, 1.00
        await trader.settle()
        state = await trader.gateway.refresh()
        assert (state.positions, state.working_orders, state.executions) == ({}, (), ())
        await trader.place(order("W", SELL, -19_800))  # the reference is still free
        assert trader.fills("W") == [(CALL, -1, 19_800)]
        with pytest.raises(BrokerError, match="below the smallest price"):
            await trader.gateway.preview(order("V", BUY, 50))

    play(laboratory, scenario)


def test_terms_change_together_or_alone(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("L", BUY, 15_000, 3))
        await trader.gateway.modify("L", quantity=5)
        await trader.settle()
        await trader.gateway.modify("L", 20_200)
        await trader.settle()
        assert trader.fills("L") == [(CALL, 5, 20_200)]
        await trader.place(order("S", SELL, 0, 5, order_type="STP", stop_price=-15_000))
        await trader.gateway.modify("S", stop_price=-18_000)
        await trader.settle()
        await trader.step()
        await trader.step()
        assert trader.fills("S") == [(CALL, -5, 16_900)]

    play(laboratory, scenario, calls(17_000, 17_400), calls(16_900, 17_300))


def test_prices_off_the_grid_are_rounded_to_the_side_that_waits(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        spread = (OrderLeg(CALL, 1), OrderLeg(OTHER, -1))
        await trader.place(order("B", BUY, 19_999))
        await trader.place(order("S", SELL, -30_100))  # 0.05 apart from 3.00 on
        await trader.place(order("C", spread, -11_950))
        await trader.place(order("T", SELL, 0, order_type="TRAIL", trail_amount=2_050, stop_price=-15_050))
        await trader.gateway.place_bracket(
            order("P", BUY, 18_049),
            [order("P-sl", SELL, 0, order_type="STP", stop_price=-17_020, parent_ref="P")],
        )
        await trader.settle()
        await trader.gateway.modify("B", 19_777)
        await trader.settle()
        working = {u.order_ref: u for u in (await trader.gateway.refresh()).working_orders}
        assert {ref: u.limit_price for ref, u in working.items()} == {
            "B": 19_700, "S": -30_500, "C": -12_000, "T": 0, "P": 18_000, "P-sl": 0,
        }  # fmt: skip
        assert (working["T"].stop_price, working["T"].trail_amount) == (-15_100, 2_000)
        assert working["P-sl"].stop_price == -17_100
        told = [n.message for n in trader.events if isinstance(n, BrokerNotice) and n.code == PRICE_ROUNDED]
        assert told == [
            "order B: limit 19999 rounded to 19900",
            "order S: limit -30100 rounded to -30500",
            "order C: limit -11950 rounded to -12000",
            "order T: stop -15050 rounded to -15100, trail 2050 rounded to 2000",
            "order P: limit 18049 rounded to 18000",
            "order P-sl: stop -17020 rounded to -17100",
            "order B: limit 19777 rounded to 19700",
        ]

    play(laboratory, scenario)


def test_a_trail_changes_to_another_distance_or_kind(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        await trader.place(order("T", SELL, 0, order_type="TRAIL", trail_amount=2_000, stop_price=-15_000))
        for change, trail in (
            ({"trail_amount": 3_000}, (3_000, 0)),
            ({"trail_percent": 1_000}, (0, 1_000)),
            ({"trail_amount": 1_000, "quantity": 2}, (1_000, 0)),
        ):
            await trader.gateway.modify("T", **change)
            await trader.settle()
            (working,) = (await trader.gateway.refresh()).working_orders
            assert (working.trail_amount, working.trail_percent, working.pending) == (*trail, False)
        assert working.quantity == 2
        for change, reason in (
            ({"trail_amount": 100, "trail_percent": 100}, "not by both"),
            ({"trail_percent": 10_000}, "100 % or more"),
        ):
            with pytest.raises(BrokerError, match=reason):
                await trader.gateway.modify("T", **change)
        await trader.place(order("L", BUY, 15_000))
        with pytest.raises(BrokerError, match="only TRAIL"):
            await trader.gateway.modify("L", trail_amount=100)

    play(laboratory, scenario)


def test_the_twenty_first_order_of_a_side_does_not_leave(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        for number in range(20):
            await trader.place(order(f"O{number}", BUY, 10_000))
        with pytest.raises(BrokerError, match="IB allows 20"):
            await trader.gateway.place(order("one more", BUY, 10_000))
        for number in range(19):
            await trader.place(order(f"S{number}", SELL, -30_000))
        with pytest.raises(BrokerError, match="order P-b: 20 orders work on this side"):
            await trader.gateway.place_bracket(
                order("P", (OrderLeg(OTHER, 1),), 1_000),
                [order(f"P-{name}", SELL, -30_000, parent_ref="P") for name in "ab"],
            )
        await trader.gateway.cancel_all()
        await trader.settle()
        assert {trader.status(f"O{number}") for number in range(20)} == {"cancelled"}
        await trader.place(order("one more", BUY, 10_000))
        assert trader.status("one more") == "working"

    play(laboratory, scenario)


def test_exercise_is_confirmed_by_the_position(laboratory: Laboratory) -> None:
    async def scenario(trader: Trader, exchange: PaperExchange) -> None:
        call = trader.contracts[CALL]
        with pytest.raises(BrokerError, match="0 held"):
            await trader.gateway.exercise(call, 1, "exercise")
        await trader.place(order("O", BUY, 20_200, 2))
        with pytest.raises(BrokerError, match="SMART exercises nothing"):
            await trader.gateway.exercise(call, 1, "exercise", exchange="SMART")
        outcome = await trader.gateway.exercise(call, 1, "exercise")
        await trader.settle()
        state = await trader.gateway.refresh()
        assert outcome == ("confirmed" if state.positions[CALL] == 1 else "pending")
        assert [e for e in trader.events if getattr(e, "code", 0) < 0] == []  # no alarm came of it

    play(laboratory, scenario)
