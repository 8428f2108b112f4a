#include "european_lanes.hpp"

namespace optionsib::pricing {

const EuropeanKernels european_avx512 = european_table;

}  // namespace optionsib::pricing
