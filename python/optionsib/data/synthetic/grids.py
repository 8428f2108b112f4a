"""Whole arrays of prices onto a tick grid; prices in 1/10000, not negative."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optionsib.common.types import TickGrid

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def increments(prices: Floats, grid: TickGrid) -> Ints:
    """Return the increment that applies at each price."""
    edges = np.array([band.lower_edge for band in grid.bands])
    steps = np.array([band.increment for band in grid.bands], dtype=np.int64)
    return steps[np.maximum(np.searchsorted(edges, prices, side="right") - 1, 0)]


def down(prices: Floats, grid: TickGrid) -> Ints:
    """Return the next price of the grid at or below each price."""
    step = increments(prices, grid)
    return np.floor(prices / step).astype(np.int64) * step


def up(prices: Floats, grid: TickGrid) -> Ints:
    """Return the next price of the grid at or above each price."""
    step = increments(prices, grid)
    return np.ceil(prices / step).astype(np.int64) * step


def nearest(prices: Floats, grid: TickGrid) -> Ints:
    """Return the price of the grid nearest to each price."""
    step = increments(prices, grid)
    return np.rint(prices / step).astype(np.int64) * step
