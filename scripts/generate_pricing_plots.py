"""Write the plots of docs/pricing.md: docs/images/greeks.svg and docs/images/smile.svg.

    python scripts/generate_pricing_plots.py

Plain SVG, written by hand: text stays text, the files stay small, and a diff shows what changed.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import optionsib as oib

FOLDER = Path(__file__).parents[1] / "docs" / "images"
COLORS = ("#0b3954", "#c8553d", "#3c8d53")
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 440, 230, 52, 30, 12, 30
Array = NDArray[np.float64]


def ticks(low: float, high: float, count: int = 4) -> list[float]:
    """Return about `count` round numbers within [low, high]."""
    raw = (high - low) / count
    power = 10.0 ** np.floor(np.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw)
    first = np.ceil(low / step - 1e-9)
    return [float(step * (first + i)) for i in range(count + 3) if step * (first + i) <= high + 1e-9 * step]


def panel(title: str, x: Array, curves: dict[str, Array], corner: tuple[int, int]) -> list[str]:
    """Return one diagram, its lower left corner at `corner`; the legend stands in the title line."""
    low, high = min(c.min() for c in curves.values()), max(c.max() for c in curves.values())
    margin = 0.05 * (high - low)
    low, high = low - margin, high + margin
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def across(value: float) -> float:
        return LEFT + (value - x[0]) / (x[-1] - x[0]) * width

    def up(value: float) -> float:
        return TOP + (high - value) / (high - low) * height

    lines = [f'<g transform="translate({corner[0]},{corner[1]})">']
    lines.append(f'<text x="{LEFT}" y="18" class="title">{escape(title)}</text>')
    for value in ticks(low, high):
        lines.append(f'<path d="M{LEFT} {up(value):.1f}h{width}" class="grid"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{up(value) + 4:.1f}" class="end">{value:.6g}</text>')
    for value in ticks(float(x[0]), float(x[-1])):
        lines.append(f'<text x="{across(value):.1f}" y="{HEIGHT - 12}" class="middle">{value:g}</text>')
    for color, values in zip(COLORS, curves.values(), strict=False):
        points = "L".join(
            f"{across(float(a)):.1f} {up(float(b)):.1f}" for a, b in zip(x, values, strict=True)
        )
        lines.append(f'<path d="M{points}" fill="none" stroke="{color}" stroke-width="2"/>')
    lines.append("</g>")
    return lines


def page(panels: list[list[str]], names: list[str], columns: int, axis: str) -> str:
    """Return a whole picture with one legend for all panels."""
    rows = -(-len(panels) // columns)
    width, height = WIDTH * columns, HEIGHT * rows + 28
    style = (
        "text{font:12px sans-serif;fill:#333}.title{font-weight:bold}.end{text-anchor:end}"
        ".middle{text-anchor:middle}.grid{stroke:#ddd;fill:none}"
    )
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f"<style>{style}</style>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        *(line for lines_of_panel in panels for line in lines_of_panel),
    ]
    lines.append(f'<text x="{LEFT}" y="{height - 10}">over the {axis}:</text>')
    at = LEFT + 10 + 6 * len(f"over the {axis}:")
    for name, color in zip(names, COLORS, strict=False):
        lines.append(f'<path d="M{at} {height - 14}h18" stroke="{color}" stroke-width="2"/>')
        lines.append(f'<text x="{at + 24}" y="{height - 10}">{name}</text>')
        at += 38 + 6 * len(name)
    return "\n".join([*lines, "</svg>", ""])


def greeks_picture() -> str:
    """Return profiles of a call with strike 100 over the spot, for three times to expiry."""
    spot = np.linspace(70.0, 130.0, 121)
    expiries = {"1 week": 7 / 365, "1 month": 30 / 365, "6 months": 182 / 365}
    results = {
        name: oib.greeks("call", spot, 100.0, years, 0.03, 0.2, units="desk", order=2)
        for name, years in expiries.items()
    }
    shown = {
        "delta": "delta",
        "gamma": "gamma",
        "vega": "vega, per volatility point",
        "theta": "theta, per day",
        "vanna": "vanna, delta per volatility point",
        "charm": "charm, delta per day",
    }
    panels = []
    for i, (field, title) in enumerate(shown.items()):
        curves = {name: getattr(result, field) for name, result in results.items()}
        panels.append(panel(title, spot, curves, (i % 2 * WIDTH, i // 2 * HEIGHT)))
    return page(panels, list(expiries), 2, "spot")


def smile_picture() -> str:
    """Return the Black-76 volatilities that three models with the same price at the money imply."""
    strike = np.linspace(60.0, 150.0, 91)
    kind = np.where(strike < 100.0, -1, 1)
    flat = oib.price("call", 100.0, 100.0, 0.5, 0.0, 0.25, model="black76")
    curves = {}
    for name, model, shift in (
        ("black76", "black76", 0.0),
        ("displaced", "displaced", 50.0),
        ("bachelier", "bachelier", 0.0),
    ):
        own = oib.implied_volatility(
            flat, "call", 100.0, 100.0, 0.5, 0.0, model=model, shift=shift
        ).volatility
        quotes = oib.price(kind, 100.0, strike, 0.5, 0.0, own, model=model, shift=shift)
        solved = oib.implied_volatility(quotes, kind, 100.0, strike, 0.5, 0.0, model="black76")
        curves[name] = 100.0 * solved.volatility
    panels = [panel("implied volatility, % (forward 100, half a year)", strike, curves, (0, 0))]
    return page(panels, list(curves), 1, "strike")


def main() -> None:
    """Write both files."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "greeks.svg").write_text(greeks_picture())
    (FOLDER / "smile.svg").write_text(smile_picture())


if __name__ == "__main__":
    main()
