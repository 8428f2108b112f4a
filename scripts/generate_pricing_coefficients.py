"""Write the polynomial coefficients of the pricing kernels.

    python scripts/generate_pricing_coefficients.py

* ``math/mills_coefficients.hpp``: Chebyshev expansions (mpmath, 40 digits) of the Mills ratio
  A(x) = (1 - N(x)) / n(x) and of its slope B(x) = 1 - x A(x), x >= 0, as (1 + x) A and (1 + x)^2 B in
  t = (x - 5) / (x + 5), turned into powers of t.
* ``math/log_coefficients.hpp``: atanh(z) / z - 1 over z^2 in powers of z^2, |z| <= 1/3.
* ``pricing/implied_volatility_seed.hpp``: a least-squares fit, iteratively reweighted towards the smallest
  largest error, of (s - s0) / |ln(F/K)| where s is the total volatility and s0 the one of an at-the-money
  option of the same normalised price.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mpmath as mp
import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, erfinv, ndtr, ndtri

INCLUDE = Path(__file__).resolve().parents[1] / "cpp" / "include" / "optionsib"
HEADER = "// Written by scripts/generate_pricing_coefficients.py; do not edit.\n#pragma once\n\n"
CENTRE = 5
Array = NDArray[np.float64]


def mills(x: mp.mpf) -> mp.mpf:
    """Return A(x) = (1 - N(x)) / n(x)."""
    if x < 30:
        return mp.sqrt(mp.pi / 2) * mp.erfc(x / mp.sqrt(2)) * mp.exp(x * x / 2)
    fraction = mp.mpf(x)
    for k in range(80, 0, -1):
        fraction = x + k / fraction
    return 1 / fraction


def mills_slope(x: mp.mpf) -> mp.mpf:
    """Return B(x) = 1 - x A(x), from the continued fraction where the difference would cancel."""
    if x < 8:
        return 1 - x * mills(x)
    fraction = mp.mpf(x)
    for k in range(120, 1, -1):
        fraction = x + k / fraction
    return (1 / fraction) / (x + 1 / fraction)


def powers(function: Callable[[mp.mpf], mp.mpf], terms: int) -> list[float]:
    """Return the coefficients of 1, t, t^2, ... of the Chebyshev expansion cut after `terms` terms."""
    points = 48
    angles = [mp.pi * (k + mp.mpf(1) / 2) / points for k in range(points)]
    values = [function(mp.cos(a)) for a in angles]
    chebyshev = [
        (2 if j else 1) * sum(v * mp.cos(j * a) for v, a in zip(values, angles, strict=True)) / points
        for j in range(terms)
    ]
    total = [mp.mpf(0)] * terms
    previous, current = [mp.mpf(1)], [mp.mpf(0), mp.mpf(1)]
    for j, weight in enumerate(chebyshev):
        basis = previous if j == 0 else current
        for i, value in enumerate(basis):
            total[i] += weight * value
        if j:
            following = [mp.mpf(0)] + [2 * v for v in current]
            for i, value in enumerate(previous):
                following[i] -= value
            previous, current = current, following
    return [float(v) for v in total]


def powers_of_square(terms: int) -> list[float]:
    """Return the coefficients of 1, u, u^2, ... of (atanh(z) / z - 1) / z^2, u = z^2 in [0, 1/9]."""

    def rest(u: mp.mpf) -> mp.mpf:
        return mp.nsum(lambda k: u**k / (2 * k + 3), [0, mp.inf])

    coefficients = mp.chebyfit(rest, [0, mp.mpf(1) / 9], terms)
    return [float(c) for c in reversed(coefficients)]


def normalised_price(x: Array, s: Array) -> tuple[Array, Array]:
    """Return (c, 1 - c), the out-of-the-money price over min(F, K) at |ln F/K| = x, total volatility s."""
    ratio = lambda z: np.sqrt(np.pi / 2) * erfcx(-z / np.sqrt(2))  # noqa: E731
    h = -x / s
    d1, d2 = h + s / 2, h - s / 2
    far = np.minimum(h, -1.0)
    tail = 1 / far**2 * (1 - 3 / far**2 + 15 / far**4 - 105 / far**6 + 945 / far**8)
    slope = np.where(h > -6, 1 + h * ratio(np.maximum(h, -6.0)), tail)
    t = s / 2
    series = 2 * t * (slope + t * t / 6 * ((h * h + 3) * slope - 1) * (h > -6))
    with np.errstate(all="ignore"):
        difference = np.where(s < 0.1, series, ratio(d1) - ratio(d2))
        c = np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) * difference
        complement = ndtr(-d1) + np.exp(-d1 * d1 / 2) / np.sqrt(2 * np.pi) * ratio(d2)
    return c, complement


def seed(degree_u: int, degree_v: int) -> tuple[Array, float]:
    """Fit the seed; return the coefficients (row: power of u) and the largest relative error of s."""
    generator = np.random.default_rng(1)
    size = 200_000
    x = 10 ** generator.uniform(-6, np.log10(25), size)
    s = x / 10 ** generator.uniform(-3, np.log10(38), size)
    keep = (s < 16) & (s > 1e-9)
    x, s = x[keep], s[keep]
    c, complement = normalised_price(x, s)
    keep = (c > 1e-299) & (complement > 1e-15)
    x, s, c, complement = x[keep], s[keep], c[keep], complement[keep]
    at_the_money = np.where(c < 0.5, 2 * np.sqrt(2) * erfinv(c), -2 * ndtri(complement / 2))
    root = np.sqrt(np.log1p(x / at_the_money))
    u, v = root / (root + 2) * 2 - 1, x / (1 + x) * 2 - 1
    basis = np.stack([u**i * v**j for i in range(degree_u + 1) for j in range(degree_v + 1)], 1)
    target, scale = (s - at_the_money) / x, x / s
    weight = scale.copy()
    for _ in range(30):
        fit = np.linalg.lstsq(basis * weight[:, None], target * weight, rcond=None)[0]
        error = np.abs(basis @ fit - target) * scale
        weight *= 1 + error / error.max()
        weight /= weight.mean()
    return fit.reshape(degree_u + 1, degree_v + 1), float(error.max())


def array(name: str, values: list[float]) -> str:
    """Return a C++ array definition, one value a line, exact by hexadecimal float."""
    lines = "".join(f"    {float(v).hex()},\n" for v in values)
    return f"inline constexpr double {name}[{len(values)}] = {{\n{lines}}};\n"


def main() -> None:
    """Write both headers."""
    mp.mp.dps = 40
    x_of = lambda t: CENTRE * (1 + t) / (1 - t)  # noqa: E731
    ratio = powers(lambda t: mills(x_of(t)) * (1 + x_of(t)), 24)
    slope = powers(lambda t: mills_slope(x_of(t)) * (1 + x_of(t)) ** 2, 27)
    text = HEADER + "namespace optionsib::math {\n\n// Powers of t = (x - 5) / (x + 5), x >= 0.\n"
    text += array("mills_coefficients", ratio) + "\n" + array("mills_slope_coefficients", slope)
    (INCLUDE / "math" / "mills_coefficients.hpp").write_text(text + "\n}  // namespace optionsib::math\n")

    scaled = powers_of_square(12)
    text = HEADER + "namespace optionsib::math {\n\n// Powers of z^2: (atanh(z) / z - 1) / z^2, |z| <= 1/3.\n"
    (INCLUDE / "math" / "log_coefficients.hpp").write_text(
        text + array("atanh_coefficients", scaled) + "\n}  // namespace optionsib::math\n"
    )

    fit, error = seed(6, 5)
    rows, columns = fit.shape
    text = HEADER + "namespace optionsib::pricing {\n\n"
    text += f"// Largest relative error of the total volatility on the fitted range: {error:.1e}.\n"
    text += f"inline constexpr int seed_rows = {rows}, seed_columns = {columns};\n"
    text += array("seed_coefficients", [float(v) for v in fit.ravel()])
    (INCLUDE / "pricing" / "implied_volatility_seed.hpp").write_text(
        text + "\n}  // namespace optionsib::pricing\n"
    )
    print(f"seed error {error:.2e}")


if __name__ == "__main__":
    main()
