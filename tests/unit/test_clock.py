"""Clocks: the stepped one never runs backwards, the machine's one moves."""

from __future__ import annotations

import time

import pytest

from optionsib.common.clock import SteppedClock, SystemClock
from optionsib.common.ports import Clock


def test_stepped_clock_stands_still_between_steps() -> None:
    clock: Clock = SteppedClock(5)
    assert clock.now_ns() == clock.now_ns() == 5
    assert isinstance(clock, SteppedClock)
    clock.advance(5)
    clock.advance(9)
    assert clock.now_ns() == 9


def test_stepped_clock_never_runs_backwards() -> None:
    clock = SteppedClock(10)
    with pytest.raises(ValueError, match="at 10 ns, asked for 9 ns"):
        clock.advance(9)
    assert clock.now_ns() == 10


@pytest.mark.parametrize("clock", [SystemClock(), SteppedClock()])
def test_monotonic_is_real_elapsed_time(clock: Clock) -> None:
    before = clock.monotonic()
    time.sleep(0.01)
    assert clock.monotonic() - before >= 0.009


def test_system_clock_is_utc_nanoseconds() -> None:
    assert abs(SystemClock().now_ns() - time.time() * 1e9) < 5e9
