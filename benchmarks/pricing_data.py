"""The options of the pricing benchmarks, with prices from 113-bit arithmetic rounded once to double."""

from __future__ import annotations

import hashlib
import math
import subprocess
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from benchmarks.harness import OUTPUT

Array = NDArray[np.float64]
Data = dict[str, NDArray[Any]]
ARGUMENTS = ("kind", "spot", "strike", "time_to_expiry", "rate", "volatility", "dividend_yield")
LEAST_PRICE = 1e-290  # of forward 100: what is smaller has lost digits to denormal numbers


def options(data: Data) -> list[Any]:
    """Return the arguments of `price` and `greeks`."""
    return [data[name] for name in ARGUMENTS]


def random_options(size: int) -> Data:
    """Return options around the money with dividends, without prices: 1 week to 2 years, vol 8 to 60 %."""
    draw = np.random.default_rng(20140606)
    spot = draw.uniform(20, 500, size)
    return _columns(
        np.where(draw.random(size) < 0.5, 1, -1),
        spot,
        spot * draw.uniform(0.7, 1.4, size),
        draw.uniform(7 / 365, 2, size),
        draw.uniform(0, 0.06, size),
        draw.uniform(0.08, 0.6, size),
        draw.uniform(0, 0.04, size),
    )


def listed_book(size: int, programs: Path) -> Data:
    """Return options as they are listed: |delta| 2 to 60 %, 2 days to 2 years, vol 8 to 90 %."""
    draw = np.random.default_rng(20140607)
    volatility, expiry = draw.uniform(0.08, 0.9, size), draw.uniform(2 / 365, 2, size)
    spot, rate, dividend = (
        draw.uniform(20, 500, size),
        draw.uniform(0, 0.06, size),
        draw.uniform(0, 0.04, size),
    )
    kind = np.where(draw.random(size) < 0.5, 1, -1)
    total = volatility * np.sqrt(expiry)
    d1 = kind * ndtri(draw.uniform(0.02, 0.6, size) * np.exp(np.minimum(dividend * expiry, 0.5)))
    strike = spot * np.exp((rate - dividend) * expiry - d1 * total + 0.5 * total * total)
    return with_exact_prices(_columns(kind, spot, strike, expiry, rate, volatility, dividend), programs)


def hard_grid(size: int, programs: Path) -> Data:
    """Return out-of-the-money options: F/K 0.2 to 5, 1 day to 5 years, vol 1 to 300 %, no rates.

    All three are log-uniform. Draws whose price is below `LEAST_PRICE` are left out.
    """
    draw = np.random.default_rng(20260722)
    many = size + 6 * size // 10
    forward = 100 * np.exp(draw.uniform(math.log(0.2), math.log(5), many))
    expiry = np.exp(draw.uniform(math.log(1 / 365), math.log(5), many))
    volatility = np.exp(draw.uniform(math.log(0.01), math.log(3), many))
    zero = np.zeros(many)
    data = with_exact_prices(
        _columns(np.where(forward > 100, -1, 1), forward, zero + 100, expiry, zero, volatility, zero),
        programs,
    )
    keep = np.flatnonzero(data["price"] > LEAST_PRICE)[:size]
    if len(keep) < size:
        raise RuntimeError(f"the hard grid has {len(keep)} of {size} options")
    return {name: np.ascontiguousarray(column[keep]) for name, column in data.items()}


def _columns(*values: Any) -> Data:
    data = {
        name: np.ascontiguousarray(column, dtype=float)
        for name, column in zip(ARGUMENTS, values, strict=True)
    }
    return {**data, "kind": data["kind"].astype(np.int8)}


def with_exact_prices(data: Data, programs: Path) -> Data:
    """Return `data` with the column ``price``; kept in a file, since a million takes some ten seconds.

    A sample is compared with mpmath (50 digits) every time. Where the compiler has no 113-bit arithmetic all
    prices come from mpmath, slowly.

    Raises
    ------
    AssertionError
        If a price of the sample is not the rounded exact one (1 ulp).
    """
    rows = np.column_stack([data[name].astype(float) for name in ARGUMENTS])
    kept = OUTPUT / "cache" / f"{hashlib.sha256(rows.tobytes()).hexdigest()[:16]}.npy"
    if kept.exists():
        prices = np.load(kept)
    else:
        program = programs / "exact_prices"
        if program.exists():
            done = subprocess.run([program], input=rows.tobytes(), capture_output=True, check=True)
            prices = np.frombuffer(done.stdout).copy()
        else:
            prices = np.array([exact_price(*row) for row in rows.tolist()])
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, prices)
    for i in np.linspace(0, len(rows) - 1, 200).astype(int).tolist():
        exact = exact_price(*rows[i].tolist())
        assert abs(prices[i] - exact) <= math.ulp(exact), f"reference price {prices[i]!r} is not {exact!r}"
    return {**data, "price": prices}


def exact_price(w: float, s: float, k: float, t: float, r: float, v: float, q: float) -> float:
    """Return one price from mpmath with 50 digits."""
    with mpmath.workdps(50):
        s, k, t, r, v, q = (mpmath.mpf(x) for x in (s, k, t, r, v, q))
        total = v * mpmath.sqrt(t)
        d1 = (mpmath.log(s / k) + (r - q) * t) / total + total / 2
        n1, n2 = (mpmath.erfc(-w * d / mpmath.sqrt(2)) / 2 for d in (d1, d1 - total))
        return float(w * (s * mpmath.exp(-q * t) * n1 - k * mpmath.exp(-r * t) * n2))
