"""What a type checker makes of the pricing functions: scalars give floats, anything else arrays."""

from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import optionsib
from optionsib.pricing import (
    Greeks,
    ImpliedGreeks,
    ImpliedVolatility,
    SecondOrderGreeks,
    SecondOrderImpliedGreeks,
    Status,
    ThirdOrderGreeks,
    ThirdOrderImpliedGreeks,
    greeks,
    implied_greeks,
    implied_volatility,
    price,
    time_to_expiry,
)

Array = NDArray[np.float64]
Codes = NDArray[np.int8]
strikes = np.linspace(80.0, 120.0, 5)
out, rows, status = np.empty(5), np.empty((9, 5)), np.empty(5, dtype=np.int8)

assert_type(price("call", 100, 95.0, 0.5, 0.03, 0.2), float)
assert_type(price(1, np.float64(100), np.int64(95), 0.5, 0.03, 0.2, 0.01, model="bsm", threads=0), float)
assert_type(price("call", 100.0, strikes, 0.5, 0.03, 0.2), Array)
assert_type(price(["call", "put"], 100.0, 95.0, 0.5, 0.03, 0.2), Array)
assert_type(price("call", 100.0, [95, 96], 0.5, 0.03, 0.2, out=out, status=status), Array)
assert_type(optionsib.price("put", 1.0, 1.0, 1.0, 0.0, 0.2, model="displaced", shift=0.5), float)

assert_type(greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2), Greeks[float])
assert_type(greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2).delta, float)
assert_type(greeks("call", 100.0, strikes, 0.5, 0.03, 0.2, out=rows), Greeks[Array])
assert_type(greeks("call", 100.0, strikes, 0.5, 0.03, 0.2).to_dict(), dict[str, Array])
assert_type(greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2, order=2, units="desk"), SecondOrderGreeks[float])
assert_type(greeks("call", 100.0, strikes, 0.5, 0.03, 0.2, order=2).veta, Array)
assert_type(greeks("call", 100.0, strikes, 0.5, 0.03, 0.2, order=3), ThirdOrderGreeks[Array])
previous = greeks("call", 100.0, strikes, 0.5, 0.03, 0.2)
assert_type(greeks("put", 100.0, strikes, 0.5, 0.03, 0.2, out=previous), Greeks[Array])

assert_type(implied_volatility(8.5, "call", 100.0, 95.0, 0.5, 0.03), ImpliedVolatility[float, Status])
assert_type(implied_volatility(8.5, "call", 100.0, 95.0, 0.5, 0.03, guess=0.2).status, Status)
assert_type(implied_volatility(8.5, "call", 100.0, strikes, 0.5, 0.03), ImpliedVolatility[Array, Codes])
assert_type(implied_volatility(out, "call", 100.0, 95.0, 0.5, 0.03, guess=out, out=out).volatility, Array)

assert_type(implied_greeks(8.5, "call", 100.0, 95.0, 0.5, 0.03), ImpliedGreeks[float, Status])
assert_type(implied_greeks(8.5, 1, 100.0, 95.0, 0.5, 0.03, order=2), SecondOrderImpliedGreeks[float, Status])
assert_type(
    implied_greeks(8.5, "call", 100.0, strikes, 0.5, 0.03, order=3), ThirdOrderImpliedGreeks[Array, Codes]
)
assert_type(implied_greeks(out, "call", 100.0, 95.0, 0.5, 0.03).to_dict(), dict[str, Any])

assert_type(time_to_expiry(0, 1), float)
assert_type(time_to_expiry(0, np.array([1, 2])), Array)
assert_type(optionsib.simd_path(), str)

# These must be errors: an unused `type: ignore` is one too.
price("call", 100.0, 95.0, 0.5, 0.03)  # type: ignore[call-overload]
price("call", 100.0, 95.0, 0.5, 0.03, 0.2, model="heston")  # type: ignore[call-overload]
price("call", 100.0, 95.0, 0.5, 0.03, 0.2, order=2)  # type: ignore[call-overload]
greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2, order=4)  # type: ignore[call-overload]
_ = greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2).vanna  # type: ignore[attr-defined]
greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2, units="percent")  # type: ignore[call-overload]
implied_volatility(8.5, "call", 100.0, 95.0, 0.5, 0.03, 0.0, 0.2)  # type: ignore[call-overload]
