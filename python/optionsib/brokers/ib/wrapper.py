"""Our hands on every callback of the client library's decoder.

The library keeps trades, fills and tickers of its own. They are not used: its order status turns
"Cancelled" on codes that leave an order alive, it drops callbacks that arrive before the message it
expects first, and it stamps with the machine's clock. Here every decoded message of interest goes
straight to ``Callbacks``, synchronously and in the order of the socket, so that everything that was
sent before an answer has been applied when the answer arrives.
"""

# The overrides keep the library's names and meanings, and much of it is untyped:
# ruff: noqa: N802, N803, D102
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol

from optionsib.brokers.ib import codes
from optionsib.brokers.ib.library import (
    IB,
    BarData,
    CommissionReport,
    ContractDetails,
    Execution,
    OptionChain,
    OptionComputation,
    OrderState,
    RequestError,
    Wrapper,
)
from optionsib.brokers.ib.library import Contract as IBContract
from optionsib.brokers.ib.library import Order as IBOrder

_HIGHEST_ID = 2**31 - 1
_MODEL_TICKS = frozenset({13, 83})  # live, delayed; bid, ask and last are not used
_QUOTE_TIMES = frozenset({45, 88})  # live, delayed


class Callbacks(Protocol):
    """Who hears the broker. Called synchronously, in the order of the socket."""

    def on_price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        """Take a price tick with its size."""
        ...

    def on_size(self, request_id: int, tick_type: int, size: float) -> None:
        """Take a size tick."""
        ...

    def on_quote_time(self, request_id: int) -> None:
        """Hear that the feed stamped the quote anew."""
        ...

    def on_computation(self, request_id: int, computation: OptionComputation) -> None:
        """Take the broker's option model values, sentinels included."""
        ...

    def on_data_type(self, request_id: int, data_type: int) -> None:
        """Hear whether a stream is live (1), frozen (2), delayed (3) or both (4)."""
        ...

    def on_open_order(self, contract: IBContract, order: IBOrder, state: OrderState) -> None:
        """Take an order as the broker works it."""
        ...

    def on_order_status(self, order_id: int, client_id: int, perm_id: int, status: str) -> None:
        """Take a status."""
        ...

    def on_completed_order(self, order: IBOrder, state: OrderState) -> None:
        """Take an order that ended today."""
        ...

    def on_execution(self, contract: IBContract, execution: Execution) -> None:
        """Take an execution, live or repeated on request."""
        ...

    def on_commission(self, execution_id: str, amount: float | None, currency: str) -> None:
        """Take a commission; None where the broker left the amount empty."""
        ...

    def on_error(self, request_id: int, code: int, message: str, *, is_request: bool) -> None:
        """Take an error, warning or notice; ``is_request``: somebody waits for this request's answer."""
        ...

    def on_decode_error(self, message: str) -> None:
        """Hear that a message was lost because it could not be decoded."""
        ...

    def on_connection_lost(self, message: str) -> None:
        """Hear that the socket is gone."""
        ...


class DecodeAlarm(logging.Handler):
    """Turns the decoder's log lines, its only sign of a lost message, into callbacks."""

    def __init__(self, callbacks: Callbacks) -> None:
        super().__init__(logging.ERROR)
        self.count = 0
        self._callbacks = callbacks

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1
        cause = record.exc_info[1] if record.exc_info else None
        self._callbacks.on_decode_error(f"{record.getMessage()[:500]} ({cause!r})")


class TwsWrapper(Wrapper):
    """Hands callbacks on; keeps of ib_async's wrapper only the matching of answers to requests."""

    def __init__(self, ib: IB, callbacks: Callbacks) -> None:
        self.callbacks = callbacks
        super().__init__(ib)

    def reset(self) -> None:
        super().reset()
        self._expected: dict[str, deque[asyncio.Future[int]]] = {"time": deque(), "id": deque()}

    def connectionClosed(self) -> None:
        for futures in self._expected.values():
            for future in futures:
                if not future.done():
                    future.set_exception(ConnectionError("Socket disconnect"))
        super().connectionClosed()

    def expect(self, kind: str) -> asyncio.Future[int]:
        """Return the future of the next answer of a kind that carries no request id.

        Answers go to the askers in turn, also past one who has stopped waiting: an old answer must
        not end a new question.
        """
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._expected[kind].append(future)
        return future

    def _answer(self, kind: str, value: int) -> None:
        if self._expected[kind]:
            future = self._expected[kind].popleft()
            if not future.done():
                future.set_result(value)

    # A late answer to a request that was given up finds no list to append to; that is no error.
    def _collect(self, key: object, item: object) -> None:
        results = self._results.get(key)
        if results is not None:
            results.append(item)

    def tcpDataArrived(self) -> None:
        pass

    def tcpDataProcessed(self) -> None:
        pass

    def currentTime(self, time: int) -> None:
        self._answer("time", time)

    def nextValidId(self, reqId: int) -> None:
        if reqId < _HIGHEST_ID:
            self.ib.client.updateReqId(reqId)
        self._answer("id", reqId)

    def priceSizeTick(self, reqId: int, tickType: int, price: float, size: float) -> None:
        self.callbacks.on_price(reqId, tickType, price, size)

    def tickSize(self, reqId: int, tickType: int, size: float) -> None:
        self.callbacks.on_size(reqId, tickType, size)

    def marketDataType(self, reqId: int, marketDataId: int) -> None:
        self.callbacks.on_data_type(reqId, marketDataId)

    def tickSnapshotEnd(self, reqId: int) -> None:
        self._endReq(reqId)

    def historicalData(self, reqId: int, bar: BarData) -> None:
        self._collect(reqId, bar)

    def historicalDataEnd(self, reqId: int, _start1: str, _end1: str) -> None:
        self._endReq(reqId)

    def tickGeneric(self, reqId: int, tickType: int, value: float) -> None:
        pass

    def tickString(self, reqId: int, tickType: int, value: str) -> None:
        if tickType in _QUOTE_TIMES:
            self.callbacks.on_quote_time(reqId)

    def tickOptionComputation(
        self,
        reqId: int,
        tickType: int,
        tickAttrib: int,
        impliedVol: float,
        delta: float,
        optPrice: float,
        pvDividend: float,
        gamma: float,
        vega: float,
        theta: float,
        undPrice: float,
    ) -> None:
        if tickType not in _MODEL_TICKS:
            return
        values = (impliedVol, delta, optPrice, pvDividend, gamma, vega, theta, undPrice)
        self.callbacks.on_computation(reqId, OptionComputation(tickAttrib, *values))

    def openOrder(self, orderId: int, contract: IBContract, order: IBOrder, orderState: OrderState) -> None:
        if order.whatIf:
            self._endReq(orderId, orderState)
            return
        self.callbacks.on_open_order(contract, order, orderState)
        self._collect("openOrders", (order, orderState))
        if orderId < _HIGHEST_ID:
            self.ib.client.updateReqId(orderId + 1)

    def orderStatus(
        self,
        orderId: int,
        status: str,
        filled: float,
        remaining: float,
        avgFillPrice: float,
        permId: int,
        parentId: int,
        lastFillPrice: float,
        clientId: int,
        whyHeld: str,
        mktCapPrice: float = 0.0,
    ) -> None:
        self.callbacks.on_order_status(orderId, clientId, permId, status)

    def completedOrder(self, contract: IBContract, order: IBOrder, orderState: OrderState) -> None:
        self.callbacks.on_completed_order(order, orderState)
        self._collect("completedOrders", order)

    def execDetails(self, reqId: int, contract: IBContract, execution: Execution) -> None:
        self.callbacks.on_execution(contract, execution)
        self._collect(reqId, execution)

    def commissionReport(self, commissionReport: CommissionReport) -> None:
        report = commissionReport
        self.callbacks.on_commission(report.execId, report.commission, report.currency)

    def contractDetails(self, reqId: int, contractDetails: ContractDetails) -> None:
        self._collect(reqId, contractDetails)

    def securityDefinitionOptionParameter(
        self,
        reqId: int,
        exchange: str,
        underlyingConId: int,
        tradingClass: str,
        multiplier: str,
        expirations: list[str],
        strikes: list[float],
    ) -> None:
        chain = OptionChain(exchange, underlyingConId, tradingClass, multiplier, expirations, strikes)
        self._collect(reqId, chain)

    def accountSummary(self, _reqId: int, account: str, tag: str, value: str, currency: str) -> None:
        self._collect(_reqId, (account, tag, value, currency))

    def error(self, reqId: int, errorCode: int, errorString: str, advancedOrderRejectJson: str) -> None:
        is_request = reqId in self._futures
        self.callbacks.on_error(reqId, errorCode, errorString, is_request=is_request)
        if is_request and not codes.is_information(errorCode):
            self._endReq(reqId, RequestError(reqId, errorCode, errorString), success=False)
