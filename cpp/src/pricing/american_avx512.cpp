#include "american_lanes.hpp"

namespace optionsib::pricing {

const AmericanKernels american_avx512 = american_runs;

}  // namespace optionsib::pricing
