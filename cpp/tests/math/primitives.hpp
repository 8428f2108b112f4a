#pragma once

// The vector primitives of one instruction set as functions of arrays. Nothing of the standard library or
// of the test framework may be inlined here: see optionsib/math/simd/lanes.hpp.

#include <cstddef>

#include "optionsib/math/simd/columns.hpp"
#include "optionsib/math/simd/functions.hpp"
#include "primitives_table.hpp"

namespace optionsib::test {
inline namespace OPTIONSIB_LANES {

using namespace simd;

template <class T>
OPTIONSIB_INLINE T primitive(Primitive which, T a, T b) {
    switch (which) {
        case Primitive::exp:
            return exp(a);
        case Primitive::log:
            return log(a);
        case Primitive::log1p:
            return log1p(a);
        case Primitive::log_ratio:
            return log_ratio(a, b);
        case Primitive::mills_ratio:
            return mills_ratio(a);
        case Primitive::mills_slope:
            return mills_slope(a);
        case Primitive::mills_difference: {
            const MillsPair<T> pair = mills_pair(a, a + b, b);
            return pair.difference / pair.denominator;
        }
        case Primitive::erfcx:
            return erfcx(a);
        case Primitive::normal_density:
            return normal_density(a);
        case Primitive::normal_cdf:
            return normal_cdf(a);
        case Primitive::reciprocal:
            return reciprocal(a);
        case Primitive::sqrt:
            return sqrt(a);
        case Primitive::divide:
            return a / b;
        case Primitive::fma:
            return fma(a, b, a);
        case Primitive::round:
            return round(a);
        case Primitive::exponent:
            return exponent(a);
        case Primitive::mantissa:
            return mantissa(a);
        case Primitive::scale:
            return scale(a, b);
        case Primitive::minimum:
            return min(a, b);
        case Primitive::maximum:
            return max(a, b);
        case Primitive::absolute:
            return abs(a);
        case Primitive::flip_sign:
            return flip_sign(a, b);
        case Primitive::select_less:
            return select(a < b, T(1.0), T(0.0));
        case Primitive::select_logic:
            return select((((a < b) ^ (a == b)) & !(b > 0.0)) | (b >= 2.0), a, b);
        case Primitive::gather: {
            static constexpr double squares[8] = {0, 1, 4, 9, 16, 25, 36, 49};
            return gather(squares, a);
        }
    }
    return a;
}

template <class T>
OPTIONSIB_INLINE void apply_pack(Primitive which, std::size_t size, const double* a, const double* b,
                                 double* out) {
    for (std::size_t i = 0; i + T::size <= size; i += T::size)
        store(out + i, primitive(which, load<T>(a + i), load<T>(b + i)));
}

template <int registers>
[[gnu::visibility("hidden")]] void apply(Primitive which, std::size_t size, const double* a, const double* b,
                                         double* out) {
    apply_pack<Pack<registers>>(which, size, a, b, out);
}

[[gnu::visibility("hidden")]] inline std::uint64_t sign_bits(const double* a) {
    return bits(load<Pack<2>>(a) < 0.0);
}

}  // namespace OPTIONSIB_LANES
}  // namespace optionsib::test
