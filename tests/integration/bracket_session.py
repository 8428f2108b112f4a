"""One process that trades a bracket through gate, limits, vault, journal and gateway, and starts again.

``python -m tests.integration.bracket_session PORT FOLDER`` plays the story in ``Session.next_act`` against
the exchange at PORT until it is flat, and may be killed and begun again at any point. A third word, a fill as
JSON, is booked by hand instead.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from optionsib.brokers.api import BrokerState
from optionsib.brokers.factory import BrokerAdapterFactory
from optionsib.brokers.ib import IBGateway
from optionsib.bus.journal import Journal, JournalReader, make_genesis
from optionsib.bus.local import LocalBus
from optionsib.common.clock import SteppedClock
from optionsib.common.config import GatewayConfig, LimitsConfig, load_config
from optionsib.common.events import (
    AnyEvent,
    DecisionRecord,
    Event,
    ModelSignal,
    Quote,
    SessionStarted,
    StrategyDecision,
    VaultState,
)
from optionsib.common.ports import LiveModel
from optionsib.common.types import PRICE_SCALE, SECOND_NS, Order, OrderLeg
from optionsib.execution.brackets import bracket
from optionsib.execution.desk import OrderDesk
from optionsib.execution.gate import decide
from optionsib.execution.orders import OrderRecord
from optionsib.execution.unreported import UnreportedFill, book
from optionsib.launchers.settlement import settlement
from optionsib.risk.limits import LimitChecker
from optionsib.vault.service import SettlementService

CALL = 11  # the 68 call: 1.98/2.02 in the opening minute
FEE = 1_000_000
GENESIS = make_genesis(seed=7, config="", data="", model="", build="", simd_path="")
LIMITS: dict[str, Any] = {
    name: 1_000_000
    for name, field in LimitsConfig.model_fields.items()
    if name.startswith("max_") and field.default is None
} | {
    "price_collar": Decimal(1),
    "max_feed_age_seconds": 1e6,
    "max_change_age_seconds": 1e6,
    "duplicate_window_seconds": 0.0,
    "max_repeated_executions": 1_000_000,
    "repeated_executions_window_seconds": 1.0,
    "protection_window_seconds": 1.0,
}
# Minutes after the opening one: bid, bid size, ask, ask size of the call.
MINUTES: list[dict[int, Any]] = [
    {CALL: (19_700, 10, 20_100, 2)},
    {CALL: (19_800, 10, 20_200, 10)},
    {CALL: (19_700, 10, 20_000, 2)},  # two units of the parent fill
    {CALL: (19_600, 10, 20_000, 2)},
    {CALL: (19_700, 10, 19_900, 10)},  # and the rest
    {CALL: (20_500, 10, 20_900, 10)},
    *[{CALL: (24_500 + 100 * minute, 10, 24_900 + 100 * minute, 10)} for minute in range(6)],
]


class Session:
    """An order desk with all that belongs to it; ``step`` plays one minute."""

    def __init__(self, gateway: IBGateway, clock: SteppedClock, folder: Path) -> None:
        self.gateway = gateway
        self.clock = clock
        path = folder / "journal.sqlite"
        self.resumed = path.exists()
        self.journal = Journal.open(path) if self.resumed else Journal.create(path, GENESIS)
        self.bus = LocalBus(tap=self._capture)
        self._folder = folder
        self._opened = AsyncExitStack()
        self.vault: SettlementService
        self.numbers = 0
        self.quotes: dict[int, Quote] = {}
        self.desk: OrderDesk
        self.checker: LimitChecker

    def _capture(self, number: int, event: Event) -> None:
        self.journal.append(event, self.clock.now_ns())

    async def start(self, state: BrokerState) -> None:
        """Load the chain, recover what the journal has, play the next minute."""
        chain = await self.gateway.option_chain("TWX")
        self.clock.advance(max(self.journal.last_at_ns, chain.session_open_ns))
        self.contracts = {c.con_id: c for c in (chain.underlying, *chain.options)}
        traded = [c for c in self.contracts.values() if c.security_type != "IND"]
        self.checker = LimitChecker(LimitsConfig(**LIMITS), traded, dict.fromkeys(self.contracts, FEE))
        config = load_config(overrides={"paths.state": str(self._folder), "session.seed": 7})
        self.vault = await self._opened.enter_async_context(
            settlement(
                config,
                clock=self.clock,
                bus=self.bus,
                commit=self.journal.commit,
                contracts=list(self.contracts.values()),
                journaled=[event for _, _, event in self.journal.events()],
            )
        )
        self.desk = OrderDesk(
            broker=self.gateway,
            bus=self.bus,
            journal=self.journal,
            clock=self.clock,
            ledger=self.vault,
            checker=self.checker,
            contracts=self.contracts,
        )
        if self.resumed:
            self.recover()
        self.bus.publish(SessionStarted(at_ns=1, resumed=self.resumed, account=state.account, model_id="m"))
        self.journal.commit()
        await self.vault.advance()
        if self.resumed:
            self.desk.reconcile(state)
        await self.gateway.subscribe([chain.underlying, *chain.options])

    def recover(self) -> None:
        events = [event for _, _, event in self.journal.events()]
        self.vault.replay(events)
        self.numbers = sum(isinstance(event, DecisionRecord) for event in events)
        self.desk.replay(events)
        self.desk.release_orphans(self.vault.reserved())

    async def step(self) -> bool:
        """Play one minute and what was caused in it; False at the end of the day."""
        time_ns = await self.gateway.step()
        if time_ns is None:
            return False
        self.clock.advance(time_ns)
        self.desk.take_in(self.gateway.take_events())
        self.tell_limits()
        await self.desk.cancel_orphans()
        return True

    async def settle(self) -> None:
        await self.gateway.settle()
        self.desk.take_in(self.gateway.take_events())
        self.tell_limits()
        await self.vault.advance()
        self.journal.commit()

    def reserved(self, ref: str) -> int:
        """What is set aside for an order."""
        return self.vault.ledger.orders[ref].reserved

    async def quiet(self) -> VaultState:
        """Let time pass until the chain has confirmed everything."""
        while self.vault.state(0).under_way:
            self.clock.advance(self.clock.now_ns() + SECOND_NS)
            await self.vault.advance()
        return self.vault.state(0)

    def tell_limits(self) -> None:
        self.quotes |= {quote.con_id: quote for quote in self.gateway.take_quotes()}
        ids = list(self.checker.con_ids)

        def side(name: str) -> Any:
            prices = [getattr(self.quotes[i], name, None) if i in self.quotes else None for i in ids]
            return np.array([np.nan if price is None else price / PRICE_SCALE for price in prices])

        fresh, zero = np.zeros(len(ids)), np.full(len(ids), 0.1)
        self.checker.update_market(
            ids, side("bid"), side("ask"), zero, zero, zero, fresh, fresh, 69.0, 0.0, self.clock.now_ns()
        )

    async def decide(
        self, order: Order, *attached: Order, votes: bool = True, reason: str = "test"
    ) -> DecisionRecord:
        """Take a decision through rounding, limits and gate, and carry it out."""
        self.numbers += 1
        candidate, now = f"C{self.numbers:06d}", self.clock.now_ns()
        decision = self.desk.on_grid(
            StrategyDecision(
                candidate_id=candidate,
                strategy="test",
                accepts=True,
                reason=reason,
                order=order,
                attached=attached,
            )
        )
        verdict = self.desk.judge(candidate, decision.order or order, decision.attached)
        signal = ModelSignal(
            candidate_id=candidate,
            model_id="m",
            made_at_ns=now,
            valid_until_ns=now,
            accepts=True,
            score=1.0,
            reason="",
        )
        voted, wanted = (signal, decision) if votes else (None, None)
        record = DecisionRecord(
            candidate_id=candidate,
            at_ns=now,
            tape_offset=0,
            outcome=decide(voted, wanted, verdict, now_ns=now, live=LiveModel("m", 0)),
            signal=voted,
            strategy=decision,
            risk=verdict,
        )
        return await self.desk.carry_out(record)

    async def change(self, ref: str, *, votes: bool = False, **terms: int) -> DecisionRecord:
        return await self.decide(msgspec.structs.replace(self.record(ref).order, **terms), votes=votes)

    def record(self, ref: str) -> OrderRecord:
        return self.desk.manager.records[ref]

    async def next_act(self) -> bool:
        """Do what the story wants now; False when it is over."""
        live = [r for r in self.desk.manager.records.values() if not r.is_done and not r.order.parent_ref]
        trades = self.desk.portfolio.trades
        if not live and not trades:
            await self.decide(*make_bracket(self.numbers))
            return True
        for order in self.desk.manager.exits_behind():
            await self.decide(order, votes=False)
        for record in self.desk.manager.working():
            order, ref = record.order, record.order.order_ref
            if record.modify_pending:
                continue
            if not order.parent_ref and order.quantity == 3 and record.filled == 0:
                await self.change(ref, votes=True, quantity=5, limit_price=20_049)
            elif order.order_type == "STP" and order.stop_price == -17_000 and trades:
                await self.change(ref, stop_price=-18_000)
        return not trades or bool(self.desk.manager.working()) or self.vault.state(0).under_way > 0

    async def close(self) -> None:
        await self.gateway.disconnect()
        await self._opened.aclose()
        self.journal.close()


def make_bracket(number: int) -> tuple[Order, ...]:
    """Three calls at 2.00, with a target of 2.40 and a stop at 1.70."""
    parent = Order(f"P{number}", f"T{number}", (OrderLeg(CALL, 1),), 3, 20_000, "open", "test")
    target = Order(f"P{number}-tp", "", (), 0, -24_000, "close", "")
    stop = Order(f"P{number}-sl", "", (), 0, 0, "close", "", order_type="STP", stop_price=-17_000)
    return parent, *bracket(parent, [target, stop])


async def open_session(port: int, folder: Path) -> Session:
    clock = SteppedClock(0)
    factory = BrokerAdapterFactory(clock=clock, pace="lockstep", messages_per_second=1_000_000)
    gateway = factory.create(GatewayConfig(port=port, request_timeout_seconds=5.0))
    assert isinstance(gateway, IBGateway)
    state = await gateway.connect()
    session = Session(gateway, clock, folder)
    await session.start(state)
    return session


def events_in(folder: Path) -> list[AnyEvent]:
    with JournalReader.open_read_only(folder / "journal.sqlite") as journal:
        return [event for _, _, event in journal.events()]


async def main(port: int, folder: Path, booking: str = "") -> None:
    session = await open_session(port, folder)
    try:
        if booking:
            fill = msgspec.json.decode(booking, type=UnreportedFill)
            book(session.desk, fill, reason="statement", operator="ada", at_ns=session.clock.now_ns())
            return
        while await session.step():
            going = await session.next_act()
            await session.settle()
            if not going:
                break
    finally:
        await session.close()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
