// price, greeks, implied_volatility and implied_greeks: C functions in their own right, because a call by
// pybind11 costs more than a scalar price. Scalars go to the kernels of one option, everything else to the
// array kernels, with the GIL released.
#include <pybind11/pybind11.h>

#include <array>
#include <cstdint>

#include "arguments.hpp"
#include "buffers.hpp"
#include "call.hpp"
#include "optionsib/pricing/european.hpp"
#include "optionsib/pricing/parallel.hpp"
#include "optionsib/version.hpp"
#include "outputs.hpp"
#include "pricing_docs.hpp"
#include "register.hpp"
#include "results.hpp"
#include "walk.hpp"

namespace optionsib::bindings {
namespace {

using namespace pricing;

constexpr std::size_t least_size_without_gil = 256;

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
    return {{inputs.kind.value, n[p_spot].value, n[p_strike].value, n[p_time_to_expiry].value,
             n[p_rate].value, n[p_dividend_yield].value, n[p_shift].value},
            n[p_volatility].value,
            n[p_price].value,
            n[p_guess].value};
}

bool is_solved(Status status) noexcept {
    return status == Status::ok || status == Status::no_vega;
}

PyObject* status_object(Status status) noexcept {
    return Py_NewRef(python_side.statuses[static_cast<std::size_t>(status)]);
}

// Fill fields [first, first + count) with floats.
bool set_floats(const Owned<>& result, std::size_t first, const double* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i)
        if (!set_field(result, first + i, values[i])) return false;
    return true;
}

// --- arrays --------------------------------------------------------------------------------------------

OwnedArray as_single(const OwnedArray& array) {
    return OwnedArray(reinterpret_cast<PyArrayObject*>(
        PyArray_CastToType(array.get(), PyArray_DescrFromType(NPY_FLOAT), 0)));
}

// The arrays in a walk: kind, then the numbers of `Inputs` from spot to shift; more may follow.
Walk walk_options(const Inputs& inputs, const Shape& shape, const std::int8_t& sign) {
    Walk walk(shape);
    if (inputs.kind.array)
        walk.add(inputs.kind.array.get());
    else
        walk.add_value(&sign);
    for (int i = p_spot; i <= p_shift; ++i) walk.add(inputs.numbers[static_cast<std::size_t>(i)]);
    return walk;
}

template <typename Addresses, typename Strides>
EuropeanColumns option_columns(const Addresses& at, const Strides& stride) noexcept {
    const auto number = [&](int parameter) {
        const auto i = static_cast<std::size_t>(parameter) + 1;
        return In<double>{at[i], stride[i]};
    };
    return {{at[0], stride[0]}, number(p_spot),           number(p_strike), number(p_time_to_expiry),
            number(p_rate),     number(p_dividend_yield), number(p_shift)};
}

// Where the columns of a result stand in a walk; those that nobody wants stand nowhere.
struct Columns {
    std::array<std::size_t, most_columns> places{};

    Columns(const Outputs& outputs, Walk& walk) {
        for (std::size_t i = 0; i < outputs.count; ++i)
            if (outputs.columns[i]) places[i] = walk.add(outputs.columns[i].get());
    }
    // The kind has place 0.
    template <typename Addresses, typename Strides>
    [[nodiscard]] Out<double> at(std::size_t i, const Addresses& at, const Strides& stride) const noexcept {
        const std::size_t place = places[i];
        return place == 0 ? Out<double>{} : Out<double>{at[place], stride[place]};
    }
};

// Call the kernel over all elements, on several threads where asked, without the GIL where it pays.
template <typename Kernel>
void compute(Walk& walk, unsigned threads, const Kernel& kernel) {
    const std::size_t size = walk.prepare();
    if (size == 0) return;
    PyThreadState* const state = size >= least_size_without_gil ? PyEval_SaveThread() : nullptr;
    if (threads == 1)
        walk.run(0, size, kernel);
    else
        for_ranges(size, threads, [&](std::size_t begin, std::size_t end) { walk.run(begin, end, kernel); });
    if (state != nullptr) PyEval_RestoreThread(state);
}

// What the caller sees of one column: a float for no dimensions, float32 where all inputs were.
PyObject* shown(OwnedArray& column, const Shape& shape, const Options& options, bool single) {
    if (!column) return Py_NewRef(Py_None);
    if (options.out != nullptr) return reinterpret_cast<PyObject*>(column.release());
    if (shape.dimensions == 0) return PyFloat_FromDouble(*static_cast<double*>(PyArray_DATA(column.get())));
    if (single) column = as_single(column);
    return reinterpret_cast<PyObject*>(column.release());
}

PyObject* shown_status(OwnedArray& status, const Shape& shape, const Options& options) {
    if (options.status == nullptr && options.out == nullptr && shape.dimensions == 0)
        return status_object(static_cast<Status>(*static_cast<std::int8_t*>(PyArray_DATA(status.get()))));
    return reinterpret_cast<PyObject*>(status.release());
}

bool is_scalar_call(const Inputs& inputs, const Options& options) noexcept {
    return !inputs.has_arrays && options.out == nullptr && options.status == nullptr;
}

// --- price and greeks ----------------------------------------------------------------------------------

PyObject* price_arrays(const Inputs& inputs, const Options& options) {
    Shape shape;
    Outputs outputs;
    if (!broadcast(inputs, shape) || !outputs.prepare(1, nullptr, false, options, inputs, shape))
        return nullptr;
    const auto sign = static_cast<std::int8_t>(inputs.kind.value);
    Walk walk = walk_options(inputs, shape, sign);
    const std::size_t volatility = walk.add(inputs.numbers[p_volatility]);
    const std::size_t result = walk.add(outputs.columns[0].get());
    const bool wants_status = static_cast<bool>(outputs.status);
    const std::size_t status = wants_status ? walk.add(outputs.status.get()) : 0;
    compute(walk, options.threads, [&](std::size_t size, const auto& at, const auto& stride) {
        const Out<std::int8_t> codes =
            wants_status ? Out<std::int8_t>{at[status], stride[status]} : Out<std::int8_t>{};
        price(options.model, size, option_columns(at, stride), {at[volatility], stride[volatility]},
              {at[result], stride[result]}, codes);
    });
    return shown(outputs.columns[0], shape, options, inputs.is_single());
}

PyObject* greeks_arrays(const Inputs& inputs, const Options& options) {
    Shape shape;
    Outputs outputs;
    PyTypeObject* const type = result_types.greeks[static_cast<std::size_t>(options.order - 1)];
    if (!broadcast(inputs, shape) ||
        !outputs.prepare(greeks_of_order(options.order), type, false, options, inputs, shape))
        return nullptr;
    const auto sign = static_cast<std::int8_t>(inputs.kind.value);
    Walk walk = walk_options(inputs, shape, sign);
    const std::size_t volatility = walk.add(inputs.numbers[p_volatility]);
    const Columns results(outputs, walk);
    const bool wants_status = static_cast<bool>(outputs.status);
    const std::size_t status = wants_status ? walk.add(outputs.status.get()) : 0;
    compute(walk, options.threads, [&](std::size_t size, const auto& at, const auto& stride) {
        GreekColumns columns;
        for (std::size_t i = 0; i < outputs.count; ++i) columns.columns[i] = results.at(i, at, stride);
        const Out<std::int8_t> codes =
            wants_status ? Out<std::int8_t>{at[status], stride[status]} : Out<std::int8_t>{};
        greeks(options.model, options.order, options.units, size, option_columns(at, stride),
               {at[volatility], stride[volatility]}, columns, codes);
    });
    if (options.out != nullptr && Py_TYPE(options.out) == type) return Py_NewRef(options.out);
    Owned<> result = new_result(type, outputs.count);
    if (!result) return nullptr;
    for (std::size_t i = 0; i < outputs.count; ++i) {
        PyObject* const value = shown(outputs.columns[i], shape, options, inputs.is_single());
        if (value == nullptr) return nullptr;
        set_field(result, i, value);
    }
    return result.release();
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

// `type` has the fields volatility, status and, beyond the first column, the Greeks.
PyObject* implied_arrays(PyTypeObject* type, std::size_t column_total, const Inputs& inputs,
                         const Options& options) {
    Shape shape;
    Outputs outputs;
    if (!broadcast(inputs, shape) || !outputs.prepare(column_total, type, true, options, inputs, shape))
        return nullptr;
    const auto sign = static_cast<std::int8_t>(inputs.kind.value);
    Walk walk = walk_options(inputs, shape, sign);
    const std::size_t quote = walk.add(inputs.numbers[p_price]);
    const bool has_guess = (inputs.given >> p_guess & 1U) != 0;
    const std::size_t guess = has_guess ? walk.add(inputs.numbers[p_guess]) : 0;
    const std::size_t status = walk.add(outputs.status.get());
    const Columns results(outputs, walk);
    compute(walk, options.threads, [&](std::size_t size, const auto& at, const auto& stride) {
        const EuropeanColumns columns = option_columns(at, stride);
        const In<double> quotes{at[quote], stride[quote]};
        const In<double> starts = has_guess ? In<double>{at[guess], stride[guess]} : In<double>{};
        const Out<double> volatility = results.at(0, at, stride);
        const Out<std::int8_t> codes{at[status], stride[status]};
        if (outputs.count == 1)
            return implied_volatility(options.model, size, columns, quotes, starts, volatility, codes);
        GreekColumns greek_columns;
        for (std::size_t i = 1; i < outputs.count; ++i)
            greek_columns.columns[i - 1] = results.at(i, at, stride);
        implied_volatility_and_greeks(options.model, options.order, options.units, size, columns, quotes,
                                      starts, volatility, greek_columns, codes);
    });
    if (options.out != nullptr && Py_TYPE(options.out) == type && options.status == nullptr)
        return Py_NewRef(options.out);
    Owned<> result = new_result(type, outputs.count + 1);
    if (!result) return nullptr;
    for (std::size_t i = 0; i < outputs.count; ++i) {
        PyObject* const value = shown(outputs.columns[i], shape, options, inputs.is_single());
        if (value == nullptr) return nullptr;
        set_field(result, i == 0 ? 0 : i + 1, value);
    }
    PyObject* const codes = shown_status(outputs.status, shape, options);
    if (codes == nullptr) return nullptr;
    set_field(result, 1, codes);
    return result.release();
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

template <typename Function>
PyCFunction fast(Function function) noexcept {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

std::array<PyMethodDef, 5> public_functions = {{
    {"price", fast(&price_function), METH_FASTCALL | METH_KEYWORDS, price_doc},
    {"greeks", fast(&greeks_function), METH_FASTCALL | METH_KEYWORDS, greeks_doc},
    {"implied_volatility", fast(&implied_volatility_function), METH_FASTCALL | METH_KEYWORDS,
     implied_volatility_doc},
    {"implied_greeks", fast(&implied_greeks_function), METH_FASTCALL | METH_KEYWORDS, implied_greeks_doc},
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
    // Where users find them: pickles and help name this module.
    const Owned<> home(PyUnicode_InternFromString("optionsib.pricing"));
    for (PyMethodDef& definition : public_functions) {
        const Owned<> function(home ? PyCFunction_NewEx(&definition, module.ptr(), home.get()) : nullptr);
        check(function && PyModule_AddObjectRef(module.ptr(), definition.ml_name, function.get()) == 0);
    }
    check(PyModule_AddFunctions(module.ptr(), private_functions.data()) == 0);
}

}  // namespace optionsib::bindings
