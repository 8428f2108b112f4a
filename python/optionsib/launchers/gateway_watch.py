"""What a daemon shows of its connection while it runs: every message in a file, metrics over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from optionsib.brokers.api import BrokerAPI, MessageTap
from optionsib.bus.local import LocalBus
from optionsib.common.events import (
    BrokerNotice,
    Event,
    Execution,
    OrderCancelRequested,
    OrderModifyRequested,
    OrderSubmitted,
)
from optionsib.common.logging import get_logger
from optionsib.common.ports import Clock

COUNTED: dict[type[Event], str] = {  # what the metrics count
    OrderSubmitted: "orders_submitted",
    OrderModifyRequested: "order_modifies",
    OrderCancelRequested: "order_cancels",
    Execution: "executions",
    BrokerNotice: "broker_notices",
}


@contextlib.contextmanager
def message_log(path: Path | None, account: str, clock: Clock) -> Iterator[MessageTap | None]:
    """Give what writes every message of the broker, masked, to ``path``; None if nobody asked."""
    if path is None:
        yield None
        return
    from optionsib.brokers.ib.message_log import MessageLog

    with path.open("a", encoding="utf-8") as stream:
        log = MessageLog(stream, clock.now_ns)
        log.hide([account])
        yield log


@contextlib.asynccontextmanager
async def metrics_endpoint(port: int | None, broker: BrokerAPI, bus: LocalBus) -> AsyncIterator[None]:
    """Serve the connection's metrics on the loopback, where a port was given.

    Raises
    ------
    BrokerError
        If the port is taken.
    """
    if port is None:
        yield
        return
    from optionsib.brokers.ib.metrics import MetricsServer, exposition

    counters = dict.fromkeys(COUNTED.values(), 0)

    def count(event: Event) -> None:
        counters[COUNTED[type(event)]] += 1 + (
            len(event.attached) if isinstance(event, OrderSubmitted) else 0
        )

    for kind in COUNTED:
        bus.subscribe(kind, count)
    async with MetricsServer(lambda: exposition(broker.health(), counters), port) as server:
        get_logger("optionsib.session").info("metrics", port=server.port)
        yield
