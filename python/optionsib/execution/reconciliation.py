"""After a restart or a reconnect: what we booked against what the broker answered.

1. An execution the broker knows and we do not is booked now, once.
2. An order we journaled that the broker has never heard of was never sent: it ends as cancelled.
3. An order the broker works stays working under its own limit.
4. Positions that differ after that are a difference, reported contract by contract, never "fixed".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from optionsib.common.events import Execution, OrderUpdate
from optionsib.execution.orders import OrderManager


def missing_executions(manager: OrderManager, reported: Iterable[Execution]) -> list[Execution]:
    """Return the broker's executions of our orders that are not booked yet, in the broker's order."""
    return [
        execution
        for execution in reported
        if execution.order_ref in manager.records and execution.execution_id not in manager.executions
    ]


def settle_fates(manager: OrderManager, working: Iterable[OrderUpdate], now_ns: int) -> list[OrderUpdate]:
    """Return the updates that bring our open orders to the broker's state.

    Call it after the missing executions were booked.
    """
    at_broker = {update.order_ref: update for update in working}
    updates: list[OrderUpdate] = []
    for record in manager.working():
        ref = record.order.order_ref
        update = at_broker.get(ref)
        if update is None:
            message = "the broker does not know this order: it never arrived, or ended while away"
            update = OrderUpdate(order_ref=ref, status="cancelled", at_ns=now_ns, message=message)
        updates.append(update)
    return updates


def position_differences(ours: Mapping[int, int], brokers: Mapping[int, int]) -> list[tuple[int, int, int]]:
    """Return (con_id, ours, broker's) for every contract on which the two disagree."""
    return [
        (con_id, ours.get(con_id, 0), brokers.get(con_id, 0))
        for con_id in sorted(set(ours) | set(brokers))
        if ours.get(con_id, 0) != brokers.get(con_id, 0)
    ]
