"""What each client request is answered with. One method a message id; ``handlers`` is the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.contracts import (
    ContractDirectory,
    local_time,
    read_combo_legs,
    read_contract,
)
from optionsib.brokers.paper.executions import read_execution_filter
from optionsib.brokers.paper.market_data import MarketData
from optionsib.brokers.paper.order_desk import OrderDesk
from optionsib.brokers.paper.order_messages import read_order
from optionsib.brokers.paper.session import NO_REQUEST, Session
from optionsib.brokers.paper.wire import Field, FieldReader, format_price

MAXIMUM_PENDING_REQUESTS = 1000


class ExchangeClock(Protocol):
    """What a request may ask of the exchange that owns time."""

    @property
    def now_ns(self) -> int:
        """Simulated time, UTC ns."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the session takes orders."""
        ...

    def end_step(self, session: Session) -> None:
        """Answer reqCurrentTime; in lockstep the owner's request plays the next step first."""
        ...

    def sessions(self) -> list[Session]:
        """Return the connected clients by client id."""
        ...


class RequestHandlers:
    """Reads a request, does it, and queues the answers on the session. Nothing here waits."""

    def __init__(
        self,
        clock: ExchangeClock,
        directory: ContractDirectory,
        market_data: MarketData,
        desk: OrderDesk,
        account: Account,
        *,
        market_data_lines: int,
    ) -> None:
        self._clock = clock
        self._directory = directory
        self._market_data = market_data
        self._desk = desk
        self._account = account
        self._market_data_lines = market_data_lines
        self._handlers: dict[int, Callable[[Session, FieldReader], None]] = {
            1: self._market_data_start,
            2: self._market_data_stop,
            3: self._place_order,
            4: self._cancel_order,
            5: self._open_orders,
            6: self._account_updates,
            7: self._executions,
            8: self._next_order_id,
            9: self._contract_details,
            14: self._accept_silently,  # server log level
            15: self._accept_silently,  # bind manual orders: there are none
            16: self._all_open_orders,
            17: self._managed_accounts,
            49: self._current_time,
            58: self._global_cancel,
            59: self._accept_silently,  # market data type: always live
            61: self._positions,
            62: self._account_summary,
            63: self._account_summary_stop,
            64: self._positions_stop,
            76: self._account_multi,
            77: self._account_multi_stop,
            78: self._chain_parameters,
            91: self._market_rule,
            92: self._profit,
            93: self._profit_stop,
            94: self._profit_single,
            95: self._profit_stop,
            99: self._completed_orders,
        }

    def handle(self, session: Session, message: list[str]) -> None:
        """Answer one message of a session that has started the API.

        Raises
        ------
        WireError
            If a field that is needed is missing or not a number; nothing was done.
        """
        fields = FieldReader(message)
        message_id = fields.integer(None)
        handler = self._handlers.get(message_id)
        if handler is None:
            session.error(NO_REQUEST, 505, f"Fatal Error: Unknown message id {message_id}.")
            return
        handler(session, fields)

    def greet(self, session: Session) -> None:
        """Send what follows startApi."""
        self._send_managed_accounts(session)
        self._send_next_order_id(session)
        session.error(NO_REQUEST, 2104, "Market data farm connection is OK:paper")
        session.error(NO_REQUEST, 2106, "HMDS data farm connection is OK:paper")
        session.error(NO_REQUEST, 2158, "Sec-def data farm connection is OK:paper")

    def tell_account_changes(self) -> None:
        """Send positions, account values and profit to everybody who subscribed (after fills)."""
        for session in self._clock.sessions():
            if session.wants_positions:
                for con_id, _ in self._account.positions():
                    session.send(self._account.position_message(con_id))
            if session.wants_account:
                self._send_account(session)
            for request_id, model in session.account_multi.items():
                self._send_account_multi(session, request_id, model)

    def tell_profit(self) -> None:
        """Send P&L subscriptions whatever changed."""
        for session in self._clock.sessions():
            for request_id in session.profit_requests:
                self._send_profit(session, request_id)

    # --- session ---------------------------------------------------------------------------------

    def _accept_silently(self, session: Session, fields: FieldReader) -> None:
        pass

    def _current_time(self, session: Session, fields: FieldReader) -> None:
        self._clock.end_step(session)

    def _next_order_id(self, session: Session, fields: FieldReader) -> None:
        self._send_next_order_id(session)

    def _send_next_order_id(self, session: Session) -> None:
        session.send([9, 1, self._desk.next_order_id(session.client_id)])

    def _managed_accounts(self, session: Session, fields: FieldReader) -> None:
        self._send_managed_accounts(session)

    def _send_managed_accounts(self, session: Session) -> None:
        session.send([15, 1, self._account.name])

    # --- contracts -------------------------------------------------------------------------------

    def _contract_details(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        query = read_contract(fields)
        found = self._directory.find(query)
        if not found:
            session.error(request_id, 200, "No security definition has been found for the request")
            return
        for contract in found:
            session.send(self._directory.details(request_id, contract, session.version))
        session.send([52, 1, request_id])

    def _chain_parameters(self, session: Session, fields: FieldReader) -> None:
        request_id = fields.integer(None)
        symbol, _, security_type, con_id = fields.text(), fields.text(), fields.text(), fields.integer()
        under = self._directory.underlying
        if (symbol, security_type) != (under.symbol, under.security_type) or con_id not in (0, under.con_id):
            session.error(request_id, 200, "No security definition has been found for the request")
            return
        for message in self._directory.chain_parameters(request_id):
            session.send(message)
        session.send([76, request_id])

    def _market_rule(self, session: Session, fields: FieldReader) -> None:
        rule_id = fields.integer(None)
        grid = self._directory.market_rule(rule_id)
        if grid is None:
            session.error(NO_REQUEST, 321, f"Error validating request: market rule {rule_id} is unknown")
            return
        bands: list[Field] = []
        for band in grid.bands:
            bands += [format_price(band.lower_edge), format_price(band.increment)]
        session.send([93, rule_id, len(grid.bands), *bands])

    # --- market data -----------------------------------------------------------------------------

    def _market_data_start(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        query = read_contract(fields)
        if query.security_type == "BAG":
            read_combo_legs(fields)
        if fields.boolean():
            fields.skip(3)  # delta-neutral contract
        fields.skip(1)  # generic ticks
        snapshot = fields.boolean() | fields.boolean()
        if request_id in session.lines:
            session.error(request_id, 322, "Error processing request: Duplicate ticker id")
            return
        found = self._directory.find(query) if query.security_type != "BAG" else []
        if len(found) != 1:
            session.error(request_id, 200, "No security definition has been found for the request")
            return
        if not snapshot and len(session.lines) >= self._market_data_lines:
            session.error(request_id, 101, "Max number of tickers has been reached")
            return
        line = self._market_data.subscribe(session, request_id, found[0], self._clock.now_ns)
        if snapshot:
            session.send([57, 1, request_id])
        else:
            session.lines[request_id] = line

    def _market_data_stop(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        if session.lines.pop(request_id, None) is None:
            session.error(request_id, 300, f"Can't find EId with tickerId:{request_id}")

    # --- orders ----------------------------------------------------------------------------------

    def _place_order(self, session: Session, fields: FieldReader) -> None:
        ticket = read_order(fields, session.version)
        if self._desk.place(session, ticket, self._clock.now_ns, is_open=self._clock.is_open):
            self.tell_account_changes()
            self.tell_profit()

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
        self._desk.send_completed_orders(session)

    def _executions(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id = fields.integer(None)
        self._desk.send_executions(session, request_id, read_execution_filter(fields))

    # --- account ---------------------------------------------------------------------------------

    def _positions(self, session: Session, fields: FieldReader) -> None:
        session.wants_positions = True
        for con_id, held in self._account.positions():
            if held.quantity:
                session.send(self._account.position_message(con_id))
        session.send([62, 1])

    def _positions_stop(self, session: Session, fields: FieldReader) -> None:
        session.wants_positions = False

    def _is_our_account(self, session: Session, request_id: int, account: str) -> bool:
        if account in ("", "All", self._account.name):
            return True
        session.error(request_id, 321, f"Error validating request: Invalid account code {account!r}")
        return False

    def _account_updates(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        subscribe, account = fields.boolean(), fields.text()
        if self._is_our_account(session, NO_REQUEST, account):
            session.wants_account = subscribe
            if subscribe:
                self._send_account(session)

    def _send_account(self, session: Session) -> None:
        name = self._account.name
        session.send([6, 2, "AccountType", "INDIVIDUAL", "", name])
        for tag, value in self._account.values().items():
            session.send([6, 2, tag, value, "USD", name])
        for con_id, _ in self._account.positions():
            session.send(self._account.portfolio_message(con_id))
        session.send([8, 1, f"{local_time(self._clock.now_ns):%H:%M}"])
        session.send([54, 1, name])

    def _account_multi(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id, account, model = fields.integer(None), fields.text(), fields.text()
        if self._is_our_account(session, request_id, account) and _has_room(session, request_id):
            session.account_multi[request_id] = model[:64]
            self._send_account_multi(session, request_id, model)
            session.send([74, 1, request_id])

    def _send_account_multi(self, session: Session, request_id: int, model: str) -> None:
        for tag, value in self._account.values().items():
            session.send([73, 1, request_id, self._account.name, model, tag, value, "USD"])

    def _account_multi_stop(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        session.account_multi.pop(fields.integer(None), None)

    def _account_summary(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id, group, tags = fields.integer(None), fields.text(), fields.text()
        if self._is_our_account(session, request_id, group):
            values = self._account.values()
            for tag in tags.split(","):
                if tag in values:
                    session.send([63, 1, request_id, self._account.name, tag, values[tag], "USD"])
                elif tag == "AccountType":
                    session.send([63, 1, request_id, self._account.name, tag, "INDIVIDUAL", ""])
            session.send([64, 1, request_id])

    def _account_summary_stop(self, session: Session, fields: FieldReader) -> None:
        pass

    def _profit(self, session: Session, fields: FieldReader) -> None:
        self._start_profit(session, fields.integer(None), fields.text(), 0)

    def _profit_single(self, session: Session, fields: FieldReader) -> None:
        request_id, account, _ = fields.integer(None), fields.text(), fields.text()
        self._start_profit(session, request_id, account, fields.integer(None))

    def _start_profit(self, session: Session, request_id: int, account: str, con_id: int) -> None:
        if con_id and con_id not in self._directory.by_id:
            session.error(request_id, 200, "No security definition has been found for the request")
        elif self._is_our_account(session, request_id, account) and _has_room(session, request_id):
            session.profit_requests[request_id] = con_id
            session.profit_sent.pop(request_id, None)
            self._send_profit(session, request_id)

    def _send_profit(self, session: Session, request_id: int) -> None:
        con_id = session.profit_requests[request_id]
        message = self._account.profit_message(request_id, con_id)
        if session.profit_sent.get(request_id) != message:
            session.profit_sent[request_id] = message
            session.send(message)

    def _profit_stop(self, session: Session, fields: FieldReader) -> None:
        request_id = fields.integer(None)
        session.profit_requests.pop(request_id, None)
        session.profit_sent.pop(request_id, None)


def _has_room(session: Session, request_id: int) -> bool:
    if len(session.account_multi) + len(session.profit_requests) < MAXIMUM_PENDING_REQUESTS:
        return True
    session.error(request_id, 321, f"Error validating request: at most {MAXIMUM_PENDING_REQUESTS} open")
    return False
