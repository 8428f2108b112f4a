"""Requests about the account: positions, values, summaries, profit. ``handlers`` is the table."""

from __future__ import annotations

from optionsib.brokers.paper.account import Account
from optionsib.brokers.paper.account_values import AccountValues
from optionsib.brokers.paper.contracts import local_time
from optionsib.brokers.paper.session import NO_REQUEST, ExchangeClock, RequestHandler, Session
from optionsib.brokers.paper.wire import Field, FieldReader

MAXIMUM_PENDING_REQUESTS = 1000
MAXIMUM_SUMMARIES = 2  # of TWS
_MODEL_LENGTH = 64


class AccountRequests:
    """What the account is asked, and what it tells by itself."""

    def __init__(self, clock: ExchangeClock, account: Account) -> None:
        self._clock = clock
        self._directory = account.directory
        self._account = account
        self._values = AccountValues(account)
        self.handlers: dict[int, RequestHandler] = {
            6: self._account_updates,
            61: self._positions,
            62: self._summary,
            63: self._summary_stop,
            64: self._positions_stop,
            74: self._positions_multi,
            75: self._positions_multi_stop,
            76: self._account_multi,
            77: self._account_multi_stop,
            92: self._profit,
            93: self._profit_stop,
            94: self._profit_single,
            95: self._profit_stop,
        }

    def tell_changes(self) -> None:
        """Send positions, account values and summaries to everybody who subscribed (after fills)."""
        for session in self._clock.sessions():
            for con_id, _ in self._account.positions():
                if session.wants_positions:
                    session.send(self._values.position_message(con_id))
                for request_id, model in session.position_multi.items():
                    session.send(self._values.position_multi_message(request_id, con_id, model))
            if session.wants_account:
                self._send_account(session)
            for request_id, model in session.account_multi.items():
                self._send_account_multi(session, request_id, model)
            for request_id in session.account_summaries:
                self._send_summary(session, request_id)

    def tell_profit(self) -> None:
        """Send P&L subscriptions whatever changed."""
        for session in self._clock.sessions():
            for request_id in session.profit_requests:
                self._send_profit(session, request_id)

    def is_our_account(self, session: Session, request_id: int, account: str) -> bool:
        """Tell whether ``account`` names ours (or all); if not, send error 321."""
        if account in ("", "All", self._account.name):
            return True
        session.error(request_id, 321, f"Error validating request: Invalid account code {account!r}")
        return False

    # --- positions -------------------------------------------------------------------------------

    def _positions(self, session: Session, fields: FieldReader) -> None:
        session.wants_positions = True
        for con_id, held in self._account.positions():
            if held.quantity:
                session.send(self._values.position_message(con_id))
        session.send([62, 1])

    def _positions_stop(self, session: Session, fields: FieldReader) -> None:
        session.wants_positions = False

    def _positions_multi(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id, account, model = fields.integer(None), fields.text(), fields.text()
        if self.is_our_account(session, request_id, account) and _has_room(session, request_id):
            session.position_multi[request_id] = model[:_MODEL_LENGTH]
            for con_id, held in self._account.positions():
                if held.quantity:
                    session.send(self._values.position_multi_message(request_id, con_id, model))
            session.send([72, 1, request_id])

    def _positions_multi_stop(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        session.position_multi.pop(fields.integer(None), None)

    # --- values ----------------------------------------------------------------------------------

    def _account_updates(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        subscribe, account = fields.boolean(), fields.text()
        if self.is_our_account(session, NO_REQUEST, account):
            session.wants_account = subscribe
            if subscribe:
                self._send_account(session)

    def _send_account(self, session: Session) -> None:
        name = self._account.name
        for value in self._values.values():
            session.send([6, 2, *value, name])
        for con_id, _ in self._account.positions():
            session.send(self._values.portfolio_message(con_id))
        session.send([8, 1, f"{local_time(self._clock.now_ns):%H:%M}"])
        session.send([54, 1, name])

    def _account_multi(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id, account, model = fields.integer(None), fields.text(), fields.text()
        if self.is_our_account(session, request_id, account) and _has_room(session, request_id):
            session.account_multi[request_id] = model[:_MODEL_LENGTH]
            self._send_account_multi(session, request_id, model)
            session.send([74, 1, request_id])

    def _send_account_multi(self, session: Session, request_id: int, model: str) -> None:
        for value in self._values.values():
            session.send([73, 1, request_id, self._account.name, model, *value])

    def _account_multi_stop(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        session.account_multi.pop(fields.integer(None), None)

    def _summary(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        request_id, group, tags = fields.integer(None), fields.text(), fields.text()
        if not self.is_our_account(session, request_id, group):
            return
        summaries = session.account_summaries
        if request_id not in summaries and len(summaries) >= MAXIMUM_SUMMARIES:
            session.error(
                request_id, 322, "Error processing request: Maximum number of account summary requests"
            )
            return
        summaries[request_id] = tuple(tag.strip() for tag in tags.split(","))
        self._send_summary(session, request_id)
        session.send([64, 1, request_id])

    def _send_summary(self, session: Session, request_id: int) -> None:
        for value in self._values.summary(list(session.account_summaries[request_id])):
            session.send([63, 1, request_id, self._account.name, *value])

    def _summary_stop(self, session: Session, fields: FieldReader) -> None:
        fields.skip(1)
        session.account_summaries.pop(fields.integer(None), None)

    # --- profit ----------------------------------------------------------------------------------

    def _profit(self, session: Session, fields: FieldReader) -> None:
        self._start_profit(session, fields.integer(None), fields.text(), 0)

    def _profit_single(self, session: Session, fields: FieldReader) -> None:
        request_id, account, _ = fields.integer(None), fields.text(), fields.text()
        self._start_profit(session, request_id, account, fields.integer(None))

    def _start_profit(self, session: Session, request_id: int, account: str, con_id: int) -> None:
        if con_id and con_id not in self._directory.by_id:
            session.error(request_id, 200, "No security definition has been found for the request")
        elif self.is_our_account(session, request_id, account) and _has_room(session, request_id):
            session.profit_requests[request_id] = con_id
            session.profit_sent.pop(request_id, None)
            self._send_profit(session, request_id)

    def _send_profit(self, session: Session, request_id: int) -> None:
        con_id = session.profit_requests[request_id]
        message: list[Field] = self._values.profit_message(request_id, con_id)
        if session.profit_sent.get(request_id) != message:
            session.profit_sent[request_id] = message
            session.send(message)

    def _profit_stop(self, session: Session, fields: FieldReader) -> None:
        request_id = fields.integer(None)
        session.profit_requests.pop(request_id, None)
        session.profit_sent.pop(request_id, None)


def _has_room(session: Session, request_id: int) -> bool:
    open_requests = len(session.account_multi) + len(session.position_multi) + len(session.profit_requests)
    if open_requests < MAXIMUM_PENDING_REQUESTS:
        return True
    session.error(request_id, 321, f"Error validating request: at most {MAXIMUM_PENDING_REQUESTS} open")
    return False
