// Written by scripts/generate_pricing_coefficients.py; do not edit.
#pragma once

namespace optionsib::math {

// Powers of t = (x - 5) / (x + 5), x >= 0.
inline constexpr double mills_coefficients[24] = {
    0x1.28273b50efa76p+0,   -0x1.d5fd8ffd0f1aap-3, 0x1.3e97eaf5f2f87p-4,   0x1.9ac85788f58b1p-6,
    -0x1.0f103e712ef39p-4,  0x1.f7d96e0d85ca6p-5,  -0x1.37838b3a20ea3p-5,  0x1.0bd973acc40a7p-6,
    -0x1.1355f4909ab39p-8,  0x1.47ab73fc90055p-16, 0x1.df3ecb4614c01p-12,  -0x1.19cda437ebfdcp-13,
    -0x1.a02c43d08b1aap-16, 0x1.7d010b3c70d15p-16, -0x1.7aabc20eeba8dp-23, -0x1.b7debee1da49ep-19,
    0x1.582e3c1549ea5p-22,  0x1.082372888b676p-21, -0x1.1afe8a6a10e00p-24, -0x1.4d39d50792f0ep-24,
    0x1.386a441084818p-27,  0x1.7b0f1fc3805e3p-27, -0x1.84e4459756919p-31, -0x1.06ea87375c5b4p-30,
};

inline constexpr double mills_slope_coefficients[27] = {
    0x1.4b670c83ea62fp+0,   -0x1.7992834805243p-2,  -0x1.cb41468bc98edp-6, 0x1.0b6f5d35fdaf1p-2,
    -0x1.181d05342c5ecp-2,  0x1.3b6fb59404b25p-3,   -0x1.e03b2bc4eac75p-6, -0x1.050330a8a6a73p-5,
    0x1.1ca41e7317a7dp-5,   -0x1.084d47500fcd6p-6,  0x1.312d4ed2e99b9p-9,  0x1.9d579ed75a463p-10,
    -0x1.bf142a8c0d507p-11, -0x1.2c76efbf7bfbdp-15, 0x1.342e54f8aa1eep-13, -0x1.20a2523ec3103p-16,
    -0x1.88a87e9c4fac9p-16, 0x1.4da412699df89p-18,  0x1.0d6dd8565879dp-18, -0x1.0c09df9875542p-20,
    -0x1.97abd3dd1c158p-21, 0x1.6483c5d3d43b4p-23,  0x1.369ee5e2ccc08p-23, -0x1.6bf49c14969f5p-26,
    -0x1.85829aa175e3fp-26, 0x1.a46744433c063p-30,  0x1.12a21dfe6a3bdp-29,
};

}  // namespace optionsib::math
