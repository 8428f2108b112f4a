"""Write the hard implied volatilities: tests/golden/data/implied_volatility_hard_mpmath.csv.

    python scripts/generate_implied_volatility_golden.py

Every price is a double; the volatility is the exact root (mpmath, 50 digits and more) for that very double,
so that the table holds what a perfect solver would return. `amplification` says how many relative roundings
of the volatility half an ulp of the quote causes, or, in the money, half an ulp of the larger discounted
amount, from which the time value is the difference.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import mpmath as mp

TARGET = Path(__file__).resolve().parents[1] / "tests/golden/data/implied_volatility_hard_mpmath.csv"
SOURCE = "mpmath {}, 80 digits, scripts/generate_implied_volatility_golden.py: {}"
MINUTE = 1 / (365 * 24 * 60)


class Case(NamedTuple):
    """One option; `volatility` is what its quote is made from, before rounding."""

    group: str
    model: str
    kind: int
    spot: float
    strike: float
    time_to_expiry: float
    rate: float
    dividend_yield: float
    shift: float
    volatility: float
    ulps: int = 0  # of the quote, from the intrinsic value (> 0) or from the maximum (< 0)


class Amounts(NamedTuple):
    """What the quote of a case is made of."""

    forward: mp.mpf
    strike: mp.mpf
    discount: mp.mpf
    intrinsic: mp.mpf
    maximum: mp.mpf


def amounts(case: Case) -> Amounts:
    """Return the exact amounts of a case."""
    t, shift = mp.mpf(case.time_to_expiry), mp.mpf(case.shift)
    growth = (
        mp.exp((mp.mpf(case.rate) - mp.mpf(case.dividend_yield)) * t) if case.model == "bsm" else mp.mpf(1)
    )
    forward, strike = (mp.mpf(case.spot) + shift) * growth, mp.mpf(case.strike) + shift
    discount = mp.exp(-mp.mpf(case.rate) * t)
    maximum = mp.inf if case.model == "bachelier" else discount * (forward if case.kind > 0 else strike)
    return Amounts(
        forward, strike, discount, discount * max(case.kind * (forward - strike), mp.mpf(0)), maximum
    )


def time_value(case: Case, volatility: mp.mpf) -> mp.mpf:
    """Return the price of the option on the out-of-the-money side."""
    normal = lambda z: mp.erfc(-z / mp.sqrt(2)) / 2  # noqa: E731
    forward, strike, discount, *_ = amounts(case)
    total = volatility * mp.sqrt(mp.mpf(case.time_to_expiry))
    if case.model == "bachelier":
        h = abs(forward - strike) / total
        return discount * total * (mp.npdf(h) - h * normal(-h))
    low, high = min(forward, strike), max(forward, strike)
    x = mp.log(low / high)
    return discount * (low * normal(x / total + total / 2) - high * normal(x / total - total / 2))


def vega(case: Case, volatility: mp.mpf) -> mp.mpf:
    """Return dV/dvol."""
    forward, strike, discount, *_ = amounts(case)
    root = mp.sqrt(mp.mpf(case.time_to_expiry))
    total = volatility * root
    if case.model == "bachelier":
        return discount * root * mp.npdf((forward - strike) / total)
    return discount * forward * root * mp.npdf(mp.log(forward / strike) / total + total / 2)


def quote_of(case: Case) -> float:
    """Return the quote: the model's price rounded, or a few ulps from one of its bounds."""
    _, _, _, intrinsic, maximum = amounts(case)
    if case.ulps == 0:
        return float(intrinsic + time_value(case, mp.mpf(case.volatility)))
    quote = float(intrinsic if case.ulps > 0 else maximum)
    for _ in range(abs(case.ulps)):
        quote = math.nextafter(quote, math.inf * case.ulps)
    return quote


def solve(case: Case, quote: float) -> mp.mpf | None:
    """Return the exact volatility of the quote, None where it has none or only in the last ulps."""
    forward, strike, _, intrinsic, maximum = amounts(case)
    target = mp.mpf(quote) - intrinsic
    if target <= 0 or mp.mpf(quote) >= maximum:
        return None
    ceiling = maximum - intrinsic if case.model != "bachelier" else mp.inf
    upper = case.model != "bachelier" and target > ceiling / 2
    if upper:
        function = lambda v: mp.log((ceiling - time_value(case, v)) / (ceiling - target))  # noqa: E731
    else:
        function = lambda v: mp.log(time_value(case, v) / target)  # noqa: E731
    root = mp.sqrt(mp.mpf(case.time_to_expiry))
    low, high = mp.mpf("1e-12") / root, mp.mpf(100) / root
    if case.model == "bachelier":
        low, high = abs(forward - strike) / 60 / root, mp.mpf("1e6") / root
        low = max(low, mp.mpf("1e-9") / root)
    else:
        low = max(low, abs(mp.log(forward / strike)) / 60 / root)
    for _ in range(40):
        middle = mp.sqrt(low * high)
        if (function(middle) > 0) != upper:
            high = middle
        else:
            low = middle
    return mp.findroot(function, (low, high), solver="secant", tol=1e-100, maxsteps=60)


def row_of(case: Case) -> list[str] | None:
    """Return quote, exact volatility, amplification."""
    quote = quote_of(case)
    if not 1e-300 < quote < math.inf:
        return None
    volatility = solve(case, quote)
    if volatility is None or not 1e-6 < volatility < 1e4:
        return None
    forward, strike, discount, *_ = amounts(case)
    in_the_money = case.kind * (forward - strike) > 0
    scale = discount * max(abs(forward), abs(strike)) if in_the_money else mp.mpf(quote)
    amplification = scale / (vega(case, volatility) * volatility)
    if case.ulps == 0 and amplification > 1e10:
        return None
    return [repr(quote), mp.nstr(volatility, 25), mp.nstr(amplification, 6)]


def cases() -> Iterator[Case]:
    """Yield the cases, group by group."""
    draw = random.Random(20260722)

    def forward(group: str, kind: int, x: float, t: float, v: float, ulps: int = 0) -> Case:
        return Case(group, "black76", kind, 100.0 * math.exp(x), 100.0, t, 0.0, 0.0, 0.0, v, ulps)

    for x in (0.5, 1.0, 2.0, 4.0, 6.0, 9.0, 12.0, 12.99, 13.01, 16.0, 30.0):
        for h in (0.3, 1.0, 3.0, 8.0, 20.0, 34.0):
            t = draw.choice((0.02, 0.25, 1.0, 5.0))
            sign = draw.choice((1, -1))
            kind = -sign if draw.random() < 0.85 else sign
            yield forward("wing", kind, sign * x, t, x / h / math.sqrt(t))
    for minutes in (1, 2, 5, 30):
        for _ in range(12):
            v = draw.uniform(0.08, 1.5)
            x = draw.gauss(0, 1.5) * v * math.sqrt(minutes * MINUTE)
            kind, spot = draw.choice((1, -1)), round(draw.uniform(20, 600), 2)
            strike = round(spot * math.exp(x), 2)
            yield Case("minute", "bsm", kind, spot, strike, minutes * MINUTE, 0.04, 0.01, 0.0, v)
    for v in (0.001, 0.003, 0.01, 0.03, 1.0, 3.0, 6.0, 10.0):
        for t in (1 / 365, 0.1, 1.0, 3.0):
            for z in (-2.5, -0.5, 0.0, 1.0):
                x = z * v * math.sqrt(t)
                yield forward("vol", 1 if draw.random() < (0.9 if x <= 0 else 0.1) else -1, x, t, v)
    for x in (0.0, 1e-15, -1e-12, 1e-9, -1e-7, 1e-5, -1e-4, 1e-3):
        for t, v in ((1 / 365, 0.1), (0.05, 0.2), (0.25, 0.3), (1.0, 0.4), (1.0, 0.8), (2.0, 0.9)):
            yield forward("near", 1 if x <= 0 else -1, x, t, v)
    for ulps in (1, 2, 3, 5, 20, 1000, 10**5):
        for x in (0.01, 0.1, 0.7, 2.0):
            yield forward("intrinsic", 1, x, draw.choice((0.1, 1.0)), 0.0, ulps)
            yield forward("intrinsic", -1, -x, draw.choice((0.1, 1.0)), 0.0, ulps)
    for ulps in (1, 2, 3, 5, 20, 1000, 10**5):
        for x in (-2.0, -0.1, 0.0, 0.1, 2.0):
            yield forward("maximum", draw.choice((1, -1)), x, draw.choice((0.1, 1.0)), 0.0, -ulps)
    for _ in range(60):
        model = draw.choice(("displaced", "bachelier", "bachelier"))
        kind, t, z = draw.choice((1, -1)), draw.choice((MINUTE, 0.02, 0.5, 3.0)), draw.gauss(0, 2)
        spot = draw.choice((0.02, -0.004, 1.5, 120.0)) if model == "bachelier" else draw.choice((5, -1)) / 256
        shift = 1 / 32 if model == "displaced" else 0.0
        v = draw.uniform(0.05, 0.6) * (abs(spot) if model == "bachelier" else 1.0)
        width = v * math.sqrt(t)
        strike = spot + z * width if model == "bachelier" else (spot + shift) * math.exp(z * width) - shift
        if model == "displaced":
            strike = round(strike * 2**40) / 2**40  # strike + shift is exact
        yield Case(model, model, kind, spot, strike, t, draw.choice((0.0, 0.03)), 0.0, shift, v)
    for z in (0.0, 1e-9, 0.01, 5.0, 12.0, 25.0, 36.0):
        yield Case("bachelier", "bachelier", 1, 100.0, 100.0 + z * 5.0, 1.0, 0.0, 0.0, 0.0, 5.0)


def main() -> None:
    """Write the table."""
    mp.mp.dps = 80
    inputs = ["model", "kind", "spot", "strike", "time_to_expiry", "rate", "dividend_yield", "shift"]
    with TARGET.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", *inputs, "price", "volatility", "amplification"])
        for case in cases():
            row = row_of(case)
            if row is not None:
                given = [str(getattr(case, name)) for name in inputs]
                writer.writerow([SOURCE.format(mp.__version__, case.group), *given, *row])


if __name__ == "__main__":
    main()
