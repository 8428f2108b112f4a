"""Write the plots of docs/monte-carlo.md: heston-bias.svg and sobol.svg in docs/images.

    python scripts/generate_montecarlo_plots.py

Plain SVG, drawn by the panels of ``generate_pricing_plots.py``. Takes about a minute.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from generate_pricing_plots import FOLDER, WIDTH, page, panel

from optionsib.pricing import (
    AsianOption,
    BarrierOption,
    BlackScholes,
    EuropeanOption,
    ExoticProduct,
    Heston,
    monte_carlo,
    price_exotic,
)

CALL = EuropeanOption(kind="call", strike=100.0, expiry=1.0)
CALM = Heston(spot=100.0, variance=0.04, kappa=3.0, theta=0.04, xi=0.4, rho=-0.7, rate=0.02)
WILD = Heston(spot=100.0, variance=0.04, kappa=0.5, theta=0.04, xi=1.0, rho=-0.9, rate=0.02)
MARKET = BlackScholes(spot=100.0, volatility=0.2, rate=0.03)
DATES = tuple((i + 1) / 252 for i in range(252))
STEPS = (4, 8, 16, 32, 64, 128)


def bias_curves(model: Heston) -> dict[str, Any]:
    """Return the logarithm of what each scheme misses the Fourier price by, over steps a year."""
    exact = price_exotic(CALL, model, method="analytic").price
    curves: dict[str, list[float]] = {"Euler": [], "quadratic-exponential": [], "standard error": []}
    for steps in STEPS:
        for name, scheme in (("Euler", "euler"), ("quadratic-exponential", "qe")):
            law = Heston(**{**_fields(model), "scheme": scheme})
            found = monte_carlo(
                CALL, law, paths=1 << 19, steps=steps, seed=1, sampler="sobol", conditional=True
            )
            curves[name].append(math.log10(max(abs(found.price - exact), 1e-6)))
        curves["standard error"].append(math.log10(found.stderr))
    return {name: np.array(values) for name, values in curves.items()}


def _fields(model: Heston) -> dict[str, Any]:
    names = ("spot", "variance", "kappa", "theta", "xi", "rho", "rate")
    return {name: getattr(model, name) for name in names}


def bias_picture() -> str:
    """Return the bias of Heston's schemes where the variance keeps off 0, and where it does not."""
    steps = np.log2(STEPS)
    found = {"variance off 0": bias_curves(CALM), "variance often at 0": bias_curves(WILD)}
    panels = [
        panel(f"log10 of the error, {title}", steps, curves, (i * WIDTH, 0))
        for i, (title, curves) in enumerate(found.items())
    ]
    return page(panels, list(found["variance off 0"]), 2, "log2 of the steps a year")


def error_curves(product: ExoticProduct, control: str | None) -> dict[str, Any]:
    """Return the logarithm of the standard error over the number of paths."""
    ways: dict[str, dict[str, Any]] = {
        "philox": {},
        "Sobol": {"sampler": "sobol"},
    }
    if control is not None:
        ways["Sobol, geometric control"] = {"sampler": "sobol", "control_variate": control}
    return {
        name: np.array(
            [
                math.log10(monte_carlo(product, MARKET, paths=1 << k, seed=1, **options).stderr)
                for k in range(16, 21)
            ]
        )
        for name, options in ways.items()
    }


def sobol_picture() -> str:
    """Return the convergence of an average, which is smooth, and of a barrier, which is not."""
    asian = AsianOption(kind="call", strike=100.0, dates=DATES)
    barrier = BarrierOption(
        kind="call", strike=100.0, expiry=1.0, barrier=90.0, direction="down", action="out", dates=DATES
    )
    found = {
        "Asian": error_curves(asian, "geometric"),
        "down-and-out": error_curves(barrier, None),
    }
    panels = [
        panel(f"log10 of the standard error, {title}", np.arange(16.0, 21.0), curves, (i * WIDTH, 0))
        for i, (title, curves) in enumerate(found.items())
    ]
    return page(panels, list(found["Asian"]), 2, "log2 of the paths")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "heston-bias.svg").write_text(bias_picture())
    (FOLDER / "sobol.svg").write_text(sobol_picture())
