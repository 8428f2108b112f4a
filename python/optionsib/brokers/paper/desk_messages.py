"""Who is told what about orders: the client that placed them, the master client, client 0, everybody."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from optionsib.brokers.paper.desk_rules import DeskRules
from optionsib.brokers.paper.executions import ExecutionRecord
from optionsib.brokers.paper.order_messages import completed_order, open_order, order_status
from optionsib.brokers.paper.orders import ClientOrder
from optionsib.brokers.paper.session import NO_REQUEST, Session
from optionsib.brokers.paper.wire import Field

Render = Callable[[ClientOrder, int], list[Field]]


class DeskMessages:
    """Sends the messages of the order desk to those whom they concern."""

    def __init__(self, sessions: Callable[[], list[Session]], rules: DeskRules) -> None:
        self._sessions = sessions
        self._rules = rules
        self.binds_manual_orders = False

    def listeners(self, client_id: int) -> list[Session]:
        """Return who is told about the orders of a client: itself and the master."""
        wanted = (client_id, self._rules.master_client_id)
        return [session for session in self._sessions() if session.client_id in wanted]

    def tell(self, order: ClientOrder, render: Render) -> None:
        """Send one message about an order. Manual orders concern client 0 once they are bound."""
        for session in self.listeners(order.client_id):
            if order.order_id or session.client_id == self._rules.master_client_id:
                session.send(render(order, session.version))

    def tell_state(self, order: ClientOrder) -> None:
        """Send openOrder and orderStatus."""
        self.tell(order, open_order)
        self.tell(order, lambda one, _: order_status(one))

    def tell_fill(self, order: ClientOrder, records: list[ExecutionRecord]) -> None:
        """Send the executions, the order's new state, then the commissions."""
        for record in records:
            self.tell(order, record_details(record))
        self.tell_state(order)
        for record in records:
            self.tell(order, record_commission(record))

    def tell_end(self, order: ClientOrder, code: int, text: str) -> None:
        """Send that an order is over, and the error that says why."""
        if order.is_transmitted:
            self.tell(order, lambda one, _: order_status(one))
        for session in self.listeners(order.client_id):
            if order.order_id:
                session.error(order.order_id, code, text)

    def tell_bound(self, order: ClientOrder) -> None:
        """Send orderBound and the state under the new order id."""
        self.tell(order, lambda one, _: [100, one.perm_id, one.client_id, one.order_id])
        self.tell_state(order)

    def broadcast(self, records: Iterable[ExecutionRecord]) -> None:
        """Send executions that no client's order led to, with their commissions, to everybody."""
        told = list(records)
        for session in self._sessions():
            for record in told:
                session.send(record.details(NO_REQUEST, session.version))
            for record in told:
                session.send(record.commission_report())

    def tell_record(self, record: ExecutionRecord, *, details: bool) -> None:
        """Send a corrected execution (or its commission alone) to whom it concerns."""
        concerned = self._sessions() if record.order_id < 0 else self.listeners(record.client_id)
        for session in concerned:
            if details:
                session.send(record.details(NO_REQUEST, session.version))
            session.send(record.commission_report())

    def tell_notice(self, code: int, text: str) -> None:
        """Send a notice to everybody."""
        for session in self._sessions():
            session.error(NO_REQUEST, code, text)

    def send_completed(self, session: Session, orders: Iterable[ClientOrder]) -> None:
        """Answer reqCompletedOrders."""
        for order in orders:
            session.send(completed_order(order, session.version))
        session.send([102])

    def send_executions(self, session: Session, request_id: int, records: Iterable[ExecutionRecord]) -> None:
        """Answer reqExecutions: each execution with its commission, then the end."""
        sees_all = self._rules.commissions_of_others or session.client_id == self._rules.master_client_id
        for record in records:
            session.send(record.details(request_id, session.version))
            if sees_all or record.client_id in (session.client_id, 0):
                session.send(record.commission_report())
        session.send([55, 1, request_id])


def record_details(record: ExecutionRecord) -> Render:
    """Return what renders a live execution."""
    return lambda _, version: record.details(NO_REQUEST, version)


def record_commission(record: ExecutionRecord) -> Render:
    """Return what renders the commission of an execution."""
    return lambda _, __: record.commission_report()
