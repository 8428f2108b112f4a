"""Which closed form a product has under a model, and its value."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch

from optionsib.pricing import _barrier_formulas as barriers
from optionsib.pricing._average_formulas import floating_geometric_asian_price, lookback_price
from optionsib.pricing._barrier_formulas import CORRECTION, Flat
from optionsib.pricing._controls import geometric_asian_price
from optionsib.pricing._laws import option_value, probability_above
from optionsib.pricing._pair_formulas import exchange_price, kirk_price, pair_at, weighted_price
from optionsib.pricing._variance_formulas import squared_returns
from optionsib.pricing.american import american_price
from optionsib.pricing.models import BlackScholes, Heston, Level, Merton, Model, MultiAsset, TermStructure
from optionsib.pricing.products import (
    AmericanOption,
    AsianOption,
    BarrierOption,
    BasketOption,
    DigitalOption,
    DoubleBarrierOption,
    EuropeanOption,
    ExchangeOption,
    ExoticProduct,
    LookbackOption,
    SpreadOption,
    TouchOption,
    VarianceSwap,
)


class NoClosedFormError(ValueError):
    """A product has no closed form under a model; the text says why."""


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """A formula's name and value, whether it is exact or an approximation, and spots where it has a kink."""

    name: str
    value: Callable[[], float]
    exact: bool = True
    edges: tuple[float, ...] = ()


@singledispatch
def closed_form(product: ExoticProduct, model: Model) -> ClosedForm:
    """Return the closed form of a product under a model.

    Raises
    ------
    NoClosedFormError
        If it has none here.
    """
    raise NoClosedFormError(f"{product.type} has no closed form here")


def _one_asset(model: Model, time: float) -> BlackScholes | Merton | Heston:
    if not isinstance(model, BlackScholes | Merton | Heston):
        raise NoClosedFormError(f"no closed form of it is known here under {model.type}")
    if model.forwards(time) is None:
        raise NoClosedFormError("cash dividends before the end leave no closed form")
    return model


def _black_scholes(model: Model, time: float) -> BlackScholes:
    if not isinstance(model, BlackScholes):
        raise NoClosedFormError(f"its closed form is that of black_scholes, not of {model.type}")
    _one_asset(model, time)
    return model


def _flat(model: Model, time: float) -> Flat:
    """Return constant parameters until a time, or raise where they change."""
    one = _black_scholes(model, time)
    levels = [_constant(level, time) for level in (one.volatility, one.rate, one.dividend_yield)]
    if any(level is None for level in levels):
        raise NoClosedFormError("its closed form needs a volatility, rate and yield that do not change")
    volatility, rate, dividend_yield = (float(level) for level in levels if level is not None)
    return Flat(one.spot, volatility, rate, rate - dividend_yield, time)


def _constant(level: Level, time: float) -> float | None:
    if not isinstance(level, TermStructure):
        return float(level)
    begun = (0.0, *level.times[:-1])
    values = {value for start, value in zip(begun, level.values, strict=True) if start < time or start == 0.0}
    return values.pop() if len(values) == 1 else None


_LAW_NAMES = {
    "black_scholes": "Black-Scholes",
    "merton": "Merton's series",
    "heston": "Heston by Fourier integral",
}


@closed_form.register
def _european(product: EuropeanOption, model: Model) -> ClosedForm:
    one = _one_asset(model, product.expiry)

    def value() -> float:
        return one.discount(product.expiry) * option_value(product.kind, one, product.strike, product.expiry)

    return ClosedForm(_LAW_NAMES[model.type], value)


@closed_form.register
def _digital(product: DigitalOption, model: Model) -> ClosedForm:
    one = _one_asset(model, product.expiry)

    def value() -> float:
        discount, strike, time = one.discount(product.expiry), product.strike, product.expiry
        forward = one.forwards(time)
        spot = forward[0] if forward else math.nan
        call = product.kind == "call"
        if time == 0.0 and spot == strike:
            above = below = 1.0
        else:
            above = probability_above(one, strike, time)
            below = 1.0 - above
        if product.pays == "cash":
            return discount * product.amount * (above if call else below)
        gained = option_value("call", one, strike, time) + strike * above  # E[S; S > strike]
        if time == 0.0:
            gained = spot * above
        return discount * (gained if call else (spot * below if time == 0.0 else spot - gained))

    return ClosedForm(_LAW_NAMES[model.type], value)


@closed_form.register
def _asian(product: AsianOption, model: Model) -> ClosedForm:
    one = _black_scholes(model, product.dates[-1])
    if product.average == "arithmetic":
        if len(product.dates) == 1 and product.strike is not None:
            return ClosedForm("Black-Scholes (one date)", lambda: _single_average(product, one))
        raise NoClosedFormError("the sum of lognormal spots has no closed form")
    if product.strike is None:
        return ClosedForm(
            "geometric average as an exchange", lambda: floating_geometric_asian_price(product, one)
        )
    return ClosedForm("Kemna-Vorst, at its dates", lambda: geometric_asian_price(product, one))


def _single_average(product: AsianOption, model: BlackScholes) -> float:
    strike = 0.0 if product.strike is None else product.strike
    paid_at = product.dates[0] if product.expiry is None else product.expiry
    return model.discount(paid_at) * option_value(product.kind, model, strike, product.dates[0])


@closed_form.register
def _barrier(product: BarrierOption, model: Model) -> ClosedForm:
    law = _flat(model, product.expiry)
    barrier, exact, name = _watched(product, law, product.barrier, product.direction)

    way = (product.kind, product.direction)

    def value() -> float:
        return _knock(
            product,
            law,
            inside=law.spot > barrier if product.direction == "down" else law.spot < barrier,
            option_out=lambda: barriers.knock_out(*way, law, product.strike, barrier),
            option_in=lambda: barriers.knock_in(*way, law, product.strike, barrier),
            untouched=lambda: barriers.untouched(product.direction, law, barrier),
            at_touch=lambda: barriers.at_touch(product.direction, law, barrier),
        )

    return ClosedForm(f"Reiner-Rubinstein{name}", value, exact, (barrier,))


@closed_form.register
def _double_barrier(product: DoubleBarrierOption, model: Model) -> ClosedForm:
    law = _flat(model, product.expiry)
    lower, exact, name = _watched(product, law, product.lower, "down")
    upper, _, _ = _watched(product, law, product.upper, "up")

    def option_out() -> float:
        return barriers.double_knock_out(product.kind, law, product.strike, lower, upper)

    def value() -> float:
        return _knock(
            product,
            law,
            inside=lower < law.spot < upper,
            option_out=option_out,
            option_in=lambda: barriers.vanilla(product.kind, law, product.strike) - option_out(),
            untouched=lambda: barriers.double_untouched(law, lower, upper),
            at_touch=lambda: barriers.double_at_touch(law, lower, upper),
        )

    return ClosedForm(f"reflections between two barriers{name}", value, exact, (lower, upper))


def _watched(
    product: BarrierOption | DoubleBarrierOption | TouchOption, law: Flat, level: float, direction: str
) -> tuple[float, bool, str]:
    """Return the barrier of the formula: the product's, or moved away for a watch at dates only."""
    if law.time == 0.0:
        return level, True, ""
    if product.monitoring == "continuous":
        if product.dates[-1] < law.time:
            raise NoClosedFormError("a barrier watched for a part of the time has no closed form here")
        return level, True, ""
    dates = product.dates if product.dates[0] > 0.0 else product.dates[1:]
    steps = [b - a for a, b in zip((0.0, *dates), dates, strict=False)]
    even = dates and dates[-1] == law.time and max(steps) - min(steps) < 0.5 * law.time / len(dates)
    if not even:
        raise NoClosedFormError("dates that are uneven, or end before the expiry, have no correction here")
    shift = CORRECTION * law.volatility * math.sqrt(law.time / len(dates))
    moved = level * math.exp(-shift if direction == "down" else shift)
    return moved, False, ", moved for dates (Broadie-Glasserman-Kou)"


def _knock(
    product: BarrierOption | DoubleBarrierOption,
    law: Flat,
    *,
    inside: bool,
    option_out: Callable[[], float],
    option_in: Callable[[], float],
    untouched: Callable[[], float],
    at_touch: Callable[[], float],
) -> float:
    out = product.action == "out"
    if not inside or law.time == 0.0:
        if out != inside:  # dead
            return product.rebate * (1.0 if product.rebate_at == "hit" else law.discount)
        if law.time == 0.0:
            gain = law.spot - product.strike
            return max(gain if product.kind == "call" else -gain, 0.0)
        return barriers.vanilla(product.kind, law, product.strike)
    value = max(option_out() if out else option_in(), 0.0)
    if product.rebate > 0.0:
        if product.rebate_at == "hit":
            value += product.rebate * at_touch()
        else:
            stays = untouched()
            value += product.rebate * law.discount * (1.0 - stays if out else stays)
    return value


@closed_form.register
def _touch(product: TouchOption, model: Model) -> ClosedForm:
    law = _flat(model, product.dates[-1])
    barrier, exact, name = _watched(product, law, product.barrier, product.direction)

    def value() -> float:
        inside = law.spot > barrier if product.direction == "down" else law.spot < barrier
        if not inside or law.time == 0.0:
            paid = (product.touch == "one") != inside
            return product.amount * paid * (1.0 if product.paid_at == "hit" else law.discount)
        if product.paid_at == "hit":
            return product.amount * barriers.at_touch(product.direction, law, barrier)
        stays = barriers.untouched(product.direction, law, barrier)
        return product.amount * law.discount * (stays if product.touch == "no" else 1.0 - stays)

    return ClosedForm(f"reflection{name}", value, exact, (barrier,))


@closed_form.register
def _lookback(product: LookbackOption, model: Model) -> ClosedForm:
    if product.monitoring != "continuous":
        raise NoClosedFormError("the extreme at dates has no closed form here")
    law = _flat(model, product.dates[-1])

    def value() -> float:
        best = max if product.follows_highest else min
        extreme = law.spot if product.extreme is None else best(law.spot, product.extreme)
        if law.time == 0.0:
            gain = law.spot - extreme if product.strike is None else extreme - product.strike
            return max(gain if product.kind == "call" else -gain, 0.0)
        return lookback_price(product.kind, law, product.strike, extreme)

    name = "Goldman-Sosin-Gatto" if product.strike is None else "Conze-Viswanathan"
    return ClosedForm(name, value)


@closed_form.register
def _variance(product: VarianceSwap, model: Model) -> ClosedForm:
    one = _one_asset(model, product.dates[-1])

    def value() -> float:
        realised = squared_returns(one, product.dates) * product.periods_per_year / len(product.dates)
        return product.notional * one.discount(product.dates[-1]) * (realised - product.strike)

    return ClosedForm("moments of the returns", value)


def _pair(model: Model, time: float) -> MultiAsset:
    if not isinstance(model, MultiAsset) or model.assets != 2:
        raise NoClosedFormError("its closed form is that of two assets")
    if model.forwards(time) is None:
        raise NoClosedFormError("cash dividends before the end leave no closed form")
    return model


@closed_form.register
def _exchange(product: ExchangeOption, model: Model) -> ClosedForm:
    both = _pair(model, product.expiry)

    def value() -> float:
        found = pair_at(both, product.expiry)
        return both.discount(product.expiry) * exchange_price(found) if found else math.nan

    return ClosedForm("Margrabe", value)


@closed_form.register
def _spread(product: SpreadOption, model: Model) -> ClosedForm:
    return _weighted(product, model, (1.0, -1.0))


@closed_form.register
def _basket(product: BasketOption, model: Model) -> ClosedForm:
    if len(product.weights) == 1 and product.weights[0] > 0.0 and not isinstance(model, MultiAsset):
        one = _one_asset(model, product.expiry)
        weight = product.weights[0]

        def value() -> float:
            found = option_value(product.kind, one, product.strike / weight, product.expiry)
            return one.discount(product.expiry) * weight * found

        return ClosedForm(_LAW_NAMES[model.type], value)
    if len(product.weights) != 2:
        raise NoClosedFormError("the sum of more than two lognormal assets has no closed form")
    return _weighted(product, model, (product.weights[0], product.weights[1]))


def _weighted(product: SpreadOption | BasketOption, model: Model, weights: tuple[float, float]) -> ClosedForm:
    both = _pair(model, product.expiry)

    def value() -> float:
        found = pair_at(both, product.expiry)
        if found is None:
            return math.nan
        return both.discount(product.expiry) * weighted_price(product.kind, found, weights, product.strike)

    return ClosedForm("one integral over the second asset", value)


@closed_form.register
def _american(product: AmericanOption, model: Model) -> ClosedForm:
    if not isinstance(model, BlackScholes):
        raise NoClosedFormError(f"american options under {model.type} are simulated")
    levels = [_constant(x, product.expiry) for x in (model.volatility, model.rate, model.dividend_yield)]
    if any(level is None for level in levels):
        raise NoClosedFormError("american options need a volatility, rate and yield that do not change")
    volatility, rate, dividend_yield = (float(level) for level in levels if level is not None)
    ahead = [pair for pair in model.dividends if pair[0] <= product.expiry]
    cash = ([time for time, _ in ahead], [amount for _, amount in ahead]) if ahead else None

    def value() -> float:
        if product.expiry == 0.0:
            gain = model.spot - product.strike
            return max(gain if product.kind == "call" else -gain, 0.0)
        return float(
            american_price(
                product.kind, model.spot, product.strike, product.expiry, rate, volatility, dividend_yield,
                dividends=cash, tier="high",
            )
        )  # fmt: skip

    return ClosedForm("american_price (high tier)", value)


def kirk(product: SpreadOption, model: Model) -> ClosedForm:
    """Return Kirk's approximation of a spread option.

    Raises
    ------
    NoClosedFormError
        If the model has not two assets, or the second forward and the strike sum to 0 or less.
    """
    both = _pair(model, product.expiry)
    found = pair_at(both, product.expiry)
    if found is None or found.second + product.strike <= 0.0:
        raise NoClosedFormError("Kirk's approximation needs a second forward above minus the strike")
    return ClosedForm(
        "Kirk",
        lambda: both.discount(product.expiry) * kirk_price(product.kind, found, product.strike),
        exact=False,
    )
