"""Executions: what was filled, when, for how much, and who may read it again."""

from __future__ import annotations

from dataclasses import dataclass

from optionsib.brokers.paper.contracts import local_time, time_stamp
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.brokers.paper.wire import UNSET_NUMBER, Field, FieldReader, format_money, format_price

FIRST_PREFIX = 0xE0D5


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """One execution of a single contract, of one leg, or of a whole combination.

    ``side`` +1 bought, -1 sold; ``average`` is the average price of the order (or leg) so far as
    text; ``realized`` is None where the execution closed nothing.
    """

    execution_id: str
    order: ClientOrder
    contract: tuple[Field, ...]
    at_ns: int
    side: int
    quantity: int
    price: int
    cumulative: int
    average: str
    commission: int
    realized: int | None

    def details(self, request_id: int, version: int) -> list[Field]:
        """Return the execDetails message (``request_id`` -1 for a live one)."""
        return [
            11,
            request_id,
            self.order.order_id,
            *self.contract,
            self.execution_id,
            time_stamp(self.at_ns),
            self.order.account,
            "SMART",
            "BOT" if self.side > 0 else "SLD",
            self.quantity,
            format_price(self.price),
            self.order.perm_id,
            self.order.client_id,
            0,
            self.cumulative,
            self.average,
            self.order.order_ref,
            *("", "", "", 0),  # evRule, evMultiplier, modelCode, lastLiquidity
            *([0] if version >= 178 else []),
        ]

    def commission_report(self) -> list[Field]:
        """Return the commissionReport message."""
        realized = UNSET_NUMBER if self.realized is None else format_money(self.realized)
        return [59, 1, self.execution_id, format_money(self.commission), "USD", realized, UNSET_NUMBER, 0]


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions a client asks for; empty or 0 = all."""

    client_id: int
    account: str
    since: str
    symbol: str
    security_type: str
    side: str

    def accepts(self, record: ExecutionRecord) -> bool:
        """Tell whether ``record`` was asked for."""
        symbol, security_type = record.contract[1], record.contract[2]
        side = "BUY" if record.side > 0 else "SELL"
        return (
            self.client_id in (0, record.order.client_id)
            and self.account in ("", record.order.account)
            and self.since <= f"{local_time(record.at_ns):%Y%m%d%H:%M:%S}"
            and self.symbol in ("", symbol)
            and self.security_type in ("", security_type)
            and self.side.upper() in ("", side, "BOT" if record.side > 0 else "SLD")
        )


def read_execution_filter(fields: FieldReader) -> ExecutionFilter:
    """Take the filter of a reqExecutions message; its time may carry a zone name, New York is meant."""
    client_id, account, since = fields.integer(), fields.text(), fields.text()
    symbol, security_type = fields.text(), fields.text()
    fields.skip(1)  # exchange: everything is executed on one
    date, _, clock = since.replace("-", " ", 1).strip().partition(" ")
    start = date + (clock.split() or [""])[0]
    return ExecutionFilter(client_id, account, start, symbol, security_type, fields.text())
