"""``LimitChecker``: the limits every order must pass, native underneath.

``docs/limits.md`` lists every check: what is compared with what, and what it never stops. They run in the
order of ``CHECK_NAMES``, and the first that fails is reported by name with value and limit.

A limit that is not set refuses at its place as ``missing_limit:<name in the configuration>``. A market
value that is not known (NaN) refuses at the check that needs it.

Worst way: per Greek the positive and the negative contributions of working orders are summed apart, and the
worse direction counts; notional is gross, contract by contract; losses are the worst over every set of
possible fills.

An order *reduces risk* if in none of the possible fills of the other working orders (partial fills
included) filling it too raises the worst loss. Loss includes the cash of the fills, their fees, and one
more fee for closing what is then held; each expiry takes its own worst spot, and a loss without bound is
compared by how fast it grows. At most ``MAX_FILL_COMBINATIONS`` combinations of fills are looked at (the
product of units + 1 over the working orders on the same expiries); beyond that an order does not reduce
risk.

An order also reduces risk if it closes no more than its own trade (``trade_id``) holds, that trade's worst
loss does not rise, and the portfolio's worst loss stays within its limit: trades that offset each other by
chance must not keep each other from being closed.

A new trade (``purpose`` "open") is judged in full, whatever it happens to offset. What reduces risk answers
to the checks in ``STILL_ANSWERS`` alone, to ``order_quantity`` too where it hedges instead of closing what
is held, and in place of ``price_collar`` to a collar of ``SANITY_COLLAR`` (where a missing bid counts as
zero, and a missing ask as the most a contract can be worth). Nothing here ever refuses a cancel.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from optionsib._native import _core
from optionsib.common.config import LimitsConfig
from optionsib.common.errors import ExecutionError
from optionsib.common.events import RiskVerdict
from optionsib.common.types import MONEY_SCALE, Contract, Order, OrderLeg
from optionsib.risk.limit_types import Exposure, State
from optionsib.risk.limit_values import contract_rows, limit_values
from optionsib.risk.records import CHECK_NAMES, ORDER_RECORD, STILL_ANSWERS, VERDICT_RECORD
from optionsib.risk.refusals import describe, malformation
from optionsib.risk.scenarios import scenario_gains

__all__ = [
    "CHECK_NAMES", "MAX_FILL_COMBINATIONS", "ORDER_RECORD", "SANITY_COLLAR", "STILL_ANSWERS",
    "UNBOUNDED_LOSS", "VERDICT_RECORD", "Exposure", "LimitChecker", "State",
]  # fmt: skip

UNBOUNDED_LOSS: int = _core.UNBOUNDED_LOSS
MAX_FILL_COMBINATIONS: int = _core.MAX_FILL_COMBINATIONS
SANITY_COLLAR: int = _core.SANITY_COLLAR  # 1/10000 per share


_UNKNOWN_ORDER, _BAD_QUANTITY = 1, 2
_MOST_SCENARIOS = 64
_DIGEST_SIZE = 16


class _Stored(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A snapshot: the native books, and the names of strategies, trades and orders in them."""

    books: bytes
    strategies: dict[str, int]
    trades: dict[str, int]
    handles: dict[str, int]
    last_check_ns: int


def _digest(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=_DIGEST_SIZE).digest()


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
    orders
        How many may work at a time; an order that ended is remembered until as many came after it.
    judges_losses
        False: ``order_loss``, ``portfolio_loss`` and ``scenario_loss`` are judged elsewhere.

    Raises
    ------
    ValueError
        If a contract is an index or repeated, has no fee, or a limit is negative or not finite.
    """

    def __init__(
        self,
        limits: LimitsConfig,
        contracts: Sequence[Contract],
        fees: Mapping[int, int],
        *,
        orders: int = 4096,
        judges_losses: bool = True,
    ) -> None:
        self._contracts = {contract.con_id: contract for contract in contracts}
        if len(self._contracts) != len(contracts):
            raise ValueError("contracts repeat a con_id")
        self._moves = np.array(
            list(itertools.product(limits.scenario_spot_moves, limits.scenario_volatility_moves)),
            dtype=np.float64,
        ).reshape(-1, 2)
        if len(self._moves) > _MOST_SCENARIOS:
            raise ValueError(f"at most {_MOST_SCENARIOS} scenarios, got {len(self._moves)}")
        self._native = _core.LimitEngine(
            limit_values(limits),
            contract_rows(contracts, fees),
            scenarios=len(self._moves),
            orders=orders,
            judges_losses=judges_losses,
        )
        self._limits = limits
        self._restricted: set[int] = set()
        self._restrict(limits.restricted)
        self._fees = dict(fees)
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
        now_ns: int = 0,
    ) -> None:
        """Take over quotes (currency a share), Greeks (a share) and ages (seconds); NaN = not known.

        All arrays are 1-d and of one length; contracts that are not named keep what they had. A stock
        has delta 1 and no other Greeks whatever is given. ``now_ns`` is the instant of the ages: they grow
        until the order is checked.

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
            now_ns,
        )

    def update_scenarios(
        self,
        con_ids: ArrayLike,
        forward: ArrayLike,
        time_to_expiry: ArrayLike,
        volatility: ArrayLike,
    ) -> None:
        """Revalue contracts in every cell of the grid of moves (Black-76, not discounted).

        1-d, one an entry of ``con_ids``: currency a share, years, annualised; of a stock only the first
        counts. A contract with a NaN has no row: an order in it is refused, and
        every order that adds risk while it is held. Does nothing where the configuration has no grid.

        Raises
        ------
        ValueError
            If the shapes differ or a ``con_id`` is unknown.
        """
        if not len(self._moves):
            return
        numbers = np.asarray(con_ids, dtype=np.int64)
        unknown = [int(con_id) for con_id in numbers if int(con_id) not in self._contracts]
        if unknown:
            raise ValueError(f"unknown con_id {unknown[0]}")
        named = [self._contracts[int(con_id)] for con_id in numbers]
        gains = scenario_gains(named, forward, time_to_expiry, volatility, self._moves)
        self._native.update_scenarios(numbers, gains)

    @property
    def limits(self) -> LimitsConfig:
        """The limits in force."""
        return self._limits

    def set_limits(self, limits: LimitsConfig) -> None:
        """Take over other limits, for every order from now on. The grid of scenarios stays as it was made.

        Raises
        ------
        ValueError
            If a limit is negative, not finite or too fine, or the grid differs; nothing is changed.
        """
        moves = ("scenario_spot_moves", "scenario_volatility_moves")
        if any(getattr(limits, name) != getattr(self._limits, name) for name in moves):
            raise ValueError("the grid of scenarios cannot change while trading; nothing was changed")
        self._native.set_limits(limit_values(limits))
        self._limits = limits
        self._restrict(limits.restricted)

    def _restrict(self, symbols: Sequence[str]) -> None:
        wanted = {con_id for con_id, contract in self._contracts.items() if contract.symbol in symbols}
        for con_id in self._restricted ^ wanted:
            self._native.set_restricted(con_id, con_id in wanted)
        self._restricted = wanted

    @property
    def state(self) -> State:
        """What may leave."""
        return State(self._native.state())

    def set_state(self, state: State) -> None:
        """Say what may leave from now on."""
        self._native.set_state(int(state))

    def set_halted(self, halted: bool) -> None:
        """Refuse every order that does not reduce risk, until told otherwise."""
        self.set_state(State.HALTED if halted else State.ACTIVE)

    def set_account_state(self, state: State, account: int = 0) -> None:
        """Say what may leave for one account.

        Raises
        ------
        ValueError
            If there is no such account.
        """
        self._native.set_account_state(account, int(state))

    def set_account_enabled(self, enabled: bool, account: int = 0) -> None:
        """Let an account trade, or not at all (not even what reduces risk).

        Raises
        ------
        ValueError
            If there is no such account.
        """
        self._native.set_account_enabled(account, enabled)

    def set_tradable(self, con_id: int, tradable: bool) -> None:
        """Say whether a contract trades at all (suspended, expired).

        Raises
        ------
        ValueError
            If ``con_id`` is unknown.
        """
        self._native.set_tradable(con_id, tradable)

    def reset_repeated_executions(self, strategy: str) -> None:
        """Let a strategy go on that its executions stopped."""
        self._native.reset_repeated_executions(strategy)

    def reset_protection(self) -> None:
        """Go on after market-maker protection tripped."""
        self._native.reset_protection()

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

    def deliver(self, con_id: int, quantity: int, cash: int, trade_id: str, strategy: str) -> None:
        """Book contracts that came (or went, negative) without an order: exercise, assignment, expiry.

        ``cash`` is what they brought in (money, negative = paid). Positions, what the trade holds, and cash
        follow; nothing counts as an execution of ours.

        Raises
        ------
        ValueError
            If ``con_id`` is unknown.
        """
        self._native.deliver(con_id, quantity, cash, trade_id, strategy)

    @property
    def con_ids(self) -> tuple[int, ...]:
        """The contracts, in their order."""
        return tuple(self._contracts)

    def unit_fee(self, legs: Sequence[OrderLeg]) -> int:
        """Return the fee estimate (money) of one unit of ``legs``, one way.

        Raises
        ------
        ValueError
            If a leg's contract is unknown.
        """
        unknown = [leg.con_id for leg in legs if leg.con_id not in self._fees]
        if unknown:
            raise ValueError(f"con_id {unknown[0]} is unknown")
        return sum(abs(leg.ratio) * self._fees[leg.con_id] for leg in legs)

    def snapshot(self) -> bytes:
        """Return everything that bookings, states and switches have made, for ``restore``.

        Positions, cash, working orders and their handles, counts and windows of time, what tripped,
        suspended contracts. Not the limits, the market, or the rows of scenarios: those are told anew.
        """
        books, strategies, trades = self._native.snapshot()
        stored = _Stored(books, strategies, trades, self._handles, self._last_check_ns)
        payload = msgspec.msgpack.encode(stored)
        return _digest(payload) + payload

    def restore(self, snapshot: bytes) -> None:
        """Take over a ``snapshot`` in place of all that; the orders after it follow as they happened.

        Raises
        ------
        ValueError
            If it is damaged, or of other contracts or room for orders; nothing is changed.
        """
        stored: _Stored | None = None
        if snapshot[:_DIGEST_SIZE] == _digest(snapshot[_DIGEST_SIZE:]):
            stored = msgspec.msgpack.decode(snapshot[_DIGEST_SIZE:], type=_Stored)
        if stored is None or not self._native.restore(stored.books, stored.strategies, stored.trades):
            raise ValueError(
                "the snapshot is damaged, or of other contracts or room for orders; nothing was changed"
            )
        self._handles = stored.handles
        self._last_check_ns = stored.last_check_ns

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
        delta, gamma, vega, worst_delta, worst_gamma, worst_vega, notional, loss, scenario, profit = (
            self._native.exposure()
        )
        return Exposure(
            delta=delta,
            gamma=gamma,
            vega=vega,
            worst_delta=worst_delta,
            worst_gamma=worst_gamma,
            worst_vega=worst_vega,
            notional=notional,
            worst_loss=None if loss == UNBOUNDED_LOSS else loss,
            scenario_loss=scenario * MONEY_SCALE,
            profit=profit,
        )

    # --- orders --------------------------------------------------------------------------------

    def check(self, candidate_id: str, order: Order, now_ns: int, *, closes: bool = False) -> RiskVerdict:
        """Judge one exact order at ``now_ns`` (UTC ns). Nothing is booked.

        If ``order.order_ref`` is working already (other terms for it), the order replaces that version in
        all sums; its quantity is then what would still be open. Made smaller, and no dearer, it reduces
        risk. With other legs, or of another trade or strategy, it is refused as ``malformed``. ``max_loss``
        of the verdict is the worst loss of this order alone with fees both ways, ``UNBOUNDED_LOSS`` where
        there is no bound. ``closes``: the caller knows that it closes what is held, whatever the losses
        say; it answers to what every order that reduces risk answers to.

        Raises
        ------
        ValueError
            If the order is malformed: no legs, an unknown or repeated ``con_id``, a ratio of 0 (or, for
            a single leg, other than +1 and -1), a quantity or price out of range.
        """
        self._last_check_ns = now_ns
        found = self._native.check(order, now_ns, self._handles.get(order.order_ref, 0), closes)
        if found is None:
            raise ValueError(malformation(order, self._contracts))
        return self._verdict(candidate_id, order, found)

    def submit(self, candidate_id: str, order: Order, now_ns: int) -> RiskVerdict:
        """Judge an order and, if it passes, book it as working, in one step.

        For callers on several threads: no two orders can breach a limit together. Follow with ``on_fill`` and
        ``on_order_done`` as after ``on_order_working``.

        Raises
        ------
        ValueError
            If the order is malformed.
        """
        self._last_check_ns = now_ns
        found = self._native.submit(order, now_ns, self._handles.get(order.order_ref, 0))
        if found is None:
            raise ValueError(malformation(order, self._contracts))
        answer, handle = found
        if handle:
            self._handles[order.order_ref] = handle
        return self._verdict(candidate_id, order, answer)

    def _verdict(
        self,
        candidate_id: str,
        order: Order,
        found: tuple[bool, bool, int, int, float, float, int, int | None],
    ) -> RiskVerdict:
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

    # --- single legs, quickly ------------------------------------------------------------------

    def number(self, con_id: int) -> int:
        """Return the number that stands for a contract in records.

        Raises
        ------
        ValueError
            If ``con_id`` is unknown.
        """
        return self._native.number(con_id)

    def strategy_number(self, name: str) -> int:
        """Return the number that stands for a strategy in records; a new name gets one."""
        return self._native.strategy(name)

    def submit_batch(self, records: NDArray[Any], verdicts: NDArray[Any]) -> int:
        """Judge and book an array of ``ORDER_RECORD``, writing ``VERDICT_RECORD``; return how many passed.

        Nothing is copied, nothing is allocated, and other threads run meanwhile. A record with any content is
        allowed: one that makes no sense is refused as ``malformed``.

        Raises
        ------
        ValueError
            If an array is not contiguous, has other items, or the lengths differ.
        """
        return self._native.submit_batch(records, verdicts)

    def row_submitter(self, records: NDArray[Any], verdicts: NDArray[Any]) -> Callable[[int], int]:
        """Return a function of a row number that does the same for one row.

        It returns the number of the check that refused, 0 if the order passed. Both arrays are kept.

        Raises
        ------
        ValueError
            As ``submit_batch``; the function itself raises ``IndexError`` for a row that is not there.
        """
        return self._native.row_submitter(records, verdicts)

    def order_submitter(self) -> Callable[..., int]:
        """Return ``submit(time_ns, contract, side, quantity, price, strategy=0, account=0)``.

        It returns the handle of the order that works from now on, or minus the number of the check that
        refused.
        """
        return self._native.order_submitter()

    def on_handle_filled(self, handle: int, quantity: int, cash: int | None = None, now_ns: int = 0) -> None:
        """Book filled contracts of an order submitted as a record; as ``on_fill``.

        Raises
        ------
        ExecutionError
            If the handle is unknown or has fewer contracts open; nothing is changed.
        """
        self._booked(self._native.fill(handle, quantity, cash, now_ns), str(handle), quantity)

    def on_handle_done(self, handle: int) -> None:
        """Book that an order submitted as a record will not fill any more.

        Raises
        ------
        ExecutionError
            If the handle is unknown.
        """
        self._booked(self._native.finish(handle), str(handle), 0)

    # --- bookings ------------------------------------------------------------------------------

    def on_order_working(self, order: Order, now_ns: int | None = None) -> None:
        """Book an order that is being sent; it counts in the rate window once.

        ``now_ns`` defaults to the time of the latest ``check``. A repeated ``order_ref`` takes over the
        quantity, as what is open now, and the limit price.

        Raises
        ------
        ValueError
            If the order is malformed.
        ExecutionError
            If more orders work than there is room for.
        """
        handle = self._handles.get(order.order_ref)
        if handle is not None:
            self.on_order_modified(order.order_ref, order.quantity, order.limit_price)
            return
        handle = self._native.add_working(order, self._last_check_ns if now_ns is None else now_ns)
        if handle is None:
            raise ValueError(malformation(order, self._contracts))
        if handle == 0:
            raise ExecutionError(
                f"order {order.order_ref!r}: too many orders work already; it was not booked"
            )
        self._handles[order.order_ref] = handle

    def on_order_modified(self, order_ref: str, remaining: int, limit_price: int) -> None:
        """Book that ``remaining`` units of an order may still fill, at ``limit_price`` (1/10000).

        Raises
        ------
        ExecutionError
            If the order is unknown, or a number out of range.
        """
        booking = self._native.amend(self._handle(order_ref), remaining, limit_price)
        self._booked(booking, order_ref, limit_price)

    def on_message(self, order_ref: str) -> None:
        """Count a reprice or a cancel that is being sent: one more message towards ``max_order_to_trade``.

        Raises
        ------
        ExecutionError
            If the order is unknown.
        """
        self._native.count_message(self._handle(order_ref))

    def on_fill(self, order_ref: str, quantity: int, cash: int | None = None, now_ns: int = 0) -> None:
        """Book ``quantity`` filled units of an order into the positions of its legs, at ``now_ns``.

        ``cash`` is what they brought in all (money, negative = paid, without fees); None books the
        limit. A fill that arrives after ``on_order_done`` is booked too.

        Raises
        ------
        ExecutionError
            If the order is unknown or has fewer units open; nothing is changed.
        """
        self._booked(self._native.fill(self._handle(order_ref), quantity, cash, now_ns), order_ref, quantity)

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
        contract = None if con_id is None else self._name(con_id)
        refusal = describe(CHECK_NAMES[number], finding, value, limit, contract, self._limits)
        return RiskVerdict(
            candidate_id=candidate_id,
            order=order,
            accepts=False,
            reduces_risk=reduces_risk,
            reason=refusal.reason,
            check=refusal.check,
            value=refusal.value,
            limit=refusal.limit,
            max_loss=max_loss,
        )

    def _name(self, con_id: int) -> str:
        contract = self._contracts[con_id]
        return contract.local_symbol or f"con_id {con_id}"
