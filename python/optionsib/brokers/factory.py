"""Where a broker connection is made from configuration."""

from __future__ import annotations

from typing import Literal

from optionsib.brokers.api import BrokerAPI, MessageTap
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import ConfigError, MissingExtraError
from optionsib.common.ports import Clock


class BrokerAdapterFactory:
    """Make broker adapters that share one clock, pace and account.

    Parameters
    ----------
    clock : Clock
        Source of every time the adapter stamps on an event.
    pace : {"real", "lockstep"}
        ``lockstep`` lets the paper exchange advance only when the adapter asks for the next step.
    step_seconds : float
        Length of a step in real seconds; used at real pace only.
    account : str
        The account to trade; empty takes the only one the broker manages.
    broker_time : bool
        At real pace, take the time of a step from the broker instead of from ``clock``.
    messages_per_second : int, optional
        Overrides the configured rate, which is limited to what TWS accepts. For a loopback exchange.
    message_tap : callable, optional
        Sees every message in and out before it is acted on.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        pace: Literal["lockstep", "real"] = "real",
        step_seconds: float = 60.0,
        account: str = "",
        broker_time: bool = False,
        messages_per_second: int | None = None,
        message_tap: MessageTap | None = None,
    ) -> None:
        self._clock = clock
        self._pace: Literal["lockstep", "real"] = pace
        self._step_seconds = step_seconds
        self._account = account
        self._broker_time = broker_time
        self._messages_per_second = messages_per_second
        self._message_tap = message_tap

    def create(self, config: GatewayConfig, kind: str = "ib") -> BrokerAPI:
        """Return an adapter that is not connected yet.

        Raises
        ------
        ConfigError
            If ``kind`` names no known broker.
        MissingExtraError
            If the broker's client library is not installed.
        """
        if kind != "ib":
            raise ConfigError(f"unknown broker {kind!r}: expected 'ib'")
        try:
            from optionsib.brokers.ib.gateway import IBGateway
        except ModuleNotFoundError as error:
            if error.name != "ib_async":
                raise
            raise MissingExtraError("live", "ib_async") from error
        return IBGateway(
            config,
            clock=self._clock,
            pace=self._pace,
            step_seconds=self._step_seconds,
            account=self._account,
            broker_time=self._broker_time,
            messages_per_second=self._messages_per_second,
            message_tap=self._message_tap,
        )
