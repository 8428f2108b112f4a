"""Time to expiry in the years that the pricing functions take."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

_YEAR_NS = 365 * 86_400 * 10**9
_MOST_NS = 2**62  # the difference of two fits 64 bits


@overload
def time_to_expiry(now_ns: int, expiry_ns: int) -> float: ...
@overload
def time_to_expiry(now_ns: ArrayLike, expiry_ns: ArrayLike) -> NDArray[np.float64]: ...
def time_to_expiry(now_ns: Any, expiry_ns: Any) -> Any:
    """Return ``(expiry - now) / (365 * 86400e9)``: years, ACT/365F, negative when past.

    Parameters
    ----------
    now_ns, expiry_ns
        UTC nanoseconds since 1970: integers, or arrays of them; ``datetime64`` of any unit is taken too. The
        expiry instant belongs to the contract: a calendar knows whether it settles at the open or the close.

    Returns
    -------
    float or numpy.ndarray
        A float for two scalars, else a float64 array of the broadcast shape. The difference is taken exactly,
        before it is rounded.

    Raises
    ------
    ValueError
        If an argument is no integer or not within 2**62 ns (146 years) of 1970; if the shapes do not
        broadcast.

    Examples
    --------
    >>> time_to_expiry(0, 73 * 86_400 * 10**9)
    0.2
    >>> time_to_expiry(0, [365 * 86_400 * 10**9, -73 * 86_400 * 10**9])
    array([ 1. , -0.2])
    """
    if type(now_ns) is int and type(expiry_ns) is int:
        return (expiry_ns - now_ns) / _YEAR_NS
    now, expiry = _nanoseconds(now_ns, "now_ns"), _nanoseconds(expiry_ns, "expiry_ns")
    years = (expiry - now) / _YEAR_NS
    return years if isinstance(years, np.ndarray) else float(years)


def _nanoseconds(values: Any, name: str) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind == "M":
        if np.isnat(array).any():
            raise ValueError(f"{name} holds NaT")
        array = array.astype("datetime64[ns]").astype(np.int64)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers (UTC nanoseconds), got dtype {array.dtype}")
    if array.size and max(-int(array.min()), int(array.max())) > _MOST_NS:
        raise ValueError(f"{name} must lie within 2**62 nanoseconds of 1970")
    return array.astype(np.int64, copy=False)
