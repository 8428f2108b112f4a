"""What ``optionsib ib status`` prints for people."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from optionsib.brokers.ib.advice import advice
from optionsib.brokers.ib.health import GatewayHealth
from optionsib.common.types import SECOND_NS
from optionsib.launchers.accounts import mask_account

NEW_YORK = ZoneInfo("America/New_York")


def describe_gateway(health: GatewayHealth) -> str:
    """Return the state of the connection as text of a screen or less, with what to do about it."""
    return "\n".join(_lines(health))


def _lines(health: GatewayHealth) -> Iterator[str]:
    h, quotes = health, health.quotes
    yield (
        f"{h.state.upper()}  {h.host}:{h.port} as client {h.client_id}, account {mask_account(h.account)}, "
        f"server version {h.server_version or '-'}"
    )
    if h.down_because:
        yield f"  down         {h.down_because}"
    yield f"  orders       {h.order_block or 'may leave'}; {h.working_orders} working"
    if h.unconfirmed_orders:
        yield f"  unconfirmed  {', '.join(h.unconfirmed_orders)}"
    beat = "never" if h.heartbeat_seconds is None else f"{h.heartbeat_seconds:.1f} s ago"
    yield f"  connection   number {h.epoch}, {h.reconnects} reconnects; the broker last answered {beat}"
    for farm in h.farms:
        state = f"{'up' if farm.up else 'DOWN'} since {_time(farm.since_ns)}"
        yield f"  farm         {farm.name} ({farm.kind}) {state}, {farm.flaps} flaps"
    yield f"  lines        {h.lines_used} of {h.lines_limit} used, {h.lines_waiting} contracts wait"
    yield (
        f"  messages     {h.messages_per_second:.1f} a second of {h.messages_limit} allowed, "
        f"{h.queued_messages} queued"
    )
    oldest = "" if quotes.oldest_seconds is None else f", the oldest {quotes.oldest_seconds:.1f} s"
    stale = "".join(f"; {count} stale: {reason}" for reason, count in sorted(quotes.stale.items()))
    yield f"  quotes       {quotes.live} of {quotes.watched} live{oldest}{stale}"
    if h.quiet_window:
        yield f"  quiet        {h.quiet_window} is on"
    if h.next_quiet_ns is not None:
        yield f"  next quiet   {_time(h.next_quiet_ns)} New York"
    if h.last_error is None:
        yield "  last error   none"
    else:
        error = h.last_error
        yield f"  last error   {error.code} {error.text} ({_time(error.at_ns)} New York)"
        if advice(error.code):
            yield f"  what to do   {advice(error.code)}"


def _time(at_ns: int) -> str:
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, NEW_YORK).strftime("%Y-%m-%d %H:%M:%S")
