"""Named results of the pricing functions."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Generic, NamedTuple, TypeVar

Value = TypeVar("Value")


class Status(IntEnum):
    """What became of one element; every status but `OK` and `NO_VEGA` goes with NaN results."""

    OK = 0
    INVALID_INPUT = 1
    """NaN or infinite input, spot or strike <= 0, volatility < 0, or an overflowing discount factor."""
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


class Greeks(NamedTuple, Generic[Value]):
    """Price and Greeks in raw units: floats for scalar input, else arrays of the broadcast shape.

    Attributes
    ----------
    price
        Value of the option.
    delta, gamma
        First and second derivative to the spot (``black76``: to the forward).
    vega, volga
        First and second derivative to the volatility, per 1.00.
    theta
        Derivative in calendar time (-d/dT), per year.
    rho
        Derivative to the rate, per 1.00, with spot and dividend yield held (``black76``: the forward).
    vanna
        Derivative of delta to the volatility, per 1.00.
    charm
        Derivative of delta in calendar time (-d/dT), per year.
    """

    price: Value
    delta: Value
    gamma: Value
    vega: Value
    theta: Value
    rho: Value
    vanna: Value
    volga: Value
    charm: Value

    def to_dict(self) -> dict[str, Value]:
        """Return ``{name: value}`` in the order of the attributes, for ``frame.assign(**...)``."""
        return self._asdict()


class ImpliedVolatility(NamedTuple, Generic[Value]):
    """Implied volatility and its status.

    Attributes
    ----------
    volatility
        Annualised volatility; in arrays NaN where `status` says that there is none.
    status
        A `Status` for scalar input, else an int8 array of their values.
    """

    volatility: Value
    status: Any

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"volatility": ..., "status": ...}``."""
        return self._asdict()
