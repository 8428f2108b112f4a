"""The circuit breaker's truth table, on a clock that the test moves."""

from __future__ import annotations

import asyncio

import pytest

from optionsib.common.circuit_breaker import CircuitBreaker, CircuitState, Permit
from optionsib.common.errors import CircuitOpenError

CLOSED, OPEN, HALF_OPEN = CircuitState.CLOSED, CircuitState.OPEN, CircuitState.HALF_OPEN


class Timer:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def make(timer: Timer, failures: int = 2, successes: int = 2) -> CircuitBreaker:
    return CircuitBreaker(
        "service",
        failure_threshold=failures,
        recovery_seconds=10.0,
        trial_successes=successes,
        monotonic=timer,
    )


def bring(breaker: CircuitBreaker, timer: Timer, state: CircuitState) -> None:
    if state is not CLOSED:
        for _ in range(2):
            breaker.fail(breaker.acquire())
    if state is HALF_OPEN:
        timer.now += 10.0
    assert breaker.state is state


# What happens, from each state: (state, [events], state after). f = failed call, s = succeeded call,
# r = call refused, +n = n seconds pass.
TABLE = [
    (CLOSED, ["s"], CLOSED),
    (CLOSED, ["f"], CLOSED),
    (CLOSED, ["f", "f"], OPEN),
    (CLOSED, ["f", "s", "f"], CLOSED),  # only failures in a row count
    (CLOSED, ["f", "+1000", "f"], OPEN),  # time alone forgives nothing
    (OPEN, ["r"], OPEN),
    (OPEN, ["+9.99", "r"], OPEN),
    (OPEN, ["+10"], HALF_OPEN),
    (OPEN, ["+5", "r", "+5"], HALF_OPEN),  # a refusal does not prolong it
    (HALF_OPEN, ["s"], HALF_OPEN),
    (HALF_OPEN, ["s", "s"], CLOSED),
    (HALF_OPEN, ["f"], OPEN),
    (HALF_OPEN, ["s", "f"], OPEN),
    (HALF_OPEN, ["f", "+10"], HALF_OPEN),
    (HALF_OPEN, ["+1000"], HALF_OPEN),
    (HALF_OPEN, ["s", "s", "f"], CLOSED),  # closed again: counting starts anew
    (HALF_OPEN, ["s", "s", "f", "f"], OPEN),
]


@pytest.mark.parametrize(("start", "events", "end"), TABLE)
def test_truth_table(start: CircuitState, events: list[str], end: CircuitState) -> None:
    timer = Timer()
    breaker = make(timer)
    bring(breaker, timer, start)
    for event in events:
        if event == "f":
            breaker.fail(breaker.acquire())
        elif event == "s":
            breaker.succeed(breaker.acquire())
        elif event == "r":
            with pytest.raises(CircuitOpenError, match="service: circuit open"):
                breaker.acquire()
        else:
            timer.now += float(event)
    assert breaker.state is end


def test_one_trial_at_a_time() -> None:
    timer = Timer()
    breaker = make(timer)
    bring(breaker, timer, HALF_OPEN)
    trial = breaker.acquire()
    with pytest.raises(CircuitOpenError, match="trial is under way"):
        breaker.acquire()
    breaker.succeed(trial)
    breaker.succeed(breaker.acquire())
    assert breaker.state is CLOSED


def test_a_trial_without_result_counts_as_failed() -> None:
    timer = Timer()
    breaker = make(timer)
    bring(breaker, timer, HALF_OPEN)
    trial = breaker.acquire()
    timer.now += 9.9
    assert breaker.state is HALF_OPEN
    timer.now += 0.1
    assert breaker.state is OPEN
    breaker.succeed(trial)
    assert breaker.state is OPEN
    timer.now += 10
    assert breaker.state is HALF_OPEN


def test_late_second_and_foreign_results_change_nothing() -> None:
    timer = Timer()
    breaker = make(timer, failures=2, successes=1)
    late = breaker.acquire()
    bring(breaker, timer, OPEN)
    breaker.succeed(late)
    assert breaker.state is OPEN
    timer.now += 10
    breaker.succeed(late)
    breaker.fail(late)
    assert breaker.state is HALF_OPEN
    breaker.succeed(breaker.acquire())
    assert breaker.state is CLOSED
    once = breaker.acquire()
    breaker.fail(once)
    breaker.fail(once)
    breaker.fail(Permit(99))
    assert breaker.state is CLOSED


def test_guard_counts_the_named_errors_only() -> None:
    timer = Timer()
    breaker = make(timer, failures=1)
    with pytest.raises(ValueError, match="our own mistake"), breaker.guard(ConnectionError):
        raise ValueError("our own mistake")
    assert breaker.state is CLOSED
    with pytest.raises(ConnectionError), breaker.guard(ConnectionError):
        raise ConnectionError
    assert breaker.state is OPEN
    ran = False
    with pytest.raises(CircuitOpenError), breaker.guard():
        ran = True
    assert not ran


def test_guard_counts_any_error_by_default_and_success() -> None:
    timer = Timer()
    breaker = make(timer, failures=2)
    for _ in range(3):
        with pytest.raises(KeyError), breaker.guard():
            raise KeyError("x")
        with breaker.guard():
            pass
    assert breaker.state is CLOSED


def test_a_cancelled_trial_gives_no_verdict() -> None:
    timer = Timer()
    breaker = make(timer)
    bring(breaker, timer, HALF_OPEN)
    with pytest.raises(asyncio.CancelledError), breaker.guard():
        raise asyncio.CancelledError
    assert breaker.state is HALF_OPEN
    breaker.acquire()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("failure_threshold", 0),
        ("recovery_seconds", 0.0),
        ("recovery_seconds", float("nan")),
        ("recovery_seconds", float("inf")),
        ("trial_successes", 0),
    ],
)
def test_parameters_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name} = "):
        CircuitBreaker("x", **{name: value})  # type: ignore[arg-type]
