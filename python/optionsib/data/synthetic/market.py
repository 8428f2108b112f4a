"""The hidden market of a simulated day: the share's path, the moving smiles, each option's fair value."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optionsib.common.types import MINUTE_NS, PRICE_SCALE, YEAR_NS, Contract
from optionsib.data.calendars import third_friday
from optionsib.data.contracts import ContractName
from optionsib.data.synthetic.parameters import DayParameters, ExpiryParameters, SmileParameters
from optionsib.pricing import price

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HiddenMarket:
    """Minute by option arrays; what no participant sees. ``moneyness`` is log, in the money above 0."""

    spot: Floats  # (minutes,)
    fair: Floats  # (minutes, options)
    volatility: Floats  # (minutes, options)
    moneyness: Floats  # (options,) at the opening
    time_to_expiry: Floats  # (options,) at the opening


def mean_reverting(
    rng: np.random.Generator, minutes: int, width: int, deviation: Floats | float, half_life: float
) -> Floats:
    """Return stationary Gaussian AR(1) paths, shape (minutes, width), mean 0.

    ``half_life`` in minutes is that of the autocorrelation; ``deviation`` is the standard deviation
    of each path's stationary law.
    """
    keep = 0.5 ** (1.0 / half_life)
    path = rng.standard_normal((minutes, width))
    fresh = np.sqrt(1.0 - keep * keep)
    for k in range(1, minutes):
        path[k] = keep * path[k - 1] + fresh * path[k]
    return path * deviation


def by_time_of_day(values: Sequence[float], minutes: int) -> Floats:
    """Spread half-hourly values over a session of ``minutes``, linearly between their middles."""
    middles = (np.arange(len(values)) + 0.5) / len(values)
    return np.interp((np.arange(minutes) + 0.5) / minutes, middles, values)


def list_contracts(date: dt.date, spot: float, parameters: DayParameters) -> list[ContractName]:
    """Return the chain that is listed on ``date`` for a share at ``spot``: calls and puts alike."""
    first = third_friday(date.year, date.month)
    skipped = 0 if first > date + dt.timedelta(days=4) else 1  # the front month is about to end
    names = []
    for expiry in parameters.expiries:
        month = date.month - 1 + skipped + expiry.months_ahead
        friday = third_friday(date.year + month // 12, month % 12 + 1)
        middle = round(spot * expiry.centre / expiry.strike_step)
        lowest = max(1, middle - expiry.strike_count // 2)
        for i in range(expiry.strike_count):
            strike = round((lowest + i) * expiry.strike_step * PRICE_SCALE)
            names += [ContractName(friday, strike, "C"), ContractName(friday, strike, "P")]
    return sorted(names)


def draw_start(rng: np.random.Generator, parameters: DayParameters) -> float:
    """Return the share's price at the opening, a whole number of cents."""
    return round(float(rng.uniform(parameters.spot.lowest_start, parameters.spot.highest_start)), 2)


def draw_spot(rng: np.random.Generator, start: float, minutes: int, parameters: DayParameters) -> Floats:
    """Return the share's middle price at the end of each minute."""
    spot = parameters.spot
    day_factor = np.exp(rng.normal(0.0, spot.day_factor_deviation))
    minute_factor = np.exp(
        mean_reverting(rng, minutes, 1, spot.minute_factor_deviation, spot.minute_factor_half_life)[:, 0]
    )
    deviation = by_time_of_day(spot.minute_deviation, minutes) * 1e-4 * day_factor * minute_factor
    # Student t with 5 degrees of freedom, scaled to unit variance: minutes with news
    shocks = rng.standard_t(5.0, minutes) * np.sqrt(3.0 / 5.0)
    path: Floats = start * np.exp(np.cumsum(deviation * shocks - 0.5 * deviation**2))
    return path


def build_market(
    rng: np.random.Generator,
    contracts: Sequence[Contract],
    spot: Floats,
    open_ns: int,
    parameters: DayParameters,
) -> HiddenMarket:
    """Move the smiles along the share's path and price every option with our own core.

    Values are European, floored at the value of immediate exercise.
    """
    minutes = len(spot)
    strike = np.array([c.strike for c in contracts]) / PRICE_SCALE
    kind = np.array([c.kind for c in contracts], dtype=np.int8)
    expiry_ns = np.array([c.expiry_ns for c in contracts], dtype=np.int64)
    ends, expiry_index = np.unique(expiry_ns, return_inverse=True)
    at_ns = open_ns + (np.arange(minutes, dtype=np.int64) + 1) * MINUTE_NS
    time_to_expiry = (expiry_ns[None, :] - at_ns[:, None]) / YEAR_NS
    carry = parameters.interest_rate - parameters.dividend_yield
    forward = spot[:, None] * np.exp(carry * time_to_expiry)
    z = np.log(strike[None, :] / forward) / np.sqrt(time_to_expiry)

    day_factor = float(np.exp(rng.normal(0.0, parameters.smile.day_level_deviation)))
    common = mean_reverting(rng, minutes, 1, parameters.smile.common_noise, parameters.smile.half_life)
    volatility = np.empty_like(z)
    for index, expiry in enumerate(parameters.expiries[: len(ends)]):
        columns = np.flatnonzero(expiry_index == index)
        volatility[:, columns] = day_factor * _smile(
            rng, z[:, columns], strike[columns], spot, expiry, parameters.smile, common
        )
    volatility = np.maximum(volatility, 0.03)
    shape = z.shape
    european: Floats = price(
        np.broadcast_to(kind, shape),
        np.broadcast_to(spot[:, None], shape),
        np.broadcast_to(strike, shape),
        time_to_expiry,
        parameters.interest_rate,
        volatility,
        parameters.dividend_yield,
    )
    exercise = kind * (spot[:, None] - strike[None, :])
    return HiddenMarket(
        spot=spot,
        fair=np.maximum(european, exercise),
        volatility=volatility,
        moneyness=kind * np.log(forward[0] / strike),
        time_to_expiry=time_to_expiry[0],
    )


def _smile(
    rng: np.random.Generator,
    z: Floats,
    strike: Floats,
    spot: Floats,
    expiry: ExpiryParameters,
    smile: SmileParameters,
    common: Floats,
) -> Floats:
    """Return volatilities (minutes, options) of one expiry; a call and a put of one strike agree."""
    minutes = len(spot)
    own = mean_reverting(rng, minutes, 1, expiry.level_noise, smile.half_life)
    tilt = mean_reverting(rng, minutes, 1, smile.skew_noise, smile.half_life)
    strikes, pair = np.unique(strike, return_inverse=True)
    standing = rng.normal(0.0, smile.standing_residual, len(strikes))
    residual = standing + mean_reverting(
        rng, minutes, len(strikes), expiry.residual_noise, smile.residual_half_life
    )
    curve = expiry.wing * (np.sqrt(z * z + smile.bend**2) - smile.bend)
    return expiry.at_the_money + common + own + (expiry.skew + tilt) * z + curve + residual[:, pair]
