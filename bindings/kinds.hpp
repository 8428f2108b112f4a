#pragma once

// Option kinds: "call", "put", "c", "p" in any case, +1 and -1 of any number type; nothing else, no booleans.

#include "numpy_api.hpp"

namespace optionsib::bindings {

// The sign that a Python string or number spells as an option kind; 0 when it spells none, `no_scalar` when
// it is neither.
inline constexpr int no_scalar = -2;
[[nodiscard]] int scalar_sign(PyObject* object) noexcept;

// The objects that nearly every caller passes, known by their address: the interned words and the integers of
// which there is one. 0 for all others.
struct CommonKinds {
    PyObject *call = nullptr, *put = nullptr, *plus = nullptr, *minus = nullptr;

    [[nodiscard]] int sign(const PyObject* object) const noexcept {
        if (object == call || object == plus) return 1;
        return object == put || object == minus ? -1 : 0;
    }
};
extern CommonKinds common_kinds;
[[nodiscard]] bool prepare_kinds();  // once, at import

// Kinds as int8 +1 and -1; int8 is looked through, not copied. Empty with a ValueError for anything else.
[[nodiscard]] OwnedArray kind_signs(OwnedArray array);

void refuse_kind(PyObject* value);

}  // namespace optionsib::bindings
