"""Which executions of no order the attestor takes for exercise, assignment, expiry or settlement in cash.

1. An option ends at a price of 0; at another one only on its expiry date or later (settlement in cash).
2. Anything else must be what an option of the same close delivers: the same symbol, at the strike, on the
   option's side, and no more of it than those options stand for.

The daemon has a rule of its own (``execution.deliveries``) that looks at positions too; this one needs only
what the attestor has seen itself.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from optionsib.common.types import SECOND_NS
from optionsib.vault.attestor_store import SeenContract, SeenExecution


@dataclass(frozen=True, slots=True)
class UnorderedUse:
    """``quantity`` contracts of an execution without an order, in a close."""

    name: str
    quantity: int
    seen: SeenExecution
    contract: SeenContract


def delivery_objection(uses: Sequence[UnorderedUse]) -> str:
    """Return which of the executions without an order is none of those ends, and why; "" where all are."""
    may_deliver: Counter[tuple[str, int, int]] = Counter()  # symbol, strike, side: units of the underlying
    for use in uses:
        if not use.contract.kind:
            continue
        traded = dt.datetime.fromtimestamp(use.seen.at_ns // SECOND_NS, dt.UTC).strftime("%Y%m%d")
        if use.seen.price and not (use.contract.expiry_date and traded >= use.contract.expiry_date):
            return (
                f"execution {use.name} has no order and ended an option at {use.seen.price} (1/10000) on "
                f"{traded}, before its expiry ({use.contract.expiry_date or 'unknown'})"
            )
        if not use.seen.price:
            side = -use.seen.side * use.contract.kind
            key = (use.contract.symbol, use.contract.strike, side)
            may_deliver[key] += use.quantity * use.contract.multiplier
    for use in uses:
        if use.contract.kind:
            continue
        key = (use.contract.symbol, use.seen.price, use.seen.side)
        wanted = use.quantity * use.contract.multiplier
        if may_deliver[key] < wanted:
            return (
                f"execution {use.name} has no order, and no option of this close delivers "
                f"{use.seen.side * use.quantity:+d} of contract {use.seen.con_id} at {use.seen.price} "
                "(1/10000)"
            )
        may_deliver[key] -= wanted
    return ""
