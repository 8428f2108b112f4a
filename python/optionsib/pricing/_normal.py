"""The normal distribution, accurate in both tails."""

from __future__ import annotations

import math

_ROOT_TWO = math.sqrt(2.0)
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)


def cdf(x: float) -> float:
    """Return P(Z <= x)."""
    return 0.5 * math.erfc(-x / _ROOT_TWO)


def density(x: float) -> float:
    """Return the density at x."""
    return math.exp(-0.5 * x * x) / _ROOT_TWO_PI


def between(low: float, high: float) -> float:
    """Return P(low < Z < high), 0 where they cross, without cancellation far out on either side."""
    if not low < high:
        return 0.0
    if low > 0.0:
        return cdf(-low) - cdf(-high)
    return cdf(high) - cdf(low)
