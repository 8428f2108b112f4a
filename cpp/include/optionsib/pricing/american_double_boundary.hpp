#pragma once

// American puts with dividend yield < rate < 0, and the calls that mirror them (rate < yield < 0): exercise
// is best between two critical spots, Y(tau) <= S <= B(tau), which start at Y(0) = K r / q and B(0) = K and
// close in on one another as the remaining time tau grows. With a volatility above |sqrt(-2r) - sqrt(-2q)|
// they meet at a finite tau*, and with more time than that left exercise is never best.
//
// A spot above B reaches Y only through B, so each boundary solves an integral equation of its own until they
// meet (Andersen and Lake, "Fast American Option Pricing: The Double-Boundary Case", Wilmott, 2021). The
// value is the European one and, over 0 < u < min(T, tau*), what exercise between the boundaries earns:
//   int r K e^{-rt} [N(-d2(B)) - N(-d2(Y))] - q S e^{-qt} [N(-d1(B)) - N(-d1(Y))] du,   t = T - u.
// The equations are the smooth-pasting ones, collocated at Chebyshev nodes of tau^{1/4}, with tanh-sinh
// quadrature; Newton's method starts from a march through the nodes.
//
// Error per 100 of strike for 1 % <= volatility <= 100 %, T <= 30: fast 1.6e-3, accurate 2e-4, high 1e-6.
// Needed of the inputs: kind +-1, spot, strike, time to expiry and volatility positive, all finite, and the
// order of rate and yield named above. Time is taken as in european.hpp. No exceptions, no allocation.

#include <array>

#include "optionsib/pricing/american.hpp"

namespace optionsib::pricing {

[[nodiscard]] Status american_double_boundary_price(Tier tier, const European& option, double volatility,
                                                    double& price) noexcept;

// The nine values of order 1 in raw units, in the order of `Greek`.
[[nodiscard]] Status american_double_boundary_greeks(Tier tier, const European& option, double volatility,
                                                     std::array<double, 9>& values) noexcept;

// Exercise is best for lower <= spot <= upper; NaN for both where it is never best.
[[nodiscard]] Status american_double_boundary_exercise(Tier tier, const European& option, double volatility,
                                                       double& lower, double& upper) noexcept;

}  // namespace optionsib::pricing
