"""Prices, money, contracts: the exact arithmetic that all layers share."""

from __future__ import annotations

import pytest

from optionsib.common.types import (
    MONEY_SCALE,
    OPTION_GRID,
    PENNY_GRID,
    PRICE_SCALE,
    YEAR_NS,
    Contract,
    LegPosition,
    Order,
    OrderLeg,
    price_to_money,
)


@pytest.mark.parametrize(
    ("price", "multiplier", "quantity", "money"),
    [
        (12_500, 100, 1, 125_000_000),  # 1.25 a share, one contract: 125.00
        (-3_300, 100, 2, -66_000_000),  # a credit of 0.33, two units: -66.00
        (1, 1, 1, 100),
        (0, 100, 5, 0),
        (10**9, 100, 10**4, 10**17),  # beyond float64's exact integers
    ],
)
def test_price_to_money_is_exact(price: int, multiplier: int, quantity: int, money: int) -> None:
    assert price_to_money(price, multiplier, quantity) == money


def test_scales() -> None:
    assert MONEY_SCALE % PRICE_SCALE == 0
    assert YEAR_NS == 365 * 24 * 3600 * 10**9


@pytest.mark.parametrize(
    ("price", "increment", "floor", "ceil"),
    [
        (29_999, 100, 29_900, 30_000),
        (30_000, 500, 30_000, 30_000),  # the band begins at 3.00 itself
        (30_100, 500, 30_000, 30_500),
        (0, 100, 0, 0),
        (1, 100, 0, 100),
        (-1, 100, -100, 0),  # floor goes down, also for combos with a credit
        (-30_100, 500, -30_500, -30_000),
    ],
)
def test_option_grid(price: int, increment: int, floor: int, ceil: int) -> None:
    assert OPTION_GRID.increment(price) == increment
    assert (OPTION_GRID.floor(price), OPTION_GRID.ceil(price)) == (floor, ceil)


@pytest.mark.parametrize(
    ("price", "on_grid"), [(100, True), (29_950, False), (30_100, False), (-30_500, True)]
)
def test_is_on_grid(price: int, on_grid: bool) -> None:
    assert OPTION_GRID.is_on_grid(price) is on_grid


def test_penny_grid_has_one_band() -> None:
    assert PENNY_GRID.increment(10**9) == 100


@pytest.mark.parametrize(("right", "kind"), [("C", 1), ("P", -1), ("", 0)])
def test_kind_of_contract(right: str, kind: int) -> None:
    assert Contract(1, "X", "OPT", right=right).kind == kind  # type: ignore[arg-type]


def test_values_are_frozen_and_hashable() -> None:
    order = Order("o", "t", (OrderLeg(1, 1),), 1, 100, "open", "s")
    for value in (Contract(1, "X", "STK"), order, LegPosition(1, 2), OPTION_GRID):
        hash(value)
        with pytest.raises(AttributeError):
            setattr(value, value.__struct_fields__[0], 0)
