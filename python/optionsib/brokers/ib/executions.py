"""Every execution of the account that the broker told us of, and what it cost.

- An execution id is booked once, over duplicates and reconnects.
- A correction (the same id with a higher number after its last dot) replaces what it corrects.
- A commission is told after its execution, when it is known: -1, empty and unset are not. It is told again
  only where the broker corrects the amount, with a notice.
- "Not known yet" and a rebate of exactly 1.00 are the same word, -1. It is never booked; where the broker
  keeps to it, a person is told to look at the statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from optionsib.brokers.ib import codes
from optionsib.brokers.ib.conversions import is_set, money_from_wire, price_from_wire, whole_quantity
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import Execution as IBExecution
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerEvent, BrokerNotice, CommissionReport, Execution


class ExecutionBook:
    """Executions by id, with corrections and commissions.

    Parameters
    ----------
    emit : callable
        Takes each event, in order.
    stamp : callable
        Returns the time for an event, UTC ns.
    """

    def __init__(self, emit: Callable[[BrokerEvent], None], stamp: Callable[[], int]) -> None:
        self._emit = emit
        self._stamp = stamp
        self._executions: dict[str, Execution] = {}
        self._newest_correction: dict[str, tuple[int, str]] = {}
        self._superseded: set[str] = set()
        self._early_commissions: dict[str, tuple[int, str]] = {}
        self._placeholders: set[str] = set()  # commissions given as -1
        self._commissioned: dict[str, int] = {}  # execution id -> what was told

    def all(self) -> tuple[Execution, ...]:
        """Return every execution that stands, in the order of arrival."""
        return tuple(self._executions.values())

    def quantity_of(self, order_ref: str, perm_ids: list[int], *, is_combo: bool) -> int:
        """Return how many units of an order were executed; a combo's legs do not count as units."""
        return sum(
            execution.quantity
            for execution in self._executions.values()
            if execution.is_combo == is_combo
            and (execution.order_ref == order_ref or execution.perm_id in perm_ids)
        )

    def whole_units(self, order_ref: str, perm_ids: list[int], ratios: Mapping[int, int]) -> int:
        """Return how many units the executions of an order's legs make whole; ``ratios`` by contract."""
        filled = dict.fromkeys(ratios, 0)
        for execution in self._executions.values():
            if execution.con_id in filled and (
                execution.order_ref == order_ref or execution.perm_id in perm_ids
            ):
                filled[execution.con_id] += execution.quantity
        return min(filled[con_id] // ratio for con_id, ratio in ratios.items())

    def net_positions(self) -> dict[int, int]:
        """Return the signed quantity per contract that all executions make; combos are their legs."""
        net: dict[int, int] = {}
        for execution in self._executions.values():
            if not execution.is_combo:
                net[execution.con_id] = net.get(execution.con_id, 0) + execution.side * execution.quantity
        return net

    def without_commission(self) -> list[str]:
        """Return the executions whose commission is not known; that of a combo is its legs'."""
        return [
            execution_id
            for execution_id, execution in self._executions.items()
            if execution_id not in self._commissioned and not execution.is_combo and not execution.liquidation
        ]

    def word_on(self, execution_id: str) -> str:
        """Return what the broker said of a commission that is not known."""
        if execution_id in self._placeholders:
            return "the broker keeps saying -1: not known, or a rebate of exactly 1.00; nothing was booked"
        return "the broker never named it; nothing was booked"

    def is_known(self, execution_id: str) -> bool:
        """Tell whether an execution was booked, or corrected before it came."""
        return execution_id in self._executions or execution_id in self._superseded

    def book(self, contract: IBContract, raw: IBExecution, order_ref: str) -> Execution | None:
        """Book an execution; return it, or None where it is known or corrected already.

        Raises
        ------
        BrokerError
            If price, side or quantity cannot be; nothing is booked.
        """
        if self.is_known(raw.execId):
            return None
        price = price_from_wire(raw.price)
        if price is None or raw.side not in ("BOT", "SLD"):
            raise BrokerError(f"execution {raw.execId}: price {raw.price}, side {raw.side!r} are unusable")
        execution = Execution(
            execution_id=raw.execId,
            order_ref=raw.orderRef or order_ref,
            con_id=contract.conId,
            side=1 if raw.side == "BOT" else -1,
            quantity=whole_quantity(raw.shares, f"execution {raw.execId}"),
            price=price,
            at_ns=self._stamp(),
            is_combo=contract.secType == "BAG",
            perm_id=raw.permId,
            liquidation=bool(raw.liquidation),
        )
        if not self._replace(execution):
            return None
        if execution.liquidation:
            self._notice(
                codes.LIQUIDATION,
                f"the broker liquidated: {execution.quantity} of contract {execution.con_id} "
                f"{'bought' if execution.side > 0 else 'sold'} at {execution.price} (1/10000)",
            )
        self._executions[execution.execution_id] = execution
        self._emit(execution)
        return execution

    def on_commission(self, execution_id: str, amount: float | None, currency: str) -> None:
        """Take a commission; -1 and unset mean "not known yet", so a rebate of exactly 1.00 waits too."""
        if amount == -1.0:
            self._placeholders.add(execution_id)
        if amount is None or not is_set(amount) or amount == -1.0:
            return
        money = money_from_wire(amount)
        told = self._commissioned.get(execution_id)
        if told == money:
            return
        if told is not None:
            self._notice(
                codes.EXECUTION_CORRECTED,
                f"commission of execution {execution_id} is {money} instead of {told} (1/1000000)",
            )
        self._early_commissions[execution_id] = (money, currency)
        self.release_commission(execution_id)

    def release_commission(self, execution_id: str) -> None:
        """Tell the commission of an execution if both are known now."""
        if execution_id in self._executions and execution_id in self._early_commissions:
            amount, currency = self._early_commissions.pop(execution_id)
            self._commissioned[execution_id] = amount
            self._emit(CommissionReport(execution_id=execution_id, amount=amount, currency=currency))

    def _replace(self, execution: Execution) -> bool:
        """Make room for an execution that corrects another; False if it is itself corrected already."""
        base, number = _correction_number(execution.execution_id)
        before = self._newest_correction.get(base)
        if before is not None and number < before[0]:
            self._superseded.add(execution.execution_id)  # corrected before it arrived
            return False
        self._newest_correction[base] = (number, execution.execution_id)
        if before is None:
            return True
        replaced = self._executions.pop(before[1])
        self._superseded.add(before[1])
        self._notice(
            codes.EXECUTION_CORRECTED,
            f"execution {execution.execution_id} replaces {before[1]}: {execution.quantity} at "
            f"{execution.price} instead of {replaced.quantity} at {replaced.price}",
        )
        return True

    def _notice(self, code: int, message: str) -> None:
        self._emit(BrokerNotice(code=code, message=message, at_ns=self._stamp()))


def _correction_number(execution_id: str) -> tuple[str, int]:
    """Split an execution id at its last dot: a higher number there replaces the execution before."""
    base, dot, number = execution_id.rpartition(".")
    return (base, int(number)) if dot and number.isdecimal() else (execution_id, 0)
