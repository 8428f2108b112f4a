"""When a step ends: at the exchange's word in lockstep, by the machine's monotonic clock otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

from optionsib.common.errors import BrokerError
from optionsib.common.ports import Clock


class StepTimer:
    """Waits for steps and tells their times.

    Parameters
    ----------
    clock : Clock
        Gives the time of a step where the broker's is not used, and real seconds to wait by.
    pace : {"real", "lockstep"}
        ``lockstep``: asking for the time is what makes the exchange go on.
    step_seconds : float
        Real seconds between steps at real pace.
    broker_time : bool
        Whether the time of a step is the broker's.
    patience_seconds : float
        How long the broker's time may stand still at real pace.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        pace: Literal["lockstep", "real"],
        step_seconds: float,
        broker_time: bool,
        patience_seconds: float,
    ) -> None:
        if step_seconds <= 0:
            raise ValueError(f"step_seconds is {step_seconds}, expected a positive number")
        self.session_close_ns: int | None = None
        self._clock = clock
        self._pace = pace
        self._step_seconds = step_seconds
        self._broker_time = broker_time
        self._patience_seconds = patience_seconds
        self._time_ns: int | None = None
        self._next_step_at: float | None = None

    def known_time_ns(self) -> int:
        """Return the time of the last step, or the clock's; 0 where the broker's is not known yet."""
        return (self._time_ns or 0) if self._broker_time else self._clock.now_ns()

    async def wait(self, ask_time: Callable[[], Awaitable[int]], lost: asyncio.Event) -> int | None:
        """Return the time of the next step (UTC ns), None when the session is over.

        Parameters
        ----------
        ask_time : callable
            Asks the broker for its time. At real pace this shows that the connection is alive.
        lost : asyncio.Event
            Set when the connection is gone; ends the waiting.

        Raises
        ------
        BrokerError
            If the broker's time runs backwards or stands still.
        """
        if self._pace == "lockstep":
            return self._advance(await ask_time())
        if self._session_over():
            return None
        give_up_at = self._clock.monotonic() + self._patience_seconds + self._step_seconds
        while True:
            await self._sleep(lost)
            broker_ns = await ask_time()
            time_ns = broker_ns if self._broker_time else self._clock.now_ns()
            advanced = self._advance(time_ns)
            if advanced is not None or self._session_over():
                return advanced
            if self._clock.monotonic() > give_up_at:
                raise BrokerError(f"the broker's time stands still at {time_ns} ns")

    async def _sleep(self, lost: asyncio.Event) -> None:
        now = self._clock.monotonic()
        due = now + self._step_seconds if self._next_step_at is None else max(now, self._next_step_at)
        self._next_step_at = due + self._step_seconds
        if due > now:
            try:
                await asyncio.wait_for(lost.wait(), due - now)
            except TimeoutError:
                return

    def _session_over(self) -> bool:
        close = self.session_close_ns
        return close is not None and self._time_ns is not None and self._time_ns >= close

    def _advance(self, time_ns: int) -> int | None:
        before = self._time_ns
        if before is not None and time_ns < before:
            raise BrokerError(f"the broker's time ran backwards from {before} to {time_ns} ns")
        self._time_ns = time_ns
        return None if before == time_ns else time_ns
