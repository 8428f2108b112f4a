"""Write the plot of docs/scenarios.md: docs/images/scenarios.svg.

    python scripts/generate_scenario_plots.py

The generator of the page's first example: bands of its paths, and three of them before and after a stress.
"""

from __future__ import annotations

import numpy as np
from generate_pricing_plots import FOLDER, HEIGHT, WIDTH, Array, page, panel

from optionsib.pricing import OptionScenarioGenerator
from optionsib.pricing.scenarios import Jumps, LogOrnsteinUhlenbeck, Stress, Vasicek

GENERATOR = OptionScenarioGenerator(
    spot=5000.0,
    volatility=LogOrnsteinUhlenbeck(initial=0.16, level=0.18, kappa=4.0, xi=1.1, premium=-0.4),
    rate=Vasicek(initial=0.04, kappa=0.3, theta=0.035, xi=0.008),
    dividend_yield=0.013,
    equity_premium=0.05,
    jumps=Jumps(intensity=0.5, mean=-0.06, deviation=0.04),
    correlation=((1.0, -0.75, 0.1), (-0.75, 1.0, 0.0), (0.1, 0.0, 1.0)),
)
CRASH = Stress(name="crash", spot=-0.20, volatility=0.15, rate=0.01, start=20, ramp=5)


def bands(values: Array) -> dict[str, Array]:
    """Return three quantiles over time."""
    return {f"{q:.0%}": np.quantile(values, q, axis=0) for q in (0.05, 0.5, 0.95)}


def main() -> None:
    """Write the plot."""
    found = GENERATOR.generate(measure="physical", horizon=1.0, steps=52, paths=50_000, seed=7, substeps=5)
    stressed = found.stressed(CRASH)
    some = {f"path {i}": i for i in range(3)}
    panels = [
        panel("spot, physical: 5, 50, 95 % of paths", found.times, bands(found.spot), (0, 0)),
        panel("volatility: 5, 50, 95 %", found.times, bands(found.volatility), (WIDTH, 0)),
        panel("three paths", found.times, {name: found.spot[i] for name, i in some.items()}, (0, HEIGHT)),
        panel(
            "the same, 20 % lower within 5 weeks", found.times,
            {name: stressed.spot[i] for name, i in some.items()}, (WIDTH, HEIGHT),
        ),
    ]  # fmt: skip
    names = ["5 %, or a path", "50 %, or another", "95 %, or a third"]
    (FOLDER / "scenarios.svg").write_text(page(panels, names, 2, "years"))


if __name__ == "__main__":
    main()
