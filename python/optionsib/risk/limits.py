"""``LimitChecker``: the limits every order must pass, native underneath.

Checks, in this order; the first that fails is reported by name:

1. ``kill_switch``: a halt stands.
2. ``order_quantity``: units of the order.
3. ``price_grid``: a single leg obeys its contract's market rule, a combination 0.01.
4. ``stale_feed``: a leg's feed, or the underlying's, has been silent for too long.
5. ``stale_change``: a leg's price has not moved for too long.
6. ``price_collar``: the limit lies too far beyond the far touch (the sum of the legs' opposite sides).
7. ``order_delta``, ``order_gamma``, ``order_vega``, ``order_notional``, ``order_loss``.
8. ``portfolio_delta``, ``portfolio_gamma``, ``portfolio_vega``, ``portfolio_notional``,
   ``portfolio_loss``: positions, all working orders and this one, in the worst way.
9. ``order_rate``: new orders within 60 s. Only what is sent counts; a reprice is no new order.

A limit that is not set refuses at its place as ``missing_limit:<name in the configuration>``. A market
value that is not known (NaN) refuses at the check that needs it.

Worst way: per Greek the positive and the negative contributions of working orders are summed apart, and
the worse direction counts; notional is gross, contract by contract; the loss is the worst over every set
of possible fills.

An order *reduces risk* if in none of the possible fills of the other working orders (partial fills
included) filling it too raises the worst loss. Loss includes the cash of the fills, their fees, and one
more fee for closing what is then held; each expiry takes its own worst spot, and a loss without bound is
compared by how fast it grows. At most ``MAX_FILL_COMBINATIONS`` combinations of fills are looked at (the
product of units + 1 over the working orders on the same expiries); beyond that an order does not reduce
risk.

An order also reduces risk if it closes no more than its own trade (``trade_id``) holds, that trade's worst
loss does not rise, and the portfolio's worst loss stays within its limit: trades that offset each other by
chance must not keep each other from being closed.

What reduces risk answers to 3 and 4, and in place of 6 to a collar of ``SANITY_COLLAR`` (where a missing
bid counts as zero, and a missing ask as the most a contract can be worth).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optionsib._native import _core
from optionsib.common.config import LimitsConfig
from optionsib.common.errors import ExecutionError
from optionsib.common.events import RiskVerdict
from optionsib.common.types import MONEY_SCALE, PRICE_SCALE, Contract, Order

UNBOUNDED_LOSS: int = _core.UNBOUNDED_LOSS
MAX_FILL_COMBINATIONS: int = _core.MAX_FILL_COMBINATIONS
SANITY_COLLAR: int = _core.SANITY_COLLAR  # 1/10000 per share


@dataclass(frozen=True, slots=True)
class _Check:
    """How a check is named, its limit in the configuration, and the words of a refusal."""

    name: str
    limit: str
    subject: str
    money: bool = False


# By the native check number.
_CHECKS = (
    _Check("", "", ""),
    _Check("kill_switch", "", "trading is halted"),
    _Check("order_quantity", "max_order_quantity", "order quantity"),
    _Check("price_grid", "", "limit price"),
    _Check("stale_feed", "max_feed_age_seconds", "feed age"),
    _Check("stale_change", "max_change_age_seconds", "age of the last price change"),
    _Check("price_collar", "price_collar", "limit price"),
    _Check("order_delta", "max_order_delta", "order delta"),
    _Check("order_gamma", "max_order_gamma", "order gamma"),
    _Check("order_vega", "max_order_vega", "order vega"),
    _Check("order_notional", "max_order_notional", "order notional"),
    _Check("order_loss", "max_order_loss", "worst loss of the order", money=True),
    _Check("portfolio_delta", "max_portfolio_delta", "portfolio delta"),
    _Check("portfolio_gamma", "max_portfolio_gamma", "portfolio gamma"),
    _Check("portfolio_vega", "max_portfolio_vega", "portfolio vega"),
    _Check("portfolio_notional", "max_portfolio_notional", "portfolio notional"),
    _Check("portfolio_loss", "max_portfolio_loss", "worst loss of the portfolio", money=True),
    _Check("order_rate", "max_orders_per_minute", "orders in the last minute"),
)
_PRICE_GRID = 3
_KILL_SWITCH = 1
_EXCEEDED, _MISSING_LIMIT, _UNKNOWN = 1, 2, 3
_UNKNOWN_ORDER, _BAD_QUANTITY = 1, 2


@dataclass(frozen=True, slots=True)
class Exposure:
    """Portfolio totals in raw units times multiplier.

    ``delta`` (shares), ``gamma`` (shares per 1.00), ``vega`` (currency per 1.00 of volatility) are those
    of the positions; ``worst_*`` the largest magnitude over all fills of working orders. ``notional`` is
    gross, in currency, worst over all fills. NaN = a market value is not known. ``worst_loss`` (money) is
    the cash given out so far, realised results included, plus the worst that positions and fills may
    still cost; None = unbounded.
    """

    delta: float
    gamma: float
    vega: float
    worst_delta: float
    worst_gamma: float
    worst_vega: float
    notional: float
    worst_loss: int | None


def _scaled(value: Decimal | None, scale: int, name: str) -> int | None:
    """Return a Decimal limit in integer units.

    Raises
    ------
    ValueError
        If the limit is finer than one unit.
    """
    if value is None:
        return None
    units = value * scale
    if units != int(units):
        raise ValueError(f"{name} = {value} is finer than 1/{scale}")
    return int(units)


def _limit_values(limits: LimitsConfig) -> dict[str, int | float | None]:
    values: dict[str, int | float | None] = {}
    for name in LimitsConfig.model_fields:
        value = getattr(limits, name)
        if value is not None and (not math.isfinite(value) or value < 0):
            raise ValueError(f"{name} must be finite and >= 0, got {value}")
        if name in ("max_order_loss", "max_portfolio_loss"):
            values[name] = _scaled(value, MONEY_SCALE, name)
        elif name == "price_collar":
            values[name] = _scaled(value, PRICE_SCALE, name)
        elif isinstance(value, Decimal):
            values[name] = float(value)
        else:
            values[name] = value
    return values


class LimitChecker:
    """Judge orders against limits, with positions and working orders kept natively.

    Parameters
    ----------
    limits
        The configuration; a limit of None refuses every order that needs it.
    contracts
        All tradable contracts of one underlying (its options, and the stock if it is traded).
    fees
        Fee estimate of one contract and side by ``con_id``, money units; every contract must be there.

    Raises
    ------
    ValueError
        If a contract is an index or repeated, has no fee, or a limit is negative or not finite.
    """

    def __init__(self, limits: LimitsConfig, contracts: Sequence[Contract], fees: Mapping[int, int]) -> None:
        self._contracts = {contract.con_id: contract for contract in contracts}
        if len(self._contracts) != len(contracts):
            raise ValueError("contracts repeat a con_id")
        expiries = sorted({c.expiry_ns for c in contracts if c.security_type == "OPT"})
        expiry_index = {expiry_ns: i for i, expiry_ns in enumerate(expiries)}
        rows = []
        for contract in contracts:
            if contract.security_type == "IND":
                raise ValueError(f"con_id {contract.con_id} is an index and cannot be traded")
            if contract.con_id not in fees or fees[contract.con_id] < 0:
                raise ValueError(f"con_id {contract.con_id} needs a fee >= 0")
            bands = tuple((band.lower_edge, band.increment) for band in contract.tick_grid.bands)
            expiry = expiry_index.get(contract.expiry_ns, 0) if contract.kind else 0
            rows.append(
                (
                    contract.con_id,
                    contract.kind,
                    expiry,
                    contract.strike,
                    contract.multiplier,
                    fees[contract.con_id],
                    bands,
                )
            )
        self._native = _core.LimitEngine(_limit_values(limits), rows)
        self._handles: dict[str, int] = {}
        self._last_check_ns = 0

    # --- market and state ----------------------------------------------------------------------

    def update_market(
        self,
        con_ids: ArrayLike,
        bid: ArrayLike,
        ask: ArrayLike,
        delta: ArrayLike,
        gamma: ArrayLike,
        vega: ArrayLike,
        feed_age: ArrayLike,
        change_age: ArrayLike,
        spot: float,
        underlying_feed_age: float,
    ) -> None:
        """Take over quotes (currency a share), Greeks (a share) and ages (seconds); NaN = not known.

        All arrays are 1-d and of one length; contracts that are not named keep what they had. A stock
        has delta 1 and no other Greeks whatever is given.

        Raises
        ------
        ValueError
            If the shapes differ or a ``con_id`` is unknown; nothing is changed.
        """

        def column(values: ArrayLike) -> NDArray[np.float64]:
            return np.asarray(values, dtype=np.float64)

        self._native.update_market(
            np.asarray(con_ids, dtype=np.int64),
            column(bid),
            column(ask),
            column(delta),
            column(gamma),
            column(vega),
            column(feed_age),
            column(change_age),
            spot,
            underlying_feed_age,
        )

    def set_halted(self, halted: bool) -> None:
        """Refuse every order that does not reduce risk, until told otherwise."""
        self._native.set_halted(halted)

    def set_position(self, con_id: int, quantity: int) -> None:
        """Set a position (signed contracts), for instance from what the broker reports.

        Raises
        ------
        ValueError
            If ``con_id`` is unknown.
        """
        self._native.set_position(con_id, quantity)

    def set_cash(self, cash: int) -> None:
        """Set the cash flow of the session so far (money, negative = paid), for instance at a restart."""
        self._native.set_cash(cash)

    @property
    def cash(self) -> int:
        """Cash flow booked so far, fee estimates included (money, negative = paid)."""
        return self._native.cash()

    @property
    def positions(self) -> dict[int, int]:
        """Positions that are not zero, by ``con_id``, in the order of the contracts."""
        return self._native.positions()

    @property
    def working_orders(self) -> int:
        """Number of orders that may still fill."""
        return self._native.working_count()

    def exposure(self) -> Exposure:
        """Return portfolio totals, working orders included where the field says so."""
        delta, gamma, vega, worst_delta, worst_gamma, worst_vega, notional, loss = self._native.exposure()
        return Exposure(
            delta=delta,
            gamma=gamma,
            vega=vega,
            worst_delta=worst_delta,
            worst_gamma=worst_gamma,
            worst_vega=worst_vega,
            notional=notional,
            worst_loss=None if loss == UNBOUNDED_LOSS else loss,
        )

    # --- orders --------------------------------------------------------------------------------

    def check(self, candidate_id: str, order: Order, now_ns: int) -> RiskVerdict:
        """Judge one exact order at ``now_ns`` (UTC ns). Nothing is booked.

        If ``order.order_ref`` is working already (a reprice), the order replaces that version in all
        sums. ``max_loss`` of the verdict is the worst loss of this order alone with fees both ways,
        ``UNBOUNDED_LOSS`` where there is no bound.

        Raises
        ------
        ValueError
            If the order is malformed: no legs, an unknown or repeated ``con_id``, a ratio of 0 (or, for
            a single leg, other than +1 and -1), a quantity or price out of range.
        """
        self._last_check_ns = now_ns
        found = self._native.check(order, now_ns, self._handles.get(order.order_ref))
        if found is None:
            raise ValueError(self._malformation(order))
        accepts, reduces_risk, check, finding, value, limit, max_loss, con_id = found
        if accepts:
            reason = "reduces risk" if reduces_risk else "within all limits"
            return RiskVerdict(
                candidate_id=candidate_id,
                order=order,
                accepts=True,
                reduces_risk=reduces_risk,
                reason=reason,
                max_loss=max_loss,
            )
        return self._refusal(
            candidate_id, order, reduces_risk, check, finding, value, limit, max_loss, con_id
        )

    def on_order_working(self, order: Order, now_ns: int | None = None) -> None:
        """Book an order that is being sent; it counts in the rate window once.

        ``now_ns`` defaults to the time of the latest ``check``. A repeated ``order_ref`` only takes over
        the limit price.

        Raises
        ------
        ValueError
            If the order is malformed.
        """
        handle = self._handles.get(order.order_ref)
        if handle is not None:
            self.on_order_modified(order.order_ref, order.limit_price)
            return
        handle = self._native.add_working(order, self._last_check_ns if now_ns is None else now_ns)
        if handle is None:
            raise ValueError(self._malformation(order))
        self._handles[order.order_ref] = handle

    def on_order_modified(self, order_ref: str, limit_price: int) -> None:
        """Book the limit (1/10000) at which a working order stands now.

        Raises
        ------
        ExecutionError
            If the order is unknown.
        """
        self._booked(self._native.reprice(self._handle(order_ref), limit_price), order_ref, limit_price)

    def on_fill(self, order_ref: str, quantity: int, cash: int | None = None) -> None:
        """Book ``quantity`` filled units of an order into the positions of its legs.

        ``cash`` is what they brought in all (money, negative = paid, without fees); None books the
        limit. A fill that arrives after ``on_order_done`` is booked too.

        Raises
        ------
        ExecutionError
            If the order is unknown or has fewer units open; nothing is changed.
        """
        self._booked(self._native.fill(self._handle(order_ref), quantity, cash), order_ref, quantity)

    def on_order_done(self, order_ref: str) -> None:
        """Book that an order will not fill any more (cancelled, rejected, filled); may repeat.

        Raises
        ------
        ExecutionError
            If the order is unknown.
        """
        self._native.finish(self._handle(order_ref))

    # --- inside --------------------------------------------------------------------------------

    def _handle(self, order_ref: str) -> int:
        handle = self._handles.get(order_ref)
        if handle is None:
            raise ExecutionError(f"order {order_ref!r} was never booked as working; nothing was changed")
        return handle

    def _booked(self, booking: int, order_ref: str, value: int) -> None:
        if booking != 0:
            what = "units are not open" if booking == _BAD_QUANTITY else "is out of range"
            raise ExecutionError(f"order {order_ref!r}: {value} {what}; nothing was changed")

    def _refusal(
        self,
        candidate_id: str,
        order: Order,
        reduces_risk: bool,
        number: int,
        finding: int,
        value: float,
        limit: float,
        max_loss: int,
        con_id: int | None,
    ) -> RiskVerdict:
        check = _CHECKS[number]
        name = check.name
        where = "" if con_id is None else f" of {self._name(con_id)}"
        if check.money and finding == _EXCEEDED:
            value, limit = value / MONEY_SCALE, limit / MONEY_SCALE
        if finding == _MISSING_LIMIT:
            name = f"missing_limit:{check.limit}"
            reason = f"the limit {check.limit} is not set"
        elif finding == _UNKNOWN:
            value = 0.0
            what = {"price_collar": "the quote"}.get(name, check.subject)
            source = where or (" of the underlying" if name == "stale_feed" else "")
            reason = f"{what}{source} is not known"
        elif number == _KILL_SWITCH:
            reason = check.subject
        elif number == _PRICE_GRID:
            reason = f"limit price {value:.4f} is not on the tick grid"
        else:
            reason = f"{check.subject}{where} {value:g} is above the limit of {limit:g}"
        return RiskVerdict(
            candidate_id=candidate_id,
            order=order,
            accepts=False,
            reduces_risk=reduces_risk,
            reason=reason,
            check=name,
            value=value,
            limit=limit,
            max_loss=max_loss,
        )

    def _name(self, con_id: int) -> str:
        contract = self._contracts[con_id]
        return contract.local_symbol or f"con_id {con_id}"

    def _malformation(self, order: Order) -> str:
        """Say what is wrong with an order that the core would not read."""
        con_ids = [leg.con_id for leg in order.legs]
        unknown = [con_id for con_id in con_ids if con_id not in self._contracts]
        problem = f"limit price {order.limit_price}, quantity {order.quantity} or ratios are out of range"
        if not con_ids:
            problem = "it has no legs"
        elif unknown:
            problem = f"con_id {unknown[0]} is unknown"
        elif len(set(con_ids)) != len(con_ids):
            problem = f"a con_id repeats in its legs {con_ids}"
        elif any(leg.ratio == 0 for leg in order.legs):
            problem = "a leg has ratio 0"
        elif len(con_ids) == 1 and abs(order.legs[0].ratio) != 1:
            problem = f"a single leg needs ratio +1 or -1, got {order.legs[0].ratio}"
        elif order.quantity <= 0:
            problem = f"quantity must be positive, got {order.quantity}"
        return f"order {order.order_ref!r} is malformed: {problem}"
