#pragma once

// One register of eight doubles: AVX-512 F, DQ and VL. See lanes.hpp for what the functions mean.

#include <immintrin.h>

#include <cstdint>

#include "optionsib/math/simd/inline.hpp"

namespace optionsib::simd {
inline namespace avx512 {

struct Mask {
    __mmask8 bits;

    OPTIONSIB_FRIEND Mask operator&(Mask a, Mask b) { return {static_cast<__mmask8>(a.bits & b.bits)}; }
    OPTIONSIB_FRIEND Mask operator|(Mask a, Mask b) { return {_kor_mask8(a.bits, b.bits)}; }
    OPTIONSIB_FRIEND Mask operator^(Mask a, Mask b) { return {_kxor_mask8(a.bits, b.bits)}; }
    OPTIONSIB_FRIEND Mask operator!(Mask a) { return {_knot_mask8(a.bits)}; }
};

struct Reals {
    using Boolean = Mask;
    static constexpr int width = 8;
    static constexpr int size = 8;
    static constexpr bool fused = true;

    __m512d r;

    Reals() = default;
    OPTIONSIB_INLINE Reals(__m512d value) : r(value) {}
    OPTIONSIB_INLINE Reals(double value) : r(_mm512_set1_pd(value)) {}

    OPTIONSIB_FRIEND Reals operator+(Reals a, Reals b) { return _mm512_add_pd(a.r, b.r); }
    OPTIONSIB_FRIEND Reals operator-(Reals a, Reals b) { return _mm512_sub_pd(a.r, b.r); }
    OPTIONSIB_FRIEND Reals operator*(Reals a, Reals b) { return _mm512_mul_pd(a.r, b.r); }
    OPTIONSIB_FRIEND Reals operator/(Reals a, Reals b) { return _mm512_div_pd(a.r, b.r); }
    OPTIONSIB_FRIEND Reals operator-(Reals a) { return _mm512_xor_pd(a.r, _mm512_set1_pd(-0.0)); }

    OPTIONSIB_FRIEND Mask operator<(Reals a, Reals b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_LT_OQ)}; }
    OPTIONSIB_FRIEND Mask operator<=(Reals a, Reals b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_LE_OQ)}; }
    OPTIONSIB_FRIEND Mask operator>(Reals a, Reals b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_GT_OQ)}; }
    OPTIONSIB_FRIEND Mask operator>=(Reals a, Reals b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_GE_OQ)}; }
    OPTIONSIB_FRIEND Mask operator==(Reals a, Reals b) { return {_mm512_cmp_pd_mask(a.r, b.r, _CMP_EQ_OQ)}; }
};

OPTIONSIB_INLINE Reals fma(Reals a, Reals b, Reals c) {
    return _mm512_fmadd_pd(a.r, b.r, c.r);
}
OPTIONSIB_INLINE Reals fms(Reals a, Reals b, Reals c) {
    return _mm512_fmsub_pd(a.r, b.r, c.r);
}
OPTIONSIB_INLINE Reals fnma(Reals a, Reals b, Reals c) {
    return _mm512_fnmadd_pd(a.r, b.r, c.r);
}
OPTIONSIB_INLINE Reals min(Reals a, Reals b) {
    return _mm512_min_pd(a.r, b.r);
}
OPTIONSIB_INLINE Reals max(Reals a, Reals b) {
    return _mm512_max_pd(a.r, b.r);
}
OPTIONSIB_INLINE Reals abs(Reals a) {
    return _mm512_andnot_pd(_mm512_set1_pd(-0.0), a.r);
}
OPTIONSIB_INLINE Reals sqrt(Reals a) {
    return _mm512_sqrt_pd(a.r);
}
// |value| with the sign of `sign` multiplied in.
OPTIONSIB_INLINE Reals flip_sign(Reals value, Reals sign) {
    return _mm512_xor_pd(value.r, _mm512_and_pd(sign.r, _mm512_set1_pd(-0.0)));
}
OPTIONSIB_INLINE Reals select(Mask mask, Reals yes, Reals no) {
    return _mm512_mask_blend_pd(mask.bits, no.r, yes.r);
}
// 14 bits by table, doubled twice; the last step corrects the product's rounding.
OPTIONSIB_INLINE Reals reciprocal(Reals a) {
    const __m512d one = _mm512_set1_pd(1.0);
    __m512d y = _mm512_rcp14_pd(a.r);
    const __m512d e = _mm512_fnmadd_pd(a.r, y, one);
    const __m512d e2 = _mm512_fmadd_pd(e, e, e);
    y = _mm512_fmadd_pd(y, e2, y);  // y (1 + e + e^2): 42 bits
    return _mm512_fmadd_pd(y, _mm512_fnmadd_pd(a.r, y, one), y);
}
OPTIONSIB_INLINE Reals round(Reals a) {
    return _mm512_roundscale_pd(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
OPTIONSIB_INLINE Reals scale(Reals a, Reals n) {
    return _mm512_scalef_pd(a.r, n.r);
}
OPTIONSIB_INLINE Reals exponent(Reals a) {
    return _mm512_getexp_pd(a.r);
}
OPTIONSIB_INLINE Reals mantissa(Reals a) {
    return _mm512_getmant_pd(a.r, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
}
OPTIONSIB_INLINE Reals match_exponent(Reals a, Reals b, Reals& k) {
    const __m512i difference = _mm512_sub_epi64(_mm512_castpd_si512(a.r), _mm512_castpd_si512(b.r));
    const __m512i rounded = _mm512_add_epi64(difference, _mm512_set1_epi64(std::int64_t{1} << 51));
    const __m512i exponents =
        _mm512_and_si512(rounded, _mm512_set1_epi64(static_cast<std::int64_t>(0xfff0000000000000u)));
    k = _mm512_cvtepi64_pd(_mm512_srai_epi64(rounded, 52));
    return _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(b.r), exponents));
}
// table[i] of sixteen, i the last four bits of `index`.
OPTIONSIB_INLINE Reals sixteenths(const double* table, Reals index) {
    return _mm512_permutex2var_pd(_mm512_loadu_pd(table), _mm512_castpd_si512(index.r),
                                  _mm512_loadu_pd(table + 8));
}
// a 2^floor(n).
OPTIONSIB_INLINE Reals scale_down(Reals a, Reals n) {
    return _mm512_scalef_pd(a.r, n.r);
}
OPTIONSIB_INLINE Reals gather(const double* table, Reals index) {
    return _mm512_i32gather_pd(_mm512_cvttpd_epi32(index.r), table, 8);
}
OPTIONSIB_INLINE Reals load_reals(const double* from) {
    return _mm512_loadu_pd(from);
}
OPTIONSIB_INLINE Reals load_signs(const std::int8_t* from) {
    __m128i bytes = _mm_setzero_si128();
    __builtin_memcpy(&bytes, from, 8);
    return _mm512_cvtepi32_pd(_mm256_cvtepi8_epi32(bytes));
}
OPTIONSIB_INLINE void store(double* to, Reals a) {
    _mm512_storeu_pd(to, a.r);
}
OPTIONSIB_INLINE void stream(double* to, Reals a) {
    _mm512_stream_pd(to, a.r);
}
// After the last stream(): its stores come before all later ones.
OPTIONSIB_INLINE void fence() {
    _mm_sfence();
}
OPTIONSIB_INLINE std::uint64_t bits(Mask mask) {
    return _cvtmask8_u32(mask.bits);
}

// --- unsigned integers ---------------------------------------------------------------------------------

struct Words {
    static constexpr int size = 8;

    __m512i r;

    Words() = default;
    OPTIONSIB_INLINE Words(__m512i value) : r(value) {}
    OPTIONSIB_INLINE Words(std::uint64_t value) : r(_mm512_set1_epi64(static_cast<std::int64_t>(value))) {}

    OPTIONSIB_FRIEND Words operator+(Words a, Words b) { return _mm512_add_epi64(a.r, b.r); }
    OPTIONSIB_FRIEND Words operator^(Words a, Words b) { return _mm512_xor_si512(a.r, b.r); }
    OPTIONSIB_FRIEND Words operator|(Words a, Words b) { return _mm512_or_si512(a.r, b.r); }
    OPTIONSIB_FRIEND Words operator&(Words a, Words b) { return _mm512_and_si512(a.r, b.r); }
};

template <int n>
OPTIONSIB_INLINE Words shift_left(Words a) {
    return _mm512_slli_epi64(a.r, n);
}
template <int n>
OPTIONSIB_INLINE Words shift_right(Words a) {
    return _mm512_srli_epi64(a.r, n);
}
template <int n>
OPTIONSIB_INLINE Words rotate_left(Words a) {
    return _mm512_rol_epi64(a.r, n);
}
// The upper halves of the words as lower halves; what stands above them is not said.
OPTIONSIB_INLINE Words upper_halves(Words a) {
    return _mm512_shuffle_epi32(a.r, _MM_PERM_DDBB);
}
OPTIONSIB_INLINE Words multiply_low(Words a, Words b) {
    return _mm512_mul_epu32(a.r, b.r);
}
OPTIONSIB_INLINE Reals as_reals(Words a) {
    return _mm512_castsi512_pd(a.r);
}
OPTIONSIB_INLINE Mask is_odd(Words a) {
    return {_mm512_test_epi64_mask(a.r, _mm512_set1_epi64(1))};
}
OPTIONSIB_INLINE Words load_words(const std::uint64_t* from) {
    return _mm512_loadu_si512(from);
}
OPTIONSIB_INLINE void store(std::uint64_t* to, Words a) {
    _mm512_storeu_si512(to, a.r);
}

// --- one number (one.hpp) ------------------------------------------------------------------------------

#include "optionsib/math/simd/one.hpp"

OPTIONSIB_INLINE One reciprocal(One a) {
    const __m128d one = _mm_set1_pd(1.0);
    __m128d y = _mm_rcp14_pd(a.r);
    const __m128d e = _mm_fnmadd_pd(a.r, y, one);
    y = _mm_fmadd_pd(y, _mm_fmadd_pd(e, e, e), y);
    return _mm_fmadd_pd(y, _mm_fnmadd_pd(a.r, y, one), y);
}
OPTIONSIB_INLINE One round(One a) {
    return _mm_roundscale_pd(a.r, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
OPTIONSIB_INLINE One scale(One a, One n) {
    return _mm_scalef_pd(a.r, n.r);
}
OPTIONSIB_INLINE One scale_down(One a, One n) {
    return _mm_scalef_pd(a.r, n.r);
}
OPTIONSIB_INLINE One sixteenths(const double* table, One index) {
    const __m128i bits = _mm_castpd_si128(index.r);
    return _mm_loadh_pd(_mm_load_sd(table + (_mm_cvtsi128_si64(bits) & 15)),
                        table + (_mm_extract_epi64(bits, 1) & 15));
}
OPTIONSIB_INLINE One match_exponent(One a, One b, One& k) {
    const __m128i difference = _mm_sub_epi64(_mm_castpd_si128(a.r), _mm_castpd_si128(b.r));
    const __m128i rounded = _mm_add_epi64(difference, _mm_set1_epi64x(std::int64_t{1} << 51));
    const __m128i exponents =
        _mm_and_si128(rounded, _mm_set1_epi64x(static_cast<std::int64_t>(0xfff0000000000000u)));
    k = _mm_cvtepi64_pd(_mm_srai_epi64(rounded, 52));
    return _mm_castsi128_pd(_mm_add_epi64(_mm_castpd_si128(b.r), exponents));
}

}  // namespace avx512
}  // namespace optionsib::simd
