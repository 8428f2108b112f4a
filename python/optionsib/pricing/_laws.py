"""Options on the spot at one time, under each model of one asset: undiscounted values and probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from optionsib.pricing._barrier_formulas import Kind
from optionsib.pricing._controls import undiscounted
from optionsib.pricing._normal import cdf
from optionsib.pricing.models import BlackScholes, Heston, Merton, integral

Complex = NDArray[np.complex128]

_LEAST = 1e-17
_NODES = 32


def option_value(kind: Kind, model: BlackScholes | Merton | Heston, strike: float, time: float) -> float:
    """Return E[max(S - strike, 0)], of a put max(strike - S, 0), at a time, without cash dividends."""
    forward = _forward(model, time)
    if strike <= 0.0 or time == 0.0:
        return max(forward - strike, 0.0) if kind == "call" else max(strike - forward, 0.0)
    match model:
        case BlackScholes():
            return undiscounted(kind, forward, strike, integral(model.volatility, 0.0, time, 2))
        case Merton():
            return _mixture(model, time, lambda one, variance: undiscounted(kind, one, strike, variance))
        case Heston():
            level = math.log(forward / strike)
            part = _lewis(model, time, level, np.ones_like)
            call = forward - math.sqrt(forward * strike) * part
            return max(call, 0.0) if kind == "call" else max(call - forward + strike, 0.0)


def probability_above(model: BlackScholes | Merton | Heston, strike: float, time: float) -> float:
    """Return P(S > strike) at a time, without cash dividends; at time 0 a spot at the strike counts."""
    forward = _forward(model, time)
    if strike <= 0.0 or time == 0.0:
        return 1.0 if forward >= strike else 0.0

    def lognormal(one: float, variance: float) -> float:
        s = math.sqrt(variance)
        return cdf(math.log(one / strike) / s - 0.5 * s)

    match model:
        case BlackScholes():
            return lognormal(forward, integral(model.volatility, 0.0, time, 2))
        case Merton():
            return _mixture(model, time, lognormal)
        case Heston():
            level = math.log(forward / strike)
            part = _lewis(model, time, level, lambda u: 0.5 - 1j * u)
            return min(max(math.sqrt(forward / strike) * part, 0.0), 1.0)


def _forward(model: BlackScholes | Merton | Heston, time: float) -> float:
    found = model.forwards(time)
    if found is None:
        raise ValueError("there is no closed form with cash dividends")
    return found[0]


def _mixture(model: Merton, time: float, value: Callable[[float, float], float]) -> float:
    """Sum over the number of jumps, given which the spot is lognormal (R. C. Merton, 1976)."""
    expected = model.intensity * time
    growth = math.expm1(model.jump_mean + 0.5 * model.jump_deviation**2)
    base = _forward(model, time) * math.exp(-expected * growth)
    variance = integral(model.volatility, 0.0, time, 2)
    weight, total, n, left = math.exp(-expected), 0.0, 0, 1.0
    if weight == 0.0:
        raise ValueError(f"{expected:g} expected jumps are too many for the series: at most 700")
    jump = model.jump_mean + 0.5 * model.jump_deviation**2
    while True:
        total += weight * value(base * math.exp(n * jump), variance + n * model.jump_deviation**2)
        left -= weight
        n += 1
        weight *= expected / n
        # Jumps may grow the payoff as fast as their numbers get rare: the next term decides.
        if n > expected and weight * max(math.exp(n * jump), 1.0) < _LEAST:
            return total


def characteristic(model: Heston, u: Complex, time: float) -> Complex:
    """Return E[exp(i u ln(S / forward))] (Heston 1993) in the form without branch cuts.

    H. Albrecher, P. Mayer, W. Schoutens and J. Tistaert, "The little Heston trap", 2007.
    """
    beta = model.kappa - model.rho * model.xi * 1j * u
    d = np.sqrt(beta**2 + model.xi**2 * (u * u + 1j * u))
    g = (beta - d) / (beta + d)
    decay = np.exp(-d * time)
    b = (beta - d) / model.xi**2 * (1.0 - decay) / (1.0 - g * decay)
    a = (beta - d) * time - 2.0 * np.log((1.0 - g * decay) / (1.0 - g))
    return np.asarray(np.exp(model.kappa * model.theta / model.xi**2 * a + b * model.variance))


def _lewis(model: Heston, time: float, level: float, factor: Callable[[Complex], Complex]) -> float:
    """Integrate exp(i u level) characteristic(u - i/2) factor(u) / (u^2 + 1/4) / pi over u > 0.

    A. L. Lewis, "A simple option formula for general jump-diffusion and other exponential Levy processes",
    2001. Gauss-Legendre panels, doubled until two answers agree.
    """
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)

    def integrand(u: NDArray[np.float64]) -> NDArray[np.float64]:
        z = u.astype(np.complex128)
        whole = np.exp(1j * u * level) * characteristic(model, z - 0.5j, time) * factor(z)
        return np.asarray(np.real(whole) / (u * u + 0.25))

    end = 8.0
    while end < 1e7 and abs(characteristic(model, np.array([end - 0.5j]), time)[0]) > 1e-16:
        end *= 2.0
    # Fine near 0, where the integrand lives, coarse in the tail; enough panels for the waves.
    panels = max(16, int(abs(level) * end / 8.0))
    before = math.inf
    while True:
        edges = end * np.linspace(0.0, 1.0, panels + 1) ** 2
        half = 0.5 * np.diff(edges)
        u = 0.5 * (edges[1:] + edges[:-1])[:, None] + half[:, None] * nodes
        now = float((half[:, None] * weights * integrand(u)).sum()) / math.pi
        if abs(now - before) < 1e-13 or panels > 20_000:
            return now
        before, panels = now, 2 * panels
