"""The way of a transaction from ``sendTransaction`` to the ledger, with everything that goes wrong on it.

What is under way is not on disk: a restart loses it, as a restarted node loses what it has not yet handed on.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

from solders.transaction import VersionedTransaction

from optionsib.vault.localnet.bank import MILLISECOND_NS, RECENT_BLOCKHASHES, Bank
from optionsib.vault.localnet.errors import unhealthy
from optionsib.vault.localnet.faults import Draws, Faults

MAXIMUM_UNDER_WAY = 10_000


class _UnderWay(NamedTuple):
    due_ns: int
    ordinal: int
    transaction: VersionedTransaction


class Network:
    """Delays, drops, doubles, reorders and lets expire; then hands over to the bank."""

    def __init__(self, bank: Bank, faults: Faults, seed: int) -> None:
        self._bank = bank
        self.draws = Draws(seed)
        self._under_way: list[_UnderWay] = []
        self._sent = 0
        self.dropped = 0
        self.set_faults(faults)

    @property
    def faults(self) -> Faults:
        """What goes wrong at present."""
        return self._faults

    @property
    def under_way(self) -> int:
        """How many transactions have been sent and have not arrived."""
        return len(self._under_way)

    def set_faults(self, faults: Faults) -> None:
        """Change what goes wrong from now on; what is under way keeps its time of arrival."""
        self._faults = faults
        self._bank.confirmed_ns = round(faults.confirmed_ms * MILLISECOND_NS)
        self._bank.finalized_ns = round(faults.finalized_ms * MILLISECOND_NS)

    def submit(self, transaction: VersionedTransaction) -> None:
        """Take a transaction on its way; with no delay it has landed on return.

        Raises
        ------
        RpcError
            -32005 if too many are under way.
        """
        if len(self._under_way) >= MAXIMUM_UNDER_WAY:
            raise unhealthy(f"{MAXIMUM_UNDER_WAY} transactions are under way")
        faults, happens = self._faults, self.draws.happens
        delay_ms = faults.processed_ms + faults.jitter_ms * self.draws.uniform("jitter")
        if happens("reorder", faults.reorder):
            delay_ms += faults.reorder_ms
        if happens("expire", faults.expire):
            delay_ms += (RECENT_BLOCKHASHES + 1) * self._bank.slot_ms
        copies = 2 if happens("duplicate", faults.duplicate) else 1
        if happens("drop", faults.drop):
            self.dropped += 1
            copies -= 1
        due_ns = self._bank.now_ns() + round(delay_ms * MILLISECOND_NS)
        for _ in range(copies):
            heapq.heappush(self._under_way, _UnderWay(due_ns, self._sent, transaction))
            self._sent += 1
        self.pump()

    def pump(self) -> None:
        """Land what has arrived by now, each at its own time, in the order of arrival."""
        now = self._bank.clock_ns()
        while self._under_way and self._under_way[0].due_ns <= now:
            arrived = heapq.heappop(self._under_way)
            self._bank.land(arrived.transaction, arrived.due_ns)
        self._bank.now_ns()

    def next_due_ns(self) -> int | None:
        """Return when the next transaction arrives; None if none is under way."""
        return self._under_way[0].due_ns if self._under_way else None
