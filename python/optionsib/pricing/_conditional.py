"""European options under Heston's model, given the path of the variance.

Given the variance the spot is lognormal (M. Romano, N. Touzi, "Contingent claims and market completeness in a
stochastic volatility model", 1997): with I the integral of the variance and M that of sqrt(v) dW,

    F = forward exp(rho M - rho^2 I / 2)    log variance (1 - rho^2) I
    M = (v_T - v_0 - kappa (theta T - I)) / xi

so only the variance is simulated, and the payoff is Black's formula. Controls: F, whose mean is the
forward, and I, whose mean is known where the scheme keeps the variance's mean.
"""

from __future__ import annotations

import math

from optionsib.pricing._rows import Row, Writer
from optionsib.pricing._simulation import Compiled, Normals, Request, finish, time_grid
from optionsib.pricing.models import Heston
from optionsib.pricing.products import EuropeanOption


def compile_conditional(
    option: EuropeanOption, model: Heston, request: Request
) -> tuple[Compiled, list[float]]:
    """Return the program and the means of its controls."""
    writer = Writer()
    grid = time_grid(model, option.times(), request.steps)
    normals = Normals(writer, request.sampler, 1, grid)
    rows = [_VariancePath(writer, model, 1.0)]
    if request.antithetic:
        rows.append(_VariancePath(writer, model, -1.0))
    for time in grid:
        (z,) = normals.step()
        for path in rows:
            path.step(time, z)
    columns = [path.columns(option, request) for path in rows]
    names = tuple(columns[0])
    found = [
        columns[0][name] if len(rows) == 1 else (columns[0][name] + columns[1][name]) * 0.5 for name in names
    ]
    known = [model.spot * math.exp(model.carry(0.0, option.expiry))]
    if model.scheme == "qe":
        known.append(_mean_integral(model, grid))
    return finish(writer, found, names, normals.dimensions), known


def _mean_integral(model: Heston, grid: list[float]) -> float:
    """Return the mean of the trapezoid sum of the variance."""

    def mean(time: float) -> float:
        return model.theta + (model.variance - model.theta) * math.exp(-model.kappa * time)

    total, before = 0.0, 0.0
    for time in grid:
        total += 0.5 * (time - before) * (mean(before) + mean(time))
        before = time
    return total


class _VariancePath:
    """The variance and its integral along one path."""

    def __init__(self, writer: Writer, model: Heston, sign: float) -> None:
        self.model, self.sign, self.time = model, sign, 0.0
        self.x = writer.row(0.0)  # moves along unused
        self.v = writer.row(model.variance)
        self.total = writer.row(0.0)

    def step(self, time: float, normal: Row) -> None:
        """Move on to a time."""
        z = normal if self.sign > 0 else -normal
        width = time - self.time
        euler = self.model.scheme == "euler"
        constants = self.model.euler(width, 0.0) if euler else self.model.qe(width, 0.0)
        name = "heston_euler" if euler else "heston_qe"
        self.x, v = z.writer.emit(name, (self.x, self.v, z), constants, z.register, writes=2)
        if euler:  # what the scheme itself takes for the integral
            self.total = self.total + self.v.floor(0.0) * width
        else:
            self.total = z.writer.emit("combine3", (self.total, self.v, v), (1.0, 0.5 * width, 0.5 * width))[
                0
            ]
        self.v, self.time = v, time

    def columns(self, option: EuropeanOption, request: Request) -> dict[str, Row]:
        """Return value, Greeks and controls."""
        m, expiry = self.model, option.expiry
        carry, discount = m.carry(0.0, expiry), m.discount(expiry)
        moved = (self.v + self.total * m.kappa - (m.variance + m.kappa * m.theta * expiry)) * (m.rho / m.xi)
        exponent = moved + self.total * (-0.5 * m.rho**2)
        forward = (exponent + (math.log(m.spot) + carry)).exp()
        variance = self.total * (1.0 - m.rho**2)
        deviation = variance.sqrt().floor(1e-12)
        d1 = (exponent + (math.log(m.spot / option.strike) + carry)) / deviation + deviation * 0.5
        sign = 1.0 if option.kind == "call" else -1.0
        upper, lower = (d1 * sign).cdf(), ((d1 - deviation) * sign).cdf()
        found = {"value": (forward * upper - lower * option.strike) * (sign * discount)}
        if "delta" in request.pathwise:
            found["delta"] = forward * upper * (sign * discount / m.spot)
        if "gamma" in request.pathwise:
            density = (d1 * d1 * -0.5).exp() * (1.0 / math.sqrt(2.0 * math.pi))
            found["gamma"] = forward * density / deviation * (discount / m.spot**2)
        found["control 0"] = forward
        if m.scheme == "qe":
            found["control 1"] = self.total
        return found
