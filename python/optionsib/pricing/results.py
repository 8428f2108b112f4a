"""What the pricing functions return: statuses, and the named results made by the native module."""

from __future__ import annotations

from enum import IntEnum

from optionsib._native._core import (
    AmericanGreeks,
    AmericanImpliedGreeks,
    AmericanImpliedVolatility,
    EuropeanGreeks,
    ExerciseBoundary,
    Greeks,
    ImpliedGreeks,
    ImpliedVolatility,
    SecondOrderGreeks,
    SecondOrderImpliedGreeks,
    ThirdOrderGreeks,
    ThirdOrderImpliedGreeks,
)

__all__ = [
    "AmericanGreeks",
    "AmericanImpliedGreeks",
    "AmericanImpliedVolatility",
    "EuropeanGreeks",
    "ExerciseBoundary",
    "Greeks",
    "ImpliedGreeks",
    "ImpliedVolatility",
    "SecondOrderGreeks",
    "SecondOrderImpliedGreeks",
    "Status",
    "ThirdOrderGreeks",
    "ThirdOrderImpliedGreeks",
]


class Status(IntEnum):
    """What became of one element; every status but `OK` and `NO_VEGA` goes with NaN results."""

    OK = 0
    INVALID_INPUT = 1
    """NaN or infinite input, spot or strike outside the model, volatility < 0, discount factor overflow."""
    EXPIRED = 2
    """Time to expiry < 0."""
    UNSUPPORTED = 3
    """The model does not know this combination."""
    BELOW_INTRINSIC = 4
    """Implied volatility: price below the discounted intrinsic by more than 4 ulp of max(spot, strike)."""
    ABOVE_MAXIMUM = 5
    """Implied volatility: price above the discounted forward (call) or strike (put)."""
    NO_VEGA = 6
    """Implied volatility: price equals the discounted intrinsic; the volatility is given as 0."""
    AT_INTRINSIC = 7
    """American implied volatility: price equals the value of exercise at once, so it is not unique."""
