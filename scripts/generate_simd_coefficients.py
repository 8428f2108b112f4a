"""Write the coefficients of the vector primitives: cpp/include/optionsib/math/simd/coefficients.hpp.

And those of the American kernels, cpp/include/optionsib/pricing/american_coefficients.hpp, and of random
normal numbers, cpp/include/optionsib/montecarlo/normal_coefficients.hpp.

    python scripts/generate_simd_coefficients.py

* exp: (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2, near-minimax (mpmath, 60 digits).
* the same on |r| <= ln(2) / 32, and a table of 2^(j / 16).
* log: (atanh(z) / z - 1) / z^2 in powers of z^2, |z| <= 1/5.
* Mills ratio A(x) = (1 - N(x)) / n(x), x >= -1/4: a quotient N(x) / Q(x) of degrees 10 and 11 that meets A at
  the Chebyshev points of t = (x + 1/4 - l) / (x + 1/4 + l), l = 3.6 (relative error 6e-17). Every coefficient
  is positive, so nothing cancels. Likewise B(x) = 1 - x A(x), x >= 0, of degrees 10 and 12; and A(x), x >= 0,
  of degrees 5 and 6 for what needs no more than eight digits (relative error 3e-9).
* log by table: the inverses of the middles of the sixteenths of [1, 2), of 24 bits, their logarithms, and
  (log(1 + r) - r) / r^2 on |r| <= 1 / 32.
* sin and cos on |x| <= pi / 4: (sin(x) / x - 1) / x^2 and (cos(x) - 1) / x^2 in powers of x^2.
* The same functions, and exp, shorter, for single precision: narrow_*; log on
  sqrt(1/2) - 1 <= r <= sqrt(2) - 1.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mpmath as mp

INCLUDE = Path(__file__).resolve().parents[1] / "cpp" / "include" / "optionsib"
LENGTH = mp.mpf("3.6")


def mills(x: mp.mpf) -> mp.mpf:
    """Return A(x) = (1 - N(x)) / n(x)."""
    if x < 30:
        return mp.sqrt(mp.pi / 2) * mp.erfc(x / mp.sqrt(2)) * mp.exp(x * x / 2)
    fraction = mp.mpf(x)
    for k in range(100, 0, -1):
        fraction = x + k / fraction
    return 1 / fraction


def mills_slope(x: mp.mpf) -> mp.mpf:
    """Return B(x) = 1 - x A(x), from the continued fraction where the difference would cancel."""
    if x < 8:
        return 1 - x * mills(x)
    fraction = mp.mpf(x)
    for k in range(140, 1, -1):
        fraction = x + k / fraction
    return (1 / fraction) / (x + 1 / fraction)


def quotient(
    function: Callable[[mp.mpf], mp.mpf], above: int, below: int, least: mp.mpf
) -> tuple[list[mp.mpf], list[mp.mpf]]:
    """Return numerator and denominator (which begins with 1) of these degrees, lowest power first."""
    size = above + below + 1
    points = [mp.cos(mp.pi * (k + mp.mpf(1) / 2) / size) for k in range(size)]
    matrix, right = mp.matrix(size, size), mp.matrix(size, 1)
    for i, t in enumerate(points):
        x = least + LENGTH * (1 + t) / (1 - t)
        value, scale = function(x), (1 + abs(x)) ** -below
        for j in range(above + 1):
            matrix[i, j] = x**j * scale
        for j in range(1, below + 1):
            matrix[i, above + j] = -value * x**j * scale
        right[i] = value * scale
    solution = list(mp.lu_solve(matrix, right))
    return solution[: above + 1], [mp.mpf(1), *solution[above + 1 :]]


def exp_rest(r: mp.mpf) -> mp.mpf:
    """Return (e^r - 1 - r) / r^2."""
    return mp.nsum(lambda k: r**k / mp.factorial(k + 2), [0, 40])


def atanh_rest(u: mp.mpf) -> mp.mpf:
    """Return (atanh(z) / z - 1) / z^2 at u = z^2."""
    return mp.nsum(lambda k: u**k / (2 * k + 3), [0, 60])


def log_rest(r: mp.mpf) -> mp.mpf:
    """Return (log(1 + r) - r) / r^2."""
    return mp.nsum(lambda k: (-1) ** (int(k) + 1) * r**k / (k + 2), [0, 45])


def sin_rest(u: mp.mpf) -> mp.mpf:
    """Return (sin(x) / x - 1) / x^2 at u = x^2."""
    return mp.nsum(lambda k: (-1) ** (int(k) + 1) * u**k / mp.factorial(2 * k + 3), [0, 20])


def cos_rest(u: mp.mpf) -> mp.mpf:
    """Return (cos(x) - 1) / x^2 at u = x^2."""
    return mp.nsum(lambda k: (-1) ** (int(k) + 1) * u**k / mp.factorial(2 * k + 2), [0, 20])


def cut(value: mp.mpf, bits: int) -> mp.mpf:
    """Return the nearest number of so many bits, for a value in [1/2, 1)."""
    return mp.nint(value * 2**bits) / 2**bits


def array(name: str, values: list[mp.mpf]) -> str:
    """Return a C++ array definition, one value a line, exact by hexadecimal float."""
    lines = "".join(f"    {float(v).hex()},\n" for v in values)
    return f"inline constexpr double {name}[{len(values)}] = {{\n{lines}}};\n"


def write(file: Path, namespace: str, **arrays: list[mp.mpf]) -> None:
    """Write a header of arrays."""
    text = "// Written by scripts/generate_simd_coefficients.py; do not edit.\n#pragma once\n\n"
    text += f"namespace {namespace} {{\n\n"
    text += "// Lowest power first.\n" + "\n".join(array(name, values) for name, values in arrays.items())
    file.write_text(f"{text}\n}}  // namespace {namespace}\n")


def main() -> None:
    """Write the headers."""
    mp.mp.dps = 60
    half = mp.log(2) / 2 * mp.mpf("1.0001")
    exp = mp.chebyfit(exp_rest, [-half, half], 10)[::-1]
    short = half / 16
    exp_short = mp.chebyfit(exp_rest, [-short, short], 5)[::-1]
    exp_table = [mp.mpf(2) ** (mp.mpf(j) / 16) for j in range(16)]
    log = mp.chebyfit(atanh_rest, [0, mp.mpf("0.0401")], 7)[::-1]
    numerator, denominator = quotient(mills, 10, 11, mp.mpf(-1) / 4)
    slope_numerator, slope_denominator = quotient(mills_slope, 10, 12, mp.mpf(0))
    coarse_numerator, coarse_denominator = quotient(mills, 5, 6, mp.mpf(0))
    write(
        INCLUDE / "math" / "simd" / "coefficients.hpp",
        "optionsib::simd",
        exp_coefficients=exp,
        exp_short_coefficients=exp_short,
        exp_table=exp_table,
        atanh_coefficients=log,
        mills_numerator=numerator,
        mills_denominator=denominator,
        mills_slope_numerator=slope_numerator,
        mills_slope_denominator=slope_denominator,
    )
    write(
        INCLUDE / "pricing" / "american_coefficients.hpp",
        "optionsib::pricing",
        coarse_mills_numerator=coarse_numerator,
        coarse_mills_denominator=coarse_denominator,
    )
    inverses = [cut(16 / (16 + j + mp.mpf("0.5")), 24) for j in range(16)]
    square = (mp.pi / 4) ** 2 * mp.mpf("1.0001")
    write(
        INCLUDE / "montecarlo" / "normal_coefficients.hpp",
        "optionsib::montecarlo",
        log_inverses=inverses,
        log_table=[-mp.log(inverse) for inverse in inverses],
        log_coefficients=mp.chebyfit(log_rest, [-mp.mpf(1) / 32, mp.mpf(1) / 32], 8)[::-1],
        sin_coefficients=mp.chebyfit(sin_rest, [0, square], 6)[::-1],
        cos_coefficients=mp.chebyfit(cos_rest, [0, square], 7)[::-1],
        narrow_exp_coefficients=mp.chebyfit(exp_rest, [-half, half], 5)[::-1],
        narrow_log_coefficients=mp.chebyfit(
            log_rest, [mp.sqrt(mp.mpf(1) / 2) - mp.mpf("1.0001"), mp.sqrt(2) - 1], 8
        )[::-1],
        narrow_sin_coefficients=mp.chebyfit(sin_rest, [0, square], 3)[::-1],
        narrow_cos_coefficients=mp.chebyfit(cos_rest, [0, square], 4)[::-1],
    )


if __name__ == "__main__":
    main()
