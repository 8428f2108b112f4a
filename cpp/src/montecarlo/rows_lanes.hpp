#pragma once

// The kernels by operation, and the loop over a block's instructions. See program.hpp.

#include "rows_arithmetic.hpp"
#include "rows_random.hpp"
#include "rows_table.hpp"
#include "rows_wide.hpp"

namespace optionsib::montecarlo {
inline namespace OPTIONSIB_LANES {

template <class E>
inline constexpr Kernel<E> kernels[] = {
    Arithmetic<E>::set,
    Arithmetic<E>::affine,
    Arithmetic<E>::combine,
    Arithmetic<E>::combine3,
    Arithmetic<E>::add,
    Arithmetic<E>::subtract,
    Arithmetic<E>::multiply,
    Arithmetic<E>::multiply_add,
    Arithmetic<E>::divide,
    Arithmetic<E>::minimum,
    Arithmetic<E>::maximum,
    Arithmetic<E>::floor,
    Arithmetic<E>::cap,
    Arithmetic<E>::less,
    Arithmetic<E>::below,
    Arithmetic<E>::choose,
    Arithmetic<E>::exponential,
    Arithmetic<E>::logarithm,
    Arithmetic<E>::root,
    normal_cdf_row<E>,
    Arithmetic<E>::grow,
    Arithmetic<E>::count_above,
    Arithmetic<E>::heston_euler,
    heston_qe_row<E>,
    Arithmetic<E>::store,
    philox_rows<E>,
    xoshiro_rows<E>,
    sobol_row<E>,
};
static_assert(sizeof(kernels<double>) / sizeof(Kernel<double>) == static_cast<std::size_t>(Op::count));

OPTIONSIB_INLINE double total(const double* a, const double* b) {
    Reals sums[4] = {0.0, 0.0, 0.0, 0.0};
    for (int j = 0; j < row_paths; j += 4 * Reals::size)
#pragma GCC unroll 4
        for (int q = 0; q < 4; ++q) {
            const int at = j + q * Reals::size;
            const Reals left = get(a + at);
            sums[q] = sums[q] + (b == nullptr ? left : left * get(b + at));
        }
    double lanes[Reals::size];
    put(lanes, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    double sum = 0.0;
    for (const double lane : lanes) sum += lane;
    return sum;
}

template <class E>
void run_block(Block& block) noexcept {
    const Program& program = *block.program;
    const std::uint64_t first = block.number * block_paths;
    const std::uint64_t left = program.paths - first;
    const int paths = left < block_paths ? static_cast<int>(left) : block_paths;
    Machine<E> machine{static_cast<E*>(block.rows),
                       static_cast<const E*>(block.constants),
                       block.wide_constants,
                       &program,
                       block.stored,
                       block.stored_first,
                       block.stored_paths,
                       PhiloxKeys(program.seed),
                       block.streams,
                       first,
                       0};
    const std::size_t outputs = program.outputs.size();
    // Sums of what is left of the block's first path: no digits are lost where the outputs hardly vary.
    double *sums = block.statistics, *shifts = block.outputs + outputs * row_paths;
    for (std::size_t s = 0; s < program.statistics(); ++s) sums[s] = 0.0;
    sums[0] = paths;
    for (int done = 0; done < paths; done += row_paths) {
        machine.path = first + static_cast<std::uint64_t>(done);
        machine.paths = paths - done < row_paths ? paths - done : row_paths;
        for (const Instruction& instruction : program.code) kernels<E>[instruction.op](machine, instruction);
        for (std::size_t o = 0; o < outputs; ++o) {
            const E* from = machine.row(program.outputs[o]);
            double* to = block.outputs + o * row_paths;
            if (done == 0) shifts[o] = static_cast<double>(from[0]);
            const double shift = shifts[o];
            for (int j = 0; j < row_paths; ++j)
                to[j] = j < machine.paths ? static_cast<double>(from[j]) - shift : 0.0;
        }
        double* product = sums + 1 + outputs;
        for (std::size_t o = 0; o < outputs; ++o) {
            const double* a = block.outputs + o * row_paths;
            sums[1 + o] += total(a, nullptr);
            for (std::size_t p = 0; p <= o; ++p) *product++ += total(a, block.outputs + p * row_paths);
        }
    }
    double* product = sums + 1 + outputs;
    for (std::size_t o = 0; o < outputs; ++o)
        for (std::size_t p = 0; p <= o; ++p) *product++ -= sums[1 + o] * sums[1 + p] / sums[0];
    for (std::size_t o = 0; o < outputs; ++o) sums[1 + o] = shifts[o] + sums[1 + o] / sums[0];
}

inline constexpr BlockRunners block_runners = {run_block<double>, run_block<float>};

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
