"""Vertical spreads on smile residuals.

Of two options of one expiry and right, the one that is quoted below its fitted price is bought and the
one above is sold. The spread is worked as one resting limit order at its fitted fair value less fees and a
minimum edge; it is never crossed, because crossing both spreads costs several times what a residual
gives. A filled spread is offered at its fair value, then worked towards the market, and crossed
late in the day so that nothing is held overnight.

The strategy holds no state: all it needs is in the features, the open trades and the working orders.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from optionsib.common.config import StrategyConfig
from optionsib.common.events import StrategyDecision
from optionsib.common.types import MINUTE_NS, PRICE_SCALE, SECOND_NS, Order, OrderLeg
from optionsib.features import ChainFeatures
from optionsib.strategies.candidates import (
    CancelOrder,
    Candidate,
    NewLimit,
    OpenTrade,
    SequentialIds,
    WorkingOrder,
    candidate_id,
    order_ref,
    trade_id,
)
from optionsib.strategies.spread_quotes import (
    SpreadQuote,
    ceil_to_grid,
    floor_to_grid,
    quote_spread,
    reverse,
)

NEW_YORK: Final = ZoneInfo("America/New_York")


class VerticalResidualStrategy:
    """Proposes, judges, reprices and closes vertical spreads.

    Parameters
    ----------
    config
        Windows, edges and sizes.
    ids
        Source of candidate, order and trade numbers.
    """

    name: Final = "vertical_residual"

    def __init__(self, config: StrategyConfig, ids: SequentialIds) -> None:
        self._config = config
        self._ids = ids
        self._minimum_edge = float(config.minimum_edge)

    # --- opening -------------------------------------------------------------------------------------

    def candidates(
        self,
        features: ChainFeatures,
        now_ns: int,
        open_trades: Sequence[OpenTrade],
        working: Sequence[WorkingOrder],
    ) -> list[Candidate]:
        """Return the spreads nearest to a fill at their limit, best first.

        There are none outside the window or while there are as many trades as allowed; contracts that an
        open trade or a working order already uses are left out.
        """
        config = self._config
        full = len(open_trades) + _opening(working) >= config.maximum_open_trades
        if full or not self._may_open(now_ns):
            return []
        taken = {leg.con_id for trade in open_trades for leg in trade.legs}
        taken |= {leg.con_id for order in working for leg in order.order.legs}
        free = features.usable & ~np.isin(features.con_id, np.array(sorted(taken), dtype=np.int64))
        free &= features.bid >= float(config.minimum_leg_bid) - 1e-9
        size = np.abs(features.delta)
        free &= (size >= config.minimum_leg_delta) & (size <= 1.0 - config.minimum_leg_delta)
        found: list[tuple[float, int, int]] = []
        for row in range(len(features.expiry_ns)):
            for right in (1, -1):
                group = np.flatnonzero(free & (features.grid.row == row) & (features.kind == right))
                found += _pairs(features, group, float(config.maximum_width))
        # The order of (expiry, right, strikes) breaks ties, so that a feed's order of contracts does not.
        found.sort(key=lambda pair: (-pair[0], *_sort_key(features, pair[1]), *_sort_key(features, pair[2])))
        return [self._candidate(features, i, j) for _, i, j in found[: config.candidates_per_step]]

    def decide(
        self,
        candidate: Candidate,
        features: ChainFeatures,
        open_trades: Sequence[OpenTrade],
        working: Sequence[WorkingOrder],
        now_ns: int,
    ) -> StrategyDecision:
        """Accept or refuse ``candidate``; a refusal says why in plain words."""
        reason = self._objection(candidate, features, open_trades, working, now_ns)
        if reason:
            return StrategyDecision(
                candidate_id=candidate.candidate_id, strategy=self.name, accepts=False, reason=reason
            )
        return StrategyDecision(
            candidate_id=candidate.candidate_id,
            strategy=self.name,
            accepts=True,
            reason=(
                f"limit {_show(candidate.order.limit_price)} is {candidate.edge:.3f} below the fair value "
                f"{candidate.fair_value:.3f}, mid {candidate.mid:.3f}"
            ),
            order=candidate.order,
        )

    def _candidate(self, features: ChainFeatures, long: int, short: int) -> Candidate:
        number = self._ids.take()
        legs = (OrderLeg(int(features.con_id[long]), 1), OrderLeg(int(features.con_id[short]), -1))
        quote = quote_spread(legs, features)
        limit = self._opening_limit(quote)
        return Candidate(
            candidate_id=candidate_id(number),
            order=Order(
                order_ref=order_ref(number),
                trade_id=trade_id(number),
                legs=legs,
                quantity=self._config.quantity,
                limit_price=limit,
                purpose="open",
                strategy=self.name,
            ),
            fair_value=quote.fair_value,
            mid=quote.mid,
            natural=quote.natural,
            edge=quote.fair_value - limit / PRICE_SCALE,
            expiry_ns=features.contracts[long].expiry_ns,
        )

    def _opening_limit(self, quote: SpreadQuote) -> int:
        """Fair value less the minimum edge, but never more than crossing costs."""
        return min(floor_to_grid(quote.fair_value - self._minimum_edge), ceil_to_grid(quote.natural))

    def _objection(
        self,
        candidate: Candidate,
        features: ChainFeatures,
        open_trades: Sequence[OpenTrade],
        working: Sequence[WorkingOrder],
        now_ns: int,
    ) -> str:
        config = self._config
        if not self._may_open(now_ns):
            return f"outside the window {config.no_new_before:%H:%M} to {config.no_new_after:%H:%M} New York"
        legs = candidate.order.legs
        if not all(features.usable[features.position(leg.con_id)] for leg in legs):
            return "a leg has no live two-sided quote"
        quote = quote_spread(legs, features)
        if quote.widest_leg > float(config.maximum_leg_spread) + 1e-9:
            return f"leg spread {quote.widest_leg:.2f} is wider than {config.maximum_leg_spread}"
        if quote.lowest_bid < float(config.minimum_leg_bid) - 1e-9:
            return f"leg bid {quote.lowest_bid:.2f} is below {config.minimum_leg_bid}: hard to sell again"
        lower, upper = _value_bounds(legs, features)
        limit = candidate.order.limit_price / PRICE_SCALE
        if not lower < limit < upper:
            return f"limit {limit:.2f} is not within the possible values {lower:.2f} to {upper:.2f}"
        edge = quote.fair_value - limit
        if edge < self._minimum_edge - 1e-9:
            return f"edge {edge:.3f} is below the minimum {self._minimum_edge:.3f}"
        mispricing = quote.fair_value - quote.mid
        if mispricing < float(config.minimum_mispricing) - 1e-9:
            return (
                f"quoted only {mispricing:.3f} below fair value, the minimum is {config.minimum_mispricing}"
            )
        distance = quote.mid - limit
        if distance > float(config.maximum_limit_distance) + 1e-9:
            return f"limit {limit:.2f} rests {distance:.3f} below the mid {quote.mid:.3f}: a fill is hopeless"
        used = {leg.con_id for trade in open_trades for leg in trade.legs}
        used |= {leg.con_id for order in working for leg in order.order.legs}
        if any(leg.con_id in used for leg in legs):
            return "already in this expiry and strike"
        opening = _opening(working)
        if len(open_trades) + opening >= config.maximum_open_trades:
            return (
                f"{len(open_trades)} open trades and {opening} opening orders: "
                f"the maximum is {config.maximum_open_trades}"
            )
        return ""

    def _may_open(self, now_ns: int) -> bool:
        return self._config.no_new_before <= _time_of_day(now_ns) < self._config.no_new_after

    # --- working orders ------------------------------------------------------------------------------

    def reprice(
        self,
        working: WorkingOrder,
        features: ChainFeatures,
        now_ns: int,
        trade: OpenTrade | None = None,
    ) -> NewLimit | CancelOrder | None:
        """Say what to do with a working order at this step; None = leave it.

        A price that a person has set stays, whatever the strategy would ask.
        ``trade`` is the trade that a closing order closes; without it the patience of the order counts
        from its submission.
        """
        if working.order.purpose == "close":
            if working.by_hand:
                return None
            since = working.submitted_ns if trade is None else trade.opened_ns
            limit = self._closing_limit(working.order.legs, features, since, now_ns)
            reason = f"close {working.order.trade_id}: {self._stage(since, now_ns)}"
        else:
            reason = "follows the fair value"
            minutes = (now_ns - working.submitted_ns) / MINUTE_NS
            if minutes >= self._config.cancel_after_minutes:
                return CancelOrder(f"not filled within {self._config.cancel_after_minutes} minutes")
            if _time_of_day(now_ns) >= self._config.no_new_after:
                return CancelOrder(f"no new trades after {self._config.no_new_after:%H:%M} New York")
            quote = quote_spread(working.order.legs, features)
            if not all(features.usable[features.position(leg.con_id)] for leg in working.order.legs):
                return CancelOrder("a leg has no live two-sided quote")
            if working.by_hand:
                return None
            limit = self._opening_limit(quote)
            lower, upper = _value_bounds(working.order.legs, features)
            if not lower < limit / PRICE_SCALE < upper:
                return CancelOrder(f"limit {_show(limit)} is not within the possible values")
        if limit is None or abs(limit - working.limit) < self._tolerance(limit, working, features, now_ns):
            return None
        return NewLimit(limit, reason)

    def _tolerance(self, limit: int, working: WorkingOrder, features: ChainFeatures, now_ns: int) -> int:
        """How far a limit may be off before it is moved: an order that stays keeps its place in the queue."""
        crossing = working.order.purpose == "close" and _time_of_day(now_ns) >= self._config.cross_at
        return 1 if crossing else max(round(float(self._config.reprice_tolerance) * PRICE_SCALE), 1)

    # --- closing -------------------------------------------------------------------------------------

    def exits(
        self,
        open_trades: Sequence[OpenTrade],
        features: ChainFeatures,
        now_ns: int,
        working: Sequence[WorkingOrder] = (),
    ) -> list[StrategyDecision]:
        """Return closing orders for the trades of this strategy that have none at work."""
        closing = {order.order.trade_id for order in working if order.order.purpose == "close"}
        decisions = []
        for trade in open_trades:
            if trade.trade_id in closing or trade.strategy != self.name or trade.quantity <= 0:
                continue
            legs = reverse(trade.legs)
            limit = self._closing_limit(legs, features, trade.opened_ns, now_ns)
            if limit is None:
                continue  # nothing is quoted; the next step tries again
            number = self._ids.take()
            order = Order(
                order_ref=order_ref(number),
                trade_id=trade.trade_id,
                legs=legs,
                quantity=trade.quantity,
                limit_price=limit,
                purpose="close",
                strategy=self.name,
            )
            decisions.append(
                StrategyDecision(
                    candidate_id=candidate_id(number),
                    strategy=self.name,
                    accepts=True,
                    reason=f"close {trade.trade_id}: {self._stage(trade.opened_ns, now_ns)}",
                    order=order,
                )
            )
        return decisions

    def _closing_limit(
        self, legs: Iterable[OrderLeg], features: ChainFeatures, since_ns: int, now_ns: int
    ) -> int | None:
        """Limit of a closing order: fair value, then towards the natural price, then the natural price.

        None while a leg is not quoted on the side that matters.
        """
        quote = quote_spread(legs, features)
        if not math.isfinite(quote.natural):
            return None
        natural = ceil_to_grid(quote.natural)
        if _time_of_day(now_ns) >= self._config.cross_at:
            return natural
        anchor = quote.fair_value if math.isfinite(quote.fair_value) else quote.mid
        if not math.isfinite(anchor):
            return natural
        patience = self._impatience(since_ns, now_ns)
        return min(floor_to_grid(anchor + patience * max(quote.natural - anchor, 0.0)), natural)

    def _impatience(self, since_ns: int, now_ns: int) -> float:
        """0 = rest at fair value (first half of the holding time), rising to 1 = cross."""
        held = (now_ns - since_ns) / (self._config.hold_minutes * MINUTE_NS)
        return min(max(2.0 * held - 1.0, 0.0), 1.0)

    def _stage(self, since_ns: int, now_ns: int) -> str:
        if _time_of_day(now_ns) >= self._config.cross_at:
            return f"crosses to be flat by {self._config.flat_at:%H:%M}"
        impatience = self._impatience(since_ns, now_ns)
        if impatience >= 1.0:
            return f"held for {self._config.hold_minutes} minutes, crosses"
        return "rests at fair value" if impatience <= 0.0 else "works towards the market"


def _pairs(
    features: ChainFeatures, group: np.ndarray[tuple[int], np.dtype[np.int64]], width: float
) -> list[tuple[float, int, int]]:
    """Return ``(score, long, short)`` of all spreads within ``width`` whose long leg is the cheaper one.

    The score is fair value less natural price: how far inside (or, negative, outside) the fair value
    the market would fill the spread right now.
    """
    residual, fair = features.price_residual[group], features.fitted_price[group]
    strike, bid, ask = features.strike[group], features.bid[group], features.ask[group]
    score = (fair - ask)[:, None] + (bid - fair)[None, :]
    distance = np.abs(strike[:, None] - strike[None, :])
    good = (distance > 0.0) & (distance <= width + 1e-9) & (residual[:, None] < residual[None, :])
    return [
        (float(score[i, j]), int(group[i]), int(group[j])) for i, j in zip(*np.nonzero(good), strict=True)
    ]


def _sort_key(features: ChainFeatures, i: int) -> tuple[int, int, int]:
    contract = features.contracts[i]
    return contract.expiry_ns, contract.kind, contract.strike


def _opening(working: Iterable[WorkingOrder]) -> int:
    return sum(order.order.purpose == "open" for order in working)


def _value_bounds(legs: Iterable[OrderLeg], features: ChainFeatures) -> tuple[float, float]:
    """Return the lowest and highest value a vertical spread can have at expiry."""
    slope = sum(leg.ratio * features.contracts[features.position(leg.con_id)].strike for leg in legs)
    kind = next(features.contracts[features.position(leg.con_id)].kind for leg in legs)
    # A long call at the lower strike, or a long put at the higher one, is worth 0 to the width.
    width = -kind * slope / PRICE_SCALE
    return (0.0, width) if width > 0.0 else (width, 0.0)


def _time_of_day(now_ns: int) -> dt.time:
    return dt.datetime.fromtimestamp(now_ns // SECOND_NS, tz=NEW_YORK).time()


def _show(price: int) -> str:
    return f"{price / PRICE_SCALE:.2f}"
