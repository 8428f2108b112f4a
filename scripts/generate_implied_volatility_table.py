"""Write the table the implied volatility kernels start from.

    python scripts/generate_implied_volatility_table.py

``pricing/implied_volatility_table.hpp``. With x = |ln(F/K)|, s the total volatility and c the undiscounted
out-of-the-money price over min(F, K):

* below one half: (s - s0) / x over y = x / s0 and x + s0, where s0(c) is the total volatility of an
  at-the-money option of price c, by a polynomial. Its first column is the Bachelier model (x, s -> 0);
* from one half on: s over 1 / (1 - c) and x.

Both tables are bilinear in octaves: coordinate z >= 1 has index exponent(z) + mantissa(z) - 1, so that the
cells grow with z and no function is evaluated to find one. y and 1 / (1 - c) enter by a rough logarithm to
base 2 (exponent plus polynomial of the mantissa), the same here and in the kernel. Inner nodes are lowered by
a sixteenth of the second difference, which halves the one-sided error of interpolating a curved function.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, erfinv, log_ndtr, ndtr

TARGET = Path(__file__).resolve().parents[1] / "cpp/include/optionsib/pricing/implied_volatility_table.hpp"
HEADER = "// Written by scripts/generate_implied_volatility_table.py; do not edit.\n#pragma once\n\n"
ROOT_TWO_PI = float(np.sqrt(2 * np.pi))
ROWS_PER_OCTAVE, COLUMNS_PER_OCTAVE = 16, 8
LOWER_OCTAVES, UPPER_OCTAVES, COLUMN_OCTAVES = 10, 6, 4
Array = NDArray[np.float64]


def horner(coefficients: Array, z: Array) -> Array:
    """Return the polynomial with coefficients of 1, z, z^2, ..."""
    total = np.zeros_like(z)
    for coefficient in coefficients[::-1]:
        total = total * z + coefficient
    return total


def fit_at_the_money(terms: int = 4) -> Array:
    """Fit s0(c) / c = 2 sqrt(2) erfinv(c) / c in powers of c^2 on 0 < c <= 1/2."""
    c = np.linspace(1e-6, 0.5, 4001)
    basis = np.stack([c ** (2 * i) for i in range(terms)], 1)
    return np.linalg.lstsq(basis, 2 * np.sqrt(2) * erfinv(c) / c, rcond=None)[0]


def fit_rough_log(terms: int = 4) -> Array:
    """Fit log2(1 + m) / m on 0 <= m <= 1 so that the value at m = 1 is exactly 1 (no jump at octaves)."""
    m = np.linspace(0, 1, 2001)[1:-1]
    basis = np.stack([m**i - m**terms for i in range(1, terms)], 1)
    free = np.linalg.lstsq(basis, np.log2(1 + m) - m**terms, rcond=None)[0]
    return np.append(free, 1 - free.sum())


AT_THE_MONEY, ROUGH_LOG = fit_at_the_money(), fit_rough_log()


def at_the_money(c: Array) -> Array:
    """Return s0(c)."""
    return c * horner(AT_THE_MONEY, c * c)


def octave(z: Array) -> tuple[Array, Array]:
    """Return the exponent of z >= 1 and its mantissa less 1."""
    mantissa, exponent = np.frexp(z)
    return exponent - 1.0, 2 * mantissa - 1


def rough_log(z: Array) -> Array:
    """Return nearly log2(z), z >= 1."""
    exponent, m = octave(z)
    return exponent + m * horner(ROUGH_LOG, m)


def rough_power(w: Array) -> Array:
    """Return the z of rough_log(z) = w by bisection."""
    exponent = np.floor(w)
    low, high = np.zeros_like(w), np.ones_like(w)
    for _ in range(55):
        middle = (low + high) / 2
        up = middle * horner(ROUGH_LOG, middle) < w - exponent
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    return (1 + low) * 2.0**exponent


def nodes(octaves: int, per_octave: int) -> Array:
    """Return z - 1 at the grid's nodes, from 0 to 2^octaves - 1."""
    steps = 1 + np.arange(per_octave) / per_octave
    return np.append((2.0 ** np.arange(octaves)[:, None] * steps).ravel(), 2.0**octaves) - 1


def log_price(x: Array, s: Array) -> tuple[Array, Array]:
    """Return (ln c, ln(1 - c)), about 12 digits."""
    mills = lambda z: np.sqrt(np.pi / 2) * erfcx(z / np.sqrt(2))  # noqa: E731
    h, t = x / s, s / 2
    near, far = np.minimum(h, 7.0), np.maximum(h, 7.0) ** -2.0
    tail = np.ones_like(far)
    for odd in (13, 11, 9, 7, 5, 3):
        tail = 1 - odd * far * tail
    tail *= far
    slope = np.where(h < 7, 1 - near * mills(near), tail)
    series = s * (slope + t * t / 6 * ((h * h + 3) * slope - 1) * (h < 7))
    with np.errstate(all="ignore"):
        ratio = np.where(s < 0.02, series, mills(h - t) - mills(h + t))
        direct = -0.5 * (t - h) ** 2 - np.log(ROOT_TWO_PI) + np.log(ratio)
        complement = ndtr(h - t) + np.exp(x + log_ndtr(-h - t))
        above = (t > h) & (s > 0.3)
        return (
            np.where(above, np.log1p(-complement), direct),
            np.where(above, np.log(complement), np.log1p(-np.exp(direct))),
        )


def total_volatility(x: Array, log_c: Array | None = None, log_complement: Array | None = None) -> Array:
    """Return the s of a given ln c or ln(1 - c), by bisection."""
    low, high = np.full(x.shape, np.log(1e-16)), np.full(x.shape, np.log(200.0))
    for _ in range(64):
        middle = (low + high) / 2
        lower, upper = log_price(x, np.exp(middle))
        up = lower < log_c if log_c is not None else upper > log_complement
        low, high = np.where(up, middle, low), np.where(up, high, middle)
    return np.exp((low + high) / 2)


def halve_error(table: Array, grid: Array, axis: int) -> Array:
    """Move inner nodes by h^2 / 16 of the second derivative along `axis`."""
    moved = np.moveaxis(table, axis, 0).copy()
    after, before = (grid[2:] - grid[1:-1])[:, None], (grid[1:-1] - grid[:-2])[:, None]
    slope_after, slope_before = (moved[2:] - moved[1:-1]) / after, (moved[1:-1] - moved[:-2]) / before
    moved[1:-1] -= (slope_after - slope_before) / (after + before) * (after**2 + before**2) / 16
    return np.moveaxis(moved, 0, axis)


def lower_table(rows: Array, columns: Array) -> Array:
    """Return (s - s0) / x at the nodes; where no option lies, the nearest value to the left."""
    y = rough_power(np.minimum(rows, 1010.0)) - 1
    y[0] = 0.0
    y, v = np.meshgrid(y, columns, indexing="ij")
    v = np.maximum(v, 1e-7)  # the first column is a limit
    s0, x = v / (1 + y), v * (y / (1 + y))
    c = np.minimum(s0 / ROOT_TWO_PI, 0.9)
    for _ in range(80):
        c = np.clip((c + s0 / horner(AT_THE_MONEY, c * c)) / 2, 1e-320, 0.97)
    valid = np.abs(at_the_money(c) / s0 - 1) < 1e-3
    log_c = np.log(s0) - np.log(horner(AT_THE_MONEY, c * c))
    s = total_volatility(np.where(valid, x, 0.1), log_c=np.where(valid, log_c, -3.0))
    with np.errstate(all="ignore"):
        table = (s - s0) / x
    # Along y = 0 the limit is the Mills ratio at s / 2.
    table[0] = np.sqrt(np.pi / 2) * erfcx(s[0] / np.sqrt(8))
    for j in range(1, columns.size):
        table[:, j] = np.where(valid[:, j], table[:, j], table[:, j - 1])
    smoothed = halve_error(halve_error(table, rows, 0), columns, 1)
    return np.where(valid, smoothed, table)


def upper_table(rows: Array, columns: Array) -> Array:
    """Return s at the nodes."""
    log_complement = np.minimum(-np.log(rough_power(rows)), -1e-9)
    log_complement, x = np.meshgrid(log_complement, columns, indexing="ij")
    table = total_volatility(x, log_complement=log_complement)
    inner = halve_error(halve_error(table, rows, 0), columns, 1)
    inner[: ROWS_PER_OCTAVE // 4] = table[: ROWS_PER_OCTAVE // 4]  # c < 1/2: not used
    return inner


def interpolate(table: Array, row: Array, column: Array) -> Array:
    """Return the bilinear value at coordinates z >= 1."""
    where = []
    for z, per_octave in ((row, ROWS_PER_OCTAVE), (column, COLUMNS_PER_OCTAVE)):
        exponent, m = octave(z)
        position = (exponent + m) * per_octave
        index = np.floor(position).astype(int)
        where += [index, position - index]
    i, f, j, g = where
    top = table[i, j] + g * (table[i, j + 1] - table[i, j])
    bottom = table[i + 1, j] + g * (table[i + 1, j + 1] - table[i + 1, j])
    return top + f * (bottom - top)


def largest_errors(lower: Array, upper: Array) -> tuple[float, float]:
    """Return the largest relative errors of s over many options, one number a table."""
    generator = np.random.default_rng(1)
    x = np.exp(generator.uniform(np.log(1e-5), np.log(13), 400_000))
    s = x / np.exp(generator.uniform(np.log(1e-3), np.log(36), x.size))
    log_c, log_complement = log_price(x, s)
    keep = (s < 17) & (log_c > -690) & (log_complement > -54 * np.log(2))
    x, s, c, complement = x[keep], s[keep], np.exp(log_c[keep]), np.exp(log_complement[keep])
    s0 = at_the_money(np.minimum(c, 0.5))
    below = s0 + x * interpolate(lower, 1 + rough_log(1 + x / s0), 1 + x + s0)
    above = interpolate(upper, 1 + rough_log(1 / complement), 1 + x)
    low = c < 0.5
    return float(np.abs(below / s - 1)[low].max()), float(np.abs(above / s - 1)[~low].max())


def array(name: str, values: Array, digits: int) -> str:
    """Return a C++ array definition."""
    lines, line = [], "   "
    for value in values.ravel():
        text = f" {value:.{digits}g},"
        if len(line) + len(text) > 110:
            lines.append(line)
            line = "   "
        line += text
    lines.append(line)
    return f"inline constexpr double {name}[{values.size}] = {{\n" + "\n".join(lines) + "\n};\n"


def main() -> None:
    """Write the header."""
    rows, columns = nodes(LOWER_OCTAVES, ROWS_PER_OCTAVE), nodes(COLUMN_OCTAVES, COLUMNS_PER_OCTAVE)
    lower = lower_table(rows, columns)
    rows = nodes(UPPER_OCTAVES, ROWS_PER_OCTAVE)
    rows = rows[: np.searchsorted(rows, 56.0) + 2]
    upper = upper_table(rows, columns)
    errors = largest_errors(lower, upper)
    text = HEADER + "// clang-format off\nnamespace optionsib::pricing::implied_volatility_table {\n\n"
    text += "// Largest relative error of the start: "
    text += f"{errors[0]:.1e} (price below one half), {errors[1]:.1e} (above).\n"
    numbers = {
        "rows_per_octave": ROWS_PER_OCTAVE,
        "columns_per_octave": COLUMNS_PER_OCTAVE,
        "columns": columns.size,
        "lower_rows": lower.shape[0],
        "upper_rows": upper.shape[0],
    }
    text += "".join(f"inline constexpr int {name} = {value};\n" for name, value in numbers.items())
    text += f"inline constexpr double largest_distance = {2.0**COLUMN_OCTAVES - 3:g};  // of x\n\n"
    text += "// s0(c) / c in powers of c^2.\n" + array("at_the_money", AT_THE_MONEY, 17) + "\n"
    text += "// log2(1 + m) / m in powers of m.\n" + array("rough_log", ROUGH_LOG, 17) + "\n"
    text += "// Row by row; the upper table follows the lower one.\n"
    text += array("values", np.concatenate([lower.ravel(), upper.ravel()]), 8)
    TARGET.write_text(
        text + "\n}  // namespace optionsib::pricing::implied_volatility_table\n// clang-format on\n"
    )
    print(f"largest relative error of the start: {errors[0]:.2e} below one half, {errors[1]:.2e} above")


if __name__ == "__main__":
    main()
