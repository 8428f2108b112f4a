"""The vault against a small double-entry model, through random calls, interruptions and restarts.

1. The balances on the chain are the model's after every call.
2. The supply never changes and no balance is ever negative.
3. What the model refuses, the vault refuses, and nothing moves.
4. A repeated call moves nothing.
5. A restart from the journal gives the same vault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

import pytest

pytest.importorskip("solders")

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from optionsib.common.clock import SteppedClock
from optionsib.common.config import VaultConfig
from optionsib.common.errors import SettlementError
from optionsib.common.events import VaultTransaction
from optionsib.vault import TokenVault

DEPOSIT, CLEARING = 1_000, 300
CONFIG = VaultConfig(deposit=Decimal("0.001"), clearing_deposit=Decimal("0.0003"))
START_NS = 1_402_061_400_000_000_000

ORDERS = st.sampled_from(["o1", "o2", "o3"])
TRADES = st.sampled_from(["t1", "t2"])
AMOUNTS = st.one_of(st.integers(0, 400), st.integers(0, 2_000))


class Stop(Exception):
    """The process dies at the journal."""


class VaultAgainstModel(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.journal: list[VaultTransaction] = []
        self.stop_at_next = ""
        self.clock = SteppedClock(START_NS)
        self.vault = self.new_vault()
        self.vault.fund()
        self.cash: Counter[str] = Counter(free=DEPOSIT, clearing=CLEARING, fees=0)
        self.reserve_of: Counter[str] = Counter()
        self.escrow_of: Counter[str] = Counter()
        self.serial = 0
        self.last: Callable[[], object] = lambda: None

    def new_vault(self) -> TokenVault:
        return TokenVault(7, CONFIG, clock=self.clock, record=self.record)

    def record(self, entry: VaultTransaction) -> None:
        stop, self.stop_at_next = self.stop_at_next, ""
        if stop == "before":
            raise Stop
        self.journal.append(entry)
        if stop == "after":
            raise Stop

    def call(self, allowed: bool, action: Callable[[], object]) -> None:
        """Make a call which the model allows or not; die on the way if that was asked for."""
        if not allowed:
            self.stop_at_next = ""
            with pytest.raises(SettlementError):
                action()
            return
        try:
            action()
        except Stop:
            self.vault = self.new_vault()
            self.vault.replay(self.journal)
            action()
        self.last = action

    def reference(self) -> str:
        self.serial += 1
        return f"e{self.serial}"

    @rule(order=ORDERS, amount=AMOUNTS)
    def reserve(self, order: str, amount: int) -> None:
        more = max(amount - self.reserve_of[order], 0)
        if more > self.cash["free"]:
            reason = self.vault.reserve(order, amount)
            assert reason is not None
            assert order in reason
            return
        self.call(True, lambda: self.vault.reserve(order, amount))
        self.cash["free"] -= more
        self.reserve_of[order] += more
        self.last = lambda: self.vault.reserve(order, amount)

    @rule(order=ORDERS, trade=TRADES, amount=st.integers(1, 400))
    def open(self, order: str, trade: str, amount: int) -> None:
        reference, allowed = self.reference(), amount <= self.reserve_of[order]
        self.call(allowed, lambda: self.vault.open(reference, order, trade, amount))
        if allowed:
            self.reserve_of[order] -= amount
            self.escrow_of[trade] += amount

    @rule(order=ORDERS)
    def free(self, order: str) -> None:
        self.call(True, lambda: self.vault.free(order))
        self.cash["free"] += self.reserve_of.pop(order, 0)

    @rule(trade=TRADES, share=st.integers(0, 5), profit=st.integers(-500, 400))
    def close(self, trade: str, share: int, profit: int) -> None:
        collateral = self.escrow_of[trade] * share // 4  # a quarter too much at most
        reference = self.reference()
        allowed = (
            collateral <= self.escrow_of[trade]
            and self.cash["clearing"] - profit >= 0
            and self.cash["free"] + collateral + profit >= 0
        )
        self.call(allowed, lambda: self.vault.close(reference, trade, collateral, profit))
        if allowed:
            self.escrow_of[trade] -= collateral
            self.cash["free"] += collateral + profit
            self.cash["clearing"] -= profit

    @rule(trade=TRADES, amount=AMOUNTS)
    def fee(self, trade: str, amount: int) -> None:
        reference, allowed = self.reference(), amount <= self.cash["free"]
        self.call(allowed, lambda: self.vault.fee(reference, trade, amount))
        if allowed:
            self.cash["free"] -= amount
            self.cash["fees"] += amount

    @rule()
    def repeat(self) -> None:
        count = len(self.journal)
        # A repeated reserve is only a repetition while the order has not been opened or freed since.
        before = dict(self.reserve_of)
        self.last()
        if len(self.journal) != count:
            entry = self.journal[-1]
            assert entry.action == "reserve"
            assert self.vault.reserved(entry.order_ref) == before.get(entry.order_ref, 0) + entry.amount
            self.cash["free"] -= entry.amount
            self.reserve_of[entry.order_ref] += entry.amount

    @precondition(lambda self: not self.stop_at_next)
    @rule(where=st.sampled_from(["before", "after"]))
    def die_at_next_movement(self, where: str) -> None:
        self.stop_at_next = where

    @rule()
    def restart(self) -> None:
        self.vault = self.new_vault()
        self.vault.replay(self.journal)
        self.vault.fund()

    @rule(seconds=st.integers(1, 3_600))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(self.clock.now_ns() + seconds * 10**9)

    @invariant()
    def chain_equals_model(self) -> None:
        state = self.vault.state(self.clock.now_ns())
        assert (state.free, state.clearing, state.fees) == (
            self.cash["free"],
            self.cash["clearing"],
            self.cash["fees"],
        )
        assert (state.reserved, state.escrow) == (self.reserve_of.total(), self.escrow_of.total())
        for order in ("o1", "o2", "o3"):
            assert self.vault.reserved(order) == self.reserve_of[order]
        for trade in ("t1", "t2"):
            assert self.vault.escrowed(trade) == self.escrow_of[trade]

    @invariant()
    def supply_is_constant(self) -> None:
        state = self.vault.state(0)
        parts = (state.free, state.reserved, state.escrow, state.clearing, state.fees)
        assert sum(parts) == DEPOSIT + CLEARING
        assert min(parts) >= 0

    @invariant()
    def executed_is_journaled(self) -> None:
        assert self.vault.movements == self.journal


VaultAgainstModel.TestCase.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, derandomize=True
)
TestVaultAgainstModel = VaultAgainstModel.TestCase
