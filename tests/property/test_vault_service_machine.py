"""Service, program and a faulty chain under random use: money is conserved, all settles exactly once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

pytest.importorskip("solders")

from tests.vault_desk import BACK, DEPOSIT, FUNDED, LONG, SHORT, STOCK, STRIKES, Desk

from optionsib.common.events import LedgerEntry, VaultIntent, VaultOutcome
from optionsib.vault.conditions import VaultCondition

NETWORK = st.fixed_dictionaries(
    {
        "processed_ms": st.sampled_from([0.0, 400.0, 5_000.0]),
        "jitter_ms": st.sampled_from([0.0, 800.0]),
        "confirmed_ms": st.sampled_from([0.0, 900.0]),
        "finalized_ms": st.just(12_000.0),
        "drop": st.sampled_from([0.0, 0.5, 1.0]),
        "duplicate": st.sampled_from([0.0, 0.5]),
        "reorder": st.sampled_from([0.0, 0.5]),
        "reorder_ms": st.just(3_000.0),
        "expire": st.sampled_from([0.0, 0.5]),
        "rpc_unavailable": st.sampled_from([0.0, 0.3, 1.0]),
        "rpc_lost_answer": st.sampled_from([0.0, 0.3]),
    }
)


class Settling(RuleBasedStateMachine):
    """Trades of one spread each, of up to three units."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.number = 0
        self.frozen: set[str] = set()

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        asyncio.run(work)

    @initialize(seed=st.integers(0, 1_000))
    def begin(self, seed: int) -> None:
        self.desk = Desk(seed=seed)
        self.run(self.desk.begin())

    # --- the trader and the broker ----------------------------------------------------------------------

    def opening(self) -> list[str]:
        """Orders that may fill."""
        records = self.desk.manager.records
        return [ref for ref, one in records.items() if one.order.purpose == "open" and not one.is_done]

    def held(self) -> dict[str, int]:
        """Units of each trade that nobody has closed."""
        return {name: t.held[LONG] for name, t in self.desk.portfolio.trades.items() if t.held}

    @rule(units=st.integers(1, 3), loss=st.sampled_from([150, 700, 2_001]))
    def order(self, units: int, loss: int) -> None:
        self.number += 1
        refusal = self.desk.order(f"O{self.number}", f"T{self.number}", units, loss=loss)
        assert refusal is not None or loss <= 2_000

    @precondition(lambda self: self.opening())
    @rule(data=st.data(), price=st.integers(12_000, 25_000))
    def fill(self, data: st.DataObject, price: int) -> None:
        ref = data.draw(st.sampled_from(self.opening()))
        record = self.desk.manager.records[ref]
        units = data.draw(st.integers(1, record.remaining))
        self.desk.fill(ref, record.filled, units, (price, 11_000))

    @precondition(lambda self: self.opening())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        self.desk.cancel(data.draw(st.sampled_from(self.opening())))

    @precondition(lambda self: self.held())
    @rule(data=st.data(), price=st.integers(11_500, 30_000))
    def close(self, data: st.DataObject, price: int) -> None:
        held = self.held()
        trade = data.draw(st.sampled_from(sorted(held)))
        self.number += 1
        ref, units = f"C{self.number}", data.draw(st.integers(1, held[trade]))
        assert self.desk.order(ref, trade, units, legs=BACK) is None
        self.desk.fill(ref, 0, units, (price, 11_000))

    @precondition(lambda self: self.held())
    @rule(data=st.data(), delivers=st.booleans())
    def expire(self, data: st.DataObject, delivers: bool) -> None:
        """Some of all units end without an order, in the money or not; the shares of both legs cancel out."""
        self.number += 1
        units = data.draw(st.integers(1, sum(self.held().values())))
        for con_id, side in ((LONG, -1), (SHORT, 1)):
            parts = [(con_id, side * units, 0)]
            if delivers:
                parts.append((STOCK, -side * 100 * units, STRIKES[con_id]))
            self.desk.end(f"E{self.number}-{con_id}", *parts)

    # --- the chain and the machine ----------------------------------------------------------------------

    @rule(network=NETWORK)
    def change_network(self, network: dict[str, float]) -> None:
        self.desk.chain.call("localnet_setFault", None)
        self.desk.chain.call("localnet_setFault", network)

    @rule(name=st.sampled_from(["funds", "escrow"]))
    def freeze_or_thaw(self, name: str) -> None:
        if name in self.frozen:
            self.thaw(name)
            return
        self.on_a_perfect_network("localnet_freeze", str(getattr(self.desk.vault.addresses, name)))
        self.frozen.add(name)

    def thaw(self, name: str) -> None:
        self.on_a_perfect_network("localnet_thaw", str(getattr(self.desk.vault.addresses, name)))
        self.frozen.discard(name)

    def on_a_perfect_network(self, method: str, *values: Any) -> None:
        """The issuer does not meet our faults."""
        faults = self.desk.chain.call("localnet_info")["faults"]
        self.desk.chain.call("localnet_setFault", None)
        self.desk.chain.call(method, *values)
        self.desk.chain.call("localnet_setFault", faults)

    @rule(rounds=st.integers(1, 6), seconds=st.sampled_from([0.5, 3.0, 40.0]))
    def time_passes(self, rounds: int, seconds: float) -> None:
        async def work() -> None:
            for _ in range(rounds):
                await self.desk.service.advance()
                self.desk.pass_seconds(seconds)

        self.run(work())

    @rule()
    def die_and_start_again(self) -> None:
        self.run(self.desk.start())

    # --- what must hold ---------------------------------------------------------------------------------

    @invariant()
    def entries_add_up(self) -> None:
        if not hasattr(self.desk, "ledger"):
            return
        assert sum(self.desk.ledger.books.balances.values()) == 0
        for name in ("free", "reserved", "escrow"):
            assert self.desk.ledger.books.balances[name] >= 0
        references = Counter(
            e.reference for e in self.desk.journal if isinstance(e, LedgerEntry | VaultIntent)
        )
        assert max(references.values(), default=1) == 1

    def teardown(self) -> None:
        if not hasattr(self.desk, "ledger"):
            return
        for name in sorted(self.frozen):
            self.thaw(name)
        self.desk.chain.call("localnet_setFault", None)
        for ref in self.opening():
            self.desk.cancel(ref)
        self.run(self.desk.settle(rounds=400))
        self.settled()
        self.run(self.desk.start())  # and once more from the journal alone
        self.settled()

    def settled(self) -> None:
        desk = self.desk
        assert not desk.ledger.waiting()
        assert set(desk.service.conditions()) <= {
            VaultCondition.UNFUNDED, VaultCondition.SHORTFALL, VaultCondition.DELIVERED
        }  # fmt: skip
        for trade in desk.portfolio.trades.values():
            closes = [
                e for e in desk.journal
                if isinstance(e, VaultIntent) and e.kind == "close" and e.trade_id == trade.trade_id
            ]  # fmt: skip
            assert trade.held or sum(e.pnl for e in closes) == trade.cash - trade.fees
        reading = asyncio.run(desk.vault.read())
        assert reading.vault is not None
        assert reading.funds is not None
        books = desk.ledger.books.balances
        assert books["free"] + books["reserved"] == reading.funds.amount
        assert books["escrow"] == reading.vault.open_amount
        assert books["reserved"] == 0
        confirmed = {
            e.intent for e in desk.journal if isinstance(e, VaultOutcome) and e.result == "confirmed"
        }
        done = [e for e in desk.journal if isinstance(e, VaultIntent) and e.number in confirmed]
        on_chain = Counter(
            e.memo for e in desk.journal if isinstance(e, LedgerEntry) and e.reference.startswith("chain ")
        )
        for kind in ("open", "reduce", "close"):
            assert on_chain[kind] == sum(e.kind == kind for e in done)
        lost = sum(max(e.pnl, -e.amount) for e in done if e.kind == "close")
        assert books["free"] + books["escrow"] + books["fees"] == DEPOSIT + lost
        tokens = [asyncio.run(desk.vault.token(desk.chain.usdt_account(r))) for r in ("settlement", "fees")]
        settlement, fees = (token.amount if token else 0 for token in tokens)
        assert settlement == FUNDED - lost
        assert fees == 1 + books["fees"]


TestSettling = Settling.TestCase
TestSettling.settings = settings(max_examples=20, stateful_step_count=30, deadline=None)
