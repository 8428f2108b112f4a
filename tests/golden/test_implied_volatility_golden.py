"""Hard implied volatilities against 80-digit roots: wings, minutes, prices next to their bounds.

The error is |vol / exact - 1| over max(1, amplification): what half an ulp of the quote, or in the money of
the larger discounted amount, moves the exact volatility by is nobody's fault.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from optionsib.pricing import Status, implied_volatility, simd_path

DATA = Path(__file__).parent / "data"
EPSILON = 2.0**-52
INPUTS = ("kind", "spot", "strike", "time_to_expiry", "rate", "dividend_yield")
GROUPS = ("bachelier", "book", "displaced", "hard", "intrinsic", "maximum", "minute", "near", "vol", "wing")
Row = dict[str, str]


def rows() -> list[Row]:
    """Return both tables, every row with its group."""
    found = []
    for name in ("implied_volatility_mpmath.csv", "implied_volatility_hard_mpmath.csv"):
        with (DATA / name).open(newline="") as file:
            for row in csv.DictReader(file):
                found.append(row | {"group": row["source"].rsplit(": ", 1)[1]})
    return found


ROWS = rows()


def error(row: Row, volatility: float) -> float:
    """Return the error in attainable units of one, the exact value taken beyond a double's digits."""
    exact = Decimal(row["volatility"])
    relative = abs(float((Decimal(volatility) - exact) / exact))
    return relative / max(1.0, float(row["amplification"]))


def solve(row: Row, guess: float | None = None) -> float:
    result = implied_volatility(
        float(row["price"]),
        *(float(row[name]) for name in INPUTS),
        model=row["model"],
        shift=float(row.get("shift", "0")),
        guess=guess,
    )
    assert result.status == Status.OK
    return float(result.volatility)


@pytest.mark.parametrize("group", GROUPS)
def test_the_exact_root_is_met(group: str) -> None:
    chosen = [row for row in ROWS if row["group"] == group]
    assert len(chosen) >= 15
    failures = []
    for row in chosen:
        volatility = solve(row)
        if not error(row, volatility) <= 8 * EPSILON:
            failures.append(f"{error(row, volatility):.3g}: got {volatility!r}, {row}")
    assert not failures, "\n".join(failures[:10])


@pytest.mark.parametrize("factor", [1e-3, 0.9, 0.999, 1.0, 1.01, 3.0])
def test_a_guess_changes_the_way_not_the_result(factor: float) -> None:
    failures = []
    for row in ROWS:
        volatility = solve(row, factor * float(row["volatility"]))
        if not error(row, volatility) <= 8 * EPSILON:
            failures.append(f"{error(row, volatility):.3g}: got {volatility!r}, {row}")
    assert not failures, "\n".join(failures[:10])


def test_near_the_money_nothing_is_lost_to_the_quotient() -> None:
    """ln(F/K) from the rounded quotient would cost 3e-13 here."""
    worst = max(error(row, solve(row)) for row in ROWS if row["group"] == "near")
    # The baseline rounds products and sums apart.
    assert worst <= (1.6e-15 if simd_path() == "baseline" else 1e-15)


def test_arrays_give_the_same_bits() -> None:
    tables = defaultdict(list)
    for row in ROWS:
        tables[row["model"]].append(row)
    for model, chosen in tables.items():
        columns = [np.array([float(row[name]) for row in chosen]) for name in ("price", *INPUTS)]
        shift = np.array([float(row.get("shift", "0")) for row in chosen])
        solved = implied_volatility(*columns, model=model, shift=shift)
        assert solved.volatility.tolist() == [solve(row) for row in chosen]
