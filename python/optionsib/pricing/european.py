"""European options: price, Greeks and implied volatility on scalars and arrays.

One argument order everywhere; rates and yields are continuous per year, volatility is annualised, time is in
years (ACT/365F). Scalars in give Python floats, and a bad value raises a `ValueError` that names it. With any
array among the arguments they broadcast; a bad element gives NaN and a status. Element results do not depend
on the array's length, layout or the number of threads, and equal those of the scalar call bit for bit.
"""

from __future__ import annotations

from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optionsib._native import _core, _scalar
from optionsib.pricing._inputs import (
    broadcast_shape,
    checked_output,
    model_number,
    numbers,
    option_arrays,
    thread_count,
)
from optionsib.pricing.results import Greeks, ImpliedVolatility, Status

Array = NDArray[np.float64]
Kind = str | float | ArrayLike
_STATUSES = tuple(Status)


@overload
def price(
    kind: str | float,
    spot: float,
    strike: float,
    time_to_expiry: float,
    rate: float,
    volatility: float,
    dividend_yield: float = ...,
    *,
    model: str = ...,
    out: None = ...,
    status: None = ...,
    threads: int = ...,
) -> float: ...
@overload
def price(
    kind: Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = ...,
    *,
    model: str = ...,
    out: Array | None = ...,
    status: NDArray[np.int8] | None = ...,
    threads: int = ...,
) -> Array: ...
def price(
    kind: Any,
    spot: Any,
    strike: Any,
    time_to_expiry: Any,
    rate: Any,
    volatility: Any,
    dividend_yield: Any = 0.0,
    *,
    model: str = "bsm",
    out: Array | None = None,
    status: NDArray[np.int8] | None = None,
    threads: int = 1,
) -> Any:
    """Price European options.

    Parameters
    ----------
    kind
        "call", "put", "c", "p" (any case), +1 or -1, or an array of these; int8 is taken without a copy.
    spot, strike
        Positive, in currency. For ``model="black76"`` `spot` is the forward.
    time_to_expiry
        Years (ACT/365F), >= 0; at 0 the price is the discounted intrinsic value.
    rate, dividend_yield
        Continuous, per year, any sign; `dividend_yield` must be 0 for ``model="black76"``.
    volatility
        Annualised, >= 0 (0.2 is 20 %).
    model
        "bsm" (Black-Scholes-Merton) or "black76".
    out
        Writable float64 array of the broadcast shape that receives the prices; must not overlap an input.
    status
        Writable int8 array of the broadcast shape that receives a `Status` per element.
    threads
        Number of threads; 0 is every CPU of this process.

    Returns
    -------
    float or numpy.ndarray
        A float if every argument is a scalar, else an array of the broadcast shape (`out` when given).

    Raises
    ------
    ValueError
        For a bad scalar, naming argument and value; for shapes that do not broadcast; for a bad `kind`,
        `out`, `status`, `model` or `threads`.

    Notes
    -----
    Formula, error bounds and sources stand in ``optionsib/pricing/european.hpp``: absolute error at most
    1e-15 max(spot, strike), out-of-the-money prices relative 1e-12.

    Examples
    --------
    >>> round(price("call", 42.0, 40.0, 0.5, 0.10, 0.20), 2)
    4.76
    >>> price("put", 42.0, [40.0, 45.0], 0.5, 0.10, 0.20).round(2)
    array([0.81, 2.81])
    """
    number = model_number(model, dividend_yield)
    if out is None and status is None:
        value = _scalar.price(number, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield)
        if value is not None:
            return value
    count = thread_count(threads)
    o = option_arrays(kind, spot, strike, time_to_expiry, rate, dividend_yield)
    vol = numbers(volatility, "volatility")
    shape = broadcast_shape(o, volatility=vol)
    if shape == () and out is None and status is None:
        k, s, x, t, r, q = (array.item() for array in o)
        return price(k, s, x, t, r, vol.item(), q, model=model)
    result = np.empty(shape) if out is None else checked_output(out, np.float64, shape, "out", [*o, vol])
    codes = None
    if status is not None:
        codes = checked_output(status, np.int8, shape, "status", [*o, vol, result])
    _core.price(
        number,
        o.kind,
        o.spot,
        o.strike,
        o.time_to_expiry,
        o.rate,
        vol,
        o.dividend_yield,
        result,
        codes,
        count,
    )
    return result


@overload
def greeks(
    kind: str | float,
    spot: float,
    strike: float,
    time_to_expiry: float,
    rate: float,
    volatility: float,
    dividend_yield: float = ...,
    *,
    model: str = ...,
    status: None = ...,
    threads: int = ...,
) -> Greeks[float]: ...
@overload
def greeks(
    kind: Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = ...,
    *,
    model: str = ...,
    status: NDArray[np.int8] | None = ...,
    threads: int = ...,
) -> Greeks[Array]: ...
def greeks(
    kind: Any,
    spot: Any,
    strike: Any,
    time_to_expiry: Any,
    rate: Any,
    volatility: Any,
    dividend_yield: Any = 0.0,
    *,
    model: str = "bsm",
    status: NDArray[np.int8] | None = None,
    threads: int = 1,
) -> Any:
    """Compute price and Greeks of European options in raw units.

    Parameters
    ----------
    kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield, model, status, threads
        As for `price`.

    Returns
    -------
    Greeks
        ``.price .delta .gamma .vega .theta .rho .vanna .volga .charm``; theta and charm per year of calendar
        time, vega and rho per 1.00. Floats if every argument is a scalar, else arrays of the broadcast shape.
        At zero time or volatility the values are the limits (at the forward strike gamma is infinite).

    Raises
    ------
    ValueError
        As for `price`.

    Notes
    -----
    Each value is within 1e-13 of its scale.

    Examples
    --------
    >>> g = greeks("call", 49.0, 50.0, 0.3846, 0.05, 0.20)
    >>> round(g.delta, 3), round(g.theta, 2), round(g.vega, 1)
    (0.522, -4.31, 12.1)
    """
    number = model_number(model, dividend_yield)
    if status is None:
        values = _scalar.greeks(number, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield)
        if values is not None:
            return Greeks._make(values)
    count = thread_count(threads)
    o = option_arrays(kind, spot, strike, time_to_expiry, rate, dividend_yield)
    vol = numbers(volatility, "volatility")
    shape = broadcast_shape(o, volatility=vol)
    if shape == () and status is None:
        k, s, x, t, r, q = (array.item() for array in o)
        return greeks(k, s, x, t, r, vol.item(), q, model=model)
    columns = [np.empty(shape) for _ in Greeks._fields]
    codes = None if status is None else checked_output(status, np.int8, shape, "status", [*o, vol])
    _core.greeks(
        number,
        o.kind,
        o.spot,
        o.strike,
        o.time_to_expiry,
        o.rate,
        vol,
        o.dividend_yield,
        columns,
        codes,
        count,
    )
    return Greeks(*columns)


@overload
def implied_volatility(
    price: float,
    kind: str | float,
    spot: float,
    strike: float,
    time_to_expiry: float,
    rate: float,
    dividend_yield: float = ...,
    *,
    model: str = ...,
    guess: float | None = ...,
    threads: int = ...,
) -> ImpliedVolatility[float]: ...
@overload
def implied_volatility(
    price: ArrayLike,
    kind: Kind,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    dividend_yield: ArrayLike = ...,
    *,
    model: str = ...,
    guess: ArrayLike | None = ...,
    threads: int = ...,
) -> ImpliedVolatility[Array]: ...
def implied_volatility(
    price: Any,
    kind: Any,
    spot: Any,
    strike: Any,
    time_to_expiry: Any,
    rate: Any,
    dividend_yield: Any = 0.0,
    *,
    model: str = "bsm",
    guess: Any = None,
    threads: int = 1,
) -> Any:
    """Invert `price` for the volatility.

    Parameters
    ----------
    price
        Option price in currency.
    kind, spot, strike, time_to_expiry, rate, dividend_yield, model, threads
        As for the function `price`.
    guess
        Volatility to start from, for instance the last one; NaN or <= 0 stands for none. It changes the
        speed, and the result by rounding at most.

    Returns
    -------
    ImpliedVolatility
        ``.volatility`` and ``.status``. In arrays a price below the discounted intrinsic value (by more than
        4 ulp of max(spot, strike)) gives NaN and ``BELOW_INTRINSIC``, one above the discounted forward
        (call) or strike (put) NaN and ``ABOVE_MAXIMUM``. A price equal to the discounted intrinsic value
        gives 0 and ``NO_VEGA``. At zero time the intrinsic value is also the maximum.

    Raises
    ------
    ValueError
        As for `price`; also for a scalar price outside its bounds.

    Examples
    --------
    >>> result = implied_volatility(4.7594, "call", 42.0, 40.0, 0.5, 0.10)
    >>> round(result.volatility, 4), result.status
    (0.2, <Status.OK: 0>)
    """
    number = model_number(model, dividend_yield)
    value = _scalar.implied_volatility(
        number, price, kind, spot, strike, time_to_expiry, rate, dividend_yield, guess
    )
    if value is not None:
        return ImpliedVolatility(value[0], _STATUSES[value[1]])
    count = thread_count(threads)
    o = option_arrays(kind, spot, strike, time_to_expiry, rate, dividend_yield)
    quotes = numbers(price, "price")
    start = None if guess is None else numbers(guess, "guess")
    shape = broadcast_shape(o, price=quotes, **({} if start is None else {"guess": start}))
    if shape == ():
        first_guess = None if start is None else start.item()
        return implied_volatility(
            quotes.item(), *(array.item() for array in o), model=model, guess=first_guess
        )
    volatility, codes = np.empty(shape), np.empty(shape, dtype=np.int8)
    _core.implied_volatility(
        number,
        quotes,
        o.kind,
        o.spot,
        o.strike,
        o.time_to_expiry,
        o.rate,
        o.dividend_yield,
        start,
        volatility,
        codes,
        count,
    )
    return ImpliedVolatility(volatility, codes)
