"""QuantumTrader: one step of the market in, decisions out, until the session ends.

1. A step is: quotes, features, working orders, exits, openings, settlement, snapshot, commit.
2. Every order, opening or closing, new or repriced, passes the one gate.
3. A halt, a stop, a broken model or a stale feed ends new risk; cancels and exits go on.
4. Nothing here reads a wall clock: equal quotes and equal seed give an equal journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from optionsib.brokers.api import BrokerAPI, BrokerState, OptionChain
from optionsib.bus.journal import Journal
from optionsib.bus.local import LocalBus
from optionsib.bus.tape import TapeReader, TickTape
from optionsib.common.clock import SteppedClock, SystemClock
from optionsib.common.config import Config
from optionsib.common.errors import BrokerError, ModelError
from optionsib.common.events import (
    ChainLoaded,
    DecisionRecord,
    ModelSignal,
    PortfolioSnapshot,
    SessionEnded,
    SessionStarted,
    StrategyDecision,
    VaultState,
    VaultTransaction,
)
from optionsib.common.faults import fault_point
from optionsib.common.ports import SettlementLedger
from optionsib.common.session_view import SessionView
from optionsib.common.types import MINUTE_NS, SECOND_NS, Order
from optionsib.data.live.chain import ChainSnapshot, ChainState
from optionsib.execution.desk import OrderDesk
from optionsib.execution.flatten import crossing_limit, flattening_orders
from optionsib.execution.gate import decide
from optionsib.execution.orders import OrderRecord
from optionsib.features.chain_features import ChainFeatures
from optionsib.features.engine import FeatureEngine, ZeroCurve
from optionsib.models.serving import OnnxModel
from optionsib.models.vote import vote
from optionsib.risk.limits import LimitChecker
from optionsib.strategies.candidates import (
    CancelOrder,
    NewLimit,
    OpenTrade,
    SequentialIds,
    WorkingOrder,
    candidate_id,
    order_ref,
)
from optionsib.strategies.vertical_residual import VerticalResidualStrategy
from optionsib.trader.valuation import Valuation, smile_snapshots, to_price
from optionsib.trader.view import Narrator

NEW_YORK = ZoneInfo("America/New_York")
SMILES_EVERY_NS = 30 * MINUTE_NS
Probabilities = NDArray[np.float32]


class SessionSummary(msgspec.Struct, frozen=True):
    """What a session came to. Money in 1/1000000."""

    title: str
    simulated: bool
    reason: str
    trades_opened: int
    trades_closed: int
    trades_open: int
    profit_after_fees: int
    realized: int
    fees: int
    counts: dict[str, int]
    vault: VaultState
    head: str


class QuantumTrader:
    """Joins broker, features, model, strategy, limits, gate, vault and journal.

    Parameters
    ----------
    config, chain
        The effective configuration, and the option chain as the broker described it.
    broker, bus, journal, tape, ledger
        Connected and open; the bus's tap is the journal.
    clock
        The session's time; a ``SteppedClock`` follows the broker's steps.
    model
        None = no model is live, so nothing is opened.
    curve
        Discount curve of the trading day.
    notices
        Sentences every view must show.
    show
        Called with a picture at the end of each step.
    """

    def __init__(
        self,
        *,
        config: Config,
        chain: OptionChain,
        broker: BrokerAPI,
        bus: LocalBus,
        journal: Journal,
        tape: TickTape,
        clock: SteppedClock | SystemClock,
        ledger: SettlementLedger,
        model: OnnxModel | None,
        curve: ZeroCurve,
        checker: LimitChecker,
        notices: Sequence[str] = (),
        show: Callable[[SessionView], None] = lambda view: None,
    ) -> None:
        contracts = {c.con_id: c for c in (chain.underlying, *chain.options)}
        self._config = config
        self._chain = chain
        self._broker = broker
        self._bus = bus
        self._journal = journal
        self._tape = tape
        self._clock = clock
        self._ledger = ledger
        self._model = model
        self._checker = checker
        self._show = show
        self._ids = SequentialIds()
        self._market = ChainState(chain.underlying, chain.options)
        self._features = FeatureEngine(config.features, curve)
        self._strategy = VerticalResidualStrategy(config.strategy, self._ids)
        self.desk = OrderDesk(
            broker=broker,
            bus=bus,
            journal=journal,
            clock=clock,
            ledger=ledger,
            checker=checker,
            contracts=contracts,
        )
        title = f"{chain.underlying.symbol} {_date(chain.session_open_ns)}"
        self.narrator = Narrator(title, simulated=chain.simulated, notices=notices, contracts=contracts)
        bus.subscribe(DecisionRecord, self.narrator.tell)
        self.view: SessionView | None = None
        self._valuation = Valuation(contracts)
        self._vault: VaultState | None = None
        self._portfolio: PortfolioSnapshot | None = None
        self._tape_offset = 0
        self._smiles_due_ns = 0
        self._fills_seen = 0
        self._flattening = False
        self._stop_reason = ""
        self._stop = asyncio.Event()

    # --- operator's orders ---------------------------------------------------------------------------

    def request_stop(self, reason: str) -> None:
        """End after the current step: no new risk, cancel working orders, reconcile, leave."""
        self._stop_reason = self._stop_reason or reason
        self._stop.set()

    def request_flatten(self, operator: str) -> None:
        """Halt, then close every open trade at the market, step by step until flat."""
        self.desk.halt("flatten requested", operator)
        self._flattening = True

    @property
    def state(self) -> str:
        """One word for people: running, halted, flattening or stopping."""
        if self._stop_reason:
            return f"stopping: {self._stop_reason}"
        if self._flattening:
            return "halted: flattening"
        return "halted" if self._journal.is_halted() else "running"

    # --- life ----------------------------------------------------------------------------------------

    async def start(self, state: BrokerState, *, resumed: bool) -> None:
        """Take over the journal: recover what an earlier run left, then watch the chain."""
        now = self._clock.now_ns()
        if resumed:
            self._recover()
        else:
            self._ledger.fund()
        started = SessionStarted(
            at_ns=now,
            resumed=resumed,
            account=state.account,
            model_id=self._model.live_model_id() or "" if self._model else "",
        )
        self._bus.publish(started)
        if not resumed:
            chain = self._chain
            self._bus.publish(
                ChainLoaded(
                    at_ns=now,
                    underlying=chain.underlying,
                    options=chain.options,
                    simulated=chain.simulated,
                )
            )
        self._journal.commit()
        if resumed:
            self.desk.reconcile(state)
        await self._broker.subscribe([self._chain.underlying, *self._chain.options])

    async def run(self) -> SessionSummary:
        """Trade until the session closes, the broker ends it, or a stop is asked for."""
        reason = "session closed"
        while True:
            at_ns = await self._next_step()
            if at_ns is not None:
                await self._step(at_ns)
            if self._stop_reason:
                reason = self._stop_reason
                break
            if at_ns is None or at_ns >= self._chain.session_close_ns:
                break
        return await self._finish(reason)

    async def _next_step(self) -> int | None:
        """Wait for the broker's next step; a stop request ends the wait with None."""
        try:
            return await self._step_or_stop()
        except BrokerError:
            state = await self._broker.reconnect()
            self.desk.take_in(self._broker.take_events())
            self.desk.reconcile(state)
            return await self._step_or_stop()

    async def _step_or_stop(self) -> int | None:
        if self._stop_reason:
            return None
        step = asyncio.ensure_future(self._broker.step())
        stop = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({step, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if step.done():
            return step.result()
        step.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await step
        return None

    async def _finish(self, reason: str) -> SessionSummary:
        await self.desk.cancel_working(f"session ends: {reason}")
        await self._broker.settle()
        self.desk.take_in(self._broker.take_events())
        self.desk.reconcile(await self._broker.refresh())
        now = self._clock.now_ns()
        vault = self._ledger.state(now)
        self._bus.publish(vault)
        self._bus.publish(SessionEnded(at_ns=now, reason=reason))
        self._journal.commit()
        return self._summary(reason, vault)

    def _summary(self, reason: str, vault: VaultState) -> SessionSummary:
        book = self.desk.portfolio
        trades = [trade for trade in book.trades.values() if trade.opened]
        snapshot = self._portfolio
        return SessionSummary(
            title=self.narrator.title,
            simulated=self._chain.simulated,
            reason=reason,
            trades_opened=len(trades),
            trades_closed=sum(not trade.is_open for trade in trades),
            trades_open=sum(trade.is_open for trade in trades),
            profit_after_fees=snapshot.equity if snapshot else 0,
            realized=sum(trade.realized for trade in trades),
            fees=book.fees,
            counts=dict(self.narrator.counts),
            vault=vault,
            head=self._journal.head,
        )

    # --- one step ------------------------------------------------------------------------------------

    async def _step(self, at_ns: int) -> None:
        self._clock.advance(at_ns)
        self.desk.take_in(self._broker.take_events())
        chain, features = self._watch(at_ns)
        probabilities = self._predict(features)
        if self._journal.is_halted():
            await self.desk.cancel_working("halted", opening_only=True)
        if self._flattening:
            await self._flatten(chain)
        else:
            await self._rework(features, probabilities)
            await self._exit(features)
            if not self._journal.is_halted() and not self._stop_reason:
                await self._open(features, probabilities)
        await self._broker.settle()
        self.desk.take_in(self._broker.take_events())
        view = self._record(chain, features)
        fault_point("before-step-commit")
        self._journal.commit()
        fault_point("after-step-commit")
        self._show(view)

    def _watch(self, at_ns: int) -> tuple[ChainSnapshot, ChainFeatures]:
        quotes = self._broker.take_quotes()
        self._tape_offset = self._tape.append(at_ns, quotes)
        self._market.observe(at_ns, quotes)
        chain = self._market.snapshot(at_ns)
        features = self._features.step(chain)
        self._checker.update_market(
            chain.con_id,
            bid=chain.bid,
            ask=chain.ask,
            delta=features.delta,
            gamma=features.gamma,
            vega=features.vega,
            feed_age=chain.feed_age,
            change_age=chain.change_age,
            spot=chain.underlying_mid,
            underlying_feed_age=chain.underlying_feed_age,
        )
        return chain, features

    def _predict(self, features: ChainFeatures) -> Probabilities | None:
        if self._model is None:
            return None
        try:
            return self._model.probabilities(features.matrix())
        except ModelError as error:
            self.desk.halt(f"model failed: {error}")
            return None

    def _signal(
        self, candidate: str, order: Order, features: ChainFeatures, probabilities: Probabilities | None
    ) -> ModelSignal | None:
        model_id = self._model.live_model_id() if self._model else None
        if probabilities is None or model_id is None:
            return None
        return vote(
            candidate,
            order.legs,
            features,
            probabilities,
            self._config.model,
            model_id,
            self._clock.now_ns(),
        )

    async def _decide(
        self, signal: ModelSignal | None, decision: StrategyDecision, order: Order
    ) -> DecisionRecord:
        """Collect the risk vote, pass the gate, and carry the outcome out."""
        now = self._clock.now_ns()
        verdict = self._checker.check(decision.candidate_id, order, now)
        live = self._model.live_model_id() if self._model else None
        record = DecisionRecord(
            candidate_id=decision.candidate_id,
            at_ns=now,
            tape_offset=self._tape_offset,
            outcome=decide(signal, decision, verdict, now_ns=now, live_model_id=live),
            signal=signal,
            strategy=decision,
            risk=verdict,
        )
        return await self.desk.carry_out(record)

    async def _open(self, features: ChainFeatures, probabilities: Probabilities | None) -> None:
        now = self._clock.now_ns()
        for candidate in self._strategy.candidates(features, now, self._open_trades(), self._working()):
            # Orders approved a moment ago count for the next candidate.
            trades, working = self._open_trades(), self._working()
            decision = self._strategy.decide(candidate, features, trades, working, now)
            signal = self._signal(candidate.candidate_id, candidate.order, features, probabilities)
            await self._decide(signal, decision, candidate.order)

    async def _exit(self, features: ChainFeatures) -> None:
        closing = {r.order.trade_id for r in self.desk.manager.working() if r.order.purpose == "close"}
        trades = [trade for trade in self._open_trades() if trade.trade_id not in closing]
        for decision in self._strategy.exits(trades, features, self._clock.now_ns()):
            if decision.order is not None:
                await self._decide(None, decision, decision.order)

    async def _rework(self, features: ChainFeatures, probabilities: Probabilities | None) -> None:
        """Reprice or cancel each working order; a refused reprice leaves the order as it is."""
        now = self._clock.now_ns()
        trades = {trade.trade_id: trade for trade in self._open_trades()}
        for record, working in zip(self.desk.manager.working(), self._working(), strict=True):
            if record.cancel_requested or record.modify_pending:
                continue
            action = self._strategy.reprice(working, features, now, trades.get(record.order.trade_id))
            match action:
                case CancelOrder(reason):
                    await self.desk.cancel(record, reason)
                case NewLimit(limit) if limit != record.limit_price:
                    await self._reprice(record, limit, features, probabilities)
                case _:
                    pass

    async def _reprice(
        self,
        record: OrderRecord,
        limit: int,
        features: ChainFeatures | None,
        probabilities: Probabilities | None,
    ) -> None:
        order = msgspec.structs.replace(record.order, limit_price=limit)
        candidate = candidate_id(self._ids.take())
        decision = StrategyDecision(
            candidate_id=candidate, strategy=order.strategy, accepts=True, reason="reprice", order=order
        )
        signal = None
        if order.purpose != "close" and features is not None:
            signal = self._signal(candidate, order, features, probabilities)
        await self._decide(signal, decision, order)

    async def _flatten(self, chain: ChainSnapshot) -> None:
        touches = {
            int(con_id): (to_price(bid), to_price(ask))
            for con_id, bid, ask in zip(chain.con_id, chain.bid, chain.ask, strict=True)
        }
        working = {r.order.trade_id: r for r in self.desk.manager.working() if r.order.purpose == "close"}
        trades = [t for t in self.desk.portfolio.open_trades() if t.trade_id not in working]
        orders, _stuck = flattening_orders(trades, touches, lambda: order_ref(self._ids.take()))
        for order in orders:
            decision = StrategyDecision(
                candidate_id=candidate_id(self._ids.take()),
                strategy=order.strategy,
                accepts=True,
                reason="flatten",
                order=order,
            )
            await self._decide(None, decision, order)
        for record in working.values():
            limit = crossing_limit(record.order.legs, touches)
            if limit is not None and limit != record.limit_price:
                await self._reprice(record, limit, None, None)

    def _open_trades(self) -> list[OpenTrade]:
        return [
            OpenTrade(t.trade_id, t.legs, t.quantity, t.entry_price, t.opened_ns, t.strategy)
            for t in self.desk.portfolio.open_trades()
        ]

    def _working(self) -> list[WorkingOrder]:
        return [
            WorkingOrder(r.order, r.submitted_ns, r.filled, r.limit_price)
            for r in self.desk.manager.working()
        ]

    # --- what is written down ------------------------------------------------------------------------

    def _record(self, chain: ChainSnapshot, features: ChainFeatures) -> SessionView:
        now, book = chain.at_ns, self.desk.portfolio
        working = self.desk.manager.working()
        self._valuation.mark(chain, features, book.positions)
        portfolio = self._valuation.snapshot(chain, features, book, working_orders=len(working))
        self._portfolio = portfolio
        self._bus.publish(portfolio)
        vault = self._ledger.state(now)
        if self._vault is None or msgspec.structs.replace(self._vault, at_ns=now) != vault:
            self._bus.publish(vault)
        self._vault = vault
        new_fills = len(self.desk.fills) - self._fills_seen
        self._fills_seen = len(self.desk.fills)
        self.narrator.counts["fills"] += new_fills
        if new_fills or now >= self._smiles_due_ns:
            self._smiles_due_ns = now - now % SMILES_EVERY_NS + SMILES_EVERY_NS
            for smile in smile_snapshots(features):
                self._bus.publish(smile)
        self.view = self.narrator.picture(
            chain,
            session=(self._chain.session_open_ns, self._chain.session_close_ns),
            state=self.state,
            portfolio=portfolio,
            vault=vault,
            trades=[(trade, self._valuation.spread_mark(trade.legs)) for trade in book.open_trades()],
            orders=working,
        )
        return self.view

    # --- restart -------------------------------------------------------------------------------------

    def _recover(self) -> None:
        events = [event for _, _, event in self._journal.events()]
        self._ledger.replay([event for event in events if isinstance(event, VaultTransaction)])
        self._ledger.fund()  # a crash may have come between the steps of the set-up
        decisions = [event for event in events if isinstance(event, DecisionRecord)]
        self._ids.last = SequentialIds.after(d.candidate_id for d in decisions).last
        self.desk.replay(events)
        self.desk.release_orphans(
            event.order_ref
            for event in events
            if isinstance(event, VaultTransaction) and event.action == "reserve"
        )
        for decision in decisions:
            self.narrator.tell(decision)
        self._fills_seen = len(self.desk.fills)
        self.narrator.counts["fills"] = self._fills_seen
        # The features remember minutes; the tape gives them back.
        with TapeReader(self._tape.path) as frames:
            for frame in frames:
                self._market.observe(frame.at_ns, frame.quotes)
                self._features.step(self._market.snapshot(frame.at_ns))


def _date(at_ns: int) -> str:
    return dt.datetime.fromtimestamp(at_ns // SECOND_NS, NEW_YORK).date().isoformat()
