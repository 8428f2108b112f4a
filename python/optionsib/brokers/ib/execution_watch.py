"""A connection that only asks what was executed: it knows no order, sends none, and cancels none.

For whoever checks the trading daemon by a connection of its own. As they happen TWS tells a client of its own
executions only; those of all clients of the account it tells on request, with their commissions.
"""

# Much of the client library is untyped:
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

from typing import Literal, cast

from optionsib.brokers.ib.conversions import price_from_wire
from optionsib.brokers.ib.executions import ExecutionBook
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import Execution as IBExecution
from optionsib.brokers.ib.pacing import TokenBucket
from optionsib.brokers.ib.session import TwsSession
from optionsib.brokers.ib.wrapper import Callbacks
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.events import BrokerEvent
from optionsib.common.ports import Clock
from optionsib.common.types import Contract

_Type = Literal["STK", "OPT", "IND", "FUT", "FOP", "CASH", "BAG"]
_TYPES = ("STK", "OPT", "IND", "FUT", "FOP", "CASH")
_DERIVATIVES = ("OPT", "FOP")
_RIGHTS: dict[str, Literal["C", "P", ""]] = {"C": "C", "P": "P"}


class _Deaf(Callbacks):
    """Hears nothing; a watch takes what it needs."""

    def on_price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        return None

    def on_size(self, request_id: int, tick_type: int, size: float) -> None:
        return None

    def on_quote_time(self, request_id: int) -> None:
        return None

    def on_computation(self, request_id: int, computation: object) -> None:
        return None

    def on_data_type(self, request_id: int, data_type: int) -> None:
        return None

    def on_open_order(self, contract: object, order: object, state: object) -> None:
        return None

    def on_order_status(self, order_id: int, client_id: int, perm_id: int, status: str) -> None:
        return None

    def on_completed_order(self, order: object, state: object) -> None:
        return None

    def on_error(self, request_id: int, code: int, message: str, *, is_request: bool) -> None:
        return None


class ExecutionWatch(_Deaf):
    """Today's executions and commissions of one account, each once, corrections included.

    Parameters
    ----------
    config
        Host, port, client id (one that nobody else uses) and time-out.
    clock
        Stamps the events.
    account
        Executions of other accounts are passed over; empty takes the only one of the login.
    """

    def __init__(self, config: GatewayConfig, clock: Clock, account: str = "") -> None:
        self._config, self._clock, self._account = config, clock, account
        self._events: list[BrokerEvent] = []
        self._contracts: dict[int, Contract] = {}
        self._book = ExecutionBook(self._events.append, clock.now_ns)
        self._failure: Exception | None = None
        self._session: TwsSession | None = None
        self._lost = ""

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._session is not None and not self._lost

    async def connect(self) -> None:
        """Connect.

        Raises
        ------
        BrokerError
            If the server cannot be reached, or does not manage the account.
        """
        await self.disconnect()
        rate = self._config.messages_per_second
        session = TwsSession(self, TokenBucket(rate, self._clock.monotonic))
        self._lost = ""
        config = self._config
        await session.open(config.host, config.port, config.client_id, config.request_timeout_seconds)
        accounts = session.accounts
        if not self._account and len(accounts) == 1:
            self._account = accounts[0]
        if self._account not in accounts:
            await session.close()
            raise BrokerError("the login manages none or several accounts, or not the one that is named")
        self._session = session

    async def disconnect(self) -> None:
        """Close the connection; a second call does nothing."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def poll(self) -> tuple[list[BrokerEvent], list[Contract]]:
        """Ask for the executions of the day; return what is new, and every contract that was executed.

        Raises
        ------
        BrokerError
            If there is no connection or no answer, or an execution cannot be understood.
        """
        session = self._session
        if session is None or self._lost:
            raise BrokerError(f"no connection to the broker: {self._lost or 'connect() was not called'}")
        await session.ask("executions", session.reqExecutionsAsync, self._config.request_timeout_seconds)
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise BrokerError(f"an execution cannot be understood: {failure}") from failure
        found, self._events[:] = list(self._events), []
        return found, list(self._contracts.values())

    # --- what the broker says --------------------------------------------------------------------------

    def on_execution(self, contract: IBContract, execution: IBExecution) -> None:
        """Take an execution."""
        if execution.acctNumber and execution.acctNumber != self._account:
            return
        try:
            if contract.secType in _TYPES:
                derives = contract.secType in _DERIVATIVES
                self._contracts[contract.conId] = Contract(
                    con_id=contract.conId,
                    symbol=contract.symbol,
                    security_type=cast(_Type, contract.secType),
                    multiplier=int(contract.multiplier or (100 if derives else 1)),
                    right=_RIGHTS.get(contract.right[:1], "") if derives else "",
                    strike=(price_from_wire(contract.strike) or 0) if derives else 0,
                    expiry_date=contract.lastTradeDateOrContractMonth[:8],
                )
            self._book.book(contract, execution, "")
            self._book.release_commission(execution.execId)
        except (BrokerError, ValueError) as error:
            self._failure = error

    def on_commission(self, execution_id: str, amount: float | None, currency: str) -> None:
        """Take a commission."""
        self._book.on_commission(execution_id, amount, currency)

    def on_decode_error(self, message: str) -> None:
        """Hear that a message was lost: it may have been an execution."""
        self._failure = BrokerError(message)

    def on_connection_lost(self, message: str) -> None:
        """Hear that the socket is gone."""
        self._lost = message or "the socket was closed"
