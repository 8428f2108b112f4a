"""Executions: what was filled, when, for how much, who may read it again, and corrections.

An execution id is ``<run>.<number>.01.<correction>``. A correction repeats the execution with a higher
last part and replaces it; legs and combinations have numbers of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from optionsib.brokers.paper.contracts import local_time, time_stamp
from optionsib.brokers.paper.wire import UNSET_NUMBER, Field, FieldReader, format_money, format_price

FIRST_PREFIX = 0xE0D5
NO_ORDER = -1


@dataclass(frozen=True, slots=True)
class ExecutionRecord:
    """One execution of a single contract, of one leg, or of a whole combination.

    ``side`` +1 bought, -1 sold; ``con_id`` 0 for a combination, whose legs have the executions that
    count; ``average`` is the average price of the order (or leg) so far as text; ``realized`` is None
    where the execution closed nothing. ``client_id`` is who gave the order, 0 the broker itself.
    """

    number: int
    prefix: str
    client_id: int
    order_id: int
    perm_id: int
    order_ref: str
    account: str
    con_id: int
    contract: tuple[Field, ...]
    at_ns: int
    side: int
    quantity: int
    price: int
    cumulative: int
    average: str
    commission: int
    realized: int | None
    liquidation: bool = False
    exchange: str = "SMART"
    booking: int = -1  # its place among the account's bookings
    correction: int = 1

    @property
    def execution_id(self) -> str:
        """The id of this version of the execution."""
        return f"{self.prefix}.{self.number:08x}.01.{self.correction:02d}"

    def details(self, request_id: int, version: int) -> list[Field]:
        """Return the execDetails message (``request_id`` -1 for a live one)."""
        return [
            11,
            request_id,
            self.order_id,
            *self.contract,
            self.execution_id,
            time_stamp(self.at_ns),
            self.account,
            self.exchange,
            "BOT" if self.side > 0 else "SLD",
            self.quantity,
            format_price(self.price),
            self.perm_id,
            self.client_id,
            int(self.liquidation),
            self.cumulative,
            self.average,
            self.order_ref,
            *("", "", "", 0),  # evRule, evMultiplier, modelCode, lastLiquidity
            *([0] if version >= 178 else []),
        ]

    def commission_report(self) -> list[Field]:
        """Return the commissionReport message."""
        realized = UNSET_NUMBER if self.realized is None else format_money(self.realized)
        return [59, 1, self.execution_id, format_money(self.commission), "USD", realized, UNSET_NUMBER, 0]


class ExecutionLog:
    """The executions of the account in order, each in its newest version."""

    def __init__(self, seed: int) -> None:
        self.prefix = f"{(FIRST_PREFIX + seed) & 0xFFFFFFFF:08x}"
        self._records: list[ExecutionRecord] = []

    def __iter__(self) -> Iterator[ExecutionRecord]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def next_number(self) -> int:
        """The number of the next execution, from 1."""
        return len(self._records) + 1

    def add(self, record: ExecutionRecord) -> None:
        """Append an execution, whose number must be :attr:`next_number`."""
        self._records.append(record)

    def find(self, execution_id: str) -> ExecutionRecord | None:
        """Return the newest version of an execution named by the id of any of its versions."""
        stem, _, _ = execution_id.rpartition(".")
        for record in self._records:
            if record.execution_id.rpartition(".")[0] == stem:
                return record
        return None

    def change(self, number: int, **changes: object) -> ExecutionRecord:
        """Replace an execution by a changed version, under the same id unless ``correction`` says else."""
        changed = replace(self._records[number - 1], **changes)  # type: ignore[arg-type]
        self._records[number - 1] = changed
        return changed


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
            self.client_id in (0, record.client_id)
            and self.account in ("", record.account)
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
