"""Requests about orders and executions. ``handlers`` is the table by message id."""

from __future__ import annotations

from optionsib.brokers.paper.account_requests import AccountRequests
from optionsib.brokers.paper.executions import read_execution_filter
from optionsib.brokers.paper.order_desk import OrderDesk
from optionsib.brokers.paper.order_ticket import OrderTicket, read_order
from optionsib.brokers.paper.session import NO_REQUEST, ExchangeClock, RequestHandler, Session
from optionsib.brokers.paper.wire import FieldReader
from optionsib.common.ports import ContractQuery


class OrderRequests:
    """What the order desk is asked. What it fills is told to the subscribers of the account, too."""

    def __init__(self, clock: ExchangeClock, desk: OrderDesk, accounts: AccountRequests) -> None:
        self._clock = clock
        self._desk = desk
        self._accounts = accounts
        self.handlers: dict[int, RequestHandler] = {
            3: self._place_order,
            4: self._cancel_order,
            5: self._open_orders,
            7: self._executions,
            15: self._auto_bind,
            16: self._all_open_orders,
            21: self._exercise,
            58: self._global_cancel,
            99: self._completed_orders,
        }

    def _place_order(self, session: Session, fields: FieldReader) -> None:
        ticket = read_order(fields, session.version)
        if self._desk.place(session, ticket, self._clock.now_ns, is_open=self._clock.is_open):
            self._accounts.tell_changes()
            self._accounts.tell_profit()

    def _cancel_order(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        self._desk.cancel(session, fields.integer(None), self._clock.now_ns)

    def _global_cancel(self, session: Session, fields: FieldReader) -> None:
        self._desk.cancel_all(self._clock.now_ns)

    def _open_orders(self, session: Session, fields: FieldReader) -> None:
        self._desk.send_open_orders(session, of_all_clients=False)

    def _all_open_orders(self, session: Session, fields: FieldReader) -> None:
        self._desk.send_open_orders(session, of_all_clients=True)

    def _completed_orders(self, session: Session, fields: FieldReader) -> None:
        api_only = fields.boolean()
        self._desk.send_completed_orders(session, self._clock.now_ns, api_only=api_only)

    def _executions(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        self._desk.send_executions(session, request_id, read_execution_filter(fields), self._clock.now_ns)

    def _auto_bind(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        wanted = fields.boolean()
        if session.client_id != 0:
            session.error(NO_REQUEST, 327, "Only the default client (i.e. 0) can auto bind orders")
            return
        self._desk.messages.binds_manual_orders = wanted
        if wanted:
            self._desk.bind_all()

    def _exercise(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id, con_id = fields.integer(None), fields.integer()
        symbol, security_type, expiry = fields.text(), fields.text(), fields.text()
        strike, right, multiplier = fields.number(), fields.text(), fields.text()
        exchange, currency = fields.text(), fields.text()
        query = ContractQuery(
            con_id=con_id,
            symbol=symbol,
            security_type=security_type,
            expiry=expiry,
            strike=strike or 0.0,
            right=right,
            multiplier=multiplier,
            exchange=exchange,
            currency=currency,
            local_symbol=fields.text(),
            trading_class=fields.text(),
        )
        action, quantity, account = fields.integer(), fields.integer(), fields.text()
        override = fields.boolean()
        if self._accounts.is_our_account(session, request_id, account):
            ticket = OrderTicket(request_id, query, {"totalQuantity": str(quantity)})
            self._desk.exercise(
                session,
                ticket,
                self._clock.now_ns,
                action=action,
                override=override,
                is_open=self._clock.is_open,
            )
