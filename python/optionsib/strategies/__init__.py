"""Strategies: what to trade, at which limit, and when to leave."""

from optionsib.strategies.candidates import (
    CancelOrder,
    Candidate,
    NewLimit,
    OpenTrade,
    SequentialIds,
    WorkingOrder,
)
from optionsib.strategies.vertical_residual import VerticalResidualStrategy

__all__ = [
    "CancelOrder",
    "Candidate",
    "NewLimit",
    "OpenTrade",
    "SequentialIds",
    "VerticalResidualStrategy",
    "WorkingOrder",
]
