"""The table of client requests by message id, and the requests about the session itself."""

from __future__ import annotations

from collections.abc import Sequence

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.account_requests import AccountRequests
from optionsib.brokers.paper.contracts import ContractDirectory
from optionsib.brokers.paper.market_requests import MarketRequests
from optionsib.brokers.paper.order_desk import OrderDesk
from optionsib.brokers.paper.order_requests import OrderRequests
from optionsib.brokers.paper.session import CUT_OFF, NO_REQUEST, ExchangeClock, RequestHandler, Session
from optionsib.brokers.paper.wire import FieldReader


class RequestHandlers:
    """Reads a request, does it, and queues the answers on the session. Nothing here waits."""

    def __init__(
        self,
        clock: ExchangeClock,
        directory: ContractDirectory,
        market: MarketRequests,
        desk: OrderDesk,
        account: Account,
    ) -> None:
        self._clock = clock
        self._desk = desk
        self._account = account
        self.accounts = AccountRequests(clock, account)
        self.orders = OrderRequests(clock, desk, self.accounts)
        self.market = market
        self._handlers: dict[int, RequestHandler] = {
            8: self._next_order_id,
            14: self._server_log_level,
            17: self._managed_accounts,
            49: self._current_time,
            **self.orders.handlers,
            **self.accounts.handlers,
            **self.market.handlers,
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

    def greet(self, session: Session, notices: Sequence[tuple[int, str]] = ()) -> None:
        """Send what follows startApi; ``notices``: what is wrong with links and farms."""
        self._send_managed_accounts(session)
        self._send_next_order_id(session)
        if not any(code == CUT_OFF for code, _ in notices):
            session.error(NO_REQUEST, 2104, "Market data farm connection is OK:paper")
            session.error(NO_REQUEST, 2106, "HMDS data farm connection is OK:paper")
            session.error(NO_REQUEST, 2158, "Sec-def data farm connection is OK:paper")
        for code, text in notices:
            session.error(NO_REQUEST, code, text)

    def _server_log_level(self, session: Session, fields: FieldReader) -> None:
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
