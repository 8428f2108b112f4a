#pragma once

// `dividends=`: (ex_times, amounts), one schedule for all options, or (ex_times, amounts, offsets), where
// option i has the dividends [offsets[i], offsets[i + 1]).

#include <cstdint>

#include "arguments.hpp"
#include "optionsib/pricing/cash_dividends.hpp"

namespace optionsib::bindings {

class Dividends {
  public:
    // ValueError for what is no schedule, and for bad numbers in the one schedule of all options; with
    // offsets a bad schedule concerns its option only (`check_numbers`).
    [[nodiscard]] bool read(PyObject* object);

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] bool has_offsets() const noexcept { return static_cast<bool>(offsets_); }
    [[nodiscard]] bool check_numbers() const;

    // Offsets must fit the number of elements. `view`: offsets[i] in the shape of the options; offsets[i + 1]
    // is its neighbour in memory. Empty without offsets.
    [[nodiscard]] bool view_offsets(const Shape& shape, OwnedArray& view) const;

    // `offsets`: of the first option that a kernel gets; no data where there are none.
    [[nodiscard]] pricing::DividendSchedule schedule(const std::byte* offsets) const noexcept {
        constexpr auto step = static_cast<std::ptrdiff_t>(sizeof(double));
        return {{bytes(times_), step},
                {bytes(amounts_), step},
                static_cast<std::size_t>(size_),
                {offsets, static_cast<std::ptrdiff_t>(sizeof(std::int64_t))}};
    }

  private:
    [[nodiscard]] static const std::byte* bytes(const OwnedArray& array) noexcept {
        return array ? reinterpret_cast<const std::byte*>(PyArray_BYTES(array.get())) : nullptr;
    }
    [[nodiscard]] bool read_offsets(PyObject* object);

    OwnedArray times_, amounts_, offsets_;  // contiguous
    std::int64_t size_ = 0;
};

}  // namespace optionsib::bindings
