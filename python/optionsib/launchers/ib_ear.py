"""The doctor's ear: hears every callback of a connection (``brokers.ib.wrapper.Callbacks``)."""

# The callbacks are described where they are declared:
# ruff: noqa: D102

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from optionsib.brokers.ib.conversions import is_set


@dataclass(slots=True)
class Ear:
    """Keeps errors, kinds of market data, prices by request, and the highest order id of its client."""

    client_id: int
    errors: list[tuple[int, int, str]] = field(default_factory=list)
    data_types: dict[int, int] = field(default_factory=dict)
    prices: dict[int, dict[int, float]] = field(default_factory=dict)
    highest_order_id: int = 0

    def on_price(self, request_id: int, tick_type: int, price: float, size: float) -> None:
        if is_set(price) and price > 0:
            self.prices.setdefault(request_id, {})[tick_type] = price

    def on_size(self, request_id: int, tick_type: int, size: float) -> None:
        pass

    def on_quote_time(self, request_id: int) -> None:
        pass

    def on_computation(self, request_id: int, computation: object) -> None:
        pass

    def on_data_type(self, request_id: int, data_type: int) -> None:
        self.data_types[request_id] = data_type

    def on_open_order(self, contract: object, order: Any, state: object) -> None:
        if order.clientId == self.client_id:
            self.highest_order_id = max(self.highest_order_id, order.orderId)

    def on_order_status(self, order_id: int, client_id: int, perm_id: int, status: str) -> None:
        pass

    def on_completed_order(self, order: object, state: object) -> None:
        pass

    def on_execution(self, contract: object, execution: object) -> None:
        pass

    def on_commission(self, execution_id: str, amount: float | None, currency: str) -> None:
        pass

    def on_error(self, request_id: int, code: int, message: str, *, is_request: bool) -> None:
        self.errors.append((request_id, code, message))

    def on_decode_error(self, message: str) -> None:
        self.errors.append((-1, -1, message))

    def on_connection_lost(self, message: str) -> None:
        self.errors.append((-1, -3, message))

    def said(self, request_id: int) -> list[tuple[int, str]]:
        return [(code, text) for request, code, text in self.errors if request == request_id]
