"""European options on two lognormal assets: closed forms, and one integral where there is none."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from optionsib.pricing._barrier_formulas import Kind
from optionsib.pricing._controls import undiscounted
from optionsib.pricing.european import price
from optionsib.pricing.models import MultiAsset, integral

_PANELS, _NODES, _REACH = 96, 16, 9.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Two forwards, the variances of their logarithms, and the covariance."""

    first: float
    second: float
    variance_first: float
    variance_second: float
    covariance: float


def pair_at(model: MultiAsset, time: float) -> Pair | None:
    """Return the law of both assets at a time; None with cash dividends before it."""
    forwards = model.forwards(time)
    if forwards is None:
        return None
    one, two = model.underlyings
    product = _product(one.volatility, two.volatility, time)
    return Pair(
        forwards[0],
        forwards[1],
        integral(one.volatility, 0.0, time, 2),
        integral(two.volatility, 0.0, time, 2),
        model.correlation[0][1] * product,
    )


def _product(first: object, second: object, time: float) -> float:
    """Integrate the product of two volatilities over time: each is constant between the times of both."""
    cuts = {0.0, time}
    for level in (first, second):
        cuts |= {t for t in getattr(level, "times", ()) if t < time}
    ordered = sorted(cuts)
    total = 0.0
    for start, end in itertools.pairwise(ordered):
        one = integral(first, start, end)  # type: ignore[arg-type]
        two = integral(second, start, end)  # type: ignore[arg-type]
        total += one * two / (end - start)
    return total


def exchange_price(pair: Pair) -> float:
    """Return E[max(S1 - S2, 0)] (W. Margrabe, Journal of Finance 33, 1978)."""
    variance = max(pair.variance_first + pair.variance_second - 2.0 * pair.covariance, 0.0)
    return undiscounted("call", pair.first, pair.second, variance)


def kirk_price(kind: Kind, pair: Pair, strike: float) -> float:
    """Return E. Kirk's approximation (1995) of E[max(S1 - S2 - strike, 0)]."""
    share = pair.second / (pair.second + strike)
    variance = pair.variance_first - 2.0 * share * pair.covariance + share**2 * pair.variance_second
    return undiscounted(kind, pair.first, pair.second + strike, max(variance, 0.0))


def weighted_price(kind: Kind, pair: Pair, weights: tuple[float, float], strike: float) -> float:
    """Return E[max(w1 S1 + w2 S2 - strike, 0)], of a put its negative's.

    Given the second asset, the first is lognormal: Black's formula, integrated over the second by
    Gauss-Legendre panels.
    """
    w1, w2 = weights
    if w1 == 0.0 and w2 == 0.0:
        return max(-strike if kind == "call" else strike, 0.0)
    if w1 == 0.0:
        swapped = Pair(pair.second, pair.first, pair.variance_second, pair.variance_first, pair.covariance)
        return weighted_price(kind, swapped, (w2, w1), strike)
    deviation = math.sqrt(pair.variance_second)
    nodes, weight = np.polynomial.legendre.leggauss(_NODES)
    edges = np.linspace(-_REACH, _REACH, _PANELS + 1)
    half = 0.5 * (edges[1] - edges[0])
    z = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * nodes).ravel()
    mass = np.tile(half * weight, _PANELS) * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    second = pair.second * np.exp(deviation * z - 0.5 * pair.variance_second)
    loading = pair.covariance / deviation if deviation > 0.0 else 0.0
    first = pair.first * np.exp(loading * z - 0.5 * loading**2)
    rest = math.sqrt(max(pair.variance_first - loading**2, 0.0))
    level = strike - w2 * second  # w1 S1 against this
    buys = (kind == "call") == (w1 > 0.0)
    target = level / w1
    positive = target > 0.0
    sign = 1.0 if buys else -1.0
    value = np.maximum(sign * (first - target), 0.0)
    if rest > 0.0 and positive.any():
        value[positive] = price("call" if buys else "put", first[positive], target[positive], 1.0, 0.0, rest)
    return abs(w1) * float((mass * value).sum())
