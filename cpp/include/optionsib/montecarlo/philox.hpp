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
    // 32 bits in each word. What stands in the upper half harms nothing: only lower halves are multiplied.
    Words a = path, b = shift_right<32>(path), c = draw, d = use;
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
        const Words low = multiply_low(a, std::uint64_t{0xD2511F53}),
                    high = multiply_low(c, std::uint64_t{0xCD9E8D57});
        a = upper_halves(high) ^ b ^ keys.first[round];
        b = high;
        c = upper_halves(low) ^ d ^ keys.second[round];
        d = low;
    }
    const Words lower = std::uint64_t{0xffffffff};
    return {(a & lower) | shift_left<32>(b), (c & lower) | shift_left<32>(d)};
}

// Of two registers of paths side by side.
OPTIONSIB_INLINE void philox(const PhiloxKeys& keys, const simd::Words (&path)[2], std::uint64_t draw,
                             std::uint64_t use, WordPair (&out)[2]) {
    using namespace simd;  // NOLINT
    Words a[2] = {path[0], path[1]}, b[2] = {shift_right<32>(path[0]), shift_right<32>(path[1])};
    Words c[2] = {draw, draw}, d[2] = {use, use};
#pragma GCC unroll 10
    for (int round = 0; round < 10; ++round) {
        const Words first = keys.first[round], second = keys.second[round];
        Words low[2], high[2];
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            low[i] = multiply_low(a[i], std::uint64_t{0xD2511F53});
            high[i] = multiply_low(c[i], std::uint64_t{0xCD9E8D57});
        }
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
            a[i] = upper_halves(high[i]) ^ b[i] ^ first;
            b[i] = high[i];
            c[i] = upper_halves(low[i]) ^ d[i] ^ second;
            d[i] = low[i];
        }
    }
    const Words lower = std::uint64_t{0xffffffff};
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i)
        out[i] = {(a[i] & lower) | shift_left<32>(b[i]), (c[i] & lower) | shift_left<32>(d[i])};
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
