#include "european_lanes.hpp"

namespace optionsib::pricing {

const EuropeanKernels european_avx2 = european_table;

}  // namespace optionsib::pricing
