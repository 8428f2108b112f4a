"""Which market data the account is said to have subscribed to, and what that does to a request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Entitlement = Literal["live", "delayed", "api", "partial", "none"]
ENTITLEMENTS: tuple[Entitlement, ...] = ("live", "delayed", "api", "partial", "none")
LIVE, FROZEN, DELAYED, DELAYED_FROZEN = 1, 2, 3, 4

_LINK = "See link in 'Market Data Connections' dialog for more details."


@dataclass(frozen=True, slots=True)
class Grant:
    """What a subscription gets: ``kind`` of data (0 = nothing) and what the client is told first."""

    kind: int
    code: int = 0
    text: str = ""


def grant(entitlement: Entitlement, wanted: int, *, is_open: bool, name: str) -> Grant:
    """Decide on a request for ``name`` of a client that has asked for data type ``wanted``.

    ``delayed``: no live subscription, delayed data is offered (354, or 10167 with it). ``api``: live
    data needs a subscription for the API (10089, 10167). ``partial``: live data, parts of it missing
    (10090). ``none``: nothing at all (354).
    """
    live = Grant(FROZEN if wanted in (FROZEN, DELAYED_FROZEN) and not is_open else LIVE)
    if entitlement == "live":
        return live
    if entitlement == "partial":
        return Grant(
            live.kind,
            10090,
            "Part of requested market data is not subscribed. "
            f"Subscription-independent ticks are still active.{name}",
        )
    if entitlement == "none":
        return Grant(0, 354, f"Requested market data is not subscribed.{name}")
    if wanted in (DELAYED, DELAYED_FROZEN):
        return Grant(
            DELAYED, 10167, "Requested market data is not subscribed. Displaying delayed market data."
        )
    if entitlement == "api":
        return Grant(
            0,
            10089,
            f"Requested market data requires additional subscription for API. {_LINK}"
            f"Delayed market data is available.{name}",
        )
    return Grant(0, 354, f"Requested market data is not subscribed. Delayed market data is available.{name}")
