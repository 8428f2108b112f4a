"""Recorded levels of spot, volatility and rate, and the length of blocks to resample them in."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Levels at equally spaced times, oldest first, one row a time.

    Parameters
    ----------
    spot : shape (rows,)
        Positive. Adjusted for splits and dividends, or the index itself.
    volatility : shape (rows,), or a number
        Positive, annual: 0.2 = 20 %. The VIX over 100, for instance.
    rate : shape (rows,), or a number
        Continuous, a year.
    name
        What it is a history of; travels with the scenarios.

    Raises
    ------
    ValueError
        If lengths differ, there are fewer than 10 rows, or a value is not finite or not positive where it
        must be: align and clean before.
    """

    spot: Array
    volatility: Array
    rate: Array
    name: str

    def __init__(self, spot: ArrayLike, volatility: ArrayLike, rate: ArrayLike, *, name: str) -> None:
        levels = np.array(spot, dtype=float)
        if levels.ndim != 1 or len(levels) < 10:
            raise ValueError(f"spot must be one column of at least 10 rows, got shape {levels.shape}")
        object.__setattr__(self, "name", name)
        for key, given in (("spot", levels), ("volatility", volatility), ("rate", rate)):
            values = np.array(given, dtype=float)
            if values.ndim == 0:
                values = np.full(len(levels), float(values))
            if values.shape != levels.shape:
                raise ValueError(f"{key} must have the {len(levels)} rows of spot, got shape {values.shape}")
            bad = ~np.isfinite(values) if key == "rate" else ~(np.isfinite(values) & (values > 0))
            if bad.any():
                row = int(np.argmax(bad))
                wanted = "finite" if key == "rate" else "finite and positive"
                raise ValueError(f"{key} must be {wanted}, got {values[row]} in row {row}")
            values.flags.writeable = False
            object.__setattr__(self, key, values)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.spot)

    def changes(self) -> Array:
        """Return the changes from row to row, (rows - 1, 3): of ln spot, ln volatility, rate."""
        return np.diff(np.column_stack([np.log(self.spot), np.log(self.volatility), self.rate]), axis=0)

    def digest(self) -> str:
        """Return the SHA-256 of the three columns, little-endian float64."""
        columns = np.column_stack([self.spot, self.volatility, self.rate]).astype("<f8")
        return hashlib.sha256(columns.tobytes()).hexdigest()


def optimal_block_length(series: ArrayLike) -> float:
    """Return the mean block length that suits the stationary bootstrap of a series best.

    D. N. Politis and H. White, "Automatic block-length selection for the dependent bootstrap", Econometric
    Reviews 23 (2004), with the constant of the correction by A. Patton, D. N. Politis and H. White,
    Econometric Reviews 28 (2009). As in the authors' program the bandwidth is twice the lag at which the
    first 5 (or log10 of the length) insignificant autocorrelations in a row begin.

    Parameters
    ----------
    series : shape (rows,)
        At least 10 values.

    Returns
    -------
    float
        At least 1, at most the smaller of 3 sqrt(rows) and rows / 3.

    Raises
    ------
    ValueError
        If the series is too short, not finite, or constant.
    """
    values = np.asarray(series, dtype=float)
    if values.ndim != 1 or len(values) < 10 or not np.isfinite(values).all():
        raise ValueError(f"series must be one column of at least 10 finite values, got shape {values.shape}")
    rows = len(values)
    centred = values - values.mean()
    if not float(centred @ centred) > 0:
        raise ValueError("series must not be constant")
    run = max(5, int(math.log10(rows)))
    longest = min(math.ceil(math.sqrt(rows)) + run, rows - 2)
    products = np.array([centred[k:] @ centred[: rows - k] for k in range(longest + 1)])
    covariance = products / rows
    band = 2.0 * math.sqrt(math.log10(rows) / rows)
    insignificant = [
        abs(float(products[k])) < band * math.sqrt(float(centred[k + 1 :] @ centred[k + 1 :]))
        * math.sqrt(float(centred[: rows - k - 1] @ centred[: rows - k - 1]))
        for k in range(longest + 1)
    ]  # fmt: skip
    starts = (k for k in range(1, longest - run + 1) if all(insignificant[k : k + run]))
    bandwidth = min(2 * next(starts, longest), longest)
    lags = np.arange(1, bandwidth + 1)
    weights = np.minimum(1.0, 2.0 * (1.0 - lags / bandwidth)) * covariance[1 : bandwidth + 1]
    slope = 2.0 * float(weights @ lags)
    density = float(covariance[0]) + 2.0 * float(weights.sum())
    most = math.ceil(min(3.0 * math.sqrt(rows), rows / 3.0))
    if density == 0:
        return float(most)
    found = (slope**2 / density**2 * rows) ** (1.0 / 3.0)
    return float(min(max(found, 1.0), most))
