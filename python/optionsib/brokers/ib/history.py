"""Historical data within IB's pacing rules: a queue that waits, and a cache for what was just asked.

IB's rules for bars of 30 seconds and less (TWS API documentation, "Historical Data Limitations"): no
identical request within 15 seconds, fewer than six requests for the same contract, exchange and tick
type within two seconds, at most 60 within ten minutes, where BID_ASK counts twice. The same rules are
kept for larger bars, which IB only limits softly.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field

import msgspec

from optionsib.brokers.ib import codes
from optionsib.brokers.ib.library import BarData
from optionsib.brokers.ib.session import RequestRefusedError

SAME_REQUEST_SECONDS = 15.0
BURST_SECONDS, BURST_REQUESTS = 2.0, 5
WINDOW_SECONDS, WINDOW_REQUESTS = 600.0, 60
OPEN_REQUESTS = 50


class Bar(msgspec.Struct, frozen=True):
    """One historical bar as the broker sent it; ``time`` is ``YYYYMMDD`` (daily) or seconds since 1970."""

    time: str
    open: float
    high: float
    low: float
    close: float
    volume: float
    average: float
    count: int


@dataclass(slots=True)
class HistoryPacer:
    """Says how long a request must wait. Times are monotonic seconds."""

    monotonic: Callable[[], float]
    _window: deque[tuple[float, int]] = field(default_factory=deque)
    _bursts: defaultdict[Hashable, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _same: dict[Hashable, float] = field(default_factory=dict)

    def wait(self, request: Hashable, stream: Hashable, cost: int) -> float:
        """Return the seconds until the request may leave, 0.0 if it may now.

        Parameters
        ----------
        request : hashable
            All that makes two requests identical.
        stream : hashable
            Contract, exchange and tick type.
        cost : int
            2 for BID_ASK, else 1.
        """
        now = self.monotonic()
        self._forget(now)
        waits = [0.0]
        if request in self._same:
            waits.append(self._same[request] + SAME_REQUEST_SECONDS - now)
        burst = self._bursts[stream]
        if len(burst) >= BURST_REQUESTS:
            waits.append(burst[-BURST_REQUESTS] + BURST_SECONDS - now)
        excess = sum(one for _, one in self._window) + cost - WINDOW_REQUESTS
        for at, one in self._window:
            if excess <= 0:
                break
            waits.append(at + WINDOW_SECONDS - now)
            excess -= one
        return max(waits)

    def sent(self, request: Hashable, stream: Hashable, cost: int) -> None:
        """Record that a request leaves now."""
        now = self.monotonic()
        self._same[request] = now
        self._bursts[stream].append(now)
        self._window.append((now, cost))

    def penalise(self) -> None:
        """Record that the broker complained about pacing (162): let ten requests' worth of time pass."""
        self._window.append((self.monotonic(), WINDOW_REQUESTS // 6))

    def _forget(self, now: float) -> None:
        while self._window and now - self._window[0][0] >= WINDOW_SECONDS:
            self._window.popleft()
        for stream, burst in list(self._bursts.items()):
            while burst and now - burst[0] >= BURST_SECONDS:
                burst.popleft()
            if not burst:
                del self._bursts[stream]
        self._same = {key: at for key, at in self._same.items() if now - at < SAME_REQUEST_SECONDS}


class HistoryQueue:
    """Sends historical requests one after the other, as the pacing rules allow.

    Where the identical request was just answered, the answer comes from memory.

    Parameters
    ----------
    monotonic : callable
        Returns real elapsed seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self.pacer = HistoryPacer(monotonic)
        self._monotonic = monotonic
        self._turn = asyncio.Lock()
        self._open = asyncio.Semaphore(OPEN_REQUESTS)
        self._answers: dict[Hashable, tuple[float, tuple[Bar, ...]]] = {}

    async def get(
        self,
        request: Hashable,
        stream: Hashable,
        cost: int,
        ask: Callable[[], Awaitable[list[BarData]]],
    ) -> tuple[Bar, ...]:
        """Return the answer to ``request``, asked by ``ask`` if it is not fresh in memory.

        Raises
        ------
        BrokerError
            If the broker refuses or stays silent; a complaint about pacing (162) is asked once more.
        """
        for may_retry in (True, False):
            async with self._turn:
                known = self._answers.get(request)
                if known is not None and self._monotonic() - known[0] < SAME_REQUEST_SECONDS:
                    return known[1]
                while (wait := self.pacer.wait(request, stream, cost)) > 0.0:
                    await asyncio.sleep(wait)
                self.pacer.sent(request, stream, cost)
            try:
                async with self._open:
                    bars = tuple(_bar(raw) for raw in await ask())
            except RequestRefusedError as error:
                if error.code != codes.HISTORY_REFUSED or "pacing" not in str(error) or not may_retry:
                    raise
                self.pacer.penalise()
                continue
            self._answers = {
                key: value
                for key, value in self._answers.items()
                if self._monotonic() - value[0] < SAME_REQUEST_SECONDS
            }
            self._answers[request] = (self._monotonic(), bars)
            return bars
        raise AssertionError("unreachable")


def _bar(raw: BarData) -> Bar:
    return Bar(
        time=str(raw.date),
        open=raw.open,
        high=raw.high,
        low=raw.low,
        close=raw.close,
        volume=float(raw.volume),
        average=float(raw.average),
        count=raw.barCount,
    )
