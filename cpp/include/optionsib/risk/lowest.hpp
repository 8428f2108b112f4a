// The lowest of many numbers: several chains side by side, since one chain waits for each comparison.
#pragma once

#include <algorithm>
#include <cstddef>

namespace optionsib::risk {

[[nodiscard]] inline double lowest_of(const double* values, std::size_t count) {
    constexpr std::size_t kChains = 8;
    if (count < kChains) return *std::min_element(values, values + count);
    double lowest[kChains];
    for (std::size_t c = 0; c < kChains; ++c) lowest[c] = values[c];
    std::size_t k = kChains;
    for (; k + kChains <= count; k += kChains) {
        for (std::size_t c = 0; c < kChains; ++c)
            lowest[c] = values[k + c] < lowest[c] ? values[k + c] : lowest[c];
    }
    for (std::size_t c = 0; k + c < count; ++c)
        lowest[c] = values[k + c] < lowest[c] ? values[k + c] : lowest[c];
    for (std::size_t c = 4; c < kChains; ++c) lowest[c - 4] = std::min(lowest[c - 4], lowest[c]);
    return std::min(std::min(lowest[0], lowest[1]), std::min(lowest[2], lowest[3]));
}

}  // namespace optionsib::risk
