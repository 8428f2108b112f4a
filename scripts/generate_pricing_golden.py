"""Write the high-precision reference values of the European pricing tests.

    python scripts/generate_pricing_golden.py

Prices come from mpmath with 80 digits; Greeks are mpmath's numerical derivatives of that price, so they share
no formula with the kernels; implied volatilities are the roots for the price after its rounding to double.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import mpmath as mp

FOLDER = Path(__file__).resolve().parents[1] / "tests" / "golden" / "data"
SOURCE = "mpmath {}, 80 digits, scripts/generate_pricing_golden.py: {}"
GREEKS = ("price", "delta", "gamma", "vega", "theta", "rho", "vanna", "volga", "charm")
MINUTE = 1 / (365 * 24 * 60)


class Option(NamedTuple):
    """The inputs of one row; every number is an exact double."""

    group: str
    model: str
    kind: int
    spot: float
    strike: float
    time_to_expiry: float
    rate: float
    volatility: float
    dividend_yield: float


def exact_price(
    option: Option,
    spot: mp.mpf | None = None,
    expiry: mp.mpf | None = None,
    volatility: mp.mpf | None = None,
    rate: mp.mpf | None = None,
) -> mp.mpf:
    """Return the price; a given argument replaces the option's own."""
    s = mp.mpf(option.spot) if spot is None else spot
    t = mp.mpf(option.time_to_expiry) if expiry is None else expiry
    v = mp.mpf(option.volatility) if volatility is None else volatility
    r = mp.mpf(option.rate) if rate is None else rate
    q = r if option.model == "black76" else mp.mpf(option.dividend_yield)
    k, w = mp.mpf(option.strike), option.kind
    total = v * mp.sqrt(t)
    d1 = (mp.log(s / k) + (r - q) * t) / total + total / 2
    normal = lambda z: mp.erfc(-z / mp.sqrt(2)) / 2  # noqa: E731
    return w * (s * mp.exp(-q * t) * normal(w * d1) - k * mp.exp(-r * t) * normal(w * (d1 - total)))


def exact_greeks(option: Option) -> list[mp.mpf]:
    """Return price and Greeks, the latter by numerical differentiation."""
    s, t, v, r = (mp.mpf(x) for x in (option.spot, option.time_to_expiry, option.volatility, option.rate))
    by = lambda order: mp.diff(  # noqa: E731
        lambda a, b, c, d: exact_price(option, a, b, c, d), (s, t, v, r), order
    )
    return [
        exact_price(option),
        by((1, 0, 0, 0)),
        by((2, 0, 0, 0)),
        by((0, 0, 1, 0)),
        -by((0, 1, 0, 0)),
        by((0, 0, 0, 1)),
        by((1, 0, 1, 0)),
        by((0, 0, 2, 0)),
        -by((1, 1, 0, 0)),
    ]


def options() -> Iterator[Option]:
    """Yield the options of the price and Greeks table."""
    draw = random.Random(20140606)
    for group, count in (
        ("listed", 80),
        ("wide", 80),
        ("wing", 60),
        ("near", 40),
        ("minute", 30),
        ("vol", 30),
    ):
        for _ in range(count):
            model = draw.choice(("bsm", "bsm", "black76"))
            kind = draw.choice((1, -1))
            spot = round(draw.uniform(5, 500), 2)
            expiry = draw.choice((7, 30, 91, 182, 365, 730)) / 365
            rate, dividend = round(draw.uniform(-0.02, 0.10), 4), round(draw.uniform(0, 0.06), 4)
            volatility = round(draw.uniform(0.08, 0.9), 4)
            moneyness = draw.gauss(0, 1) * volatility * expiry**0.5
            if group == "wide":
                expiry, volatility = draw.uniform(1 / 365, 5), round(draw.uniform(0.01, 3), 4)
                moneyness = draw.uniform(-1.6, 1.6)
            elif group == "wing":
                moneyness = kind * draw.uniform(4, 35) * volatility * expiry**0.5
            elif group == "near":
                moneyness = draw.choice((0.0, 1e-12, -1e-9, 1e-6, -1e-4))
            elif group == "minute":
                expiry = draw.choice((1, 5, 60)) * MINUTE
                moneyness = draw.gauss(0, 2) * volatility * expiry**0.5
            elif group == "vol":
                volatility = draw.choice((0.001, 0.005, 2.0, 5.0, 10.0))
                moneyness = draw.gauss(0, 2) * volatility * expiry**0.5
            strike = spot * float(mp.exp(moneyness))
            if group not in ("near", "wing"):
                strike = max(round(strike, 2), 0.01)
            if model == "black76":
                dividend = 0.0
            yield Option(group, model, kind, spot, strike, expiry, rate, volatility, dividend)


def implied_cases() -> Iterator[Option]:
    """Yield the options of the implied volatility table: the hard grid, out of and in the money."""
    draw = random.Random(20260722)
    for forward_over_strike in (0.2, 0.5, 0.8, 0.95, 1.0, 1.000001, 1.05, 1.25, 2.0, 5.0):
        for expiry in (1 / 365, 7 / 365, 0.25, 1.0, 5.0):
            for volatility in (0.01, 0.05, 0.2, 0.6, 1.5, 3.0):
                out_of_the_money = -1 if forward_over_strike > 1 else 1
                kind = out_of_the_money if draw.random() < 0.8 else -out_of_the_money
                yield Option(
                    "hard", "black76", kind, 100 * forward_over_strike, 100.0, expiry, 0.0, volatility, 0.0
                )
    for _ in range(100):
        volatility, expiry = draw.uniform(0.08, 0.9), draw.uniform(2, 730) / 365
        spot = round(draw.uniform(5, 500), 2)
        strike = round(spot * float(mp.exp(draw.gauss(0, 1) * volatility * expiry**0.5)), 1)
        kind, rate, dividend = draw.choice((1, -1)), draw.uniform(-0.01, 0.08), draw.uniform(0, 0.05)
        yield Option("book", "bsm", kind, spot, strike, expiry, rate, volatility, dividend)


def implied_row(option: Option) -> list[str] | None:
    """Return the row's inputs, rounded price and exact volatility; None where no time value is left."""
    quote = float(exact_price(option))
    carry = option.rate if option.model == "black76" else option.dividend_yield
    forward = mp.mpf(option.spot) * mp.exp(-mp.mpf(carry) * option.time_to_expiry)
    strike = mp.mpf(option.strike) * mp.exp(-mp.mpf(option.rate) * option.time_to_expiry)
    intrinsic = max(option.kind * (forward - strike), 0)
    ceiling = forward if option.kind > 0 else strike
    margin = mp.mpf(2) ** -50 * max(option.spot, option.strike)
    in_the_money = option.kind * (forward - strike) > 0
    if quote < 2e-308 or (in_the_money and quote - intrinsic < margin) or ceiling - quote < margin:
        return None
    objective = lambda v: mp.log((exact_price(option, volatility=v) - intrinsic) / (quote - intrinsic))  # noqa: E731
    volatility = mp.findroot(objective, mp.mpf(option.volatility), tol=1e-90, maxsteps=60)
    vega = mp.diff(lambda v: exact_price(option, volatility=v), volatility)
    # How many relative roundings of the vol one rounding of the larger discounted amount causes.
    amplification = (
        max(forward, strike) / (vega * volatility) if in_the_money else quote / (vega * volatility)
    )
    return [repr(quote), mp.nstr(volatility, 25), mp.nstr(amplification, 6)]


def main() -> None:
    """Write both tables."""
    mp.mp.dps = 80
    FOLDER.mkdir(parents=True, exist_ok=True)
    inputs = [name for name in Option._fields if name != "group"]
    with (FOLDER / "european_mpmath.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", *inputs, *GREEKS])
        for option in options():
            values = [mp.nstr(value, 25) for value in exact_greeks(option)]
            writer.writerow([SOURCE.format(mp.__version__, option.group), *map(str, option[1:]), *values])
    with (FOLDER / "implied_volatility_mpmath.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        known = [name for name in inputs if name != "volatility"]
        writer.writerow(["source", *known, "price", "volatility", "amplification"])
        for option in implied_cases():
            row = implied_row(option)
            if row is not None:
                given = [str(getattr(option, name)) for name in known]
                writer.writerow([SOURCE.format(mp.__version__, option.group), *given, *row])


if __name__ == "__main__":
    main()
