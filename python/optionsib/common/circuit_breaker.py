"""The circuit breaker: stop asking a service that fails, then try it carefully again.

1. Closed: every call passes; ``failure_threshold`` failures in a row open it.
2. Open: every call is refused until ``recovery_seconds`` have passed since it opened.
3. Half-open: one trial call at a time; ``trial_successes`` successes in a row close it, one failure opens
   it again. A trial without a result for ``recovery_seconds`` counts as failed.
4. Only calls that began in the present period count: a late result changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

import msgspec

from optionsib.common.errors import CircuitOpenError


class CircuitState(Enum):
    """The three states."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Permit(msgspec.Struct, frozen=True):
    """Leave to make one call; hand it back with ``succeed`` or ``fail``."""

    serial: int


class CircuitBreaker:
    """One breaker guards one service; use it from one thread or one event loop.

    Parameters
    ----------
    name
        What it guards, for messages.
    failure_threshold
        Failures in a row that open it, at least 1.
    recovery_seconds
        Real seconds it stays open.
    trial_successes
        Successes in a row that close it from half-open, at least 1.
    monotonic
        Source of elapsed real seconds.

    Raises
    ------
    ValueError
        If a parameter is out of range.

    Examples
    --------
    >>> breaker = CircuitBreaker("contract details", failure_threshold=1, recovery_seconds=5.0)
    >>> breaker.fail(breaker.acquire())
    >>> breaker.state.value
    'open'
    """

    def __init__(
        self,
        name: str,
        *,
        failure_threshold: int = 5,
        recovery_seconds: float = 30.0,
        trial_successes: int = 1,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if failure_threshold < 1:
            raise ValueError(f"failure_threshold = {failure_threshold!r}: expected at least 1")
        if not 0 < recovery_seconds < float("inf"):
            raise ValueError(f"recovery_seconds = {recovery_seconds!r}: expected a finite number above 0")
        if trial_successes < 1:
            raise ValueError(f"trial_successes = {trial_successes!r}: expected at least 1")
        self.name = name
        self._failure_threshold = failure_threshold
        self._recovery_seconds = recovery_seconds
        self._trial_successes = trial_successes
        self._monotonic = monotonic
        self._state = CircuitState.CLOSED
        self._since = 0.0  # when it opened, or when the running trial began
        self._serial = 0
        self._failures = 0
        self._successes = 0
        self._in_flight: set[int] = set()  # calls of this period without a result

    @property
    def state(self) -> CircuitState:
        """The state now; reading it moves on what only time moves."""
        if self._state is CircuitState.OPEN and self._elapsed():
            self._enter(CircuitState.HALF_OPEN)
        elif self._state is CircuitState.HALF_OPEN and self._in_flight and self._elapsed():
            self._open()
        return self._state

    def acquire(self) -> Permit:
        """Return leave for one call.

        Raises
        ------
        CircuitOpenError
            If it is open, or half-open with a trial under way.
        """
        state = self.state
        if state is CircuitState.OPEN:
            left = self._recovery_seconds - (self._monotonic() - self._since)
            raise CircuitOpenError(
                f"{self.name}: circuit open, next trial in {max(left, 0.0):.1f} s; not called"
            )
        if state is CircuitState.HALF_OPEN:
            if self._in_flight:
                raise CircuitOpenError(f"{self.name}: circuit half-open, a trial is under way; not called")
            self._since = self._monotonic()
        self._serial += 1
        self._in_flight.add(self._serial)
        return Permit(self._serial)

    def succeed(self, permit: Permit) -> None:
        """Note that the call of ``permit`` worked; a late or second result changes nothing."""
        if not self._take(permit):
            return
        self._failures = 0
        if self._state is CircuitState.HALF_OPEN:
            self._successes += 1
            if self._successes >= self._trial_successes:
                self._enter(CircuitState.CLOSED)

    def fail(self, permit: Permit) -> None:
        """Note that the call of ``permit`` failed; a late or second result changes nothing."""
        if not self._take(permit):
            return
        self._failures += 1
        if self._state is CircuitState.HALF_OPEN or self._failures >= self._failure_threshold:
            self._open()

    @contextmanager
    def guard(self, *failures: type[Exception]) -> Iterator[None]:
        """Run a block as one call; errors of ``failures`` (default: any ``Exception``) count against it.

        Other errors show that the service answered and count as success. The error is raised on; a
        cancellation gives no verdict and lets the next trial begin.

        Raises
        ------
        CircuitOpenError
            If the call is refused; the block did not run.
        """
        permit = self.acquire()
        try:
            yield
        except Exception as error:
            if isinstance(error, failures or (Exception,)):
                self.fail(permit)
            else:
                self.succeed(permit)
            raise
        except BaseException:
            self._in_flight.discard(permit.serial)
            raise
        self.succeed(permit)

    def _elapsed(self) -> bool:
        return self._monotonic() - self._since >= self._recovery_seconds

    def _take(self, permit: Permit) -> bool:
        _ = self.state  # a trial that ran out of time is settled before its result is looked at
        if permit.serial not in self._in_flight:
            return False
        self._in_flight.remove(permit.serial)
        return True

    def _open(self) -> None:
        self._enter(CircuitState.OPEN)
        self._since = self._monotonic()

    def _enter(self, state: CircuitState) -> None:
        self._state = state
        self._failures = self._successes = 0
        self._in_flight.clear()  # a new period: results of calls that began before come too late
