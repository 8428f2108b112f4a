// What help() and inspect.signature() show of the functions on American options and cash dividends.
#include "american_docs.hpp"

namespace optionsib::bindings {

const char* const american_price_doc =
    R"(american_price($module, /, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield=0.0, *, dividends=None, dividend_model='spot', model='bsm', tier='accurate', out=None, status=None, threads=1)
--

Price American options.

Parameters
----------
kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield, out, status, threads
    As for `price`. `dividend_yield` is a continuous yield, or what it costs to borrow the share.
dividends
    Cash dividends as (ex_times, amounts), years from now and currency, one schedule for all options, or
    (ex_times, amounts, offsets): option i of the broadcast shape in C order has the dividends
    ``offsets[i]:offsets[i + 1]``. Ex-times ascend within a schedule; counted are 0 < ex-time <= expiry.
    Exercise is possible just before the ex-date.
dividend_model
    "spot": the spot is lognormal between the ex-dates and falls by the cash amount (default). "escrowed": the
    spot less the present value of the dividends still to come is lognormal. The same volatility means less
    movement in the escrowed model: never mix their volatilities.
model
    "bsm", or "black76" (`spot` is a forward, no dividends).
tier
    "fast", "accurate" or "high": how finely the boundary, or with cash dividends the grid, is solved.

Returns
-------
float or numpy.ndarray
    As for `price`. In the exercise region the intrinsic value exactly, and never less than the European price
    or the intrinsic value.

Raises
------
ValueError
    As for `price`; for a bad `dividends`, `dividend_model` or `tier`.

Notes
-----
Method, errors and sources: ``docs/american.md``.

Examples
--------
>>> round(american_price("put", 36.0, 40.0, 1.0, 0.06, 0.20), 3)
4.487
>>> american_price("put", [30.0, 36.0, 44.0], 40.0, 1.0, 0.06, 0.20).round(2)
array([10.  ,  4.49,  1.11])
)";

const char* const american_greeks_doc =
    R"(american_greeks($module, /, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield=0.0, *, dividends=None, dividend_model='spot', model='bsm', tier='accurate', units='raw', out=None, status=None, threads=1)
--

Compute price and first-order Greeks of American options.

Parameters
----------
kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield
    As for `american_price`.
dividends, dividend_model, model, tier, status, threads
    As for `american_price`.
units, out
    As for `greeks`.

Returns
-------
AmericanGreeks
    The fields of `greeks` of order 1, and ``.dividend_model``: "none", "spot" or "escrowed". In the exercise
    region delta is the kind (+1 or -1), dual delta its negative, every other Greek 0.

Raises
------
ValueError
    As for `american_price`; for bad `units`.

Examples
--------
>>> g = american_greeks("put", 36.0, 40.0, 1.0, 0.06, 0.20)
>>> round(g.delta, 3), g.dividend_model
(-0.697, 'none')
)";

const char* const american_implied_volatility_doc =
    R"(american_implied_volatility($module, /, price, kind, spot, strike, time_to_expiry, rate, dividend_yield=0.0, *, dividends=None, dividend_model='spot', model='bsm', tier='accurate', guess=None, out=None, status=None, threads=1)
--

Invert `american_price` for the volatility.

Parameters
----------
price
    Option price in currency.
kind, spot, strike, time_to_expiry, rate, dividend_yield
    As for `american_price`.
dividends, dividend_model, model, tier, status, threads
    As for `american_price`.
guess, out
    As for `implied_volatility`.

Returns
-------
AmericanImpliedVolatility
    ``.volatility``, ``.status`` and ``.dividend_model``.

Raises
------
ValueError
    As for `american_price`; for a scalar price outside the no-arbitrage bounds or equal to the value of
    exercise at once: every volatility up to some level gives that price. In arrays such an element is NaN with
    ``Status.AT_INTRINSIC``.

Examples
--------
>>> round(american_implied_volatility(4.487, "put", 36.0, 40.0, 1.0, 0.06).volatility, 3)
0.2
>>> american_implied_volatility([4.487, 4.0], "put", 36.0, 40.0, 1.0, 0.06).status
array([0, 7], dtype=int8)
)";

const char* const american_implied_greeks_doc =
    R"(american_implied_greeks($module, /, price, kind, spot, strike, time_to_expiry, rate, dividend_yield=0.0, *, dividends=None, dividend_model='spot', model='bsm', tier='accurate', guess=None, units='raw', out=None, status=None, threads=1)
--

Invert the price of American options for the volatility and compute the Greeks there.

Parameters
----------
price, kind, spot, strike, time_to_expiry, rate, dividend_yield
    As for `american_implied_volatility`.
dividends, dividend_model, model, tier, guess, status, threads
    As for `american_implied_volatility`.
units, out
    As for `implied_greeks`.

Returns
-------
AmericanImpliedGreeks
    ``.volatility``, ``.status``, the fields of `american_greeks` (``.price`` is the model's) and
    ``.dividend_model``.

Raises
------
ValueError
    As for `american_implied_volatility`; for bad `units`.

Examples
--------
>>> solved = american_implied_greeks(4.487, "put", 36.0, 40.0, 1.0, 0.06)
>>> round(solved.volatility, 3), round(solved.delta, 2)
(0.2, -0.7)
)";

const char* const exercise_boundary_doc =
    R"(exercise_boundary($module, /, kind, strike, time_to_expiry, rate, volatility, dividend_yield=0.0, *, model='bsm', tier='accurate', out=None, status=None, threads=1)
--

Compute the spots between which an American option is best exercised at once.

Parameters
----------
kind, strike, time_to_expiry, rate, volatility, dividend_yield, model, tier, status, threads
    As for `american_price`; there is no spot, and there are no cash dividends.
out
    Writable float64 array of shape ``(2, *broadcast shape)``, or a previous result.

Returns
-------
ExerciseBoundary
    ``.lower`` and ``.upper``: exercise is best where ``lower <= spot <= upper``. A put with one boundary has
    lower 0, a call with one boundary has upper infinite; both are NaN where exercise is never best, as for a
    call without dividends.

Raises
------
ValueError
    As for `american_price`.

Examples
--------
>>> region = exercise_boundary("put", 40.0, [0.01, 1.0], 0.06, 0.20)
>>> region.upper.round(1)
array([38.4, 32.9])
)";

const char* const european_price_doc =
    R"(european_price($module, /, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield=0.0, *, dividends=None, dividend_model='spot', method='pde', tier='accurate', out=None, status=None, threads=1)
--

Price European options under cash dividends.

Parameters
----------
kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield, out, status, threads
    As for `price`, whose result this is when there are no dividends.
dividends, dividend_model, tier
    As for `american_price`.
method
    "pde": finite differences of the given `tier`. "approximation": an expansion to second order, for a few
    small dividends; with ``dividend_model="escrowed"`` it is exact and `tier` does not matter.

Returns
-------
float or numpy.ndarray
    As for `price`.

Raises
------
ValueError
    As for `american_price`; for a bad `method`.

Notes
-----
Models, errors and sources: ``docs/american.md``.

Examples
--------
>>> round(european_price("call", 100.0, 100.0, 1.0, 0.06, 0.30, dividends=([0.5], [7.0])), 3)
11.106
>>> european_price("call", 100.0, 100.0, 1.0, 0.06, 0.30) == price("call", 100.0, 100.0, 1.0, 0.06, 0.30)
True
)";

const char* const european_greeks_doc =
    R"(european_greeks($module, /, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield=0.0, *, dividends=None, dividend_model='spot', tier='accurate', units='raw', out=None, status=None, threads=1)
--

Compute price and first-order Greeks of European options under cash dividends.

Parameters
----------
kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield, status, threads
    As for `price`.
dividends, dividend_model, tier
    As for `american_price`.
units, out
    As for `greeks`, whose values these are when there are no dividends.

Returns
-------
EuropeanGreeks
    The fields of `greeks` of order 1, and ``.dividend_model``: "none", "spot" or "escrowed".

Raises
------
ValueError
    As for `european_price`; for bad `units`.

Examples
--------
>>> g = european_greeks("call", 100.0, 100.0, 1.0, 0.06, 0.30, dividends=([0.5], [7.0]))
>>> round(g.delta, 2), g.dividend_model
(0.55, 'spot')
)";

const char* const exercise_before_dividend_doc =
    R"(exercise_before_dividend($module, /, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield=0.0, *, dividends, dividend_model='spot', tier='accurate', status=None, threads=1)
--

See `exercise_advice`.
)";

const char* const leisen_reimer_price_doc =
    R"(leisen_reimer_price($module, /, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield=0.0, *, exercise='american', steps=801, out=None, status=None, threads=1)
--

Price options on a Leisen-Reimer tree: an independent check, slow and plain on purpose.

Parameters
----------
kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield, out, status, threads
    As for `price`; time and volatility must be positive, or the element is unsupported.
exercise
    "american" or "european".
steps
    3 to 100,000; an even number is raised by one. The error falls as 1 / steps^2 for European and about as
    1 / steps for American options; the time grows as steps^2.

Returns
-------
float or numpy.ndarray
    As for `price`.

Raises
------
ValueError
    As for `price`; for a bad `exercise` or `steps`.

Examples
--------
>>> round(leisen_reimer_price("put", 36.0, 40.0, 1.0, 0.06, 0.20), 2)
4.49
)";

const char* const finite_difference_price_doc =
    R"(finite_difference_price($module, /, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield=0.0, *, exercise='american', space_steps=800, time_steps=400, out=None, status=None, threads=1)
--

Price options by Crank-Nicolson finite differences: an independent check, slow and plain on purpose.

Parameters
----------
kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield, out, status, threads
    As for `price`; time and volatility must be positive, or the element is unsupported. So is one whose
    drift, |rate - dividend_yield - volatility^2 / 2|, is too steep for the grid: above volatility^2 / 4 per
    step in log spot. More `space_steps` fit a steeper drift.
exercise
    "american" or "european".
space_steps, time_steps
    8 to 100,000 and 1 to 100,000. The error falls as 1 / space_steps^2 + 1 / time_steps^2.

Returns
-------
float or numpy.ndarray
    As for `price`.

Raises
------
ValueError
    As for `price`; for a bad `exercise`, `space_steps` or `time_steps`.

Examples
--------
>>> round(finite_difference_price("put", 36.0, 40.0, 1.0, 0.06, 0.20), 2)
4.49
)";

}  // namespace optionsib::bindings
