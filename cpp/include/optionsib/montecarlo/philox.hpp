#pragma once

// Philox4x32-10 (J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011): 128 random bits as a function of a counter and a key. The counter is (path, draw, use),
// the key is the seed, so a number depends on nothing else: not on lanes, blocks, threads or machines.

#include <cstdint>

#include "optionsib/math/simd/lanes.hpp"

namespace optionsib::montecarlo {

// The keys of the ten rounds.
struct PhiloxKeys {
    std::uint64_t first[10], second[10];

    explicit PhiloxKeys(std::uint64_t seed) {
        for (std::uint32_t round = 0; round < 10; ++round) {
            first[round] = static_cast<std::uint32_t>(seed) + round * 0x9E3779B9u;
            second[round] = static_cast<std::uint32_t>(seed >> 32) + round * 0xBB67AE85u;
        }
    }
};

inline namespace OPTIONSIB_LANES {

struct WordPair {
    simd::Words first, second;
};

// Two random words of each path. `draw` counts a path's draws, `use` tells apart what they are for; both
// below 2^32.
OPTIONSIB_INLINE WordPair philox(const PhiloxKeys& keys, simd::Words path, std::uint64_t draw,
                                 std::uint64_t use) {
    using namespace simd;  // NOLINT
    // 32 bits in each word. What a product leaves in the upper half harms nothing: only lower halves are
    // multiplied.
    Words a = path, b = shift_right<32>(path), c = draw, d = use;
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
        const Words low = multiply_low(a, std::uint64_t{0xD2511F53}),
                    high = multiply_low(c, std::uint64_t{0xCD9E8D57});
        a = shift_right<32>(high) ^ b ^ keys.first[round];
        b = high;
        c = shift_right<32>(low) ^ d ^ keys.second[round];
        d = low;
    }
    const Words lower = std::uint64_t{0xffffffff};
    return {(a & lower) | shift_left<32>(b), (c & lower) | shift_left<32>(d)};
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
