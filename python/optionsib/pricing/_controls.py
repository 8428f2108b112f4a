"""Control variates: products on the same paths whose value is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from optionsib.pricing.european import price
from optionsib.pricing.models import BlackScholes, Model, integral
from optionsib.pricing.products import (
    AsianOption,
    Discount,
    EuropeanOption,
    ExoticProduct,
    ExoticType,
    Kind,
    Payments,
    Times,
)

Control = str | tuple[ExoticProduct, float]
NAMES = ("geometric", "european", "spot")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot(ExoticProduct):
    """The spot at a time, without an option."""

    type: ClassVar[ExoticType] = ExoticType.EUROPEAN
    expiry: float

    def times(self) -> Times:
        return (self.expiry,)

    def payments(self, discount: Discount) -> Payments:
        (spot,) = yield self.expiry
        return spot * discount(self.expiry)


def geometric_asian_price(option: AsianOption, model: BlackScholes) -> float:
    """Return the value of an option on the geometric average of the spots at its dates.

    The average is lognormal (A. G. Z. Kemna, A. C. F. Vorst, "A pricing method for options based on average
    asset values", 1990).

    Raises
    ------
    ValueError
        If the strike floats or the model pays cash dividends before the last date.
    """
    if option.strike is None:
        raise ValueError("the strike of the geometric average option must be fixed")
    if model.forwards(option.dates[-1]) is None:
        raise ValueError("there is no closed form with cash dividends")
    count = len(option.dates)
    mean, variance, before, total = 0.0, 0.0, 0.0, 0.0
    for i, date in enumerate(option.dates):
        step = integral(model.volatility, before, date, 2)
        total += model.carry(before, date) - 0.5 * step
        mean += total / count
        variance += ((count - i) / count) ** 2 * step
        before = date
    forward = model.spot * math.exp(mean + 0.5 * variance)
    return model.discount(_paid_at(option)) * undiscounted(option.kind, forward, option.strike, variance)


def _paid_at(option: AsianOption) -> float:
    return option.dates[-1] if option.expiry is None else option.expiry


def undiscounted(kind: Kind, forward: float, strike: float, variance: float) -> float:
    """Return Black's price of an option on a lognormal number of this mean and logarithmic variance."""
    if strike <= 0 or variance <= 0:
        return max(forward - strike, 0.0) if kind == "call" else max(strike - forward, 0.0)
    found: float = price(
        kind=kind, spot=forward, strike=strike, time_to_expiry=1.0, rate=0.0, volatility=math.sqrt(variance)
    )
    return found


def european_value(option: EuropeanOption, model: BlackScholes) -> float:
    """Return the closed form of a European option under Black and Scholes without cash dividends."""
    forward = model.forwards(option.expiry)
    if forward is None:
        raise ValueError("there is no closed form with cash dividends")
    variance = integral(model.volatility, 0.0, option.expiry, 2)
    return model.discount(option.expiry) * undiscounted(option.kind, forward[0], option.strike, variance)


def resolve(
    control: Control | Sequence[Control] | None, product: ExoticProduct, model: Model
) -> tuple[list[ExoticProduct], list[float]]:
    """Return control products and their values.

    Raises
    ------
    ValueError
        If a name is unknown, or the control has no known value under the model.
    """
    if control is None:
        return [], []
    if isinstance(control, str) or (len(control) == 2 and isinstance(control[0], ExoticProduct)):
        control = [control]  # type: ignore[list-item]
    products: list[ExoticProduct] = []
    values: list[float] = []
    for one in control:
        found, value = _named(one, product, model) if isinstance(one, str) else one  # type: ignore[misc]
        if not isinstance(found, ExoticProduct) or not math.isfinite(value):
            raise ValueError(f"a control variate is a name or (product, value), got {one!r}")
        products.append(found)
        values.append(float(value))
    return products, values


def _named(name: str, product: ExoticProduct, model: Model) -> tuple[ExoticProduct, float]:
    if name not in NAMES:
        raise ValueError(
            f"control_variate must be one of {', '.join(NAMES)} or (product, value), got {name!r}"
        )
    last = max(product.times())
    if name == "spot":
        forward = model.forwards(last)
        if forward is None or model.assets != 1:
            raise ValueError("the spot is a control for one asset without cash dividends")
        return _Spot(expiry=last), forward[0] * model.discount(last)
    if not isinstance(model, BlackScholes):
        raise ValueError(f"control_variate={name!r} needs the BlackScholes model, got {model.type}")
    kind: Kind = getattr(product, "kind", "call")
    if name == "geometric":
        if not isinstance(product, AsianOption) or product.average != "arithmetic" or product.strike is None:
            raise ValueError("'geometric' is the control of an arithmetic Asian option with a fixed strike")
        twin = AsianOption(
            kind=kind, strike=product.strike, dates=product.dates, average="geometric", expiry=product.expiry
        )
        return twin, geometric_asian_price(twin, model)
    strike = getattr(product, "strike", None)
    option = EuropeanOption(kind=kind, strike=model.spot if strike is None else strike, expiry=last)
    return option, european_value(option, model)
