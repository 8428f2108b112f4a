#include "american_lanes.hpp"

namespace optionsib::pricing {

const AmericanKernels american_baseline = american_runs;

}  // namespace optionsib::pricing
