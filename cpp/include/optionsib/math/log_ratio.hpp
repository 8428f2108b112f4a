#pragma once

// ln(a / b) of two positive numbers, relative error 3 eps also where a and b are nearly equal.
//
// Within a factor of two a - b is exact, and ln(a / b) = 2 atanh(z), z = (a - b) / (a + b), by a polynomial
// of own make (scripts/generate_pricing_coefficients.py). Beyond, the logarithm of the quotient is large
// enough to absorb the quotient's rounding.

#include <cmath>

#include "optionsib/math/log_coefficients.hpp"
#include "optionsib/math/normal.hpp"

namespace optionsib::math {

[[nodiscard]] inline double log_ratio(double a, double b) noexcept {
    const double ratio = a / b;
    if (ratio > 0.5 && ratio < 2.0) {
        // Halves: the sum of two huge numbers must not overflow; denormal ones are scaled up instead.
        const double scale = b < 1e-290 ? 0x1p60 : 0.5;
        const double z = (scale * a - scale * b) / (scale * a + scale * b);
        const double square = z * z;
        return 2.0 * (z + z * square * polynomial(atanh_coefficients, square));
    }
    return ratio > 1e-300 && ratio < 1e300 ? std::log(ratio) : std::log(a) - std::log(b);
}

}  // namespace optionsib::math
