"""Every kind of order between our form and TWS's, and what is refused before it leaves."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionsib.brokers.ib.guards import (
    EFFICIENCY_RATIO,
    FREE_ACTIONS,
    OrderActivity,
    band,
    check_market,
    check_working,
    market_limit,
)
from optionsib.brokers.ib.order_kinds import (
    Terms,
    check_order,
    order_to_wire,
    terms_of,
    terms_of_wire,
    ticket_for,
    ticket_of,
)
from optionsib.common import codec
from optionsib.common.errors import BrokerError
from optionsib.common.events import OrderSubmitted, Quote
from optionsib.common.types import OPTION_GRID, SECOND_NS, Contract, Order, OrderLeg

NOW = int(dt.datetime(2014, 6, 6, 14, 0, tzinfo=dt.UTC).timestamp()) * SECOND_NS
CALL = Contract(con_id=7, symbol="TST", security_type="OPT", multiplier=100, right="C", tick_grid=OPTION_GRID)
PUT = Contract(con_id=8, symbol="TST", security_type="OPT", multiplier=100, right="P", tick_grid=OPTION_GRID)
CONTRACTS = {7: CALL, 8: PUT}
BUY, SELL = (OrderLeg(7, 1),), (OrderLeg(7, -1),)
SPREAD = (OrderLeg(7, 1), OrderLeg(8, -2))


def order(legs: tuple[OrderLeg, ...], limit: int, **more: Any) -> Order:
    return Order("O1", "T1", legs, 3, limit, "open", "test", **more)


def wire_of(given: Order) -> Any:
    check_order(given, CONTRACTS, NOW)
    return order_to_wire(ticket_for(given, CONTRACTS, "DU1"), terms_of(given))


def test_a_sale_of_one_leg_is_a_sell_at_a_positive_price() -> None:
    wire = wire_of(order(SELL, -12_500))
    assert (wire.action, wire.totalQuantity, wire.lmtPrice, wire.account) == ("SELL", 3, 1.25, "DU1")
    assert (wire.orderRef, wire.tif, wire.transmit, wire.orderType) == ("O1", "DAY", True, "LMT")


def test_several_legs_are_a_bag_that_is_bought_at_a_signed_price() -> None:
    ticket = ticket_for(order(SPREAD, -12_500), CONTRACTS, "DU1")
    wire = order_to_wire(ticket, terms_of(order(SPREAD, -12_500)))
    assert (wire.action, wire.lmtPrice) == ("BUY", -1.25)
    assert ticket.contract.secType == "BAG"
    assert [(leg.conId, leg.ratio, leg.action, leg.exchange) for leg in ticket.contract.comboLegs] == [
        (7, 1, "BUY", "SMART"),
        (8, 2, "SELL", "SMART"),
    ]


UNSET = 1.7976931348623157e308


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (order(BUY, 12_500, order_type="MKT"), ("BUY", "LMT", 1.25, UNSET, UNSET, UNSET, UNSET)),
        (
            order(SELL, 0, order_type="STP", stop_price=-12_000),
            ("SELL", "STP", UNSET, 1.2, UNSET, UNSET, UNSET),
        ),
        (
            order(BUY, 12_500, order_type="STP LMT", stop_price=12_000),
            ("BUY", "STP LMT", 1.25, 1.2, UNSET, UNSET, UNSET),
        ),
        (
            order(SELL, 0, order_type="TRAIL", trail_percent=250),
            ("SELL", "TRAIL", UNSET, UNSET, UNSET, 2.5, UNSET),
        ),
        (
            order(SELL, 0, order_type="TRAIL", trail_amount=2_000, stop_price=-12_000),
            ("SELL", "TRAIL", UNSET, 0.2, 1.2, UNSET, UNSET),
        ),
        (
            order(SELL, -11_500, order_type="TRAIL LIMIT", trail_amount=2_000, stop_price=-12_000),
            ("SELL", "TRAIL LIMIT", UNSET, 0.2, 1.2, UNSET, 0.05),
        ),
        (
            order(BUY, 12_500, order_type="TRAIL LIMIT", trail_amount=2_000, stop_price=12_000),
            ("BUY", "TRAIL LIMIT", UNSET, 0.2, 1.2, UNSET, 0.05),
        ),
    ],
)
def test_prices_stand_where_tws_reads_them(given: Order, expected: tuple[object, ...]) -> None:
    wire = wire_of(given)
    fields = ("lmtPrice", "auxPrice", "trailStopPrice", "trailingPercent", "lmtPriceOffset")
    assert (wire.action, wire.orderType, *(getattr(wire, name) for name in fields)) == expected
    ticket = ticket_for(given, CONTRACTS, "DU1")
    if given.order_type not in ("MKT", "TRAIL") or given.stop_price is not None:
        assert terms_of_wire(ticket, wire) == terms_of(given)  # what the broker repeats is understood


def test_times_algorithms_and_groups_travel() -> None:
    until = NOW + 90 * 60 * SECOND_NS + 999_999_999
    wire = wire_of(order(BUY, 12_500, time_in_force="GTD", good_till_ns=until, oca_group="exit"))
    assert (wire.tif, wire.goodTillDate) == ("GTD", "20140606 15:30:00 UTC")  # never later than asked
    assert (wire.ocaGroup, wire.ocaType) == ("exit", 1)
    wire = wire_of(order(BUY, 12_500, urgency="Urgent", outside_hours=True))
    assert (wire.algoStrategy, wire.outsideRth) == ("Adaptive", True)
    assert [(pair.tag, pair.value) for pair in wire.algoParams] == [("adaptivePriority", "Urgent")]
    for word in ("IOC", "FOK", "GTC"):
        assert wire_of(order(BUY, 12_500, time_in_force=word)).tif == word


def test_an_adopted_order_keeps_what_it_was_when_it_is_sent_again() -> None:
    given = order(SELL, 0, order_type="TRAIL", trail_amount=2_000, stop_price=-12_000, oca_group="exit")
    first = wire_of(given)
    adopted = ticket_of("O1", ticket_for(given, CONTRACTS, "DU1").contract, first)
    again = order_to_wire(adopted, Terms(0, 5, -13_000))
    changed = {"totalQuantity": 5, "trailStopPrice": 1.3}
    for name in first.__dict__:
        assert getattr(again, name) == changed.get(name, getattr(first, name)), name


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (order(BUY, 30_100), "nearest valid prices are 30000 and 30500"),
        (order(SELL, -30_100), "nearest valid prices are 30000 and 30500"),
        (order(SPREAD, -10_050), "nearest valid prices are -10100 and -10000"),
        (order(BUY, 0), "positive price"),
        (order(BUY, -100), "positive price"),
        (order(SELL, 100), "negative limit"),
        (order(SELL, 0, order_type="STP", stop_price=-30_100), "stop 30100 .* off the grid"),
        (order(SELL, 0, order_type="STP"), "expected a stop_price"),
        (order(BUY, 0, order_type="STP", stop_price=12_000), "use STP LMT"),
        (order(SPREAD, 0, order_type="TRAIL", trail_percent=100), "use STP LMT or TRAIL LIMIT"),
        (order(SELL, -100, order_type="STP", stop_price=-12_000), "have the limit 0"),
        (order(SELL, 0, order_type="TRAIL"), "either a positive trail_amount"),
        (order(SELL, 0, order_type="TRAIL", trail_amount=100, trail_percent=100), "either a positive"),
        (order(SELL, 0, order_type="TRAIL", trail_amount=150), "off the grid"),
        (order(SELL, 0, order_type="TRAIL", trail_percent=10_000), "100 % or more"),
        (order(BUY, 100, trail_amount=100), "only TRAIL"),
        (order(BUY, 11_900, order_type="TRAIL LIMIT", trail_amount=100, stop_price=12_000), "below the stop"),
        (order(BUY, 100, stop_price=100), "no meaning"),
        (order(BUY, 100, time_in_force="GTD"), "belongs to GTD"),
        (order(BUY, 100, good_till_ns=NOW + 1), "belongs to GTD"),
        (order(BUY, 100, time_in_force="GTD", good_till_ns=NOW), "is past"),
        (order(BUY, 100, urgency="Normal", time_in_force="IOC"), "works for the DAY"),
        (order(SELL, 0, order_type="STP", stop_price=-100, urgency="Normal"), "takes limit orders"),
    ],
)
def test_what_tws_would_refuse_or_misread(given: Order, reason: str) -> None:
    with pytest.raises(BrokerError, match=reason):
        check_order(given, CONTRACTS, NOW)


@pytest.mark.parametrize("legs", [(), (OrderLeg(7, 2),), (OrderLeg(9, 1),), (OrderLeg(7, 0),)])
def test_legs_that_are_no_order(legs: tuple[OrderLeg, ...]) -> None:
    with pytest.raises(BrokerError, match="O1"):
        ticket_for(order(legs, 100), CONTRACTS, "DU1")


@given(st.integers(-100_000, 100_000))
def test_the_passive_price_is_valid_and_never_pays_more(price: int) -> None:
    passive = OPTION_GRID.passive(price)
    assert OPTION_GRID.is_on_grid(passive)
    assert price - 500 < passive <= price


def quotes(bid: int | None, ask: int | None, at_ns: int = NOW) -> Any:
    return lambda con_id: Quote(con_id=con_id, bid=bid, ask=ask, as_of_ns=at_ns)


def test_a_market_order_is_guarded() -> None:
    for legs, market in ((BUY, 10_200), (SELL, -10_000), (SPREAD, 10_200 - 2 * 10_000)):
        guard = market_limit("O1", legs, CONTRACTS, quotes(10_000, 10_200), NOW)
        check_market(order(legs, guard, order_type="MKT"), quotes(10_000, 10_200), NOW)
        assert market <= guard <= market + band(market)
        check_order(order(legs, guard, order_type="MKT"), CONTRACTS, NOW)
        for outside in (market - 100, market + band(market) + 100):
            with pytest.raises(BrokerError, match="guard must be from"):
                check_market(order(legs, outside, order_type="MKT"), quotes(10_000, 10_200), NOW)


def test_a_sale_at_the_market_of_a_cheap_option_stays_positive() -> None:
    guard = market_limit("O1", SELL, CONTRACTS, quotes(100, 300), NOW)
    assert guard == -100


def test_a_market_order_needs_a_fresh_quote() -> None:
    given = order(BUY, 10_200, order_type="MKT")
    for stale, reason in (
        (lambda con_id: None, "no ask"),
        (quotes(10_000, None), "no ask"),
        (quotes(10_000, 10_200, NOW - 11 * SECOND_NS), "11.0 s old"),
        (quotes(10_000, 10_200, 0), "s old"),  # what the gateway says of a stale quote
    ):
        with pytest.raises(BrokerError, match=reason):
            check_market(given, stale, NOW)


def test_the_twenty_first_order_on_a_side_waits() -> None:
    check_working("O1", 19)
    with pytest.raises(BrokerError, match="IB allows 20"):
        check_working("O1", 20)


def test_the_efficiency_ratio_stops_a_flood_for_the_day() -> None:
    activity = OrderActivity()
    for _ in range(FREE_ACTIONS):
        activity.check("O1", NOW, 0)
        activity.count(NOW, 0)
    with pytest.raises(BrokerError, match=r"efficiency ratio of 401\.0"):
        activity.check("O1", NOW, 0)
    activity.check("O1", NOW, FREE_ACTIONS // EFFICIENCY_RATIO)  # fills make room
    activity.check("O1", NOW + 24 * 3600 * SECOND_NS, 0)  # and so does a new day


def test_old_journals_decode_and_new_ones_repeat() -> None:
    event = OrderSubmitted(order=order(BUY, 12_500), at_ns=NOW)
    raw = msgspec.msgpack.decode(codec.encode(event))
    first_version = {
        **raw,
        "order": {
            name: raw["order"][name]
            for name in (
                *("order_ref", "trade_id", "legs", "quantity", "limit_price", "purpose", "strategy"),
                "time_in_force",
            )
        },
    }
    assert codec.decode(msgspec.msgpack.encode(first_version)) == event
    assert codec.encode(codec.decode(codec.encode(event))) == codec.encode(event)
