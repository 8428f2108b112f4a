// price, greeks, implied_volatility and implied_greeks: C functions in their own right, because a call by
// pybind11 costs more than a scalar price. Scalars go to the kernels of one option, everything else to the
// array kernels, with the GIL released.
#include <pybind11/pybind11.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "arguments.hpp"
#include "buffers.hpp"
#include "optionsib/pricing/european.hpp"
#include "optionsib/pricing/parallel.hpp"
#include "optionsib/version.hpp"
#include "pricing_docs.hpp"
#include "register.hpp"
#include "results.hpp"
#include "walk.hpp"

namespace optionsib::bindings {
namespace {

using namespace pricing;

constexpr std::size_t most_columns = greek_count + 1;  // the volatility before the Greeks
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

// --- options of a call ---------------------------------------------------------------------------------

constexpr std::array<std::string_view, 4> model_names = {"bsm", "black76", "displaced", "bachelier"};

struct Options {
    Model model = Model::bsm;
    int order = 1;
    Units units = Units::raw;
    unsigned threads = 1;
    PyObject* out = nullptr;  // borrowed; nullptr: make one
    PyObject* status = nullptr;
};

bool read_word(PyObject* object, std::string_view& word) {
    Py_ssize_t length = 0;
    const char* text = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, &length) : nullptr;
    PyErr_Clear();
    word = text == nullptr ? std::string_view() : std::string_view(text, static_cast<std::size_t>(length));
    return text != nullptr;
}

bool read_model(PyObject* object, Model& model) {
    std::string_view word;
    if (read_word(object, word)) {
        for (std::size_t i = 0; i < model_names.size(); ++i) {
            if (model_names[i] != word) continue;
            model = static_cast<Model>(i);
            return true;
        }
    }
    PyErr_Format(PyExc_ValueError, "model must be one of bsm, black76, displaced, bachelier, got %R", object);
    return false;
}

bool read_units(PyObject* object, Units& units) {
    std::string_view word;
    if (read_word(object, word) && (word == "raw" || word == "desk")) {
        units = word == "raw" ? Units::raw : Units::desk;
        return true;
    }
    PyErr_Format(PyExc_ValueError, "units must be 'raw' or 'desk', got %R", object);
    return false;
}

bool read_order(PyObject* object, int& order) {
    const Py_ssize_t value =
        !PyBool_Check(object) && PyIndex_Check(object) ? PyNumber_AsSsize_t(object, nullptr) : 0;
    if (PyErr_Occurred() != nullptr) return false;
    order = static_cast<int>(value);
    if (value >= 1 && value <= 3) return true;
    PyErr_Format(PyExc_ValueError, "order must be 1, 2 or 3, got %R", object);
    return false;
}

PyObject* unless_none(PyObject* object) noexcept {
    return object == Py_None ? nullptr : object;
}

bool read_options(const Slots& slots, Options& options) {
    options.out = unless_none(slots[p_out]);
    options.status = unless_none(slots[p_status]);
    return (slots[p_model] == nullptr || read_model(slots[p_model], options.model)) &&
           (slots[p_order] == nullptr || read_order(slots[p_order], options.order)) &&
           (slots[p_units] == nullptr || read_units(slots[p_units], options.units)) &&
           (slots[p_threads] == nullptr || read_threads(slots[p_threads], options.threads));
}

// A number that the model has no use for must be 0.
bool check_unused(const Number& number, Parameter parameter, Model model) {
    double wrong = number.value;
    if (number.array) {
        Shape shape;
        for (; shape.dimensions < PyArray_NDIM(number.array.get()); ++shape.dimensions)
            shape.extents[static_cast<std::size_t>(shape.dimensions)] =
                PyArray_DIM(number.array.get(), shape.dimensions);
        Walk walk(shape);
        walk.add(number);
        wrong = 0.0;
        walk.run(0, walk.prepare(), [&](std::size_t size, const auto& at, const auto& stride) {
            for (std::size_t i = 0; i < size; ++i) {
                const double value = In<double>{at[0], stride[0]}[i];
                if (!(value == 0.0)) wrong = value;
            }
        });
    }
    if (wrong == 0.0) return true;
    const Owned<> value(PyFloat_FromDouble(wrong));
    if (value)
        PyErr_Format(PyExc_ValueError, "%s must be 0 for model '%s'%s, got %R", parameter_names[parameter],
                     model_names[static_cast<std::size_t>(model)].data(),
                     parameter == p_dividend_yield ? " (spot is the forward)" : "", value.get());
    return false;
}

bool read_inputs(const Signature& signature, const Slots& slots, const Options& options, Inputs& inputs) {
    if (!inputs.read_kind(slots[p_kind])) return false;
    for (std::size_t i = 0; i < signature.count; ++i) {
        const Parameter parameter = signature.parameters[i];
        if (parameter >= number_count) continue;
        PyObject* const object = slots[parameter];
        if (object == nullptr || (parameter == p_guess && object == Py_None)) continue;
        if (!inputs.read(parameter, object)) return false;
    }
    if (options.model != Model::bsm && slots[p_dividend_yield] != nullptr &&
        !check_unused(inputs.numbers[p_dividend_yield], p_dividend_yield, options.model))
        return false;
    if (options.model != Model::displaced && slots[p_shift] != nullptr &&
        !check_unused(inputs.numbers[p_shift], p_shift, options.model))
        return false;
    return inputs.check_indexes(slots);
}

// --- scalars -------------------------------------------------------------------------------------------

European scalar_option(const Inputs& inputs) noexcept {
    const auto& n = inputs.numbers;
    return {inputs.kind.value, n[p_spot].value,           n[p_strike].value, n[p_time_to_expiry].value,
            n[p_rate].value,   n[p_dividend_yield].value, n[p_shift].value};
}

// The common call, positional Python numbers and no keyword, read without the general way, which costs as
// much again. False (and no exception) for any other call.
bool read_plain(PyObject* const* arguments, Py_ssize_t count, PyObject* names, European& option,
                double& volatility) noexcept {
    if (names != nullptr || count < 6 || count > 7) return false;
    std::array<double, 6> numbers{};
    for (Py_ssize_t i = 1; i < count; ++i) {
        PyObject* const object = arguments[i];
        double& number = numbers[static_cast<std::size_t>(i - 1)];
        if (PyFloat_CheckExact(object)) {
            number = PyFloat_AS_DOUBLE(object);
        } else if (PyLong_CheckExact(object)) {
            number = PyLong_AsDouble(object);
            if (number == -1.0 && PyErr_Occurred() != nullptr) return PyErr_Clear(), false;
        } else {
            return false;
        }
    }
    const int sign = scalar_sign(arguments[0]);
    option = {static_cast<double>(sign), numbers[0], numbers[1], numbers[2], numbers[3], numbers[5]};
    volatility = numbers[4];
    return sign == 1 || sign == -1;
}

void refuse(const char* name, const char* expectation, double value) {
    const Owned<> number(PyFloat_FromDouble(value));
    if (number) PyErr_Format(PyExc_ValueError, "%s must be %s, got %R", name, expectation, number.get());
}

// Raise the ValueError that names the bad argument of an option.
PyObject* refuse_option(Model model, const European& option) {
    const double lowest = model == Model::displaced ? -option.shift : 0.0;
    if (!std::isfinite(option.shift)) return refuse("shift", "finite", option.shift), nullptr;
    for (const auto& [name, value] : {std::pair{"spot", option.spot}, std::pair{"strike", option.strike}}) {
        if (model == Model::bachelier) {
            if (!std::isfinite(value)) return refuse(name, "finite", value), nullptr;
        } else if (!(std::isfinite(value) && value > lowest)) {
            return refuse(name, lowest == 0.0 ? "positive and finite" : "finite and greater than -shift",
                          value),
                   nullptr;
        }
    }
    if (!(std::isfinite(option.time_to_expiry) && option.time_to_expiry >= 0.0))
        return refuse("time_to_expiry", "finite and not negative", option.time_to_expiry), nullptr;
    for (const auto& [name, value] :
         {std::pair{"rate", option.rate}, std::pair{"dividend_yield", option.dividend_yield}})
        if (!std::isfinite(value)) return refuse(name, "finite", value), nullptr;
    const Owned<> numbers(Py_BuildValue("ddd", option.rate, option.dividend_yield, option.time_to_expiry));
    if (numbers)
        PyErr_Format(PyExc_ValueError,
                     "a discount factor overflows: rate %R, dividend_yield %R, time_to_expiry %R",
                     PyTuple_GET_ITEM(numbers.get(), 0), PyTuple_GET_ITEM(numbers.get(), 1),
                     PyTuple_GET_ITEM(numbers.get(), 2));
    return nullptr;
}

PyObject* refuse_scalar(Model model, const European& option, double volatility) {
    if (!(std::isfinite(volatility) && volatility >= 0.0))
        return refuse("volatility", "finite and not negative", volatility), nullptr;
    return refuse_option(model, option);
}

PyObject* refuse_quote(Model model, const European& option, double quote, Status status) {
    const Owned<> number(PyFloat_FromDouble(quote));
    if (!number) return nullptr;
    if (status == Status::below_intrinsic)
        return PyErr_Format(PyExc_ValueError, "price %R is below the discounted intrinsic value",
                            number.get());
    if (status == Status::above_maximum)
        return PyErr_Format(PyExc_ValueError, "price %R is above the largest value the option can have",
                            number.get());
    if (!std::isfinite(quote)) return refuse("price", "finite", quote), nullptr;
    return refuse_option(model, option);
}

bool is_solved(Status status) noexcept {
    return status == Status::ok || status == Status::no_vega;
}

PyObject* status_object(Status status) noexcept {
    return Py_NewRef(python_side.statuses[static_cast<std::size_t>(status)]);
}

// Fill fields [first, first + count) with floats.
bool set_floats(const Owned<>& result, std::size_t first, const double* values, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        PyObject* const value = PyFloat_FromDouble(values[i]);
        if (value == nullptr) return false;
        set_field(result, first + i, value);
    }
    return true;
}

// --- arrays --------------------------------------------------------------------------------------------

OwnedArray as_single(const OwnedArray& array) {
    return OwnedArray(reinterpret_cast<PyArrayObject*>(
        PyArray_CastToType(array.get(), PyArray_DescrFromType(NPY_FLOAT), 0)));
}

// Row `index` of an array, as an array even when it is a single number.
OwnedArray row_of(PyArrayObject* array, npy_intp index) {
    PyArray_Descr* const type = PyArray_DESCR(array);
    Py_INCREF(type);
    OwnedArray row(reinterpret_cast<PyArrayObject*>(PyArray_NewFromDescr(
        &PyArray_Type, type, PyArray_NDIM(array) - 1, PyArray_DIMS(array) + 1, PyArray_STRIDES(array) + 1,
        PyArray_BYTES(array) + index * PyArray_STRIDE(array, 0), PyArray_FLAGS(array) & NPY_ARRAY_WRITEABLE,
        nullptr)));
    if (!row || PyArray_SetBaseObject(row.get(), Py_NewRef(reinterpret_cast<PyObject*>(array))) != 0)
        return {};
    return row;
}

// The arrays that a call writes to: `count` columns of doubles, and the status where it is wanted.
class Outputs {
  public:
    std::size_t count = 0;
    std::array<OwnedArray, most_columns> columns;
    OwnedArray status;

    // With `type` the columns are fields of that result, which `options.out` may be (status, the second field
    // of an implied result, is no column); without, there is one column, which `options.out` may be.
    [[nodiscard]] bool prepare(std::size_t columns_wanted, PyTypeObject* type, bool wants_status,
                               const Options& options, const Inputs& inputs, const Shape& shape) {
        count = columns_wanted;
        const bool is_previous = type != nullptr && options.out != nullptr && Py_TYPE(options.out) == type;
        const bool carries_status = type != nullptr && wants_status;
        PyObject* status_wanted = options.status;
        if (options.out == nullptr) {
            for (std::size_t i = 0; i < count; ++i) {
                columns[i] = new_array(shape.dimensions, shape.extents.data(), NPY_DOUBLE);
                if (!columns[i]) return false;
            }
        } else if (is_previous) {
            for (std::size_t i = 0; i < count; ++i) {
                const std::size_t field = i + (carries_status && i > 0 ? 1 : 0);
                if (!take(i, PyStructSequence_GET_ITEM(options.out, static_cast<Py_ssize_t>(field)), shape))
                    return false;
            }
            if (carries_status && status_wanted == nullptr)
                status_wanted = PyStructSequence_GET_ITEM(options.out, 1);
        } else if (type == nullptr || (count == 1 && type == result_types.implied_volatility)) {
            if (!take(0, options.out, shape)) return false;
        } else if (!take_rows(options.out, type, shape)) {
            return false;
        }
        if (status_wanted != nullptr) {
            if (!check_output(status_wanted, NPY_BYTE, shape, "status")) return false;
            status = OwnedArray::share(reinterpret_cast<PyArrayObject*>(status_wanted));
        } else if (wants_status) {
            status = new_array(shape.dimensions, shape.extents.data(), NPY_BYTE);
            if (!status) return false;
        }
        return check_overlaps(inputs, options.out != nullptr, status_wanted != nullptr);
    }

  private:
    bool take(std::size_t index, PyObject* object, const Shape& shape) {
        if (!check_output(object, NPY_DOUBLE, shape, "out")) return false;
        columns[index] = OwnedArray::share(reinterpret_cast<PyArrayObject*>(object));
        return true;
    }

    bool take_rows(PyObject* object, PyTypeObject* type, const Shape& shape) {
        if (!PyArray_Check(object)) {
            PyErr_Format(PyExc_ValueError, "out must be a float64 array or a previous %s, got %s",
                         type->tp_name, Py_TYPE(object)->tp_name);
            return false;
        }
        if (shape.dimensions == NPY_MAXDIMS) {
            PyErr_SetString(PyExc_ValueError, "out cannot have that many dimensions");
            return false;
        }
        Shape rows;
        rows.dimensions = shape.dimensions + 1;
        rows.extents[0] = static_cast<npy_intp>(count);
        std::copy_n(shape.extents.begin(), shape.dimensions, rows.extents.begin() + 1);
        if (!check_output(object, NPY_DOUBLE, rows, "out")) return false;
        for (std::size_t i = 0; i < count; ++i) {
            columns[i] = row_of(reinterpret_cast<PyArrayObject*>(object), static_cast<npy_intp>(i));
            if (!columns[i]) return false;
        }
        return true;
    }

    bool check_overlaps(const Inputs& inputs, bool check_columns, bool check_status) const {
        std::array<PyArrayObject*, most_columns> others{};
        for (std::size_t i = 0; i < count; ++i) {
            if (check_columns && !check_overlap(columns[i].get(), inputs, others.data(), i, "out"))
                return false;
            others[i] = columns[i].get();
        }
        return !check_status || check_overlap(status.get(), inputs, others.data(), count, "status");
    }
};

// The order of the arrays in a walk: kind, then the numbers of `Inputs` but the last three, then more.
constexpr std::size_t column_count = p_shift + 1;

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
    const std::size_t first = volatility + 1;
    for (std::size_t i = 0; i < outputs.count; ++i) walk.add(outputs.columns[i].get());
    const bool wants_status = static_cast<bool>(outputs.status);
    const std::size_t status = wants_status ? walk.add(outputs.status.get()) : 0;
    compute(walk, options.threads, [&](std::size_t size, const auto& at, const auto& stride) {
        GreekColumns columns;
        for (std::size_t i = 0; i < outputs.count; ++i)
            columns.columns[i] = {at[first + i], stride[first + i]};
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

PyObject* price_scalar(Model model, const European& option, double volatility) {
    double result;
    if (price(model, option, volatility, result) != Status::ok)
        return refuse_scalar(model, option, volatility);
    return PyFloat_FromDouble(result);
}

PyObject* greeks_scalar(const Options& options, const European& option, double volatility) {
    Greeks values;
    if (greeks(options.model, options.order, options.units, option, volatility, values) != Status::ok)
        return refuse_scalar(options.model, option, volatility);
    const std::size_t count = greeks_of_order(options.order);
    Owned<> result = new_result(result_types.greeks[static_cast<std::size_t>(options.order - 1)], count);
    if (!result || !set_floats(result, 0, values.values.data(), count)) return nullptr;
    return result.release();
}

PyObject* price_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    European option;
    double volatility;
    if (read_plain(arguments, count, names, option, volatility))
        return price_scalar(Model::bsm, option, volatility);
    Slots slots{};
    Options options;
    Inputs inputs;
    if (!bind(price_signature, arguments, count, names, slots) || !read_options(slots, options) ||
        !read_inputs(price_signature, slots, options, inputs))
        return nullptr;
    if (!is_scalar_call(inputs, options)) return price_arrays(inputs, options);
    return price_scalar(options.model, scalar_option(inputs), inputs.numbers[p_volatility].value);
}

PyObject* greeks_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    Options options;
    European option;
    double volatility;
    if (read_plain(arguments, count, names, option, volatility))
        return greeks_scalar(options, option, volatility);
    Slots slots{};
    Inputs inputs;
    if (!bind(greeks_signature, arguments, count, names, slots) || !read_options(slots, options) ||
        !read_inputs(greeks_signature, slots, options, inputs))
        return nullptr;
    if (!is_scalar_call(inputs, options)) return greeks_arrays(inputs, options);
    return greeks_scalar(options, scalar_option(inputs), inputs.numbers[p_volatility].value);
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
    const std::size_t first = status + 1;
    for (std::size_t i = 0; i < outputs.count; ++i) walk.add(outputs.columns[i].get());
    compute(walk, options.threads, [&](std::size_t size, const auto& at, const auto& stride) {
        const EuropeanColumns columns = option_columns(at, stride);
        const In<double> quotes{at[quote], stride[quote]};
        const In<double> starts = has_guess ? In<double>{at[guess], stride[guess]} : In<double>{};
        const Out<double> volatility{at[first], stride[first]};
        const Out<std::int8_t> codes{at[status], stride[status]};
        if (outputs.count == 1)
            return implied_volatility(options.model, size, columns, quotes, starts, volatility, codes);
        GreekColumns greek_columns;
        for (std::size_t i = 1; i < outputs.count; ++i)
            greek_columns.columns[i - 1] = {at[first + i], stride[first + i]};
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

PyObject* implied_volatility_function(PyObject*, PyObject* const* arguments, Py_ssize_t count,
                                      PyObject* names) {
    Slots slots{};
    Options options;
    Inputs inputs;
    if (!bind(implied_volatility_signature, arguments, count, names, slots) ||
        !read_options(slots, options) || !read_inputs(implied_volatility_signature, slots, options, inputs))
        return nullptr;
    if (!is_scalar_call(inputs, options))
        return implied_arrays(result_types.implied_volatility, 1, inputs, options);
    const European option = scalar_option(inputs);
    const double quote = inputs.numbers[p_price].value;
    double volatility;
    const Status status =
        implied_volatility(options.model, option, quote, inputs.numbers[p_guess].value, volatility);
    if (!is_solved(status)) return refuse_quote(options.model, option, quote, status);
    Owned<> result = new_result(result_types.implied_volatility, 2);
    if (!result || !set_floats(result, 0, &volatility, 1)) return nullptr;
    set_field(result, 1, status_object(status));
    return result.release();
}

PyObject* implied_greeks_function(PyObject*, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
    Slots slots{};
    Options options;
    Inputs inputs;
    if (!bind(implied_greeks_signature, arguments, count, names, slots) || !read_options(slots, options) ||
        !read_inputs(implied_greeks_signature, slots, options, inputs))
        return nullptr;
    PyTypeObject* const type = result_types.implied_greeks[static_cast<std::size_t>(options.order - 1)];
    const std::size_t values_wanted = greeks_of_order(options.order);
    if (!is_scalar_call(inputs, options)) return implied_arrays(type, values_wanted + 1, inputs, options);
    const European option = scalar_option(inputs);
    const double quote = inputs.numbers[p_price].value;
    double volatility;
    Greeks values;
    const Status status =
        implied_volatility_and_greeks(options.model, options.order, options.units, option, quote,
                                      inputs.numbers[p_guess].value, volatility, values);
    if (!is_solved(status)) return refuse_quote(options.model, option, quote, status);
    Owned<> result = new_result(type, values_wanted + 2);
    if (!result || !set_floats(result, 0, &volatility, 1) ||
        !set_floats(result, 2, values.values.data(), values_wanted))
        return nullptr;
    set_field(result, 1, status_object(status));
    return result.release();
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
    check(import_numpy() && prepare_arguments() && prepare_results(module.ptr()));
    // Where users find them: pickles and help name this module.
    const Owned<> home(PyUnicode_InternFromString("optionsib.pricing"));
    for (PyMethodDef& definition : public_functions) {
        const Owned<> function(home ? PyCFunction_NewEx(&definition, module.ptr(), home.get()) : nullptr);
        check(function && PyModule_AddObjectRef(module.ptr(), definition.ml_name, function.get()) == 0);
    }
    check(PyModule_AddFunctions(module.ptr(), private_functions.data()) == 0);
}

}  // namespace optionsib::bindings
