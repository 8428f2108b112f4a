#include "random_numbers.hpp"

namespace optionsib::test {

const RandomNumbers random_avx512 = random_numbers;

}  // namespace optionsib::test
