"""Strategies: what to trade, at which limit, and when to leave."""

from optionsib.strategies.candidates import (
    CancelOrder,
    Candidate,
    NewLimit,
    OpenTrade,
    SequentialIds,
    WorkingOrder,
)
from optionsib.strategies.selected_legs import NotSelected, SelectedLegs, select_legs
from optionsib.strategies.vertical_residual import VerticalResidualStrategy

__all__ = [
    "CancelOrder",
    "Candidate",
    "NewLimit",
    "NotSelected",
    "OpenTrade",
    "SelectedLegs",
    "SequentialIds",
    "VerticalResidualStrategy",
    "WorkingOrder",
    "select_legs",
]
