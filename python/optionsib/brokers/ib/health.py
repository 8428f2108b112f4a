"""The gateway's state in one read-only picture, for people, metrics and the order block."""

from __future__ import annotations

from typing import Literal

import msgspec

ConnectionState = Literal["down", "connecting", "ready", "link lost", "quiet"]


class FarmState(msgspec.Struct, frozen=True):
    """A data farm of the broker: ``usopt``, ``usfarm``, ``ushmds``, ``secdefil`` ..."""

    name: str
    kind: Literal["market data", "history", "definitions"]
    up: bool
    since_ns: int  # UTC ns of the last change
    flaps: int  # how often it went down in this session


class LastError(msgspec.Struct, frozen=True):
    """The last thing the broker complained about; information codes do not count."""

    code: int
    text: str
    at_ns: int


class QuoteHealth(msgspec.Struct, frozen=True):
    """How fresh the watched quotes are.

    ``stale`` maps the reason (``farm down``, ``competing session``, ``not live``, ``feed silent``,
    ``link lost``, ``heartbeat``) to the number of contracts it holds for. ``oldest_seconds`` is the age of
    the longest unconfirmed quote, None where nothing was quoted yet.
    """

    watched: int
    live: int
    stale: dict[str, int]
    oldest_seconds: float | None


class GatewayHealth(msgspec.Struct, frozen=True):
    """What an operator wants to know about the connection.

    Counters count since the gateway object was made. Times are UTC ns of the session's clock.
    """

    state: ConnectionState
    host: str
    port: int
    client_id: int
    account: str
    server_version: int  # 0 while there is no connection
    epoch: int  # connections made so far; ids of another epoch are never attributed
    reconnects: int
    down_because: str  # "" while connected
    order_block: str  # why no new order may leave now; "" where it may
    farms: tuple[FarmState, ...]
    lines_used: int
    lines_limit: int
    lines_waiting: int  # contracts wanted that have no line
    messages_per_second: float  # over the last seconds
    messages_limit: int
    queued_messages: int
    last_error: LastError | None
    working_orders: int
    unconfirmed_orders: tuple[str, ...]  # order references
    quotes: QuoteHealth
    heartbeat_seconds: float | None  # since the broker last answered; None before the first answer
    quiet_window: str  # name of the planned window that is on; "" outside
    next_quiet_ns: int | None  # when the next one begins
