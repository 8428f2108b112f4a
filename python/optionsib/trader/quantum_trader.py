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
import statistics
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
from optionsib.common.errors import BrokerError
from optionsib.common.events import (
    AnyEvent,
    ChainLoaded,
    DecisionRecord,
    PortfolioSnapshot,
    Quote,
    SessionEnded,
    SessionStarted,
    VaultState,
)
from optionsib.common.faults import fault_point
from optionsib.common.ports import SettlementLedger
from optionsib.common.session_view import SessionView
from optionsib.common.types import MINUTE_NS, SECOND_NS
from optionsib.data.live.chain import ChainSnapshot, ChainState
from optionsib.execution.desk import OrderDesk
from optionsib.features.chain_features import ChainFeatures
from optionsib.features.engine import FeatureEngine, ZeroCurve
from optionsib.features.warm_up import warmup_transformers
from optionsib.models.server import ModelServer
from optionsib.risk.limits import LimitChecker
from optionsib.strategies.candidates import (
    SequentialIds,
)
from optionsib.trader.broker_gap import BrokerGapWatch
from optionsib.trader.by_hand import OrdersByHand
from optionsib.trader.decisions import Decisions
from optionsib.trader.lines import merge_quotes, nearest_first
from optionsib.trader.valuation import Valuation, smile_snapshots
from optionsib.trader.view import Narrator

NEW_YORK = ZoneInfo("America/New_York")
SMILES_EVERY_NS = 30 * MINUTE_NS
FAILED_STEPS_UNTIL_HALT = 3


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
    models
        Who may vote; nothing is opened without.
    curve
        Discount curve of the trading day.
    notices
        Sentences every view must show.
    show
        Called with a picture at the end of each step.
    was_rescued
        Asked at each step whether a process of its own cancelled or closed behind our back.
    rescue_has_begun
        Asked before each order whether one has begun to since: this process may hang within a step too.
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
        models: ModelServer,
        curve: ZeroCurve,
        checker: LimitChecker,
        notices: Sequence[str] = (),
        show: Callable[[SessionView], None] = lambda view: None,
        was_rescued: Callable[[], bool] = lambda: False,
        rescue_has_begun: Callable[[], bool] = lambda: False,
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
        self.models = models
        self._curve = curve
        self._checker = checker
        self._show = show
        self._was_rescued = was_rescued
        self._ids = SequentialIds()
        self._market = ChainState(chain.underlying, chain.options)
        self._features = FeatureEngine(config.features, curve)
        self._broker_gap = BrokerGapWatch(config.gateway.greeks_tolerance)
        self.desk = OrderDesk(
            broker=broker,
            bus=bus,
            journal=journal,
            clock=clock,
            ledger=ledger,
            checker=checker,
            contracts=contracts,
            rescue_has_begun=rescue_has_begun,
        )
        self._decisions = Decisions(
            config=config, clock=clock, desk=self.desk, models=models, ids=self._ids, contracts=contracts
        )
        title = f"{chain.underlying.symbol} {_date(chain.session_open_ns)}"
        self.narrator = Narrator(title, simulated=chain.simulated, notices=notices, contracts=contracts)
        bus.subscribe(DecisionRecord, self.narrator.tell)
        self.view: SessionView | None = None
        self._valuation = Valuation(contracts)
        self._vault: VaultState | None = None
        self._portfolio: PortfolioSnapshot | None = None
        self._smiles_due_ns = 0
        self._fills_seen = 0
        self._early_quotes: list[Quote] = []
        self._flattening = False
        self._order_block = ""
        self._stop_reason = ""
        self._stop = asyncio.Event()
        self.by_hand = OrdersByHand(self.desk, self._decisions, clock)

    # --- operator's orders ---------------------------------------------------------------------------

    def request_stop(self, reason: str) -> None:
        """End after the current step: no new risk, cancel working orders, reconcile, leave."""
        self._stop_reason = self._stop_reason or reason
        self._stop.set()

    def request_flatten(self, operator: str) -> None:
        """Halt, then close every open trade at the market, step by step until flat."""
        self.desk.halt("flatten requested", operator)
        self._flattening = True

    def request_resume(self, reason: str, operator: str) -> None:
        """Lift a halt, and end a flattening that is still at work."""
        self._flattening = False
        self.desk.resume(reason, operator)

    @property
    def state(self) -> str:
        """One word for people: running, halted, flattening or stopping."""
        if self._stop_reason:
            return f"stopping: {self._stop_reason}"
        if self.desk.disputed and self._journal.is_halted():
            return "halted: positions differ from the broker's"
        if self._decisions.stuck:
            word = "halted" if self._journal.is_halted() else "running"
            return f"{word}, cannot be closed: {'; '.join(self._decisions.stuck)}"
        if self._flattening:
            return "halted: flattening" if self.desk.portfolio.open_trades() else "halted: flat"
        if self._journal.is_halted():
            return "halted"
        if self._order_block:
            return f"running, orders wait: {self._order_block}"
        trouble = self.models.trouble
        return f"running, model silent: {trouble}" if trouble else "running"

    # --- life ----------------------------------------------------------------------------------------

    async def start(self, state: BrokerState, *, resumed: bool) -> None:
        """Take over the journal: recover what an earlier run left, then watch the chain."""
        now = self._clock.now_ns()
        events = [event for _, _, event in self._journal.events()] if resumed else []
        if resumed:
            self._recover(events)
        self._ids.pass_over(state.order_refs)
        started = SessionStarted(
            at_ns=now,
            resumed=resumed,
            account=state.account,
            model_id=self.models.configured_id,
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
        warmup_transformers(self._config.features, self._curve, now, self._chain.options)
        await self.models.begin(events)
        self._journal.commit()
        await self._ledger.advance()
        if resumed:
            self.desk.reconcile(state)
        await self._watch_chain()

    async def _watch_chain(self) -> None:
        """Subscribe; where market data lines are short, what is held comes first, then the money."""
        await self._broker.subscribe([self._chain.underlying])
        await self._broker.settle()
        self._early_quotes = self._broker.take_quotes()
        needed = set(self.desk.portfolio.positions)
        needed.update(leg.con_id for r in self.desk.manager.working() for leg in r.order.legs)
        mids = [q.bid + q.ask for q in self._early_quotes if q.bid is not None and q.ask is not None]
        spot = mids[0] / 2 if mids else statistics.median(option.strike for option in self._chain.options)
        await self._broker.subscribe(nearest_first(self._chain.options, spot, self._clock.now_ns(), needed))

    async def run(self) -> SessionSummary:
        """Trade until the session closes, the broker ends it, or a stop is asked for.

        Raises
        ------
        BrokerError
            If the link is lost and does not come back; what is journaled is complete.
        """
        failures = 0
        while True:
            try:
                at_ns = await self._step_or_stop()
                if at_ns is not None:
                    await self._step(at_ns)
                failures = 0
            except BrokerError as error:
                failures += 1
                if failures == FAILED_STEPS_UNTIL_HALT:
                    self.desk.halt(f"{failures} steps in a row failed at the broker: {error}")
                await self._resume_link()
                continue
            if self._stop_reason:
                return await self._finish(self._stop_reason)
            if at_ns is None or at_ns >= self._chain.session_close_ns:
                return await self._finish("session closed")

    async def _resume_link(self) -> None:
        """Learn the broker's state again; a connection that merely refused an order stays as it is."""
        try:
            state = await self._broker.refresh()
        except BrokerError:
            state = await self._broker.reconnect()
        if not self._was_rescued():  # what a rescue did is a difference, not fills of no order of ours
            self.desk.take_in(self._broker.take_events())
        self.desk.reconcile(state)
        await self._ledger.advance()  # the chain goes on while steps fail

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
        await self._ledger.finish()
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
        probabilities = await self.models.predict(features)
        if self._was_rescued() or self.desk.wants_positions:
            self.desk.reconcile(await self._broker.refresh())
        elif self.desk.in_doubt:
            state = await self._broker.refresh()
            self.desk.take_in(self._broker.take_events())  # what came before the answer is older than it
            self.desk.reconcile(state)
        await self.desk.cancel_again()
        await self.desk.cancel_disputed()
        await self.desk.cancel_orphans()
        if self._journal.is_halted():
            await self.desk.cancel_working("halted", opening_only=True)
        self._order_block = self._broker.order_block()
        if self._order_block:  # nothing but cancels may leave: the broker's link is down, or it restarts soon
            self.by_hand.refuse(self._order_block)
        elif self._flattening:
            self.by_hand.refuse("the daemon flattens")
            await self._decisions.flatten(chain)
            await self._decisions.wind_up(chain)
        else:
            await self.by_hand.carry_out(features, probabilities)
            await self._decisions.rework(features, probabilities)
            await self._decisions.exit(features)
            if ending := self._ledger.ending():
                await self._decisions.flatten(chain, ending, "its longest duration in the vault is over")
            await self._decisions.wind_up(chain)
            if not self._journal.is_halted() and not self._stop_reason:
                await self._decisions.open(features, probabilities)
        await self._broker.settle()
        self.desk.take_in(self._broker.take_events())
        await self._ledger.advance()
        await self.models.finish_step()
        view = self._record(chain, features)
        fault_point("before-step-commit")
        self._journal.commit()
        fault_point("after-step-commit")
        self._show(view)

    def _watch(self, at_ns: int) -> tuple[ChainSnapshot, ChainFeatures]:
        quotes = merge_quotes(self._early_quotes, self._broker.take_quotes())
        self._early_quotes = []
        self._decisions.tape_offset = self._tape.append(at_ns, quotes)
        self._market.observe(at_ns, quotes)
        chain = self._market.snapshot(at_ns)
        features = self._features.step(chain)
        self._broker_gap.step(features, self._broker.model_values([c.con_id for c in features.contracts]))
        share = chain.underlying.con_id  # what an exercise or an assignment may deliver

        def column(options: NDArray[np.float64], of_share: float) -> NDArray[np.float64]:
            return np.append(options, of_share)

        self._checker.update_market(
            np.append(chain.con_id, share),
            bid=column(chain.bid, chain.underlying_bid),
            ask=column(chain.ask, chain.underlying_ask),
            delta=column(features.delta, 1.0),
            gamma=column(features.gamma, 0.0),
            vega=column(features.vega, 0.0),
            feed_age=column(chain.feed_age, chain.underlying_feed_age),
            change_age=column(chain.change_age, chain.underlying_feed_age),
            spot=chain.underlying_mid,
            underlying_feed_age=chain.underlying_feed_age,
            now_ns=at_ns,
        )
        self._checker.update_scenarios(
            np.append(chain.con_id, share),
            forward=column(features.forward[features.grid.row], chain.underlying_mid),
            time_to_expiry=column(features.time_to_expiry, 0.0),
            volatility=column(features.fitted_volatility, 0.0),
        )
        return chain, features

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
            notices=(*self.models.notices, *self._broker_gap.notices),
            broker_gap=self._broker_gap.last,
            session=(self._chain.session_open_ns, self._chain.session_close_ns),
            state=self.state,
            portfolio=portfolio,
            vault=vault,
            trades=[
                (trade, None if trade.apart else self._valuation.spread_mark(trade.legs))
                for trade in book.open_trades()
            ],
            orders=working,
        )
        return self.view

    # --- restart -------------------------------------------------------------------------------------

    def _recover(self, events: Sequence[AnyEvent]) -> None:
        self._ledger.replay(events)
        decisions = [event for event in events if isinstance(event, DecisionRecord)]
        self._ids.last = SequentialIds.after(d.candidate_id for d in decisions).last
        self.desk.replay(events)
        self.desk.release_orphans(self._ledger.reserved())
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
