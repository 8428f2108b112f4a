// Written by scripts/generate_pricing_coefficients.py; do not edit.
#pragma once

namespace optionsib::pricing {

// Largest relative error of the total volatility on the fitted range: 2.0e-02.
inline constexpr int seed_rows = 7, seed_columns = 6;
inline constexpr double seed_coefficients[42] = {
    0x1.ee6a08ace5839p-2,  -0x1.af1ecfe8c1d74p-4, -0x1.1ebb3310f6799p-7, 0x1.cfe7e9cf8a5ecp-4,
    -0x1.101e9b2f11644p-3, -0x1.9c373d20f1579p-3, -0x1.fbf0f1f0b9529p-1, 0x1.017b20e0198f1p-1,
    0x1.c6f8a47fee84fp-3,  -0x1.ef8153528ce9fp-4, 0x1.9a01e3673c395p-3,  0x1.4a2c86697d478p-2,
    -0x1.485f77ed4dfeep-5, -0x1.024f71e0f4360p+0, -0x1.2374d379e97ffp-1, -0x1.e04046335ce73p-3,
    0x1.e4f67b8b84ccap-2,  0x1.cce5160235fe0p-2,  0x1.20fcd5ff10763p+1,  0x1.4e6a92c00c9cbp-1,
    -0x1.8acc57608d8dcp-6, 0x1.0010dd57c210fp-3,  -0x1.00e1b447001d2p+0, -0x1.db9b770b0c6bcp-1,
    -0x1.03976a0a287cap+1, 0x1.005c8f3ec8e9ap+0,  0x1.7241663103ae6p+0,  0x1.5e16ef4ca2d01p-2,
    0x1.0380069576ceep-5,  -0x1.e445f18a12a15p-3, -0x1.4d9af39c589fap-1, -0x1.e6a74a08ac096p+0,
    -0x1.97ec06e57bc12p+0, -0x1.2e86ad8370d5ep-3, 0x1.bba2b2babc2c4p-1,  0x1.1812457851e3dp+0,
    0x1.01b552f689b1bp+0,  0x1.baea3ea2fbd2ep-1,  0x1.0cfdacf5cf9f2p-1,  -0x1.4793d9ab7de2ep-4,
    -0x1.bea381c7866d4p-2, -0x1.021bdd525b315p-1,
};

}  // namespace optionsib::pricing
