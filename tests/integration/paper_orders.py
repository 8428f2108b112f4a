"""Short words for orders on the laboratory's chain, through ib_async."""

from __future__ import annotations

from typing import Any

import ib_async


def contract(con_id: int) -> ib_async.Contract:
    return ib_async.Contract(secType="STK" if con_id == 1 else "OPT", conId=con_id, exchange="SMART")


def spread(*legs: tuple[int, int]) -> ib_async.Contract:
    """A combination of (contract id, signed ratio)."""
    return ib_async.Contract(
        secType="BAG",
        symbol="TWX",
        currency="USD",
        exchange="SMART",
        comboLegs=[
            ib_async.ComboLeg(con_id, abs(ratio), "BUY" if ratio > 0 else "SELL", "SMART")
            for con_id, ratio in legs
        ],
    )


def limit(action: str, quantity: float, price: float, **more: Any) -> ib_async.LimitOrder:
    return ib_async.LimitOrder(action, quantity, price, **more)


async def settle(client: ib_async.IB) -> None:
    """Wait for the answers to everything sent so far; no time passes."""
    await client.reqAllOpenOrdersAsync()


def fills(trade: ib_async.Trade) -> list[tuple[str, str, float, float, float]]:
    return [
        (
            fill.contract.secType,
            fill.execution.side,
            fill.execution.shares,
            fill.execution.price,
            round(fill.commissionReport.commission, 6),
        )
        for fill in trade.fills
    ]


def status(trade: ib_async.Trade) -> tuple[str, float, float]:
    """Status, filled, remaining."""
    return trade.orderStatus.status, trade.orderStatus.filled, trade.orderStatus.remaining
