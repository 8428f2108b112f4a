"""Monte Carlo against published values, row by row."""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import pytest

from optionsib.pricing import BasketOption, BlackScholes, MultiAsset, monte_carlo

DATA = Path(os.environ.get("OPTIONSIB_TAPE_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
TABLES = DATA / "reference" / "quantlib_option_tables.csv.gz"


def rows(test_case: str) -> list[list[str]]:
    if not TABLES.exists():
        pytest.skip(f"{TABLES} is not here")
    with gzip.open(TABLES, "rt", newline="") as file:
        found = [row for row in csv.reader(file) if row[1] == test_case]
    assert found
    return [row[5:] for row in found]


def test_exchange_options_of_haug() -> None:
    """The table of Margrabe's formula (Haug's book) in QuantLib's test suite; its tolerance is 1e-3."""
    for row in rows("testEuroExchangeTwoAssets"):
        s1, s2, q1, q2, y1, y2, rate, expiry, v1, v2, rho, expected = (float(x) for x in row[:12])
        model = MultiAsset(
            underlyings=(
                BlackScholes(spot=s1, volatility=v1, rate=rate, dividend_yield=y1),
                BlackScholes(spot=s2, volatility=v2, rate=rate, dividend_yield=y2),
            ),
            correlation=((1.0, rho), (rho, 1.0)),
        )
        option = BasketOption(kind="call", strike=0.0, expiry=expiry, weights=(q1, -q2))
        found = monte_carlo(option, model, paths=16 * 32768, seed=1, sampler="sobol")
        assert found.stderr < 2e-3, row
        assert abs(found.price - expected) < 4 * found.stderr + 1e-3, (row, found)
