#pragma once

// The normalised out-of-the-money option: forward and strike enter as x = -|ln(F/K)| only.
//
//   c(x, s) = N(h + t) - exp(-x) N(h - t),   h = x/s <= 0,  t = s/2 > 0,   0 < c < 1
//
// is the undiscounted price over min(F, K). dc/ds = n(h + t).

#include <algorithm>
#include <cmath>

#include "optionsib/math/normal.hpp"

namespace optionsib::pricing {

// Beyond these the results have long reached their limits (0 or 1); the clamp keeps every product finite.
inline constexpr double largest_argument = 1e10;
// Below this t the difference of Mills ratios comes from its Taylor series, 8 odd terms, truncated below
// 2e-17.
inline constexpr double series_limit = 0.175;

struct Arguments {
    double h, t, d1, d2;
};

[[nodiscard]] inline Arguments arguments(double x, double s) noexcept {
    const double h = std::max(x / s, -largest_argument);
    const double t = std::min(0.5 * s, largest_argument);
    return {h, t, h + t, h - t};
}

// c / n(d1) by the series: 2 sum t^(2k+1) / (2k+1)! Y_(2k+1)(h), Y_n the n-th derivative of A(-z) at z = h,
// Y_(n+2) = (h^2 + 2n + 1) Y_n - n (n - 1) Y_(n-2). The error of the recurrence is damped by t^(2k):
// it stays near eps sinh(x/2) / (x/2).
[[nodiscard]] inline double mills_difference_series(double h, double t) noexcept {
    const double z = h * h, u = t * t;
    const double y1 = math::mills_slope(-h);
    const double y3 = (z + 3.0) * y1 - 1.0;
    const double y5 = (z + 7.0) * y3 - 6.0 * y1;
    const double y7 = (z + 11.0) * y5 - 20.0 * y3;
    const double y9 = (z + 15.0) * y7 - 42.0 * y5;
    const double y11 = (z + 19.0) * y9 - 72.0 * y7;
    const double y13 = (z + 23.0) * y11 - 110.0 * y9;
    const double y15 = (z + 27.0) * y13 - 156.0 * y11;
    const double sum =
        y1 +
        u / 6.0 *
            (y3 +
             u / 20.0 *
                 (y5 + u / 42.0 *
                           (y7 + u / 72.0 * (y9 + u / 110.0 * (y11 + u / 156.0 * (y13 + u / 210.0 * y15))))));
    return 2.0 * t * sum;
}

// c, given n(d1), A(|d1|) and A(-d2).
[[nodiscard]] inline double normalised_price(const Arguments& at, double density, double mills1,
                                             double mills2) noexcept {
    if (at.t < series_limit) return density * mills_difference_series(at.h, at.t);
    const bool below = at.d1 <= 0.0;
    const double product = density * ((below ? mills1 : -mills1) - mills2);
    return (below ? 0.0 : 1.0) + product;
}

}  // namespace optionsib::pricing
