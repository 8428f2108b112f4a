"""Closed forms of barriers watched at every moment, under Black and Scholes with constant parameters.

One barrier: E. Reiner and M. Rubinstein, "Breaking down the barriers", Risk 4 (1991), in the notation of E.
G. Haug, The Complete Guide to Option Pricing Formulas. Two barriers: reflections of the density, or its
sine series where they would be many; both are exact and serve as each other's check.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from optionsib.pricing._normal import between, cdf

Kind = Literal["call", "put"]
Direction = Literal["down", "up"]

CORRECTION = 0.5825971579390107  # -zeta(1/2) / sqrt(2 pi): Broadie, Glasserman, Kou 1997
_TERMS = 400
_LEAST = 1e-18


@dataclass(frozen=True, slots=True)
class Flat:
    """Constant parameters until `time`: rate, carry (rate less yield), volatility."""

    spot: float
    volatility: float
    rate: float
    carry: float
    time: float

    @property
    def discount(self) -> float:
        """Return the value today of 1 at the end."""
        return math.exp(-self.rate * self.time)

    @property
    def deviation(self) -> float:
        """Return the deviation of the logarithm of the spot at the end."""
        return self.volatility * math.sqrt(self.time)


def vanilla(kind: Kind, law: Flat, strike: float) -> float:
    """Return the value of a European option."""
    forward = law.spot * math.exp(law.carry * law.time)
    sign = 1.0 if kind == "call" else -1.0
    if strike <= 0.0:
        return law.discount * max(sign * (forward - strike), 0.0)
    d1 = math.log(forward / strike) / law.deviation + 0.5 * law.deviation
    d2 = d1 - law.deviation
    return law.discount * sign * (forward * cdf(sign * d1) - strike * cdf(sign * d2))


def knock_in(kind: Kind, direction: Direction, law: Flat, strike: float, barrier: float) -> float:
    """Return the value of an option that lives once the barrier is touched; the spot is inside."""
    a, b, c, d = _terms(kind, direction, law, max(strike, 1e-300), barrier)
    above = strike >= barrier
    if direction == "down":
        return (c if above else a - b + d) if kind == "call" else (b - c + d if above else a)
    return (a if above else b - c + d) if kind == "call" else (a - b + d if above else c)


def knock_out(kind: Kind, direction: Direction, law: Flat, strike: float, barrier: float) -> float:
    """Return the value of an option that dies once the barrier is touched; the spot is inside."""
    a, b, c, d = _terms(kind, direction, law, max(strike, 1e-300), barrier)
    above = strike >= barrier
    if direction == "down":
        return (a - c if above else b - d) if kind == "call" else (a - b + c - d if above else 0.0)
    return (0.0 if above else a - b + c - d) if kind == "call" else (b - d if above else a - c)


def _terms(
    kind: Kind, direction: Direction, law: Flat, strike: float, barrier: float
) -> tuple[float, float, float, float]:
    """Return A, B, C and D of Reiner and Rubinstein."""
    phi = 1.0 if kind == "call" else -1.0
    eta = 1.0 if direction == "down" else -1.0
    s = law.deviation
    mu = law.carry / law.volatility**2 - 0.5
    asset = law.spot * math.exp((law.carry - law.rate) * law.time)
    cash = strike * law.discount
    ratio = barrier / law.spot
    reflected = math.pow(ratio, 2.0 * mu)
    shift = (1.0 + mu) * s
    x1 = math.log(law.spot / strike) / s + shift
    x2 = math.log(law.spot / barrier) / s + shift
    y1 = math.log(barrier * ratio / strike) / s + shift
    y2 = math.log(ratio) / s + shift

    def plain(x: float) -> float:
        return phi * (asset * cdf(phi * x) - cash * cdf(phi * (x - s)))

    def mirrored(y: float) -> float:
        return phi * reflected * (asset * ratio**2 * cdf(eta * y) - cash * cdf(eta * (y - s)))

    return plain(x1), plain(x2), mirrored(y1), mirrored(y2)


def untouched(direction: Direction, law: Flat, barrier: float) -> float:
    """Return the probability that the barrier is not touched until the end; the spot is inside."""
    eta = 1.0 if direction == "down" else -1.0
    s = law.deviation
    mu = law.carry / law.volatility**2 - 0.5
    ratio = barrier / law.spot
    x = math.log(law.spot / barrier) / s + mu * s
    y = math.log(ratio) / s + mu * s
    return cdf(eta * x) - math.pow(ratio, 2.0 * mu) * cdf(eta * y)


def at_touch(direction: Direction, law: Flat, barrier: float) -> float:
    """Return the value of 1 paid when the barrier is touched; the spot is inside."""
    eta = 1.0 if direction == "down" else -1.0
    s = law.deviation
    mu = law.carry / law.volatility**2 - 0.5
    square = mu * mu + 2.0 * law.rate / law.volatility**2
    if square < 0.0:
        raise ValueError(f"a payment at the touch has no closed form for so negative a rate, {law.rate}")
    root = math.sqrt(square)
    ratio = barrier / law.spot
    z = math.log(ratio) / s + root * s
    far = eta * (z - 2.0 * root * s)
    return math.pow(ratio, mu + root) * cdf(eta * z) + math.pow(ratio, mu - root) * cdf(far)


# --- two barriers --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Corridor:
    """The logarithm of the spot above the lower barrier: start, width, drift, deviation rate, time."""

    start: float
    width: float
    drift: float
    volatility: float
    time: float

    @classmethod
    def of(cls, law: Flat, lower: float, upper: float) -> Corridor:
        """Return the corridor between two barriers around the spot."""
        return cls(
            math.log(law.spot / lower),
            math.log(upper / lower),
            law.carry - 0.5 * law.volatility**2,
            law.volatility,
            law.time,
        )

    def alive(self, power: float, low: float, high: float, method: str = "auto") -> float:
        """Return E[exp(power x); no barrier touched, low < x < high] of x at the end."""
        low, high = max(low, 0.0), min(high, self.width)
        if not low < high:
            return 0.0
        if method == "auto":
            method = "images" if self.volatility * math.sqrt(self.time) < 0.8 * self.width else "series"
        return self._images(power, low, high) if method == "images" else self._series(power, low, high)

    def _images(self, power: float, low: float, high: float) -> float:
        square = self.volatility**2
        variance = square * self.time
        s = math.sqrt(variance)
        tilt = self.drift / square
        slope = power + tilt
        constant = -tilt * self.start - 0.5 * tilt**2 * variance + 0.5 * slope**2 * variance

        def part(mean: float) -> float:
            moved = mean + slope * variance
            weight = between((low - moved) / s, (high - moved) / s)
            return math.exp(constant + slope * mean) * weight if weight > 0.0 else 0.0

        total = part(self.start) - part(-self.start)
        for n in range(1, _TERMS):
            step = 2.0 * n * self.width
            term = sum(part(self.start + move) - part(-self.start + move) for move in (step, -step))
            total += term
            if abs(term) <= _LEAST * abs(total) and n > 1:
                break
        return max(total, 0.0)

    def _series(self, power: float, low: float, high: float) -> float:
        square = self.volatility**2
        tilt = self.drift / square
        slope = power + tilt
        constant = -tilt * self.start - 0.5 * tilt**2 * square * self.time
        total = 0.0
        for k in range(1, _TERMS):
            wave = k * math.pi / self.width
            decay = math.exp(constant - 0.5 * wave**2 * square * self.time)

            def antiderivative(x: float, wave: float = wave) -> float:
                return (
                    math.exp(slope * x)
                    * (slope * math.sin(wave * x) - wave * math.cos(wave * x))
                    / (slope**2 + wave**2)
                )

            term = decay * math.sin(wave * self.start) * (antiderivative(high) - antiderivative(low))
            total += term
            if decay * math.exp(abs(slope) * self.width) < _LEAST * abs(total):
                break
        return max(2.0 / self.width * total, 0.0)


def double_knock_out(kind: Kind, law: Flat, strike: float, lower: float, upper: float) -> float:
    """Return the value of an option that dies once either barrier is touched; the spot is between."""
    corridor = Corridor.of(law, lower, upper)
    level = math.log(max(strike, 1e-300) / lower)
    if kind == "call":
        asset, cash = (corridor.alive(power, level, corridor.width) for power in (1.0, 0.0))
        return law.discount * max(lower * asset - strike * cash, 0.0)
    asset, cash = (corridor.alive(power, 0.0, level) for power in (1.0, 0.0))
    return law.discount * max(strike * cash - lower * asset, 0.0)


def double_untouched(law: Flat, lower: float, upper: float) -> float:
    """Return the probability that neither barrier is touched until the end."""
    corridor = Corridor.of(law, lower, upper)
    return corridor.alive(0.0, 0.0, corridor.width)


def double_at_touch(law: Flat, lower: float, upper: float) -> float:
    """Return the value of 1 paid when the first of two barriers is touched.

    The value of waiting for ever, a sum of two exponentials of x, less what of it is still ahead at the end.
    """
    corridor = Corridor.of(law, lower, upper)
    square = law.volatility**2
    tilt = corridor.drift / square
    discriminant = tilt**2 + 2.0 * law.rate / square
    if discriminant <= 0.0:
        raise ValueError(f"a payment at the touch has no closed form for so negative a rate, {law.rate}")
    root = math.sqrt(discriminant)
    width = corridor.width
    # u(x) = exp(-tilt x) (p exp(root x) + q exp(-root x)), u(0) = u(width) = 1
    sine = 2.0 * math.sinh(root * width)
    p = (math.exp(tilt * width) - math.exp(-root * width)) / sine
    q = (math.exp(root * width) - math.exp(tilt * width)) / sine
    parts = ((p, root - tilt), (q, -root - tilt))
    now = sum(weight * math.exp(power * corridor.start) for weight, power in parts)
    later = sum(weight * corridor.alive(power, 0.0, width) for weight, power in parts)
    return now - law.discount * later
