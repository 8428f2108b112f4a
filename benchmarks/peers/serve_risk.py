"""openpit: order validation, a rate limit and a size limit on orders made before anything is timed."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import openpit
from openpit.param import AccountId, Price, Quantity, Side, TradeAmount, Volume
from openpit.pretrade.policies import (
    OrderSizeBrokerBarrier,
    OrderSizeLimit,
    RateLimit,
    RateLimitBrokerBarrier,
    build_order_size_limit,
    build_order_validation,
    build_rate_limit,
)
from serving import Job, serve


def prepare(job: str, inputs: dict[str, Any]) -> Job:
    """Make engine and orders; the job asks for each order, and gives the last round's reservations back."""
    size = OrderSizeLimit(max_quantity=Quantity("10"), max_notional=Volume("100000000"))
    rate = RateLimit(max_orders=10_000_000, window=datetime.timedelta(seconds=60))
    engine = (
        openpit.Engine.builder()
        .no_sync()
        .builtin(build_order_validation())
        .builtin(build_rate_limit().broker_barrier(RateLimitBrokerBarrier(limit=rate)))
        .builtin(build_order_size_limit().broker_barrier(OrderSizeBrokerBarrier(limit=size)))
        .build()
    )
    account = AccountId.from_int(1)
    orders = [
        openpit.Order(
            operation=openpit.OrderOperation(
                instrument=openpit.Instrument(f"C{int(contract)}", "USD"),
                account_id=account,
                side=Side.BUY,
                trade_amount=TradeAmount.quantity(str(int(quantity))),
                price=Price(str(price / 10_000)),
            ),
        )
        for contract, quantity, price in zip(
            inputs["contract"], inputs["quantity"], inputs["price"], strict=True
        )
    ]

    def check() -> dict[str, Any]:
        results = [engine.execute_pre_trade(order=order) for order in orders]
        return {"allowed": np.array([result.ok for result in results])}

    return check


serve(prepare)
