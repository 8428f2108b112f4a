"""What the broker has said: quotes, orders and events, sorted as they come in from the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
from ib_async import Contract as IBContract
from ib_async import Execution as IBExecution
from ib_async import OptionComputation
from ib_async import Order as IBOrder
from ib_async.order import OrderState

from optionsib.brokers.ib import codes
from optionsib.brokers.ib.lines import MarketDataLines
from optionsib.brokers.ib.orders import OrderTracker
from optionsib.brokers.ib.quotes import QuoteBoard
from optionsib.common.events import BrokerEvent, BrokerNotice
from optionsib.common.ports import Clock

UNKNOWN_NS = QuoteBoard.UNKNOWN_NS


class Inbox:
    """Hears every callback of a session (``client.Callbacks``) and keeps what the caller has yet to take.

    Parameters
    ----------
    clock : Clock
        Stamps what arrives between steps.
    client_id : int
        Our client id.
    market_data_lines : int
        How many contracts may be streamed at once.
    stamps_late : bool
        Whether the time of a step becomes known only at its end; what arrives in between waits for it.
    on_lost : callable
        Told when the socket is gone, with the reason.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        client_id: int,
        market_data_lines: int,
        stamps_late: bool,
        on_lost: Callable[[str], None],
    ) -> None:
        self.quotes = QuoteBoard()
        self.lines = MarketDataLines(market_data_lines)
        self.orders = OrderTracker(self._emit, self.stamp, client_id)
        self.computations: dict[int, OptionComputation] = {}
        self.in_step = False
        self.answered = asyncio.Event()  # something was said about an order
        self.client_id_in_use = False
        self.link_lost = False  # between the broker's own gateway and its servers
        self.resubscribe = False
        self.reconcile = False
        self.highest_order_id = 0
        self._clock = clock
        self._client_id = client_id
        self._stamps_late = stamps_late
        self._on_lost = on_lost
        self._events: list[BrokerEvent] = []

    def new_session(self) -> None:
        """Forget what was only true of the last connection."""
        self.client_id_in_use = self.link_lost = self.resubscribe = self.reconcile = False
        self.orders.new_session()
        self.lines.forget_requests()

    def take_events(self) -> list[BrokerEvent]:
        """Return the events since the last call, in the order of their arrival."""
        events, self._events[:] = list(self._events), []
        return events

    def stamp(self) -> int:
        """Return the time of what arrives now, UTC ns."""
        now = self._clock.now_ns()
        # A stepped clock stands at 0 until the broker has said what time it is.
        return UNKNOWN_NS if self._stamps_late and (self.in_step or now == 0) else now

    def stamp_arrivals(self, time_ns: int) -> None:
        """Give everything that waits for its time the time ``time_ns``."""
        self.quotes.stamp(time_ns)
        for i, event in enumerate(self._events):
            if getattr(event, "at_ns", 0) == UNKNOWN_NS:
                self._events[i] = msgspec.structs.replace(event, at_ns=time_ns)

    # --- callbacks -------------------------------------------------------------------------------------

    def on_price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        """Take a price tick; ticks of a cancelled subscription are dropped."""
        con_id = self.lines.contract_of(request_id)
        if con_id is not None:
            self.quotes.price(con_id, tick_type, price, size, self.stamp())

    def on_size(self, request_id: int, tick_type: int, size: float) -> None:
        """Take a size tick."""
        con_id = self.lines.contract_of(request_id)
        if con_id is not None:
            self.quotes.size(con_id, tick_type, size, self.stamp())

    def on_quote_time(self, request_id: int) -> None:
        """Take the feed's word that a quote stands."""
        con_id = self.lines.contract_of(request_id)
        if con_id is not None:
            self.quotes.confirm(con_id, self.stamp())

    def on_computation(self, request_id: int, computation: OptionComputation) -> None:
        """Keep the broker's model values."""
        con_id = self.lines.contract_of(request_id)
        if con_id is not None:
            self.computations[con_id] = computation

    def on_open_order(self, contract: IBContract, order: IBOrder, state: OrderState) -> None:
        """Take an order as the broker works it."""
        self._used_order_id(order.clientId, order.orderId)
        self.orders.on_open_order(contract, order, state)
        self.answered.set()

    def on_order_status(self, order_id: int, client_id: int, perm_id: int, status: str) -> None:
        """Take an order's status."""
        self.orders.on_order_status(order_id, client_id, perm_id, status)
        self.answered.set()

    def on_completed_order(self, order: IBOrder, state: OrderState) -> None:
        """Take an order that has ended."""
        self.orders.on_completed_order(order, state)

    def on_execution(self, contract: IBContract, execution: IBExecution) -> None:
        """Take an execution."""
        self._used_order_id(execution.clientId, execution.orderId)
        self.orders.on_execution(contract, execution)
        self.answered.set()

    def on_commission(self, execution_id: str, amount: float | None, currency: str) -> None:
        """Take a commission."""
        self.orders.on_commission(execution_id, amount, currency)

    def on_error(self, request_id: int, code: int, message: str, *, is_request: bool) -> None:
        """Give an error to the order, the subscription or the connection that it is about."""
        if self.orders.on_error(request_id, code, message):
            self.answered.set()
            return
        if is_request and not codes.is_information(code):
            return  # raised where the request was made
        con_id = self.lines.contract_of(request_id)
        if con_id is not None:
            message = f"{message} (contract {con_id})"
            if code in codes.DATA_REFUSALS:
                self.lines.refuse(request_id)
                if code == codes.TOO_MANY_LINES:
                    self.lines.lower_budget()
        elif code == codes.CLIENT_ID_IN_USE:
            self.client_id_in_use = True
        elif code == codes.LINK_LOST:
            self.link_lost = True
        elif code in (codes.LINK_BACK_DATA_LOST, codes.LINK_BACK_DATA_KEPT):
            self.link_lost = False
            self.reconcile = True
            self.resubscribe |= code == codes.LINK_BACK_DATA_LOST
        self._notice(code, message)

    def on_decode_error(self, message: str) -> None:
        """Raise an alarm: a message was lost."""
        self._notice(codes.DECODE_ALARM, message)

    def on_connection_lost(self, message: str) -> None:
        """Tell that nothing is known about the broker from here on."""
        self._notice(codes.CONNECTION_LOST, message)
        self._on_lost(message)
        self.answered.set()

    # --- inside ----------------------------------------------------------------------------------------

    def _used_order_id(self, client_id: int, order_id: int) -> None:
        if client_id == self._client_id:
            self.highest_order_id = max(self.highest_order_id, order_id)

    def _emit(self, event: BrokerEvent) -> None:
        self._events.append(event)

    def _notice(self, code: int, message: str) -> None:
        self._emit(BrokerNotice(code=code, message=message, at_ns=self.stamp()))
