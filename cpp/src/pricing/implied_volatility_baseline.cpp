#include "implied_volatility_lanes.hpp"

namespace optionsib::pricing {

const ImpliedVolatilityKernels implied_volatility_baseline = implied_volatility_runs;

}  // namespace optionsib::pricing
