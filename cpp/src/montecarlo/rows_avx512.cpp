#include "rows_lanes.hpp"

namespace optionsib::montecarlo {

const BlockRunners rows_avx512 = block_runners;

}  // namespace optionsib::montecarlo
