"""What a gateway has told so far, for the worlds that the gateway's tests live in."""

from __future__ import annotations

from optionsib.brokers.ib import IBGateway
from optionsib.common.clock import SteppedClock
from optionsib.common.events import OrderUpdate
from optionsib.common.ports import Clock


class GatewayEvents:
    """Steps a gateway, moves a stepped clock with it, and keeps every event."""

    def __init__(self, gateway: IBGateway, clock: Clock) -> None:
        self.gateway = gateway
        self.clock = clock
        self.events: list[object] = []

    async def step(self) -> int | None:
        time_ns = await self.gateway.step()
        if time_ns is not None and isinstance(self.clock, SteppedClock):
            self.clock.advance(time_ns)
        self.take()
        return time_ns

    async def settle(self) -> None:
        await self.gateway.settle()
        self.take()

    def take(self) -> None:
        self.events += self.gateway.take_events()

    def of(self, kind: type) -> list:
        return [event for event in self.events if type(event) is kind]

    def statuses(self, order_ref: str) -> list[str]:
        return [event.status for event in self.of(OrderUpdate) if event.order_ref == order_ref]
