"""How fast messages leave: one token bucket for all requests of a connection, orders first.

TWS allows 50 messages a second over everything a connection sends and closes a connection that keeps
breaking the rule. In any one second the bucket lets out at most ``rate`` messages: ``burst`` that
were saved up plus ``rate - burst`` that are refilled. A small burst keeps the refill fast, so that an
order which finds the bucket empty leaves after at most one refill, 1 / (rate - burst) seconds.

A server that complains (error 100) counts differently, or counts others of the same user too: the bucket
then refills at half its speed for a minute.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

ORDER_MESSAGES = frozenset({"3", "4", "21", "58"})  # place, cancel, exercise, cancel all
_MEASURED_SECONDS = 5.0
SLOW_SECONDS = 60.0  # after a complaint
_SAVED_SHARE = 9  # a ninth of the rate may be saved up: 5 of 45


class TokenBucket:
    """Tokens that refill with time; each message takes one.

    Parameters
    ----------
    rate : int
        Most messages in any one second.
    monotonic : callable
        Returns real elapsed seconds.
    """

    def __init__(self, rate: int, monotonic: Callable[[], float]) -> None:
        if rate < 1:
            raise ValueError(f"rate is {rate} messages a second, expected at least 1")
        self.rate = rate
        self._monotonic = monotonic
        self._burst = max(1, rate // _SAVED_SHARE) if rate > 1 else 1
        self._refill = max(rate - self._burst, 1) if rate > 1 else 1
        self._tokens = float(self._burst)
        self._updated = monotonic()
        self._slow_until = self._updated

    def now(self) -> float:
        """Return the bucket's time, seconds."""
        return self._monotonic()

    @property
    def is_slow(self) -> bool:
        """Whether the bucket refills at half its speed."""
        return self._monotonic() < self._slow_until

    def slow_down(self) -> None:
        """Give up what is saved, and refill at half the speed for a minute from now on."""
        self._slow_until = self._monotonic() + SLOW_SECONDS
        self._tokens = 0.0

    def take(self) -> float:
        """Take a token and return 0.0, or take nothing and return the seconds until there is one."""
        now = self._monotonic()
        refill = self._refill / 2 if now < self._slow_until else self._refill
        self._tokens = min(float(self._burst), self._tokens + (now - self._updated) * refill)
        self._updated = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / refill


class PacedSender:
    """A queue in front of the socket. Orders and cancels overtake every other request.

    Within each of the two classes messages leave in the order they were given.

    Parameters
    ----------
    write : callable
        Puts one message on the socket, synchronously.
    bucket : TokenBucket
        Says when the next message may leave.
    """

    def __init__(self, write: Callable[[str], None], bucket: TokenBucket) -> None:
        self.urgent: frozenset[str] = ORDER_MESSAGES
        self._write = write
        self._bucket = bucket
        self._orders: deque[str] = deque()
        self._others: deque[str] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._orders_left: asyncio.Event | None = None
        self._left_at: deque[float] = deque()

    @property
    def messages_per_second(self) -> float:
        """How many messages left a second, over the last five seconds."""
        now = self._bucket.now()
        while self._left_at and now - self._left_at[0] > _MEASURED_SECONDS:
            self._left_at.popleft()
        return len(self._left_at) / _MEASURED_SECONDS

    @property
    def waiting(self) -> int:
        """How many messages have not left yet."""
        return len(self._orders) + len(self._others)

    def slow_down(self) -> None:
        """Send more slowly for a while: the server has complained."""
        self._bucket.slow_down()

    def send(self, message: str) -> None:
        """Write ``message`` now if the rate allows it, else as soon as it does."""
        is_urgent = message.split("\0", 1)[0] in self.urgent
        (self._orders if is_urgent else self._others).append(message)
        if self._timer is None:
            self._drain()

    def clear(self) -> None:
        """Forget what has not left; the connection is gone."""
        self._orders.clear()
        self._others.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._signal()

    async def orders_sent(self) -> None:
        """Wait until no order or cancel is queued."""
        while self._orders:
            if self._orders_left is None:
                self._orders_left = asyncio.Event()
            await self._orders_left.wait()

    def _drain(self) -> None:
        self._timer = None
        while self._orders or self._others:
            wait = self._bucket.take()
            if wait > 0.0:
                self._timer = asyncio.get_running_loop().call_later(wait, self._drain)
                return
            queue = self._orders or self._others
            message = queue.popleft()
            self._write(message)
            self._left_at.append(self._bucket.now())
            if len(self._left_at) > _MEASURED_SECONDS * self._bucket.rate:
                self._left_at.popleft()
            self._signal()

    def _signal(self) -> None:
        if not self._orders and self._orders_left is not None:
            self._orders_left.set()
            self._orders_left = None
