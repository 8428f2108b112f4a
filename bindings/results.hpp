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

// A result with empty fields; every one must be set by `set_field`, which takes over the reference. Without a
// label our types have no hidden fields, so they are tuples in memory; PyStructSequence_New looks up twice
// that it is so.
[[nodiscard]] inline Owned<> new_result(PyTypeObject* type, std::size_t size) {
    auto* const result = PyObject_GC_NewVar(PyTupleObject, type, static_cast<Py_ssize_t>(size));
    if (result == nullptr) return {};
    for (std::size_t i = 0; i < size; ++i) result->ob_item[i] = nullptr;
    return Owned<>(reinterpret_cast<PyObject*>(result));
}
// `label`: the word in the hidden field, or nullptr for a type without one.
[[nodiscard]] Owned<> new_result(PyTypeObject* type, std::size_t size, const char* label);
// Whether a result of a type with a hidden field bears this label; nullptr: the type has none.
[[nodiscard]] bool has_label(PyObject* result, const char* label);

inline void set_field(const Owned<>& result, std::size_t index, PyObject* value) {
    PyTuple_SET_ITEM(result.get(), static_cast<Py_ssize_t>(index), value);
}

}  // namespace optionsib::bindings
