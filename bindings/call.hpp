#pragma once

// One call of a pricing function, read: model, order, units and outputs, then the inputs.

#include <span>
#include <string_view>

#include "arguments.hpp"
#include "optionsib/pricing/european.hpp"

namespace optionsib::bindings {

struct Options {
    pricing::Model model = pricing::Model::bsm;
    int order = 1;
    pricing::Units units = pricing::Units::raw;
    std::size_t threads = 1;  // 0: every CPU
    PyObject* out = nullptr;  // borrowed; nullptr: make one
    PyObject* status = nullptr;
};

[[nodiscard]] bool read_options(const Slots& slots, Options& options);

// The place of a word among `choices`, which nullptr leaves as it is; ValueError for any other object.
[[nodiscard]] bool read_choice(PyObject* object, const char* name, std::span<const std::string_view> choices,
                               std::size_t& place);

// Reads every input that was given, and refuses one that the model has no use for.
[[nodiscard]] bool read_inputs(const Signature& signature, const Slots& slots, const Options& options,
                               Inputs& inputs);

// A C function with keywords, as a method table wants it.
template <typename Function>
[[nodiscard]] PyMethodDef public_function(const char* name, Function function, const char* doc) noexcept {
    return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function)),
            METH_FASTCALL | METH_KEYWORDS, doc};
}
// Adds functions to the module where users find them: pickles and help name optionsib.pricing. The
// definitions must live as long as the process.
[[nodiscard]] bool add_public_functions(PyObject* module, std::span<PyMethodDef> definitions);

// A call on one option in Python numbers, read without the general way, which costs as much as the
// arithmetic.
struct Plain {
    pricing::European option;
    double volatility, price, guess;
};

// By position, no keyword; `price` and `guess` are left alone. False (and no exception) for any other call.
[[nodiscard]] bool read_plain(PyObject* const* arguments, Py_ssize_t count, PyObject* names,
                              Plain& plain) noexcept;
// False (and no exception) where an argument is no Python number, where results go to an array, or where the
// model has no use for a number that was given.
[[nodiscard]] bool read_plain(const Slots& slots, const Options& options, Plain& plain) noexcept;

// Raise the ValueError that names the bad argument; nullptr.
PyObject* refuse_scalar(pricing::Model model, const pricing::European& option, double volatility);
PyObject* refuse_quote(pricing::Model model, const pricing::European& option, double quote,
                       pricing::Status status);

}  // namespace optionsib::bindings
