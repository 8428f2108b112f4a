"""Clocks: the machine's own, and one that the exchange's messages drive."""

from __future__ import annotations

import time


class SystemClock:
    """The machine's UTC clock."""

    def now_ns(self) -> int:
        """Return the wall-clock time, UTC ns."""
        return time.time_ns()  # wall-clock-ok: this is the seam

    def monotonic(self) -> float:
        """Return real elapsed seconds."""
        return time.monotonic()

    def advance(self, now_ns: int) -> None:
        """Do nothing: the machine's clock follows nobody's steps."""


class SteppedClock:
    """A clock that stands still between ``advance`` calls; it never runs backwards."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Return the time of the last step, UTC ns."""
        return self._now_ns

    def monotonic(self) -> float:
        """Return real elapsed seconds."""
        return time.monotonic()

    def advance(self, now_ns: int) -> None:
        """Move to ``now_ns``.

        Raises
        ------
        ValueError
            If ``now_ns`` lies before the current time; the clock is unchanged.
        """
        if now_ns < self._now_ns:
            raise ValueError(f"clock cannot run backwards: at {self._now_ns} ns, asked for {now_ns} ns")
        self._now_ns = now_ns
