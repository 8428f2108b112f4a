#pragma once

// Option kinds: "call", "put", "c", "p" in any case, +1 and -1 of any number type; nothing else, no booleans.

#include "numpy_api.hpp"

namespace optionsib::bindings {

// The sign that a Python string or number spells as an option kind; 0 when it spells none, `no_scalar` when
// it is neither.
inline constexpr int no_scalar = -2;
[[nodiscard]] int scalar_sign(PyObject* object) noexcept;

// Kinds as int8 +1 and -1; int8 is looked through, not copied. Empty with a ValueError for anything else.
[[nodiscard]] OwnedArray kind_signs(OwnedArray array);

void refuse_kind(PyObject* value);

}  // namespace optionsib::bindings
