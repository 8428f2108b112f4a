// What help() and inspect.signature() show of the pricing functions. The line before "--" is the signature.
#include "pricing_docs.hpp"

namespace optionsib::bindings {

const char* const price_doc =
    R"(price($module, /, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield=0.0, *, model='bsm', shift=0.0, out=None, status=None, threads=1)
--

Price European options.

Parameters
----------
kind
    "call", "put", "c", "p" (any case), +1 or -1, or an array, Series or categorical of these; int8 is
    taken without a copy.
spot, strike
    In currency, positive; for ``model="displaced"`` greater than ``-shift``, for "bachelier" any. For every
    model but "bsm" `spot` is the forward.
time_to_expiry
    Years (ACT/365F), >= 0; see `time_to_expiry`. At 0 the price is the discounted intrinsic value.
rate, dividend_yield
    Continuous, per year, any sign; `dividend_yield` must be 0 for every model but "bsm".
volatility
    Per square root of a year, >= 0: relative (0.2 is 20 %), for "bachelier" in price units.
model
    "bsm" (Black-Scholes-Merton), "black76", "displaced" (Black 1976 of spot + shift and strike + shift) or
    "bachelier" (normal).
shift
    For "displaced" only: what is added to forward and strike.
out
    Writable float64 array of the broadcast shape that receives the prices. It may be the very array of an
    input; partial overlap is refused.
status
    Writable int8 array of the broadcast shape that receives a `Status` per element.
threads
    Number of threads; 0 is every CPU this process may use.

Returns
-------
float or numpy.ndarray
    A float if every argument is a scalar (NumPy scalars and 0-d arrays are), else an array of the broadcast
    shape: float64, or float32 when all arrays are float32 (computed in double). A bad element gives NaN.

Raises
------
ValueError
    For a bad scalar, naming argument and value; for shapes that do not broadcast, Series with different
    indexes, a bad `kind`, `out`, `status`, `model` or `threads`.

Notes
-----
Formulas, error bounds and sources stand in ``optionsib/pricing/european.hpp``. A result does not depend on
where in an array an option stands, nor on the number of threads, and equals that of the scalar call.

Examples
--------
>>> round(price("call", 42.0, 40.0, 0.5, 0.10, 0.20), 2)
4.76
>>> price("put", 42.0, [40.0, 45.0], 0.5, 0.10, 0.20).round(2)
array([0.81, 2.81])
)";

const char* const greeks_doc =
    R"(greeks($module, /, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield=0.0, *, model='bsm', shift=0.0, order=1, units='raw', out=None, status=None, threads=1)
--

Compute price and Greeks of European options.

Parameters
----------
kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield, model, shift, status, threads
    As for `price`.
order
    1: price, delta, gamma, vega, theta, rho, epsilon, dual_delta, dual_gamma; 2: vanna, volga, charm and veta
    too; 3: speed, zomma, color and ultima too.
units
    "raw": time derivatives per year of calendar time, the others per 1.00. "desk": each d/dt divided by 365,
    each d/dvol, d/dr and d/dq by 100.
out
    Writable float64 array of shape ``(k, *broadcast shape)`` that receives the first k fields: 6 rows of
    order 1 are price, delta, gamma, vega, theta and rho. The other fields are None and cost little. Or a
    previous result, which is then filled and returned.

Returns
-------
Greeks, SecondOrderGreeks or ThirdOrderGreeks
    By `order`. Named fields: floats if every argument is a scalar, else arrays of the broadcast shape.
    ``.to_dict()`` names them for ``frame.assign(**...)``. At zero time or volatility the values are the
    limits (at the forward strike gamma is infinite).

Raises
------
ValueError
    As for `price`; for a bad `order` or `units`.

Notes
-----
Each value is within 1e-13 of its scale. Formulas and units: ``docs/pricing.md``.

Examples
--------
>>> g = greeks("call", 49.0, 50.0, 0.3846, 0.05, 0.20)
>>> round(g.delta, 3), round(g.theta, 2), round(g.vega, 1)
(0.522, -4.31, 12.1)
>>> round(greeks("call", 49.0, 50.0, 0.3846, 0.05, 0.20, units="desk").theta, 4)
-0.0118
)";

const char* const implied_volatility_doc =
    R"(implied_volatility($module, /, price, kind, spot, strike, time_to_expiry, rate, dividend_yield=0.0, *, model='bsm', shift=0.0, guess=None, out=None, status=None, threads=1)
--

Invert `price` for the volatility.

Parameters
----------
price
    Option price in currency.
kind, spot, strike, time_to_expiry, rate, dividend_yield, model, shift, status, threads
    As for the function `price`.
guess
    Volatility near the result, for instance the last one (the array may be `out` too); NaN or <= 0 stands for
    none. Ordinary options take less than two prices' time without one: there it changes neither result nor
    speed. What is found by bisection (abs(ln(F/K)) > 13, prices within 14 digits of the intrinsic value or
    below 1e-300) takes a sixth of the time if it is within 5 %, and changes by rounding at most.
out
    Writable float64 array of the broadcast shape that receives the volatilities, or a previous result.

Returns
-------
ImpliedVolatility
    ``.volatility`` and ``.status``: a float and a `Status`, or arrays (the status int8). A price equal to the
    discounted intrinsic value gives volatility 0 and ``Status.NO_VEGA``.

Raises
------
ValueError
    As for `price`; a scalar price outside the no-arbitrage bounds is named with the bound. In arrays such an
    element is NaN and has a status.

Examples
--------
>>> round(implied_volatility(4.76, "call", 42.0, 40.0, 0.5, 0.10).volatility, 4)
0.2001
>>> implied_volatility([4.76, 0.5], "call", 42.0, 40.0, 0.5, 0.10).status
array([0, 4], dtype=int8)
)";

const char* const implied_greeks_doc =
    R"(implied_greeks($module, /, price, kind, spot, strike, time_to_expiry, rate, dividend_yield=0.0, *, model='bsm', shift=0.0, guess=None, order=1, units='raw', out=None, status=None, threads=1)
--

Invert the price for the volatility and compute the Greeks there, in one pass.

Parameters
----------
price, kind, spot, strike, time_to_expiry, rate, dividend_yield, model, shift, guess, status, threads
    As for `implied_volatility`.
order, units
    As for `greeks`.
out
    Writable float64 array of shape ``(1 + k, *broadcast shape)``: the volatility, then the first k fields of
    `greeks`, the others being None; or a previous result.

Returns
-------
ImpliedGreeks, SecondOrderImpliedGreeks or ThirdOrderImpliedGreeks
    ``.volatility``, ``.status`` and the fields of `greeks`; ``.price`` is the model's price at that
    volatility.

Raises
------
ValueError
    As for `implied_volatility` and `greeks`.

Examples
--------
>>> solved = implied_greeks(4.76, "call", 42.0, 40.0, 0.5, 0.10)
>>> round(solved.volatility, 4), round(solved.delta, 3)
(0.2001, 0.779)
)";

const char* const clear_buffers_doc =
    R"(clear_buffers($module, /)
--

Give the memory that waits for the next large results back to the system.

Results of 256 KiB and more take their memory from a pool of at most 256 MiB and give it back when they die.
)";

}  // namespace optionsib::bindings
