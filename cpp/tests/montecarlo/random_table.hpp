#pragma once

#include <cstddef>
#include <cstdint>

#include "optionsib/montecarlo/xoshiro.hpp"

namespace optionsib::test {

// One instruction set's random numbers, into arrays whose sizes are multiples of eight.
struct RandomNumbers {
    // Two words of each path from `first_path` on.
    void (*philox)(std::uint64_t seed, std::uint64_t first_path, std::uint64_t draw, std::uint64_t use,
                   std::size_t size, std::uint64_t* first, std::uint64_t* second);
    void (*xoshiro)(const montecarlo::XoshiroState& state, std::size_t size, std::uint64_t* words);
    void (*uniform)(std::size_t size, const std::uint64_t* words, double* out);
    void (*log_of_uniform)(std::size_t size, const double* x, double* out);
    void (*normal_pair)(std::size_t size, const std::uint64_t* first, const std::uint64_t* second,
                        double* out_first, double* out_second);
};

extern const RandomNumbers random_baseline;
#ifdef OPTIONSIB_X86_PATHS
extern const RandomNumbers random_avx2, random_avx512;
#endif

}  // namespace optionsib::test
