#pragma once

// One option with one exercise boundary, of any size, slowly: where the kernels' grids are too coarse.

#include "optionsib/pricing/american.hpp"

namespace optionsib::pricing {

// A put with spot and boundary in units of the strike and time in units of its expiry: `rate` and `yield` are
// rT and qT, `total` is volatility sqrt(T). rate > 0, or rate = 0 and yield < 0; total > 0.
struct ScaledPut {
    double rate, yield, total;
};

// Of ln(b / b(0+)), b(0+) = min(1, rate / yield) where yield > 0 and 1 elsewhere.
[[nodiscard]] double american_march_depth(Tier tier, const ScaledPut& put) noexcept;

// The early exercise premium; the spot above the boundary, `depth` that of the boundary.
[[nodiscard]] double american_march_premium(Tier tier, const ScaledPut& put, double log_spot,
                                            double& depth) noexcept;

}  // namespace optionsib::pricing
