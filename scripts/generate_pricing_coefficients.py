"""Write the polynomial coefficients of the pricing kernels.

    python scripts/generate_pricing_coefficients.py

* ``math/mills_coefficients.hpp``: Chebyshev expansions (mpmath, 40 digits) of the Mills ratio
  A(x) = (1 - N(x)) / n(x) and of its slope B(x) = 1 - x A(x), x >= 0, as (1 + x) A and (1 + x)^2 B in
  t = (x - 5) / (x + 5), turned into powers of t.
* ``math/log_coefficients.hpp``: atanh(z) / z - 1 over z^2 in powers of z^2, |z| <= 1/3.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mpmath as mp

INCLUDE = Path(__file__).resolve().parents[1] / "cpp" / "include" / "optionsib"
HEADER = "// Written by scripts/generate_pricing_coefficients.py; do not edit.\n#pragma once\n\n"
CENTRE = 5


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


if __name__ == "__main__":
    main()
