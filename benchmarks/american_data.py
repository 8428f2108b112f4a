"""The options of the American benchmarks: expiries and ex-dates in whole days, as QuantLib wants them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Data = dict[str, NDArray[Any]]
DAYS = 365.0
SPOT = 100.0
# Of the set; a group's own ranges replace them. A group's ranges of rate and yield are those of its puts: a
# call is the put with the two exchanged, so its calls have them exchanged.
RANGES = {
    "moneyness": (-0.45, 0.45),
    "days": (14, 3 * 365),
    "rate": (0.0, 0.09),
    "dividend_yield": (0.0, 0.09),
    "volatility": (0.1, 0.8),
}
GROUPS: dict[str, dict[str, tuple[float, float]]] = {
    "yield above rate": {"rate": (0.0, 0.03), "dividend_yield": (0.03, 0.12)},
    "no yield": {"dividend_yield": (0.0, 0.0)},
    "negative yield": {"dividend_yield": (-0.05, 0.0)},  # of a call: a negative rate, one boundary
    "deep in the money": {"moneyness": (0.3, 0.8)},
    "below 3 days": {"days": (1, 2), "moneyness": (-0.06, 0.06)},
}
DOUBLE_BOUNDARY = {"rate": (-0.03, -0.01), "dividend_yield": (-0.10, -0.05)}
GROUP_SIZE = 50
SCHEDULE = ("ex_days", "ex_times", "amounts")


def american_options(size: int, seed: int, **fixed: tuple[float, float]) -> Data:
    """Return `size` options, about half of them calls; the set is ``american_options(400, 3)``."""
    draw = np.random.default_rng(seed)
    limits = RANGES | fixed
    columns = {name: draw.uniform(*limits[name], size) for name in ("moneyness", "rate", "dividend_yield")}
    days = draw.integers(int(limits["days"][0]), int(limits["days"][1]), size, endpoint=True)
    volatility = draw.uniform(*limits["volatility"], size)
    kind = np.where(draw.random(size) < 0.5, 1, -1).astype(np.int8)
    exchanged = (kind > 0) & bool(fixed.keys() & {"rate", "dividend_yield"})
    inward = -kind if "moneyness" in fixed and fixed["moneyness"][0] > 0 else 1  # deep: into the money
    return {
        "kind": kind,
        "spot": np.full(size, SPOT),
        "strike": SPOT * np.exp(inward * columns["moneyness"]),
        "days": days.astype(float),
        "time_to_expiry": days / DAYS,
        "rate": np.where(exchanged, columns["dividend_yield"], columns["rate"]),
        "volatility": volatility,
        "dividend_yield": np.where(exchanged, columns["rate"], columns["dividend_yield"]),
    }


def cash_options(size: int, seed: int) -> Data:
    """Return options of two months to two years under quarterly dividends of 0.2 to 1 % of the spot.

    Option i has the dividends ``offsets[i]:offsets[i + 1]`` of ``ex_days``, ``ex_times`` and ``amounts``.
    """
    data = american_options(
        size, seed, days=(60, 730), moneyness=(-0.3, 0.3), volatility=(0.12, 0.6), rate=(0.0, 0.06)
    )
    data["dividend_yield"] = np.zeros(size)
    draw = np.random.default_rng(seed + 1)
    firsts, dividends = draw.integers(5, 59, size), draw.uniform(0.2, 1.0, size)
    schedules = [np.arange(first, days, 91.0) for first, days in zip(firsts, data["days"], strict=True)]
    counts = [len(schedule) for schedule in schedules]
    data["ex_days"] = np.concatenate(schedules)
    data["ex_times"] = data["ex_days"] / DAYS
    data["amounts"] = np.repeat(dividends, counts)
    data["offsets"] = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return data


def chosen(data: Data, which: NDArray[np.int64]) -> Data:
    """Return the options `which`, in that order, with their dividends."""
    if "offsets" not in data:
        return {name: column[which] for name, column in data.items()}
    starts, ends = data["offsets"][which], data["offsets"][which + 1]
    entries = np.concatenate([np.arange(*ends_of) for ends_of in zip(starts, ends, strict=True)])
    found = {
        name: column[entries if name in SCHEDULE else which]
        for name, column in data.items()
        if name != "offsets"
    }
    return found | {"offsets": np.concatenate([[0], np.cumsum(ends - starts)])}
