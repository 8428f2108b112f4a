"""The circuit breaker against a small model, under any sequence of calls, results and time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from optionsib.common.circuit_breaker import CircuitBreaker, CircuitState, Permit
from optionsib.common.errors import CircuitOpenError

THRESHOLD, RECOVERY, TRIALS = 3, 8.0, 2


class BreakerMachine(RuleBasedStateMachine):
    """The model keeps plain facts: the name of the state, when it began, what ran in a row."""

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = CircuitBreaker(
            "model",
            failure_threshold=THRESHOLD,
            recovery_seconds=RECOVERY,
            trial_successes=TRIALS,
            monotonic=lambda: self.now,
        )
        self.state = "closed"
        self.opened_at = 0.0
        self.row = 0  # failures while closed, successes while half-open
        self.valid: set[Permit] = set()
        self.trial: tuple[Permit, float] | None = None

    def settle(self) -> None:
        if self.state == "half-open" and self.trial is not None and self.now - self.trial[1] >= RECOVERY:
            self.become("open")
        elif self.state == "open" and self.now - self.opened_at >= RECOVERY:
            self.become("half-open")

    def become(self, state: str) -> None:
        self.state, self.row, self.trial = state, 0, None
        self.valid.clear()
        if state == "open":
            self.opened_at = self.now

    @rule(seconds=st.sampled_from([0.0, 0.5, 3.0, 7.75, 8.0, 20.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.settle()

    @rule(target=permits)
    def call(self) -> object:
        self.settle()
        allowed = self.state == "closed" or (self.state == "half-open" and self.trial is None)
        try:
            permit = self.breaker.acquire()
        except CircuitOpenError:
            assert not allowed
            return multiple()
        assert allowed
        self.valid.add(permit)
        if self.state == "half-open":
            self.trial = (permit, self.now)
        return permit

    @rule(permit=permits)
    def succeed(self, permit: Permit) -> None:
        self.settle()
        self.breaker.succeed(permit)
        if permit not in self.valid:
            return
        self.valid.remove(permit)
        if self.state == "closed":
            self.row = 0
        else:
            self.trial = None
            self.row += 1
            if self.row == TRIALS:
                self.become("closed")

    @rule(permit=consumes(permits))
    def fail(self, permit: Permit) -> None:
        self.settle()
        self.breaker.fail(permit)
        if permit not in self.valid:
            return
        self.valid.remove(permit)
        self.row += 1
        if self.state == "half-open" or self.row == THRESHOLD:
            self.become("open")

    @invariant()
    def same_state(self) -> None:
        assert self.breaker.state is CircuitState(self.state)


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
