#pragma once

#include <array>
#include <cstddef>

#include "arguments.hpp"
#include "call.hpp"

namespace optionsib::bindings {

inline constexpr std::size_t most_columns = pricing::greek_count + 1;  // the volatility before the Greeks

// The arrays that a call writes to: `count` columns of doubles, empty where not wanted, and the status where
// it is wanted.
class Outputs {
  public:
    std::size_t count = 0;
    std::array<OwnedArray, most_columns> columns;
    OwnedArray status;

    // With `type` the columns are fields of that result, which `options.out` may be (status, the second field
    // of an implied result, is no column); without, there is one column, which `options.out` may be.
    [[nodiscard]] bool prepare(std::size_t columns_wanted, PyTypeObject* type, bool wants_status,
                               const Options& options, const Inputs& inputs, const Shape& shape);

  private:
    bool take(std::size_t index, PyObject* object, const Shape& shape);
    bool take_rows(PyObject* object, PyTypeObject* type, const Shape& shape);
    bool check_overlaps(const Inputs& inputs, bool check_columns, bool check_status) const;
};

}  // namespace optionsib::bindings
