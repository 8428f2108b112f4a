"""Closed forms of averages and extremes of one asset under Black and Scholes.

Lookbacks watched at every moment: M. B. Goldman, H. B. Sosin and M. A. Gatto, "Path dependent options",
Journal of Finance 34 (1979), floating strikes; A. Conze and Viswanathan, "Path dependent options: the case
of lookback options", Journal of Finance 46 (1991), fixed ones.
"""

from __future__ import annotations

import math
from dataclasses import replace

from optionsib.pricing._barrier_formulas import Flat, Kind, vanilla
from optionsib.pricing._controls import undiscounted
from optionsib.pricing._normal import cdf
from optionsib.pricing.models import BlackScholes, integral
from optionsib.pricing.products import AsianOption

_SMALL_CARRY = 1e-4  # of the variance rate: below it the closed form divides a difference by almost nothing


def floating_geometric_asian_price(option: AsianOption, model: BlackScholes) -> float:
    """Return the value of an option on the last spot less the geometric average: both are lognormal."""
    count = len(option.dates)
    mean, variance, shared, total, plain, before = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i, date in enumerate(option.dates):
        step = integral(model.volatility, before, date, 2)
        weight = (count - i) / count
        total += model.carry(before, date) - 0.5 * step
        mean += total / count
        variance += weight**2 * step
        shared += weight * step
        plain += step
        before = date
    average = model.spot * math.exp(mean + 0.5 * variance)
    last = model.spot * math.exp(total + 0.5 * plain)
    paid_at = option.dates[-1] if option.expiry is None else option.expiry
    spread = max(plain + variance - 2.0 * shared, 0.0)
    return model.discount(paid_at) * undiscounted(option.kind, last, average, spread)


def lookback_price(kind: Kind, law: Flat, strike: float | None, extreme: float) -> float:
    """Return the value of a lookback option, fixed (`strike`) or floating (None), with its extreme so far."""
    small = _SMALL_CARRY * law.volatility**2
    if abs(law.carry) < small:  # between both sides, right to the square of so small a carry
        sides = (replace(law, carry=carry) for carry in (-small, small))
        below, above = (_lookback(kind, side, strike, extreme) for side in sides)
        return below + (law.carry + small) / (2.0 * small) * (above - below)
    return _lookback(kind, law, strike, extreme)


def _lookback(kind: Kind, law: Flat, strike: float | None, extreme: float) -> float:
    sign = 1.0 if kind == "call" else -1.0
    if strike is None:
        return vanilla(kind, law, extreme) + _tail(kind, law, extreme, floating=True)
    level = max(strike, extreme) if kind == "call" else min(strike, extreme)
    certain = law.discount * max(sign * (extreme - strike), 0.0)
    if level <= 0.0:
        return certain
    return certain + vanilla(kind, law, level) + _tail(kind, law, level, floating=False)


def _tail(kind: Kind, law: Flat, level: float, *, floating: bool) -> float:
    """Return what the extreme may still gain beyond a European option struck at `level`."""
    s = law.deviation
    ratio = 2.0 * law.carry / law.volatility**2
    d = math.log(law.spot / level) / s + (law.carry / law.volatility**2 + 0.5) * s
    # A floating call follows the minimum as a fixed put does.
    side = 1.0 if (kind == "call") != floating else -1.0
    power = math.pow(law.spot / level, -ratio)
    grown = math.exp(law.carry * law.time) * cdf(side * d)
    mirrored = power * cdf(side * (d - ratio * s))
    return law.spot * law.discount / ratio * side * (grown - mirrored)
