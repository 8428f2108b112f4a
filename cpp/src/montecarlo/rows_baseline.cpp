#include "rows_lanes.hpp"

namespace optionsib::montecarlo {

const BlockRunners rows_baseline = block_runners;

}  // namespace optionsib::montecarlo
