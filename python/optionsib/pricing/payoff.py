"""Payoff geometry: maximum loss and gain, break-evens and kinks of a position at one expiry.

With ``S >= 0`` the spot at expiry::

    payoff(S) = cash + sum of quantity * multiplier * max(kind * (S - strike), 0)   (call +1, put -1)
                     + sum of quantity * multiplier * S                             (stock, kind 0)

``cash`` is what the position brought in when it was opened: negative for a debit. ``payoff_geometry``
works in currency (float64), ``exact_payoff_geometry`` in integers: prices 1/10000, money 1/1000000.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optionsib._native import _core

_KINDS = {"call": 1, "put": -1, "stock": 0}


@dataclass(frozen=True, slots=True)
class PayoffGeometry:
    """Payoff in currency. ``max_loss`` and ``max_gain`` are inf where there is no bound.

    ``max_loss`` is the negative of the lowest payoff: negative where every outcome is a gain.
    ``break_evens``: ascending spots of payoff zero; a stretch of zeros gives its two ends (its start
    alone where it never ends). ``kinks``: 0 and the strikes; ``values``: the payoff there;
    ``tail_slope``: payoff per 1.00 of spot beyond the last kink.
    """

    max_loss: float
    max_gain: float
    break_evens: NDArray[np.float64]
    kinks: NDArray[np.float64]
    values: NDArray[np.float64]
    tail_slope: float


@dataclass(frozen=True, slots=True)
class ExactPayoffGeometry:
    """Payoff in money units (1/1000000), exact. ``max_loss`` and ``max_gain`` are None without a bound.

    As ``PayoffGeometry``; ``kinks`` and ``break_evens`` in 1/10000 (break-evens may lie between two
    ticks, hence float64), ``tail_slope`` in money per 1/10000 of spot.
    """

    max_loss: int | None
    max_gain: int | None
    break_evens: NDArray[np.float64]
    kinks: NDArray[np.int64]
    values: NDArray[np.int64]
    tail_slope: int


def payoff_geometry(
    kind: ArrayLike,
    strike: ArrayLike,
    quantity: ArrayLike,
    cash: float = 0.0,
    multiplier: ArrayLike = 100.0,
) -> PayoffGeometry:
    """Return the geometry of a position's payoff at expiry, in currency.

    Parameters
    ----------
    kind
        +1 or "call", -1 or "put", 0 or "stock", a leg; broadcast with the other arrays to one dimension.
    strike
        Strike, ``>= 0``; 0 for stock.
    quantity
        Contracts, negative = sold.
    cash
        Net cash received at opening (negative = paid), in currency.
    multiplier
        Shares a contract; use 1 for stock.

    Raises
    ------
    ValueError
        If a kind is unknown, a strike negative, a number not finite, or the shapes do not broadcast.

    Examples
    --------
    >>> spread = payoff_geometry([1, 1], [50.0, 55.0], [1, -1], cash=-200.0)
    >>> spread.max_loss, spread.max_gain, spread.break_evens
    (200.0, 300.0, array([52.]))
    """
    sign, columns = _broadcast(kind, strike, quantity, multiplier, exact=False)
    strikes, quantities, multipliers = (np.ascontiguousarray(column, np.float64) for column in columns)
    max_loss, max_gain, break_evens, kinks, values, tail_slope = _core.payoff_geometry_float(
        sign, strikes, quantities, multipliers, float(cash)
    )
    return PayoffGeometry(
        max_loss=math.inf if max_loss is None else max_loss,
        max_gain=math.inf if max_gain is None else max_gain,
        break_evens=break_evens,
        kinks=kinks,
        values=values,
        tail_slope=tail_slope,
    )


def exact_payoff_geometry(
    kind: ArrayLike,
    strike: ArrayLike,
    quantity: ArrayLike,
    cash: int = 0,
    multiplier: ArrayLike = 100,
) -> ExactPayoffGeometry:
    """Return the geometry of a position's payoff at expiry, exactly.

    Parameters
    ----------
    kind, quantity, multiplier
        As in ``payoff_geometry``; integers.
    strike
        Strike in 1/10000.
    cash
        Net cash received at opening (negative = paid), in 1/1000000.

    Raises
    ------
    ValueError
        As ``payoff_geometry``; also if an array is not of integers, or a number is so large that the
        result would not fit 64 bits.
    """
    if not -(2**63) <= cash < 2**63:
        raise ValueError(f"cash {cash} does not fit 64 bits")
    sign, columns = _broadcast(kind, strike, quantity, multiplier, exact=True)
    strikes, quantities, multipliers = (np.ascontiguousarray(column, np.int64) for column in columns)
    return ExactPayoffGeometry(
        *_core.payoff_geometry_exact(sign, strikes, quantities, multipliers, int(cash))
    )


def _broadcast(
    kind: ArrayLike, strike: ArrayLike, quantity: ArrayLike, multiplier: ArrayLike, *, exact: bool
) -> tuple[NDArray[np.int64], list[NDArray[Any]]]:
    """Return the signs and the other columns, broadcast to one dimension."""
    columns: list[NDArray[Any]] = [np.atleast_1d(_signs(kind))]
    for name, values in (("strike", strike), ("quantity", quantity), ("multiplier", multiplier)):
        column = np.atleast_1d(np.asarray(values))
        if column.size == 0:
            column = column.astype(np.int64)
        if exact and (column.dtype.kind not in "iu" or (column > 2**63 - 1).any()):
            raise ValueError(f"{name} must be integers that fit 64 bits, got {values!r}")
        if column.dtype.kind not in "iuf":
            raise ValueError(f"{name} must be numbers, got {values!r}")
        columns.append(column)
    sign, *others = np.broadcast_arrays(*columns)
    return np.ascontiguousarray(sign), others


def _signs(kind: ArrayLike) -> NDArray[np.int64]:
    """Return the kinds as +1, -1 or 0."""
    raw = np.asarray(kind)
    if raw.dtype.kind == "U":
        unknown = sorted(set(raw.ravel().tolist()) - set(_KINDS))
        if unknown:
            raise ValueError(f"kind must be 'call', 'put' or 'stock', got {unknown[0]!r}")
        return np.array([_KINDS[name] for name in raw.ravel().tolist()], dtype=np.int64).reshape(raw.shape)
    if raw.size == 0:
        return np.zeros(raw.shape, dtype=np.int64)
    if raw.dtype.kind not in "iuf" or not np.isin(raw, (-1, 0, 1)).all():
        raise ValueError(f"kind must be +1, -1, 0 or 'call', 'put', 'stock', got {kind!r}")
    return raw.astype(np.int64)
