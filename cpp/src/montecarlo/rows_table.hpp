#pragma once

// The block runner of one instruction set; private to the library.

#include <cstdint>

#include "optionsib/montecarlo/program.hpp"
#include "optionsib/montecarlo/xoshiro.hpp"

namespace optionsib::montecarlo {

// What a block needs beside the program.
struct Block {
    const Program* program;
    const void* constants;  // in the precision of the rows, sixteen more than the program has
    const double* wide_constants;
    void* rows;       // registers * row_paths numbers in that precision, on a 64-byte boundary
    double* outputs;  // outputs * row_paths
    std::uint64_t number;
    XoshiroState streams;  // of this block
    double* statistics;
    double* stored;  // [slot][path - stored_first], stored_paths a slot
    std::uint64_t stored_first, stored_paths;
};

struct BlockRunners {
    void (*wide)(Block&) noexcept;
    void (*narrow)(Block&) noexcept;
};

extern const BlockRunners rows_baseline;
#ifdef OPTIONSIB_X86_PATHS
extern const BlockRunners rows_avx2, rows_avx512;
#endif

}  // namespace optionsib::montecarlo
