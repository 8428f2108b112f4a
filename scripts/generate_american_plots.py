"""Write the plots of docs/american.md: boundary.svg, premium.svg and dividends.svg in docs/images.

    python scripts/generate_american_plots.py

Plain SVG, drawn by the panels of ``generate_pricing_plots.py``.
"""

from __future__ import annotations

import numpy as np
from generate_pricing_plots import BOTTOM, COLORS, FOLDER, HEIGHT, LEFT, RIGHT, TOP, WIDTH, page, panel
from numpy.typing import NDArray

import optionsib as oib

Array = NDArray[np.float64]


def boundary_picture() -> str:
    """Return critical spots of puts and calls with strike 100 over the time to expiry."""
    years = np.linspace(0.002, 2.0, 200)
    puts = {
        f"{volatility:.0%} volatility": oib.exercise_boundary("put", 100.0, years, 0.05, volatility).upper
        for volatility in (0.15, 0.25, 0.4)
    }
    calls = {
        f"{volatility:.0%} volatility": oib.exercise_boundary(
            "call", 100.0, years, 0.05, volatility, 0.04
        ).lower
        for volatility in (0.15, 0.25, 0.4)
    }
    panels = [
        panel("put, rate 5 %: exercise below", years, puts, (0, 0)),
        panel("call, rate 5 %, yield 4 %: exercise above", years, calls, (WIDTH, 0)),
    ]
    return page(panels, list(puts), 2, "time to expiry, years")


def shade(share: float) -> str:
    """Return a colour from white to the first colour of the curves."""
    dark = [int(COLORS[0][i : i + 2], 16) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + (channel - 255) * share):02x}" for channel in dark)


def premium_map(
    title: str, kind: str, spots: Array, years: Array, corner: tuple[int, int], **market: float
) -> list[str]:
    """Return the early exercise premium in shades over time (across) and spot (up)."""
    premium = oib.early_exercise_premium(
        kind, spots[:, None], 100.0, years, market["rate"], market["volatility"], market["dividend_yield"]
    )
    region = oib.exercise_boundary(
        kind, 100.0, years, market["rate"], market["volatility"], market["dividend_yield"]
    )
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    wide, high = width / years.size, height / spots.size
    top = float(premium.max())
    lines = [f'<g transform="translate({corner[0]},{corner[1]})">']
    lines.append(f'<text x="{LEFT}" y="18" class="title">{title}, 0 to {top:.1f}</text>')
    for row, column in np.ndindex(premium.shape):
        share = round(float(premium[row, column]) / top, 2)
        if share > 0:
            x, y = LEFT + column * wide, TOP + height - (row + 1) * high
            lines.append(
                f'<path d="M{x:.1f} {y:.1f}h{wide + 0.3:.1f}v{high + 0.3:.1f}h{-wide - 0.3:.1f}z" '
                f'fill="{shade(share)}"/>'
            )
    edge = region.upper if kind == "put" else region.lower
    step, gap = float(years[1] - years[0]), float(spots[1] - spots[0])
    points = [
        (LEFT + (t - years[0] + step / 2) / step * wide, TOP + height - (s - spots[0] + gap / 2) / gap * high)
        for t, s in zip(years, edge, strict=True)
        if spots[0] <= s <= spots[-1]
    ]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    lines.append(f'<path d="M{path}" fill="none" stroke="{COLORS[1]}" stroke-width="2"/>')
    for value in (70, 100, 130):
        y = TOP + height - (value - spots[0] + gap / 2) / gap * high
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="end">{value}</text>')
    for value in (0.5, 1.0, 1.5):
        x = LEFT + (value - years[0] + step / 2) / step * wide
        lines.append(f'<text x="{x:.1f}" y="{HEIGHT - 12}" class="middle">{value:g}</text>')
    return [*lines, "</g>"]


def premium_picture() -> str:
    """Return the map of the premium for a put and for a call."""
    spots, years = np.linspace(60.0, 140.0, 27), np.linspace(0.02, 2.0, 34)
    market = {"rate": 0.05, "volatility": 0.25, "dividend_yield": 0.0}
    panels = [
        premium_map("put, rate 5 %: premium", "put", spots, years, (0, 0), **market),
        premium_map(
            "call, rate 2 %, yield 6 %: premium",
            "call",
            spots,
            years,
            (WIDTH, 0),
            **market | {"rate": 0.02, "dividend_yield": 0.06},
        ),
    ]
    lines = page(panels, [], 2, "").split("\n")
    legend = "spot over the years to expiry; strike 100, volatility 25 %; line: the exercise boundary"
    return "\n".join(line.replace("over the :", legend) for line in lines)


def dividends_picture() -> str:
    """Return what a call with strike 100 should do on the eve of a dividend."""
    eve, spots = 0.5 / 365, np.linspace(96.0, 130.0, 103)
    stakes = {}
    for name, days in (("1 week", 7), ("1 month", 30), ("3 months", 91)):
        advice = oib.exercise_advice("call", spots, 100.0, days / 365, 0.04, 0.25, dividends=([eve], [1.5]))
        stakes[name] = advice.amount_at_stake
    days_left = np.arange(2.0, 120.0, 2.0)
    critical = {
        name: oib.exercise_advice(
            "call", 100.0, 100.0, days_left / 365, 0.04, 0.25, dividends=([eve], [amount])
        ).critical_spot
        for name, amount in (("0.75", 0.75), ("1.50", 1.5), ("3.00", 3.0))
    }
    shown = np.all([np.isfinite(values) for values in critical.values()], axis=0)
    panels = [
        panel("exercise less holding, by spot (a dividend of 1.50)", spots, stakes, (0, 0)),
        panel(
            "exercise from this spot on, by days to expiry",
            days_left[shown],
            {name: values[shown] for name, values in critical.items()},
            (WIDTH, 0),
        ),
    ]
    return page(
        panels,
        [f"{a} to expiry / dividend {b}" for a, b in zip(stakes, critical, strict=True)],
        2,
        "spot / days",
    )


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "boundary.svg").write_text(boundary_picture())
    (FOLDER / "premium.svg").write_text(premium_picture())
    (FOLDER / "dividends.svg").write_text(dividends_picture())


if __name__ == "__main__":
    main()
