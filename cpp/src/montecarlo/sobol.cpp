#include "optionsib/montecarlo/sobol.hpp"

#include <bit>

#include "sobol_numbers.hpp"

namespace optionsib::montecarlo {
namespace {

constexpr int bits = 32;

std::uint32_t reversed(std::uint32_t x) noexcept {
    std::uint32_t result = 0;
    for (int i = 0; i < bits; ++i) result |= (x >> i & 1U) << (bits - 1 - i);
    return result;
}

}  // namespace

std::uint32_t sobol_dimensions() noexcept {
    return static_cast<std::uint32_t>(std::size(sobol_polynomials));
}

std::vector<std::uint32_t> sobol_directions(std::uint32_t dimensions) {
    std::vector<std::uint32_t> result;
    result.reserve(std::size_t{dimensions} * bits);
    const std::uint16_t* initial = sobol_initial;
    for (std::uint32_t dimension = 0; dimension < dimensions; ++dimension) {
        const std::uint32_t polynomial = sobol_polynomials[dimension];
        const int degree = std::bit_width(polynomial) - 1;
        std::uint32_t m[bits] = {};  // m[j] / 2^(j + 1) is the direction number of bit j
        if (degree == 0) {
            for (std::uint32_t& number : m) number = 1;
        } else {
            for (int j = 0; j < degree; ++j) m[j] = *initial++;
            for (int j = degree; j < bits; ++j) {
                m[j] = m[j - degree];
                for (int i = 1; i <= degree; ++i)
                    if (polynomial >> (degree - i) & 1U) m[j] ^= m[j - i] << i;
            }
        }
        for (int j = 0; j < bits; ++j) result.push_back(reversed(m[j] << (bits - 1 - j)));
    }
    return result;
}

std::uint32_t scramble_seed(std::uint64_t seed, std::uint64_t replicate, std::uint32_t dimension) noexcept {
    // SplitMix64's mixing, once for each of the three.
    std::uint64_t z = seed;
    for (const std::uint64_t part : {replicate + 1, std::uint64_t{dimension} + 1}) {
        z += part * 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        z ^= z >> 31;
    }
    return static_cast<std::uint32_t>(z >> 32);
}

}  // namespace optionsib::montecarlo
