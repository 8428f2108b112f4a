"""The Python face of American options and cash dividends: inputs, schedules, results, errors, outputs."""

from __future__ import annotations

import copy
import doctest
import inspect
import itertools
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import optionsib
from optionsib import pricing
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
    greeks,
    leisen_reimer_price,
    price,
)

FIRST = ("price", "delta", "gamma", "vega", "theta", "rho", "epsilon", "dual_delta", "dual_gamma")
NATIVE: list[Callable[..., Any]] = [
    american_price,
    american_greeks,
    american_implied_volatility,
    american_implied_greeks,
    exercise_boundary,
    european_price,
    european_greeks,
    leisen_reimer_price,
    finite_difference_price,
]
PUBLIC = [*NATIVE, early_exercise_premium, exercise_advice]
PUT = (36.0, 40.0, 1.0, 0.06)  # spot, strike, time to expiry, rate
QUOTE = 9.0
CASH = ([0.25, 0.75], [0.4, 0.5])
STRIKES = np.linspace(32.0, 48.0, 9)


def same(left: Any, right: Any) -> bool:
    """Whether two results hold the same bits, NaN included."""
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(left, right, strict=True))


def calls(spot: Any, dividends: Any = None, **options: Any) -> list[Any]:
    """Return what each function answers for one varied argument."""
    rest = PUT[1:]
    cash = {"dividends": dividends, "tier": "fast"}
    return [
        american_price("put", spot, *rest, 0.2, 0.01, **cash, **options),
        american_greeks("put", spot, *rest, 0.2, 0.01, **cash, **options),
        american_implied_volatility(QUOTE, "put", spot, *rest, 0.01, **cash, **options),
        american_implied_greeks(QUOTE, "put", spot, *rest, 0.01, **cash, **options),
        european_price("put", spot, *rest, 0.2, 0.01, **cash, **options),
        european_greeks("put", spot, *rest, 0.2, 0.01, **cash, **options),
    ]


# --- signatures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", PUBLIC)
def test_functions_describe_themselves(function: Any) -> None:
    assert getattr(optionsib, function.__name__) is function
    assert pickle.loads(pickle.dumps(function)) is function
    if function in NATIVE:
        assert type(function).__name__ == "builtin_function_or_method"
        assert function.__module__ == "optionsib.pricing"
    parameters = inspect.signature(function).parameters
    assert parameters["dividend_yield"].default == 0.0
    assert parameters["threads"].kind is inspect.Parameter.KEYWORD_ONLY
    described = inspect.getdoc(function) or ""
    sections = ("Parameters\n-", "Returns\n-", "Raises\n-", "Examples\n-")
    assert all(section in described for section in sections)
    for name in parameters:
        assert name in described.split("Returns\n")[0], name


@pytest.mark.parametrize("name", [function.__name__ for function in PUBLIC])
def test_examples_of_the_docstrings(name: str) -> None:
    text = inspect.getdoc(getattr(pricing, name)) or ""
    test = doctest.DocTestParser().get_doctest(text, vars(pricing).copy(), name, None, 0)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "displaced"}, r"model must be 'bsm' or 'black76' for american_greeks, got 'displaced'"),
        ({"model": "heston"}, "model must be one of bsm, black76, displaced, bachelier, got 'heston'"),
        ({"tier": "best"}, "tier must be one of fast, accurate, high, got 'best'"),
        ({"tier": 1}, "tier must be one of"),
        ({"dividend_model": "cash"}, "dividend_model must be 'spot' or 'escrowed', got 'cash'"),
        ({"units": "percent"}, "units must be 'raw' or 'desk', got 'percent'"),
        ({"threads": -1}, "threads must be an integer from 0 to 4096, got -1"),
        ({"model": "black76", "dividend_yield": 0.01}, "dividend_yield must be 0 for model 'black76'"),
        ({"model": "black76", "dividends": CASH}, "dividends must be None for model 'black76'"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        american_greeks("put", *PUT, 0.2, **options)


def test_orders_and_shifts_are_not_taken() -> None:
    call: Any = american_greeks
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'order'"):
        call("put", *PUT, 0.2, order=2)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'shift'"):
        call("put", *PUT, 0.2, shift=1.0)
    with pytest.raises(TypeError, match=r"missing required argument: 'volatility'"):
        call("put", *PUT)


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("spot", -1.0, "spot must be positive and finite, got -1.0"),
        ("strike", math.nan, "strike must be positive and finite, got nan"),
        ("time_to_expiry", -0.1, "time_to_expiry must be finite and not negative, got -0.1"),
        ("rate", math.inf, "rate must be finite, got inf"),
        ("volatility", -0.2, "volatility must be finite and not negative, got -0.2"),
        ("dividend_yield", math.nan, "dividend_yield must be finite, got nan"),
        ("rate", -1e6, "a discount factor overflows"),
        ("kind", "cal", "kind must be"),
        ("spot", "1", "spot must be real numbers"),
    ],
)
@pytest.mark.parametrize(
    "function",
    [american_price, american_greeks, european_price, leisen_reimer_price, finite_difference_price],
)
def test_a_bad_scalar_is_named(function: Any, argument: str, value: Any, message: str) -> None:
    names = ("spot", "strike", "time_to_expiry", "rate", "volatility", "dividend_yield")
    arguments: dict[str, Any] = {"kind": "put", **dict(zip(names, (*PUT, 0.2, 0.0), strict=True))}
    with pytest.raises(ValueError, match=message):
        function(**arguments | {argument: value})


# --- schedules ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dividends", "message"),
    [
        (5, r"dividends must be \(ex_times, amounts\) or \(ex_times, amounts, offsets\), got 5"),
        ((0.5,), "dividends must be"),
        (np.ones((2, 2)), "dividends must be"),
        (([0.5], [1.0], [0, 1], 1), "dividends must be"),
        (([0.5], [1.0, 2.0]), "dividends: 1 ex_times but 2 amounts"),
        (([[0.5]], [1.0]), "dividends: ex_times must have one dimension, got 2"),
        ((["a"], [1.0]), "dividends: ex_times must be real numbers, got dtype"),
        (([0.5], [True]), "dividends: amounts must be real numbers, got dtype bool"),
        (([0.5], [1j]), "dividends: amounts must be real numbers, got dtype complex128"),
        (([math.nan], [1.0]), "dividends: ex_times must be finite, got nan at index 0"),
        (([0.1, 0.5, 0.4], [1.0] * 3), r"ex_times must ascend within a schedule, got 0\.4 at index 2"),
        (([0.5], [-1.0]), r"amounts must be finite and not negative, got -1\.0 at index 0"),
        (([0.5], [math.inf]), "amounts must be finite and not negative, got inf"),
        (([0.5], [1.0], [0.0, 1.0]), "offsets must be integers"),
        (([0.5], [1.0], [[0, 1]]), "offsets must be integers with one dimension"),
        (([0.5], [1.0], [1, 1]), "offsets must ascend from 0 to 1, the number of ex_times"),
        (([0.5], [1.0], [0, 2]), "offsets must ascend from 0 to 1"),
        (([0.5], [1.0], [0, 1, 1]), "dividends: 1 options need 2 offsets, got 3"),
        (([0.5], [1.0], []), "offsets must be integers"),
        (([0.5], [50.0]), r"dividends: they are worth more than the spot 36\.0"),
    ],
)
def test_bad_schedules_are_named(dividends: Any, message: str) -> None:
    for function in (american_price, european_greeks):
        with pytest.raises(ValueError, match=message):
            function("put", *PUT, 0.2, dividends=dividends, dividend_model="escrowed")


def test_one_bad_schedule_of_many_marks_its_option_only() -> None:
    times, amounts = [0.5, 0.5, 0.2, 0.3, 0.5], [1.0, 1.0, 1.0, math.nan, -1.0]
    status = np.empty(4, dtype=np.int8)
    values = american_price(
        "put",
        *PUT[:1],
        STRIKES[:4],
        1.0,
        0.06,
        0.2,
        dividends=(times, amounts, [0, 1, 3, 4, 5]),
        status=status,
    )
    assert status.tolist() == [Status.OK, *[Status.INVALID_INPUT] * 3]
    assert np.isnan(values).tolist() == [False, True, True, True]


def test_a_schedule_may_be_lists_arrays_series_or_numbers() -> None:
    pandas = pytest.importorskip("pandas", reason="data frames need pandas")
    expected = american_price("put", *PUT, 0.2, dividends=CASH)
    wide = np.repeat(np.array(CASH, dtype=np.float64), 3, axis=1)[:, ::3]
    for dividends in (
        list(CASH),
        (tuple(CASH[0]), np.array(CASH[1])),
        (wide[0], wide[1]),
        (pandas.Series(CASH[0], index=[7, 3]), pandas.Series(CASH[1])),
        (np.array(CASH[0], dtype=">f8"), np.array(CASH[1], dtype=np.longdouble)),
        (*CASH, np.array([0, 2], dtype=np.int32)),
    ):
        assert american_price("put", *PUT, 0.2, dividends=dividends) == expected
    assert american_price("put", *PUT, 0.2, dividends=(0.5, 1)) == american_price(
        "put", *PUT, 0.2, dividends=([0.5], [1.0])
    )


def test_dividends_that_do_not_count_change_nothing() -> None:
    for none in (None, ([], []), ([], [], np.zeros(10, dtype=np.int64)), ([-0.1, 0.0, 1.0001], [9.0] * 3)):
        assert same(
            american_greeks("put", 36.0, STRIKES, 1.0, 0.06, 0.2, dividends=none),
            american_greeks("put", 36.0, STRIKES, 1.0, 0.06, 0.2),
        )
        assert same(
            european_greeks("put", 36.0, STRIKES, 1.0, 0.06, 0.2, dividends=none),
            greeks("put", 36.0, STRIKES, 1.0, 0.06, 0.2),
        )
        for method in ("pde", "approximation"):
            values = european_price("put", 36.0, STRIKES, 1.0, 0.06, 0.2, dividends=none, method=method)
            assert np.array_equal(values, price("put", 36.0, STRIKES, 1.0, 0.06, 0.2))


def test_each_option_has_its_own_schedule() -> None:
    schedules: list[tuple[list[float], list[float]]] = [
        ([], []),
        ([0.5], [1.0]),
        ([0.1, 0.6], [0.3, 0.4]),
        ([0.9], [0.2]),
        ([], []),
        ([0.2, 0.3, 0.4], [0.1] * 3),
    ]
    offsets = np.concatenate([[0], np.cumsum([len(times) for times, _ in schedules])])
    flat = [np.concatenate([schedule[part] for schedule in schedules]) for part in (0, 1)]
    strikes = np.array([[36.0, 38.0, 40.0], [42.0, 44.0, 46.0]])
    for order in ("C", "F"):
        values = american_price(
            "put",
            36.0,
            np.array(strikes, order=order),
            1.0,
            0.06,
            0.2,
            dividends=(*flat, offsets),
            tier="fast",
        )
        for place, (strike, schedule) in enumerate(zip(strikes.flat, schedules, strict=True)):
            alone = american_price("put", 36.0, strike, 1.0, 0.06, 0.2, dividends=schedule, tier="fast")
            assert values.flat[place] == alone
    # The offsets count over the broadcast shape, whichever dimension the kernel runs through.
    kinds, spots = np.array([[1], [-1]]), np.array([35.0, 36.0, 37.0])
    table = american_greeks(kinds, spots, 38.0, 1.0, 0.06, 0.2, dividends=(*flat, offsets), tier="fast")
    tall = american_greeks(
        kinds.T, spots[:, None], 38.0, 1.0, 0.06, 0.2, dividends=(*flat, offsets), tier="fast"
    )
    for row, column in np.ndindex(2, 3):
        one = american_greeks(
            int(kinds[row, 0]),
            spots[column],
            38.0,
            1.0,
            0.06,
            0.2,
            dividends=schedules[3 * row + column],
            tier="fast",
        )
        assert [field[row, column] for field in table] == list(one)
    for row, column in np.ndindex(3, 2):
        one = american_greeks(
            int(kinds[column, 0]),
            spots[row],
            38.0,
            1.0,
            0.06,
            0.2,
            dividends=schedules[2 * row + column],
            tier="fast",
        )
        assert [field[row, column] for field in tall] == list(one)
    with pytest.raises(ValueError, match="dividends: 9 options need 10 offsets, got 7"):
        american_price("put", 36.0, STRIKES, 1.0, 0.06, 0.2, dividends=(*flat, offsets))


def test_more_dividends_than_are_supported() -> None:
    many = (np.linspace(0.01, 0.99, 65), np.full(65, 0.01))
    with pytest.raises(ValueError, match="dividends: more than 64 count for one option"):
        american_price("put", *PUT, 0.2, dividends=many)
    status = np.empty(1, dtype=np.int8)
    assert np.isnan(american_price(["put"], *PUT, 0.2, dividends=many, status=status)).all()
    assert status.tolist() == [Status.UNSUPPORTED]


# --- results ------------------------------------------------------------------------------------------


def test_named_results_tell_how_dividends_were_modelled() -> None:
    expected = {None: "none", "spot": "spot", "escrowed": "escrowed"}
    for function, kind in (
        (american_greeks, AmericanGreeks),
        (european_greeks, EuropeanGreeks),
    ):
        for model, word in expected.items():
            options: Any = {} if model is None else {"dividends": CASH, "dividend_model": model}
            for spot in (36.0, [36.0, 37.0]):
                found = function("call", spot, *PUT[1:], 0.2, **options)
                assert type(found) is kind
                assert found.dividend_model == word
                assert found._fields == FIRST
                assert list(found.to_dict()) == list(FIRST)
                assert len(found) == 9
    for function, kind in (
        (american_implied_volatility, AmericanImpliedVolatility),
        (american_implied_greeks, AmericanImpliedGreeks),
    ):
        solved = function(QUOTE, "put", *PUT, dividends=CASH)
        assert type(solved) is kind
        assert solved.dividend_model == "spot"
        assert solved.status is Status.OK
        assert function(QUOTE, "put", *PUT).dividend_model == "none"
    assert "status" in american_implied_greeks(QUOTE, "put", *PUT).to_dict()


def test_results_are_values() -> None:
    found = american_greeks("put", *PUT, 0.2, dividends=CASH)
    assert repr(found).startswith("optionsib.pricing.AmericanGreeks(price=")
    for twin in (pickle.loads(pickle.dumps(found)), copy.deepcopy(found)):
        assert twin == found
        assert twin.dividend_model == "spot"
    assert hash(found) == hash(american_greeks("put", *PUT, 0.2, dividends=CASH))
    assert np.array(found).dtype == np.float64
    match found:
        case AmericanGreeks(delta=value):
            assert value == found.delta
    assert AmericanGreeks[float].__origin__ is AmericanGreeks  # type: ignore[attr-defined]


def test_desk_units() -> None:
    for options in ({}, {"dividends": CASH}):
        raw: Any = american_greeks("put", *PUT, 0.2, 0.01, **options)  # type: ignore[call-overload]
        desk: Any = american_greeks("put", *PUT, 0.2, 0.01, units="desk", **options)  # type: ignore[call-overload]
        divisors = dict.fromkeys(FIRST, 1.0) | {"vega": 100.0, "rho": 100.0, "epsilon": 100.0, "theta": 365.0}
        for name, divisor in divisors.items():
            assert getattr(desk, name) == pytest.approx(getattr(raw, name) / divisor, rel=1e-14), name


def test_the_exercise_region() -> None:
    for function, options in (
        ("put", (30.0, 40.0, 1.0, 0.06, 0.2)),
        ("call", (60.0, 40.0, 1.0, 0.01, 0.2, 0.1)),
    ):
        found = american_greeks(function, *options)  # type: ignore[arg-type]
        sign = -1.0 if function == "put" else 1.0
        assert found.price == sign * (options[0] - options[1])
        assert (found.delta, found.dual_delta) == (sign, -sign)
        assert (found.gamma, found.vega, found.theta, found.rho, found.epsilon, found.dual_gamma) == (0,) * 6
        region = exercise_boundary(function, *options[1:])  # type: ignore[arg-type]
        assert region.lower <= options[0] <= region.upper


def test_a_price_at_exercise_value_has_no_single_volatility() -> None:
    solved = american_implied_greeks([10.0, 9.0, 41.0, QUOTE], "put", [30.0, 30.0, 36.0, 36.0], *PUT[1:])
    assert solved.status.tolist() == [
        Status.AT_INTRINSIC,
        Status.BELOW_INTRINSIC,
        Status.ABOVE_MAXIMUM,
        Status.OK,
    ]
    for column in solved[:1] + solved[2:]:
        assert np.isnan(column).tolist() == [True, True, True, False]  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"price 10\.0 is the value of exercise at once"):
        american_implied_volatility(10.0, "put", 30.0, *PUT[1:])
    with pytest.raises(ValueError, match=r"price 9\.0 is below the"):
        american_implied_volatility(9.0, "put", 30.0, *PUT[1:])
    with pytest.raises(ValueError, match=r"price 41\.0 is above the largest value"):
        american_implied_volatility(41.0, "put", *PUT)
    with pytest.raises(ValueError, match="price must be finite, got nan"):
        american_implied_volatility(math.nan, "put", *PUT, dividends=CASH)


def test_implied_greeks_are_both_in_one() -> None:
    quotes = american_price("put", 36.0, STRIKES, 1.0, 0.06, 0.25, dividends=CASH)
    solved = american_implied_greeks(quotes, "put", 36.0, STRIKES, 1.0, 0.06, dividends=CASH)
    alone = american_implied_volatility(quotes, "put", 36.0, STRIKES, 1.0, 0.06, dividends=CASH)
    assert same(solved[:2], alone)
    good = solved.status == Status.OK
    assert good.sum() >= 5
    np.testing.assert_allclose(solved.volatility[good], 0.25, rtol=1e-6)
    there = american_greeks("put", 36.0, STRIKES[good], 1.0, 0.06, solved.volatility[good], dividends=CASH)
    for name, column in there.to_dict().items():
        np.testing.assert_allclose(getattr(solved, name)[good], column, rtol=1e-9, atol=1e-12, err_msg=name)


def test_black76_prices_options_on_a_forward() -> None:
    # A forward is a spot whose yield is the rate.
    for kind in ("call", "put"):
        black = american_price(kind, 36.0, STRIKES, 1.0, 0.06, 0.2, model="black76")
        np.testing.assert_allclose(
            black, american_price(kind, 36.0, STRIKES, 1.0, 0.06, 0.2, 0.06), rtol=1e-12
        )


def test_premium_boundary_and_checks() -> None:
    american = american_price("put", 36.0, STRIKES, 1.0, 0.06, 0.2)
    premium = early_exercise_premium("put", 36.0, STRIKES, 1.0, 0.06, 0.2)
    assert np.array_equal(premium, american - price("put", 36.0, STRIKES, 1.0, 0.06, 0.2))
    assert (premium > 0).all()
    assert early_exercise_premium("call", *PUT, 0.2) == 0.0
    black = early_exercise_premium("call", *PUT, 0.2, model="black76")
    assert black == american_price("call", *PUT, 0.2, model="black76") - price(
        "call", *PUT, 0.2, model="black76"
    )
    region = exercise_boundary("put", 40.0, [0.0, 0.25, 1.0], 0.06, 0.2)
    assert type(region) is ExerciseBoundary
    assert (region.lower == 0.0).all()
    assert (np.diff(region.upper) < 0).all()
    assert np.isnan(exercise_boundary("call", 40.0, 1.0, 0.06, 0.2).upper)
    assert exercise_boundary("call", 40.0, 1.0, 0.06, 0.2, 0.03).upper == math.inf
    for check in (leisen_reimer_price, finite_difference_price):
        np.testing.assert_allclose(check("put", 36.0, STRIKES, 1.0, 0.06, 0.2), american, atol=2e-3)
        flat = check("put", *PUT, 0.2, exercise="european")
        assert flat == pytest.approx(price("put", *PUT, 0.2), abs=1e-3)
        with pytest.raises(ValueError, match="exercise must be 'european' or 'american', got 'bermudan'"):
            check("put", *PUT, 0.2, exercise="bermudan")
        with pytest.raises(ValueError, match="no tree or grid of this size fits volatility"):
            check("put", *PUT, 0.0)
    assert leisen_reimer_price("put", *PUT, 0.2, steps=51) == leisen_reimer_price("put", *PUT, 0.2, steps=50)
    with pytest.raises(ValueError, match="steps must be an integer from 3 to 100000, got 2"):
        leisen_reimer_price("put", *PUT, 0.2, steps=2)
    with pytest.raises(ValueError, match=r"space_steps must be an integer from 8 to 100000, got 10\.0"):
        finite_difference_price("put", *PUT, 0.2, space_steps=10.0)  # type: ignore[call-overload]


# --- advice -------------------------------------------------------------------------------------------


def test_advice_names_the_next_ex_date() -> None:
    spots = np.array([100.0, 100.0, 100.0])
    cash = ([-0.1, 0.02, 0.02, 0.3], [9.0, 1.0, 0.5, 1.2])
    advice = exercise_advice("call", spots, [70.0, 100.0, 70.0], [0.5, 0.5, 0.01], 0.04, 0.2, dividends=cash)
    assert type(advice) is ExerciseAdvice
    assert advice.exercise_is_best.dtype == np.bool_
    assert advice.exercise_is_best.tolist() == [True, False, False]
    np.testing.assert_array_equal(advice.ex_time, [0.02, 0.02, math.nan])
    assert advice.dividend.tolist() == [1.5, 1.5, 0.0]
    assert np.isnan(advice.holding_value).tolist() == [False, False, True]
    assert np.array_equal(
        advice.amount_at_stake, advice.exercise_value - advice.holding_value, equal_nan=True
    )
    one = exercise_advice("call", 100.0, 70.0, 0.5, 0.04, 0.2, dividends=cash)
    assert type(one.exercise_is_best) is bool
    assert [column[0] for column in advice] == list(one)
    assert list(one.to_dict()) == list(ExerciseAdvice._fields)


def test_advice_follows_the_critical_spot_on_the_eve() -> None:
    eve = ([1e-6], [1.0])
    spots = np.linspace(90.0, 130.0, 81)
    advice = exercise_advice("call", spots, 95.0, 0.05, 0.05, 0.2, dividends=eve)
    assert np.array_equal(advice.exercise_is_best, spots >= advice.critical_spot)
    assert 0 < advice.exercise_is_best.sum() < 81
    puts = exercise_advice("put", spots, 110.0, 0.05, 0.05, 0.2, dividends=eve)
    assert not puts.exercise_is_best.any()
    assert np.isnan(puts.critical_spot).all()


def test_advice_with_schedules_of_their_own() -> None:
    kinds, strikes = ["call", "call", "put"], np.array([80.0, 80.0, 120.0])
    cash = ([0.01, 0.2], [2.0, 1.0], [0, 1, 1, 2])
    status = np.empty(3, dtype=np.int8)
    advice = exercise_advice(kinds, 100.0, strikes, 0.25, 0.05, 0.2, dividends=cash, status=status)
    np.testing.assert_array_equal(advice.ex_time, [0.01, math.nan, 0.2])
    assert advice.exercise_is_best.tolist() == [True, False, False]
    assert status.tolist() == [Status.OK] * 3
    with pytest.raises(TypeError, match="dividends"):
        exercise_advice("call", 100.0, 80.0, 0.5, 0.04, 0.2)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="spot must be positive"):
        exercise_advice("call", -1.0, 80.0, 0.5, 0.04, 0.2, dividends=([0.1], [1.0]))


# --- layouts and outputs ------------------------------------------------------------------------------


def layouts() -> list[Any]:
    values = np.random.default_rng(5).uniform(33.0, 39.0, 12)
    unaligned = np.frombuffer(b"x" + values.tobytes(), dtype=np.uint8)[1:].view(np.float64)
    locked = values.copy()
    locked.flags.writeable = False
    return [
        values,
        np.repeat(values, 3)[::3],
        values[::-1].copy()[::-1],
        values.astype(">f8"),
        unaligned,
        locked,
        values.astype(object),
        values.tolist(),
        np.asfortranarray(values.reshape(3, 4)),
        values.reshape(3, 4)[::2, ::-3],
        np.broadcast_to(values[3], (7,)),
    ]


@pytest.mark.parametrize("dividends", [None, CASH], ids=["none", "cash"])
@pytest.mark.parametrize("spots", layouts(), ids=itertools.count())
def test_no_layout_changes_a_bit(spots: Any, dividends: Any) -> None:
    plain = np.asarray(spots, dtype=np.float64)
    results = calls(spots, dividends)
    for index in list(np.ndindex(plain.shape))[::3]:
        expected = calls(float(plain[index]), dividends)
        for columns, scalars in zip(results, expected, strict=True):
            if isinstance(columns, np.ndarray):
                assert columns[index] == scalars
            else:
                assert [column[index] for column in columns] == list(scalars)


def test_threads_change_nothing() -> None:
    strikes = np.linspace(20.0, 60.0, 700)
    for dividends in (None, CASH):
        one = american_greeks("put", 36.0, strikes, 1.0, 0.06, 0.2, dividends=dividends, tier="fast")
        two = american_greeks(
            "put", 36.0, strikes, 1.0, 0.06, 0.2, dividends=dividends, tier="fast", threads=2
        )
        assert same(one, two)


def test_what_is_wrong_in_an_array_marks_its_element_only() -> None:
    bad = [0.0, -1.0, math.nan, math.inf, -math.inf]
    for dividends in (None, CASH):
        status = np.empty(7, dtype=np.int8)
        spots = np.array([36.0, *bad, 36.0])
        values = american_price("put", spots, *PUT[1:], 0.2, dividends=dividends, status=status)
        assert status.tolist() == [0, 1, 1, 1, 1, 1, 0]
        assert values[0] == values[-1] == american_price("put", *PUT, 0.2, dividends=dividends)
        assert np.isnan(values).tolist() == [code == 1 for code in status.tolist()]
        late = american_greeks(
            "put", 36.0, 40.0, [1.0, -1.0], 0.06, 0.2, dividends=dividends, status=status[:2]
        )
        assert status[:2].tolist() == [Status.OK, Status.EXPIRED]
        assert all(np.isnan(column).tolist() == [False, True] for column in late)


def test_empty_arrays_and_no_dimensions() -> None:
    for dividends in (None, CASH):
        for empty in (np.empty(0), np.empty((3, 0))):
            results = calls(empty, dividends)
            assert results[0].shape == empty.shape
            assert results[1].delta.shape == empty.shape
        zero = np.empty(())
        assert american_price("put", *PUT, 0.2, dividends=dividends, out=zero) is zero
        status = np.empty((), dtype=np.int8)
        assert math.isnan(american_price("put", -1.0, *PUT[1:], 0.2, dividends=dividends, status=status))
        assert status == Status.INVALID_INPUT


def test_single_precision_in_is_single_precision_out() -> None:
    strikes = STRIKES.astype(np.float32)
    value = american_price("put", 36, strikes, 1.0, 0.06, np.float32(0.25))
    assert value.dtype == np.float32
    double = american_price("put", 36, strikes.astype(np.float64), 1.0, 0.06, 0.25)
    assert np.array_equal(value, double.astype(np.float32))
    assert {column.dtype for column in american_greeks("put", 36, strikes, 1.0, 0.06, 0.25)} == {
        np.dtype("f4")
    }
    assert early_exercise_premium("put", 36, strikes, 1.0, 0.06, 0.25).dtype == np.float32


def test_series_match_by_position() -> None:
    pandas = pytest.importorskip("pandas", reason="data frames need pandas")
    table = pandas.DataFrame({"kind": ["call", "put"], "strike": [35.0, 40.0]}, index=[3, 1])
    found = american_greeks(table.kind, 36.0, table.strike, 1.0, 0.06, 0.2, 0.03)
    wide = table.assign(**found.to_dict())
    assert list(wide.columns) == [*table.columns, *FIRST]
    assert wide.price.tolist()[1] == american_price("put", 36.0, 40.0, 1.0, 0.06, 0.2, 0.03)
    advice = exercise_advice(table.kind, 36.0, table.strike, 1.0, 0.06, 0.2, dividends=CASH)
    assert "exercise_is_best" in table.assign(**advice.to_dict()).columns
    with pytest.raises(ValueError, match="strike and kind have different indexes"):
        american_price(table.kind, 36.0, table.strike.reset_index(drop=True), 1.0, 0.06, 0.2)


def test_outputs_are_rows_or_a_previous_result() -> None:
    for dividends in (None, CASH):
        expected = american_greeks("put", 36.0, STRIKES, 1.0, 0.06, 0.2, dividends=dividends)
        rows = np.full((9, 9), -7.0)
        written = american_greeks("put", 36.0, STRIKES, 1.0, 0.06, 0.2, dividends=dividends, out=rows)
        assert same(written, expected)
        assert same(rows, expected)
        again = american_greeks("put", 37.0, STRIKES, 1.0, 0.06, 0.2, dividends=dividends, out=written)
        assert again is written
        assert same(rows, american_greeks("put", 37.0, STRIKES, 1.0, 0.06, 0.2, dividends=dividends))
    # Another dividend model: the same memory under another name.
    assert written.dividend_model == "spot"
    bare = american_greeks("put", 36.0, STRIKES, 1.0, 0.06, 0.2, out=written)
    assert bare.dividend_model == "none"
    assert all(a is b for a, b in zip(bare, written, strict=True))
    quotes = american_price("put", 36.0, STRIKES, 1.0, 0.06, 0.3)
    volatility, status = np.full(9, -7.0), np.full(9, 99, dtype=np.int8)
    solved = american_implied_volatility(
        quotes, "put", 36.0, STRIKES, 1.0, 0.06, out=volatility, status=status
    )
    assert solved.volatility is volatility
    assert solved.status is status
    moved = american_price("put", 36.0, STRIKES, 1.0, 0.06, 0.31)
    again_solved = american_implied_volatility(
        moved, "put", 36.0, STRIKES, 1.0, 0.06, guess=volatility, out=solved
    )
    assert again_solved is solved
    np.testing.assert_allclose(volatility, 0.31, rtol=1e-6)
    table = np.full((10, 9), -7.0)
    american_implied_greeks(quotes, "put", 36.0, STRIKES, 1.0, 0.06, out=table)
    assert (table != -7.0).all()
    edges = np.full((2, 3), -7.0)
    region = exercise_boundary("put", 40.0, [0.1, 0.5, 1.0], 0.06, 0.2, out=edges)
    assert region.upper.base is edges or np.shares_memory(region.upper, edges)


def test_fewer_rows_are_the_first_fields_and_the_others_none() -> None:
    option = ("put", 36.0, STRIKES, 1.0, 0.06, 0.2)
    cash = ([0.25, 0.75], [0.5, 0.5])
    for dividends in (None, cash):
        expected = american_greeks(*option, dividends=dividends)
        quotes = american_price(*option, dividends=dividends)
        solved = american_implied_greeks(quotes, *option[:5], dividends=dividends)
        for count in (1, 6, 9):
            rows = np.full((count, 9), -7.0)
            written: Any = american_greeks(*option, dividends=dividends, out=rows)
            np.testing.assert_array_equal(rows, expected[:count])
            assert written[count:] == (None,) * (9 - count)
            assert written.dividend_model == expected.dividend_model
            implied: Any = american_implied_greeks(quotes, *option[:5], dividends=dividends, out=rows)
            np.testing.assert_array_equal(rows[0], solved.volatility)
            for row, field in zip(rows[1:], solved[2 : count + 1], strict=True):
                np.testing.assert_array_equal(row, field)
            assert implied[count + 1 :] == (None,) * (10 - count)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        (np.zeros((9, 9), dtype=np.float32), "out must have dtype float64, got float32"),
        (np.zeros((10, 9)), r"out must have the broadcast shape \(9, 9\), got \(10, 9\)"),
        (np.lib.stride_tricks.as_strided(np.zeros(40), (9, 9), (16, 8)), "elements that share memory"),
        (greeks("put", 36.0, STRIKES, 1.0, 0.06, 0.2), "out must be a float64 array or a previous"),
    ],
    ids=itertools.count(),
)
def test_bad_outputs_are_refused(out: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        american_greeks("put", 36.0, STRIKES, 1.0, 0.06, 0.2, out=out)


def test_shapes_that_do_not_broadcast_are_named() -> None:
    with pytest.raises(ValueError, match=r"the shapes do not broadcast: spot \(2,\), strike \(9,\)"):
        american_price("put", [36.0, 37.0], STRIKES, 1.0, 0.06, 0.2)
