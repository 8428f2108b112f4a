#pragma once

// What the kernels of one instruction set work on.

#include "optionsib/montecarlo/philox.hpp"
#include "optionsib/montecarlo/program.hpp"
#include "optionsib/montecarlo/xoshiro.hpp"

namespace optionsib::montecarlo {
inline namespace OPTIONSIB_LANES {

using simd::Floats;
using simd::Reals;
using simd::Words;

template <class E>
struct LanesOf;
template <>
struct LanesOf<double> {
    using type = Reals;
};
template <>
struct LanesOf<float> {
    using type = Floats;
};

OPTIONSIB_INLINE Reals get(const double* from) {
    return simd::load_reals(from);
}
OPTIONSIB_INLINE Floats get(const float* from) {
    return simd::load_floats(from);
}
OPTIONSIB_INLINE void put(double* to, Reals a) {
    simd::store(to, a);
}
OPTIONSIB_INLINE void put(float* to, Floats a) {
    simd::store(to, a);
}

template <class E>
struct Machine {
    using T = typename LanesOf<E>::type;

    E* rows;
    const E* constants;
    const double* wide_constants;
    const Program* program;
    double* stored;
    std::uint64_t stored_first, stored_paths;
    PhiloxKeys keys;
    XoshiroState streams;
    std::uint64_t path;  // first of the row
    int paths;           // of the row that count

    OPTIONSIB_INLINE E* row(std::uint16_t i) const { return rows + std::size_t{i} * row_paths; }
};

template <class E>
using Kernel = void (*)(Machine<E>&, const Instruction&) noexcept;

// d = f(a, b, c, k); operands that f does not take are loaded and thrown away by the compiler.
template <class E, class F>
OPTIONSIB_INLINE void map(Machine<E>& m, const Instruction& i, F f) {
    using T = typename Machine<E>::T;
    E* d = m.row(i.d);
    const E *a = m.row(i.a), *b = m.row(i.b), *c = m.row(i.c);
    // Copied, so that they stay in registers while d is written; there are always four to read.
    const E *from = m.constants + i.k, k[4] = {from[0], from[1], from[2], from[3]};
#pragma GCC unroll 2
    for (int j = 0; j < row_paths; j += T::size) put(d + j, f(get(a + j), get(b + j), get(c + j), k));
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
