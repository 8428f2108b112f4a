"""Who decides what in a step: candidates, exits and reprices, each with its votes, through the gate.

1. The model speaks once a step, for the whole chain; a model that fails has no vote.
2. A candidate is judged with the orders that were approved a moment before it.
3. A reprice is judged like a new order; refused, it leaves the order as it was.
4. Exits and cancels need no model.
5. A trade whose options ended without an order is nobody's but ours to close: contract by contract, at once.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from optionsib.common.config import Config
from optionsib.common.events import ApprovedOrder, DecisionRecord, ModelSignal, StrategyDecision
from optionsib.common.ports import Clock
from optionsib.common.types import Contract, Order
from optionsib.data.live.chain import ChainSnapshot
from optionsib.execution.desk import OrderDesk
from optionsib.execution.flatten import Touch, crossing_limit, flattening_orders, position_orders
from optionsib.execution.gate import decide
from optionsib.execution.orders import OrderRecord
from optionsib.execution.portfolio import Trade
from optionsib.features.chain_features import ChainFeatures
from optionsib.models.server import ModelServer, Probabilities
from optionsib.models.vote import abstention, vote
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
from optionsib.trader.valuation import to_price


class Decisions:
    """The decisions of one session; ``tape_offset`` is where the step's quotes stand on the tape."""

    def __init__(
        self,
        *,
        config: Config,
        clock: Clock,
        desk: OrderDesk,
        models: ModelServer,
        ids: SequentialIds,
        contracts: Mapping[int, Contract],
    ) -> None:
        self._config = config
        self._clock = clock
        self._desk = desk
        self._contracts = contracts
        self._models = models
        self._ids = ids
        self._strategy = VerticalResidualStrategy(config.strategy, ids)
        self.tape_offset = 0
        self.stuck: tuple[str, ...] = ()  # what of such a trade cannot be closed, and why
        self._exits: dict[tuple[str, int], str] = {}  # of a trade's contract: the last order to close it

    def _signal(
        self, candidate: str, order: Order, features: ChainFeatures, probabilities: Probabilities | None
    ) -> ModelSignal | None:
        live = self._models.live_model()
        if live is None:
            return None
        now = self._clock.now_ns()
        if probabilities is None:
            return abstention(candidate, live, self._models.trouble or "no forecast", now)
        return vote(candidate, order.legs, features, probabilities, self._config.model, live, now)

    async def _decide(
        self, signal: ModelSignal | None, decision: StrategyDecision, order: Order, operator: str = ""
    ) -> DecisionRecord:
        """Collect the risk vote, pass the gate, and carry the outcome out."""
        now = self._clock.now_ns()
        decision = self._desk.on_grid(decision)
        verdict = self._desk.judge(decision.candidate_id, decision.order or order, decision.attached)
        record = DecisionRecord(
            candidate_id=decision.candidate_id,
            at_ns=now,
            tape_offset=self.tape_offset,
            outcome=decide(signal, decision, verdict, now_ns=now, live=self._models.live_model()),
            signal=signal,
            strategy=decision,
            risk=verdict,
        )
        return await self._desk.carry_out(record, operator)

    async def open(self, features: ChainFeatures, probabilities: Probabilities | None) -> None:
        """Judge this step's candidates and send the approved ones."""
        now = self._clock.now_ns()
        for candidate in self._strategy.candidates(features, now, self._open_trades(), self._working()):
            if self._desk.is_disputed(candidate.order):
                continue
            # Orders approved a moment ago count for the next candidate.
            trades, working = self._open_trades(), self._working()
            decision = self._strategy.decide(candidate, features, trades, working, now)
            signal = self._signal(candidate.candidate_id, candidate.order, features, probabilities)
            await self._decide(signal, decision, candidate.order)

    async def exit(self, features: ChainFeatures) -> None:
        """Send closing orders for trades that have none at work."""
        closing = {r.order.trade_id for r in self._desk.manager.working() if r.order.purpose == "close"}
        trades = [t for t in self._open_trades() if t.trade_id not in closing and not self._apart(t.trade_id)]
        for decision in self._strategy.exits(trades, features, self._clock.now_ns()):
            if decision.order is not None and not self._desk.is_disputed(decision.order):
                await self._decide(None, decision, decision.order)

    async def rework(self, features: ChainFeatures, probabilities: Probabilities | None) -> None:
        """Reprice or cancel each working order; a refused reprice leaves the order as it is."""
        await self.follow_parents()
        now = self._clock.now_ns()
        trades = {trade.trade_id: trade for trade in self._open_trades()}
        for record, working in zip(self._desk.manager.working(), self._working(), strict=True):
            if record.cancel_requested or record.modify_pending or record.order.parent_ref:
                continue  # the exits of a bracket stand as they were decided
            if self._apart(record.order.trade_id):
                continue
            action = self._strategy.reprice(working, features, now, trades.get(record.order.trade_id))
            match action:
                case CancelOrder(reason):
                    await self._desk.cancel(record, reason)
                case NewLimit(limit, reason) if limit != record.limit_price:
                    order = msgspec.structs.replace(record.order, limit_price=limit)
                    await self.change(order, reason, features, probabilities)
                case _:
                    pass

    async def follow_parents(self) -> None:
        """Make the exits of a bracket as large as their parent, where it has grown."""
        for order in self._desk.manager.exits_behind():
            await self.change(order, f"follows {order.parent_ref}")

    async def change(
        self,
        order: Order,
        reason: str,
        features: ChainFeatures | None = None,
        probabilities: Probabilities | None = None,
        operator: str = "",
    ) -> DecisionRecord:
        """Judge a working order on other terms (limit, quantity, stop, trail), and send them if approved.

        What an ``operator`` has set is not repriced by the strategy any more. Without ``features`` there is
        no vote of the model: only what adds no risk passes then.
        """
        candidate = candidate_id(self._ids.take())
        decision = StrategyDecision(
            candidate_id=candidate, strategy=order.strategy, accepts=True, reason=reason, order=order
        )
        signal = None
        if order.purpose != "close" and features is not None:
            signal = self._signal(candidate, order, features, probabilities)
        return await self._decide(signal, decision, order, operator)

    async def flatten(
        self, chain: ChainSnapshot, only: frozenset[str] | None = None, reason: str = "flatten"
    ) -> None:
        """Close every open trade (``only`` these) at the market; orders at work are moved there."""
        touches = self._touches(chain)
        closing = [r for r in self._desk.manager.working() if r.order.purpose == "close"]
        if only is not None:
            closing = [record for record in closing if record.order.trade_id in only]
        closing = [record for record in closing if not self._apart(record.order.trade_id)]
        for record in closing:
            if record.order.parent_ref or record.order.order_type != "LMT":  # a stop waits; this does not
                await self._desk.cancel(record, reason)
        working = {record.order.trade_id: record for record in closing}
        trades = [t for t in self._desk.portfolio.open_trades() if t.trade_id not in working and not t.apart]
        if only is not None:
            trades = [trade for trade in trades if trade.trade_id in only]
        orders, _stuck = flattening_orders(trades, touches, lambda: order_ref(self._ids.take()))
        for order in orders:
            if self._desk.is_disputed(order):
                continue
            decision = StrategyDecision(
                candidate_id=candidate_id(self._ids.take()),
                strategy=order.strategy,
                accepts=True,
                reason=reason,
                order=order,
            )
            await self._decide(None, decision, order)
        for record in working.values():
            await self._follow(record, touches, reason)

    async def _follow(self, record: OrderRecord, touches: Mapping[int, Touch], reason: str) -> None:
        """Move an order to where it fills at once."""
        limit = crossing_limit(record.order.legs, touches)
        at_rest = not record.cancel_requested and not record.modify_pending
        if limit is not None and limit != record.limit_price and at_rest:
            await self.change(msgspec.structs.replace(record.order, limit_price=limit), reason)

    def _touches(self, chain: ChainSnapshot) -> dict[int, Touch]:
        """Return bid and ask of every contract, the underlying's too, on the tick grid."""
        touches: dict[int, Touch] = {}
        underlying = (chain.underlying.con_id, chain.underlying_bid, chain.underlying_ask)
        for con_id, bid, ask in (*zip(chain.con_id, chain.bid, chain.ask, strict=True), underlying):
            grid = self._contracts[int(con_id)].tick_grid
            lowest, highest = to_price(bid), to_price(ask)  # off the grid, they must still be crossed
            touches[int(con_id)] = (
                None if lowest is None else grid.floor(lowest),
                None if highest is None else grid.ceil(highest),
            )
        return touches

    # --- what ended without an order ---------------------------------------------------------------

    def _apart(self, trade_id: str) -> bool:
        trade = self._desk.portfolio.trades.get(trade_id)
        return trade is not None and trade.apart

    async def wind_up(self, chain: ChainSnapshot) -> None:
        """Close what is left of trades whose options ended without an order; ``stuck`` names what cannot be.

        An order of such a trade that is still at work on other terms is cancelled first, and one that the
        broker rejected is not repeated by this process.
        """
        reason = "options of its trade were exercised, assigned or have expired"
        apart = {t.trade_id: t for t in self._desk.portfolio.trades.values() if t.apart}
        stuck: list[str] = []
        touches = self._touches(chain) if any(trade.held for trade in apart.values()) else {}
        working = [r for r in self._desk.manager.working() if r.order.trade_id in apart]
        for trade in apart.values():
            at_work = {r.order.legs[0].con_id: r for r in working if r.order.trade_id == trade.trade_id}
            others = [r for r in working if r.order.trade_id == trade.trade_id and not _closes(r, trade)]
            for record in others:
                await self._desk.cancel(record, reason)
            if others or not trade.held:
                continue
            for record in at_work.values():
                await self._follow(record, touches, reason)
            left = {con_id: held for con_id, held in trade.held.items() if con_id not in at_work}
            stuck += await self._close_left(trade, left, touches, reason)
        self.stuck = tuple(stuck)

    async def _close_left(
        self, trade: Trade, left: dict[int, int], touches: Mapping[int, Touch], reason: str
    ) -> list[str]:
        """Send an order for each contract of ``left``; return what cannot be closed now, and why."""
        stuck: list[str] = []
        for con_id in list(left):
            contract, order = self._contracts[con_id], self._exits.get((trade.trade_id, con_id), "")
            before = self._desk.manager.records.get(order)
            name = f"{trade.trade_id}: {contract.local_symbol or con_id} {left[con_id]:+d}"
            if 0 < contract.expiry_ns <= self._clock.now_ns():
                stuck.append(f"{name} has expired and no execution tells of it: ask the broker")
            elif before is not None and before.status == "rejected":
                stuck.append(f"{name}: the broker rejected {order} ({before.last_message})")
            else:
                continue
            del left[con_id]
        orders, unpriced = position_orders(
            left, self._contracts, touches, lambda: order_ref(self._ids.take()), trade
        )
        stuck += [f"{trade.trade_id}: {words}" for words in unpriced]
        for one in orders:
            if self._desk.is_disputed(one):
                continue
            decision = StrategyDecision(
                candidate_id=candidate_id(self._ids.take()),
                strategy=one.strategy,
                accepts=True,
                reason=reason,
                order=one,
            )
            record = await self._decide(None, decision, one)
            if isinstance(record.outcome, ApprovedOrder):
                self._exits[trade.trade_id, one.legs[0].con_id] = one.order_ref
            else:
                stuck.append(f"{trade.trade_id}: {record.outcome.reason}")
        return stuck

    def _open_trades(self) -> list[OpenTrade]:
        return [
            OpenTrade(t.trade_id, t.legs, t.quantity, t.entry_price, t.opened_ns, t.strategy)
            for t in self._desk.portfolio.open_trades()
        ]

    def _working(self) -> list[WorkingOrder]:
        return [
            WorkingOrder(r.order, r.submitted_ns, r.filled, r.limit_price, r.by_hand)
            for r in self._desk.manager.working()
        ]


def _closes(record: OrderRecord, trade: Trade) -> bool:
    """Tell whether an order at work closes one contract of a trade that holds contracts, exactly."""
    order = record.order
    plain = order.purpose == "close" and not order.parent_ref and order.order_type == "LMT"
    if not plain or len(order.legs) > 1:
        return False
    return trade.held.get(order.legs[0].con_id, 0) == -order.legs[0].ratio * record.remaining
