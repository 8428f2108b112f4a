#include "american_greeks_lanes.hpp"

namespace optionsib::pricing {

const AmericanGreeksKernels american_greeks_avx2 = american_greeks_runs;

}  // namespace optionsib::pricing
