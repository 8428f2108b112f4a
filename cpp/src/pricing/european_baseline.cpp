#include "european_lanes.hpp"

namespace optionsib::pricing {

const EuropeanKernels european_baseline = european_table;

}  // namespace optionsib::pricing
