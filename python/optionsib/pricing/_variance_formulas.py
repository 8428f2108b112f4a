"""Expected realised variance between given dates: discrete returns with their drift, as swaps count."""

from __future__ import annotations

import math

import numpy as np

from optionsib.pricing.models import BlackScholes, Heston, Merton, integral


def squared_returns(model: BlackScholes | Merton | Heston, dates: tuple[float, ...]) -> float:
    """Return the expected sum of squared logarithmic returns from today over the dates."""
    if isinstance(model, Heston):
        return _heston(model, dates)
    total, before = 0.0, 0.0
    for date in dates:
        variance = integral(model.volatility, before, date, 2)
        mean = model.carry(before, date) - 0.5 * variance
        if isinstance(model, Merton):
            expected = model.intensity * (date - before)
            growth = math.expm1(model.jump_mean + 0.5 * model.jump_deviation**2)
            mean += expected * (model.jump_mean - growth)
            variance += expected * (model.jump_mean**2 + model.jump_deviation**2)
        total += variance + mean**2
        before = date
    return total


def _heston(model: Heston, dates: tuple[float, ...]) -> float:
    """Sum second moments of the returns: quadratic in the variance at the start of a period."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    kappa, theta, xi, rho = model.kappa, model.theta, model.xi, model.rho
    total, before = 0.0, 0.0
    for date in dates:
        step = date - before
        decayed = -math.expm1(-kappa * step) / kappa
        # Mean and variance of the variance at the period's start.
        decay = math.exp(-kappa * before)
        mean_v = theta + (model.variance - theta) * decay
        var_v = xi**2 * (
            model.variance * decay * (1.0 - decay) / kappa + theta * (1.0 - decay) ** 2 / (2.0 * kappa)
        )
        # Of the integral I of the variance over the period: mean a0 + a1 v; of Var I and Cov(I, v at the end)
        # the parts at v = 0 and per v, by quadrature of exponentials.
        a1 = decayed
        a0 = theta * (step - decayed)
        s = 0.5 * step * (nodes + 1.0)
        w = 0.5 * step * weights
        fade = np.exp(-kappa * s)
        per_v = xi**2 * fade * (1.0 - fade) / kappa
        plain = xi**2 * theta * (1.0 - fade) ** 2 / (2.0 * kappa)
        ahead = np.exp(-kappa * (step - s))
        parts = []
        for one in (plain, per_v):
            inside = 2.0 * float((w * one * (1.0 - ahead)).sum()) / kappa
            parts.append((inside, float((w * one * ahead).sum())))
        (var0, cov0), (var1, cov1) = parts
        # The return: carry - I / 2 + rho M + an independent part of variance (1 - rho^2) I, with
        # M = (v_end - v - kappa theta step + kappa I) / xi.
        carry = model.carry(before, date)
        mean0, mean1 = carry - 0.5 * a0, -0.5 * a1
        cross0, cross1 = (cov0 + kappa * var0) / xi, (cov1 + kappa * var1) / xi
        spread0 = a0 + 0.25 * var0 - rho * cross0
        spread1 = a1 + 0.25 * var1 - rho * cross1
        total += spread0 + spread1 * mean_v + (mean0 + mean1 * mean_v) ** 2 + mean1**2 * var_v
        before = date
    return total
