// Written by scripts/generate_simd_coefficients.py; do not edit.
#pragma once

namespace optionsib::pricing {

// Lowest power first.
inline constexpr double coarse_mills_numerator[6] = {
    0x1.40d931f1b8b6ap+0, 0x1.67eeb7c3a7de3p+0, 0x1.823a84bcb2055p-1,
    0x1.e12d6bb44e486p-3, 0x1.5d3b8c2091bcbp-5, 0x1.ed3f77633fa9ap-9,
};

inline constexpr double coarse_mills_denominator[7] = {
    0x1.0000000000000p+0, 0x1.eb7166c4b6a58p+0, 0x1.a232c45b9c052p+0, 0x1.980d5c8c3a1a9p-1,
    0x1.e8e27a3e5e82bp-3, 0x1.5d3b8bae6df0cp-5, 0x1.ed3f7765102f4p-9,
};

}  // namespace optionsib::pricing
