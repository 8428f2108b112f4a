"""Reg-T style margin: naked, covered, paired; every figure worked out by hand beside it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.brokers.paper.margin import Margin, margin_of
from optionsib.common.types import MONEY_SCALE, Contract

SHARE = Contract(1, "TWX", "STK")
INDEX = Contract(2, "SPX", "IND")
SPOT = 690_000


def option(con_id: int, strike: int, right: str, expiry: int = 10, symbol: str = "TWX") -> Contract:
    return Contract(
        con_id,
        symbol,
        "OPT",
        multiplier=100,
        right=right,  # type: ignore[arg-type]
        strike=strike * 10_000,
        expiry_ns=expiry,
    )


C60, C65, C70, C75 = (option(10 + n, strike, "C") for n, strike in enumerate((60, 65, 70, 75)))
P60, P65, P70, P75 = (option(20 + n, strike, "P") for n, strike in enumerate((60, 65, 70, 75)))
EARLY, LATE = option(30, 70, "C", 5), option(31, 70, "C", 20)
INDEX_CALL = option(40, 70, "C", symbol="SPX")
MARKS = {1: SPOT, 2: SPOT, C70.con_id: 15_000, P65.con_id: 8_000, INDEX_CALL.con_id: 15_000}


def doubled_mark(con_id: int) -> int | None:
    mark = MARKS.get(con_id)
    return None if mark is None else 2 * mark


def under(contract: Contract) -> Contract:
    return SHARE if contract.symbol == "TWX" else INDEX


def need(*positions: tuple[Contract, int]) -> float:
    """Initial margin in currency."""
    return margin_of(positions, doubled_mark, under).initial / MONEY_SCALE


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        ([], 0),
        ([(C70, 3), (P65, 2)], 0),  # bought options were paid for
        ([(C70, -1)], 100 * (1.5 + 0.20 * 69 - 1)),  # 1.00 out of the money
        ([(C75, -1)], 100 * (0.20 * 69 - 6)),  # no quote: worth its intrinsic value, 0
        ([(option(50, 90, "C"), -1)], 100 * 0.10 * 69),  # far out: the floor
        ([(P65, -1)], 100 * (0.8 + 0.20 * 69 - 4)),
        ([(option(51, 30, "P"), -1)], 100 * 0.10 * 30),  # the floor of a put is of its strike
        ([(P75, -2)], 200 * (6 + 0.20 * 69)),  # in the money without a quote: intrinsic 6
        ([(INDEX_CALL, -1)], 100 * (1.5 + 0.15 * 69 - 1)),
        ([(C70, -1), (P65, -1)], 100 * (1.5 + 0.20 * 69 - 1) + 80),  # strangle: larger side + other's value
        ([(C65, -1), (C70, 1)], 500),  # credit call spread
        ([(C65, 1), (C70, -1)], 0),  # debit spread
        ([(P70, -3), (P65, 3)], 1_500),
        ([(P60, 1), (P65, -1), (C70, -1), (C75, 1)], 500),  # iron condor: one side can lose
        ([(P60, 1), (P65, -1), (C65, -1), (C75, 1)], 1_000),  # its wider side
        ([(C60, 1), (C65, -2), (C70, 1)], 0),  # long butterfly
        ([(C60, -1), (C65, 2), (C70, -1)], 500),  # short butterfly
        ([(C65, 1), (C70, -2)], 100 * (1.5 + 0.20 * 69 - 1)),  # ratio: one is naked
        ([(C60, -1), (option(52, 90, "C"), 1)], 100 * (9 + 0.20 * 69)),  # 30.00 wide: naked costs less
        ([(C70, -1), (LATE, 1)], 0),  # calendar
        ([(C70, -1), (EARLY, 1)], 100 * (1.5 + 0.20 * 69 - 1)),  # cover that ends first is none
        ([(SHARE, 100)], 3_450),
        ([(SHARE, 100), (C70, -1)], 3_450),  # covered call
        ([(SHARE, 150), (C70, -2)], 5_175 + 100 * (1.5 + 0.20 * 69 - 1)),
        ([(SHARE, -100), (P65, -1)], 3_450),
        ([(SHARE, -100), (C70, -1)], 3_450 + 100 * (1.5 + 0.20 * 69 - 1)),
    ],
)
def test_examples(positions: list[tuple[Contract, int]], expected: float) -> None:
    assert need(*positions) == pytest.approx(expected, abs=1e-6)


def test_maintenance_differs_for_shares_alone() -> None:
    assert margin_of([(SHARE, 100)], doubled_mark, under) == Margin(3_450_000_000, 1_725_000_000)
    assert margin_of([(SHARE, -100)], doubled_mark, under) == Margin(3_450_000_000, 2_070_000_000)
    both = margin_of([(C65, -1), (C70, 1)], doubled_mark, under)
    assert both.initial == both.maintenance


def test_two_expiries_can_lose_both() -> None:
    later = [option(61, 65, "C", 20), option(62, 70, "C", 20)]
    spreads = [(C65, -1), (C70, 1), (later[0], -1), (later[1], 1)]
    assert need(*spreads) == 1_000


holdings = st.lists(
    st.tuples(st.sampled_from([C60, C65, C70, C75, P60, P65, P70, P75]), st.integers(-4, 4)), max_size=6
)


@settings(max_examples=150, deadline=None)
@given(holdings, st.integers(1, 5))
def test_margin_scales_and_more_long_options_never_cost(
    positions: list[tuple[Contract, int]], times: int
) -> None:
    merged: dict[int, tuple[Contract, int]] = {}
    for contract, count in positions:
        merged[contract.con_id] = (contract, merged.get(contract.con_id, (contract, 0))[1] + count)
    base = need(*merged.values())
    assert base >= 0
    assert need(*((contract, times * count) for contract, count in merged.values())) == pytest.approx(
        times * base
    )
    shorts = [(contract, count) for contract, count in merged.values() if count < 0]
    assert base <= need(*shorts)


FUTURE = Contract(3, "ES", "FUT", multiplier=50, expiry_ns=20)
LATER = Contract(4, "ES", "FUT", multiplier=50, expiry_ns=40)
EURO = Contract(5, "EUR", "CASH")
FIGURE = 22_000 * MONEY_SCALE


def on_future(con_id: int, strike: int, right: str) -> Contract:
    return Contract(con_id, "ES", "FOP", multiplier=50, right=right, strike=strike * 10_000, expiry_ns=10)  # type: ignore[arg-type]


C6500, C6600, P6400 = on_future(70, 6500, "C"), on_future(71, 6600, "C"), on_future(72, 6400, "P")
FUTURES_MARKS = {3: 65_000_000, 4: 65_200_000, 5: 11_200, 70: 800_000, 71: 400_000, 72: 300_000}


def futures_margin(*positions: tuple[Contract, int], figure: int = FIGURE) -> Margin:
    return margin_of(
        positions,
        lambda con_id: 2 * FUTURES_MARKS[con_id],
        lambda contract: FUTURE if contract.security_type == "FOP" else None,
        lambda contract: figure,
    )


@pytest.mark.parametrize(
    ("positions", "initial", "maintenance"),
    [
        ([(FUTURE, 3)], 3 * 24_200, 66_000),
        ([(FUTURE, -1), (LATER, 1)], 2 * 24_200, 44_000),  # no credit for the spread
        ([(C6500, 2)], 0, 0),
        ([(C6500, -1)], 50 * 80 + 24_200, 50 * 80 + 24_200),  # at the money
        ([(C6600, -2)], 2 * (50 * 40 + 24_200 - 50 * 100), 2 * (50 * 40 + 24_200 - 50 * 100)),
        ([(on_future(71, 8000, "C"), -1)], 50 * 40 + 12_100, 50 * 40 + 12_100),  # half at least
        ([(C6500, -1), (C6600, 1)], 50 * 100, 50 * 100),  # a vertical: its exact loss
        ([(FUTURE, 1), (C6500, -1)], 24_200, 22_000),  # covered
        ([(FUTURE, 1), (P6400, -1)], 24_200 + 50 * 30 + 24_200 - 5_000, 22_000 + 50 * 30 + 24_200 - 5_000),
    ],
)
def test_futures_and_options_on_them(
    positions: list[tuple[Contract, int]], initial: int, maintenance: int
) -> None:
    wanted = Margin(initial * MONEY_SCALE, maintenance * MONEY_SCALE, initial * MONEY_SCALE)
    assert futures_margin(*positions) == wanted


def test_a_future_without_a_figure_needs_its_whole_value() -> None:
    assert futures_margin((FUTURE, -2), figure=0).maintenance == 2 * 50 * 6_500 * MONEY_SCALE


def test_a_currency_needs_a_part_of_its_value_whether_owned_or_owed() -> None:
    for quantity in (20_000, -20_000):
        assert futures_margin((EURO, quantity)) == Margin(672 * MONEY_SCALE, 672 * MONEY_SCALE)
