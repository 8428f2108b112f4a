"""Faults at the send layer: which outgoing messages are lost, kept back, doubled, reordered or altered.

The exchange's own state is never touched here: what a rule swallows has happened all the same, and a
client that asks again is told.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from optionsib.brokers.paper.session import Session
from optionsib.brokers.paper.wire import Field

MESSAGES = {
    "tickPrice": 1,
    "tickSize": 2,
    "orderStatus": 3,
    "error": 4,
    "openOrder": 5,
    "accountValue": 6,
    "portfolioValue": 7,
    "nextValidId": 9,
    "contractDetails": 10,
    "execDetails": 11,
    "managedAccounts": 15,
    "historicalData": 17,
    "tickOptionComputation": 21,
    "tickString": 46,
    "currentTime": 49,
    "contractDetailsEnd": 52,
    "openOrderEnd": 53,
    "accountDownloadEnd": 54,
    "execDetailsEnd": 55,
    "tickSnapshotEnd": 57,
    "commission": 59,
    "position": 61,
    "positionEnd": 62,
    "completedOrder": 101,
    "completedOrdersEnd": 102,
}
# Streaming messages and where their request id stands.
FEED = {1: 2, 2: 2, 12: 2, 13: 2, 21: 1, 45: 2, 46: 2, 50: 2, 90: 1, 99: 1}
_NEWEST_COUNTS = frozenset({1, 2, 21, 45, 46})  # of the others none may be missing afterwards
# Requests that open a stream, and where their request id stands.
_STREAMS = {"1": 2, "10": 2, "20": 1, "50": 2, "97": 1}
_ORDER_STATUS, _OPEN_ORDER, _EXECUTION, _COMMISSION, _TIME = 3, 5, 11, 59, 49
_PLACE_ORDER = "3"
_REMEMBERED = 200_000
_WITHHELD = 100_000

Scheduler = Callable[[float, Callable[[], None]], None]
SessionOf = Callable[[int], Session | None]
Observer = Callable[[int, str | None], None]


def message_number(message: str | int) -> int:
    """Return the number of a message given by name or number.

    Raises
    ------
    ValueError
        If the name is not known.
    """
    if isinstance(message, int) or message.isdecimal():
        return int(message)
    if message not in MESSAGES:
        raise ValueError(f"message {message!r} is unknown; names: {', '.join(MESSAGES)}, or a number")
    return MESSAGES[message]


class OrderReferences:
    """Order references by order and execution, learned from what passes by."""

    def __init__(self) -> None:
        self._orders: dict[tuple[int, int], str] = {}
        self._executions: dict[str, str] = {}

    def learn_request(self, client_id: int, message: Sequence[str]) -> None:
        """Note the reference of a placeOrder request."""
        if message and message[0] == _PLACE_ORDER and len(message) > 26 and message[1].isdecimal():
            _remember(self._orders, (client_id, int(message[1])), message[26])

    def of_request(self, client_id: int, message: Sequence[str]) -> str | None:
        """Return the reference of the order that placeOrder or cancelOrder is about."""
        at = {"3": 1, "4": 2}.get(message[0]) if message else None
        if at is None or len(message) <= at or not message[at].isdecimal():
            return None
        return self._orders.get((client_id, int(message[at])))

    def of_message(self, client_id: int, fields: Sequence[Field]) -> str | None:
        """Return the reference of the order that an outgoing message is about."""
        number = fields[0]
        if number == _OPEN_ORDER:
            _remember(self._orders, (client_id, int(fields[1] or 0)), str(fields[23]))
            return str(fields[23])
        if number == _EXECUTION:
            _remember(self._executions, str(fields[14]), str(fields[26]))
            return str(fields[26])
        if number == _COMMISSION:
            return self._executions.get(str(fields[2]))
        at = {_ORDER_STATUS: 1, 4: 2}.get(int(number or 0))
        return None if at is None else self._orders.get((client_id, int(fields[at] or 0)))


def _remember(known: dict[Any, str], key: Any, reference: str) -> None:
    known[key] = reference
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]


@dataclass(slots=True)
class Rule:
    """Drop, hold or double the next ``left`` messages of one kind (None: all)."""

    action: Literal["drop", "hold", "duplicate"]
    message: int
    left: int | None
    order_ref: str | None
    probability: float


@dataclass(slots=True)
class Reorder:
    """Wait for one message of each kind, then send them in this order."""

    messages: list[int]
    order_ref: str | None
    caught: dict[int, tuple[int, list[Field]]] = field(default_factory=dict)


@dataclass(slots=True)
class CommissionDelay:
    """Send commissions ``seconds`` late; ``first`` is what the report says until then, if anything."""

    seconds: float
    first: str | None
    seen: dict[str, str] = field(default_factory=dict)


class MessageRules:
    """The faults that are armed. ``outgoing`` is asked for every message of every session."""

    def __init__(self, generator: random.Random, session_of: SessionOf, call_after: Scheduler) -> None:
        self._random = generator
        self._session_of = session_of
        self._call_after = call_after
        self.references = OrderReferences()
        self.rules: list[Rule] = []
        self.reorders: list[Reorder] = []
        self.held: list[tuple[int, list[Field]]] = []
        self.commission_delay: CommissionDelay | None = None
        self.frozen: set[int] = set()  # contract ids
        self.frozen_because: set[str] = set()  # reasons why every feed stands still
        self.skew_seconds = 0
        self.observers: list[Observer] = []

    def outgoing(self, session: Session, fields: list[Field]) -> Iterable[list[Field]]:
        """Return what really goes to the socket in place of ``fields``."""
        number = int(fields[0] or 0)
        if number in FEED and self._withhold(session, number, fields):
            return ()
        if number == _TIME and self.skew_seconds:
            fields = [*fields[:2], int(fields[2] or 0) + self.skew_seconds]
        if number != _EXECUTION and not (
            self.rules or self.reorders or self.commission_delay or self.observers
        ):
            return (fields,)
        reference = self.references.of_message(session.client_id, fields)
        for observer in list(self.observers):
            observer(number, reference)
        if number == _COMMISSION and self.commission_delay is not None:
            fields = self._delay(session.client_id, fields, self.commission_delay)
            if not fields:
                return ()
        for rule in self.rules:
            if self._matches(rule, number, reference):
                return self._apply(rule, session.client_id, fields)
        for reorder in self.reorders:
            if number not in reorder.messages or number in reorder.caught:
                continue
            if reorder.order_ref in (None, reference):
                return self._catch(reorder, session.client_id, number, fields)
        return (fields,)

    def release(self) -> int:
        """Send what was held, in the order in which it was held back; return how many messages."""
        waiting, self.held = self.held, []
        for reorder in self.reorders:
            waiting += reorder.caught.values()
        self.reorders.clear()
        self.rules = [rule for rule in self.rules if rule.action != "hold"]
        for client_id, fields in waiting:
            self._deliver(client_id, fields)
        return len(waiting)

    def freeze(self, reason: str) -> None:
        """Stop all ticks until every reason to is gone."""
        self.frozen_because.add(reason)

    def thaw(self, reason: str, sessions: Iterable[Session]) -> None:
        """Take a reason away: the newest value of each tick that was kept back goes out.

        What is frozen for another reason is kept back again.
        """
        self.frozen_because.discard(reason)
        for session in sessions:
            kept, session.withheld = session.withheld, {}
            for fields in kept.values():
                session.send(fields)

    @staticmethod
    def unmute(session: Session, message: Sequence[str]) -> None:
        """Let a stream tick that is asked for under a request id that was muted."""
        at = _STREAMS.get(message[0]) if message and session.muted else None
        if at is not None and len(message) > at and message[at].isdecimal():
            session.muted.discard(int(message[at]))

    @staticmethod
    def mute(sessions: Iterable[Session]) -> None:
        """Let the streams that are open now never tick again; new requests do."""
        for session in sessions:
            session.muted |= {*session.lines, *session.feeds}
            session.withheld.clear()

    # --- helpers ---------------------------------------------------------------------------------

    def _withhold(self, session: Session, number: int, fields: list[Field]) -> bool:
        if not (self.frozen_because or self.frozen or session.muted):
            return False
        request_id = int(fields[FEED[number]] or 0)
        if request_id in session.muted:
            return True
        if not self.frozen_because:
            stream = session.lines.get(request_id) or session.feeds.get(request_id)
            if stream is None or stream.contract.con_id not in self.frozen:
                return False
        is_tick = number in _NEWEST_COUNTS
        tick = fields[FEED[number] + 1] if is_tick else len(session.withheld)
        if len(session.withheld) < _WITHHELD:
            session.withheld[number, request_id, tick] = fields
        return True

    def _matches(self, rule: Rule, number: int, reference: str | None) -> bool:
        return (
            rule.message == number
            and rule.left != 0
            and rule.order_ref in (None, reference)
            and (rule.probability >= 1.0 or self._random.random() < rule.probability)
        )

    def _apply(self, rule: Rule, client_id: int, fields: list[Field]) -> Iterable[list[Field]]:
        if rule.left is not None:
            rule.left -= 1
            if rule.left == 0:
                self.rules.remove(rule)
        if rule.action == "duplicate":
            return (fields, fields)
        if rule.action == "hold" and len(self.held) < _WITHHELD:
            self.held.append((client_id, fields))
        return ()

    def _catch(
        self, reorder: Reorder, client_id: int, number: int, fields: list[Field]
    ) -> Iterable[list[Field]]:
        reorder.caught[number] = (client_id, fields)
        if len(reorder.caught) < len(reorder.messages):
            return ()
        self.reorders.remove(reorder)
        for one in reorder.messages:
            self._deliver(*reorder.caught[one])
        return ()

    def _delay(self, client_id: int, fields: list[Field], delay: CommissionDelay) -> list[Field]:
        execution = str(fields[2])
        if execution in delay.seen:
            return fields
        _remember(delay.seen, execution, "")
        self._call_after(delay.seconds, lambda: self._deliver(client_id, fields))
        return [] if delay.first is None else [*fields[:3], delay.first, *fields[4:]]

    def _deliver(self, client_id: int, fields: list[Field]) -> None:
        session = self._session_of(client_id)
        if session is not None:
            session.post(fields)
