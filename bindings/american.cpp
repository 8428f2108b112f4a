// american_price, american_greeks, american_implied_volatility, american_implied_greeks and
// exercise_boundary. A scalar call is the array kernel on one element.
#include "optionsib/pricing/american.hpp"

#include <pybind11/pybind11.h>

#include <array>

#include "american_call.hpp"
#include "american_docs.hpp"
#include "register.hpp"
#include "results.hpp"

namespace optionsib::bindings {
namespace {

using namespace pricing;

constexpr Signature price_signature = {
    "american_price",
    6,
    7,
    14,
    {p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_volatility, p_dividend_yield, p_dividends,
     p_dividend_model, p_model, p_tier, p_out, p_status, p_threads}};
constexpr Signature greeks_signature = {
    "american_greeks",
    6,
    7,
    15,
    {p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_volatility, p_dividend_yield, p_dividends,
     p_dividend_model, p_model, p_tier, p_units, p_out, p_status, p_threads}};
constexpr Signature implied_volatility_signature = {
    "american_implied_volatility",
    6,
    7,
    15,
    {p_price, p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_dividend_yield, p_dividends,
     p_dividend_model, p_model, p_tier, p_guess, p_out, p_status, p_threads}};
constexpr Signature implied_greeks_signature = {
    "american_implied_greeks",
    6,
    7,
    16,
    {p_price, p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_dividend_yield, p_dividends,
     p_dividend_model, p_model, p_tier, p_guess, p_units, p_out, p_status, p_threads}};
constexpr Signature boundary_signature = {"exercise_boundary",
                                          5,
                                          6,
                                          11,
                                          {p_kind, p_strike, p_time_to_expiry, p_rate, p_volatility,
                                           p_dividend_yield, p_model, p_tier, p_out, p_status, p_threads}};

constexpr std::size_t greek_total = greeks_of_order(1);

PyObject* price_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    AmericanCall call;
    if (!call.read(price_signature, arguments, count, names)) return nullptr;
    return call.answer({}, [&](const Run& run) {
        if (!call.dividends.empty())
            return cash_dividend_price(ExerciseStyle::american, call.tier, run.size, run.options,
                                       call.cash(run), run.volatility, run.columns[0], run.status);
        american_price(call.options.model, call.tier, run.size, run.options, run.volatility, run.columns[0],
                       run.status);
    });
}

PyObject* greeks_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    AmericanCall call;
    if (!call.read(greeks_signature, arguments, count, names)) return nullptr;
    const Answer answer = {result_types.american_greeks, greek_total, false, call.label()};
    return call.answer(answer, [&](const Run& run) {
        if (!call.dividends.empty())
            return cash_dividend_greeks(ExerciseStyle::american, call.tier, call.options.units, run.size,
                                        run.options, call.cash(run), run.volatility,
                                        run.greeks(0, greek_total), run.status);
        american_greeks(call.options.model, call.tier, call.options.units, run.size, run.options,
                        run.volatility, run.greeks(0, greek_total), run.status);
    });
}

PyObject* implied_volatility_function(PyObject*, PyObject* const* arguments, Py_ssize_t count,
                                      PyObject* names) {
    AmericanCall call;
    if (!call.read(implied_volatility_signature, arguments, count, names)) return nullptr;
    const Answer answer = {result_types.american_implied_volatility, 1, true, call.label()};
    return call.answer(answer, [&](const Run& run) {
        if (!call.dividends.empty())
            return cash_dividend_implied_volatility(ExerciseStyle::american, call.tier, run.size, run.options,
                                                    call.cash(run), run.price, run.guess, run.columns[0],
                                                    run.status);
        american_implied_volatility(call.options.model, call.tier, run.size, run.options, run.price,
                                    run.guess, run.columns[0], run.status);
    });
}

PyObject* implied_greeks_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    AmericanCall call;
    if (!call.read(implied_greeks_signature, arguments, count, names)) return nullptr;
    const Answer answer = {result_types.american_implied_greeks, greek_total + 1, true, call.label()};
    return call.answer(answer, [&](const Run& run) {
        if (!call.dividends.empty())
            return cash_dividend_implied_volatility_and_greeks(
                ExerciseStyle::american, call.tier, call.options.units, run.size, run.options, call.cash(run),
                run.price, run.guess, run.columns[0], run.greeks(1, greek_total), run.status);
        american_implied_volatility_and_greeks(call.options.model, call.tier, call.options.units, run.size,
                                               run.options, run.price, run.guess, run.columns[0],
                                               run.greeks(1, greek_total), run.status);
    });
}

PyObject* boundary_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    AmericanCall call;
    call.inputs.numbers[p_spot].value = 1.0;  // not asked for, and ignored
    if (!call.read(boundary_signature, arguments, count, names)) return nullptr;
    return call.answer({result_types.exercise_boundary, 2}, [&](const Run& run) {
        exercise_boundary(call.options.model, call.tier, run.size, run.options, run.volatility,
                          run.columns[0], run.columns[1], run.status);
    });
}

std::array<PyMethodDef, 5> functions = {{
    public_function("american_price", &price_function, american_price_doc),
    public_function("american_greeks", &greeks_function, american_greeks_doc),
    public_function("american_implied_volatility", &implied_volatility_function,
                    american_implied_volatility_doc),
    public_function("american_implied_greeks", &implied_greeks_function, american_implied_greeks_doc),
    public_function("exercise_boundary", &boundary_function, exercise_boundary_doc),
}};

}  // namespace

void register_american(pybind11::module_& module) {
    if (!add_public_functions(module.ptr(), functions)) throw pybind11::error_already_set();
}

}  // namespace optionsib::bindings
