#include "random_numbers.hpp"

namespace optionsib::test {

const RandomNumbers random_avx2 = random_numbers;

}  // namespace optionsib::test
