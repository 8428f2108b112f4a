#include "optionsib/montecarlo/program.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <span>

#include "optionsib/pricing/parallel.hpp"
#include "rows_table.hpp"

namespace optionsib::montecarlo {
namespace {

// Operands of an operation: rows read and written, constants, and what its number means.
struct Shape {
    int reads;
    int writes;
    std::uint32_t constants;
    enum { none, draw, dimension, slot, row, length } number = none;
};

constexpr Shape shapes[] = {
    {0, 1, 1},                    // set
    {1, 1, 2},                    // affine
    {2, 1, 3},                    // combine
    {3, 1, 3},                    // combine3
    {2, 1, 0},                    // add
    {2, 1, 0},                    // subtract
    {2, 1, 0},                    // multiply
    {3, 1, 0},                    // multiply_add
    {2, 1, 0},                    // divide
    {2, 1, 0},                    // minimum
    {2, 1, 0},                    // maximum
    {1, 1, 1},                    // floor
    {1, 1, 1},                    // cap
    {2, 1, 0},                    // less
    {1, 1, 1},                    // below
    {3, 1, 0},                    // select
    {1, 1, 0},                    // exp
    {1, 1, 0},                    // log
    {1, 1, 0},                    // sqrt
    {1, 1, 0},                    // normal_cdf
    {2, 1, 2},                    // grow
    {1, 1, 0, Shape::length},     // count_above
    {3, 2, 7, Shape::row},        // heston_euler
    {3, 2, 12, Shape::row},       // heston_qe
    {1, 0, 0, Shape::slot},       // store
    {0, 2, 0, Shape::draw},       // philox
    {0, 2, 0, Shape::draw},       // xoshiro
    {0, 1, 0, Shape::dimension},  // sobol
};
static_assert(std::size(shapes) == static_cast<std::size_t>(Op::count));

// The kernels read this many constants without asking.
constexpr std::size_t padding = 16;

const BlockRunners& runners(SimdPath path) noexcept {
#ifdef OPTIONSIB_X86_PATHS
    if (path == SimdPath::avx512) return rows_avx512;
    if (path == SimdPath::avx2) return rows_avx2;
#endif
    static_cast<void>(path);
    return rows_baseline;
}

struct FreeRows {
    void operator()(void* rows) const { ::operator delete(rows, std::align_val_t{64}); }
};

void run_range(const Program& program, const BlockRunners& run, std::uint64_t first, std::uint64_t count,
               double* statistics, double* stored, std::uint64_t stored_first, std::uint64_t stored_paths) {
    const bool narrow = program.precision == Precision::narrow;
    std::vector<double> constants(program.constants);
    constants.resize(constants.size() + padding);
    const std::vector<float> narrow_constants(constants.begin(), constants.end());
    const std::size_t row_bytes = row_paths * (narrow ? sizeof(float) : sizeof(double));
    const std::size_t bytes = program.registers * row_bytes;
    const std::unique_ptr<void, FreeRows> rows(::operator new(bytes, std::align_val_t{64}));
    std::fill_n(static_cast<unsigned char*>(rows.get()), bytes, static_cast<unsigned char>(0));
    std::vector<double> outputs(program.outputs.size() * (row_paths + 1));

    Block block{&program,
                narrow ? static_cast<const void*>(narrow_constants.data()) : constants.data(),
                constants.data(),
                rows.get(),
                outputs.data(),
                first,
                xoshiro_seeded(program.seed),
                statistics,
                stored,
                stored_first,
                stored_paths};
    const bool streams = std::ranges::any_of(
        program.code, [](const Instruction& i) { return i.op == static_cast<std::uint16_t>(Op::xoshiro); });
    if (streams) xoshiro_skip(block.streams, first);
    for (std::uint64_t done = 0; done < count; ++done) {
        (narrow ? run.narrow : run.wide)(block);
        if (streams) xoshiro_jump(block.streams);
        ++block.number;
        block.statistics += program.statistics();
    }
}

}  // namespace

std::string Program::check() const {
    if (paths == 0 || paths > (std::uint64_t{1} << 48)) return "paths must be 1 .. 2^48";
    if (registers == 0 || registers > 65535) return "a program has 1 .. 65535 registers";
    for (const Instruction& i : code) {
        const std::string name = "instruction " + std::to_string(&i - code.data());
        if (i.op >= static_cast<std::uint16_t>(Op::count)) return name + ": no such operation";
        const Shape& shape = shapes[i.op];
        // All of them, since kernels load the rows that they do not use.
        if (std::max({i.a, i.b, i.c, i.d, i.e}) >= registers) return name + ": no such register";
        const std::uint32_t count = shape.number == Shape::length ? i.n : shape.constants;
        if (std::uint64_t{i.k} + count > constants.size()) return name + ": no such constant";
        if (shape.number == Shape::row && i.n >= registers) return name + ": no such register";
        if (shape.number == Shape::slot && i.n >= slots) return name + ": no such slot";
        if (shape.number == Shape::dimension) {
            if (std::uint64_t{i.n} * 32 + 32 > directions.size()) return name + ": no such dimension";
            if (replicate_paths == 0 || replicate_paths % block_paths != 0 ||
                replicate_paths > (std::uint64_t{1} << 32))
                return "replicate_paths must be a multiple of 4096, at most 2^32";
        }
    }
    for (const std::uint16_t output : outputs)
        if (output >= registers) return "no such output register";
    return {};
}

void run_blocks(const Program& program, SimdPath path, std::uint64_t first, std::uint64_t count,
                double* statistics, double* stored, unsigned threads) {
    const std::uint64_t from = first * block_paths;
    const std::uint64_t stored_paths = std::min(program.paths - from, count * block_paths);
    std::atomic<bool> no_memory = false;
    pricing::for_ranges(
        count, threads,
        [&](std::size_t begin, std::size_t end) {
            try {
                run_range(program, runners(path), first + begin, end - begin,
                          statistics + begin * program.statistics(), stored, from, stored_paths);
            } catch (const std::bad_alloc&) {
                no_memory = true;
            }
        },
        1);
    if (no_memory) throw std::bad_alloc();
}

}  // namespace optionsib::montecarlo
