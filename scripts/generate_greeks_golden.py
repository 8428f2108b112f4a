"""Write tests/golden/data/greeks_mpmath.csv: price and sixteen Greeks under four models, to 17 digits.

    python scripts/generate_greeks_golden.py

The price is the textbook formula in 60 digits; every Greek is its derivative by mpmath's numerical
differentiation, not a formula of ours.
"""

from __future__ import annotations

import csv
import random
from pathlib import Path

import mpmath as mp

TARGET = Path(__file__).resolve().parents[1] / "tests" / "golden" / "data" / "greeks_mpmath.csv"
INPUTS = ("kind", "spot", "strike", "time_to_expiry", "rate", "volatility", "dividend_yield", "shift")
# Orders of differentiation by spot, strike, time, rate, volatility, dividend yield; theta's sign is d/dt.
DERIVATIVES = {
    "price": (0, 0, 0, 0, 0, 0),
    "delta": (1, 0, 0, 0, 0, 0),
    "gamma": (2, 0, 0, 0, 0, 0),
    "vega": (0, 0, 0, 0, 1, 0),
    "theta": (0, 0, 1, 0, 0, 0),
    "rho": (0, 0, 0, 1, 0, 0),
    "epsilon": (0, 0, 0, 0, 0, 1),
    "dual_delta": (0, 1, 0, 0, 0, 0),
    "dual_gamma": (0, 2, 0, 0, 0, 0),
    "vanna": (1, 0, 0, 0, 1, 0),
    "volga": (0, 0, 0, 0, 2, 0),
    "charm": (1, 0, 1, 0, 0, 0),
    "veta": (0, 0, 1, 0, 1, 0),
    "speed": (3, 0, 0, 0, 0, 0),
    "zomma": (2, 0, 0, 0, 1, 0),
    "color": (2, 0, 1, 0, 0, 0),
    "ultima": (0, 0, 0, 0, 3, 0),
}


def normal_cdf(x: mp.mpf) -> mp.mpf:
    """Return N(x) with relative accuracy in both tails."""
    return mp.erfc(-x / mp.sqrt(2)) / 2


def price(model: str, kind: int, shift: float, *state: mp.mpf) -> mp.mpf:
    """Return the price; `state` is spot, strike, time, rate, volatility, dividend yield."""
    spot, strike, expiry, rate, volatility, dividend = state
    discount, s = mp.exp(-rate * expiry), volatility * mp.sqrt(expiry)
    if model == "bachelier":
        d = (spot - strike) / s
        return discount * (kind * (spot - strike) * normal_cdf(kind * d) + s * mp.npdf(d))
    forward = (spot + shift) * (mp.exp((rate - dividend) * expiry) if model == "bsm" else 1)
    strike = strike + shift
    d1 = mp.log(forward / strike) / s + s / 2
    return kind * discount * (forward * normal_cdf(kind * d1) - strike * normal_cdf(kind * (d1 - s)))


def main() -> None:
    """Write the table."""
    mp.mp.dps = 60
    generator = random.Random(20)
    with TARGET.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("model", *INPUTS, *DERIVATIVES))
        for model in ("bsm", "black76", "displaced", "bachelier"):
            for _ in range(25):
                spot, kind = round(generator.uniform(20, 200), 2), generator.choice((1, -1))
                expiry = round(10 ** generator.uniform(-2.5, 0.5), 5)
                volatility = round(10 ** generator.uniform(-1.3, 0), 4)
                spread = generator.uniform(-2.5, 2.5) * volatility * expiry**0.5
                strike = round(spot * float(mp.exp(spread)), 2)
                rate = round(generator.uniform(-0.02, 0.08), 4)
                dividend = round(generator.uniform(0, 0.05), 4) if model == "bsm" else 0.0
                shift = round(generator.uniform(1, 20), 1) if model == "displaced" else 0.0
                if model == "bachelier":
                    volatility = round(volatility * spot, 3)
                state = tuple(mp.mpf(v) for v in (spot, strike, expiry, rate, volatility, dividend))
                row = []
                for name, orders in DERIVATIVES.items():
                    value = mp.diff(lambda *at: price(model, kind, mp.mpf(shift), *at), state, orders)  # noqa: B023
                    if name == "epsilon" and model != "bsm":
                        value = mp.mpf(0)
                    row.append(mp.nstr(-value if orders[2] else value, 17))
                writer.writerow((model, kind, spot, strike, expiry, rate, volatility, dividend, shift, *row))


if __name__ == "__main__":
    main()
