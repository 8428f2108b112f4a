#pragma once

// `Floats`: a register of single-precision numbers, twice as many as `Reals`, with what the Monte Carlo
// kernels need of the operations in lanes.hpp. exp and log are good to about 2 ulp.

#include <cstdint>

#include "optionsib/math/simd/lanes.hpp"
#include "optionsib/montecarlo/normal_coefficients.hpp"

namespace optionsib::simd {
inline namespace OPTIONSIB_LANES {

struct Floats {
    static constexpr int size = 2 * Reals::width;
    static constexpr int bytes = 4 * size;
    using Register [[gnu::vector_size(bytes)]] = float;
    using Integers32 [[gnu::vector_size(bytes)]] = std::int32_t;
    using Boolean = Integers32;  // all bits of a lane, or none

    Register r;

    Floats() = default;
    OPTIONSIB_INLINE Floats(Register value) : r(value) {}
    OPTIONSIB_INLINE Floats(float value) : r(value - Register{}) {}

    OPTIONSIB_FRIEND Floats operator+(Floats a, Floats b) { return a.r + b.r; }
    OPTIONSIB_FRIEND Floats operator-(Floats a, Floats b) { return a.r - b.r; }
    OPTIONSIB_FRIEND Floats operator*(Floats a, Floats b) { return a.r * b.r; }
    OPTIONSIB_FRIEND Floats operator/(Floats a, Floats b) { return a.r / b.r; }
    OPTIONSIB_FRIEND Boolean operator<(Floats a, Floats b) { return a.r < b.r; }
    OPTIONSIB_FRIEND Boolean operator>(Floats a, Floats b) { return a.r > b.r; }
    OPTIONSIB_FRIEND Boolean operator==(Floats a, Floats b) { return a.r == b.r; }
};

OPTIONSIB_INLINE Floats::Integers32 as_integers(Floats a) {
    return (Floats::Integers32)a.r;
}
OPTIONSIB_INLINE Floats as_floats(Floats::Integers32 a) {
    return (Floats::Register)a;
}
OPTIONSIB_INLINE Floats select(Floats::Boolean mask, Floats yes, Floats no) {
    return mask ? yes.r : no.r;
}
#if defined(OPTIONSIB_LANES_AVX512)
OPTIONSIB_INLINE Floats fma(Floats a, Floats b, Floats c) {
    return Floats::Register(_mm512_fmadd_ps(a.r, b.r, c.r));
}
OPTIONSIB_INLINE Floats min(Floats a, Floats b) {
    return Floats::Register(_mm512_min_ps(a.r, b.r));
}
OPTIONSIB_INLINE Floats max(Floats a, Floats b) {
    return Floats::Register(_mm512_max_ps(a.r, b.r));
}
OPTIONSIB_INLINE Floats sqrt(Floats a) {
    return Floats::Register(_mm512_sqrt_ps(a.r));
}
#elif defined(OPTIONSIB_LANES_AVX2)
OPTIONSIB_INLINE Floats fma(Floats a, Floats b, Floats c) {
    return Floats::Register(_mm256_fmadd_ps(a.r, b.r, c.r));
}
OPTIONSIB_INLINE Floats min(Floats a, Floats b) {
    return Floats::Register(_mm256_min_ps(a.r, b.r));
}
OPTIONSIB_INLINE Floats max(Floats a, Floats b) {
    return Floats::Register(_mm256_max_ps(a.r, b.r));
}
OPTIONSIB_INLINE Floats sqrt(Floats a) {
    return Floats::Register(_mm256_sqrt_ps(a.r));
}
#else
OPTIONSIB_INLINE Floats fma(Floats a, Floats b, Floats c) {
    return a.r * b.r + c.r;
}
OPTIONSIB_INLINE Floats min(Floats a, Floats b) {
    return select(a < b, a, b);
}
OPTIONSIB_INLINE Floats max(Floats a, Floats b) {
    return select(a > b, a, b);
}
OPTIONSIB_INLINE Floats sqrt(Floats a) {
    Floats root;
    for (int i = 0; i < Floats::size; ++i) root.r[i] = __builtin_sqrtf(a.r[i]);
    return root;
}
#endif

OPTIONSIB_INLINE Floats load_floats(const float* from) {
    Floats value;
    __builtin_memcpy(&value.r, from, sizeof value.r);
    return value;
}
OPTIONSIB_INLINE void store(float* to, Floats a) {
    __builtin_memcpy(to, &a.r, sizeof a.r);
}
// The halves of each word, the lower one first.
OPTIONSIB_INLINE Floats::Integers32 halves(Words words) {
    Floats::Integers32 value;
    __builtin_memcpy(&value, &words.r, sizeof value);
    return value;
}
OPTIONSIB_INLINE Floats to_floats(Floats::Integers32 a) {
    return __builtin_convertvector(a, Floats::Register);
}

template <int N>
OPTIONSIB_INLINE Floats polynomial(const double (&c)[N], Floats x) {
    Floats sum = static_cast<float>(c[N - 1]);
#pragma GCC unroll 16
    for (int i = N - 2; i >= 0; --i) sum = fma(sum, x, static_cast<float>(c[i]));
    return sum;
}

// |x| <= 80.
OPTIONSIB_INLINE Floats exp_bounded(Floats x) {
    const Floats shifted = fma(x, 0x1.715476p+0f, 0x1.8p23f), n = shifted - 0x1.8p23f;
    const Floats r = fma(n, 0x1.05c610p-29f, fma(n, -0x1.62e430p-1f, x));
    const Floats rest = fma(polynomial(montecarlo::narrow_exp_coefficients, r), r * r, r);
    return as_floats(as_integers(rest + 1.0f) + (as_integers(shifted) << 23));
}

// x is taken to lie in [-80, 80].
OPTIONSIB_INLINE Floats exp(Floats x) {
    return exp_bounded(max(Floats(-80.0f), min(Floats(80.0f), x)));
}

// Normal positive x.
OPTIONSIB_INLINE Floats log(Floats x) {
    const Floats::Integers32 e = (as_integers(x) - 0x3f3504f3) >> 23;
    const Floats r = as_floats(as_integers(x) - (e << 23)) - 1.0f;
    const Floats rest = fma(polynomial(montecarlo::narrow_log_coefficients, r), r * r, r);
    return fma(to_floats(e), 0x1.62e430p-1f, rest);
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::simd
