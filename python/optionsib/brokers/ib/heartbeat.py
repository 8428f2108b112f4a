"""One heartbeat: a question for the time, whose answer tells that somebody is still there."""

from __future__ import annotations

import asyncio

from optionsib.brokers.ib.session import TwsSession
from optionsib.common.config import GatewayConfig
from optionsib.common.errors import BrokerError
from optionsib.common.ports import Clock


async def beat(session: TwsSession, clock: Clock, config: GatewayConfig) -> None:
    """Ask for the time; only a broker that also sends nothing else is gone.

    Raises
    ------
    BrokerError
        If nothing at all came from the broker for the time that it has, or the connection broke.
    """
    patience = config.heartbeat_seconds
    give_up_at = clock.monotonic() + max(patience, config.request_timeout_seconds)
    answer = asyncio.ensure_future(session.request_time())
    try:
        while True:
            done, _ = await asyncio.wait({answer}, timeout=patience)
            if done:
                answer.result()
                return
            now = clock.monotonic()
            if now - session.client.heard_at >= patience or now >= give_up_at:
                raise BrokerError(f"the broker was silent for {patience:g} s and did not answer a heartbeat")
    except ConnectionError as error:
        raise BrokerError(f"connection lost during a heartbeat: {error}") from error
    finally:
        answer.cancel()
