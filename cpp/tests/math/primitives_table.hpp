#pragma once

#include <cstddef>
#include <cstdint>

namespace optionsib::test {

enum class Primitive {
    exp,
    log,
    log1p,
    log_ratio,
    mills_ratio,
    mills_slope,
    mills_difference,
    erfcx,
    normal_density,
    normal_cdf,
    reciprocal,
    sqrt,
    divide,
    fma,
    round,
    exponent,
    mantissa,
    scale,
    minimum,
    maximum,
    absolute,
    flip_sign,
    select_less,
    select_logic,
    gather,
};

// One instruction set's primitives over arrays, one and three registers side by side.
struct Primitives {
    void (*one)(Primitive, std::size_t size, const double* a, const double* b, double* out);
    void (*three)(Primitive, std::size_t size, const double* a, const double* b, double* out);
    std::uint64_t (*sign_bits)(const double* two_registers);
    int width;
    bool fused;
};

extern const Primitives primitives_baseline;
#ifdef OPTIONSIB_X86_PATHS
extern const Primitives primitives_avx2, primitives_avx512;
#endif

}  // namespace optionsib::test
