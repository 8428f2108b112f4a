// price, greeks, implied_volatility and implied_greeks: C functions in their own right, because a call by
// pybind11 costs more than a scalar price. Scalars go to the kernels of one option, everything else to the
// array kernels, with the GIL released.
#include <pybind11/pybind11.h>

#include <array>
#include <cstdint>

#include "arguments.hpp"
#include "buffers.hpp"
#include "call.hpp"
#include "evaluate.hpp"
#include "optionsib/pricing/european.hpp"
#include "optionsib/version.hpp"
#include "pricing_docs.hpp"
#include "register.hpp"
#include "results.hpp"

namespace optionsib::bindings {
namespace {

using namespace pricing;

constexpr Signature price_signature = {"price",
                                       6,
                                       7,
                                       12,
                                       {p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_volatility,
                                        p_dividend_yield, p_model, p_shift, p_out, p_status, p_threads}};
constexpr Signature greeks_signature = {
    "greeks",
    6,
    7,
    14,
    {p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_volatility, p_dividend_yield, p_model, p_shift,
     p_order, p_units, p_out, p_status, p_threads}};
constexpr Signature implied_volatility_signature = {
    "implied_volatility",
    6,
    7,
    13,
    {p_price, p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_dividend_yield, p_model, p_shift, p_guess,
     p_out, p_status, p_threads}};
constexpr Signature implied_greeks_signature = {
    "implied_greeks",
    6,
    7,
    15,
    {p_price, p_kind, p_spot, p_strike, p_time_to_expiry, p_rate, p_dividend_yield, p_model, p_shift, p_guess,
     p_order, p_units, p_out, p_status, p_threads}};

// --- scalars -------------------------------------------------------------------------------------------

Plain plain_of(const Inputs& inputs) noexcept {
    const auto& n = inputs.numbers;
    return {scalar_option(inputs), n[p_volatility].value, n[p_price].value, n[p_guess].value};
}

// Fill fields [first, first + count) with floats.
bool set_floats(const Owned<>& result, std::size_t first, const double* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        if (!set_field(result, first + i, values[i])) return false;
    return true;
}

// --- price and greeks ----------------------------------------------------------------------------------

PyObject* price_arrays(const Inputs& inputs, const Options& options) {
    return evaluate_arrays(inputs, options, {}, {}, nullptr, [&](const Run& run) {
        price(options.model, run.size, run.options, run.volatility, run.columns[0], run.status);
    });
}

PyObject* greeks_arrays(const Inputs& inputs, const Options& options) {
    const std::size_t count = greeks_of_order(options.order);
    const Answer answer = {result_types.greeks[static_cast<std::size_t>(options.order - 1)], count};
    return evaluate_arrays(inputs, options, answer, {}, nullptr, [&](const Run& run) {
        greeks(options.model, options.order, options.units, run.size, run.options, run.volatility,
               run.greeks(0, count), run.status);
    });
}

PyObject* price_scalar(Model model, const Plain& plain) {
    double result;
    if (price(model, plain.option, plain.volatility, result) != Status::ok)
        return refuse_scalar(model, plain.option, plain.volatility);
    return PyFloat_FromDouble(result);
}

PyObject* greeks_scalar(const Options& options, const Plain& plain) {
    Greeks values;
    if (greeks(options.model, options.order, options.units, plain.option, plain.volatility, values) !=
        Status::ok)
        return refuse_scalar(options.model, plain.option, plain.volatility);
    const std::size_t count = greeks_of_order(options.order);
    Owned<> result = new_result(result_types.greeks[static_cast<std::size_t>(options.order - 1)], count);
    if (!result || !set_floats(result, 0, values.values.data(), count)) return nullptr;
    return result.release();
}

PyObject* price_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    Plain plain;
    if (read_plain(arguments, count, names, plain)) return price_scalar(Model::bsm, plain);
    Slots slots{};
    Options options;
    if (!bind(price_signature, arguments, count, names, slots) || !read_options(slots, options))
        return nullptr;
    if (read_plain(slots, options, plain)) return price_scalar(options.model, plain);
    Inputs inputs;
    if (!read_inputs(price_signature, slots, options, inputs)) return nullptr;
    if (!is_scalar_call(inputs, options)) return price_arrays(inputs, options);
    return price_scalar(options.model, plain_of(inputs));
}

PyObject* greeks_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    Options options;
    Plain plain;
    if (read_plain(arguments, count, names, plain)) return greeks_scalar(options, plain);
    Slots slots{};
    if (!bind(greeks_signature, arguments, count, names, slots) || !read_options(slots, options))
        return nullptr;
    if (read_plain(slots, options, plain)) return greeks_scalar(options, plain);
    Inputs inputs;
    if (!read_inputs(greeks_signature, slots, options, inputs)) return nullptr;
    if (!is_scalar_call(inputs, options)) return greeks_arrays(inputs, options);
    return greeks_scalar(options, plain_of(inputs));
}

// --- implied volatility --------------------------------------------------------------------------------

PyObject* implied_arrays(PyTypeObject* type, std::size_t columns, const Inputs& inputs,
                         const Options& options) {
    return evaluate_arrays(inputs, options, {type, columns, true}, {}, nullptr, [&](const Run& run) {
        if (columns == 1)
            return implied_volatility(options.model, run.size, run.options, run.price, run.guess,
                                      run.columns[0], run.status);
        implied_volatility_and_greeks(options.model, options.order, options.units, run.size, run.options,
                                      run.price, run.guess, run.columns[0], run.greeks(1, columns - 1),
                                      run.status);
    });
}

PyObject* implied_volatility_scalar(const Options& options, const Plain& plain) {
    double volatility;
    const Status status =
        implied_volatility(options.model, plain.option, plain.price, plain.guess, volatility);
    if (!is_solved(status)) return refuse_quote(options.model, plain.option, plain.price, status);
    Owned<> result = new_result(result_types.implied_volatility, 2);
    if (!result || !set_field(result, 0, volatility)) return nullptr;
    set_field(result, 1, status_object(status));
    return result.release();
}

PyObject* implied_greeks_scalar(const Options& options, const Plain& plain) {
    const std::size_t count = greeks_of_order(options.order);
    double volatility;
    Greeks values;
    const Status status =
        implied_volatility_and_greeks(options.model, options.order, options.units, plain.option, plain.price,
                                      plain.guess, volatility, values);
    if (!is_solved(status)) return refuse_quote(options.model, plain.option, plain.price, status);
    Owned<> result =
        new_result(result_types.implied_greeks[static_cast<std::size_t>(options.order - 1)], count + 2);
    if (!result || !set_field(result, 0, volatility) || !set_floats(result, 2, values.values.data(), count))
        return nullptr;
    set_field(result, 1, status_object(status));
    return result.release();
}

PyObject* implied_volatility_function(PyObject*, PyObject* const* arguments, Py_ssize_t count,
                                      PyObject* names) {
    Slots slots{};
    Options options;
    if (!bind(implied_volatility_signature, arguments, count, names, slots) || !read_options(slots, options))
        return nullptr;
    Plain plain;
    if (read_plain(slots, options, plain)) return implied_volatility_scalar(options, plain);
    Inputs inputs;
    if (!read_inputs(implied_volatility_signature, slots, options, inputs)) return nullptr;
    if (is_scalar_call(inputs, options)) return implied_volatility_scalar(options, plain_of(inputs));
    return implied_arrays(result_types.implied_volatility, 1, inputs, options);
}

PyObject* implied_greeks_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    Slots slots{};
    Options options;
    if (!bind(implied_greeks_signature, arguments, count, names, slots) || !read_options(slots, options))
        return nullptr;
    Plain plain;
    if (read_plain(slots, options, plain)) return implied_greeks_scalar(options, plain);
    Inputs inputs;
    if (!read_inputs(implied_greeks_signature, slots, options, inputs)) return nullptr;
    if (is_scalar_call(inputs, options)) return implied_greeks_scalar(options, plain_of(inputs));
    return implied_arrays(result_types.implied_greeks[static_cast<std::size_t>(options.order - 1)],
                          greeks_of_order(options.order) + 1, inputs, options);
}

// --- the module ----------------------------------------------------------------------------------------

PyObject* configure(PyObject*, PyObject* arguments) {
    PyObject *statuses, *column, *check_indexes, *shares_memory;
    if (!PyArg_ParseTuple(arguments, "O!OOO", &PyTuple_Type, &statuses, &column, &check_indexes,
                          &shares_memory))
        return nullptr;
    if (PyTuple_GET_SIZE(statuses) != static_cast<Py_ssize_t>(python_side.statuses.size()))
        return PyErr_Format(PyExc_ValueError, "expected %zu statuses", python_side.statuses.size());
    for (std::size_t i = 0; i < python_side.statuses.size(); ++i)
        Py_XSETREF(python_side.statuses[i],
                   Py_NewRef(PyTuple_GET_ITEM(statuses, static_cast<Py_ssize_t>(i))));
    Py_XSETREF(python_side.column, Py_NewRef(column));
    Py_XSETREF(python_side.check_indexes, Py_NewRef(check_indexes));
    Py_XSETREF(python_side.shares_memory, Py_NewRef(shares_memory));
    Py_RETURN_NONE;
}

PyObject* clear_buffers_function(PyObject*, PyObject*) {
    clear_buffers();
    Py_RETURN_NONE;
}

PyObject* buffer_use_function(PyObject*, PyObject*) {
    const BufferUse use = buffer_use();
    return Py_BuildValue("(nnn)", static_cast<Py_ssize_t>(use.cached_bytes),
                         static_cast<Py_ssize_t>(use.live_bytes), static_cast<Py_ssize_t>(use.mappings));
}

std::array<PyMethodDef, 5> public_functions = {{
    public_function("price", &price_function, price_doc),
    public_function("greeks", &greeks_function, greeks_doc),
    public_function("implied_volatility", &implied_volatility_function, implied_volatility_doc),
    public_function("implied_greeks", &implied_greeks_function, implied_greeks_doc),
    {"clear_buffers", &clear_buffers_function, METH_NOARGS, clear_buffers_doc},
}};
std::array<PyMethodDef, 3> private_functions = {{
    {"configure_pricing", &configure, METH_VARARGS, "Set the functions of the Python side."},
    {"buffer_use", &buffer_use_function, METH_NOARGS, "Return cached and live bytes, and mappings so far."},
    {nullptr, nullptr, 0, nullptr},
}};

}  // namespace

void register_pricing(pybind11::module_& module) {
    module.attr("__version__") = version;
    const auto check = [](bool success) {
        if (!success) throw pybind11::error_already_set();
    };
    check(import_numpy() && prepare_arguments() && prepare_kinds() && prepare_results(module.ptr()));
    check(add_public_functions(module.ptr(), public_functions));
    check(PyModule_AddFunctions(module.ptr(), private_functions.data()) == 0);
}

}  // namespace optionsib::bindings
