#pragma once

// The registers of one instruction set, as types: `Reals` is one of them, `Pack<N>` N side by side, `Mask`
// and `PackMask<N>` the outcome of comparing them. A translation unit gets one instruction set, named by its
// compile definition: OPTIONSIB_LANES_AVX512, OPTIONSIB_LANES_AVX2, or none for the baseline.
//
// Functions written `template <class T>` over these types are the numerical kernels. What the types offer:
//
//   + - * / and unary minus, < <= > >= == (false with NaN), & | ^ ! of masks, bits(mask)
//   fma(a, b, c) = a b + c    fms = a b - c    fnma = c - a b    rounded once where T::fused
//   min max abs sqrt flip_sign(value, sign) select(mask, yes, no) round (to even, |x| < 2^51)
//   reciprocal(x)       1 ulp, |x| in [2^-1000, 2^1000]
//   exponent, mantissa  x = m 2^e, m in [1, 2), normal x > 0
//   match_exponent(a, b, k)  b 2^k with a / (b 2^k) in [2/3, 3/2], normal a, b > 0 and such results
//   scale(x, n)         x 2^n for integral n, right to zero, denormals and infinity
//   gather(table, i)    table[i] for integral i >= 0
//   load<T>(from), store(to, x)  T::size doubles, no alignment needed; stream needs that of a
//                       register and, after the last one, fence()
//
// `Words` is a register of as many 64-bit unsigned integers: + ^ | &, shift_left<n>, shift_right<n>,
// rotate_left<n>, multiply_low(a, b) (of the low halves, the whole product), upper_halves, as_reals (the
// bits), is_odd, load_words, store.
//
// `One` is for a single number: the same operations with the same bits, in a narrow register on the wide
// instruction sets; first(x) is the number, is_true(mask) its condition.

#include <cstdint>

#include "optionsib/math/simd/inline.hpp"

#if defined(OPTIONSIB_LANES_AVX512)
#include "optionsib/math/simd/avx512.hpp"
#define OPTIONSIB_LANES avx512
#elif defined(OPTIONSIB_LANES_AVX2)
#include "optionsib/math/simd/avx2.hpp"
#define OPTIONSIB_LANES avx2
#else
#include "optionsib/math/simd/baseline.hpp"
#define OPTIONSIB_LANES baseline
#endif

namespace optionsib::simd {
inline namespace OPTIONSIB_LANES {

#include "optionsib/math/simd/pack.hpp"

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::simd
