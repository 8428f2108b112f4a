#pragma once

// Split [0, size) into one contiguous range per thread. The split never changes a result: kernels treat
// elements one by one.

#include <cstddef>
#include <functional>

namespace optionsib::pricing {

// Below this many elements of the European kernels another thread costs more than it saves.
inline constexpr std::size_t least_elements_per_thread = 4096;

// Number of CPUs this process may run on, at least 1.
[[nodiscard]] unsigned available_cpus() noexcept;

// Call `work(begin, end)` on up to `threads` threads (0: every available CPU), the caller's included, each
// with `least` elements or more to do. `work` must not throw. Where the system grants no thread the caller
// does that share itself.
void for_ranges(std::size_t size, unsigned threads, const std::function<void(std::size_t, std::size_t)>& work,
                std::size_t least = least_elements_per_thread);

}  // namespace optionsib::pricing
