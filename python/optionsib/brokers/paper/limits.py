"""What IB allows one connection to ask: messages a second, depth and tick subscriptions, history pacing.

Times are seconds of any steady clock, given by the caller. Market data lines are counted where the
lines live (market data requests), working orders by the order desk.

Sources: IB's TWS API documentation, "Historical Data Limitations" (pacing rules for bars of 30 seconds
or less) and "Pacing limitations" (50 messages a second); error codes 100, 162, 309, 10190.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

SMALL_BARS = frozenset({"1 secs", "5 secs", "10 secs", "15 secs", "30 secs", "1 sec"})
SAME_REQUEST_SECONDS = 15.0
BURST, BURST_SECONDS = 6, 2.0
MANY, MANY_SECONDS = 60, 600.0

_DEPTH_START, _DEPTH_STOP = "10", "11"
_TICKS_START, _TICKS_STOP = "97", "98"
_HISTORY = "20"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one connection; None switches one off.

    Attributes
    ----------
    messages_per_second
        Requests of any kind within a second; what is above is refused with error 100.
    notice_at
        From how many messages within a second on the client is warned, once a second.
    strikes
        In the so-manieth second above the limit the connection is closed.
    depth_lines, tick_lines
        Open market depth and tick-by-tick subscriptions (errors 309 and 10190).
    history_pacing
        Whether requests for small bars are paced (error 162).
    """

    messages_per_second: int | None = 50
    notice_at: int = 44
    strikes: int = 3
    depth_lines: int | None = 3
    tick_lines: int | None = 3
    history_pacing: bool = True

    @classmethod
    def off(cls) -> Limits:
        """Return limits that refuse nothing."""
        return cls(messages_per_second=None, depth_lines=None, tick_lines=None, history_pacing=False)

    def at_speed(self, speed: float) -> Limits:
        """Return the limits of an exchange that plays ``speed`` seconds a second: its seconds count."""
        if speed <= 1.0 or self.messages_per_second is None:
            return self
        return replace(
            self,
            messages_per_second=int(self.messages_per_second * speed),
            notice_at=int(self.notice_at * speed),
        )


class Verdict(enum.Enum):
    """What happens to a message: taken, taken with a warning, refused, refused and disconnected."""

    TAKE = enum.auto()
    WARN = enum.auto()
    REFUSE = enum.auto()
    DISCONNECT = enum.auto()


class MessageRate:
    """The messages of one connection within the last second."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._taken: deque[float] = deque()
        self._warned_at = self._struck_at = float("-inf")
        self._strikes = 0

    @property
    def strikes(self) -> int:
        """In how many seconds the limit was broken."""
        return self._strikes

    def _forget(self, now: float) -> None:
        while self._taken and self._taken[0] <= now - 1.0:
            self._taken.popleft()

    def delay(self, now: float) -> float:
        """Return the seconds until the next message has room (a paced connection waits for it)."""
        limit = self._limits.messages_per_second
        self._forget(now)
        if limit is None or len(self._taken) < limit:
            return 0.0
        return self._taken[0] + 1.0 - now

    def take(self, now: float) -> Verdict:
        """Count a message that came at ``now``."""
        limit = self._limits.messages_per_second
        if limit is None:
            return Verdict.TAKE
        self._forget(now)
        if len(self._taken) >= limit:
            if now - self._struck_at >= 1.0:
                self._struck_at = now
                self._strikes += 1
            return Verdict.DISCONNECT if self._strikes >= self._limits.strikes else Verdict.REFUSE
        self._taken.append(now)
        if len(self._taken) >= self._limits.notice_at and now - self._warned_at >= 1.0:
            self._warned_at = now
            return Verdict.WARN
        return Verdict.TAKE


class HistoryPacing:
    """Requests for small bars, of all clients of the account."""

    def __init__(self) -> None:
        self._asked: deque[tuple[float, tuple[str, ...], tuple[str, ...], int]] = deque()

    def refusal(self, message: Sequence[str], now: float) -> str | None:
        """Count a historical data request; return why it breaks the pacing rules, or None.

        A refused request is not counted. ``BID_ASK`` counts twice.
        """
        bar_size, what = _at(message, 16), _at(message, 19)
        if bar_size not in SMALL_BARS:
            return None
        while self._asked and self._asked[0][0] <= now - MANY_SECONDS:
            self._asked.popleft()
        request, series = tuple(message[2:]), (*message[2:14], what)
        weight = 2 if what == "BID_ASK" else 1
        if sum(one[3] for one in self._asked) + weight > MANY:
            return f"more than {MANY} requests in 10 minutes"
        recent = [one for one in self._asked if one[0] > now - SAME_REQUEST_SECONDS]
        if any(one[1] == request for one in recent):
            return "identical requests within 15 seconds"
        burst = sum(one[3] for one in recent if one[2] == series and one[0] > now - BURST_SECONDS)
        if burst + weight >= BURST:
            return f"{BURST} or more requests for the same contract, exchange and tick type in 2 seconds"
        self._asked.append((now, request, series, weight))
        return None


class RequestLimits:
    """The limits of one connection: asked before each request, told of each refusal."""

    def __init__(self, limits: Limits, history: HistoryPacing) -> None:
        self.rate = MessageRate(limits)
        self._limits = limits
        self._history = history
        self._depth: set[str] = set()
        self._ticks: set[str] = set()

    def refusal(self, message: Sequence[str], now: float) -> tuple[int, int, str] | None:
        """Return (request id, error code, text) if this request is one too many."""
        number = _at(message, 0)
        if number == _HISTORY and self._limits.history_pacing:
            reason = self._history.refusal(message, now)
            if reason is not None:
                text = "Historical Market Data Service error message:Historical data request pacing violation"
                return _request_id(message, 1), 162, f"{text} ({reason})"
        elif number == _DEPTH_START:
            if self._is_full(self._depth, self._limits.depth_lines, _at(message, 2)):
                text = f"Max number ({self._limits.depth_lines}) of market depth requests has been reached"
                return _request_id(message, 2), 309, text
        elif number == _TICKS_START:
            if self._is_full(self._ticks, self._limits.tick_lines, _at(message, 1)):
                text = "Max number of tick-by-tick requests has been reached"
                return _request_id(message, 1), 10190, text
        elif number == _DEPTH_STOP:
            self._depth.discard(_at(message, 2))
        elif number == _TICKS_STOP:
            self._ticks.discard(_at(message, 1))
        return None

    def failed(self, request_id: int) -> None:
        """Take back a subscription that was answered with an error."""
        self._depth.discard(str(request_id))
        self._ticks.discard(str(request_id))

    @staticmethod
    def _is_full(held: set[str], limit: int | None, request: str) -> bool:
        if limit is None:
            return False
        if request not in held and len(held) >= limit:
            return True
        held.add(request)
        return False


def _at(message: Sequence[str], position: int) -> str:
    return message[position] if position < len(message) else ""


def _request_id(message: Sequence[str], position: int) -> int:
    text = _at(message, position)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
