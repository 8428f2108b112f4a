// Written by scripts/generate_simd_coefficients.py; do not edit.
#pragma once

namespace optionsib::montecarlo {

// Lowest power first.
inline constexpr double log_inverses[16] = {
    0x1.f07c200000000p-1, 0x1.d41d420000000p-1, 0x1.bacf920000000p-1, 0x1.a41a420000000p-1,
    0x1.8f9c180000000p-1, 0x1.7d05f40000000p-1, 0x1.6c16c20000000p-1, 0x1.5c98820000000p-1,
    0x1.4e5e0a0000000p-1, 0x1.4141420000000p-1, 0x1.3521d00000000p-1, 0x1.29e4120000000p-1,
    0x1.1f70480000000p-1, 0x1.15b1e60000000p-1, 0x1.0c97140000000p-1, 0x1.0410420000000p-1,
};

inline constexpr double log_table[16] = {
    0x1.f82990e783380p-6, 0x1.6f0d272e56b4dp-4, 0x1.29552c41ff52ep-3, 0x1.9525a80f456b8p-3,
    0x1.fb918bd5e3e44p-3, 0x1.2e8e2bee11d31p-2, 0x1.5d1bda55809d0p-2, 0x1.89a33a8c14264p-2,
    0x1.b44f791cc8f66p-2, 0x1.dd469dec1c4acp-2, 0x1.025529da5d100p-1, 0x1.154c3e3f4d5eep-1,
    0x1.2795e0e89b11bp-1, 0x1.393e0d2562a1ap-1, 0x1.4a4f87bb03ec9p-1, 0x1.5ad402d359f3cp-1,
};

inline constexpr double log_coefficients[8] = {
    -0x1.ffffffffffff3p-2, 0x1.555555555554ap-2, -0x1.0000000066907p-2, 0x1.9999999a5415cp-3,
    -0x1.5555454f53a61p-3, 0x1.24923a9363f54p-3, -0x1.006683c32b3a0p-3, 0x1.c7d6d6880307cp-4,
};

inline constexpr double sin_coefficients[6] = {
    -0x1.5555555555555p-3, 0x1.1111111110bb2p-7,   -0x1.a01a019e83816p-13,
    0x1.71de379654304p-19, -0x1.ae600aca92c64p-26, 0x1.5e0b05bff20f2p-33,
};

inline constexpr double cos_coefficients[7] = {
    -0x1.0000000000000p-1,  0x1.5555555555551p-5,  -0x1.6c16c16c15d77p-10, 0x1.a01a019de0f7cp-16,
    -0x1.27e4f8e47066ep-22, 0x1.1eea7efd95c58p-29, -0x1.8ff9bca27a304p-37,
};

inline constexpr double narrow_exp_coefficients[5] = {
    0x1.0000000000000p-1, 0x1.5554dcf88fd17p-3,  0x1.5555192d5f5dep-5,
    0x1.120b6e42d2112p-7, 0x1.6d11093a17fd8p-10,
};

inline constexpr double narrow_log_coefficients[8] = {
    -0x1.fffffe0f37aa4p-2, 0x1.555637ea8d481p-2, -0x1.0003068d0f297p-2, 0x1.9906fc17058dbp-3,
    -0x1.53ba2912e4c85p-3, 0x1.2fd06ddc968cep-3, -0x1.22095376b2315p-3, 0x1.68134f1d6e1c0p-4,
};

inline constexpr double narrow_sin_coefficients[3] = {
    -0x1.555552a46fe4ap-3,
    0x1.110c28675f6c5p-7,
    -0x1.9ac98da0e362fp-13,
};

inline constexpr double narrow_cos_coefficients[4] = {
    -0x1.fffffffab14f9p-2,
    0x1.55554cba9b713p-5,
    -0x1.6c0e080d7e233p-10,
    0x1.9a6f06c8e8a82p-16,
};

}  // namespace optionsib::montecarlo
