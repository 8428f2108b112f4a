"""What the pricing functions accept and refuse."""

from __future__ import annotations

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import optionsib
from optionsib.pricing import Greeks, Status, greeks, implied_volatility, price

NAMES = ("price", "delta", "gamma", "vega", "theta", "rho", "epsilon", "dual_delta", "dual_gamma")
GOOD: dict[str, Any] = {
    "kind": "call",
    "spot": 100.0,
    "strike": 95.0,
    "time_to_expiry": 0.5,
    "rate": 0.03,
    "volatility": 0.2,
    "dividend_yield": 0.01,
}


def with_(**changes: Any) -> dict[str, Any]:
    return {**GOOD, **changes}


def test_import_loads_numpy_and_the_native_modules_only() -> None:
    script = """
import sys, numpy
before = set(sys.modules)
import optionsib
print("\\n".join(sorted({name.split(".")[0] for name in set(sys.modules) - before})))
"""
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    foreign = {name for name in loaded.split() if name not in sys.stdlib_module_names}
    # An editable install has its finder.
    assert foreign <= {"optionsib", "numpy", "_editable_skbc_optionsib"}


def test_the_top_package_offers_the_three_functions_and_the_version() -> None:
    assert optionsib.price is price
    assert optionsib.greeks is greeks
    assert optionsib.implied_volatility is implied_volatility
    assert optionsib.__version__.count(".") == 2


@pytest.mark.parametrize(
    "kind", ["call", "CALL", "Call", "c", "C", 1, 1.0, np.int8(1), np.float64(1), np.str_("c")]
)
def test_every_spelling_of_a_call(kind: Any) -> None:
    assert price(**with_(kind=kind)) == price(**GOOD)
    assert price(**with_(kind=[kind])) == [price(**GOOD)]


@pytest.mark.parametrize("kind", ["put", "P", -1, -1.0, np.int64(-1)])
def test_every_spelling_of_a_put(kind: Any) -> None:
    assert price(**with_(kind=kind)) == price(**with_(kind="put"))
    assert price(**with_(kind=[kind])) == [price(**with_(kind="put"))]


@pytest.mark.parametrize("kind", [True, False, 0, 2, 0.5, math.nan, "", "calls", b"call", np.True_])
@pytest.mark.parametrize("wrap", [lambda k: k, lambda k: [k, k], lambda k: np.array([k, k])])
def test_anything_else_is_no_kind(kind: Any, wrap: Any) -> None:
    for function in (price, greeks):
        with pytest.raises(ValueError, match="kind must be"):
            function(**with_(kind=wrap(kind)))


@pytest.mark.parametrize("kind", [None, {}, object()])
def test_objects_are_no_kind(kind: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        price(**with_(kind=kind))


def test_kind_arrays_of_every_dtype_agree() -> None:
    signs = [1, -1, -1, 1]
    expected = price(**with_(kind=np.array(signs, dtype=np.int8)))
    for kinds in (
        np.array(signs),
        np.array(signs, dtype=np.float32),
        ["call", "put", "P", "C"],
        np.array(["call", "put", "p", "c"], dtype=object),
        np.array([1, "put", -1.0, "C"], dtype=object),
    ):
        assert np.array_equal(price(**with_(kind=kinds)), expected)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spot", 0.0),
        ("spot", -1.0),
        ("spot", math.nan),
        ("spot", math.inf),
        ("strike", 0.0),
        ("strike", -math.inf),
        ("time_to_expiry", -0.1),
        ("time_to_expiry", math.nan),
        ("time_to_expiry", math.inf),
        ("rate", math.nan),
        ("volatility", -0.2),
        ("volatility", math.nan),
        ("volatility", math.inf),
        ("dividend_yield", math.inf),
    ],
)
def test_a_bad_scalar_raises_and_a_bad_element_is_marked(name: str, value: float) -> None:
    for function in (price, greeks):
        with pytest.raises(ValueError, match=f"{name} must .*{value!r}"):
            function(**with_(**{name: value}))
        with pytest.raises(ValueError, match=name):
            function(**with_(**{name: np.float64(value)}))
    status = np.full(3, 99, dtype=np.int8)
    values = price(**with_(**{name: np.array([GOOD[name], value, GOOD[name]])}), status=status)
    assert math.isnan(values[1])
    assert values[0] == values[2] == price(**GOOD)
    expired = name == "time_to_expiry" and value < 0
    assert status.tolist() == [Status.OK, Status.EXPIRED if expired else Status.INVALID_INPUT, Status.OK]
    again = np.empty(3, dtype=np.int8)
    columns = greeks(**with_(**{name: np.array([GOOD[name], value, GOOD[name]])}), status=again)
    assert np.array_equal(status, again)
    assert all(np.isnan(column).tolist() == [False, True, False] for column in columns)


def test_an_overflowing_discount_factor_is_bad_input() -> None:
    with pytest.raises(ValueError, match=r"discount factor overflows.*rate -2000"):
        price(**with_(rate=-2000.0))
    assert np.isnan(price(**with_(rate=np.array([-2000.0])))).all()


def test_an_integer_too_large_for_a_double_is_named() -> None:
    with pytest.raises(ValueError, match="spot must fit a double"):
        price(**with_(spot=10**400))


@pytest.mark.parametrize("value", ["100", None, 1j, b"1", True, np.True_, np.datetime64("2014-06-06")])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v]])
def test_what_is_no_real_number_is_refused(value: Any, wrap: Any) -> None:
    if value is None:
        # None in an array is a missing value, as in a data frame.
        assert np.isnan(price(**with_(spot=[None, 100.0]))).tolist() == [True, False]
        return
    with pytest.raises(ValueError, match="spot must be real numbers"):
        price(**with_(spot=wrap(value)))


def test_scalars_give_floats_and_arrays_give_arrays() -> None:
    assert type(price(**GOOD)) is float
    assert type(price(**with_(spot=np.float64(100)))) is float
    assert type(price(**with_(spot=np.array(100)))) is float
    assert type(price(**with_(spot=100, strike=95))) is float
    assert isinstance(price(**with_(spot=[100.0])), np.ndarray)
    scalar = greeks(**with_(strike=np.int64(95)))
    assert scalar == greeks(**GOOD)
    assert all(type(value) is float for value in scalar)
    assert isinstance(scalar, Greeks)
    assert list(scalar.to_dict()) == list(NAMES)
    columns = greeks(**with_(spot=np.full((2, 3), 100.0)))
    assert all(column.shape == (2, 3) for column in columns.to_dict().values())
    result = implied_volatility(8.0, "call", 100, 95, 0.5, 0.03)
    assert type(result.volatility) is float
    assert result.status is Status.OK
    assert implied_volatility(np.float64(8.0), "call", np.array(100), 95, 0.5, 0.03) == result
    many = implied_volatility([8.0], "call", 100, 95, 0.5, 0.03)
    assert many.volatility.dtype == np.float64
    assert many.status.dtype == np.int8


def test_shapes_that_do_not_broadcast_are_listed() -> None:
    with pytest.raises(ValueError, match=r"do not broadcast: spot \(3,\), strike \(2,\)"):
        price(**with_(spot=np.ones(3), strike=np.ones(2)))


def test_empty_arrays_give_empty_results() -> None:
    assert price(**with_(spot=np.empty(0))).shape == (0,)
    assert greeks(**with_(spot=np.empty((0, 3)))).dual_gamma.shape == (0, 3)
    assert implied_volatility(np.empty((2, 0)), "call", 100, 95, 0.5, 0.03).status.shape == (2, 0)


def test_out_receives_the_result() -> None:
    spots = np.linspace(80, 120, 7)
    out = np.full((7, 2), -1.0)[:, 0]
    assert price(**with_(spot=spots), out=out) is out
    assert np.array_equal(out, price(**with_(spot=spots)))
    zero = np.empty(())
    assert price(**GOOD, out=zero) is zero
    assert zero == price(**GOOD)


def test_out_may_be_another_column_of_the_input_table() -> None:
    table = np.full((5, 2), 100.0)
    price(**with_(spot=table[:, 0]), out=table[:, 1])
    assert np.array_equal(table[:, 1], np.full(5, price(**GOOD)))


def test_bad_out_is_refused_and_left_alone() -> None:
    spots = np.linspace(80, 120, 7)
    locked = np.zeros(7)
    locked.flags.writeable = False
    shared = np.zeros(8)
    for out, message in (
        (np.zeros(7, dtype=np.float32), "dtype float64"),
        (np.zeros(7, dtype=">f8"), "dtype float64"),
        (np.zeros(6), r"shape \(7,\)"),
        (np.zeros((7, 1)), r"shape \(7,\)"),
        (locked, "read-only"),
        ([0.0] * 7, "NumPy array"),
        (np.broadcast_to(np.zeros(1), 7), "read-only"),
    ):
        with pytest.raises(ValueError, match=message):
            price(**with_(spot=spots), out=out)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shares memory"):
        price(**with_(spot=shared[1:]), out=shared[:-1])
    assert not locked.any()
    assert not shared.any()


def test_bad_status_is_refused() -> None:
    spots = np.linspace(80, 120, 7)
    for status, message in (
        (np.zeros(7), "dtype int8"),
        (np.zeros(3, dtype=np.int8), "shape"),
        ([0] * 7, "NumPy array"),
    ):
        for function in (price, greeks):
            with pytest.raises(ValueError, match=f"status .*{message}"):
                function(**with_(spot=spots), status=status)  # type: ignore[arg-type]
    out = np.zeros(7)
    with pytest.raises(ValueError, match="status shares memory"):
        price(**with_(spot=spots), out=out, status=out.view(np.int8)[:7])


@pytest.mark.parametrize("threads", [-1, 1.5, True, "2", None, 5000])
def test_bad_thread_counts_are_refused(threads: Any) -> None:
    with pytest.raises(ValueError, match="threads must be"):
        price(**with_(spot=np.ones(2)), threads=threads)


def test_models() -> None:
    with pytest.raises(ValueError, match="model must be one of bsm, black76"):
        price(**GOOD, model="heston")
    with pytest.raises(ValueError, match=r"dividend_yield must be 0 .*got 0.01"):
        price(**GOOD, model="black76")
    with pytest.raises(ValueError, match=r"dividend_yield must be 0"):
        greeks(**with_(dividend_yield=np.array([0.0, 0.02])), model="black76")
    forward = 100 * math.exp(0.03 * 0.5)
    on_spot = price("call", 100, 95, 0.5, 0.03, 0.2)
    assert price("call", forward, 95, 0.5, 0.03, 0.2, model="black76") == pytest.approx(on_spot, rel=1e-14)
    assert price("call", forward, [95], 0.5, 0.03, 0.2, np.zeros(1), model="black76").shape == (1,)
    black = greeks("put", 100.0, 95.0, 0.5, 0.03, 0.2, model="black76")
    assert black.rho == -0.5 * black.price


def test_implied_volatility_names_a_bad_scalar() -> None:
    arguments = ("call", 100.0, 95.0, 0.5, 0.03)
    for quote, message in (
        (math.nan, "price must be finite, got nan"),
        (-1.0, "price -1.0 is below"),
        (1.0, "price 1.0 is below the discounted intrinsic"),
        (101.0, "price 101.0 is above"),
    ):
        with pytest.raises(ValueError, match=message):
            implied_volatility(quote, *arguments)
    with pytest.raises(ValueError, match=r"spot must be positive and finite, got -1\.0"):
        implied_volatility(8.0, "call", -1.0, 95.0, 0.5, 0.03)


def test_implied_volatility_marks_bad_elements() -> None:
    quotes = np.array([8.0, math.nan, 1.0, 101.0, 10.0])
    spots = np.array([100.0, 100.0, 100.0, 100.0, -3.0])
    result = implied_volatility(quotes, "call", spots, 95.0, 0.5, 0.03)
    assert result.status.tolist() == [
        Status.OK,
        Status.INVALID_INPUT,
        Status.BELOW_INTRINSIC,
        Status.ABOVE_MAXIMUM,
        Status.INVALID_INPUT,
    ]
    assert np.isnan(result.volatility).tolist() == [False, True, True, True, True]
    expired = implied_volatility([5.0, 5.0, 6.0], "call", 100, 95, [-0.1, 0.0, 0.0], 0.0)
    assert expired.status.tolist() == [Status.EXPIRED, Status.NO_VEGA, Status.ABOVE_MAXIMUM]
    assert expired.volatility[1] == 0.0


def test_a_price_at_the_intrinsic_value_has_no_vega() -> None:
    ulp = np.spacing(110.0)
    result = implied_volatility([10.0, 10.0 - 4 * ulp, 10.0 - 5 * ulp], "call", 110.0, 100.0, 1.0, 0.0)
    assert result.status.tolist() == [Status.NO_VEGA, Status.NO_VEGA, Status.BELOW_INTRINSIC]
    assert result.volatility[:2].tolist() == [0.0, 0.0]
    assert implied_volatility(0.0, "put", 110.0, 100.0, 1.0, 0.0) == (0.0, Status.NO_VEGA)


def test_guess_starts_the_search_and_does_not_change_the_answer() -> None:
    quotes = price("put", 100, np.array([80.0, 100.0, 120.0]), 0.5, 0.03, 0.25)
    plain = implied_volatility(quotes, "put", 100, [80.0, 100.0, 120.0], 0.5, 0.03).volatility
    for guess in (0.25, math.nan, -1.0, 1e-6, 50.0, np.array([0.2, 0.3, math.nan])):
        started = implied_volatility(quotes, "put", 100, [80.0, 100.0, 120.0], 0.5, 0.03, guess=guess)
        np.testing.assert_allclose(started.volatility, plain, rtol=1e-13)
    assert implied_volatility(8.0, "call", 100, 95, 0.5, 0.03, guess=0.3).volatility == pytest.approx(
        implied_volatility(8.0, "call", 100, 95, 0.5, 0.03).volatility, rel=1e-13
    )


def test_limits_at_expiry_and_without_volatility() -> None:
    assert price("call", 110, 100, 0, 0.05, 0.2) == 10.0
    assert price("put", 110, 100, 0, 0.05, 0.2) == 0.0
    assert price("call", 110, 100, 1, 0.0, 0.0) == 10.0
    kink = greeks("call", 100, 100, 1, 0.0, 0.0)
    assert kink.delta == 0.5
    assert kink.gamma == math.inf
    assert kink.vega == pytest.approx(100 / math.sqrt(2 * math.pi), rel=1e-15)
    inside = greeks("put", 90, 100, 1, 0.05, 0.0, 0.02, order=2)
    assert inside.delta == -math.exp(-0.02)
    assert (inside.gamma, inside.vega, inside.vanna, inside.volga) == (0, 0, 0, 0)
    assert inside.theta == pytest.approx(-0.02 * 90 * math.exp(-0.02) + 0.05 * 100 * math.exp(-0.05))
    assert greeks("put", 110, 100, 0, 0.05, 0.2).delta == 0.0
