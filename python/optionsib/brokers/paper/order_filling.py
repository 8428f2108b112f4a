"""Booking of fills: executions, commissions, the account, and corrections of all three."""

from __future__ import annotations

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.commissions import Commissions
from optionsib.brokers.paper.contracts import ContractDirectory, combo_fields, contract_fields
from optionsib.brokers.paper.executions import NO_ORDER, ExecutionLog, ExecutionRecord
from optionsib.brokers.paper.matching import OrderFill
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.brokers.paper.wire import format_ratio


class Filling:
    """Turns fills into execution records and account bookings."""

    def __init__(
        self, directory: ContractDirectory, account: Account, commissions: Commissions, log: ExecutionLog
    ) -> None:
        self._directory = directory
        self._account = account
        self._commissions = commissions
        self._log = log

    def book(self, fill: OrderFill, now_ns: int) -> list[ExecutionRecord]:
        """Book a fill; return the combination's execution, then one a leg.

        A combination whose legs fill apart has no execution of its own.
        """
        order, counts = fill.order, fill.contracts
        before, value_before = [total.quantity for total in order.leg_totals], order.filled_value
        if not order.fills_legs_apart:
            order.filled += fill.quantity
            order.last_price = order.direction * fill.price
            order.filled_value += order.last_price * fill.quantity
        commissions = self._commissions.shares(order, before, counts, value_before)
        order.charged += sum(commissions)
        records = []
        if order.is_combo and not order.fills_legs_apart:
            records.append(self._combo_record(fill, now_ns))
        for leg, (count, commission) in enumerate(zip(counts, commissions, strict=True)):
            if count:
                records.append(self._leg_record(fill, leg, count, commission, now_ns))
        if order.fills_legs_apart:
            order.count_legs()
        return records

    def book_alone(
        self,
        con_id: int,
        side: int,
        quantity: int,
        price: int,
        now_ns: int,
        *,
        perm_id: int,
        order: ClientOrder | None = None,
        liquidation: bool = False,
        exchange: str = "",
    ) -> ExecutionRecord:
        """Book an execution that no order in the market led to: expiry, exercise, liquidation."""
        realized = self._account.book(con_id, side, quantity, price, 0)
        record = ExecutionRecord(
            number=self._log.next_number,
            prefix=self._log.prefix,
            client_id=0 if order is None else order.client_id,
            order_id=NO_ORDER if order is None else order.order_id,
            perm_id=perm_id,
            order_ref="",
            account=self._account.name,
            con_id=con_id,
            contract=tuple(contract_fields(self._directory.by_id[con_id])),
            at_ns=now_ns,
            side=side,
            quantity=quantity,
            price=price,
            cumulative=quantity,
            average=format_ratio(price, 1),
            commission=0,
            realized=realized,
            liquidation=liquidation,
            exchange=exchange or self._directory.by_id[con_id].exchange,
            booking=self._account.last_booking,
        )
        self._log.add(record)
        return record

    def correct(
        self, record: ExecutionRecord, *, quantity: int | None = None, price: int | None = None
    ) -> ExecutionRecord:
        """Replace an execution by one with another quantity or price, under the next correction number."""
        quantity = record.quantity if quantity is None else quantity
        price = record.price if price is None else price
        realized = record.realized
        if record.booking >= 0:
            realized = self._account.rebook(record.booking, quantity=quantity, price=price)
        change = quantity - record.quantity
        return self._log.change(
            record.number,
            quantity=quantity,
            price=price,
            cumulative=record.cumulative + change,
            realized=realized,
            correction=record.correction + 1,
        )

    def correct_commission(self, record: ExecutionRecord, commission: int) -> ExecutionRecord:
        """Give an execution another commission (money; negative is a rebate)."""
        realized = record.realized
        if record.booking >= 0:
            realized = self._account.rebook(record.booking, fee=commission)
        return self._log.change(record.number, commission=commission, realized=realized)

    def _combo_record(self, fill: OrderFill, now_ns: int) -> ExecutionRecord:
        order = fill.order
        record = self._record(
            order,
            now_ns,
            con_id=0,
            contract=tuple(combo_fields(order.symbol, order.currency, order.ticket.query.exchange)),
            side=order.direction,
            quantity=fill.quantity,
            price=order.last_price,
            cumulative=order.filled,
            average=format_ratio(order.filled_value, order.filled),
        )
        self._log.add(record)
        return record

    def _leg_record(
        self, fill: OrderFill, leg: int, count: int, commission: int, now_ns: int
    ) -> ExecutionRecord:
        order, contract, total = fill.order, fill.order.contracts[leg], fill.order.leg_totals[leg]
        side = 1 if order.ratios[leg] * order.direction > 0 else -1
        price = fill.leg_prices[leg]
        total.quantity += count
        total.value += price * count
        realized = self._account.book(contract.con_id, side, count, price, commission)
        record = self._record(
            order,
            now_ns,
            con_id=contract.con_id,
            contract=tuple(contract_fields(contract)),
            side=side,
            quantity=count,
            price=price,
            cumulative=total.quantity,
            average=format_ratio(total.value, total.quantity),
            commission=commission,
            realized=realized,
            booking=self._account.last_booking,
        )
        self._log.add(record)
        return record

    def _record(
        self,
        order: ClientOrder,
        now_ns: int,
        *,
        con_id: int,
        contract: tuple[str | int | None, ...],
        side: int,
        quantity: int,
        price: int,
        cumulative: int,
        average: str,
        commission: int = 0,
        realized: int | None = None,
        booking: int = -1,
    ) -> ExecutionRecord:
        return ExecutionRecord(
            number=self._log.next_number,
            prefix=self._log.prefix,
            client_id=order.client_id,
            order_id=order.order_id,
            perm_id=order.perm_id,
            order_ref=order.order_ref,
            account=order.account,
            con_id=con_id,
            contract=contract,
            at_ns=now_ns,
            side=side,
            quantity=quantity,
            price=price,
            cumulative=cumulative,
            average=average,
            commission=commission,
            realized=realized,
            exchange=str(contract[7]),
            booking=booking,
        )
