"""Reconnects: pauses that double up to a longest one, and jitter that keeps programs apart."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optionsib.brokers.ib.backoff import LONGEST_SECONDS, Backoff


class Extreme(random.Random):
    """Always the same number."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self._value = value

    def random(self) -> float:
        return self._value


def pauses(first: float, chance: random.Random, count: int = 12) -> list[float]:
    backoff = Backoff(first, chance)
    return [backoff.pause() for _ in range(count)]


def test_without_luck_the_pauses_double_up_to_thirty_seconds() -> None:
    whole = pauses(0.5, Extreme(1.0), 9)
    assert whole == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert pauses(0.5, Extreme(0.0), 9) == [pause / 2 for pause in whole]


def test_a_shorter_longest_pause_holds_for_that_attempt_only() -> None:
    backoff = Backoff(1.0, Extreme(1.0))
    assert [backoff.pause(), backoff.pause(), backoff.pause(3.0), backoff.pause()] == [1.0, 2.0, 3.0, 8.0]


@given(st.floats(0.001, 60.0), st.integers(0, 2**32))
def test_every_pause_lies_between_half_and_all_of_its_step(first: float, seed: int) -> None:
    for number, pause in enumerate(pauses(first, random.Random(seed), 40)):
        full = min(LONGEST_SECONDS, first * 2.0**number)
        assert full / 2 <= pause <= full


def test_the_jitter_is_spread_over_its_whole_range_and_differs_between_programs() -> None:
    shares = [pause / 30.0 for pause in pauses(30.0, random.Random(1), 4_000)]
    counts = [sum(low <= share < low + 0.1 for share in shares) for low in (0.5, 0.6, 0.7, 0.8, 0.9)]
    assert all(700 <= count <= 900 for count in counts), counts  # 800 expected, 25 a standard deviation
    several = [pauses(1.0, random.Random(client_id)) for client_id in range(20)]
    assert all(one != other for one, other in itertools.combinations(several, 2))


@pytest.mark.parametrize("first", [-0.1, float("nan")])
def test_a_first_pause_that_cannot_be_is_named(first: float) -> None:
    with pytest.raises(ValueError, match="first_seconds"):
        Backoff(first, random.Random(0))
