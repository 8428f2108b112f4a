"""Payoffs known by heart, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from optionsib.pricing.payoff import exact_payoff_geometry, payoff_geometry

# name, kind, strike, quantity, cash, max loss, max gain, break-evens (multiplier 100)
KNOWN = [
    ("long call", [1], [50.0], [1], -200.0, 200.0, math.inf, [52.0]),
    ("short call", [1], [50.0], [-1], 200.0, math.inf, 200.0, [52.0]),
    ("short put", ["put"], [50.0], [-1], 200.0, 4_800.0, 200.0, [48.0]),
    ("bull call spread", [1, 1], [50.0, 55.0], [1, -1], -200.0, 200.0, 300.0, [52.0]),
    ("straddle", [1, -1], [50.0, 50.0], [1, 1], -500.0, 500.0, math.inf, [45.0, 55.0]),
    ("iron condor", [-1, -1, 1, 1], [40.0, 45.0, 55.0, 60.0], [1, -1, -1, 1], 150.0, 350.0, 150.0,
     [43.5, 56.5]),
    ("call ratio 1x2", [1, 1], [50.0, 55.0], [1, -2], 0.0, math.inf, 500.0, [0.0, 50.0, 60.0]),
    ("butterfly for free", [1, 1, 1], [50.0, 55.0, 60.0], [1, -2, 1], 0.0, 0.0, 500.0, [0.0, 50.0, 60.0]),
    ("sure gain", [1, 1], [50.0, 55.0], [1, -1], 100.0, -100.0, 600.0, []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "strike", "quantity", "cash", "max_loss", "max_gain", "break_evens"),
    [row[1:] for row in KNOWN],
    ids=[row[0] for row in KNOWN],
)
def test_known_positions(
    kind: Any,
    strike: list[float],
    quantity: list[int],
    cash: float,
    max_loss: float,
    max_gain: float,
    break_evens: list[float],
) -> None:
    found = payoff_geometry(kind, strike, quantity, cash)
    assert (found.max_loss, found.max_gain) == (max_loss, max_gain)
    assert found.break_evens.tolist() == break_evens
    exact = exact_payoff_geometry(
        kind, [round(k * 10_000) for k in strike], quantity, round(cash * 1_000_000)
    )
    assert exact.max_loss == (None if math.isinf(max_loss) else round(max_loss * 1_000_000))
    assert exact.max_gain == (None if math.isinf(max_gain) else round(max_gain * 1_000_000))
    assert (exact.break_evens / 10_000).tolist() == break_evens


def test_a_covered_call() -> None:
    found = payoff_geometry(["stock", "call"], [0.0, 55.0], [100, -1], cash=-4_800.0, multiplier=[1, 100])
    assert (found.max_loss, found.max_gain, found.break_evens.tolist()) == (4_800.0, 700.0, [48.0])


def test_no_legs_is_cash() -> None:
    found = payoff_geometry([], [], [], cash=5.0)
    assert (found.max_loss, found.max_gain, found.break_evens.size) == (-5.0, 5.0, 0)
    assert exact_payoff_geometry([], [], []).break_evens.tolist() == [0.0]


@pytest.mark.parametrize(
    ("legs", "words"),
    [
        (([2], [50.0], [1]), "kind"),
        ((["cal"], [50.0], [1]), "'cal'"),
        (([1], [-50.0], [1]), "strike"),
        (([1], [math.nan], [1]), "finite"),
        (([1], [50.0], [math.inf]), "finite"),
        (([1], ["fifty"], [1]), "strike must be numbers"),
        (([[1]], [50.0], [1]), "1-d"),
        (([1, 1], [50.0], [1, 2, 3]), "broadcast"),
        (([0], [0.0], [1e200], 0.0, [1e200]), "too large"),
    ],
)
def test_bad_input_of_the_float_face(legs: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        payoff_geometry(*legs)


@pytest.mark.parametrize(
    ("legs", "words"),
    [
        (([1], [50.0], [1]), "strike must be integers"),
        (([1], [2**63], [1]), "strike must be integers"),
        (([1], [2**70], [1]), "strike must be integers"),
        (([1], [2**60], [1]), "too large"),
        (([-1], [10**12], [10**9]), "too large"),
        (([1], [50], [1], 2**63), "cash"),
        (([1], [-50], [1]), "strike must be >= 0"),
    ],
)
def test_bad_input_of_the_exact_face(legs: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        exact_payoff_geometry(*legs)
