"""Write the plots of docs/exotics.md: docs/images/exotic-<type>.svg, one a product.

    python scripts/generate_exotic_plots.py

What it pays at the end of a straight path, its value and two Greeks, by simulation and by formula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from generate_pricing_plots import FOLDER, HEIGHT, WIDTH, page, panel
from numpy.typing import NDArray

from optionsib.pricing import (
    AmericanOption,
    AnalyticPricer,
    AsianOption,
    Autocallable,
    BarrierOption,
    BasketOption,
    BlackScholes,
    DigitalOption,
    DoubleBarrierOption,
    EuropeanOption,
    ExchangeOption,
    ExoticProduct,
    LookbackOption,
    MultiAsset,
    NoClosedFormError,
    SpreadOption,
    TouchOption,
    VarianceSwap,
    monte_carlo,
)

Array = NDArray[np.float64]

MARKET = BlackScholes(spot=100.0, volatility=0.25, rate=0.04, dividend_yield=0.01)
MONTHS = tuple((i + 1) / 12 for i in range(12))
WEEKS = tuple((i + 1) / 52 for i in range(52))
PATHS = 16 * 8192
ANALYTIC = AnalyticPricer(approximations=True)

GALLERY: tuple[ExoticProduct, ...] = (
    EuropeanOption(kind="call", strike=100.0, expiry=1.0),
    DigitalOption(kind="call", strike=100.0, expiry=1.0, amount=10.0),
    AsianOption(kind="call", strike=100.0, dates=MONTHS, average="geometric"),
    BarrierOption(
        kind="call",
        strike=95.0,
        expiry=1.0,
        barrier=130.0,
        direction="up",
        action="out",
        dates=WEEKS,
        rebate=3.0,
    ),
    DoubleBarrierOption(
        kind="call", strike=95.0, expiry=1.0, lower=75.0, upper=140.0, action="out", dates=WEEKS
    ),
    LookbackOption(kind="call", strike=None, dates=WEEKS, extreme=95.0),
    TouchOption(barrier=85.0, direction="down", touch="one", dates=WEEKS, amount=10.0),
    Autocallable(
        dates=(0.25, 0.5, 0.75, 1.0), call_level=100.0, coupon=0.02, protection=75.0, reference=100.0
    ),
)
SWAP = VarianceSwap(strike=0.06, dates=WEEKS, periods_per_year=52.0, notional=100.0)
PAIRS: tuple[ExoticProduct, ...] = (
    BasketOption(kind="call", strike=200.0, expiry=1.0, weights=(1.0, 1.0)),
    SpreadOption(kind="call", strike=5.0, expiry=1.0),
    ExchangeOption(expiry=1.0),
)


def straight(product: ExoticProduct, last: Array) -> Array:
    """Return what is paid, all at the end, where the logarithm goes straight from 100 to the last spot."""
    end = max(product.times())
    paid = []
    for spot in last:
        rate = math.log(spot / 100.0) / end
        model: Any = BlackScholes(spot=100.0, volatility=1e-9, rate=rate)
        if product in PAIRS:
            still = replace(model, dividend_yield=rate)
            model = MultiAsset(underlyings=(model, still), correlation=((1.0, 0.0), (0.0, 1.0)))
        paid.append(monte_carlo(product, model, paths=4096, seed=1).price * math.exp(rate * end))
    return np.array(paid)


def simulated(product: ExoticProduct, spots: Array) -> dict[str, Array]:
    """Return value and Greeks by simulation on the same points at every spot."""
    found: dict[str, list[float]] = {"value": [], "delta": [], "gamma": []}
    for spot in spots:
        model = replace(MARKET, spot=float(spot))
        result = monte_carlo(product, model, paths=PATHS, seed=7, sampler="sobol", greeks="likelihood")
        found["value"].append(result.price)
        for name in ("delta", "gamma"):
            found[name].append(result.greeks[name].value)
    return {name: np.array(values) for name, values in found.items()}


def by_formula(product: ExoticProduct, models: list[Any], names: tuple[str, str]) -> dict[str, Array]:
    """Return value and Greeks by the closed form, empty where there is none."""
    found: dict[str, list[float]] = {"value": [], names[0]: [], names[1]: []}
    try:
        for model in models:
            result = ANALYTIC.price(product, model)
            found["value"].append(result.price)
            for name in names:
                found[name].append(result.greeks[name].value if name in result.greeks else math.nan)
    except NoClosedFormError:
        return {}
    return {name: np.array(values) for name, values in found.items()}


def kept(x: Array, curves: dict[str, Array]) -> tuple[Array, dict[str, Array]]:
    """Leave out where a curve is not known."""
    known = np.all([np.isfinite(curve) for curve in curves.values()], axis=0)
    return x[known], {name: curve[known] for name, curve in curves.items()}


def twice(curve: Array) -> dict[str, Array]:
    """Return a curve in the colour of the formula, which is the second one."""
    return {"": curve, "formula": curve}


def picture(product: ExoticProduct) -> str:
    """Return the four panels of a product of one asset."""
    spots = np.linspace(70.0, 145.0, 51)
    last = np.linspace(60.0, 160.0, 101)
    simulation = simulated(product, spots)
    formula = by_formula(product, [replace(MARKET, spot=float(spot)) for spot in spots], ("delta", "gamma"))
    panels = [
        panel("paid at the end of a straight path from 100", last, {"": straight(product, last)}, (0, 0))
    ]
    for place, name in enumerate(("value", "delta", "gamma"), 1):
        curves = {"simulation": simulation[name]}
        if formula:
            curves["formula"] = formula[name]
        x, curves = kept(spots, curves)
        panels.append(
            panel(f"{name} over the spot today", x, curves, (place % 2 * WIDTH, place // 2 * HEIGHT))
        )
    return page(panels, ["simulation", "formula"], 2, "spot")


def pair_picture(product: ExoticProduct) -> str:
    """Return the four panels of a product of two assets, over the spot of the first."""
    spots = np.linspace(70.0, 145.0, 51)
    last = np.linspace(60.0, 160.0, 101)

    def model(spot: float) -> MultiAsset:
        first = replace(MARKET, spot=spot)
        return MultiAsset(
            underlyings=(first, replace(MARKET, volatility=0.35)), correlation=((1.0, 0.5), (0.5, 1.0))
        )

    value = np.array(
        [monte_carlo(product, model(float(s)), paths=PATHS, seed=7, sampler="sobol").price for s in spots]
    )
    names = ("delta 1", "vega 1")
    formula = by_formula(product, [model(float(spot)) for spot in spots], names)
    panels = [
        panel("paid at the end, second asset at 100", last, {"": straight(product, last)}, (0, 0)),
        panel("value", spots, {"simulation": value, "formula": formula["value"]}, (WIDTH, 0)),
        panel(
            "delta of the first", spots, {"": formula[names[0]], "formula": formula[names[0]]}, (0, HEIGHT)
        ),
        panel(
            "vega of the first", spots, {"": formula[names[1]], "formula": formula[names[1]]}, (WIDTH, HEIGHT)
        ),
    ]
    return page(panels, ["simulation", "formula"], 2, "spot of the first asset")


def swap_picture() -> str:
    """Return the four panels of a variance swap, which depends on the volatility alone."""
    last = np.linspace(60.0, 160.0, 101)
    volatility = np.linspace(0.1, 0.45, 36)
    models = [replace(MARKET, volatility=float(one)) for one in volatility]
    value = [monte_carlo(SWAP, model, paths=PATHS, seed=7, sampler="sobol").price for model in models]
    formula = by_formula(SWAP, models, ("vega", "rho"))
    panels = [
        panel("paid at the end of a straight path, over the spot", last, {"": straight(SWAP, last)}, (0, 0)),
        panel("value", volatility, {"simulation": np.array(value), "formula": formula["value"]}, (WIDTH, 0)),
        panel("vega", volatility, twice(formula["vega"]), (0, HEIGHT)),
        panel("rho", volatility, twice(formula["rho"]), (WIDTH, HEIGHT)),
    ]
    return page(panels, ["simulation", "formula"], 2, "volatility")


def american_picture() -> str:
    """Return the four panels of an American put: regression gives a lower bound and the delta of its rule."""
    option = AmericanOption(kind="put", strike=100.0, expiry=1.0)
    spots = np.linspace(70.0, 145.0, 51)
    models = [replace(MARKET, spot=float(spot)) for spot in spots]
    found = [monte_carlo(option, model, paths=50_000, seed=7, greeks="pathwise") for model in models]
    formula = by_formula(option, models, ("delta", "gamma"))
    value = np.array([one.price for one in found])
    delta = np.array([one.greeks["delta"].value for one in found])
    panels = [
        panel("paid if exercised", spots, {"": np.maximum(100.0 - spots, 0.0)}, (0, 0)),
        panel("value", spots, {"simulation": value, "formula": formula["value"]}, (WIDTH, 0)),
        panel("delta", spots, {"simulation": delta, "formula": formula["delta"]}, (0, HEIGHT)),
        panel("gamma", spots, twice(formula["gamma"]), (WIDTH, HEIGHT)),
    ]
    return page(panels, ["simulation", "formula"], 2, "spot")


def main() -> None:
    """Write the files."""
    drawers: list[tuple[tuple[ExoticProduct, ...], Callable[[ExoticProduct], str]]] = [
        (GALLERY, picture),
        (PAIRS, pair_picture),
    ]
    for products, draw in drawers:
        for product in products:
            (FOLDER / f"exotic-{product.type.replace('_', '-')}.svg").write_text(draw(product))
    (FOLDER / "exotic-variance-swap.svg").write_text(swap_picture())
    (FOLDER / "exotic-american.svg").write_text(american_picture())


if __name__ == "__main__":
    main()
