"""Closed forms of exotic options against published values, row by row of QuantLib's test tables."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from optionsib.pricing import (
    AnalyticPricer,
    BarrierOption,
    BasketOption,
    BlackScholes,
    DigitalOption,
    DoubleBarrierOption,
    ExchangeOption,
    LookbackOption,
    MultiAsset,
    SpreadOption,
    TouchOption,
    price_exotic,
)

DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
TABLES = DATA / "reference" / "quantlib_option_tables.csv.gz"
ANALYTIC = AnalyticPricer(greeks=False)


def rows(file: str, test_case: str) -> list[list[str]]:
    if not TABLES.exists():
        pytest.skip(f"{TABLES} is not here")
    with gzip.open(TABLES, "rt", newline="") as stream:
        found = [row for row in csv.reader(stream) if row[0] == file and row[1] == test_case]
    assert found
    return [row[5:] for row in found]


def kind(text: str) -> Any:
    return text.removeprefix("Option::").lower()


def test_barriers_of_haug() -> None:
    """Haug 1998, page 72: eight kinds, rebates paid at the touch of an out option."""
    done = 0
    for row in rows("barrieroption", "testHaugValues"):
        name, exercise = row[0].removeprefix("Barrier::"), row[4]
        barrier, rebate, strike, spot, dividend, rate, expiry, volatility, expected, tolerance = (
            float(x) for x in (row[1], row[2], *row[5:13])
        )
        if exercise != "european":
            continue
        direction: Any = "down" if name.startswith("Down") else "up"
        action: Any = "out" if name.endswith("Out") else "in"
        option = BarrierOption(
            kind=kind(row[3]), strike=strike, expiry=expiry, barrier=barrier, direction=direction,
            action=action, dates=(expiry,), monitoring="continuous", rebate=rebate,
            rebate_at="hit" if action == "out" else "expiry",
        )  # fmt: skip
        model = BlackScholes(spot=spot, volatility=volatility, rate=rate, dividend_yield=dividend)
        assert ANALYTIC.price(option, model).price == pytest.approx(expected, abs=tolerance), row
        done += 1
    assert done == 72


def test_double_barriers_of_haug() -> None:
    """Haug 1998, page 74: Ikeda and Kunitomo."""
    done = 0
    for row in rows("doublebarrieroption", "testEuropeanHaugValues"):
        if row[4] != "european":
            continue
        lower, upper, strike, spot, dividend, rate, expiry, volatility, expected, tolerance = (
            float(x) for x in (row[1], row[2], *row[5:13])
        )
        option = DoubleBarrierOption(
            kind=kind(row[3]), strike=strike, expiry=expiry, lower=lower, upper=upper,
            action="out" if row[0].endswith("Out") else "in", dates=(expiry,), monitoring="continuous",
        )  # fmt: skip
        model = BlackScholes(spot=spot, volatility=volatility, rate=rate, dividend_yield=dividend)
        assert ANALYTIC.price(option, model).price == pytest.approx(expected, abs=tolerance), row
        done += 1
    assert done > 70


def test_double_touches_of_haug() -> None:
    """Haug 1998, page 180: cash at the end if neither barrier, or one of them, was touched."""
    done = 0
    for row in rows("doublebinaryoption", "testHaugValues"):
        name = row[0].removeprefix("DoubleBarrier::")
        if name not in ("KnockOut", "KnockIn"):
            continue
        lower, upper, cash, spot, dividend, rate, expiry, volatility, expected, tolerance = (
            float(x) for x in row[1:11]
        )
        if not lower < spot < upper:  # there the table pays at once
            continue
        # An option struck out of reach leaves the rebate alone.
        option = DoubleBarrierOption(
            kind="call", strike=upper * 1e6, expiry=expiry, lower=lower, upper=upper, dates=(expiry,),
            action="in" if name == "KnockOut" else "out", rebate=cash, monitoring="continuous",
        )  # fmt: skip
        model = BlackScholes(spot=spot, volatility=volatility, rate=rate, dividend_yield=dividend)
        assert ANALYTIC.price(option, model).price == pytest.approx(expected, abs=tolerance), row
        done += 1
    assert done >= 24


@pytest.mark.parametrize(
    ("case", "paid_at"),
    [("testCashAtHitOrNothingAmericanValues", "hit"), ("testCashAtExpiryOrNothingAmericanValues", "expiry")],
)
def test_touches_of_haug(case: str, paid_at: Any) -> None:
    """Haug 1998, page 95: 15 in cash at the first touch, or at the end if it was touched or was not."""
    for row in rows("digitaloption", case):
        barrier, spot, dividend, rate, expiry, volatility = (float(x) for x in row[1:7])
        expected = eval(row[7].replace("std::exp", "__import__('math').exp"))
        option = TouchOption(
            barrier=barrier, direction="down" if kind(row[0]) == "put" else "up", dates=(expiry,),
            touch="one" if row[9] == "true" else "no", paid_at=paid_at, amount=15.0, monitoring="continuous",
        )  # fmt: skip
        model = BlackScholes(spot=spot, volatility=volatility, rate=rate, dividend_yield=dividend)
        found = ANALYTIC.price(option, model).price
        assert found == pytest.approx(expected, abs=max(float(row[8]), 1e-12)), row


@pytest.mark.parametrize(
    ("case", "pays", "amount"),
    [("testCashOrNothingEuropeanValues", "cash", 10.0), ("testAssetOrNothingEuropeanValues", "asset", 1.0)],
)
def test_digitals_of_haug(case: str, pays: Any, amount: float) -> None:
    for row in rows("digitaloption", case):
        strike, spot, dividend, rate, expiry, volatility, expected, tolerance = (float(x) for x in row[1:9])
        option = DigitalOption(kind=kind(row[0]), strike=strike, expiry=expiry, pays=pays, amount=amount)
        model = BlackScholes(spot=spot, volatility=volatility, rate=rate, dividend_yield=dividend)
        assert ANALYTIC.price(option, model).price == pytest.approx(expected, abs=tolerance), row


@pytest.mark.parametrize(
    "case", ["testAnalyticContinuousFloatingLookback", "testAnalyticContinuousFixedLookback"]
)
def test_lookbacks_of_haug(case: str) -> None:
    """Haug 1998, pages 61 to 64; carry 0 too."""
    for row in rows("lookbackoptions", case):
        strike, extreme, spot, dividend, rate, expiry, volatility = (float(x) for x in row[1:8])
        option = LookbackOption(
            kind=kind(row[0]),
            strike=strike or None,
            dates=(expiry,),
            monitoring="continuous",
            extreme=extreme,
        )
        model = BlackScholes(spot=spot, volatility=volatility, rate=rate, dividend_yield=dividend)
        expected, tolerance = float(row[10]), float(row[11])
        assert ANALYTIC.price(option, model).price == pytest.approx(expected, abs=tolerance), row


def two_assets(spots: Any, volatilities: Any, yields: Any, rate: float, correlation: float) -> MultiAsset:
    return MultiAsset(
        underlyings=tuple(
            BlackScholes(spot=s, volatility=v, rate=rate, dividend_yield=q)
            for s, v, q in zip(spots, volatilities, yields, strict=True)
        ),
        correlation=((1.0, correlation), (correlation, 1.0)),
    )


def test_exchanges_with_deltas_of_the_table() -> None:
    """Margrabe: value and both deltas; quantities by the weights of a basket struck at 0."""
    for row in rows("margrabeoption", "testEuroExchangeTwoAssets"):
        s1, s2, n1, n2, q1, q2, rate, expiry, v1, v2, rho = (float(x) for x in row[:11])
        expected, delta1, delta2 = (float(x) for x in row[11:14])
        model = two_assets((s1, s2), (v1, v2), (q1, q2), rate, rho)
        basket = BasketOption(kind="call", strike=0.0, expiry=expiry, weights=(n1, -n2))
        found = AnalyticPricer().price(basket, model)
        assert found.price == pytest.approx(expected, abs=1e-3), row
        assert found.greeks["delta 1"].value == pytest.approx(delta1, abs=1e-3), row
        assert found.greeks["delta 2"].value == pytest.approx(delta2, abs=1e-3), row
        if n1 == n2 == 1.0:
            exchange = ANALYTIC.price(ExchangeOption(expiry=expiry), model).price
            assert exchange == pytest.approx(found.price, abs=1e-9)


def test_kirk_of_haug() -> None:
    """Spread options of Haug's table of Kirk's approximation, which lies within 0.02 of the integral here."""
    done = 0
    for row in rows("basketoption", "testEuroTwoValues"):
        if row[0] != "SpreadBasket":
            continue
        strike, s1, s2, q1, q2, rate, expiry, v1, v2, rho, expected, tolerance = (float(x) for x in row[2:14])
        assert q1 == q2 == 0.0
        model = two_assets((s1, s2), (v1, v2), (rate, rate), rate, rho)  # the table's spots are futures
        option = SpreadOption(kind=kind(row[1]), strike=strike, expiry=expiry)
        found = AnalyticPricer(approximations=True, greeks=False).price(option, model)
        assert not found.exact
        assert found.price == pytest.approx(expected, abs=tolerance), row
        assert price_exotic(option, model).price == pytest.approx(expected, abs=0.02), row
        done += 1
    assert done >= 6
