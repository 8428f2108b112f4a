"""Pricers of exotic products, and the engine that chooses between them and says why."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from optionsib.pricing._closed_forms import ClosedForm, NoClosedFormError, closed_form, kirk
from optionsib.pricing._statistics import Estimate
from optionsib.pricing.models import BlackScholes, Level, Model, MultiAsset, TermStructure
from optionsib.pricing.monte_carlo import monte_carlo
from optionsib.pricing.products import (
    AmericanOption,
    AsianOption,
    BermudanOption,
    ExoticProduct,
    SpreadOption,
)

Method = Literal["auto", "analytic", "monte-carlo"]


@dataclass(frozen=True, slots=True)
class ExoticPrice:
    """A price with how it was found.

    `stderr`: 0 of a closed form. `greeks`: estimates (value, standard error) by name. `method`: the pricer
    and its formula; `reason`: why that one. `exact`: False of an approximation, whose error is not known.
    `paths`: 0 of a closed form.
    """

    price: float
    stderr: float
    greeks: Mapping[str, Estimate]
    method: str
    reason: str
    exact: bool = True
    paths: int = 0


class ExoticPricer(ABC):
    """What prices a product under a model."""

    @abstractmethod
    def price(self, product: ExoticProduct, model: Model) -> ExoticPrice:
        """Price a product.

        Raises
        ------
        ValueError
            If this pricer does not know the product under the model.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyticPricer(ExoticPricer):
    """Closed forms, and integrals in one dimension.

    `approximations`: also formulas whose error is not known (Kirk of a spread, a barrier moved for its
    dates); a result says so. `greeks`: delta, gamma, vega (parallel, per 1.00) and rho by central
    differences of the formula; of two assets `delta 1` and `delta 2`; of a barrier those on the spot's
    side.
    """

    approximations: bool = False
    greeks: bool = True

    def formula(self, product: ExoticProduct, model: Model) -> ClosedForm:
        """Return the closed form.

        Raises
        ------
        NoClosedFormError
            If there is none, or an approximation only and those are not allowed; a ValueError.
        """
        if self.approximations and isinstance(product, SpreadOption):
            return kirk(product, model)
        found = closed_form(product, model)
        if not found.exact and not self.approximations:
            raise NoClosedFormError(
                f"{product.type} watched at dates has an approximation only ({found.name}): "
                "AnalyticPricer(approximations=True)"
            )
        return found

    def price(self, product: ExoticProduct, model: Model) -> ExoticPrice:
        """Price a product by its closed form.

        Raises
        ------
        NoClosedFormError
            See `formula`.
        """
        found = self.formula(product, model)
        value = found.value()
        greeks = _differences(product, model, self.formula) if self.greeks else {}
        kind = "closed form" if found.exact else "approximation"
        return ExoticPrice(
            value, 0.0, greeks, f"{kind}: {found.name}", "it has a closed form", exact=found.exact
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MonteCarloPricer(ExoticPricer):
    """Simulation. Arguments as of `monte_carlo`; the geometric control is taken where it is known.

    The answer is a function of these arguments alone: equal seeds give equal prices.
    """

    paths: int = 262_144
    seed: int = 1
    steps: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def price(self, product: ExoticProduct, model: Model) -> ExoticPrice:
        """Price a product by simulation.

        Raises
        ------
        ValueError, MemoryError
            As `monte_carlo`.
        """
        options = dict(self.options)
        controlled = (
            isinstance(product, AsianOption)
            and product.average == "arithmetic"
            and product.strike is not None
            and isinstance(model, BlackScholes)
            and model.forwards(product.dates[-1]) is not None
        )
        if controlled:
            options.setdefault("control_variate", "geometric")
        found = monte_carlo(product, model, paths=self.paths, seed=self.seed, steps=self.steps, **options)
        early = isinstance(product, AmericanOption | BermudanOption)
        how = "Longstaff-Schwartz, a lower bound" if early else "Monte Carlo"
        how += f": {found.paths:,} paths, {options.get('sampler', 'philox')}"
        if options.get("control_variate") is not None:
            how += f", {options['control_variate']} control"
        return ExoticPrice(
            found.price,
            found.stderr,
            found.greeks,
            how,
            "simulation was asked for",
            exact=not early,
            paths=found.paths,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExoticPricingEngine(ExoticPricer):
    """Takes the closed form where there is an exact one, the simulation where there is none."""

    analytic: AnalyticPricer = AnalyticPricer()
    simulation: MonteCarloPricer = field(default_factory=MonteCarloPricer)

    def choose(self, product: ExoticProduct, model: Model) -> tuple[ExoticPricer, str]:
        """Return the pricer for a product under a model, and the reason."""
        try:
            found = self.analytic.formula(product, model)
        except NoClosedFormError as error:
            return self.simulation, f"no closed form: {error}"
        return self.analytic, f"there is a closed form: {found.name}"

    def price(self, product: ExoticProduct, model: Model) -> ExoticPrice:
        """Price a product.

        Raises
        ------
        ValueError
            If neither knows it.
        """
        pricer, reason = self.choose(product, model)
        return replace(pricer.price(product, model), reason=reason)


def price_exotic(
    product: ExoticProduct,
    model: Model,
    *,
    method: Method = "auto",
    paths: int = 262_144,
    seed: int = 1,
    steps: int | None = None,
    **options: Any,
) -> ExoticPrice:
    """Price an exotic option by the best method for it, and say which and why.

    Parameters
    ----------
    product, model
        What to price, and under which law.
    method
        ``"auto"``: the exact closed form where there is one, else simulation. ``"analytic"``: the closed
        form, else its approximation, else an error. ``"monte-carlo"``: simulation.
    paths, seed, steps, options
        Of the simulation, as of `monte_carlo`.

    Raises
    ------
    ValueError
        If the method does not know the product under the model, or an argument is out of its range.

    Examples
    --------
    >>> from optionsib.pricing import BarrierOption, BlackScholes
    >>> option = BarrierOption(
    ...     kind="call", strike=90.0, expiry=0.5, barrier=95.0, direction="down", action="out",
    ...     dates=(0.5,), monitoring="continuous", rebate=3.0, rebate_at="hit",
    ... )
    >>> model = BlackScholes(spot=100.0, volatility=0.25, rate=0.08, dividend_yield=0.04)
    >>> found = price_exotic(option, model)
    >>> round(found.price, 4), found.method
    (9.0246, 'closed form: Reiner-Rubinstein')
    """
    simulation = MonteCarloPricer(paths=paths, seed=seed, steps=steps, options=options)
    match method:
        case "auto":
            return ExoticPricingEngine(simulation=simulation).price(product, model)
        case "analytic":
            try:
                return replace(AnalyticPricer().price(product, model), reason="a closed form was asked for")
            except NoClosedFormError:
                found = AnalyticPricer(approximations=True).price(product, model)
                return replace(found, reason="a closed form was asked for; it has an approximation only")
        case "monte-carlo":
            return simulation.price(product, model)
        case _:
            raise ValueError(f"method must be 'auto', 'analytic' or 'monte-carlo', got {method!r}")


# --- Greeks of closed forms ----------------------------------------------------------------------

_BUMP = 2e-3  # relative: with two bumps, errors of its fourth power


def _differences(
    product: ExoticProduct, model: Model, formula: Callable[[ExoticProduct, Model], ClosedForm]
) -> dict[str, Estimate]:
    """Return Greeks by central differences, extrapolated from two bumps (Richardson)."""

    def value(changed: Model) -> float:
        return formula(product, changed).value()

    def slope(change: Callable[[float], Model], size: float) -> float:
        def first(h: float) -> float:
            return (value(change(h)) - value(change(-h))) / (2.0 * h)

        return (4.0 * first(size) - first(2.0 * size)) / 3.0

    found: dict[str, float] = {}
    if isinstance(model, MultiAsset):
        for i, asset in enumerate(model.underlyings):

            def spot(h: float, i: int = i, asset: BlackScholes = asset) -> Model:
                return _with_asset(model, i, replace(asset, spot=asset.spot + h))

            def volatility(h: float, i: int = i, asset: BlackScholes = asset) -> Model:
                return _with_asset(model, i, replace(asset, volatility=_moved(asset.volatility, h)))

            found[f"delta {i + 1}"] = slope(spot, _BUMP * asset.spot)
            found[f"vega {i + 1}"] = slope(volatility, _BUMP * _least(asset.volatility))
    else:
        one: Any = model
        room = min((abs(one.spot - edge) for edge in formula(product, model).edges), default=math.inf)
        size = min(_BUMP * one.spot, 0.45 * room)
        if size > 0.0:
            found["delta"] = slope(lambda h: replace(one, spot=one.spot + h), size)
            here = value(model)

            def second(h: float) -> float:
                up, down = (value(replace(one, spot=one.spot + step)) for step in (h, -h))
                return (up - 2.0 * here + down) / (h * h)

            found["gamma"] = (4.0 * second(size) - second(2.0 * size)) / 3.0
        if isinstance(model, BlackScholes):
            found["vega"] = slope(
                lambda h: replace(one, volatility=_moved(one.volatility, h)), _BUMP * _least(one.volatility)
            )
        found["rho"] = slope(lambda h: replace(one, rate=_moved(one.rate, h)), 1e-4)
    return {name: Estimate(number, 0.0) for name, number in found.items() if math.isfinite(number)}


def _with_asset(model: MultiAsset, place: int, asset: BlackScholes) -> MultiAsset:
    assets = list(model.underlyings)
    assets[place] = asset
    return replace(model, underlyings=tuple(assets))


def _moved(level: Level, by: float) -> Level:
    if isinstance(level, TermStructure):
        return TermStructure(level.times, tuple(value + by for value in level.values))
    return level + by


def _least(level: Level) -> float:
    return min(level.values) if isinstance(level, TermStructure) else level
