#pragma once

// One call of a pricing function, read: model, order, units and outputs, then the inputs.

#include "arguments.hpp"
#include "optionsib/pricing/european.hpp"

namespace optionsib::bindings {

struct Options {
    pricing::Model model = pricing::Model::bsm;
    int order = 1;
    pricing::Units units = pricing::Units::raw;
    unsigned threads = 1;
    PyObject* out = nullptr;  // borrowed; nullptr: make one
    PyObject* status = nullptr;
};

[[nodiscard]] bool read_options(const Slots& slots, Options& options);

// Reads every input that was given, and refuses one that the model has no use for.
[[nodiscard]] bool read_inputs(const Signature& signature, const Slots& slots, const Options& options,
                               Inputs& inputs);

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
