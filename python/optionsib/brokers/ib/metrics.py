"""The gateway's health in Prometheus' text format (version 0.0.4), as text or over loopback HTTP."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import get_args

from optionsib.brokers.ib.health import ConnectionState, GatewayHealth
from optionsib.common.errors import BrokerError
from optionsib.common.types import SECOND_NS

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LONGEST_REQUEST = 8_192
_PATIENCE_SECONDS = 5.0

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


def exposition(health: GatewayHealth, counters: Mapping[str, int] | None = None) -> str:
    """Return every item of ``health`` as metrics, and ``counters`` (name -> how often) beside them."""
    lines: list[str] = []
    for name, kind, text, samples in _metrics(health, counters or {}):
        lines += [f"# HELP optionsib_ib_{name} {text}", f"# TYPE optionsib_ib_{name} {kind}"]
        lines += [f"optionsib_ib_{name}{_labels(labels)} {value:g}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _metrics(
    health: GatewayHealth, counters: Mapping[str, int]
) -> Iterator[tuple[str, str, str, list[Sample]]]:
    h, quotes, error = health, health.quotes, health.last_error
    states: list[Sample] = [
        ({"state": state}, float(state == h.state)) for state in get_args(ConnectionState)
    ]
    yield "connection_state", "gauge", "1 for the state the connection is in.", states
    yield (
        "info",
        "gauge",
        "Who is connected to whom; always 1.",
        [
            (
                {
                    "host": h.host,
                    "port": str(h.port),
                    "client_id": str(h.client_id),
                    "server_version": str(h.server_version),
                    "down_because": h.down_because,
                    "order_block": h.order_block,
                    "quiet_window": h.quiet_window,
                },
                1.0,
            )
        ],
    )
    yield "connections_total", "counter", "Connections made.", [({}, h.epoch)]
    yield "reconnects_total", "counter", "Connections made after a loss.", [({}, h.reconnects)]
    yield "orders_blocked", "gauge", "1 while no new order may leave.", [({}, float(bool(h.order_block)))]
    farms = [({"farm": farm.name, "kind": farm.kind}, farm) for farm in h.farms]
    yield "farm_up", "gauge", "1 while a data farm is up.", [(at, float(farm.up)) for at, farm in farms]
    yield (
        "farm_flaps_total",
        "counter",
        "How often a farm went down.",
        [(at, float(farm.flaps)) for at, farm in farms],
    )
    yield (
        "farm_changed_seconds",
        "gauge",
        "When a farm last went up or down, since 1970.",
        [(at, farm.since_ns / SECOND_NS) for at, farm in farms],
    )
    yield "market_data_lines_used", "gauge", "Contracts that stream.", [({}, h.lines_used)]
    yield "market_data_lines_limit", "gauge", "Contracts that may stream.", [({}, h.lines_limit)]
    yield "market_data_lines_waiting", "gauge", "Contracts wanted without a line.", [({}, h.lines_waiting)]
    yield "messages_per_second", "gauge", "Messages sent, lately.", [({}, h.messages_per_second)]
    yield "messages_per_second_limit", "gauge", "Messages that may be sent.", [({}, h.messages_limit)]
    yield "messages_queued", "gauge", "Messages that wait for their turn.", [({}, h.queued_messages)]
    yield (
        "last_error_code",
        "gauge",
        "The broker's last complaint.",
        [] if error is None else [({}, error.code)],
    )
    yield (
        "last_error_seconds",
        "gauge",
        "When it came, since 1970.",
        [] if error is None else [({}, error.at_ns / SECOND_NS)],
    )
    yield "working_orders", "gauge", "Orders that work.", [({}, h.working_orders)]
    yield (
        "unconfirmed_orders",
        "gauge",
        "Orders that the broker has not spoken of.",
        [({}, len(h.unconfirmed_orders))],
    )
    yield "quotes_watched", "gauge", "Contracts watched.", [({}, quotes.watched)]
    yield "quotes_live", "gauge", "Contracts with a quote to trade on.", [({}, quotes.live)]
    yield (
        "quotes_stale",
        "gauge",
        "Contracts whose quote must not be traded on.",
        [({"reason": reason}, count) for reason, count in sorted(quotes.stale.items())],
    )
    yield "quote_age_seconds", "gauge", "Age of the oldest quote.", _maybe(quotes.oldest_seconds)
    yield "heartbeat_age_seconds", "gauge", "Since the broker last answered.", _maybe(h.heartbeat_seconds)
    yield "quiet", "gauge", "1 inside a planned quiet window.", [({}, float(bool(h.quiet_window)))]
    next_quiet = None if h.next_quiet_ns is None else h.next_quiet_ns / SECOND_NS
    yield "next_quiet_seconds", "gauge", "When the next begins, since 1970.", _maybe(next_quiet)
    for name, count in sorted(counters.items()):
        yield f"{name}_total", "counter", f"{name.replace('_', ' ').capitalize()}.", [({}, count)]


def _maybe(value: float | None) -> list[Sample]:
    return [] if value is None else [({}, value)]


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    escaped = (
        (name, value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\""))
        for name, value in labels.items()
    )
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"


class MetricsServer:
    """Answers ``GET /metrics`` on the loopback, in the running event loop.

    Parameters
    ----------
    text : callable
        Returns the exposition of this moment.
    port : int
        0 takes a free one; ``port`` names it after ``start``.
    """

    def __init__(self, text: Callable[[], str], port: int) -> None:
        self.port = port
        self._text = text
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> MetricsServer:
        try:
            self._server = await asyncio.start_server(
                self._answer, "127.0.0.1", self.port, limit=_LONGEST_REQUEST
            )
        except OSError as error:
            raise BrokerError(
                f"metrics cannot be served on 127.0.0.1:{self.port}: {error.strerror or error}"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(
            OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError
        ):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), _PATIENCE_SECONDS)
            words = head.split(b" ", 2)
            if words[:2] == [b"GET", b"/metrics"]:
                status, kind, body = "200 OK", CONTENT_TYPE, self._text()
            else:
                status, kind, body = "404 Not Found", "text/plain", "only GET /metrics is served\n"
            data = body.encode()
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + data
            )
            await writer.drain()
        writer.close()
