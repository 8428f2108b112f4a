"""What a type checker makes of the functions on American options and cash dividends."""

from typing import Any, Literal, assert_type

import numpy as np
from numpy.typing import NDArray

import optionsib
from optionsib.pricing import (
    AmericanGreeks,
    AmericanImpliedGreeks,
    AmericanImpliedVolatility,
    EuropeanGreeks,
    ExerciseAdvice,
    ExerciseBoundary,
    Status,
    american_greeks,
    american_implied_greeks,
    american_implied_volatility,
    american_price,
    early_exercise_premium,
    european_greeks,
    european_price,
    exercise_advice,
    exercise_boundary,
    finite_difference_price,
    leisen_reimer_price,
)

Array = NDArray[np.float64]
Codes = NDArray[np.int8]
strikes = np.linspace(80.0, 120.0, 5)
out, rows, status = np.empty(5), np.empty((9, 5)), np.empty(5, dtype=np.int8)
cash = ([0.25, 0.5], [1.0, 1.0])
own = (np.array([0.25]), np.array([1.0]), np.array([0, 0, 1, 1, 1, 1]))

assert_type(american_price("put", 100, 95.0, 0.5, 0.03, 0.2), float)
assert_type(american_price("put", 100.0, 95.0, 0.5, 0.03, 0.2, dividends=cash, tier="fast"), float)
assert_type(
    american_price("put", 100.0, strikes, 0.5, 0.03, 0.2, dividends=own, out=out, status=status), Array
)
assert_type(optionsib.american_price("put", 100.0, [95, 96], 0.5, 0.03, 0.2, model="black76"), Array)

assert_type(american_greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2), AmericanGreeks[float])
assert_type(american_greeks("call", 100.0, strikes, 0.5, 0.03, 0.2, out=rows), AmericanGreeks[Array])
assert_type(american_greeks("call", 100.0, strikes, 0.5, 0.03, 0.2, units="desk").to_dict(), dict[str, Array])
assert_type(
    american_greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2).dividend_model, Literal["none", "spot", "escrowed"]
)
previous = american_greeks("call", 100.0, strikes, 0.5, 0.03, 0.2)
assert_type(american_greeks("put", 100.0, strikes, 0.5, 0.03, 0.2, out=previous), AmericanGreeks[Array])

assert_type(
    american_implied_volatility(8.5, "put", 100.0, 95.0, 0.5, 0.03), AmericanImpliedVolatility[float, Status]
)
assert_type(
    american_implied_volatility(out, "put", 100.0, 95.0, 0.5, 0.03, guess=out, out=out),
    AmericanImpliedVolatility[Array, Codes],
)
assert_type(american_implied_greeks(8.5, 1, 100.0, 95.0, 0.5, 0.03), AmericanImpliedGreeks[float, Status])
assert_type(american_implied_greeks(out, 1, 100.0, 95.0, 0.5, 0.03).to_dict(), dict[str, Any])

assert_type(exercise_boundary("put", 95.0, 0.5, 0.03, 0.2), ExerciseBoundary[float])
assert_type(exercise_boundary("put", strikes, 0.5, 0.03, 0.2).upper, Array)
assert_type(early_exercise_premium("put", 100.0, 95.0, 0.5, 0.03, 0.2), float)
assert_type(early_exercise_premium("put", 100.0, strikes, 0.5, 0.03, 0.2, dividends=cash), Array)

advice = exercise_advice("call", 100.0, 95.0, 0.5, 0.03, 0.2, dividends=cash)
assert_type(advice, ExerciseAdvice[float, bool])
assert_type(advice.exercise_is_best, bool)
many = exercise_advice("call", 100.0, strikes, 0.5, 0.03, 0.2, dividends=cash)
assert_type(many.exercise_is_best, NDArray[np.bool_])
assert_type(many.amount_at_stake, Array)

assert_type(european_price("put", 100.0, 95.0, 0.5, 0.03, 0.2, dividends=cash, method="approximation"), float)
assert_type(european_greeks("put", 100.0, strikes, 0.5, 0.03, 0.2, dividends=cash), EuropeanGreeks[Array])
assert_type(leisen_reimer_price("put", 100.0, 95.0, 0.5, 0.03, 0.2, steps=101, exercise="european"), float)
assert_type(finite_difference_price("put", 100.0, strikes, 0.5, 0.03, 0.2, space_steps=400), Array)

# These must be errors: an unused `type: ignore` is one too.
american_price("put", 100.0, 95.0, 0.5, 0.03, 0.2, tier="best")  # type: ignore[call-overload]
american_price("put", 100.0, 95.0, 0.5, 0.03, 0.2, model="displaced")  # type: ignore[call-overload]
american_price("put", 100.0, 95.0, 0.5, 0.03, 0.2, dividends=([0.5],))  # type: ignore[arg-type]
american_greeks("put", 100.0, 95.0, 0.5, 0.03, 0.2, order=2)  # type: ignore[call-overload]
_ = american_greeks("put", 100.0, 95.0, 0.5, 0.03, 0.2).vanna  # type: ignore[attr-defined]
exercise_advice("call", 100.0, 95.0, 0.5, 0.03, 0.2)  # type: ignore[call-overload]
european_price("put", 100.0, 95.0, 0.5, 0.03, 0.2, method="guess")  # type: ignore[call-overload]
