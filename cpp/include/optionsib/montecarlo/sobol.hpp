#pragma once

// Sobol points in base 2 (I. M. Sobol, 1967) with the primitive polynomials and initial direction numbers of
// S. Joe and F. Y. Kuo, "Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci.
// Comput. 30 (2008), their file new-joe-kuo-6; natural (not Gray code) order; 32 bits.

#include <cstdint>
#include <vector>

namespace optionsib::montecarlo {

// Dimensions at hand; beyond them draw pseudo-random numbers.
[[nodiscard]] std::uint32_t sobol_dimensions() noexcept;

// 32 numbers a dimension: entry j is what bit j of a point's index adds (exclusive or), most significant bit
// of the coordinate last, that is bit-reversed. dimensions <= sobol_dimensions().
[[nodiscard]] std::vector<std::uint32_t> sobol_directions(std::uint32_t dimensions);

// A hash of seed, replicate and dimension, for scrambling.
[[nodiscard]] std::uint32_t scramble_seed(std::uint64_t seed, std::uint64_t replicate,
                                          std::uint32_t dimension) noexcept;

// Owen's scrambling of a bit-reversed coordinate: whether a bit flips depends on the higher bits of the
// coordinate, here the lower ones, by a hash (the way of S. Laine, T. Karras, "Stratified sampling for
// stochastic transparency", 2011; the hash of N. Vegdahl, "Building a better LK hash", 2021). The hash stands
// in for the independent coins of Owen's definition, one for each node of the tree: nested, not linear, but
// chosen among 2^32 scramblings.
[[gnu::always_inline]] inline std::uint32_t owen_scrambled(std::uint32_t x, std::uint32_t seed) noexcept {
    x ^= x * 0x3d20adeau;
    x += seed;
    x *= (seed >> 16) | 1u;
    x ^= x * 0x05526c56u;
    x ^= x * 0x53a22864u;
    return x;
}

}  // namespace optionsib::montecarlo
