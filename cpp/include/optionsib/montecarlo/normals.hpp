#pragma once

// Random words to uniform and normal numbers, on registers.

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
    using namespace simd;  // NOLINT
    if constexpr (Reals::width != 8) {
        return log(x);
    } else {
        const Reals m = mantissa(x);
        const Reals sixteenth = (m - 1.0 / 32.0) + 0x1.8p48;  // the last bits: floor(16 m)
        const Reals r = fms(m, sixteenths(log_inverses, sixteenth), Reals(1.0));
        const Reals square = r * r;
        const auto& c = log_coefficients;
        const Reals even = fma(fma(fma(Reals(c[6]), square, c[4]), square, c[2]), square, c[0]);
        const Reals odd = fma(fma(fma(Reals(c[7]), square, c[5]), square, c[3]), square, c[1]);
        const Reals rest = fma(fma(odd, r, even), square, r);
        return fma(exponent(x), Reals(0x1.62e42fefa39efp-1), sixteenths(log_table, sixteenth)) + rest;
    }
}

// Two independent standard normal numbers from two words (G. E. P. Box, M. E. Muller, "A note on the
// generation of random normal deviates", 1958). The angle lies in [-pi/4, pi/4); two more bits of the second
// word, swap and sign, take it around the circle.
OPTIONSIB_INLINE simd::Two<simd::Reals> normal_pair(simd::Words first, simd::Words second) {
    using namespace simd;  // NOLINT
    const Reals radius = sqrt(max(-2.0 * log_of_uniform(uniform(first)), Reals(0.0)));
    const Reals angle = fms(uniform(second), Reals(0x1.921fb54442d18p+0), Reals(0x1.921fb54442d18p-1));
    const Reals square = angle * angle;
    const Reals sine = fma(angle * square, polynomial(sin_coefficients, square), angle);
    const Reals cosine = fma(square, polynomial(cos_coefficients, square), Reals(1.0));
    const auto swapped = is_odd(second);
    const Reals length = flip_sign(radius, as_reals(shift_left<62>(second)));
    return {length * select(swapped, sine, cosine), length * select(swapped, cosine, sine)};
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::montecarlo
