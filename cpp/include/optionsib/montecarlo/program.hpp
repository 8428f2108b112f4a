#pragma once

// A Monte Carlo job as a straight program over rows. A row holds one number of each of 256 neighbouring
// paths; an instruction works on whole rows. A model writes the instructions of its time steps, a product
// those of its payoff, so models, products and samplers meet in any combination at the price of one call per
// row.
//
// Paths are worked through in blocks of 4096 = 16 rows. What comes out of a block is a pure function of
// program, SIMD path and block number: not of threads, nor of the blocks done before.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "optionsib/simd.hpp"

namespace optionsib::montecarlo {

inline constexpr int row_paths = 256;
inline constexpr int rows_per_block = 16;
inline constexpr int block_paths = row_paths * rows_per_block;

// d and e are rows written, a, b and c rows read, k[] the instruction's constants, n its number.
enum class Op : std::uint16_t {
    set,           // d = k0
    affine,        // d = k0 a + k1
    combine,       // d = k0 a + k1 b + k2
    combine3,      // d = k0 a + k1 b + k2 c
    add,           // d = a + b
    subtract,      // d = a - b
    multiply,      // d = a b
    multiply_add,  // d = a b + c
    divide,        // d = a / b
    minimum,       // d = min(a, b)
    maximum,       // d = max(a, b)
    floor,         // d = max(a, k0)
    cap,           // d = min(a, k0)
    less,          // d = a < b ? 1 : 0
    below,         // d = a < k0 ? 1 : 0
    select,        // d = c != 0 ? a : b
    exp,           // d = exp(a); single precision bounds a to +-80
    log,           // d = ln(a), normal positive a
    sqrt,          // d = sqrt(a), about 0 where a <= 0
    normal_cdf,    // d = N(a)
    grow,          // d = a exp(k0 b + k1), an exponent within +-80
    count_above,   // d = how many of the n constants k lie below a
    heston_euler,  // (d, e) = (log spot, variance) a step after (a, b); normals c and n. See below
    heston_qe,     // the same by the quadratic-exponential scheme
    store,         // paths of slot n = a
    philox,        // d, e = two independent standard normal numbers; draw n
    xoshiro,       // the same from the streams of the block
    sobol,         // d = standard normal number of dimension n
    count
};

// Heston, full truncation (R. Lord, R. Koekkoek, D. van Dijk, "A comparison of biased simulation schemes for
// stochastic volatility models", 2010), v+ = max(v, 0), c drives the variance, n the rest of the spot:
//   x' = x + k0 + k1 v+ + sqrt(v+) (k2 Zc + k3 Zn)      v' = v + k4 (k5 - v+) + k6 sqrt(v+) Zc
//
// Quadratic-exponential (L. Andersen, "Efficient simulation of the Heston stochastic volatility model",
// 2008), with its martingale correction where that exists:
//   m = k0 + k1 v   s^2 = k2 v + k3      x' = x + k4 + K0* + k5 v + k6 v' + sqrt(k7 v + k8 v') Zn
//   A = k9 = k6 + k8 / 2; K0* replaces k10 (the plain K0) + ..., and k11 = k5 + k7 / 2 multiplies v in it.
struct Instruction {
    std::uint16_t op;
    std::uint16_t d, e, a, b, c;
    std::uint32_t k;
    std::uint32_t n;
};
static_assert(sizeof(Instruction) == 20);

enum class Precision : std::uint8_t {
    wide,    // double
    narrow,  // float rows; sums in double
    paired,  // double rows on the normal numbers of narrow
};

struct Program {
    std::vector<Instruction> code;
    std::vector<double> constants;
    std::vector<std::uint16_t> outputs;
    std::uint32_t registers = 0;
    std::uint32_t slots = 0;
    std::uint64_t seed = 0;
    std::uint64_t paths = 0;  // the last block may be a part
    Precision precision = Precision::wide;
    // Sobol points: bit-reversed direction numbers of each dimension, 32 a dimension; every `replicate_paths`
    // paths, a multiple of block_paths, begin a new scrambling.
    std::vector<std::uint32_t> directions;
    std::uint64_t replicate_paths = 0;

    // Empty, or what is wrong with it: run_blocks trusts a program that passed.
    [[nodiscard]] std::string check() const;

    // Numbers that run_blocks gives for a block: its count of paths, the means of the outputs, and the sums
    // of products of deviations from them of outputs i and j <= i, row by row of that triangle.
    [[nodiscard]] std::size_t statistics() const noexcept {
        return 1 + outputs.size() + outputs.size() * (outputs.size() + 1) / 2;
    }
    [[nodiscard]] std::uint64_t blocks() const noexcept { return (paths + block_paths - 1) / block_paths; }
};

// Run `count` blocks from `first` on. `statistics` takes count * program.statistics() numbers; `stored`,
// where the program stores paths, is [slot][path], as many doubles a slot as these blocks have paths.
// On up to `threads` threads (0: every available CPU). Throws std::bad_alloc where the rows find no memory.
void run_blocks(const Program& program, SimdPath path, std::uint64_t first, std::uint64_t count,
                double* statistics, double* stored, unsigned threads = 1);

}  // namespace optionsib::montecarlo
