#include "optionsib/montecarlo/program.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "optionsib/montecarlo/sobol.hpp"
#include "optionsib/montecarlo/xoshiro.hpp"

namespace optionsib::montecarlo {
namespace {

Instruction make(Op op, int d = 0, int e = 0, int a = 0, int b = 0, int c = 0, std::uint32_t k = 0,
                 std::uint32_t n = 0) {
    const auto narrow = [](int i) { return static_cast<std::uint16_t>(i); };
    return {static_cast<std::uint16_t>(op), narrow(d), narrow(e), narrow(a), narrow(b), narrow(c), k, n};
}

// A forward under Black and Scholes in one step: two normal numbers, the first used.
Program forward(Op sampler) {
    Program program;
    program.code = {make(Op::set, 0), make(sampler, 1, 2), make(Op::grow, 3, 0, 0, 1, 0, 1)};
    program.constants = {100.0, 0.2, -0.02};
    program.outputs = {3};
    program.registers = 4;
    program.seed = 5;
    program.paths = 3 * block_paths + 300;
    return program;
}

std::vector<double> statistics(const Program& program, SimdPath path, unsigned threads = 1) {
    std::vector<double> result(program.blocks() * program.statistics());
    run_blocks(program, path, 0, program.blocks(), result.data(), nullptr, threads);
    return result;
}

}  // namespace

TEST_CASE("a forward is its own mean, on every instruction set and in every precision") {
    for (const Op sampler : {Op::philox, Op::xoshiro}) {
        for (const Precision precision : {Precision::wide, Precision::narrow, Precision::paired}) {
            Program program = forward(sampler);
            program.precision = precision;
            program.paths = 200 * block_paths;
            REQUIRE(program.check().empty());
            std::vector<double> first;
            for (const SimdPath path : {SimdPath::baseline, SimdPath::avx2, SimdPath::avx512}) {
                if (!simd_path_supported(path)) continue;
                const std::vector<double> blocks = statistics(program, path);
                CHECK(blocks == statistics(program, path, 3));
                double mean = 0.0;
                for (std::size_t b = 0; b < blocks.size(); b += 3) mean += blocks[b + 1];
                mean /= static_cast<double>(blocks.size() / 3);
                CHECK(std::abs(mean - 100.0) < 4.0 * 20.2 / std::sqrt(200.0 * block_paths));
                if (first.empty()) first = blocks;
                const double tolerance = precision == Precision::narrow ? 1e-4 : 1e-10;
                for (std::size_t i = 0; i < blocks.size(); i += 3)
                    CHECK(blocks[i + 1] == doctest::Approx(first[i + 1]).epsilon(tolerance));
            }
        }
    }
}

TEST_CASE("the last block counts its paths only") {
    const std::vector<double> blocks = statistics(forward(Op::philox), simd_path());
    REQUIRE(blocks.size() == 12);
    CHECK(blocks[0] == block_paths);
    CHECK(blocks[9] == 300);
}

TEST_CASE("a block does not depend on where the work begins") {
    const Program program = forward(Op::xoshiro);
    const std::vector<double> all = statistics(program, simd_path());
    std::vector<double> last(program.statistics());
    run_blocks(program, simd_path(), 3, 1, last.data(), nullptr);
    CHECK(std::vector<double>(all.end() - 3, all.end()) == last);
}

TEST_CASE("programs that would read or write elsewhere are refused") {
    const auto wrong = [](auto change) {
        Program program = forward(Op::philox);
        change(program);
        return !program.check().empty();
    };
    CHECK(wrong([](Program& p) { p.registers = 3; }));
    CHECK(wrong([](Program& p) { p.registers = 0; }));
    CHECK(wrong([](Program& p) { p.constants.pop_back(); }));
    CHECK(wrong([](Program& p) { p.outputs = {4}; }));
    CHECK(wrong([](Program& p) { p.paths = 0; }));
    CHECK(wrong([](Program& p) { p.code[0].op = static_cast<std::uint16_t>(Op::count); }));
    CHECK(wrong([](Program& p) { p.code.push_back(make(Op::store)); }));
    CHECK(wrong([](Program& p) { p.code.push_back(make(Op::sobol)); }));
    CHECK(wrong([](Program& p) { p.code.push_back(make(Op::heston_euler, 0, 1, 0, 1, 2, 0, 9)); }));
    CHECK(wrong([](Program& p) { p.code.push_back(make(Op::count_above, 0, 0, 0, 0, 0, 1, 3)); }));
}

TEST_CASE("skipping blocks is jumping as often") {
    XoshiroState jumped = xoshiro_seeded(3), skipped = jumped;
    for (int i = 0; i < 37; ++i) xoshiro_jump(jumped);
    xoshiro_skip(skipped, 37);
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < xoshiro_streams; ++j) CHECK(jumped.word[i][j] == skipped.word[i][j]);
}

TEST_CASE("the first Sobol points are the published ones") {
    // Dimensions 1 to 3 of the sequence, the points 1 to 3 in natural order: 1/2, 1/4, 3/4 and so on.
    const std::vector<std::uint32_t> v = sobol_directions(3);
    const auto point = [&](std::uint32_t dimension, std::uint32_t index) {
        std::uint32_t reversed = 0, value = 0;
        for (std::uint32_t bit = 0; bit < 32; ++bit)
            if (index >> bit & 1U) reversed ^= v[dimension * 32 + bit];
        for (int i = 0; i < 32; ++i) value |= (reversed >> i & 1U) << (31 - i);
        return value * 0x1p-32;
    };
    const double expected[3][3] = {{0.5, 0.25, 0.75}, {0.5, 0.75, 0.25}, {0.5, 0.75, 0.25}};
    for (std::uint32_t d = 0; d < 3; ++d)
        for (std::uint32_t i = 1; i <= 3; ++i) CHECK(point(d, i) == expected[d][i - 1]);
    CHECK(point(2, 4) == 0.375);  // by the recurrence: m = 1, 3, then 2 * 3 ^ 4 * 1 ^ 1 = 3
    CHECK(sobol_dimensions() == 1024);
}

}  // namespace optionsib::montecarlo
