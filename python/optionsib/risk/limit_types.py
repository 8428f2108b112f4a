"""What a ``LimitChecker`` is told and tells: states of trading, and what an account is exposed to."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class State(enum.IntEnum):
    """What may leave; a cancel always may. ``CANCEL_ONLY`` lets nothing else."""

    ACTIVE = 0
    REDUCE_ONLY = 1
    CANCEL_ONLY = 2
    HALTED = 3  # as REDUCE_ONLY, and the desk withdraws the opening orders that work


@dataclass(frozen=True, slots=True)
class Exposure:
    """Portfolio totals in raw units times multiplier.

    ``delta`` (shares), ``gamma`` (shares per 1.00), ``vega`` (currency per 1.00 of volatility) are those
    of the positions; ``worst_*`` the largest magnitude over all fills of working orders. ``notional`` is
    gross, in currency, worst over all fills. NaN = a market value is not known. ``worst_loss`` (money) is
    the cash given out so far, realised results included, plus the worst that positions and fills may
    still cost; None = unbounded. ``scenario_loss`` (money) is the loss in the worst cell of the grid, NaN
    where a row is not known. ``profit`` (money) is cash and positions at mid.
    """

    delta: float
    gamma: float
    vega: float
    worst_delta: float
    worst_gamma: float
    worst_vega: float
    notional: float
    worst_loss: int | None
    scenario_loss: float
    profit: int
