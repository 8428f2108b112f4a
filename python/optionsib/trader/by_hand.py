"""Changes of working orders that a person asks for: they wait for a step, and go the way of every decision.

1. A change is judged with the quotes, features and votes of the step that takes it up, by the same gate and
   limits, and is journaled with the name of who asked.
2. A cancel leaves at once. It adds no risk.
3. Whoever asks gets an answer: carried out, refused with the reason, or failed. What nobody waits for any
   more is not carried out: a price that was right before an outage is none after it.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from optionsib.common.errors import BrokerError, ExecutionError, OptionsIBError
from optionsib.common.events import DecisionRecord
from optionsib.common.ports import Clock
from optionsib.common.types import Order
from optionsib.execution.desk import OrderDesk
from optionsib.execution.orders import OrderRecord, change_between
from optionsib.features.chain_features import ChainFeatures
from optionsib.models.server import Probabilities
from optionsib.trader.decisions import Decisions


class _Request(msgspec.Struct):
    order_ref: str
    terms: dict[str, int]
    reason: str
    operator: str
    until: float  # monotonic seconds
    answer: Any  # a future of DecisionRecord


class OrdersByHand:
    """What people ask of working orders, and what becomes of it."""

    def __init__(self, desk: OrderDesk, decisions: Decisions, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._decisions = decisions
        self._waiting: list[_Request] = []
        self._closed = False

    async def change(
        self, order_ref: str, terms: dict[str, int], *, reason: str, operator: str, patience: float
    ) -> DecisionRecord:
        """Ask for other terms (``limit_price``, ``stop_price``, ``quantity``); return the decision on them.

        ``patience``: real seconds after which it must not be carried out any more.

        Raises
        ------
        ExecutionError
            If the order cannot be changed now, or nobody answers for the change; nothing was sent.
        BrokerError
            If the broker's side refused to send it, or broke; `optionsib order list` shows what holds.
        """
        self._wanted(order_ref, terms, reason, operator)  # what cannot be is said at once
        if self._closed:
            raise ExecutionError(f"order {order_ref}: the session ends; nothing was sent")
        answer: asyncio.Future[DecisionRecord] = asyncio.get_running_loop().create_future()
        until = self._clock.monotonic() + patience
        self._waiting.append(_Request(order_ref, terms, reason, operator, until, answer))
        return await answer

    async def cancel(self, order_ref: str, *, reason: str, operator: str) -> None:
        """Ask the broker to end a working order.

        Raises
        ------
        ExecutionError
            If no such order works, its end was asked for before, or nobody answers for it.
        BrokerError
            If there is no way to the broker; the end is asked for again as soon as there is.
        """
        record = self._record(order_ref, reason, operator)
        if record.is_done and not record.revived:
            raise ExecutionError(f"order {order_ref} is {record.status} already; nothing was sent")
        if record.cancel_requested:
            raise ExecutionError(f"order {order_ref}: its end was asked for before; nothing was sent")
        await self._desk.cancel(record, _words(operator, reason))

    async def carry_out(self, features: ChainFeatures, probabilities: Probabilities | None) -> None:
        """Take up what was asked for since the last step.

        Raises
        ------
        BrokerError
            As the broker's; who asked is told too.
        """
        waiting, self._waiting = self._waiting, []
        for number, one in enumerate(waiting):
            try:
                if self._clock.monotonic() > one.until:
                    raise ExecutionError(f"order {one.order_ref}: no step came in time; nothing was sent")
                order = self._wanted(one.order_ref, one.terms, one.reason, one.operator)
                record = await self._decisions.change(
                    order, _words(one.operator, one.reason), features, probabilities, one.operator
                )
            except (OptionsIBError, ValueError, OverflowError) as error:
                _answer(one, error if isinstance(error, OptionsIBError) else ExecutionError(str(error)))
                if isinstance(error, BrokerError):
                    self._waiting = waiting[number + 1 :] + self._waiting
                    raise
            else:
                _answer(one, record)

    def refuse(self, why: str) -> None:
        """Answer everything that waits: nothing was sent."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            _answer(one, ExecutionError(f"order {one.order_ref}: {why}; nothing was sent"))

    def close(self) -> None:
        """Answer everything that waits, and whatever still comes, with the end of the session."""
        self._closed = True
        self.refuse("the session ends")

    def _record(self, order_ref: str, reason: str, operator: str) -> OrderRecord:
        if not reason.strip() or not operator.strip():
            raise ExecutionError("an order changed by hand needs an operator and a reason; nothing was sent")
        record = self._desk.manager.records.get(order_ref)
        if record is None:
            raise ExecutionError(f"order {order_ref!r} is not in this journal; nothing was sent")
        return record

    def _wanted(self, order_ref: str, terms: dict[str, int], reason: str, operator: str) -> Order:
        record = self._record(order_ref, reason, operator)
        if record.is_done:
            raise ExecutionError(f"order {order_ref} is {record.status} already; nothing was sent")
        if record.cancel_requested:
            raise ExecutionError(f"order {order_ref} is being cancelled; nothing was sent")
        if record.modify_pending:
            raise ExecutionError(f"order {order_ref}: a change has no answer yet; nothing was sent")
        if self._desk.is_disputed(record.order):
            raise ExecutionError(
                f"order {order_ref}: the broker counts a position of its legs otherwise; nothing was sent"
            )
        order = msgspec.structs.replace(record.order, **terms)
        change_between(record.order, order, 0)  # says that it changes nothing, if so
        return order


def _words(operator: str, reason: str) -> str:
    return f"by hand, {operator}: {reason}"


def _answer(request: _Request, outcome: DecisionRecord | Exception) -> None:
    if request.answer.done():
        return  # who asked is gone
    if isinstance(outcome, Exception):
        request.answer.set_exception(outcome)
    else:
        request.answer.set_result(outcome)
