"""Every message of a connection as a JSON line, on request, with account ids and secrets masked.

A line is ``{"at_ns": ..., "way": "in" | "out", "message": name, "fields": [...]}`` with the fields as they
stand on the wire. An account id keeps its first letters (``DU`` is a paper account) and nothing else. A field
that the logging rules would mask (``password=...`` in an order's options) is masked here too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TextIO

from optionsib.common.logging import mask_text

_ACCOUNT = re.compile(r"\b(DU|DF|DI|U|F|I)[A-Z]?\d{4,}\b")
_MASKED = "***"
OUTGOING = {
    "1": "reqMktData", "2": "cancelMktData", "3": "placeOrder", "4": "cancelOrder", "5": "reqOpenOrders",
    "6": "reqAccountUpdates", "7": "reqExecutions", "8": "reqIds", "9": "reqContractDetails",
    "16": "reqAllOpenOrders", "20": "reqHistoricalData", "21": "exerciseOptions",
    "25": "cancelHistoricalData", "49": "reqCurrentTime", "58": "reqGlobalCancel",
    "59": "reqMarketDataType", "61": "reqPositions",
    "62": "reqAccountSummary", "63": "cancelAccountSummary", "64": "cancelPositions", "71": "startApi",
    "78": "reqSecDefOptParams", "91": "reqMarketRule", "99": "reqCompletedOrders",
}  # fmt: skip
INCOMING = {
    "1": "tickPrice", "2": "tickSize", "3": "orderStatus", "4": "error", "5": "openOrder",
    "6": "accountValue", "7": "portfolioValue", "9": "nextValidId", "10": "contractDetails",
    "11": "execDetails",
    "15": "managedAccounts", "17": "historicalData", "21": "tickOptionComputation", "45": "tickGeneric",
    "46": "tickString", "49": "currentTime", "52": "contractDetailsEnd", "53": "openOrderEnd",
    "55": "execDetailsEnd", "57": "tickSnapshotEnd", "58": "marketDataType", "59": "commissionReport",
    "61": "position", "62": "positionEnd", "63": "accountSummary", "64": "accountSummaryEnd",
    "75": "optionParameters", "76": "optionParametersEnd", "81": "tickReqParams", "93": "marketRule",
    "101": "completedOrder", "102": "completedOrdersEnd",
}  # fmt: skip


class MessageLog:
    """Writes messages to a stream.

    Parameters
    ----------
    stream : text stream
        Gets one line a message.
    now_ns : callable
        Stamps them, UTC ns.
    """

    def __init__(self, stream: TextIO, now_ns: Callable[[], int]) -> None:
        self._stream = stream
        self._now_ns = now_ns
        self._accounts: list[str] = []

    def hide(self, accounts: Iterable[str]) -> None:
        """Mask these accounts too, whatever they look like."""
        self._accounts = sorted({name for name in accounts if name}, key=len, reverse=True)

    def __call__(self, way: Literal["in", "out"], fields: Sequence[str]) -> None:
        """Write one message."""
        number = fields[0] if fields else ""
        names = INCOMING if way == "in" else OUTGOING
        line = {
            "at_ns": self._now_ns(),
            "way": way,
            "message": names.get(number, number),
            "fields": [self._masked(field) for field in fields],
        }
        self._stream.write(json.dumps(line) + "\n")

    def _masked(self, field: str) -> str:
        for account in self._accounts:
            field = field.replace(account, _mask(account))
        return mask_text(_ACCOUNT.sub(lambda match: match[1] + _MASKED, field))


def _mask(account: str) -> str:
    """Return an account id that shows its kind and nothing else."""
    found = _ACCOUNT.fullmatch(account)
    return (found[1] if found else account[:1]) + _MASKED
