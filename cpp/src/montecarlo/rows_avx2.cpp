#include "rows_lanes.hpp"

namespace optionsib::montecarlo {

const BlockRunners rows_avx2 = block_runners;

}  // namespace optionsib::montecarlo
