#pragma once

// Random words to uniform and normal numbers, on registers.

#include "optionsib/math/simd/floats.hpp"
#include "optionsib/math/simd/functions.hpp"
#include "optionsib/montecarlo/normal_coefficients.hpp"

namespace optionsib::montecarlo {
inline namespace OPTIONSIB_LANES {

// (k + 1/2) / 2^52 of the upper 52 bits k: never 0 or 1.
OPTIONSIB_INLINE simd::Reals uniform(simd::Words word) {
    const simd::Words one_to_two = simd::shift_right<12>(word) | std::uint64_t{0x3ff0000000000000};
    return simd::as_reals(one_to_two) - (1.0 - 0x1p-53);
}

// ln x of x in (0, 1], to 1e-15 absolutely and 4 ulp where |ln x| > 1/16: without a division where registers
// hold sixteen numbers of a table.
OPTIONSIB_INLINE simd::Reals log_of_uniform(simd::Reals x) {
    using T = simd::Reals;
    using namespace simd;  // NOLINT
    if constexpr (Reals::width != 8) {
        return log(x);
    } else {
        const T m = mantissa(x);
        const T sixteenth = (m - 1.0 / 32.0) + 0x1.8p48;  // the last bits: floor(16 m)
        const T r = fms(m, sixteenths(log_inverses, sixteenth), T(1.0));
        const T square = r * r;
        const auto& c = log_coefficients;
        const T even = fma(fma(fma(T(c[6]), square, c[4]), square, c[2]), square, c[0]);
        const T odd = fma(fma(fma(T(c[7]), square, c[5]), square, c[3]), square, c[1]);
        const T rest = fma(fma(odd, r, even), square, r);
        return fma(exponent(x), T(0x1.62e42fefa39efp-1), sixteenths(log_table, sixteenth)) + rest;
    }
}

// The square root of x >= 0 to 1 ulp, of less than 1e-300 as of that: on the widest registers without the
// divider, which is slower than the rest of most loops.
OPTIONSIB_INLINE simd::Reals fast_root(simd::Reals x) {
#if defined(OPTIONSIB_LANES_AVX512)
    using namespace simd;  // NOLINT
    const Reals a = max(x, Reals(1e-300)), y = _mm512_rsqrt14_pd(a.r);
    const Reals s = a * y, h = 0.5 * y, e = fnma(h, s, Reals(0.5));
    const Reals s1 = fma(s, e, s), h1 = fma(h, e, h);
    const Reals s2 = fma(fnma(s1, s1, a), h1, s1);
    return s2;
#else
    return sqrt(max(x, simd::Reals(0.0)));
#endif
}
OPTIONSIB_INLINE simd::Floats fast_root(simd::Floats x) {
#if defined(OPTIONSIB_LANES_AVX512)
    using namespace simd;  // NOLINT
    const Floats a = max(x, Floats(1e-30f)), y = Floats::Register(_mm512_rsqrt14_ps(a.r));
    const Floats s = a * y, h = y * 0.5f;
    return fma(fma(s * -1.0f, s, a), h, s);
#else
    return sqrt(max(x, simd::Floats(0.0f)));
#endif
}

// Two independent standard normal numbers from two words (G. E. P. Box, M. E. Muller, "A note on the
// generation of random normal deviates", 1958). The angle lies in [-pi/4, pi/4); two more bits of the second
// word, swap and sign, take it around the circle.
OPTIONSIB_INLINE simd::Two<simd::Reals> normal_pair(simd::Words first, simd::Words second) {
    using namespace simd;  // NOLINT
    // Here the divider works beside the rest.
    const Reals radius = sqrt(max(-2.0 * log_of_uniform(uniform(first)), Reals(0.0)));
    const Reals angle = fms(uniform(second), Reals(0x1.921fb54442d18p+0), Reals(0x1.921fb54442d18p-1));
    const Reals square = angle * angle;
    const Reals sine = fma(angle * square, polynomial(sin_coefficients, square), angle);
    const Reals cosine = fma(square, polynomial(cos_coefficients, square), Reals(1.0));
    const auto swapped = is_odd(second);
    const Reals length = flip_sign(radius, as_reals(shift_left<62>(second)));
    return {length * select(swapped, sine, cosine), length * select(swapped, cosine, sine)};
}

// The same in single precision, from the halves of the words: 31 bits make the radius; 24, and the last two
// for swap and sign, the angle.
OPTIONSIB_INLINE simd::Two<simd::Floats> narrow_normal_pair(simd::Words first, simd::Words second) {
    using namespace simd;  // NOLINT
    const auto one = halves(first), two = halves(second);
    const Floats u = fma(to_floats((one >> 1) & 0x7fffffff), 0x1p-31f, 0x1p-32f);
    const Floats radius = sqrt(max(-2.0f * log(u), Floats(0.0f)));
    const Floats angle =
        fma(to_floats((two >> 8) & 0xffffff), 0x1.921fb6p-24f, (0x1p-25f - 0.5f) * 0x1.921fb6p+0f);
    const Floats square = angle * angle;
    const Floats sine = fma(angle * square, polynomial(narrow_sin_coefficients, square), angle);
    const Floats cosine = fma(square, polynomial(narrow_cos_coefficients, square), 1.0f);
    const auto swapped = (two & 1) != 0;
    const Floats length = as_floats(as_integers(radius) ^ ((two << 30) & INT32_MIN));
    return {length * select(swapped, sine, cosine), length * select(swapped, cosine, sine)};
}

// The 64-bit words that give normal_pair the numbers of narrow_normal_pair for these halves.
[[gnu::always_inline]] inline std::uint64_t word_of_first_half(std::uint32_t half) {
    return std::uint64_t{half >> 1} << 33 | std::uint64_t{1} << 32;
}
[[gnu::always_inline]] inline std::uint64_t word_of_second_half(std::uint32_t half) {
    return std::uint64_t{half >> 8} << 40 | std::uint64_t{1} << 39 | (half & 3);
}

// The standard normal quantile of p in [2^-33, 1 - 2^-33] (M. J. Wichura, "Algorithm AS 241: the percentage
// points of the normal distribution", Applied Statistics 37 (1988), PPND16): the far tail of the algorithm,
// p < 1.4e-11, is never asked for.
OPTIONSIB_INLINE simd::Reals normal_quantile(simd::Reals p) {
    using namespace simd;  // NOLINT
    constexpr double a[8] = {3.3871328727963666080e0,  1.3314166789178437745e+2, 1.9715909503065514427e+3,
                             1.3731693765509461125e+4, 4.5921953931549871457e+4, 6.7265770927008700853e+4,
                             3.3430575583588128105e+4, 2.5090809287301226727e+3};
    constexpr double b[8] = {1.0,
                             4.2313330701600911252e+1,
                             6.8718700749205790830e+2,
                             5.3941960214247511077e+3,
                             2.1213794301586595867e+4,
                             3.9307895800092710610e+4,
                             2.8729085735721942674e+4,
                             5.2264952788528545610e+3};
    constexpr double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0, 5.76949722146069140550e0,
                             3.64784832476320460504e0,  1.27045825245236838258e0, 2.41780725177450611770e-1,
                             2.27238449892691845833e-2, 7.74545014278341407640e-4};
    constexpr double d[8] = {1.0,
                             2.05319162663775882187e0,
                             1.67638483018380384940e0,
                             6.89767334985100004550e-1,
                             1.48103976427480074590e-1,
                             1.51986665636164571966e-2,
                             5.47593808499534494600e-4,
                             1.05075007164441684324e-9};
    const Reals q = p - 0.5, r = fnma(q, q, Reals(0.180625));
    const Reals central = q * (polynomial(a, r) / polynomial(b, r));
    const Mask is_tail = r < 0.0;
    if (bits(is_tail) == 0) return central;
    const Reals s = fast_root(-log_of_uniform(min(p, 1.0 - p))) - 1.6;
    const Reals tail = flip_sign(polynomial(c, s) / polynomial(d, s), q);
    return select(is_tail, tail, central);
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
