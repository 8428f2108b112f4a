"""European pricing against values of others: high precision, books, QuantLib's own test tables."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from optionsib.pricing import greeks, implied_volatility, price

HERE = Path(__file__).parent / "data"
DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
TABLES = DATA / "reference" / "quantlib_option_tables.csv.gz"
NAMES = ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm")
EPSILON = 2.0**-52
Row = dict[str, str]


def read(name: str) -> list[Row]:
    with (HERE / name).open(newline="") as file:
        return list(csv.DictReader(file))


def inputs(row: Row) -> tuple[str | int, float, float, float, float, float, float]:
    kind = row["kind"] if row["kind"] in ("call", "put") else int(row["kind"])
    names = ("spot", "strike", "time_to_expiry", "rate", "volatility", "dividend_yield")
    return (kind, *(float(row[name]) for name in names))  # type: ignore[return-value]


def report(failures: list[str]) -> None:
    """Fail with every bad row whole: inputs, expected, calculated, error, tolerance."""
    assert not failures, f"{len(failures)} bad values:\n" + "\n".join(failures[:20])


def line(row: Row, what: str, expected: float, got: float, error: float, tolerance: float) -> str:
    given = ", ".join(
        f"{k}={v}" for k, v in row.items() if k not in (*NAMES, "value", "tolerance", "quantity")
    )
    return f"{what}: expected {expected!r}, got {got!r}, error {error:.3g} > {tolerance:.3g}  [{given}]"


def scales(row: Row) -> dict[str, float]:
    """Return the size each value has near the money; errors are measured against it."""
    _, spot, strike, expiry, rate, volatility, dividend = inputs(row)
    largest, root, carry = max(spot, strike), expiry**0.5, abs(rate) + abs(dividend)
    return {
        "price": largest,
        "delta": 1.0,
        "gamma": 1 / (spot * volatility * root),
        "vega": largest * root,
        "theta": largest * (volatility / root + carry),
        "rho": largest * expiry,
        "vanna": 1 / volatility,
        "volga": largest * root / volatility,
        "charm": 1 / expiry + carry / (volatility * root),
    }


def test_price_and_greeks_against_high_precision() -> None:
    failures = []
    rows = read("european_mpmath.csv")
    for row in rows:
        computed = greeks(*inputs(row), model=row["model"], order=2).to_dict()
        for name, scale in scales(row).items():
            tolerance = 1e-15 if name == "price" else 1e-14
            expected = float(row[name])
            error = abs(computed[name] - expected) / scale
            if not error <= tolerance:
                failures.append(line(row, name, expected, computed[name], error, tolerance))
    assert len(rows) >= 300
    report(failures)


def order_scales(row: Row) -> dict[str, float]:
    """Return the size each Greek of order 1 to 3 has near the money, in the units of its model."""
    _, spot, strike, expiry, rate, volatility, dividend = inputs(row)
    shift, root, carry = float(row["shift"]), expiry**0.5, abs(rate) + abs(dividend)
    normal = row["model"] == "bachelier"
    largest = max(spot, strike) + shift
    unit = 1.0 if normal else min(spot, strike) + shift  # money in one unit of volatility times root
    s = volatility * root
    gamma, vega = 1 / (unit * s), (1.0 if normal else largest) * root
    decay = 1 / expiry + carry / (s if not normal else 1.0)
    return {
        "price": largest,
        "delta": 1.0,
        "gamma": gamma,
        "vega": vega,
        "theta": vega * volatility / expiry + largest * carry,
        "rho": largest * expiry,
        "epsilon": largest * expiry,
        "dual_delta": 1.0,
        "dual_gamma": gamma,
        "vanna": vega / (unit * s) if normal else 1 / volatility,
        "volga": vega / volatility,
        "charm": decay,
        "veta": vega * decay,
        "speed": gamma / (unit * s),
        "zomma": gamma / volatility,
        "color": gamma * decay,
        "ultima": vega / volatility**2,
    }


def test_greeks_of_every_order_and_model_against_high_precision() -> None:
    failures = []
    rows = read("greeks_mpmath.csv")
    for row in rows:
        computed = greeks(*inputs(row), model=row["model"], shift=float(row["shift"]), order=3).to_dict()
        scale = order_scales(row)
        assert list(scale) == list(computed)
        for name, size in scale.items():
            tolerance = 1e-15 if name == "price" else 1e-13
            expected = float(row[name])
            error = abs(computed[name] - expected) / size
            if not error <= tolerance:
                failures.append(line(row, name, expected, computed[name], error, tolerance))
    assert {row["model"] for row in rows} == {"bsm", "black76", "displaced", "bachelier"}
    report(failures)


def test_wings_keep_their_relative_accuracy() -> None:
    failures = []
    tested = 0
    for row in read("european_mpmath.csv"):
        expected = float(row["price"])
        if "wing" not in row["source"] or abs(expected) < 1e-280:
            continue
        tested += 1
        computed = price(*inputs(row), model=row["model"])
        if float(row["kind"]) * (float(row["spot"]) - float(row["strike"])) > 0:
            continue
        error = abs(computed / expected - 1)
        if not error <= 1e-12:
            failures.append(line(row, "price", expected, computed, error, 1e-12))
    assert tested >= 30
    report(failures)


def test_implied_volatility_against_high_precision() -> None:
    failures = []
    rows = read("implied_volatility_mpmath.csv")
    for row in rows:
        kind, *numbers = (float(row[name]) for name in ("kind", "spot", "strike", "time_to_expiry", "rate"))
        quote, dividend = float(row["price"]), float(row["dividend_yield"])
        result = implied_volatility(quote, kind, *numbers, dividend, model=row["model"])
        expected = float(row["volatility"])
        error = abs(result.volatility / expected - 1) / max(1.0, float(row["amplification"]))
        if not error <= 16 * EPSILON:
            failures.append(line(row, "volatility", expected, result.volatility, error, 16 * EPSILON))
    assert len(rows) >= 300
    report(failures)


def test_published_values() -> None:
    failures = []
    for row in read("european_published.csv"):
        expected, tolerance, name = float(row["value"]), float(row["tolerance"]), row["quantity"]
        computed = greeks(*inputs(row), model=row["model"], order=2).to_dict()[name]
        if not abs(computed - expected) <= tolerance:
            failures.append(line(row, name, expected, computed, abs(computed - expected), tolerance))
    report(failures)


def quantlib_rows(case: str) -> Iterator[Row]:
    with gzip.open(TABLES, "rt", newline="") as file:
        for row in csv.DictReader(file):
            if row["file"] == "europeanoption" and row["test_case"] == case:
                yield row


def quantlib_inputs(row: Row) -> tuple[str, float, float, float, float, float, float]:
    """Read type, strike, spot, q, r, t, vol; the tables count time as whole days of Actual/360."""
    kind = row["v1"].removeprefix("Option::").lower()
    numerator, _, denominator = row["v6"].partition("/")
    days = round(float(numerator) / float(denominator or 1) * 360)
    strike, spot, dividend, rate, volatility = (float(row[f"v{i}"]) for i in (2, 3, 4, 5, 7))
    return kind, spot, strike, days / 360, rate, volatility, dividend


needs_tables = pytest.mark.skipif(not TABLES.exists(), reason=f"no option tables at {TABLES}")


@pytest.mark.tape
@needs_tables
def test_quantlib_price_table_row_by_row() -> None:
    rows = list(quantlib_rows("testValues"))
    assert len(rows) == 43
    failures = []
    for row in rows:
        expected, tolerance = float(row["v8"]), float(row["v9"])
        computed = price(*quantlib_inputs(row))
        if not abs(computed - expected) <= tolerance:
            failures.append(line(row, "price", expected, computed, abs(computed - expected), tolerance))
    report(failures)


@pytest.mark.tape
@needs_tables
def test_quantlib_greeks_table_row_by_row() -> None:
    # The table names each value in a comment above it; the order is the table's own.
    order = [
        "delta",
        "delta",
        "elasticity",
        "gamma",
        "gamma",
        "vega",
        "vega",
        "theta",
        "theta per day",
        "rho",
    ]
    order.append("dividend rho")
    rows = list(quantlib_rows("testGreekValues"))
    assert len(rows) == len(order)
    failures = []
    for row, name in zip(rows, order, strict=True):
        assert name.replace(" ", "").lower() in row["comments_above"].replace(" ", "").lower()
        arguments = quantlib_inputs(row)
        g = greeks(*arguments)
        _, spot, _, expiry, *_ = arguments
        computed = {
            **g.to_dict(),
            "elasticity": g.delta * spot / g.price,
            "theta per day": g.theta / 365,
            "dividend rho": -expiry * spot * g.delta,
        }[name]
        expected = float(row["v8"])
        if not abs(computed - expected) <= 1e-4:
            failures.append(line(row, name, expected, computed, abs(computed - expected), 1e-4))
    report(failures)
