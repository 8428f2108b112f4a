#pragma once

// Named results: struct sequences, so that one tuple-like type carries floats for a scalar call and arrays
// otherwise, made at the cost of a tuple.

#include <array>
#include <cstddef>

#include "numpy_api.hpp"
#include "optionsib/pricing/european.hpp"

namespace optionsib::bindings {

struct ResultTypes {
    std::array<PyTypeObject*, 3> greeks{};          // by order
    std::array<PyTypeObject*, 3> implied_greeks{};  // volatility and status before the Greeks
    PyTypeObject* implied_volatility = nullptr;
    // With a hidden last field, `dividend_model`.
    PyTypeObject* american_greeks = nullptr;
    PyTypeObject* american_implied_volatility = nullptr;
    PyTypeObject* american_implied_greeks = nullptr;
    PyTypeObject* european_greeks = nullptr;
    PyTypeObject* exercise_boundary = nullptr;
    PyTypeObject* exercise_before_dividend = nullptr;
};
extern ResultTypes result_types;

// Creates the types and adds them to `module`; once, at import.
[[nodiscard]] bool prepare_results(PyObject* module);

inline constexpr std::size_t most_fields = pricing::greek_count + 2;

// Dead results wait here for the next one of their size, together with those of their floats that nobody else
// held: making nine floats and a tuple costs more than the arithmetic. They keep their type; every type that
// waits here has its own number of fields. Guarded by the GIL.
struct DeadResults {
    static constexpr std::size_t most = 16;
    std::array<PyTupleObject*, most> results;
    std::size_t count = 0;
};
extern std::array<DeadResults, most_fields + 1> dead_results;  // by number of fields

[[nodiscard]] Owned<> make_result(PyTypeObject* type, std::size_t size);

// A result whose fields are empty or hold a float of their own. Every one must be set. These types have no
// hidden fields, so they are tuples in memory; PyStructSequence_New looks up twice that it is so.
[[nodiscard]] inline Owned<> new_result(PyTypeObject* type, std::size_t size) {
    DeadResults& dead = dead_results[size];
    if (dead.count == 0) return make_result(type, size);
    PyObject* const result = reinterpret_cast<PyObject*>(dead.results[--dead.count]);
    Py_SET_REFCNT(result, 1);
    return Owned<>(result);
}
// A result of a type that does not wait. `label`: the word in its hidden field, or nullptr where it has none.
[[nodiscard]] Owned<> new_result(PyTypeObject* type, std::size_t size, const char* label);
// Whether a result of a type with a hidden field bears this label; nullptr: the type has none.
[[nodiscard]] bool has_label(PyObject* result, const char* label);

// Takes over the reference.
inline void set_field(const Owned<>& result, std::size_t index, PyObject* value) {
    Py_XSETREF(reinterpret_cast<PyTupleObject*>(result.get())->ob_item[index], value);
}
[[nodiscard]] inline bool set_field(const Owned<>& result, std::size_t index, double value) {
    PyObject*& field = reinterpret_cast<PyTupleObject*>(result.get())->ob_item[index];
    if (field == nullptr) return (field = PyFloat_FromDouble(value)) != nullptr;
    reinterpret_cast<PyFloatObject*>(field)->ob_fval = value;
    return true;
}

}  // namespace optionsib::bindings
