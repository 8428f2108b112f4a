#pragma once

// A bounded pool of memory for large results. Fresh pages cost as much as a third of the arithmetic (each is
// zeroed by the kernel at first touch), so the memory of a dead result waits here for the next one.
// Guarded by the GIL: arrays are made and die under it.

#include <cstddef>

#include "numpy_api.hpp"

namespace optionsib::bindings {

inline constexpr std::size_t most_cached_bytes = std::size_t{256} << 20;
inline constexpr std::size_t least_pooled_bytes = std::size_t{256} << 10;

// A new C-ordered array; its memory comes from the pool when it is large, and goes back when it dies.
[[nodiscard]] OwnedArray new_array(int dimensions, const npy_intp* extents, int type);

struct BufferUse {
    std::size_t cached_bytes, live_bytes, mappings;  // mappings: blocks asked from the system so far
};
[[nodiscard]] BufferUse buffer_use() noexcept;

// Give all waiting memory back to the system.
void clear_buffers() noexcept;

}  // namespace optionsib::bindings
