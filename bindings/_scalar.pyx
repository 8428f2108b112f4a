# cython: language_level=3
"""Scalar pricing calls (private): the array kernels' own functions, without the cost of arrays.

Each function returns None when an argument is no Python scalar; the caller then takes the array path.
"""

from cpython.bool cimport PyBool_Check
from cpython.float cimport PyFloat_Check
from cpython.long cimport PyLong_Check
from libc.math cimport isfinite
from libc.stdint cimport int8_t


cdef extern from "optionsib/pricing/european.hpp" namespace "optionsib::pricing" nogil:
    cdef enum class Status(int8_t):
        ok
        invalid_input
        expired
        below_intrinsic
        above_maximum
        no_vega

    cdef enum class Model(int8_t):
        bsm
        black76

    cdef struct European:
        double kind
        double spot
        double strike
        double time_to_expiry
        double rate
        double dividend_yield

    cdef struct RawGreeks "optionsib::pricing::Greeks":
        double values[17]

    cdef enum class Units(int8_t):
        raw

    Status c_price "optionsib::pricing::price"(Model, const European&, double, double&)
    Status c_greeks "optionsib::pricing::greeks"(Model, int, Units, const European&, double, RawGreeks&)
    Status c_implied_volatility "optionsib::pricing::implied_volatility"(
        Model, const European&, double, double, double&
    )


cdef dict KINDS = {"call": 1, "put": -1, "c": 1, "p": -1}


cdef bint is_number(value) noexcept:
    return PyFloat_Check(value) or (PyLong_Check(value) and not PyBool_Check(value))


cdef double number(value, str name) except? -1.0:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must fit a double, got {value}") from None


def kind_sign(kind):
    """Return +1 for a call, -1 for a put, None when `kind` is no Python scalar."""
    cdef double sign
    if isinstance(kind, str):
        found = KINDS.get(kind)
        if found is None:
            found = KINDS.get(kind.lower())
        if found is None:
            raise ValueError(f"kind must be 'call', 'put', 'c', 'p', +1 or -1, got {kind!r}")
        return found
    if is_number(kind):
        sign = number(kind, "kind")
        if sign == 1.0:
            return 1
        if sign == -1.0:
            return -1
    elif not PyBool_Check(kind):
        return None
    raise ValueError(f"kind must be 'call', 'put', 'c', 'p', +1 or -1, got {kind!r}")


cdef int read(European* option, kind, spot, strike, time_to_expiry, rate, dividend_yield) except -1:
    """Fill `option`; 0 when an argument is no Python scalar."""
    if not (is_number(spot) and is_number(strike) and is_number(time_to_expiry) and is_number(rate)
            and is_number(dividend_yield)):
        return 0
    sign = kind_sign(kind)
    if sign is None:
        return 0
    option.kind = sign
    option.spot = number(spot, "spot")
    option.strike = number(strike, "strike")
    option.time_to_expiry = number(time_to_expiry, "time_to_expiry")
    option.rate = number(rate, "rate")
    option.dividend_yield = number(dividend_yield, "dividend_yield")
    return 1


cdef int refuse(const European& option) except -1:
    """Raise the ValueError that names the bad argument of `option`."""
    for name, value in (("spot", option.spot), ("strike", option.strike)):
        if not (isfinite(value) and value > 0.0):
            raise ValueError(f"{name} must be positive and finite, got {value!r}")
    if not (isfinite(option.time_to_expiry) and option.time_to_expiry >= 0.0):
        raise ValueError(f"time_to_expiry must be finite and not negative, got {option.time_to_expiry!r}")
    for name, value in (("rate", option.rate), ("dividend_yield", option.dividend_yield)):
        if not isfinite(value):
            raise ValueError(f"{name} must be finite, got {value!r}")
    raise ValueError(
        f"a discount factor overflows: rate {option.rate!r}, dividend_yield {option.dividend_yield!r}, "
        f"time_to_expiry {option.time_to_expiry!r}"
    )


cdef int refuse_volatility(const European& option, double volatility) except -1:
    if not (isfinite(volatility) and volatility >= 0.0):
        raise ValueError(f"volatility must be finite and not negative, got {volatility!r}")
    return refuse(option)


def price(int model, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield):
    """Return the price, or None when an argument is no Python scalar."""
    cdef European option
    cdef double result = 0.0
    cdef double vol
    if not (is_number(volatility)
            and read(&option, kind, spot, strike, time_to_expiry, rate, dividend_yield)):
        return None
    vol = number(volatility, "volatility")
    if c_price(<Model>model, option, vol, result) != Status.ok:
        refuse_volatility(option, vol)
    return result


def greeks(int model, kind, spot, strike, time_to_expiry, rate, volatility, dividend_yield):
    """Return the nine values in the order of `Greeks`, or None when an argument is no Python scalar."""
    cdef European option
    cdef RawGreeks result
    cdef double vol
    if not (is_number(volatility)
            and read(&option, kind, spot, strike, time_to_expiry, rate, dividend_yield)):
        return None
    vol = number(volatility, "volatility")
    if c_greeks(<Model>model, 3, Units.raw, option, vol, result) != Status.ok:
        refuse_volatility(option, vol)
    # The values that `Greeks` names, at their places among all of them.
    return (result.values[0], result.values[1], result.values[2], result.values[3], result.values[4],
            result.values[5], result.values[9], result.values[10], result.values[11])


def implied_volatility(int model, price, kind, spot, strike, time_to_expiry, rate, dividend_yield, guess):
    """Return (volatility, status), or None when an argument is no Python scalar."""
    cdef European option
    cdef double result = 0.0
    cdef double quote
    cdef double start = 0.0
    cdef Status status
    if not (is_number(price) and (guess is None or is_number(guess))
            and read(&option, kind, spot, strike, time_to_expiry, rate, dividend_yield)):
        return None
    quote = number(price, "price")
    if guess is not None:
        start = number(guess, "guess")
    status = c_implied_volatility(<Model>model, option, quote, start, result)
    if status == Status.ok or status == Status.no_vega:
        return result, <int>status
    if status == Status.below_intrinsic:
        raise ValueError(f"price {quote!r} is below the discounted intrinsic value")
    if status == Status.above_maximum:
        raise ValueError(f"price {quote!r} is above the largest value the option can have")
    if not isfinite(quote):
        raise ValueError(f"price must be finite, got {quote!r}")
    refuse(option)
