"""Tick grids: rounding lands on the grid, on the right side, and nowhere further than one tick."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from optionsib.common.types import OPTION_GRID, PENNY_GRID, TickBand, TickGrid, price_to_money

PRICES = st.integers(-(10**9), 10**9)


@st.composite
def grids(draw: st.DrawFn) -> TickGrid:
    """Market rules as exchanges write them: each edge lies on its own grid and on that below it."""
    increment = draw(st.sampled_from([1, 5, 100]))
    bands, edge = [TickBand(0, increment)], 0
    for factor in draw(st.lists(st.sampled_from([2, 5, 10]), max_size=3)):
        increment *= factor
        edge += increment * draw(st.integers(1, 50))
        edge -= edge % increment
        if edge > bands[-1].lower_edge:
            bands.append(TickBand(edge, increment))
    return TickGrid(tuple(bands))


@given(grids() | st.sampled_from([OPTION_GRID, PENNY_GRID]), PRICES)
def test_rounding(grid: TickGrid, price: int) -> None:
    low, high = grid.floor(price), grid.ceil(price)
    assert low <= price <= high
    assert grid.is_on_grid(low)
    assert grid.is_on_grid(high)
    assert high - low in (0, grid.increment(price))
    assert (low == high) == grid.is_on_grid(price)
    assert grid.floor(low) == low
    assert grid.ceil(high) == high


@given(grids(), PRICES)
def test_signs_mirror(grid: TickGrid, price: int) -> None:
    assert grid.floor(-price) == -grid.ceil(price)


@given(grids(), PRICES, PRICES)
def test_rounding_keeps_order(grid: TickGrid, first: int, second: int) -> None:
    low, high = min(first, second), max(first, second)
    assert grid.floor(low) <= grid.floor(high)
    assert grid.ceil(low) <= grid.ceil(high)


@given(PRICES, PRICES, st.integers(1, 1000), st.integers(-1000, 1000))
def test_money_is_linear(first: int, second: int, multiplier: int, quantity: int) -> None:
    together = price_to_money(first + second, multiplier, quantity)
    assert together == price_to_money(first, multiplier, quantity) + price_to_money(
        second, multiplier, quantity
    )
