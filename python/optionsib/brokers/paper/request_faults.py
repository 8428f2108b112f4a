"""Faults at the receive layer: which requests are left unanswered, put off, or answered with an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optionsib.brokers.paper.message_faults import Observer, OrderReferences
from optionsib.brokers.paper.session import INFORMATION, NO_REQUEST, Session

REQUESTS: dict[str, frozenset[int]] = {
    "marketData": frozenset({1}),
    "placeOrder": frozenset({3}),
    "cancelOrder": frozenset({4}),
    "openOrders": frozenset({5, 16}),
    "accountUpdates": frozenset({6}),
    "executions": frozenset({7}),
    "nextOrderId": frozenset({8}),
    "contractDetails": frozenset({9}),
    "depth": frozenset({10}),
    "historicalData": frozenset({20}),
    "exercise": frozenset({21}),
    "currentTime": frozenset({49}),
    "realTimeBars": frozenset({50}),
    "globalCancel": frozenset({58}),
    "positions": frozenset({61}),
    "accountSummary": frozenset({62}),
    "accountUpdatesMulti": frozenset({76}),
    "chainParameters": frozenset({78}),
    "headTimestamp": frozenset({87}),
    "marketRule": frozenset({91}),
    "profit": frozenset({92, 94}),
    "tickByTick": frozenset({97}),
    "completedOrders": frozenset({99}),
}
# Where a request carries the id that an error about it must name.
_REQUEST_ID = {1: 2, 3: 1, 4: 2, 7: 2, 9: 2, 10: 2, 20: 1, 21: 2, 50: 2, 54: 2, 55: 2, 62: 2, 76: 2}
_REQUEST_ID |= {78: 1, 87: 1, 92: 1, 94: 1, 97: 1}
PLACE_OR_CANCEL = frozenset({3, 4})
# What TWS cannot pass on while its own link to IB is down.
_NEEDS_LINK = frozenset({3, 4, 21, 58})
_WITHHELD = 100_000


def request_numbers(request: str | int) -> frozenset[int]:
    """Return the message numbers of a request given by name or number.

    Raises
    ------
    ValueError
        If the name is not known.
    """
    if isinstance(request, int) or request.isdecimal():
        return frozenset({int(request)})
    if request not in REQUESTS:
        raise ValueError(f"request {request!r} is unknown; names: {', '.join(REQUESTS)}, or a number")
    return REQUESTS[request]


@dataclass(slots=True)
class Answer:
    """Answer the next ``left`` matching requests with an error."""

    code: int
    text: str
    requests: frozenset[int]
    order_ref: str | None
    left: int


class RequestRules:
    """The faults that are armed. ``incoming`` is asked for every request of every session."""

    def __init__(self, references: OrderReferences) -> None:
        self._references = references
        self.silent: set[int] = set()
        self.all_silent = False
        self.unanswered: list[tuple[int, list[str]]] = []
        self.link_lost = False
        self.put_off: list[tuple[int, list[str]]] = []
        self.answers: list[Answer] = []
        self.observers: list[Observer] = []

    def incoming(self, session: Session, message: list[str]) -> bool:
        """Return whether the exchange is to do what ``message`` asks."""
        if not message or not message[0].isdecimal() or len(message[0]) > 9:
            return True
        number = int(message[0])
        self._references.learn_request(session.client_id, message)
        reference = self._references.of_request(session.client_id, message)
        for observer in list(self.observers):
            observer(number, reference)
        if self.all_silent or number in self.silent:
            _keep(self.unanswered, session, message)
            return False
        if self.link_lost and number in _NEEDS_LINK:
            _keep(self.put_off, session, message)
            return False
        for answer in self.answers:
            if number in answer.requests and answer.order_ref in (None, reference):
                answer.left -= 1
                if answer.left <= 0:
                    self.answers.remove(answer)
                session.error(_error_id(message), answer.code, answer.text)
                return answer.code in INFORMATION
        return True


def _keep(waiting: list[tuple[int, list[str]]], session: Session, message: list[str]) -> None:
    if len(waiting) < _WITHHELD:
        waiting.append((session.client_id, message))


def _error_id(message: Sequence[str]) -> int:
    at = _REQUEST_ID.get(int(message[0]), len(message))
    text = message[at] if at < len(message) else ""
    return int(text) if text.isdecimal() and len(text) < 19 else NO_REQUEST
