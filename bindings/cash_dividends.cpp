// european_price and european_greeks under cash dividends, and what stands behind exercise_advice.
#include "optionsib/pricing/cash_dividends.hpp"

#include <pybind11/pybind11.h>

#include <array>
#include <limits>
#include <string_view>

#include "american_call.hpp"
#include "american_docs.hpp"
#include "register.hpp"
#include "results.hpp"

namespace optionsib::bindings {
namespace {

using namespace pricing;

constexpr Signature price_signature = {
    "european_price",
    6,
    7,
    14,
    {p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_volatility, p_dividend_yield, p_dividends,
     p_dividend_model, p_method, p_tier, p_out, p_status, p_threads}};
constexpr Signature greeks_signature = {
    "european_greeks",
    6,
    7,
    14,
    {p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_volatility, p_dividend_yield, p_dividends,
     p_dividend_model, p_tier, p_units, p_out, p_status, p_threads}};
constexpr Signature exercise_signature = {
    "exercise_before_dividend",
    6,
    7,
    12,
    {p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_volatility, p_dividend_yield, p_dividends,
     p_dividend_model, p_tier, p_status, p_threads}};

constexpr std::size_t greek_total = greeks_of_order(1);

PyObject* price_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    constexpr std::array<std::string_view, 2> methods = {"pde", "approximation"};
    AmericanCall call;
    std::size_t method = 0;
    if (!call.read(price_signature, arguments, count, names) ||
        !read_choice(call.slots[p_method], "method", methods, method))
        return nullptr;
    return call.answer({}, [&](const Run& run) {
        if (call.dividends.empty())
            return price(Model::bsm, run.size, run.options, run.volatility, run.columns[0], run.status);
        if (method == 1)
            return cash_dividend_expansion_price(run.size, run.options, call.cash(run), run.volatility,
                                                 run.columns[0], run.status);
        cash_dividend_price(ExerciseStyle::european, call.tier, run.size, run.options, call.cash(run),
                            run.volatility, run.columns[0], run.status);
    });
}

PyObject* greeks_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    AmericanCall call;
    if (!call.read(greeks_signature, arguments, count, names)) return nullptr;
    const Answer answer = {result_types.european_greeks, greek_total, false, call.label()};
    return call.answer(answer, [&](const Run& run) {
        if (call.dividends.empty())
            return greeks(Model::bsm, 1, call.options.units, run.size, run.options, run.volatility,
                          run.greeks(0, greek_total), run.status);
        cash_dividend_greeks(ExerciseStyle::european, call.tier, call.options.units, run.size, run.options,
                             call.cash(run), run.volatility, run.greeks(0, greek_total), run.status);
    });
}

// --- exercise before a dividend ------------------------------------------------------------------------

// The first ex-date of an option that counts, and what is paid then; NaN and 0 where none does.
void next_dividends(const Run& run, const DividendSchedule& schedule) {
    const bool has_offsets = schedule.offsets.data != nullptr;
    for (std::size_t i = 0; i < run.size; ++i) {
        const std::size_t first = has_offsets ? static_cast<std::size_t>(schedule.offsets[i]) : 0;
        const std::size_t end =
            has_offsets ? static_cast<std::size_t>(schedule.offsets[i + 1]) : schedule.count;
        double next = std::numeric_limits<double>::quiet_NaN(), amount = 0.0;
        for (std::size_t k = first; k < end; ++k) {
            const double ex_time = schedule.ex_times_years[k];
            if (!(ex_time > 0.0 && ex_time <= run.options.time_to_expiry[i])) continue;
            if (ex_time > next) break;
            next = ex_time;
            amount += schedule.cash_amounts[k];
        }
        run.columns[3].put(i, next);
        run.columns[4].put(i, amount);
    }
}

PyObject* exercise_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    AmericanCall call;
    if (!call.read(exercise_signature, arguments, count, names)) return nullptr;
    return call.answer({result_types.exercise_before_dividend, 5}, [&](const Run& run) {
        const CashDividends cash = call.cash(run);
        exercise_before_dividend(call.tier, run.size, run.options, cash, run.volatility, run.columns[0],
                                 run.columns[1], run.columns[2], run.status);
        next_dividends(run, cash.schedule);
    });
}

std::array<PyMethodDef, 2> functions = {{
    public_function("european_price", &price_function, european_price_doc),
    public_function("european_greeks", &greeks_function, european_greeks_doc),
}};
std::array<PyMethodDef, 2> private_functions = {{
    public_function("exercise_before_dividend", &exercise_function, exercise_before_dividend_doc),
    {nullptr, nullptr, 0, nullptr},
}};

}  // namespace

void register_cash_dividends(pybind11::module_& module) {
    if (!add_public_functions(module.ptr(), functions) ||
        PyModule_AddFunctions(module.ptr(), private_functions.data()) != 0)
        throw pybind11::error_already_set();
}

}  // namespace optionsib::bindings
