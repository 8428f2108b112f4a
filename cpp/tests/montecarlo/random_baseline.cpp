#include "random_numbers.hpp"

namespace optionsib::test {

const RandomNumbers random_baseline = random_numbers;

}  // namespace optionsib::test
