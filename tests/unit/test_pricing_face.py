"""The Python face of European pricing: signatures, named results, columns of other libraries, outputs."""

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
    Greeks,
    ImpliedGreeks,
    SecondOrderGreeks,
    Status,
    ThirdOrderGreeks,
    greeks,
    implied_greeks,
    implied_volatility,
    price,
    time_to_expiry,
)

FIRST = ("price", "delta", "gamma", "vega", "theta", "rho", "epsilon", "dual_delta", "dual_gamma")
SECOND = (*FIRST, "vanna", "volga", "charm", "veta")
THIRD = (*SECOND, "speed", "zomma", "color", "ultima")
FIELDS = {1: FIRST, 2: SECOND, 3: THIRD}
TYPES = {1: Greeks, 2: SecondOrderGreeks, 3: ThirdOrderGreeks}
PUBLIC: list[Callable[..., Any]] = [price, greeks, implied_volatility, implied_greeks]
OPTION = (100.0, 95.0, 0.5, 0.03)  # spot, strike, time to expiry, rate
QUOTE = 8.5


def same(left: Any, right: Any) -> bool:
    """Whether two results hold the same bits, NaN included."""
    pairs = zip(left, right, strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def calls(spot: Any, **options: Any) -> list[Any]:
    """Return what each function answers for one varied argument."""
    rest = OPTION[1:]
    return [
        price("put", spot, *rest, 0.2, 0.01, **options),
        greeks("put", spot, *rest, 0.2, 0.01, order=3, **options),
        implied_volatility(QUOTE, "call", spot, *rest, 0.01, **options),
        implied_greeks(QUOTE, "call", spot, *rest, 0.01, order=3, **options),
    ]


# --- signatures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", PUBLIC)
def test_functions_describe_themselves(function: Any) -> None:
    assert type(function).__name__ == "builtin_function_or_method"
    assert getattr(optionsib, function.__name__) is function
    assert function.__module__ == "optionsib.pricing"
    assert pickle.loads(pickle.dumps(function)) is function
    parameters = inspect.signature(function).parameters
    names = list(parameters)
    start = (
        ["price", "kind", "spot"] if function in (implied_volatility, implied_greeks) else ["kind", "spot"]
    )
    assert names[: len(start)] == start
    assert parameters["dividend_yield"].default == 0.0
    assert parameters["model"].kind is inspect.Parameter.KEYWORD_ONLY
    described = inspect.getdoc(function) or ""
    sections = ("Parameters\n-", "Returns\n-", "Raises\n-", "Examples\n-")
    assert all(section in described for section in sections)
    for name in names:
        assert name in described.split("Returns\n")[0], name


@pytest.mark.parametrize("name", [*(f.__name__ for f in PUBLIC), "time_to_expiry", "clear_buffers"])
def test_examples_of_the_docstrings(name: str) -> None:
    text = inspect.getdoc(getattr(pricing, name)) or ""
    test = doctest.DocTestParser().get_doctest(text, vars(pricing).copy(), name, None, 0)
    assert doctest.DocTestRunner().run(test).failed == 0


def test_arguments_bind_as_in_python() -> None:
    expected = price("call", *OPTION, 0.2, 0.01)
    named = dict(zip(("spot", "strike", "time_to_expiry", "rate"), OPTION, strict=True))
    assert price(kind="call", volatility=0.2, dividend_yield=0.01, **named) == expected
    built = {"".join(["vol", "atility"]): 0.2}  # a name that is not interned
    assert price("call", *OPTION, **built, dividend_yield=0.01) == expected
    call: Any = price
    with pytest.raises(TypeError, match=r"missing required argument: 'volatility'"):
        call("call", *OPTION)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'vol'"):
        call("call", *OPTION, vol=0.2)
    with pytest.raises(TypeError, match=r"multiple values for argument 'spot'"):
        call("call", *OPTION, 0.2, spot=1.0)
    with pytest.raises(TypeError, match=r"at most 7 positional arguments \(8 given\)"):
        call("call", *OPTION, 0.2, 0.0, "bsm")
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'order'"):
        call("call", *OPTION, 0.2, order=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "heston"}, r"model must be one of bsm, black76, displaced, bachelier, got 'heston'"),
        ({"model": 1}, "model must be one of"),
        ({"model": "\ud800"}, "model must be one of"),
        ({"order": 0}, "order must be 1, 2 or 3, got 0"),
        ({"order": 4}, "order must be 1, 2 or 3, got 4"),
        ({"order": True}, "order must be"),
        ({"order": 1.0}, "order must be"),
        ({"order": 10**30}, "order must be"),
        ({"units": "percent"}, "units must be 'raw' or 'desk', got 'percent'"),
        ({"units": None}, "units must be"),
        ({"threads": -1}, "threads must be"),
        ({"shift": 1.0}, r"shift must be 0 for model 'bsm', got 1\.0"),
        ({"shift": np.array([0.0, math.nan])}, "shift must be 0 for model 'bsm', got nan"),
        ({"model": "black76", "dividend_yield": 0.01}, r"dividend_yield must be 0 for model 'black76'"),
        (
            {"model": "bachelier", "dividend_yield": np.array([[0.0], [0.1]])},
            r"dividend_yield must be 0 .* 0\.1",
        ),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        greeks("call", *OPTION, 0.2, **options)
    with pytest.raises(ValueError, match=message):
        implied_greeks(QUOTE, "call", *OPTION, **options)


# --- named results ------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2, 3])
def test_scalar_and_array_results_have_the_same_names(order: Any) -> None:
    scalar = greeks("call", *OPTION, 0.2, order=order)
    columns = greeks(["call"], *OPTION, 0.2, order=order)
    assert type(scalar) is type(columns) is TYPES[order]
    assert scalar._fields == FIELDS[order]
    assert list(scalar.to_dict()) == list(FIELDS[order])
    assert all(type(value) is float for value in scalar)
    assert all(isinstance(value, np.ndarray) and value.shape == (1,) for value in columns)
    assert [column[0] for column in columns] == list(scalar)
    for place, name in enumerate(FIELDS[order]):
        assert scalar[place] == getattr(scalar, name) == scalar.to_dict()[name]
    solved = implied_greeks(QUOTE, "call", *OPTION, order=order)
    assert solved._fields == ("volatility", "status", *FIELDS[order])
    assert solved.status is Status.OK


def test_higher_orders_repeat_the_lower_ones_bit_for_bit() -> None:
    strikes = np.linspace(60, 150, 37)
    first, second, third = (
        greeks("put", 100.0, strikes, 0.5, 0.03, 0.2, 0.01, order=order) for order in (1, 2, 3)
    )
    assert same(first, second[:9])
    assert same(second, third[:13])


def test_results_are_values() -> None:
    scalar = greeks("call", *OPTION, 0.2)
    assert "delta=" in repr(scalar)
    assert repr(scalar).startswith("optionsib.pricing.Greeks(")
    assert isinstance(scalar, tuple)
    assert hash(scalar) == hash(greeks("call", *OPTION, 0.2))
    assert pickle.loads(pickle.dumps(scalar)) == scalar == copy.deepcopy(scalar)
    with pytest.raises(AttributeError):
        scalar.delta = 1.0  # type: ignore[misc]
    match scalar:
        case Greeks(price=value):
            assert value == scalar.price
        case _:
            pytest.fail("no match by name")
    assert Greeks[float].__origin__ is Greeks  # type: ignore[attr-defined]
    assert np.array(greeks("call", 100.0, [90.0, 95.0], 0.5, 0.03, 0.2)).shape == (9, 2)


def test_desk_units_divide_times_by_365_and_rates_by_100() -> None:
    raw = greeks("put", *OPTION, 0.2, 0.01, order=3)
    desk = greeks("put", *OPTION, 0.2, 0.01, order=3, units="desk")
    divisors = dict.fromkeys(THIRD, 1.0) | {
        "vega": 100.0,
        "rho": 100.0,
        "epsilon": 100.0,
        "vanna": 100.0,
        "zomma": 100.0,
        "theta": 365.0,
        "charm": 365.0,
        "color": 365.0,
        "volga": 100.0**2,
        "veta": 36500.0,
        "ultima": 100.0**3,
    }
    for name, divisor in divisors.items():
        assert getattr(desk, name) == pytest.approx(getattr(raw, name) / divisor, rel=1e-15), name


def test_implied_greeks_are_both_in_one() -> None:
    strikes = np.linspace(70, 130, 41)
    quotes = price("call", 100.0, strikes, 0.5, 0.03, 0.25, 0.01)
    quotes[3], quotes[4] = np.nan, 200.0
    solved = implied_greeks(quotes, "call", 100.0, strikes, 0.5, 0.03, 0.01, order=3)
    alone = implied_volatility(quotes, "call", 100.0, strikes, 0.5, 0.03, 0.01)
    assert same(solved[:2], alone)
    assert solved.status.tolist() == [0, 0, 0, Status.INVALID_INPUT, Status.ABOVE_MAXIMUM] + [0] * 36
    there = greeks("call", 100.0, strikes, 0.5, 0.03, alone.volatility, 0.01, order=3)
    assert same(solved[2:], there)
    one = implied_greeks(quotes[7], "call", 100.0, strikes[7], 0.5, 0.03, 0.01, order=3)
    assert list(one) == [column[7] for column in solved]
    with pytest.raises(ValueError, match=r"price 200\.0 is above"):
        implied_greeks(200.0, "call", *OPTION)
    flat = implied_greeks(5.0, "call", 100.0, 95.0, 0.5, 0.0)
    assert (flat.volatility, flat.status, flat.price, flat.delta) == (0.0, Status.NO_VEGA, 5.0, 1.0)


# --- models -------------------------------------------------------------------------------------------


def test_models_and_shift() -> None:
    black = price("call", *OPTION, 0.2, model="black76")
    assert price("call", *OPTION, 0.2, model="displaced") == pytest.approx(black, rel=1e-14)
    shifted = price("call", 98.0, 93.0, 0.5, 0.03, 0.2, model="displaced", shift=2.0)
    assert shifted == pytest.approx(black, rel=1e-14)
    shifts = np.array([0.0, 2.0])
    both = price(
        "call", OPTION[0] - shifts, OPTION[1] - shifts, 0.5, 0.03, 0.2, model="displaced", shift=shifts
    )
    np.testing.assert_allclose(both, black, rtol=1e-14)
    for forward, strike in ((-0.01, 0.005), (0.0, 0.0), (0.02, -0.01)):
        value = price("put", forward, strike, 2.0, 0.01, 0.008, model="bachelier")
        solved = implied_volatility(value, "put", forward, strike, 2.0, 0.01, model="bachelier")
        assert solved.volatility == pytest.approx(0.008, rel=1e-12)
    # Undiscounted at the money: vol sqrt(T / 2 pi).
    assert price("call", 5.0, 5.0, 2.0, 0.0, 0.3, model="bachelier") == pytest.approx(
        0.3 / math.sqrt(math.pi)
    )
    with pytest.raises(ValueError, match=r"strike must be finite and greater than -shift, got -3\.0"):
        price("call", 1.0, -3.0, 0.5, 0.0, 0.2, model="displaced", shift=2.0)
    with pytest.raises(ValueError, match=r"shift must be finite, got nan"):
        price("call", 1.0, 3.0, 0.5, 0.0, 0.2, model="displaced", shift=math.nan)
    with pytest.raises(ValueError, match=r"spot must be finite, got inf"):
        price("call", math.inf, 3.0, 0.5, 0.0, 0.2, model="bachelier")


def test_forward_models_hold_the_forward_in_rho() -> None:
    for model in ("black76", "displaced", "bachelier"):
        volatility = 20.0 if model == "bachelier" else 0.2
        g: Any = greeks("put", *OPTION, volatility, model=model)  # type: ignore[call-overload]
        assert g.rho == pytest.approx(-OPTION[2] * g.price, rel=1e-15)


# --- layouts ------------------------------------------------------------------------------------------


def layouts() -> list[Any]:
    rng = np.random.default_rng(5)
    values = rng.uniform(80.0, 101.0, 48)
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
        values.astype(np.longdouble),
        values.astype(object),
        values.tolist(),
        tuple(values.tolist()),
        values.reshape(6, 8),
        np.asfortranarray(values.reshape(6, 8)),
        values.reshape(2, 3, 8).transpose(1, 2, 0),
        values.reshape(16, 3),
        values.reshape(48, 1),
        values.reshape(4, 12)[::2, ::-3],
        np.broadcast_to(values[:4], (5, 4)),
        np.broadcast_to(values[3], (7,)),
    ]


@pytest.mark.parametrize("spots", layouts(), ids=itertools.count())
def test_no_layout_changes_a_bit(spots: Any) -> None:
    plain = np.asarray(spots, dtype=np.float64)
    results = calls(spots)
    for index in np.ndindex(plain.shape):
        expected = calls(float(plain[index]))
        assert results[0][index] == expected[0]
        for columns, scalars in zip(results[1:], expected[1:], strict=True):
            assert [column[index] for column in columns] == list(scalars)


def test_arguments_broadcast_against_each_other() -> None:
    expiries, strikes = np.array([[0.1], [0.5], [2.0]]), np.linspace(80, 120, 50)
    kinds = np.array([1, -1], dtype=np.int8).reshape(2, 1, 1)
    values = price(kinds, 100.0, strikes, expiries, 0.03, 0.2)
    assert values.shape == (2, 3, 50)
    for k, e, s in ((0, 2, 7), (1, 0, 49)):
        kind = int(kinds[k, 0, 0])
        assert values[k, e, s] == price(kind, 100.0, float(strikes[s]), float(expiries[e, 0]), 0.03, 0.2)


def test_what_is_wrong_in_an_array_marks_its_element_only() -> None:
    bad = [0.0, -1.0, math.nan, math.inf, -math.inf, 5e-324, 1e308, 1e-308]
    spots = np.array([100.0, *bad, 100.0])
    status = np.empty(10, dtype=np.int8)
    values = price("call", spots, *OPTION[1:], 0.2, status=status)
    assert values[0] == values[-1] == price("call", 100.0, *OPTION[1:], 0.2)
    assert status.tolist() == [0, 1, 1, 1, 1, 1, 0, 0, 0, 0]
    assert np.isnan(values).tolist() == [code == 1 for code in status.tolist()]
    assert values[6] == 0.0
    assert values[7] == 1e308


def test_single_precision_in_is_single_precision_out() -> None:
    strikes = np.linspace(80, 120, 11, dtype=np.float32)
    value = price("put", 100, strikes, 0.5, 0.03, np.float32(0.25))
    assert value.dtype == np.float32
    double = price("put", 100, strikes.astype(np.float64), 0.5, 0.03, float(np.float32(0.25)))
    assert np.array_equal(value, double.astype(np.float32))
    assert {column.dtype for column in greeks(1, 100.0, strikes, 0.5, 0.03, 0.25)} == {np.dtype(np.float32)}
    solved = implied_volatility(value, "put", 100, strikes, 0.5, 0.03)
    assert (solved.volatility.dtype, solved.status.dtype) == (np.float32, np.int8)
    # One double among them, or an array to write to, and the result is double.
    assert price("put", np.float64(100), strikes, 0.5, 0.03, 0.25).dtype == np.float64
    assert price("put", 100, strikes, 0.5, 0.03, 0.25, out=np.empty(11)).dtype == np.float64
    assert type(price("put", np.float32(100), 90, 0.5, 0.03, 0.25)) is float


# --- kinds --------------------------------------------------------------------------------------------


def test_int8_kinds_are_not_copied_and_others_convert() -> None:
    kinds = np.where(np.arange(1000) % 3 == 0, 1, -1)
    expected = price(kinds.astype(np.int8), *OPTION, 0.2)
    for dtype in (
        np.int16,
        np.int32,
        np.int64,
        np.float16,
        np.float32,
        np.float64,
        np.longdouble,
        ">i4",
        object,
    ):
        assert np.array_equal(price(kinds.astype(dtype), *OPTION, 0.2), expected)
    spelled = np.array(["c", "PUT"])[(kinds < 0).astype(int)]
    for texts in (
        spelled,
        spelled.astype("U9"),
        spelled.astype(object),
        spelled.tolist(),
        spelled[::-1][::-1],
    ):
        assert np.array_equal(price(texts, *OPTION, 0.2), expected)
    assert np.array_equal(price(np.repeat(kinds.astype(np.int8), 2)[::2], *OPTION, 0.2), expected)
    assert np.array_equal(price(spelled.astype(np.dtypes.StringDType()), *OPTION, 0.2), expected)


@pytest.mark.parametrize(
    "kinds",
    [
        np.array([1, 0], dtype=np.int8),
        np.array([1, 255], dtype=np.uint8),
        np.array([True, False]),
        np.array([1.0, math.nan]),
        np.array([1, 2**40]),
        np.array(["c", "call "]),
        np.array(["c", ""]),
        np.array(["c", "ćall"]),
        np.array([b"c"]),
        np.array(["c", None], dtype=object),
        np.array([1, True], dtype=object),
        np.array([1, 1.5], dtype=object),
        np.array([1j]),
        [[1, 0], [1, 1]],
        ["c", "x"],
    ],
)
def test_anything_else_is_no_kind(kinds: Any) -> None:
    for function in (price, greeks):
        with pytest.raises(ValueError, match="kind must be 'call', 'put', 'c', 'p', \\+1 or -1, got"):
            function(kinds, *OPTION, 0.2)


# --- data frames --------------------------------------------------------------------------------------

pandas = pytest.importorskip("pandas", reason="data frames need pandas")


def frame() -> Any:
    return pandas.DataFrame(
        {
            "kind": ["call", "put", "C", "P"],
            "spot": [100.0, 101.0, 102.0, 103.0],
            "strike": [95, 100, 105, 110],
            "volatility": [0.2, 0.25, 0.3, 0.35],
        },
        index=[3, 1, 4, 1],
    )


def test_series_give_arrays_and_results_assign_to_frames() -> None:
    table = frame()
    values = price(table.kind, table.spot, table.strike, 0.5, 0.03, table.volatility)
    assert type(values) is np.ndarray
    assert values.dtype == np.float64
    assert values[1] == price("put", 101.0, 100.0, 0.5, 0.03, 0.25)
    columns = greeks(table.kind, table.spot, table.strike, 0.5, 0.03, table.volatility)
    wide = table.assign(**columns.to_dict())
    assert list(wide.columns) == [*table.columns, *FIRST]
    assert np.array_equal(wide.price.to_numpy(), values)
    solved = implied_greeks(wide.price, table.kind, table.spot, table.strike, 0.5, 0.03)
    np.testing.assert_allclose(solved.volatility, table.volatility, rtol=1e-13)
    assert "status" in table.assign(**solved.to_dict()).columns


def test_series_with_different_indexes_are_never_aligned() -> None:
    table = frame()
    other = table.strike.reset_index(drop=True)
    with pytest.raises(ValueError, match="spot and strike have different indexes"):
        price("call", table.spot, other, 0.5, 0.03, 0.2)
    with pytest.raises(ValueError, match="strike and kind have different indexes"):
        greeks(table.kind, 100.0, other, 0.5, 0.03, 0.2)
    by_position = price("call", table.spot, other.to_numpy(), 0.5, 0.03, 0.2)
    assert np.array_equal(by_position, price("call", table.spot.to_numpy(), table.strike, 0.5, 0.03, 0.2))


def test_categoricals_and_extension_types() -> None:
    table = frame()
    expected = price(table.kind, table.spot, 100.0, 0.5, 0.03, 0.2)
    categories = table.kind.astype("category")
    for kinds in (categories, categories.array, table.kind.astype("string"), [1, -1, 1, -1]):
        assert np.array_equal(price(kinds, table.spot, 100.0, 0.5, 0.03, 0.2), expected)
    signs = pandas.Categorical([1, -1, 1, -1])
    assert np.array_equal(price(signs, table.spot, 100.0, 0.5, 0.03, 0.2), expected)
    for missing in (pandas.Categorical(["c", None, "p", "c"]), pandas.Series(["c", None, "p", "c"])):
        with pytest.raises(ValueError, match=r"kind must be .* got"):
            price(missing, table.spot.to_numpy(), 100.0, 0.5, 0.03, 0.2)
    nullable = pandas.Series([100.0, None, 102.0, 103.0], dtype="Float64")
    assert np.isnan(price("call", nullable, 100.0, 0.5, 0.03, 0.2)).tolist() == [False, True, False, False]
    for wrong in (table.kind, table.spot > 0, pandas.Series(pandas.date_range("2014-06-06", periods=4))):
        with pytest.raises(ValueError, match="spot must be real numbers"):
            price("call", wrong, 100.0, 0.5, 0.03, 0.2)


def test_masked_arrays_and_other_subclasses() -> None:
    masked = np.ma.masked_array([100.0, 90.0, 100.0], [False, True, False])
    status = np.empty(3, dtype=np.int8)
    values = price("call", masked, *OPTION[1:], 0.2, status=status)
    assert type(values) is np.ndarray
    assert np.isnan(values).tolist() == [False, True, False]
    assert status.tolist() == [Status.OK, Status.INVALID_INPUT, Status.OK]
    with pytest.raises(ValueError, match="got a masked value"):
        price(np.ma.masked_array([1, 1, -1], [0, 1, 0]), 100.0, *OPTION[1:], 0.2)

    class Own(np.ndarray):
        pass

    assert type(price("call", np.full(3, 100.0).view(Own), *OPTION[1:], 0.2)) is np.ndarray
    assert price(np.array(1).view(Own), np.array(100.0).view(Own), *OPTION[1:], 0.2) == values[0]


# --- outputs ------------------------------------------------------------------------------------------

STRIKES = np.linspace(80.0, 120.0, 9)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_greeks_write_to_rows_or_to_a_previous_result(order: Any) -> None:
    expected = greeks("call", 100.0, STRIKES, 0.5, 0.03, 0.2, order=order)
    rows = np.full((len(FIELDS[order]), 9), -7.0)
    written = greeks("call", 100.0, STRIKES, 0.5, 0.03, 0.2, order=order, out=rows)
    assert type(written) is TYPES[order]
    assert same(written, expected)
    assert same(rows, expected)
    assert all(np.shares_memory(column, rows) for column in written)
    again = greeks("put", 101.0, STRIKES, 0.5, 0.03, 0.2, order=order, out=written)
    assert again is written
    assert same(rows, greeks("put", 101.0, STRIKES, 0.5, 0.03, 0.2, order=order))
    table = np.full((9, len(FIELDS[order])), -7.0)
    greeks("call", 100.0, STRIKES, 0.5, 0.03, 0.2, order=order, out=table.T)
    assert same(table.T, expected)
    single = np.full(len(FIELDS[order]), -7.0)
    greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2, order=order, out=single)
    assert single.tolist() == list(greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2, order=order))


@pytest.mark.parametrize("order", [1, 2, 3])
def test_fewer_rows_are_the_first_fields_and_the_others_none(order: Any) -> None:
    option = ("call", 100.0, STRIKES, 0.5, 0.03, 0.2)
    expected = greeks(*option, order=order, units="desk")
    quotes = price(*option)
    solved = implied_greeks(quotes, *option[:5], order=order)
    for count in range(1, len(expected) + 1):
        rows = np.full((count, 9), -7.0)
        written: Any = greeks(*option, order=order, units="desk", out=rows)
        assert type(written) is TYPES[order]
        assert same(rows, expected[:count])
        assert written[count:] == (None,) * (len(expected) - count)
        assert list(written.to_dict()) == list(FIELDS[order][:count])
        rows[:] = -7.0
        assert greeks(*option, order=order, units="desk", out=written) is written
        assert same(rows, expected[:count])
        implied: Any = implied_greeks(quotes, *option[:5], order=order, out=rows)
        assert np.array_equal(rows[0], solved.volatility)
        assert same(rows[1:], solved[2 : count + 1])
        assert implied[count + 1 :] == (None,) * (len(expected) + 1 - count)
    six = np.empty(6)
    first: Any = greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2, order=order, out=six)
    assert six.tolist() == list(greeks("call", 100.0, 95.0, 0.5, 0.03, 0.2, order=order)[:6])
    assert first.epsilon is None


def test_a_result_that_is_held_is_never_written_again() -> None:
    kept, fields, expected = [], [], []
    for i in range(100):
        result = greeks("call", 100.0 + i, 95.0, 0.5, 0.03, 0.2)
        solved = implied_greeks(result.price, "call", 100.0 + i, 95.0, 0.5, 0.03)
        fields.append((result.delta, solved.volatility, solved.rho, result))
        if i % 3 == 0:
            kept.append((result, solved))
        expected.append((result.delta.hex(), solved.volatility.hex(), solved.rho.hex()))
        if i % 2 == 0:
            fields[-1] = fields[-1][:3]  # the floats outlive their results
    frozen = [(tuple(map(float.hex, result)), float.hex(solved.volatility)) for result, solved in kept]
    for i in range(200):
        greeks("put", 50.0, 60.0 + i, 0.5, 0.03, 0.2)
        implied_greeks(12.0, "put", 50.0, 60.0, 0.5, 0.03)
    assert [tuple(map(float.hex, held[:3])) for held in fields] == expected
    assert [(tuple(map(float.hex, r)), float.hex(s.volatility)) for r, s in kept] == frozen


def test_implied_volatility_writes_and_restarts_in_place() -> None:
    quotes = price("call", 100.0, STRIKES, 0.5, 0.03, 0.2)
    expected = implied_volatility(quotes, "call", 100.0, STRIKES, 0.5, 0.03)
    volatility, status = np.full(9, -7.0), np.full(9, 99, dtype=np.int8)
    written = implied_volatility(quotes, "call", 100.0, STRIKES, 0.5, 0.03, out=volatility, status=status)
    assert written.volatility is volatility
    assert written.status is status
    assert same(written, expected)
    moved = price("call", 100.0, STRIKES, 0.5, 0.03, 0.21)
    again = implied_volatility(moved, "call", 100.0, STRIKES, 0.5, 0.03, guess=volatility, out=written)
    assert again is written
    np.testing.assert_allclose(volatility, 0.21, rtol=1e-13)
    rows = np.empty((10, 9))
    solved = implied_greeks(quotes, "call", 100.0, STRIKES, 0.5, 0.03, out=rows)
    assert isinstance(solved, ImpliedGreeks)
    assert np.array_equal(rows[0], expected.volatility)
    assert np.array_equal(rows[1], solved.price)
    assert implied_greeks(moved, "call", 100.0, STRIKES, 0.5, 0.03, out=solved) is solved
    np.testing.assert_allclose(rows[0], 0.21, rtol=1e-13)


def test_an_output_may_be_the_very_array_of_an_input() -> None:
    for size in (1, 9, 1000):
        spots = np.linspace(80.0, 120.0, size)
        expected = price("call", spots, 100.0, 0.5, 0.03, 0.2)
        both = spots.copy()
        assert price("call", both, 100.0, 0.5, 0.03, 0.2, out=both) is both
        assert np.array_equal(both, expected)
        rows = np.zeros((9, size))
        rows[4] = spots
        written = greeks("call", rows[4], 100.0, 0.5, 0.03, 0.2, out=rows)
        assert same(written, greeks("call", spots, 100.0, 0.5, 0.03, 0.2))


def refused_outputs() -> list[tuple[Any, str]]:
    locked = np.zeros((9, 9))
    locked.flags.writeable = False
    scalar: Any = greeks("call", *OPTION, 0.2)
    second: Any = greeks("call", 100.0, STRIKES, 0.5, 0.03, 0.2, order=2)
    repeated = Greeks([np.zeros(9)] * 9)
    window = np.lib.stride_tricks.as_strided(np.zeros(40), (9, 9), (16, 8))
    return [
        (np.zeros((9, 9), dtype=np.float32), "out must have dtype float64, got float32"),
        (np.zeros((10, 9)), r"out must have the broadcast shape \(9, 9\), got \(10, 9\)"),
        (np.zeros((0, 9)), r"shape \(1, 9\), got \(0, 9\)"),
        (np.zeros((6, 8)), r"shape \(6, 9\), got \(6, 8\)"),
        (Greeks([None] * 9), "out must be a NumPy array of float64, got NoneType"),
        (np.zeros(9), r"shape \(9, 9\), got \(9,\)"),
        (np.zeros((9, 9, 1)), "shape"),
        (locked, "out is read-only"),
        (scalar, "out must be a NumPy array of float64, got float"),
        (second, "out must be a float64 array or a previous optionsib.pricing.Greeks, got"),
        ([[0.0] * 9] * 9, "out must be a float64 array or a previous"),
        (repeated, "out is given for two outputs"),
        (window, "out holds elements that share memory"),
    ]


@pytest.mark.parametrize(("out", "message"), refused_outputs(), ids=itertools.count())
def test_bad_outputs_of_greeks_are_refused(out: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        greeks("call", 100.0, STRIKES, 0.5, 0.03, 0.2, out=out)


def test_partial_overlap_is_refused_and_nothing_is_written() -> None:
    shared = np.linspace(80.0, 120.0, 40)
    before = shared.copy()
    for spots, out in (
        (shared[1:10], shared[:9]),
        (shared[:9], shared[8::-1]),
        (shared[:18:2], shared[:9]),
        (shared[:1], shared[:9]),
    ):
        with pytest.raises(ValueError, match="out shares memory with an input or another output"):
            price("call", spots, STRIKES, 0.5, 0.03, 0.2, out=out)
    # Interleaved columns touch the same bytes nowhere.
    price("call", shared[0:18:2], STRIKES, 0.5, 0.03, 0.2, out=shared[1:18:2])
    shared[:] = before
    kinds = np.ones(9, dtype=np.int8)
    with pytest.raises(ValueError, match="status shares memory"):
        price("call", shared[:9], STRIKES, 0.5, 0.03, 0.2, status=shared.view(np.int8)[:9])
    with pytest.raises(ValueError, match="status must have dtype int8, got uint8"):
        price(kinds, 100.0, STRIKES, 0.5, 0.03, 0.2, status=np.zeros(9, np.uint8))  # type: ignore[call-overload]
    assert np.array_equal(shared, before)


def test_no_dimensions_give_numbers_unless_an_output_is_given() -> None:
    status = np.empty((), dtype=np.int8)
    assert type(price("call", *OPTION, 0.2, status=status)) is float
    assert status == Status.OK
    assert math.isnan(price("call", -1.0, *OPTION[1:], 0.2, status=status))
    assert status == Status.INVALID_INPUT
    zero = np.empty(())
    assert price("call", *OPTION, 0.2, out=zero) is zero
    solved: Any = implied_volatility(QUOTE, "call", np.array(100.0), *OPTION[1:])
    assert type(solved.volatility) is float
    assert solved.status is Status.OK


# --- time to expiry -----------------------------------------------------------------------------------


def test_time_to_expiry() -> None:
    year = 365 * 86_400 * 10**9
    now = 1_402_061_400 * 10**9
    assert time_to_expiry(now, now + year) == 1.0
    assert time_to_expiry(now, now - year // 2) == -0.5
    assert type(time_to_expiry(now, now)) is float
    assert type(time_to_expiry(np.int64(now), now + 1)) is float
    # The difference is exact: one nanosecond counts.
    assert time_to_expiry(now, now + 1) == 1 / year
    years = time_to_expiry(now, np.array([now, now + year, now - year]))
    assert years.tolist() == [0.0, 1.0, -1.0]
    stamps = np.array(["2014-06-06T16:00", "2015-06-06T16:00"], dtype="datetime64[m]")
    assert time_to_expiry(stamps[0], stamps).tolist() == [0.0, 1.0]
    for wrong in (1.5, np.array([0.5]), "2014", True, np.datetime64("NaT"), 2**63, [2**62 + 1]):
        with pytest.raises(ValueError, match=r"expiry_ns"):
            time_to_expiry(np.array([0]), wrong)
    with pytest.raises(ValueError, match="broadcast"):
        time_to_expiry(np.zeros(2, dtype=int), np.zeros(3, dtype=int))
