"""Black-Scholes-Merton as a numba user writes it: one loop, and one function of seven floats."""

from __future__ import annotations

import math
from typing import Any

from numba import njit


@njit(fastmath=True, error_model="numpy")
def scalar(
    w: float, s: float, k: float, t: float, r: float, v: float, q: float
) -> tuple[float, float, float, float, float, float]:
    """Price, delta, gamma, vega, theta and rho of one option."""
    root = math.sqrt(t)
    total = v * root
    d1 = (math.log(s / k) + (r - q) * t) / total + 0.5 * total
    d2 = d1 - total
    spot, strike = s * math.exp(-q * t), k * math.exp(-r * t)
    n1 = 0.5 * math.erfc(-w * d1 * 0.7071067811865476)
    n2 = 0.5 * math.erfc(-w * d2 * 0.7071067811865476)
    density = spot * math.exp(-0.5 * d1 * d1) * 0.3989422804014327
    above, below = w * spot * n1, w * strike * n2
    theta = q * above - r * below - 0.5 * density * v / root
    return above - below, above / s, density / (s * s * total), density * root, theta, t * below


@njit(fastmath=True, error_model="numpy")
def price(w: Any, s: Any, k: Any, t: Any, r: Any, v: Any, q: Any, out: Any) -> None:
    """Write the prices to `out`."""
    for i in range(out.size):
        total = v[i] * math.sqrt(t[i])
        d1 = (math.log(s[i] / k[i]) + (r[i] - q[i]) * t[i]) / total + 0.5 * total
        n1 = 0.5 * math.erfc(-w[i] * d1 * 0.7071067811865476)
        n2 = 0.5 * math.erfc(-w[i] * (d1 - total) * 0.7071067811865476)
        out[i] = w[i] * (s[i] * math.exp(-q[i] * t[i]) * n1 - k[i] * math.exp(-r[i] * t[i]) * n2)


@njit(fastmath=True, error_model="numpy")
def greeks(w: Any, s: Any, k: Any, t: Any, r: Any, v: Any, q: Any, out: Any) -> None:
    """Write price, delta, gamma, vega, theta and rho to the rows of `out`."""
    for i in range(out.shape[1]):
        out[0, i], out[1, i], out[2, i], out[3, i], out[4, i], out[5, i] = scalar(
            w[i], s[i], k[i], t[i], r[i], v[i], q[i]
        )
