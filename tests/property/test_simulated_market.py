"""The simulated market: identities hold together, quotes leave nothing to lock in, time decides all."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.common.errors import DataError
from optionsib.common.ports import ContractListing, ContractQuery
from optionsib.common.types import PRICE_SCALE, SECOND_NS
from optionsib.data.calendars import is_session, session_bounds
from optionsib.data.synthetic.catalog import PRODUCTS, product_of
from optionsib.data.synthetic.universe import SimulatedUniverse

DATE = dt.date(2026, 11, 23)
RATE = 0.04
NAMED = sorted(
    symbol for (symbol, kind), product in PRODUCTS.items() if product.options != "none" and kind != "FUT"
)
TICKERS = st.one_of(
    st.sampled_from(NAMED),
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=1, max_size=5).filter(
        lambda text: product_of(text, "STK") is not None
    ),
)


@lru_cache(maxsize=1)
def market() -> SimulatedUniverse:
    return SimulatedUniverse(7, DATE, rate=RATE)


def underlying(symbol: str) -> ContractListing:
    kind = "IND" if (symbol, "IND") in PRODUCTS else "STK"
    (found,) = market().find(ContractQuery(symbol=symbol, security_type=kind))
    return found


@pytest.mark.parametrize("symbol", ["SPXW", "NDXP", "RUTW"])
def test_a_trading_class_is_no_underlying(symbol: str) -> None:
    assert product_of(symbol, "STK") is None
    assert market().find(ContractQuery(symbol=symbol, security_type="STK")) == []


@given(TICKERS, st.data())
@settings(max_examples=60, deadline=None)
def test_identities_hold_together(symbol: str, data: st.DataObject) -> None:
    """By id, by local symbol, by description and as a member of its chain: one contract."""
    under = underlying(symbol)
    chains = [one for one in market().chains(under.contract.con_id) if one.exchange == "SMART"]
    chain = data.draw(st.sampled_from(chains))
    expiry = data.draw(st.sampled_from(chain.expiries))
    members = market().find(
        ContractQuery(symbol=symbol, security_type="OPT", expiry=expiry, trading_class=chain.trading_class)
    )
    assert members
    ids = [one.contract.con_id for one in members]
    assert len(set(ids)) == len(ids)
    member = data.draw(st.sampled_from(members))
    contract = member.contract
    assert contract.strike in chain.strikes
    assert contract.expiry_date == expiry
    assert member.underlying == under.contract
    assert market().listing(contract.con_id) == member
    assert market().find(ContractQuery(local_symbol=contract.local_symbol, security_type="OPT")) == [member]
    described = ContractQuery(
        symbol=symbol,
        security_type="OPT",
        expiry=expiry,
        strike=contract.strike / PRICE_SCALE,
        right=contract.right,
        trading_class=contract.trading_class,
    )
    assert market().find(described) == [member]
    # Another process, and another day on which it is listed too, give it the same id.
    assert SimulatedUniverse(7, DATE, rate=RATE).find(described) == [member]


def test_ids_do_not_depend_on_the_day_or_on_what_was_asked_before() -> None:
    wanted = ContractQuery(symbol="AAPL", security_type="OPT", expiry="20270115", strike=200.0, right="C")
    (first,) = market().find(wanted)
    (later,) = SimulatedUniverse(7, dt.date(2026, 12, 1), rate=RATE).find(wanted)
    (other,) = SimulatedUniverse(8, DATE, rate=RATE).find(wanted)
    assert first.contract == later.contract
    assert other.contract.con_id != first.contract.con_id
    # An id from an earlier process is found though nobody has asked for its chain.
    assert SimulatedUniverse(7, DATE, rate=RATE).listing(first.contract.con_id) == first


def test_the_strip_of_futures() -> None:
    strip = market().find(ContractQuery(symbol="ES", security_type="FUT"))
    assert [one.contract.local_symbol for one in strip] == ["ESZ6", "ESH7", "ESM7", "ESU7", "ESZ7"]
    at_ns = session_bounds(DATE)[0]
    levels = [market().spot(one.contract.con_id, at_ns) for one in strip]
    assert levels == sorted(levels)  # the rate is above the dividend yield
    for one in strip:
        local = ContractQuery(local_symbol=one.contract.local_symbol, security_type="FUT")
        assert market().find(local) == [one]


@given(st.sampled_from(NAMED), st.integers(0, 23_399), st.data())
@settings(max_examples=40, deadline=None)
def test_quotes_leave_nothing_to_lock_in(symbol: str, second: int, data: st.DataObject) -> None:
    """Parity, monotony and convexity hold between the sides that one would have to trade at."""
    opens, _ = session_bounds(DATE)
    at_ns = opens + second * SECOND_NS
    under = underlying(symbol)
    expiries = sorted({e for one in market().chains(under.contract.con_id) for e in one.expiries})
    expiry = data.draw(st.sampled_from(expiries))
    found = market().find(ContractQuery(symbol=symbol, security_type="OPT", expiry=expiry))
    found = [one for one in found if one.contract.trading_class == found[0].contract.trading_class]
    contracts = [one.contract for one in found]
    quotes = market().quotes([one.con_id for one in contracts], at_ns)
    years = (contracts[0].expiry_ns - at_ns) / (365 * 86_400 * 10**9)
    if years <= 0:
        return
    bid = np.array([quote.bid or 0 for quote in quotes]) / PRICE_SCALE
    ask = np.array([quote.ask for quote in quotes], dtype=float) / PRICE_SCALE
    assert (bid < ask).all()
    for contract, quote in zip(contracts, quotes, strict=True):
        for price in (quote.bid, quote.ask):
            assert price is None or contract.tick_grid.is_on_grid(price)
    strike = np.array([one.strike for one in contracts[::2]]) / PRICE_SCALE
    call_bid, call_ask, put_bid, put_ask = bid[::2], ask[::2], bid[1::2], ask[1::2]
    # Shares can be bought and sold at their own sides; an index stands at its level.
    (spot,) = market().quotes([under.contract.con_id], at_ns)
    assert spot.bid is not None
    assert spot.ask is not None
    spot_bid, spot_ask = spot.bid / PRICE_SCALE, spot.ask / PRICE_SCALE
    later = np.exp(-RATE * years)
    carried = np.exp(-found[0].dividend_yield * years)
    slack = 1e-6 + 1e-4 * (under.contract.security_type == "IND") * spot_bid
    if found[0].american:  # Merton's bounds
        assert (call_bid - put_ask <= spot_ask - strike * later + slack).all()
        assert (call_ask - put_bid >= spot_bid * carried - strike - slack).all()
        assert (call_ask >= spot_bid - strike - slack).all()
        assert (put_ask >= strike - spot_ask - slack).all()
    else:
        parity_low, parity_high = call_bid - put_ask, call_ask - put_bid
        assert (parity_low <= spot_ask * carried - strike * later + slack).all()
        assert (parity_high >= spot_bid * carried - strike * later - slack).all()
    assert (call_bid[1:] <= call_ask[:-1] + slack).all()
    assert (put_bid[:-1] <= put_ask[1:] + slack).all()
    width = np.diff(strike)
    left = width[1:] / (width[1:] + width[:-1])
    for low, high in ((call_bid, call_ask), (put_bid, put_ask)):
        assert (low[1:-1] <= left * high[:-2] + (1 - left) * high[2:] + slack).all()


@given(st.sampled_from(["SPX", "SPY", "TSLA", "KO"]), st.integers(0, 23_399))
@settings(max_examples=15, deadline=None)
def test_later_options_are_not_worth_less(symbol: str, second: int) -> None:
    """Total variance rises with time, at one distance from the forward; so do American values."""
    at_ns = session_bounds(DATE)[0] + second * SECOND_NS
    under = underlying(symbol)
    chain = [one for one in market().chains(under.contract.con_id) if one.exchange == "SMART"][-1]
    spot = market().spot(under.contract.con_id, at_ns)
    values = []
    for expiry in chain.expiries:
        members = market().find(
            ContractQuery(
                symbol=symbol,
                security_type="OPT",
                expiry=expiry,
                right="C",
                trading_class=chain.trading_class,
            )
        )
        nearest = min(members, key=lambda one: abs(one.contract.strike / PRICE_SCALE - spot)).contract
        years = (nearest.expiry_ns - at_ns) / (365 * 86_400 * 10**9)
        ((_, volatility),) = market().fair_values([nearest.con_id], at_ns)
        values.append(volatility**2 * max(years, 0.0))
    assert values == sorted(values)


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=200, deadline=None)
def test_an_id_names_one_contract_or_none(con_id: int) -> None:
    found = market().listing(con_id)
    assert found is None or found.contract.con_id == con_id


@given(st.sampled_from(["SPY", "ABCDE", "ES", "EUR", "SPX"]), st.integers(0, 80_000), st.integers(1, 600))
@settings(max_examples=40, deadline=None)
def test_bars_are_made_of_the_trades(symbol: str, second: int, length: int) -> None:
    kinds = {"ES": "FUT", "EUR": "CASH", "SPX": "IND"}
    listing = market().find(ContractQuery(symbol=symbol, security_type=kinds.get(symbol, "STK")))[0]
    con_id = listing.contract.con_id
    start = session_bounds(DATE)[0] - 56_000 * SECOND_NS + second * SECOND_NS
    end = start + length * SECOND_NS
    day = next(one for one in market().trading_days(con_id, f"{DATE:%Y%m%d}", 1))
    if not day.whole[0] <= start < end <= day.whole[1]:
        return
    (bar,) = market().bars(con_id, "TRADES", [(start, end)])
    seconds = [
        market().bars(con_id, "TRADES", [(at, at + SECOND_NS)])[0] for at in range(start, end, 7 * SECOND_NS)
    ]
    assert bar.low <= min(one.low for one in seconds)
    assert bar.high >= max(one.high for one in seconds)
    trades = market().trades(con_id, start, end)
    assert sum(trade.size for trade in trades) == bar.volume
    assert all(bar.low <= trade.price <= bar.high for trade in trades)
    for trade in trades[:3]:
        (quote,) = market().quotes([con_id], trade.at_ns)
        assert quote.bid is not None
        assert quote.ask is not None
        assert quote.bid <= trade.price <= quote.ask


def test_every_moment_is_the_same_in_any_order() -> None:
    one, other = (SimulatedUniverse(3, DATE, rate=RATE) for _ in range(2))
    opens, closes = session_bounds(DATE)
    times = list(range(opens, closes, 1800 * SECOND_NS))
    spy = one.find(ContractQuery(symbol="SPY", security_type="STK"))[0].contract.con_id
    options = one.find(ContractQuery(symbol="SPY", security_type="OPT", expiry="20261218", strike=700.0))
    ids = [spy, *(option.contract.con_id for option in options)]
    forward = {at: one.quotes(ids, at) for at in times}
    for at in reversed(times):
        for con_id, expected in zip(reversed(ids), reversed(forward[at]), strict=True):
            assert other.quotes([con_id], at) == [expected]


@given(st.dates(dt.date(2014, 1, 2), dt.date(2035, 12, 31)))
@settings(max_examples=60, deadline=None)
def test_hours_of_any_day(date: dt.date) -> None:
    ids = [
        market().find(ContractQuery(symbol=symbol, security_type=kind))[0].contract.con_id
        for symbol, kind in (("SPY", "STK"), ("SPX", "IND"), ("ES", "FUT"))
    ]
    for con_id in ids:
        (day,) = market().trading_days(con_id, f"{date:%Y%m%d}", 1)
        assert day.date == f"{date:%Y%m%d}"
        if not is_session(date):
            assert day.whole == day.regular == (0, 0)
            continue
        assert day.regular == session_bounds(date)
        assert day.whole[0] <= day.regular[0] < day.regular[1] <= day.whole[1]


def test_bad_arguments_are_named() -> None:
    with pytest.raises(DataError, match="2026-11-22"):
        SimulatedUniverse(7, dt.date(2026, 11, 22))
    with pytest.raises(DataError, match="-1"):
        SimulatedUniverse(-1, DATE)
    with pytest.raises(DataError, match="12345"):
        market().quotes([12345], 0)
