#include "primitives.hpp"

namespace optionsib::test {

const Primitives primitives_avx2 = {apply<1>, apply<3>, sign_bits, simd::Reals::width, simd::Reals::fused};

}  // namespace optionsib::test
