"""Payoff geometry against brute force in exact arithmetic: all kinks and both ends."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optionsib.pricing.payoff import exact_payoff_geometry, payoff_geometry

LEGS = st.lists(
    st.tuples(
        st.sampled_from([1, -1, 0]),
        st.integers(0, 20).map(lambda strike: strike * 25_000),
        st.integers(-5, 5),
        st.sampled_from([1, 10, 100]),
    ),
    max_size=6,
)
CASH = st.integers(-40, 40).map(lambda units: units * 12_345_600)


def columns(legs: list[tuple[int, int, int, int]]) -> list[list[int]]:
    return [[leg[field] for leg in legs] for field in range(4)]


def payoff(legs: list[tuple[int, int, int, int]], cash: int, spot: Fraction) -> Fraction:
    total = Fraction(cash)
    for kind, strike, quantity, multiplier in legs:
        worth = spot if kind == 0 else max(kind * (spot - strike), Fraction(0))
        total += 100 * quantity * multiplier * worth
    return total


@settings(max_examples=300, deadline=None)
@given(LEGS, CASH)
def test_exact_geometry_equals_brute_force(legs: list[tuple[int, int, int, int]], cash: int) -> None:
    kind, strike, quantity, multiplier = columns(legs)
    found = exact_payoff_geometry(kind, strike, quantity, cash, multiplier)

    kinks = sorted({0} | {k for sign, k, _, _ in legs if sign})
    values = [payoff(legs, cash, Fraction(k)) for k in kinks]
    far, farther = Fraction(10**9), Fraction(10**9 + 1)
    slope = payoff(legs, cash, farther) - payoff(legs, cash, far)
    assert found.kinks.tolist() == kinks
    assert found.values.tolist() == values
    assert found.tail_slope == slope
    assert found.max_loss == (None if slope < 0 else -min(values))
    assert found.max_gain == (None if slope > 0 else max(values))

    # Every break-even is one, and between two neighbours (or beyond the last) the sign never changes.
    roots = found.break_evens.tolist()
    assert roots == sorted(set(roots))
    scale = 1 + max(abs(value) for value in values)
    for root in roots:
        assert abs(payoff(legs, cash, Fraction(root))) <= scale * Fraction(1, 10**9)
    points = sorted({*map(Fraction, kinks), *map(Fraction, roots), far})
    ends = {Fraction(root) for root in roots}
    for left, right in itertools.pairwise(points):
        middle = payoff(legs, cash, (left + right) / 2)
        for end in (left, right):
            if end not in ends:
                assert payoff(legs, cash, end) * middle > 0 or middle == payoff(legs, cash, end) == 0
    # Where the payoff is exactly zero at a kink, the kink is reported.
    assert all(float(k) in roots for k, value in zip(kinks, values, strict=True) if value == 0)


@settings(max_examples=200, deadline=None)
@given(LEGS, CASH)
def test_the_float_face_agrees_with_the_exact_one(legs: list[tuple[int, int, int, int]], cash: int) -> None:
    kind, strike, quantity, multiplier = columns(legs)
    exact = exact_payoff_geometry(kind, strike, quantity, cash, multiplier)
    floating = payoff_geometry(kind, np.array(strike) / 1e4, quantity, cash / 1e6, multiplier)
    assert floating.kinks == pytest.approx(exact.kinks / 1e4)
    assert floating.values == pytest.approx(exact.values / 1e6, abs=1e-6)
    for ours, theirs in ((floating.max_loss, exact.max_loss), (floating.max_gain, exact.max_gain)):
        assert ours == (np.inf if theirs is None else pytest.approx(theirs / 1e6, abs=1e-6))
