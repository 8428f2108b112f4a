"""Option structures of defined risk, as the legs of strategy data. Deltas are absolute, farther = smaller."""

from __future__ import annotations

from typing import Final, Literal

from optionsib.common.strategy_data import ByDelta, ExpirySelector, StrategyLeg

Right = Literal["C", "P"]


def vertical(
    right: Right, bought_delta: float, sold_delta: float, expiry: ExpirySelector
) -> tuple[StrategyLeg, ...]:
    """Return one bought and one sold option of a right; a debit where the bought one has the larger delta."""
    return (_leg(right, 1, bought_delta, expiry), _leg(right, -1, sold_delta, expiry))


def iron_condor(sold_delta: float, wing_delta: float, expiry: ExpirySelector) -> tuple[StrategyLeg, ...]:
    """Return a put and a call credit vertical around the forward."""
    return vertical("P", wing_delta, sold_delta, expiry) + vertical("C", wing_delta, sold_delta, expiry)


def long_strangle(delta: float, expiry: ExpirySelector) -> tuple[StrategyLeg, ...]:
    """Return a bought put and a bought call: what is paid is all that can be lost."""
    return (_leg("P", 1, delta, expiry), _leg("C", 1, delta, expiry))


STRUCTURES: Final = (
    "iron_condor",
    "put_credit_vertical",
    "call_credit_vertical",
    "call_debit_vertical",
    "put_debit_vertical",
    "long_strangle",
)
DEBITS: Final = ("call_debit_vertical", "put_debit_vertical", "long_strangle")  # only the price can be lost


def structure(
    name: str, near_delta: float, far_delta: float, expiry: ExpirySelector
) -> tuple[StrategyLeg, ...]:
    """Return the legs of one of ``STRUCTURES``: ``near_delta`` the larger delta, ``far_delta`` the smaller.

    Raises
    ------
    ValueError
        If there is no such structure, or the deltas are not in this order.
    """
    if not 0.0 < far_delta < near_delta < 1.0:
        raise ValueError(f"deltas {near_delta} and {far_delta}: expected 1 > near > far > 0")
    match name:
        case "iron_condor":
            return iron_condor(near_delta, far_delta, expiry)
        case "put_credit_vertical":
            return vertical("P", far_delta, near_delta, expiry)
        case "call_credit_vertical":
            return vertical("C", far_delta, near_delta, expiry)
        case "call_debit_vertical":
            return vertical("C", near_delta, far_delta, expiry)
        case "put_debit_vertical":
            return vertical("P", near_delta, far_delta, expiry)
        case "long_strangle":
            return long_strangle(near_delta, expiry)
        case _:
            raise ValueError(f"structure {name!r}: expected one of {', '.join(STRUCTURES)}")


def _leg(right: Right, ratio: int, delta: float, expiry: ExpirySelector) -> StrategyLeg:
    return StrategyLeg(right=right, ratio=ratio, strike=ByDelta(delta=delta), expiry=expiry)
