"""What happens to orders and executions from the broker's side, on demand: for faults and operators."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from optionsib.brokers.paper.contracts import ContractDirectory
from optionsib.brokers.paper.executions import ExecutionRecord
from optionsib.brokers.paper.matching import OrderFill
from optionsib.brokers.paper.order_checks import OrderRefusedError
from optionsib.brokers.paper.order_messages import order_status
from optionsib.brokers.paper.order_ticket import OrderTicket
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.brokers.paper.wire import price_from_number
from optionsib.common.ports import ContractQuery
from optionsib.common.types import MONEY_SCALE

if TYPE_CHECKING:
    from optionsib.brokers.paper.order_desk import OrderDesk

_ONE_CENT = MONEY_SCALE // 100


class Interventions:
    """Fills, corrections, liquidations and lost order ids that no client asked for."""

    def __init__(self, desk: OrderDesk, directory: ContractDirectory) -> None:
        self._desk = desk
        self._directory = directory

    def owners_of(self, order_ref: str | None) -> list[int]:
        """Return the clients that own working orders with this reference (None: any)."""
        return sorted({order.client_id for order in self._chosen(order_ref)})

    def fill_orders(self, order_ref: str | None, now_ns: int) -> int:
        """Fill working orders with this reference (None: all) at their own limits; return how many."""
        desk, filled = self._desk, 0
        for order in self._chosen(order_ref):
            if not order.is_live or order.is_exercise or order.workable == 0:
                continue
            net = order.direction * desk.credit.likely_price(order)
            fill = OrderFill(order, order.workable, net, desk.credit.leg_prices(order, net))
            desk.work.take_out(order)
            desk.work.book_fill(fill, now_ns)
            desk.work.put_back(order, now_ns)
            filled += 1
        return filled

    def twin_order(self, order_ref: str) -> int:
        """Give a working order a live twin with a permId of its own, as a modify over a broken link does.

        Raises
        ------
        ValueError
            If no working order has this reference.
        """
        chosen = [order for order in self._chosen(order_ref) if not order.is_exercise]
        if not chosen:
            raise ValueError(f"no working order has the reference {order_ref!r}")
        twin = replace(
            chosen[0], perm_id=self._desk.registry.new_perm_id(), filled=0, filled_value=0, leg_totals=[]
        )
        twin.base, twin.charged = twin.quantity, 0
        self._desk.registry.add_twin(twin)
        self._desk.matching.arrive(twin)
        self._desk.messages.tell_state(twin)
        return twin.perm_id

    def place_by_hand(self, con_id: int, action: str, quantity: int, limit: float | None, now_ns: int) -> int:
        """Place an order as if by hand in TWS; return its permId. It belongs to client 0, unbound.

        Raises
        ------
        ValueError
            If the order is refused.
        """
        values = {"action": action, "totalQuantity": str(quantity), "orderType": "MKT"}
        if limit is not None:
            values |= {"orderType": "LMT", "lmtPrice": f"{limit:.10g}"}
        try:
            return self._desk.place_by_hand(OrderTicket(0, ContractQuery(con_id=con_id), values), now_ns)
        except OrderRefusedError as refusal:
            raise ValueError(f"order by hand refused with {refusal.code}: {refusal.text}") from refusal

    def roll_back_order_ids(self, count: int) -> None:
        """Reissue the last ``count`` order ids of every client, as an auto-restart of TWS may do."""
        self._desk.registry.roll_back_ids(count)

    def correct_execution(
        self, execution_id: str, price: float | None = None, quantity: int | None = None
    ) -> str:
        """Replace an execution by one with another price (currency) or quantity; return its new id.

        The account is booked anew from there. The correction of a combination's own execution changes
        what is told about it; positions and cash are those of its legs.

        Raises
        ------
        ValueError
            If there is no such execution, or price or quantity are not possible.
        """
        record = self._found(execution_id)
        exact = None if price is None else price_from_number(price)
        if price is not None and exact is None:
            raise ValueError(f"price {price} is no multiple of 1/10000")
        if quantity is not None and quantity < 0:
            raise ValueError(f"quantity must be 0 or more, got {quantity}")
        corrected = self._desk.filling.correct(record, quantity=quantity, price=exact)
        self._adjust_order(record, corrected)
        self._desk.messages.tell_record(corrected, details=True)
        return corrected.execution_id

    def correct_commission(self, execution_id: str, amount: float | None = None) -> None:
        """Report another commission (currency; None: one cent more) for an execution.

        Raises
        ------
        ValueError
            If there is no such execution.
        """
        record = self._found(execution_id)
        money = record.commission + _ONE_CENT if amount is None else round(amount * MONEY_SCALE)
        corrected = self._desk.filling.correct_commission(record, money)
        self._desk.messages.tell_record(corrected, details=False)

    def liquidate(self, con_id: int, quantity: int, price: float, now_ns: int) -> str:
        """Close ``quantity`` contracts of a position as a margin liquidation; return the execution id.

        Everybody gets the margin warning 2148, then an execution with liquidation 1 and order id -1.

        Raises
        ------
        ValueError
            If less is held, or the price is no multiple of 1/10000.
        """
        held = self._desk.account.quantity(con_id)
        exact = price_from_number(price)
        if not 1 <= quantity <= abs(held) or exact is None:
            raise ValueError(f"cannot liquidate {quantity} at {price}: {held} of contract {con_id} are held")
        symbol = self._directory.by_id[con_id].symbol
        self._desk.messages.tell_notice(
            2148, f"Margin requirement is not met: positions in {symbol} are subject to liquidation."
        )
        record = self._desk.filling.book_alone(
            con_id,
            -1 if held > 0 else 1,
            quantity,
            exact,
            now_ns,
            perm_id=self._desk.registry.new_perm_id(),
            liquidation=True,
        )
        self._desk.messages.broadcast([record])
        return record.execution_id

    def assign(self, con_id: int, quantity: int, now_ns: int) -> None:
        """Assign short options before they expire.

        Raises
        ------
        ValueError
            If less is sold.
        """
        self._desk.deliveries.assign(con_id, quantity, now_ns)

    def _adjust_order(self, record: ExecutionRecord, corrected: ExecutionRecord) -> None:
        """Let the order show the corrected average; its filled quantity follows its own execution."""
        for order in self._desk.registry.all:
            if order.perm_id != record.perm_id or order.is_exercise:
                continue
            if bool(record.con_id) == order.is_combo and not order.fills_legs_apart:
                # of a combination only its own execution counts
                continue
            if order.fills_legs_apart:
                self._adjust_leg(order, record, corrected)
                continue
            order.filled_value += corrected.price * corrected.quantity - record.price * record.quantity
            if not order.is_live:
                order.filled += corrected.quantity - record.quantity
            self._desk.messages.tell(order, lambda one, _: order_status(one))

    def _adjust_leg(self, order: ClientOrder, record: ExecutionRecord, corrected: ExecutionRecord) -> None:
        leg = [contract.con_id for contract in order.contracts].index(record.con_id)
        total = order.leg_totals[leg]
        total.value += corrected.price * corrected.quantity - record.price * record.quantity
        if not order.is_live:
            total.quantity += corrected.quantity - record.quantity
        order.count_legs()
        self._desk.messages.tell(order, lambda one, _: order_status(one))

    def _chosen(self, order_ref: str | None) -> list[ClientOrder]:
        return [one for one in self._desk.working() if order_ref in (None, one.order_ref)]

    def _found(self, execution_id: str) -> ExecutionRecord:
        record = self._desk.log.find(execution_id)
        if record is None:
            raise ValueError(f"no execution has the id {execution_id!r}")
        return record
