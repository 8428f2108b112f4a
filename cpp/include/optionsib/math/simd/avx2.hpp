#pragma once

// One register of four doubles: AVX2 and FMA. See lanes.hpp for what the functions mean.

#include <immintrin.h>

#include <cstdint>

#include "optionsib/math/simd/inline.hpp"

namespace optionsib::simd {
inline namespace avx2 {

struct Mask {
    __m256d lanes;

    OPTIONSIB_FRIEND Mask operator&(Mask a, Mask b) { return {_mm256_and_pd(a.lanes, b.lanes)}; }
    OPTIONSIB_FRIEND Mask operator|(Mask a, Mask b) { return {_mm256_or_pd(a.lanes, b.lanes)}; }
    OPTIONSIB_FRIEND Mask operator^(Mask a, Mask b) { return {_mm256_xor_pd(a.lanes, b.lanes)}; }
    OPTIONSIB_FRIEND Mask operator!(Mask a) {
        return {_mm256_xor_pd(a.lanes, _mm256_castsi256_pd(_mm256_set1_epi64x(-1)))};
    }
};

struct Reals {
    using Boolean = Mask;
    static constexpr int width = 4;
    static constexpr int size = 4;
    static constexpr bool fused = true;

    __m256d r;

    Reals() = default;
    OPTIONSIB_INLINE Reals(__m256d value) : r(value) {}
    OPTIONSIB_INLINE Reals(double value) : r(_mm256_set1_pd(value)) {}

    OPTIONSIB_FRIEND Reals operator+(Reals a, Reals b) { return _mm256_add_pd(a.r, b.r); }
    OPTIONSIB_FRIEND Reals operator-(Reals a, Reals b) { return _mm256_sub_pd(a.r, b.r); }
    OPTIONSIB_FRIEND Reals operator*(Reals a, Reals b) { return _mm256_mul_pd(a.r, b.r); }
    OPTIONSIB_FRIEND Reals operator/(Reals a, Reals b) { return _mm256_div_pd(a.r, b.r); }
    OPTIONSIB_FRIEND Reals operator-(Reals a) { return _mm256_xor_pd(a.r, _mm256_set1_pd(-0.0)); }

    OPTIONSIB_FRIEND Mask operator<(Reals a, Reals b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_LT_OQ)}; }
    OPTIONSIB_FRIEND Mask operator<=(Reals a, Reals b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_LE_OQ)}; }
    OPTIONSIB_FRIEND Mask operator>(Reals a, Reals b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_GT_OQ)}; }
    OPTIONSIB_FRIEND Mask operator>=(Reals a, Reals b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_GE_OQ)}; }
    OPTIONSIB_FRIEND Mask operator==(Reals a, Reals b) { return {_mm256_cmp_pd(a.r, b.r, _CMP_EQ_OQ)}; }
};

OPTIONSIB_INLINE Reals fma(Reals a, Reals b, Reals c) {
    return _mm256_fmadd_pd(a.r, b.r, c.r);
}
OPTIONSIB_INLINE Reals fms(Reals a, Reals b, Reals c) {
    return _mm256_fmsub_pd(a.r, b.r, c.r);
}
OPTIONSIB_INLINE Reals fnma(Reals a, Reals b, Reals c) {
    return _mm256_fnmadd_pd(a.r, b.r, c.r);
}
OPTIONSIB_INLINE Reals min(Reals a, Reals b) {
    return _mm256_min_pd(a.r, b.r);
}
OPTIONSIB_INLINE Reals max(Reals a, Reals b) {
    return _mm256_max_pd(a.r, b.r);
}
OPTIONSIB_INLINE Reals abs(Reals a) {
    return _mm256_andnot_pd(_mm256_set1_pd(-0.0), a.r);
}
OPTIONSIB_INLINE Reals sqrt(Reals a) {
    return _mm256_sqrt_pd(a.r);
}
OPTIONSIB_INLINE Reals flip_sign(Reals value, Reals sign) {
    return _mm256_xor_pd(value.r, _mm256_and_pd(sign.r, _mm256_set1_pd(-0.0)));
}
OPTIONSIB_INLINE Reals select(Mask mask, Reals yes, Reals no) {
    return _mm256_blendv_pd(no.r, yes.r, mask.lanes);
}
OPTIONSIB_INLINE Reals reciprocal(Reals a) {
    return _mm256_div_pd(_mm256_set1_pd(1.0), a.r);
}
OPTIONSIB_INLINE Reals round(Reals a) {
    return _mm256_round_pd(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// 2^n of integral n in [-1022, 1023].
OPTIONSIB_INLINE Reals power_of_two(Reals n) {
    const __m256d shifted = _mm256_add_pd(n.r, _mm256_set1_pd(0x1.8p52 + 1023.0));
    return _mm256_castsi256_pd(_mm256_slli_epi64(_mm256_castpd_si256(shifted), 52));
}
OPTIONSIB_INLINE Reals scale(Reals a, Reals n) {
    const Reals bounded = max(min(n, 2040.0), -2040.0);
    const Reals half = round(bounded * 0.5);
    return a * power_of_two(half) * power_of_two(bounded - half);
}
OPTIONSIB_INLINE Reals exponent(Reals a) {
    const __m256i high = _mm256_srli_epi64(_mm256_castpd_si256(a.r), 52);
    const __m256d biased =
        _mm256_castsi256_pd(_mm256_or_si256(high, _mm256_castpd_si256(_mm256_set1_pd(0x1p52))));
    return _mm256_sub_pd(biased, _mm256_set1_pd(0x1p52 + 1023.0));
}
OPTIONSIB_INLINE Reals mantissa(Reals a) {
    const __m256d fraction = _mm256_and_pd(a.r, _mm256_castsi256_pd(_mm256_set1_epi64x(0x000fffffffffffff)));
    return _mm256_or_pd(fraction, _mm256_set1_pd(1.0));
}
OPTIONSIB_INLINE Reals match_exponent(Reals a, Reals b, Reals& k) {
    const __m256i difference = _mm256_sub_epi64(_mm256_castpd_si256(a.r), _mm256_castpd_si256(b.r));
    const __m256i rounded = _mm256_add_epi64(difference, _mm256_set1_epi64x(std::int64_t{1} << 51));
    const __m256i exponents =
        _mm256_and_si256(rounded, _mm256_set1_epi64x(static_cast<std::int64_t>(0xfff0000000000000u)));
    // k + 2048 is positive, so that a logical shift does; under the bits of 2^52 it is a double.
    const __m256i lifted = _mm256_srli_epi64(
        _mm256_xor_si256(rounded, _mm256_set1_epi64x(static_cast<std::int64_t>(0x8000000000000000u))), 52);
    const __m256d biased =
        _mm256_castsi256_pd(_mm256_or_si256(lifted, _mm256_castpd_si256(_mm256_set1_pd(0x1p52))));
    k = _mm256_sub_pd(biased, _mm256_set1_pd(0x1p52 + 2048.0));
    return _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(b.r), exponents));
}
// Declared for templates that ask T::width == 8 first.
Reals sixteenths(const double* table, Reals index);
Reals scale_down(Reals a, Reals n);
OPTIONSIB_INLINE Reals gather(const double* table, Reals index) {
    return _mm256_i32gather_pd(table, _mm256_cvttpd_epi32(index.r), 8);
}
OPTIONSIB_INLINE Reals load_reals(const double* from) {
    return _mm256_loadu_pd(from);
}
OPTIONSIB_INLINE Reals load_signs(const std::int8_t* from) {
    int bytes;
    __builtin_memcpy(&bytes, from, 4);
    return _mm256_cvtepi32_pd(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(bytes)));
}
OPTIONSIB_INLINE void store(double* to, Reals a) {
    _mm256_storeu_pd(to, a.r);
}
OPTIONSIB_INLINE void stream(double* to, Reals a) {
    _mm256_stream_pd(to, a.r);
}
// After the last stream(): its stores come before all later ones.
OPTIONSIB_INLINE void fence() {
    _mm_sfence();
}
OPTIONSIB_INLINE std::uint64_t bits(Mask mask) {
    return static_cast<std::uint64_t>(_mm256_movemask_pd(mask.lanes));
}

// --- unsigned integers ---------------------------------------------------------------------------------

struct Words {
    static constexpr int size = 4;

    __m256i r;

    Words() = default;
    OPTIONSIB_INLINE Words(__m256i value) : r(value) {}
    OPTIONSIB_INLINE Words(std::uint64_t value) : r(_mm256_set1_epi64x(static_cast<std::int64_t>(value))) {}

    OPTIONSIB_FRIEND Words operator+(Words a, Words b) { return _mm256_add_epi64(a.r, b.r); }
    OPTIONSIB_FRIEND Words operator^(Words a, Words b) { return _mm256_xor_si256(a.r, b.r); }
    OPTIONSIB_FRIEND Words operator|(Words a, Words b) { return _mm256_or_si256(a.r, b.r); }
    OPTIONSIB_FRIEND Words operator&(Words a, Words b) { return _mm256_and_si256(a.r, b.r); }
};

template <int n>
OPTIONSIB_INLINE Words shift_left(Words a) {
    return _mm256_slli_epi64(a.r, n);
}
template <int n>
OPTIONSIB_INLINE Words shift_right(Words a) {
    return _mm256_srli_epi64(a.r, n);
}
template <int n>
OPTIONSIB_INLINE Words rotate_left(Words a) {
    return shift_left<n>(a) | shift_right<64 - n>(a);
}
// The upper halves of the words as lower halves; what stands above them is not said.
OPTIONSIB_INLINE Words upper_halves(Words a) {
    return _mm256_shuffle_epi32(a.r, 0xf5);
}
OPTIONSIB_INLINE Words multiply_low(Words a, Words b) {
    return _mm256_mul_epu32(a.r, b.r);
}
OPTIONSIB_INLINE Reals as_reals(Words a) {
    return _mm256_castsi256_pd(a.r);
}
OPTIONSIB_INLINE Mask is_odd(Words a) {
    // Of a mask's lanes the highest bit is looked at, or all: make them all alike.
    const __m256i lowest = _mm256_and_si256(a.r, _mm256_set1_epi64x(1));
    return {_mm256_castsi256_pd(_mm256_sub_epi64(_mm256_setzero_si256(), lowest))};
}
OPTIONSIB_INLINE Words load_words(const std::uint64_t* from) {
    Words value;
    __builtin_memcpy(&value, from, sizeof value);
    return value;
}
OPTIONSIB_INLINE void store(std::uint64_t* to, Words a) {
    __builtin_memcpy(to, &a.r, sizeof a.r);
}

// --- one number (one.hpp) ------------------------------------------------------------------------------

#include "optionsib/math/simd/one.hpp"

OPTIONSIB_INLINE One reciprocal(One a) {
    return _mm_div_pd(_mm_set1_pd(1.0), a.r);
}
OPTIONSIB_INLINE One round(One a) {
    return _mm_round_pd(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
OPTIONSIB_INLINE One power_of_two(One n) {
    const __m128d shifted = _mm_add_pd(n.r, _mm_set1_pd(0x1.8p52 + 1023.0));
    return _mm_castsi128_pd(_mm_slli_epi64(_mm_castpd_si128(shifted), 52));
}
OPTIONSIB_INLINE One scale(One a, One n) {
    const One bounded = max(min(n, 2040.0), -2040.0);
    const One half = round(bounded * 0.5);
    return a * power_of_two(half) * power_of_two(bounded - half);
}
OPTIONSIB_INLINE One match_exponent(One a, One b, One& k) {
    const __m128i difference = _mm_sub_epi64(_mm_castpd_si128(a.r), _mm_castpd_si128(b.r));
    const __m128i rounded = _mm_add_epi64(difference, _mm_set1_epi64x(std::int64_t{1} << 51));
    const __m128i exponents =
        _mm_and_si128(rounded, _mm_set1_epi64x(static_cast<std::int64_t>(0xfff0000000000000u)));
    const __m128i lifted = _mm_srli_epi64(
        _mm_xor_si128(rounded, _mm_set1_epi64x(static_cast<std::int64_t>(0x8000000000000000u))), 52);
    const __m128d biased = _mm_castsi128_pd(_mm_or_si128(lifted, _mm_castpd_si128(_mm_set1_pd(0x1p52))));
    k = _mm_sub_pd(biased, _mm_set1_pd(0x1p52 + 2048.0));
    return _mm_castsi128_pd(_mm_add_epi64(_mm_castpd_si128(b.r), exponents));
}

}  // namespace avx2
}  // namespace optionsib::simd
