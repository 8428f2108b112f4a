#pragma once

// The normal distribution where option prices need it: relative accuracy kept far out in the tails.
//
//   n(x) = exp(-x^2/2) / sqrt(2 pi)                density
//   A(x) = (1 - N(x)) / n(x),        x >= 0        Mills ratio, = sqrt(pi/2) erfcx(x / sqrt 2)
//   B(x) = 1 - x A(x),               x >= 0        minus the slope of A, without the cancellation
//
// Error bounds (against 40-digit values, tests/math/normal_test.cpp): A and B 4 eps relative for every x >=
// 0; n and N 8 eps relative while the result is a normal number, absolute error below 5e-324 beyond. Source
// of A and B: own Chebyshev expansions (scripts/generate_pricing_coefficients.py); the idea of one expansion
// of erfcx over the half line in (x - c) / (x + c) is Schonfelder's (Math. Comp. 32, 1978, 1232).

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "optionsib/math/mills_coefficients.hpp"

namespace optionsib::math {

inline constexpr double inverse_sqrt_two_pi = 0.39894228040143267794;
inline constexpr double log_sqrt_two_pi = 0.91893853320467274178;

// Horner's rule in two interleaved chains (even and odd powers).
template <std::size_t N>
[[nodiscard]] inline double polynomial(const double (&coefficients)[N], double t) noexcept {
    const double square = t * t;
    double even = coefficients[(N - 1) & ~std::size_t{1}];
    double odd = coefficients[((N - 1) & 1) != 0 ? N - 1 : N - 2];
    for (std::size_t i = (N - 1) & ~std::size_t{1}; i >= 2; i -= 2)
        even = even * square + coefficients[i - 2];
    for (std::size_t i = ((N - 1) & 1) != 0 ? N - 1 : N - 2; i >= 3; i -= 2)
        odd = odd * square + coefficients[i - 2];
    return even + t * odd;
}

[[nodiscard]] inline double mills_ratio(double x) noexcept {
    return polynomial(mills_coefficients, (x - 5.0) / (x + 5.0)) / (1.0 + x);
}

[[nodiscard]] inline double mills_slope(double x) noexcept {
    const double scale = 1.0 + x;
    return polynomial(mills_slope_coefficients, (x - 5.0) / (x + 5.0)) / (scale * scale);
}

[[nodiscard]] inline double normal_density(double x) noexcept {
    if (!(std::fabs(x) < 39.0)) return std::isnan(x) ? x : 0.0;
    // x^2 = head^2 + (x - head)(x + head): the head's square is exact, so the exponent loses nothing.
    const double head = static_cast<double>(static_cast<float>(x));
    const double rest = 0.5 * (x - head) * (x + head);
    const double correction = 1.0 - rest * (1.0 - 0.5 * rest * (1.0 - rest / 3.0));
    return inverse_sqrt_two_pi * (std::exp(-0.5 * head * head) * correction);
}

[[nodiscard]] inline double normal_cdf(double x) noexcept {
    const double tail = normal_density(x) * mills_ratio(std::min(std::fabs(x), 1e10));
    return x > 0.0 ? 1.0 - tail : tail;
}

}  // namespace optionsib::math
