"""What the broker has said: quotes, orders and events, sorted as they come in from the socket."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import msgspec

from optionsib.brokers.ib import codes
from optionsib.brokers.ib.health import LastError
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import Execution as IBExecution
from optionsib.brokers.ib.library import OptionComputation, OrderState
from optionsib.brokers.ib.library import Order as IBOrder
from optionsib.brokers.ib.market_data import MarketDataDesk
from optionsib.brokers.ib.orders import OrderTracker
from optionsib.brokers.ib.quotes import QuoteBoard
from optionsib.common.events import BrokerEvent, BrokerNotice, OrderUpdate
from optionsib.common.ports import Clock

UNKNOWN_NS = QuoteBoard.UNKNOWN_NS
_HIGHEST_PORT = 65_535
_HIGHEST_ORDER_ID = 2**31 - 2


class Inbox:
    """Hears every callback of a session (``wrapper.Callbacks``) and keeps what the caller has yet to take.

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
    silent_seconds : float
        After how long without a tick the quotes of a symbol are stale.
    lockstep : bool
        Whether time stands still between steps.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        client_id: int,
        market_data_lines: int,
        stamps_late: bool,
        on_lost: Callable[[str], None],
        silent_seconds: float = 10.0,
        lockstep: bool = False,
    ) -> None:
        self.market = MarketDataDesk(
            clock,
            lines=market_data_lines,
            silent_seconds=silent_seconds,
            lockstep=lockstep,
            on_stale=lambda message: self.notice(codes.QUOTES_STALE, message),
        )
        self.orders = OrderTracker(self._emit, self.stamp, client_id)
        self.in_step = False
        self.answered = asyncio.Event()  # something was said about an order
        self.attention = asyncio.Event()  # the link, a farm or a message asks for care
        self.client_id_in_use = False
        self.resubscribe = False
        self.reconcile = False
        self.too_fast = False  # the broker says that we send too fast
        self.highest_order_id = 0
        self.new_port: int | None = None
        self.last_error: LastError | None = None
        self._clock = clock
        self._client_id = client_id
        self._stamps_late = stamps_late
        self._on_lost = on_lost
        self._events: list[BrokerEvent] = []

    @property
    def quotes(self) -> QuoteBoard:
        """The quotes of all streams."""
        return self.market.quotes

    @property
    def link_lost(self) -> bool:
        """Whether the broker's own link to its servers is down (1100)."""
        return self.market.link_lost

    def new_session(self) -> None:
        """Forget what was only true of the last connection."""
        self.client_id_in_use = self.resubscribe = self.reconcile = self.too_fast = False
        self.new_port = None
        self.attention.clear()
        self.orders.new_session()
        self.market.new_session()

    def take_events(self) -> list[BrokerEvent]:
        """Return the events since the last call, in the order of their arrival."""
        events, self._events[:] = list(self._events), []
        return events

    def outdate(self, order_ref: str) -> None:
        """Mark what was said of an order before a change of it left: it answers nothing about the change."""
        for i, event in enumerate(self._events):
            if isinstance(event, OrderUpdate) and event.order_ref == order_ref:
                self._events[i] = msgspec.structs.replace(event, pending=True)

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

    def notice(self, code: int, message: str) -> None:
        """Tell the caller something that belongs to no order."""
        self._emit(BrokerNotice(code=code, message=message, at_ns=self.stamp()))

    # --- callbacks -------------------------------------------------------------------------------------

    def on_price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        """Take a price tick."""
        self.market.on_price(request_id, tick_type, price, size, self.stamp())

    def on_size(self, request_id: int, tick_type: int, size: float) -> None:
        """Take a size tick."""
        self.market.on_size(request_id, tick_type, size, self.stamp())

    def on_quote_time(self, request_id: int) -> None:
        """Take the feed's word that a quote stands."""
        self.market.on_quote_time(request_id, self.stamp())

    def on_data_type(self, request_id: int, data_type: int) -> None:
        """Take the feed's word on what it sends."""
        self.market.on_data_type(request_id, data_type)

    def on_computation(self, request_id: int, computation: OptionComputation) -> None:
        """Keep the broker's model values."""
        self.market.on_computation(request_id, computation)

    def on_open_order(self, contract: IBContract, order: IBOrder, state: OrderState) -> None:
        """Take an order as the broker works it."""
        self._used_order_id(order.clientId, order.orderId)
        self.orders.on_open_order(contract, order, state)
        self._heard_of_order()

    def on_order_status(self, order_id: int, client_id: int, perm_id: int, status: str) -> None:
        """Take an order's status."""
        self.orders.on_order_status(order_id, client_id, perm_id, status)
        self._heard_of_order()

    def on_completed_order(self, order: IBOrder, state: OrderState) -> None:
        """Take an order that has ended."""
        self.orders.on_completed_order(order, state)

    def on_execution(self, contract: IBContract, execution: IBExecution) -> None:
        """Take an execution."""
        self._used_order_id(execution.clientId, execution.orderId)
        self.orders.on_execution(contract, execution)
        self._heard_of_order()

    def on_commission(self, execution_id: str, amount: float | None, currency: str) -> None:
        """Take a commission."""
        self.orders.executions.on_commission(execution_id, amount, currency)

    def on_error(self, request_id: int, code: int, message: str, *, is_request: bool) -> None:
        """Give an error to the request, the order, the subscription or the connection that it is about."""
        if not codes.is_information(code) and code not in codes.FARM_UP:
            self.last_error = LastError(code=code, text=message[:500], at_ns=self._clock.now_ns())
        if code == codes.TOO_FAST:
            self._on_too_fast()
        if is_request and not codes.is_information(code):
            return  # raised where the request was made
        if self.orders.on_error(request_id, code, message):
            self._heard_of_order()
            return
        con_id = self.market.on_stream_error(request_id, code)
        if con_id is not None:
            message = f"{message} (contract {con_id})"
            self.attention.set()
        elif request_id <= 0:
            self._on_connection_code(code, message)
        if code != codes.UNKNOWN_TICKER:  # a cancel that crossed with the end of a subscription
            self.notice(code, message)

    def on_decode_error(self, message: str) -> None:
        """Raise an alarm: a message was lost, so orders and executions are asked again."""
        self.reconcile = True
        self.attention.set()
        self.notice(codes.DECODE_ALARM, message)

    def on_connection_lost(self, message: str) -> None:
        """Tell that nothing is known about the broker from here on."""
        self.market.connected = False
        self.market.judge()
        self.notice(codes.CONNECTION_LOST, message)
        self._on_lost(message)
        self.answered.set()

    # --- inside ----------------------------------------------------------------------------------------

    def _on_too_fast(self) -> None:
        """Ask for all that may be missing: a message was thrown away, and nobody says which."""
        self.too_fast = self.reconcile = True
        self.market.demand_proof_of_silent()
        self.attention.set()

    def _on_connection_code(self, code: int, message: str) -> None:
        was_lost = self.link_lost
        self.market.on_connection_code(code, message, self.stamp())
        self.reconcile |= was_lost and not self.link_lost  # after 2110 a farm's OK may be the only word
        if code == codes.CLIENT_ID_IN_USE:
            self.client_id_in_use = True
        elif code in (codes.LINK_BACK_DATA_LOST, codes.LINK_BACK_DATA_KEPT):
            self.reconcile = True
            self.resubscribe |= code == codes.LINK_BACK_DATA_LOST
        elif code == codes.PORT_CHANGED:
            found = re.findall(r"\d+", message)
            if found and 0 < int(found[-1][:6]) <= _HIGHEST_PORT:
                self.new_port = int(found[-1])
        self.attention.set()

    def _heard_of_order(self) -> None:
        self.answered.set()
        if self.orders.has_doubles_to_end():
            self.attention.set()

    def _used_order_id(self, client_id: int, order_id: int) -> None:
        if client_id == self._client_id and order_id <= _HIGHEST_ORDER_ID:
            self.highest_order_id = max(self.highest_order_id, order_id)

    def _emit(self, event: BrokerEvent) -> None:
        self._events.append(event)
