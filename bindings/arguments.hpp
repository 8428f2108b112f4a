#pragma once

// From Python arguments to kernel inputs: names to slots, numbers, option kinds, output arrays. A float costs
// one type check; what is neither a Python number nor an array goes through `column` of the Python side
// (lists, Series, categoricals). Functions return false with the Python exception set.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "kinds.hpp"
#include "numpy_api.hpp"

namespace optionsib::bindings {

// Every parameter of the pricing functions. The numbers stand first: they index `Inputs::numbers`.
enum Parameter : int {
    p_spot,
    p_strike,
    p_time_to_expiry,
    p_rate,
    p_volatility,
    p_dividend_yield,
    p_shift,
    p_price,
    p_guess,
    number_count,
    p_kind = number_count,
    p_model,
    p_order,
    p_units,
    p_out,
    p_status,
    p_threads,
    p_dividends,
    p_dividend_model,
    p_tier,
    p_method,
    p_exercise,
    p_steps,
    p_space_steps,
    p_time_steps,
    parameter_count
};

// Indexed by `Parameter`.
extern const char* const parameter_names[parameter_count];

using Slots = std::array<PyObject*, parameter_count>;  // borrowed; nullptr: not given

// What a function takes: positional parameters, the first `required` of them without a default, then
// keywords.
struct Signature {
    const char* function;
    std::size_t required, positional, count;
    std::array<Parameter, parameter_count> parameters;
};

[[nodiscard]] bool prepare_arguments();  // interns the names; once, at import
[[nodiscard]] bool bind(const Signature& signature, PyObject* const* arguments, Py_ssize_t positional,
                        PyObject* keywords, Slots& slots);

// One input: an array, or (array empty) one value for all elements.
struct Number {
    OwnedArray array;
    double value = 0.0;
};

class Inputs {
  public:
    std::array<Number, number_count> numbers;
    Number kind;                // the array holds int8
    bool has_arrays = false;    // any argument with dimensions
    bool has_single = false;    // float32 among them,
    bool has_double = false;    // or any other NumPy type
    std::uint32_t given = 0;    // bit per number
    std::uint32_t foreign = 0;  // bit per parameter that is neither number nor array: may carry an index

    [[nodiscard]] bool read(Parameter parameter, PyObject* object) {
        given |= 1U << parameter;
        if (PyFloat_CheckExact(object)) {
            numbers[parameter].value = PyFloat_AS_DOUBLE(object);
            return true;
        }
        return read_other(parameter, object);
    }
    [[nodiscard]] bool read_kind(PyObject* object);

    // Two Series with different indexes are refused here.
    [[nodiscard]] bool check_indexes(const Slots& slots) const;

    // All arrays among the inputs are float32; Python numbers take part in either.
    [[nodiscard]] bool is_single() const noexcept { return has_single && !has_double; }

  private:
    [[nodiscard]] bool read_other(Parameter parameter, PyObject* object);
    [[nodiscard]] bool read_array(Parameter parameter, OwnedArray array);
    [[nodiscard]] bool read_kind_array(OwnedArray array);
};

struct Shape {
    int dimensions = 0;
    std::array<npy_intp, NPY_MAXDIMS> extents{};

    [[nodiscard]] bool same_as(const PyArrayObject* array) const noexcept;
    [[nodiscard]] std::string text(int leading = 0) const;
};

// The common shape of all inputs.
[[nodiscard]] bool broadcast(const Inputs& inputs, Shape& shape);

// Whether a kernel may write a result of type `type` and shape `shape` to `object`: a writable, aligned
// array.
[[nodiscard]] bool check_output(PyObject* object, int type, const Shape& shape, const char* name);
// Whether `output` shares no memory with an input or with one of the `others`; the very array of an input is
// fine.
[[nodiscard]] bool check_overlap(PyArrayObject* output, const Inputs& inputs, PyArrayObject* const* others,
                                 std::size_t other_count, const char* name);

// An integer within [least, most]; nullptr leaves `count` as it is.
[[nodiscard]] bool read_count(PyObject* object, const char* name, std::size_t least, std::size_t most,
                              std::size_t& count);

// Functions of the Python side; set once by `configure`.
struct PythonSide {
    PyObject *column = nullptr, *check_indexes = nullptr, *shares_memory = nullptr;
    std::array<PyObject*, 8> statuses{};
};
extern PythonSide python_side;

}  // namespace optionsib::bindings
