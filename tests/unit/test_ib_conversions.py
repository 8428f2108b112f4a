"""Prices, instants, grids and orders between TWS's form and ours."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from optionsib.brokers.ib.conversions import (
    computation_from_wire,
    expiry_instant,
    model_values_from_wire,
    money_from_text,
    price_from_wire,
    quote_price,
    tick_grid,
    trading_sessions,
    whole_quantity,
    zone,
)
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import ContractDetails, OptionComputation, PriceIncrement
from optionsib.common.errors import BrokerError
from optionsib.common.types import OPTION_GRID, SECOND_NS

UNSET = 1.7976931348623157e308


def ns(*when: int) -> int:
    return int(dt.datetime(*when, tzinfo=dt.UTC).timestamp()) * SECOND_NS  # type: ignore[misc]


@pytest.mark.parametrize(
    ("price", "size", "expected"),
    [
        (1.15, 10, 11_500),
        (0.0, 5, 0),
        (0.0, 0, None),
        (-1.0, 0, None),
        (float("nan"), 1, None),
        (UNSET, 1, None),
        (0.1 + 0.2, 1, 3_000),
    ],
)
def test_quote_prices(price: float, size: float, expected: int | None) -> None:
    assert quote_price(price, size) == expected


def test_every_cent_survives_the_text() -> None:
    assert [price_from_wire(float(f"{cents / 100:.2f}")) for cents in range(-9_999, 9_999)] == [
        cents * 100 for cents in range(-9_999, 9_999)
    ]
    assert price_from_wire(None) is price_from_wire(UNSET) is None


def test_money_is_exact_or_an_error() -> None:
    assert money_from_text("99999.87") == 99_999_870_000
    with pytest.raises(BrokerError, match="'much'"):
        money_from_text("much")


@pytest.mark.parametrize("value", [0.5, UNSET, float("nan"), float("inf")])
def test_a_fraction_of_a_contract_is_an_error(value: float) -> None:
    with pytest.raises(BrokerError, match="whole number"):
        whole_quantity(value, "a position")


def test_sentinels_of_the_model_are_unknown() -> None:
    empty = computation_from_wire(OptionComputation(1, -1.0, -2.0, -1.0, -1.0, -2.0, -2.0, -2.0, -1.0))
    assert set(empty.__struct_fields__) == {
        name for name in empty.__struct_fields__ if getattr(empty, name) is None
    }
    full = computation_from_wire(OptionComputation(1, 0.2, -0.4, 1.5, 0.0, 0.03, 0.1, -0.02, 52.0))
    assert (full.implied_volatility, full.delta, full.theta, full.underlying_price) == (
        0.2,
        -0.4,
        -0.02,
        52.0,
    )


def test_model_values_are_those_of_each_computation() -> None:
    pairs = [(0.2, -0.4), (-1.0, 0.5), (0.3, -2.0), (None, -1.0), (UNSET, UNSET), (float("inf"), 0.0)]
    raws = [OptionComputation(1, iv, delta, 1.5, 0.0, 0.03, 0.1, -0.02, 52.0) for iv, delta in pairs]
    one_by_one = [computation_from_wire(raw) for raw in raws]
    expected = [[one.implied_volatility for one in one_by_one], [one.delta for one in one_by_one]]
    found = model_values_from_wire([*raws, None])
    np.testing.assert_array_equal(found[:, :-1], np.array(expected, dtype=np.float64))
    assert np.isnan(found[:, -1]).all()
    assert model_values_from_wire([]).shape == (2, 0)


def details(date: str, real: str = "", time: str = "", where: str = "") -> ContractDetails:
    contract = IBContract(lastTradeDateOrContractMonth=date)
    return ContractDetails(contract=contract, realExpirationDate=real, lastTradeTime=time, timeZoneId=where)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (details("20140606"), ns(2014, 6, 6, 20, 0)),
        (details("20141219"), ns(2014, 12, 19, 21, 0)),  # no daylight saving
        (details("20140606", "20140607"), ns(2014, 6, 6, 20, 0)),  # Saturday expiration
        (details("20260618", "20260619", "09:30", "US/Eastern"), ns(2026, 6, 19, 13, 30)),
        (details("20260619", "20260619", "15:00:00", "US/Central"), ns(2026, 6, 19, 20, 0)),
        (details("20260619", "20260619", "08:30", "CST"), ns(2026, 6, 19, 13, 30)),
    ],
)
def test_expiry_instants(given: ContractDetails, expected: int) -> None:
    assert expiry_instant(given) == expected


def test_an_unknown_zone_or_date_is_named() -> None:
    with pytest.raises(BrokerError, match="Mars/Olympus"):
        zone("Mars/Olympus")
    with pytest.raises(BrokerError, match="2014060X"):
        expiry_instant(details("2014060X"))


def test_trading_sessions_in_both_forms() -> None:
    first = (ns(2014, 6, 6, 13, 30), ns(2014, 6, 6, 20, 0))
    assert trading_sessions("20140606:0930-20140606:1600;20140607:CLOSED", "America/New_York") == [first]
    assert trading_sessions("20140606:0930-1600", "EST (Eastern Standard Time)") == [first]
    assert trading_sessions("20140703:0930-1130,1200-1300", "US/Eastern") == [
        (ns(2014, 7, 3, 13, 30), ns(2014, 7, 3, 15, 30)),
        (ns(2014, 7, 3, 16, 0), ns(2014, 7, 3, 17, 0)),
    ]
    with pytest.raises(BrokerError, match="20140606:0930"):
        trading_sessions("20140606:0930", "US/Eastern")


def test_market_rules() -> None:
    assert tick_grid([PriceIncrement(3.0, 0.05), PriceIncrement(0.0, 0.01)]) == OPTION_GRID
    for rows in ([], [PriceIncrement(1.0, 0.01)], [PriceIncrement(0.0, 0.0)]):
        with pytest.raises(BrokerError, match="unusable"):
            tick_grid(rows)
