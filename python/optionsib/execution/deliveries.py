"""Contracts that end without an order of ours: exercised, assigned, expired or settled in cash.

The broker tells of them by executions without an order reference, at any time, over restarts too.

1. One such execution alone says nothing: an option at a price of 0 has expired, or its underlying is still to
   come. What happened is said, journaled and booked only when the broker's positions, asked afterwards, agree
   with all of it.
2. Recognised is an option at 0 of which trades of ours hold no fewer contracts; with it, the whole underlying
   that it stands for, at its strike and on its side (of several such options, that of its permId). At another
   price only at or after its expiry, and only what is settled in cash.
3. The trade that was opened first is served first; what was delivered goes where its option was.
4. Everything else belongs to no trade of ours. It is never booked.

The fold over the journal needs none of this: a ``Delivery`` names what each trade got.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from optionsib.common.events import CommissionReport, Delivery, Execution
from optionsib.common.types import Contract
from optionsib.execution.orders import Effect
from optionsib.execution.realised import part_of_commission

if TYPE_CHECKING:
    from optionsib.execution.portfolio import Trade

Use = tuple[Execution, int]  # an execution and how many of its contracts


@dataclass(frozen=True, slots=True)
class Delivered:
    """Contracts of a trade ended without an order; ``uses``: what it has of the executions that say so."""

    trade_id: str
    strategy: str
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class DeliveryPaid:
    """The commission of an execution without an order became known; ``parts``: by trade, money."""

    execution: Execution
    amount: int
    parts: tuple[tuple[str, int], ...]


DeliveryEffect = Delivered | DeliveryPaid
BookedEffect = Effect | DeliveryEffect


@dataclass(slots=True)
class _Ended:
    """An option's execution, what its trades have of it, and the executions that delivered its underlying."""

    execution: Execution
    contract: Contract
    holders: list[tuple[str, int]]
    shares: list[Use]


class Deliveries:
    """All executions without an order reference, and what has become of them.

    Parameters
    ----------
    contracts
        Every contract of the session, by ``con_id``.
    trades
        The portfolio's trades in the order of their opening; read, never changed.
    """

    def __init__(self, contracts: Mapping[int, Contract], trades: Mapping[str, Trade]) -> None:
        self._contracts, self._trades = contracts, trades
        self._executions: dict[str, Execution] = {}
        self._waiting: dict[str, Execution] = {}  # neither booked nor called foreign
        self._commissions: dict[str, int] = {}
        self._uses: dict[str, list[tuple[str, int]]] = {}  # of an execution: trade, contracts
        self._versions: dict[str, str] = {}  # the first id of each that differs only after its last dot

    # --- the fold ----------------------------------------------------------------------------------

    def hear(self, execution: Execution) -> bool:
        """Remember an execution without a reference; return False where it is known."""
        if execution.execution_id in self._executions:
            return False
        self._executions[execution.execution_id] = self._waiting[execution.execution_id] = execution
        stem, dot, _ = execution.execution_id.rpartition(".")
        self._versions.setdefault(stem if dot else execution.execution_id, execution.execution_id)
        return True

    def pay(self, report: CommissionReport) -> list[DeliveryEffect]:
        """Take a commission in; it is booked once its execution belongs to trades."""
        if report.execution_id in self._commissions:
            return []
        self._commissions[report.execution_id] = report.amount
        return self._paid(report.execution_id)

    def apply(self, delivery: Delivery) -> list[DeliveryEffect]:
        """Fold in what was recognised: first the trades' shares, then what they cost."""
        of_trade: dict[str, list[Use]] = {}
        for trade_id, name, quantity in delivery.uses:
            of_trade.setdefault(trade_id, []).append((self._executions[name], quantity))
            self._uses.setdefault(name, []).append((trade_id, quantity))
            self._waiting.pop(name, None)
        effects: list[DeliveryEffect] = [
            Delivered(trade_id, self._trades[trade_id].strategy, tuple(uses))
            for trade_id, uses in of_trade.items()
        ]
        for name in dict.fromkeys(name for _, name, _ in delivery.uses):
            effects += self._paid(name)
        return effects

    def _paid(self, name: str) -> list[DeliveryEffect]:
        uses, amount = self._uses.get(name), self._commissions.get(name)
        if uses is None or amount is None:
            return []
        execution = self._executions[name]
        parts = tuple((trade, part_of_commission(amount, n, execution.quantity)) for trade, n in uses)
        return [DeliveryPaid(execution, amount, parts)]

    # --- recognition -------------------------------------------------------------------------------

    def disown(self, execution: Execution) -> None:
        """Note that an execution belongs to no trade of ours."""
        self._waiting.pop(execution.execution_id, None)

    @property
    def waiting(self) -> tuple[Execution, ...]:
        """What waits for a look at the broker's positions, in the order of arrival."""
        return tuple(self._waiting.values())

    def missing(self, reported: Iterable[Execution]) -> list[Execution]:
        """Return what the broker reports, nobody has told us of, and may concern our trades."""
        return [
            execution
            for execution in reported
            if not execution.order_ref
            and execution.execution_id not in self._executions
            and self.may_be_ours(execution)
        ]

    def may_be_ours(self, execution: Execution) -> bool:
        """Tell whether an execution can end an option of our trades, or deliver what one stands for."""
        contract = self._contracts.get(execution.con_id)
        stem, dot, _ = execution.execution_id.rpartition(".")
        first = self._versions.get(stem if dot else execution.execution_id, execution.execution_id)
        if contract is None or execution.is_combo or execution.liquidation or first != execution.execution_id:
            return False  # a correction of what is known is settled by a person
        if contract.kind:
            return self._ends(execution, contract) and bool(self._holders(execution))
        return any(
            self._delivers(execution, option, -1 if held > 0 else 1)
            for trade in self._trades.values()
            for con_id, held in trade.held.items()
            if (option := self._contracts[con_id]).kind
        )

    def recognised(self, ours: Mapping[int, int], brokers: Mapping[int, int], now_ns: int) -> list[Delivery]:
        """Return what waiting executions come to, if the broker's positions (``brokers``) bear it out.

        An option and its underlying are judged together with all others on the same contracts.
        """
        ended = self._ended()
        after = dict(ours)
        touched: dict[int, set[int]] = {}  # contract: which of ended move it
        for number, one in enumerate(ended):
            for execution, quantity in ((one.execution, one.execution.quantity), *one.shares):
                after[execution.con_id] = after.get(execution.con_id, 0) + execution.side * quantity
                touched.setdefault(execution.con_id, set()).add(number)
            for contract in self._underlyings(one.contract):  # a delivery that was not told would show here
                touched.setdefault(contract.con_id, set()).add(number)
        wrong = {
            number
            for con_id, numbers in touched.items()
            if after.get(con_id, 0) != brokers.get(con_id, 0)
            for number in numbers
        }
        return [self._delivery(one, now_ns) for number, one in enumerate(ended) if number not in wrong]

    def _ended(self) -> list[_Ended]:
        """Return every option that waiting executions end, with what was delivered for it."""
        taken: dict[tuple[str, int], int] = {}  # of what trades hold, by earlier ones
        found: list[_Ended] = []
        shares: list[Execution] = []
        for execution in self._waiting.values():
            contract = self._contracts.get(execution.con_id)
            if contract is None or not self.may_be_ours(execution):
                continue
            if not contract.kind:
                shares.append(execution)
            elif holders := self._holders(execution, taken):
                found.append(_Ended(execution, contract, holders, []))
        unclear = self._give(shares, found)
        return [one for n, one in enumerate(found) if n not in unclear and self._is_whole(one)]

    def _give(self, shares: list[Execution], found: list[_Ended]) -> set[int]:
        """Give delivered shares to the options they stand for; return whose are not clear.

        Of several options at one strike the permId decides. Where it does not, they must be one contract, and
        all of it delivered.
        """
        pools: dict[tuple[int, ...], list[Execution]] = {}
        for share in shares:
            fits = [n for n, o in enumerate(found) if self._delivers(share, o.contract, o.execution.side)]
            named = [n for n in fits if found[n].execution.perm_id == share.perm_id]
            pools.setdefault(tuple(named or fits), []).append(share)
        unclear: set[int] = set()
        for numbers, pool in pools.items():
            ends = [found[n] for n in numbers]
            wanted = [self._stands_for(one, pool[0].con_id) for one in ends]
            is_one = len({one.execution.con_id for one in ends}) == 1
            if len(ends) > 1 and not (is_one and sum(wanted) == sum(share.quantity for share in pool)):
                unclear.update(numbers)
                continue
            queue = [(share, share.quantity) for share in pool]
            for one, need in zip(ends, wanted, strict=True):
                one.shares += _take(queue, need if len(ends) > 1 else sum(n for _, n in queue))
        return unclear

    def _stands_for(self, one: _Ended, con_id: int) -> int:
        """Return how many contracts of its underlying an option's end delivers, all together."""
        return one.execution.quantity * one.contract.multiplier // self._contracts[con_id].multiplier

    def _holders(
        self, execution: Execution, taken: dict[tuple[str, int], int] | None = None
    ) -> list[tuple[str, int]]:
        """Return which trades an execution serves, first opened first; nothing where they hold too few."""
        taken = {} if taken is None else taken
        left, holders = execution.quantity, []
        for trade in self._trades.values():
            held = trade.held.get(execution.con_id, 0)
            free = abs(held) - taken.get((trade.trade_id, execution.con_id), 0)
            if held * execution.side < 0 and free > 0 and left:
                holders.append((trade.trade_id, min(free, left)))
                left -= holders[-1][1]
        if left:
            return []
        for trade_id, quantity in holders:
            key = (trade_id, execution.con_id)
            taken[key] = taken.get(key, 0) + quantity
        return holders

    def _underlyings(self, option: Contract) -> list[Contract]:
        """Return what an option may deliver; nothing where it is settled in cash."""
        return [
            contract
            for contract in self._contracts.values()
            if contract.symbol == option.symbol
            and (
                contract.security_type == "STK"
                or (contract.security_type == "FUT" and contract.expiry_ns > option.expiry_ns)
            )
        ]

    def _ends(self, execution: Execution, option: Contract) -> bool:
        is_over = 0 < option.expiry_ns <= execution.at_ns
        return execution.price == 0 or (is_over and not self._underlyings(option))

    def _delivers(self, execution: Execution, option: Contract, closes: int) -> bool:
        """Tell whether an execution is in the underlying, at the strike, on the side of an option's end.

        ``closes``: the side that ended the option, -1 for one that was held: a call brings the underlying, a
        put takes it.
        """
        return (
            execution.price == option.strike
            and execution.side == -closes * option.kind
            and any(contract.con_id == execution.con_id for contract in self._underlyings(option))
        )

    def _is_whole(self, one: _Ended) -> bool:
        if not one.shares:
            return True
        con_ids = {share.con_id for share, _ in one.shares}
        if one.execution.price or len(con_ids) > 1:
            return False
        (con_id,) = con_ids
        divides = one.contract.multiplier % self._contracts[con_id].multiplier == 0
        return divides and self._stands_for(one, con_id) == sum(part for _, part in one.shares)

    def _delivery(self, one: _Ended, now_ns: int) -> Delivery:
        execution = one.execution
        uses = [(trade_id, execution.execution_id, quantity) for trade_id, quantity in one.holders]
        queue = list(one.shares)
        for trade_id, quantity in one.holders if queue else ():
            wanted = self._stands_for(one, one.shares[0][0].con_id) * quantity // execution.quantity
            uses += [(trade_id, share.execution_id, part) for share, part in _take(queue, wanted)]
        kind: Literal["exercise", "assignment", "expiry", "cash settlement"] = "expiry"
        if one.shares:
            kind = "assignment" if execution.side > 0 else "exercise"
        elif execution.price:
            kind = "cash settlement"
        return Delivery(at_ns=now_ns, kind=kind, con_id=execution.con_id, uses=tuple(uses))


def _take(queue: list[Use], wanted: int) -> list[Use]:
    """Take contracts off the front of a queue of executions."""
    taken: list[Use] = []
    while wanted and queue:
        execution, left = queue[0]
        part = min(wanted, left)
        taken.append((execution, part))
        wanted -= part
        queue[0] = (execution, left - part)
        if part == left:
            queue.pop(0)
    return taken
