// Written by scripts/generate_pricing_coefficients.py; do not edit.
#pragma once

namespace optionsib::math {

// Powers of z^2: (atanh(z) / z - 1) / z^2, |z| <= 1/3.
inline constexpr double atanh_coefficients[12] = {
    0x1.5555555555555p-2, 0x1.999999999999cp-3, 0x1.2492492491fe8p-3, 0x1.c71c71c77e0f7p-4,
    0x1.745d1724e5b21p-4, 0x1.3b13b7c41e111p-4, 0x1.11103f2bddc9fp-4, 0x1.e2046677f3c39p-5,
    0x1.ad46f379b316dp-5, 0x1.9739afdde0110p-5, 0x1.0371f75936f6fp-5, 0x1.37efaea22dc4bp-4,
};

}  // namespace optionsib::math
