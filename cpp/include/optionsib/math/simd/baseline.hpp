#pragma once

// Two doubles in the compiler's own vectors: SSE2 on x86-64, NEON on ARM, the same bits on both, since only
// + - * / and sqrt round and no multiply-add is fused. See lanes.hpp for what the functions mean.

#include <cstdint>

#include "optionsib/math/simd/inline.hpp"

namespace optionsib::simd {
inline namespace baseline {

using Doubles [[gnu::vector_size(16)]] = double;
using Integers [[gnu::vector_size(16)]] = std::int64_t;
using Naturals [[gnu::vector_size(16)]] = std::uint64_t;

struct Mask {
    Integers lanes;

    OPTIONSIB_FRIEND Mask operator&(Mask a, Mask b) { return {a.lanes & b.lanes}; }
    OPTIONSIB_FRIEND Mask operator|(Mask a, Mask b) { return {a.lanes | b.lanes}; }
    OPTIONSIB_FRIEND Mask operator^(Mask a, Mask b) { return {a.lanes ^ b.lanes}; }
    OPTIONSIB_FRIEND Mask operator!(Mask a) { return {~a.lanes}; }
};

OPTIONSIB_INLINE Integers as_integers(Doubles a) {
    return (Integers)a;
}
OPTIONSIB_INLINE Doubles as_doubles(Integers a) {
    return (Doubles)a;
}

struct Reals {
    using Boolean = Mask;
    static constexpr int width = 2;
    static constexpr int size = 2;
    static constexpr bool fused = false;

    Doubles r;

    Reals() = default;
    OPTIONSIB_INLINE Reals(Doubles value) : r(value) {}
    OPTIONSIB_INLINE Reals(double value) : r(Doubles{value, value}) {}

    OPTIONSIB_FRIEND Reals operator+(Reals a, Reals b) { return a.r + b.r; }
    OPTIONSIB_FRIEND Reals operator-(Reals a, Reals b) { return a.r - b.r; }
    OPTIONSIB_FRIEND Reals operator*(Reals a, Reals b) { return a.r * b.r; }
    OPTIONSIB_FRIEND Reals operator/(Reals a, Reals b) { return a.r / b.r; }
    OPTIONSIB_FRIEND Reals operator-(Reals a) { return -a.r; }

    OPTIONSIB_FRIEND Mask operator<(Reals a, Reals b) { return {a.r < b.r}; }
    OPTIONSIB_FRIEND Mask operator<=(Reals a, Reals b) { return {a.r <= b.r}; }
    OPTIONSIB_FRIEND Mask operator>(Reals a, Reals b) { return {a.r > b.r}; }
    OPTIONSIB_FRIEND Mask operator>=(Reals a, Reals b) { return {a.r >= b.r}; }
    OPTIONSIB_FRIEND Mask operator==(Reals a, Reals b) { return {a.r == b.r}; }
};

OPTIONSIB_INLINE Reals select(Mask mask, Reals yes, Reals no) {
    return as_doubles((mask.lanes & as_integers(yes.r)) | (~mask.lanes & as_integers(no.r)));
}
OPTIONSIB_INLINE Reals fma(Reals a, Reals b, Reals c) {
    return a * b + c;
}
OPTIONSIB_INLINE Reals fms(Reals a, Reals b, Reals c) {
    return a * b - c;
}
OPTIONSIB_INLINE Reals fnma(Reals a, Reals b, Reals c) {
    return c - a * b;
}
// As the machine instructions do: the second operand where one is NaN.
OPTIONSIB_INLINE Reals min(Reals a, Reals b) {
    return select(a < b, a, b);
}
OPTIONSIB_INLINE Reals max(Reals a, Reals b) {
    return select(a > b, a, b);
}
OPTIONSIB_INLINE Reals abs(Reals a) {
    return as_doubles(as_integers(a.r) & INT64_MAX);
}
OPTIONSIB_INLINE Reals sqrt(Reals a) {
    return Doubles{__builtin_sqrt(a.r[0]), __builtin_sqrt(a.r[1])};
}
OPTIONSIB_INLINE Reals flip_sign(Reals value, Reals sign) {
    return as_doubles(as_integers(value.r) ^ (as_integers(sign.r) & INT64_MIN));
}
OPTIONSIB_INLINE Reals reciprocal(Reals a) {
    return 1.0 / a;
}
// Right for |a| < 2^51.
OPTIONSIB_INLINE Reals round(Reals a) {
    return (a + 0x1.8p52) - 0x1.8p52;
}
OPTIONSIB_INLINE Reals power_of_two(Reals n) {
    const Reals shifted = n + (0x1.8p52 + 1023.0);
    return as_doubles(as_integers(shifted.r) << 52);
}
OPTIONSIB_INLINE Reals scale(Reals a, Reals n) {
    const Reals bounded = max(min(n, 2040.0), -2040.0);
    const Reals half = round(bounded * 0.5);
    return a * power_of_two(half) * power_of_two(bounded - half);
}
OPTIONSIB_INLINE Reals exponent(Reals a) {
    const Integers biased = ((as_integers(a.r) >> 52) & 0x7ff) | 0x4330000000000000;
    return Reals(as_doubles(biased)) - (0x1p52 + 1023.0);
}
OPTIONSIB_INLINE Reals mantissa(Reals a) {
    return as_doubles((as_integers(a.r) & 0x000fffffffffffff) | 0x3ff0000000000000);
}
OPTIONSIB_INLINE Reals match_exponent(Reals a, Reals b, Reals& k) {
    // Unsigned, since lanes to be redone may hold any bits: there the sums wrap.
    const auto difference = (Naturals)as_integers(a.r) - (Naturals)as_integers(b.r);
    const auto rounded = (Integers)(difference + (std::uint64_t{1} << 51));
    const Integers exponents = rounded & static_cast<std::int64_t>(0xfff0000000000000u);
    // k + 2048 is positive; under the bits of 2^52 it is a double.
    const Integers lifted = (((rounded ^ INT64_MIN) >> 52) & 0xfff) | 0x4330000000000000;
    k = Reals(as_doubles(lifted)) - (0x1p52 + 2048.0);
    return as_doubles((Integers)((Naturals)as_integers(b.r) + (Naturals)exponents));
}
// Declared for templates that ask T::width == 8 first.
Reals sixteenths(const double* table, Reals index);
Reals scale_down(Reals a, Reals n);
OPTIONSIB_INLINE Reals gather(const double* table, Reals index) {
    return Doubles{table[static_cast<int>(index.r[0])], table[static_cast<int>(index.r[1])]};
}
OPTIONSIB_INLINE Reals load_reals(const double* from) {
    Doubles value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}
OPTIONSIB_INLINE Reals load_signs(const std::int8_t* from) {
    return Doubles{static_cast<double>(from[0]), static_cast<double>(from[1])};
}
OPTIONSIB_INLINE void store(double* to, Reals a) {
    __builtin_memcpy(to, &a.r, sizeof a.r);
}
OPTIONSIB_INLINE void stream(double* to, Reals a) {
    store(to, a);
}
// After the last stream(): its stores come before all later ones.
OPTIONSIB_INLINE void fence() {}
OPTIONSIB_INLINE std::uint64_t bits(Mask mask) {
    return static_cast<std::uint64_t>((mask.lanes[0] & 1) | (mask.lanes[1] & 2));
}

// --- unsigned integers ---------------------------------------------------------------------------------

struct Words {
    static constexpr int size = 2;

    Naturals r;

    Words() = default;
    OPTIONSIB_INLINE Words(Naturals value) : r(value) {}
    OPTIONSIB_INLINE Words(std::uint64_t value) : r(Naturals{value, value}) {}

    OPTIONSIB_FRIEND Words operator+(Words a, Words b) { return a.r + b.r; }
    OPTIONSIB_FRIEND Words operator^(Words a, Words b) { return a.r ^ b.r; }
    OPTIONSIB_FRIEND Words operator|(Words a, Words b) { return a.r | b.r; }
    OPTIONSIB_FRIEND Words operator&(Words a, Words b) { return a.r & b.r; }
};

template <int n>
OPTIONSIB_INLINE Words shift_left(Words a) {
    return a.r << n;
}
template <int n>
OPTIONSIB_INLINE Words shift_right(Words a) {
    return a.r >> n;
}
template <int n>
OPTIONSIB_INLINE Words rotate_left(Words a) {
    return a.r << n | a.r >> (64 - n);
}
// The upper halves of the words as lower halves; what stands above them is not said.
OPTIONSIB_INLINE Words upper_halves(Words a) {
    return a.r >> 32;
}
OPTIONSIB_INLINE Words multiply_low(Words a, Words b) {
    return (a.r & 0xffffffffu) * (b.r & 0xffffffffu);
}
OPTIONSIB_INLINE Reals as_reals(Words a) {
    return (Doubles)a.r;
}
OPTIONSIB_INLINE Mask is_odd(Words a) {
    return {-(Integers)(a.r & 1u)};
}
OPTIONSIB_INLINE Words load_words(const std::uint64_t* from) {
    Words value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}
OPTIONSIB_INLINE void store(std::uint64_t* to, Words a) {
    __builtin_memcpy(to, &a.r, sizeof a.r);
}

// --- one number: the first lane counts -----------------------------------------------------------------

using One = Reals;

OPTIONSIB_INLINE bool is_true(Mask mask) {
    return mask.lanes[0] != 0;
}
OPTIONSIB_INLINE double first(One a) {
    return a.r[0];
}

}  // namespace baseline
}  // namespace optionsib::simd
