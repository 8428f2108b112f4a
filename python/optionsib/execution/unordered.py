"""Executions that no order of ours led to: waiting for the broker's positions, booked, or halted on by name.

``deliveries`` says what they can be; this is when the desk looks, and what it does with the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from optionsib.common.events import CommissionReport, Delivery, Execution
from optionsib.common.ports import Clock
from optionsib.common.types import SECOND_NS, Contract
from optionsib.execution.deliveries import Deliveries, DeliveryEffect
from optionsib.execution.portfolio import Portfolio

LOOK_AGAIN_NS = 30 * SECOND_NS


class UnorderedExecutions:
    """The desk's executions without an order reference.

    Parameters
    ----------
    contracts, portfolio
        What is traded, and what is held.
    clock
        When the broker is asked again.
    halt
        Latches a halt with its reason.
    """

    def __init__(
        self,
        contracts: Mapping[int, Contract],
        portfolio: Portfolio,
        clock: Clock,
        halt: Callable[[str], None],
    ) -> None:
        self._portfolio, self._clock, self._halt = portfolio, clock, halt
        self._deliveries = Deliveries(contracts, portfolio.trades)
        self._look_at_ns: int | None = None
        self._heard: list[Execution] = []  # not judged yet

    def restore(self, event: Execution | Delivery) -> list[DeliveryEffect]:
        """Take over what an earlier run journaled; what it did not recognise is judged by the next look."""
        if isinstance(event, Delivery):
            return self._deliveries.apply(event)
        self._deliveries.hear(event)
        return []

    def hear(self, event: Execution) -> None:
        """Take an execution in; it is judged once what came with it is booked."""
        if self._deliveries.hear(event):
            self._look_at_ns = 0
            self._heard.append(event)

    def judge_new(self) -> Iterator[tuple[int, int, int]]:
        """Halt on what cannot concern our trades; yield the positions that are disputed by it."""
        heard, self._heard = self._heard, []
        for event in heard:
            if not self._deliveries.may_be_ours(event):
                yield self._foreign(event)

    def pay(self, report: CommissionReport) -> list[DeliveryEffect]:
        """Take a commission in."""
        return self._deliveries.pay(report)

    def missing(self, reported: Iterable[Execution]) -> list[Execution]:
        """Return what the broker reports, nobody has told us of, and may concern our trades."""
        return self._deliveries.missing(reported)

    @property
    def wants_positions(self) -> bool:
        """Tell whether the broker must be asked for its positions now."""
        return self._look_at_ns is not None and self._look_at_ns <= self._clock.now_ns()

    @property
    def con_ids(self) -> frozenset[int]:
        """Contracts of what waits."""
        return frozenset(execution.con_id for execution in self._deliveries.waiting)

    def recognised(self, positions: Mapping[int, int]) -> list[Delivery]:
        """Return what the broker's positions bear out; it is to be journaled and given to ``apply``."""
        return self._deliveries.recognised(self._portfolio.positions, positions, self._clock.now_ns())

    def apply(self, delivery: Delivery) -> list[DeliveryEffect]:
        """Fold a delivery in."""
        return self._deliveries.apply(delivery)

    def judge_the_rest(self) -> None:
        """Halt on what was not recognised; what may still be waits for another look."""
        for event in self._deliveries.waiting:
            if not self._deliveries.may_be_ours(event):
                self._foreign(event)
                continue
            self._halt(
                f"execution {event.execution_id} of contract {event.con_id} may end what trades hold, but "
                "the broker's positions do not bear it out yet"
            )
        waits = bool(self._deliveries.waiting)
        self._look_at_ns = self._clock.now_ns() + LOOK_AGAIN_NS if waits else None

    def _foreign(self, event: Execution) -> tuple[int, int, int]:
        """Halt on what concerns none of our trades; it is never booked."""
        self._deliveries.disown(event)
        ours = self._portfolio.positions.get(event.con_id, 0)
        signed = event.side * event.quantity
        held = [t.trade_id for t in self._portfolio.open_trades() if event.con_id in t.held]
        self._halt(
            f"execution {event.execution_id}, {signed:+d} of contract {event.con_id}, belongs to no order "
            "and is no exercise, assignment or expiry of what trades hold"
            + (f"; trades {', '.join(held)} hold it and cannot settle by themselves" if held else "")
        )
        return (event.con_id, ours, ours + signed)
