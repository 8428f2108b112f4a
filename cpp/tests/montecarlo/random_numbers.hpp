#pragma once

// Random numbers of one instruction set as functions of arrays. Nothing of the standard library or of the
// test framework may be inlined here: see optionsib/math/simd/lanes.hpp.

#include "optionsib/montecarlo/normals.hpp"
#include "optionsib/montecarlo/philox.hpp"
#include "optionsib/montecarlo/xoshiro.hpp"
#include "random_table.hpp"

namespace optionsib::test {
inline namespace OPTIONSIB_LANES {

using simd::Reals;
using simd::Words;

void philox_array(std::uint64_t seed, std::uint64_t first_path, std::uint64_t draw, std::uint64_t use,
                  std::size_t size, std::uint64_t* first, std::uint64_t* second) {
    const montecarlo::PhiloxKeys keys(seed);
    std::uint64_t paths[Words::size];
    for (std::size_t i = 0; i < size; i += Words::size) {
        for (int j = 0; j < Words::size; ++j) paths[j] = first_path + i + static_cast<std::uint64_t>(j);
        const montecarlo::WordPair pair = montecarlo::philox(keys, simd::load_words(paths), draw, use);
        simd::store(first + i, pair.first);
        simd::store(second + i, pair.second);
    }
}

void xoshiro_array(const montecarlo::XoshiroState& state, std::size_t size, std::uint64_t* words) {
    montecarlo::Xoshiro generators(state);
    for (std::size_t i = 0; i < size; i += montecarlo::xoshiro_streams)
        for (int r = 0; r < montecarlo::Xoshiro::registers; ++r)
            simd::store(words + i + static_cast<std::size_t>(r * Words::size), generators.next(r));
}

void uniform_array(std::size_t size, const std::uint64_t* words, double* out) {
    for (std::size_t i = 0; i < size; i += Words::size)
        simd::store(out + i, montecarlo::uniform(simd::load_words(words + i)));
}

void log_array(std::size_t size, const double* x, double* out) {
    for (std::size_t i = 0; i < size; i += Reals::size)
        simd::store(out + i, montecarlo::log_of_uniform(simd::load_reals(x + i)));
}

void normal_array(std::size_t size, const std::uint64_t* first, const std::uint64_t* second,
                  double* out_first, double* out_second) {
    for (std::size_t i = 0; i < size; i += Words::size) {
        const auto pair = montecarlo::normal_pair(simd::load_words(first + i), simd::load_words(second + i));
        simd::store(out_first + i, pair.first);
        simd::store(out_second + i, pair.second);
    }
}

inline constexpr RandomNumbers random_numbers = {philox_array, xoshiro_array, uniform_array, log_array,
                                                 normal_array};

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::test
