"""Limit checks: single legs checked and reserved by record and by call, and a two-leg order judged.

Single legs: against openpit (validation, rate and size policies on orders made before, in an environment
of its own), nine checks in plain Python, and a null call.

Two legs: one check of a two-leg order with positions and working orders, against nine checks in plain Python.

The peer makes the same nine checks on the same state (working orders in the worst way, worst loss of order
and portfolio over all fills) and must give the same verdict; it does not judge whether an order reduces
risk, which ours does on top. The floor is a native call that does next to nothing.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from benchmarks.harness import Row, SelfTimed, compare
from benchmarks.peer_process import PeerProcess
from optionsib.book import OrderBook
from optionsib.common.config import LimitsConfig
from optionsib.common.types import OPTION_GRID, SECOND_NS, Contract, Order, OrderLeg
from optionsib.risk.limits import ORDER_RECORD, VERDICT_RECORD, LimitChecker

FEE = 650_000
SPOT = 55.0
CHECKS = 500
LIMITS = LimitsConfig(
    max_order_quantity=10,
    max_order_delta=1_000.0,
    max_order_gamma=100.0,
    max_order_vega=10_000.0,
    max_order_notional=Decimal(1_000_000),
    max_order_loss=Decimal(2_000),
    max_order_price=Decimal(1_000),
    max_position=1_000_000,
    max_open_quantity=1_000_000,
    max_open_orders=1_000_000,
    max_credit=Decimal(1_000_000_000),
    max_daily_loss=Decimal(1_000_000_000),
    max_portfolio_delta=250.0,
    max_portfolio_gamma=200.0,
    max_portfolio_vega=20_000.0,
    max_portfolio_notional=Decimal(2_000_000),
    max_portfolio_loss=Decimal(20_000),
    max_scenario_loss=Decimal(1_000_000_000),
    price_collar=Decimal("0.20"),
    max_orders_per_minute=100,
    duplicate_window_seconds=0.0,
    max_order_to_trade=1e12,
    max_repeated_executions=1_000,
    repeated_executions_window_seconds=1.0,
    max_protection_quantity=1_000_000,
    protection_window_seconds=1.0,
    max_feed_age_seconds=60.0,
    max_change_age_seconds=900.0,
    **{
        f"max_{scope}_{what}": 1e12
        for scope in ("strategy", "underlying", "expiry")
        for what in ("delta", "gamma", "vega", "notional")
    },
)
CONTRACTS = tuple(
    Contract(
        con_id=1 + i,
        symbol="XYZ",
        security_type="OPT",
        multiplier=100,
        right="C",
        strike=strike * 10_000,
        expiry_ns=1_000 * SECOND_NS,
        tick_grid=OPTION_GRID,
    )
    for i, strike in enumerate(range(40, 71))
)
STRIKE = np.array([c.strike / 10_000 for c in CONTRACTS])
MID = np.round(np.maximum(SPOT - STRIKE, 0.0) + 3.0 * np.exp(-np.abs(STRIKE - SPOT) / 4.0), 1)
BID, ASK = MID - 0.05, MID + 0.05
DELTA = 1.0 / (1.0 + np.exp((STRIKE - SPOT) / 3.0))
GAMMA = DELTA * (1.0 - DELTA) / 3.0
VEGA = 40.0 * GAMMA


def vertical(ref: str, low: int, width: int, limit: int, quantity: int) -> Order:
    """Buy the call spread between two listed strikes."""
    legs = (OrderLeg(CONTRACTS[low].con_id, 1), OrderLeg(CONTRACTS[low + width].con_id, -1))
    return Order(
        order_ref=ref,
        trade_id="t",
        legs=legs,
        quantity=quantity,
        limit_price=limit,
        purpose="open",
        strategy="bench",
    )


class PlainChecker:
    """The nine checks as one would write them in Python."""

    def __init__(self, working: list[Order]) -> None:
        self.contracts = {c.con_id: c for c in CONTRACTS}
        columns = zip(BID.tolist(), ASK.tolist(), DELTA.tolist(), GAMMA.tolist(), VEGA.tolist(), strict=True)
        self.market = {c.con_id: values for c, values in zip(CONTRACTS, columns, strict=True)}
        self.ages = {c.con_id: (0.0, 30.0) for c in CONTRACTS}
        self.positions: dict[int, int] = {}
        self.working = working
        self.sent: list[int] = []
        self.halted = False

    def check(self, order: Order, now_ns: int) -> str:
        """Return the name of the first failed check, empty if it passes."""
        limits = LIMITS
        if self.halted:
            return "kill_switch"
        if order.quantity > (limits.max_order_quantity or 0):
            return "order_quantity"
        if order.limit_price % 100:
            return "price_grid"
        if any(self.ages[leg.con_id][0] > (limits.max_feed_age_seconds or 0) for leg in order.legs):
            return "stale_feed"
        if any(self.ages[leg.con_id][1] > (limits.max_change_age_seconds or 0) for leg in order.legs):
            return "stale_change"
        far = sum(leg.ratio * self.market[leg.con_id][1 if leg.ratio > 0 else 0] for leg in order.legs)
        if order.limit_price > round(far * 10_000) + int((limits.price_collar or 0) * 10_000):
            return "price_collar"
        return self.exposure(order) or self.rate(now_ns)

    def rate(self, now_ns: int) -> str:
        """Check the order rate."""
        recent = sum(1 for sent in self.sent if sent > now_ns - 60 * SECOND_NS)
        return "" if recent < (LIMITS.max_orders_per_minute or 0) else "order_rate"

    def exposure(self, order: Order) -> str:
        """Check Greeks, notional and loss of the order and of the portfolio."""
        limits = LIMITS
        own = [self.greek(order, which) for which in (2, 3, 4)]
        order_limits = (limits.max_order_delta, limits.max_order_gamma, limits.max_order_vega)
        for name, value, limit in zip(("delta", "gamma", "vega"), own, order_limits, strict=True):
            if abs(value) > (limit or 0):
                return f"order_{name}"
        gross = sum(abs(leg.ratio) for leg in order.legs) * order.quantity * 100 * SPOT
        if gross > (limits.max_order_notional or 0):
            return "order_notional"
        if self.loss([order]) > (limits.max_order_loss or 0) * 1_000_000:
            return "order_loss"
        orders = [*self.working, order]
        portfolio = (limits.max_portfolio_delta, limits.max_portfolio_gamma, limits.max_portfolio_vega)
        for which, name, limit in zip((2, 3, 4), ("delta", "gamma", "vega"), portfolio, strict=True):
            parts = [self.greek(o, which) for o in orders]
            high = sum(part for part in parts if part > 0)
            low = sum(part for part in parts if part < 0)
            if max(high, -low) > (limit or 0):
                return f"portfolio_{name}"
        bought: dict[int, int] = {}
        sold: dict[int, int] = {}
        for o in orders:
            for leg in o.legs:
                side = bought if leg.ratio > 0 else sold
                side[leg.con_id] = side.get(leg.con_id, 0) + abs(leg.ratio) * o.quantity
        gross = sum(max(bought.get(c, 0), sold.get(c, 0)) for c in bought | sold) * 100 * SPOT
        if gross > (limits.max_portfolio_notional or 0):
            return "portfolio_notional"
        subsets = itertools.product((False, True), repeat=len(orders))
        worst = max(self.loss([o for o, filled in zip(orders, s, strict=True) if filled]) for s in subsets)
        return "portfolio_loss" if worst > (limits.max_portfolio_loss or 0) * 1_000_000 else ""

    def greek(self, order: Order, which: int) -> float:
        """Sum one Greek over the legs."""
        return sum(leg.ratio * self.market[leg.con_id][which] for leg in order.legs) * order.quantity * 100

    def loss(self, filled: list[Order]) -> float:
        """Return the worst loss at expiry if exactly these orders fill."""
        held: dict[int, int] = {}
        cash = 0
        for order in filled:
            cash -= order.limit_price * 10_000 * order.quantity
            for leg in order.legs:
                held[leg.con_id] = held.get(leg.con_id, 0) + leg.ratio * order.quantity
                cash -= abs(leg.ratio) * order.quantity * FEE
        strikes = {con_id: self.contracts[con_id].strike for con_id in held}
        if sum(held.values()) < 0:
            return float("inf")
        closing = sum(abs(quantity) for quantity in held.values()) * FEE
        lowest = min(
            sum(quantity * max(spot - strikes[con_id], 0) for con_id, quantity in held.items()) * 10_000
            for spot in (0, *strikes.values())
        )
        return closing - cash - lowest


def rows() -> list[Row]:
    """Measure single legs by record and by call, then two legs with none and with three working orders."""
    with PeerProcess("risk") as risk:
        return [*single_leg_rows(risk), *two_leg_rows()]


ORDERS = 1_000
SECONDS_APART = 0.001  # one order a millisecond
WIDE = LIMITS.model_copy(
    update={
        **{f"max_portfolio_{what}": 1e12 for what in ("delta", "gamma", "vega")},
        "max_order_loss": Decimal(10**9),
        "max_portfolio_loss": Decimal(10**9),
        "max_portfolio_notional": Decimal(10**12),
        "max_orders_per_minute": 500_000,
        "duplicate_window_seconds": 1e-6,
        "max_feed_age_seconds": 1e9,
        "max_change_age_seconds": 1e9,
    }
)


class PlainSingle:
    """Nine checks of a single leg as one would write them in Python; books what passes."""

    def __init__(self) -> None:
        self.halted = False
        self.bid = {n: round(value * 10_000) for n, value in enumerate(BID.tolist())}
        self.ask = {n: round(value * 10_000) for n, value in enumerate(ASK.tolist())}
        self.position = dict.fromkeys(range(len(CONTRACTS)), 0)
        self.open_orders = 0
        self.cash = 0
        self.sent: deque[int] = deque()

    def submit(self, time_ns: int, contract: int, side: int, quantity: int, price: int) -> bool:
        """Check and book one order."""
        sent = self.sent
        while sent and sent[0] <= time_ns - 60 * SECOND_NS:
            sent.popleft()
        if self.halted or quantity <= 0 or quantity > 10 or price <= 0 or price > 10_000_000:
            return False
        if side > 0:
            if price > self.ask[contract] + 2_000:
                return False
        elif price < self.bid[contract] - 2_000:
            return False
        if quantity * 100 * SPOT > 1_000_000 or abs(self.position[contract] + side * quantity) > 1_000_000:
            return False
        if self.open_orders >= 1_000_000 or len(sent) >= 500_000:
            return False
        self.position[contract] += side * quantity
        self.open_orders += 1
        sent.append(time_ns)
        return True


def steady(contender: Callable[[], tuple[Any, float]]) -> SelfTimed:
    """Return ``contender`` as it is after a few turns in a row: the median of twenty."""

    def repeated() -> tuple[Any, float]:
        turns = [contender() for _ in range(20)]
        return turns[-1][0], statistics.median(seconds for _, seconds in turns)

    return SelfTimed(repeated)


def single_leg_rows(risk: PeerProcess) -> list[Row]:
    """Check and reserve single-leg orders: a batch, one row, one call; losses off and on."""
    rng = np.random.default_rng(6)
    records = np.zeros(ORDERS, dtype=ORDER_RECORD)
    records["time_ns"] = (np.arange(ORDERS) * SECONDS_APART * SECOND_NS).astype(np.int64)
    records["contract"] = rng.integers(0, len(CONTRACTS), ORDERS)
    records["side"] = 1
    records["quantity"] = rng.integers(1, 13, ORDERS)
    ask = np.round(ASK * 100).astype(np.int64)[records["contract"]]
    records["price"] = np.maximum((ask + rng.integers(-5, 22, ORDERS)) // 5 * 5, 5) * 100

    def arguments() -> list[tuple[int, ...]]:
        columns = (records[name].tolist() for name in ("time_ns", "contract", "side", "quantity", "price"))
        return list(zip(*columns, strict=True))

    def engine(*, losses: bool) -> LimitChecker:
        moves = (-0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15)
        grid = {"scenario_spot_moves": moves, "scenario_volatility_moves": (-0.25, 0.0, 0.25)}
        limits = WIDE.model_copy(update=grid)
        made = LimitChecker(limits, CONTRACTS, {c.con_id: FEE for c in CONTRACTS}, judges_losses=losses)
        size = len(CONTRACTS)
        ids = [c.con_id for c in CONTRACTS]
        made.update_market(ids, BID, ASK, DELTA, GAMMA, VEGA, np.zeros(size), np.zeros(size), SPOT, 0.0)
        made.update_scenarios(ids, np.full(size, SPOT), np.full(size, 0.1), np.full(size, 0.3))
        return made

    found = []
    for losses in (False, True):
        native = engine(losses=losses)
        verdicts = np.zeros(ORDERS, dtype=VERDICT_RECORD)
        submit, submit_row = native.order_submitter(), native.row_submitter(records, verdicts)

        open_handles: list[int] = []

        def clear(native: Any = native, keep: list[int] = open_handles) -> None:
            for handle in keep:
                native.on_handle_done(handle)
            keep.clear()

        def batch(
            native: Any = native, verdicts: Any = verdicts, keep: list[int] = open_handles, clear: Any = clear
        ) -> tuple[Any, float]:
            records["time_ns"] += 2 * SECOND_NS
            start = time.perf_counter()
            native.submit_batch(records, verdicts)
            seconds = time.perf_counter() - start
            accepts = verdicts["accepts"].astype(bool)
            keep.extend(verdicts["handle"][accepts].tolist())
            clear()
            return accepts, seconds

        def rowwise(
            row: Any = submit_row,
            verdicts: Any = verdicts,
            keep: list[int] = open_handles,
            clear: Any = clear,
        ) -> tuple[Any, float]:
            records["time_ns"] += 2 * SECOND_NS
            start = time.perf_counter()
            for n in range(ORDERS):
                row(n)
            seconds = time.perf_counter() - start
            accepts = verdicts["accepts"].astype(bool)
            keep.extend(verdicts["handle"][accepts].tolist())
            clear()
            return accepts, seconds

        def calls(
            submit: Any = submit, keep: list[int] = open_handles, clear: Any = clear
        ) -> tuple[Any, float]:
            records["time_ns"] += 2 * SECOND_NS
            orders = arguments()
            start = time.perf_counter()
            answers = [submit(*order) for order in orders]
            seconds = time.perf_counter() - start
            keep.extend(handle for handle in answers if handle > 0)
            clear()
            return np.array(answers) > 0, seconds

        def plain() -> tuple[Any, float]:
            checker, orders = PlainSingle(), arguments()
            start = time.perf_counter()
            answers = [checker.submit(*order) for order in orders]
            return np.array(answers), time.perf_counter() - start

        def null() -> None:
            nothing = len
            for _ in range(ORDERS):
                nothing(())

        def same(answers: dict[str, Any]) -> None:
            ours = answers["ours"]
            assert 0.2 * ORDERS < ours.sum() < 0.9 * ORDERS, "too few pass or are refused"
            assert np.array_equal(ours, answers["plain Python, 9 checks"]), (
                "verdicts differ from plain Python"
            )
            if "openpit 0.10, 3 policies" in answers:
                allowed = answers["openpit 0.10, 3 policies"]["allowed"].astype(bool)
                assert np.array_equal(allowed, records["quantity"] <= 10), "openpit judged otherwise"

        peers: dict[str, Any] = {"plain Python, 9 checks": steady(plain), "floor: null call": null}
        columns = {name: records[name].astype(np.float64) for name in ("contract", "quantity", "price")}
        skipped = {"openpit 0.10, 3 policies": risk.missing} if risk.missing else {}
        what = "all 50 checks" if losses else "47 checks, no losses"
        for name, ours in (
            ("batch of 1,000", batch),
            ("one row number", rowwise),
            ("one call of 5 ints", calls),
        ):
            if not risk.missing:  # anew: a contender gives its answers once
                peers["openpit 0.10, 3 policies"] = risk.contender("check", "risk", columns)
            found.append(
                compare(
                    f"check + reserve, {what}: {name}", steady(ours), peers, same, items=ORDERS, rounds=9,
                    skipped=skipped,
                )
            )  # fmt: skip
    return found


def two_leg_rows() -> list[Row]:
    """Measure two-leg orders with none and with three working orders."""
    found = []
    rng = np.random.default_rng(4)
    for count in (0, 3):
        working = [vertical(f"w{n}", 12 + 3 * n, 4, 20_000, 1) for n in range(count)]
        checker = LimitChecker(LIMITS, CONTRACTS, {c.con_id: FEE for c in CONTRACTS})
        size = len(CONTRACTS)
        con_ids = [c.con_id for c in CONTRACTS]
        ages = np.full(size, 30.0)
        checker.update_market(con_ids, BID, ASK, DELTA, GAMMA, VEGA, np.zeros(size), ages, SPOT, 0.0)
        for order in working:
            checker.on_order_working(order, 0)
        plain = PlainChecker(working)
        plain.sent = [0] * count
        candidates = []
        for n in range(CHECKS):
            low, width = int(rng.integers(5, 20)), int(rng.integers(1, 6))
            far = round((ASK[low] - BID[low + width]) * 100) * 100
            offset = int(rng.integers(-60, 25)) * 100
            candidates.append(vertical(f"c{n}", low, width, far + offset, int(rng.integers(1, 13))))

        def ours(checker: LimitChecker = checker, candidates: list[Order] = candidates) -> list[str]:
            return [checker.check("c", order, 0).check for order in candidates]

        def theirs(plain: PlainChecker = plain, candidates: list[Order] = candidates) -> list[str]:
            return [plain.check(order, 0) for order in candidates]

        def floor() -> None:
            null = OrderBook().__len__
            for _ in range(CHECKS):
                null()

        def check(
            answers: dict[str, Any], checker: LimitChecker = checker, candidates: list[Order] = candidates
        ) -> None:
            reducing = [checker.check("c", order, 0).reduces_risk for order in candidates]
            pairs = zip(answers["ours"], answers["plain Python"], reducing, strict=True)
            different = [(a, b) for a, b, reduces in pairs if a != b and not reduces]
            assert not different, f"verdicts differ: {different[:5]}"
            assert len(set(answers["ours"])) > 3, "the orders exercise too few checks"
            assert answers["ours"].count("") > CHECKS // 5, "too few orders pass"

        found.append(
            compare(
                f"limit check, {count} working orders",
                ours,
                {"plain Python": theirs, "floor: null call": floor},
                check,
                items=CHECKS,
            )
        )
    return found
