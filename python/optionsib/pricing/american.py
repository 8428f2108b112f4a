"""American options: price, Greeks, implied volatility, the exercise region, and what to do before an ex-date.

Arguments, units, errors and shapes are those of the European functions; cash dividends are
``dividends=(ex_times, amounts)`` for all options or ``(ex_times, amounts, offsets)`` for each its own.

The pricing functions are native (``bindings/american.cpp``, ``bindings/cash_dividends.cpp``).
"""

from __future__ import annotations

from typing import Any, Generic, Literal, NamedTuple, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optionsib._native._core import (
    american_greeks,
    american_implied_greeks,
    american_implied_volatility,
    american_price,
    european_price,
    exercise_before_dividend,
    exercise_boundary,
    price,
)

__all__ = [
    "ExerciseAdvice",
    "american_greeks",
    "american_implied_greeks",
    "american_implied_volatility",
    "american_price",
    "early_exercise_premium",
    "exercise_advice",
    "exercise_boundary",
]

_Doubles = NDArray[np.float64]
_Flags = NDArray[np.bool_]
_Codes = NDArray[np.int8]
_Scalar = float | np.floating[Any] | np.integer[Any]
_Dividends = tuple[ArrayLike, ArrayLike] | tuple[ArrayLike, ArrayLike, ArrayLike]
_DividendModel = Literal["spot", "escrowed"]
_Model = Literal["bsm", "black76"]
_Tier = Literal["fast", "accurate", "high"]
_Value = TypeVar("_Value")
_Flag = TypeVar("_Flag")


@overload
def early_exercise_premium(
    kind: str | _Scalar,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    model: _Model = "bsm",
    tier: _Tier = "accurate",
    status: None = None,
    threads: int = 1,
) -> float: ...
@overload
def early_exercise_premium(
    kind: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    dividends: _Dividends | None = None,
    dividend_model: _DividendModel = "spot",
    model: _Model = "bsm",
    tier: _Tier = "accurate",
    status: _Codes | None = None,
    threads: int = 1,
) -> _Doubles: ...
def early_exercise_premium(
    kind: Any,
    spot: Any,
    strike: Any,
    time_to_expiry: Any,
    rate: Any,
    volatility: Any,
    dividend_yield: Any = 0.0,
    *,
    dividends: Any = None,
    dividend_model: _DividendModel = "spot",
    model: _Model = "bsm",
    tier: _Tier = "accurate",
    status: Any = None,
    threads: int = 1,
) -> float | _Doubles:
    """Compute what the right to exercise early is worth: the American less the European price, >= 0.

    Parameters
    ----------
    kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield
        As for `american_price`.
    dividends, dividend_model, model, tier, status, threads
        As for `american_price`; both prices have the same dividends and tier.

    Returns
    -------
    float or numpy.ndarray
        As for `american_price`.

    Raises
    ------
    ValueError
        As for `american_price`.

    Examples
    --------
    >>> round(early_exercise_premium("put", 36.0, 40.0, 1.0, 0.06, 0.20), 3)
    0.642
    >>> early_exercise_premium("call", 36.0, 40.0, 1.0, 0.06, 0.20)  # never, without dividends
    0.0
    """
    option = (kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield)
    american: Any = american_price(
        *option,
        dividends=dividends,
        dividend_model=dividend_model,
        model=model,
        tier=tier,
        status=status,
        threads=threads,
    )
    premium: float | _Doubles
    if dividends is None:
        premium = american - price(*option, model=model, threads=threads)
        return premium
    european = european_price(
        *option, dividends=dividends, dividend_model=dividend_model, tier=tier, threads=threads
    )
    # Two grids: where the premium is less than their error the difference may be negative.
    premium = american - european
    return np.maximum(premium, 0.0) if isinstance(premium, np.ndarray) else max(premium, 0.0)


class ExerciseAdvice(NamedTuple, Generic[_Value, _Flag]):
    """What to do with a held American option before the next ex-date that falls before its expiry.

    All amounts are per unit of the underlying: times multiplier and contracts for a position.
    """

    exercise_is_best: _Flag
    """Whether exercise just before the ex-date is worth more than holding. For who is short the option:
    whether assignment is to be expected."""
    amount_at_stake: _Value
    """`exercise_value` - `holding_value`: positive, what a holder who forgets to exercise gives away (and who
    is short gains); negative, what an exercise would throw away."""
    exercise_value: _Value
    """Value now of exercising just before the ex-date."""
    holding_value: _Value
    """Value now of not exercising until the ex-date is over, and best after it."""
    critical_spot: _Value
    """Spot just before the ex-date at and above which (put: at and below which) exercise is best; NaN where
    it is best at no spot."""
    ex_time: _Value
    """Years to the ex-date; NaN (and all values with it) where none falls before expiry."""
    dividend: _Value
    """Cash amount paid then, 0 where there is none."""

    def to_dict(self) -> dict[str, Any]:
        """Return ``{name: value}`` in the order of the fields, for ``frame.assign(**...)``."""
        return self._asdict()


@overload
def exercise_advice(
    kind: str | _Scalar,
    spot: _Scalar,
    strike: _Scalar,
    time_to_expiry: _Scalar,
    rate: _Scalar,
    volatility: _Scalar,
    dividend_yield: _Scalar = 0.0,
    *,
    dividends: _Dividends,
    dividend_model: _DividendModel = "spot",
    tier: _Tier = "accurate",
    status: None = None,
    threads: int = 1,
) -> ExerciseAdvice[float, bool]: ...
@overload
def exercise_advice(
    kind: ArrayLike,
    spot: ArrayLike,
    strike: ArrayLike,
    time_to_expiry: ArrayLike,
    rate: ArrayLike,
    volatility: ArrayLike,
    dividend_yield: ArrayLike = 0.0,
    *,
    dividends: _Dividends,
    dividend_model: _DividendModel = "spot",
    tier: _Tier = "accurate",
    status: _Codes | None = None,
    threads: int = 1,
) -> ExerciseAdvice[_Doubles, _Flags]: ...
def exercise_advice(
    kind: Any,
    spot: Any,
    strike: Any,
    time_to_expiry: Any,
    rate: Any,
    volatility: Any,
    dividend_yield: Any = 0.0,
    *,
    dividends: Any,
    dividend_model: _DividendModel = "spot",
    tier: _Tier = "accurate",
    status: Any = None,
    threads: int = 1,
) -> ExerciseAdvice[Any, Any]:
    """Weigh exercise just before the next ex-date against holding through it.

    A call is exercised early only for a dividend, and then at the last moment: on the last day before the
    ex-date. That day `ex_time` is the hours left, and `exercise_is_best` is the order to give. Before
    that day it says which way the scales lean, and `critical_spot` from which spot on they tip. A put is
    worth more after the ex-date, when the spot has fallen: before it, exercise is not best.

    Parameters
    ----------
    kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield
        As for `american_price`.
    dividends
        As for `american_price`, the later dividends of the option's life too: they bear on the value of
        holding.
    dividend_model, tier, status, threads
        As for `american_price`.

    Returns
    -------
    ExerciseAdvice
        Floats and a bool if every argument is a scalar, else arrays.

    Raises
    ------
    ValueError
        As for `american_price`.

    Examples
    --------
    A call deep in the money on the eve of a dividend of 1.50, three weeks before expiry:

    >>> eve = ([0.5 / 365], [1.5])
    >>> advice = exercise_advice("call", 100.0, 80.0, 21 / 365, 0.04, 0.25, dividends=eve)
    >>> advice.exercise_is_best, round(advice.amount_at_stake, 2), advice.dividend
    (True, 1.32, 1.5)
    >>> exercise_advice("call", 100.0, 99.0, 21 / 365, 0.04, 0.25, dividends=eve).exercise_is_best
    False
    """
    solved = exercise_before_dividend(
        kind,
        spot,
        strike,
        time_to_expiry,
        rate,
        volatility,
        dividend_yield,
        dividends=dividends,
        dividend_model=dividend_model,
        tier=tier,
        status=status,
        threads=threads,
    )
    stake = solved.exercise_value - solved.holding_value
    return ExerciseAdvice(
        stake > 0.0,
        stake,
        solved.exercise_value,
        solved.holding_value,
        solved.critical_spot,
        solved.ex_time,
        solved.dividend,
    )
