"""The gateway to TWS, IB Gateway and the paper exchange. ``ib_async`` is loaded on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optionsib.brokers.ib.gateway import IBGateway

__all__ = ["IBGateway"]


def __getattr__(name: str) -> object:
    if name == "IBGateway":
        from optionsib.brokers.ib.gateway import IBGateway

        return IBGateway
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
