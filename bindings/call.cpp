#include "call.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include "walk.hpp"

namespace optionsib::bindings {

using namespace pricing;

namespace {

constexpr std::array<std::string_view, 4> model_names = {"bsm", "black76", "displaced", "bachelier"};

bool read_word(PyObject* object, std::string_view& word) {
    Py_ssize_t length = 0;
    const char* text = PyUnicode_Check(object) ? PyUnicode_AsUTF8AndSize(object, &length) : nullptr;
    PyErr_Clear();
    word = text == nullptr ? std::string_view() : std::string_view(text, static_cast<std::size_t>(length));
    return text != nullptr;
}

bool read_model(PyObject* object, Model& model) {
    auto place = static_cast<std::size_t>(model);
    if (!read_choice(object, "model", model_names, place)) return false;
    model = static_cast<Model>(place);
    return true;
}

bool read_units(PyObject* object, Units& units) {
    constexpr std::array<std::string_view, 2> names = {"raw", "desk"};
    auto place = static_cast<std::size_t>(units);
    if (!read_choice(object, "units", names, place)) return false;
    units = static_cast<Units>(place);
    return true;
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

void refuse(const char* name, const char* expectation, double value) {
    const Owned<> number(PyFloat_FromDouble(value));
    if (number) PyErr_Format(PyExc_ValueError, "%s must be %s, got %R", name, expectation, number.get());
}

inline bool read_plain_number(PyObject* object, double& number) noexcept {
    if (PyFloat_CheckExact(object)) [[likely]] {
        number = PyFloat_AS_DOUBLE(object);
        return true;
    }
    if (!PyLong_CheckExact(object)) return false;
    number = PyLong_AsDouble(object);
    if (number != -1.0 || PyErr_Occurred() == nullptr) return true;
    PyErr_Clear();
    return false;
}

inline bool read_plain_kind(PyObject* object, double& kind) noexcept {
    int sign = common_kinds.sign(object);
    if (sign == 0) sign = scalar_sign(object);
    kind = sign;
    return sign == 1 || sign == -1;
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

}  // namespace

bool read_choice(PyObject* object, const char* name, std::span<const std::string_view> choices,
                 std::size_t& place) {
    if (object == nullptr) return true;
    std::string_view word;
    if (read_word(object, word)) {
        const auto found = std::ranges::find(choices, word);
        if (found != choices.end()) {
            place = static_cast<std::size_t>(found - choices.begin());
            return true;
        }
    }
    std::string text;
    for (std::size_t i = 0; i < choices.size(); ++i) {
        const char* between = i == 0 ? "" : choices.size() == 2 ? " or " : ", ";
        text +=
            between + (choices.size() == 2 ? "'" + std::string(choices[i]) + "'" : std::string(choices[i]));
    }
    PyErr_Format(PyExc_ValueError, "%s must be %s%s, got %R", name, choices.size() == 2 ? "" : "one of ",
                 text.c_str(), object);
    return false;
}

bool read_options(const Slots& slots, Options& options) {
    options.out = unless_none(slots[p_out]);
    options.status = unless_none(slots[p_status]);
    return read_model(slots[p_model], options.model) &&
           (slots[p_order] == nullptr || read_order(slots[p_order], options.order)) &&
           read_units(slots[p_units], options.units) &&
           read_count(slots[p_threads], "threads", 0, 4096, options.threads);
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

bool add_public_functions(PyObject* module, std::span<PyMethodDef> definitions) {
    const Owned<> home(PyUnicode_InternFromString("optionsib.pricing"));
    for (PyMethodDef& definition : definitions) {
        const Owned<> function(home ? PyCFunction_NewEx(&definition, module, home.get()) : nullptr);
        if (!function || PyModule_AddObjectRef(module, definition.ml_name, function.get()) != 0) return false;
    }
    return true;
}

bool read_plain(PyObject* const* arguments, Py_ssize_t count, PyObject* names, Plain& plain) noexcept {
    if (names != nullptr || count < 6 || count > 7) return false;
    European& option = plain.option;
    option.dividend_yield = 0.0;
    option.shift = 0.0;
    return read_plain_kind(arguments[0], option.kind) && read_plain_number(arguments[1], option.spot) &&
           read_plain_number(arguments[2], option.strike) &&
           read_plain_number(arguments[3], option.time_to_expiry) &&
           read_plain_number(arguments[4], option.rate) &&
           read_plain_number(arguments[5], plain.volatility) &&
           (count == 6 || read_plain_number(arguments[6], option.dividend_yield));
}

bool read_plain(const Slots& slots, const Options& options, Plain& plain) noexcept {
    if (options.out != nullptr || options.status != nullptr) return false;
    std::array<double, number_count> numbers;
    for (std::size_t i = 0; i < number_count; ++i) {
        numbers[i] = 0.0;
        PyObject* const object = slots[i];
        if (object == nullptr || (i == p_guess && object == Py_None)) continue;
        if (!read_plain_number(object, numbers[i])) return false;
    }
    if ((options.model != Model::bsm && numbers[p_dividend_yield] != 0.0) ||
        (options.model != Model::displaced && numbers[p_shift] != 0.0))
        return false;
    plain.option = {0.0,
                    numbers[p_spot],
                    numbers[p_strike],
                    numbers[p_time_to_expiry],
                    numbers[p_rate],
                    numbers[p_dividend_yield],
                    numbers[p_shift]};
    plain.volatility = numbers[p_volatility];
    plain.price = numbers[p_price];
    plain.guess = numbers[p_guess];
    return read_plain_kind(slots[p_kind], plain.option.kind);
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
    if (status == Status::at_intrinsic)
        return PyErr_Format(PyExc_ValueError,
                            "price %R is the value of exercise at once: the volatility is not unique",
                            number.get());
    if (status == Status::above_maximum)
        return PyErr_Format(PyExc_ValueError, "price %R is above the largest value the option can have",
                            number.get());
    if (!std::isfinite(quote)) return refuse("price", "finite", quote), nullptr;
    return refuse_option(model, option);
}

}  // namespace optionsib::bindings
